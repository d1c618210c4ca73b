/*
 * Matcher: one condition on one label.  Selector: all of them, `{a="b", c=~"d.*"}`, as Prometheus writes it.
 *
 * A label that a series lacks has the empty value.  Regexes are anchored at both ends, dot matches newline, UTF-8; pcre2
 * runs them under match and heap limits, with literals and alternations of literals answered without it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/fault.h"
#include "base/slice.h"

struct regex;

enum match_op { MATCH_EQ, MATCH_NE, MATCH_RE, MATCH_NRE };

struct matcher {
    struct slice  name, value;
    enum match_op op;
    struct regex *regex; /* RE and NRE */
};

struct selector {
    struct matcher *at;
    size_t          n;
};

/*
 * A selector in `a` (slices are copied).  Grammar: [metric_name] [ '{' matcher, ... [','] '}' ]; quotes " ' and `;
 * quoted label names; the empty string is an error.  A metric name of five colon-separated parts is a __profile_type__
 * matcher, another one __name__.  INVALID_ARGUMENT: where and what was wrong.  selector_free only when OK.
 */
must_check enum code selector_parse(struct slice text, struct arena *a, struct selector *out, struct fault *why);
void                 selector_free(struct selector *s); /* the regexes; the rest is the arena's */

/*
 * Does `value` pass?  Any thread.  RESOURCE_EXHAUSTED: the regex went over its limits on this value.
 */
must_check enum code matcher_test(const struct matcher *m, struct slice value, bool *passes, struct fault *why);

/* Does a series without this label pass? (the same question for "") */
must_check enum code matcher_takes_missing(const struct matcher *m, bool *passes, struct fault *why);

/* The values a regex can be answered by equality with (a|b|c): n of them, or 0 when it must be run. */
size_t matcher_literals(const struct matcher *m, const struct slice **values);
