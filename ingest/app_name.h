/*
 * App name: the `name` parameter of /ingest, an application and labels in one (pyroscope-ingest.md §1.2):
 *
 *     name = app [ "{" key "=" value *("," key "=" value) "}" anything ]
 *
 * White space around each part is dropped.  A key twice: the last counts.  The key __name__ replaces the application.
 * What follows `}`, and a last pair that no `}` or `,` ends, is ignored.
 */
#pragma once

#include "base/arena.h"
#include "base/fault.h"
#include "model/labels.h"

struct app_name {
    struct slice  app;
    struct labels labels; /* sorted; without private ones (__*) but __session_id__ */
};

/* The parts borrow `text`.  INVALID_ARGUMENT: no application, or a character that is not allowed. */
must_check enum code app_name_parse(struct slice text, struct arena *a, struct app_name *out, struct fault *why);
