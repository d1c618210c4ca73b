#include "model/matcher.h"

#include "model/regex.h"

static bool is_negative(enum match_op op) { return op == MATCH_NE || op == MATCH_NRE; }

enum code matcher_test(const struct matcher *m, struct slice value, bool *passes, struct fault *why)
{
    bool equal = false;

    if (m->regex == NULL) {
        equal = slice_eq(m->value, value);
    } else {
        enum code code = regex_test(m->regex, value, &equal, why);
        if (code != CODE_OK)
            return code;
    }
    *passes = equal != is_negative(m->op);
    return CODE_OK;
}

enum code matcher_takes_missing(const struct matcher *m, bool *passes, struct fault *why)
{
    return matcher_test(m, SLICE(""), passes, why);
}

size_t matcher_literals(const struct matcher *m, const struct slice **values)
{
    if (m->regex != NULL)
        return regex_literals(m->regex, values);
    *values = &m->value;
    return 1;
}

void selector_free(struct selector *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->at[i].regex != NULL)
            regex_free(s->at[i].regex);
    s->n = 0;
}
