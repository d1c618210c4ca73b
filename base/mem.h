/*
 * Memory that something else has already bounded (a quota, a limit, a configuration value): allocate or die.  There is
 * nothing sensible to do about losing such a race, so no caller pretends to recover.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

static inline void *mem_alloc(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    if (p == NULL)
        abort();
    return p;
}

static inline void *mem_zalloc(size_t bytes)
{
    void *p = calloc(1, bytes ? bytes : 1);
    if (p == NULL)
        abort();
    return p;
}

static inline void *mem_resize(void *old, size_t bytes)
{
    void *p = realloc(old, bytes ? bytes : 1);
    if (p == NULL)
        abort();
    return p;
}
