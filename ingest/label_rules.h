/*
 * Label rules: what may name a series (pyroscope-ingest.md §2.3.1, .10, §2.5), the same for every format.
 */
#pragma once

#include "ingest/ingest.h"

/*
 * The labels of a series before it is split: a service name when there is none, the session id reduced, the default
 * relabel rule (godeltaprof_memory -> memory), sanitized names, no empty values, sorted.  Names may still occur
 * twice.
 */
must_check enum code labels_prepare(struct labels sent, const struct decode_limits *limits, struct arena *a,
                                    struct labels *out, struct fault *why);

/* The service name of a series that comes with these labels, before they are prepared: what it is placed by. */
struct slice labels_service(struct labels sent);

/* May these (sorted) labels name a series? INVALID_ARGUMENT in the words of §4.2. */
must_check enum code labels_check(struct labels l, const struct decode_limits *limits, struct fault *why);

/* [A-Za-z_.][A-Za-z0-9_.]* with its dots made underscores, when limits ask for it; else `name`.  Empty: not allowed. */
struct slice label_name_clean(struct slice name, const struct decode_limits *limits, struct arena *a);

/* False for what store removes: __delta__, __order__, __name__ (it stands by itself) and what a type adds. */
bool label_is_stored(struct slice name);

/* A label set for an error text, cut when long. */
struct labels_text {
    char p[256];
};
struct labels_text labels_text(struct labels l);
