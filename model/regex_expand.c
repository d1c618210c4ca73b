/*
 * Patterns that are only a choice of strings: a|b|c, web-(api|db)-[0-9] is not, web-(api|db) is.  Such a pattern is answered
 * by comparison, and an index looks the strings up instead of trying every value it has.
 */
#include <ctype.h>
#include <stdlib.h>

#include "model/regex.h"

enum { PRODUCT_MAX = 4096, PRODUCT_BYTES_MAX = 1 << 20, DEPTH_MAX = 16 };

struct expand {
    struct slice  in;
    size_t        at;
    struct arena *a;
    char         *text;  /* unescaped bytes; each of the pattern at most once */
    size_t        bytes; /* made by products */
    unsigned      depth;
};

static bool alternation(struct expand *e, struct literals *out);

static int peek(const struct expand *e, size_t ahead)
{
    return e->at + ahead < e->in.n ? (unsigned char)e->in.p[e->at + ahead] : -1;
}

static bool ends_sequence(int c) { return c < 0 || c == '|' || c == ')'; }

/* Characters up to one that means something; false at one that means more than a choice. */
static bool run(struct expand *e, struct slice *out)
{
    char *from = e->text;

    for (int c; !ends_sequence(c = peek(e, 0)) && c != '('; e->at++) {
        if (c == '\\') {
            c = peek(e, 1);
            if (c < 0 || c >= 0x80 || isalnum(c))
                return false;
            e->at++;
        } else if (strchr(".[*+?{^$", c) != NULL) {
            return false;
        }
        *e->text++ = (char)c;
    }
    *out = slice_make(from, (size_t)(e->text - from));
    return true;
}

static struct slice joined(struct expand *e, struct slice a, struct slice b)
{
    char *p = arena_alloc(e->a, a.n + b.n + 1);

    memcpy(p, a.p, a.n);
    memcpy(p + a.n, b.p, b.n);
    e->bytes += a.n + b.n;
    return slice_make(p, a.n + b.n);
}

/* Every one of `left` followed by every one of `right`, into left. */
static bool multiply(struct expand *e, struct literals *left, struct literals right)
{
    if (left->n == 1 && left->at[0].n == 0) {
        *left = right;
        return true;
    }
    size_t n = left->n * right.n;
    if (n > PRODUCT_MAX)
        return false;
    struct slice *all = arena_array(e->a, n, sizeof *all);
    for (size_t i = 0; i < left->n; i++)
        for (size_t k = 0; k < right.n; k++) {
            all[i * right.n + k] = joined(e, left->at[i], right.at[k]);
            if (e->bytes > PRODUCT_BYTES_MAX)
                return false;
        }
    *left = (struct literals){ all, n };
    return true;
}

static bool group(struct expand *e, struct literals *out)
{
    e->at++;
    if (peek(e, 0) == '?') {
        if (peek(e, 1) != ':')
            return false;
        e->at += 2;
    }
    if (++e->depth > DEPTH_MAX || !alternation(e, out) || peek(e, 0) != ')')
        return false;
    e->depth--;
    e->at++;
    return true;
}

static bool sequence(struct expand *e, struct literals *out)
{
    struct slice *one = arena_alloc(e->a, sizeof *one);

    *one = slice_make(e->text, 0);
    *out = (struct literals){ one, 1 };
    while (!ends_sequence(peek(e, 0))) {
        struct slice    text;
        struct literals next = { &text, 1 };

        if (peek(e, 0) == '(' ? !group(e, &next) : !run(e, &text))
            return false;
        if (next.at == &text) { /* outlives this turn of the loop */
            next.at = arena_alloc(e->a, sizeof text);
            *next.at = text;
        }
        if (!multiply(e, out, next))
            return false;
    }
    return true;
}

static bool alternation(struct expand *e, struct literals *out)
{
    size_t cap = 0;

    *out = (struct literals){ 0 };
    for (;; e->at++) {
        struct literals next;
        if (!sequence(e, &next))
            return false;
        if (out->n + next.n > cap) {
            cap = (out->n + next.n) * 2;
            struct slice *more = arena_array(e->a, cap, sizeof *more);
            if (out->n > 0)
                memcpy(more, out->at, out->n * sizeof *more);
            out->at = more;
        }
        memcpy(out->at + out->n, next.at, next.n * sizeof *next.at);
        out->n += next.n;
        if (peek(e, 0) != '|')
            return true;
    }
}

static int by_bytes(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

struct literals regex_expand(struct slice pattern, struct arena *a)
{
    struct expand   e = { .in = pattern, .a = a, .text = arena_alloc(a, pattern.n + 1) };
    struct literals all;
    size_t          kept = 0;

    if (!alternation(&e, &all) || e.at != pattern.n)
        return (struct literals){ 0 };
    qsort(all.at, all.n, sizeof *all.at, by_bytes);
    for (size_t i = 0; i < all.n; i++)
        if (kept == 0 || !slice_eq(all.at[kept - 1], all.at[i]))
            all.at[kept++] = all.at[i];
    all.n = kept;
    return all;
}
