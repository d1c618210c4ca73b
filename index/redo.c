/* A redo goes into a bucket: in the order of index/publish.h, nothing of it trusted (R3). */
#include "index/redo.h"

#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/scratch.h"
#include "index/publish.h"
#include "model/batch.h"

/* One redo being read.  What does not read says so in `wrong`, and everything read afterwards is 0. */
struct input {
    struct bucket   *to;
    struct group    *group;
    struct redo_head head;
    const uint8_t   *at, *end;
    struct arena    *scratch;
    const char      *wrong; /* NULL: nothing so far */
};

static void wrong(struct input *x, const char *what)
{
    if (x->wrong == NULL)
        x->wrong = what;
    x->at = x->end;
}

static uint64_t get(struct input *x, const char *what)
{
    uint64_t v;

    if (x->at < x->end && *x->at < 0x80)
        return *x->at++;
    const uint8_t *next = uvarint_check(x->at, x->end, &v);
    if (next == NULL) {
        wrong(x, what);
        return 0;
    }
    x->at = next;
    return v;
}

/* An id below `end`, which is not 0 when anything was read right. */
static uint32_t get_id(struct input *x, uint64_t end, const char *what)
{
    uint64_t v = get(x, what);

    if (v >= end) {
        wrong(x, what);
        return 0;
    }
    return (uint32_t)v;
}

static struct slice get_text(struct input *x, const char *what)
{
    uint64_t     n = get(x, what);
    struct slice text = { (const char *)x->at, n };

    if (n > (uint64_t)(x->end - x->at)) {
        wrong(x, what);
        return SLICE("");
    }
    x->at += n;
    return text;
}

/* That things just added were all new: they got the ids from `first` on, one after the other. */
static void expect_new(struct input *x, const uint32_t *ids, uint32_t first, uint32_t n, const char *what)
{
    for (uint32_t i = 0; i < n; i++)
        if (ids[i] != first + i)
            wrong(x, what);
}

/* ---- the head ------------------------------------------------------------------------------------------------------- */

bool redo_head_read(struct slice redo, struct redo_head *h)
{
    if (redo.n < sizeof *h)
        return false;
    memcpy(h, redo.p, sizeof *h);
    uint64_t things = (uint64_t)h->strings + h->text_bytes + h->mappings + h->functions + h->lines + h->locations +
                      h->nodes + h->stacks + h->types + h->parts + h->labels + h->label_bytes + h->points +
                      h->row_bytes;
    return things <= redo.n - sizeof *h && h->series <= h->parts && h->values <= h->labels && h->type_bytes <= redo.n &&
           h->frames < VEC_MAX;
}

static bool is_roomy(const struct vec *v, uint64_t more) { return vec_n(v) + more < VEC_MAX; }

/* Room for 32-bit ids, as bucket_take has it. */
static bool is_bucket_roomy(const struct bucket *b, const struct group *g, const struct redo_head *h)
{
    return is_roomy(&g->symtab.strings, h->strings) && is_roomy(&g->symtab.mappings, h->mappings) &&
           is_roomy(&g->symtab.functions, h->functions) && is_roomy(&g->symtab.lines, h->lines) &&
           is_roomy(&g->symtab.locations, h->locations) && is_roomy(&g->stacks.locations.nodes, h->nodes) &&
           is_roomy(&g->stacks.functions.nodes, (uint64_t)g->stacks.unmade.frames + h->frames) &&
           is_roomy(&g->stacks.all, h->stacks) && is_roomy(&b->series.streams, h->points) &&
           is_roomy(&b->types.all, h->types) && b->taken.n < VEC_MAX;
}

static void take_group(struct input *x)
{
    struct bucket *b = x->to;
    struct slice   service = get_text(x, "a service");

    if (x->wrong != NULL)
        return;
    x->group = bucket_group(b, service);
    if (x->head.group != (x->group ? x->group->id : vec_n(&b->groups)))
        wrong(x, "a service");
    else if (x->group == NULL)
        x->group = bucket_group_add(b, service);
}

/* ---- symbols -------------------------------------------------------------------------------------------------------- */

static void take_strings(struct input *x)
{
    uint32_t      n = x->head.strings, first = vec_n(&x->group->symtab.strings);
    struct slice *texts = arena_array(x->scratch, n, sizeof *texts);
    uint32_t     *ids = arena_array(x->scratch, n, sizeof *ids);
    uint64_t      bytes = 0;

    for (uint32_t i = 0; i < n; i++)
        bytes += (texts[i] = get_text(x, "a string")).n;
    if (bytes != x->head.text_bytes)
        wrong(x, "a string");
    if (x->wrong != NULL)
        return;
    symtab_strings(&x->group->symtab, &x->to->slab, texts, n, ids);
    expect_new(x, ids, first, n, "a string");
}

