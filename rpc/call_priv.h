/*
 * Inside the room: one call, and the dialects it may speak.
 *
 *     loop    call_head -> call_body* -> call_whole --lane--> method
 *     lane                                                    decode, authorize, run, call_reply: encode
 *     loop    write_head, message, write_end  <--loop_post--  call_end
 *
 * A call is alive while its exchange is (until on_gone) and while its method is (from the lane to the end of the
 * call); both are counted in `refs`, which only the loop touches.  Which thread may touch a field:
 *
 * K1  `loop` fields: the loop's thread only.
 * K2  `head` fields: written by the loop before the call goes to its lane, constant from then on.
 * K3  `lane` fields: the lane's from then until the call is ended, then the loop's again: the queue and loop_post hand
 *     over.
 */
#pragma once

#include <stdatomic.h>

#include "net/loop.h"
#include "rpc/codec.h"
#include "rpc/envelope.h"
#include "rpc/crew.h"
#include "rpc/server_priv.h"

/* A message on its way out: with its envelope in front if the dialect has one. */
struct outgoing {
    struct buf bytes;
    bool       is_compressed;
};

enum ending { END_REPLY, END_FAULT, END_HTTP };

struct call {
    struct rpc_server    *server; /* head */
    struct row           *row;
    const struct dialect *dialect;
    const struct codec   *codec;
    const char           *content_type; /* of the answer */
    struct arena         *arena;
    struct arena         *scratch; /* of a stream: emptied after each message; else the arena */
    struct loop          *loop;
    struct http_field    *fields;
    size_t                n_fields;
    struct slice          path, query;
    int64_t               deadline_ns, started_ns;
    bool                  is_gzipped; /* what comes compressed is gzip */
    bool                  wants_gzip;
    bool                  is_plain;

    struct exchange   *x; /* loop; NULL once gone */
    struct inbox       inbox;
    struct loop_timer *timer;
    unsigned           refs, n_messages;
    bool               is_answered, is_head_out;
    bool               is_paused, is_body_whole; /* of a stream: its answers are not being read; its last byte has come */
    size_t             unconsumed;               /* of a stream: bytes that its sender may not replace yet */
    size_t             message_at, message_n; /* the one of a unary call, in the inbox */

    _Atomic bool   is_cancelled; /* any thread */
    _Atomic bool   is_ended;
    _Atomic size_t charged_bytes; /* of rpc_config.inflight_bytes_max */

    void           *user; /* lane */
    struct slice    message;
    bool            is_compressed;
    enum ending     ending;
    struct outgoing out;
    struct fault   *fault;
    int             status;
    const char     *http_content_type;
    struct task     end_task;
    struct job      job;
};

/*
 * What differs between the dialects.  All run on the loop.  `write_error` comes before or after the head; the others
 * come in the order head, messages, end.
 */
struct dialect {
    bool is_enveloped;

    /* Timeout, version and compression, from the fields. */
    enum code (*read_head)(struct call *c, struct fault *why);
    /* The head of a successful answer; `is_compressed` tells of its first message. */
    void (*write_head)(struct call *c, bool is_compressed);
    void (*write_end)(struct call *c);
    void (*write_error)(struct call *c, const struct fault *why);
};

extern const struct dialect dialect_connect, dialect_grpc, dialect_grpc_web, dialect_plain;

/* For the dialects: the parts they share. */
struct head {
    struct http_field fields[16];
    size_t            n;
};

void head_add(struct head *h, struct slice name, struct slice value);
void head_add_cors(struct head *h, const struct call *c);
void head_add_retry(struct head *h, enum code code); /* when trying again may help */
void head_send(struct call *c, int status, const struct head *h);

/* The value of `name` names no compression but gzip; UNIMPLEMENTED names what is supported. */
enum code read_compression(struct call *c, const char *name, struct fault *why);

typedef bool timeout_fn(struct slice text, int64_t *ns); /* rpc/metadata.h */
enum code    read_deadline(struct call *c, const char *name, timeout_fn *parse, struct fault *why);

/* The server's side of an exchange. */
struct call *call_new(struct rpc_server *s, struct row *row, struct exchange *x);
void         call_head(struct call *c);
void         call_body(struct call *c, struct slice piece);
void         call_whole(struct call *c);
void         call_writable(struct call *c);
void         call_gone(struct call *c);

/* Within the call, call.c and request.c: on the loop but for call_prepare and outgoing_make. */
bool      call_charge(struct call *c, size_t bytes); /* request memory; false: call_too_busy */
void      call_discharge(struct call *c, size_t bytes);
enum code call_too_busy(struct fault *why);
void      call_answered(struct call *c, enum code code);
/* An answer that does not come from the method; it may still be at work, and what it says is thrown away. */
void call_refuse(struct call *c, const struct fault *why);
void call_run(struct call *c); /* on its lane: to the method, or to its end */
/* Authorized, inflated, decoded.  *message is NULL for plain routes. */
enum code call_prepare(struct call *c, const ProtobufCMessage **message, struct fault *why);
enum code outgoing_make(const struct call *c, const ProtobufCMessage *message, struct outgoing *out, struct fault *why);
void      outgoing_write(struct call *c, struct outgoing *out); /* gives its bytes away */

/* Streams: one answer of several, and the end of a good one.  On the loop. */
void call_send(struct call *c, const ProtobufCMessage *message);
void call_close(struct call *c);
