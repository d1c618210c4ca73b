/*
 * Goal: over TLS an app sees and says what it does in clear text, whatever the sizes; who is refused learns why, who
 * shows a certificate is named; a context is replaced without harm to what is open; nobody holds a connection by silence
 * or noise.  Method: the app of test_server.h behind real listeners, OpenSSL's own client against them.
 */
#include "net/test_server.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>

#include "net/test_pem.h"
#include "net/tls.h"

enum { YEAR_S = 365 * 86400 };

static struct test_pem ca, other_ca, server_pem, next_pem, good, expired, stranger;

static void make_pems(void)
{
    ca = pem_new("test CA", NULL, NULL, -60, YEAR_S);
    other_ca = pem_new("other CA", NULL, NULL, -60, YEAR_S);
    server_pem = pem_new("server", "DNS:localhost,IP:127.0.0.1", &ca, -60, YEAR_S);
    next_pem = pem_new("server 2", "DNS:localhost,IP:127.0.0.1", &ca, -60, 2 * YEAR_S);
    good = pem_new("agent", "DNS:a.example,URI:spiffe://x/agent,email:a@b.example", &ca, -60, YEAR_S);
    expired = pem_new("late", "DNS:late.example", &ca, -7200, -3600);
    stranger = pem_new("stranger", "DNS:s.example", &other_ca, -60, YEAR_S);
}

static void free_pems(void)
{
    struct test_pem *all[] = { &ca, &other_ca, &server_pem, &next_pem, &good, &expired, &stranger };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pem_free(all[i]);
}

static struct tls *context(const struct test_pem *own, enum tls_clients clients)
{
    struct tls_config config = { .cert = buf_view(&own->cert_pem), .key = buf_view(&own->key_pem), .clients = clients };
    struct tls       *tls;
    struct fault      why;

    if (clients != TLS_CLIENTS_ANY)
        config.ca = buf_view(&ca.cert_pem);
    if (tls_server_new(&config, &tls, &why) != CODE_OK) {
        fprintf(stderr, "%s\n", why.text);
        abort();
    }
    return tls;
}

static void start(struct server *s, const struct test_pem *own, enum tls_clients clients,
                  const struct http_limits *limits)
{
    server_tls = context(own, clients);
    server_start(s, limits);
    tls_unref(server_tls);
}

/* --- a client ----------------------------------------------------------------------------------------------------- */

struct caller {
    SSL_CTX *ctx;
    SSL     *ssl;
    int      fd;
};

/* Shakes hands, or not: SSL_connect's answer is in *rc.  `alpn` as on the wire, NULL: none is offered. */
static struct caller call_as(const struct server *s, const char *alpn, const struct test_pem *own, int version, int *rc)
{
    struct caller  c = { .ctx = SSL_CTX_new(TLS_client_method()), .fd = dial(s) };
    struct timeval patience = { .tv_sec = 20 };

    setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    SSL_CTX_set_max_proto_version(c.ctx, version);
    SSL_CTX_set_verify(c.ctx, SSL_VERIFY_PEER, NULL);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(c.ctx), ca.x);
    if (own != NULL)
        assert(SSL_CTX_use_certificate(c.ctx, own->x) == 1 && SSL_CTX_use_PrivateKey(c.ctx, own->key) == 1);
    c.ssl = SSL_new(c.ctx);
    if (alpn != NULL)
        SSL_set_alpn_protos(c.ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    SSL_set_fd(c.ssl, c.fd);
    ERR_clear_error();
    *rc = SSL_connect(c.ssl);
    return c;
}

static struct caller call(const struct server *s, const char *alpn)
{
    int           rc;
    struct caller c = call_as(s, alpn, NULL, TLS1_3_VERSION, &rc);

    assert(rc == 1);
    return c;
}

static void hang_up(struct caller *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    close(c->fd);
}

static void tell(struct caller *c, struct slice s) { assert(SSL_write(c->ssl, s.p, (int)s.n) == (int)s.n); }

