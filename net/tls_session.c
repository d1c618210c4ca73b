#include "net/tls_session.h"

#include <arpa/inet.h>
#include <assert.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>

#include "base/arena.h"
#include "base/mem.h"
#include "net/tls_priv.h"

enum { NAMES_MAX = 64, PIECES = 64 };

struct tls_session {
    struct tls   *tls;
    SSL          *ssl;
    struct slice  in; /* fed and not yet taken by OpenSSL */
    struct outq   wire;
    const char   *why;   /* NULL unless broken; OpenSSL's static text */
    struct arena *arena; /* of `names`; NULL: there are none */
    struct slice *names;
    size_t        n_names;
    bool          is_ready;
};

/* --- the BIO: OpenSSL's view of `in` and `wire` ------------------------------------------------------------------- */

static int bio_read(BIO *b, char *into, int room)
{
    struct tls_session *t = BIO_get_data(b);
    size_t              n = t->in.n < (size_t)room ? t->in.n : (size_t)room;

    BIO_clear_retry_flags(b);
    if (n == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    memcpy(into, t->in.p, n);
    t->in = slice_from(t->in, n);
    return (int)n;
}

static int bio_write(BIO *b, const char *bytes, int n)
{
    struct tls_session *t = BIO_get_data(b);

    BIO_clear_retry_flags(b);
    outq_copy(&t->wire, bytes, (size_t)n);
    return n;
}

static long bio_ctrl(BIO *b, int what, long number, void *arg)
{
    (void)b;
    (void)number;
    (void)arg;
    return what == BIO_CTRL_FLUSH; /* there is nothing behind it to flush to */
}

static BIO_METHOD *bio_method;

static void make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "turn of a loop");
    if (bio_method == NULL)
        abort(); /* out of memory */
    BIO_meth_set_read(bio_method, bio_read);
    BIO_meth_set_write(bio_method, bio_write);
    BIO_meth_set_ctrl(bio_method, bio_ctrl);
}

static void attach_bio(struct tls_session *t)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_bio_method);
    BIO *b = BIO_new(bio_method);
    if (b == NULL)
        abort();
    BIO_set_data(b, t);
    BIO_set_init(b, 1);
    SSL_set_bio(t->ssl, b, b);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static bool is_address(const char *host)
{
    unsigned char room[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, room) == 1 || inet_pton(AF_INET6, host, room) == 1;
}

static void expect_host(SSL *ssl, const char *host)
{
    if (is_address(host)) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
        return;
    }
    SSL_set_tlsext_host_name(ssl, host);
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(ssl, host);
}

struct tls_session *tls_session_new(struct tls *context, const char *host)
{
    struct tls_session *t = mem_zalloc(sizeof *t);

    assert(context->is_server == (host == NULL));
    t->tls = tls_ref(context);
    t->ssl = SSL_new(context->ctx);
    if (t->ssl == NULL)
        abort(); /* out of memory */
    attach_bio(t);
    if (host != NULL) {
        SSL_set_connect_state(t->ssl);
        expect_host(t->ssl, host);
    } else {
        SSL_set_accept_state(t->ssl);
    }
    return t;
}

static void count(const struct tls_session *t, enum handshake_result result)
{
    if (t->tls->is_server)
        metric_add(t->tls->shakes[result], 1);
}

void tls_session_free(struct tls_session *t)
{
    if (t == NULL)
        return;
    if (!t->is_ready && t->why == NULL)
        count(t, SHAKE_ABANDONED);
    SSL_free(t->ssl);
    outq_free(&t->wire);
    arena_free(t->arena);
    tls_unref(t->tls);
    free(t);
}

/* --- the peer's names --------------------------------------------------------------------------------------------- */

/* A name with a NUL inside is made to be misread. */
static void add_name(struct tls_session *t, const ASN1_STRING *s)
{
    unsigned char *text;
    int            n = ASN1_STRING_to_UTF8(&text, s);

    if (n < 0)
        return;
    if (n > 0 && memchr(text, '\0', (size_t)n) == NULL && t->n_names < NAMES_MAX)
        t->names[t->n_names++] = arena_copy(t->arena, slice_make(text, (size_t)n));
    OPENSSL_free(text);
}

static void add_alternatives(struct tls_session *t, X509 *cert)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS || name->type == GEN_URI || name->type == GEN_EMAIL)
            add_name(t, name->d.ia5);
    }
    GENERAL_NAMES_free(names);
}

static void find_names(struct tls_session *t)
{
    X509 *cert = SSL_get0_peer_certificate(t->ssl);

    if (cert == NULL)
        return;
    const X509_NAME *subject = X509_get_subject_name(cert);
    int              cn = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    t->arena = arena_new(0);
    t->names = arena_array(t->arena, NAMES_MAX, sizeof *t->names);
    if (cn >= 0)
        add_name(t, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, cn)));
    add_alternatives(t, cert);
}

/* --- talking ------------------------------------------------------------------------------------------------------ */

static const char *words_of_error(const struct tls_session *t)
{
    long        verdict = SSL_get_verify_result(t->ssl);
    const char *text = ERR_reason_error_string(ERR_peek_error());

    if (verdict != X509_V_OK)
        return X509_verify_cert_error_string(verdict);
    return text ? text : "TLS failed";
}

