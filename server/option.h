/*
 * Option: one setting, as a row of a table.  The table drives flags, the YAML file, --help and /config, so that they
 * cannot disagree (server/config.c holds it).
 *
 *     { "limits.max_query_length", OPTION_DURATION, ... }
 *       --limits.max_query_length=7d            a flag
 *       limits: { max_query_length: 7d }        the same in YAML
 *
 * Values are text until option_set has understood them; sizes and spans are int64_t in bytes and nanoseconds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"

/* What the field at `at` is, and how it is written. */
enum option_kind {
    OPTION_TEXT,     /* const char * */
    OPTION_BOOL,     /* bool: true, false */
    OPTION_INT,      /* int64_t: 8192 */
    OPTION_DURATION, /* int64_t ns: 1h30m, 7d, 250ms */
    OPTION_BYTES,    /* int64_t: 4194304, 64MiB, 1GB */
    OPTION_MB,       /* int64_t bytes, written in MiB: 4, 1.5 */
    OPTION_ENUM,     /* int: the index of the word in `choices` */
    OPTION_LIST,     /* unsigned: bit i for the i-th word of `choices` */
};

enum {
    OPTION_UNLIMITED = 1, /* `unlimited` is a value: INT64_MAX */
    OPTION_AUTO = 2,      /* `auto` is a value, OPTION_IS_AUTO: chosen at start */
    OPTION_POSITIVE = 4,  /* 0 is refused: it would mean "off" to some and "nothing" to others */
    OPTION_COMMAND = 8,   /* on the command line only */
    OPTION_HIDDEN = 16,   /* for tests: in no listing */
};

#define OPTION_IS_AUTO INT64_C(-1)

struct option {
    const char      *name;
    enum option_kind kind;
    unsigned         flags;
    size_t           at;       /* offset of its field */
    const char      *fallback; /* the default, as text */
    const char      *choices;  /* words separated by '|' */
    const char      *help;
};

struct option_table {
    const struct option *rows;
    size_t               n;
};

const struct option *option_find(struct option_table t, struct slice name); /* NULL: unknown */

/* Is `prefix` a section, that is, does "prefix." begin an option's name? */
bool option_is_section(struct option_table t, struct slice prefix);

/* INVALID_ARGUMENT: "NAME: what is wrong with `text`".  Text is copied into `a`. */
must_check enum code option_set(const struct option *o, void *target, struct slice text, struct arena *a,
                                struct fault *why);

void option_defaults(struct option_table t, void *target, struct arena *a);

/* The value as option_set would take it back. */
void option_print(const struct option *o, const void *target, struct buf *out);

/* As YAML, nested by the dots of the names.  `unless` (or NULL): leave out what is equal there. */
void option_print_all(struct option_table t, const void *target, const void *unless, struct buf *out);

/*
 * The settings of a YAML document.  INVALID_ARGUMENT: "NAME:LINE:COLUMN: ..." for syntax, unknown or repeated keys, bad
 * values, anchors, aliases and tags.  What was set before the fault stays set.
 */
must_check enum code option_read_yaml(struct option_table t, void *target, const char *name, struct slice text,
                                      struct arena *a, struct fault *why);

/* Flags: --a=b, --a b, and --a for what is bool.  The last of equal ones counts. */
must_check enum code option_read_flags(struct option_table t, void *target, int argc, char *const *argv,
                                       struct arena *a, struct fault *why);

/* One line or two for each option, with its default. */
void option_print_help(struct option_table t, struct buf *out);
