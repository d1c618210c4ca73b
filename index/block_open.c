#include "index/block.h"

#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "index/block_priv.h"
#include "index/bucket_priv.h"

/* Items may take no bytes, so what is allocated for them is bounded by the whole. */
enum { ITEMS_PER_BYTE_MAX = 64 };

/* ---- head, checksums, table ----------------------------------------------------------------------------------------- */

static uint64_t pages_of(uint64_t body) { return (body + BLOCK_PAGE - 1) / BLOCK_PAGE; }

static enum code damaged(struct fault *why, const char *what)
{
    return fail(why, CODE_DATA_LOSS, "block: damaged: %s", what);
}

static enum code head_check(const struct block_head *h, size_t bytes, struct fault *why)
{
    if (bytes < sizeof *h + BLOCK_PAD)
        return fail(why, CODE_DATA_LOSS, "block: cut short: %zu bytes are no head", bytes);
    if (memcmp(h->magic, BLOCK_MAGIC, sizeof h->magic) != 0)
        return fail(why, CODE_DATA_LOSS, "block: not a block, or its first bytes are damaged");
    if (h->version != BLOCK_VERSION || h->features != 0)
        return fail(why, CODE_UNIMPLEMENTED,
                    "block: version %u with features %#x; this program reads version %d without any", h->version,
                    h->features, BLOCK_VERSION);
    if (h->page_bytes != BLOCK_PAGE || h->body_bytes < sizeof *h + BLOCK_PAD || h->body_bytes > bytes ||
        h->body_bytes + pages_of(h->body_bytes) * sizeof(uint32_t) + sizeof(uint64_t) != bytes)
        return fail(why, CODE_DATA_LOSS,
                    "block: %zu bytes, and not what its head says of a body of %llu: cut short or damaged", bytes,
                    (unsigned long long)h->body_bytes);
    return CODE_OK;
}

static enum code checksums_check(struct slice image, uint64_t body, struct fault *why)
{
    uint64_t    pages = pages_of(body), all;
    const char *sums = image.p + body;

    memcpy(&all, sums + pages * sizeof(uint32_t), sizeof all);
    if (hash64(sums, pages * sizeof(uint32_t)) != all)
        return damaged(why, "the checksums at its end");
    for (uint64_t i = 0; i < pages; i++) {
        uint64_t at = i * BLOCK_PAGE, n = body - at < BLOCK_PAGE ? body - at : BLOCK_PAGE;
        uint32_t sum;
        memcpy(&sum, sums + i * sizeof sum, sizeof sum);
        if ((uint32_t)hash64(image.p + at, n) != sum)
            return fail(why, CODE_DATA_LOSS, "block: damaged: bytes %llu to %llu have another checksum",
                        (unsigned long long)at, (unsigned long long)(at + n - 1));
    }
    return CODE_OK;
}

static uint64_t table_at(const struct block_head *h) { return sizeof *h + block_aligned(h->tenant_bytes); }

static uint64_t sections_n(const struct block_head *h)
{
    return h->bucket_sections + (uint64_t)h->n_groups * h->group_sections;
}

static bool is_counted(const struct block_head *h)
{
    return h->start_ns < h->end_ns && h->profiles >= 0 && h->profiles <= UINT32_MAX && h->samples >= 0 &&
           h->clamped >= 0 && h->bucket_sections >= B_SECTIONS && h->group_sections >= G_SECTIONS &&
           h->tenant_bytes <= BLOCK_TENANT_MAX &&
           table_at(h) + sections_n(h) * sizeof(struct block_entry) + BLOCK_PAD <= h->body_bytes;
}

static struct block_entry entry_at(const struct block *b, uint64_t i)
{
    struct block_entry e;

    memcpy(&e, b->table + i * sizeof e, sizeof e);
    return e;
}

static uint64_t begin_at(const struct block *b, uint64_t i)
{
    return i > 0 ? entry_at(b, i - 1).end : table_at(&b->head) + sections_n(&b->head) * sizeof(struct block_entry);
}

static enum code table_check(const struct block *b, struct fault *why)
{
    uint64_t n = sections_n(&b->head), at = begin_at(b, 0), end = b->head.body_bytes - BLOCK_PAD;

    for (uint64_t i = 0; i < n; i++) {
        struct block_entry e = entry_at(b, i);
        bool               is_sized = e.end >= at && e.end <= end && e.end - at <= UINT32_MAX && e.width <= 32;
        if (!is_sized || e.n / ITEMS_PER_BYTE_MAX > end)
            return fail(why, CODE_DATA_LOSS, "block: section %llu of %llu is out of place", (unsigned long long)i,
                        (unsigned long long)n);
        at = e.end;
    }
    return at == end ? CODE_OK : damaged(why, "its sections do not fill it");
}

struct section block_section(const struct block *b, uint32_t i)
{
    struct block_entry e = entry_at(b, i);
    uint64_t           at = begin_at(b, i);

    return (struct section){ (const uint8_t *)b->image.bytes.p + at, e.end - at, e.n, e.width };
}

