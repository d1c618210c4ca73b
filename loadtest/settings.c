#include "loadtest/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "loadtest/settings_priv.h"
#include "wire/json.h"

#define AT(field) offsetof(struct settings, field)

const struct setting settings_table[] = {
    { "url", VALUE_TEXT, AT(url), "http://127.0.0.1:4040", "the server, in clear text" },
    { "token-file", VALUE_TEXT, AT(token_file), "", "a file that holds the bearer token" },
    { "rate", VALUE_NUMBER, AT(rate), "50", "requests a second (each pushes `batch` profiles)" },
    { "shape", VALUE_TEXT, AT(shape), "constant", "constant, ramp, step or spike: how the rate changes" },
    { "duration", VALUE_DURATION, AT(duration_ns), "30s", "how long to load" },
    { "max", VALUE_BOOL, AT(is_closed), "false", "as fast as it goes, in-flight requests at a time (closed loop)" },
    { "in-flight", VALUE_COUNT, AT(in_flight), "512", "most requests open at once; one due beyond that is missed" },
    { "timeout", VALUE_DURATION, AT(timeout_ns), "20s", "how long to wait for one answer" },
    { "settle", VALUE_DURATION, AT(settle_ns), "0s", "wait between the load and the last verification" },
    { "read-rate", VALUE_NUMBER, AT(read_rate), "0", "queries a second beside, in the mix that Grafana makes" },
    { "verify-rate", VALUE_NUMBER, AT(verify_rate), "5", "verified questions a second while the load runs" },
    { "find-knee", VALUE_BOOL, AT(finds_knee), "false", "find the highest rate at which everything holds" },
    { "resend-percent", VALUE_COUNT, AT(resend_percent), "0",
      "of the requests come again byte for byte once they are acked, as from an agent that did not hear; each counts "
      "once" },
    { "seed", VALUE_COUNT, AT(seed), "1", "all that is sent comes out of this" },
    { "start-time", VALUE_COUNT, AT(start_time), "0", "time of the first profile, seconds since 1970; 0: now" },
    { "tenants", VALUE_COUNT, AT(tenants), "1", "1: without a tenant; more need multi-tenancy" },
    { "services", VALUE_COUNT, AT(services), "10", "services of each tenant" },
    { "pods", VALUE_COUNT, AT(pods), "5", "pods of each service" },
    { "kinds", VALUE_TEXT, AT(kinds), "cpu,memory", "of cpu, memory, mutex, goroutine, wall" },
    { "formats", VALUE_TEXT, AT(formats), "connect", "of connect, grpc (push.v1 both) and ingest, in turn" },
    { "gzip", VALUE_BOOL, AT(is_gzip), "true", "pack the pprofs" },
    { "batch", VALUE_COUNT, AT(batch), "1", "profiles in one push (ingest takes one)" },
    { "samples", VALUE_COUNT, AT(samples), "200", "samples of one profile" },
    { "stacks", VALUE_COUNT, AT(stacks), "1000", "different stacks of a service" },
    { "functions", VALUE_COUNT, AT(functions), "2000", "different functions of a service" },
    { "depth-min", VALUE_COUNT, AT(depth_min), "8", "frames of the shallowest stack" },
    { "depth-max", VALUE_COUNT, AT(depth_max), "40", "frames of the deepest" },
    { "stack-zipf", VALUE_NUMBER, AT(stack_zipf), "1.0", "how uneven stacks are; 0: all alike" },
    { "service-zipf", VALUE_NUMBER, AT(service_zipf), "0.8", "how uneven services are" },
    { "hot-percent", VALUE_COUNT, AT(hot_percent), "0", "of the requests, by the first tenant" },
    { "churn", VALUE_DURATION, AT(churn_ns), "0s", "pods are replaced this often; 0s: never" },
    { "round-robin", VALUE_BOOL, AT(is_round_robin), "false", "series take turns instead of being drawn" },
    { "seed-profiles", VALUE_TEXT, AT(seed_profiles), "", "a folder of pprofs whose stacks and types are used" },
    { "ack-p50-ms-max", VALUE_NUMBER, AT(ack_p50_ms_max), "0", "threshold: half the acks, from the intended start" },
    { "ack-p99-ms-max", VALUE_NUMBER, AT(ack_p99_ms_max), "0", "threshold: 99 of 100 acks" },
    { "read-p99-ms-max", VALUE_NUMBER, AT(read_p99_ms_max), "0", "threshold: 99 of 100 queries" },
    { "refused-percent-max", VALUE_NUMBER, AT(refused_percent_max), "0",
      "threshold: pushes and queries not answered well" },
    { "late-percent-max", VALUE_NUMBER, AT(late_percent_max), "5",
      "more requests sent late or not at all: the generator was too slow, the result says nothing" },
    { "json", VALUE_TEXT, AT(json), "", "write the report as JSON here" },
    { "html", VALUE_TEXT, AT(html), "", "write it as one page with plots here" },
    { "percentiles", VALUE_TEXT, AT(percentiles), "", "write the percentiles of the acks here, as HdrHistogram does" },
    { "server-pid", VALUE_COUNT, AT(server_pid), "0",
      "memory and CPU of this process; 0: what /metrics says of itself" },
    { "plant-fault", VALUE_TEXT, AT(plant_fault), "",
      "to test the verification: count, lost or leak; the run has to fail" },
    { "quiet", VALUE_BOOL, AT(is_quiet), "false", "no progress on standard error" },
    { "help", VALUE_BOOL, AT(wants_help), "false", "this text" },
};
_Static_assert(sizeof settings_table / sizeof *settings_table == N_SETTINGS, "settings_priv.h counts them");

