/*
 * Stats: what a load came to, second by second and as a whole.
 *
 * S1  The loop thread records (it is the one that hears the answers); others read `seconds` and the histograms after
 *     stats_close, and the atomics at any time.
 */
#pragma once

#include <stdatomic.h>

#include "loadtest/hist.h"
#include "loadtest/target.h"

struct second {
    uint32_t acked, refused, unknown, reads; /* by when the answer came */
    int64_t  p50_ns, p99_ns, max_ns;         /* of the acks, from the intended start */
    int64_t  rss_bytes;                      /* of the server; 0: not known */
    double   cpu_s;                          /* that it has used so far */
};

enum { SECONDS_MAX = 8 * 3600 };

struct stats {
    int64_t        start_ns; /* monotonic */
    struct hist    from_intended, from_sent, reads, this_second;
    struct second *seconds;
    size_t         n_seconds;
    _Atomic long   n_sent, n_acked, n_refused, n_unknown, n_reads, n_reads_failed, n_resent; /* requests */
    long           n_late, n_missed;                                                         /* of the sender */
    char           first_refusal[200], first_read_failure[200];
};

void stats_open(struct stats *s, int64_t start_ns);
void stats_push(struct stats *s, const struct shot *shot);
void stats_read(struct stats *s, const struct shot *shot);
void stats_vitals(struct stats *s, size_t second, int64_t rss_bytes, double cpu_s); /* any one thread */
void stats_close(struct stats *s);
void stats_free(struct stats *s);
