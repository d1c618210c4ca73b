/* top, flame: one question to the server, the merged flame graph, shown in two ways. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/draw.h"
#include "ctl/graph.h"
#include "ctl/session.h"
#include "ctl/table.h"
#include "ctl/type.h"
#include "proto/querier.pb-c.h"

enum { NODES_WHOLE = 1048576 }; /* what a server allows at most, unless it is told otherwise */

static enum code graph_of(struct session *s, const Querier__V1__FlameGraph *f, struct graph *out, struct fault *why)
{
    struct slice       *names = arena_array(s->arena, f->n_names, sizeof *names);
    struct graph_level *levels = arena_array(s->arena, f->n_levels, sizeof *levels);

    for (size_t i = 0; i < f->n_names; i++)
        names[i] = slice_of(f->names[i]);
    for (size_t i = 0; i < f->n_levels; i++)
        levels[i] = (struct graph_level){ f->levels[i]->values, f->levels[i]->n_values };
    return graph_make(names, f->n_names, levels, f->n_levels, s->arena, out, why);
}

struct look {
    const char    *type, *selector;
    struct answer *answer; /* the graph's names live in it */
    struct graph   graph;
};

static const Querier__V1__FlameGraph *look_flame(const struct look *l)
{
    return ((const Querier__V1__SelectMergeStacktracesResponse *)(const void *)l->answer->message)->flamegraph;
}

/* The one question of this file.  `max_nodes` 0: as many as the server likes. */
static enum exit_code look_ask(struct session *s, int64_t max_nodes, struct look *l)
{
    Querier__V1__SelectMergeStacktracesRequest q = QUERIER__V1__SELECT_MERGE_STACKTRACES_REQUEST__INIT;
    struct fault                               why;

    q.profile_typeid = (char *)l->type;
    q.label_selector = (char *)l->selector;
    q.start = s->from_ms;
    q.end = s->to_ms;
    q._max_nodes_case = max_nodes ? QUERIER__V1__SELECT_MERGE_STACKTRACES_REQUEST___MAX_NODES_MAX_NODES : 0;
    q.max_nodes = max_nodes;
    l->answer = api_ask(s->api, "/querier.v1.QuerierService/SelectMergeStacktraces", &q.base,
                        &querier__v1__select_merge_stacktraces_response__descriptor);
    enum exit_code code = answer_check(s, l->answer);
    if (code != EXIT_FINE)
        return code;
    if (look_flame(l) == NULL)
        return say(EXIT_REFUSED, "the server's answer holds no flame graph");
    if (graph_of(s, look_flame(l), &l->graph, &why) != CODE_OK)
        return say(EXIT_REFUSED, "%s", why.text);
    if (l->graph.total == 0)
        say(EXIT_FINE, "nothing matches %s in %s between --from and --to", l->selector, l->type);
    return EXIT_FINE;
}

/* The selector, the type, the question; what follows shows l->graph.  l->type is NULL when there is nothing to show. */
static enum exit_code look_begin(struct session *s, int64_t nodes_usual, struct look *l)
{
    int64_t        max_nodes;
    enum exit_code code;

    if (s->options->n_args > 1)
        return say(EXIT_USAGE, "`%s` takes one selector; quote it for the shell", s->options->command);
    if (!option_number("max-nodes", s->options->max_nodes, 1, nodes_usual, &max_nodes))
        return EXIT_USAGE;
    l->selector = s->options->n_args ? s->options->args[0] : "{}";
    l->type = type_choose(s, l->selector, &code);
    return l->type != NULL ? look_ask(s, max_nodes, l) : code;
}

static void top_write(struct session *s, const struct look *l, const struct function_sum *sums, size_t n, size_t n_all)
{
    static const struct table_column columns[] = {
        { "SELF", true }, { "", true }, { "TOTAL", true }, { "", true }, { "FUNCTION", false }
    };
    enum text_unit unit = type_unit(l->type);
    struct table  *t = table_new(s->arena, columns, 5);
    int64_t        whole = l->graph.total;

    for (size_t i = 0; i < n; i++) {
        table_value(t, sums[i].self, unit);
        table_percent(t, sums[i].self, whole);
        table_value(t, sums[i].total, unit);
        table_percent(t, sums[i].total, whole);
        table_cell(t, l->graph.names[sums[i].name]);
    }
    table_write(t, s->term.is_tty ? (size_t)s->term.columns : 0, &s->out);
    if (n < n_all)
        buf_printf(&s->out, "%zu of %zu functions; --limit 0 shows all\n", n, n_all);
}

