/*
 * Inside the room: one call, and the dialects it may speak.
 *
 *     loop    call_head -> call_body* -> call_whole --lane--> method
 *     lane                                                    decode, authorize, run, call_reply: encode
 *     loop    write_head, message*, write_end  <--loop_post--  call_send*, call_end
 *
 * A call is alive while its exchange is (until on_gone) and while its method is (from the first step on its lane to the
 * end of the call); both are counted in `refs`, which only the loop touches.  Which thread may touch a field:
 *
 * K1  `loop` fields: the loop's thread only.
 * K2  `head` fields: written by the loop before the call goes to its lane, constant from then on.
 * K3  `lane` fields: the lane's while it has a step to do, the loop's between two steps and after the end: the queue and
 *     loop_post hand over.
 * K4  What the loop does by itself (deadline, refusal) touches no lane field: the method may be at work.
 */
#pragma once

#include <stdatomic.h>

#include "net/loop.h"
#include "rpc/codec.h"
#include "rpc/compression.h"
#include "rpc/crew.h"
#include "rpc/envelope.h"
#include "rpc/errors.h"
#include "rpc/server_priv.h"

/* A message on its way out: with its envelope in front if the dialect has one. */
struct outgoing {
    struct buf bytes;
    bool       is_compressed;
};

enum ending { END_REPLY, END_CLOSE, END_FAULT, END_HTTP };

/* What the method said it waits for. */
enum waits { WAITS_NOT, WAITS_FOR_MESSAGE, WAITS_FOR_ROOM, WAITS_FOR_TIME };

/* The name of a trailer follows this prefix in memory: how Connect sends it as a header. */
#define TRAILER_PREFIX "trailer-"
enum { TRAILER_PREFIX_BYTES = sizeof TRAILER_PREFIX - 1 };

struct metadata {
    struct http_field *at;
    size_t             n;
};

struct call {
    struct rpc_server        *server; /* head */
    const struct face        *face;   /* where it came in */
    struct row               *row;
    const struct dialect     *dialect;
    const struct codec       *codec;
    const char               *content_type; /* of the answer */
    struct arena             *arena;
    struct loop              *loop;
    struct http_field        *fields;
    size_t                    n_fields;
    struct slice              path, query;
    struct slice             *peer_names;
    size_t                    n_peer_names;
    int64_t                   deadline_ns, started_ns;
    const struct compression *comes_by, *goes_by; /* what messages may be packed by; NULL: not */
    bool                      is_plain, is_get;
    enum lane                 lane; /* the row's; LANE_INLINE for as long as a small request is taken to be quick */

    struct exchange   *x; /* loop; NULL once gone */
    struct inbox       inbox;
    struct loop_timer *timer, *wake; /* of the deadline, of call_after */
    unsigned           refs, n_messages;
    enum waits         waits;
    bool               is_answered, is_head_out, is_body_whole;
    bool               is_begun, is_moving;               /* the method has run; call_move is at work */
    bool               has_headers, has_trailers;         /* the method has handed them over */
    size_t             unconsumed; /* of a stream: bytes that its sender may not replace yet */
    size_t             message_at, message_n; /* the one of a unary call, in the inbox */
    int64_t            wake_ns;

    _Atomic bool   is_cancelled; /* any thread */
    _Atomic bool   is_ended;
    _Atomic size_t charged_bytes; /* of rpc_config.inflight_bytes_max */
    _Atomic size_t posted_bytes;  /* sent by the method, not yet by the loop */
    _Atomic size_t unsent_bytes;  /* what the exchange had unsent when the loop last looked */

    void           *user; /* lane */
    struct arena   *scratch;        /* of a client's stream: emptied after each message; else the arena */
    size_t          message_charged; /* of charged_bytes, for the message of a stream at hand */
    struct slice    message;
    const ProtobufCMessage *prepared; /* decoded on the loop, for the lane */
    bool            has_message, is_compressed, is_authorized;
    bool            has_run;
    bool            is_spoiled; /* `fault` ends the call, whatever the method ends it with */
    enum waits      asked;
    resume_fn      *resume;
    struct metadata headers, trailers;
    struct detail  *details;
    size_t          n_details;
    enum ending     ending;
    struct outgoing out;
    struct fault   *fault;
    int             status;
    const char     *http_content_type;
    struct task     end_task, wait_task;
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

extern const struct dialect dialect_connect, dialect_connect_get, dialect_connect_stream, dialect_grpc, dialect_grpc_web,
    dialect_plain;

/* For the dialects: the parts they share. */
struct head {
    size_t            n;
    struct http_field fields[16 + 2 * CALL_METADATA_MAX];
};

void head_add(struct head *h, struct slice name, struct slice value);
void head_add_all(struct head *h, const struct http_field *fields, size_t n);
void head_add_cors(struct head *h, struct call *c);
void head_add_retry(struct head *h, enum code code); /* when trying again may help */
void head_send(struct call *c, int status, const struct head *h);

/* What the method has handed over, empty before. */
struct metadata call_headers(const struct call *c);
struct metadata call_trailers(const struct call *c);
size_t          call_details(const struct call *c, const struct detail **at);

/* The compression that `name` names, of the messages to come. */
enum code read_compression(struct call *c, const char *name, struct fault *why);
/* The compression of the answers: that of the question, or the first that the list in `name` takes. */
void read_accepted(struct call *c, const char *name);

typedef bool timeout_fn(struct slice text, int64_t *ns); /* rpc/metadata.h */
enum code    read_deadline(struct call *c, const char *name, timeout_fn *parse, struct fault *why);

/* Connect's own: its version (if it is said) and its timeout. */
enum code read_connect(struct call *c, struct fault *why);

/* The server's side of an exchange. */
struct call *call_new(const struct face *f, struct row *row, struct exchange *x);
void         call_head(struct call *c);
void         call_body(struct call *c, struct slice piece);
void         call_whole(struct call *c);
void         call_writable(struct call *c);
void         call_gone(struct call *c);

/*
 * Within the call: its life (call.c), the way in (request.c), whoever waits (stream.c), what a step begins with
 * (prepare.c), the way out (answer.c).  On the loop, but for the two that say otherwise.
 */
void call_ref(struct call *c);
void call_unref(struct call *c);
bool call_client_streams(const struct call *c);

void call_discharge(struct call *c, size_t bytes);

void      call_refuse_size(struct call *c, size_t n);
enum code check_flags(const struct call *c, uint8_t flags, struct fault *why);

static inline struct call *call_of_job(struct job *j)
{
    return (struct call *)((char *)j - offsetof(struct call, job));
}

/* The next step goes to the call's lane.  An inline one has run when this returns. */
void call_step(struct call *c, void (*step)(struct job *j));
void call_move(struct call *c); /* what it waits for may be there */

/* Authorized, inflated, decoded; then the method runs. */
void call_run(struct job *j);

void call_answered(struct call *c, enum code code);
/* An answer that does not come from the method; it may still be at work, and what it says is thrown away. */
void call_refuse(struct call *c, const struct fault *why);
/* The method cannot go on: `why` ends the call.  On the lane. */
void call_spoil(struct call *c, const struct fault *why);
size_t call_unsent(const struct call *c); /* of its answers, on the loop */
