#include "ingest/go_groups.h"

#include <stdlib.h>

#include "ingest/go_sort.h"

enum { AHEAD = 8 }; /* so many slots of a table are on the way from memory */

struct sort_key {
    uint64_t key; /* of root[0]: tells nearly all apart without a look at the rest */
    uint32_t group;
};

struct sorting {
    const struct go_group *groups;
    const uint64_t        *order;
};

static uint64_t id_of(const uint64_t *order, uint32_t location)
{
    return location == NO_LOCATION ? 0 : __builtin_bswap64(order[location]);
}

/* By the ids' little-endian bytes. */
static int group_cmp(const void *a, const void *b, void *arg)
{
    const struct sort_key *x = a, *y = b;
    const struct sorting  *by = arg;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    for (int i = 1; i < GO_ROOT; i++) {
        uint64_t v = id_of(by->order, by->groups[x->group].root[i]), w = id_of(by->order, by->groups[y->group].root[i]);
        if (v != w)
            return v < w ? -1 : 1;
    }
    return 0;
}

static void groups_sort(struct go_groups *g, const uint64_t *order)
{
    struct arena    *scratch = g->s->p->scratch;
    struct sort_key *keys = arena_array(scratch, g->n, sizeof *keys);
    struct go_group *sorted = arena_array(scratch, g->n, sizeof *sorted);

    for (uint32_t i = 0; i < g->n; i++)
        keys[i] = (struct sort_key){ id_of(order, g->at[i].root[0]), i };
    qsort_r(keys, g->n, sizeof *keys, group_cmp, &(struct sorting){ g->at, order });
    for (uint32_t i = 0; i < g->n; i++)
        sorted[i] = g->at[keys[i].group];
    g->at = sorted;
}

static bool same_root(const void *items, uint32_t i, uint32_t j)
{
    const struct go_group *g = items;
    return memcmp(g[i].root, g[j].root, GO_ROOT * sizeof *g->root) == 0;
}

struct deep {
    uint64_t hash; /* of its root */
    uint32_t stack;
};

static uint32_t deep_find(const struct samples *s, struct deep *deep)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->n_stacks; i++) {
        struct frames own = samples_stack(s, i);
        if (own.n >= GO_ROOT)
            deep[n++] = (struct deep){ table_hash(own.at + own.n - GO_ROOT, GO_ROOT), i };
    }
    return n;
}

struct go_groups go_groups_make(const struct samples *s, const uint64_t *order)
{
    struct arena    *scratch = s->p->scratch;
    struct go_groups g = { .s = s, .next = arena_array(scratch, s->n_stacks, sizeof *g.next) };
    struct deep     *deep = arena_array(scratch, s->n_stacks, sizeof *deep);
    uint32_t         n = deep_find(s, deep);
    struct table     seen = table_new(scratch, n);

    g.at = arena_array(scratch, (size_t)n + 1, sizeof *g.at);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = deep[i].stack;
        table_prefetch(&seen, deep[i + AHEAD < n ? i + AHEAD : i].hash);
        g.at[g.n] = (struct go_group){ .root = s->locations + s->stack_end[k] - GO_ROOT, .first = k, .last = k };
        struct go_group *group = &g.at[table_put(&seen, deep[i].hash, g.n, same_root, g.at)];
        g.n += group == &g.at[g.n];
        g.next[group->last] = k;
        group->last = k;
        group->n++;
    }
    groups_sort(&g, order);
    return g;
}

struct sent {
    const struct samples *s;
    uint64_t             *hash; /* [s->n_stacks], of stack and labels */
};

static bool same_sent(const void *items, uint32_t i, uint32_t j)
{
    const struct sent *sent = items;
    struct frames      x = samples_stack(sent->s, i), y = samples_stack(sent->s, j);

    return sent->hash[i] == sent->hash[j] && x.n == y.n && (x.n == 0 || memcmp(x.at, y.at, x.n * sizeof *x.at) == 0);
}

/* Dropping type parameters merges equal samples: without those that came again.  Returns how many remain. */
static uint32_t items_merge(const struct samples *s, struct go_item *v)
{
    struct arena *scratch = s->p->scratch;
    struct sent   sent = { s, arena_array(scratch, s->n_stacks, sizeof *sent.hash) };
    struct table  seen = table_new(scratch, s->n_stacks);
    uint32_t      n = 0;

    for (uint32_t i = 0; i < s->n_stacks; i++) {
        struct frames own = samples_stack(s, i);
        sent.hash[i] = table_hash(own.at, own.n) ^ s->labels_hash[i];
    }
    for (uint32_t i = 0; i < s->n_stacks; i++) {
        table_prefetch(&seen, sent.hash[i + AHEAD < s->n_stacks ? i + AHEAD : i]);
        if (table_put(&seen, sent.hash[i], i, same_sent, &sent) == i)
            v[n++] = v[i];
    }
    return n;
}

uint32_t *go_groups_heads(const struct go_groups *g, const uint32_t *asked_before)
{
    uint32_t        n = g->s->n_stacks;
    struct go_item *v = arena_array(g->s->p->scratch, n, sizeof *v);
    uint32_t       *heads = arena_array(g->s->p->scratch, g->n, sizeof *heads);

    for (uint32_t k = 0; k < n; k++)
        v[k] = (struct go_item){ 0, k };
    for (uint32_t i = 0; i < g->n; i++)
        for (uint32_t j = 0, k = g->at[i].first; j < g->at[i].n; j++, k = g->next[k])
            v[k].rank = i + 1;
    if (g->s->p->has_brackets)
        n = items_merge(g->s, v);
    go_sort(v, n, asked_before, g->n);
    for (uint32_t i = n; i-- > 0;)
        if (v[i].rank > 0)
            heads[v[i].rank - 1] = v[i].item;
    return heads;
}
