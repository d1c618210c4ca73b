/*
 * Text: bytes from elsewhere made fit for a terminal, and numbers made fit for people.
 *
 * Names come from whoever pushed them: control characters (and what is not UTF-8) are shown as `?`, so that no name can
 * move the cursor, colour the screen or end a line.  Columns are counted as the terminal counts them (wcwidth under the
 * locale that main() sets).
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/* The columns `s` takes once it is made fit. */
size_t text_columns(struct slice s);

/*
 * `s` in at most `columns` columns: whole, or cut with `~` as its last column.  Returns the columns used.  Padding is
 * the caller's.
 */
size_t text_fit(struct buf *out, struct slice s, size_t columns);

void text_pad(struct buf *out, size_t columns);

enum text_unit { TEXT_PLAIN, TEXT_NANOSECONDS, TEXT_BYTES };

/* Of a profile type's or sample type's unit: "nanoseconds", "bytes", anything else. */
enum text_unit text_unit_of(struct slice unit);

/* Three to four digits and a unit: 1.24s, 340ms, 12.0MiB, 15.3k. */
void text_value(struct buf *out, int64_t value, enum text_unit unit);

/* part of whole in percent, one decimal: "12.3%"; "0.0%" of nothing. */
void text_percent(struct buf *out, int64_t part, int64_t whole);

/* A JSON string, quotes included; bytes that are not UTF-8 become U+FFFD. */
void text_json(struct buf *out, struct slice s);