static uint32_t get_string(struct input *x, const char *what)
{
    return get_id(x, vec_n(&x->group->symtab.strings), what);
}

static void take_mappings(struct input *x)
{
    for (uint32_t i = 0; i < x->head.mappings && x->wrong == NULL; i++) {
        struct symbol_mapping m = { 0 };
        m.start = get(x, "a mapping");
        m.limit = get(x, "a mapping");
        m.offset = get(x, "a mapping");
        m.file = get_string(x, "a mapping");
        m.build_id = get_string(x, "a mapping");
        m.flags = get_id(x, UINT32_MAX, "a mapping");
        uint32_t next = vec_n(&x->group->symtab.mappings);
        if (x->wrong == NULL && symtab_mapping(&x->group->symtab, &x->to->slab, &m) != next)
            wrong(x, "a mapping");
    }
}

static void take_functions(struct input *x)
{
    uint32_t                n = x->head.functions, first = vec_n(&x->group->symtab.functions);
    struct symbol_function *made = arena_array(x->scratch, n, sizeof *made);
    uint32_t               *ids = arena_array(x->scratch, n, sizeof *ids);

    for (uint32_t i = 0; i < n; i++) {
        made[i] = (struct symbol_function){ 0 };
        made[i].name = get_string(x, "a function");
        made[i].system_name = get_string(x, "a function");
        made[i].file = get_string(x, "a function");
        made[i].start_line = unzigzag(get(x, "a function"));
    }
    if (x->wrong != NULL)
        return;
    symtab_functions(&x->group->symtab, &x->to->slab, made, n, ids);
    expect_new(x, ids, first, n, "a function");
}

static struct symbol_line get_line(struct input *x)
{
    struct symbol_line line = { 0 };

    line.function = get_id(x, vec_n(&x->group->symtab.functions), "a line");
    line.line = unzigzag(get(x, "a line"));
    return line;
}

static struct symbol_location get_location(struct input *x, uint32_t line_at)
{
    struct symbol_location l = { .line_at = line_at };

    l.address = get(x, "a location");
    l.mapping = get_id(x, (uint64_t)vec_n(&x->group->symtab.mappings) + 1, "a location") - 1; /* 0: BATCH_NONE */
    l.flags = get_id(x, BATCH_IS_FOLDED + 1, "a location");
    l.n_lines = get_id(x, (uint64_t)(x->head.lines - line_at) + 1, "a location");
    return l;
}

/* A location's name, when it is a bare one, is among the strings by now: the table finds it. */
static void take_locations(struct input *x)
{
    struct symtab *t = &x->group->symtab;
    uint32_t       n = x->head.locations, first = vec_n(&t->locations), strings = vec_n(&t->strings), line_at = 0;
    struct symbol_location *made = arena_array(x->scratch, n, sizeof *made);
    struct symbol_line     *lines = arena_array(x->scratch, x->head.lines, sizeof *lines);
    uint32_t               *ids = arena_array(x->scratch, n, sizeof *ids);

    for (uint32_t i = 0; i < n && x->wrong == NULL; i++) {
        made[i] = get_location(x, line_at);
        for (uint32_t k = 0; k < made[i].n_lines; k++)
            lines[line_at++] = get_line(x);
    }
    if (line_at != x->head.lines)
        wrong(x, "a line");
    if (x->wrong != NULL)
        return;
    symtab_locations(t, &x->to->slab, made, lines, n, ids);
    expect_new(x, ids, first, n, "a location");
    if (vec_n(&t->strings) != strings)
        wrong(x, "a location's name");
}

/* ---- stacks --------------------------------------------------------------------------------------------------------- */

static struct path *get_nodes(struct input *x)
{
    uint32_t     first = vec_n(&x->group->stacks.locations.nodes), locations = vec_n(&x->group->symtab.locations);
    struct path *nodes = arena_array(x->scratch, x->head.nodes, sizeof *nodes);

    for (uint32_t i = 0; i < x->head.nodes; i++) {
        nodes[i].parent = first + i - 1 - get_id(x, first + i, "a node");
        nodes[i].key = get_id(x, locations, "a node");
    }
    return nodes;
}

static uint32_t *get_leaves(struct input *x)
{
    uint32_t  nodes = vec_n(&x->group->stacks.locations.nodes) + x->head.nodes;
    uint32_t *leaves = arena_array(x->scratch, x->head.stacks, sizeof *leaves);

    for (uint32_t i = 0; i < x->head.stacks; i++)
        leaves[i] = get_id(x, nodes, "a stack");
    return leaves;
}

