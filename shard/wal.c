/*
 * Writing a log.  Records gather in `pending` and go to one segment with one write, so that a commit that fails has
 * left traces in one segment only, and the next one's `first` makes them void (L2).
 */
#include "shard/wal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/crc.h"
#include "base/mem.h"
#include "base/metric.h"
#include "shard/wal_priv.h"

#define RETRY_NS (250 * NS_PER_MS) /* after a segment could not be made: a full disk is not asked at every commit */

enum {
    KEPT_BYTES = 8 << 20,   /* of memory for pending records, between commits */
    AHEAD_BYTES = 128 << 10 /* see pending_write */
};

struct wal {
    struct wal_config   config;
    struct wal_segment *segments; /* [n], oldest first; only number and first are kept up to date */
    size_t              n, cap;
    int                 file; /* the last segment; -1: the next commit begins one */
    uint64_t            end, size;
    uint64_t            written; /* up to here the segment was, be it with zeros */
    struct buf          pending;
    uint64_t            next, begun; /* records: the one to be added next, the first of those pending */
    uint64_t            durable;     /* all up to here are on disk */
    uint64_t            marked;      /* and all up to here, says the log itself */
    uint64_t            last_number;
    int64_t             synced_ns, retry_ns;
    struct fault        broken; /* why no segment could be made */
    struct metric      *bytes, *syncs, *failures, *n_segments, *read_only;
    struct histogram   *sync_time;
};

static struct disk *disk_of(const struct wal *w) { return w->config.disk; }

static void add_metrics(struct wal *w)
{
    w->bytes = metric_counter("hearth_wal_written_bytes_total", "Bytes written to the log.", "");
    w->syncs = metric_counter("hearth_wal_syncs_total", "Times the log was synced.", "");
    w->failures = metric_counter("hearth_wal_failures_total", "Writes and syncs of the log that failed.", "");
    w->n_segments = metric_gauge("hearth_wal_segments", "Segments of the log on disk.", "");
    w->read_only = metric_gauge("hearth_wal_read_only", "1: the log cannot be written, profiles are refused.", "");
    w->sync_time = metric_histogram("hearth_wal_sync_seconds", "Duration of one sync of the log.", "");
}

static void segment_push(struct wal *w, uint64_t number, uint64_t first)
{
    if (w->n == w->cap)
        w->segments = mem_resize(w->segments, (w->cap = w->cap * 2 + 16) * sizeof *w->segments);
    w->segments[w->n++] = (struct wal_segment){ .number = number, .first = first };
    w->last_number = number;
    metric_set(w->n_segments, (int64_t)w->n);
}

/* Cuts off what is torn and makes sure that what was read is on disk: until now it may have been in memory only. */
static enum code last_settle(const struct wal *w, const struct wal_segment *last, struct fault *why)
{
    struct disk *d = disk_of(w);
    char         name[WAL_NAME_BYTES];

    wal_name(last->number, name);
    int file = d->ops->open(d, name);
    int got = file < 0 ? file : last->size > last->end ? d->ops->cut(d, file, last->end) : 0;
    if (got >= 0)
        got = d->ops->sync(d, file);
    if (file >= 0)
        d->ops->close(d, file);
    return got < 0 ? wal_disk_fault("cannot settle the log's end in", name, got, why) : CODE_OK;
}

enum code wal_open(const struct wal_config *config, const struct wal_found *f, struct wal **out, struct fault *why)
{
    struct wal *w = mem_zalloc(sizeof *w);

    w->config = *config;
    w->file = -1;
    w->next = w->begun = f->next > config->first_seq ? f->next : config->first_seq;
    w->durable = w->marked = f->next - 1;
    add_metrics(w);
    for (size_t i = 0; i < f->n; i++)
        segment_push(w, f->at[i].number, f->at[i].first);
    enum code code = f->n > 0 ? last_settle(w, &f->at[f->n - 1], why) : CODE_OK;
    if (code != CODE_OK) {
        free(w->segments);
        free(w);
        return code;
    }
    *out = w;
    return CODE_OK;
}

/* ---- records */

static uint64_t frame_begin(struct wal *w, enum wal_kind kind, int64_t now_ns)
{
    struct wal_frame f = {
        .seq = w->next, .durable = w->durable, .now_ns = now_ns, .kind = (uint32_t)kind, .salt = w->config.salt
    };
    uint64_t at = w->pending.n;

    buf_put(&w->pending, &f, sizeof f);
    return at;
}

/* The payload stands behind the frame: says how long it is and seals both. */
static uint64_t frame_end(struct wal *w, uint64_t at)
{
    char    *frame = w->pending.p + at;
    uint32_t n = (uint32_t)(w->pending.n - at - WAL_RECORD_BYTES);

    assert(n % 8 == 0 && n <= WAL_PAYLOAD_BYTES_MAX);
    memcpy(frame + offsetof(struct wal_frame, n), &n, sizeof n);
    uint32_t crc = crc32c(0, frame + sizeof crc, WAL_RECORD_BYTES - sizeof crc + n);
    memcpy(frame, &crc, sizeof crc);
    return w->next++;
}

