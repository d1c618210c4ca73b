/*
 * The selector grammar.  Recursive descent without recursion: one metric name, then one list.
 *
 *     selector = [ metric ] [ "{" [ matcher { "," matcher } [ "," ] ] "}" ]       (not wholly empty)
 *     matcher  = ( name | string ) ( "=" | "!=" | "=~" | "!~" ) string  |  string (a metric name)
 *     string   = "..." | '...' with Go's escapes, `...` raw
 */
#include <ctype.h>
#include <stdarg.h>

#include "model/matcher.h"
#include "model/regex.h"

enum { TEXT_BYTES_MAX = 256 << 10, MATCHERS_MAX = 256 };

struct parser {
    struct slice    in;
    size_t          at;
    struct arena   *a;
    struct matcher *matchers;
    size_t          n, cap;
    struct fault   *why;
};

static int peek(const struct parser *p) { return p->at < p->in.n ? (unsigned char)p->in.p[p->at] : -1; }

/* "line:column: parse error: ...", both from 1, of the byte at `at`. */
__attribute__((format(printf, 3, 4))) static enum code wrong(const struct parser *p, size_t at, const char *format, ...)
{
    char    text[300];
    size_t  line = 1, begin = 0;
    va_list ap;

    for (size_t i = 0; i < at && i < p->in.n; i++)
        if (p->in.p[i] == '\n')
            line++, begin = i + 1;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    return fail(p->why, CODE_INVALID_ARGUMENT, "%zu:%zu: parse error: %s", line, at - begin + 1, text);
}

static void skip_space(struct parser *p)
{
    while (peek(p) == ' ' || (peek(p) >= '\t' && peek(p) <= '\r'))
        p->at++;
}

static bool starts_name(int c) { return c == '_' || (c < 0x80 && isalpha(c)); }

static struct slice take_name(struct parser *p, bool with_colons)
{
    size_t from = p->at;

    while (starts_name(peek(p)) || isdigit(peek(p)) || (with_colons && peek(p) == ':'))
        p->at++;
    return slice_make(p->in.p + from, p->at - from);
}

/* "unexpected <what stands here> in label matching, expected ..." */
static enum code unexpected(struct parser *p, const char *expected)
{
    size_t at = p->at;
    int    c = peek(p);

    if (c < 0)
        return wrong(p, at, "unexpected end of input inside braces");
    if (starts_name(c)) {
        struct slice name = take_name(p, false);
        return wrong(p, at, "unexpected identifier \"%.*s\" in label matching, expected %s",
                     name.n < 60 ? (int)name.n : 60, name.p, expected);
    }
    if (c == '"' || c == '\'' || c == '`')
        return wrong(p, at, "unexpected string in label matching, expected %s", expected);
    if (strchr(",{}=!~", c) != NULL && c != 0)
        return wrong(p, at, "unexpected \"%c\" in label matching, expected %s", c, expected);
    return wrong(p, at,
                 isprint(c) ? "unexpected character inside braces: '%c'" : "unexpected byte inside braces: 0x%02x", c);
}

static void put_utf8(char **out, uint32_t c)
{
    char *o = *out;

    if (c < 0x80) {
        *o++ = (char)c;
    } else if (c < 0x800) {
        *o++ = (char)(0xC0 | c >> 6);
        *o++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *o++ = (char)(0xE0 | c >> 12);
        *o++ = (char)(0x80 | (c >> 6 & 0x3F));
        *o++ = (char)(0x80 | (c & 0x3F));
    } else {
        *o++ = (char)(0xF0 | c >> 18);
        *o++ = (char)(0x80 | (c >> 12 & 0x3F));
        *o++ = (char)(0x80 | (c >> 6 & 0x3F));
        *o++ = (char)(0x80 | (c & 0x3F));
    }
    *out = o;
}

/* `digits` digits of `base` at p->at; false: too few, or not such digits. */
static bool take_number(struct parser *p, int digits, uint32_t base, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < digits; i++, p->at++) {
        int      c = peek(p);
        uint32_t d = isdigit(c) ? (uint32_t)(c - '0') : isxdigit(c) ? (uint32_t)(tolower(c) - 'a' + 10) : 99;
        if (d >= base)
            return false;
        *out = *out * base + d;
    }
    return true;
}

/* One escape behind its backslash: Go's, as in a string between `quote`s. */
static enum code take_escape(struct parser *p, size_t begin, int quote, char **out)
{
    static const char names[] = "abfnrtv\\", bytes[] = "\a\b\f\n\r\t\v\\";
    int               c = peek(p);
    const char       *named = c > 0 ? strchr(names, c) : NULL;
    uint32_t          value = 0;
    bool              is_byte = c == 'x' || (c >= '0' && c <= '7'), is_good;

    if (c == quote || named != NULL) {
        *(*out)++ = named ? bytes[named - names] : (char)quote;
        p->at++;
        return CODE_OK;
    }
    if (!is_byte && c != 'u' && c != 'U')
        return c < 0 ? wrong(p, begin, "unterminated quoted string")
                     : wrong(p, begin, isprint(c) ? "unknown escape sequence '\\%c'" : "unknown escape sequence 0x%02x",
                             c);
    if (c == 'x' || c == 'u' || c == 'U')
        p->at++;
    is_good = take_number(p, c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 3, is_byte && c != 'x' ? 8 : 16, &value);
    if (!is_good)
        return wrong(p, begin, "illegal character in an escape sequence");
    if (is_byte ? value > 0xFF : value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
        return wrong(p, begin, "escape sequence is an invalid Unicode code point");
    if (is_byte)
        *(*out)++ = (char)value;
    else
        put_utf8(out, value);
    return CODE_OK;
}

static enum code take_string(struct parser *p, struct slice *out)
{
    size_t begin = p->at, end = p->at + 1;
    int    quote = peek(p);