const struct setting *setting_find(struct slice name)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (slice_is(name, settings_table[i].name))
            return &settings_table[i];
    return NULL;
}

/* A number and what follows it; false: none, or not a finite one. */
static bool number_parse(struct slice text, double *out, struct slice *rest)
{
    char  copy[64];
    char *end;

    if (text.n == 0 || text.n >= sizeof copy || !((text.p[0] >= '0' && text.p[0] <= '9') || text.p[0] == '.'))
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    *out = strtod(copy, &end);
    *rest = slice_from(text, (size_t)(end - copy));
    return end != copy && *out < 1e15;
}

static bool duration_parse(struct slice text, int64_t *ns)
{
    static const struct {
        const char *unit;
        double      ns;
    } units[] = { { "ms", 1e6 }, { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 } };
    double       number;
    struct slice unit;

    if (!number_parse(text, &number, &unit))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (slice_is(unit, units[i].unit) && number * units[i].ns < 1e18) {
            *ns = (int64_t)(number * units[i].ns);
            return true;
        }
    return false;
}

enum code setting_set(const struct setting *s, struct settings *out, struct slice text, struct arena *a,
                      struct fault *why)
{
    static const char *const wanted[] = { "a text", "a whole number", "a number", "a duration like 90s, 500ms, 5m",
                                          "true or false" };
    void                    *field = (char *)out + s->offset;
    struct slice             rest;
    long long                count;
    bool                     is_good = true;

    switch (s->kind) {
    case VALUE_TEXT:
        is_good = memchr(text.n ? text.p : "", '\0', text.n) == NULL;
        *(const char **)field = arena_copy(a, text).p;
        break;
    case VALUE_COUNT:
        is_good = slice_to_i64(text, &count) && count >= 0;
        *(int64_t *)field = is_good ? count : 0;
        break;
    case VALUE_NUMBER:
        is_good = number_parse(text, field, &rest) && rest.n == 0;
        break;
    case VALUE_DURATION:
        is_good = duration_parse(text, field);
        break;
    case VALUE_BOOL:
        is_good = slice_is(text, "true") || slice_is(text, "false");
        *(bool *)field = slice_is(text, "true");
        break;
    }
    if (is_good)
        return CODE_OK;
    return fail(why, CODE_INVALID_ARGUMENT, "%s: `%.*s` is not %s", s->name, text.n < 80 ? (int)text.n : 80, text.p,
                wanted[s->kind]);
}

void settings_defaults(struct settings *out)
{
    struct arena *a = arena_new(0);
    struct fault  why;

    *out = (struct settings){ .preset = "" };
    for (size_t i = 0; i < N_SETTINGS; i++) {
        if (settings_table[i].kind == VALUE_TEXT) /* the table's own text stays */
            *(const char **)((char *)out + settings_table[i].offset) = settings_table[i].otherwise;
        else if (setting_set(&settings_table[i], out, slice_of(settings_table[i].otherwise), a, &why) != CODE_OK)
            abort(); /* a mistake in the table */
    }
    arena_free(a);
}

/* ---- presets and flags ---- */

static enum code file_read(const char *path, struct arena *a, struct slice *out, struct fault *why)
{
    char   *text = arena_alloc(a, SETTINGS_BYTES_MAX);
    int     fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, SETTINGS_BYTES_MAX);

    if (n < 0)
        (void)fail(why, CODE_NOT_FOUND, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    *out = slice_make(text, n > 0 ? (size_t)n : 0);
    return n < 0 ? CODE_NOT_FOUND : CODE_OK;
}

/* One of ours by its name, or a file: whatever has a dot or a slash in it. */
static enum code preset_read(const char *name, struct arena *a, struct settings *out, struct fault *why)
{
    struct slice text;

