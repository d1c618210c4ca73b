/* What this process is and uses: build metadata and the process_* metrics that every Prometheus dashboard knows. */
#pragma once

#include "base/buf.h"

void process_metrics(void); /* once */

const char *process_version(void);
const char *process_revision(void); /* the commit, or "unknown" */

/* The answer of /api/v1/status/buildinfo. */
void process_buildinfo(struct buf *out);
