/*
 * Options: the command line of hearthctl, one table for parsing, --help and completion.
 *
 *     hearthctl [OPTION...] COMMAND [OPTION...] [ARGUMENT...]
 *
 * O1  An option is `--name VALUE` or `--name=VALUE`, anywhere; `--` ends them; `-` is an argument.  `-o` is --output, as
 *     everywhere, and `-h` --help.
 * O2  A command knows its own options and the common ones; any other is an error that says which command has it, or
 *     which name is near.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/slice.h"

enum { LABELS_MAX = 64 };

struct options {
    /* common */
    const char *url, *tenant, *token_file, *colour;
    const char *ca_file, *cert_file, *key_file;
    const char *from, *to, *timeout;
    bool        is_json, wants_help;

    /* push */
    const char *name;
    const char *labels[LABELS_MAX]; /* "k=v" */
    size_t      n_labels;
    bool        keep_time;

    /* top, flame, diff, pprof */
    const char *type;
    const char *max_nodes, *limit, *sort;
    const char *min_percent, *depth;
    bool        is_collapsed;
    const char *left_from, *left_to;
    const char *output;

    /* replay */
    const char *speed;
    bool        loops;

    const char  *command; /* as in the table; NULL: none given */
    const char **args;    /* what is not an option, the command left out; in argv */
    size_t       n_args;
};

struct option {
    const char *name;
    const char *value;    /* its placeholder in --help; NULL: a switch */
    size_t      offset;   /* in struct options: const char * or bool */
    const char *commands; /* "push top flame"; NULL: all */
    const char *help;
};

struct command {
    const char *name, *synopsis, *summary;
    const char *examples; /* lines */
};

extern const struct option  option_table[];
extern const size_t         n_options;
extern const struct command command_table[];
extern const size_t         n_commands;

/* argv[0] is skipped; argv is reordered.  INVALID_ARGUMENT: what is wrong and what would be right. */
must_check enum code options_parse(int argc, const char **argv, struct options *out, struct fault *why);

bool option_is_for(const struct option *o, const char *command); /* command NULL: is it common? */

/* The whole help, or that of one command. */
void help_write(const char *command, struct buf *out);

/* A completion script for bash, zsh or fish.  INVALID_ARGUMENT: another shell. */
must_check enum code completion_write(const char *shell, struct buf *out, struct fault *why);
