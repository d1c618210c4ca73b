/*
 * Pprof make: writes a pprof, piece by piece.  For what we send ourselves (hearthctl, the self profile) and for tests.
 *
 *     struct pprof_make m;
 *     pprof_make_init(&m);
 *     pprof_make_type(&m, SLICE("cpu"), SLICE("nanoseconds"));
 *     uint64_t f = pprof_make_function(&m, SLICE("main"), SLICE("main.c"));
 *     uint64_t l = pprof_make_location(&m, 0, 0x10, &(struct pprof_make_line){ f, 7 }, 1);
 *     pprof_make_sample(&m, &l, 1, &(int64_t){ 42 }, 1, NULL, 0);
 *     struct slice bytes = pprof_make_bytes(&m);     plain; zip_gzip makes it smaller
 *     pprof_make_fini(&m);
 *
 * Ids count 1, 2, 3, ... in the order of making; strings are written once each.  Nothing is checked: tests want it so.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "model/labels.h"
#include "model/strset.h"

struct pprof_make {
    struct arena  *arena;
    struct strset *strings;
    struct buf     out;
    uint64_t       n_mappings, n_functions, n_locations;
};

struct pprof_make_line {
    uint64_t function;
    int64_t  line;
};

void pprof_make_init(struct pprof_make *m);
void pprof_make_fini(struct pprof_make *m);

uint64_t pprof_make_string(struct pprof_make *m, struct slice s); /* its index */

void     pprof_make_type(struct pprof_make *m, struct slice type, struct slice unit);
void     pprof_make_period(struct pprof_make *m, struct slice type, struct slice unit, int64_t period);
void     pprof_make_time(struct pprof_make *m, int64_t time_ns, int64_t duration_ns);
uint64_t pprof_make_mapping(struct pprof_make *m, struct slice file, uint64_t start, uint64_t limit,
                            bool has_functions);
uint64_t pprof_make_function(struct pprof_make *m, struct slice name, struct slice file);
uint64_t pprof_make_location(struct pprof_make *m, uint64_t mapping, uint64_t address,
                             const struct pprof_make_line *lines, size_t n);

/* A function with a location of its own. */
uint64_t pprof_make_frame(struct pprof_make *m, struct slice name);

/* `locations` leaf first. */
void pprof_make_sample(struct pprof_make *m, const uint64_t *locations, size_t n, const int64_t *values,
                       size_t n_values, const struct label *labels, size_t n_labels);

/* The whole, with its string table; nothing can be added afterwards.  Lives until pprof_make_fini. */
struct slice pprof_make_bytes(struct pprof_make *m);
