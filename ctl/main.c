/*
 * hearthctl: one command line, one command, one exit code.
 *
 * Results go to standard output, everything else to standard error, so that a script can pipe one and log the other.
 */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/last_word.h"
#include "ctl/session.h"
#include "ctl/times.h"

static const struct {
    const char *name;
    command_fn *run;
} verbs[] = { { "push", command_push },     { "types", command_types }, { "labels", command_labels },
              { "series", command_series }, { "top", command_top },     { "flame", command_flame },
              { "diff", command_diff },     { "pprof", command_pprof }, { "replay", command_replay },
              { "wal", command_wal },       { "block", command_block } };

/* Everything in `out` to standard output; a reader that left (head, less) is no error. */
static enum exit_code output_flush(struct buf *out, enum exit_code code)
{
    size_t done = 0;

    while (done < out->n) {
        ssize_t n = write(STDOUT_FILENO, out->p + done, out->n - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EPIPE)
            break;
        if (n < 0)
            return say(EXIT_REFUSED, "cannot write: %s", strerror(errno));
        done += (size_t)n;
    }
    return code;
}

static const char *setting(const char *given, const char *variable, const char *otherwise)
{
    const char *from_env = getenv(variable);

    return given != NULL ? given : from_env != NULL && *from_env ? from_env : otherwise;
}

static enum code range_read(struct session *s, struct fault *why)
{
    const struct options *o = s->options;
    int64_t               from_ns, to_ns;

    enum code code = time_parse(slice_of(o->from ? o->from : "-1h"), s->now_ns, &from_ns, why);
    if (code == CODE_OK)
        code = time_parse(slice_of(o->to ? o->to : "now"), s->now_ns, &to_ns, why);
    if (code != CODE_OK)
        return code;
    if (from_ns > to_ns)
        return fail(why, CODE_INVALID_ARGUMENT, "--from is after --to");
    s->from_ms = from_ns / NS_PER_MS;
    s->to_ms = (to_ns + NS_PER_MS - 1) / NS_PER_MS;
    return CODE_OK;
}

static enum code session_open(struct session *s, struct fault *why)
{
    const struct options *o = s->options;
    struct api_config     config = { .url = setting(o->url, "HEARTH_URL", "http://127.0.0.1:4040"),
                                     .tenant = setting(o->tenant, "HEARTH_TENANT", NULL),
                                     .token_file = setting(o->token_file, "HEARTH_TOKEN_FILE", NULL),
                                     .ca_file = setting(o->ca_file, "HEARTH_CA_FILE", NULL),
                                     .cert_file = setting(o->cert_file, "HEARTH_CERT_FILE", NULL),
                                     .key_file = setting(o->key_file, "HEARTH_KEY_FILE", NULL) };
    const char           *timeout = o->timeout ? o->timeout : "30s";

    s->now_ns = clock_real_ns();
    s->tenant = config.tenant;
    s->term = term_of(STDOUT_FILENO, slice_of(o->colour ? o->colour : "auto"));
    s->arena = arena_new(0);
    if (o->colour && strcmp(o->colour, "always") && strcmp(o->colour, "never") && strcmp(o->colour, "auto"))
        return fail(why, CODE_INVALID_ARGUMENT, "--color %s: write always, never or auto", o->colour);
    enum code code = duration_parse(slice_of(timeout), &config.timeout_ns, why);
    if (code == CODE_OK)
        code = range_read(s, why);
    return code == CODE_OK ? api_open(&config, &s->api, why) : code;
}

static enum exit_code command_run(const struct options *o, command_fn *run)
{
    struct session s = { .options = o };
    struct fault   why;
    enum exit_code code = EXIT_USAGE;

    if (session_open(&s, &why) == CODE_OK)
        code = output_flush(&s.out, run(&s));
    else
        say(EXIT_USAGE, "%s", why.text);
    api_close(s.api);
    buf_free(&s.out);
    arena_free(s.arena);
    return code;
}

/* help, version and completion need no server. */
static enum exit_code local_run(const struct options *o)
{
    struct buf     out = { 0 };
    struct fault   why;
    enum exit_code code = EXIT_FINE;
    const char    *arg = o->n_args ? o->args[0] : NULL;

    if (o->command == NULL || o->wants_help || !strcmp(o->command, "help"))
        help_write(o->wants_help || o->command == NULL ? o->command : arg, &out);
    else if (!strcmp(o->command, "version"))
        buf_text(&out, "hearthctl " HEARTH_VERSION "\n");
    else if (completion_write(arg, &out, &why) != CODE_OK)
        code = say(EXIT_USAGE, "%s", why.text);
    code = output_flush(&out, code);
    buf_free(&out);
    return code;
}

int main(int argc, char **argv)
{
    struct options o;
    struct fault   why;

    signal(SIGPIPE, SIG_IGN); /* write says EPIPE */
    last_word_install(false);
    /* Only widths of characters depend on it; without it names beyond ASCII show as `?`. */
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        setlocale(LC_CTYPE, "");
    if (options_parse(argc, (const char **)argv, &o, &why) != CODE_OK) {
        say(EXIT_USAGE, "%s", why.text);
        return say(EXIT_USAGE, "`hearthctl help%s%s` tells more", o.command ? " " : "", o.command ? o.command : "");
    }
    for (size_t i = 0; o.command != NULL && !o.wants_help && i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(o.command, verbs[i].name) == 0)
            return (int)command_run(&o, verbs[i].run);
    enum exit_code code = local_run(&o);
    return o.command == NULL && !o.wants_help ? EXIT_USAGE : (int)code;
}
