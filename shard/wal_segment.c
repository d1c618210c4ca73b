/* Making a segment: it has its name only when its header is on disk (wal.h L1). */
#include <errno.h>

#include "shard/wal_priv.h"

/* The file under its made-up name, with room and a header that is on disk; its handle. */
static int create(struct disk *d, const struct wal_header *h, uint64_t size)
{
    int file = d->ops->create(d, WAL_NEW_NAME);

    if (file < 0)
        return file;
    int64_t got = d->ops->reserve(d, file, size);
    if (got >= 0)
        got = d->ops->write(d, file, h, sizeof *h, 0);
    if (got >= 0)
        got = got == sizeof *h ? d->ops->sync(d, file) : -EIO;
    if (got >= 0)
        return file;
    d->ops->close(d, file);
    d->ops->remove(d, WAL_NEW_NAME);
    return (int)got;
}

int wal_segment_make(struct disk *d, const struct wal_header *h, uint64_t size)
{
    char name[WAL_NAME_BYTES];

    wal_name(h->number, name);
    int file = create(d, h, size), got = file < 0 ? file : d->ops->rename(d, WAL_NEW_NAME, name);
    if (got >= 0)
        got = d->ops->sync_names(d);
    if (got >= 0)
        return file;
    if (file >= 0)
        d->ops->close(d, file);
    return got;
}
