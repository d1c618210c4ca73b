/* The sender: makes each request before it is due and sends it when it is. */
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "loadtest/trial.h"
#include "oracle/dice.h"
#include "oracle/profile_pprof.h"
#include "wire/pb.h"

#define LATE_NS (10 * NS_PER_MS)

static const char push_path[] = "/push.v1.PusherService/Push";

struct sender {
    struct trial                 *trial;
    struct arena                 *scratch;
    struct libdeflate_compressor *packer;
    enum dialect_of_shot          formats[FORMATS_MAX];
    size_t                        n_formats;
    uint64_t                      spoiled; /* the request that the planted fault is for */
};

static void formats_read(struct sender *s)
{
    struct slice list = slice_of(s->trial->settings->formats), word;

    while (s->n_formats < FORMATS_MAX && word_next(&list, &word))
        s->formats[s->n_formats++] = slice_is(word, "ingest") ? SHOT_PLAIN
                                     : slice_is(word, "grpc") ? SHOT_GRPC
                                                              : SHOT_CONNECT;
}

static bool is_planted(const struct sender *s, uint64_t request, const char *fault)
{
    return request == s->spoiled && strcmp(s->trial->settings->plant_fault, fault) == 0;
}

static void on_resent(struct shot *shot)
{
    struct trial *t = shot->arg;

    t->stats.n_resent++;
    shot_free(shot);
    t->n_open--;
}

/* The second time, when the first has been acked: whatever is answered now, it is there once. */
static void resend(struct trial *t, struct shot *shot)
{
    if (shot->then == NULL)
        return;
    if (shot->outcome != OUTCOME_OK) {
        shot_free(shot->then);
        return;
    }
    t->n_open++;
    target_send(t->target, shot->then);
}

/* The loop thread: the answer to a push is what the ledger is kept for. */
static void on_pushed(struct shot *shot)
{
    static const enum fate fates[] = {
        [OUTCOME_OK] = FATE_ACKED, [OUTCOME_REFUSED] = FATE_REFUSED, [OUTCOME_UNKNOWN] = FATE_AMBIGUOUS
    };
    struct trial *t = shot->arg;
    uint64_t      batch = (uint64_t)t->settings->batch;
    enum fate     fate = fates[shot->outcome];

    if (fate == FATE_REFUSED && batch > 1 && !shot->is_unreachable)
        fate = FATE_AMBIGUOUS; /* of several, some may have been taken */
    stats_push(&t->stats, shot);
    for (uint64_t i = 0; i < batch; i++)
        ledger_set(t->oracle.l, shot->number * batch + i, fate);
    resend(t, shot);
    shot_free(shot);
    t->n_open--;
}

/* As fast as it goes, like the agents: they share their machine with what they profile, we ours with the server. */
static void pack(struct sender *s, struct slice plain, struct buf *out)
{
    size_t room = libdeflate_gzip_compress_bound(s->packer, plain.n);

    out->n += libdeflate_gzip_compress(s->packer, plain.p, plain.n, buf_reserve(out, room), room);
}

static struct slice pprof_make(struct sender *s, const struct profile *p, struct buf *plain, struct buf *packed)
{
    int64_t planted = is_planted(s, p->number / (uint64_t)s->trial->settings->batch, "count");

    profile_pprof(s->trial->oracle.w, p, planted, s->scratch, plain);
    if (!s->trial->settings->is_gzip)
        return buf_view(plain);
    pack(s, buf_view(plain), packed);
    return buf_view(packed);
}

static void put_label(struct buf *out, struct slice name, struct slice value)
{
    size_t at = pb_open(out, 1);

    pb_put_bytes(out, 1, name);
    pb_put_bytes(out, 2, value);
    pb_close(out, at);
}

static void series_write(struct sender *s, const struct profile *p, struct slice pprof, struct buf *out)
{
    struct label_text labels[PROFILE_LABELS];
    size_t            series = pb_open(out, 1);

    workload_labels(s->trial->oracle.w, p, s->scratch, labels);
    put_label(out, SLICE("__name__"), workload_spec_of(s->trial->oracle.w)->kinds[p->kind].name);
    for (size_t i = 0; i < PROFILE_LABELS; i++)
        put_label(out, labels[i].name, labels[i].value);
    size_t sample = pb_open(out, 2);
    pb_put_bytes(out, 1, pprof);
    pb_close(out, sample);
    pb_close(out, series);
}

/* name=service{label=value,...}, braces and commas escaped. */
static struct slice ingest_path(struct sender *s, const struct profile *p, struct arena *a)
{
    struct label_text labels[PROFILE_LABELS];
    struct buf        path = { 0 };
    long long         seconds = p->time_ns / NS_PER_S;

    workload_labels(s->trial->oracle.w, p, a, labels);
    buf_printf(&path, "/ingest?format=pprof&from=%lld&until=%lld&spyName=%.*s&name=%.*s%%7B", seconds, seconds + 10,
               SLICE_ARGS(labels[PROFILE_LABELS - 1].value), SLICE_ARGS(labels[0].value));
    for (size_t i = 1; i < PROFILE_LABELS - 1; i++)
        buf_printf(&path, "%s%.*s%%3D%.*s", i > 1 ? "%2C" : "", SLICE_ARGS(labels[i].name),
                   SLICE_ARGS(labels[i].value));
    buf_text(&path, "%7D");
    struct slice kept = arena_copy(a, buf_view(&path));
    buf_free(&path);
    return kept;
}

