/*
 * Times as people write them.
 *
 *     now   now-1h   -30m   1h30m (a duration: ago)   2026-11-20T10:00:00Z   2026-11-20T10:00:00.5+01:00   20261120
 *     1763632800 (s)   1763632800000 (ms)   ...000000 (us)   ...000000000 (ns)
 *
 * Unlike the server's lenient grammar for agents, what cannot be read is an error here: a typing mistake must not
 * become "now".
 */
#pragma once

#include <stdint.h>

#include "base/fault.h"
#include "base/slice.h"

/* INVALID_ARGUMENT: what could not be read, and what can. */
must_check enum code time_parse(struct slice text, int64_t now_ns, int64_t *out_ns, struct fault *why);

/* 90s, 1h30m, 250ms, 2d, 1w; a bare number is seconds. */
must_check enum code duration_parse(struct slice text, int64_t *out_ns, struct fault *why);
