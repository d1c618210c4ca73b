/*
 * Intake: the profiles of one request on their way to their shards.
 *
 *     items --rate, decode, limits, rate--> batches --.
 *       `---- rate -----------------------> as they came --router--> acked or refused, each by itself --> done
 *
 * A gzip whose shard is another process's goes there as it came, with the limits it is to be held to, and is decoded there
 * (decision 095).  The answer is the same, to the word.
 *
 * N1  Each item gets its own outcome; a bad one does not hinder the others (pyroscope-ingest §2.2).
 * N2  Equal items of one request are told apart by an ordinal: all of them count, and a re-sent request counts once.
 * N3  What the items are decoded into is taken from the server's budget for requests and given back when done.
 */
#pragma once

#include "base/arena.h"
#include "base/fault.h"
#include "ingest/ingest.h"
#include "server/services.h"
#include "tenant/limits.h"

/* Makes the metrics: once, before the first intake_run. */
void intake_metrics(void);

enum { INTAKE_ITEMS_MAX = 65536 };
enum { INTAKE_QUICK_BYTES = 1 << 10 }; /* gzip in it makes no more than a megabyte */

struct intake_item {
    struct slice       body;   /* a pprof, gzip or plain */
    struct labels      labels; /* sorted, so that equal items are seen to be equal; a name may stand twice */
    struct slice       id;     /* the client's */
    struct pprof_hints hints;
};

struct intake_outcome {
    enum code   code;
    const char *text; /* why, when not OK */
};

/* Runs once, on any thread; the outcomes are dead when it returns. */
typedef void intake_done_fn(void *arg, const struct intake_outcome *outcomes, size_t n);

struct intake {
    struct app               *app;
    struct slice              tenant;
    const struct limits      *limits;
    struct arena             *arena; /* used during intake_run only, and what it made must live until done */
    const struct intake_item *items;
    size_t                    n_items;     /* 1 .. INTAKE_ITEMS_MAX */
    int64_t                   now_ns;      /* wall */
    int64_t                   deadline_ns; /* monotonic; INT64_MAX: none */
    bool                      is_on_loop;  /* where nothing waits, there is memory to begin with, and only
                                              profiles of INTAKE_QUICK_BYTES are decoded */
    intake_done_fn           *done;
    void                     *arg;
};

/* Everything `in` points to must live until done; `in` itself need not. */
void intake_run(const struct intake *in);
