/*
 * Question: what is asked of one tenant, and what the answer has to be.
 *
 *     workload (what was sent)  +  ledger (what became of it)  -->  tally   ==?  answer
 *
 * The window is of whole slots, so that no profile lies on its edge.
 */
#pragma once

#include "base/buf.h"
#include "oracle/ledger.h"
#include "oracle/tally.h"
#include "oracle/workload.h"

enum { BY_SERVICE = 1, BY_POD = 2, BY_REGION = 4 };

struct question {
    unsigned       by;   /* which labels of `like` are asked for, beside `run`; BY_POD includes its service */
    struct profile like; /* its tenant, kind, service, pod */
    uint32_t       type; /* of the kind's */
    int64_t        from_ns, to_ns;
};

/* Which profiles are looked at: numbers[0, n), or when that is NULL [first, first + n). */
struct candidates {
    const uint64_t *numbers;
    uint64_t        first, n;
};

struct oracle {
    const struct workload *w;
    struct ledger         *l;
};

/* Does the profile answer the question, whatever its fate? */
bool question_takes(const struct question *q, const struct profile *p);

/* {run="x",service_name="shop-3",...}, appended. */
void question_selector(const struct workload *w, const struct question *q, struct buf *out);

/* Each stack's sum.  False: the fate of a profile it would take is not known, so nobody can say. */
must_check bool expect_stacks(const struct oracle *o, const struct question *q, struct candidates c, struct arena *a,
                              struct tally *out);

/*
 * The same of SelectSeries by pod: T = from + i * step takes (T - step, T], i > 0.  The window is whole steps; the request
 * says from + step, for the API's first point looks one step back.
 */
must_check bool expect_points(const struct oracle *o, const struct question *q, struct candidates c, int64_t step_ms,
                              struct arena *a, struct tally *out);

enum set_kind { SET_PODS, SET_SERVICES, SET_MARKERS, SET_TYPES, SET_SERIES };

/* Of the stored profiles of q's tenant (of any kind), or with `with_unknown` also those that may be stored. */
void expect_set(const struct oracle *o, const struct question *q, struct candidates c, enum set_kind kind,
                bool with_unknown, struct tally *out);

/* The labels that SET_SERIES tells apart, for the request. */
enum { SERIES_LABELS = 6 };
extern const struct slice series_label_names[SERIES_LABELS];
