/* What is wrong with a pprof, in the order and the words of pyroscope-ingest.md §4.2. */
#pragma once

#include "ingest/pprof_raw.h"

/* Of the whole: empty, out of the window, too big, too many samples.  `labels` are named in the text. */
must_check enum code pprof_check_whole(const struct pprof *p, struct labels labels, struct fault *why);

/* Of the tables: ids of 0, strings out of range or not text. */
must_check enum code pprof_check_tables(const struct pprof *p, struct fault *why);

/* One sample has more labels than it may; never CODE_OK. */
enum code pprof_refuse_sample_labels(const struct pprof *p, size_t n_labels, struct labels labels, struct fault *why);
