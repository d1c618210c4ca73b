#include "model/profile_type.h"

enum { PARTS = 5 };

enum code profile_type_parse(struct slice id, struct profile_type *out, struct fault *why)
{
    struct slice part[PARTS + 1];
    size_t       n = 0, from = 0;

    for (size_t i = 0; i <= id.n; i++) {
        if (i < id.n && id.p[i] != ':')
            continue;
        if (n <= PARTS)
            part[n] = slice_make(id.p + from, i - from);
        n++;
        from = i + 1;
    }
    if (n != PARTS && n != PARTS + 1)
        return fail(why, CODE_INVALID_ARGUMENT,
                    "profile-type selection must be of the form <name>:<sample-type>:<sample-unit>:<period-type>:"
                    "<period-unit>(:delta), got(%zu): \"%.*s\".",
                    n, id.n > 200 ? 200 : (int)id.n, id.n ? id.p : "");
    *out = (struct profile_type){ part[0], part[1], part[2], part[3], part[4] };
    return CODE_OK;
}

struct slice profile_type_id(const struct profile_type *t, struct arena *a)
{
    return arena_printf(a, "%.*s:%.*s:%.*s:%.*s:%.*s", SLICE_ARGS(t->name), SLICE_ARGS(t->sample_type),
                        SLICE_ARGS(t->sample_unit), SLICE_ARGS(t->period_type), SLICE_ARGS(t->period_unit));
}
