/*
 * Any bytes as a segment: refused, or a log that fills a shard and to which more can be appended.  Checksums are made
 * right first, unless the first byte is odd: what lies behind them is to be reached too.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/crc.h"
#include "shard/record.h"
#include "shard/shard.h"
#include "shard/test_disk.h"
#include "shard/wal_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define LIMIT_BYTES ((size_t)32 << 20)

/* The header's and those of all records that follow each other. */
static void mend(char *p, size_t n)
{
    struct wal_header h;
    struct wal_frame  f;
    uint32_t          crc;

    if (n < sizeof h)
        return;
    memcpy(&h, p, sizeof h);
    crc = crc32c(0, &h, offsetof(struct wal_header, crc));
    memcpy(p + offsetof(struct wal_header, crc), &crc, sizeof crc);
    for (size_t at = sizeof h; n - at >= sizeof f; at += sizeof f + f.n) {
        memcpy(&f, p + at, sizeof f);
        if (f.n > n - at - sizeof f)
            return;
        crc = crc32c(0, p + at + sizeof crc, sizeof f - sizeof crc + f.n);
        memcpy(p + at, &crc, sizeof crc);
    }
}

static enum code each(void *arg, const struct wal_record *r, struct fault *why)
{
    struct record record;
    enum code     code = record_read(r->payload, &record, why);

    assert(r->seq > 0 && r->durable < r->seq);
    return code == CODE_OK ? shard_redo(arg, &record, r->seq, r->seq, r->now_ns, why) : code;
}

static enum code progress(void *arg, uint64_t bytes, struct fault *why)
{
    (void)arg;
    (void)bytes;
    (void)why;
    return CODE_OK;
}

static void go_on(struct sim_disk *s, const struct wal_found *found)
{
    struct wal_config c = { .disk = &s->disk, .shard = "t", .segment_bytes = 4096, .salt = 7 };
    struct wal       *w;
    struct wal_found  now;
    struct fault      why;

    enum code code = wal_open(&c, found, &w, &why);
    assert(code == CODE_OK);
    wal_add(w, SLICE("more"), 1);
    code = wal_commit(w, true, 1, &why);
    assert(code == CODE_OK);
    wal_close(w, 1);
    code = wal_inspect(&s->disk, "t", &now, &why);
    assert(code == CODE_OK && now.next >= found->next + 1);
    wal_found_free(&now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct shard_config config = { .name = "t", .retention_ns = INT64_MAX, .limit_bytes = LIMIT_BYTES, .seed = 1 };
    struct shard       *shard = shard_new(&config);
    struct sim_disk    *s = sim_new(1);
    struct wal_found    found;
    struct fault        why;
    char                name[WAL_NAME_BYTES];

    wal_name(1, name);
    if (n > 0)
        sim_put(s, name, slice_make(data + 1, n - 1));
    if (n > 0 && data[0] % 2 == 0)
        mend(sim_file(s, name)->p, n - 1);
    if (wal_inspect(&s->disk, "t", &found, &why) == CODE_OK &&
        wal_replay(&s->disk, &found, each, progress, shard, &why) == CODE_OK && found.next < UINT64_MAX / 2)
        go_on(s, &found);
    wal_found_free(&found);
    s->disk.ops->free(&s->disk);
    shard_free(shard);
    return 0;
}
