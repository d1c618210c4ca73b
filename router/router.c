#include "router/router.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "router/epoch_file.h"
#include "router/router_priv.h"

enum { MAP_BYTES_MAX = 4 << 20, HELD_BYTES = 64 << 20 };
#define REFRESH_NS (200 * NS_PER_MS)

CK_EPOCH_CONTAINER(struct shard_map, reclaim, map_of)

static void map_retired(ck_epoch_entry_t *e) { map_unref(map_of(e)); }

static enum code read_file(const char *path, struct buf *out, struct fault *why)
{
    int     fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;

    while (n > 0 && out->n <= MAP_BYTES_MAX)
        if ((n = read(fd, buf_reserve(out, 65536), 65536)) > 0)
            out->n += (size_t)n;
    if (n < 0)
        fail(why, CODE_UNAVAILABLE, "shard map %s: %s", path, strerror(errno));
    else if (n > 0)
        fail(why, CODE_INVALID_ARGUMENT, "shard map %s: larger than %d bytes", path, MAP_BYTES_MAX);
    if (fd >= 0)
        close(fd);
    return n == 0 ? CODE_OK : why->code;
}

/* The path goes in front of what the parser says. */
static enum code parse_file(const char *path, struct slice text, struct shard_map **out, struct fault *why)
{
    struct fault inner;

    if (map_parse(text, out, &inner) == CODE_OK)
        return CODE_OK;
    return fail(why, inner.code, "%s: %.*s", path, (int)(sizeof inner.text - 120), inner.text);
}

struct shard_map *router_map(struct router *r)
{
    struct epoch_reader *reader = epoch_reader_take(r->epoch);

    epoch_enter(reader);
    struct shard_map *m = map_ref(atomic_load_explicit(&r->map, memory_order_acquire));
    epoch_leave(reader);
    epoch_reader_give(r->epoch, reader);
    return m;
}

uint64_t router_epoch(const struct router *r) { return atomic_load_explicit(&r->adopted, memory_order_relaxed); }

/* A shard under a map remembers how far it has come; one that is alone has nothing to give away. */
static bool keeps_epoch(const struct router *r)
{
    return r->config.data_dir != NULL && r->config.shard != NULL && r->config.map_file != NULL;
}

/* The new map is in use from here on; its reference passes to the router. */
static enum code adopt(struct router *r, struct shard_map *m, struct fault *why)
{
    struct shard_map *old = atomic_load_explicit(&r->map, memory_order_relaxed);

    m->self = r->config.self ? map_find(m, r->config.self) : MAP_NOBODY;
    if (m->epoch > router_epoch(r)) {
        if (keeps_epoch(r) && epoch_file_write(r->config.data_dir, m->epoch, why) != CODE_OK)
            return why->code; /* what we could forget, we do not adopt */
        atomic_store_explicit(&r->adopted, m->epoch, memory_order_relaxed);
    }
    atomic_store_explicit(&r->map, m, memory_order_release);
    metric_set(r->metrics.epoch, (int64_t)m->epoch);
    if (old != NULL)
        epoch_retire(r->epoch, &old->reclaim, map_retired);
    return CODE_OK;
}

static enum code check_succession(const struct router *r, const struct shard_map *now, const struct shard_map *next,
                                  struct fault *why)
{
    if (strcmp(now->cluster_id, next->cluster_id) != 0)
        return fail(why, CODE_FAILED_PRECONDITION, "%s: cluster_id is \"%s\", not \"%s\" as before", r->config.map_file,
                    next->cluster_id, now->cluster_id);
    if (next->epoch < now->epoch || (next->epoch == now->epoch && map_checksum(next) != map_checksum(now)))
        return fail(why, CODE_FAILED_PRECONDITION, "%s: the content changed but its epoch %llu is not above %llu",
                    r->config.map_file, (unsigned long long)next->epoch, (unsigned long long)now->epoch);
    return CODE_OK;
}

static enum code take_text(struct router *r, struct slice text, struct fault *why)
{
    struct shard_map *now = atomic_load_explicit(&r->map, memory_order_relaxed), *next;
    enum code         code = parse_file(r->config.map_file, text, &next, why);

    if (code != CODE_OK)
        return code;
    if (now != NULL) {
        code = check_succession(r, now, next, why);
        if (code != CODE_OK || next->epoch == now->epoch) {
            map_unref(next);
            return code;
        }
    }
    code = adopt(r, next, why);
    if (code != CODE_OK)
        map_unref(next);
    else if (now != NULL)
        log_info("shard map", log_int("epoch", (int64_t)next->epoch), log_int("shards", next->n_shards));
    return code;
}

/* Reads the file; what was read before, good or bad, is not looked at again. */
static enum code reload_locked(struct router *r, struct fault *why)
{
    struct buf text = { 0 };
    enum code  code = read_file(r->config.map_file, &text, why);
    bool       was_missing = r->was_missing;
    uint64_t   hash = hash_slice(buf_view(&text));

    r->was_missing = code != CODE_OK;
    if (code != CODE_OK && was_missing) {
        code = CODE_OK; /* told already */
    } else if (code == CODE_OK && (hash != r->file_hash || was_missing)) {
        r->file_hash = hash;
        code = take_text(r, buf_view(&text), why);
        metric_set(r->metrics.reload_ok, code == CODE_OK);
    }
    if (code != CODE_OK) {
        metric_set(r->metrics.reload_ok, 0);
        metric_add(r->metrics.reload_failures, 1);
    }
    buf_free(&text);
    return code;
}

