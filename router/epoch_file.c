#include "router/epoch_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/slice.h"

static enum code broken(struct fault *why, const char *what, const char *path)
{
    return fail(why, CODE_UNAVAILABLE, "cannot %s %s: %s", what, path, strerror(errno));
}

enum code epoch_file_read(const char *dir, uint64_t *epoch, struct fault *why)
{
    char      path[PATH_MAX], text[32];
    long long number;

    snprintf(path, sizeof path, "%s/epoch", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        *epoch = 0;
        return CODE_OK;
    }
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return broken(why, "read", path);
    if (!slice_to_i64(slice_trim(slice_make(text, (size_t)n)), &number) || number < 0)
        return fail(why, CODE_DATA_LOSS, "%s does not hold a map epoch", path);
    *epoch = (uint64_t)number;
    return CODE_OK;
}

static enum code write_synced(const char *path, const char *text, struct fault *why)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0)
        return broken(why, "create", path);
    bool is_written = write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fsync(fd) == 0;
    if (!is_written)
        broken(why, "write", path);
    close(fd);
    return is_written ? CODE_OK : why->code;
}

enum code epoch_file_write(const char *dir, uint64_t epoch, struct fault *why)
{
    char path[PATH_MAX], next[PATH_MAX], text[32];

    snprintf(path, sizeof path, "%s/epoch", dir);
    snprintf(next, sizeof next, "%s/epoch.next", dir);
    snprintf(text, sizeof text, "%" PRIu64 "\n", epoch);
    if (write_synced(next, text, why) != CODE_OK)
        return why->code;
    if (rename(next, path) != 0)
        return broken(why, "rename", next);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        broken(why, "sync", dir);
    else
        why = NULL;
    if (fd >= 0)
        close(fd);
    return why ? why->code : CODE_OK;
}
