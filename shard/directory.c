#include "shard/directory.h"

#include <assert.h>
#include <stdatomic.h>

#include "base/hash.h"
#include "base/mem.h"
#include "index/bucket.h"
#include "shard/tenant_row.h"

enum { PARTS = 64 };

struct tenant {
    ck_epoch_entry_t      reclaim;
    _Atomic(struct row *) row;
    size_t                bytes; /* of its buckets; the writer's */
    size_t                name_n;
    char                  name[];
};

struct part {
    ck_epoch_entry_t reclaim;
    size_t           n;
    struct tenant   *at[]; /* [n] by name */
};

struct directory {
    struct epoch          *epoch;
    _Atomic(struct part *) parts[PARTS]; /* NULL: empty */
    struct directory_sums  sums;
    struct tenant         *richest; /* NULL: not known */
};

/* A bucket out of sight, with the directory's reference. */
struct dropped {
    ck_epoch_entry_t reclaim;
    struct bucket   *bucket;
};

CK_EPOCH_CONTAINER(struct tenant, reclaim, tenant_of)
CK_EPOCH_CONTAINER(struct part, reclaim, part_of)
CK_EPOCH_CONTAINER(struct dropped, reclaim, dropped_of)

static void tenant_free(ck_epoch_entry_t *e) { free(tenant_of(e)); }
static void part_free(ck_epoch_entry_t *e) { free(part_of(e)); }

static void dropped_free(ck_epoch_entry_t *e)
{
    struct dropped *gone = dropped_of(e);

    bucket_unref(gone->bucket); /* a pin may keep it */
    free(gone);
}

void held_close(struct held *h)
{
    if (h->state == HELD_LIVE)
        h->state = HELD_CLOSED;
}

struct slice tenant_name(const struct tenant *t) { return slice_make(t->name, t->name_n); }

size_t tenant_bytes(const struct tenant *t) { return t->bytes; }

static size_t part_index(struct slice name) { return hash_text(name) % PARTS; }

/* What a tenant or a bucket costs here: its record or entry, and its place in an array. */
static size_t tenant_own_bytes(struct slice name)
{
    return sizeof(struct tenant) + name.n + sizeof(struct row) + sizeof(struct part) + sizeof(struct tenant *);
}

size_t directory_growth(struct slice name) { return tenant_own_bytes(name) + sizeof(struct held); }

const struct directory_sums *directory_sums(const struct directory *d) { return &d->sums; }

struct directory *directory_new(struct epoch *e)
{
    struct directory *d = mem_zalloc(sizeof *d);

    d->epoch = e;
    return d;
}

/* Where `name` stands in the part, or would. */
static size_t part_find(const struct part *p, struct slice name, bool *is_there)
{
    size_t lo = 0, hi = p ? p->n : 0;

    *is_there = false;
    while (lo < hi && !*is_there) {
        size_t mid = lo + (hi - lo) / 2;
        int    order = slice_cmp(tenant_name(p->at[mid]), name);
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid, *is_there = order == 0;
    }
    return hi;
}

static struct tenant *tenant_look(const struct directory *d, struct slice name, memory_order order)
{
    const struct part *p = atomic_load_explicit(&d->parts[part_index(name)], order);
    bool               is_there;
    size_t             i = part_find(p, name, &is_there);

    return is_there ? p->at[i] : NULL;
}

struct tenant *directory_tenant(const struct directory *d, struct slice name)
{
    return tenant_look(d, name, memory_order_relaxed);
}

const struct held *directory_look(const struct directory *d, struct slice tenant, size_t *n)
{
    struct tenant *t = tenant_look(d, tenant, memory_order_acquire);

    if (t == NULL) {
        *n = 0;
        return NULL;
    }
    const struct row *r = atomic_load_explicit(&t->row, memory_order_acquire);
    *n = r->n;
    return r->at;
}

struct tenant *directory_next(const struct directory *d, const struct tenant *after)
{
    size_t i = 0, from = 0;
    bool   is_there;

    if (after != NULL) {
        i = part_index(tenant_name(after));
        from = part_find(atomic_load_explicit(&d->parts[i], memory_order_relaxed), tenant_name(after), &is_there) + 1;
    }
    for (; i < PARTS; i++, from = 0) {
        const struct part *p = atomic_load_explicit(&d->parts[i], memory_order_relaxed);
        if (p != NULL && from < p->n)
            return p->at[from];
    }
    return NULL;
}