enum code router_reload(struct router *r, struct fault *why)
{
    enum code code = CODE_OK;

    if (r->config.map_file == NULL)
        return CODE_OK;
    pthread_mutex_lock(&r->reload);
    code = reload_locked(r, why);
    epoch_poll(r->epoch);
    pthread_mutex_unlock(&r->reload);
    return code;
}

void peer_fields_make(const struct router *r, const char *shard, struct peer_fields *out)
{
    const char *const *more = r->config.peer_fields;
    size_t             n = 0, room = sizeof out->at / sizeof *out->at;

    out->at[n++] = "hearth-shard";
    out->at[n++] = shard;
    for (; more != NULL && *more != NULL; more++) {
        assert(n + 1 < room);
        out->at[n++] = *more;
    }
    out->at[n] = NULL;
}

void router_refresh(struct router *r)
{
    struct fault why;
    int64_t      now_ns = clock_mono_ns(), before_ns = atomic_load(&r->refreshed_ns);

    if (now_ns - before_ns < REFRESH_NS || !atomic_compare_exchange_strong(&r->refreshed_ns, &before_ns, now_ns))
        return;
    if (router_reload(r, &why) != CODE_OK)
        log_warn("shard map not taken", log_str("why", why.text));
}

static void metrics_open(struct router_metrics *m)
{
    m->epoch = metric_gauge("hearth_router_map_epoch", "Epoch of the shard map in use.", "");
    m->reload_ok =
        metric_gauge("hearth_router_map_last_reload_successful", "0: the map file is bad and not in use.", "");
    m->reload_failures =
        metric_counter("hearth_router_map_reload_failures_total", "Map files that were not taken.", "");
    m->held_bytes = metric_gauge("hearth_router_held_bytes", "Batches that wait for a shard to come back.", "");
    m->retries = metric_counter("hearth_router_retries_total", "Batches sent again, none of which had been taken.", "");
    m->misplaced = metric_counter("hearth_router_misplaced_total", "Batches that a shard refused by a newer map.", "");
    m->unavailable =
        metric_counter("hearth_router_unavailable_total", "Batches refused because their shard was away.", "");
    m->unanswered =
        metric_counter("hearth_router_unanswered_questions_total", "Shards that did not answer a query.", "");
    m->unknown = metric_counter("hearth_router_unknown_total", "Batches whose shard broke off: taken or not.", "");
}

static char *copy(const char *text)
{
    char *own = text ? strdup(text) : NULL;

    if (text != NULL && own == NULL)
        abort();
    return own;
}

static enum code first_map(struct router *r, struct fault *why)
{
    uint64_t adopted = 0;

    if (keeps_epoch(r) && epoch_file_read(r->config.data_dir, &adopted, why) != CODE_OK)
        return why->code;
    r->adopted = adopted;
    if (r->config.map_file != NULL)
        return router_reload(r, why);
    if (r->config.shard == NULL)
        return fail(why, CODE_INVALID_ARGUMENT, "a process without a shard needs a shard map (--shard-map)");
    return adopt(r, map_alone(r->config.self), why);
}

static enum code check_self(const struct router *r, struct fault *why)
{
    const struct shard_map *m = atomic_load_explicit(&r->map, memory_order_relaxed);
    bool                    has_peers = m->n_shards > (m->self != MAP_NOBODY);

    if (r->config.shard != NULL && m->self == MAP_NOBODY)
        return fail(why, CODE_INVALID_ARGUMENT, "%s: no shard of it is called \"%s\"", r->config.map_file,
                    r->config.self);
    if (has_peers && r->config.client == NULL)
        return fail(why, CODE_INVALID_ARGUMENT, "%s names other shards, and this process cannot call them",
                    r->config.map_file);
    return CODE_OK;
}

enum code router_new(const struct router_config *config, struct router **out, struct fault *why)
{
    struct router *r = mem_zalloc(sizeof *r);
    const char    *self = config->self == NULL && config->shard != NULL ? shard_name(config->shard) : config->self;

    assert(config->shard == NULL || config->writer != NULL);
    r->config = *config;
    r->config.map_file = copy(config->map_file);
    r->config.self = copy(config->shard ? self : NULL);
    r->config.data_dir = copy(config->data_dir);
    if (r->config.held_bytes_max == 0)
        r->config.held_bytes_max = HELD_BYTES;
    pthread_mutex_init(&r->reload, NULL);
    r->epoch = epoch_new();
    r->retry = config->client ? retry_start() : NULL;
    metrics_open(&r->metrics);
    if (first_map(r, why) != CODE_OK || check_self(r, why) != CODE_OK) {
        router_free(r);
        return why->code;
    }
    *out = r;
    return CODE_OK;
}

void router_free(struct router *r)
{
    struct shard_map *m = atomic_load(&r->map);

    assert(atomic_load(&r->open) == 0);
    if (r->retry != NULL)
        retry_stop(r->retry);
    epoch_free(r->epoch);
    if (m != NULL)
        map_unref(m);
    pthread_mutex_destroy(&r->reload);
    free((char *)r->config.map_file);
    free((char *)r->config.self);
    free((char *)r->config.data_dir);
    free(r);
}

struct shard *router_local(struct router *r) { return r->config.shard; }
