#include "ingest/pprof_fix.h"

#include "base/hash.h"
#include "ingest/idmap.h"
#include "ingest/table.h"

static const int64_t YEAR_1970_NS = INT64_C(365) * 86400 * 1000000000;

/* Each function gets a name of its own, which may be far longer than what a profile needs to ask for it. */
enum { SCRIPTING_BYTES_MAX = 64 << 20 };

static bool is_scripting(struct slice spy)
{
    return slice_is(spy, "pyspy") || slice_is(spy, "rbspy") || slice_is(spy, "scripting");
}

static bool same_name(const void *items, uint32_t i, uint32_t j)
{
    const struct slice *name = items;
    return slice_eq(name[i], name[j]);
}

/* "<file> <name>" for a function, or nothing when it stays as it is. */
static struct slice scripting_name(const struct pprof *p, const struct batch_function *f, bool is_pyspy)
{
    if (f->name >= p->strings.n || f->file >= p->strings.n)
        return (struct slice){ 0 }; /* left for the checks to find */
    struct slice file = ref_text(p, f->file), name = ref_text(p, f->name);
    if (is_pyspy && slice_starts(file, SLICE("/")))
        return (struct slice){ 0 };
    return arena_printf(p->scratch, "%.*s %.*s", SLICE_ARGS(file), SLICE_ARGS(name));
}

/* Functions get their new names in place; those that now have one name become the first of them. */
static enum code scripting_rename(struct pprof *p, bool is_pyspy, struct fault *why)
{
    struct slice *names = arena_array(p->scratch, p->n_functions, sizeof *names);
    struct table  table = table_new(p->scratch, p->n_functions);
    size_t        n_bytes = 0;

    for (uint32_t i = 0; i < p->n_functions; i++) {
        struct batch_function *f = &p->functions[i];
        names[i] = scripting_name(p, f, is_pyspy);
        if (names[i].n == 0)
            continue;
        if ((n_bytes += names[i].n) > SCRIPTING_BYTES_MAX)
            return fail(why, CODE_INVALID_ARGUMENT, "names of functions with their files take more than %d bytes",
                        SCRIPTING_BYTES_MAX);
        uint32_t first = table_put(&table, hash_text(names[i]), i, same_name, names);
        f->name = first == i ? ref_add(p, names[i]) : p->functions[first].name;
        f->file = p->functions[first].file;
        f->system_name = 0;
        f->start_line = 0;
    }
    return CODE_OK;
}

/* Old .NET: functions without ids stand in the order of their locations, whose lines name them by location id. */
static void dotnet_ids(struct pprof *p)
{
    if (p->n_functions != p->n_locations)
        return;
    for (uint32_t i = 0; i < p->n_functions; i++)
        if (p->function_ids[i] != 0)
            return;
    for (uint32_t i = 0; i < p->n_functions; i++)
        p->function_ids[i] = p->location_ids[i];
}

static void dotnet_types(struct pprof *p)
{
    for (uint32_t i = 0; i < p->n_types; i++) {
        if (p->types[i].type >= p->strings.n)
            continue;
        struct slice type = ref_text(p, p->types[i].type);
        if (slice_find(type, SLICE("-")) == type.n)
            continue;
        struct slice copy = arena_copy(p->scratch, type);
        for (char *c = (char *)(uintptr_t)copy.p; *c != '\0'; c++) /* ours: just copied */
            if (*c == '-')
                *c = '_';
        p->types[i].type = ref_add(p, copy);
    }
}

enum code pprof_fix_legacy(struct pprof *p, const struct pprof_hints *hints, bool has_dashed_config, struct fault *why)
{
    enum code code = CODE_OK;

    if (p->time_ns < YEAR_1970_NS)
        p->time_ns = hints->from_ns;
    if (is_scripting(hints->spy_name))
        code = scripting_rename(p, slice_is(hints->spy_name, "pyspy"), why);
    if (slice_is(hints->spy_name, "dotnetspy") || (slice_is(hints->spy_name, "unknown") && has_dashed_config)) {
        dotnet_ids(p);
        dotnet_types(p);
    }
    return code;
}
