/*
 * Log: events with named fields to standard error, one line each, as logfmt or JSON.
 *
 *     log_info("listening", log_str("addr", addr), log_int("loops", n));
 *     level=info ts=2026-11-20T10:00:00.000Z msg=listening addr=127.0.0.1:4040 loops=2
 *
 * Any thread; a line is one write(2).  Bytes from clients are escaped.  Whoever returns an error does not log it.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
    const char  *name; /* NULL ends a list */
    struct slice text; /* used when `is_text` */
    int64_t      number;
    bool         is_text;
};

static inline struct log_field log_slice(const char *name, struct slice v)
{
    return (struct log_field){ .name = name, .text = v, .is_text = true };
}

static inline struct log_field log_str(const char *name, const char *v) { return log_slice(name, slice_of(v)); }

static inline struct log_field log_int(const char *name, int64_t v)
{
    return (struct log_field){ .name = name, .number = v };
}

void log_setup(enum log_level least, bool as_json);

void log_write(enum log_level level, const char *msg, const struct log_field *fields);

#define log_event(level, msg, ...) log_write(level, msg, (struct log_field[]){ __VA_ARGS__ __VA_OPT__(,) { 0 } })
#define log_debug(msg, ...) log_event(LOG_DEBUG, msg __VA_OPT__(,) __VA_ARGS__)
#define log_info(msg, ...) log_event(LOG_INFO, msg __VA_OPT__(,) __VA_ARGS__)
#define log_warn(msg, ...) log_event(LOG_WARN, msg __VA_OPT__(,) __VA_ARGS__)
#define log_error(msg, ...) log_event(LOG_ERROR, msg __VA_OPT__(,) __VA_ARGS__)
