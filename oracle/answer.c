#include "oracle/answer.h"

#include <math.h>

#include "base/hash.h"
#include "oracle/stack_pool.h"
#include "wire/pb.h"

static enum code unreadable(struct fault *why, const char *what)
{
    return fail(why, CODE_INTERNAL, "the answer is no readable %s", what);
}

/* ---- flame graphs ---- */

enum { NAMES = 1, LEVELS = 2, TOTAL = 3, TUPLE = 4 };

#define VALUE_MAX (INT64_MAX / 4) /* so that sums of two are no trouble */

struct box {
    uint64_t path;
    int64_t  x, end, rest; /* rest: what neither it itself nor a child has accounted for */
};

struct level {
    struct box *at;
    size_t      n;
};

struct graph {
    uint64_t     *name_hash;
    size_t        n_names, boxes_max; /* in any level */
    uint64_t      total;
    struct level  above, here;
    struct tally *out;
};

static void graph_count(struct slice bytes, struct graph *g)
{
    struct pb_cursor c = pb_cursor(bytes);
    struct pb_field  f;

    while (pb_next(&c, &f)) {
        g->n_names += f.number == NAMES;
        if (f.number == LEVELS && f.wire == PB_BYTES && f.value / TUPLE > g->boxes_max)
            g->boxes_max = f.value / TUPLE; /* each number takes at least a byte */
    }
}

static void names_read(struct slice bytes, struct graph *g)
{
    struct pb_cursor c = pb_cursor(bytes);
    struct pb_field  f;
    size_t           n = 0;

    while (pb_next(&c, &f)) {
        if (f.number == NAMES)
            g->name_hash[n++] = hash_slice(pb_bytes(&f));
        else if (f.number == TOTAL && f.wire == PB_VARINT)
            g->total = f.value;
    }
}

/* One box at `x`, below whichever box above spans it; those come in the same order.  False: it lies outside. */
static bool box_place(struct graph *g, size_t *parent, const uint64_t v[TUPLE], int64_t *x, bool is_root)
{
    struct box b = { 0 };

    if (v[0] > VALUE_MAX || v[1] > VALUE_MAX || v[2] > v[1] || v[3] >= g->n_names || *x > VALUE_MAX)
        return false;
    *x += (int64_t)v[0];
    b = (struct box){ .x = *x, .end = *x + (int64_t)v[1], .rest = (int64_t)(v[1] - v[2]) };
    *x = b.end;
    if (!is_root) {
        while (*parent < g->above.n && g->above.at[*parent].end <= b.x)
            ++*parent;
        if (*parent == g->above.n)
            return false;
        struct box *p = &g->above.at[*parent];
        if (b.x < p->x || b.end > p->end)
            return false;
        p->rest -= (int64_t)v[1];
        b.path = p->path == 0 ? g->name_hash[v[3]] : path_hash_below(p->path, g->name_hash[v[3]]);
        tally_add(g->out, b.path, (int64_t)v[2]);
    }
    g->here.at[g->here.n++] = b;
    return true;
}

static bool level_read(struct graph *g, struct slice values, bool is_root)
{
    const uint8_t *p = (const uint8_t *)values.p, *end = values.n ? p + values.n : p;
    size_t         parent = 0;
    int64_t        x = 0;

    g->here.n = 0;
    while (p < end) {
        uint64_t v[TUPLE];
        for (size_t i = 0; i < TUPLE; i++)
            if ((p = varint_read(p, end, &v[i])) == NULL)
                return false;
        if (!box_place(g, &parent, v, &x, is_root))
            return false;
    }
    return true;
}

static bool level_is_accounted_for(const struct level *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].rest != 0)
            return false;
    return true;
}

static struct slice level_values(struct slice level)
{
    struct pb_cursor c = pb_cursor(level);
    struct pb_field  f;
    struct slice     values = { 0 };

    while (pb_next(&c, &f))
        if (f.number == 1 && f.wire == PB_BYTES)
            values = pb_bytes(&f);
    return values;
}

static enum code graph_read(struct slice bytes, struct graph *g, struct fault *why)
{
    struct pb_cursor c = pb_cursor(bytes);
    struct pb_field  f;
    size_t           n = 0;

    while (pb_next(&c, &f)) {
        if (f.number != LEVELS)
            continue;
        struct level swap = g->above;
        g->above = g->here;
        g->here = swap;
        if (!level_read(g, level_values(pb_bytes(&f)), n == 0))
            return fail(why, CODE_DATA_LOSS, "level %zu of the flame graph has a box that fits nowhere", n);
        if (n > 0 && !level_is_accounted_for(&g->above))
            return fail(why, CODE_DATA_LOSS, "level %zu of the flame graph does not add up to the one above", n);
        if (n++ == 0 && (g->here.n != 1 || (uint64_t)g->here.at[0].end != g->total))
            return fail(why, CODE_DATA_LOSS, "the flame graph's total is not that of its root");
    }
    if (c.is_bad)
        return unreadable(why, "flame graph");
    if (!level_is_accounted_for(&g->here))
        return fail(why, CODE_DATA_LOSS, "the flame graph's leaves do not add up");
    return CODE_OK;
}

