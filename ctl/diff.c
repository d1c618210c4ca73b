/* diff: two selectors, or two times, function by function. */
#include <stdlib.h>
#include <string.h>

#include "ctl/graph.h"
#include "ctl/session.h"
#include "ctl/table.h"
#include "ctl/times.h"
#include "ctl/type.h"
#include "proto/querier.pb-c.h"

enum { NODES_WHOLE = 1048576 }; /* what a server allows at most, unless it is told otherwise */

struct side {
    const char *selector;
    int64_t     from_ms, to_ms;
    int64_t     total;
};

struct row {
    struct slice name;
    int64_t      self[2], total[2];
};

struct diff {
    const char *type;
    struct side side[2]; /* left, right */
    struct row *rows;    /* by how much they changed */
    size_t      n;
};

static enum code time_of(const struct session *s, const char *text, int64_t otherwise_ms, int64_t *out_ms,
                         struct fault *why)
{
    int64_t   ns = 0;
    enum code code = text != NULL ? time_parse(slice_of(text), s->now_ns, &ns, why) : CODE_OK;

    *out_ms = text != NULL ? ns / 1000000 : otherwise_ms;
    return code;
}

/* One selector without a time for the left is compared with itself, as much earlier as the range is long. */
static enum code sides_read(const struct session *s, struct diff *d, struct fault *why)
{
    const struct options *o = s->options;
    bool                  is_earlier = o->n_args < 2 && o->left_from == NULL && o->left_to == NULL;
    int64_t               shift_ms = is_earlier ? s->to_ms - s->from_ms : 0;
    struct side          *left = &d->side[0], *right = &d->side[1];

    left->selector = o->n_args > 0 ? o->args[0] : "{}";
    *right = (struct side){ o->n_args > 1 ? o->args[1] : left->selector, s->from_ms, s->to_ms, 0 };
    enum code code = time_of(s, o->left_from, s->from_ms - shift_ms, &left->from_ms, why);
    if (code == CODE_OK)
        code = time_of(s, o->left_to, s->to_ms - shift_ms, &left->to_ms, why);
    if (code == CODE_OK && left->from_ms > left->to_ms)
        return fail(why, CODE_INVALID_ARGUMENT, "--left-from is after --left-to");
    return code;
}

static struct answer *diff_ask(struct session *s, const struct diff *d, int64_t max_nodes)
{
    Querier__V1__SelectMergeStacktracesRequest side[2];
    Querier__V1__DiffRequest                   q = QUERIER__V1__DIFF_REQUEST__INIT;

    for (int i = 0; i < 2; i++) {
        querier__v1__select_merge_stacktraces_request__init(&side[i]);
        side[i].profile_typeid = (char *)d->type;
        side[i].label_selector = (char *)d->side[i].selector;
        side[i].start = d->side[i].from_ms;
        side[i].end = d->side[i].to_ms;
        side[i]._max_nodes_case = QUERIER__V1__SELECT_MERGE_STACKTRACES_REQUEST___MAX_NODES_MAX_NODES;
        side[i].max_nodes = max_nodes;
    }
    q.left = &side[0];
    q.right = &side[1];
    return api_ask(s->api, "/querier.v1.QuerierService/Diff", &q.base, &querier__v1__diff_response__descriptor);
}

/* A level of both sides as one of their sums, which is laid out as a graph of one side is. */
static enum code level_join(const Querier__V1__Level *from, struct arena *a, struct graph_level *out, struct fault *why)
{
    size_t   n = from->n_values / 7;
    int64_t *values = arena_array(a, n * 4, sizeof *values);

