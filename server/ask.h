/*
 * Ask: one query RPC, from its checks to its answer.
 *
 *     method_fn: ask_new -> ask_range, ask_type, ask_selector ... -> ask_run --> query_run ... reply(ask, partial)
 *
 * A1  The checks note the first fault and do nothing after it; ask_run answers with it.  So a method reads as a list.
 * A2  Everything lives in the call's arena; reply ends the call, and then the ask is gone.
 * A3  Methods do not wait: the reply runs on the worker when every shard is here, else on a worker of the same lane later.
 */
#pragma once

#include "query/pprof.h"
#include "query/query.h"
#include "rpc/call.h"

struct ask;
typedef void ask_reply_fn(struct ask *a, struct partial *p); /* the partial stays the ask's */
typedef void ask_pair_fn(struct ask *left_ask, struct partial *left, struct partial *right);

struct ask {
    struct call    *call;
    struct arena   *arena;
    struct question question;
    int64_t         start_ms, end_ms; /* checked */
    struct fault    why;              /* code OK so far */
    bool            is_empty;         /* nothing to look for: the answer is the empty message */

    /* what the reply needs to know, each set by the methods it is for */
    int64_t max_nodes; /* 0: all */
    int64_t limit;     /* of series; <= 0: all */
    int     format;
    bool    is_mean;
    bool    shows_utf8; /* label names outside [a-zA-Z_][a-zA-Z0-9_]* too */

    struct profile_type type;  /* ask_type's */
    struct pprof_form   pprof;

    ask_reply_fn *reply; /* ask.c's */
};

/* Is it worth less than a worker's wake-up?  Of the questions that query_is_quick is for; without regexes. */
bool ask_is_quick(struct call *c, int64_t start_ms, int64_t end_ms, char *const *matchers, size_t n);

struct ask *ask_new(struct call *c, enum question_kind kind);

/* Notes a fault, if it is the first. */
__attribute__((format(printf, 3, 4))) void ask_fail(struct ask *a, enum code code, const char *format, ...);

void ask_range(struct ask *a, int64_t start_ms, int64_t end_ms);
void ask_type(struct ask *a, const char *id);
void ask_selector(struct ask *a, const char *text); /* the one of the flame graph calls */
void ask_matchers(struct ask *a, char *const *texts, size_t n,
                  const char *wrapped); /* a list; `wrapped` precedes a fault */

struct slice *ask_texts(struct ask *a, char *const *texts, size_t n); /* as slices */

/* The question is whole: it is asked, or the fault is answered.  `empty` is the answer when is_empty. */
void ask_run(struct ask *a, ask_reply_fn *reply, const ProtobufCMessage *empty);

/*
 * Two questions of one call at the same time; one fault fails both, the left one first.  An empty half has an empty
 * partial.  `reply` ends the call, as above; what it has to know stands in the left ask.
 */
void ask_run_pair(struct ask *left, struct ask *right, ask_pair_fn *reply);