uint64_t wal_next(const struct wal *w) { return w->next; }

uint64_t wal_add(struct wal *w, struct slice payload, int64_t now_ns)
{
    static const char zeros[8];
    uint64_t          at = frame_begin(w, WAL_ADDED, now_ns);

    buf_slice(&w->pending, payload);
    buf_put(&w->pending, zeros, (0 - payload.n) % sizeof zeros);
    return frame_end(w, at);
}

size_t wal_pending_bytes(const struct wal *w) { return w->pending.n; }

/* ---- segments */

static enum code sync_now(struct wal *w, uint64_t upto, int64_t now_ns, struct fault *why)
{
    struct disk *d = disk_of(w);
    char         name[WAL_NAME_BYTES];
    int64_t      began_ns = clock_mono_ns();
    int          got = d->ops->sync(d, w->file);

    histogram_observe(w->sync_time, clock_mono_ns() - began_ns);
    metric_add(w->syncs, 1);
    w->synced_ns = now_ns;
    if (got >= 0) {
        w->durable = upto;
        return CODE_OK;
    }
    wal_name(w->last_number, name);
    return wal_disk_fault("cannot sync", name, got, why);
}

/* L4: what is pending does not count, and nothing more goes to this segment. */
static void segment_abandon(struct wal *w)
{
    metric_add(w->failures, 1);
    if (w->file >= 0)
        disk_of(w)->ops->close(disk_of(w), w->file);
    w->file = -1;
    w->next = w->begun;
    w->pending.n = 0;
}

/*
 * No more goes to the segment that is open: it gives back what was reserved.  What mode interval has not synced yet is
 * synced now; if that fails, the next header says how far the log is durable, and the commit fails: what is pending may
 * depend on what is lost.
 */
static enum code segment_close(struct wal *w, int64_t now_ns, struct fault *why)
{
    enum code code = CODE_OK;

    if (w->durable < w->begun - 1)
        code = sync_now(w, w->begun - 1, now_ns, why);
    disk_of(w)->ops->cut(disk_of(w), w->file, w->end); /* only saves room: a file that stays long reads the same */
    disk_of(w)->ops->close(disk_of(w), w->file);
    w->file = -1;
    return code;
}

static struct wal_header header_make(const struct wal *w, uint64_t number)
{
    struct wal_header h = { .version = WAL_VERSION,
                            .salt = w->config.salt,
                            .number = number,
                            .first = w->begun,
                            .durable = w->durable,
                            .shard = hash128(w->config.shard, strlen(w->config.shard)) };

    memcpy(h.magic, wal_magic, sizeof h.magic);
    h.crc = crc32c(0, &h, offsetof(struct wal_header, crc));
    return h;
}

/* The next segment stands under its name; its handle. */
static int segment_place(struct wal *w, uint64_t size)
{
    struct wal_header h = header_make(w, w->last_number + 1);
    int               file = wal_segment_make(disk_of(w), &h, size);

    if (file >= 0)
        segment_push(w, h.number, h.first);
    return file;
}

static enum code segment_begin(struct wal *w, uint64_t need, int64_t now_ns, struct fault *why)
{
    char     name[WAL_NAME_BYTES];
    uint64_t size = w->config.segment_bytes;

    bool is_early = now_ns < w->retry_ns && now_ns >= w->retry_ns - RETRY_NS; /* not: the clock was set back */
    if (is_early && w->broken.code != CODE_OK) {
        *why = w->broken;
        return why->code;
    }
    if (size < need + WAL_HEADER_BYTES)
        size = need + WAL_HEADER_BYTES;
    wal_name(w->last_number + 1, name);
    int file = segment_place(w, size);
    metric_set(w->read_only, file < 0);
    if (file < 0) {
        w->retry_ns = now_ns + RETRY_NS;
        return wal_disk_fault("no profiles are taken until the log can be written: cannot make", name, file, &w->broken),
               *why = w->broken, why->code;
    }
    w->broken.code = CODE_OK;
    w->file = file;
    w->end = w->written = WAL_HEADER_BYTES;
    w->size = size;
    return CODE_OK;
}

/* ---- commits */

static enum code write_all(const struct wal *w, struct slice bytes, uint64_t at, struct fault *why)
{
    struct disk *d = disk_of(w);
    char         name[WAL_NAME_BYTES];

    while (bytes.n > 0) {
        int64_t got = d->ops->write(d, w->file, bytes.p, bytes.n, at);
        if (got <= 0) {
            wal_name(w->last_number, name);
            return wal_disk_fault("cannot write", name, got < 0 ? got : -EIO, why);
        }
        bytes = slice_from(bytes, (size_t)got);
        at += (uint64_t)got;
    }
    return CODE_OK;
}

/*
 * What was reserved and is written for the first time makes the file system note so, and a sync then has that to write
 * as well.  So zeros go ahead of the records, for many commits at once: most syncs have nothing but records to write.
 */
