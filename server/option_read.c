/* Where options come from: flags and a YAML file. */
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/mem.h"
#include "server/option.h"

enum { PATH_MAX_BYTES = 128, KEYS_MAX = 256 };

/* One document on its way through libyaml's events. */
struct reader {
    yaml_parser_t       parser;
    struct option_table table;
    void               *target;
    const char         *name;
    struct arena       *arena;
    char                path[PATH_MAX_BYTES]; /* of the key being read: "limits.max_query_length" */
    size_t              path_n;
    struct slice        seen[KEYS_MAX]; /* paths of keys and sections, each known, so the table bounds them */
    size_t              n_seen;
    struct fault       *why;
};

__attribute__((format(printf, 3, 4))) static enum code bad_at(struct reader *r, yaml_mark_t at, const char *format, ...)
{
    char    text[400];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    return fail(r->why, CODE_INVALID_ARGUMENT, "%s:%zu:%zu: %s", r->name, at.line + 1, at.column + 1, text);
}

static enum code next_event(struct reader *r, yaml_event_t *e)
{
    if (!yaml_parser_parse(&r->parser, e)) {
        memset(e, 0, sizeof *e);
        return bad_at(r, r->parser.problem_mark, "%s", r->parser.problem ? r->parser.problem : "not YAML");
    }
    bool has_anchor =
        (e->type == YAML_SCALAR_EVENT && (e->data.scalar.anchor || e->data.scalar.tag)) ||
        (e->type == YAML_MAPPING_START_EVENT && (e->data.mapping_start.anchor || e->data.mapping_start.tag)) ||
        (e->type == YAML_SEQUENCE_START_EVENT && (e->data.sequence_start.anchor || e->data.sequence_start.tag));
    if (has_anchor || e->type == YAML_ALIAS_EVENT)
        return bad_at(r, e->start_mark, "anchors, aliases and tags are not taken here");
    return CODE_OK;
}

static struct slice scalar_of(const yaml_event_t *e) { return slice_make(e->data.scalar.value, e->data.scalar.length); }

/* Adds `key` to the path; it has to be known and new. */
static enum code enter_key(struct reader *r, const yaml_event_t *e)
{
    struct slice key = scalar_of(e);
    size_t       dot = r->path_n > 0;

    if (key.n == 0 || r->path_n + dot + key.n >= sizeof r->path || memchr(key.p, '.', key.n))
        return bad_at(r, e->start_mark, "unknown key `%.*s`", SLICE_ARGS(key));
    if (dot)
        r->path[r->path_n++] = '.';
    memcpy(r->path + r->path_n, key.p, key.n);
    r->path_n += key.n;
    struct slice         path = slice_make(r->path, r->path_n);
    const struct option *o = option_find(r->table, path);
    if ((o == NULL || (o->flags & OPTION_COMMAND)) && !option_is_section(r->table, path))
        return bad_at(r, e->start_mark, "unknown key `%.*s`", SLICE_ARGS(path));
    for (size_t i = 0; i < r->n_seen; i++)
        if (slice_eq(r->seen[i], path))
            return bad_at(r, e->start_mark, "key `%.*s` stands here a second time", SLICE_ARGS(path));
    if (r->n_seen == KEYS_MAX)
        return bad_at(r, e->start_mark, "too many keys");
    r->seen[r->n_seen++] = arena_copy(r->arena, path);
    return CODE_OK;
}

static enum code set_value(struct reader *r, struct slice text, yaml_mark_t at)
{
    struct fault         why;
    const struct option *o = option_find(r->table, slice_make(r->path, r->path_n));

    if (o == NULL || (o->flags & OPTION_COMMAND))
        return bad_at(r, at, "`%.*s` is a section: its keys go below it", (int)r->path_n, r->path);
    return option_set(o, r->target, text, r->arena, &why) == CODE_OK ? CODE_OK : bad_at(r, at, "%s", why.text);
}

/* `[a, b]` is the list `a,b`. */
static enum code read_sequence(struct reader *r, yaml_mark_t at)
{
    struct buf   joined = { 0 };
    yaml_event_t e;
    enum code    code;

    for (;;) {
        code = next_event(r, &e);
        if (code != CODE_OK || e.type == YAML_SEQUENCE_END_EVENT)
            break;
        if (e.type != YAML_SCALAR_EVENT)
            code = bad_at(r, e.start_mark, "only words stand in a list");
        else if (joined.n > 4096)
            code = bad_at(r, e.start_mark, "the list is too long");
        else
            buf_printf(&joined, "%s%.*s", joined.n ? "," : "", SLICE_ARGS(scalar_of(&e)));
        if (code != CODE_OK)
            break;
        yaml_event_delete(&e);
    }
    yaml_event_delete(&e);
    if (code == CODE_OK)
        code = set_value(r, buf_view(&joined), at);
    buf_free(&joined);
    return code;
}

static enum code read_mapping(struct reader *r);

static enum code read_value(struct reader *r)
{
    yaml_event_t e;
    enum code    code = next_event(r, &e);

