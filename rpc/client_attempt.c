/*
 * A call's life.
 *
 *     begin --> attempt --> over --> end          the last step waits until all messages are taken
 *                  ^-- timer --'                  tried again
 */
#include "base/clock.h"
#include "rpc/client_priv.h"

#define BACKOFF_NS (20 * NS_PER_MS)
#define BACKOFF_NS_MAX (1 * NS_PER_S)

void stream_unref(struct rpc_stream *s)
{
    if (atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    buf_free(&s->body);
    arena_free(s->arena); /* s lives there */
}

/* ---- the end ---- */

void stream_end(struct rpc_stream *s)
{
    s->is_over = s->is_ended = true;
    if (s->has_failed) {
        s->end.code = s->fault.code;
        s->end.text = s->fault.text;
        s->end.message = NULL;
    }
    if (s->on_reply != NULL)
        s->on_reply(s->arg, s->end.code, s->end.text, s->end.was_sent, s->end.message);
    else
        s->on.on_end(s->arg, &s->end);
    inbox_free(&s->inbox);
    arena_free(s->scratch);
    s->scratch = NULL;
    stream_unref(s);
}

void stream_fail(struct rpc_stream *s, enum code code, const char *format, ...)
{
    va_list ap;

    if (s->is_ended || s->has_failed)
        return;
    s->has_failed = true;
    s->fault.code = code;
    va_start(ap, format);
    vsnprintf(s->fault.text, sizeof s->fault.text, format, ap);
    va_end(ap);
    loop_timer_free(s->timer);
    s->timer = NULL;
    if (s->request != NULL)
        http_client_cancel(s->request); /* answer_done follows */
    else
        stream_end(s);
}

static struct http_field *fields_kept(struct rpc_stream *s, const struct http_field *fields, size_t n)
{
    struct http_field *kept = arena_array(s->arena, n, sizeof *kept);

    for (size_t i = 0; i < n; i++)
        kept[i] = (struct http_field){ arena_copy(s->arena, fields[i].name), arena_copy(s->arena, fields[i].value) };
    return kept;
}

/* ---- attempts ---- */

static struct slice grpc_timeout(struct arena *a, int64_t left_ns)
{
    int64_t us = left_ns > 0 ? (left_ns + 999) / 1000 : 0;

    if (us <= 99999999)
        return arena_printf(a, "%lldu", (long long)us);
    int64_t s = us / 1000000;
    return arena_printf(a, "%lldS", (long long)(s < 99999999 ? s : 99999999));
}

static void attempt(void *arg)
{
    struct rpc_stream  *s = arg;
    struct lane_client *lane = s->lane;
    struct fault        why;

    loop_timer_free(s->timer);
    s->timer = NULL;
    s->attempts++;
    if (!s->is_probe && !peer_takes_calls(s->peer, &why)) {
        stream_attempt_over(s, &why, false, NULL);
        return;
    }
    if (s->send.deadline_ns != 0)
        s->fields[0].value = grpc_timeout(s->arena, s->send.deadline_ns - clock_mono_ns());
    if (lane->http == NULL)
        lane->http = http_client_new(lane->loop, lane->tls);
    s->request = http_client_send(lane->http, &s->send);
    if (s->send.is_given)
        s->body = (struct buf){ 0 };
}

/* Doubles with each attempt; somewhere in the upper half of it, so that those who failed together part. */
static int64_t backoff_ns(struct rpc_stream *s)
{
    uint64_t *random = &s->lane->random;
    int64_t   ns = s->retry.backoff_ns ? s->retry.backoff_ns : BACKOFF_NS;

    for (unsigned i = 1; i < s->attempts && ns < BACKOFF_NS_MAX; i++)
        ns *= 2;
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return ns / 2 + (int64_t)((*random >> 33) % (uint64_t)(ns / 2 + 1));
}

static bool is_safe_again(const struct rpc_stream *s, enum code code, bool was_sent)
{
    return code == CODE_UNAVAILABLE && !s->has_failed && s->attempts < s->retry.attempts_max && !s->send.is_open &&
           s->n_messages == 0 && (!was_sent || s->retry.is_idempotent);
}

static bool try_again(struct rpc_stream *s)
{
    int64_t wait_ns = backoff_ns(s);

    if (s->send.deadline_ns != 0 && clock_mono_ns() + wait_ns >= s->send.deadline_ns)
        return false;
    if (!peer_spend(s->peer)) {
        metric_add(s->client->withheld, 1);
        return false;
    }
    metric_add(s->client->retries, 1);
    inbox_free(&s->inbox);
    s->unconsumed = 0;
    s->timer = loop_timer_new(s->lane->loop, attempt, s);
    loop_timer_arm(s->timer, wait_ns);
    return true;
}

/* What has no trailers has all in its head. */
static void end_fields(struct rpc_stream *s, const struct http_reply *r)
{
    bool is_bare = r->n_trailers == 0;

    s->end.headers = r->fields;
    s->end.n_headers = is_bare ? 0 : r->n_fields;
    s->end.trailers = is_bare ? r->fields : r->trailers;
    s->end.n_trailers = is_bare ? r->n_fields : r->n_trailers;
}

void stream_attempt_over(struct rpc_stream *s, const struct fault *why, bool was_sent, const struct http_reply *r)
{
    bool is_late = why->code == CODE_DEADLINE_EXCEEDED; /* whichever side noticed first */
    bool is_answer = r != NULL && r->code == CODE_OK && !s->has_failed && !is_late;

    if (is_safe_again(s, why->code, was_sent) && try_again(s))
        return;
    s->end.code = why->code;
    s->end.text = why->code == CODE_OK ? "" : arena_copy(s->arena, slice_of(why->text)).p;
    s->end.was_sent = was_sent;
    if (r != NULL)
        end_fields(s, r);
    s->is_over = true;
    if (!is_answer) {
        stream_end(s); /* what has come of it is of no use */
        return;
    }
    atomic_fetch_add(&s->refs, 1);
    answer_pump(s);
    if (!s->is_ended) { /* somebody still reads */
        s->end.headers = fields_kept(s, s->end.headers, s->end.n_headers);
        s->end.trailers = fields_kept(s, s->end.trailers, s->end.n_trailers);
    }
    stream_unref(s);
}

void stream_begin(struct rpc_stream *s)
{
    s->is_started = true;
    s->peer = lane_peer(s->lane, s->send.address);
    if (!s->is_probe)
        peer_earn(s->peer);
    attempt(s);
}
