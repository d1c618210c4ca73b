#include <stdlib.h>

#include "base/mem.h"
#include "index/block_check.h"
#include "index/stacks.h"

/* n words below `limit` and nothing behind them; their sum, which is that of the whole column, to *sum. */
static bool is_column(const struct section *s, uint64_t n, uint64_t limit, uint64_t *sum)
{
    const uint8_t *at = s->at, *end = s->at + s->bytes;
    uint64_t       words[PACK], all = 0;

    if (s->n != n)
        return false;
    for (uint32_t left = s->n; left > 0; left -= pack_of(left)) {
        at = pack_check(at, end, pack_of(left), words);
        if (at == NULL)
            return false;
        for (uint32_t i = 0; i < pack_of(left); i++) {
            if (words[i] >= limit)
                return false;
            all += words[i];
        }
    }
    *sum = all;
    return at == end;
}

#define ANY (UINT64_C(1) << 32)

struct rule {
    enum group_section kind;
    uint64_t           n, limit;
};

static bool are_columns(const struct block *b, uint32_t group, const struct rule *rules, size_t n)
{
    uint64_t ignored;

    for (size_t i = 0; i < n; i++) {
        struct section s = group_section(b, group, rules[i].kind);
        if (!is_column(&s, rules[i].n, rules[i].limit, &ignored))
            return false;
    }
    return true;
}

static bool are_mappings(const struct section *s, uint32_t n_strings)
{
    if (s->bytes != (uint64_t)s->n * sizeof(struct symbol_mapping))
        return false;
    for (uint32_t i = 0; i < s->n; i++) {
        struct symbol_mapping m;
        memcpy(&m, s->at + (size_t)i * sizeof m, sizeof m);
        if (m.file >= n_strings || m.build_id >= n_strings)
            return false;
    }
    return true;
}

/* Distances from the names lead to strings too. */
static bool are_system_names(const struct block *b, uint32_t group, uint32_t n_strings)
{
    struct section name = group_section(b, group, G_FUNCTION_NAME), system = group_section(b, group, G_FUNCTION_SYSTEM);
    struct words   names = words_of(&name), systems = words_of(&system);
    uint64_t       a[PACK], d[PACK];

    for (uint32_t n; (n = words_next(&names, a)) > 0;) {
        words_next(&systems, d);
        for (uint32_t i = 0; i < n; i++)
            if ((uint32_t)a[i] + (uint32_t)unzigzag(d[i]) >= n_strings)
                return false;
    }
    return true;
}

/* Every string but the first has bytes of its own, so all of them together are no more than 256 times those. */
static bool are_strings(const struct section *own, const struct section *shared)
{
    struct words owns = words_of(own), shares = words_of(shared);
    uint64_t     o[PACK], s[PACK], before = 0;
    bool         is_first = true;

    for (uint32_t n; (n = words_next(&owns, o)) > 0;) {
        words_next(&shares, s);
        for (uint32_t i = 0; i < n; i++) {
            if (s[i] > before || (o[i] == 0 && !is_first))
                return false;
            before = s[i] + o[i];
            is_first = false;
        }
    }
    return true;
}

struct group_counts {
    uint32_t strings, mappings, functions, lines, locations, stacks;
};

static struct group_counts counts_of(const struct block *b, uint32_t g)
{
    return (struct group_counts){ group_section(b, g, G_TEXT_BYTES).n,     group_section(b, g, G_MAPPINGS).n,
                                  group_section(b, g, G_FUNCTION_NAME).n,  group_section(b, g, G_LINE_FUNCTION).n,
                                  group_section(b, g, G_LOCATION_LINES).n, group_section(b, g, G_STACK_LOCATION).n };
}

