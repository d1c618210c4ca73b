/* Reading a log: first whether all of it is sound, then, by whoever wants them, its batches. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/crc.h"
#include "base/mem.h"
#include "shard/wal_priv.h"
#include "shard/wal_window.h"

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

/* What anything in the rest of a segment proves to have been durable. */
static uint64_t proof_in(struct slice bytes, const struct wal_segment *s)
{
    uint64_t         proof = 0;
    struct wal_frame f;

    for (uint64_t at = 0; at + sizeof f <= bytes.n; at += 8)
        if (frame_read(bytes, at, s->salt, &f) && f.durable >= s->next && f.durable > proof &&
            frame_is_whole(bytes, at, &f))
            proof = f.durable;
    return proof;
}

/* ---- a folder */

struct folder {
    struct window     window; /* one segment at a time */
    const char       *shard;
    struct wal_found *found;
    size_t            found_cap;
    wal_glance_fn    *each; /* NULL: nobody wants to see the records */
    void             *arg;
    struct fault     *why;
};

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
    uint64_t     number = s->number;
    struct slice bytes;
    enum code    code = window_open(&f->window, number, f->why);

    if (code == CODE_OK)
        code = window_look(&f->window, 0, WAL_HEADER_BYTES, &bytes, f->why);
    if (code != CODE_OK)
        return code;
    code = wal_header_read(bytes, f->shard, s, f->why);
    if (code == CODE_OK && s->number != number)
        code = fail(f->why, CODE_DATA_LOSS, "calls itself segment %llu", (unsigned long long)s->number);
    s->size = f->window.size;
    return code == CODE_OK ? code : name_fault(number, f->why);
}

/* Every header is good, and the segments follow each other. */
static enum code headers_load(struct folder *f)
{
    struct wal_found *found = f->found;
    struct disk      *disk = f->window.disk;
    int               got = disk->ops->list(disk, on_name, f);

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

/* The record at `at`, if there is a good one: else r->kind is 0. */
static enum code record_look(struct folder *f, const struct wal_segment *s, uint64_t at, struct wal_record *r)
{
    struct wal_frame frame;
    struct slice     bytes;
    enum code        code = window_look(&f->window, at, sizeof frame, &bytes, f->why);

    *r = (struct wal_record){ 0 };
    if (code != CODE_OK || bytes.n < sizeof frame)
        return code;
    memcpy(&frame, bytes.p, sizeof frame);
    code = window_look(&f->window, at, sizeof frame + frame.n, &bytes, f->why);
    if (code == CODE_OK)
        wal_record_read(bytes, s, 0, r);
    return code;
}

/* Walks the good records: those below `limit`, the first of the next segment (L2). */
static enum code records_walk(struct folder *f, struct wal_segment *s, uint64_t limit)
{
    struct wal_record r;
    enum code         code = CODE_OK;

    while (s->next < limit && (code = record_look(f, s, s->end, &r)) == CODE_OK && r.kind != 0 && r.seq == s->next) {
        s->next++;
        s->end += WAL_RECORD_BYTES + r.payload.n;
        if (f->each != NULL && r.kind == WAL_ADDED)
            f->each(f->arg, &r);
    }
    return code;
}

static uint64_t not_zero(struct slice bytes)
{
    while (bytes.n > 0 && bytes.p[bytes.n - 1] == '\0')
        bytes.n--;
    return bytes.n;
}

static enum code damaged(const struct wal_segment *s, uint64_t proof, struct fault *why)
{
    fail(why, CODE_DATA_LOSS,
         "damaged at offset %llu: record %llu is missing or does not read, and what comes later proves that all up to "
         "%llu had been acknowledged; restore the file from a copy, or move this log away to give up what is in it",
         (unsigned long long)s->end, (unsigned long long)s->next, (unsigned long long)proof);
    return name_fault(s->number, why);
}

/* L3: behind the last good record of all nothing may prove more. */
static enum code tail_check(struct folder *f, const struct wal_segment *s)
{
    struct slice rest;
    enum code    code = window_look(&f->window, s->end, s->size - s->end, &rest, f->why);

    if (code != CODE_OK)
        return code;
    uint64_t proof = proof_in(rest, s);
    if (proof >= s->next)
        return damaged(s, proof, f->why);
    f->found->torn_bytes = not_zero(rest);
    return CODE_OK;
}

/* L3: what is missing must not have been durable. */
static enum code segment_check(struct folder *f, size_t i)
{
    struct wal_found         *found = f->found;
    struct wal_segment       *s = &found->at[i];
    const struct wal_segment *after = i + 1 < found->n ? s + 1 : NULL;
    uint64_t                  limit = after ? after->first : UINT64_MAX;
    enum code                 code = window_open(&f->window, s->number, f->why);

    if (code == CODE_OK)
        code = records_walk(f, s, limit);
    if (code != CODE_OK)
        return code;
    found->bytes += s->end;
    found->next = s->next;
    if (after == NULL)
        return tail_check(f, s);
    if (s->next < limit && after->durable >= s->next)
        return damaged(s, after->durable, f->why);
    found->lost += limit - s->next;
    return CODE_OK;
}

enum code wal_inspect(struct disk *d, const char *shard, struct wal_found *out, struct fault *why)
{
    return wal_inspect_each(d, shard, NULL, NULL, out, why);
}

enum code wal_inspect_each(struct disk *d, const char *shard, wal_glance_fn *each, void *arg, struct wal_found *out,
                           struct fault *why)
{
    struct folder f = { .window = { .disk = d }, .shard = shard, .found = out, .each = each, .arg = arg, .why = why };

    *out = (struct wal_found){ .next = 1 };
    enum code code = headers_load(&f);
    for (size_t i = 0; code == CODE_OK && i < out->n; i++)
        code = segment_check(&f, i);
    window_fini(&f.window);
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
    struct wal_record r;
    enum code         code = window_open(&f->window, s->number, f->why);

    for (uint64_t at = WAL_HEADER_BYTES; code == CODE_OK && at < s->end;) {
        if ((code = record_look(f, s, at, &r)) != CODE_OK)
            return code;
        if (r.kind == 0) {
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
    struct folder f = { .window = { .disk = d }, .found = (struct wal_found *)found, .why = why };
    uint64_t      bytes = 0;
    enum code     code = CODE_OK;

    for (size_t i = 0; code == CODE_OK && i < found->n; i++) {
        code = segment_replay(&f, &found->at[i], each, arg);
        bytes += found->at[i].end;
        if (code == CODE_OK)
            code = progress(arg, bytes, why);
    }
    window_fini(&f.window);
    return code;
}
