/* push: files to the server, several under way at once, each answered for by name. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/profile_file.h"
#include "ctl/push_send.h"
#include "ctl/session.h"
#include "ctl/text.h"

enum { IN_FLIGHT_MAX = 8, BAR_COLUMNS = 30 };

#define SPREAD_STEP_NS (10 * NS_PER_S)             /* as far apart as an agent's profiles */
#define SPREAD_WHOLE_NS (INT64_C(1800) * NS_PER_S) /* well within the hour that servers accept and queries show */

struct push {
    struct session *s;
    size_t          n_done, n_refused, n_in_flight, n_bytes;
    bool            is_stopped; /* nobody is there: the rest need not be tried */
    bool            has_bar;
    struct buf      refusals; /* JSON objects */
};

static void bar_draw(const struct push *p)
{
    size_t n = p->s->options->n_args, filled = p->n_done * BAR_COLUMNS / n;

    if (!p->has_bar)
        return;
    fprintf(stderr, "\r[%.*s%*s] %zu/%zu", (int)filled, "##############################", (int)(BAR_COLUMNS - filled),
            "", p->n_done, n);
    if (p->n_refused)
        fprintf(stderr, ", %zu refused", p->n_refused);
}

static void bar_clear(const struct push *p)
{
    if (p->has_bar)
        fputs("\r\033[K", stderr);
}

static void refuse(struct push *p, size_t file, const char *why)
{
    const char *name = p->s->options->args[file];
    struct buf  line = { 0 };

    bar_clear(p);
    text_fit(&line, slice_of(name), SIZE_MAX);
    buf_text(&line, ": ");
    text_fit(&line, slice_of(why), SIZE_MAX);
    say(EXIT_REFUSED, "refused %.*s", (int)line.n, line.p);
    buf_free(&line);
    buf_text(&p->refusals, p->n_refused ? ", {\"file\": " : "{\"file\": ");
    text_json(&p->refusals, slice_of(name));
    buf_text(&p->refusals, ", \"why\": ");
    text_json(&p->refusals, slice_of(why));
    buf_text(&p->refusals, "}");
    p->n_refused++;
    p->n_done++;
    bar_draw(p);
}

static void answer_take(struct push *p)
{
    struct answer *a = api_wait(p->s->api);

    p->n_in_flight--;
    if (a->is_unreachable) {
        if (!p->is_stopped) {
            bar_clear(p);
            answer_check(p->s, a);
        }
        p->is_stopped = true;
    } else if (a->code != CODE_OK) {
        refuse(p, a->ticket, a->text);
    } else {
        p->n_done++;
        bar_draw(p);
    }
    answer_free(a);
}

/* Everything behind a descriptor. */
static enum code fd_read(int fd, struct buf *out, struct fault *why)
{
    for (;;) {
        ssize_t n = read(fd, buf_reserve(out, 1 << 16), 1 << 16);
        if (n == 0)
            return CODE_OK;
        if (n < 0 && errno != EINTR)
            return fail(why, CODE_INVALID_ARGUMENT, "%s", strerror(errno));
        out->n += n > 0 ? (size_t)n : 0;
        if (out->n > PROFILE_FILE_BYTES_MAX)
            return fail(why, CODE_RESOURCE_EXHAUSTED, "larger than %d MiB", PROFILE_FILE_BYTES_MAX >> 20);
    }
}

static enum code file_read(const char *name, struct buf *out, struct fault *why)
{
    bool is_stdin = strcmp(name, "-") == 0;
    int  fd = is_stdin ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return fail(why, CODE_NOT_FOUND, "%s", strerror(errno));
    enum code code = fd_read(fd, out, why);
    if (!is_stdin)
        close(fd);
    if (code == CODE_OK && out->n == 0)
        code = fail(why, CODE_INVALID_ARGUMENT, "empty");
    return code;
}

/* The last file is of now, those before it of earlier: a series, not a pile.  0: the file's own time. */
static int64_t file_time(const struct session *s, size_t i)
{
    int64_t n = (int64_t)s->options->n_args;
    int64_t step = SPREAD_WHOLE_NS / n < SPREAD_STEP_NS ? SPREAD_WHOLE_NS / n : SPREAD_STEP_NS;

    return s->options->keep_time ? 0 : s->now_ns - (n - 1 - (int64_t)i) * step;
}

