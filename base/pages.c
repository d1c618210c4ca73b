#include "base/pages.h"

#include <stdint.h>
#include <sys/mman.h>

#include "base/mem.h"

#define LARGE ((size_t)2 << 20)

static size_t rounded(size_t bytes) { return (bytes + LARGE - 1) / LARGE * LARGE; }

/* More is mapped than is asked for, and what stands over at the two ends is given back. */
static char *map_aligned(size_t bytes)
{
    char *p = mmap(NULL, bytes + LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        abort();
    size_t before = rounded((uintptr_t)p) - (uintptr_t)p;
    if (before > 0)
        munmap(p, before);
    if (before < LARGE)
        munmap(p + before + bytes, LARGE - before);
    return p + before;
}

void *pages_take(size_t bytes)
{
    if (bytes < LARGE)
        return mem_zalloc(bytes);
    void *p = map_aligned(rounded(bytes));
    madvise(p, rounded(bytes), MADV_HUGEPAGE); /* a hint: without it pages are small, as ever */
    return p;
}

void pages_give(void *p, size_t bytes)
{
    if (bytes < LARGE)
        free(p);
    else if (p != NULL)
        munmap(p, rounded(bytes));
}
