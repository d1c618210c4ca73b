#include "wire/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/utf8.h"

static void value_begin(struct json_writer *w)
{
    if (w->wants_comma)
        buf_byte(w->out, ',');
    w->wants_comma = true;
}

void json_open(struct json_writer *w, char bracket)
{
    value_begin(w);
    buf_byte(w->out, (uint8_t)bracket);
    w->wants_comma = false;
}

void json_close(struct json_writer *w, char bracket)
{
    buf_byte(w->out, (uint8_t)bracket);
    w->wants_comma = true;
}

static bool is_plain(uint8_t c) { return c >= 0x20 && c != '"' && c != '\\' && c < 0x80; }

/* One byte or sequence that may not stand as it is; returns how many bytes of the text it was. */
static size_t put_special(struct buf *out, struct slice rest)
{
    static const char *const short_of[128] = {
        ['"'] = "\\\"", ['\\'] = "\\\\", ['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t"
    };
    uint8_t c = (uint8_t)rest.p[0];

    if (c < 0x80) {
        if (short_of[c] != NULL)
            buf_text(out, short_of[c]);
        else
            buf_printf(out, "\\u%04x", c);
        return 1;
    }
    size_t n = c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4; /* of this one character: what follows may need escaping */
    if (n > rest.n || !utf8_is_valid(slice_make(rest.p, n))) {
        buf_text(out, "\xEF\xBF\xBD");
        return 1;
    }
    buf_put(out, rest.p, n);
    return n;
}

static void put_quoted(struct buf *out, struct slice text)
{
    buf_byte(out, '"');
    for (size_t i = 0; i < text.n;) {
        size_t from = i;
        while (i < text.n && is_plain((uint8_t)text.p[i]))
            i++;
        buf_put(out, text.p + from, i - from);
        if (i < text.n)
            i += put_special(out, slice_from(text, i));
    }
    buf_byte(out, '"');
}

void json_key(struct json_writer *w, struct slice name)
{
    value_begin(w);
    put_quoted(w->out, name);
    buf_byte(w->out, ':');
    w->wants_comma = false;
}

void json_text(struct json_writer *w, struct slice text)
{
    value_begin(w);
    put_quoted(w->out, text);
}

/* Decimal digits, right-aligned in room[0, 20); returns where they begin. */
static char *digits(char room[20], uint64_t v)
{
    char *p = room + 20;

    do {
        *--p = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    return p;
}

static void put_integer(struct json_writer *w, bool is_negative, uint64_t magnitude, bool is_quoted)
{
    char  room[20];
    char *p = digits(room, magnitude);
    char *at;

    value_begin(w);
    at = buf_reserve(w->out, 24);
    if (is_quoted)
        *at++ = '"';
    if (is_negative)
        *at++ = '-';
    size_t n = (size_t)(room + 20 - p);
    memcpy(at, p, n);
    at += n;
    if (is_quoted)
        *at++ = '"';
    w->out->n = (size_t)(at - w->out->p);
}

static uint64_t magnitude_of(int64_t v) { return v < 0 ? 0 - (uint64_t)v : (uint64_t)v; }

void json_int(struct json_writer *w, int64_t v) { put_integer(w, v < 0, magnitude_of(v), false); }
void json_uint(struct json_writer *w, uint64_t v) { put_integer(w, false, v, false); }
void json_int_text(struct json_writer *w, int64_t v) { put_integer(w, v < 0, magnitude_of(v), true); }
void json_uint_text(struct json_writer *w, uint64_t v) { put_integer(w, false, v, true); }

void json_double(struct json_writer *w, double v)
{
    char text[32];

    if (isnan(v) || isinf(v)) {
        json_text(w, isnan(v) ? SLICE("NaN") : v > 0 ? SLICE("Infinity") : SLICE("-Infinity"));
        return;
    }
    if (fabs(v) < 1e15 && v == (double)(int64_t)v) {
        if (v == 0 && signbit(v))
            json_raw(w, SLICE("-0.0")); /* "-0" is read as an integer, which has no sign then */
        else
            json_int(w, (int64_t)v);
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, v);
        if (strtod(text, NULL) == v)
            break;
    }
    json_raw(w, slice_of(text));
}

void json_bool(struct json_writer *w, bool v) { json_raw(w, v ? SLICE("true") : SLICE("false")); }

void json_raw(struct json_writer *w, struct slice value)
{
    value_begin(w);
    buf_slice(w->out, value);
}

void json_base64(struct json_writer *w, struct slice bytes)
{
    value_begin(w);
    buf_byte(w->out, '"');
    base64_encode(bytes, true, w->out);
    buf_byte(w->out, '"');
}

struct json_size json_measure(struct slice text)
{
    struct json_size size = { .nodes = 1 };
    size_t           depth = 0;

    for (size_t i = 0; i < text.n; i++) {
        switch (text.p[i]) {
        case '"':
            for (i++; i < text.n && text.p[i] != '"'; i++)
                i += text.p[i] == '\\';
            break;
        case '{':
        case '[':
            depth++;
            size.nodes++;
            size.depth = depth > size.depth ? depth : size.depth;
            break;
        case '}':
        case ']':
            depth -= depth > 0;
            break;
        case ',':
        case ':':
            size.nodes++;
            break;
        }
    }
    return size;
}

void base64_encode(struct slice bytes, bool is_padded, struct buf *out)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t    *p = (const uint8_t *)bytes.p;
    char             *at = buf_reserve(out, bytes.n / 3 * 4 + 4);
    size_t            i = 0;

    for (; bytes.n - i >= 3; i += 3) {
        uint32_t v = (uint32_t)(p[i] << 16 | p[i + 1] << 8 | p[i + 2]);
        for (int shift = 18; shift >= 0; shift -= 6)
            *at++ = alphabet[v >> shift & 63];
    }
    size_t left = bytes.n - i;
    if (left > 0) {
        uint32_t v = (uint32_t)(p[i] << 16 | (left == 2 ? p[i + 1] << 8 : 0));
        *at++ = alphabet[v >> 18];
        *at++ = alphabet[v >> 12 & 63];
        if (left == 2)
            *at++ = alphabet[v >> 6 & 63];
        for (size_t pad = left; is_padded && pad < 3; pad++)
            *at++ = '=';
    }
    out->n = (size_t)(at - out->p);
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

bool base64_decode(struct slice text, uint8_t *out, size_t *n)
{
    uint32_t gathered = 0;
    size_t   want = text.n, at = 0;

    for (int pad = 0; pad < 2 && text.n % 4 == 0 && want > 0 && text.p[want - 1] == '='; pad++)
        want--;
    for (size_t i = 0; i < want; i++) {
        int v = sextet(text.p[i]);
        if (v < 0)
            return false;
        gathered = gathered << 6 | (uint32_t)v;
        if (i % 4 != 0)
            out[at++] = (uint8_t)(gathered >> (6 - i % 4 * 2));
    }
    *n = at;
    return want % 4 != 1;
}
