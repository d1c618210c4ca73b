#include "server/ask.h"

#include <assert.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "model/matcher.h"
#include "server/principal.h"
#include "server/services.h"
#include "server/time_range.h"

enum { QUERY_S_MAX = 120, MATCHER_LISTS_MAX = 64 };

static bool is_given_up(const void *call) { return call_is_cancelled(call); }

/* Merging and laying out are a worker's work, not that of the loop that brought the last answer. */
static bool spawn(const void *call, void (*fn)(void *arg), void *arg)
{
    return rpc_server_run(app_of(call)->rpc, LANE_QUERY, fn, arg);
}

/* Accept: any media range with the parameter allow-utf8-labelnames=true. */
static bool accepts_utf8(const struct call *c)
{
    struct slice rest = call_field(c, "accept");

    while (rest.n > 0) {
        size_t n = 0;
        while (n < rest.n && rest.p[n] != ',' && rest.p[n] != ';')
            n++;
        if (slice_eq_nocase(slice_trim(slice_make(rest.p, n)), SLICE("allow-utf8-labelnames=true")))
            return true;
        rest = slice_from(rest, n < rest.n ? n + 1 : n);
    }
    return false;
}

bool ask_is_quick(struct call *c, int64_t start_ms, int64_t end_ms, char *const *matchers, size_t n)
{
    const struct principal *who = principal_of(c);

    for (size_t i = 0; i < n; i++)
        if (strchr(matchers[i], '~') != NULL)
            return false;
    return query_is_quick(app_of(c)->router, who->tenants, who->n_tenants, ms_to_ns(start_ms), ms_to_ns(end_ms));
}

struct ask *ask_new(struct call *c, enum question_kind kind)
{
    const struct principal *who = principal_of(c);
    struct ask             *a = arena_zalloc(call_arena(c), sizeof *a);

    assert(who != NULL && who->n_tenants > 0);
    a->call = c;
    a->arena = call_arena(c);
    a->shows_utf8 = accepts_utf8(c);
    a->question = (struct question){
        .kind = kind,
        .tenants = who->tenants,
        .n_tenants = who->n_tenants,
        .asker = c,
        .is_given_up = is_given_up,
        .spawn = spawn,
    };
    return a;
}

void ask_fail(struct ask *a, enum code code, const char *format, ...)
{
    va_list ap;

    if (a->why.code != CODE_OK)
        return;
    va_start(ap, format);
    a->why.code = code;
    vsnprintf(a->why.text, sizeof a->why.text, format, ap);
    va_end(ap);
}

void ask_range(struct ask *a, int64_t start_ms, int64_t end_ms)
{
    const struct principal *who = principal_of(a->call);
    struct time_range       range;

    if (a->why.code != CODE_OK)
        return;
    if (time_range_check(start_ms, end_ms, &who->limits, clock_real_ns(), &range, &a->why) != CODE_OK)
        return;
    a->is_empty = range.is_empty;
    a->start_ms = range.start_ms;
    a->end_ms = range.end_ms;
    a->question.start_ns = ms_to_ns(range.start_ms);
    a->question.end_ns = ms_to_ns(range.end_ms);
}

void ask_type(struct ask *a, const char *id)
{
    if (a->why.code == CODE_OK && profile_type_parse(slice_of(id), &a->type, &a->why) == CODE_OK)
        a->question.profile_type = profile_type_id(&a->type, a->arena);
}

/* At most 200 bytes, quoted, whole characters. */
static struct slice shown(struct arena *a, struct slice text)
{
    struct buf   out = { 0 };
    size_t       n = text.n < 200 ? text.n : 200;
    struct slice copy;

    while (n < text.n && n > 0 && ((unsigned char)text.p[n] & 0xC0) == 0x80)
        n--;
    for (size_t i = 0; i < n; i++)
        if (text.p[i] == '"' || text.p[i] == '\\')
            buf_printf(&out, "\\%c", text.p[i]);
        else if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
            buf_printf(&out, "\\x%02x", text.p[i]);
        else
            buf_byte(&out, (uint8_t)text.p[i]);
    copy = arena_printf(a, "\"%.*s%s\"", SLICE_ARGS(buf_view(&out)), n < text.n ? "..." : "");
    buf_free(&out);
    return copy;
}

