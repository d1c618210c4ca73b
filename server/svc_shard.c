/* hearth.shard.v1.Shard: what the processes of one cluster ask of a shard. */
#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "proto/shard.pb-c.h"
#include "query/codec.h"
#include "router/router.h"
#include "server/services.h"
#include "shard/shard.h"
#include "wire/pb.h"

typedef Hearth__Shard__V1__AppendResponse         append_response;
typedef Hearth__Shard__V1__AppendResponse__Result append_result;

enum { BATCHES_MAX = 65536, REQUEST_BYTES_MAX = 512 << 20, QUICK_BYTES = 256 << 10 };
enum { BATCHES = 2 /* AppendRequest.batches */ };

/* A pod may have been given another's address: data must not end up with, or be read from, the wrong one. */
static enum code check_meant(struct call *c, struct fault *why)
{
    struct shard *s = app_of(c)->shard;
    struct slice  meant = call_field(c, "hearth-shard");

    if (s == NULL)
        return fail(why, CODE_FAILED_PRECONDITION, "this process has no shard");
    if (meant.n > 0 && !slice_is(meant, shard_name(s)))
        return fail(why, CODE_FAILED_PRECONDITION, "this is shard %s, not %.*s", shard_name(s), SLICE_ARGS(meant));
    return CODE_OK;
}

/* One that is still loading has certainly taken nothing: a frontend holds what it has and asks again. */
static enum code check_takes(struct call *c, struct fault *why)
{
    enum code code = check_meant(c, why);

    if (code == CODE_OK && shard_check_loaded(app_of(c)->shard, why) != CODE_OK)
        code = why->code = CODE_FAILED_PRECONDITION;
    return code;
}

struct one {
    struct append append;
    struct many  *all;
    struct batch  batch;
};

/* All batches of one request, in the call's arena. */
struct many {
    struct call   *call;
    struct one    *at;
    size_t         n;
    _Atomic size_t open; /* appends not yet done, and one while they are handed over */
};

static void answer(struct many *all)
{
    struct arena   *a = call_arena(all->call);
    append_response response = HEARTH__SHARD__V1__APPEND_RESPONSE__INIT;
    append_result  *results = arena_array(a, all->n, sizeof *results);
    append_result **list = arena_array(a, all->n, sizeof *list);

    for (size_t i = 0; i < all->n; i++) {
        const struct append *one = &all->at[i].append;
        results[i] = (append_result)HEARTH__SHARD__V1__APPEND_RESPONSE__RESULT__INIT;
        results[i].code = (int32_t)one->code;
        if (one->code != CODE_OK) {
            results[i].message.data = (uint8_t *)one->why.text;
            results[i].message.len = strlen(one->why.text);
        }
        list[i] = &results[i];
    }
    response.n_results = all->n;
    response.results = list;
    response.map_epoch = router_epoch(app_of(all->call)->router);
    call_reply(all->call, &response.base);
}

static void finish_one(struct many *all)
{
    if (atomic_fetch_sub_explicit(&all->open, 1, memory_order_acq_rel) == 1)
        answer(all);
}

static void on_append(struct append *a) { finish_one(((struct one *)(void *)a)->all); }

static void append_one(struct many *all, size_t i, struct slice bytes)
{
    struct one   *one = &all->at[i];
    struct arena *a = call_arena(all->call);

    one->all = all;
    one->append.done = on_append;
    one->append.code = batch_decode(bytes, a, &one->batch, &one->append.why);
    if (one->append.code != CODE_OK)
        return;
    atomic_fetch_add_explicit(&all->open, 1, memory_order_relaxed);
    /* Once it is accepted the writer sets code and why, maybe before this returns. */
    struct fault why;
    enum code    code = router_accept(app_of(all->call)->router, &one->batch, &one->append, &why);
    if (code == CODE_OK)
        return;
    one->append.code = code;
    one->append.why = why;
    atomic_fetch_sub_explicit(&all->open, 1, memory_order_relaxed);
}

/* The next batch of an AppendRequest, as it lies there: they are large, and a copy of each costs as much as its decoding. */
static bool next_batch(struct pb_cursor *at, struct slice *batch)
{
    struct pb_field f;

    while (pb_next(at, &f))
        if (f.number == BATCHES && f.wire == PB_BYTES) {
            *batch = pb_bytes(&f);
            return true;
        }
    return false;
}

