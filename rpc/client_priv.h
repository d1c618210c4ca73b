/*
 * Inside the RPC client.
 *
 *     client --> lanes, one for each loop --> peers: what is known of an address there
 *                                        `--> http_client
 *     stream --attempt--> http request --on_head, on_body--> inbox --on_message--> the caller
 *                  ^------- retry ------------on_done----------------on_end------>
 *
 * client.c keeps lanes, client_open.c makes calls, client_attempt.c sees them through, client_answer.c reads what comes back,
 * client_stream.c hears what their callers ask, client_peer.c keeps health and budgets.  All but a stream's constant part
 * and its atomics belongs to the lane's loop.
 */
#pragma once

#include <stdatomic.h>

#include "base/arena.h"
#include "base/metric.h"
#include "net/client.h"
#include "net/loop.h"
#include "rpc/client.h"
#include "rpc/compression.h"
#include "rpc/envelope.h"
#include "rpc/errors.h"

struct rpc_peer {
    struct rpc_peer    *next;
    struct lane_client *lane;
    int                 budget;        /* thousandths of a retry */
    unsigned            n_unavailable; /* answers, in a row */
    bool                is_probing, is_ejected;
    int64_t             rest_ns; /* until it is asked again */
    struct loop_timer  *timer;   /* while it rests */
    char                why[240];
    char                address[];
};

struct lane_client {
    struct loop        *loop;
    struct tls         *tls;
    struct http_client *http; /* made when first needed */
    struct rpc_peer    *peers;
    uint64_t            random;
    bool                is_closing;
};

struct rpc_client {
    size_t             n;
    _Atomic size_t     next; /* round robin */
    struct metric     *retries, *withheld;
    struct lane_client lanes[];
};

struct rpc_stream {
    _Atomic int                       refs; /* the caller's, the loop's until on_end has run, each task's on its way */
    struct rpc_client                *client;
    struct lane_client               *lane;
    struct arena                     *arena;
    struct task                       begin_task;
    struct buf                        body; /* the message that was given at once, for each attempt */
    struct http_send                  send;
    struct http_field                *fields; /* of send; the first is grpc-timeout when there is a deadline */
    const ProtobufCMessageDescriptor *response;
    size_t                            response_bytes_max;
    const struct compression         *packs; /* or NULL */
    struct rpc_retry                  retry;
    struct rpc_events                 on;
    rpc_reply_fn                     *on_reply;
    void                             *arg;
    bool                              is_probe; /* goes to peers that are left alone, too */

    _Atomic int    n_posted;     /* tasks on their way to the loop */
    _Atomic size_t posted_bytes; /* of messages among them */
    _Atomic size_t unsent_bytes; /* when the loop last looked */

    struct rpc_peer          *peer; /* loop, from here on */
    struct http_request      *request;
    struct loop_timer        *timer; /* until the next attempt */
    unsigned                  attempts;
    struct inbox              inbox;
    size_t                    unconsumed;
    const struct compression *comes_by;
    struct arena             *scratch; /* of the message at hand; NULL: none yet */
    unsigned                  n_messages;
    uint8_t                   flags; /* of the one answer, in the inbox */
    size_t                    message_at, message_n;
    struct fault              fault; /* ends the call, when it is none of the peer's */
    struct rpc_end            end;   /* once is_over */
    bool                      is_started, has_failed, is_over, is_ended;
    bool                      wants, is_pumping, waits_for_room;
};

/* ---- client_peer.c ---- */

struct rpc_peer *lane_peer(struct lane_client *lane, const char *address);
void             lane_forget_peers(struct lane_client *lane);
must_check bool  peer_takes_calls(const struct rpc_peer *p, struct fault *why);
void             peer_hear(struct rpc_peer *p, enum code code); /* what it answered, or that it broke off */
must_check bool  peer_spend(struct rpc_peer *p);                /* a retry of its budget */
void             peer_earn(struct rpc_peer *p);                 /* a call that is none */

/* ---- client_attempt.c ---- */

void stream_begin(struct rpc_stream *s);
/* An attempt has ended; the text of `why` and the fields are borrowed. */
void stream_attempt_over(struct rpc_stream *s, const struct fault *why, bool was_sent, const struct http_reply *r);
/* The call is over for a reason of ours. */
__attribute__((format(printf, 3, 4))) void stream_fail(struct rpc_stream *s, enum code code, const char *format, ...);
void                                       stream_end(struct rpc_stream *s);
void                                       stream_unref(struct rpc_stream *s);

/* ---- client_open.c ---- */

/* On its loop, at once: a call of our own. */
void       stream_call_here(struct lane_client *lane, const struct rpc_request *r);
struct buf message_encode(const struct rpc_stream *s, const ProtobufCMessage *message); /* enveloped, maybe packed */

/* ---- client_stream.c ---- */

void stream_tell_room(struct rpc_stream *s); /* whoever waits for it, if there is */

/* ---- client_answer.c ---- */

extern const struct http_events answer_events;
void                            answer_done(void *stream, const struct http_reply *r);
/* Messages go to whoever wants them; then the end, if it has come. */
void answer_pump(struct rpc_stream *s);