struct held *tenant_row(const struct tenant *t, size_t *n)
{
    struct row *r = atomic_load_explicit(&t->row, memory_order_relaxed);

    *n = r->n;
    return r->at;
}

struct held *tenant_held(const struct tenant *t, int64_t start_ns)
{
    struct row *r = atomic_load_explicit(&t->row, memory_order_relaxed);
    size_t      behind = row_behind(r, start_ns);

    return behind > 0 && r->at[behind - 1].start_ns == start_ns ? &r->at[behind - 1] : NULL;
}

struct held *directory_find(const struct directory *d, const struct bucket *b, struct tenant **t, size_t *i)
{
    size_t n = 0;

    *t = directory_tenant(d, bucket_tenant(b));
    struct held *row = *t ? tenant_row(*t, &n) : NULL;
    for (*i = n; *i > 0; --*i) /* the newest are the likeliest */
        if (row[*i - 1].bucket == b)
            return &row[--*i];
    return NULL;
}

void directory_weigh(struct directory *d, struct tenant *t, struct held *h)
{
    struct bucket_stats now = bucket_stats(h->bucket);
    size_t              bytes = bucket_bytes(h->bucket);

    t->bytes += bytes - h->bytes;
    d->sums.bucket_bytes += bytes - h->bytes;
    d->sums.series += now.series - h->series;
    d->sums.profiles += now.profiles - h->profiles;
    d->sums.samples += now.samples - h->samples;
    h->bytes = bytes;
    h->series = now.series;
    h->profiles = now.profiles;
    h->samples = now.samples;
    if (d->richest != NULL && t->bytes > d->richest->bytes)
        d->richest = t;
}

void directory_weigh_less(struct directory *d, struct tenant *t, struct held *h)
{
    directory_weigh(d, t, h);
    if (t == d->richest)
        d->richest = NULL;
}

struct tenant *directory_richest(struct directory *d)
{
    if (d->richest == NULL)
        for (struct tenant *t = directory_next(d, NULL); t != NULL; t = directory_next(d, t))
            if (d->richest == NULL || t->bytes > d->richest->bytes)
                d->richest = t;
    return d->richest;
}

/* Publishes the part with `t` at i, or without what stands there (t == NULL). */
static void part_replace(struct directory *d, size_t index, size_t i, struct tenant *t)
{
    struct part *old = atomic_load_explicit(&d->parts[index], memory_order_relaxed);
    size_t       n = old ? old->n : 0, skip = t == NULL, added = t != NULL, now = n + added - skip;
    struct part *p = NULL;

    if (now > 0) {
        p = mem_alloc(sizeof *p + now * sizeof *p->at);
        p->n = now;
        if (old != NULL && i > 0)
            memcpy(p->at, old->at, i * sizeof *p->at);
        if (old != NULL && n > i + skip)
            memcpy(p->at + i + added, old->at + i + skip, (n - i - skip) * sizeof *p->at);
        if (t != NULL)
            p->at[i] = t;
    }
    atomic_store_explicit(&d->parts[index], p, memory_order_release); /* D1 */
    if (old != NULL)
        epoch_retire(d->epoch, &old->reclaim, part_free);
}

static void row_replace(struct directory *d, struct tenant *t, struct row *r)
{
    struct row *old = atomic_load_explicit(&t->row, memory_order_relaxed);

    atomic_store_explicit(&t->row, r, memory_order_release); /* D1 */
    epoch_retire(d->epoch, &old->reclaim, row_free);
}

static struct tenant *tenant_new(struct slice name, const struct held *first)
{
    struct tenant *t = mem_alloc(sizeof *t + name.n);

    *t = (struct tenant){ .name_n = name.n };
    if (name.n > 0)
        memcpy(t->name, name.p, name.n);
    atomic_init(&t->row, row_with(NULL, 0, first));
    return t;
}

struct held *directory_add(struct directory *d, struct slice name, int64_t start_ns, struct bucket *bucket)
{
    struct held    h = { .start_ns = start_ns, .end_ns = bucket_end_ns(bucket), .bucket = bucket };
    struct tenant *t = directory_tenant(d, name);