static bool are_symbols(const struct block *b, uint32_t g, const struct group_counts *n)
{
    const struct rule rules[] = {
        { G_TEXT_SHARED, n->strings, BLOCK_SHARED_MAX + 1 },
        { G_FUNCTION_NAME, n->functions, n->strings },
        { G_FUNCTION_SYSTEM, n->functions, ANY },
        { G_FUNCTION_FILE, n->functions, n->strings },
        { G_FUNCTION_LINE_LO, n->functions, ANY },
        { G_FUNCTION_LINE_HI, n->functions, ANY },
        { G_LINE_FUNCTION, n->lines, n->functions },
        { G_LINE_LO, n->lines, ANY },
        { G_LINE_HI, n->lines, ANY },
        { G_LOCATION_ADDRESS_LO, n->locations, ANY },
        { G_LOCATION_ADDRESS_HI, n->locations, ANY },
        { G_LOCATION_MAPPING, n->locations, n->mappings + UINT64_C(1) },
        { G_LOCATION_NAME, n->locations, n->strings },
        { G_LOCATION_FLAGS, n->locations, ANY },
    };
    struct section text = group_section(b, g, G_TEXT), bytes = group_section(b, g, G_TEXT_BYTES);
    struct section lines = group_section(b, g, G_LOCATION_LINES), mappings = group_section(b, g, G_MAPPINGS);
    struct section shared = group_section(b, g, G_TEXT_SHARED);
    uint64_t       sum;

    return is_column(&bytes, n->strings, ANY, &sum) && sum == text.bytes &&
           is_column(&lines, n->locations, ANY, &sum) && sum == n->lines && are_mappings(&mappings, n->strings) &&
           are_columns(b, g, rules, sizeof rules / sizeof *rules) && are_strings(&bytes, &shared) &&
           are_system_names(b, g, n->strings);
}

/*
 * Levels up end at the root, and the keys of a node's children ascend, so no two are the same.  `parent` and `last` have
 * room for all nodes: where each hangs, and the key of its last child so far plus 1.
 */
static bool are_nodes(const struct section *up, const struct section *key, uint32_t *parent, uint32_t *last)
{
    struct words us = words_of(up), ks = words_of(key);
    uint64_t     u[PACK], k[PACK];
    uint32_t     node = 0;

    parent[0] = 0;
    last[0] = 0;
    for (uint32_t n; (n = words_next(&us, u)) > 0;) {
        words_next(&ks, k);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t at = node;
            for (uint64_t left = u[i]; left > 0; left--, at = parent[at])
                if (at == 0)
                    return false;
            if (k[i] < last[at])
                return false;
            last[at] = (uint32_t)k[i] + 1;
            parent[++node] = at;
            last[node] = 0;
        }
    }
    return true;
}

static bool is_tree(const struct block *b, uint32_t g, enum group_section kind, uint32_t n_keys)
{
    struct section up = group_section(b, g, kind), key = group_section(b, g, kind + 1);
    uint64_t       ignored;

    if (up.n >= VEC_MAX || !is_column(&up, up.n, up.n, &ignored) || !is_column(&key, up.n, n_keys, &ignored))
        return false;
    uint32_t *parent = mem_alloc((up.n + UINT64_C(1)) * sizeof *parent);
    uint32_t *last = mem_alloc((up.n + UINT64_C(1)) * sizeof *last);
    bool      is = are_nodes(&up, &key, parent, last);
    free(parent);
    free(last);
    return is;
}

enum code block_check_group(const struct block *b, uint32_t g, struct fault *why)
{
    struct group_counts n = counts_of(b, g);
    const struct rule   stacks[] = {
          { G_STACK_LOCATION, n.stacks, group_section(b, g, G_LOCATION_UP).n + UINT64_C(1) },
          { G_STACK_FUNCTION, n.stacks, group_section(b, g, G_FUNCTION_UP).n + UINT64_C(1) },
    };

    if (!are_symbols(b, g, &n))
        return fail(why, CODE_DATA_LOSS, "block: symbols of service %u are damaged", g);
    if (!is_tree(b, g, G_LOCATION_UP, n.locations) || !is_tree(b, g, G_FUNCTION_UP, n.strings))
        return fail(why, CODE_DATA_LOSS, "block: a tree of service %u is damaged", g);
    if (!are_columns(b, g, stacks, 2))
        return fail(why, CODE_DATA_LOSS, "block: stacks of service %u are damaged", g);
    return CODE_OK;
}
