#include "ingest/label_rules.h"

#include <stdlib.h>

#include "wire/utf8.h"

#define REFUSE(why, ...) fail(why, CODE_INVALID_ARGUMENT, __VA_ARGS__)

#define UNKNOWN_SERVICE SLICE("unknown_service")

enum { SESSION_HEX = 16, ADDED_MAX = 3 };

struct labels_text labels_text(struct labels l)
{
    struct labels_text out;
    struct buf         b = { 0 };

    labels_print(&b, l);
    snprintf(out.p, sizeof out.p, "%.*s%s", b.n < sizeof out.p ? (int)b.n : (int)sizeof out.p - 5, b.p,
             b.n < sizeof out.p ? "" : "...");
    buf_free(&b);
    return out;
}

/* 16 hex digits, a little-endian number, modulo the number of sessions a series may have; empty: not a session id. */
static struct slice session_reduce(struct slice value, int64_t sessions_max, struct arena *a)
{
    uint64_t id = 0;

    if (value.n != SESSION_HEX || sessions_max <= 0)
        return (struct slice){ 0 };
    for (int byte = 0; byte < 8; byte++) {
        int high = slice_hex_digit(value.p[2 * byte]), low = slice_hex_digit(value.p[2 * byte + 1]);
        if (high < 0 || low < 0)
            return (struct slice){ 0 };
        id |= (uint64_t)(high << 4 | low) << 8 * byte;
    }
    return arena_printf(a, "%016llx", (unsigned long long)__builtin_bswap64(id % (uint64_t)sessions_max));
}

struct slice label_name_clean(struct slice name, const struct decode_limits *limits, struct arena *a)
{
    bool has_dot = false;

    if (!limits->sanitize_labels)
        return name;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.';
        if (!is_letter && (i == 0 || c < '0' || c > '9'))
            return (struct slice){ 0 };
        has_dot |= c == '.';
    }
    if (!has_dot)
        return name;
    struct slice clean = arena_copy(a, name);
    char        *p = (char *)(uintptr_t)clean.p; /* ours: just copied */
    for (size_t i = 0; i < clean.n; i++)
        if (p[i] == '.')
            p[i] = '_';
    return clean;
}

/* godeltaprof_(.*): the name proper, the old name kept aside, values are no longer cumulative. */
static size_t relabel_delta(struct label *at, size_t n)
{
    const struct slice prefix = SLICE("godeltaprof_");

    for (size_t i = 0; i < n; i++) {
        if (!slice_is(at[i].name, "__name__") || !slice_starts(at[i].value, prefix))
            continue;
        struct slice old = at[i].value;
        at[i].value = slice_from(old, prefix.n);
        for (size_t j = 0; j < n; j++)
            if (slice_is(at[j].name, "__delta__") || slice_is(at[j].name, "__name_replaced__"))
                at[j].value = (struct slice){ 0 };
        at[n++] = (struct label){ SLICE("__name_replaced__"), old };
        at[n++] = (struct label){ SLICE("__delta__"), SLICE("false") };
        break;
    }
    return n;
}

/* Two names that only cleaning made equal: one is enough when they say the same. */
static enum code clean_twins(struct label *at, size_t *n, struct labels sent, struct fault *why)
{
    size_t kept = 0;

    for (size_t i = 0; i < *n; i++) {
        if (kept > 0 && slice_eq(at[kept - 1].name, at[i].name)) {
            if (slice_eq(at[kept - 1].value, at[i].value))
                continue;
            return REFUSE(why,
                          "profile with labels '%s' has duplicate label name: '%.*s' after label name sanitization",
                          labels_text(sent).p, SLICE_ARGS(at[i].name));
        }
        at[kept++] = at[i];
    }
    *n = kept;
    return CODE_OK;
}

/* With any value: an empty service_name is a fault of the sender's, a missing one is not. */
static bool has_label(struct labels l, struct slice name)
{
    for (size_t i = 0; i < l.n; i++)
        if (slice_eq(l.at[i].name, name))
            return true;
    return false;
}

struct slice labels_service(struct labels sent)
{
    for (size_t i = 0; i < sent.n; i++)
        if (slice_is(sent.at[i].name, "service_name") && sent.at[i].value.n > 0)
            return sent.at[i].value;
    return UNKNOWN_SERVICE;
}

