/*
 * Table: rows of text in columns as wide as they need to be, the last one cut to the terminal.  One thread.
 *
 *     PROFILE TYPE                                   SAMPLE  UNIT
 *     process_cpu:cpu:nanoseconds:cpu:nanoseconds    cpu     nanoseconds
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "ctl/text.h"

struct table;

struct table_column {
    const char *title;
    bool        is_number; /* set to the right */
};

/* Lives in `a`; `columns` is borrowed. */
struct table *table_new(struct arena *a, const struct table_column *columns, size_t n);

/* The next cell, row by row from the left; the text is copied. */
void table_cell(struct table *t, struct slice text);
void table_value(struct table *t, int64_t value, enum text_unit unit);
void table_change(struct table *t, int64_t before, int64_t after, enum text_unit unit); /* with its sign */
void table_percent(struct table *t, int64_t part, int64_t whole);

/* `columns_max`: of the terminal; 0: nothing is cut. */
void table_write(const struct table *t, size_t columns_max, struct buf *out);
