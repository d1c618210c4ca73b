#include "index/slab.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"

enum { CHUNK_MIN = 4096, CHUNK_MAX = 256 * 1024, BULK_MAX = 1024 * 1024, BLOCKS_FIRST = 8 };
enum { PAGE_BYTES = 4096, ASK_BYTES = 32 * 1024 };

void slab_init(struct slab *s, _Atomic size_t *meter)
{
    *s = (struct slab){ .meter = meter };
}

static struct slab *account(struct slab *s) { return s->of ? s->of : s; }

void slab_charge(struct slab *s, size_t bytes)
{
    s = account(s);
    atomic_fetch_add_explicit(&s->bytes, bytes, memory_order_relaxed);
    if (s->meter != NULL)
        atomic_fetch_add_explicit(s->meter, bytes, memory_order_relaxed);
}

void slab_credit(struct slab *s, size_t bytes)
{
    s = account(s);
    assert(slab_bytes(s) >= bytes); /* A2 */
    atomic_fetch_sub_explicit(&s->bytes, bytes, memory_order_relaxed);
    if (s->meter != NULL)
        atomic_fetch_sub_explicit(s->meter, bytes, memory_order_relaxed);
}

void slab_fini(struct slab *s)
{
    for (uint32_t i = 0; i < s->n_blocks; i++)
        free(s->blocks[i]);
    free(s->blocks);
    slab_credit(s, slab_bytes(s));
}

static void *block_keep(struct slab *s, void *block)
{
    if (s->n_blocks == s->blocks_cap) {
        uint32_t cap = s->blocks_cap ? s->blocks_cap * 2 : BLOCKS_FIRST;
        s->blocks = mem_resize(s->blocks, cap * sizeof *s->blocks);
        slab_charge(s, (cap - s->blocks_cap) * sizeof *s->blocks);
        s->blocks_cap = cap;
    }
    return s->blocks[s->n_blocks++] = block;
}

static void *slab_block(struct slab *s, size_t bytes)
{
    slab_charge(s, bytes);
    return block_keep(s, mem_alloc(bytes));
}

void slab_fork(struct slab *fork, struct slab *of)
{
    *fork = (struct slab){ .of = of, .is_bulk = of->is_bulk };
}

void slab_join(struct slab *s, struct slab *fork)
{
    assert(fork->of == s);
    for (uint32_t i = 0; i < fork->n_blocks; i++)
        block_keep(s, fork->blocks[i]);
    if (fork->cap - fork->used > s->cap - s->used)
        s->chunk = fork->chunk, s->used = fork->used, s->cap = fork->cap, s->asked = fork->asked;
    free(fork->blocks);
    slab_credit(s, fork->blocks_cap * sizeof *fork->blocks);
}

/* A hint: kernels before 5.14 refuse it, and pages come one by one, as ever. */
void slab_ask(void *p, size_t bytes)
{
    uintptr_t from = (uintptr_t)p / PAGE_BYTES * PAGE_BYTES;

    if (bytes >= ASK_BYTES)
        madvise((void *)from, (uintptr_t)p + bytes - from, MADV_POPULATE_WRITE);
}

static size_t chunk_bytes(const struct slab *s, size_t in_use)
{
    size_t bytes = CHUNK_MIN, most = s->is_bulk ? BULK_MAX : CHUNK_MAX;

    while (bytes < most && bytes * 8 < in_use)
        bytes *= 2;
    return bytes;
}

static bool is_block(size_t bytes, size_t chunk) { return bytes > (chunk < CHUNK_MAX ? chunk : CHUNK_MAX) / 4; }

/* A piece at a time: what is left free of a chunk costs no pages. */
static void chunk_ask(struct slab *s)
{
    size_t from = s->asked, to = (s->used + ASK_BYTES - 1) / ASK_BYTES * ASK_BYTES;

    s->asked = to < s->cap ? to : s->cap;
    slab_ask(s->chunk + from, s->asked - from);
}

void *slab_alloc(struct slab *s, size_t bytes, size_t align)
{
    size_t at = (s->used + align - 1) & ~(align - 1);

    assert(align == 1 || align == 4 || align == 8);
    if (bytes > s->cap || at > s->cap - bytes) {
        size_t cap = chunk_bytes(s, slab_bytes(s));
        if (is_block(bytes, cap))
            return slab_block(s, bytes); /* the chunk goes on being filled */
        s->chunk = slab_block(s, cap);
        s->cap = cap;
        s->asked = at = 0;
    }
    s->used = at + bytes;
    if (s->is_bulk && s->used > s->asked)
        chunk_ask(s);
    return s->chunk + at;
}

struct slice slab_copy(struct slab *s, struct slice text)
{
    if (text.n == 0)
        return SLICE("");
    return slice_make(memcpy(slab_alloc(s, text.n, 1), text.p, text.n), text.n);
}

void *slab_take(struct slab *s, size_t bytes)
{
    void *p = mem_alloc(bytes);

    slab_charge(s, bytes);
    slab_ask(p, bytes);
    return memset(p, 0, bytes); /* not calloc: of a page that is read first the system makes two */
}

void slab_give(struct slab *s, void *p, size_t bytes)
{
    if (p == NULL)
        return;
    free(p);
    slab_credit(s, bytes);
}

/* A chunk is left when less than a quarter of it is free, so what is asked for fills at least three quarters. */
size_t slab_cost_max(const struct slab *s, size_t bytes)
{
    size_t chunks = bytes / 3 * 4 + 8;
    size_t list = ((size_t)s->blocks_cap + chunks / 1024 + BLOCKS_FIRST) * 2 * sizeof *s->blocks;

    return chunks + chunk_bytes(s, slab_bytes(s) + chunks) + list - s->blocks_cap * sizeof *s->blocks;
}
