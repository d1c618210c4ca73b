/*
 * For tests: a disk in memory that can fail, and lose power.
 *
 *     file:  now (what a reader sees)     safe (what is on the plate)     waiting: writes since the last sync
 *
 * Power loss keeps what is safe and, sector by sector and in any order, some of what waits; names alike.  A sync that
 * fails drops what waited, as Linux does: a later sync that succeeds does not bring it back.
 */
#pragma once

#include <assert.h>
#include <errno.h>

#include "base/mem.h"
#include "base/slice.h"
#include "shard/disk.h"

enum { SIM_FILES = 256, SIM_SECTOR = 512, SIM_WAITING = 512 };

struct sim_bytes {
    char    *p;
    uint64_t n;
};

/* A write, or with p == NULL a new length. */
struct sim_op {
    int      file;
    uint64_t at, n;
    char    *p;
};

struct sim_name {
    char name[40];
    int  file; /* -1: the name is gone */
};

struct sim_disk {
    struct disk      disk;
    struct sim_bytes now[SIM_FILES], safe[SIM_FILES];
    int              n_files;
    struct sim_op    waiting[SIM_WAITING];
    int              n_waiting;
    struct sim_name  names[SIM_FILES], safe_names[SIM_FILES],
        waiting_names[SIM_FILES][2]; /* a rename is one act of two */
    int      n_names, n_safe_names, n_waiting_names;
    int      acts;     /* that change something, so far */
    int      fail_act; /* the one that fails; -1: none */
    int      fail_with;
    bool     fails_on; /* and all after it */
    bool     writes_short;
    uint64_t random;
};

static inline struct sim_disk *sim_of(struct disk *d) { return (struct sim_disk *)(void *)d; }

static inline uint64_t sim_random(struct sim_disk *s)
{
    s->random = s->random * 6364136223846793005u + 1442695040888963407u;
    return s->random >> 33;
}

/* 0, or what this act fails with. */
static inline int sim_act(struct sim_disk *s)
{
    int  act = s->acts++;
    bool fails = s->fail_act >= 0 && (s->fails_on ? act >= s->fail_act : act == s->fail_act);

    return fails ? -s->fail_with : 0;
}

static inline void sim_resize(struct sim_bytes *b, uint64_t n)
{
    b->p = mem_resize(b->p, n);
    if (n > b->n)
        memset(b->p + b->n, 0, n - b->n);
    b->n = n;
}

static inline void sim_apply(struct sim_bytes *b, const struct sim_op *op, uint64_t from, uint64_t n)
{
    if (op->p == NULL) {
        sim_resize(b, op->n);
        return;
    }
    if (op->at + from + n > b->n)
        sim_resize(b, op->at + from + n);
    if (n > 0)
        memcpy(b->p + op->at + from, op->p + from, n);
}

static inline void sim_wait(struct sim_disk *s, struct sim_op op)
{
    sim_apply(&s->now[op.file], &op, 0, op.n);
    assert(s->n_waiting < SIM_WAITING);
    s->waiting[s->n_waiting++] = op;
}

/* Takes the waiting operations of a file (-1: of all) off the list: onto the plate, in part, or nowhere. */
enum sim_fate { SIM_SAFE, SIM_GONE, SIM_PERHAPS };

static inline void sim_land(struct sim_disk *s, const struct sim_op *op, enum sim_fate fate)
{
    struct sim_bytes *safe = &s->safe[op->file];

    if (fate == SIM_SAFE || (fate == SIM_PERHAPS && op->p == NULL && sim_random(s) % 2)) {
        sim_apply(safe, op, 0, op->n);
        return;
    }
    for (uint64_t at = 0; fate == SIM_PERHAPS && op->p != NULL && at < op->n;) {
        uint64_t n = SIM_SECTOR - (op->at + at) % SIM_SECTOR;
        n = n < op->n - at ? n : op->n - at;
        if (sim_random(s) % 2)
            sim_apply(safe, op, at, n);
        at += n;
    }
}

