#include "ingest/names.h"

#include <jansson.h>

enum { CONFIG_MAX = 1 << 20 };

static bool contains(struct slice s, const char *part) { return slice_find(s, slice_of(part)) < s.n; }

static json_t *config_load(struct slice config)
{
    return config.n <= CONFIG_MAX ? json_loadb(config.p, config.n, 0, NULL) : NULL;
}

bool config_is_dashed(struct slice config)
{
    json_t *root = config_load(config);
    bool    is_dashed = json_object_get(root, "inuse-space") != NULL;

    json_decref(root);
    return is_dashed;
}

/* What the built-in configuration calls the types it knows. */
static struct slice builtin_name(struct slice type)
{
    static const struct slice names[][2] = { { SLICE("samples"), SLICE("cpu") },
                                             { SLICE("goroutine"), SLICE("goroutines") },
                                             { SLICE("contentions"), SLICE("mutex_count") },
                                             { SLICE("delay"), SLICE("mutex_duration") } };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_eq(type, names[i][0]))
            return names[i][1];
    return type;
}

/* The type's display name by the client's configuration; `type` itself when it has none there. */
static struct slice configured_name(const struct pprof *p, json_t *root, struct slice type)
{
    json_t *name = json_object_get(json_object_get(root, arena_copy(p->scratch, type).p), "display-name");

    if (name == NULL || json_string_length(name) == 0)
        return type;
    return arena_copy(p->scratch, slice_make(json_string_value(name), json_string_length(name)));
}

static const char *known_metric(struct slice name)
{
    if (contains(name, "cpu"))
        return "process_cpu";
    if (contains(name, "alloc_") || contains(name, "inuse_") || slice_is(name, "space") || slice_is(name, "objects"))
        return "memory";
    if (contains(name, "mutex_"))
        return "mutex";
    if (contains(name, "block_"))
        return "block";
    return contains(name, "goroutines") ? "goroutines" : NULL;
}

static bool config_is_valid(json_t *root)
{
    const char *key;
    json_t     *type;

    if (!json_is_object(root))
        return false;
    json_object_foreach(root, key, type)
    {
        json_t *name = json_object_get(type, "display-name");
        if (!json_is_object(type) || (name != NULL && !json_is_string(name)))
            return false;
    }
    return true;
}

/* Empty where it is not in the table, which is left for the checks to find. */
static struct slice type_text(const struct pprof *p, uint32_t i)
{
    return p->types[i].type < p->strings.n ? ref_text(p, p->types[i].type) : (struct slice){ 0 };
}

static struct slice name_by_types(const struct pprof *p, json_t *root)
{
    struct slice name = { 0 };

    for (uint32_t i = 0; i < p->n_types; i++)
        if (slice_is(type_text(p, i), "wall"))
            return SLICE("wall");
    for (uint32_t i = 0; i < p->n_types; i++) {
        struct slice type = type_text(p, i);
        name = root == NULL ? builtin_name(type) : configured_name(p, root, type);
        const char *known = known_metric(name);
        if (known != NULL)
            return slice_of(known);
    }
    return name;
}

enum code metric_name(const struct pprof *p, struct slice config, struct slice *out, struct fault *why)
{
    json_t *root = NULL;

    if (config.n > 0) {
        root = config_load(config);
        if (!config_is_valid(root)) {
            json_decref(root);
            return fail(why, CODE_INVALID_ARGUMENT, "sample_type_config: not a JSON object of sample types");
        }
    }
    *out = name_by_types(p, root);
    json_decref(root);
    return CODE_OK;
}
