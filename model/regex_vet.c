/*
 * What RE2 accepts, rewritten where PCRE would read it otherwise:
 *     (?P<name>  (?<name>   ->  (?:      nothing is captured
 *     \v                    ->  \x0b     PCRE: any vertical space
 *     \s \S                 ->  [\t\n\f\r ] and its opposite: PCRE counts \x0b as space
 *     { not a repeat        ->  \{       newer PCREs know more forms of repeats
 *     [ inside a class      ->  \[       but for [:alpha:]
 */
#include <assert.h>
#include <ctype.h>

#include "model/regex.h"
#include "wire/utf8.h"

enum { REPEAT_MAX = 1000, GROWTH = 6 /* at most: \S */ };

struct vet {
    struct slice  in;
    size_t        at;
    char         *out;
    size_t        n;
    struct fault *why;
};

static int peek(const struct vet *v, size_t ahead)
{
    return v->at + ahead < v->in.n ? (unsigned char)v->in.p[v->at + ahead] : -1;
}

static void emit(struct vet *v, const char *bytes, size_t n)
{
    memcpy(v->out + v->n, bytes, n);
    v->n += n;
}

static void copy(struct vet *v, size_t n)
{
    assert(v->at + n <= v->in.n);
    emit(v, v->in.p + v->at, n);
    v->at += n;
}

/* `what` and the next `n` bytes, as far as they are there and printable. */
static enum code refuse(const struct vet *v, const char *what, size_t n)
{
    char   shown[32];
    size_t k = 0;

    for (; k < n && k + 1 < sizeof shown && v->at + k < v->in.n; k++)
        shown[k] = isprint((unsigned char)v->in.p[v->at + k]) ? v->in.p[v->at + k] : '?';
    shown[k] = '\0';
    return fail(v->why, CODE_INVALID_ARGUMENT, "error parsing regexp: %s: `%s`", what, shown);
}

static enum code vet_hex(struct vet *v)
{
    if (peek(v, 2) == '{') {
        size_t n = 3;
        while (isxdigit(peek(v, n)))
            n++;
        if (n == 3 || n > 3 + 6 || peek(v, n) != '}')
            return refuse(v, "invalid escape sequence", n);
        copy(v, n + 1);
        return CODE_OK;
    }
    if (!isxdigit(peek(v, 2)) || !isxdigit(peek(v, 3)))
        return refuse(v, "invalid escape sequence", 4);
    copy(v, 4);
    return CODE_OK;
}

/* \Q...\E: everything between is literal. */
static void vet_quoted(struct vet *v)
{
    size_t end = slice_find(slice_from(v->in, v->at), SLICE("\\E"));

    copy(v, end < v->in.n - v->at ? end + 2 : v->in.n - v->at);
}

static enum code vet_property(struct vet *v)
{
    size_t n = 3;

    if (peek(v, 2) == '{') {
        while (peek(v, n) >= 0 && peek(v, n) != '}')
            n++;
        n++;
    }
    if (v->at + n > v->in.n)
        return refuse(v, "invalid character class range", n);
    copy(v, n);
    return CODE_OK;
}

static void vet_space(struct vet *v, int c, bool in_class)
{
    const char *text = c == 'v'   ? "\\x0b"
                       : in_class ? (c == 's' ? "\\t\\n\\f\\r " : "\\S\\x0b")
                                  : (c == 's' ? "[\\t\\n\\f\\r ]" : "[^\\t\\n\\f\\r ]");

    emit(v, text, strlen(text));
    v->at += 2;
}

static enum code vet_escape(struct vet *v, bool in_class)
{
    int c = peek(v, 1);

    if (c < 0)
        return fail(v->why, CODE_INVALID_ARGUMENT, "error parsing regexp: trailing backslash at end of expression");
    if (c == 'x')
        return vet_hex(v);
    if (c == 'p' || c == 'P')
        return vet_property(v);
    if (c == 'Q' && !in_class) {
        vet_quoted(v);
        return CODE_OK;
    }
    if (c == 'v' || c == 's' || c == 'S') {
        vet_space(v, c, in_class);
        return CODE_OK;
    }
    bool is_known = c == '0' || strchr("afnrtdDwW", c) != NULL || (!in_class && strchr("AzbB", c) != NULL);
    if (c >= 0x80 || c == 0 || (isalnum(c) && !is_known))
        return refuse(v, "invalid escape sequence", 2);
    copy(v, 2);
    return CODE_OK;
}

/* The length of [:name:] or [:^name:] here; 0: it is something else. */
static size_t posix_class(const struct vet *v)
{
    size_t n = 2;

    if (peek(v, 1) != ':')
        return 0;
    if (peek(v, n) == '^')
        n++;
    while (islower(peek(v, n)))
        n++;
    return peek(v, n) == ':' && peek(v, n + 1) == ']' ? n + 2 : 0;
}

static enum code vet_class(struct vet *v)
{
    size_t from = v->at;

