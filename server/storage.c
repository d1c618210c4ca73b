#include "server/storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"
#include "server/data_dir.h"
#include "server/memory_limit.h"
#include "server/policy.h"
#include "shard/disk.h"
#include "shard/store.h"
#include "shard/writer.h"

const struct storage storage_none = { .data_fd = -1 };

/* One that nobody can guess. */
static uint64_t secret_number(void)
{
    uint64_t n;

    if (getrandom(&n, sizeof n, 0) != sizeof n)
        abort();
    return n;
}

/* The log and the files of sealed blocks; NULL and no disk: there is no folder for them. */
static enum code open_data_dir(const struct config *c, struct storage *s, struct block_files **files, struct fault *why)
{
    char path[DATA_DIR_BYTES_MAX + sizeof "/blocks"];

    *files = NULL;
    if (c->data_dir[0] == '\0') {
        log_warn("PROFILES ARE KEPT IN MEMORY ONLY: a restart loses them, as there is no --data.dir");
        return CODE_OK;
    }
    enum code code = data_dir_open(c->data_dir, c->shard_name, &s->data_fd, why);
    if (code != CODE_OK)
        return code;
    snprintf(path, sizeof path, "%s/wal", c->data_dir);
    code = disk_open(path, &s->log_disk, why);
    if (code != CODE_OK)
        return code;
    snprintf(path, sizeof path, "%s/blocks", c->data_dir);
    return block_files_open(path, (enum block_damage)c->data_damaged_blocks, files, why);
}

/* As the limits are now: asked for at every batch, and for each tenant once a second. */
static struct retention retention_of(void *arg, struct slice tenant)
{
    struct limits l;

    policy_limits(arg, &tenant, 1, &l);
    return (struct retention){ l.retention_ns, l.retention_bytes == LIMIT_NONE ? 0 : (size_t)l.retention_bytes };
}

static struct shard *shard_of(const struct config *c, struct policy *p, struct store *store)
{
    struct shard_config sc = { .name = c->shard_name,
                               .retention_of = retention_of,
                               .retention_arg = p,
                               .limit_bytes = (size_t)memory_for_shard(c->memory_limit_bytes),
                               .seed = secret_number(),
                               .store = store };

    return shard_new(&sc);
}

static struct writer *writer_of(const struct config *c, const struct storage *s)
{
    struct keeper_config kc = { .shard = s->shard,
                                .disk = s->log_disk,
                                .segment_bytes = (size_t)c->wal_segment_bytes,
                                .interval_ns = c->wal_interval_ns,
                                .salt = (uint32_t)secret_number() };

    return writer_start(keeper_new(&kc));
}

enum code storage_open(const struct config *c, struct policy *p, struct storage *out, struct fault *why)
{
    struct block_files *files;

    if (!config_has(c, TARGET_SHARD))
        return CODE_OK; /* the other parts open no file of it */
    enum code code = open_data_dir(c, out, &files, why);
    if (code != CODE_OK)
        return code;
    out->store = store_start(files);
    out->shard = shard_of(c, p, out->store);
    out->writer = writer_of(c, out);
    return CODE_OK;
}

void storage_close(struct storage *s)
{
    if (s->writer != NULL)
        writer_stop(s->writer);
    if (s->store != NULL)
        store_stop(s->store);
    if (s->shard != NULL)
        shard_free(s->shard);
    if (s->log_disk != NULL)
        s->log_disk->ops->free(s->log_disk);
    if (s->data_fd >= 0)
        close(s->data_fd);
    *s = storage_none;
}
