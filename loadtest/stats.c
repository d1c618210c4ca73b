#include "loadtest/stats.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"

void stats_open(struct stats *s, int64_t start_ns)
{
    *s = (struct stats){ .start_ns = start_ns, .seconds = mem_zalloc(SECONDS_MAX * sizeof *s->seconds) };
}

void stats_free(struct stats *s) { free(s->seconds); }

static void second_fold(struct stats *s)
{
    struct second *at = &s->seconds[s->n_seconds];

    at->p50_ns = hist_at(&s->this_second, 50);
    at->p99_ns = hist_at(&s->this_second, 99);
    at->max_ns = (int64_t)s->this_second.max;
    hist_merge(&s->from_intended, &s->this_second);
    hist_reset(&s->this_second);
}

/* The second that an answer of now belongs to. */
static struct second *second_at(struct stats *s, int64_t now_ns)
{
    size_t i = now_ns > s->start_ns ? (size_t)((now_ns - s->start_ns) / NS_PER_S) : 0;

    i = i < SECONDS_MAX ? i : SECONDS_MAX - 1;
    if (i > s->n_seconds) {
        second_fold(s);
        s->n_seconds = i;
    }
    return &s->seconds[i];
}

void stats_push(struct stats *s, const struct shot *shot)
{
    struct second *at = second_at(s, shot->done_ns);

    switch (shot->outcome) {
    case OUTCOME_OK:
        hist_record(&s->this_second, shot->done_ns - shot->intended_ns);
        hist_record(&s->from_sent, shot->done_ns - shot->sent_ns);
        s->n_acked++;
        at->acked++;
        return;
    case OUTCOME_REFUSED:
        s->n_refused++;
        at->refused++;
        break;
    case OUTCOME_UNKNOWN:
        s->n_unknown++;
        at->unknown++;
        break;
    }
    if (s->first_refusal[0] == '\0')
        snprintf(s->first_refusal, sizeof s->first_refusal, "%s", shot->why);
}

void stats_read(struct stats *s, const struct shot *shot)
{
    second_at(s, shot->done_ns)->reads++;
    s->n_reads++;
    hist_record(&s->reads, shot->done_ns - shot->intended_ns);
    if (shot->outcome == OUTCOME_OK)
        return;
    s->n_reads_failed++;
    if (s->first_read_failure[0] == '\0')
        snprintf(s->first_read_failure, sizeof s->first_read_failure, "%.100s: %.90s", shot->path.p, shot->why);
}

void stats_vitals(struct stats *s, size_t second, int64_t rss_bytes, double cpu_s)
{
    if (second >= SECONDS_MAX)
        return;
    s->seconds[second].rss_bytes = rss_bytes;
    s->seconds[second].cpu_s = cpu_s;
}

void stats_close(struct stats *s)
{
    second_fold(s);
    s->n_seconds++;
}
