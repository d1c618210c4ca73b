/*
 * hearth: reads its configuration, builds a server and waits for signals.
 *
 *     SIGTERM   not ready, --shutdown-delay, no new connections, drain, exit 0     a second one: exit at once
 *     SIGINT    the same without the delay: somebody is at a terminal, not a balancer in front
 *     SIGHUP    limits, tokens, certificates and, as each second, the shard map are read again
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/last_word.h"
#include "base/log.h"
#include "server/config.h"
#include "server/memory_limit.h"
#include "server/process.h"
#include "server/wiring.h"

enum { DRAIN_S = 30, TOKEN_BYTES_MAX = 4096 };

/*
 * For jemalloc, read when the program starts: memory that was freed goes back to the system after five seconds, by threads
 * of jemalloc's own, so that what /metrics counts and what the kernel counts stay near each other (the memory limit
 * leaves 13 % for the difference) and no request pays for it: also what is large, which else whoever frees it gives back at
 * once, a loop for its calls.  After one second the next large profile would have to fault its pages in anew: at 40 profiles
 * a second, 0.6 ms of the p99 of 5.5 that an ack then takes.
 */
extern const char *malloc_conf;
const char        *malloc_conf = "background_thread:true,dirty_decay_ms:5000,muzzy_decay_ms:0,oversize_threshold:0";

static int usage_error(const char *text)
{
    fprintf(stderr, "hearth: %s\n", text);
    return 1;
}

static int print(struct buf *b)
{
    fwrite(b->p, 1, b->n, stdout);
    buf_free(b);
    return fflush(stdout) == 0 ? 0 : 1;
}

static int print_help(void)
{
    struct buf b = { 0 };

    buf_text(&b,
             "hearth keeps the profiles that programs push and answers with flame graphs.\n\n"
             "usage: hearth [--name=value ...]\n\n"
             "  hearth                                     everything in one process on 127.0.0.1:4040\n"
             "  hearth --target=shard --shard-map=FILE     one shard of a cluster\n"
             "  hearth --config.file=FILE --config.check   is the file good?\n\n"
             "Each name is also a key of the YAML file (limits.max_query_length is max_query_length below limits).\n"
             "Durations: 250ms, 1h30m, 7d.  Sizes: 4194304, 64MiB.  No limit: unlimited.\n\n");
    option_print_help(config_table, &b);
    return print(&b);
}

static int print_version(void)
{
    struct buf b = { 0 };

    buf_printf(&b, "hearth %s (%s)\n", process_version(), process_revision());
    return print(&b);
}

/* A token on standard input becomes the first column of a line of the tokens file. */
static int hash_token(void)
{
    char         text[TOKEN_BYTES_MAX], hex[TOKEN_HASH_BYTES * 2 + 1];
    size_t       n = fread(text, 1, sizeof text, stdin);
    struct slice token = slice_trim(slice_make(text, n));

    if (n == sizeof text)
        return usage_error("a token has less than 4096 bytes");
    if (token.n < TOKEN_BYTES_MIN)
        return usage_error("a token has at least 16 bytes: make one with  openssl rand -hex 32");
    token_hash_print(token_hash(token), hex);
    puts(hex);
    return 0;
}

static void warn_if_open(const struct config *c)
{
    for (size_t i = 0; i < c->listening.n; i++) {
        const struct listen_at *at = &c->listening.at[i];
        bool is_guarded = listen_at_is_loopback(at) || at->how == LISTEN_MTLS || at->faces == FACE_ADMIN;
        if (!is_guarded && c->auth_tokens_file[0] == '\0')
            log_warn("ANYBODY WHO REACHES THIS ADDRESS CAN READ AND WRITE EVERY PROFILE: it is not loopback and there "
                     "is no --auth.tokens-file, nor are certificates of clients required",
                     log_str("listen", at->address));
    }
}

static void say_addresses(const struct server *s)
{
    const char *address;

    for (size_t i = 0; (address = server_address(s, i)) != NULL; i++)
        printf("listening on %s\n", address);
    fflush(stdout);
}

static void say_started(const struct config *c, const struct server *s)
{
    struct buf targets = { 0 };

    option_print(option_find(config_table, SLICE("target")), c, &targets);
    log_info("listening", log_str("addr", server_address(s, 0)), log_slice("target", buf_view(&targets)),
             log_int("loops", c->net_loops), log_int("memory_limit_bytes", c->memory_limit_bytes),
             log_int("shard_bytes", config_has(c, TARGET_SHARD) ? memory_for_shard(c->memory_limit_bytes) : 0),
             log_str("version", process_version()));
    warn_if_open(c);
    say_addresses(s);
    buf_free(&targets);
}

