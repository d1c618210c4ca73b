/* For tests and benchmarks: the profiles that lie beside a checkout, when they do. */
#pragma once

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/arena.h"

/* HEARTH_SHARED, or ../shared beside the checkout (tests run in a room's folder). */
static inline const char *shared_root(void)
{
    const char *root = getenv("HEARTH_SHARED");
    return root != NULL ? root : "../../shared";
}

/* What matches a pattern below the root; n is 0 when nothing does.  Free with globfree. */
static inline glob_t shared_glob(const char *pattern)
{
    glob_t found = { 0 };
    char   path[4096];

    snprintf(path, sizeof path, "%s/%s", shared_root(), pattern);
    if (glob(path, 0, NULL, &found) != 0)
        found = (glob_t){ 0 };
    return found;
}

static inline bool file_is_plain(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The bytes of a plain file; none when there is none. */
static inline struct slice file_read(const char *path, struct arena *a)
{
    struct stat st;
    FILE       *f = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? fopen(path, "rb") : NULL;

    if (f == NULL)
        return (struct slice){ 0 };
    char  *p = arena_alloc(a, (size_t)st.st_size + 1);
    size_t n = fread(p, 1, (size_t)st.st_size, f);
    fclose(f);
    return slice_make(p, n);
}