    if (from->n_values % 7 != 0)
        return fail(why, CODE_DATA_LOSS, "the difference is broken: a level has %zu values", from->n_values);
    *out = (struct graph_level){ values, n * 4 };
    for (size_t i = 0; i < n; i++) {
        const int64_t *v = from->values + 7 * i;
        for (int k = 0; k < 3; k++)
            if (v[k] < 0 || v[3 + k] < 0 || __builtin_add_overflow(v[k], v[3 + k], &values[4 * i + (size_t)k]))
                return fail(why, CODE_DATA_LOSS, "the difference is broken: it has %lld and %lld", (long long)v[k],
                            (long long)v[3 + k]);
        values[4 * i + 3] = v[6];
    }
    return CODE_OK;
}

/* The boxes of both with the values of one side: they come in the order of the tuples. */
static struct graph side_graph(const struct graph *both, const Querier__V1__FlameGraphDiff *f, int side,
                               struct arena *a)
{
    struct box  *boxes = arena_array(a, both->n, sizeof *boxes);
    struct graph out = *both;
    size_t       n = 0;

    for (size_t l = 0; l < f->n_levels; l++)
        for (size_t i = 0; i < f->levels[l]->n_values; i += 7, n++) {
            const int64_t *v = f->levels[l]->values + i + 3 * side;
            boxes[n] = both->boxes[n];
            boxes[n].total = v[1];
            boxes[n].self = v[2];
        }
    out.boxes = boxes;
    out.total = boxes[0].total;
    return out;
}

static void rows_make(struct diff *d, const struct graph sides[2], struct arena *a)
{
    struct row *by_name = arena_zalloc(a, sides[0].n_names * sizeof *by_name);

    d->rows = arena_array(a, sides[0].n_names, sizeof *d->rows);
    for (int s = 0; s < 2; s++) {
        const struct function_sum *sums =
            graph_functions(&sides[s], false, a, &d->n); /* of the same names both times */
        d->side[s].total = sides[s].total;
        for (size_t i = 0; i < d->n; i++) {
            struct row *row = &by_name[sums[i].name];
            row->name = sides[s].names[sums[i].name];
            row->self[s] = sums[i].self;
            row->total[s] = sums[i].total;
            d->rows[i] = *row; /* whole the second time */
        }
    }
}

static enum code diff_read(struct session *s, const Querier__V1__FlameGraphDiff *f, struct diff *d, struct fault *why)
{
    struct slice       *names = arena_array(s->arena, f->n_names, sizeof *names);
    struct graph_level *levels = arena_array(s->arena, f->n_levels, sizeof *levels);
    struct graph        both, sides[2];
    enum code           code = CODE_OK;

    for (size_t i = 0; i < f->n_names; i++)
        names[i] = slice_of(f->names[i]);
    for (size_t i = 0; i < f->n_levels && code == CODE_OK; i++)
        code = level_join(f->levels[i], s->arena, &levels[i], why);
    if (code == CODE_OK)
        code = graph_make(names, f->n_names, levels, f->n_levels, s->arena, &both, why);
    if (code != CODE_OK)
        return code;
    for (int i = 0; i < 2; i++)
        sides[i] = side_graph(&both, f, i, s->arena);
    rows_make(d, sides, s->arena);
    return CODE_OK;
}

static int64_t changed(const int64_t value[2])
{
    return value[1] > value[0] ? value[1] - value[0] : value[0] - value[1];
}

/* What one of two equal rows changed by the other measure still counts, then the name. */
static int row_cmp(const void *left, const void *right, void *by_total)
{
    const struct row *l = left, *r = right;
    bool              is_total = *(bool *)by_total;

    for (int i = 0; i < 2; i++, is_total = !is_total) {
        int64_t lv = changed(is_total ? l->total : l->self), rv = changed(is_total ? r->total : r->self);
        if (lv != rv)
            return lv < rv ? 1 : -1;
    }
    return slice_cmp(l->name, r->name);
}

