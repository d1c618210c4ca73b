#include "ctl/type.h"

#include <string.h>

#include "proto/querier.pb-c.h"

/* What newcomers mean when they name no type. */
static const char *const usual_types[] = { "process_cpu:cpu:nanoseconds:cpu:nanoseconds",
                                           "process_cpu:samples:count:cpu:nanoseconds",
                                           "wall:wall:nanoseconds:wall:nanoseconds" };

static const char *type_pick(char *const *types, size_t n)
{
    for (size_t i = 0; i < sizeof usual_types / sizeof *usual_types; i++)
        for (size_t k = 0; k < n; k++)
            if (strcmp(types[k], usual_types[i]) == 0)
                return usual_types[i];
    return n ? types[0] : NULL;
}

const char *type_choose(struct session *s, const char *selector, enum exit_code *code)
{
    Types__V1__LabelValuesRequest q = TYPES__V1__LABEL_VALUES_REQUEST__INIT;

    *code = EXIT_FINE;
    if (s->options->type != NULL)
        return s->options->type;
    q.name = "__profile_type__";
    q.matchers = (char **)&selector;
    q.n_matchers = 1;
    q.start = s->from_ms;
    q.end = s->to_ms;
    struct answer *a = api_ask(s->api, "/querier.v1.QuerierService/LabelValues", &q.base,
                               &types__v1__label_values_response__descriptor);
    *code = answer_check(s, a);
    const char *type = NULL;
    if (*code == EXIT_FINE) {
        const Types__V1__LabelValuesResponse *r = (const void *)a->message;
        type = type_pick(r->names, r->n_names);
        if (type == NULL && strcmp(selector, "{}") == 0)
            say(EXIT_FINE, "no profiles between --from and --to; push one: hearthctl push --name SERVICE FILE");
        else if (type == NULL)
            say(EXIT_FINE, "nothing matches %s between --from and --to; `hearthctl series` lists what there is",
                selector);
        else if (r->n_names > 1)
            say(EXIT_FINE, "showing %s, one of %zu types (`hearthctl series` lists them; --type names another)", type,
                r->n_names);
        if (type != NULL)
            type = arena_copy(s->arena, slice_of(type)).p;
    }
    answer_free(a);
    return type;
}

enum text_unit type_unit(const char *type)
{
    struct slice rest = slice_of(type);

    for (int i = 0; i < 2; i++) {
        size_t colon = slice_find(rest, SLICE(":"));
        rest = slice_from(rest, colon < rest.n ? colon + 1 : rest.n);
    }
    rest.n = slice_find(rest, SLICE(":"));
    return text_unit_of(rest);
}
