/*
 * Arena: one allocation discipline per lifetime.  Bump allocation from chunks that double in size; everything goes at once.
 *
 * One thread at a time; ownership of a whole arena may move between threads.  Allocation cannot fail: whoever lets bytes
 * from outside decide a size bounds it first.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct arena;

/* `first_bytes` is the size of the first chunk (0: a small default). */
struct arena *arena_new(size_t first_bytes);

void arena_free(struct arena *a); /* NULL is fine */

/* Empty again, keeping the largest chunk for reuse. */
void arena_reset(struct arena *a);

/* The next so many bytes come from one chunk: for whoever knows how much is to come. */
void arena_reserve(struct arena *a, size_t bytes);

/* What was allocated since the mark goes, as if it had not been. */
struct arena_mark {
    struct chunk *newest;
    char         *at;
    size_t        bytes, next;
};
struct arena_mark arena_mark(const struct arena *a);
void              arena_rewind(struct arena *a, struct arena_mark to);

/* 16-byte aligned, not initialised. */
void *arena_alloc(struct arena *a, size_t bytes);
void *arena_zalloc(struct arena *a, size_t bytes);

/* Room for `n` items of `size`; dies on overflow of the product. */
void *arena_array(struct arena *a, size_t n, size_t size);

/* A copy with a NUL behind it (not counted in n). */
struct slice arena_copy(struct arena *a, struct slice s);

__attribute__((format(printf, 2, 3))) struct slice arena_printf(struct arena *a, const char *format, ...);

/* Bytes taken from the system. */
size_t arena_bytes(const struct arena *a);