enum code answer_flame(struct slice bytes, struct arena *a, struct tally *out, struct fault *why)
{
    struct pb_cursor c = pb_cursor(bytes);
    struct pb_field  f;
    struct graph     g = { .out = out };
    struct slice     graph = { 0 };

    while (pb_next(&c, &f))
        if (f.number == 1 && f.wire == PB_BYTES)
            graph = pb_bytes(&f);
    if (c.is_bad)
        return unreadable(why, "SelectMergeStacktracesResponse");
    graph_count(graph, &g);
    g.name_hash = arena_array(a, g.n_names, sizeof *g.name_hash);
    g.above.at = arena_array(a, g.boxes_max, sizeof *g.above.at);
    g.here.at = arena_array(a, g.boxes_max, sizeof *g.here.at);
    names_read(graph, &g);
    return graph_read(graph, &g, why);
}

/* ---- series ---- */

uint64_t answer_point_key(struct slice label, int64_t time_ms)
{
    return hash_pair(hash_slice(label), (uint64_t)time_ms);
}

/* Sums travel as doubles; those of a test are whole and below 2^53. */
static bool point_read(struct slice point, int64_t *time_ms, int64_t *sum)
{
    struct pb_cursor c = pb_cursor(point);
    struct pb_field  f;
    double           value = 0;

    *time_ms = 0;
    while (pb_next(&c, &f)) {
        if (f.number == 1 && f.wire == PB_FIXED64)
            memcpy(&value, &f.value, sizeof value);
        else if (f.number == 2 && f.wire == PB_VARINT)
            *time_ms = (int64_t)f.value;
    }
    bool is_whole = value >= 0 && value <= 9007199254740992.0 && value == floor(value);
    *sum = is_whole ? (int64_t)value : -1;
    return is_whole && !c.is_bad;
}

static struct slice text_in(struct slice message, uint32_t number)
{
    struct pb_cursor c = pb_cursor(message);
    struct pb_field  f;
    struct slice     text = { 0 };

    while (pb_next(&c, &f))
        if (f.number == number && f.wire == PB_BYTES)
            text = pb_bytes(&f);
    return text;
}

static bool series_read(struct slice series, struct tally *out)
{
    struct slice     label = text_in(text_in(series, 1), 2);
    struct pb_cursor c = pb_cursor(series);
    struct pb_field  f;
    int64_t          time_ms, sum;

    while (pb_next(&c, &f)) {
        if (f.number != 2)
            continue;
        if (!point_read(pb_bytes(&f), &time_ms, &sum))
            return false;
        tally_add(out, answer_point_key(label, time_ms), sum);
    }
    return !c.is_bad;
}

enum code answer_points(struct slice bytes, struct tally *out, struct fault *why)
{
    struct pb_cursor c = pb_cursor(bytes);
    struct pb_field  f;

    while (pb_next(&c, &f))
        if (f.number == 1 && !series_read(pb_bytes(&f), out))
            return unreadable(why, "SelectSeriesResponse");
    return c.is_bad ? unreadable(why, "SelectSeriesResponse") : CODE_OK;
}

/* ---- sets ---- */

enum code answer_values(struct slice bytes, struct tally *out, struct fault *why)
{
    struct pb_cursor c = pb_cursor(bytes);
    struct pb_field  f;

    while (pb_next(&c, &f))
        if (f.number == 1)
            tally_add(out, hash_slice(pb_bytes(&f)), 1);
    return c.is_bad ? unreadable(why, "LabelValuesResponse") : CODE_OK;
}

enum code answer_types(struct slice bytes, struct tally *out, struct fault *why)
{
    struct pb_cursor c = pb_cursor(bytes);
    struct pb_field  f;

    while (pb_next(&c, &f))
        if (f.number == 1)
            tally_add(out, hash_slice(text_in(pb_bytes(&f), 1)), 1);
    return c.is_bad ? unreadable(why, "ProfileTypesResponse") : CODE_OK;
}

uint64_t answer_label_key(struct slice name, struct slice value)
{
    return hash_pair(hash_slice(name), hash_slice(value));
}

static uint64_t label_set_key(struct slice set)
{
    struct pb_cursor c = pb_cursor(set);
    struct pb_field  f;
    uint64_t         key = 0;

    while (pb_next(&c, &f))
        if (f.number == 1)
            key += answer_label_key(text_in(pb_bytes(&f), 1), text_in(pb_bytes(&f), 2));
    return key;
}

enum code answer_label_sets(struct slice bytes, struct tally *out, struct fault *why)
{
    struct pb_cursor c = pb_cursor(bytes);
    struct pb_field  f;

    while (pb_next(&c, &f))
        if (f.number == 2)
            tally_add(out, label_set_key(pb_bytes(&f)), 1);
    return c.is_bad ? unreadable(why, "SeriesResponse") : CODE_OK;
}
