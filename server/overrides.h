/*
 * Overrides: tenants whose limits, retention or log mode are not everybody's, as a file says (--limits.overrides).
 *
 *     overrides:
 *       team-a:
 *         ingestion_rate_mb: 4
 *         reject_older_than: 0
 *         retention: 30d
 *         retention-bytes: 10GiB
 *         wal.mode: memory
 *
 * V1  What a tenant's entry does not name is as for everybody else at the time of reading.
 * V2  Immutable once parsed; any thread may look.
 */
#pragma once

#include "base/fault.h"
#include "base/slice.h"
#include "tenant/limits.h"

enum { OVERRIDES_FILE_BYTES_MAX = 4 << 20, OVERRIDES_MAX = 16384 };

struct overrides;

/* INVALID_ARGUMENT: "NAME:LINE:COLUMN: ...", for syntax, unknown keys, bad values, a tenant that stands there twice. */
must_check enum code overrides_parse(const char *name, struct slice text, const struct limits *everybody,
                                     struct overrides **out, struct fault *why);
void                 overrides_free(struct overrides *o); /* NULL is fine */

/* NULL: this tenant has everybody's.  `o` may be NULL. */
const struct limits *overrides_find(const struct overrides *o, struct slice tenant);
