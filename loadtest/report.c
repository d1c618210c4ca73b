#include "loadtest/report.h"

#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "wire/json.h"

const char *result_text(enum result r)
{
    static const char *const texts[] = { "fine: every threshold and every answer holds",
                                         "wrong: an answer was not what was sent",
                                         "wrong usage",
                                         "the server was not reachable",
                                         "slow: a threshold was missed, every answer was right",
                                         "no result: the generator could not keep its schedule" };
    return texts[r];
}

static double ms(int64_t ns) { return (double)ns / 1e6; }

static void line(struct buf *out, const char *name, const struct hist *h)
{
    buf_printf(out, "  %-22s %9.2f %9.2f %9.2f %9.2f %9.2f\n", name, ms(hist_at(h, 50)), ms(hist_at(h, 90)),
               ms(hist_at(h, 99)), ms(hist_at(h, 99.9)), ms((int64_t)h->max));
}

static int64_t rss_peak(const struct trial *t)
{
    int64_t most = t->server_rss_bytes;

    for (size_t i = 0; i < t->stats.n_seconds; i++)
        most = t->stats.seconds[i].rss_bytes > most ? t->stats.seconds[i].rss_bytes : most;
    return most;
}

void report_text(const struct trial *t, enum result result, struct slice why, struct buf *out)
{
    const struct stats   *s = &t->stats;
    const struct verdict *v = &t->verdict;
    int64_t               batch = t->settings->batch;

    buf_printf(out, "\nload          %s, %.1f s, %ld requests of %lld profile%s sent: %.1f a second acked\n",
               t->settings->preset[0] ? t->settings->preset : "by flags", t->seconds, s->n_sent, (long long)batch,
               batch == 1 ? "" : "s", t->seconds > 0 ? (double)s->n_acked / t->seconds : 0);
    buf_printf(out, "answers       %ld acked, %ld refused, %ld unanswered; %ld sent late, %ld missed\n", s->n_acked,
               s->n_refused, s->n_unknown, s->n_late, s->n_missed);
    if (s->n_resent > 0)
        buf_printf(out, "              %ld sent a second time\n", s->n_resent);
    if (s->first_refusal[0])
        buf_printf(out, "              the first not acked: %s\n", s->first_refusal);
    buf_text(out, "latency, ms                   p50       p90       p99     p99.9       max\n");
    line(out, "ack, from intended", &s->from_intended);
    line(out, "ack, from sent", &s->from_sent);
    if (s->n_reads > 0)
        line(out, "query, from intended", &s->reads);
    if (s->n_reads > 0)
        buf_printf(out, "queries       %ld, %ld failed%s%s\n", s->n_reads, s->n_reads_failed,
                   s->first_read_failure[0] ? ": " : "", s->first_read_failure);
    if (rss_peak(t) > 0)
        buf_printf(out,
                   "server        %.1f CPU s, %.2f per 1,000 profiles, with what was asked beside; %.0f MB at most\n",
                   t->server_cpu_s, s->n_acked ? t->server_cpu_s * 1000 / (double)(s->n_acked * batch) : 0,
                   (double)rss_peak(t) / 1e6);
    buf_printf(out,
               "verification  %ld questions, %ld wrong, %ld without an answer; %lld stacks and %lld points compared\n",
               v->n_asked, v->n_wrong, v->n_unanswered, (long long)v->stacks, (long long)v->points);
    if (v->n_resolved + v->n_contradictory > 0)
        buf_printf(out, "              of those nobody answered for %ld are settled, %ld contradict themselves\n",
                   v->n_resolved, v->n_contradictory);
    buf_printf(out, "%.*sresult        %s\n", SLICE_ARGS(why), result_text(result));
}

/* ---- JSON ---- */

static void put_int(struct json_writer *w, const char *name, int64_t v)
{
    json_key(w, slice_of(name));
    json_int(w, v);
}

static void put_double(struct json_writer *w, const char *name, double v)
{
    json_key(w, slice_of(name));
    json_double(w, v);
}

static void put_text(struct json_writer *w, const char *name, struct slice v)
{
    json_key(w, slice_of(name));
    json_text(w, v);
}

