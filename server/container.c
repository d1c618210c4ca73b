#include "server/container.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* One limit, as each version writes it. */
struct limit {
    const char *controller; /* of version 1: a name in its list, and its folder */
    const char *folder;
    int64_t (*v2)(const char *group);
    int64_t (*v1)(const char *group);
};

/* Up to two numbers in a file of a group; how many there are: 0 for "max" or no such file. */
static int read_numbers(const char *group, const char *file, long long numbers[2])
{
    char  name[1200], text[64];
    FILE *f = NULL;
    int   n = 0;

    if (snprintf(name, sizeof name, "%s/%s", group, file) < (int)sizeof name)
        f = fopen(name, "re");
    if (f == NULL)
        return 0;
    if (fgets(text, sizeof text, f) != NULL)
        n = sscanf(text, "%lld %lld", &numbers[0], &numbers[1]);
    fclose(f);
    return n > 0 ? n : 0;
}

static int64_t bytes_in(const char *group, const char *file)
{
    long long v[2];

    return read_numbers(group, file, v) >= 1 && v[0] > 0 ? v[0] : INT64_MAX;
}

static int64_t memory_v2(const char *group) { return bytes_in(group, "memory.max"); }
static int64_t memory_v1(const char *group) { return bytes_in(group, "memory.limit_in_bytes"); }

/* CPU time for each period of it. */
static int64_t cores_of(long long quota, long long period)
{
    return quota > 0 && period > 0 ? quota / period + (quota % period != 0) : INT64_MAX;
}

static int64_t cores_v2(const char *group)
{
    long long v[2];

    return read_numbers(group, "cpu.max", v) == 2 ? cores_of(v[0], v[1]) : INT64_MAX;
}

static int64_t cores_v1(const char *group)
{
    long long quota[2], period[2];
    bool      is_set = read_numbers(group, "cpu.cfs_quota_us", quota) && read_numbers(group, "cpu.cfs_period_us", period);

    return is_set ? cores_of(quota[0], period[0]) : INT64_MAX;
}

static const struct limit memory = { "memory", "/memory", memory_v2, memory_v1 };
static const struct limit cores = { "cpu", "/cpu", cores_v2, cores_v1 };

static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

/* From the group at `path` up to the root. */
static int64_t tightest(const char *root, const char *folder, char *path, int64_t (*read)(const char *group))
{
    char    group[1100];
    int64_t least = INT64_MAX;

    for (;;) {
        if (snprintf(group, sizeof group, "%s/sys/fs/cgroup%s%s", root, folder, path) < (int)sizeof group)
            least = lesser(least, read(group));
        char *slash = strrchr(path, '/');
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

/* Is the name one of "cpu,cpuacct"? */
static bool is_listed(const char *list, size_t n, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = list, *end = list + n; at < end; at += strcspn(at, ",:") + 1)
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == ':'))
            return true;
    return false;
}

/* A line is "0::/path" (version 2) or "9:cpu,cpuacct:/path" (version 1). */
static int64_t limit_by(const struct limit *l, const char *root, char *line)
{
    char *list = strchr(line, ':'), *path = strstr(line, ":/");

    line[strcspn(line, "\n")] = '\0';
    if (list == NULL || path == NULL)
        return INT64_MAX;
    if (strncmp(line, "0::", 3) == 0)
        return tightest(root, "", path + 1, l->v2);
    bool is_ours = is_listed(list + 1, (size_t)(path - list - 1), l->controller);
    return is_ours ? tightest(root, l->folder, path + 1, l->v1) : INT64_MAX;
}

static int64_t limit_read(const struct limit *l, const char *root)
{
    char    line[1024];
    int64_t least = INT64_MAX;

    snprintf(line, sizeof line, "%s/proc/self/cgroup", root);
    FILE *f = fopen(line, "re");

    if (f == NULL)
        return INT64_MAX;
    while (fgets(line, sizeof line, f) != NULL)
        least = lesser(least, limit_by(l, root, line));
    fclose(f);
    return least;
}

int64_t container_memory_bytes(const char *root) { return limit_read(&memory, root); }

int64_t container_cores(const char *root)
{
    cpu_set_t set;
    int       allowed = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;

    return lesser(allowed > 0 ? allowed : 1, limit_read(&cores, root));
}
