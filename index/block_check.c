/* Everything that readers of a block trust (K1): one pass, each table against those it refers to. */
#include <stdlib.h>

#include "base/mem.h"
#include "index/block_priv.h"
#include "index/rows.h"
#include "index/stacks.h"

static enum code bad(struct fault *why, const char *what) { return fail(why, CODE_DATA_LOSS, "block: %s", what); }

/* ---- bits ----------------------------------------------------------------------------------------------------------- */

static bool is_bits(const struct section *s, uint64_t n)
{
    return s->n == n && s->bytes == ((uint64_t)s->n * s->width + 7) / 8;
}

/* Ascending, the last one `last`. */
static bool is_ends(const struct section *s, uint64_t n, uint64_t last)
{
    uint32_t before = 0;

    if (!is_bits(s, n))
        return false;
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t end = bits_at(s, i);
        if (end < before)
            return false;
        before = end;
    }
    return before == last;
}

static bool is_below(const struct section *s, uint64_t n, uint64_t limit)
{
    bool is = is_bits(s, n);

    for (uint32_t i = 0; i < s->n && is; i++)
        is = bits_at(s, i) < limit;
    return is;
}

/* ---- labels, types -------------------------------------------------------------------------------------------------- */

static bool is_sorted(const struct block *b, uint32_t at, uint32_t end)
{
    for (uint32_t i = at + 1; i < end; i++)
        if (slice_cmp(block_text(b, i - 1), block_text(b, i)) >= 0)
            return false;
    return true;
}

static enum code labels_check(struct block *b, struct fault *why)
{
    const struct section *names = &b->of[B_NAME_ENDS], *postings = &b->of[B_POSTING_ENDS];
    uint64_t              n_texts;

    b->n_names = names->n;
    b->n_values = postings->n;
    b->n_types = b->of[B_TYPE_PARTS].n / 4;
    b->n_series = b->of[B_LABEL_ENDS].n;
    n_texts = (uint64_t)b->n_names + b->n_values + b->n_types + b->head.n_groups;
    if (!is_ends(&b->of[B_TEXT_ENDS], n_texts, b->of[B_TEXT].bytes))
        return bad(why, "texts of labels, types and services are out of order");
    if (!is_ends(names, b->n_names, b->n_values))
        return bad(why, "label values are out of order");
    if (!is_sorted(b, 0, b->n_names))
        return bad(why, "label names are not sorted");
    for (uint32_t i = 0; i < b->n_names; i++) {
        struct range r = range_at(names, i);
        if (!is_sorted(b, b->n_names + r.at, b->n_names + r.end))
            return bad(why, "label values are not sorted");
    }
    return CODE_OK;
}

static bool is_type(const struct block *b, uint32_t i)
{
    struct slice id = block_text(b, b->n_names + b->n_values + i);
    uint64_t     at = 0;

    for (uint32_t k = 0; k < 4; k++, at++) {
        at += bits_at(&b->of[B_TYPE_PARTS], 4 * i + k);
        if (at >= id.n || id.p[at] != ':')
            return false;
    }
    return true;
}

static enum code types_check(const struct block *b, struct fault *why)
{
    if (!is_bits(&b->of[B_TYPE_PARTS], 4 * (uint64_t)b->n_types))
        return bad(why, "parts of types are damaged");
    for (uint32_t i = 0; i < b->n_types; i++)
        if (!is_type(b, i))
            return bad(why, "a profile type does not have five parts");
    return CODE_OK;
}

/* ---- series --------------------------------------------------------------------------------------------------------- */

static bool is_posting(const struct block *b, struct range r)
{
    const uint8_t *at = b->of[B_POSTINGS].at + r.at, *end = b->of[B_POSTINGS].at + r.end;
    uint64_t       next = 0, gap;

    while (at < end) {
        at = uvarint_check(at, end, &gap);
        if (at == NULL || gap >= b->n_series - next)
            return false;
        next += gap + 1;
    }
    return true;
}