static enum code count_batches(struct slice request, size_t *n, struct fault *why)
{
    struct pb_cursor at = pb_cursor(request);
    struct slice     batch;

    for (*n = 0; next_batch(&at, &batch); ++*n)
        continue;
    if (at.is_bad)
        return fail(why, CODE_INVALID_ARGUMENT, "hearth.shard.v1.AppendRequest: not a protobuf message");
    if (*n > BATCHES_MAX)
        return fail(why, CODE_INVALID_ARGUMENT, "%zu batches in one request, at most %d", *n, BATCHES_MAX);
    return CODE_OK;
}

static void append(struct call *c, const ProtobufCMessage *none)
{
    struct arena    *a = call_arena(c);
    struct pb_cursor at = pb_cursor(call_message(c));
    struct slice     batch;
    struct fault     why;
    size_t           n;

    (void)none;
    if (check_takes(c, &why) != CODE_OK || count_batches(call_message(c), &n, &why) != CODE_OK) {
        call_fail(c, &why);
        return;
    }
    struct many *all = arena_zalloc(a, sizeof *all);
    *all = (struct many){ .call = c, .n = n, .open = 1 };
    all->at = arena_zalloc(a, n * sizeof *all->at);
    for (size_t i = 0; i < n && next_batch(&at, &batch); i++)
        append_one(all, i, batch);
    finish_one(all);
}

/* Some 50 us of decoding: less than two threads' turns with what lies in another's cache. */
static bool append_is_quick(struct call *c, const ProtobufCMessage *none)
{
    (void)none;
    return call_message(c).n <= QUICK_BYTES;
}

/* --debug.query-delay: a slow disk that a test can order. */
static void delay(int64_t ns)
{
    struct timespec t = { .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };

    while (ns > 0 && clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
        continue;
}

static bool is_given_up(const void *call) { return call_is_cancelled(call); }

static void query(struct call *c, const ProtobufCMessage *message)
{
    struct question q;
    struct partial *p = NULL;
    struct fault    why;

    delay(app_of(c)->query_delay_ns);
    if (check_meant(c, &why) != CODE_OK ||
        question_decode((const Hearth__Shard__V1__QueryRequest *)message, call_arena(c), &q, &why) != CODE_OK) {
        call_fail(c, &why);
        return;
    }
    q.is_given_up = is_given_up;
    q.asker = c;
    p = partial_new(q.kind);
    if (query_local(app_of(c)->shard, &q, p, &why) == CODE_OK)
        call_reply(c, &partial_encode(p, call_arena(c))->base);
    else
        call_fail(c, &why);
    partial_free(p);
}

void shard_status(const struct app *app, struct Hearth__Shard__V1__StatusResponse *out)
{
    struct shard_stats s = shard_stats(app->shard);

    out->shard = (char *)shard_name(app->shard);
    out->map_epoch = router_epoch(app->router);
    out->bytes = (int64_t)s.bytes;
    out->series = s.series;
    out->profiles = s.profiles;
    out->samples = s.samples;
    out->buckets = s.buckets;
    out->tenants = s.tenants;
    out->data_since_ns = s.data_since_ns;
}

static void status(struct call *c, const ProtobufCMessage *message)
{
    Hearth__Shard__V1__StatusResponse response = HEARTH__SHARD__V1__STATUS_RESPONSE__INIT;
    struct fault                      why;

    (void)message;
    if (check_meant(c, &why) != CODE_OK) {
        call_fail(c, &why);
        return;
    }
    shard_status(app_of(c), &response);
    call_reply(c, &response.base);
}

#define MESSAGES(name)                                                                                                 \
    &hearth__shard__v1__##name##_request__descriptor, &hearth__shard__v1__##name##_response__descriptor

static const struct method methods[] = {
    { "/hearth.shard.v1.Shard/Append", NULL, &hearth__shard__v1__append_response__descriptor, LANE_DECODE,
      REQUEST_BYTES_MAX, append, append_is_quick },
    { "/hearth.shard.v1.Shard/Query", MESSAGES(query), LANE_QUERY, 0, query, NULL },
    { "/hearth.shard.v1.Shard/Status", MESSAGES(status), LANE_INLINE, 0, status, NULL },
};

const struct method *shard_methods(size_t *n)
{
    *n = sizeof methods / sizeof *methods;
    return methods;
}
