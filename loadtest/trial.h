/*
 * Trial: one load and its verdict.
 *
 *     sender (this thread)  --shots-->  loop thread  --> ledger, stats
 *     reader                --queries beside-->          stats
 *     checker               --verified questions-->      verdict
 *     watcher               --vitals, progress-->        stats
 *
 * Then all is over, and every profile is asked for once more.
 */
#pragma once

#include "loadtest/settings.h"
#include "loadtest/stats.h"
#include "loadtest/verify.h"
#include "oracle/question.h"

struct seeds {
    struct kind       kinds[WORKLOAD_KINDS_MAX];
    struct seed_pools pools[WORKLOAD_KINDS_MAX]; /* of each */
    uint32_t          n;
};

struct trial {
    const struct settings *settings;
    struct target         *target;
    struct arena          *arena;
    int64_t               *at_ns;
    size_t                 n_requests; /* planned; closed loop: room for */
    _Atomic size_t         n_used;     /* sent or missed, or about to be */
    int64_t                base_ns;    /* of the profiles' times */
    struct oracle          oracle;
    struct stats           stats;
    struct verdict         verdict;
    _Atomic bool           is_over;
    _Atomic long           n_open, n_reads_open;
    double                 rate, seconds;
    double                 server_cpu_s; /* used from the start until everything had been answered */
    int64_t                server_rss_bytes;
};

/* All of it.  `rate` replaces that of the settings; `number` tells trials of one run apart. */
void trial_run(const struct settings *s, struct target *t, const struct seeds *seeds, double rate, unsigned number,
               struct trial *out);
void trial_free(struct trial *t);

/* The label `run` of its profiles: no other trial's, even if both begin at one moment; given a start time, always the same. */
struct slice trial_name(const struct settings *s, int64_t base_ns, unsigned number, struct arena *a);

enum result {
    RESULT_FINE = 0,
    RESULT_WRONG = 1,
    RESULT_USAGE = 2,
    RESULT_UNREACHABLE = 3,
    RESULT_SLOW = 4,
    RESULT_SATURATED = 5
};

/* `why`: what of it was missed, a line each. */
enum result trial_result(const struct trial *t, struct buf *why);

/* The threads' bodies; arg is the trial. */
void  send_all(struct trial *t);
void *read_beside(void *trial);
void *check_beside(void *trial);

/* Sleeps until then; false: the trial is over. */
bool trial_sleep(struct trial *t, int64_t until_ns);

/* From a signal's handler: loads end now, what was sent is verified, no further trial begins. */
void trials_stop(void);
bool trials_are_stopped(void);