/* A series has each name once. */
static bool are_labels(const struct block *b, struct range r)
{
    const struct section *names = &b->of[B_NAME_ENDS];
    uint32_t              next = 0;

    for (uint32_t i = r.at; i < r.end; i++) {
        uint32_t value = bits_at(&b->of[B_LABELS], i);
        if (value < next)
            return false;
        next = range_at(names, ends_find(names, value)).end;
    }
    return true;
}

static enum code series_check(const struct block *b, struct fault *why)
{
    if (!is_ends(&b->of[B_POSTING_ENDS], b->n_values, b->of[B_POSTINGS].bytes))
        return bad(why, "postings are out of order");
    for (uint32_t i = 0; i < b->n_values; i++)
        if (!is_posting(b, range_at(&b->of[B_POSTING_ENDS], i)))
            return bad(why, "a posting list is damaged");
    if (!is_ends(&b->of[B_GROUP_ENDS], b->head.n_groups, b->n_series))
        return bad(why, "series of services are out of order");
    if (!is_ends(&b->of[B_LABEL_ENDS], b->n_series, b->of[B_LABELS].n) ||
        !is_below(&b->of[B_LABELS], b->of[B_LABELS].n, b->n_values))
        return bad(why, "labels of series are out of range");
    for (uint32_t i = 0; i < b->n_series; i++)
        if (!are_labels(b, range_at(&b->of[B_LABEL_ENDS], i)))
            return bad(why, "labels of a series are not in order");
    if (!is_ends(&b->of[B_STREAM_ENDS], b->n_series, b->of[B_STREAM_TYPES].n) ||
        !is_below(&b->of[B_STREAM_TYPES], b->of[B_STREAM_TYPES].n, b->n_types))
        return bad(why, "streams of series are out of range");
    return CODE_OK;
}

/* ---- rows and points ------------------------------------------------------------------------------------------------ */

/* Where the stack indexes of each row block end. */
static enum code rows_check_all(const struct block *b, uint32_t *ids_end, struct fault *why)
{
    const struct section *ends = &b->of[B_ROW_ENDS];

    for (uint32_t i = 0; i < ends->n; i++) {
        struct range r = range_at(ends, i);
        uint64_t     end;
        if (!rows_measure(slice_make(b->of[B_ROWS].at + r.at, r.end - r.at), &end))
            return fail(why, CODE_DATA_LOSS, "block: row block %u is damaged", i);
        ids_end[i] = (uint32_t)end;
    }
    return CODE_OK;
}

struct points_of {
    const struct block *block;
    const uint32_t     *ids_end; /* [row blocks] */
    uint32_t            n_stacks;
};

static bool is_point(const struct points_of *p, int64_t time_ns, uint64_t total, uint64_t row, uint64_t column)
{
    const struct block *b = p->block;

    return time_ns >= b->head.oldest_ns && time_ns <= b->head.newest_ns && time_ns >= b->head.start_ns &&
           time_ns < b->head.end_ns && total <= INT64_MAX && row < b->of[B_ROW_ENDS].n &&
           p->ids_end[row] <= p->n_stacks &&
           column < rows_columns(b->of[B_ROWS].at + range_at(&b->of[B_ROW_ENDS], (uint32_t)row).at);
}

static bool is_stream(const struct points_of *p, struct range r)
{
    const uint8_t *at = p->block->of[B_POINTS].at + r.at, *end = p->block->of[B_POINTS].at + r.end;
    uint64_t       part[4], row = 0;
    int64_t        time_ns = p->block->head.start_ns;

    while (at < end) {
        for (int i = 0; i < 4; i++)
            if ((at = uvarint_check(at, end, &part[i])) == NULL)
                return false;
        if (__builtin_add_overflow(time_ns, unzigzag(part[0]), &time_ns))
            return false;
        row += (uint64_t)unzigzag(part[2]);
        if (!is_point(p, time_ns, part[1], row, part[3]))
            return false;
        row++;
    }
    return true;
}

