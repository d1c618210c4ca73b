/*
 * Guard: what a peer may cost.  guard.c has every number: a table of the classes of abuse, and http_limits_default.
 *
 *     spent ---charge---> up to burst, then the peer has gone too far
 *           <--earn------ useful work            <--time-- per_s
 *
 * G1  Each connection has a bucket for each class that is counted; all zero is a fresh one.  Its loop's thread only.
 * G2  hearth_net_abuse_total{class} counts what was ended or refused because of it, not the frames that led there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What earns a token: so many bytes of body received (DRIBBLE), of answers sent (TINY_WINDOWS). */
enum { DRIBBLE_BYTES = 16, WINDOW_BYTES = 256 };

enum abuse {
    /* counted on each connection */
    ABUSE_RAPID_RESET,
    ABUSE_PROVOKED_RESET,
    ABUSE_HEADER_BOMB,
    ABUSE_PING_FLOOD,
    ABUSE_SETTINGS_FLOOD,
    ABUSE_EMPTY_FRAMES,
    ABUSE_DRIBBLE,
    ABUSE_TINY_WINDOWS,
    ABUSE_STREAM_FLOOD,
    ABUSE_BUCKETS,
    /* once is enough */
    ABUSE_CONTINUATION_FLOOD = ABUSE_BUCKETS,
    ABUSE_SLOW_HEAD,
    ABUSE_SLOW_BODY,
    ABUSE_SLOW_READ,
    ABUSE_HELD_MEMORY,
    ABUSE_MALFORMED,
    ABUSE_PROTOCOL_ERROR,
    ABUSE_DECOMPRESSION_BOMB,
    ABUSE_CONNECTIONS,
    ABUSE_ADDRESS_CONNECTIONS,
    ABUSE_N
};

struct guard {
    struct {
        int64_t spent, at_ms; /* thousandths of a token, as of then */
    } buckets[ABUSE_BUCKETS];
};

/* False: the peer has spent more than its budget. */
bool guard_charge(struct guard *g, enum abuse what, int64_t cost, int64_t now_ms);
void guard_earn(struct guard *g, enum abuse what, int64_t n);

void abuse_count(enum abuse what); /* any thread */
void abuse_init(void);             /* shows all classes, at 0 */

/* What has to move and at which pace: something in each wait, and at least `rate_min` bytes a second on average. */
struct pace {
    int64_t since_ms; /* of the present wait */
    int64_t moved_ms; /* last */
    size_t  bytes;    /* that moved in it */
};

static inline void pace_begin(struct pace *p, int64_t now_ms) { *p = (struct pace){ now_ms, now_ms, 0 }; }

static inline void pace_moved(struct pace *p, size_t n, int64_t now_ms)
{
    p->bytes += n;
    p->moved_ms = now_ms;
}

/* To be asked now and then while something has to move; a wait that went well is followed by the next. */
bool pace_is_slow(struct pace *p, int64_t wait_ns, size_t rate_min, int64_t now_ms);
