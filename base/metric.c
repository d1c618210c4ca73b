#include "base/metric.h"

#include <assert.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/mem.h"

struct family {
    const char       *name, *help;
    enum metric_kind  kind;
    double            scale;
    struct metric    *children;
    struct histogram *histograms;
    struct family    *next;
};

enum { BOUNDS = 13 };

static const int64_t bounds_ns[BOUNDS] = { 100000,     250000,     1000000,    2500000,     10000000,    25000000,    100000000,
                                           250000000, 1000000000, 2500000000, 10000000000, 25000000000, 100000000000 };

struct histogram {
    _Atomic int64_t   buckets[BOUNDS + 1];
    _Atomic int64_t   sum_ns;
    const char       *labels;
    struct histogram *next;
};

struct refresher {
    metric_refresh_fn *fn;
    void              *arg;
    struct refresher  *next;
};

static pthread_mutex_t   lock = PTHREAD_MUTEX_INITIALIZER;
static struct family    *families; /* in the order of their making */
static struct refresher *refreshers;

static struct family *family_get(const char *name, const char *help, enum metric_kind kind, double scale)
{
    struct family **at = &families;

    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    if (*at == NULL) {
        *at = mem_alloc(sizeof **at);
        **at = (struct family){ .name = strdup(name), .help = strdup(help), .kind = kind, .scale = scale };
    }
    return *at;
}

struct metric *metric_get(const char *name, const char *help, enum metric_kind kind, double scale, const char *labels)
{
    pthread_mutex_lock(&lock);
    struct family  *f = family_get(name, help, kind, scale);
    struct metric **at = &f->children;

    assert(f->kind == kind);
    while (*at != NULL && strcmp((*at)->labels, labels) != 0)
        at = &(*at)->next;
    if (*at == NULL) {
        *at = mem_alloc(sizeof **at);
        **at = (struct metric){ .scale = f->scale, .labels = strdup(labels) };
    }
    struct metric *m = *at;
    pthread_mutex_unlock(&lock);
    return m;
}

struct histogram *metric_histogram(const char *name, const char *help, const char *labels)
{
    pthread_mutex_lock(&lock);
    struct family     *f = family_get(name, help, METRIC_COUNTER, 1);
    struct histogram **at = &f->histograms;

    while (*at != NULL && strcmp((*at)->labels, labels) != 0)
        at = &(*at)->next;
    if (*at == NULL) {
        *at = mem_zalloc(sizeof **at);
        (*at)->labels = strdup(labels);
    }
    struct histogram *h = *at;
    pthread_mutex_unlock(&lock);
    return h;
}

void histogram_observe(struct histogram *h, int64_t duration_ns)
{
    int i = 0;

    while (i < BOUNDS && duration_ns > bounds_ns[i])
        i++;
    atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_ns, duration_ns, memory_order_relaxed);
}

void metric_refresh(metric_refresh_fn *fn, void *arg)
{
    struct refresher *r = mem_alloc(sizeof *r);

    pthread_mutex_lock(&lock);
    *r = (struct refresher){ fn, arg, refreshers };
    refreshers = r;
    pthread_mutex_unlock(&lock);
}

static void write_value(struct buf *out, const struct metric *m)
{
    if (m->scale == 1)
        buf_printf(out, " %lld\n", (long long)metric_read(m));
    else
        buf_printf(out, " %.14g\n", (double)metric_read(m) * m->scale); /* a time in seconds has ten digits */
}

static void write_histogram(struct buf *out, const char *name, const struct histogram *h)
{
    const char *comma = h->labels[0] ? "," : "";
    int64_t     n = 0;

    for (int i = 0; i < BOUNDS; i++) {
        n += h->buckets[i];
        buf_printf(out, "%s_bucket{%s%sle=\"%g\"} %lld\n", name, h->labels, comma, (double)bounds_ns[i] * 1e-9, (long long)n);
    }
    n += h->buckets[BOUNDS];
    buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %lld\n", name, h->labels, comma, (long long)n);
    buf_printf(out, "%s_sum{%s} %.9g\n%s_count{%s} %lld\n", name, h->labels, (double)h->sum_ns * 1e-9, name, h->labels,
               (long long)n);
}

static void write_family(struct buf *out, const struct family *f)
{
    static const char *const kinds[] = { "counter", "gauge" };

    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, f->histograms ? "histogram" : kinds[f->kind]);
    for (const struct metric *m = f->children; m != NULL; m = m->next) {
        buf_text(out, f->name);
        if (m->labels[0])
            buf_printf(out, "{%s}", m->labels);
        write_value(out, m);
    }
    for (const struct histogram *h = f->histograms; h != NULL; h = h->next)
        write_histogram(out, f->name, h);
}

void metric_write(struct buf *out)
{
    pthread_mutex_lock(&lock);
    struct refresher *first = refreshers;
    pthread_mutex_unlock(&lock);
    for (struct refresher *r = first; r != NULL; r = r->next)
        r->fn(r->arg);
    pthread_mutex_lock(&lock);
    for (const struct family *f = families; f != NULL; f = f->next)
        write_family(out, f);
    pthread_mutex_unlock(&lock);
}
