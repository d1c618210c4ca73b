/* Pyroscope's tree bytes: pre-order, the nameless root first, the last child's subtree before the others. */
#include <assert.h>

#include "base/mem.h"
#include "query/cut.h"
#include "query/flame.h"

struct todo {
    uint32_t node;
    int64_t  rest; /* > 0 with node 0: a leaf `other`; with a node: what its parent cut is added to it */
};

struct pass {
    struct cut   cut;
    struct todo *todo;
    size_t       n, cap;
    struct buf  *out;
};

static void put(struct buf *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_byte(out, (uint8_t)(v | 0x80));
    buf_byte(out, (uint8_t)v);
}

static void put_node(struct buf *out, struct slice name, int64_t self, uint64_t children)
{
    put(out, name.n);
    buf_slice(out, name);
    put(out, (uint64_t)self);
    put(out, children);
}

static void push(struct pass *p, struct todo t)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 256;
        p->todo = mem_resize(p->todo, p->cap * sizeof *p->todo);
    }
    p->todo[p->n++] = t;
}

/* A child called `other` takes in what was cut beside it; without one there is a leaf. */
static uint64_t children_push(struct pass *p, uint32_t node)
{
    struct cut_children below = cut_children(&p->cut, node, true);
    uint64_t            n = below.n;

    for (uint32_t i = 0; i < below.n; i++) {
        bool is_other = p->cut.tree->name[below.at[i]] == p->cut.other;
        push(p, (struct todo){ below.at[i], is_other ? below.rest : 0 });
        if (is_other)
            below.rest = 0;
    }
    if (below.rest > 0) {
        push(p, (struct todo){ 0, below.rest });
        n++;
    }
    return n;
}

static void node_write(struct pass *p, struct todo t)
{
    const struct tree *tree = p->cut.tree;
    int64_t            self;

    if (t.node == 0) {
        put_node(p->out, SLICE("other"), t.rest, 0);
        return;
    }
    if (__builtin_add_overflow(tree->self[t.node], t.rest, &self))
        self = INT64_MAX;
    uint64_t n = children_push(p, t.node);
    put_node(p->out, strset_at(tree->names, tree->name[t.node]), self, n);
}

void flame_tree_bytes(const struct tree *t, int64_t max_nodes, struct buf *out)
{
    struct pass p = { .out = out };

    cut_init(&p.cut, t, max_nodes);
    if (p.cut.total[0] > t->self[0]) {
        put_node(out, SLICE(""), 0, children_push(&p, 0));
        while (p.n > 0)
            node_write(&p, p.todo[--p.n]);
    }
    free(p.todo);
    cut_fini(&p.cut);
}