static enum tls_step step_of(struct tls_session *t, int rc)
{
    switch (SSL_get_error(t->ssl, rc)) {
    case SSL_ERROR_NONE:
        return TLS_MORE;
    case SSL_ERROR_WANT_READ:
        return TLS_WAITS;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_ENDED;
    default:
        break;
    }
    if (t->why == NULL)
        t->why = words_of_error(t);
    return TLS_BROKEN;
}

static enum handshake_result result_of_failure(const struct tls_session *t)
{
    if (SSL_get_verify_result(t->ssl) != X509_V_OK)
        return SHAKE_BAD_CERTIFICATE;
    if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        return SHAKE_NO_CERTIFICATE;
    return SHAKE_FAILED;
}

/* What stands behind the end means nothing. */
static void drop_after(struct tls_session *t, enum tls_step step)
{
    assert(step != TLS_WAITS || t->in.n == 0); /* N1 */
    if (step == TLS_ENDED || step == TLS_BROKEN)
        t->in = (struct slice){ 0 };
}

/* A client of ours speaks HTTP/2 and nothing else. */
static enum tls_step met(struct tls_session *t)
{
    if (!t->tls->is_server && !slice_is(tls_session_protocol(t), "h2")) {
        t->why = "it does not speak HTTP/2 over TLS";
        return TLS_BROKEN;
    }
    t->is_ready = true;
    count(t, SHAKE_OK);
    find_names(t);
    return TLS_MORE;
}

void tls_session_feed(struct tls_session *t, struct slice bytes)
{
    assert(t->in.n == 0); /* N1 */
    t->in = bytes;
}

enum tls_step tls_session_shake(struct tls_session *t)
{
    ERR_clear_error();
    enum tls_step step = step_of(t, SSL_do_handshake(t->ssl));

    assert(!t->is_ready);
    if (step == TLS_BROKEN)
        count(t, result_of_failure(t));
    ERR_clear_error();
    drop_after(t, step);
    return step == TLS_MORE ? met(t) : step;
}

enum tls_step tls_session_read(struct tls_session *t, char *into, size_t room, size_t *n)
{
    enum tls_step step = TLS_MORE;

    *n = 0;
    ERR_clear_error();
    while (*n < room && step == TLS_MORE) {
        size_t got = 0;
        step = step_of(t, SSL_read_ex(t->ssl, into + *n, room - *n, &got));
        *n += got;
    }
    ERR_clear_error();
    drop_after(t, step);
    return *n > 0 ? TLS_MORE : step; /* the end is seen again at the next reading */
}

const char *tls_session_why(const struct tls_session *t) { return t->why; }

static void iov_pass(struct iovec **at, int *n_at, size_t n)
{
    (*at)->iov_base = (char *)(*at)->iov_base + n;
    (*at)->iov_len -= n;
    if ((*at)->iov_len == 0) {
        (*at)++;
        (*n_at)--;
    }
}

/* A record of the first bytes at *at, which moves behind them: from several pieces, through `record`. */
static struct slice cut_record(struct iovec **at, int *n_at, char *record)
{
    size_t n = 0;

    if ((*at)->iov_len >= TLS_RECORD_BYTES || *n_at == 1) {
        n = (*at)->iov_len < TLS_RECORD_BYTES ? (*at)->iov_len : TLS_RECORD_BYTES;
        record = (*at)->iov_base;
        iov_pass(at, n_at, n);
        return slice_make(record, n);
    }
    while (*n_at > 0 && n < TLS_RECORD_BYTES) {
        size_t fits = TLS_RECORD_BYTES - n < (*at)->iov_len ? TLS_RECORD_BYTES - n : (*at)->iov_len;
        memcpy(record + n, (*at)->iov_base, fits);
        iov_pass(at, n_at, fits);
        n += fits;
    }
    return slice_make(record, n);
}

/* Records are filled: one for each frame would cost the peer as many headers and tags. */
bool tls_session_seal(struct tls_session *t, const struct outq *from, size_t *n)
{
    char         record[TLS_RECORD_BYTES];
    struct iovec iov[PIECES], *at = iov;
    int          n_at = outq_view(from, iov, PIECES);
    size_t       done;

    *n = 0;
    ERR_clear_error();
    while (n_at > 0 && *n < TLS_SEAL_BYTES && t->why == NULL) {
        struct slice s = cut_record(&at, &n_at, record);
        int          rc = SSL_write_ex(t->ssl, s.p, s.n, &done);
        if (rc != 1)
            (void)step_of(t, rc);
        assert(t->why != NULL || (rc == 1 && done == s.n)); /* N2: it never waits */
        *n += s.n;
    }
    ERR_clear_error();
    return t->why == NULL;
}

struct outq *tls_session_wire(struct tls_session *t) { return &t->wire; }

void tls_session_bye(struct tls_session *t)
{
    if (!t->is_ready || t->why != NULL)
        return;
    SSL_shutdown(t->ssl);
    ERR_clear_error();
}

struct slice tls_session_protocol(const struct tls_session *t)
{
    const unsigned char *name;
    unsigned             n;

    SSL_get0_alpn_selected(t->ssl, &name, &n);
    return slice_make(name, n);
}

const struct slice *tls_session_names(const struct tls_session *t, size_t *n)
{
    *n = t->n_names;
    return t->names;
}
