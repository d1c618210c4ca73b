/* What a setting alone cannot show, and bounds on what is allocated. */
#include "loadtest/schedule.h"
#include "loadtest/settings.h"
#include "loadtest/verify.h"
#include "oracle/workload.h"

bool word_next(struct slice *list, struct slice *word)
{
    size_t comma = slice_find(*list, SLICE(","));

    if (list->n == 0)
        return false;
    *word = slice_trim((struct slice){ list->p, comma });
    *list = comma < list->n ? slice_from(*list, comma + 1) : (struct slice){ 0 };
    return true;
}

static enum code check_words(const char *name, const char *list, bool (*is_known)(struct slice), size_t n_max,
                             struct fault *why)
{
    struct slice rest = slice_of(list), word;
    size_t       n = 0;

    for (; word_next(&rest, &word); n++)
        if (!is_known(word))
            return fail(why, CODE_INVALID_ARGUMENT, "%s: `%.*s` is none of them", name, SLICE_ARGS(word));
    if (n == 0 || n > n_max)
        return fail(why, CODE_INVALID_ARGUMENT, "%s: 1 to %zu words", name, n_max);
    return CODE_OK;
}

static bool is_kind(struct slice word) { return kind_named(word) != NULL; }

static bool is_format(struct slice word)
{
    return slice_is(word, "connect") || slice_is(word, "grpc") || slice_is(word, "ingest");
}

static enum code check_range(const char *name, int64_t v, int64_t least, int64_t most, struct fault *why)
{
    if (v >= least && v <= most)
        return CODE_OK;
    return fail(why, CODE_INVALID_ARGUMENT, "%s: %lld is not from %lld to %lld", name, (long long)v, (long long)least,
                (long long)most);
}

static enum code check_sizes(const struct settings *s, struct fault *why)
{
    const struct {
        const char *name;
        int64_t     v, least, most;
    } ranges[] = { { "tenants", s->tenants, 1, 100000 },
                   { "services", s->services, 1, 100000 },
                   { "pods", s->pods, 1, 1000000 },
                   { "batch", s->batch, 1, 1000 },
                   { "samples", s->samples, 1, SAMPLES_MAX },
                   { "stacks", s->stacks, 1, 1 << 22 },
                   { "functions", s->functions, 1, 1 << 22 },
                   { "depth-min", s->depth_min, 1, STACK_DEPTH_MAX },
                   { "depth-max", s->depth_max, s->depth_min, STACK_DEPTH_MAX },
                   { "hot-percent", s->hot_percent, 0, 100 },
                   { "resend-percent", s->resend_percent, 0, 100 },
                   { "in-flight", s->in_flight, 1, 100000 } };

    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (check_range(ranges[i].name, ranges[i].v, ranges[i].least, ranges[i].most, why) != CODE_OK)
            return why->code;
    if (s->stacks * s->depth_max > BOXES_WHOLE - 2)
        return fail(why, CODE_INVALID_ARGUMENT,
                    "stacks, depth-max: more than the %d boxes of a flame graph that is whole", BOXES_WHOLE);
    return CODE_OK;
}

static enum code check_rate(const struct settings *s, struct fault *why)
{
    enum shape shape;

    if (!shape_named(slice_of(s->shape), &shape))
        return fail(why, CODE_INVALID_ARGUMENT, "shape: `%s` is none of constant, ramp, step, spike", s->shape);
    if (!(s->rate >= 0.01) || s->duration_ns < 100000000)
        return fail(why, CODE_INVALID_ARGUMENT, "rate, duration: at least 0.01 a second, and 100ms");
    if (s->rate * (double)s->duration_ns / 1e9 > SCHEDULE_MAX / (double)s->batch)
        return fail(why, CODE_INVALID_ARGUMENT, "rate, duration, batch: more than %d profiles", SCHEDULE_MAX);
    if (s->read_rate > 10000 || s->verify_rate > 1000)
        return fail(why, CODE_INVALID_ARGUMENT, "read-rate, verify-rate: at most 10000 and 1000 a second");
    if (s->finds_knee && s->is_closed)
        return fail(why, CODE_INVALID_ARGUMENT, "find-knee, max: one or the other");
    return CODE_OK;
}

static enum code check_fault(const struct settings *s, struct fault *why)
{
    struct slice f = slice_of(s->plant_fault);

    if (f.n > 0 && !slice_is(f, "count") && !slice_is(f, "lost") && !slice_is(f, "leak"))
        return fail(why, CODE_INVALID_ARGUMENT, "plant-fault: `%s` is none of count, lost, leak", s->plant_fault);
    if (slice_is(f, "leak") && s->tenants < 2)
        return fail(why, CODE_INVALID_ARGUMENT, "plant-fault: leak needs two tenants");
    return CODE_OK;
}

enum code settings_check(const struct settings *s, struct fault *why)
{
    if (check_sizes(s, why) != CODE_OK || check_rate(s, why) != CODE_OK || check_fault(s, why) != CODE_OK ||
        check_words("kinds", s->kinds, is_kind, KIND_WORDS_MAX, why) != CODE_OK ||
        check_words("formats", s->formats, is_format, FORMATS_MAX, why) != CODE_OK)
        return why->code;
    if (strstr(s->formats, "ingest") != NULL && s->batch > 1)
        return fail(why, CODE_INVALID_ARGUMENT, "formats, batch: /ingest takes one profile at a time");
    return CODE_OK;
}
