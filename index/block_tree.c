#include "index/block_tree.h"

#include <stdlib.h>

#include "base/mem.h"

/* What `of` says of each of the n - 1 nodes of a list becomes where the first of its kind stands: a counting sort. */
static uint32_t *counts(uint32_t kinds) { return mem_zalloc(((size_t)kinds + 1) * sizeof(uint32_t)); }

static void starts(uint32_t *count, uint32_t kinds)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i <= kinds; i++) {
        uint32_t n = count[i];
        count[i] = sum;
        sum += n;
    }
}

static struct path *flat(const struct vec *nodes, const uint32_t *renamed, uint32_t n)
{
    struct path *all = mem_alloc(n * sizeof *all);
    uint32_t     run;

    for (uint32_t i = 0; i < n; i += run) {
        const struct path *at = vec_run(nodes, i, n, &run);
        memcpy(all + i, at, run * sizeof *at);
    }
    for (uint32_t i = 1; i < n && renamed != NULL; i++)
        all[i].key = renamed[all[i].key];
    return all;
}

/* All nodes but the root, by parent and then by key; those of parent p begin at first[p]. */
static uint32_t *sort_children(const struct path *at, uint32_t n, uint32_t n_keys, uint32_t **first)
{
    uint32_t *by_key = mem_alloc(n * sizeof *by_key), *children = mem_alloc(n * sizeof *children);
    uint32_t *key = counts(n_keys), *parent = counts(n);

    for (uint32_t i = 1; i < n; i++) {
        key[at[i].key]++;
        parent[at[i].parent]++;
    }
    starts(key, n_keys);
    starts(parent, n);
    for (uint32_t i = 1; i < n; i++)
        by_key[key[at[i].key]++] = i;
    *first = mem_alloc(((size_t)n + 1) * sizeof **first);
    memcpy(*first, parent, ((size_t)n + 1) * sizeof **first);
    for (uint32_t i = 0; i + 1 < n; i++)
        children[parent[at[by_key[i]].parent]++] = by_key[i];
    free(by_key);
    free(key);
    free(parent);
    return children;
}

struct block_tree block_tree_sort(const struct vec *nodes, const uint32_t *renamed, uint32_t n_keys)
{
    uint32_t          n = vec_n(nodes), node = 0, up = 0, *first;
    struct path      *at = flat(nodes, renamed, n);
    uint32_t         *children = sort_children(at, n, n_keys, &first);
    uint32_t         *next = mem_alloc(n * sizeof *next);
    struct block_tree t = { mem_alloc(n * sizeof *t.up), mem_alloc(n * sizeof *t.key), mem_alloc(n * sizeof *t.place),
                            n };

    memcpy(next, first, n * sizeof *next);
    t.place[0] = 0;
    for (uint32_t made = 0; made + 1 < n;) {
        if (next[node] == first[node + 1]) { /* all its children have their places */
            node = at[node].parent;
            up++;
            continue;
        }
        node = children[next[node]++];
        t.up[made] = up;
        t.key[made] = at[node].key;
        t.place[node] = ++made;
        up = 0;
    }
    free(at);
    free(children);
    free(first);
    free(next);
    return t;
}

void block_tree_read(const struct section *up, const struct section *key, struct path *nodes)
{
    struct words us = words_of(up), ks = words_of(key);
    uint64_t     u[PACK], k[PACK];
    struct path *at = nodes;

    *at = (struct path){ 0 };
    for (uint32_t n; (n = words_next(&us, u)) > 0;) {
        words_next(&ks, k);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t parent = (uint32_t)(at - nodes);
            for (uint64_t left = u[i]; left > 0; left--)
                parent = nodes[parent].parent;
            *++at = (struct path){ parent, (uint32_t)k[i] };
        }
    }
}
