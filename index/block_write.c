/* A live bucket becomes an image (index/block.h): head and table, then section by section, then the checksums. */
#include "index/block_write.h"

#include <assert.h>

#include "base/hash.h"
#include "base/mem.h"

static struct block_head head_of(const struct bucket *b, const struct block_origin *origin)
{
    struct bucket_stats now = bucket_stats(b);
    struct block_head   h = { .version = BLOCK_VERSION,
                              .page_bytes = BLOCK_PAGE,
                              .start_ns = b->start_ns,
                              .end_ns = b->end_ns,
                              .oldest_ns = now.oldest_ns,
                              .newest_ns = now.newest_ns,
                              .profiles = now.profiles,
                              .samples = now.samples,
                              .clamped = now.clamped,
                              .first_seq = origin->first_seq,
                              .last_seq = origin->last_seq,
                              .tenant_bytes = (uint32_t)b->tenant.n,
                              .n_groups = vec_n(&b->groups),
                              .bucket_sections = B_SECTIONS,
                              .group_sections = G_SECTIONS };

    memcpy(h.magic, BLOCK_MAGIC, sizeof h.magic);
    return h;
}

static void put_zeros(struct buf *out, size_t n)
{
    static const char zeros[BLOCK_ALIGN];
    buf_put(out, zeros, n);
}

/* Room for the head and the table, which are known when all else is. */
static void open_image(struct sealing *x, const struct block_head *h)
{
    size_t entries = B_SECTIONS + (size_t)h->n_groups * G_SECTIONS;

    x->table = mem_zalloc(entries * sizeof *x->table);
    x->start = x->out->n;
    buf_put(x->out, h, sizeof *h);
    buf_slice(x->out, x->from->tenant);
    put_zeros(x->out, (size_t)(block_aligned(x->from->tenant.n) - x->from->tenant.n));
    buf_put(x->out, x->table, entries * sizeof *x->table);
}

static void put_checksums(struct buf *out, size_t start, size_t body)
{
    size_t   pages = (body + BLOCK_PAGE - 1) / BLOCK_PAGE;
    size_t   from = out->n;
    uint64_t all;

    for (size_t i = 0; i < pages; i++) {
        size_t   at = i * BLOCK_PAGE, n = body - at < BLOCK_PAGE ? body - at : BLOCK_PAGE;
        uint32_t sum = (uint32_t)hash64(out->p + start + at, n);
        buf_put(out, &sum, sizeof sum);
    }
    all = hash64(out->p + from, out->n - from);
    buf_put(out, &all, sizeof all);
}

static void close_image(struct sealing *x, struct block_head *h)
{
    size_t table_at = x->start + sizeof *h + block_aligned(x->from->tenant.n);

    put_zeros(x->out, BLOCK_PAD);
    h->body_bytes = x->out->n - x->start;
    memcpy(x->out->p + x->start, h, sizeof *h);
    memcpy(x->out->p + table_at, x->table, x->n_sections * sizeof *x->table);
    put_checksums(x->out, x->start, h->body_bytes);
}

enum code block_write(const struct bucket *b, const struct block_origin *origin, struct buf *out, struct fault *why)
{
    struct sealing    x = { .from = b, .out = out, .arena = arena_new(0) };
    struct block_head h = head_of(b, origin);

    assert(!bucket_is_sealed(b));
    open_image(&x, &h);
    section_bytes(&x, origin->keys.p, origin->keys.n);
    sealing_put_labels(&x);
    sealing_put_points(&x);
    section_bytes(&x, origin->sources.p, origin->sources.n);
    for (uint32_t i = 0; i < x.n_groups && !x.is_too_large; i++)
        sealing_put_group(&x, group_at(b, i));
    if (!x.is_too_large)
        close_image(&x, &h);
    free(x.table);
    arena_free(x.arena);
    if (!x.is_too_large)
        return CODE_OK;
    out->n = x.start;
    return fail(why, CODE_RESOURCE_EXHAUSTED, "a section of the block would be larger than 4 GiB");
}