static void profile_send(struct push *p, size_t ticket, const struct profile_file *file, struct arena *a)
{
    const struct options *o = p->s->options;
    struct label         *at = arena_array(a, o->n_labels + 2, sizeof *at);
    size_t                n = 0;

    if (o->name != NULL)
        at[n++] = (struct label){ SLICE("service_name"), slice_of(o->name) };
    at[n++] = (struct label){ SLICE("__name__"), o->type ? slice_of(o->type) : file->name };
    for (size_t i = 0; i < o->n_labels; i++) {
        struct slice text = slice_of(o->labels[i]);
        size_t       equal = slice_find(text, SLICE("="));
        at[n++] = (struct label){ { text.p, equal }, slice_from(text, equal + 1) };
    }
    push_send(p->s->api, ticket, (struct labels){ at, n }, file->pprof, a);
}

static void file_push(struct push *p, size_t i)
{
    struct arena       *a = arena_new(0);
    struct buf          bytes = { 0 };
    struct profile_file file;
    struct fault        why;

    enum code code = file_read(p->s->options->args[i], &bytes, &why);
    if (code == CODE_OK)
        code = profile_file_make(buf_view(&bytes), file_time(p->s, i), a, &file, &why);
    if (code == CODE_OK) {
        p->n_bytes += bytes.n;
        p->n_in_flight++;
        profile_send(p, i, &file, a);
    } else {
        refuse(p, i, why.text);
    }
    buf_free(&bytes);
    arena_free(a);
}

static void summary_write(struct push *p, size_t n_pushed)
{
    const struct options *o = p->s->options;
    struct buf           *out = &p->s->out;
    int64_t               ns = clock_real_ns() - p->s->now_ns;

    if (o->is_json) {
        buf_printf(out, "{\"pushed\": %zu, \"refused\": %zu, \"bytes\": %zu, \"refusals\": [%.*s]}\n", n_pushed,
                   p->n_refused, p->n_bytes, SLICE_ARGS(buf_view(&p->refusals)));
        return;
    }
    buf_printf(out, "pushed %zu of %zu profile%s (", n_pushed, o->n_args, o->n_args == 1 ? "" : "s");
    text_value(out, (int64_t)p->n_bytes, TEXT_BYTES);
    buf_text(out, ")");
    if (o->name != NULL) {
        buf_text(out, " as ");
        text_fit(out, slice_of(o->name), SIZE_MAX);
    }
    buf_text(out, " in ");
    text_value(out, ns > 0 ? ns : 0, TEXT_NANOSECONDS);
    if (p->n_refused)
        buf_printf(out, ", %zu refused", p->n_refused);
    if (n_pushed > 0 && !o->keep_time)
        buf_printf(out, "; time%s set to now%s (--keep-time keeps the files' own)", o->n_args == 1 ? "" : "s",
                   o->n_args == 1 ? "" : ", spread by file order");
    buf_byte(out, '\n');
}

static bool names_service(const struct options *o)
{
    bool named = o->name != NULL && *o->name;

    for (size_t i = 0; i < o->n_labels; i++)
        named |= strncmp(o->labels[i], "service_name=", 13) == 0;
    return named;
}

enum exit_code command_push(struct session *s)
{
    struct push p = { .s = s, .has_bar = isatty(STDERR_FILENO) && s->options->n_args > 1 };

    if (s->options->n_args == 0)
        return say(EXIT_USAGE, "push what?  hearthctl push --name SERVICE FILE...   (- is standard input)");
    if (!names_service(s->options))
        return say(EXIT_USAGE, "whose profile is it?  --name SERVICE says");
    for (size_t i = 0; i < s->options->n_args && !p.is_stopped; i++) {
        file_push(&p, i);
        if (p.n_in_flight == IN_FLIGHT_MAX)
            answer_take(&p);
    }
    while (p.n_in_flight > 0)
        answer_take(&p);
    bar_clear(&p);
    summary_write(&p, p.n_done - p.n_refused);
    buf_free(&p.refusals);
    return p.is_stopped ? EXIT_UNREACHABLE : p.n_refused ? EXIT_REFUSED : EXIT_FINE;
}