static enum code pending_write(struct wal *w, struct fault *why)
{
    static const char zeros[AHEAD_BYTES];
    uint64_t    end = w->end + w->pending.n, left = w->size - end;
    enum code   code = write_all(w, buf_view(&w->pending), w->end, why);

    if (code != CODE_OK || end <= w->written)
        return code;
    struct slice ahead = slice_make(zeros, left < sizeof zeros ? (size_t)left : sizeof zeros);
    w->written = end + ahead.n;
    return write_all(w, ahead, end, why);
}

static enum code pending_commit(struct wal *w, bool is_sync, int64_t now_ns, struct fault *why)
{
    enum code code = CODE_OK;

    if (w->file >= 0 && w->end + w->pending.n > w->size)
        code = segment_close(w, now_ns, why);
    if (code == CODE_OK && w->file < 0)
        code = segment_begin(w, w->pending.n, now_ns, why);
    uint64_t shown = w->durable;
    if (code == CODE_OK)
        code = pending_write(w, why);
    if (code == CODE_OK && is_sync)
        code = sync_now(w, w->next - 1, now_ns, why);
    if (code == CODE_OK)
        w->marked = shown;
    return code;
}

enum code wal_commit(struct wal *w, bool is_sync, int64_t now_ns, struct fault *why)
{
    if (w->pending.n == 0)
        return CODE_OK;
    enum code code = pending_commit(w, is_sync, now_ns, why);
    if (code != CODE_OK) {
        segment_abandon(w);
        return code;
    }
    w->end += w->pending.n;
    w->begun = w->next;
    metric_add(w->bytes, (int64_t)w->pending.n);
    w->pending.n = 0;
    if (w->pending.cap > KEPT_BYTES)
        buf_free(&w->pending);
    return CODE_OK;
}

static bool is_unsynced(const struct wal *w) { return w->file >= 0 && w->durable < w->begun - 1; }

/* The mark is worth a write only where the segment is open anyway. */
static enum code mark(struct wal *w, int64_t now_ns, struct fault *why)
{
    if (w->file < 0 || w->marked == w->durable)
        return CODE_OK;
    frame_end(w, frame_begin(w, WAL_MARK, now_ns));
    enum code code = wal_commit(w, true, now_ns, why);
    w->marked = w->durable; /* the mark itself needs none */
    return code;
}

int64_t wal_due_ns(const struct wal *w)
{
    if (is_unsynced(w))
        return w->synced_ns + w->config.interval_ns;
    return w->file >= 0 && w->marked != w->durable ? w->synced_ns + NS_PER_S : INT64_MAX;
}

enum code wal_rest(struct wal *w, int64_t now_ns, struct fault *why)
{
    enum code code = CODE_OK;

    assert(w->pending.n == 0);
    if (now_ns < wal_due_ns(w) && now_ns >= w->synced_ns)
        return CODE_OK;
    if (!is_unsynced(w))
        return mark(w, now_ns, why);
    code = sync_now(w, w->begun - 1, now_ns, why);
    if (code != CODE_OK)
        segment_abandon(w);
    return code;
}

/* A segment without a record comes last; it keeps the count of both.  When it cannot be made: the next time, maybe. */
static void log_empty(struct wal *w, int64_t now_ns)
{
    struct fault why;

    if (w->file >= 0 && segment_close(w, now_ns, &why) != CODE_OK)
        metric_add(w->failures, 1);
    int file = segment_place(w, WAL_HEADER_BYTES);
    if (file >= 0)
        disk_of(w)->ops->close(disk_of(w), file);
}

static bool is_empty(const struct wal *w) { return w->n == 0 || w->segments[w->n - 1].first == w->begun; }

void wal_release(struct wal *w, uint64_t seq, int64_t now_ns)
{
    struct disk *d = disk_of(w);
    char         name[WAL_NAME_BYTES];
    size_t       gone = 0;

    assert(w->pending.n == 0);
    if (seq >= w->next && !is_empty(w))
        log_empty(w, now_ns);
    while (gone + 1 < w->n && w->segments[gone + 1].first <= seq) {
        wal_name(w->segments[gone].number, name);
        int got = d->ops->remove(d, name);
        if ((got < 0 && got != -ENOENT) || d->ops->sync_names(d) < 0) /* each by itself: a hole would be damage */
            break;                                                    /* the next time, maybe */
        gone++;
    }
    if (gone == 0)
        return;
    w->n -= gone;
    memmove(w->segments, w->segments + gone, w->n * sizeof *w->segments);
    metric_set(w->n_segments, (int64_t)w->n);
}

void wal_close(struct wal *w, int64_t now_ns)
{
    struct fault why;

    assert(w->pending.n == 0);
    if (is_unsynced(w) && sync_now(w, w->begun - 1, now_ns, &why) != CODE_OK)
        segment_abandon(w);
    if (mark(w, now_ns, &why) == CODE_OK && w->file >= 0 && segment_close(w, now_ns, &why) != CODE_OK)
        metric_add(w->failures, 1);
    buf_free(&w->pending);
    free(w->segments);
    free(w);
}
