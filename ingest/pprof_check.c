#include "ingest/pprof_check.h"

#include <time.h>

#include "base/clock.h"
#include "ingest/label_rules.h"
#include "wire/utf8.h"

#define REFUSE(why, ...) fail(why, CODE_INVALID_ARGUMENT, __VA_ARGS__)

struct instant {
    char text[40];
};

static struct instant rfc3339(int64_t ns)
{
    time_t         s = ns / NS_PER_S;
    struct tm      tm;
    struct instant out;

    gmtime_r(&s, &tm);
    strftime(out.text, sizeof out.text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return out;
}

enum code pprof_check_whole(const struct pprof *p, struct labels labels, struct fault *why)
{
    const struct decode_limits *limits = p->limits;

    if (p->n_types == 0)
        return REFUSE(why, "empty profile");
    if (p->time_ns < limits->oldest_ns || p->time_ns > limits->newest_ns)
        return REFUSE(
            why,
            "profile with labels '%s' is outside of ingestion window (profile timestamp: %s, the ingestion window "
            "starts at %s and ends at %s)",
            labels_text(labels).p, rfc3339(p->time_ns).text, rfc3339(limits->oldest_ns).text,
            rfc3339(limits->newest_ns).text);
    if ((int64_t)p->bytes.n > limits->profile_bytes_max)
        return REFUSE(
            why,
            "the profile with labels '%s' exceeds the size limit (max_profile_size_byte, actual: %zu, limit: %lld)",
            labels_text(labels).p, p->bytes.n, (long long)limits->profile_bytes_max);
    if (p->n_samples > limits->samples_max)
        return REFUSE(
            why,
            "the profile with labels '%s' exceeds the samples count limit (max_profile_stacktrace_samples, actual: "
            "%u, limit: %lld)",
            labels_text(labels).p, p->n_samples, (long long)limits->samples_max);
    return CODE_OK;
}

enum code pprof_refuse_sample_labels(const struct pprof *p, size_t n_labels, struct labels labels, struct fault *why)
{
    return REFUSE(
        why,
        "the profile with labels '%s' exceeds the sample labels limit (max_profile_stacktrace_sample_labels, actual: "
        "%zu, limit: %lld)",
        labels_text(labels).p, n_labels, (long long)p->limits->sample_labels_max);
}

static enum code ids_check(const struct pprof *p, struct fault *why)
{
    for (uint32_t i = 0; i < p->n_locations; i++)
        if (p->location_ids[i] == 0)
            return REFUSE(why, "location id is 0");
    for (uint32_t i = 0; i < p->n_functions; i++)
        if (p->function_ids[i] == 0)
            return REFUSE(why, "function id is 0");
    return CODE_OK;
}

static enum code types_check(const struct pprof *p, struct fault *why)
{
    if (p->n_table == 0 || ref_text(p, 0).n != 0)
        return REFUSE(why, "string 0 should be empty string");
    for (uint32_t i = 0; i < p->n_types; i++) {
        if (p->types[i].type >= p->strings.n || p->types[i].unit >= p->strings.n)
            return REFUSE(why, "sample type type string index out of range");
        struct slice type = ref_text(p, p->types[i].type);
        if (slice_find(type, SLICE("-")) < type.n)
            return REFUSE(why, "sample type contains -");
    }
    if (p->period_type.type >= p->strings.n || p->period_type.unit >= p->strings.n)
        return REFUSE(why, "period type string index out of range");
    return CODE_OK;
}

static enum code symbols_check(const struct pprof *p, struct fault *why)
{
    for (uint32_t i = 0; i < p->n_functions; i++) {
        const struct batch_function *f = &p->functions[i];
        if (f->name >= p->strings.n)
            return REFUSE(why, "function name string index out of range");
        if (f->system_name >= p->strings.n)
            return REFUSE(why, "function system name index string out of range");
        if (f->file >= p->strings.n)
            return REFUSE(why, "function file name string index out of range");
    }
    for (uint32_t i = 0; i < p->n_mappings; i++) {
        if (p->mappings[i].file >= p->strings.n)
            return REFUSE(why, "mapping file name string index out of range");
        if (p->mappings[i].build_id >= p->strings.n)
            return REFUSE(why, "mapping build id string index out of range");
    }
    return CODE_OK;
}

static enum code text_check(const struct pprof *p, struct fault *why)
{
    char hex[321];

    if (utf8_is_ascii(
            slice_make(p->strings.bytes, texts_bytes(&p->strings)))) /* nearly all: one look for all of them */
        return CODE_OK;
    for (uint32_t i = 0; i < p->n_table; i++) {
        struct slice s = ref_text(p, i);
        if (utf8_is_valid(s))
            continue;
        size_t n = s.n < sizeof hex / 2 ? s.n : sizeof hex / 2;
        for (size_t j = 0; j < n; j++)
            snprintf(hex + 2 * j, 3, "%02x", (unsigned char)s.p[j]);
        return REFUSE(why, "invalid utf8 string hex: %s", hex);
    }
    return CODE_OK;
}

enum code pprof_check_tables(const struct pprof *p, struct fault *why)
{
    static enum code (*const checks[])(const struct pprof *, struct fault *) = { ids_check, types_check, symbols_check,
                                                                                 text_check };

    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        enum code code = checks[i](p, why);
        if (code != CODE_OK)
            return code;
    }
    return CODE_OK;
}