    d->sums.buckets++;
    d->sums.own_bytes += sizeof(struct held);
    if (t == NULL) {
        bool   is_there;
        size_t index = part_index(name);
        size_t i = part_find(atomic_load_explicit(&d->parts[index], memory_order_relaxed), name, &is_there);
        t = tenant_new(name, &h);
        d->sums.tenants++;
        d->sums.own_bytes += tenant_own_bytes(name);
        part_replace(d, index, i, t);
    } else {
        const struct row *r = atomic_load_explicit(&t->row, memory_order_relaxed);
        row_replace(d, t, row_with(r, row_behind(r, start_ns), &h));
    }
    return tenant_held(t, start_ns);
}

static void tenant_remove(struct directory *d, struct tenant *t)
{
    struct slice name = tenant_name(t);
    size_t       index = part_index(name);
    bool         is_there;
    size_t       i = part_find(atomic_load_explicit(&d->parts[index], memory_order_relaxed), name, &is_there);

    assert(is_there);
    d->sums.tenants--;
    d->sums.own_bytes -= tenant_own_bytes(name);
    part_replace(d, index, i, NULL);
    epoch_retire(d->epoch, &atomic_load_explicit(&t->row, memory_order_relaxed)->reclaim, row_free);
    epoch_retire(d->epoch, &t->reclaim, tenant_free);
}

static void let_go(struct directory *d, struct bucket *b)
{
    struct dropped *gone = mem_alloc(sizeof *gone);

    gone->bucket = b;
    epoch_retire(d->epoch, &gone->reclaim, dropped_free); /* after the row without it was published: D2 */
}

void directory_replace(struct directory *d, struct tenant *t, size_t i, struct bucket *bucket)
{
    const struct row *r = atomic_load_explicit(&t->row, memory_order_relaxed);
    struct row       *now = row_copy(r);
    struct bucket    *old = r->at[i].bucket;

    assert(i < r->n);
    now->at[i].bucket = bucket;
    row_replace(d, t, now);
    directory_weigh_less(d, t, &now->at[i]);
    let_go(d, old);
}

static void forget(struct directory *d, struct tenant *t, const struct held *h)
{
    assert(t->bytes >= h->bytes);
    t->bytes -= h->bytes;
    d->sums.bucket_bytes -= h->bytes;
    d->sums.own_bytes -= sizeof(struct held);
    d->sums.buckets--;
    d->sums.series -= h->series;
    d->sums.profiles -= h->profiles;
    d->sums.samples -= h->samples;
}

struct held *directory_merge(struct directory *d, struct tenant *t, const size_t *at, size_t n, struct bucket *bucket)
{
    const struct row *r = atomic_load_explicit(&t->row, memory_order_relaxed);
    struct row       *now = mem_alloc(sizeof *now + r->n * sizeof *now->at);
    size_t            k = 0;

    assert(n > 0 && at[n - 1] < r->n && bucket_start_ns(bucket) == r->at[at[0]].start_ns);
    now->n = 0;
    for (size_t i = 0; i < r->n; i++) {
        bool is_merged = k < n && at[k] == i;
        if (is_merged)
            forget(d, t, &r->at[i]);
        if (!is_merged)
            now->at[now->n++] = r->at[i];
        else if (k++ == 0)
            now->at[now->n++] = (struct held){ bucket_start_ns(bucket), bucket_end_ns(bucket), .bucket = bucket };
    }
    d->sums.buckets++;
    d->sums.own_bytes += sizeof(struct held);
    row_replace(d, t, now);
    directory_weigh_less(d, t, &now->at[at[0]]);
    for (k = 0; k < n; k++)
        let_go(d, r->at[at[k]].bucket); /* the old row is there until the next poll */
    return &now->at[at[0]];
}

void directory_drop(struct directory *d, struct tenant *t, size_t i)
{
    const struct row *r = atomic_load_explicit(&t->row, memory_order_relaxed);
    struct held       h = r->at[i];

    assert(i < r->n);
    forget(d, t, &h);
    if (r->n == 1)
        tenant_remove(d, t); /* D3 */
    else
        row_replace(d, t, row_without(r, i));
    if (t == d->richest)
        d->richest = NULL;
    let_go(d, h.bucket);
}

void directory_free(struct directory *d)
{
    for (struct tenant *t; (t = directory_next(d, NULL)) != NULL;)
        directory_drop(d, t, 0);
    free(d);
}