static void top_json(struct session *s, const struct look *l, const struct function_sum *sums, size_t n)
{
    buf_text(&s->out, "{\"type\": ");
    text_json(&s->out, slice_of(l->type));
    buf_printf(&s->out, ", \"total\": %lld, \"functions\": [", (long long)l->graph.total);
    for (size_t i = 0; i < n; i++) {
        buf_text(&s->out, i ? ",\n {\"name\": " : "\n {\"name\": ");
        text_json(&s->out, l->graph.names[sums[i].name]);
        buf_printf(&s->out, ", \"self\": %lld, \"total\": %lld}", (long long)sums[i].self, (long long)sums[i].total);
    }
    buf_text(&s->out, "\n]}\n");
}

enum exit_code command_top(struct session *s)
{
    struct look l = { 0 };
    int64_t     limit;
    bool        by_total = s->options->sort != NULL && strcmp(s->options->sort, "total") == 0;

    if (s->options->sort != NULL && !by_total && strcmp(s->options->sort, "self") != 0)
        return say(EXIT_USAGE, "--sort %s: write self or total", s->options->sort);
    if (!option_number("limit", s->options->limit, 0, 20, &limit))
        return EXIT_USAGE;
    enum exit_code code = look_begin(s, NODES_WHOLE, &l);
    if (code == EXIT_FINE && l.type != NULL) {
        size_t                     n_all;
        const struct function_sum *sums = graph_functions(&l.graph, by_total, s->arena, &n_all);
        size_t                     n = limit == 0 || (uint64_t)limit > n_all ? n_all : (size_t)limit;
        if (s->options->is_json)
            top_json(s, &l, sums, n);
        else if (n_all > 0)
            top_write(s, &l, sums, n, n_all);
    }
    answer_free(l.answer);
    return code;
}

/* As the query API has it, with numbers for numbers. */
static void flame_json(struct session *s, const struct look *l)
{
    const Querier__V1__FlameGraph *f = look_flame(l);

    buf_text(&s->out, "{\"type\": ");
    text_json(&s->out, slice_of(l->type));
    buf_printf(&s->out, ", \"total\": %lld, \"maxSelf\": %lld,\n \"names\": [", (long long)f->total,
               (long long)f->max_self);
    for (size_t i = 0; i < f->n_names; i++) {
        buf_text(&s->out, i ? ", " : "");
        text_json(&s->out, slice_of(f->names[i]));
    }
    buf_text(&s->out, "],\n \"levels\": [");
    for (size_t i = 0; i < f->n_levels; i++) {
        buf_text(&s->out, i ? ",\n  [" : "\n  [");
        for (size_t k = 0; k < f->levels[i]->n_values; k++)
            buf_printf(&s->out, "%s%lld", k ? ", " : "", (long long)f->levels[i]->values[k]);
        buf_text(&s->out, "]");
    }
    buf_text(&s->out, "\n]}\n");
}

static void flame_write(struct session *s, const struct look *l, double percent_min, int64_t depth)
{
    struct draw_options o = { .columns = s->term.columns,
                              .has_colour = s->term.has_colour,
                              .percent_min = percent_min,
                              .depth_max = depth > UINT32_MAX ? UINT32_MAX : (uint32_t)depth,
                              .unit = type_unit(l->type) };

    text_fit(&s->out, slice_of(l->type), SIZE_MAX);
    buf_byte(&s->out, ' ');
    text_fit(&s->out, slice_of(l->selector), SIZE_MAX);
    buf_byte(&s->out, '\n');
    graph_draw(&l->graph, &o, &s->out);
}

static bool percent_option(const char *text, double *out)
{
    char *end = NULL;

    *out = 0;
    if (text == NULL)
        return true;
    *out = strtod(text, &end);
    if (end == text || *end != '\0' || !(*out >= 0 && *out <= 100)) {
        say(EXIT_USAGE, "--min-percent %s: write a number from 0 to 100", text);
        return false;
    }
    return true;
}

enum exit_code command_flame(struct session *s)
{
    struct look l = { 0 };
    int64_t     depth;
    double      percent_min;

    if (!option_number("depth", s->options->depth, 0, 0, &depth) ||
        !percent_option(s->options->min_percent, &percent_min))
        return EXIT_USAGE;
    enum exit_code code = look_begin(s, s->options->is_collapsed ? NODES_WHOLE : 0, &l);
    if (code == EXIT_FINE && l.type != NULL) {
        if (s->options->is_collapsed)
            graph_collapse(&l.graph, &s->out);
        else if (s->options->is_json)
            flame_json(s, &l);
        else if (l.graph.total > 0)
            flame_write(s, &l, percent_min, depth);
    }
    answer_free(l.answer);
    return code;
}