static void body_write(struct sender *s, struct shot *shot, uint64_t request)
{
    const struct settings *settings = s->trial->settings;
    struct buf             plain = { 0 }, packed = { 0 };
    struct profile         p;

    shot_open(shot);
    for (int64_t i = 0; i < settings->batch; i++) {
        plain.n = packed.n = 0;
        workload_profile(s->trial->oracle.w, request * (uint64_t)settings->batch + (uint64_t)i, &p);
        struct slice pprof = pprof_make(s, &p, &plain, &packed);
        if (shot->dialect == SHOT_PLAIN)
            buf_slice(&shot->body, pprof);
        else
            series_write(s, &p, pprof, &shot->body);
    }
    shot_close(shot);
    buf_free(&plain);
    buf_free(&packed);
}

static struct shot *shot_again(const struct shot *shot)
{
    struct shot *again = shot_new(shot->target, shot->dialect, shot->path, shot->tenant);

    buf_slice(&again->body, buf_view(&shot->body));
    again->on_done = on_resent;
    again->arg = shot->arg;
    return again;
}

static struct shot *request_make(struct sender *s, uint64_t request)
{
    struct trial        *t = s->trial;
    enum dialect_of_shot format = s->formats[request % s->n_formats];
    struct profile       first;
    struct arena        *a = arena_new(0);

    workload_profile(t->oracle.w, request * (uint64_t)t->settings->batch, &first);
    if (is_planted(s, request, "leak"))
        first.tenant = (first.tenant + 1) % (uint32_t)t->settings->tenants;
    struct slice tenant = workload_tenant(t->oracle.w, first.tenant, a);
    struct slice path = format == SHOT_PLAIN ? ingest_path(s, &first, a) : slice_of(push_path);
    struct shot *shot = shot_new(t->target, format, path, tenant);
    shot->number = request;
    shot->on_done = on_pushed;
    shot->arg = t;
    body_write(s, shot, request);
    if (dice_below(dice_at((uint64_t)t->settings->seed, 0x5E9D, request), 100) < t->settings->resend_percent)
        shot->then = shot_again(shot);
    arena_free(a);
    return shot;
}

static void request_fate(struct trial *t, uint64_t request, enum fate fate)
{
    uint64_t batch = (uint64_t)t->settings->batch;

    for (uint64_t i = 0; i < batch; i++)
        ledger_set(t->oracle.l, request * batch + i, fate);
}

static void unsent_free(struct shot *shot)
{
    if (shot->then != NULL)
        shot_free(shot->then);
    shot_free(shot);
}

static void request_fire(struct sender *s, struct shot *shot, int64_t due_ns)
{
    struct trial *t = s->trial;

    shot->intended_ns = due_ns;
    if (is_planted(s, shot->number, "lost")) {
        request_fate(t, shot->number, FATE_ACKED);
        unsent_free(shot);
        return;
    }
    request_fate(t, shot->number, FATE_SENT);
    t->stats.n_late += clock_mono_ns() > due_ns + LATE_NS;
    t->stats.n_sent++;
    t->n_open++;
    target_send(t->target, shot);
}

/* Requests in the order of the schedule; one that finds too many open is missed, not delayed. */
static void send_open(struct sender *s)
{
    struct trial *t = s->trial;

    for (uint64_t r = 0; r < t->n_requests && !trials_are_stopped(); r++) {
        int64_t      due_ns = t->stats.start_ns + t->at_ns[r];
        struct shot *shot = request_make(s, r);
        trial_sleep(t, due_ns);
        t->n_used = r + 1;
        if (t->n_open >= t->settings->in_flight) {
            request_fate(t, r, FATE_REFUSED);
            t->stats.n_missed++;
            unsent_free(shot);
        } else {
            request_fire(s, shot, due_ns);
        }
    }
}

/* As soon as there is room: each request is due when it is sent. */
static void send_closed(struct sender *s)
{
    struct trial *t = s->trial;
    int64_t       end_ns = t->stats.start_ns + t->settings->duration_ns;

    for (uint64_t r = 0; r < t->n_requests && clock_mono_ns() < end_ns && !trials_are_stopped(); r++) {
        while (t->n_open >= t->settings->in_flight && !trials_are_stopped())
            trial_sleep(t, clock_mono_ns() + NS_PER_MS / 10);
        t->at_ns[r] = clock_mono_ns() - t->stats.start_ns;
        struct shot *shot = request_make(s, r);
        t->n_used = r + 1;
        request_fire(s, shot, clock_mono_ns());
    }
}

void send_all(struct trial *t)
{
    struct sender s = { .trial = t, .scratch = arena_new(0), .packer = libdeflate_alloc_compressor(1) };

    if (s.packer == NULL)
        abort(); /* out of memory */
    s.spoiled = t->settings->plant_fault[0] == '\0' ? UINT64_MAX : t->settings->is_closed ? 5 : t->n_requests / 2;
    formats_read(&s);
    if (t->settings->is_closed)
        send_closed(&s);
    else
        send_open(&s);
    libdeflate_free_compressor(s.packer);
    arena_free(s.scratch);
}
