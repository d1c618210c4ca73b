/*
 * Kind: what one profile measures: its sample types, and what it is called (label __name__), the same whether push.v1 says
 * it or /ingest's server works it out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

enum { KIND_TYPES_MAX = 8 };

struct value_type {
    struct slice type, unit;
    int64_t      scale; /* a value is a small number times this */
};

struct kind {
    struct slice      word; /* how settings call it */
    struct slice      name;
    struct value_type types[KIND_TYPES_MAX];
    uint32_t          n_types;
    struct slice      period_type, period_unit;
    int64_t           period;
    bool              is_proportional; /* all types of a sample tell of the same event: n times their scale */
};

/* cpu, memory, mutex, goroutine, wall. */
extern const struct kind kind_table[];
extern const size_t      n_kinds;

const struct kind *kind_named(struct slice word); /* NULL: none */

/* What a server calls a profile of these types that comes to /ingest without a name. */
struct slice kind_name_of(const struct value_type *types, uint32_t n);

/* "process_cpu:cpu:nanoseconds:cpu:nanoseconds" */
struct slice kind_type_id(const struct kind *k, uint32_t type, struct arena *a);
