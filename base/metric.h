/*
 * Metrics: numbers that /metrics shows, in the Prometheus text format 0.0.4.
 *
 *     family "hearth_rpc_requests_total" (counter) --> { code="ok" } 17, { code="not_found" } 2
 *
 * M1  A family and its children live for the life of the process; a pointer to one never dies.
 * M2  Adding and setting is one relaxed atomic operation, any thread.  Finding a child takes a lock: do it once, keep it.
 * M3  No label value comes from a client unless a bounded list holds it.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metric {
    _Atomic int64_t value;
    double          scale; /* shown = value * scale: nanoseconds are shown as seconds by 1e-9 */
    const char     *labels; /* `a="b",c="d"`, owned; "" for none */
    struct metric  *next;
};

/*
 * The child of family `name` with `labels` (written as in the text format: `code="ok"`, "" for none), made when missing.
 * `help`, `kind` and `scale` are taken from the first call for a family.
 */
struct metric *metric_get(const char *name, const char *help, enum metric_kind kind, double scale, const char *labels);

static inline struct metric *metric_counter(const char *name, const char *help, const char *labels)
{
    return metric_get(name, help, METRIC_COUNTER, 1, labels);
}

static inline struct metric *metric_gauge(const char *name, const char *help, const char *labels)
{
    return metric_get(name, help, METRIC_GAUGE, 1, labels);
}

static inline void metric_add(struct metric *m, int64_t n)
{
    atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}

static inline void metric_set(struct metric *m, int64_t v) { atomic_store_explicit(&m->value, v, memory_order_relaxed); }

static inline int64_t metric_read(const struct metric *m)
{
    return atomic_load_explicit(&m->value, memory_order_relaxed);
}

/* Durations in buckets from 100 us to 100 s, shown as `<name>_bucket`, `_sum`, `_count`. */
struct histogram;
struct histogram *metric_histogram(const char *name, const char *help, const char *labels);
void              histogram_observe(struct histogram *h, int64_t duration_ns);

/* Called at each scrape before anything is written, to set gauges that are cheaper to read than to keep. */
typedef void metric_refresh_fn(void *arg);
void         metric_refresh(metric_refresh_fn *fn, void *arg);

void metric_write(struct buf *out);
