#include "net/tls_priv.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "base/mem.h"

static const char CIPHERS_12[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const char SESSION_CONTEXT[] = "hearth";

enum { PEM_BYTES_MAX = 1 << 20 };

static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    return text ? text : "it cannot be used";
}

static const char *name_or(const char *name, const char *words) { return name ? name : words; }

/* Without this OpenSSL asks the terminal. */
static int no_password(char *into, int n, int for_writing, void *arg)
{
    (void)into;
    (void)n;
    (void)for_writing;
    (void)arg;
    return -1;
}

static BIO *pem_open(struct slice pem)
{
    BIO *b = BIO_new_mem_buf(pem.n ? pem.p : "", (int)pem.n);

    if (b == NULL)
        abort(); /* out of memory */
    return b;
}

static X509 *pem_next(BIO *b) { return PEM_read_bio_X509(b, NULL, no_password, NULL); }

/* Did the reading of PEM end because there was no more, rather than at something broken? */
static bool is_pem_end(void) { return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE; }

static int64_t time_of(const ASN1_TIME *t)
{
    struct tm tm;

    return ASN1_TIME_to_tm(t, &tm) ? (int64_t)timegm(&tm) : 0;
}

/* Gives `x` to the context: the first as its own, the others as the way to the root. */
static bool add_certificate(struct tls *t, X509 *x, bool is_first)
{
    if (!is_first)
        return SSL_CTX_add1_chain_cert(t->ctx, x) == 1;
    t->expires_s = time_of(X509_get0_notAfter(x));
    return SSL_CTX_use_certificate(t->ctx, x) == 1;
}

static enum code load_chain(struct tls *t, const struct tls_config *config, struct fault *why)
{
    const char *name = name_or(config->cert_name, "certificate");
    BIO        *b = pem_open(config->cert);
    X509       *x;
    int         n = 0;
    bool        is_good = true;

    while (is_good && (x = pem_next(b)) != NULL) {
        is_good = add_certificate(t, x, n++ == 0);
        X509_free(x);
    }
    BIO_free(b);
    if (is_good && !is_pem_end())
        is_good = false;
    if (!is_good)
        return fail(why, CODE_INVALID_ARGUMENT, "%s: certificate %d: %s", name, n, reason());
    if (n == 0)
        return fail(why, CODE_INVALID_ARGUMENT, "%s: there is no certificate in PEM", name);
    return CODE_OK;
}

static enum code load_key(struct tls *t, const struct tls_config *config, struct fault *why)
{
    const char *name = name_or(config->key_name, "key");
    BIO        *b = pem_open(config->key);
    EVP_PKEY   *key = PEM_read_bio_PrivateKey(b, NULL, no_password, NULL);
    enum code   code = CODE_OK;

    if (key == NULL)
        code =
            fail(why, CODE_INVALID_ARGUMENT, "%s: there is no private key in PEM, not encrypted: %s", name, reason());
    else if (SSL_CTX_use_PrivateKey(t->ctx, key) != 1 || SSL_CTX_check_private_key(t->ctx) != 1)
        code = fail(why, CODE_INVALID_ARGUMENT, "%s: the key does not match the certificate %s: %s", name,
                    name_or(config->cert_name, ""), reason());
    EVP_PKEY_free(key);
    BIO_free(b);
    return code;
}

static enum code load_ca(struct tls *t, const struct tls_config *config, struct fault *why)
{
    const char *name = name_or(config->ca_name, "CA");
    BIO        *b = pem_open(config->ca);
    X509       *x;
    int         n = 0;
    bool        is_good = true;

    for (; is_good && (x = pem_next(b)) != NULL; n++) {
        is_good = X509_STORE_add_cert(SSL_CTX_get_cert_store(t->ctx), x) == 1 &&
                  (!t->is_server || SSL_CTX_add_client_CA(t->ctx, x) == 1);
        X509_free(x);
    }
    BIO_free(b);
    if (!is_good || !is_pem_end())
        return fail(why, CODE_INVALID_ARGUMENT, "%s: CA certificate %d: %s", name, n, reason());
    if (n == 0)
        return fail(why, CODE_INVALID_ARGUMENT, "%s: there is no CA certificate in PEM", name);
    return CODE_OK;
}

static enum code load_own(struct tls *t, const struct tls_config *config, struct fault *why)
{
    enum code code = load_chain(t, config, why);

    return code == CODE_OK ? load_key(t, config, why) : code;
}

static struct tls *tls_new(const SSL_METHOD *method, bool is_server)
{
    struct tls *t = mem_zalloc(sizeof *t);

