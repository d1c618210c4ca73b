/*
 * For tests of what a start finds: a shard with its log and its block files in a folder of the test's own, which stops and is
 * loaded again.
 */
#pragma once

#include "shard/load.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "index/block.h"
#include "index/select.h"
#include "shard/disk.h"
#include "shard/keeper.h"
#include "shard/store.h"
#include "shard/test_batch.h"
#include "shard/test_held.h"

#define SPAN (600 * NS_PER_S)
#define T0 (1700000000 * NS_PER_S / SPAN * SPAN)

enum { SEGMENT = 16 << 10 };

/* In memory where that can be: it is started some thousand times, and no power goes. */
static char  roots[2][40] = { "/dev/shm/shard_load_test.XXXXXX", "/tmp/shard_load_test.XXXXXX" }, *root;
static void (*disk_opened)(struct disk *d); /* what a test wants of it, before anything is read */

static inline void root_make(void)
{
    log_setup(LOG_ERROR + 1, false);
    root = mkdtemp(roots[0]);
    if (root == NULL)
        root = mkdtemp(roots[1]);
    assert(root != NULL);
}

struct machine {
    struct store  *store;
    struct shard  *shard;
    struct disk   *disk;
    struct keeper *keeper;
    bool           is_loaded;
};

static inline void path_in(const char *name, char out[512]) { snprintf(out, 512, "%s/%s", root, name); }

static inline enum code start(struct machine *m, size_t limit_bytes, enum block_damage damage, struct fault *why)
{
    struct block_files *files;
    char                path[512];

    path_in("blocks", path);
    assert(block_files_open(path, damage, &files, why) == CODE_OK);
    path_in("wal", path);
    assert(disk_open(path, &m->disk, why) == CODE_OK);
    if (disk_opened != NULL)
        disk_opened(m->disk);
    m->store = store_start(files);
    m->shard = shard_new(&(struct shard_config){ .name = "t",
                                                 .retention_ns = INT64_MAX,
                                                 .limit_bytes = limit_bytes,
                                                 .store = m->store,
                                                 .seal_bytes = 256 << 10 });
    m->keeper =
        keeper_new(&(struct keeper_config){ .shard = m->shard, .disk = m->disk, .segment_bytes = SEGMENT, .salt = 5 });
    enum code code = keeper_load(m->keeper, T0, why);
    m->is_loaded = code == CODE_OK;
    return code;
}

static inline struct machine started(size_t limit_bytes)
{
    struct machine m;
    struct fault   why;
    enum code      code = start(&m, limit_bytes, BLOCK_DAMAGE_REFUSE, &why);

    if (code != CODE_OK)
        fprintf(stderr, "%s\n", why.text);
    assert(code == CODE_OK);
    return m;
}

static inline void stop(struct machine *m)
{
    keeper_free(m->keeper, T0);
    store_stop(m->store);
    shard_free(m->shard);
    m->disk->ops->free(m->disk);
}

static inline void on_done(struct append *a) { (void)a; }

static inline enum code push(struct machine *m, const char *tenant, int64_t time_ns, unsigned i, unsigned bulk)
{
    struct arena  *a = arena_new(0);
    struct batch  *b = test_batch(a, &(struct test_profile){ tenant, "svc", "pod", time_ns, 1, i, bulk });
    struct append  one = { .batch = b, .done = on_done };
    struct hash128 key = hash128(&i, sizeof i);

    b->mode = BATCH_SYNC;
    b->key = key;
    keeper_take(m->keeper, &one, T0);
    keeper_step(m->keeper, T0);
    arena_free(a);
    return one.code;
}

/* Refused while what is older is sealed, it is pushed again. */
static inline void insist(struct machine *m, const char *tenant, int64_t time_ns, unsigned i, unsigned bulk)
{
    enum code code;

    while ((code = push(m, tenant, time_ns, i, bulk)) == CODE_RESOURCE_EXHAUSTED)
        usleep(200);
    assert(code == CODE_OK);
}

/* Each has a stack of its own: none counts twice. */
static inline struct held_by found_of(struct machine *m, const char *tenant)
{
    struct held_by h = held_by(m->shard, tenant);

    assert(h.most <= 1);
    return h;
}

static inline void expect(struct machine *m, const char *tenant, int64_t profiles)
{
    struct held_by h = found_of(m, tenant);

    assert(h.profiles == profiles && h.sum == profiles);
}

/* Steps at `now_ns` until the tenant has so many sealed buckets. */
static inline void await_sealed(struct machine *m, const char *tenant, size_t sealed, int64_t now_ns)
{
    for (int i = 0; i < 20000 && found_of(m, tenant).sealed < sealed; i++) {
        keeper_step(m->keeper, now_ns);
        usleep(500);
    }
    assert(found_of(m, tenant).sealed >= sealed);
}

/* How many files there are whose names end so; the last of them in `path`, if that is wanted. */
static inline int files_n(const char *folder, const char *ending, char path[512])
{
    char command[700], line[512];
    int  n = 0;

    snprintf(command, sizeof command, "find %s/%s -type f -name '*%s'", root, folder, ending);
    FILE *p = popen(command, "r");
    for (; p != NULL && fgets(line, sizeof line, p) != NULL; n++)
        if (path != NULL)
            memcpy(path, line, strcspn(line, "\n") + 1), path[strcspn(line, "\n")] = '\0';
    pclose(p);
    return n;
}