static void take_stacks(struct input *x)
{
    struct stacks_log log = { .n_nodes = x->head.nodes, .n_leaves = x->head.stacks, .frames = x->head.frames };

    if (x->wrong != NULL)
        return;
    log.nodes = get_nodes(x);
    log.leaves = get_leaves(x);
    if (x->wrong == NULL)
        stacks_take(&x->group->stacks, &x->to->slab, &log);
}

/* ---- types, series -------------------------------------------------------------------------------------------------- */

static void take_types(struct input *x)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < x->head.types && x->wrong == NULL; i++) {
        struct slice parts[5];
        uint32_t     next = vec_n(&x->to->types.all);
        for (int k = 0; k < 5; k++)
            bytes += (parts[k] = get_text(x, "a type")).n;
        bytes += 4;
        if (x->wrong == NULL && types_add(&x->to->types, &x->to->slab, parts) != next)
            wrong(x, "a type");
    }
    if (bytes != x->head.type_bytes)
        wrong(x, "a type");
}

/* What parts have added: no more than the head says. */
struct added {
    uint32_t series, labels, values, points;
};

static struct slice get_name(struct input *x)
{
    const struct vec *names = &x->to->labels.names;
    uint32_t          id = get_id(x, (uint64_t)vec_n(names) + 1, "a label's name");

    return id == 0 ? get_text(x, "a label's name") : ((const struct label_name *)vec_pointer(names, id - 1))->text;
}

/* The value of a label whose name was just read; one that is new must not be there. */
static struct label_value *get_value(struct input *x, struct slice name, struct added *added)
{
    struct label_index      *labels = &x->to->labels;
    const struct label_name *in = label_index_find_name(labels, name);
    uint32_t                 id = get_id(x, in ? (uint64_t)vec_n(&in->values) + 1 : 1, "a label's value");

    if (x->wrong == NULL && id > 0)
        return vec_pointer(&in->values, id - 1);
    struct slice text = get_text(x, "a label's value");
    if (++added->values > x->head.values || (in != NULL && label_index_find(labels, in, text) != NULL))
        wrong(x, "a label's value");
    return x->wrong == NULL ? label_index_value(labels, &x->to->slab, name, text) : NULL;
}

static struct series *add_series(struct input *x, struct added *added)
{
    struct bucket       *b = x->to;
    uint32_t             n = get_id(x, (uint64_t)(x->head.labels - added->labels) + 1, "the labels of a series");
    struct label_value **labels = arena_array(x->scratch, n, sizeof *labels);
    struct slice         before = { 0 };

    for (uint32_t i = 0; i < n && x->wrong == NULL; i++) {
        struct slice name = get_name(x);
        if (i > 0 && slice_cmp(before, name) >= 0)
            wrong(x, "the order of labels");
        before = name;
        labels[i] = get_value(x, name, added);
    }
    if (x->wrong == NULL && series_find(&b->series, labels, n) != NULL)
        wrong(x, "a series that is there already");
    added->labels += n;
    if (++added->series > x->head.series)
        wrong(x, "the number of series");
    if (x->wrong != NULL)
        return NULL;
    return bucket_series_add(b, x->group, labels, n);
}

static struct series *take_series(struct input *x, struct added *added)
{
    const struct vec *all = &x->to->series.all;
    uint32_t          id = get_id(x, (uint64_t)vec_n(all) + 1, "a series");

    if (x->wrong != NULL)
        return NULL;
    if (id == 0)
        return add_series(x, added);
    struct series *s = vec_pointer(all, id - 1);
    if (s->group == x->group->id)
        return s;
    wrong(x, "a series of another service");
    return NULL;
}

/* ---- parts ---------------------------------------------------------------------------------------------------------- */

static void take_points(struct input *x, struct series *s, struct slice rows, struct added *added)
{
    struct bucket *b = x->to;
    uint32_t       n = rows_columns((const uint8_t *)rows.p);
    struct point   p = { .time_ns = x->head.time_ns, .batch = b->taken.n };

    if (n > x->head.points - added->points) {
        wrong(x, "the number of points");
        return;
    }
    added->points += n;
    p.rows = (const uint8_t *)slab_copy(&b->slab, rows).p;
    publish_step(PUBLISHED_ROWS);
    for (p.column = 0; p.column < n && x->wrong == NULL; p.column++) {
        uint32_t type = get_id(x, vec_n(&b->types.all), "a point");
        p.total = (int64_t)get(x, "a point");
        if (p.total < 0)
            wrong(x, "a total");
        if (x->wrong == NULL)
            series_point(&b->series, &b->slab, s, type, &p);
    }
    publish_step(PUBLISHED_POINTS);
}

