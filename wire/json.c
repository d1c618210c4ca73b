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

/* What is the same for both kinds: whole numbers, and those that are none. */
static bool put_plain_real(struct json_writer *w, double v)
{
    if (isnan(v) || isinf(v))
        json_text(w, isnan(v) ? SLICE("NaN") : v > 0 ? SLICE("Infinity") : SLICE("-Infinity"));
    else if (fabs(v) >= 1e15 || v != (double)(int64_t)v)
        return false;
    else if (v == 0 && signbit(v))
        json_raw(w, SLICE("-0.0")); /* "-0" may be read as an integer, which has no sign then */
    else
        json_int(w, (int64_t)v);
    return true;
}

void json_double(struct json_writer *w, double v)
{
    char text[32];

    if (put_plain_real(w, v))
        return;
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, v);
        if (strtod(text, NULL) == v)
            break;
    }
    json_raw(w, slice_of(text));
}

void json_float(struct json_writer *w, float v)
{
    char text[32];

    if (put_plain_real(w, (double)v))
        return;
    for (int precision = 6; precision <= 9; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, (double)v);
        if (strtof(text, NULL) == v)
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

/* Punctuation in strings is counted too: rare there, and never too few. */
struct json_size json_measure(struct slice text)
{
    static const uint8_t begins_value[256] = { [','] = 1, [':'] = 1, ['['] = 1, ['{'] = 1 };
    struct json_size     size = { .values = 1 };

    for (size_t i = 0; i < text.n; i++) {
        size.values += begins_value[(uint8_t)text.p[i]];
        size.objects += text.p[i] == '{';
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

/* What a character of either alphabet stands for, and one more: 0 belongs to no character. */
static const uint8_t sextet[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,  ['I'] = 9,
    ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18,
    ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27,
    ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36,
    ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45,
    ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54,
    ['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63,
    ['/'] = 64, ['-'] = 63, ['_'] = 64,
};

bool base64_decode(struct slice text, uint8_t *out, size_t *n)
{
    const uint8_t *p = (const uint8_t *)text.p;
    size_t         want = text.n, i = 0, at = 0;
    uint32_t       gathered = 0;

    for (int pad = 0; pad < 2 && text.n % 4 == 0 && want > 0 && p[want - 1] == '='; pad++)
        want--;
    for (; want - i >= 4; i += 4) {
        uint32_t a = sextet[p[i]], b = sextet[p[i + 1]], c = sextet[p[i + 2]], d = sextet[p[i + 3]];
        if (a == 0 || b == 0 || c == 0 || d == 0)
            return false;
        gathered = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
        out[at++] = (uint8_t)(gathered >> 16);
        out[at++] = (uint8_t)(gathered >> 8);
        out[at++] = (uint8_t)gathered;
    }
    for (; i < want; i++) {
        if (sextet[p[i]] == 0)
            return false;
        gathered = gathered << 6 | (uint32_t)(sextet[p[i]] - 1);
        if (i % 4 != 0)
            out[at++] = (uint8_t)(gathered >> (6 - i % 4 * 2));
    }
    *n = at;
    return want % 4 != 1;
}
