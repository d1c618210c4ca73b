/* Preloaded: a file takes at most a hundred bytes of each write, and every third one is interrupted. */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 100 };

static _Atomic unsigned calls;

static size_t most(int fd, size_t n)
{
    struct stat is;
    return n > MOST && fstat(fd, &is) == 0 && S_ISREG(is.st_mode) ? MOST : n;
}

static int is_interrupted(size_t n) { return n == MOST && calls++ % 3 == 2; }

ssize_t write(int fd, const void *bytes, size_t n)
{
    ssize_t (*real)(int, const void *, size_t) = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");

    n = most(fd, n);
    if (is_interrupted(n))
        return errno = EINTR, -1;
    return real(fd, bytes, n);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    ssize_t (*real)(int, const void *, size_t, off_t) =
        (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");

    n = most(fd, n);
    if (is_interrupted(n))
        return errno = EINTR, -1;
    return real(fd, bytes, n, at);
}
