/*
 * RPC client: gRPC over pooled HTTP/2, for our own fan-out: one question and its answer, and streams of every kind.
 *
 *     rpc_client_call    one message -> on_reply
 *     rpc_stream_open    messages as they come, each when it is asked for -> on_message ... on_end
 *
 * Y1  Usable from any thread; callbacks run on a loop's thread, one at a time for each call, and never inside a function of
 *     this header but rpc_client_free.  Every call ends exactly once, by on_reply or on_end.
 * Y2  Nothing waits on a thread.  A stream's answers stay with its peer until rpc_stream_next asks (at most 1 MiB and a
 *     message are held here); who sends looks at rpc_stream_has_room and goes on at on_room.
 * Y3  A call is tried again only by its own policy (struct rpc_retry), only where that is safe, within its deadline, and
 *     as far as its peer's budget goes: one retry for ten calls, ten in a row.
 * Y4  A peer that cannot be connected to fails calls at once for a moment, by name (net/client.h).  One that answers
 *     UNAVAILABLE five times in a row is asked for its health (grpc.health.v1), and gets no calls until it is well.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

struct buf;
struct detail;     /* rpc/errors.h */
struct http_field; /* net/http.h */
struct loop;
struct tls;
struct rpc_client;
struct rpc_stream;

/* Spreads its connections over the loops.  `tls` as in net/client.h. */
struct rpc_client *rpc_client_new(struct loop *const *loops, size_t n_loops, struct tls *tls);
void               rpc_client_set_tls(struct rpc_client *c, struct tls *tls);
void rpc_client_free(struct rpc_client *c); /* nothing pending; the loops still run, or are this thread's */

/* Only calls whose one message was given at once are tried again, and only on UNAVAILABLE.  Zeroes: never. */
struct rpc_retry {
    unsigned attempts_max;  /* the first included */
    int64_t  backoff_ns;    /* before the second, about; doubles.  0: 20 ms */
    bool     is_idempotent; /* again also when the peer may have acted on it */
};

/*
 * The message is unpacked into memory that is freed when the callback returns; NULL unless code is OK.  `was_sent`: the
 * peer may have acted on the request (net/client.h C3); true whenever it answered.
 */
typedef void rpc_reply_fn(void *arg, enum code code, const char *text, bool was_sent, const ProtobufCMessage *response);

enum { RPC_ROOM = 5 };

/* All is copied, the message encoded, before the call returns. */
struct rpc_request {
    const char                       *address; /* "host:port" */
    const char                       *path;    /* "/hearth.shard.v1.Shard/Query" */
    const ProtobufCMessage           *message; /* of streams: NULL when rpc_stream_send follows */
    struct buf                       *packed;  /* or the message as protobuf behind RPC_ROOM bytes of room; taken */
    const ProtobufCMessageDescriptor *response;
    const char *const                *fields;             /* name, value, name, value, ..., NULL; or NULL */
    int64_t                           deadline_ns;        /* monotonic, handed on as grpc-timeout; 0: none */
    size_t                            response_bytes_max; /* of each message, unpacked */
    const char                       *compression;        /* of our messages: "gzip", "zstd"; NULL: none */
    const char                       *accepts;            /* of the answers: "zstd,gzip"; NULL: none */
    struct rpc_retry                  retry;
    rpc_reply_fn                     *on_reply; /* of rpc_client_call */
    void                             *arg;
};

/*
 * on_reply runs exactly once.  `text` names the address when the peer could not be reached (UNAVAILABLE).
 * The handle is good for rpc_stream_cancel until then.
 */
struct rpc_stream *rpc_client_call(struct rpc_client *c, const struct rpc_request *r);

/* ---- streams ---- */

/* How a call ended.  All is borrowed for the callback. */
struct rpc_end {
    enum code                code;
    const char              *text;
    bool                     was_sent;
    const ProtobufCMessage  *message; /* where one answer is expected and code is OK */
    const struct detail     *details; /* of google.rpc.Status */
    size_t                   n_details;
    const struct http_field *headers, *trailers; /* -bin values are base64, as they came */
    size_t                   n_headers, n_trailers;
};

struct rpc_events {
    void (*on_message)(void *arg, const ProtobufCMessage *m); /* NULL: the method has one answer, which on_end brings */
    void (*on_room)(void *arg);                               /* asked for by rpc_stream_when_room; or NULL */
    void (*on_end)(void *arg, const struct rpc_end *end);     /* last; see below */
};

/*
 * The end comes behind the answers, also those that were not asked for yet, unless the call broke, was cancelled or ran out
 * of time: then at once.
 *
 * The handle is the caller's until rpc_stream_free, which cancels a stream that has not ended.  What is asked of one that
 * has ended does nothing.  One thread at a time; a callback counts as one.
 */
struct rpc_stream *rpc_stream_open(struct rpc_client *c, const struct rpc_request *r, const struct rpc_events *on);
void               rpc_stream_free(struct rpc_stream *s);

void rpc_stream_next(struct rpc_stream *s); /* one on_message, unless there are no more */
void rpc_stream_cancel(struct rpc_stream *s);

/* Only where `message` was NULL. */
void rpc_stream_send(struct rpc_stream *s, const ProtobufCMessage *message); /* encoded at once */
void rpc_stream_close_send(struct rpc_stream *s);                            /* there are no more */
bool rpc_stream_has_room(const struct rpc_stream *s);
void rpc_stream_when_room(struct rpc_stream *s); /* on_room, once */
