/* Reading a log: first whether all of it is sound, then, by whoever wants them, its batches. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/crc.h"
#include "base/mem.h"
#include "shard/wal_priv.h"

/* Nothing the writer makes is larger: a record, and a segment's worth of others before it. */
#define FILE_BYTES_MAX (WAL_PAYLOAD_BYTES_MAX + ((size_t)1 << 30))

const char wal_magic[8] = { 'H', 'E', 'A', 'R', 'T', 'H', 'W', 'L' };

void wal_name(uint64_t number, char out[WAL_NAME_BYTES])
{
    snprintf(out, WAL_NAME_BYTES, "wal-%016llx", (unsigned long long)number);
}

uint64_t wal_number(const char *name)
{
    uint64_t number = 0;

    if (strlen(name) != WAL_NAME_BYTES - 1 || strncmp(name, "wal-", 4) != 0)
        return 0;
    for (const char *p = name + 4; *p != '\0'; p++) {
        int digit = slice_hex_digit(*p);
        if (digit < 0 || (*p >= 'A' && *p <= 'F'))
            return 0;
        number = number << 4 | (uint64_t)digit;
    }
    return number;
}

enum code wal_disk_fault(const char *what, const char *name, int64_t error, struct fault *why)
{
    assert(error < 0);
    return fail(why, CODE_UNAVAILABLE, "%s %s: %s", what, name, strerror((int)-error));
}

enum code wal_header_read(struct slice bytes, const char *shard, struct wal_segment *out, struct fault *why)
{
    struct wal_header h;

    if (bytes.n < sizeof h)
        return fail(why, CODE_DATA_LOSS, "cut short within its header");
    memcpy(&h, bytes.p, sizeof h);
    if (memcmp(h.magic, wal_magic, sizeof h.magic) != 0)
        return fail(why, CODE_DATA_LOSS, "does not begin as a log does");
    if (h.version != WAL_VERSION)
        return fail(why, CODE_FAILED_PRECONDITION, "is of version %u; this program reads %d", h.version, WAL_VERSION);
    if (crc32c(0, &h, offsetof(struct wal_header, crc)) != h.crc || h.zero != 0 || h.number - 1 >= INT64_MAX ||
        h.first - 1 >= INT64_MAX || h.durable >= h.first)
        return fail(why, CODE_DATA_LOSS, "its header is damaged");
    if (shard != NULL) {
        struct hash128 own = hash128(shard, strlen(shard));
        if (own.lo != h.shard.lo || own.hi != h.shard.hi)
            return fail(why, CODE_FAILED_PRECONDITION, "belongs to another shard than %s", shard);
    }
    *out = (struct wal_segment){ .number = h.number,
                                 .first = h.first,
                                 .durable = h.durable,
                                 .salt = h.salt,
                                 .size = bytes.n,
                                 .next = h.first,
                                 .end = WAL_HEADER_BYTES };
    return CODE_OK;
}

/* What may be one, by its head alone. */
static bool frame_read(struct slice bytes, uint64_t at, uint32_t salt, struct wal_frame *f)
{
    if (at > bytes.n || bytes.n - at < sizeof *f)
        return false;
    memcpy(f, bytes.p + at, sizeof *f);
    return f->kind >= WAL_ADDED && f->kind <= WAL_MARK && f->salt == salt && f->n % 8 == 0 &&
           f->n <= bytes.n - at - sizeof *f && f->durable < f->seq;
}

static bool frame_is_whole(struct slice bytes, uint64_t at, const struct wal_frame *f)
{
    return crc32c(0, bytes.p + at + sizeof f->crc, sizeof *f - sizeof f->crc + f->n) == f->crc;
}

bool wal_record_read(struct slice bytes, const struct wal_segment *s, uint64_t at, struct wal_record *out)
{
    struct wal_frame f;

    if (!frame_read(bytes, at, s->salt, &f) || !frame_is_whole(bytes, at, &f))
        return false;
    *out = (struct wal_record){ (enum wal_kind)f.kind, f.seq, f.durable, f.now_ns,
                                slice_make(bytes.p + at + sizeof f, f.n) };
    return true;
}

