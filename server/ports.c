#include "server/ports.h"

#include "base/mem.h"
#include "net/listen.h"
#include "server/certificates.h"

struct ports {
    const struct config *config;
    struct certificates *certificates; /* NULL: all is clear text */
    struct listener     *listeners[LISTEN_MAX];
    size_t               n;
};

static struct tls *context_of(const struct ports *p, enum listen_how how)
{
    if (how == LISTEN_CLEAR)
        return NULL;
    return certificates_get(p->certificates, how == LISTEN_MTLS ? CERTIFICATE_MTLS : CERTIFICATE_TLS);
}

static enum code open_certificates(struct ports *p, struct fault *why)
{
    const struct config           *c = p->config;
    const struct certificate_files files = { .cert = c->tls_cert_file, .key = c->tls_key_file, .ca = c->tls_ca_file };
    unsigned                       wanted = (unsigned)listen_list_has(&c->listening, LISTEN_TLS) << CERTIFICATE_TLS |
                      (unsigned)listen_list_has(&c->listening, LISTEN_MTLS) << CERTIFICATE_MTLS;

    return wanted ? certificates_open(&files, wanted, &p->certificates, why) : CODE_OK;
}

enum code ports_open(const struct config *config, struct loop *const *loops, size_t n_loops, struct rpc_server *rpc,
                     const struct http_limits *limits, struct ports **out, struct fault *why)
{
    struct ports *p = mem_zalloc(sizeof *p);

    p->config = config;
    enum code code = open_certificates(p, why);
    for (size_t i = 0; code == CODE_OK && i < config->listening.n; i++) {
        const struct listen_at *at = &config->listening.at[i];
        struct http_app         app = rpc_server_app(rpc, at->faces);
        code = listener_new(at->address, loops, n_loops, &app, limits, context_of(p, at->how), &p->listeners[i], why);
        p->n += code == CODE_OK;
    }
    if (code == CODE_OK)
        *out = p;
    else
        ports_free(p);
    return code;
}

const char *ports_address(const struct ports *p, size_t i)
{
    return i < p->n ? listener_address(p->listeners[i]) : NULL;
}

void ports_renew(struct ports *p)
{
    if (p->certificates == NULL || !certificates_renew(p->certificates))
        return;
    for (size_t i = 0; i < p->n; i++)
        if (p->config->listening.at[i].how != LISTEN_CLEAR)
            listener_set_tls(p->listeners[i], context_of(p, p->config->listening.at[i].how));
}

void ports_reread(struct ports *p)
{
    if (p->certificates != NULL)
        certificates_reread(p->certificates);
}

void ports_drain(struct ports *p)
{
    for (size_t i = 0; i < p->n; i++)
        listener_drain(p->listeners[i]);
}

int64_t ports_connections(const struct ports *p)
{
    int64_t n = 0;

    for (size_t i = 0; i < p->n; i++)
        n += listener_connections(p->listeners[i]);
    return n;
}

void ports_free(struct ports *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n; i++)
        listener_free(p->listeners[i]);
    certificates_free(p->certificates);
    free(p);
}