    t->refs = 1;
    t->is_server = is_server;
    t->ctx = SSL_CTX_new(method);
    if (t->ctx == NULL || SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(t->ctx, CIPHERS_12) != 1)
        abort(); /* out of memory, or a libssl that cannot do what it is here for */
    SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(t->ctx, SSL_MODE_RELEASE_BUFFERS |   /* idle connections hold little */
                                 SSL_MODE_NO_AUTO_CHAIN); /* what the texts say, nothing from the CAs of the others */
    return t;
}

/* --- servers ------------------------------------------------------------------------------------------------------ */

/* HTTP/2 before HTTP/1.1, whatever the client prefers; a client that offers neither is told so by an alert. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *n_out, const unsigned char *offered,
                           unsigned n, void *arg)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    unsigned char             *chosen;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, n_out, ours, sizeof ours - 1, offered, n) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void make_metrics(struct tls *t)
{
    static const char *const results[SHAKES] = {
        [SHAKE_OK] = "result=\"ok\"",
        [SHAKE_NO_CERTIFICATE] = "result=\"no_certificate\"",
        [SHAKE_BAD_CERTIFICATE] = "result=\"bad_certificate\"",
        [SHAKE_FAILED] = "result=\"failed\"",
        [SHAKE_ABANDONED] = "result=\"abandoned\"",
    };

    for (int i = 0; i < SHAKES; i++)
        t->shakes[i] =
            metric_counter("hearth_tls_handshakes_total", "TLS handshakes of clients, by how they ended.", results[i]);
}

static enum code ask_clients(struct tls *t, const struct tls_config *config, struct fault *why)
{
    int mode = SSL_VERIFY_PEER | (config->clients == TLS_CLIENTS_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);

    if (config->clients == TLS_CLIENTS_ANY)
        return CODE_OK;
    SSL_CTX_set_verify(t->ctx, mode, NULL);
    SSL_CTX_set_session_id_context(t->ctx, (const unsigned char *)SESSION_CONTEXT, sizeof SESSION_CONTEXT - 1);
    return load_ca(t, config, why);
}

static enum code check_sizes(const struct tls_config *config, struct fault *why)
{
    if (config->cert.n > PEM_BYTES_MAX || config->key.n > PEM_BYTES_MAX || config->ca.n > PEM_BYTES_MAX)
        return fail(why, CODE_INVALID_ARGUMENT, "certificates: a text is larger than %d bytes", PEM_BYTES_MAX);
    ERR_clear_error();
    return CODE_OK;
}

static enum code give(struct tls *t, enum code code, struct tls **out)
{
    ERR_clear_error();
    if (code == CODE_OK)
        *out = t;
    else
        tls_unref(t);
    return code;
}

enum code tls_server_new(const struct tls_config *config, struct tls **out, struct fault *why)
{
    enum code code = check_sizes(config, why);

    if (code != CODE_OK)
        return code;
    struct tls *t = tls_new(TLS_server_method(), true);
    SSL_CTX_set_alpn_select_cb(t->ctx, choose_protocol, NULL);
    SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF); /* tickets: the client keeps its session */
    make_metrics(t);
    code = load_own(t, config, why);
    if (code == CODE_OK)
        code = ask_clients(t, config, why);
    return give(t, code, out);
}

/* --- clients ------------------------------------------------------------------------------------------------------ */

static enum code trust_system(struct tls *t, struct fault *why)
{
    if (SSL_CTX_set_default_verify_paths(t->ctx) == 1)
        return CODE_OK;
    return fail(why, CODE_INVALID_ARGUMENT, "the system's CA certificates cannot be read: %s", reason());
}

enum code tls_client_new(const struct tls_config *config, struct tls **out, struct fault *why)
{
    static const unsigned char h2[] = "\x02h2";
    enum code                  code = check_sizes(config, why);

    if (code != CODE_OK)
        return code;
    struct tls *t = tls_new(TLS_client_method(), false);
    SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_alpn_protos(t->ctx, h2, sizeof h2 - 1);
    code = config->ca.n > 0 ? load_ca(t, config, why) : trust_system(t, why);
    if (code == CODE_OK && config->cert.n > 0)
        code = load_own(t, config, why);
    return give(t, code, out);
}

/* --- both --------------------------------------------------------------------------------------------------------- */

struct tls *tls_ref(struct tls *t)
{
    if (t != NULL)
        atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void tls_unref(struct tls *t)
{
    if (t == NULL || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(t->ctx);
    free(t);
}

int64_t tls_expires_s(const struct tls *t) { return t->expires_s; }
