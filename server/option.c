#include "server/option.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t     size;
};

#define NS_US INT64_C(1000)
#define NS_MS (1000 * NS_US)
#define NS_S (1000 * NS_MS)
#define KIB INT64_C(1024)
#define KB INT64_C(1000)

/* Largest first: printing takes the first that fits.  Bytes are printed in the binary units only. */
static const struct unit span_units[] = { { "d", 86400 * NS_S }, { "h", 3600 * NS_S }, { "m", 60 * NS_S },
                                          { "s", NS_S },         { "ms", NS_MS },      { "us", NS_US },
                                          { "ns", 1 },           { NULL, 0 } };
static const struct unit byte_units[] = {
    { "TiB", KIB *KIB *KIB *KIB }, { "GiB", KIB *KIB *KIB }, { "MiB", KIB *KIB }, { "KiB", KIB }, { NULL, 0 }
};
static const struct unit more_byte_units[] = { { "TB", KB *KB *KB *KB },
                                               { "GB", KB *KB *KB },
                                               { "MB", KB *KB },
                                               { "KB", KB },
                                               { "kB", KB },
                                               { "B", 1 },
                                               { NULL, 0 } };
static const struct unit week[] = { { "w", INT64_C(7) * 86400 * NS_S }, { NULL, 0 } };

static const struct unit *unit_find(const struct unit *units, struct slice name)
{
    for (; units->name != NULL; units++)
        if (slice_is(name, units->name))
            return units;
    return NULL;
}

/* Digits at the front of *s, as a number; false: none, or too many. */
static bool cut_number(struct slice *s, int64_t *out)
{
    size_t    n = 0;
    long long v;

    while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
        n++;
    if (n == 0 || !slice_to_i64(slice_make(s->p, n), &v))
        return false;
    *out = v;
    *s = slice_from(*s, n);
    return true;
}

static struct slice cut_letters(struct slice *s)
{
    size_t n = 0;

    while (n < s->n && ((s->p[n] >= 'a' && s->p[n] <= 'z') || (s->p[n] >= 'A' && s->p[n] <= 'Z')))
        n++;
    struct slice word = slice_make(s->p, n);
    *s = slice_from(*s, n);
    return word;
}

static bool duration_parse(struct slice s, int64_t *out)
{
    int64_t sum = 0, n, part;

    if (slice_is(s, "0")) {
        *out = 0;
        return true;
    }
    do {
        if (!cut_number(&s, &n))
            return false;
        struct slice       name = cut_letters(&s);
        const struct unit *u = unit_find(span_units, name);
        if (u == NULL)
            u = unit_find(week, name);
        if (u == NULL || __builtin_mul_overflow(n, u->size, &part) || __builtin_add_overflow(sum, part, &sum))
            return false;
    } while (s.n > 0);
    *out = sum;
    return sum < INT64_MAX;
}

static bool bytes_parse(struct slice s, int64_t *out)
{
    int64_t n;

    if (!cut_number(&s, &n))
        return false;
    if (s.n > 0) {
        const struct unit *u = unit_find(byte_units, s);
        if (u == NULL)
            u = unit_find(more_byte_units, s);
        if (u == NULL || __builtin_mul_overflow(n, u->size, &n))
            return false;
    }
    *out = n;
    return n < INT64_MAX;
}

