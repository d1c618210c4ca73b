/* replay push: an archive to the server, as fast as it was recorded or faster, each profile with a time of now. */
#include "ctl/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/profile_file.h"
#include "ctl/push_send.h"

enum { REFUSALS_SAID = 5 };

static _Atomic bool is_interrupted; /* set on whichever thread the signal finds */

static void interrupt(int signal_number)
{
    (void)signal_number;
    is_interrupted = true;
}

struct playing {
    struct session *s;
    struct archive  archive;
    double          speed;
    size_t          n_pushed, n_refused, n_in_flight;
    bool            is_stopped; /* nobody is there: the rest need not be tried */
};

static void refuse(struct playing *p, const char *why)
{
    if (p->n_refused++ < REFUSALS_SAID)
        say(EXIT_REFUSED, "refused: %s", why);
}

static void answer_take(struct playing *p)
{
    struct answer *a = api_wait(p->s->api);

    p->n_in_flight--;
    if (a->is_unreachable && !p->is_stopped) {
        answer_check(p->s, a);
        p->is_stopped = true;
    } else if (a->code != CODE_OK) {
        refuse(p, a->text);
    } else {
        p->n_pushed++;
    }
    answer_free(a);
}

static void answers_take(struct playing *p, size_t but)
{
    while (p->n_in_flight > but)
        answer_take(p);
}

/* Until it is due, unless that is past or somebody interrupts. */
static void sleep_until(int64_t due_ns)
{
    int64_t         left_ns = due_ns - clock_real_ns();
    struct timespec left = { left_ns / NS_PER_S, left_ns % NS_PER_S };

    if (left_ns > 0)
        nanosleep(&left, NULL);
}

/* What the command line says, else the record, else the only tenant of the file. */
static const char *tenant_of(const struct playing *p, const struct archive_record *r, struct arena *a)
{
    const struct archive_header *h = &p->archive.header;

    if (p->s->tenant != NULL)
        return p->s->tenant;
    if (r->tenant.n > 0)
        return arena_copy(a, r->tenant).p;
    return h->n_tenants == 1 && h->tenants[0].n > 0 ? arena_copy(a, h->tenants[0]).p : NULL;
}

static void record_push(struct playing *p, size_t i, int64_t time_ns, struct arena *a)
{
    struct archive_record r;
    struct profile_file   file;
    struct fault          why;

    enum code code = archive_read(&p->archive, i, a, &r, &why);
    if (code == CODE_OK)
        code = profile_file_make(r.pprof, time_ns, a, &file, &why);
    if (code != CODE_OK) {
        refuse(p, why.text);
        return;
    }
    p->n_in_flight++;
    api_set_tenant(p->s->api, tenant_of(p, &r, a));
    push_send(p->s->api, i, r.labels, file.pprof, a);
    api_set_tenant(p->s->api, p->s->tenant); /* what was set dies with the arena */
}

/* The whole archive once; the first profile is of now. */
static void play(struct playing *p)
{
    int64_t begin_ns = clock_real_ns(), first_ns = p->archive.places[0].time_ns;
    bool    keeps = p->s->options->keep_time;

    for (size_t i = 0; i < p->archive.n && !p->is_stopped && !is_interrupted; i++) {
        struct arena *a = arena_new(0);
        double        offset_ns = ((double)p->archive.places[i].time_ns - (double)first_ns) / p->speed;
        int64_t       due_ns = offset_ns < 1e18 ? begin_ns + (int64_t)offset_ns : INT64_MAX;
        bool          is_early = !keeps && due_ns > clock_real_ns();
        answers_take(p, is_early ? 0 : REPLAY_IN_FLIGHT_MAX - 1);
        if (is_early)
            sleep_until(due_ns);
        if (!is_interrupted)
            record_push(p, i, keeps ? 0 : due_ns, a);
        arena_free(a);
    }
    answers_take(p, 0);
}

static enum exit_code summary(struct playing *p)
{
    int64_t ns = clock_real_ns() - p->s->now_ns;

    if (p->n_refused > REFUSALS_SAID)
        say(EXIT_REFUSED, "... and %zu more refused", p->n_refused - REFUSALS_SAID);
    if (p->s->options->is_json)
        buf_printf(&p->s->out, "{\"pushed\": %zu, \"refused\": %zu}\n", p->n_pushed, p->n_refused);
    else
        buf_printf(&p->s->out, "pushed %zu profiles of an archive of %zu in %.1f s, %zu refused\n", p->n_pushed,
                   p->archive.n, (double)ns / 1e9, p->n_refused);
    return p->is_stopped ? EXIT_UNREACHABLE : p->n_refused ? EXIT_REFUSED : EXIT_FINE;
}

static enum exit_code archive_play(struct session *s, struct slice bytes)
{
    struct playing p = { .s = s, .speed = 1 };
    struct fault   why;

    if (s->options->speed != NULL) {
        char *end;
        p.speed = strtod(s->options->speed, &end);
        if (*end != '\0' || !(p.speed > 0 && p.speed <= 1e9))
            return say(EXIT_USAGE, "--speed %s: write a number above 0", s->options->speed);
    }
    if (archive_open(bytes, s->arena, &p.archive, &why) != CODE_OK)
        return say(EXIT_REFUSED, "%s", why.text);
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    do {
        if (p.archive.n > 0)
            play(&p);
    } while (s->options->loops && p.archive.n > 0 && !p.is_stopped && !is_interrupted);
    enum exit_code code = summary(&p);
    archive_close(&p.archive);
    return code;
}

enum exit_code replay_push(struct session *s, const char *path)
{
    struct stat st;
    int         fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
        if (fd >= 0)
            close(fd);
        return say(EXIT_REFUSED, "%s: %s", path, fd < 0 ? strerror(errno) : "not a file with something in it");
    }
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED)
        return say(EXIT_REFUSED, "%s: %s", path, strerror(errno));
    enum exit_code code = archive_play(s, slice_make(bytes, (size_t)st.st_size));
    munmap(bytes, (size_t)st.st_size);
    return code;
}

enum exit_code command_replay(struct session *s)
{
    const struct options *o = s->options;
    const char           *what = o->n_args > 0 ? o->args[0] : "";

    if (strcmp(what, "push") == 0 && o->n_args == 2)
        return replay_push(s, o->args[1]);
    if (strcmp(what, "dump") == 0 && o->n_args <= 2)
        return replay_dump(s, o->n_args == 2 ? o->args[1] : "{}");
    return say(EXIT_USAGE,
               "replay what?  hearthctl replay push ARCHIVE, or hearthctl replay dump -o ARCHIVE [SELECTOR]");
}