/* What anything behind `at` proves to have been durable. */
static uint64_t proof_behind(struct slice bytes, const struct wal_segment *s, uint64_t at)
{
    uint64_t         proof = 0;
    struct wal_frame f;

    for (; at + sizeof f <= bytes.n; at += 8)
        if (frame_read(bytes, at, s->salt, &f) && f.durable >= s->next && f.durable > proof &&
            frame_is_whole(bytes, at, &f))
            proof = f.durable;
    return proof;
}

/* ---- a folder */

struct folder {
    struct disk      *disk;
    const char       *shard;
    struct wal_found *found;
    char             *bytes; /* of one segment at a time */
    size_t            cap, found_cap;
    wal_glance_fn    *each; /* NULL: nobody wants to see the records */
    void             *arg;
    struct fault     *why;
};

/* The first `most` bytes of a segment, in f->bytes. */
static enum code load(struct folder *f, uint64_t number, size_t most, struct slice *out, uint64_t *size)
{
    char name[WAL_NAME_BYTES];

    wal_name(number, name);
    int     file = f->disk->ops->open(f->disk, name);
    int64_t n = file < 0 ? file : f->disk->ops->size(f->disk, file);
    if (n > (int64_t)FILE_BYTES_MAX)
        n = -EFBIG;
    if (n >= 0) {
        size_t want = (size_t)n < most ? (size_t)n : most;
        *size = (uint64_t)n;
        if (want > f->cap)
            f->bytes = mem_resize(f->bytes, f->cap = want);
        n = f->disk->ops->read(f->disk, file, f->bytes, want, 0);
        if (n >= 0 && (size_t)n < want)
            n = -EIO;
    }
    if (file >= 0)
        f->disk->ops->close(f->disk, file);
    if (n < 0)
        return wal_disk_fault("cannot read", name, n, f->why);
    *out = slice_make(f->bytes, (size_t)n);
    return CODE_OK;
}

static void on_name(void *arg, const char *name)
{
    struct folder    *f = arg;
    struct wal_found *found = f->found;
    uint64_t          number = wal_number(name);

    if (number == 0)
        return;
    if (found->n == f->found_cap)
        found->at = mem_resize(found->at, (f->found_cap = f->found_cap * 2 + 16) * sizeof *found->at);
    found->at[found->n++] = (struct wal_segment){ .number = number };
}

