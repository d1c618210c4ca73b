#include "net/guard.h"

#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/metric.h"
#include "net/http.h"

/*
 * Each budget is what no client that means well comes near, and what a connection may cost for nothing.  A token of
 * the floods of frames is worth 0.1 to 0.5 us of CPU, of resets some us, of heads up to 100.  `burst` is at most about
 * a millisecond, for an attacker may begin a connection as often as he likes; `per_s` is a few thousandths of a core.
 */
static const struct budget {
    const char *name;
    int64_t     burst, per_s; /* a bucket's; 0: http_limits bound it, and once is enough */
} classes[ABUSE_N] = {
    /* A token: a request reset by its client.  A dashboard that is closed cancels what it had open: some tens. */
    [ABUSE_RAPID_RESET] = { "rapid_reset", 200, 20 },
    /* A reset that we had to send (window overflow, bad field, wrong length).  No client that works needs one. */
    [ABUSE_PROVOKED_RESET] = { "provoked_reset", 50, 5 },
    /* A head answered 431: up to head_bytes_max of it was decoded, out of as little as one byte for each field. */
    [ABUSE_HEADER_BOMB] = { "header_bomb", 10, 1 },
    /* A PING, to which we owe an answer.  Go's clients send one for a burst of DATA: each frame of ours earns one. */
    [ABUSE_PING_FLOOD] = { "ping_flood", 1000, 100 },
    /* SETTINGS: an answer, and a walk over all streams.  Clients send one, and Go's up to ten as windows grow. */
    [ABUSE_SETTINGS_FLOOD] = { "settings_flood", 100, 10 },
    /* DATA of nothing, PRIORITY, RST_STREAM of what is closed.  Browsers send one a request: each request earns it. */
    [ABUSE_EMPTY_FRAMES] = { "empty_frames", 1000, 100 },
    /* A piece of body that does not end it; DRIBBLE_BYTES earn one.  Small messages of a stream: 5,000 a second. */
    [ABUSE_DRIBBLE] = { "dribble", 5000, 5000 },
    /* A WINDOW_UPDATE, or a frame of ours that the window cut; whole frames and every WINDOW_BYTES of them earn. */
    [ABUSE_TINY_WINDOWS] = { "tiny_windows", 500, 100 },
    /* A stream refused: above streams_max before our settings arrived (they say so), or too much is unread. */
    [ABUSE_STREAM_FLOOD] = { "stream_flood", 500, 50 },
    /* nghttp2 takes eight for a head, which is twice head_bytes_max. */
    [ABUSE_CONTINUATION_FLOOD] = { .name = "continuation_flood" },
    /* head_wait_ns, also for the preface and a TLS handshake */
    [ABUSE_SLOW_HEAD] = { .name = "slow_head" },
    /* body_wait_ns, rate_min */
    [ABUSE_SLOW_BODY] = { .name = "slow_body" },
    /* answer_wait_ns, rate_min, held_bytes_max */
    [ABUSE_SLOW_READ] = { .name = "slow_read" },
    /* held_total_bytes_max */
    [ABUSE_HELD_MEMORY] = { .name = "held_memory" },
    /* HTTP/1 that two readers could understand in two ways */
    [ABUSE_MALFORMED] = { .name = "malformed_request" },
    /* connection errors of HTTP/2 that are none of the above */
    [ABUSE_PROTOCOL_ERROR] = { .name = "protocol_error" },
    /* the message size of the method, unpacked */
    [ABUSE_DECOMPRESSION_BOMB] = { .name = "decompression_bomb" },
    /* connections_max, address_connections_max */
    [ABUSE_CONNECTIONS] = { .name = "connections" },
    [ABUSE_ADDRESS_CONNECTIONS] = { .name = "address_connections" },
};

const struct http_limits http_limits_default = {
    .head_bytes_max = 64 << 10, /* what proxies in front let through is 8 to 32 KiB */
    .fields_max = 128,
    .heads_bytes_max = 1 << 20, /* 250 heads of the usual 1 KiB, four times over */
    .unsent_bytes_max = 1 << 20,
    .held_bytes_max = 16 << 20,
    .held_total_bytes_max = 256 << 20,
    .streams_max = 250,
    .requests_max = 10000000, /* far from the end of stream ids, 2^30 */
    .connections_max = INT64_MAX,
    .address_connections_max = INT64_MAX,
    .idle_ns = 300 * NS_PER_S,
    .age_max_ns = INT64_MAX,
    .head_wait_ns = 10 * NS_PER_S,
    .body_wait_ns = 30 * NS_PER_S,
    .answer_wait_ns = 30 * NS_PER_S,
    .rate_min = 240, /* a modem of 1990 */
};

static struct metric *counters[ABUSE_N];

static void make_counters(void)
{
    char labels[64];

    for (int i = 0; i < ABUSE_N; i++) {
        snprintf(labels, sizeof labels, "class=\"%s\"", classes[i].name);
        counters[i] =
            metric_counter("hearth_net_abuse_total",
                           "Connections, streams and requests ended or refused, by what the peer did.", labels);
    }
}

void abuse_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_counters);
}

void abuse_count(enum abuse what)
{
    abuse_init();
    metric_add(counters[what], 1);
}

bool guard_charge(struct guard *g, enum abuse what, int64_t cost, int64_t now_ms)
{
    const struct budget *c = &classes[what];
    int64_t              spent = g->buckets[what].spent - (now_ms - g->buckets[what].at_ms) * c->per_s;

    spent = (spent > 0 ? spent : 0) + cost * 1000;
    g->buckets[what].spent = spent;
    g->buckets[what].at_ms = now_ms;
    return spent <= c->burst * 1000;
}

void guard_earn(struct guard *g, enum abuse what, int64_t n)
{
    int64_t spent = g->buckets[what].spent - n * 1000;

    g->buckets[what].spent = spent > 0 ? spent : 0;
}

bool pace_is_slow(struct pace *p, int64_t wait_ns, size_t rate_min, int64_t now_ms)
{
    int64_t waited_ms = now_ms - p->since_ms;

    if ((now_ms - p->moved_ms) * NS_PER_MS > wait_ns)
        return true;
    if (waited_ms * NS_PER_MS <= wait_ns)
        return false;
    if (p->bytes < rate_min * (size_t)waited_ms / 1000)
        return true;
    pace_begin(p, now_ms);
    return false;
}