/* Points of streams that follow each other do so too. */
static bool has_points(const struct block *b, struct range streams)
{
    const struct section *points = &b->of[B_POINT_ENDS];

    return streams.at < streams.end && range_at(points, streams.at).at < range_at(points, streams.end - 1).end;
}

static bool is_each_series_seen(const struct block *b)
{
    uint32_t i = 0;

    while (i < b->n_series && has_points(b, range_at(&b->of[B_STREAM_ENDS], i)))
        i++;
    return i == b->n_series;
}

static bool is_each_type_seen(const struct block *b)
{
    bool    *seen = mem_zalloc(b->n_types * sizeof *seen);
    uint32_t unseen = b->n_types;

    for (uint32_t i = 0; i < b->of[B_STREAM_TYPES].n && unseen > 0; i++) {
        uint32_t type = bits_at(&b->of[B_STREAM_TYPES], i);
        if (seen[type] || !has_points(b, (struct range){ i, i + 1 }))
            continue;
        seen[type] = true;
        unseen--;
    }
    free(seen);
    return unseen == 0;
}

static enum code image_check(struct block *b, struct fault *why)
{
    struct slice image = b->image.bytes;

    memcpy(&b->head, image.p, image.n < sizeof b->head ? image.n : sizeof b->head);
    enum code code = head_check(&b->head, image.n, why);
    if (code == CODE_OK)
        code = checksums_check(image, b->head.body_bytes, why);
    if (code == CODE_OK && !is_counted(&b->head))
        code = damaged(why, "its head");
    if (code != CODE_OK)
        return code;
    b->table = (const uint8_t *)image.p + table_at(&b->head);
    code = table_check(b, why);
    for (uint32_t i = 0; i < B_SECTIONS && code == CODE_OK; i++)
        b->of[i] = block_section(b, i);
    if (code == CODE_OK)
        code = block_check(b, why);
    if (code == CODE_OK)
        b->is_all_seen = is_each_series_seen(b) && is_each_type_seen(b);
    return code;
}

/* ---- the bucket ----------------------------------------------------------------------------------------------------- */

static struct bucket *bucket_of(struct block *sealed, _Atomic size_t *meter)
{
    struct bucket           *b = mem_zalloc(sizeof *b);
    const struct block_head *h = &sealed->head;

    *b = (struct bucket){ .refs = 1,
                          .sealed = sealed,
                          .start_ns = h->start_ns,
                          .end_ns = h->end_ns,
                          .tenant = slice_make(sealed->image.bytes.p + sizeof *h, h->tenant_bytes),
                          .n_batches = (uint32_t)h->profiles,
                          .n_samples = h->samples,
                          .oldest_ns = h->oldest_ns,
                          .newest_ns = h->newest_ns,
                          .n_clamped = h->clamped };
    slab_init(&b->slab, meter);
    slab_charge(&b->slab, sizeof *b + sizeof *sealed + sealed->image.bytes.n);
    return b;
}

enum code block_open(const struct block_image *image, _Atomic size_t *meter, struct bucket **out, struct fault *why)
{
    struct block *sealed = mem_zalloc(sizeof *sealed);

    sealed->image = *image;
    enum code code = image_check(sealed, why);
    if (code == CODE_OK)
        *out = bucket_of(sealed, meter);
    else
        free(sealed);
    return code;
}

void block_close(struct bucket *b)
{
    b->sealed->image.release(b->sealed->image.bytes);
    free(b->sealed);
    slab_fini(&b->slab);
    free(b);
}

bool         bucket_is_sealed(const struct bucket *b) { return b->sealed != NULL; }
struct slice block_image(const struct bucket *b) { return b->sealed->image.bytes; }

struct block_origin block_origin(const struct bucket *b)
{
    const struct section *keys = &b->sealed->of[B_KEYS], *sources = &b->sealed->of[B_SOURCES];

    return (struct block_origin){ b->sealed->head.first_seq, b->sealed->head.last_seq,
                                  slice_make(keys->at, keys->bytes), slice_make(sources->at, sources->bytes) };
}

static bool is_demoted(const struct bucket *b)
{
    return atomic_load_explicit(&b->sealed->is_demoted, memory_order_relaxed);
}

bool bucket_is_all_seen(const struct bucket *b) { return b->sealed != NULL && b->sealed->is_all_seen; }
bool bucket_is_demoted(const struct bucket *b) { return b->sealed != NULL && is_demoted(b); }

bool block_is_demotable(const struct bucket *b)
{
    return b->sealed != NULL && b->sealed->image.rest != NULL && !is_demoted(b);
}

void block_demote(struct bucket *b)
{
    assert(block_is_demotable(b));
    slab_credit(&b->slab, b->sealed->image.bytes.n);
    atomic_store_explicit(&b->sealed->is_demoted, true, memory_order_relaxed);
    block_rest(b);
}

void block_rest(const struct bucket *b)
{
    if (bucket_is_demoted(b))
        b->sealed->image.rest(b->sealed->image.bytes);
}
