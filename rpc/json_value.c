/*
 * JSON -> the values that are no messages.  A number may be written as text; an integer in any form that is whole, as 1e3,
 * and it is exact to 64 bits: no double stands between.
 */
#include <math.h>
#include <stdlib.h>

#include "google/protobuf/struct.pb-c.h"
#include "rpc/json_codec.h"

#define PUT(type, p, v) (*(type *)(p) = (v))

/* ---- texts ---- */

struct slice json_string_text(struct json_reading *r, struct json_string s)
{
    if (!s.is_escaped)
        return s.raw;
    char *room = arena_alloc(r->arena, s.raw.n);
    return slice_make(room, json_unescape(s, room));
}

/* D2: a C string.  False: it holds a NUL. */
static bool put_text(struct json_reading *r, struct json_string s, void *p)
{
    char  *room = arena_alloc(r->arena, s.raw.n + 1);
    size_t n = json_unescape(s, room);

    room[n] = '\0';
    PUT(char *, p, room);
    return !s.is_escaped || memchr(room, '\0', n) == NULL;
}

static bool put_bytes(struct json_reading *r, struct json_string s, void *p)
{
    struct slice text = json_string_text(r, s);
    size_t       n;
    uint8_t     *room = arena_alloc(r->arena, text.n / 4 * 3 + 3);
    bool         is_base64 = base64_decode(text, room, &n);

    PUT(ProtobufCBinaryData, p, ((ProtobufCBinaryData){ is_base64 ? n : 0, room }));
    return is_base64;
}

/* ---- numbers ---- */

struct integer {
    bool     is_negative, is_too_large;
    uint64_t magnitude;
    int64_t  zeros; /* the number is magnitude * 10^zeros */
};

enum { SAFE_DIGITS = 18 }; /* of which no 64 bits overflow */

static void scale(struct integer *v)
{
    for (; v->zeros > 0 && v->magnitude > 0 && !v->is_too_large; v->zeros--)
        v->is_too_large = __builtin_mul_overflow(v->magnitude, 10, &v->magnitude);
    for (; v->zeros < 0 && v->magnitude > 0 && v->magnitude % 10 == 0; v->zeros++)
        v->magnitude /= 10;
}

/* Zeros are held back until a digit behind them needs them. */
static void add_digit(struct integer *v, char digit)
{
    v->zeros++;
    if (digit == '0')
        return;
    scale(v);
    v->zeros = 0;
    v->is_too_large |= __builtin_add_overflow(v->magnitude, (uint64_t)(digit - '0'), &v->magnitude);
}

/* Of "e-12"; what does not fit is too large or too small anyway. */
static int64_t exponent_of(struct slice s)
{
    long long v;

    if (s.n == 0)
        return 0;
    bool is_negative = s.p[1] == '-';
    if (slice_to_i64(slice_from(s, s.p[1] == '+' ? 2 : 1), &v) && v > INT32_MIN && v < INT32_MAX)
        return v;
    return is_negative ? INT32_MIN : INT32_MAX;
}

static bool is_digit(struct slice s, size_t i) { return i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; }

/* `s` is a JSON number.  False: not a whole one, or of more than 64 bits. */
static bool integer_of(struct slice s, struct integer *out)
{
    struct integer v = { .is_negative = s.p[0] == '-' };
    size_t         i = v.is_negative, places = 0;

    for (; is_digit(s, i) && i < SAFE_DIGITS; i++)
        v.magnitude = v.magnitude * 10 + (uint64_t)(s.p[i] - '0');
    for (; is_digit(s, i); i++)
        add_digit(&v, s.p[i]);
    if (i < s.n && s.p[i] == '.')
        for (i++; is_digit(s, i); i++, places++)
            add_digit(&v, s.p[i]);
    v.zeros += exponent_of(slice_from(s, i)) - (int64_t)places;
    scale(&v);
    *out = v;
    return !v.is_too_large && (v.zeros == 0 || v.magnitude == 0);
}

static bool is_signed(ProtobufCType type)
{
    return type != PROTOBUF_C_TYPE_UINT32 && type != PROTOBUF_C_TYPE_FIXED32 && type != PROTOBUF_C_TYPE_UINT64 &&
           type != PROTOBUF_C_TYPE_FIXED64;
}

static bool put_integer(ProtobufCType type, struct slice s, void *p)
{
    int            bits = (int)value_bytes(type) * 8;
    uint64_t       max = UINT64_MAX >> (64 - bits + is_signed(type));
    struct integer v;

    if (!json_text_is_number(s) || !integer_of(s, &v))
        return false;
    if (v.magnitude > (!v.is_negative ? max : is_signed(type) ? max + 1 : 0))
        return false;
    uint64_t value = v.is_negative ? 0 - v.magnitude : v.magnitude;
    if (bits == 64)
        PUT(uint64_t, p, value);
    else
        PUT(uint32_t, p, (uint32_t)value);
    return true;
}