static void put_hist(struct json_writer *w, const char *name, const struct hist *h)
{
    static const double percents[] = { 50, 75, 90, 95, 99, 99.9, 99.99 };
    char                key[24];

    json_key(w, slice_of(name));
    json_open(w, '{');
    put_int(w, "count", (int64_t)h->n);
    put_double(w, "mean_ms", ms(hist_mean(h)));
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
        snprintf(key, sizeof key, "p%g_ms", percents[i]);
        put_double(w, key, ms(hist_at(h, percents[i])));
    }
    put_double(w, "max_ms", ms((int64_t)h->max));
    json_close(w, '}');
}

static void put_seconds(struct json_writer *w, const struct stats *s)
{
    json_key(w, SLICE("seconds"));
    json_open(w, '[');
    for (size_t i = 0; i < s->n_seconds; i++) {
        const struct second *at = &s->seconds[i];
        json_open(w, '{');
        put_int(w, "acked", at->acked);
        put_int(w, "refused", at->refused);
        put_int(w, "unanswered", at->unknown);
        put_int(w, "queries", at->reads);
        put_double(w, "p50_ms", ms(at->p50_ns));
        put_double(w, "p99_ms", ms(at->p99_ns));
        put_double(w, "max_ms", ms(at->max_ns));
        put_int(w, "rss_bytes", at->rss_bytes);
        put_double(w, "cpu_s", at->cpu_s);
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void put_machine(struct json_writer *w)
{
    struct utsname u;

    uname(&u);
    json_key(w, SLICE("machine"));
    json_open(w, '{');
    put_text(w, "kernel", slice_of(u.release));
    put_text(w, "architecture", slice_of(u.machine));
    put_int(w, "cores", sysconf(_SC_NPROCESSORS_ONLN));
    json_close(w, '}');
}

static void put_verdict(struct json_writer *w, const struct verdict *v)
{
    json_key(w, SLICE("verification"));
    json_open(w, '{');
    put_int(w, "questions", v->n_asked);
    put_int(w, "wrong", v->n_wrong);
    put_int(w, "without_answer", v->n_unanswered);
    put_int(w, "ambiguous_settled", v->n_resolved);
    put_int(w, "ambiguous_contradictory", v->n_contradictory);
    put_int(w, "stacks", v->stacks);
    put_int(w, "points", v->points);
    json_close(w, '}');
}

static void put_counts(struct json_writer *w, const struct trial *t)
{
    const struct stats *s = &t->stats;

    put_double(w, "rate", t->rate);
    put_double(w, "seconds_loaded", t->seconds);
    put_int(w, "profiles_per_request", t->settings->batch);
    put_int(w, "sent", s->n_sent);
    put_int(w, "acked", s->n_acked);
    put_int(w, "refused", s->n_refused);
    put_int(w, "unanswered", s->n_unknown);
    put_int(w, "late", s->n_late);
    put_int(w, "missed", s->n_missed);
    put_int(w, "resent", s->n_resent);
    put_int(w, "queries", s->n_reads);
    put_int(w, "queries_failed", s->n_reads_failed);
    put_double(w, "server_cpu_s", t->server_cpu_s);
    put_int(w, "server_rss_bytes", t->server_rss_bytes);
    put_int(w, "server_rss_bytes_max", rss_peak(t));
}

void report_json(const struct trial *t, enum result result, struct slice why, struct buf *out)
{
    struct json_writer w = { .out = out };
    struct buf         settings = { 0 };

    settings_print(t->settings, &settings);
    json_open(&w, '{');
    put_int(&w, "version", REPORT_VERSION);
    put_text(&w, "program", SLICE("hearth-load " HEARTH_VERSION));
    put_int(&w, "result", result);
    put_text(&w, "result_text", slice_of(result_text(result)));
    put_text(&w, "why", why);
    put_text(&w, "run", workload_spec_of(t->oracle.w)->run);
    put_machine(&w);
    json_key(&w, SLICE("settings"));
    json_raw(&w, buf_view(&settings));
    put_counts(&w, t);
    put_hist(&w, "ack_from_intended", &t->stats.from_intended);
    put_hist(&w, "ack_from_sent", &t->stats.from_sent);
    put_hist(&w, "query_from_intended", &t->stats.reads);
    put_verdict(&w, &t->verdict);
    put_seconds(&w, &t->stats);
    json_close(&w, '}');
    buf_byte(out, '\n');
    buf_free(&settings);
}