static inline void sim_settle(struct sim_disk *s, int file, enum sim_fate fate)
{
    int kept = 0;

    for (int i = 0; i < s->n_waiting; i++) {
        if (file >= 0 && s->waiting[i].file != file) {
            s->waiting[kept++] = s->waiting[i];
            continue;
        }
        sim_land(s, &s->waiting[i], fate);
        free(s->waiting[i].p);
    }
    s->n_waiting = kept;
}

static inline int sim_find(const struct sim_name *names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i].name, name) == 0)
            return i;
    return -1;
}

static inline void sim_name_set(struct sim_name *names, int *n, const struct sim_name *to)
{
    int i = sim_find(names, *n, to->name);

    if (to->name[0] == '\0')
        return;
    if (i < 0)
        i = (*n)++;
    names[i] = *to;
    if (to->file < 0)
        names[i] = names[--*n];
}

static inline struct sim_name sim_name_make(const char *name, int file)
{
    struct sim_name made = { .file = file };

    assert(strlen(name) < sizeof made.name);
    strcpy(made.name, name);
    return made;
}

static inline void sim_names_change(struct sim_disk *s, struct sim_name a, struct sim_name b)
{
    sim_name_set(s->names, &s->n_names, &a);
    sim_name_set(s->names, &s->n_names, &b);
    assert(s->n_waiting_names < SIM_FILES);
    s->waiting_names[s->n_waiting_names][0] = a;
    s->waiting_names[s->n_waiting_names++][1] = b;
}

static inline void sim_names_settle(struct sim_disk *s, bool all)
{
    for (int i = 0; i < s->n_waiting_names; i++)
        if (all || sim_random(s) % 2)
            for (int k = 0; k < 2; k++)
                sim_name_set(s->safe_names, &s->n_safe_names, &s->waiting_names[i][k]);
    s->n_waiting_names = 0;
}

/* ---- the interface */

static int sim_create(struct disk *d, const char *name)
{
    struct sim_disk *s = sim_of(d);
    int              failed = sim_act(s);

    if (failed)
        return failed;
    assert(s->n_files < SIM_FILES);
    sim_names_change(s, sim_name_make(name, s->n_files), (struct sim_name){ 0 });
    return s->n_files++;
}

static int sim_open(struct disk *d, const char *name)
{
    struct sim_disk *s = sim_of(d);
    int              i = sim_find(s->names, s->n_names, name);

    return i < 0 ? -ENOENT : s->names[i].file;
}

static void sim_close(struct disk *d, int file)
{
    (void)d;
    (void)file;
}

static int64_t sim_size(struct disk *d, int file) { return (int64_t)sim_of(d)->now[file].n; }

static int64_t sim_read(struct disk *d, int file, void *out, size_t n, uint64_t at)
{
    const struct sim_bytes *b = &sim_of(d)->now[file];

    if (at >= b->n)
        return 0;
    n = n < b->n - at ? n : b->n - at;
    memcpy(out, b->p + at, n);
    return (int64_t)n;
}

static int64_t sim_write(struct disk *d, int file, const void *bytes, size_t n, uint64_t at)
{
    struct sim_disk *s = sim_of(d);
    int              failed = sim_act(s);

    if (failed)
        return failed;
    if (s->writes_short && n > 100)
        n = 100;
    char *copy = mem_alloc(n);
    memcpy(copy, bytes, n);
    sim_wait(s, (struct sim_op){ file, at, n, copy });
    return (int64_t)n;
}

static int sim_length(struct disk *d, int file, uint64_t bytes)
{
    struct sim_disk *s = sim_of(d);
    int              failed = sim_act(s);

    if (failed == 0)
        sim_wait(s, (struct sim_op){ .file = file, .n = bytes });
    return failed;
}