    if (code == CODE_OK && e.type == YAML_SCALAR_EVENT)
        code = set_value(r, scalar_of(&e), e.start_mark);
    else if (code == CODE_OK && e.type == YAML_SEQUENCE_START_EVENT)
        code = read_sequence(r, e.start_mark);
    else if (code == CODE_OK && e.type == YAML_MAPPING_START_EVENT) {
        if (option_is_section(r->table, slice_make(r->path, r->path_n)))
            code = read_mapping(r); /* as deep as the names in the table have dots */
        else
            code = bad_at(r, e.start_mark, "`%.*s` takes one value", (int)r->path_n, r->path);
    }
    yaml_event_delete(&e);
    return code;
}

static enum code read_mapping(struct reader *r)
{
    size_t path_n = r->path_n;

    for (;;) {
        yaml_event_t e;
        enum code    code = next_event(r, &e);
        bool         is_end = code == CODE_OK && e.type == YAML_MAPPING_END_EVENT;
        if (code == CODE_OK && !is_end)
            code = e.type == YAML_SCALAR_EVENT ? enter_key(r, &e) : bad_at(r, e.start_mark, "a key is a word");
        yaml_event_delete(&e);
        if (code != CODE_OK || is_end)
            return code;
        code = read_value(r);
        if (code != CODE_OK)
            return code;
        r->path_n = path_n;
    }
}

/* An empty document is an empty mapping. */
static enum code read_document(struct reader *r, const yaml_event_t *e)
{
    if (e->type == YAML_MAPPING_START_EVENT)
        return read_mapping(r);
    if (e->type == YAML_SCALAR_EVENT && e->data.scalar.length == 0)
        return CODE_OK;
    return bad_at(r, e->start_mark, "the file is a mapping: `key: value` lines");
}

static enum code read_stream(struct reader *r)
{
    int       n_documents = 0;
    bool      is_end = false;
    enum code code = CODE_OK;

    while (code == CODE_OK && !is_end) {
        yaml_event_t e;
        code = next_event(r, &e);
        is_end = e.type == YAML_STREAM_END_EVENT;
        if (code == CODE_OK && e.type == YAML_DOCUMENT_START_EVENT && n_documents++ > 0)
            code = bad_at(r, e.start_mark, "a second document");
        else if (code == CODE_OK && (e.type == YAML_MAPPING_START_EVENT || e.type == YAML_SEQUENCE_START_EVENT ||
                                     e.type == YAML_SCALAR_EVENT))
            code = read_document(r, &e);
        yaml_event_delete(&e);
    }
    return code;
}

enum code option_read_yaml(struct option_table t, void *target, const char *name, struct slice text, struct arena *a,
                           struct fault *why)
{
    struct reader *r = arena_zalloc(a, sizeof *r);

    *r = (struct reader){ .table = t, .target = target, .name = name, .arena = a, .why = why };
    if (!yaml_parser_initialize(&r->parser))
        abort();
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)(text.p ? text.p : ""), text.n);
    enum code code = read_stream(r);
    yaml_parser_delete(&r->parser);
    return code;
}

/* Nearest known name, to be helpful about a slip of the pen: the one with the longest common beginning. */
static const char *nearest(struct option_table t, struct slice name)
{
    const char *best = NULL;
    size_t      best_n = 3;

    for (size_t i = 0; i < t.n; i++) {
        size_t n = 0;
        while (n < name.n && t.rows[i].name[n] == name.p[n])
            n++;
        if (n > best_n && !(t.rows[i].flags & OPTION_HIDDEN)) {
            best_n = n;
            best = t.rows[i].name;
        }
    }
    return best;
}

static enum code unknown_flag(struct option_table t, struct slice name, struct fault *why)
{
    const char *near = nearest(t, name);

    return fail(why, CODE_INVALID_ARGUMENT, "unknown flag --%.*s%s%s%s", SLICE_ARGS(name), near ? " (is --" : "",
                near ? near : "; --help lists them", near ? " meant?)" : "");
}

enum code option_read_flags(struct option_table t, void *target, int argc, char *const *argv, struct arena *a,
                            struct fault *why)
{
    for (int i = 0; i < argc; i++) {
        struct slice arg = slice_of(argv[i]);
        if (!slice_starts(arg, SLICE("--")) || arg.n == 2)
            return fail(why, CODE_INVALID_ARGUMENT, "`%s` is not a flag: they look like --name=value", argv[i]);
        arg = slice_from(arg, 2);
        size_t               equals = slice_find(arg, SLICE("="));
        const struct option *o = option_find(t, slice_make(arg.p, equals));
        if (o == NULL)
            return unknown_flag(t, slice_make(arg.p, equals), why);
        struct slice value = SLICE("true");
        if (equals < arg.n)
            value = slice_from(arg, equals + 1);
        else if (o->kind != OPTION_BOOL && i + 1 < argc)
            value = slice_of(argv[++i]);
        else if (o->kind != OPTION_BOOL)
            return fail(why, CODE_INVALID_ARGUMENT, "--%s needs a value", o->name);
        enum code code = option_set(o, target, value, a, why);
        if (code != CODE_OK)
            return code;
    }
    return CODE_OK;
}
