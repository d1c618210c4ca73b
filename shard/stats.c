#include <stdio.h>

#include "shard/shard_priv.h"

static struct metric *gauge(const char *name, const char *help, const char *labels)
{
    return metric_gauge(name, help, labels);
}

static void open_drops(struct shard_metrics *m, const char *labels)
{
    static const char *const reasons[DROP_REASONS] = { "memory", "retention" };

    for (int i = 0; i < DROP_REASONS; i++) {
        char both[320];
        snprintf(both, sizeof both, "%s,reason=\"%s\"", labels, reasons[i]);
        m->dropped_buckets[i] = metric_counter("hearth_shard_dropped_buckets_total", "Time buckets dropped.", both);
        m->dropped_bytes[i] =
            metric_counter("hearth_shard_dropped_bytes_total", "Accounted bytes of dropped buckets.", both);
    }
}

/* A name may come from a file: what would break out of the quotes is left out. */
static void label_of(const char *name, char *out, size_t cap)
{
    size_t n = (size_t)snprintf(out, cap, "shard=\"");

    for (; *name != '\0' && n + 2 < cap; name++)
        if (*name != '"' && *name != '\\' && *name != '\n')
            out[n++] = *name;
    out[n++] = '"';
    out[n] = '\0';
}

void stats_open(struct shard *s)
{
    struct shard_metrics *m = &s->metrics;
    char                  labels[256];

    label_of(s->config.name, labels, sizeof labels);
    m->bytes = gauge("hearth_shard_bytes", "Accounted bytes, with those that running queries keep.", labels);
    m->pinned_bytes =
        gauge("hearth_shard_dropped_but_pinned_bytes", "Bytes of dropped buckets that are still there.", labels);
    m->limit_bytes = gauge("hearth_shard_limit_bytes", "The memory limit; 0: none.", labels);
    m->series = gauge("hearth_shard_series", "Series held, counted once in each time bucket.", labels);
    m->profiles = gauge("hearth_shard_profiles", "Profiles held.", labels);
    m->samples = gauge("hearth_shard_samples", "Samples held.", labels);
    m->buckets = gauge("hearth_shard_buckets", "Time buckets held.", labels);
    m->tenants = gauge("hearth_shard_tenants", "Tenants that have data here.", labels);
    m->data_since = metric_get("hearth_shard_data_since_timestamp_seconds", "Nothing older than this can be complete.",
                               METRIC_GAUGE, 1e-9, labels);
    m->appended = metric_counter("hearth_shard_appended_profiles_total", "Profiles taken in.", labels);
    m->refused = metric_counter("hearth_shard_refused_profiles_total", "Profiles refused.", labels);
    m->visited = metric_counter("hearth_shard_visited_buckets_total", "Time buckets that queries looked at.", labels);
    m->duplicates = metric_counter("hearth_dedup_hits_total", "Profiles that had been taken in before.", labels);
    m->keys = gauge("hearth_dedup_keys", "Profiles that would be recognised if they came again.", labels);
    m->loaded[LOAD_BLOCKS] = gauge("hearth_blocks_opened_files", "Block files opened by this start.", labels);
    m->to_load[LOAD_BLOCKS] =
        gauge("hearth_blocks_opened_of_files", "Block files that this start has to open.", labels);
    m->loaded[LOAD_LOG] = gauge("hearth_wal_replay_bytes", "Bytes of the log replayed by this start.", labels);
    m->to_load[LOAD_LOG] =
        gauge("hearth_wal_replay_of_bytes", "Bytes of the log that this start has to replay.", labels);
    m->demoted = metric_counter("hearth_shard_demoted_buckets_total", "Blocks that are left to their files.", labels);
    open_drops(m, labels);
    metric_set(m->limit_bytes, s->config.limit_bytes == SIZE_MAX ? 0 : (int64_t)s->config.limit_bytes);
}

static void show(_Atomic int64_t *at, struct metric *m, int64_t v)
{
    atomic_store_explicit(at, v, memory_order_relaxed);
    if (m != NULL)
        metric_set(m, v);
}

void stats_show(struct shard *s)
{
    const struct directory_sums *sums = directory_sums(s->directory);
    size_t                       used = shard_used(s);

    show(&s->shown.bytes, s->metrics.bytes, (int64_t)used);
    show(&s->shown.series, s->metrics.series, sums->series);
    show(&s->shown.profiles, s->metrics.profiles, sums->profiles);
    show(&s->shown.samples, s->metrics.samples, sums->samples);
    show(&s->shown.buckets, s->metrics.buckets, sums->buckets);
    show(&s->shown.tenants, s->metrics.tenants, sums->tenants);
    show(&s->shown.data_since_ns, s->metrics.data_since, s->data_since_ns);
    show(&s->shown.dropped_buckets, NULL, s->dropped_buckets);
    show(&s->shown.dropped_bytes, NULL, s->dropped_bytes);
    metric_set(s->metrics.keys, (int64_t)dedup_n(s->dedup));
    metric_set(s->metrics.pinned_bytes, (int64_t)(used - sums->bucket_bytes - sums->own_bytes - dedup_bytes(s->dedup)));
}

static int64_t shown(const _Atomic int64_t *at) { return atomic_load_explicit(at, memory_order_relaxed); }

struct shard_stats shard_stats(struct shard *s)
{
    return (struct shard_stats){
        .bytes = (size_t)shown(&s->shown.bytes),
        .series = shown(&s->shown.series),
        .profiles = shown(&s->shown.profiles),
        .samples = shown(&s->shown.samples),
        .buckets = shown(&s->shown.buckets),
        .tenants = shown(&s->shown.tenants),
        .dropped_buckets = shown(&s->shown.dropped_buckets),
        .dropped_bytes = shown(&s->shown.dropped_bytes),
        .visited_buckets = shown(&s->visited),
        .data_since_ns = shown(&s->shown.data_since_ns),
    };
}