static int sim_sync(struct disk *d, int file)
{
    struct sim_disk *s = sim_of(d);
    int              failed = sim_act(s);

    if (failed == 0 || !s->fails_on) /* else the process is gone: what waits goes on waiting */
        sim_settle(s, file, failed ? SIM_PERHAPS : SIM_SAFE);
    return failed;
}

static int sim_rename(struct disk *d, const char *from, const char *to)
{
    struct sim_disk *s = sim_of(d);
    int              failed = sim_act(s), i = sim_find(s->names, s->n_names, from);

    if (failed || i < 0)
        return failed ? failed : -ENOENT;
    sim_names_change(s, sim_name_make(to, s->names[i].file), sim_name_make(from, -1));
    return 0;
}

static int sim_remove(struct disk *d, const char *name)
{
    struct sim_disk *s = sim_of(d);
    int              failed = sim_act(s);

    if (failed || sim_find(s->names, s->n_names, name) < 0)
        return failed ? failed : -ENOENT;
    sim_names_change(s, sim_name_make(name, -1), (struct sim_name){ 0 });
    return 0;
}

static int sim_sync_names(struct disk *d)
{
    struct sim_disk *s = sim_of(d);
    int              failed = sim_act(s);

    if (failed == 0)
        sim_names_settle(s, true);
    return failed;
}

static int sim_list(struct disk *d, disk_name_fn *each, void *arg)
{
    struct sim_disk *s = sim_of(d);

    for (int i = 0; i < s->n_names; i++)
        each(arg, s->names[i].name);
    return 0;
}

static void sim_free(struct disk *d)
{
    struct sim_disk *s = sim_of(d);

    sim_settle(s, -1, SIM_GONE);
    for (int i = 0; i < s->n_files; i++) {
        free(s->now[i].p);
        free(s->safe[i].p);
    }
    free(s);
}

static const struct disk_ops sim_ops = { .create = sim_create,
                                         .open = sim_open,
                                         .close = sim_close,
                                         .size = sim_size,
                                         .read = sim_read,
                                         .write = sim_write,
                                         .reserve = sim_length,
                                         .cut = sim_length,
                                         .sync = sim_sync,
                                         .rename = sim_rename,
                                         .remove = sim_remove,
                                         .sync_names = sim_sync_names,
                                         .list = sim_list,
                                         .free = sim_free };

/* ---- for the tests */

static inline struct sim_disk *sim_new(uint64_t seed)
{
    struct sim_disk *s = mem_zalloc(sizeof *s);

    s->disk.ops = &sim_ops;
    s->fail_act = -1;
    s->fail_with = EIO;
    s->random = seed * 2654435761u + 1;
    return s;
}

/* The power is gone and comes back. */
static inline void sim_power_cut(struct sim_disk *s)
{
    sim_settle(s, -1, SIM_PERHAPS);
    sim_names_settle(s, false);
    for (int i = 0; i < s->n_files; i++) {
        sim_resize(&s->now[i], s->safe[i].n);
        if (s->safe[i].n > 0)
            memcpy(s->now[i].p, s->safe[i].p, s->safe[i].n);
    }
    memcpy(s->names, s->safe_names, sizeof s->names);
    s->n_names = s->n_safe_names;
    s->fail_act = -1;
}

/* The bytes of a file, to be looked at or spoilt; NULL: no such file. */
static inline struct sim_bytes *sim_file(struct sim_disk *s, const char *name)
{
    int i = sim_find(s->names, s->n_names, name);
    return i < 0 ? NULL : &s->now[s->names[i].file];
}

/* A file that is there, durably, with these bytes. */
static inline void sim_put(struct sim_disk *s, const char *name, struct slice bytes)
{
    int file = sim_create(&s->disk, name);

    assert(file >= 0);
    sim_write(&s->disk, file, bytes.p ? bytes.p : "", bytes.n, 0);
    sim_sync(&s->disk, file);
    sim_sync_names(&s->disk);
}