static bool is_group_points(const struct block *b, uint32_t group, const uint32_t *ids_end)
{
    struct points_of p = { b, ids_end, group_section(b, group, G_STACK_LOCATION).n };
    struct range     series = range_at(&b->of[B_GROUP_ENDS], group);

    for (uint32_t i = series.at; i < series.end; i++) {
        struct range streams = range_at(&b->of[B_STREAM_ENDS], i);
        for (uint32_t k = streams.at; k < streams.end; k++)
            if (!is_stream(&p, range_at(&b->of[B_POINT_ENDS], k)))
                return false;
    }
    return true;
}

static bool is_rollup(const struct block *b, uint32_t i, uint32_t n_stacks, const uint32_t *ids_end)
{
    uint32_t row = bits_at(&b->of[B_ROLLUP_ROWS], i);

    return ids_end[row] <= n_stacks &&
           bits_at(&b->of[B_ROLLUP_COLUMNS], i) < rows_columns(b->of[B_ROWS].at + range_at(&b->of[B_ROW_ENDS], row).at);
}

static bool is_group_rollups(const struct block *b, uint32_t group, const uint32_t *ids_end)
{
    const struct section *types = &b->of[B_ROLLUP_TYPES];
    uint32_t              n_stacks = group_section(b, group, G_STACK_LOCATION).n;
    struct range          r = range_at(&b->of[B_ROLLUP_ENDS], group);

    for (uint32_t i = r.at; i < r.end; i++)
        if (!is_rollup(b, i, n_stacks, ids_end) || (i > r.at && bits_at(types, i - 1) >= bits_at(types, i)))
            return false;
    return true;
}

static enum code rollups_check(const struct block *b, const uint32_t *ids_end, struct fault *why)
{
    uint32_t n = b->of[B_ROLLUP_TYPES].n;

    if (!is_ends(&b->of[B_ROLLUP_ENDS], b->head.n_groups, n) || !is_below(&b->of[B_ROLLUP_TYPES], n, b->n_types) ||
        !is_below(&b->of[B_ROLLUP_ROWS], n, b->of[B_ROW_ENDS].n) || !is_bits(&b->of[B_ROLLUP_COLUMNS], n))
        return bad(why, "rollups are out of range");
    for (uint32_t g = 0; g < b->head.n_groups; g++)
        if (!is_group_rollups(b, g, ids_end))
            return fail(why, CODE_DATA_LOSS, "block: rollups of service %u are damaged", g);
    return CODE_OK;
}

static enum code points_check(const struct block *b, struct fault *why)
{
    if (!is_ends(&b->of[B_POINT_ENDS], b->of[B_STREAM_TYPES].n, b->of[B_POINTS].bytes))
        return bad(why, "points are out of order");
    if (!is_ends(&b->of[B_ROW_ENDS], b->of[B_ROW_ENDS].n, b->of[B_ROWS].bytes))
        return bad(why, "row blocks are out of order");
    uint32_t *ids_end = mem_alloc(b->of[B_ROW_ENDS].n * sizeof *ids_end);
    enum code code = rows_check_all(b, ids_end, why);
    for (uint32_t i = 0; i < b->head.n_groups && code == CODE_OK; i++)
        if (!is_group_points(b, i, ids_end))
            code = fail(why, CODE_DATA_LOSS, "block: points of service %u are damaged", i);
    if (code == CODE_OK)
        code = rollups_check(b, ids_end, why);
    free(ids_end);
    return code;
}

/* ---- groups --------------------------------------------------------------------------------------------------------- */

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
    uint64_t       sum;

    return is_column(&bytes, n->strings, ANY, &sum) && sum == text.bytes &&
           is_column(&lines, n->locations, ANY, &sum) && sum == n->lines && are_mappings(&mappings, n->strings) &&
           are_columns(b, g, rules, sizeof rules / sizeof *rules) && are_system_names(b, g, n->strings);
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

static enum code group_check(const struct block *b, uint32_t g, struct fault *why)
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

enum code block_check(struct block *b, struct fault *why)
{
    enum code code = labels_check(b, why);

    if (code == CODE_OK)
        code = types_check(b, why);
    if (code == CODE_OK)
        code = series_check(b, why);
    for (uint32_t g = 0; g < b->head.n_groups && code == CODE_OK; g++)
        code = group_check(b, g, why);
    return code == CODE_OK ? points_check(b, why) : code;
}
