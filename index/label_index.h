/*
 * Label index: label name -> value -> the series that carry it.
 *
 *     names   table + vec --> "pod" --> values: vec --> "pod-1" --> postings
 *     values  table + vec of (name, value) ----------------^
 *
 * L1  Names and values are found by hash (a matcher with `=`) and listed by vec (everything else).
 * L2  Nothing is ever deleted: a table dies with its bucket.
 * L3  A record is whole, and listed, before it can be found.
 */
#pragma once

#include "index/postings.h"
#include "index/shared_table.h"
#include "index/vec.h"

struct label_name {
    uint32_t     id;     /* its place in label_index.names */
    struct vec   values; /* struct label_value * */
    struct slice text;
};

struct label_value {
    const struct label_name *name;
    struct slice             text;
    uint32_t                 id;   /* its place in name->values */
    uint32_t                 hash; /* of both */
    struct postings          series;
};

struct label_index {
    struct vec          names;  /* struct label_name * */
    struct vec          values; /* struct label_value, of all names */
    struct shared_table by_name, by_value;
};

void label_index_init(struct label_index *x);

/* Writer only; made when missing. */
struct label_value *label_index_value(struct label_index *x, struct slab *s, struct slice name, struct slice value);

/* Writer only: it will be asked for soon.  What its hash would be; 0: there is no such name. */
uint32_t label_index_warm(const struct label_index *x, struct slice name, struct slice value);

/* Any thread; NULL: there is none. */
const struct label_name  *label_index_find_name(const struct label_index *x, struct slice name);
const struct label_value *label_index_find(const struct label_index *x, const struct label_name *name,
                                           struct slice value);

/* What labels that may be new cost at most: count each, then ask.  Writer only. */
struct label_cost {
    size_t labels, bytes; /* new ones; bytes asked for beside the tables */
};
void   label_index_count(const struct label_index *x, struct slice name, struct slice value, struct label_cost *c);
void   label_index_count_unseen(const struct label_index *x, size_t n, size_t text_bytes, struct label_cost *c);
size_t label_index_cost(const struct label_index *x, const struct label_cost *c);
