/* Where a binary's source lives, told by labels and kept in its build id (pyroscope-ingest.md §2.3.9). */
#pragma once

#include "ingest/pprof_raw.h"

/*
 * With any of service_repository, service_git_ref, service_root_path: every mapping's build id becomes JSON that has
 * them.
 */
void build_ids_extend(struct pprof *p, struct labels series);