    copy(v, 1);
    if (peek(v, 0) == '^')
        copy(v, 1);
    if (peek(v, 0) == ']') /* first: itself */
        copy(v, 1);
    for (int c; (c = peek(v, 0)) != ']';) {
        if (c < 0) {
            v->at = from;
            return refuse(v, "missing closing ]", 30);
        }
        if (c == '\\') {
            enum code code = vet_escape(v, true);
            if (code != CODE_OK)
                return code;
        } else if (c == '[') {
            size_t n = posix_class(v);
            if (n == 0)
                emit(v, "\\", 1);
            copy(v, n ? n : 1);
        } else {
            copy(v, 1);
        }
    }
    copy(v, 1);
    return CODE_OK;
}

/* (?flags) or (?flags:, where flags are of imsU, and of them some behind a minus. */
static enum code vet_flags(struct vet *v)
{
    size_t n = 2, flags = 0, minus = 0;

    for (int c; (c = peek(v, n)) != ')' && c != ':'; n++) {
        if (c == '-' && minus == 0)
            minus = n;
        else if (c > 0 && strchr("imsU", c) != NULL)
            flags++;
        else
            return refuse(v, "invalid or unsupported Perl syntax", n + 1);
    }
    if ((flags == 0 && peek(v, n) != ':') || minus == n - 1)
        return refuse(v, "missing argument to flags", n + 1);
    copy(v, n + 1);
    return CODE_OK;
}

static enum code vet_group(struct vet *v)
{
    if (peek(v, 1) == '*') {
        v->at++;
        return refuse(v, "missing argument to repetition operator", 1);
    }
    if (peek(v, 1) != '?') {
        copy(v, 1);
        return CODE_OK;
    }
    size_t n = peek(v, 2) == 'P' ? 3 : 2;
    if (peek(v, n) != '<' || peek(v, n + 1) == '=' || peek(v, n + 1) == '!')
        return n == 3 || peek(v, n) == '<' ? refuse(v, "invalid or unsupported Perl syntax", n + 2) : vet_flags(v);
    size_t end = ++n;
    while (isalnum(peek(v, end)) || peek(v, end) == '_')
        end++;
    if (end == n || peek(v, end) != '>')
        return refuse(v, "invalid named capture", end + 1);
    emit(v, "(?:", 3);
    v->at += end + 1;
    return CODE_OK;
}

/* The length of {n}, {n,} or {n,m} here; 0: a brace that is just a brace.  *max: the larger number, cut to five digits. */
static size_t repeat_n(const struct vet *v, long *max)
{
    size_t n = 1;
    long   value = 0;
    bool   has_comma = false;

    *max = 0;
    for (int c; (c = peek(v, n)) != '}'; n++) {
        if (c == ',' && n > 1 && !has_comma)
            has_comma = true, value = 0;
        else if (isdigit(c))
            value = value < 10000 ? value * 10 + (c - '0') : value;
        else
            return 0;
        *max = value > *max ? value : *max;
    }
    return n > 1 ? n + 1 : 0;
}

static enum code vet_repeat(struct vet *v, bool *is_repeated)
{
    long   max = 0;
    size_t n = peek(v, 0) == '{' ? repeat_n(v, &max) : 1;

    if (n == 0) {
        emit(v, "\\", 1);
        copy(v, 1);
        *is_repeated = false;
        return CODE_OK;
    }
    if (*is_repeated)
        return refuse(v, "invalid nested repetition operator", n);
    if (v->at == 0)
        return refuse(v, "missing argument to repetition operator", n);
    if (max > REPEAT_MAX)
        return refuse(v, "invalid repeat count", n);
    copy(v, n);
    if (peek(v, 0) == '?')
        copy(v, 1);
    *is_repeated = true;
    return CODE_OK;
}

enum code regex_vet(struct slice pattern, struct arena *a, struct slice *out, struct fault *why)
{
    struct vet v = { .in = pattern, .out = arena_alloc(a, pattern.n * GROWTH + 8), .why = why };
    bool       is_repeated = false; /* what stands before is a repeat already */
    enum code  code = CODE_OK;

    if (!utf8_is_valid(pattern))
        return fail(why, CODE_INVALID_ARGUMENT, "error parsing regexp: invalid UTF-8 at offset %zu",
                    utf8_valid_prefix(pattern));
    while (code == CODE_OK && v.at < pattern.n) {
        int c = peek(&v, 0);
        if (c == '*' || c == '+' || c == '?' || c == '{') {
            code = vet_repeat(&v, &is_repeated);
            continue;
        }
        is_repeated = false;
        if (c == '\\')
            code = vet_escape(&v, false);
        else if (c == '[')
            code = vet_class(&v);
        else if (c == '(')
            code = vet_group(&v);
        else
            copy(&v, 1);
        assert(v.n <= pattern.n * GROWTH + 8);
    }
    *out = slice_make(v.out, v.n);
    return code;
}
