#include "server/memory_limit.h"

#include <unistd.h>

#include "server/container.h"

int64_t memory_limit_choose(void)
{
    long    pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    int64_t machine = pages > 0 && page > 0 ? (int64_t)pages * page : INT64_C(1) << 30;
    int64_t container = container_memory_bytes("");
    int64_t chosen = container < machine ? container / 10 * 8 : machine / 2;

    return chosen < MEMORY_LIMIT_MIN ? MEMORY_LIMIT_MIN : chosen;
}
