/* A redo being read: nothing of it is trusted (R3).  Its parts are taken in the order of index/publish.h. */
#pragma once

#include "base/arena.h"
#include "index/redo.h"

/* One redo being read.  What does not read says so in `wrong`, and everything read afterwards is 0. */
struct redo_in {
    struct bucket   *to;
    struct group    *group;
    struct redo_head head;
    const uint8_t   *at, *end;
    struct arena    *scratch;
    const char      *wrong; /* NULL: nothing so far */
};

static inline void redo_wrong(struct redo_in *x, const char *what)
{
    if (x->wrong == NULL)
        x->wrong = what;
    x->at = x->end;
}

static inline uint64_t redo_get(struct redo_in *x, const char *what)
{
    uint64_t v;

    if (x->at < x->end && *x->at < 0x80)
        return *x->at++;
    const uint8_t *next = uvarint_check(x->at, x->end, &v);
    if (next == NULL) {
        redo_wrong(x, what);
        return 0;
    }
    x->at = next;
    return v;
}

/* An id below `end`, which is not 0 when anything was read right. */
static inline uint32_t redo_id(struct redo_in *x, uint64_t end, const char *what)
{
    uint64_t v = redo_get(x, what);

    if (v >= end) {
        redo_wrong(x, what);
        return 0;
    }
    return (uint32_t)v;
}

static inline struct slice redo_text(struct redo_in *x, const char *what)
{
    uint64_t     n = redo_get(x, what);
    struct slice text = { (const char *)x->at, n };

    if (n > (uint64_t)(x->end - x->at)) {
        redo_wrong(x, what);
        return SLICE("");
    }
    x->at += n;
    return text;
}

/* redo_symbols.c: symbols and stacks, into vecs only; what they come to is made behind the last redo. */
void redo_take_symbols(struct redo_in *x);

/* redo_parts.c: types, series, rows and points; nothing is left behind them. */
void redo_take_parts(struct redo_in *x);
