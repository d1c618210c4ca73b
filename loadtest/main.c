/*
 * hearth-load: settings in, a verdict out.
 *
 * The report goes to standard output, progress to standard error, the verdict to the exit code (--help lists them).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/mem.h"
#include "loadtest/knee.h"
#include "loadtest/report.h"
#include "loadtest/seeds.h"

static bool file_write(const char *path, const struct buf *text)
{
    FILE *f = fopen(path, "we");
    bool  is_written = f != NULL && fwrite(text->p, 1, text->n, f) == text->n;

    if ((f != NULL && fclose(f) != 0) || !is_written) {
        fprintf(stderr, "hearth-load: %s: %s\n", path, strerror(errno));
        return false;
    }
    return true;
}

typedef void report_fn(const struct trial *t, enum result result, struct slice why, struct buf *out);

static void percentiles(const struct trial *t, enum result result, struct slice why, struct buf *out)
{
    (void)result, (void)why;
    hist_percentiles(&t->stats.from_intended, out);
}

static bool reports_write(const struct trial *t, enum result result, struct slice why)
{
    const struct {
        const char *path;
        report_fn  *write;
    } files[] = { { t->settings->json, report_json },
                  { t->settings->html, report_html },
                  { t->settings->percentiles, percentiles } };
    struct buf text = { 0 };
    bool       is_written = true;

    report_text(t, result, why, &text);
    fwrite(text.p, 1, text.n, stdout);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        text.n = 0;
        if (files[i].path[0] == '\0')
            continue;
        files[i].write(t, result, why, &text);
        is_written &= file_write(files[i].path, &text);
    }
    buf_free(&text);
    return is_written;
}

static enum result run(const struct settings *s, struct target *target, const struct seeds *seeds)
{
    struct trial *t = mem_alloc(sizeof *t);
    struct buf    why = { 0 };

    if (s->finds_knee)
        knee_find(s, target, seeds, t);
    else
        trial_run(s, target, seeds, s->rate, 0, t);
    enum result result = trial_result(t, &why);
    if (!reports_write(t, result, buf_view(&why)) && result == RESULT_FINE)
        result = RESULT_USAGE;
    buf_free(&why);
    trial_free(t);
    free(t);
    return result;
}

/* Is anybody there?  Whatever is answered, an answer is one. */
static enum code knock(struct target *target, struct fault *why)
{
    struct buf answer = { 0 };
    enum code  code = target_ask(target, shot_new(target, SHOT_GET, SLICE("/ready"), SLICE("")), &answer, why);

    buf_free(&answer);
    return code == CODE_UNAVAILABLE ? code : CODE_OK;
}

static int help(void)
{
    struct buf text = { 0 };

    settings_help(&text);
    fwrite(text.p, 1, text.n, stdout);
    buf_free(&text);
    return 0;
}

static int start(int argc, char **argv, struct arena *a, struct fault *why)
{
    struct settings s;
    struct seeds    seeds = { 0 };
    struct target  *target;

    if (settings_load(argc, argv, a, &s, why) != CODE_OK)
        return RESULT_USAGE;
    if (s.wants_help)
        return help();
    struct target_config config = { s.url, s.token_file, s.timeout_ns };
    if ((s.seed_profiles[0] != '\0' && seeds_load(s.seed_profiles, a, &seeds, why) != CODE_OK) ||
        target_open(&config, &target, why) != CODE_OK)
        return RESULT_USAGE;
    int result = knock(target, why) == CODE_OK ? (int)run(&s, target, &seeds) : RESULT_UNREACHABLE;
    target_close(target);
    return result;
}

/* Once: who interrupts again means it. */
static void on_interrupt(int number)
{
    signal(number, SIG_DFL);
    trials_stop();
}

int main(int argc, char **argv)
{
    struct arena *a = arena_new(0);
    struct fault  why = { .code = CODE_OK };

    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    int result = start(argc, argv, a, &why);
    if (why.code != CODE_OK)
        fprintf(stderr, "hearth-load: %s\n", why.text);
    arena_free(a);
    return result;
}
