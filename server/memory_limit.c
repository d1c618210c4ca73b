#include "server/memory_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The number in a cgroup's file; INT64_MAX when there is none ("max", no such file). */
static int64_t read_limit(const char *folder, const char *path, const char *file)
{
    char      name[1024], text[64];
    long long v = 0;
    FILE     *f = NULL;

    if (snprintf(name, sizeof name, "%s%s/%s", folder, path, file) < (int)sizeof name)
        f = fopen(name, "re");
    if (f == NULL)
        return INT64_MAX;
    if (fgets(text, sizeof text, f) == NULL || sscanf(text, "%lld", &v) != 1 || v <= 0)
        v = INT64_MAX;
    fclose(f);
    return v;
}

/* The tightest limit from the group at `path` up to the root. */
static int64_t tightest(const char *folder, char *path, const char *file)
{
    int64_t least = INT64_MAX;

    for (;;) {
        int64_t v = read_limit(folder, path, file);
        if (v < least)
            least = v;
        char *slash = strrchr(path, '/');
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

/* Lines of /proc/self/cgroup: "0::/path" (version 2) and "9:memory:/path" (version 1). */
static int64_t container_limit(void)
{
    char    line[1024];
    int64_t least = INT64_MAX, v = INT64_MAX;
    FILE   *f = fopen("/proc/self/cgroup", "re");

    if (f == NULL)
        return INT64_MAX;
    while (fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *path = strstr(line, ":/");
        if (path == NULL)
            continue;
        if (strncmp(line, "0::", 3) == 0)
            v = tightest("/sys/fs/cgroup", path + 1, "memory.max");
        else if (strstr(line, ":memory:") != NULL)
            v = tightest("/sys/fs/cgroup/memory", path + 1, "memory.limit_in_bytes");
        if (v < least)
            least = v;
    }
    fclose(f);
    return least;
}

int64_t memory_limit_choose(void)
{
    long    pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    int64_t machine = pages > 0 && page > 0 ? (int64_t)pages * page : INT64_C(1) << 30;
    int64_t container = container_limit();
    int64_t chosen = container < machine ? container / 10 * 8 : machine / 2;

    return chosen < MEMORY_LIMIT_MIN ? MEMORY_LIMIT_MIN : chosen;
}
