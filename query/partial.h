/* Inside query/: what a partial is made of. */
#pragma once

#include "query/points.h"
#include "query/query.h"

struct partial {
    enum question_kind kind;
    struct arena      *arena;
    struct strset     *set;    /* ASK_TYPES, _LABEL_NAMES, _LABEL_VALUES, _SERIES */
    struct tree       *tree;   /* ASK_TREE */
    struct points     *points; /* ASK_POINTS */
};
