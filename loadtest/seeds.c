#include "loadtest/seeds.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEED_FILE_BYTES_MAX = 64 << 20, SEED_FRAMES_MAX = BOXES_WHOLE - 2 };

static enum code file_read(int folder, const char *name, struct arena *a, struct slice *out, struct fault *why)
{
    struct stat st;
    size_t      n = 0;
    ssize_t     got = 1;
    int         fd = openat(folder, name, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > SEED_FILE_BYTES_MAX) {
        if (fd >= 0)
            close(fd);
        return fail(why, CODE_INVALID_ARGUMENT, "no file of at most %d MiB that can be read",
                    SEED_FILE_BYTES_MAX >> 20);
    }
    char *bytes = arena_alloc(a, (size_t)st.st_size);
    while (n < (size_t)st.st_size && (got = read(fd, bytes + n, (size_t)st.st_size - n)) > 0)
        n += (size_t)got;
    close(fd);
    *out = slice_make(bytes, n);
    return CODE_OK;
}

static bool kinds_equal(const struct kind *a, const struct kind *b)
{
    bool are = a->n_types == b->n_types && slice_eq(a->period_type, b->period_type) &&
               slice_eq(a->period_unit, b->period_unit);

    for (uint32_t i = 0; are && i < a->n_types; i++)
        are = slice_eq(a->types[i].type, b->types[i].type) && slice_eq(a->types[i].unit, b->types[i].unit);
    return are;
}

/* Files of one kind share it; of one name but other types they could not be told apart in every answer. */
static enum code pool_add(struct seeds *s, const struct kind *k, const struct stack_pool *pool, struct fault *why)
{
    uint32_t i = 0;

    if (stack_pool_frames(pool) > SEED_FRAMES_MAX)
        return fail(why, CODE_INVALID_ARGUMENT, "more than %d frames", SEED_FRAMES_MAX);
    while (i < s->n && !slice_eq(s->kinds[i].name, k->name))
        i++;
    if (i == WORKLOAD_KINDS_MAX || (i < s->n && s->pools[i].n == SEED_POOLS_MAX))
        return fail(why, CODE_RESOURCE_EXHAUSTED, "there are enough seeds of this kind");
    if (i < s->n && !kinds_equal(&s->kinds[i], k))
        return fail(why, CODE_ALREADY_EXISTS, "another seed called %.*s has other sample types", SLICE_ARGS(k->name));
    if (i == s->n)
        s->kinds[s->n++] = *k;
    s->pools[i].at[s->pools[i].n++] = pool;
    return CODE_OK;
}

static void file_take(int folder, const char *name, struct arena *a, struct seeds *out)
{
    struct slice       bytes;
    struct stack_pool *pool;
    struct kind        kind;
    struct fault       why;
    enum code          code = file_read(folder, name, a, &bytes, &why);

    if (code == CODE_OK)
        code = stack_pool_of_pprof(bytes, a, &pool, &kind, &why);
    if (code == CODE_OK)
        code = pool_add(out, &kind, pool, &why);
    if (code != CODE_OK)
        fprintf(stderr, "seed %s left out: %s\n", name, why.text);
}

enum code seeds_load(const char *folder, struct arena *a, struct seeds *out, struct fault *why)
{
    struct dirent **entries;
    int             n = scandir(folder, &entries, NULL, alphasort); /* the same order everywhere: the same load */
    int             fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    *out = (struct seeds){ 0 };
    if (n < 0 || fd < 0)
        return fail(why, CODE_INVALID_ARGUMENT, "seed-profiles: %s: %s", folder, strerror(errno));
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.')
            file_take(fd, entries[i]->d_name, a, out);
        free(entries[i]);
    }
    free(entries);
    close(fd);
    return out->n > 0 ? CODE_OK : fail(why, CODE_INVALID_ARGUMENT, "seed-profiles: no pprof in %s", folder);
}
