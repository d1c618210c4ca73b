/* The encoding of model/tree.h.  Reading trusts nothing: every count is checked against the bytes that are left. */
#include <assert.h>

#include "base/mem.h"
#include "model/tree.h"

static void put(struct buf *out, uint64_t v)
{
    char *p = buf_reserve(out, 10);
    int   n = 0;

    for (; v >= 0x80; v >>= 7)
        p[n++] = (char)(v | 0x80);
    p[n++] = (char)v;
    out->n += (size_t)n;
}

void tree_encode(const struct tree *t, struct buf *out)
{
    uint32_t n_names = strset_n(t->names);

    put(out, n_names);
    for (uint32_t i = 0; i < n_names; i++) {
        struct slice name = strset_at(t->names, i);
        put(out, name.n);
        buf_slice(out, name);
    }
    put(out, t->n);
    for (uint32_t i = 1; i < t->n; i++) {
        put(out, i - t->parent[i]);
        put(out, t->name[i]);
        put(out, (uint64_t)t->self[i]);
    }
}

struct cursor {
    const uint8_t *at, *end;
    bool           is_bad; /* sticky: a varint cut short, too long, or above its limit */
};

static size_t left(const struct cursor *c) { return (size_t)(c->end - c->at); }

static uint64_t take(struct cursor *c, uint64_t max)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64 && c->at < c->end; shift += 7) {
        uint8_t byte = *c->at++;
        v |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            c->is_bad |= v > max || (shift == 63 && byte > 1);
            return c->is_bad ? 0 : v;
        }
    }
    c->is_bad = true;
    return 0;
}

static bool take_names(struct cursor *c, struct tree *into, uint32_t *name, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        size_t bytes = take(c, left(c));
        if (c->is_bad || bytes > left(c))
            return false;
        name[i] = tree_name(into, slice_make(c->at, bytes));
        c->at += bytes;
    }
    return true;
}

static bool take_nodes(struct cursor *c, struct tree *into, const uint32_t *name, uint32_t n_names, uint32_t *node,
                       uint32_t n)
{
    node[0] = 0;
    for (uint32_t i = 1; i < n; i++) {
        uint32_t up = (uint32_t)take(c, i);
        uint32_t label = (uint32_t)take(c, n_names - 1);
        int64_t  self = (int64_t)take(c, INT64_MAX);
        if (c->is_bad || up == 0)
            return false;
        node[i] = tree_child(into, node[i - up], name[label]);
        tree_add(into, node[i], self);
    }
    return c->at == c->end;
}

enum code tree_decode(struct slice bytes, struct tree *into, struct fault *why)
{
    const uint8_t *from = bytes.n ? (const uint8_t *)bytes.p : (const uint8_t *)"";
    struct cursor  c = { from, from + bytes.n, false };
    uint32_t      *name = NULL, *node = NULL;

    /* A name is at least one byte and a node three, so what is allocated is a small multiple of what came. */
    uint32_t n_names = (uint32_t)take(&c, left(&c));
    bool     is_good = !c.is_bad;
    if (is_good) {
        name = mem_alloc(n_names * sizeof *name);
        is_good = take_names(&c, into, name, n_names);
    }
    uint32_t n = is_good ? (uint32_t)take(&c, left(&c) / 3 + 1) : 0;
    is_good = is_good && !c.is_bad && n > 0 && (n == 1 || n_names > 0);
    if (is_good) {
        node = mem_alloc(n * sizeof *node);
        is_good = take_nodes(&c, into, name, n_names, node, n);
    }
    free(node);
    free(name);
    return is_good ? CODE_OK
                   : fail(why, CODE_INVALID_ARGUMENT, "malformed tree: byte %zu of %zu", bytes.n - left(&c), bytes.n);
}