enum code labels_prepare(struct labels sent, const struct decode_limits *limits, struct arena *a, struct labels *out,
                         struct fault *why)
{
    struct label *at = arena_array(a, sent.n + ADDED_MAX, sizeof *at);
    size_t        n = 0, kept = 0;

    for (; n < sent.n; n++) {
        at[n] = sent.at[n];
        if (slice_is(at[n].name, "__session_id__"))
            at[n].value = session_reduce(at[n].value, limits->sessions_max, a);
        struct slice clean = label_name_clean(at[n].name, limits, a);
        if (clean.n == 0 && at[n].value.n > 0)
            return REFUSE(why, "invalid labels '%s' with error: invalid label name '%.*s'", labels_text(sent).p,
                          SLICE_ARGS(at[n].name));
        at[n].name = clean;
    }
    if (!has_label(sent, SLICE("service_name")))
        at[n++] = (struct label){ SLICE("service_name"), UNKNOWN_SERVICE };
    n = relabel_delta(at, n);
    for (size_t i = 0; i < n; i++)
        if (at[i].value.n > 0)
            at[kept++] = at[i];
    labels_sort(at, kept);
    enum code code = limits->sanitize_labels ? clean_twins(at, &kept, sent, why) : CODE_OK;
    *out = (struct labels){ at, kept };
    return code;
}

static enum code label_check(struct labels l, size_t i, const struct decode_limits *limits, struct fault *why)
{
    struct slice name = l.at[i].name, value = l.at[i].value;

    if ((int64_t)name.n > limits->label_name_bytes_max)
        return REFUSE(why, "profile with labels '%s' has label name too long: '%.*s'", labels_text(l).p,
                      SLICE_ARGS(name));
    if ((int64_t)value.n > limits->label_value_bytes_max)
        return REFUSE(why, "profile with labels '%s' has label value too long: '%.*s'", labels_text(l).p,
                      SLICE_ARGS(value));
    if (name.n == 0 || !utf8_is_valid(name))
        return REFUSE(why, "invalid labels '%s' with error: invalid label name '%.*s'", labels_text(l).p,
                      SLICE_ARGS(name));
    if (!utf8_is_valid(value))
        return REFUSE(why, "invalid labels '%s' with error: invalid label value '%.*s'", labels_text(l).p,
                      SLICE_ARGS(value));
    if (i > 0 && slice_eq(l.at[i - 1].name, name))
        return REFUSE(why, "profile with labels '%s' has duplicate label name: '%.*s'", labels_text(l).p,
                      SLICE_ARGS(name));
    return CODE_OK;
}

enum code labels_check(struct labels l, const struct decode_limits *limits, struct fault *why)
{
    if (l.n == 0)
        return REFUSE(why, "error at least one label pair is required per profile");
    if ((int64_t)l.n > limits->label_names_max)
        return REFUSE(why, "profile series '%s' has %zu label names; limit %lld", labels_text(l).p, l.n,
                      (long long)limits->label_names_max);
    struct slice metric = labels_get(l, SLICE("__name__"));
    if (metric.n == 0 || !utf8_is_valid(metric))
        return REFUSE(why, "invalid labels '%s' with error: invalid metric name", labels_text(l).p);
    if (labels_get(l, SLICE("service_name")).n == 0)
        return REFUSE(why, "invalid labels '%s' with error: service name is not provided", labels_text(l).p);
    for (size_t i = 0; i < l.n; i++) {
        enum code code = label_check(l, i, limits, why);
        if (code != CODE_OK)
            return code;
    }
    return CODE_OK;
}

bool label_is_stored(struct slice name)
{
    static const struct slice removed[] = { SLICE("__delta__"),        SLICE("__order__"),
                                            SLICE("__name__"),         SLICE("__profile_type__"),
                                            SLICE("__service_name__"), SLICE("__period_type__"),
                                            SLICE("__period_unit__"),  SLICE("__type__"),
                                            SLICE("__unit__") };

    if (name.n < 3 || name.p[0] != '_' || name.p[1] != '_')
        return true;
    for (size_t i = 0; i < sizeof removed / sizeof *removed; i++)
        if (slice_eq(name, removed[i]))
            return false;
    return true;
}