/* A decimal fraction of MiB, rounded to a byte. */
static bool mb_parse(struct slice s, int64_t *out)
{
    char text[32], *end;
    bool has_digit = false;

    for (size_t i = 0; i < s.n; i++) {
        has_digit |= s.p[i] >= '0' && s.p[i] <= '9';
        if (s.p[i] != '.' && (s.p[i] < '0' || s.p[i] > '9'))
            return false;
    }
    if (!has_digit || s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    double v = strtod(text, &end) * (double)(KIB * KIB);
    if (*end != '\0' || !(v < 9e18))
        return false;
    *out = llround(v);
    return true;
}

/* The place of `word` among `choices`; -1: not one of them. */
static int choice_index(const char *choices, struct slice word)
{
    struct slice left = slice_of(choices);

    for (int i = 0;; i++) {
        size_t bar = slice_find(left, SLICE("|"));
        if (slice_eq(slice_make(left.p, bar), word))
            return i;
        if (bar == left.n)
            return -1;
        left = slice_from(left, bar + 1);
    }
}

static struct slice choice_name(const char *choices, int i)
{
    struct slice left = slice_of(choices);

    for (; i > 0; i--)
        left = slice_from(left, slice_find(left, SLICE("|")) + 1);
    return slice_make(left.p, slice_find(left, SLICE("|")));
}

static bool list_parse(const char *choices, struct slice s, unsigned *out)
{
    *out = 0;
    for (;;) {
        size_t comma = slice_find(s, SLICE(","));
        int    i = choice_index(choices, slice_trim(slice_make(s.p, comma)));
        if (i < 0)
            return false;
        *out |= 1u << i;
        if (comma == s.n)
            return true;
        s = slice_from(s, comma + 1);
    }
}

static bool bool_parse(struct slice s, bool *out)
{
    *out = slice_is(s, "true");
    return *out || slice_is(s, "false");
}

static bool number_parse(const struct option *o, struct slice s, int64_t *out)
{
    long long v;

    if ((o->flags & OPTION_UNLIMITED) && slice_is(s, "unlimited")) {
        *out = INT64_MAX;
        return true;
    }
    if ((o->flags & OPTION_AUTO) && slice_is(s, "auto")) {
        *out = OPTION_IS_AUTO;
        return true;
    }
    switch (o->kind) {
    case OPTION_DURATION:
        return duration_parse(s, out);
    case OPTION_BYTES:
        return bytes_parse(s, out);
    case OPTION_MB:
        return mb_parse(s, out);
    default:
        if (!slice_to_i64(s, &v) || v < 0 || v == INT64_MAX)
            return false;
        *out = v;
        return true;
    }
}

static const char *kind_words(enum option_kind kind)
{
    static const char *const words[] = {
        [OPTION_TEXT] = "a text",
        [OPTION_BOOL] = "true or false",
        [OPTION_INT] = "a whole number",
        [OPTION_DURATION] = "a duration such as 1h30m or 7d",
        [OPTION_BYTES] = "a size such as 4194304 or 64MiB",
        [OPTION_MB] = "a number of MiB such as 4 or 1.5",
        [OPTION_ENUM] = "one of ",
        [OPTION_LIST] = "a comma list of ",
    };
    return words[kind];
}

static enum code refuse(const struct option *o, struct slice text, struct fault *why)
{
    return fail(why, CODE_INVALID_ARGUMENT, "%s: `%.*s` is not %s%s%s%s", o->name, SLICE_ARGS(text),
                kind_words(o->kind), o->choices ? o->choices : "",
                o->flags & OPTION_UNLIMITED ? ", nor `unlimited`" : "", o->flags & OPTION_AUTO ? ", nor `auto`" : "");
}

enum code option_set(const struct option *o, void *target, struct slice text, struct arena *a, struct fault *why)
{
    void   *field = (char *)target + o->at;
    int64_t number = 0;
    bool    is_good = true;

    switch (o->kind) {
    case OPTION_TEXT:
        if (memchr(text.p ? text.p : "", '\0', text.n) != NULL)
            return fail(why, CODE_INVALID_ARGUMENT, "%s: contains a NUL byte", o->name);
        *(const char **)field = arena_copy(a, text).p;
        break;
    case OPTION_BOOL:
        is_good = bool_parse(text, field);
        break;
    case OPTION_ENUM:
        number = choice_index(o->choices, text);
        is_good = number >= 0;
        if (is_good)
            *(int *)field = (int)number;
        break;
    case OPTION_LIST:
        is_good = list_parse(o->choices, text, field);
        break;
    default:
        is_good = number_parse(o, text, &number);
        if (is_good && number == 0 && (o->flags & OPTION_POSITIVE))
            return fail(why, CODE_INVALID_ARGUMENT, "%s: 0 is not allowed%s", o->name,
                        o->flags & OPTION_UNLIMITED ? "; for no limit say `unlimited`" : "");
        if (is_good)
            *(int64_t *)field = number;
    }
    return is_good ? CODE_OK : refuse(o, text, why);
}

const struct option *option_find(struct option_table t, struct slice name)
{
    for (size_t i = 0; i < t.n; i++)
        if (slice_is(name, t.rows[i].name))
            return &t.rows[i];
    return NULL;
}

bool option_is_section(struct option_table t, struct slice prefix)
{
    for (size_t i = 0; i < t.n; i++) {
        struct slice name = slice_of(t.rows[i].name);
        if (prefix.n > 0 && slice_starts(name, prefix) && name.n > prefix.n && name.p[prefix.n] == '.')
            return true;
    }
    return false;
}

void option_defaults(struct option_table t, void *target, struct arena *a)
{
    for (size_t i = 0; i < t.n; i++) {
        struct fault why;
        enum code    code = option_set(&t.rows[i], target, slice_of(t.rows[i].fallback), a, &why);
        assert(code == CODE_OK);
    }
}

static void print_units(int64_t v, const struct unit *units, const char *rest, struct buf *out)
{
    if (v == 0)
        buf_text(out, "0");
    for (; units->name != NULL; units++)
        if (v >= units->size && (rest == NULL || v % units->size == 0)) {
            buf_printf(out, "%lld%s", (long long)(v / units->size), units->name);
            v %= units->size;
        }
    if (v > 0)
        buf_printf(out, "%lld%s", (long long)v, rest ? rest : "");
}

static void print_list(const char *choices, unsigned bits, struct buf *out)
{
    const char *comma = "";

    for (int i = 0; bits >> i != 0; i++)
        if (bits >> i & 1) {
            buf_text(out, comma);
            buf_slice(out, choice_name(choices, i));
            comma = ",";
        }
}

static void print_number(const struct option *o, int64_t v, struct buf *out)
{
    if (v == INT64_MAX)
        buf_text(out, "unlimited");
    else if (v == OPTION_IS_AUTO)
        buf_text(out, "auto");
    else if (o->kind == OPTION_DURATION)
        print_units(v, span_units, NULL, out);
    else if (o->kind == OPTION_BYTES)
        print_units(v, byte_units, "", out);
    else if (o->kind == OPTION_MB)
        buf_printf(out, "%.6g", (double)v / (double)(KIB * KIB));
    else
        buf_printf(out, "%lld", (long long)v);
}

void option_print(const struct option *o, const void *target, struct buf *out)
{
    const void *field = (const char *)target + o->at;

    switch (o->kind) {
    case OPTION_TEXT:
        buf_text(out, *(const char *const *)field);
        break;
    case OPTION_BOOL:
        buf_text(out, *(const bool *)field ? "true" : "false");
        break;
    case OPTION_ENUM:
        buf_slice(out, choice_name(o->choices, *(const int *)field));
        break;
    case OPTION_LIST:
        print_list(o->choices, *(const unsigned *)field, out);
        break;
    default:
        print_number(o, *(const int64_t *)field, out);
    }
}