/* The shards parse it again: what is sent between nodes is the text. */
static void selector_check(struct ask *a, struct slice text, const char *wrapped)
{
    struct selector s;
    struct fault    why;

    if (a->why.code != CODE_OK)
        return;
    if (selector_parse(text, a->arena, &s, &why) != CODE_OK)
        ask_fail(a, why.code, "%s %s: %s", wrapped, shown(a->arena, text).p, why.text);
    else
        selector_free(&s);
}

struct slice *ask_texts(struct ask *a, char *const *texts, size_t n)
{
    struct slice *out = arena_array(a->arena, n, sizeof *out);

    for (size_t i = 0; i < n; i++)
        out[i] = slice_of(texts[i]);
    return out;
}

void ask_matchers(struct ask *a, char *const *texts, size_t n, const char *wrapped)
{
    if (n > MATCHER_LISTS_MAX)
        ask_fail(a, CODE_INVALID_ARGUMENT, "%zu matchers are more than %d", n, MATCHER_LISTS_MAX);
    if (a->why.code != CODE_OK)
        return;
    a->question.selectors = ask_texts(a, texts, n);
    a->question.n_selectors = n;
    for (size_t i = 0; i < n; i++)
        selector_check(a, a->question.selectors[i], wrapped);
}

void ask_selector(struct ask *a, const char *text)
{
    char *one = (char *)(uintptr_t)text;

    ask_matchers(a, &one, 1, "parsing label selector");
}

static void answered(void *arg, struct partial *p, const struct fault *why)
{
    struct ask *a = arg;

    if (p == NULL)
        call_fail(a->call, why);
    else
        a->reply(a, p);
    partial_free(p); /* the ask is gone with its call, the partial is not */
}

static int64_t ask_deadline_ns(const struct ask *a)
{
    int64_t latest = clock_mono_ns() + QUERY_S_MAX * NS_PER_S, deadline = call_deadline_ns(a->call);

    return deadline < latest ? deadline : latest;
}

void ask_run(struct ask *a, ask_reply_fn *reply, const ProtobufCMessage *empty)
{
    if (a->why.code != CODE_OK) {
        call_fail(a->call, &a->why);
    } else if (a->is_empty) {
        call_reply(a->call, empty);
    } else {
        a->reply = reply;
        query_run(app_of(a->call)->router, &a->question, ask_deadline_ns(a), answered, a);
    }
}

/* ---- two questions, one answer -------------------------------------------------------------------------------------- */

struct pair {
    struct half {
        struct pair    *pair;
        struct ask     *ask;
        struct partial *partial;
        struct fault    why;
    } half[2];
    ask_pair_fn *reply;
    _Atomic int  open; /* halves; whoever brings the last one makes the answer */
};

static void half_answered(void *arg, struct partial *partial, const struct fault *why)
{
    struct half *h = arg;
    struct pair *p = h->pair;

    h->partial = partial;
    if (partial == NULL)
        h->why = *why;
    if (atomic_fetch_sub_explicit(&p->open, 1, memory_order_acq_rel) > 1)
        return;
    struct partial *left = p->half[0].partial, *right = p->half[1].partial;
    if (left != NULL && right != NULL)
        p->reply(p->half[0].ask, left, right);
    else
        call_fail(p->half[0].ask->call, left == NULL ? &p->half[0].why : &p->half[1].why);
    partial_free(left); /* the pair is gone with its call, the partials are not */
    partial_free(right);
}

static void half_run(void *arg)
{
    struct half *h = arg;
    struct ask  *a = h->ask;

    if (a->is_empty)
        half_answered(h, partial_new(a->question.kind), NULL);
    else
        query_run(app_of(a->call)->router, &a->question, ask_deadline_ns(a), half_answered, h);
}

void ask_run_pair(struct ask *left, struct ask *right, ask_pair_fn *reply)
{
    struct call *call = left->call;
    struct pair *p = arena_zalloc(left->arena, sizeof *p);

    if (left->why.code != CODE_OK || right->why.code != CODE_OK) {
        call_fail(call, left->why.code != CODE_OK ? &left->why : &right->why);
        return;
    }
    *p = (struct pair){ .half = { { p, left }, { p, right } }, .reply = reply, .open = 2 };
    if (!spawn(call, half_run, &p->half[1])) /* the shard of this process is asked by two threads at once */
        half_run(&p->half[1]);
    half_run(&p->half[0]);
}
