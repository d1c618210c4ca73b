#define PCRE2_CODE_UNIT_WIDTH 8
#include "model/regex.h"

#include <pcre2.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "wire/utf8.h"

enum {
    PATTERN_BYTES_MAX = 64 << 10,
    NESTING_MAX = 250,
    STEPS_MAX = 200 * 1000, /* 5 to 35 ms */
    STEPS_QUICK = 2000,
    STEPS_A_BYTE = 20, /* what nearly every pattern needs at most */
    SLOW_MAX = 100,    /* values that may need more than that, of all that one regex is tested with */
    DEPTH_MAX = 50 * 1000,
    HEAP_KIB_MAX = 8 << 10,
};

enum regex_kind { REGEX_PROGRAM, REGEX_LITERALS, REGEX_ALL, REGEX_NOT_EMPTY };

struct regex {
    enum regex_kind           kind;
    struct literals           literals;
    struct slice              pattern;
    pcre2_code               *program;
    _Atomic(struct scratch *) spare; /* taken and put back by whoever tests; NULL while somebody has it */
    _Atomic int               slow;
};

/* What one match works with; its memory grows with use and is kept for the next. */
struct scratch {
    pcre2_match_data    *data;
    pcre2_match_context *limits;
};

static pcre2_compile_context *compile_limits(void)
{
    pcre2_compile_context *c = pcre2_compile_context_create(NULL);

    if (c == NULL)
        abort();
    pcre2_set_max_pattern_length(c, PATTERN_BYTES_MAX);
    pcre2_set_parens_nest_limit(c, NESTING_MAX);
    pcre2_set_newline(c, PCRE2_NEWLINE_LF);
    return c;
}

static enum code compile(struct regex *r, struct slice vetted, struct fault *why)
{
    const uint32_t options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_UTF |
                             PCRE2_NO_AUTO_CAPTURE | PCRE2_ALT_CIRCUMFLEX | PCRE2_NEVER_BACKSLASH_C;
    pcre2_compile_context *context = compile_limits();
    PCRE2_SIZE             at;
    int                    error;

    r->program = pcre2_compile((PCRE2_SPTR)vetted.p, vetted.n, options, &error, &at, context);
    pcre2_compile_context_free(context);
    if (r->program == NULL) {
        PCRE2_UCHAR text[160];
        pcre2_get_error_message(error, text, sizeof text);
        return fail(why, CODE_INVALID_ARGUMENT, "error parsing regexp: %s at offset %zu", (const char *)text,
                    (size_t)at);
    }
    return CODE_OK;
}

enum code regex_new(struct slice pattern, struct arena *a, struct regex **out, struct fault *why)
{
    struct regex *r = arena_zalloc(a, sizeof *r);
    struct slice  vetted;
    enum code     code = regex_vet(pattern, a, &vetted, why);

    if (code != CODE_OK)
        return code;
    r->pattern = pattern;
    r->literals = regex_expand(pattern, a);
    if (slice_is(pattern, ".*"))
        r->kind = REGEX_ALL;
    else if (slice_is(pattern, ".+"))
        r->kind = REGEX_NOT_EMPTY;
    else if (r->literals.n > 0)
        r->kind = REGEX_LITERALS;
    else
        code = compile(r, vetted, why);
    *out = r;
    return code;
}

static struct scratch *scratch_new(void)
{
    struct scratch *s = mem_alloc(sizeof *s);

    *s = (struct scratch){ pcre2_match_data_create(1, NULL), pcre2_match_context_create(NULL) };
    if (s->data == NULL || s->limits == NULL)
        abort();
    pcre2_set_depth_limit(s->limits, DEPTH_MAX);
    pcre2_set_heap_limit(s->limits, HEAP_KIB_MAX);
    return s;
}

static void scratch_free(struct scratch *s)
{
    if (s == NULL)
        return;
    pcre2_match_data_free(s->data);
    pcre2_match_context_free(s->limits);
    free(s);
}

void regex_free(struct regex *r)
{
    pcre2_code_free(r->program);
    scratch_free(atomic_load(&r->spare));
}