/* What comes until the peer ends, or until `mark` was seen. */
static struct buf listen_to(struct caller *c, const char *mark)
{
    struct buf b = { 0 };

    while (mark == NULL || !has(&b, mark)) {
        int n = SSL_read(c->ssl, buf_reserve(&b, 65536), 65536);
        if (n <= 0)
            break;
        b.n += (size_t)n;
    }
    return b;
}

/* --- what is said ------------------------------------------------------------------------------------------------- */

#define GET(path) "GET " path " HTTP/1.1\r\nhost: x\r\n\r\n"

static void h1_over_tls(const struct server *s)
{
    static const char *const alpns[] = { "\x08http/1.1", NULL };
    static const int         versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

    for (int i = 0; i < 4; i++) {
        int           rc;
        struct caller c = call_as(s, alpns[i % 2], NULL, versions[i / 2], &rc);
        assert(rc == 1 && SSL_version(c.ssl) == versions[i / 2]);
        for (int k = 0; k < 3; k++) {
            tell(&c, SLICE(GET("/query?a=b")));
            struct buf b = listen_to(&c, "a=b");
            assert(has(&b, "HTTP/1.1 200 OK\r\n") && has(&b, "a=b"));
            buf_free(&b);
        }
        tell(&c, SLICE("GET /query?end HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
        struct buf b = listen_to(&c, NULL);
        assert(has(&b, "\r\n\r\nend"));
        assert(SSL_get_shutdown(c.ssl) & SSL_RECEIVED_SHUTDOWN); /* it said that this was all */
        buf_free(&b);
        hang_up(&c);
    }
}

/* A client that says close_notify, and only then reads, is answered. */
static void h1_half_close(const struct server *s)
{
    struct caller c = call(s, NULL);

    tell(&c, SLICE(GET("/query?half")));
    SSL_shutdown(c.ssl);
    struct buf b = listen_to(&c, NULL);
    assert(has(&b, "\r\n\r\nhalf"));
    buf_free(&b);
    hang_up(&c);
}

static void large_bodies(const struct server *s)
{
    struct caller c = call(s, NULL);
    char         *body = mem_alloc(3000000);
    const char   *head = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3000000\r\n\r\n";

    for (size_t i = 0; i < 3000000; i++)
        body[i] = (char)(i * 31 + i / 251);
    tell(&c, slice_of(head));
    for (size_t at = 0; at < 3000000; at += 100000)
        tell(&c, slice_make(body + at, 100000));
    struct buf b = { 0 };
    while (b.n < 3000000 || slice_find(buf_view(&b), SLICE("\r\n\r\n")) + 4 + 3000000 > b.n) {
        int n = SSL_read(c.ssl, buf_reserve(&b, 65536), 65536);
        assert(n > 0);
        b.n += (size_t)n;
    }
    size_t at = slice_find(buf_view(&b), SLICE("\r\n\r\n")) + 4;
    assert(b.n == at + 3000000 && memcmp(b.p + at, body, 3000000) == 0);
    buf_free(&b);
    free(body);
    hang_up(&c);
}

/* Twenty megabytes to one that takes them in sips: the app waits, nothing is lost, the connection ends well. */
static void slow_reader(const struct server *s)
{
    struct caller c = call(s, NULL);
    int           small = 32 << 10;
    size_t        n = 0;
    char          sip[777];

    setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    tell(&c, SLICE("GET /stream HTTP/1.0\r\n\r\n"));
    for (int got; (got = SSL_read(c.ssl, sip, sizeof sip)) > 0; n += (size_t)got)
        if (n < 100000)
            usleep(100);
    assert(n > 20000000 && SSL_get_shutdown(c.ssl) & SSL_RECEIVED_SHUTDOWN);
    hang_up(&c);
}

/* --- who is refused ----------------------------------------------------------------------------------------------- */

static int reason_of_last(void) { return ERR_GET_REASON(ERR_peek_error()); }

static void unknown_protocols(const struct server *s)
{
    int           rc;
    struct caller c = call_as(s, "\x05h3-29\x06spdy/3", NULL, TLS1_3_VERSION, &rc);

    assert(rc != 1 && reason_of_last() == SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
    hang_up(&c);
}

static void old_versions(const struct server *s)
{
    int           rc;
    struct caller c = call_as(s, NULL, NULL, TLS1_1_VERSION, &rc);

    assert(rc != 1);
    hang_up(&c);
}

/* TLS 1.2 has it; it is refused and what was open goes on. */
static void renegotiation(const struct server *s)
{
    int           rc;
    struct caller c = call_as(s, NULL, NULL, TLS1_2_VERSION, &rc);

    assert(rc == 1 && SSL_renegotiate(c.ssl) == 1);
    assert(SSL_do_handshake(c.ssl) != 1 || SSL_renegotiate_pending(c.ssl));
    hang_up(&c);
    c = call(s, NULL);
    tell(&c, SLICE(GET("/query?still")));
    struct buf b = listen_to(&c, "still");
    assert(has(&b, "still"));
    buf_free(&b);
    hang_up(&c);
}

static bool is_closed(int fd)
{
    struct buf b = hear(fd, NULL, 0);

    buf_free(&b);
    close(fd);
    return true;
}

static void noise(const struct server *s)
{
    int fd = dial(s);

    say(fd, SLICE(GET("/query?clear")));
    struct buf b = hear(fd, NULL, 0);
    assert(!has(&b, "HTTP/")); /* an alert perhaps, and the end */
    buf_free(&b);
    close(fd);
    fd = dial(s);
    say(fd, SLICE("\x16\x03\x01\xff\xff\xff\xff\xff\xff rest of something that is no ClientHello"));
    shutdown(fd, SHUT_WR);
    assert(is_closed(fd));
    fd = dial(s);
    say(fd, SLICE("\x16\x03\x01\x02"));
    shutdown(fd, SHUT_WR);
    assert(is_closed(fd));
}

static void silence(void)
{
    struct http_limits limits = http_limits_default;
    struct server      s;

    limits.head_wait_ns = 200 * NS_PER_MS;
    start(&s, &server_pem, TLS_CLIENTS_ANY, &limits);
    int fd = dial(&s), half = dial(&s);
    say(half, SLICE("\x16\x03\x01\x01\x00\x01"));
    assert(is_closed(fd) && is_closed(half));
    struct caller c = call(&s, NULL); /* shaken, and then nothing */
    struct buf    b = listen_to(&c, NULL);
    assert(has(&b, "HTTP/1.1 408 ") || b.n == 0);
    buf_free(&b);
    hang_up(&c);
    server_stop(&s);
}

/* --- certificates of clients -------------------------------------------------------------------------------------- */

/* What the app saw of the names; empty when the connection was refused. */
static struct buf names_seen(const struct server *s, const struct test_pem *own, int version)
{
    int           rc;
    struct caller c = call_as(s, NULL, own, version, &rc);
    struct buf    b = { 0 };

    if (rc == 1 && SSL_write(c.ssl, GET("/names"), sizeof GET("/names") - 1) > 0) /* 1.3 learns of it when it reads */
        b = listen_to(&c, ".\n");
    hang_up(&c);
    return b;
}

static void expect_names(const struct server *s, const struct test_pem *own, const char *want)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

    for (int i = 0; i < 2; i++) {
        struct buf b = names_seen(s, own, versions[i]);
        assert(want == NULL ? b.n == 0 : has(&b, want));
        buf_free(&b);
    }
}

#define GOOD_NAMES "\r\n\r\nagent a.example spiffe://x/agent a@b.example .\n"

static void client_certificates(void)
{
    struct server s;

    start(&s, &server_pem, TLS_CLIENTS_REQUIRED, &http_limits_default);
    expect_names(&s, &good, GOOD_NAMES);
    expect_names(&s, NULL, NULL);
    expect_names(&s, &stranger, NULL);
    expect_names(&s, &expired, NULL);
    server_stop(&s);
    start(&s, &server_pem, TLS_CLIENTS_OPTIONAL, &http_limits_default);
    expect_names(&s, &good, GOOD_NAMES);
    expect_names(&s, NULL, "\r\n\r\n.\n");
    expect_names(&s, &stranger, NULL);
    server_stop(&s);
    start(&s, &server_pem, TLS_CLIENTS_ANY, &http_limits_default);
    expect_names(&s, &good, "\r\n\r\n.\n"); /* nobody asked */
    server_stop(&s);
}

/* --- contexts ----------------------------------------------------------------------------------------------------- */

static bool shows(const struct server *s, const char *name)
{
    struct caller c = call(s, NULL);
    X509         *x = SSL_get0_peer_certificate(c.ssl);
    char          text[64];

    X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, text, sizeof text);
    hang_up(&c);
    return strcmp(text, name) == 0;
}

static bool shows_next(void *s) { return shows(s, "server 2"); }

static void renewal(void)
{
    struct server s;

    start(&s, &server_pem, TLS_CLIENTS_ANY, &http_limits_default);
    assert(shows(&s, "server"));
    struct caller open = call(&s, NULL);
    struct tls   *next = context(&next_pem, TLS_CLIENTS_ANY);
    listener_set_tls(s.listener, next);
    assert(tls_expires_s(next) > (int64_t)time(NULL) + YEAR_S);
    tls_unref(next);
    assert(soon(shows_next, &s));
    for (int i = 0; i < 10; i++)
        assert(shows(&s, "server 2")); /* every loop has it */
    tell(&open, SLICE(GET("/query?old")));
    struct buf b = listen_to(&open, "old");
    assert(has(&b, "old"));
    buf_free(&b);
    hang_up(&open);
    server_stop(&s);
}

static void expect_fault(const struct tls_config *config, bool is_client, const char *words)
{
    struct tls  *tls;
    struct fault why;
    enum code    code = is_client ? tls_client_new(config, &tls, &why) : tls_server_new(config, &tls, &why);

    if (code != CODE_INVALID_ARGUMENT || strstr(why.text, words) == NULL) {
        fprintf(stderr, "wanted \"%s\", got %d %s\n", words, code, code ? why.text : "");
        abort();
    }
}

static void faults(void)
{
    struct slice      cert = buf_view(&server_pem.cert_pem), key = buf_view(&server_pem.key_pem);
    struct slice      half = slice_make(cert.p, cert.n / 2);
    struct tls_config c = { .cert = SLICE(""), .key = key, .cert_name = "a.crt", .key_name = "a.key", .ca_name = "ca" };

    expect_fault(&c, false, "a.crt: there is no certificate");
    c.cert = half;
    expect_fault(&c, false, "a.crt: certificate 0: ");
    c.cert = cert;
    c.key = SLICE("nothing");
    expect_fault(&c, false, "a.key: there is no private key");
    c.key = buf_view(&good.key_pem);
    expect_fault(&c, false, "a.key: the key does not match the certificate a.crt");
    c.key = key;
    c.clients = TLS_CLIENTS_REQUIRED;
    expect_fault(&c, false, "ca: there is no CA certificate");
    c.ca = half;
    expect_fault(&c, false, "ca: CA certificate 0: ");
    expect_fault(&c, true, "ca: CA certificate 0: ");
}

int main(void)
{
    struct server s;

    signal(SIGPIPE, SIG_IGN);
    make_pems();
    faults();
    start(&s, &server_pem, TLS_CLIENTS_ANY, &http_limits_default);
    h1_over_tls(&s);
    h1_half_close(&s);
    large_bodies(&s);
    slow_reader(&s);
    unknown_protocols(&s);
    old_versions(&s);
    renegotiation(&s);
    noise(&s);
    assert(soon(none_open, &s));
    server_stop(&s);
    silence();
    client_certificates();
    renewal();
    free_pems();
    return 0;
}
