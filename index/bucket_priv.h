/* What a bucket is made of: for this room only. */
#pragma once

#include "index/bucket.h"
#include "index/label_index.h"
#include "index/series.h"
#include "index/stacks.h"
#include "index/symtab.h"

/* One service: the scope of symbols and stacks. */
struct group {
    uint32_t      id;
    struct slice  service;
    struct symtab symtab;
    struct stacks stacks;
    struct vec    series;       /* uint32_t, ascending */
    size_t        unmade_bytes; /* charged ahead: what bucket_redone will ask for */
};

/* What the appends came to, those included that nobody sees yet. */
struct taken {
    uint32_t n; /* batches */
    int64_t  samples, clamped, oldest_ns, newest_ns;
};

struct block;

struct bucket {
    _Atomic uint32_t refs;
    struct block    *sealed; /* NULL: live, filled from what is below; else all but times, tenant and counts is there */
    int64_t          start_ns, end_ns;
    struct slice     tenant;
    struct slab      slab;

    struct vec         groups; /* struct group * */
    struct types       types;
    struct label_index labels;
    struct series_set  series;
    struct table       group_ids; /* this and the next are the writer's */
    struct taken       taken;
    bool               is_unmade; /* redos came, and bucket_redone did not */
    struct vec         keys;   /* struct bucket_key */
    uint32_t           n_keys; /* of what is published */

    _Atomic uint32_t n_batches; /* the word of index/publish.h: stored last, loaded first */

    _Atomic int64_t n_samples, oldest_ns, newest_ns, n_clamped;
};

/* Writer only; NULL: there is none. */
struct group *bucket_group(const struct bucket *b, struct slice service);
struct group *bucket_group_add(struct bucket *b, struct slice service); /* there is none */

/* Writer only; there is none of these labels, which are by name. */
struct series *bucket_series_add(struct bucket *b, struct group *g, struct label_value *const *labels, uint32_t n);

/* A batch of that time has been taken whole. */
void bucket_count(struct bucket *b, int64_t time_ns);

static inline const struct group *group_at(const struct bucket *b, uint32_t i) { return vec_pointer(&b->groups, i); }
