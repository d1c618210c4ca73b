/*
 * Ingest over HTTP: what a POST to /ingest says by its query, its content type and its body (pyroscope-ingest.md §1).
 */
#pragma once

#include "ingest/ingest.h"

struct ingest_request {
    struct slice query; /* behind '?', not yet percent-decoded */
    struct slice content_type, body;
    int64_t      now_ns;
};

struct ingest_post {
    bool               is_empty; /* nothing to store: 200 */
    struct slice       profile;  /* a pprof, gzip or plain; borrows the body */
    struct labels      labels;   /* of the series; __name__ is ingest_pprof's to find */
    struct pprof_hints hints;
};

/*
 * INVALID_ARGUMENT: the name is bad.  UNKNOWN: everything else about the request that cannot be understood.
 * UNIMPLEMENTED: a format that ingest.c does not list, named in the text.
 */
must_check enum code ingest_http_read(const struct ingest_request *r, struct arena *a, struct ingest_post *out,
                                      struct fault *why);

/*
 * How /ingest answers a failure (§1.7): the HTTP status and the text of `code` in the JSON body.  `was_read`: the
 * failure came after ingest_http_read, from the profile itself or from storing it; then a bad profile is 422
 * "unknown", not 400.
 */
struct ingest_status {
    int         http;
    const char *code;
};
struct ingest_status ingest_http_status(enum code code, bool was_read);

/* ingest.c: the formats that can be decoded, by the names of §1.4. */
bool ingest_format_is_known(struct slice name);
