#include "base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum { ALIGN = 16, FIRST_BYTES = 4096, CHUNK_MAX = 4 << 20 };

struct chunk {
    struct chunk *older;
    size_t        cap;
    _Alignas(ALIGN) char at[];
};

struct arena {
    char         *at, *end; /* what is left of the newest chunk */
    struct chunk *newest;
    size_t        bytes; /* of all chunks */
    size_t        next;  /* size of the chunk to come */
};

struct arena *arena_new(size_t first_bytes)
{
    struct arena *a = mem_alloc(sizeof *a);
    *a = (struct arena){ .next = first_bytes ? first_bytes : FIRST_BYTES };
    return a;
}

static void chunk_use(struct arena *a, struct chunk *c)
{
    a->newest = c;
    a->at = c->at;
    a->end = c->at + c->cap;
}

static void chunks_free(struct chunk *c)
{
    while (c != NULL) {
        struct chunk *older = c->older;
        free(c);
        c = older;
    }
}

void arena_free(struct arena *a)
{
    if (a == NULL)
        return;
    chunks_free(a->newest);
    free(a);
}

void arena_reset(struct arena *a)
{
    if (a->newest == NULL)
        return;
    chunks_free(a->newest->older);
    a->newest->older = NULL;
    chunk_use(a, a->newest);
    a->bytes = a->newest->cap;
}

struct arena_mark arena_mark(const struct arena *a)
{
    return (struct arena_mark){ a->newest, a->at, a->bytes, a->next };
}

void arena_rewind(struct arena *a, struct arena_mark to)
{
    while (a->newest != to.newest) {
        struct chunk *newest = a->newest;
        a->newest = newest->older;
        free(newest);
    }
    a->at = to.at;
    a->end = to.newest != NULL ? to.newest->at + to.newest->cap : NULL;
    a->bytes = to.bytes;
    a->next = to.next;
}

static void chunk_new(struct arena *a, size_t bytes)
{
    size_t        cap = bytes > a->next ? bytes : a->next;
    struct chunk *c = mem_alloc(sizeof *c + cap);

    *c = (struct chunk){ .older = a->newest, .cap = cap };
    chunk_use(a, c);
    a->bytes += cap;
    if (a->next < CHUNK_MAX)
        a->next *= 2;
}

void arena_reserve(struct arena *a, size_t bytes)
{
    if (a->at == NULL || bytes > (size_t)(a->end - a->at))
        chunk_new(a, bytes);
}

/* Out of line: what nearly every allocation takes is a few instructions. */
__attribute__((noinline)) static void *alloc_in_new(struct arena *a, size_t bytes)
{
    chunk_new(a, bytes);
    char *p = a->at;
    a->at += bytes;
    return p;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    char *p = a->at;

    assert(bytes <= SIZE_MAX / 2);
    bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (p == NULL || bytes > (size_t)(a->end - p))
        return alloc_in_new(a, bytes);
    a->at = p + bytes;
    return p;
}

void *arena_zalloc(struct arena *a, size_t bytes) { return memset(arena_alloc(a, bytes), 0, bytes); }

void *arena_array(struct arena *a, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes))
        abort();
    return arena_alloc(a, bytes);
}

struct slice arena_copy(struct arena *a, struct slice s)
{
    char *p = arena_alloc(a, s.n + 1);

    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return slice_make(p, s.n);
}

struct slice arena_printf(struct arena *a, const char *format, ...)
{
    va_list ap, again;

    va_start(ap, format);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    assert(n >= 0);
    char *p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return slice_make(p, (size_t)n);
}

size_t arena_bytes(const struct arena *a) { return a->bytes; }
