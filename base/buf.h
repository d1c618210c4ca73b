/*
 * Buf: bytes that grow.  For answers and encodings whose size is bounded by what they are made from.  One thread at a time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct buf {
    char  *p; /* owned; NULL while empty */
    size_t n, cap;
};

/* Room for `more` bytes behind p + n; returns where they begin.  The caller adds what it wrote to n. */
char *buf_reserve(struct buf *b, size_t more);

void buf_put(struct buf *b, const void *bytes, size_t n);
void buf_slice(struct buf *b, struct slice s);
void buf_text(struct buf *b, const char *text);
void buf_byte(struct buf *b, uint8_t byte);
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *b, const char *format, ...);

static inline struct slice buf_view(const struct buf *b) { return slice_make(b->p, b->n); }

void buf_free(struct buf *b); /* empty and reusable afterwards */
