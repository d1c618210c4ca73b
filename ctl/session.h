/* Session: what every command works with, and the exit codes that scripts rely on. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "ctl/api.h"
#include "ctl/options.h"
#include "ctl/term.h"

/* Scripts rely on these (see `hearthctl help`). */
enum exit_code { EXIT_FINE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };

struct session {
    const struct options *options;
    struct api           *api;
    struct arena         *arena; /* for the whole run */
    struct buf            out;   /* becomes standard output at the end */
    struct term           term;  /* of standard output */
    int64_t               now_ns, from_ms, to_ms;
    const char           *tenant; /* NULL: not said */
};

typedef enum exit_code command_fn(struct session *s);

command_fn command_push, command_types, command_labels, command_series, command_top, command_flame, command_diff,
    command_pprof, command_replay, command_wal, command_block;

/* "hearthctl: ..." on standard error; the code handed back is for `return`. */
__attribute__((format(printf, 2, 3))) enum exit_code say(enum exit_code code, const char *format, ...);

/* Says why an answer is none, with a hint where there is one; EXIT_FINE when it is one. */
enum exit_code answer_check(const struct session *s, const struct answer *a);

/*
 * `text` as a whole number of at least `least`; NULL gives `otherwise`.  False: told the user, who wrote it behind
 * --`option`.
 */
bool option_number(const char *option, const char *text, int64_t least, int64_t otherwise, int64_t *out);
