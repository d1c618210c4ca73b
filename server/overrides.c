#include "server/overrides.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/arena.h"
#include "base/mem.h"
#include "server/config.h"
#include "tenant/tenant_id.h"

enum { LIMITS_MAX = 64 }; /* more than there are */

struct entry {
    struct slice  tenant;
    struct limits limits;
    size_t        line; /* counted from 0 */
};

struct overrides {
    struct arena *arena;
    struct entry *at; /* by tenant */
    size_t        n, cap;
};

/* One file on its way in. */
struct reader {
    yaml_parser_t        parser;
    struct overrides    *into;
    const struct limits *everybody;
    const char          *name;
    struct fault        *why;
};

static enum code bad_at(struct reader *r, yaml_mark_t at, const char *what, struct slice word)
{
    return fail(r->why, CODE_INVALID_ARGUMENT, "%s:%zu:%zu: %s%.*s", r->name, at.line + 1, at.column + 1, what,
                SLICE_ARGS(word));
}

static struct slice scalar_of(const yaml_event_t *e) { return slice_make(e->data.scalar.value, e->data.scalar.length); }

static enum code next_event(struct reader *r, yaml_event_t *e)
{
    if (yaml_parser_parse(&r->parser, e))
        return CODE_OK;
    memset(e, 0, sizeof *e);
    return bad_at(r, r->parser.problem_mark, "", slice_of(r->parser.problem ? r->parser.problem : "not YAML"));
}

/* The next event has to be of this type; otherwise `what` is wrong with it. */
static enum code expect(struct reader *r, yaml_event_type_t type, const char *what)
{
    yaml_event_t e;
    enum code    code = next_event(r, &e);

    if (code == CODE_OK && e.type != type)
        code = bad_at(r, e.start_mark, what, (struct slice){ 0 });
    yaml_event_delete(&e);
    return code;
}

typedef enum code key_fn(struct reader *r, struct slice key, yaml_mark_t at, void *arg);

/* The keys of a mapping that has begun; `take` reads what stands behind each. */
static enum code read_keys(struct reader *r, key_fn *take, void *arg)
{
    for (;;) {
        yaml_event_t e;
        enum code    code = next_event(r, &e);
        bool         is_end = code == CODE_OK && e.type == YAML_MAPPING_END_EVENT;
        if (code == CODE_OK && !is_end)
            code = e.type == YAML_SCALAR_EVENT ? take(r, scalar_of(&e), e.start_mark, arg)
                                               : bad_at(r, e.start_mark, "a key is a word", (struct slice){ 0 });
        yaml_event_delete(&e);
        if (code != CODE_OK || is_end)
            return code;
    }
}

/* What is in `struct limits`, by the name that it has in the configuration, `limits.` left off. */
static const struct option *limit_find(struct arena *a, struct slice key)
{
    const size_t         from = offsetof(struct config, limits);
    const struct option *o = option_find(config_table, arena_printf(a, "limits.%.*s", SLICE_ARGS(key)));

    if (o == NULL)
        o = option_find(config_table, key);
    return o != NULL && o->at >= from && o->at < from + sizeof(struct limits) ? o : NULL;
}

/* One tenant's entry. */
struct entry_reading {
    struct config        fresh;
    const struct option *seen[LIMITS_MAX];
    size_t               n_seen;
};

static enum code note_seen(struct reader *r, struct entry_reading *x, const struct option *o, yaml_mark_t at)
{
    for (size_t i = 0; i < x->n_seen; i++)
        if (x->seen[i] == o)
            return bad_at(r, at, "a second time stands here ", slice_of(o->name));
    assert(x->n_seen < LIMITS_MAX);
    x->seen[x->n_seen++] = o;
    return CODE_OK;
}

static enum code read_limit(struct reader *r, struct slice key, yaml_mark_t at, void *arg)
{
    struct entry_reading *x = arg;
    struct arena         *a = r->into->arena;
    struct fault          wrong;
    yaml_event_t          e;
    const struct option  *o = limit_find(a, key);

    if (o == NULL)
        return bad_at(r, at, "unknown limit ", key);
    if (note_seen(r, x, o, at) != CODE_OK)
        return CODE_INVALID_ARGUMENT;
    enum code code = next_event(r, &e);
    if (code == CODE_OK && e.type != YAML_SCALAR_EVENT)
        code = bad_at(r, e.start_mark, "one value is wanted for ", key);
    else if (code == CODE_OK && option_set(o, &x->fresh, scalar_of(&e), a, &wrong) != CODE_OK)
        code = bad_at(r, e.start_mark, "", slice_of(wrong.text));
    yaml_event_delete(&e);
    return code;
}