static bool among(const struct literals *l, struct slice value)
{
    size_t from = 0, to = l->n;

    while (from < to) {
        size_t mid = from + (to - from) / 2;
        int    d = slice_cmp(value, l->at[mid]);
        if (d == 0)
            return true;
        if (d < 0)
            to = mid;
        else
            from = mid + 1;
    }
    return false;
}

/* A thread that finds none makes its own. */
static struct scratch *scratch_take(struct regex *r)
{
    struct scratch *s = atomic_exchange_explicit(&r->spare, NULL, memory_order_acquire);

    return s != NULL ? s : scratch_new();
}

static void scratch_give(struct regex *r, struct scratch *s)
{
    scratch_free(atomic_exchange_explicit(&r->spare, s, memory_order_acq_rel));
}

static int match(struct regex *r, struct slice value, struct scratch *s, uint32_t steps)
{
    pcre2_set_match_limit(s->limits, steps);
    return pcre2_match(r->program, (PCRE2_SPTR)(value.n ? value.p : ""), value.n, 0, 0, s->data, s->limits);
}

static bool is_no_text(int rc) { return rc <= PCRE2_ERROR_UTF8_ERR1 && rc >= PCRE2_ERROR_UTF8_ERR21; }

static bool is_limit(int rc) { return rc < 0 && rc != PCRE2_ERROR_NOMATCH && !is_no_text(rc); }

static enum code too_slow(const struct regex *r, struct slice value, struct fault *why)
{
    struct slice shown = { r->pattern.p, r->pattern.n < 80 ? r->pattern.n : 80 };

    while (shown.n < r->pattern.n && shown.n > 0 && ((unsigned char)r->pattern.p[shown.n] & 0xC0) == 0x80)
        shown.n--; /* not through a character */
    return fail(
        why, CODE_RESOURCE_EXHAUSTED,
        "regular expression `%.*s` needs more than %d steps or %d KiB on a label value of %zu bytes, or many on more "
        "than %d values: simplify it",
        SLICE_ARGS(shown), STEPS_MAX, HEAP_KIB_MAX, value.n, SLOW_MAX);
}

/* As RE2 reads it: each byte that is no UTF-8 stands for U+FFFD. */
static struct buf as_text(struct slice value)
{
    struct buf out = { 0 };

    while (value.n > 0) {
        size_t n = utf8_valid_prefix(value);
        buf_put(&out, value.p, n);
        if (n < value.n)
            buf_text(&out, "\xEF\xBF\xBD");
        value = slice_from(value, n < value.n ? n + 1 : n);
    }
    return out;
}

/* First with little, then, for a few values only, with all: values without end cannot each take the most. */
static int match_in_steps(struct regex *r, struct slice value)
{
    struct scratch *s = scratch_take(r);
    uint32_t        quick = STEPS_QUICK + STEPS_A_BYTE * (uint32_t)(value.n < STEPS_MAX ? value.n : STEPS_MAX);
    int             rc = match(r, value, s, quick < STEPS_MAX ? quick : STEPS_MAX);

    if (is_limit(rc) && atomic_fetch_add_explicit(&r->slow, 1, memory_order_relaxed) < SLOW_MAX)
        rc = match(r, value, s, STEPS_MAX);
    scratch_give(r, s);
    return rc;
}

static enum code run(struct regex *r, struct slice value, bool *matches, struct fault *why)
{
    int rc = match_in_steps(r, value);

    if (is_no_text(rc)) {
        struct buf text = as_text(value);
        rc = match_in_steps(r, buf_view(&text));
        buf_free(&text);
    }
    if (is_limit(rc))
        return too_slow(r, value, why);
    *matches = rc >= 0;
    return CODE_OK;
}

enum code regex_test(struct regex *r, struct slice value, bool *matches, struct fault *why)
{
    switch (r->kind) {
    case REGEX_ALL:
        *matches = true;
        return CODE_OK;
    case REGEX_NOT_EMPTY:
        *matches = value.n > 0;
        return CODE_OK;
    case REGEX_LITERALS:
        *matches = among(&r->literals, value);
        return CODE_OK;
    case REGEX_PROGRAM:
        break;
    }
    return run(r, value, matches, why);
}

size_t regex_literals(const struct regex *r, const struct slice **values)
{
    *values = r->literals.at;
    return r->kind == REGEX_LITERALS ? r->literals.n : 0;
}
