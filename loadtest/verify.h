/*
 * Verify: questions put to the server whose answers the oracle knows.
 *
 *     beside the load   random ones, about what has been answered for before the question is put
 *     after it          first those whose fate nobody told, one by one, until it is known; then every stack of every
 *                       service and type, every profile's total, and all label sets of every tenant
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "loadtest/ask.h"
#include "oracle/question.h"

/* BOXES_WHOLE: a flame graph may have so many, and only one that is whole can be checked. */
enum { FAULTS_SHOWN = 8, FAULT_BYTES = 480, BOXES_WHOLE = 1 << 20 };

struct verdict {
    _Atomic long n_asked, n_wrong, n_unanswered; /* unanswered: an error or nobody there */
    long         n_resolved, n_contradictory; /* of the ambiguous: their fate is known; no fate explains the answer */
    int64_t      stacks, points;              /* compared after the load */
    bool         is_unreachable;
    char         faults[FAULTS_SHOWN][FAULT_BYTES];
    size_t       n_faults;
};

struct verifier {
    struct oracle         oracle;
    struct target        *target;
    struct verdict       *verdict;   /* one thread at a time */
    struct arena         *arena;     /* emptied with each question */
    const _Atomic size_t *used;      /* requests that may have been sent; grows while the load runs */
    bool                  is_beside; /* the load runs: what is not answered yet may be there or not */
};

/* One random question about profiles [0, settled). */
void verify_random(struct verifier *v, uint64_t settled, uint64_t dice);

/* Everything.  `progress` (may be NULL) is called now and then with parts done of all. */
typedef void verify_progress_fn(void *arg, uint64_t done, uint64_t all);
void         verify_all(struct verifier *v, verify_progress_fn *progress, void *arg);

static inline uint64_t verifier_n(const struct verifier *v) /* profiles there may be */
{
    return *v->used * (uint64_t)workload_spec_of(v->oracle.w)->batch;
}

/* ---- one question each, for both of the above (verify.c, verify_all.c) ---- */

void verify_stacks(struct verifier *v, const struct question *q, struct candidates c);
void verify_points(struct verifier *v, const struct question *q, struct candidates c, int64_t step_ms);
void verify_set(struct verifier *v, uint32_t tenant, struct candidates c, enum set_kind kind);

/* The answer's stacks; false: there is none, and the verdict knows. */
must_check bool ask_stacks(struct verifier *v, const struct question *q, struct tally *out);
void            verdict_fault(struct verifier *v, const struct question *q, const char *method, const char *what);