static struct entry *entry_add(struct overrides *o)
{
    if (o->n == o->cap) {
        o->cap = o->cap ? o->cap * 2 : 8;
        o->at = mem_resize(o->at, o->cap * sizeof *o->at);
    }
    return &o->at[o->n++];
}

static enum code read_tenant(struct reader *r, struct slice key, yaml_mark_t at, void *unused)
{
    struct entry_reading x = { .fresh.limits = *r->everybody };
    struct limits       *l = &x.fresh.limits;
    struct fault         wrong;

    (void)unused;
    if (r->into->n == OVERRIDES_MAX)
        return bad_at(r, at, "too many tenants at ", key);
    if (tenant_id_check(key, &wrong) != CODE_OK)
        return bad_at(r, at, "", slice_of(wrong.text));
    struct slice tenant = arena_copy(r->into->arena, key);
    enum code    code = expect(r, YAML_MAPPING_START_EVENT, "below a tenant stand its limits: `name: value` lines");
    if (code == CODE_OK)
        code = read_keys(r, read_limit, &x);
    if (code != CODE_OK)
        return code;
    limits_settle(l);
    if (l->max_flamegraph_nodes_default > l->max_flamegraph_nodes_max)
        return bad_at(r, at, "max_flamegraph_nodes_default is more than max_flamegraph_nodes_max for ", tenant);
    *entry_add(r->into) = (struct entry){ tenant, *l, at.line };
    return CODE_OK;
}

static enum code read_top(struct reader *r, struct slice key, yaml_mark_t at, void *unused)
{
    (void)unused;
    if (!slice_is(key, "overrides") || r->into->n > 0)
        return bad_at(r, at, "the file has one key, `overrides`, and not ", key);
    enum code code = expect(r, YAML_MAPPING_START_EVENT, "below `overrides` stand tenants");
    return code == CODE_OK ? read_keys(r, read_tenant, NULL) : code;
}

static int entry_cmp(const void *a, const void *b)
{
    return slice_cmp(((const struct entry *)a)->tenant, ((const struct entry *)b)->tenant);
}

static enum code sort(struct reader *r)
{
    struct overrides *o = r->into;

    if (o->n > 1)
        qsort(o->at, o->n, sizeof *o->at, entry_cmp);
    for (size_t i = 1; i < o->n; i++)
        if (slice_eq(o->at[i - 1].tenant, o->at[i].tenant)) {
            size_t line = o->at[i].line > o->at[i - 1].line ? o->at[i].line : o->at[i - 1].line;
            return bad_at(r, (yaml_mark_t){ .line = line }, "a second time stands here tenant ", o->at[i].tenant);
        }
    return CODE_OK;
}

/* An empty file is one without overrides. */
static enum code read_file(struct reader *r)
{
    yaml_event_t e;
    enum code    code = expect(r, YAML_STREAM_START_EVENT, "not YAML");

    if (code == CODE_OK)
        code = next_event(r, &e);
    if (code != CODE_OK)
        return code;
    bool is_empty = e.type == YAML_STREAM_END_EVENT;
    yaml_event_delete(&e);
    if (is_empty)
        return CODE_OK;
    code = expect(r, YAML_MAPPING_START_EVENT, "the file is a mapping: `overrides:` and below it tenants");
    if (code == CODE_OK)
        code = read_keys(r, read_top, NULL);
    if (code == CODE_OK)
        code = expect(r, YAML_DOCUMENT_END_EVENT, "text behind the overrides");
    if (code == CODE_OK)
        code = expect(r, YAML_STREAM_END_EVENT, "a second document");
    return code == CODE_OK ? sort(r) : code;
}

enum code overrides_parse(const char *name, struct slice text, const struct limits *everybody, struct overrides **out,
                          struct fault *why)
{
    struct overrides *o = mem_zalloc(sizeof *o);
    struct reader     r = { .into = o, .everybody = everybody, .name = name, .why = why };

    o->arena = arena_new(0);
    if (!yaml_parser_initialize(&r.parser))
        abort();
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.p ? text.p : ""), text.n);
    enum code code = read_file(&r);
    yaml_parser_delete(&r.parser);
    if (code == CODE_OK)
        *out = o;
    else
        overrides_free(o);
    return code;
}

void overrides_free(struct overrides *o)
{
    if (o == NULL)
        return;
    arena_free(o->arena);
    free(o->at);
    free(o);
}

const struct limits *overrides_find(const struct overrides *o, struct slice tenant)
{
    struct entry wanted = { .tenant = tenant };

    if (o == NULL || o->n == 0)
        return NULL;
    const struct entry *found = bsearch(&wanted, o->at, o->n, sizeof *o->at, entry_cmp);
    return found ? &found->limits : NULL;
}
