#include "index/bucket.h"

#include <assert.h>

#include "base/hash.h"
#include "base/mem.h"
#include "index/block_priv.h"
#include "index/bucket_priv.h"
#include "index/publish.h"

struct bucket *bucket_new(struct slice tenant, int64_t start_ns, int64_t end_ns, _Atomic size_t *meter)
{
    struct bucket *b = mem_zalloc(sizeof *b);

    assert(start_ns < end_ns);
    *b = (struct bucket){ .refs = 1,
                          .start_ns = start_ns,
                          .end_ns = end_ns,
                          .oldest_ns = INT64_MAX,
                          .newest_ns = INT64_MIN,
                          .taken = { .oldest_ns = INT64_MAX, .newest_ns = INT64_MIN } };
    slab_init(&b->slab, meter);
    slab_charge(&b->slab, sizeof *b);
    b->tenant = slab_copy(&b->slab, tenant);
    vec_init(&b->groups, sizeof(struct group *), 0);
    types_init(&b->types);
    label_index_init(&b->labels);
    series_set_init(&b->series);
    vec_init(&b->keys, sizeof(struct bucket_key), 2);
    return b;
}

void bucket_ref(struct bucket *b)
{
    uint32_t was = atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    assert(was > 0 && was < UINT32_MAX);
}

static void bucket_free(struct bucket *b)
{
    if (b->sealed != NULL) {
        block_close(b);
        return;
    }
    for (uint32_t i = 0; i < vec_n(&b->groups); i++) {
        struct group *g = vec_pointer(&b->groups, i);
        symtab_free(&g->symtab, &b->slab);
        stacks_free(&g->stacks, &b->slab);
    }
    table_free(&b->group_ids, &b->slab);
    table_free(&b->types.ids, &b->slab);
    series_set_free(&b->series, &b->slab);
    slab_fini(&b->slab);
    free(b);
}

void bucket_know(struct bucket *b, struct hash128 key, int64_t received_ns)
{
    if (key.lo != 0 || key.hi != 0)
        vec_add(&b->keys, &b->slab, &(struct bucket_key){ key, received_ns });
}

/* Of batches that were never published none: they may come again. */
void bucket_keys(const struct bucket *b, struct buf *out)
{
    for (uint32_t i = 0, n = b->n_keys, run; i < n; i += run) {
        const void *keys = vec_run(&b->keys, i, n, &run);
        buf_put(out, keys, run * sizeof(struct bucket_key));
    }
}

void bucket_unref(struct bucket *b)
{
    uint32_t was = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);

    assert(was > 0);
    if (was == 1)
        bucket_free(b);
}

struct group *bucket_group(const struct bucket *b, struct slice service)
{
    struct table_walk w = table_walk(&b->group_ids, hash_text(service));
    uint32_t          i;

    while (table_next(&b->group_ids, &w, &i)) {
        struct group *g = vec_pointer(&b->groups, i);
        if (slice_eq(g->service, service))
            return g;
    }
    return NULL;
}

struct group *bucket_group_add(struct bucket *b, struct slice service)
{
    struct group *g = slab_new(&b->slab, sizeof *g);

    *g = (struct group){ .id = vec_n(&b->groups), .service = slab_copy(&b->slab, service) };
    symtab_init(&g->symtab, &b->slab);
    stacks_init(&g->stacks, &b->slab);
    vec_init(&g->series, sizeof(uint32_t), 1);
    table_put(&b->group_ids, &b->slab, hash_text(service), vec_add(&b->groups, &b->slab, &g));
    return g;
}

struct series *bucket_series_add(struct bucket *b, struct group *g, struct label_value *const *labels, uint32_t n)
{
    struct series *s = series_add(&b->series, &b->slab, g->id, labels, n);

    vec_add(&g->series, &b->slab, &s->id);
    publish_step(PUBLISHED_SERIES);
    for (uint32_t i = 0; i < n; i++)
        postings_add(&labels[i]->series, &b->slab, s->id);
    publish_step(PUBLISHED_POSTINGS);
    return s;
}

void bucket_count(struct bucket *b, int64_t time_ns)
{
    struct taken *t = &b->taken;

    t->n++;
    t->oldest_ns = time_ns < t->oldest_ns ? time_ns : t->oldest_ns;
    t->newest_ns = time_ns > t->newest_ns ? time_ns : t->newest_ns;
}

void bucket_publish(struct bucket *b)
{
    const struct taken *t = &b->taken;

    assert(b->sealed == NULL && !b->is_unmade);
    atomic_store_explicit(&b->n_samples, t->samples, memory_order_relaxed);
    atomic_store_explicit(&b->n_clamped, t->clamped, memory_order_relaxed);
    atomic_store_explicit(&b->oldest_ns, t->oldest_ns, memory_order_relaxed);
    atomic_store_explicit(&b->newest_ns, t->newest_ns, memory_order_relaxed);
    b->n_keys = vec_n(&b->keys);
    atomic_store_explicit(&b->n_batches, t->n, memory_order_release); /* from here on they are seen */
    publish_step(PUBLISHED_BATCH);
}

enum code bucket_append(struct bucket *b, const struct batch *batch, struct fault *why)
{
    enum code code = bucket_take(b, batch, NULL, why);

    if (code == CODE_OK)
        bucket_publish(b);
    return code;
}

size_t       bucket_bytes(const struct bucket *b) { return slab_bytes(&b->slab); }
struct slice bucket_tenant(const struct bucket *b) { return b->tenant; }
int64_t      bucket_start_ns(const struct bucket *b) { return b->start_ns; }
int64_t      bucket_end_ns(const struct bucket *b) { return b->end_ns; }

struct bucket_stats bucket_stats(const struct bucket *b)
{
    return (struct bucket_stats){
        .series = b->sealed ? b->sealed->n_series : vec_n(&b->series.all),
        .profiles = atomic_load_explicit(&b->n_batches, memory_order_relaxed),
        .samples = atomic_load_explicit(&b->n_samples, memory_order_relaxed),
        .oldest_ns = atomic_load_explicit(&b->oldest_ns, memory_order_relaxed),
        .newest_ns = atomic_load_explicit(&b->newest_ns, memory_order_relaxed),
        .clamped = atomic_load_explicit(&b->n_clamped, memory_order_relaxed),
    };
}
