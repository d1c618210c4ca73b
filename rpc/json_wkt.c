/*
 * The well-known types that have a form of their own in JSON, both ways.
 *
 *     Any         {"@type": url, fields...}, or {"@type": url, "value": form} around another of these
 *     Timestamp, Duration, FieldMask                       text
 *     Struct, Value, ListValue                             any JSON
 *     DoubleValue, StringValue and the other wrappers      the bare value
 */
#include <assert.h>
#include <math.h>

#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/field_mask.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "rpc/json_codec.h"
#include "rpc/json_time.h"

typedef Google__Protobuf__Any       any_message;
typedef Google__Protobuf__Value     value_message;
typedef Google__Protobuf__FieldMask mask_message;
typedef Google__Protobuf__Timestamp timestamp_message;
typedef Google__Protobuf__Duration  duration_message;

/* What an Any holds may take decoded: its bytes so many times, and a little. */
enum { ANY_FACTOR = 32, ANY_LEAST_BYTES = 64 << 10, ANY_CHUNK_BYTES = 512 };

/* "type.googleapis.com/a.b.C": the type a.b.C.  NULL: the schema has none of that name. */
static const struct json_type *type_of_url(const struct json_type *any, struct slice url)
{
    const char *slash = url.n > 0 ? memrchr(url.p, '/', url.n) : NULL;

    return schema_type_named(any->schema, slash != NULL ? slice_from(url, (size_t)(slash + 1 - url.p)) : url);
}

/* ---- reading ---- */

/* The "@type" of an object, wherever it stands; nothing is read.  Its n is 0 when there is none. */
static enum code find_url(struct json_reading *r, bool *is_empty, struct slice *url)
{
    struct json_reader ahead = r->in;
    struct json_string name, s;

    *url = (struct slice){ 0 };
    *is_empty = true;
    json_read_open(&ahead, '{');
    while (url->n == 0 && json_read_key(&ahead, &name)) {
        *is_empty = false;
        if (!slice_is(json_string_text(r, name), "@type"))
            json_read_skip(&ahead);
        else if (json_read_string(&ahead, &s))
            *url = json_string_text(r, s);
        else
            break;
    }
    if (ahead.wrong != NULL)
        r->in = ahead;
    return json_verdict(r);
}

/* Of {"@type": ..., "value": form}, the form; other names are unknown fields. */
static enum code read_any_value(struct json_reading *r, const struct json_type *t, ProtobufCMessage **out)
{
    struct json_string name;
    enum code          code = CODE_OK;

    while (code == CODE_OK && json_read_key(&r->in, &name))
        if (slice_is(json_string_text(r, name), "value"))
            code = json_read_message(r, t, out);
        else
            json_read_skip(&r->in);
    if (code == CODE_OK)
        code = json_verdict(r);
    if (code == CODE_OK && *out == NULL)
        return fail(r->why, CODE_INVALID_ARGUMENT, "%.*s: an Any of %.*s without its \"value\"", SLICE_ARGS(r->at),
                    SLICE_ARGS(t->name));
    return code;
}

/* The object, whose type is known by now, as a message. */
static enum code read_any_object(struct json_reading *r, const struct json_type *t, ProtobufCMessage **out)
{
    if (t->kind == KIND_FIELDS)
        return json_read_message(r, t, out);
    json_read_open(&r->in, '{');
    return read_any_value(r, t, out);
}

/* What is held is a message for as long as it takes to make bytes of it, in an arena of its own. */
static enum code read_any_content(struct json_reading *r, const struct json_type *t, any_message *m)
{
    struct arena     *outer = r->arena;
    ProtobufCMessage *held = NULL;

    r->arena = arena_new(ANY_CHUNK_BYTES);
    enum code code = read_any_object(r, t, &held);
    if (code == CODE_OK) {
        m->value.data = arena_alloc(outer, protobuf_c_message_get_packed_size(held));
        m->value.len = protobuf_c_message_pack(held, m->value.data);
    }
    arena_free(r->arena);
    r->arena = outer;
    return code;
}

static enum code read_any(struct json_reading *r, const struct json_type *any, any_message *m)
{
    struct slice url;
    bool         is_empty;

