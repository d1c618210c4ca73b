#include "shard/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

struct folder {
    struct disk disk;
    int         fd;
};

static int fd_of(struct disk *d) { return ((struct folder *)(void *)d)->fd; }

static int result(int got) { return got < 0 ? -errno : got; }

static int folder_create(struct disk *d, const char *name)
{
    return result(openat(fd_of(d), name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
}

static int folder_open(struct disk *d, const char *name) { return result(openat(fd_of(d), name, O_RDWR | O_CLOEXEC)); }

static void folder_close(struct disk *d, int file)
{
    (void)d;
    close(file);
}

static int64_t folder_size(struct disk *d, int file)
{
    struct stat st;

    (void)d;
    return fstat(file, &st) == 0 ? st.st_size : -errno;
}

static int64_t folder_read(struct disk *d, int file, void *out, size_t n, uint64_t at)
{
    size_t done = 0;

    (void)d;
    while (done < n) {
        ssize_t got = pread(file, (char *)out + done, n - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

static int64_t folder_write(struct disk *d, int file, const void *bytes, size_t n, uint64_t at)
{
    ssize_t done;

    (void)d;
    do
        done = pwrite(file, bytes, n, (off_t)at);
    while (done < 0 && errno == EINTR);
    return done < 0 ? -errno : done;
}

static int folder_reserve(struct disk *d, int file, uint64_t bytes)
{
    (void)d;
    return -posix_fallocate(file, 0, (off_t)bytes);
}

static int folder_cut(struct disk *d, int file, uint64_t bytes)
{
    (void)d;
    return result(ftruncate(file, (off_t)bytes));
}

static int folder_sync(struct disk *d, int file)
{
    (void)d;
    return result(fdatasync(file));
}

static int folder_rename(struct disk *d, const char *from, const char *to)
{
    return result(renameat(fd_of(d), from, fd_of(d), to));
}

static int folder_remove(struct disk *d, const char *name) { return result(unlinkat(fd_of(d), name, 0)); }

static int folder_sync_names(struct disk *d) { return result(fsync(fd_of(d))); }

static int folder_list(struct disk *d, disk_name_fn *each, void *arg)
{
    int  fd = openat(fd_of(d), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (dir == NULL)
        return -errno;
    errno = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL; errno = 0)
        each(arg, e->d_name);
    int failed = errno;
    closedir(dir);
    return -failed;
}

static void folder_free(struct disk *d)
{
    close(fd_of(d));
    free(d);
}

static const struct disk_ops folder_ops = {
    .create = folder_create,
    .open = folder_open,
    .close = folder_close,
    .size = folder_size,
    .read = folder_read,
    .write = folder_write,
    .reserve = folder_reserve,
    .cut = folder_cut,
    .sync = folder_sync,
    .rename = folder_rename,
    .remove = folder_remove,
    .sync_names = folder_sync_names,
    .list = folder_list,
    .free = folder_free,
};

/* The folder itself survives a power cut only when the one above knows its name. */
static bool name_sync(int folder)
{
    int  above = openat(folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = above >= 0 && fsync(above) == 0;

    if (above >= 0)
        close(above);
    return is_synced;
}

enum code disk_open(const char *path, struct disk **out, struct fault *why)
{
    bool is_new = mkdir(path, 0700) == 0;
    int  fd = is_new || errno == EEXIST ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd < 0 || (is_new && !name_sync(fd))) {
        fail(why, CODE_PERMISSION_DENIED, "%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return why->code;
    }
    struct folder *f = mem_zalloc(sizeof *f);
    *f = (struct folder){ { &folder_ops }, fd };
    *out = &f->disk;
    return CODE_OK;
}