static int compare_numbers(const void *a, const void *b)
{
    const struct wal_segment *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* The fault gets the name of its file in front. */
static enum code name_fault(uint64_t number, struct fault *why)
{
    struct fault inner = *why;
    char         name[WAL_NAME_BYTES];

    wal_name(number, name);
    return fail(why, inner.code, "log %s: %.400s", name, inner.text);
}

static enum code header_load(struct folder *f, struct wal_segment *s)
{
    uint64_t     number = s->number, size;
    struct slice bytes;
    enum code    code = load(f, number, WAL_HEADER_BYTES, &bytes, &size);

    if (code != CODE_OK)
        return code;
    code = wal_header_read(bytes, f->shard, s, f->why);
    if (code == CODE_OK && s->number != number)
        code = fail(f->why, CODE_DATA_LOSS, "calls itself segment %llu", (unsigned long long)s->number);
    s->size = size;
    return code == CODE_OK ? code : name_fault(number, f->why);
}

/* Every header is good, and the segments follow each other. */
static enum code headers_load(struct folder *f)
{
    struct wal_found *found = f->found;
    int               got = f->disk->ops->list(f->disk, on_name, f);

    if (got < 0)
        return wal_disk_fault("cannot list", "the log", got, f->why);
    if (found->n > 0)
        qsort(found->at, found->n, sizeof *found->at, compare_numbers);
    for (size_t i = 0; i < found->n; i++) {
        enum code code = header_load(f, &found->at[i]);
        if (code != CODE_OK)
            return code;
        if (i == 0)
            continue;
        if (found->at[i].number != found->at[i - 1].number + 1)
            fail(f->why, CODE_DATA_LOSS, "the segment before it is missing");
        else if (found->at[i].first < found->at[i - 1].first)
            fail(f->why, CODE_DATA_LOSS, "begins before the segment before it");
        else
            continue;
        return name_fault(found->at[i].number, f->why);
    }
    return CODE_OK;
}

/* Walks the good records: those below `limit`, the first of the next segment (L2). */
static void records_walk(const struct folder *f, struct slice bytes, struct wal_segment *s, uint64_t limit)
{
    struct wal_record r;

    while (s->next < limit && wal_record_read(bytes, s, s->end, &r) && r.seq == s->next) {
        s->next++;
        s->end += WAL_RECORD_BYTES + r.payload.n;
        if (f->each != NULL && r.kind == WAL_ADDED)
            f->each(f->arg, &r);
    }
}

static uint64_t not_zero_behind(struct slice bytes, uint64_t at)
{
    while (bytes.n > at && bytes.p[bytes.n - 1] == '\0')
        bytes.n--;
    return bytes.n - at;
}

static enum code damaged(const struct wal_segment *s, uint64_t proof, struct fault *why)
{
    fail(why, CODE_DATA_LOSS,
         "damaged at offset %llu: record %llu is missing or does not read, and what comes later proves that all up to "
         "%llu had been acknowledged; restore the file from a copy, or move this log away to give up what is in it",
         (unsigned long long)s->end, (unsigned long long)s->next, (unsigned long long)proof);
    return name_fault(s->number, why);
}

/* L3: what is missing must not have been durable. */
static enum code segment_check(struct folder *f, size_t i)
{
    struct wal_found         *found = f->found;
    struct wal_segment       *s = &found->at[i];
    const struct wal_segment *after = i + 1 < found->n ? s + 1 : NULL;
    uint64_t                  limit = after ? after->first : UINT64_MAX, size;
    struct slice              bytes;
    enum code                 code = load(f, s->number, FILE_BYTES_MAX, &bytes, &size);

    if (code != CODE_OK)
        return code;
    records_walk(f, bytes, s, limit);
    found->bytes += s->end;
    found->next = s->next;
    if (s->next == limit)
        return CODE_OK;
    uint64_t proof = after ? after->durable : proof_behind(bytes, s, s->end);
    if (proof >= s->next)
        return damaged(s, proof, f->why);
    if (after != NULL)
        found->lost += limit - s->next;
    else
        found->torn_bytes = not_zero_behind(bytes, s->end);
    return CODE_OK;
}

enum code wal_inspect(struct disk *d, const char *shard, struct wal_found *out, struct fault *why)
{
    return wal_inspect_each(d, shard, NULL, NULL, out, why);
}

enum code wal_inspect_each(struct disk *d, const char *shard, wal_glance_fn *each, void *arg, struct wal_found *out,
                           struct fault *why)
{
    struct folder f = { .disk = d, .shard = shard, .found = out, .each = each, .arg = arg, .why = why };

    *out = (struct wal_found){ .next = 1 };
    enum code code = headers_load(&f);
    for (size_t i = 0; code == CODE_OK && i < out->n; i++)
        code = segment_check(&f, i);
    free(f.bytes);
    return code;
}

void wal_found_free(struct wal_found *f)
{
    free(f->at);
    *f = (struct wal_found){ 0 };
}

/* The segment was found good before; a disk that now gives other bytes is at fault. */
static enum code segment_replay(struct folder *f, const struct wal_segment *s, wal_record_fn *each, void *arg)
{
    struct slice bytes;
    uint64_t     size;
    enum code    code = load(f, s->number, s->end, &bytes, &size);

    for (uint64_t at = WAL_HEADER_BYTES; code == CODE_OK && at < s->end;) {
        struct wal_record r;
        if (!wal_record_read(bytes, s, at, &r)) {
            fail(f->why, CODE_DATA_LOSS, "changed while it was read, at offset %llu", (unsigned long long)at);
            return name_fault(s->number, f->why);
        }
        at += WAL_RECORD_BYTES + r.payload.n;
        if (r.kind == WAL_ADDED)
            code = each(arg, &r, f->why);
    }
    return code;
}

enum code wal_replay(struct disk *d, const struct wal_found *found, wal_record_fn *each, wal_progress_fn *progress,
                     void *arg, struct fault *why)
{
    struct folder f = { .disk = d, .found = (struct wal_found *)found, .why = why };
    uint64_t      bytes = 0;
    enum code     code = CODE_OK;

    for (size_t i = 0; code == CODE_OK && i < found->n; i++) {
        code = segment_replay(&f, &found->at[i], each, arg);
        bytes += found->at[i].end;
        if (code == CODE_OK)
            code = progress(arg, bytes, why);
    }
    free(f.bytes);
    return code;
}
