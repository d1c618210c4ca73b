/* Url: the query part of a URL, `a=1&b=x%20y`. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/slice.h"

/*
 * The first value of `name`, percent-decoded, `+` a space; false when there is none.  A sequence that is no %XX stays
 * as it is.  Decoded values are copied to `a`, others borrow `query`.
 */
bool url_query_get(struct slice query, struct slice name, struct arena *a, struct slice *value);

struct slice url_decode(struct slice s, struct arena *a);
