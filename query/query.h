/*
 * Query: a question about a tenant's profiles, answered exactly or not at all.
 *
 *     question --> local shard (direct) and peers (shard.v1.Shard/Query) --> partials --> one merge --> answer
 *
 * Q1  A partial loses nothing: trees are whole, points are sums per (group, step slot) with counts.  Truncation and
 *     ordering happen once, on the merged whole.
 * Q2  A shard that does not answer is an error naming it; there are no partial answers.
 * Q3  An answer that would take too much memory is RESOURCE_EXHAUSTED, never cut.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/fault.h"
#include "model/labels.h"
#include "model/strset.h"
#include "model/tree.h"
#include "router/router.h"

/* ASK_PROFILE: a tree too, of exact stacks; its names are locations (model/location.h). */
enum question_kind { ASK_TYPES, ASK_LABEL_NAMES, ASK_LABEL_VALUES, ASK_SERIES, ASK_TREE, ASK_POINTS, ASK_PROFILE };

struct question {
    enum question_kind  kind;
    const struct slice *tenants; /* federated reads name several */
    size_t              n_tenants;
    int64_t             start_ns, end_ns; /* inclusive; for ASK_POINTS already widened by one step */
    const struct slice *selectors;        /* texts, ANDed; checked by whoever made the question */
    size_t              n_selectors;
    struct slice        profile_type; /* five parts; p == NULL: any */
    const struct slice *call_site;
    size_t              n_call_site;
    struct slice        label; /* ASK_LABEL_VALUES */
    const struct slice *names; /* ASK_SERIES: projection; ASK_POINTS: group_by */
    size_t              n_names;
    int64_t             first_ms, step_ms; /* ASK_POINTS: T = first + k*step takes (T-step, T], the first also T-step */
    const void         *asker;             /* for the two below */
    bool (*is_given_up)(const void *asker); /* NULL, or asked between buckets: nobody waits any more */
    /* NULL, or how query_run goes on when a peer's answer came last: on a worker.  False: no room, it goes on there. */
    bool (*spawn)(const void *asker, void (*fn)(void *arg), void *arg);
};

/* One group's points: slots ascending, no empty ones. */
struct partial_series {
    struct labels labels; /* the group_by tuple, in request order; its texts are C strings */
    uint32_t      n;
    int64_t      *slot, *sum, *count; /* slot k: see first_ms, step_ms */
};

struct partial; /* what has been merged so far; owned by one thread at a time */

struct partial              *partial_new(enum question_kind kind);
void                         partial_free(struct partial *p);
void                         partial_merge(struct partial *into, struct partial *from);
struct strset               *partial_set(struct partial *p); /* ids, names, values, joined label sets */
struct tree                 *partial_tree(struct partial *p);
const struct partial_series *partial_points(struct partial *p, size_t *n); /* sorted by labels */

/*
 * Is a question about types, label names or label values answered here and in less time than a thread takes to wake up?
 */
bool query_is_quick(struct router *r, const struct slice *tenants, size_t n, int64_t start_ns, int64_t end_ns);

/* This process's shard alone: what the shard service answers a peer with. */
must_check enum code query_local(struct shard *s, const struct question *q, struct partial *into, struct fault *why);

/*
 * The whole question.  `done` runs exactly once, on any thread, maybe before the return; it owns the partial (NULL unless
 * OK).  `q` and what it points to must live until then.
 */
typedef void query_done_fn(void *arg, struct partial *p, const struct fault *why);
void         query_run(struct router *r, const struct question *q, int64_t deadline_ns, query_done_fn *done, void *arg);
