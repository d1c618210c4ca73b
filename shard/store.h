/*
 * Store: the thread on which buckets are sealed, and their files.
 *
 *     writer --store_submit--> [ queue ] --> store thread: block_write, file, block_open --> [ queue ] --store_take--> writer
 *                                                 ^-- block_merge, of what is sealed already
 *
 * T1  A sealing is the writer's before store_submit and after store_take, in between the store's; its buckets are held by
 *     references, so neither thread waits for the other, and none for a query.
 * T2  The live bucket of a sealing is appended to no more.
 * T3  The thread is nice'd: it takes what CPU is left, and about a tenth of a core where none is.
 * T4  A sealing with a file is on disk for good when it is taken.  Where the disk refuses, the sealed bucket stays in memory
 *     and has none.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shard/block_files.h"

struct bucket;
struct store;

struct sealing {
    struct bucket  *live; /* of a merge only while it is made */
    struct bucket **from; /* [n_from] blocks to be merged; NULL and 0: it is no merge */
    size_t          n_from;
    struct buf      sources;        /* struct block_source: what the merged one names */
    int64_t         known_since_ns; /* keys of a merge that came before are left out */
    _Atomic size_t *meter;               /* of the sealed one */
    uint64_t        first_seq, last_seq; /* of what is in it, in the log */
    struct bucket  *sealed;              /* when code is OK */
    uint64_t        file;                /* its number; 0: it has none */
    enum code       code;
    struct fault    why; /* also when it should have a file and has none */
};

/* `files` are the store's from now on; NULL: sealed buckets are held in memory. */
struct store *store_start(struct block_files *files);
void          store_stop(struct store *s); /* nobody submits any more; what was not taken is let go */

bool store_is_idle(const struct store *s); /* nothing is on its way; the writer asks */
bool store_has_files(const struct store *s);

/* False: too many are on their way; the sealing is still the caller's. */
must_check bool store_submit(struct store *s, struct sealing *x);

struct sealing *store_take(struct store *s); /* one that is done; NULL: none */

struct sealing *sealing_new(struct bucket *live, _Atomic size_t *meter); /* takes a reference */
struct sealing *sealing_merge(size_t n_from, _Atomic size_t *meter);     /* `from` is to be filled with references */
void            sealing_free(struct sealing *x);                         /* lets go of all */

/* Removes the file of a sealed bucket, by and by. */
void store_remove(struct store *s, struct bucket *sealed, uint64_t file);

/* Before the store is used, where it has files: all there is on disk (block_files_load). */
must_check enum code store_load(struct store *s, _Atomic size_t *meter, block_file_fn *each,
                                block_progress_fn *progress, void *arg, struct fault *why);
