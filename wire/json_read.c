#include "wire/json_read.h"

#include <assert.h>
#include <stdint.h>

#include "wire/utf8.h"

struct json_reader json_reader(struct slice text)
{
    struct json_reader r = { .begin = text.p, .p = text.p, .end = text.p + text.n };
    size_t             valid = utf8_valid_prefix(text);

    if (valid < text.n) {
        r.p += valid;
        r.wrong = "not UTF-8";
    }
    return r;
}

static bool mistake(struct json_reader *r, const char *what)
{
    if (r->wrong == NULL)
        r->wrong = what;
    return false;
}

enum code json_read_fault(const struct json_reader *r, struct fault *why)
{
    int         line = 1;
    const char *line_begin = r->begin;

    assert(r->wrong != NULL);
    for (const char *p = r->begin; p < r->p; p++)
        if (*p == '\n') {
            line++;
            line_begin = p + 1;
        }
    return fail(why, CODE_INVALID_ARGUMENT, "not JSON: line %d, column %d: %s", line, (int)(r->p - line_begin) + 1,
                r->wrong);
}

/* The next byte that is no white space; 0 at the end and after a mistake. */
static char skip_space(struct json_reader *r)
{
    if (r->wrong != NULL)
        return 0;
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
        r->p++;
    return r->p < r->end ? *r->p : 0;
}

char json_peek(struct json_reader *r)
{
    static const char begins[256] = {
        ['{'] = '{', ['['] = '[', ['"'] = '"', ['t'] = 't', ['f'] = 'f', ['n'] = 'n', ['0' ... '9'] = '0', ['-'] = '0'
    };
    char kind = begins[(uint8_t)skip_space(r)];

    if (kind == 0)
        mistake(r, r->p == r->end ? "it ends where a value should be" : "no value");
    return kind;
}

/* ---- strings ---- */

#define BYTES(c) (UINT64_C(0x0101010101010101) * (c))

/* Has any of eight bytes the value 0? */
static uint64_t has_zero(uint64_t v) { return (v - BYTES(1)) & ~v & BYTES(0x80); }

/* The first byte that may not stand in a string as it is. */
static const char *plain_end(const char *p, const char *end)
{
    uint64_t v;

    for (; end - p >= 8; p += 8) {
        memcpy(&v, p, 8);
        if (has_zero(v ^ BYTES('"')) | has_zero(v ^ BYTES('\\')) | ((v - BYTES(0x20)) & ~v & BYTES(0x80)))
            break;
    }
    while (p < end && *p != '"' && *p != '\\' && (uint8_t)*p >= 0x20)
        p++;
    return p;
}

/* Of "XXXX", the code unit; -1 when it is none. */
static int code_unit(const char *p, const char *end)
{
    int unit = 0;

    for (int i = 0; i < 4; i++) {
        int digit = p + i < end ? slice_hex_digit(p[i]) : -1;
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

static bool is_high(int unit) { return unit >= 0xD800 && unit < 0xDC00; }
static bool is_low(int unit) { return unit >= 0xDC00 && unit < 0xE000; }

/* The character of "\uXXXX", or of a pair of them; *n bytes.  -1: none. */
static int32_t escaped_char(const char *p, const char *end, size_t *n)
{
    int unit = code_unit(p + 2, end);

    *n = 6;
    if (!is_high(unit))
        return is_low(unit) ? -1 : unit;
    int low = end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? code_unit(p + 8, end) : -1;
    *n = 12;
    return is_low(low) ? 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00) : -1;
}

/* Steps over a backslash and what belongs to it. */
static bool skip_escape(struct json_reader *r)
{
    size_t n = 2;

    if (r->end - r->p < 2)
        return mistake(r, "it ends in a string");
    if (r->p[1] == 'u' ? escaped_char(r->p, r->end, &n) < 0 : memchr("\"\\/bfnrt", r->p[1], 8) == NULL)
        return mistake(r, "no such escape");
    r->p += n;
    return true;
}

static bool string_at(struct json_reader *r, struct json_string *out)
{
    const char *begin = ++r->p;

    out->is_escaped = false;
    for (;;) {
        r->p = plain_end(r->p, r->end);
        if (r->p == r->end)
            return mistake(r, "it ends in a string");
        if (*r->p == '"')
            break;
        if (*r->p != '\\')
            return mistake(r, "a control character in a string");
        if (!skip_escape(r))
            return false;
        out->is_escaped = true;
    }
    out->raw = slice_make(begin, (size_t)(r->p++ - begin));
    return true;
}

bool json_read_string(struct json_reader *r, struct json_string *out)
{
    if (json_peek(r) != '"')
        return false;
    r->wants_comma = true;
    return string_at(r, out);
}

static char *put_char(char *at, uint32_t c)
{
    if (c < 0x80) {
        *at++ = (char)c;
        return at;
    }
    int tail = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    *at++ = (char)(0xFF00 >> (tail + 1) | c >> (6 * tail)); /* 110xxxxx, 1110xxxx, 11110xxx */
    while (tail-- > 0)
        *at++ = (char)(0x80 | (c >> (6 * tail) & 0x3F));
    return at;
}

size_t json_unescape(struct json_string s, char *room)
{
    static const char meant[128] = {
        ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'
    };
    const char *p = s.raw.p, *end = p + s.raw.n;
    char       *at = room;

    while (p < end) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        size_t      n = (size_t)((escape != NULL ? escape : end) - p);
        memcpy(at, p, n);
        at += n;
        p += n;
        if (escape == NULL)
            break;
        n = 2;
        if (p[1] == 'u')
            at = put_char(at, (uint32_t)escaped_char(p, end, &n));
        else
            *at++ = meant[(uint8_t)p[1]];
        p += n;
    }
    return (size_t)(at - room);
}

