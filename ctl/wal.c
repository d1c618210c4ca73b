/* wal dump: what a shard's log says, record by record, for whoever has to find out what happened. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/session.h"
#include "index/bucket.h"
#include "shard/disk.h"
#include "shard/record.h"
#include "shard/wal.h"

#define SEGMENT_BYTES_MAX ((int64_t)2 << 30)

/* The whole of a file, 8-byte aligned, in `a`. */
static enum code file_load(struct disk *d, const char *name, struct arena *a, struct slice *out, struct fault *why)
{
    int     file = d->ops->open(d, name);
    int64_t n = file < 0 ? file : d->ops->size(d, file);

    if (n > SEGMENT_BYTES_MAX)
        n = -EFBIG;
    if (n >= 0) {
        char *bytes = arena_alloc(a, (size_t)n);
        n = d->ops->read(d, file, bytes, (size_t)n, 0);
        *out = slice_make(bytes, n < 0 ? 0 : (size_t)n);
    }
    if (file >= 0)
        d->ops->close(d, file);
    return n < 0 ? fail(why, CODE_NOT_FOUND, "%s: %s", name, strerror((int)-n)) : CODE_OK;
}

static void added_write(struct session *s, const struct wal_record *r)
{
    struct record a;
    struct fault  why;

    if (record_read(r->payload, &a, &why) != CODE_OK) {
        buf_printf(&s->out, " %s", why.text);
        return;
    }
    buf_printf(&s->out, " tenant=%.*s span_ns=%lld bucket=%llu key=%016llx%016llx", SLICE_ARGS(a.tenant),
               (long long)a.start_ns, (unsigned long long)(a.generation ? a.generation : r->seq),
               (unsigned long long)a.key.hi, (unsigned long long)a.key.lo);
    bucket_redo_print(a.redo, &s->out);
}

static void wal_record_write(struct session *s, uint64_t at, const struct wal_record *r)
{
    static const char *const kinds[] = { [WAL_ADDED] = "added", [WAL_MARK] = "mark" };

    buf_printf(&s->out, "%8llu %8llu durable=%llu now_ns=%lld %s %zu bytes", (unsigned long long)at,
               (unsigned long long)r->seq, (unsigned long long)r->durable, (long long)r->now_ns, kinds[r->kind],
               r->payload.n);
    if (r->kind == WAL_ADDED)
        added_write(s, r);
    buf_byte(&s->out, '\n');
}

static bool is_zero(struct slice bytes)
{
    for (size_t i = 0; i < bytes.n; i++)
        if (bytes.p[i] != '\0')
            return false;
    return true;
}

/* One segment; REFUSED: there is something in it that does not read. */
static enum exit_code segment_dump(struct session *s, struct disk *d, const char *name)
{
    struct arena      *a = arena_new(0);
    struct wal_segment segment;
    struct wal_record  r;
    struct slice       bytes;
    struct fault       why;
    uint64_t           at = WAL_HEADER_BYTES;
    bool               is_good = false;

    enum code code = file_load(d, name, a, &bytes, &why);
    if (code == CODE_OK && (code = wal_header_read(bytes, NULL, &segment, &why)) != CODE_OK)
        buf_printf(&s->out, "%s: %s\n", name, why.text);
    else if (code != CODE_OK)
        say(EXIT_REFUSED, "%s", why.text);
    if (code == CODE_OK) {
        buf_printf(&s->out, "%s: %zu bytes, segment %llu, first record %llu, durable before it %llu\n", name, bytes.n,
                   (unsigned long long)segment.number, (unsigned long long)segment.first,
                   (unsigned long long)segment.durable);
        for (; wal_record_read(bytes, &segment, at, &r); at += WAL_RECORD_BYTES + r.payload.n)
            wal_record_write(s, at, &r);
        is_good = is_zero(slice_from(bytes, at));
        buf_printf(&s->out, "%8llu %s\n", (unsigned long long)at, is_good ? "end" : "what stands here does not read");
    }
    arena_free(a);
    return is_good ? EXIT_FINE : EXIT_REFUSED;
}

/* All segments, and then the verdict that a shard would come to. */
static enum exit_code folder_dump(struct session *s, struct disk *d)
{
    struct wal_found found;
    struct fault     why;
    char             name[WAL_NAME_BYTES];

    enum code code = wal_inspect(d, NULL, &found, &why);
    for (size_t i = 0; i < found.n; i++) {
        wal_name(found.at[i].number, name);
        segment_dump(s, d, name);
    }
    if (code == CODE_OK)
        buf_printf(&s->out, "sound: %zu segments, %llu bytes, next record %llu, torn tail of %llu bytes\n", found.n,
                   (unsigned long long)found.bytes, (unsigned long long)found.next,
                   (unsigned long long)found.torn_bytes);
    else
        buf_printf(&s->out, "not sound: %s\n", why.text);
    wal_found_free(&found);
    return code == CODE_OK ? EXIT_FINE : EXIT_REFUSED;
}

static enum exit_code dump(struct session *s, const char *path)
{
    struct disk *d;
    struct stat  st;
    struct fault why;
    const char  *slash = strrchr(path, '/'), *folder = path;

    if (stat(path, &st) != 0)
        return say(EXIT_REFUSED, "%s: %s", path, strerror(errno));
    bool is_folder = S_ISDIR(st.st_mode);
    if (!is_folder)
        folder = slash ? arena_copy(s->arena, slice_make(path, (size_t)(slash - path) + 1)).p : ".";
    if (disk_open(folder, &d, &why) != CODE_OK)
        return say(EXIT_REFUSED, "%s", why.text);
    enum exit_code code = is_folder ? folder_dump(s, d) : segment_dump(s, d, slash ? slash + 1 : path);
    d->ops->free(d);
    return code;
}

enum exit_code command_wal(struct session *s)
{
    const struct options *o = s->options;

    if (o->n_args != 2 || strcmp(o->args[0], "dump") != 0)
        return say(EXIT_USAGE, "write: hearthctl wal dump FILE|FOLDER");
    return dump(s, o->args[1]);
}
