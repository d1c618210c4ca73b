/*
 * Regex: RE2 syntax, as Prometheus and Pyroscope document it, run by pcre2 under limits.  Inside model/ only.
 *
 *     text --vet--> what RE2 and PCRE both understand, and mean the same by --> set of literals, or a pcre2 program
 *
 * X1  Anchored at both ends; dot matches newline; UTF-8; \d \w \s are ASCII.
 * X2  Anything RE2 refuses is refused: backreferences, look-around, atomic groups, possessive repeats, recursion, verbs.
 * X3  A test costs a bounded number of steps and bytes, whatever the pattern, and only a bounded number of tests many steps.
 *
 * Compiling is one thread's; a regex made is read by any number of threads.  No just-in-time code: every distinct value is
 * tested once, and the server needs no memory that is both writable and executable.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/fault.h"
#include "base/slice.h"

struct regex;

/*
 * Lives in `a`, but for the program, which regex_free gives back; borrows `pattern`.
 * INVALID_ARGUMENT: what is wrong with the pattern.
 */
must_check enum code regex_new(struct slice pattern, struct arena *a, struct regex **out, struct fault *why);
void                 regex_free(struct regex *r);

/* RESOURCE_EXHAUSTED: the limits of X3. */
must_check enum code regex_test(struct regex *r, struct slice value, bool *matches, struct fault *why);

/* All the values that match, sorted, when they are few and known without running it; else 0. */
size_t regex_literals(const struct regex *r, const struct slice **values);

/* The pattern in a dialect that pcre2 reads as RE2 would.  INVALID_ARGUMENT: RE2 would refuse it. */
must_check enum code regex_vet(struct slice pattern, struct arena *a, struct slice *out, struct fault *why);

/* The strings that `pattern` (vetted before) stands for, sorted and distinct; n 0 when it is more than a choice of them. */
struct literals {
    struct slice *at;
    size_t        n;
};
struct literals regex_expand(struct slice pattern, struct arena *a);
