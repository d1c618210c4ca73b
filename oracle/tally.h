/*
 * Tally: how much of what.  Every answer that is checked, and every expectation, is one:
 *
 *     stacks     hash of the path of names      -> its own value
 *     points     hash of the group and the time -> the sum
 *     sets       hash of the text               -> 1 each time it stands there
 *
 * so that "equal" is one comparison, which forgives neither a count, nor anything left out or over.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tally;

struct tally *tally_new(void);
void          tally_free(struct tally *t);                       /* NULL is fine */
void    tally_add(struct tally *t, uint64_t what, int64_t much); /* adds up; a sum of 0 is as if it were not there */
int64_t tally_of(const struct tally *t, uint64_t what);
size_t  tally_n(const struct tally *t);
int64_t tally_total(const struct tally *t);

struct tally_difference {
    size_t   n;    /* how many differ */
    uint64_t what; /* one of them */
    int64_t  expected, answered;
};

bool tally_equal(const struct tally *expected, const struct tally *answered, struct tally_difference *out);

/* Is all that `some` has in `all`, whatever the amounts? */
bool tally_is_within(const struct tally *some, const struct tally *all);
