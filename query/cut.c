#include "query/cut.h"

#include <assert.h>

#include "base/mem.h"

/* A heap whose top is the least of the largest totals seen. */
static void sift_down(int64_t *heap, size_t n, size_t i)
{
    for (size_t down; (down = 2 * i + 1) < n; i = down) {
        if (down + 1 < n && heap[down + 1] < heap[down])
            down++;
        if (heap[i] <= heap[down])
            return;
        int64_t v = heap[i];
        heap[i] = heap[down];
        heap[down] = v;
    }
}

int64_t cut_least(const int64_t *total, uint32_t n, int64_t max_nodes)
{
    if (max_nodes <= 0 || n <= max_nodes)
        return 0;

    size_t   room = (size_t)max_nodes;
    int64_t *heap = mem_alloc(room * sizeof *heap);
    memcpy(heap, total, room * sizeof *heap);
    for (size_t i = room / 2; i-- > 0;)
        sift_down(heap, room, i);
    for (uint32_t i = (uint32_t)room; i < n; i++)
        if (total[i] > heap[0]) {
            heap[0] = total[i];
            sift_down(heap, room, 0);
        }
    int64_t least = heap[0];
    free(heap);
    return least;
}

/* Children by parent: counted, then placed. */
static void children_link(struct cut *c)
{
    const struct tree *t = c->tree;

    c->first = mem_zalloc(((size_t)t->n + 2) * sizeof *c->first);
    c->child = mem_alloc(t->n * sizeof *c->child);
    for (uint32_t i = 1; i < t->n; i++)
        c->first[t->parent[i] + 2]++;
    for (uint32_t i = 2; i < t->n + 2; i++)
        c->first[i] += c->first[i - 1];
    for (uint32_t i = 1; i < t->n; i++) /* first[p + 1] walks from the begin of p's children to their end */
        c->child[c->first[t->parent[i] + 1]++] = i;
}

void cut_init(struct cut *c, const struct tree *t, int64_t max_nodes)
{
    int64_t *total = mem_alloc(t->n * sizeof *total);

    tree_totals(t, total);
    cut_init_by(c, t, total, cut_least(total + 1, t->n - 1, max_nodes)); /* the root is no node of the answer */
}

void cut_init_by(struct cut *c, const struct tree *t, int64_t *total, int64_t least)
{
    *c = (struct cut){ .tree = t, .total = total, .least = least };
    if (!strset_find(t->names, SLICE("other"), &c->other))
        c->other = UINT32_MAX;
    children_link(c);
}

void cut_fini(struct cut *c)
{
    free(c->total);
    free(c->first);
    free(c->child);
}

static int by_name(const void *a, const void *b, void *arg)
{
    const struct tree *t = arg;
    uint32_t           x = t->name[*(const uint32_t *)a], y = t->name[*(const uint32_t *)b];

    return slice_cmp(strset_at(t->names, x), strset_at(t->names, y));
}

struct cut_children cut_children(struct cut *c, uint32_t node, bool keeps_other)
{
    uint32_t           *at = c->child + c->first[node], n = c->first[node + 1] - c->first[node];
    struct cut_children out = { .at = at };

    for (uint32_t i = 0; i < n; i++) {
        uint32_t child = at[i];
        bool     is_other = c->tree->name[child] == c->other;
        if (c->total[child] > 0 && (is_other ? keeps_other : c->total[child] >= c->least)) {
            at[i] = at[out.n]; /* one already looked at, and cut */
            at[out.n++] = child;
        } else if (__builtin_add_overflow(out.rest, c->total[child], &out.rest)) {
            out.rest = INT64_MAX;
        }
    }
    out.n_cut = n - out.n;
    qsort_r(at, out.n, sizeof *at, by_name, (void *)(uintptr_t)c->tree);
    return out;
}
