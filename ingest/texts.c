#include "ingest/texts.h"

#include <assert.h>

struct texts texts_new(struct arena *a, size_t n, size_t bytes)
{
    struct texts t = { .arena = a, .cap = (uint32_t)n, .bytes_cap = bytes };

    assert(n < UINT32_MAX);
    t.at = arena_array(a, n + 1, sizeof *t.at);
    t.at[0] = 0;
    t.bytes = arena_alloc(a, bytes + TEXTS_USUAL_MAX);
    return t;
}

struct texts texts_grown(struct texts t, size_t bytes)
{
    size_t n_bytes = texts_bytes(&t), n_at = (size_t)t.n + 1;

    assert(n_bytes + bytes <= UINT32_MAX && n_at <= UINT32_MAX / 2);
    if (t.n == t.cap) {
        t.cap = (uint32_t)n_at * 2;
        t.at = memcpy(arena_array(t.arena, (size_t)t.cap + 1, sizeof *t.at), t.at, n_at * sizeof *t.at);
    }
    if (bytes > t.bytes_cap - n_bytes) {
        t.bytes_cap = (n_bytes + bytes) * 2;
        t.bytes = memcpy(arena_alloc(t.arena, t.bytes_cap + TEXTS_USUAL_MAX), t.bytes, n_bytes);
    }
    return t;
}