    if (json_peek(&r->in) != '{')
        return json_refuse(r, "an object");
    enum code code = find_url(r, &is_empty, &url);
    if (code != CODE_OK)
        return code;
    if (is_empty) {
        json_read_skip(&r->in);
        return json_verdict(r);
    }
    if (url.n == 0)
        return json_refuse(r, "an Any: it needs an \"@type\" that says of what");
    const struct json_type *t = type_of_url(any, url);
    if (t == NULL || memchr(url.p, '\0', url.n) != NULL)
        return fail(r->why, CODE_INVALID_ARGUMENT, "%.*s: an Any of the unknown type %.*s", SLICE_ARGS(r->at),
                    (int)(url.n < 200 ? url.n : 200), url.p);
    m->type_url = (char *)arena_copy(r->arena, url).p;
    return read_any_content(r, t, m);
}

/* The text that stands for a message. */
static bool text_next(struct json_reading *r, struct slice *out)
{
    struct json_string s;

    if (!json_read_string(&r->in, &s))
        return false;
    *out = json_string_text(r, s);
    return true;
}

static enum code read_timestamp(struct json_reading *r, timestamp_message *m)
{
    struct slice text;

    if (text_next(r, &text) && timestamp_of(text, &m->seconds, &m->nanos))
        return CODE_OK;
    return json_refuse(r, "a time like \"2006-01-02T15:04:05.999Z\" of the years 1 to 9999");
}

static enum code read_duration(struct json_reading *r, duration_message *m)
{
    struct slice text;

    if (text_next(r, &text) && duration_of(text, &m->seconds, &m->nanos))
        return CODE_OK;
    return json_refuse(r, "a duration like \"1.5s\" of up to 10000 years");
}

static bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
static bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
static bool is_plain(char c) { return is_lower(c) || (c >= '0' && c <= '9') || c == '.'; }

/* "fooBar.baz" as "foo_bar.baz" and a NUL; returns where it ends, NULL when it is no path. */
static char *snake_case(struct slice camel, char *at)
{
    for (size_t i = 0; i < camel.n; i++) {
        char c = camel.p[i];
        if (!is_upper(c) && !is_plain(c))
            return NULL;
        if (is_upper(c))
            *at++ = '_';
        *at++ = is_upper(c) ? (char)(c - 'A' + 'a') : c;
    }
    *at++ = '\0';
    return camel.n > 0 ? at : NULL;
}

static enum code read_mask(struct json_reading *r, mask_message *m)
{
    struct slice rest;
    size_t       n = 1;

    if (!text_next(r, &rest))
        return json_refuse(r, "a field mask");
    if (rest.n == 0)
        return CODE_OK;
    for (size_t i = 0; i < rest.n; i++)
        n += rest.p[i] == ',';
    m->paths = arena_array(r->arena, n, sizeof *m->paths);
    char *at = arena_alloc(r->arena, 2 * rest.n + 1);
    while (m->n_paths < n) {
        size_t comma = slice_find(rest, SLICE(","));
        m->paths[m->n_paths++] = at;
        at = snake_case(slice_make(rest.p, comma), at);
        if (at == NULL)
            return json_refuse(r, "a field mask like \"user.displayName,photo\"");
        rest = comma < rest.n ? slice_from(rest, comma + 1) : (struct slice){ 0 };
    }
    return CODE_OK;
}

/* Whatever comes decides which field of the Value it is; they are in the order of their numbers. */
static enum code read_value(struct json_reading *r, const struct json_type *t, ProtobufCMessage *m)
{
    static const char comes[] = "n0\"t{[";
    char              c = json_peek(&r->in);
    const char       *which = memchr(comes, c == 'f' ? 't' : c, sizeof comes - 1);

    return which != NULL ? json_read_single(r, &t->fields[which - comes], m) : json_verdict(r);
}

static enum code read_wrapper(struct json_reading *r, const struct json_type *t, ProtobufCMessage *m)
{
    const ProtobufCFieldDescriptor *f = t->fields[0].field;
    bool                            is_known;

    return json_read_scalar(r, f, (char *)m + f->offset, &is_known);
}

enum code json_read_wkt(struct json_reading *r, const struct json_type *t, ProtobufCMessage *m)
{
    switch (t->kind) {
    case KIND_ANY:
        return read_any(r, t, (any_message *)m);
    case KIND_TIMESTAMP:
        return read_timestamp(r, (timestamp_message *)m);
    case KIND_DURATION:
        return read_duration(r, (duration_message *)m);
    case KIND_FIELD_MASK:
        return read_mask(r, (mask_message *)m);
    case KIND_VALUE:
        return read_value(r, t, m);
    case KIND_STRUCT:
    case KIND_LIST:
        return json_read_repeated(r, &t->fields[0], m);
    default:
        assert(t->kind == KIND_WRAPPER);
        return read_wrapper(r, t, m);
    }
}

