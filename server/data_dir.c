#include "server/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum code bad(const char *path, const char *file, struct fault *why)
{
    return fail(why, CODE_PERMISSION_DENIED, "data.dir: %s%s: %s", path, file, strerror(errno));
}

/* Like mkdir -p. */
static enum code make_folders(const char *path, struct fault *why)
{
    char part[DATA_DIR_BYTES_MAX + 1];

    for (size_t i = 1; i <= strlen(path); i++)
        if (path[i] == '/' || path[i] == '\0') {
            memcpy(part, path, i);
            part[i] = '\0';
            if (mkdir(part, 0700) != 0 && errno != EEXIST)
                return bad(part, "", why);
        }
    return CODE_OK;
}

static enum code lock(int dir, const char *path, int *fd, struct fault *why)
{
    *fd = openat(dir, "LOCK", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0)
        return bad(path, "/LOCK", why);
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
        return CODE_OK;
    return fail(why, CODE_UNAVAILABLE, "data.dir: %s is in use by another process", path);
}

static enum code write_stamp(int dir, const char *path, const char *text, struct fault *why)
{
    int    fd = openat(dir, "STAMP.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t n = strlen(text);

    if (fd < 0)
        return bad(path, "/STAMP.new", why);
    bool is_written = write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
    close(fd);
    if (!is_written || renameat(dir, "STAMP.new", dir, "STAMP") != 0 || fsync(dir) != 0)
        return bad(path, "/STAMP", why);
    return CODE_OK;
}

/* What is stamped there is ours; an unstamped folder becomes ours. */
static enum code stamp(int dir, const char *path, const char *shard, struct fault *why)
{
    char wanted[512], found[512];
    int  fd = openat(dir, "STAMP", O_RDONLY | O_CLOEXEC);

    if (snprintf(wanted, sizeof wanted, "hearth 1\nshard %s\n", shard) >= (int)sizeof wanted)
        return fail(why, CODE_INVALID_ARGUMENT, "shard.name: longer than %zu bytes", sizeof wanted - 20);
    if (fd < 0)
        return errno == ENOENT ? write_stamp(dir, path, wanted, why) : bad(path, "/STAMP", why);
    ssize_t n = read(fd, found, sizeof found - 1);
    close(fd);
    found[n > 0 ? n : 0] = '\0';
    if (strcmp(found, wanted) == 0)
        return CODE_OK;
    char *name = strncmp(found, "hearth 1\nshard ", 15) == 0 ? found + 15 : NULL;
    if (name == NULL)
        return fail(why, CODE_FAILED_PRECONDITION, "data.dir: %s/STAMP is not of this version of hearth", path);
    name[strcspn(name, "\n")] = '\0';
    return fail(why, CODE_FAILED_PRECONDITION, "data.dir: %s belongs to shard '%s', this is '%s'", path, name, shard);
}

enum code data_dir_open(const char *path, const char *shard, int *fd, struct fault *why)
{
    *fd = -1;
    if (strlen(path) > DATA_DIR_BYTES_MAX)
        return fail(why, CODE_INVALID_ARGUMENT, "data.dir: longer than %d bytes", DATA_DIR_BYTES_MAX);
    enum code code = make_folders(path, why);
    if (code != CODE_OK)
        return code;
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return bad(path, "", why);
    code = lock(dir, path, fd, why);
    if (code == CODE_OK)
        code = stamp(dir, path, shard, why);
    if (code != CODE_OK && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    close(dir);
    return code;
}