/* ---- numbers and words ---- */

static const char *digits_end(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

/* The end of the number that begins at p; NULL when none does. */
static const char *number_end(const char *p, const char *end)
{
    const char *from = p += p < end && *p == '-';

    p = digits_end(p, end);
    if (p == from || (*from == '0' && p - from > 1))
        return NULL;
    if (p < end && *p == '.') {
        from = ++p;
        if ((p = digits_end(p, end)) == from)
            return NULL;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        from = p += p < end && (*p == '+' || *p == '-');
        if ((p = digits_end(p, end)) == from)
            return NULL;
    }
    return p;
}

bool json_text_is_number(struct slice s) { return s.n > 0 && number_end(s.p, s.p + s.n) == s.p + s.n; }

bool json_read_number(struct json_reader *r, struct slice *out)
{
    if (json_peek(r) != '0')
        return false;
    const char *end = number_end(r->p, r->end);
    if (end == NULL)
        return mistake(r, "not a number");
    *out = slice_make(r->p, (size_t)(end - r->p));
    r->p = end;
    r->wants_comma = true;
    return true;
}

static bool read_word(struct json_reader *r, struct slice word)
{
    if (!slice_starts(slice_make(r->p, (size_t)(r->end - r->p)), word))
        return mistake(r, "no value");
    r->p += word.n;
    r->wants_comma = true;
    return true;
}

bool json_read_bool(struct json_reader *r, bool *out)
{
    char c = json_peek(r);

    *out = c == 't';
    return (c == 't' || c == 'f') && read_word(r, *out ? SLICE("true") : SLICE("false"));
}

bool json_read_null(struct json_reader *r) { return json_peek(r) == 'n' && read_word(r, SLICE("null")); }

/* ---- brackets ---- */

bool json_read_open(struct json_reader *r, char bracket)
{
    if (json_peek(r) != bracket)
        return false;
    if (r->depth == JSON_DEPTH_MAX)
        return mistake(r, "nested deeper than 100");
    r->depth++;
    r->p++;
    r->wants_comma = false;
    return true;
}

/* Past a comma to what follows it, or past the bracket: false. */
static bool next_in(struct json_reader *r, char bracket)
{
    char c = skip_space(r);

    if (c == bracket) {
        r->p++;
        r->depth--;
        r->wants_comma = true;
        return false;
    }
    if (!r->wants_comma)
        return true;
    if (c != ',')
        return mistake(r, r->p == r->end ? "it ends inside brackets" : "neither a comma nor the end of what is open");
    r->p++;
    r->wants_comma = false;
    return true;
}

bool json_read_key(struct json_reader *r, struct json_string *out)
{
    if (!next_in(r, '}'))
        return false;
    if (skip_space(r) != '"')
        return mistake(r, "no key");
    if (!string_at(r, out))
        return false;
    if (skip_space(r) != ':')
        return mistake(r, "no colon behind a key");
    r->p++;
    return true;
}

bool json_read_item(struct json_reader *r) { return next_in(r, ']') && json_peek(r) != 0; }

bool json_read_skip(struct json_reader *r)
{
    struct json_string ignored_text;
    struct slice       ignored_number;
    bool               ignored;

    switch (json_peek(r)) {
    case '{':
        for (ignored = json_read_open(r, '{'); ignored && json_read_key(r, &ignored_text);)
            json_read_skip(r);
        return r->wrong == NULL;
    case '[':
        for (ignored = json_read_open(r, '['); ignored && json_read_item(r);)
            json_read_skip(r);
        return r->wrong == NULL;
    case '"':
        return json_read_string(r, &ignored_text);
    case '0':
        return json_read_number(r, &ignored_number);
    case 'n':
        return json_read_null(r);
    default:
        return json_read_bool(r, &ignored);
    }
}

bool json_read_end(struct json_reader *r)
{
    if (skip_space(r) != 0 || (r->wrong == NULL && r->p < r->end))
        return mistake(r, "something follows the value");
    return r->wrong == NULL;
}