/* ---- writing ---- */

static void put_any(struct json_writing *w, const struct json_type *any, const any_message *m)
{
    const struct json_type *t = type_of_url(any, slice_of(m->type_url));
    struct slice            bytes = slice_make(m->value.data, m->value.len);
    struct arena           *a;
    ProtobufCMessage       *held;
    struct fault            why;

    if (m->type_url[0] == '\0' && bytes.n == 0) {
        json_raw(&w->w, SLICE("{}"));
        return;
    }
    if (t == NULL) {
        json_cannot(w, "an Any of the unknown type \"%.200s\"", m->type_url);
        return;
    }
    a = arena_new(ANY_CHUNK_BYTES);
    json_open(&w->w, '{');
    json_key(&w->w, SLICE("@type"));
    json_text(&w->w, slice_of(m->type_url));
    if (proto_decode(t->descriptor, bytes, bytes.n * ANY_FACTOR + ANY_LEAST_BYTES, a, &held, &why) != CODE_OK) {
        json_cannot(w, "an Any that does not hold what it says: %s", why.text);
    } else if (t->kind == KIND_FIELDS) {
        json_put_fields(w, t, held);
    } else {
        json_key(&w->w, SLICE("value"));
        json_put_message(w, t, held);
    }
    json_close(&w->w, '}');
    arena_free(a);
}

static void put_timestamp(struct json_writing *w, const timestamp_message *m)
{
    char room[JSON_TIME_BYTES];

    if (timestamp_text(m->seconds, m->nanos, room))
        json_text(&w->w, slice_of(room));
    else
        json_cannot(w, "a Timestamp of %lld s and %d ns", (long long)m->seconds, m->nanos);
}

static void put_duration(struct json_writing *w, const duration_message *m)
{
    char room[JSON_TIME_BYTES];

    if (duration_text(m->seconds, m->nanos, room))
        json_text(&w->w, slice_of(room));
    else
        json_cannot(w, "a Duration of %lld s and %d ns", (long long)m->seconds, m->nanos);
}

/* "foo_bar.baz" as "fooBar.baz".  False: it would not come back the same. */
static bool put_camel_case(const char *snake, struct buf *out)
{
    for (const char *p = snake; *p != '\0'; p++) {
        bool is_start = *p == '_';
        p += is_start;
        if (is_start ? !is_lower(*p) : !is_plain(*p))
            return false;
        buf_byte(out, (uint8_t)(is_start ? *p - 'a' + 'A' : *p));
    }
    return snake[0] != '\0';
}

static void put_mask(struct json_writing *w, const mask_message *m)
{
    struct buf text = { 0 };

    for (size_t i = 0; i < m->n_paths; i++) {
        if (i > 0)
            buf_byte(&text, ',');
        if (!put_camel_case(m->paths[i], &text))
            json_cannot(w, "a FieldMask with the path \"%.200s\"", m->paths[i]);
    }
    json_text(&w->w, buf_view(&text));
    buf_free(&text);
}

static void put_value(struct json_writing *w, const struct json_type *t, const value_message *m)
{
    if (m->kind_case == GOOGLE__PROTOBUF__VALUE__KIND__NOT_SET)
        json_cannot(w, "a Value that is none");
    else if (m->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE && !isfinite(m->number_value))
        json_cannot(w, "a Value that is no finite number");
    else
        json_put_field_value(w, &t->fields[m->kind_case - 1], &m->base);
}

void json_put_wkt(struct json_writing *w, const struct json_type *t, const ProtobufCMessage *m)
{
    switch (t->kind) {
    case KIND_ANY:
        put_any(w, t, (const any_message *)m);
        break;
    case KIND_TIMESTAMP:
        put_timestamp(w, (const timestamp_message *)m);
        break;
    case KIND_DURATION:
        put_duration(w, (const duration_message *)m);
        break;
    case KIND_FIELD_MASK:
        put_mask(w, (const mask_message *)m);
        break;
    case KIND_VALUE:
        put_value(w, t, (const value_message *)m);
        break;
    default:
        assert(t->kind == KIND_STRUCT || t->kind == KIND_LIST || t->kind == KIND_WRAPPER);
        json_put_field_value(w, &t->fields[0], m);
    }
}
