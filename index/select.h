/*
 * Select: the questions one bucket can answer.  Any thread that holds a reference on the bucket; lock-free and without
 * waiting beside its writer.  Each call sees one consistent prefix of what was published (index/bucket.h).
 *
 * A stream is a series under one profile type.  Its labels are those of the series and what the type adds: __name__,
 * __type__, __unit__, __period_type__, __period_unit__, __profile_type__ and __service_name__ (a copy of service_name).
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/fault.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "model/strset.h"
#include "model/tree.h"

struct bucket;
struct naming;

struct selection {
    int64_t                start_ns, end_ns; /* both inclusive */
    const struct selector *selectors;        /* a stream must pass all of them */
    size_t                 n_selectors;
    struct slice           profile_type;     /* five-part id; p == NULL: any */
    const struct slice    *call_site;        /* function names from the root: only stacks that begin so count */
    size_t                 n_call_site;
    const struct slice    *names;            /* select_points: the labels it gives of a stream; NULL: all */
    size_t                 n_names;
};

/*
 * About how many series and points the first three look at, whatever the selectors; UINT64_MAX: they may have to wait for a
 * disk.
 */
uint64_t select_effort(const struct bucket *b, int64_t start_ns, int64_t end_ns);

/* Distinct five-part ids of the matching streams that have a point in the range. */
must_check enum code select_types(const struct bucket *b, const struct selection *s, struct strset *out, struct fault *why);

must_check enum code select_label_names(const struct bucket *b, const struct selection *s, struct strset *out,
                                        struct fault *why);
must_check enum code select_label_values(const struct bucket *b, const struct selection *s, struct slice name,
                                         struct strset *out, struct fault *why);

/* Label sets (labels_join) cut to `names` (n == 0: all). */
must_check enum code select_series(const struct bucket *b, const struct selection *s, const struct slice *names, size_t n_names,
                                   struct strset *out, struct fault *why);

/*
 * Totals over time.  `open` is called once for each matching stream, before its points, and returns what `point` is given;
 * `labels` live for the call.  With a call site only the samples below it are summed, and points without any are left out.
 */
struct point_sink {
    void *arg;
    void *(*open)(void *arg, struct labels labels);
    void (*point)(void *arg, void *stream, int64_t time_ns, int64_t total);
};
must_check enum code select_points(const struct bucket *b, const struct selection *s, const struct point_sink *sink,
                                   struct fault *why);

/* All matching samples, summed by function-name path into `out`. */
must_check enum code select_tree(const struct bucket *b, const struct selection *s, struct tree *out, struct fault *why);

/* The same by exact stacks into the tree of `names` (index/naming.h).  RESOURCE_EXHAUSTED: these would take too much. */
must_check enum code select_profile(const struct bucket *b, const struct selection *s, struct naming *names,
                                    struct fault *why);
