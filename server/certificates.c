#include "server/certificates.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "server/config.h"

enum { FILE_BYTES_MAX = 1 << 20, FILES = 3 };

/* How files look from outside: what differs after somebody replaced one, in place or by renaming. */
struct stamp {
    struct {
        ino_t           inode;
        off_t           size;
        struct timespec changed;
    } of[FILES];
};

struct certificates {
    struct certificate_files files;
    unsigned                 wanted;
    struct tls              *now[CERTIFICATE_USES];
    struct stamp             read, seen; /* when they were read; at the last look */
    bool                     is_forced;
    struct metric           *good, *expiry;
};

static struct stamp stamp_of(const struct certificate_files *files)
{
    const char  *paths[FILES] = { files->cert, files->key, files->ca };
    struct stamp s;

    memset(&s, 0, sizeof s);
    for (int i = 0; i < FILES; i++) {
        struct stat st;
        if (paths[i][0] == '\0' || stat(paths[i], &st) != 0)
            continue;
        s.of[i].inode = st.st_ino;
        s.of[i].size = st.st_size;
        s.of[i].changed = st.st_mtim;
    }
    return s;
}

static bool is_same(const struct stamp *a, const struct stamp *b) { return memcmp(a, b, sizeof *a) == 0; }

static enum code read_one(const char *path, struct arena *a, struct slice *out, struct fault *why)
{
    *out = (struct slice){ 0 };
    return path[0] == '\0' ? CODE_OK : file_read(path, FILE_BYTES_MAX, a, out, why);
}

static enum code read_texts(const struct certificate_files *files, struct arena *a, struct tls_config *out,
                            struct fault *why)
{
    *out = (struct tls_config){ .cert_name = files->cert, .key_name = files->key, .ca_name = files->ca };
    enum code code = read_one(files->cert, a, &out->cert, why);

    if (code == CODE_OK)
        code = read_one(files->key, a, &out->key, why);
    return code == CODE_OK ? read_one(files->ca, a, &out->ca, why) : code;
}

static enum code make(struct tls_config config, enum certificate_use use, struct tls **out, struct fault *why)
{
    if (use == CERTIFICATE_PEER)
        return tls_client_new(&config, out, why);
    if (use == CERTIFICATE_MTLS)
        config.clients = TLS_CLIENTS_REQUIRED;
    else if (config.ca.n > 0)
        config.clients = TLS_CLIENTS_OPTIONAL;
    return tls_server_new(&config, out, why);
}

static void drop(struct tls **contexts)
{
    for (int use = 0; use < CERTIFICATE_USES; use++)
        tls_unref(contexts[use]);
}

/* All that is wanted, or nothing. */
static enum code make_all(const struct certificates *c, struct tls **out, struct fault *why)
{
    struct arena     *a = arena_new(0);
    struct tls_config config;
    enum code         code = read_texts(&c->files, a, &config, why);

    for (int use = 0; code == CODE_OK && use < CERTIFICATE_USES; use++)
        if (c->wanted >> use & 1)
            code = make(config, (enum certificate_use)use, &out[use], why);
    if (code != CODE_OK)
        drop(out);
    arena_free(a);
    return code;
}

static int64_t expires_s(struct tls *const *contexts)
{
    for (int use = 0; use < CERTIFICATE_USES; use++)
        if (contexts[use] != NULL)
            return tls_expires_s(contexts[use]);
    return 0;
}

static void take(struct certificates *c, struct tls *const *fresh)
{
    int64_t until_s = expires_s(fresh);

    drop(c->now);
    memcpy(c->now, fresh, sizeof c->now);
    metric_set(c->good, 1);
    if (c->expiry == NULL)
        return;
    metric_set(c->expiry, until_s);
    if (until_s * NS_PER_S < clock_real_ns())
        log_warn("this certificate has expired", log_str("file", c->files.cert), log_int("expired_at_s", until_s));
}

/* A path in a label's quotes. */
static void label_of(const char *path, char *out, size_t n)
{
    int used = snprintf(out, n, "file=\"");

    for (; *path != '\0' && (size_t)used + 3 < n; path++)
        out[used++] = *path == '"' || *path == '\\' || *path == '\n' ? '_' : *path;
    out[used++] = '"';
    out[used] = '\0';
}

static void make_metrics(struct certificates *c)
{
    bool has_cert = c->files.cert[0] != '\0';
    char label[512];

    label_of(has_cert ? c->files.cert : c->files.ca, label, sizeof label);
    c->good = metric_gauge("hearth_tls_reload_successful",
                           "Whether the certificate files were good when they were last read.", label);
    if (has_cert)
        c->expiry = metric_gauge("hearth_tls_certificate_expiry_timestamp_seconds",
                                 "When the certificate in use is no longer good.", label);
}

enum code certificates_open(const struct certificate_files *files, unsigned wanted, struct certificates **out,
                            struct fault *why)
{
    struct certificates *c = mem_zalloc(sizeof *c);
    struct tls          *fresh[CERTIFICATE_USES] = { 0 };

    c->files = *files;
    c->wanted = wanted;
    c->read = c->seen = stamp_of(files);
    enum code code = make_all(c, fresh, why);
    if (code != CODE_OK) {
        free(c);
        return code;
    }
    make_metrics(c);
    take(c, fresh);
    *out = c;
    return CODE_OK;
}

void certificates_free(struct certificates *c)
{
    if (c == NULL)
        return;
    drop(c->now);
    free(c);
}

struct tls *certificates_get(const struct certificates *c, enum certificate_use use) { return c ? c->now[use] : NULL; }

/* A certificate and its key are replaced one after the other: they are read when nothing has moved since the last look. */
bool certificates_renew(struct certificates *c)
{
    struct stamp now = stamp_of(&c->files);
    bool         is_due = c->is_forced || (is_same(&now, &c->seen) && !is_same(&now, &c->read));
    struct tls  *fresh[CERTIFICATE_USES] = { 0 };
    struct fault why;

    c->seen = now;
    if (!is_due)
        return false;
    c->is_forced = false;
    c->read = now;
    if (make_all(c, fresh, &why) != CODE_OK) {
        metric_set(c->good, 0);
        log_error("certificates not taken in, the old ones stay", log_str("error", why.text));
        return false;
    }
    take(c, fresh);
    log_info("certificates read again", log_str("file", c->files.cert), log_int("expires_at_s", expires_s(c->now)));
    return true;
}

void certificates_reread(struct certificates *c) { c->is_forced = true; }
