#include "shard/wal_window.h"

#include <errno.h>

#include "base/mem.h"
#include "shard/wal_priv.h"

enum { PIECE_BYTES = 256 << 10 };

/* Nothing the writer makes is larger: a record, and a segment's worth of others before it. */
#define FILE_BYTES_MAX (WAL_PAYLOAD_BYTES_MAX + ((size_t)1 << 30))

static enum code cannot_read(const struct window *w, int64_t error, struct fault *why)
{
    char name[WAL_NAME_BYTES];

    wal_name(w->number, name);
    return wal_disk_fault("cannot read", name, error, why);
}

static void window_close(struct window *w)
{
    if (w->is_open)
        w->disk->ops->close(w->disk, w->file);
    w->is_open = false;
    w->n = 0;
}

enum code window_open(struct window *w, uint64_t number, struct fault *why)
{
    char name[WAL_NAME_BYTES];

    window_close(w);
    w->number = number;
    wal_name(number, name);
    w->file = w->disk->ops->open(w->disk, name);
    if (w->file < 0)
        return cannot_read(w, w->file, why);
    w->is_open = true;
    int64_t size = w->disk->ops->size(w->disk, w->file);
    if (size < 0 || size > (int64_t)FILE_BYTES_MAX)
        return cannot_read(w, size < 0 ? size : -EFBIG, why);
    w->size = (uint64_t)size;
    return CODE_OK;
}

static enum code piece_read(struct window *w, uint64_t at, size_t n, struct fault *why)
{
    if (n > w->cap)
        w->bytes = mem_resize(w->bytes, w->cap = n);
    int64_t got = w->disk->ops->read(w->disk, w->file, w->bytes, n, at);
    if (got < (int64_t)n)
        return cannot_read(w, got < 0 ? got : -EIO, why);
    w->from = at;
    w->n = n;
    return CODE_OK;
}

enum code window_look(struct window *w, uint64_t at, size_t n, struct slice *out, struct fault *why)
{
    uint64_t left = at < w->size ? w->size - at : 0;
    bool     is_in = at >= w->from && at < w->from + w->n;

    *out = SLICE("");
    n = n < left ? n : left;
    if (n == 0)
        return CODE_OK;
    if (!is_in || n > w->from + w->n - at) {
        size_t    piece = n > PIECE_BYTES ? n : left < PIECE_BYTES ? left : PIECE_BYTES;
        enum code code = piece_read(w, at, piece, why);
        if (code != CODE_OK)
            return code;
    }
    *out = slice_make(w->bytes + (at - w->from), w->from + w->n - at);
    return CODE_OK;
}

void window_fini(struct window *w)
{
    window_close(w);
    free(w->bytes);
}