static bool put_real(struct json_reading *r, ProtobufCType type, struct slice s, void *p)
{
    char   room[64];
    double v;

    if (slice_is(s, "NaN") || slice_is(s, "Infinity") || slice_is(s, "-Infinity")) {
        v = s.p[0] == 'N' ? NAN : s.p[0] == 'I' ? INFINITY : -INFINITY;
    } else {
        const char *text = s.n < sizeof room ? memcpy(room, s.p, s.n) : arena_copy(r->arena, s).p;
        if (s.n < sizeof room)
            room[s.n] = '\0';
        v = type == PROTOBUF_C_TYPE_FLOAT ? (double)strtof(text, NULL) : strtod(text, NULL);
        if (!json_text_is_number(s) || !isfinite(v))
            return false;
    }
    if (type == PROTOBUF_C_TYPE_FLOAT)
        PUT(float, p, (float)v);
    else
        PUT(double, p, v);
    return true;
}

/* A number, or the text that may stand for one. */
static bool number_next(struct json_reading *r, struct slice *out)
{
    struct json_string s;

    if (json_read_number(&r->in, out))
        return true;
    if (!json_read_string(&r->in, &s))
        return false;
    *out = json_string_text(r, s);
    return true;
}

/* ---- all of them ---- */

/* A name that is not known is no error: newer clients send them and expect to be served. */
static bool put_enum(struct json_reading *r, const ProtobufCFieldDescriptor *f, void *p, bool *is_known)
{
    struct json_string s;
    struct slice       number;
    const char        *name;

    bool is_null_value = f->descriptor == &google__protobuf__null_value__descriptor;

    PUT(int, p, 0);
    if (is_null_value && json_read_null(&r->in))
        return true;
    if (json_read_number(&r->in, &number)) /* of a NullValue no other than 0 has a form that reads back */
        return put_integer(PROTOBUF_C_TYPE_INT32, number, p) && !(is_null_value && *(int *)p != 0);
    if (!json_read_string(&r->in, &s) || !put_text(r, s, &name))
        return false;
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value_by_name(f->descriptor, name);
    *is_known = known != NULL;
    if (known != NULL)
        PUT(int, p, known->value);
    return true;
}

static bool put_scalar(struct json_reading *r, const ProtobufCFieldDescriptor *f, void *p, bool *is_known)
{
    struct json_string s;
    struct slice       number;
    bool               truth;

    switch (f->type) {
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        return number_next(r, &number) && put_real(r, f->type, number, p);
    case PROTOBUF_C_TYPE_BOOL:
        if (!json_read_bool(&r->in, &truth))
            return false;
        PUT(protobuf_c_boolean, p, truth);
        return true;
    case PROTOBUF_C_TYPE_ENUM:
        return put_enum(r, f, p, is_known);
    case PROTOBUF_C_TYPE_STRING:
        return json_read_string(&r->in, &s) && put_text(r, s, p);
    case PROTOBUF_C_TYPE_BYTES:
        return json_read_string(&r->in, &s) && put_bytes(r, s, p);
    default:
        return number_next(r, &number) && put_integer(f->type, number, p);
    }
}

static const char *wanted(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_FLOAT:
        return "a number that a float holds";
    case PROTOBUF_C_TYPE_DOUBLE:
        return "a number that a double holds";
    case PROTOBUF_C_TYPE_BOOL:
        return "true or false";
    case PROTOBUF_C_TYPE_ENUM:
        return "the name or number of an enum's value";
    case PROTOBUF_C_TYPE_STRING:
        return "a string without a NUL";
    case PROTOBUF_C_TYPE_BYTES:
        return "base64 text";
    default:
        if (value_bytes(type) == 4)
            return is_signed(type) ? "a 32-bit integer" : "a 32-bit unsigned integer";
        return is_signed(type) ? "a 64-bit integer" : "a 64-bit unsigned integer";
    }
}

enum code json_read_scalar(struct json_reading *r, const ProtobufCFieldDescriptor *f, void *p, bool *is_known)
{
    *is_known = true;
    return put_scalar(r, f, p, is_known) ? CODE_OK : json_refuse(r, wanted(f->type));
}

enum code json_read_map_key(struct json_reading *r, const ProtobufCFieldDescriptor *f, struct json_string key, void *p)
{
    struct slice text = json_string_text(r, key);
    bool         is_true = slice_is(text, "true"), is_key;

    if (f->type == PROTOBUF_C_TYPE_STRING) {
        is_key = put_text(r, key, p);
    } else if (f->type == PROTOBUF_C_TYPE_BOOL) {
        PUT(protobuf_c_boolean, p, is_true);
        is_key = is_true || slice_is(text, "false");
    } else {
        is_key = put_integer(f->type, text, p);
    }
    return is_key ? CODE_OK : json_refuse(r, wanted(f->type));
}