    /* Never longer than what stands between the quotes. */
    while (end < p->in.n && p->in.p[end] != quote)
        end += p->in.p[end] == '\\' && quote != '`' ? 2 : 1;
    if (end >= p->in.n)
        end = p->in.n;
    char *text = arena_alloc(p->a, end - begin + 1), *to = text;
    for (p->at++; peek(p) != quote;) {
        int c = peek(p);
        if (c < 0 || (c == '\n' && quote != '`'))
            return wrong(p, begin, "unterminated %s string", quote == '`' ? "raw" : "quoted");
        p->at++;
        if (c != '\\' || quote == '`') {
            *to++ = (char)c;
            continue;
        }
        enum code code = take_escape(p, begin, quote, &to);
        if (code != CODE_OK)
            return code;
    }
    p->at++;
    *out = slice_make(text, (size_t)(to - text));
    return CODE_OK;
}

static enum code add(struct parser *p, size_t at, struct matcher m)
{
    if (p->n == MATCHERS_MAX)
        return wrong(p, at, "more than %d matchers", MATCHERS_MAX);
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 8;
        struct matcher *more = arena_array(p->a, p->cap, sizeof *more);
        if (p->n > 0)
            memcpy(more, p->matchers, p->n * sizeof *more);
        p->matchers = more;
    }
    if (m.op == MATCH_RE || m.op == MATCH_NRE) {
        struct fault inner;
        enum code    code = regex_new(m.value, p->a, &m.regex, &inner);
        if (code != CODE_OK) {
            wrong(p, at, "%s", inner.text);
            return p->why->code = code;
        }
    }
    p->matchers[p->n++] = m;
    return CODE_OK;
}

/* `process_cpu` is the short name; with all five parts (or the sixth, ":delta") it says the whole type. */
static enum code add_metric(struct parser *p, size_t at, struct slice name)
{
    size_t colons = 0, end = name.n;

    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] == ':' && ++colons == 5)
            end = i;
    bool is_type = colons == 4 || colons == 5;
    return add(p, at,
               (struct matcher){ .name = is_type ? SLICE("__profile_type__") : SLICE("__name__"),
                                 .value = arena_copy(p->a, slice_make(name.p, is_type ? end : name.n)),
                                 .op = MATCH_EQ });
}

static enum code take_op(struct parser *p, enum match_op *op)
{
    int c = peek(p), next = p->at + 1 < p->in.n ? p->in.p[p->at + 1] : -1;

    if (c != '=' && !(c == '!' && (next == '=' || next == '~')))
        return unexpected(p, "label matching operator");
    *op = c == '=' ? (next == '~' ? MATCH_RE : MATCH_EQ) : (next == '~' ? MATCH_NRE : MATCH_NE);
    p->at += *op == MATCH_EQ ? 1 : 2;
    return CODE_OK;
}

static bool at_quote(const struct parser *p) { return peek(p) == '"' || peek(p) == '\'' || peek(p) == '`'; }

static enum code take_matcher(struct parser *p)
{
    struct matcher m = { 0 };
    size_t         begin = p->at;
    bool           is_quoted = at_quote(p);
    enum code      code = CODE_OK;

    if (is_quoted)
        code = take_string(p, &m.name);
    else if (starts_name(peek(p)))
        m.name = arena_copy(p->a, take_name(p, false));
    else
        code = unexpected(p, "identifier or \"}\"");
    if (code != CODE_OK)
        return code;
    if (m.name.n == 0)
        return wrong(p, begin, "invalid label name \"\"");
    skip_space(p);
    if (is_quoted && (peek(p) == ',' || peek(p) == '}'))
        return add_metric(p, begin, m.name);
    code = take_op(p, &m.op);
    if (code != CODE_OK)
        return code;
    skip_space(p);
    if (!at_quote(p))
        return unexpected(p, "string");
    code = take_string(p, &m.value);
    return code == CODE_OK ? add(p, begin, m) : code;
}

static enum code take_braces(struct parser *p)
{
    p->at++;
    skip_space(p);
    while (peek(p) != '}') {
        enum code code = take_matcher(p);
        if (code != CODE_OK)
            return code;
        skip_space(p);
        if (peek(p) != ',' && peek(p) != '}')
            return unexpected(p, "\",\" or \"}\"");
        if (peek(p) == ',')
            p->at++;
        skip_space(p);
    }
    p->at++;
    return CODE_OK;
}

static enum code parse(struct parser *p)
{
    enum code code = CODE_OK;

    skip_space(p);
    if (peek(p) < 0)
        return fail(p->why, CODE_INVALID_ARGUMENT, "unknown position: parse error: unexpected end of input");
    if (starts_name(peek(p)) || peek(p) == ':') {
        size_t at = p->at;
        code = add_metric(p, at, take_name(p, true));
        skip_space(p);
    }
    if (code == CODE_OK && peek(p) == '{')
        code = take_braces(p);
    if (code != CODE_OK)
        return code;
    skip_space(p);
    if (peek(p) >= 0)
        return wrong(p, p->at, isprint(peek(p)) ? "unexpected character: '%c'" : "unexpected byte: 0x%02x", peek(p));
    return CODE_OK;
}

enum code selector_parse(struct slice text, struct arena *a, struct selector *out, struct fault *why)
{
    struct parser p = { .in = text, .a = a, .why = why };

    if (text.n > TEXT_BYTES_MAX)
        return fail(why, CODE_INVALID_ARGUMENT, "selector of %zu bytes is longer than %d", text.n, TEXT_BYTES_MAX);
    enum code       code = parse(&p);
    struct selector made = { p.matchers, p.n };
    if (code == CODE_OK)
        *out = made;
    else
        selector_free(&made);
    return code;
}
