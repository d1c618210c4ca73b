/* Inside query/: what a partial is made of. */
#pragma once

#include "query/points.h"
#include "query/query.h"

struct partial {
    enum question_kind kind;
    struct arena      *arena;
    struct strset     *set;    /* ASK_TYPES, _LABEL_NAMES, _LABEL_VALUES, _SERIES */
    struct tree       *tree;   /* ASK_TREE, _PROFILE */
    struct points     *points; /* ASK_POINTS */
};

/* What an answer may grow to, each about half a gigabyte: a query must not take the memory that everybody shares. */
enum { PARTIAL_NODES_MAX = 16 << 20, PARTIAL_SET_MAX = 2 << 20, PARTIAL_POINTS_MAX = 8 << 20 };

/* The same of the names of ASK_PROFILE, which are long. */
#define PARTIAL_NAME_BYTES_MAX ((size_t)256 << 20)

/* RESOURCE_EXHAUSTED: `p` is larger. */
must_check enum code partial_check(const struct partial *p, struct fault *why);