static void diff_write(struct session *s, const struct diff *d, size_t n)
{
    static const struct table_column columns[] = { { "SELF: LEFT", true },  { "RIGHT", true }, { "CHANGE", true },
                                                   { "TOTAL: LEFT", true }, { "RIGHT", true }, { "CHANGE", true },
                                                   { "FUNCTION", false } };
    enum text_unit                   unit = type_unit(d->type);
    struct table                    *t = table_new(s->arena, columns, 7);

    for (size_t i = 0; i < n; i++) {
        const struct row *r = &d->rows[i];
        const int64_t    *values[] = { r->self, r->total };
        for (int k = 0; k < 2; k++) {
            table_value(t, values[k][0], unit);
            table_value(t, values[k][1], unit);
            table_change(t, values[k][0], values[k][1], unit);
        }
        table_cell(t, r->name);
    }
    table_write(t, s->term.is_tty ? (size_t)s->term.columns : 0, &s->out);
    if (n < d->n)
        buf_printf(&s->out, "%zu of %zu functions; --limit 0 shows all\n", n, d->n);
}

static void diff_json(struct session *s, const struct diff *d, size_t n)
{
    buf_text(&s->out, "{\"type\": ");
    text_json(&s->out, slice_of(d->type));
    buf_printf(&s->out, ", \"left\": %lld, \"right\": %lld, \"functions\": [", (long long)d->side[0].total,
               (long long)d->side[1].total);
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &d->rows[i];
        buf_text(&s->out, i ? ",\n {\"name\": " : "\n {\"name\": ");
        text_json(&s->out, r->name);
        buf_printf(&s->out, ", \"leftSelf\": %lld, \"rightSelf\": %lld, \"leftTotal\": %lld, \"rightTotal\": %lld}",
                   (long long)r->self[0], (long long)r->self[1], (long long)r->total[0], (long long)r->total[1]);
    }
    buf_text(&s->out, "\n]}\n");
}

static enum exit_code diff_show(struct session *s, struct diff *d, const struct answer *answer, int64_t limit)
{
    const Querier__V1__DiffResponse *r = (const void *)answer->message;
    bool                             by_total = s->options->sort != NULL && strcmp(s->options->sort, "total") == 0;
    struct fault                     why;

    if (r->flamegraph == NULL)
        return say(EXIT_REFUSED, "the server's answer holds no flame graph");
    if (diff_read(s, r->flamegraph, d, &why) != CODE_OK)
        return say(EXIT_REFUSED, "%s", why.text);
    qsort_r(d->rows, d->n, sizeof *d->rows, row_cmp, &by_total);
    size_t n = limit == 0 || (uint64_t)limit > d->n ? d->n : (size_t)limit;
    for (int i = 0; i < 2; i++)
        if (d->side[i].total == 0)
            say(EXIT_FINE, "nothing matches %s in %s on the %s side", d->side[i].selector, d->type,
                i ? "right" : "left");
    if (s->options->is_json)
        diff_json(s, d, n);
    else if (d->n > 0)
        diff_write(s, d, n);
    return EXIT_FINE;
}

enum exit_code command_diff(struct session *s)
{
    const struct options *o = s->options;
    struct diff           d = { 0 };
    struct fault          why;
    int64_t               limit, max_nodes;
    enum exit_code        code;

    if (o->n_args > 2)
        return say(EXIT_USAGE, "`diff` takes two selectors; quote them for the shell");
    if (o->sort != NULL && strcmp(o->sort, "total") != 0 && strcmp(o->sort, "self") != 0)
        return say(EXIT_USAGE, "--sort %s: write self or total", o->sort);
    if (!option_number("limit", o->limit, 0, 20, &limit) ||
        !option_number("max-nodes", o->max_nodes, 1, NODES_WHOLE, &max_nodes))
        return EXIT_USAGE;
    if (sides_read(s, &d, &why) != CODE_OK)
        return say(EXIT_USAGE, "%s", why.text);
    d.type = type_choose(s, d.side[1].selector, &code);
    if (d.type == NULL)
        return code;
    struct answer *answer = diff_ask(s, &d, max_nodes);
    code = answer_check(s, answer);
    if (code == EXIT_FINE)
        code = diff_show(s, &d, answer, limit);
    answer_free(answer);
    return code;
}
