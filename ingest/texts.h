/*
 * Texts: strings side by side, as a batch has them.  Added one behind the other; where they lie when more room is needed
 * moves, but what was read before stays as long as the arena does.
 *
 *     bytes:  main.mainruntime.mcallmain.go     at:  0 0 9 22 29       text i is bytes[at[i], at[i + 1])
 */
#pragma once

#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/slice.h"

/* Shorter ones, which nearly all are, are copied as if they were of this length, for that takes no branch. */
enum { TEXTS_USUAL_MAX = 128 };

struct texts {
    struct arena *arena;
    char         *bytes; /* room for bytes_cap, and TEXTS_USUAL_MAX behind */
    uint32_t     *at;    /* [n + 1], room for cap + 1 */
    uint32_t      n, cap;
    size_t        bytes_cap;
};

/* Room for so many before it has to grow. */
struct texts texts_new(struct arena *a, size_t n, size_t bytes);

/* `t` with room for one more, of `bytes`. */
struct texts texts_grown(struct texts t, size_t bytes);

static inline size_t texts_bytes(const struct texts *t) { return t->at[t->n]; }

static inline struct slice texts_at(const struct texts *t, uint32_t i)
{
    return slice_make(t->bytes + t->at[i], t->at[i + 1] - t->at[i]);
}

/* Its number.  Up to `end` there is memory that may be read behind the text. */
__attribute__((always_inline)) static inline uint32_t texts_add(struct texts *t, struct slice s, const char *end)
{
    size_t from = texts_bytes(t);

    if (t->n == t->cap || s.n > t->bytes_cap - from)
        *t = texts_grown(*t, s.n);
    if (s.n <= TEXTS_USUAL_MAX && end - s.p >= TEXTS_USUAL_MAX)
        memcpy(t->bytes + from, s.p, TEXTS_USUAL_MAX);
    else if (s.n > 0)
        memcpy(t->bytes + from, s.p, s.n);
    t->at[++t->n] = (uint32_t)(from + s.n);
    return t->n - 1;
}
