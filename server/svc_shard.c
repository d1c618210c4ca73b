/* hearth.shard.v1.Shard: what the processes of one cluster ask of a shard. */
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "proto/shard.pb-c.h"
#include "query/codec.h"
#include "router/router.h"
#include "server/append.h"
#include "server/services.h"
#include "shard/shard.h"

enum { REQUEST_BYTES_MAX = 512 << 20 };

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

static void append(struct call *c, const ProtobufCMessage *none)
{
    struct fault why;

    (void)none;
    if (check_takes(c, &why) == CODE_OK)
        append_parcels(c);
    else
        call_fail(c, &why);
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