    out->preset = name;
    for (unsigned i = 0; i < n_presets; i++)
        if (strcmp(presets[i].name, name) == 0)
            return settings_read_yaml(name, slice_make(presets[i].begin, (size_t)(presets[i].end - presets[i].begin)),
                                      a, out, why);
    if (strpbrk(name, "./") == NULL)
        return fail(why, CODE_INVALID_ARGUMENT, "no preset is called `%s`; --help lists them", name);
    enum code code = file_read(name, a, &text, why);
    return code == CODE_OK ? settings_read_yaml(name, text, a, out, why) : code;
}

/* --name=value, --name value, or --name alone for true; the words behind it that belong to it are counted in *i. */
static enum code flag_take(int argc, char **argv, int *i, struct arena *a, struct settings *out, struct fault *why)
{
    struct slice          text = slice_of(argv[*i] + 2);
    size_t                equal = slice_find(text, SLICE("="));
    const struct setting *s = setting_find((struct slice){ text.p, equal });

    if (s == NULL)
        return fail(why, CODE_INVALID_ARGUMENT, "no flag is called --%.*s; --help lists them", (int)equal, text.p);
    if (equal < text.n)
        return setting_set(s, out, slice_from(text, equal + 1), a, why);
    if (s->kind == VALUE_BOOL)
        return setting_set(s, out, SLICE("true"), a, why);
    if (*i + 1 == argc)
        return fail(why, CODE_INVALID_ARGUMENT, "--%s needs a value", s->name);
    return setting_set(s, out, slice_of(argv[++*i]), a, why);
}

static enum code flags_read(int argc, char **argv, struct arena *a, struct settings *out, const char **preset,
                            struct fault *why)
{
    enum code code = CODE_OK;

    for (int i = 1; code == CODE_OK && i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0)
            code = flag_take(argc, argv, &i, a, out, why);
        else if (*preset != NULL && *preset != argv[i])
            code = fail(why, CODE_INVALID_ARGUMENT, "`%s` and `%s`: one preset at a time", *preset, argv[i]);
        else
            *preset = argv[i];
    }
    return code;
}

enum code settings_load(int argc, char **argv, struct arena *a, struct settings *out, struct fault *why)
{
    const char *preset = NULL;

    settings_defaults(out);
    enum code code = flags_read(argc, argv, a, out, &preset, why); /* to learn the preset, and of faults */
    if (code != CODE_OK || out->wants_help)
        return code;
    settings_defaults(out);
    if (preset != NULL)
        code = preset_read(preset, a, out, why);
    if (code == CODE_OK)
        code = flags_read(argc, argv, a, out, &preset, why);
    return code == CODE_OK ? settings_check(out, why) : code;
}

void settings_print(const struct settings *s, struct buf *out)
{
    struct json_writer w = { .out = out };

    json_open(&w, '{');
    json_key(&w, SLICE("preset")), json_text(&w, slice_of(s->preset));
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const void *field = (const char *)s + settings_table[i].offset;
        json_key(&w, slice_of(settings_table[i].name));
        switch (settings_table[i].kind) {
        case VALUE_TEXT:
            json_text(&w, slice_of(*(const char *const *)field));
            break;
        case VALUE_COUNT:
            json_int(&w, *(const int64_t *)field);
            break;
        case VALUE_NUMBER:
            json_double(&w, *(const double *)field);
            break;
        case VALUE_DURATION:
            json_double(&w, (double)*(const int64_t *)field / 1e9);
            break;
        case VALUE_BOOL:
            json_bool(&w, *(const bool *)field);
            break;
        }
    }
    json_close(&w, '}');
}

void settings_help(struct buf *out)
{
    buf_text(out, "hearth-load loads a profile server as its agents do and checks every answer.\n\n"
                  "Usage: hearth-load [PRESET|FILE.yaml] [--SETTING=VALUE]...\n\nPresets:");
    for (unsigned i = 0; i < n_presets; i++)
        buf_printf(out, " %s", presets[i].name);
    buf_text(out, "\n\nSettings, of a preset's file and of the command line:\n");
    for (size_t i = 0; i < N_SETTINGS; i++)
        buf_printf(out, "  --%-20s %s%s%s%s\n", settings_table[i].name, settings_table[i].help,
                   *settings_table[i].otherwise ? " (" : "", settings_table[i].otherwise,
                   *settings_table[i].otherwise ? ")" : "");
    buf_text(out, "\nExit codes:\n"
                  "  0  every threshold and every answer holds\n"
                  "  1  verification failed: an answer was not what was sent\n"
                  "  2  wrong usage\n"
                  "  3  the server was not reachable\n"
                  "  4  a threshold was missed; every answer was right\n"
                  "  5  the generator could not keep its schedule: the figures say nothing about the server\n");
}