static void take_part(struct input *x, struct added *added)
{
    struct bucket *b = x->to;
    struct series *s = take_series(x, added);
    uint32_t       samples = get_id(x, UINT32_MAX, "a number of samples");
    uint32_t       clamped = get_id(x, ROWS_COLUMNS_MAX + 1, "a number of samples");
    struct slice   rows = get_text(x, "rows");

    if (x->wrong == NULL && !rows_check(rows, vec_n(&x->group->stacks.all)))
        wrong(x, "rows");
    if (x->wrong != NULL)
        return;
    take_points(x, s, rows, added);
    b->taken.samples += samples;
    b->taken.clamped += clamped;
}

static void take_parts(struct input *x)
{
    struct added added = { 0 };

    for (uint32_t i = 0; i < x->head.parts && x->wrong == NULL; i++)
        take_part(x, &added);
    if (added.series != x->head.series || added.labels != x->head.labels || added.values != x->head.values ||
        added.points != x->head.points || x->at != x->end)
        wrong(x, "what it comes to");
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

static void take_symbols(struct input *x)
{
    take_strings(x);
    take_mappings(x);
    take_functions(x);
    take_locations(x);
    publish_step(PUBLISHED_SYMBOLS);
    take_stacks(x);
    publish_step(PUBLISHED_STACKS);
    take_types(x);
}

static enum code head_check(const struct bucket *b, const struct redo_head *h, struct fault *why)
{
    if (h->time_ns < b->start_ns || h->time_ns >= b->end_ns)
        return fail(why, CODE_DATA_LOSS, "redo: its time %lld is not in the bucket [%lld, %lld)", (long long)h->time_ns,
                    (long long)b->start_ns, (long long)b->end_ns);
    if (h->batch != b->taken.n)
        return fail(why, CODE_DATA_LOSS, "redo: it is batch %u of a bucket that has %u", h->batch, b->taken.n);
    return CODE_OK;
}

enum code bucket_redo(struct bucket *b, struct slice redo, struct fault *why)
{
    struct input x = { .to = b,
                       .at = (const uint8_t *)redo.p + sizeof x.head,
                       .end = (const uint8_t *)redo.p + redo.n };

    assert(b->sealed == NULL);
    if (!redo_head_read(redo, &x.head))
        return fail(why, CODE_DATA_LOSS, "redo: its head is damaged");
    enum code code = head_check(b, &x.head, why);
    if (code != CODE_OK)
        return code;
    publish_step(PUBLISHED_NOTHING);
    take_group(&x);
    if (x.wrong == NULL && !is_bucket_roomy(b, x.group, &x.head))
        wrong(&x, "the number of things");
    if (x.wrong == NULL) {
        x.scratch = scratch_take(0);
        take_symbols(&x);
        take_parts(&x);
        scratch_give(x.scratch);
    }
    if (x.wrong != NULL)
        return fail(why, CODE_DATA_LOSS, "redo: %s is damaged", x.wrong);
    bucket_count(b, x.head.time_ns);
    b->is_unmade = true;
    return CODE_OK;
}

enum code bucket_redone(struct bucket *b, struct fault *why)
{
    struct arena *scratch = scratch_take(0);
    bool          is_good = true;

    for (uint32_t i = 0; is_good && i < vec_n(&b->groups); i++) {
        struct group *g = vec_pointer(&b->groups, i);
        is_good = stacks_make(&g->stacks, &b->slab, &g->symtab, scratch);
        arena_reset(scratch);
    }
    scratch_give(scratch);
    b->is_unmade = false;
    return is_good ? CODE_OK : fail(why, CODE_DATA_LOSS, "redo: the stacks of a bucket are damaged");
}

void bucket_redo_print(struct slice redo, struct buf *out)
{
    struct input x = { .at = (const uint8_t *)redo.p + sizeof x.head, .end = (const uint8_t *)redo.p + redo.n };

    if (!redo_head_read(redo, &x.head)) {
        buf_text(out, " the redo has no head");
        return;
    }
    struct slice            service = get_text(&x, "a service");
    const struct redo_head *h = &x.head;
    buf_printf(out,
               " service=%.*s batch=%u time_ns=%lld parts=%u points=%u row_bytes=%u new: series=%u strings=%u "
               "functions=%u locations=%u nodes=%u stacks=%u",
               SLICE_ARGS(service), h->batch, (long long)h->time_ns, h->parts, h->points, h->row_bytes, h->series,
               h->strings, h->functions, h->locations, h->nodes, h->stacks);
}
