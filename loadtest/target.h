/*
 * Target: the server that is loaded, by HTTP/2 from one loop thread.
 *
 *     any thread:  target_send --post--> loop: sent --answer--> on_done (loop thread)
 *                  target_ask: the same, and waits
 *
 * G1  on_done runs exactly once for each shot, on the loop's thread; the shot is the target's until then.
 * G2  What became of a shot is told in the words of the ledger: nobody knows only when the server may have acted on it
 *     and did not say.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"
#include "base/slice.h"
#include "net/loop.h"

enum dialect_of_shot { SHOT_CONNECT, SHOT_GRPC, SHOT_PLAIN, SHOT_GET };

enum outcome { OUTCOME_OK, OUTCOME_REFUSED, OUTCOME_UNKNOWN };

struct target;
struct shot;
typedef void shot_done_fn(struct shot *s);

struct shot {
    struct task          task; /* first: the loop's */
    struct target       *target;
    enum dialect_of_shot dialect;
    struct arena        *arena;
    struct slice         path, tenant;                  /* in the arena; tenant empty: none */
    struct buf           body;                          /* owned; of gRPC with its envelope (shot_open, shot_close) */
    int64_t              intended_ns, sent_ns, done_ns; /* monotonic */
    shot_done_fn        *on_done;
    void                *arg;
    uint64_t             number; /* the sender's */
    struct shot         *then;   /* the sender's: the same again, once this is acked; or NULL */

    /* the answer, for on_done */
    enum outcome outcome;
    bool         is_unreachable; /* nobody was there to be asked */
    struct slice answer;         /* OK: the message */
    char         why[200];       /* else */
};

struct target_config {
    const char *url;
    const char *token_file; /* "" for none */
    int64_t     timeout_ns;
};

must_check enum code target_open(const struct target_config *config, struct target **out, struct fault *why);
void                 target_close(struct target *t); /* every shot done */

/* A new shot, path and tenant copied; its body is to be appended between open and close. */
struct shot *shot_new(struct target *t, enum dialect_of_shot dialect, struct slice path, struct slice tenant);
void         shot_open(struct shot *s);
void         shot_close(struct shot *s);
void         shot_free(struct shot *s);

void target_send(struct target *t, struct shot *s);

/* Sends, waits, appends the answer.  UNAVAILABLE: not reachable; else INTERNAL: what the server said. */
must_check enum code target_ask(struct target *t, struct shot *s, struct buf *answer, struct fault *why);
