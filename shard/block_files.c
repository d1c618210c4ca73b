#include "shard/block_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "index/bucket.h"

enum { HEX = 16, PATH_BYTES = HEX + 1 + HEX + sizeof ".block", READ_MAX = 4096 };

struct block_files {
    char             *dir;
    int               fd;
    enum block_damage damage;
    uint64_t          next; /* number */
    struct metric    *set_aside;
};

struct found {
    uint64_t number;
    char     path[PATH_BYTES];
};

static void step(int i)
{
    if (block_file_parked != 0)
        block_file_parked(i);
}

static void folder_of(struct slice tenant, char out[HEX + 1])
{
    snprintf(out, HEX + 1, "%016" PRIx64, hash_slice(tenant));
}

static void path_of(struct slice tenant, uint64_t number, const char *ending, char out[PATH_BYTES])
{
    char folder[HEX + 1];

    folder_of(tenant, folder);
    snprintf(out, PATH_BYTES, "%s/%016" PRIx64 ".%s", folder, number, ending);
}

/* ---- mapping -------------------------------------------------------------------------------------------------------- */

static void unmap(struct slice bytes) { munmap((void *)(uintptr_t)bytes.p, bytes.n); }

static void let_go(struct slice bytes) { free((char *)bytes.p); }

/* The pages are clean: they are read again from the file, or from where the system still has them. */
static void rest(struct slice bytes) { madvise((void *)(uintptr_t)bytes.p, bytes.n, MADV_DONTNEED); }

static bool read_image(int fd, size_t n, struct block_image *out)
{
    char *p = mem_alloc(n);

    if (pread(fd, p, n, 0) != (ssize_t)n) { /* a regular file is read at once */
        free(p);
        return false;
    }
    *out = (struct block_image){ slice_make(p, n), let_go, NULL };
    return true;
}

/* F5.  False: errno. */
static bool map_image(int fd, size_t n, struct block_image *out)
{
    void *p = n > READ_MAX ? mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

    if (p == MAP_FAILED)
        return read_image(fd, n, out);
    *out = (struct block_image){ slice_make(p, n), unmap, rest };
    return true;
}

static enum code map_at(int dir, const char *path, struct block_image *out, struct fault *why)
{
    int         fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    struct stat is = { 0 };
    bool        is_there = fd >= 0 && fstat(fd, &is) == 0, is_empty = is_there && is.st_size == 0;
    bool        is_mapped = is_there && !is_empty && map_image(fd, (size_t)is.st_size, out);
    int         error = errno;

    if (fd >= 0)
        close(fd);
    if (is_empty)
        return fail(why, CODE_DATA_LOSS, "block: cut short: it is empty");
    return is_mapped ? CODE_OK : fail(why, CODE_UNAVAILABLE, "block: %s", strerror(error));
}

enum code block_file_map(const char *path, struct block_image *mapped, struct fault *why)
{
    return map_at(AT_FDCWD, path, mapped, why);
}

/* ---- starting ------------------------------------------------------------------------------------------------------- */

static bool sync_folder(int dir, const char *name)
{
    int  fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return is_synced;
}

enum code block_files_open(const char *dir, enum block_damage damage, struct block_files **out, struct fault *why)
{
    bool is_new = mkdir(dir, 0700) == 0;
    int  fd = is_new || errno == EEXIST ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd < 0 || (is_new && !sync_folder(fd, ".."))) {
        fail(why, CODE_PERMISSION_DENIED, "%s: %s", dir, strerror(errno));
        if (fd >= 0)
            close(fd);
        return why->code;
    }
    *out = mem_zalloc(sizeof **out);
    **out = (struct block_files){ .dir = strdup(dir), .fd = fd, .damage = damage, .next = 1 };
    if ((*out)->dir == NULL)
        abort();
    (*out)->set_aside =
        metric_counter("hearth_blocks_set_aside_total", "Block files that were damaged and set aside at a start.", "");
    return CODE_OK;
}

