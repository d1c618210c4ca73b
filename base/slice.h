/*
 * Slice: bytes that somebody else owns.  Not NUL-terminated; a slice of zero bytes may have a NULL pointer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *p;
    size_t      n;
};

#define SLICE(literal) ((struct slice){ "" literal, sizeof(literal) - 1 })

/* For printf: `"%.*s", SLICE_ARGS(s)`. */
#define SLICE_ARGS(s) (int)(s).n, (s).n ? (s).p : ""

static inline struct slice slice_of(const char *text) { return (struct slice){ text, text ? strlen(text) : 0 }; }

static inline struct slice slice_make(const void *p, size_t n) { return (struct slice){ p, n }; }

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_is(struct slice a, const char *text) { return slice_eq(a, slice_of(text)); }

/* Bytewise, the shorter first when one begins the other. */
static inline int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int    d = n ? memcmp(a.p, b.p, n) : 0;

    return d ? d : (a.n > b.n) - (a.n < b.n);
}

static inline bool slice_starts(struct slice a, struct slice prefix)
{
    return a.n >= prefix.n && (prefix.n == 0 || memcmp(a.p, prefix.p, prefix.n) == 0);
}

static inline struct slice slice_from(struct slice a, size_t i) { return (struct slice){ a.p + i, a.n - i }; }

/* ASCII letters compare equal in either case. */
bool slice_eq_nocase(struct slice a, struct slice b);

/* Without the ASCII white space at both ends. */
struct slice slice_trim(struct slice a);

/* The first `needle` in `a`: its index, or a.n when there is none. */
size_t slice_find(struct slice a, struct slice needle);

/* What a hexadecimal digit of either case stands for; -1 when it is none. */
int slice_hex_digit(char c);

/* A decimal integer that fills the whole slice; false when it is anything else or does not fit. */
bool slice_to_i64(struct slice a, long long *out);