static sigset_t block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread is made: all of them inherit it */
    signal(SIGPIPE, SIG_IGN);
    return set;
}

/* The next signal, 0 when none comes within `wait_ns`. */
static int next_signal(const sigset_t *set, int64_t wait_ns)
{
    int64_t until = clock_mono_ns() + wait_ns;

    for (; wait_ns > 0; wait_ns = until - clock_mono_ns()) {
        struct timespec t = { .tv_sec = wait_ns / NS_PER_S, .tv_nsec = wait_ns % NS_PER_S };
        int             signal_number = sigtimedwait(set, NULL, &t);
        if (signal_number > 0)
            return signal_number;
    }
    return 0;
}

static bool is_end(int signal_number) { return signal_number == SIGTERM || signal_number == SIGINT; }

static void reload(struct server *s, int argc, char **argv)
{
    struct arena *a = arena_new(0);
    struct config fresh = { 0 };
    struct fault  why;
    enum code     code = config_load(argc, argv, a, &fresh, &why);

    if (code == CODE_OK)
        code = server_reload(s, &fresh.limits, &why);
    if (code == CODE_OK)
        log_info("limits and tokens read again");
    else
        log_error("reload refused, nothing changed", log_str("error", why.text));
    arena_free(a);
}

/* Until a signal to end, which is returned; 0: it cannot go on. */
static int serve(struct server *s, const sigset_t *set, int argc, char **argv)
{
    struct fault why;

    for (;;) {
        bool is_loading = server_state(s) == SERVER_LOADING;
        int  signal_number = next_signal(set, is_loading ? 10 * NS_PER_MS : NS_PER_S);
        if (server_is_broken(s, &why)) {
            log_error("cannot start", log_str("error", why.text));
            return 0;
        }
        if (is_end(signal_number))
            return signal_number;
        if (signal_number == SIGHUP)
            reload(s, argc, argv);
        server_tick(s);
    }
}

/* Waits until `is_done` or the time is over; false on a second signal. */
static bool wait_for(const struct server *s, bool (*is_done)(const struct server *s), int64_t wait_ns,
                     const sigset_t *set)
{
    int64_t until = clock_mono_ns() + wait_ns;

    while (clock_mono_ns() < until && !(is_done && is_done(s)))
        if (is_end(next_signal(set, 20 * NS_PER_MS)))
            return false;
    return true;
}

static int shut_down(struct server *s, int64_t delay_ns, const sigset_t *set)
{
    log_info("shutting down", log_int("delay_ms", delay_ns / NS_PER_MS));
    server_lame(s);
    bool is_patient = wait_for(s, NULL, delay_ns, set);
    server_drain(s);
    if (is_patient)
        is_patient = wait_for(s, server_is_drained, DRAIN_S * NS_PER_S, set);
    if (!is_patient || !server_is_drained(s)) {
        log_warn("ending with calls or connections still open");
        _exit(0);
    }
    server_free(s);
    log_info("ended");
    return 0;
}

static int run(const struct config *c, int argc, char **argv)
{
    sigset_t       set = block_signals();
    struct server *s;
    struct fault   why;

    if (server_new(c, &s, &why) != CODE_OK) {
        log_error("cannot start", log_str("error", why.text));
        return 1;
    }
    say_started(c, s);
    int signal_number = serve(s, &set, argc, argv);
    if (signal_number == 0)
        _exit(1); /* whoever is connected learns it from that */
    return shut_down(s, signal_number == SIGTERM ? c->shutdown_delay_ns : 0, &set);
}

int main(int argc, char **argv)
{
    struct arena *a = arena_new(0);
    struct config c = { 0 };
    struct fault  why;
    int           status = 0;

    enum code code = config_load(argc - 1, argv + 1, a, &c, &why);
    if (code != CODE_OK)
        status = usage_error(why.text);
    else if (c.help)
        status = print_help();
    else if (c.version)
        status = print_version();
    else if (c.hash_token)
        status = hash_token();
    else if (c.config_check)
        puts("the configuration is good");
    else {
        config_settle(&c, a);
        log_setup((enum log_level)c.log_level, c.log_format == 1);
        last_word_install(c.log_format == 1);
        status = run(&c, argc - 1, argv + 1);
    }
    arena_free(a);
    return status;
}