void block_files_close(struct block_files *f)
{
    close(f->fd);
    free(f->dir);
    free(f);
}

/* `name` is HEX digits and then `ending`. */
static bool is_named(const char *name, const char *ending, uint64_t *number)
{
    uint64_t n = 0;

    for (int i = 0; i < HEX; i++) {
        int digit = slice_hex_digit(name[i]);
        if (digit < 0)
            return false;
        n = n << 4 | (uint64_t)digit;
    }
    *number = n;
    return strcmp(name + HEX, ending) == 0;
}

static DIR *list(int dir, const char *name)
{
    int  fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

    if (d == NULL && fd >= 0)
        close(fd);
    return d;
}

/* F2 */
static void count_from(struct block_files *f, uint64_t number)
{
    if (number > f->next)
        f->next = number;
}

/* F3; a folder without blocks goes, too. */
static bool find_in(struct block_files *f, const char *folder, struct buf *found)
{
    DIR   *d = list(f->fd, folder);
    size_t had = found->n;

    if (d == NULL)
        return false;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        struct found at;
        if (is_named(e->d_name, ".new", &at.number)) {
            unlinkat(dirfd(d), e->d_name, 0);
        } else if (is_named(e->d_name, ".damaged", &at.number)) {
            count_from(f, at.number + 1);
        } else if (is_named(e->d_name, ".block", &at.number)) {
            snprintf(at.path, sizeof at.path, "%.16s/%.22s", folder, e->d_name);
            buf_put(found, &at, sizeof at);
        }
    }
    closedir(d);
    if (found->n == had)
        unlinkat(f->fd, folder, AT_REMOVEDIR); /* fails where there is something else in it */
    return true;
}

static int found_cmp(const void *a, const void *b)
{
    uint64_t x = ((const struct found *)a)->number, y = ((const struct found *)b)->number;
    return (x > y) - (x < y);
}

static enum code find_all(struct block_files *f, struct buf *found, struct fault *why)
{
    DIR     *d = list(f->fd, ".");
    uint64_t ignored;
    bool     is_read = d != NULL;

    for (struct dirent *e; is_read && (e = readdir(d)) != NULL;)
        if (is_named(e->d_name, "", &ignored))
            is_read = find_in(f, e->d_name, found);
    int error = errno;
    if (d != NULL)
        closedir(d);
    if (!is_read)
        return fail(why, CODE_UNAVAILABLE, "%s: %s", f->dir, strerror(error));
    if (found->n > 0)
        qsort(found->p, found->n / sizeof(struct found), sizeof(struct found), found_cmp);
    return CODE_OK;
}

static enum code open_one(struct block_files *f, const struct found *at, _Atomic size_t *meter, struct bucket **b,
                          struct fault *why)
{
    struct block_image image;
    struct fault       because;
    enum code          code = map_at(f->fd, at->path, &image, &because);

    if (code == CODE_OK) {
        code = block_open(&image, meter, b, &because);
        if (code != CODE_OK)
            image.release(image.bytes);
    }
    if (code == CODE_OK)
        return CODE_OK;
    return fail(why, code, "%s/%s: %.300s", f->dir, at->path, because.text);
}

/* Out of the way, for whoever may want to look at it.  False: it cannot be. */
static bool set_aside(struct block_files *f, const struct found *at, const struct fault *because)
{
    char path[PATH_BYTES + sizeof ".damaged"];

    snprintf(path, sizeof path, "%.*s.damaged", HEX + 1 + HEX, at->path);
    if (renameat(f->fd, at->path, f->fd, path) != 0)
        return false;
    log_error("a damaged block was set aside: what is not in the log, too, is missing in every answer",
              log_str("file", path), log_str("why", because->text));
    metric_add(f->set_aside, 1);
    return true;
}

