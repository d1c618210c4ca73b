/* Ask: questions of querier.v1 as bytes, put to the target. */
#pragma once

#include "loadtest/target.h"
#include "oracle/question.h"

/* What a question is made of, in the words of the API. */
struct ask {
    struct slice        tenant;
    const char         *method;   /* "SelectSeries" */
    struct slice        selector; /* empty: none */
    struct slice        type_id;
    int64_t             from_ms, to_ms;
    int64_t             max_nodes, step_ms;
    struct slice        label;  /* LabelValues: the name; SelectSeries: group_by */
    const struct slice *labels; /* Series */
    size_t              n_labels;
};

struct shot *ask_shot(struct target *t, const struct ask *a);

/* UNAVAILABLE: not reachable; INTERNAL: refused, with the server's words. */
must_check enum code ask_now(struct target *t, const struct ask *a, struct buf *answer, struct fault *why);
