/* Settings from YAML: one mapping of words to words or lists of words. */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "loadtest/settings_priv.h"

struct yaml {
    yaml_parser_t    parser;
    const char      *name;
    struct arena    *arena;
    struct settings *out;
    bool             is_seen[N_SETTINGS];
    struct fault    *why;
};

static enum code yaml_bad(struct yaml *y, yaml_mark_t at, const char *what)
{
    return fail(y->why, CODE_INVALID_ARGUMENT, "%s:%zu:%zu: %s", y->name, at.line + 1, at.column + 1, what);
}

static enum code yaml_next(struct yaml *y, yaml_event_t *e)
{
    enum code code = CODE_OK;

    if (!yaml_parser_parse(&y->parser, e))
        code = yaml_bad(y, y->parser.problem_mark, y->parser.problem ? y->parser.problem : "not YAML");
    else if (e->type == YAML_ALIAS_EVENT)
        code = yaml_bad(y, e->start_mark, "aliases are not taken here");
    if (code != CODE_OK) {
        yaml_event_delete(e);
        memset(e, 0, sizeof *e);
    }
    return code;
}

static struct slice scalar_of(const yaml_event_t *e) { return slice_make(e->data.scalar.value, e->data.scalar.length); }

/* `[a, b]` as `a,b`. */
static enum code yaml_list(struct yaml *y, struct buf *out)
{
    yaml_event_t e;
    enum code    code;

    while ((code = yaml_next(y, &e)) == CODE_OK && e.type == YAML_SCALAR_EVENT && out->n < 4096) {
        if (out->n > 0)
            buf_byte(out, ',');
        buf_slice(out, scalar_of(&e));
        yaml_event_delete(&e);
    }
    if (code == CODE_OK && e.type != YAML_SEQUENCE_END_EVENT)
        code = yaml_bad(y, e.start_mark, "only words stand in a list, and not that many");
    yaml_event_delete(&e);
    return code;
}

static enum code yaml_value(struct yaml *y, const struct setting *s)
{
    struct buf   list = { 0 };
    struct fault why;
    yaml_event_t e;
    enum code    code = yaml_next(y, &e);

    if (code == CODE_OK && e.type == YAML_SCALAR_EVENT)
        buf_slice(&list, scalar_of(&e));
    else if (code == CODE_OK && e.type == YAML_SEQUENCE_START_EVENT)
        code = yaml_list(y, &list);
    else if (code == CODE_OK)
        code = yaml_bad(y, e.start_mark, "a word or a list of words is wanted");
    if (code == CODE_OK && setting_set(s, y->out, buf_view(&list), y->arena, &why) != CODE_OK)
        code = yaml_bad(y, e.start_mark, why.text);
    yaml_event_delete(&e);
    buf_free(&list);
    return code;
}

static enum code yaml_key(struct yaml *y, const yaml_event_t *e)
{
    const struct setting *s = e->type == YAML_SCALAR_EVENT ? setting_find(scalar_of(e)) : NULL;

    if (s == NULL)
        return yaml_bad(y, e->start_mark, "no such setting; --help lists them");
    if (y->is_seen[s - settings_table])
        return yaml_bad(y, e->start_mark, "this setting stands here a second time");
    y->is_seen[s - settings_table] = true;
    return yaml_value(y, s);
}

static enum code yaml_document(struct yaml *y)
{
    bool      is_open = false;
    enum code code;

    for (;;) {
        yaml_event_t e;
        if ((code = yaml_next(y, &e)) != CODE_OK)
            return code;
        yaml_event_type_t type = e.type;
        if (is_open && type != YAML_MAPPING_END_EVENT)
            code = yaml_key(y, &e);
        else if (type == YAML_MAPPING_START_EVENT)
            is_open = true;
        else if (type == YAML_MAPPING_END_EVENT)
            is_open = false;
        else if (type == YAML_SCALAR_EVENT && e.data.scalar.length > 0)
            code = yaml_bad(y, e.start_mark, "a mapping of settings is wanted");
        else if (type == YAML_SEQUENCE_START_EVENT)
            code = yaml_bad(y, e.start_mark, "a mapping of settings is wanted");
        yaml_event_delete(&e);
        if (code != CODE_OK || type == YAML_STREAM_END_EVENT)
            return code;
    }
}

enum code settings_read_yaml(const char *name, struct slice text, struct arena *a, struct settings *out,
                             struct fault *why)
{
    struct yaml y = { .name = name, .arena = a, .out = out, .why = why };

    if (!yaml_parser_initialize(&y.parser))
        abort(); /* out of memory */
    yaml_parser_set_input_string(&y.parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    enum code code = yaml_document(&y);
    yaml_parser_delete(&y.parser);
    return code;
}