/* NULL: it was set aside. */
static enum code open_or_set_aside(struct block_files *f, const struct found *at, _Atomic size_t *meter,
                                   struct bucket **b, struct fault *why)
{
    enum code code = open_one(f, at, meter, b, why);

    if (code != CODE_DATA_LOSS)
        return code;
    *b = NULL;
    if (f->damage == BLOCK_DAMAGE_SET_ASIDE && set_aside(f, at, why))
        return CODE_OK;
    struct fault damage = *why;
    return fail(
        why, code,
        "%.400s; put a copy in its place, or start once with --data.damaged-blocks=set-aside to go on without it",
        damage.text);
}

static enum code pass_on(const struct block_files *f, const struct found *at, struct bucket *b, block_file_fn *each,
                         void *arg, struct fault *why)
{
    struct fault because;
    enum code    code = each(arg, b, at->number, &because);

    return code == CODE_OK ? code : fail(why, code, "%s/%s: %.400s", f->dir, at->path, because.text);
}

enum code block_files_load(struct block_files *f, _Atomic size_t *meter, block_file_fn *each,
                           block_progress_fn *progress, void *arg, struct fault *why)
{
    struct buf          found = { 0 };
    enum code           code = find_all(f, &found, why);
    const struct found *at = (const struct found *)(const void *)found.p;
    size_t              n = found.n / sizeof *at;
    struct bucket      *b;

    if (code == CODE_OK)
        code = progress(arg, 0, n, why);
    for (size_t i = 0; i < n && code == CODE_OK; i++) {
        code = open_or_set_aside(f, &at[i], meter, &b, why);
        count_from(f, at[i].number + 1);
        if (code != CODE_OK)
            break;
        if (b != NULL)
            code = pass_on(f, &at[i], b, each, arg, why);
        if (code == CODE_OK)
            code = progress(arg, i + 1, n, why);
    }
    buf_free(&found);
    return code;
}

/* ---- saving --------------------------------------------------------------------------------------------------------- */

static bool write_all(int fd, struct slice s)
{
    while (s.n > 0) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        s = slice_from(s, (size_t)n);
    }
    return true;
}

static bool make_folder(struct block_files *f, const char *folder)
{
    if (mkdirat(f->fd, folder, 0700) == 0)
        return fsync(f->fd) == 0;
    return errno == EEXIST;
}

/* F1 */
static bool write_file(struct block_files *f, const char *folder, const char *made, const char *path,
                       struct slice image)
{
    int fd = make_folder(f, folder) ? openat(f->fd, made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

    if (fd < 0)
        return false;
    step(1);
    bool is_written = write_all(fd, image);
    step(2);
    is_written = is_written && fsync(fd) == 0;
    close(fd);
    step(3);
    is_written = is_written && renameat(f->fd, made, f->fd, path) == 0;
    step(4);
    return is_written && sync_folder(f->fd, folder);
}

enum code block_files_save(struct block_files *f, struct slice tenant, struct slice image, uint64_t *number,
                           struct block_image *mapped, struct fault *why)
{
    char folder[HEX + 1], made[PATH_BYTES], path[PATH_BYTES];

    *number = f->next++;
    folder_of(tenant, folder);
    path_of(tenant, *number, "new", made);
    path_of(tenant, *number, "block", path);
    if (write_file(f, folder, made, path, image)) {
        step(5);
        return map_at(f->fd, path, mapped, why);
    }
    enum code code = fail(why, CODE_UNAVAILABLE, "%s/%s: %s", f->dir, path, strerror(errno));
    unlinkat(f->fd, made, 0);
    unlinkat(f->fd, path, 0); /* its name may not be on disk: nobody was told of it */
    return code;
}

void block_files_remove(struct block_files *f, struct slice tenant, uint64_t number)
{
    char path[PATH_BYTES];

    path_of(tenant, number, "block", path);
    unlinkat(f->fd, path, 0); /* what cannot be removed comes back with the next start and is dropped again */
}
