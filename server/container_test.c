/* What control groups allow, as both versions write it, in a folder that looks like a machine. */
#include "server/container.h"

#include <assert.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char root[] = "/tmp/container_test.XXXXXX";

/* Makes the folders on the way. */
static void write_file(const char *path, const char *text)
{
    char name[256];

    snprintf(name, sizeof name, "%s%s", root, path);
    for (char *slash = strchr(name + sizeof root, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(name, 0755);
        *slash = '/';
    }
    FILE *f = fopen(name, "we");
    assert(f != NULL && fputs(text, f) >= 0);
    fclose(f);
}

static int64_t allowed(void)
{
    cpu_set_t set;

    assert(sched_getaffinity(0, sizeof set, &set) == 0);
    return CPU_COUNT(&set);
}

static void test_no_limit(void)
{
    assert(container_memory_bytes(root) == INT64_MAX && container_cores(root) == allowed());
    write_file("/proc/self/cgroup", "0::/pod/hearth\n");
    write_file("/sys/fs/cgroup/pod/hearth/cpu.max", "max 100000\n");
    write_file("/sys/fs/cgroup/pod/hearth/memory.max", "max\n");
    assert(container_memory_bytes(root) == INT64_MAX && container_cores(root) == allowed());
}

/* The pod's holds when it is tighter than the container's; half a core is one. */
static void test_version_2(void)
{
    write_file("/sys/fs/cgroup/pod/hearth/cpu.max", "6400000 100000\n");
    write_file("/sys/fs/cgroup/pod/cpu.max", "50000 100000\n");
    write_file("/sys/fs/cgroup/pod/hearth/memory.max", "536870912\n");
    write_file("/sys/fs/cgroup/pod/memory.max", "1073741824\n");
    assert(container_memory_bytes(root) == 536870912 && container_cores(root) == 1);
}

/* A controller that is one of several in a line, and one whose name only begins like it. */
static void test_version_1(void)
{
    write_file("/proc/self/cgroup", "5:cpuset:/other\n4:cpu,cpuacct:/pod\n2:memory:/pod\n");
    write_file("/sys/fs/cgroup/cpu/other/cpu.cfs_quota_us", "1\n");
    write_file("/sys/fs/cgroup/cpu/pod/cpu.cfs_quota_us", "90000\n");
    write_file("/sys/fs/cgroup/cpu/pod/cpu.cfs_period_us", "100000\n");
    write_file("/sys/fs/cgroup/memory/pod/memory.limit_in_bytes", "268435456\n");
    assert(container_memory_bytes(root) == 268435456 && container_cores(root) == 1);
    write_file("/sys/fs/cgroup/cpu/pod/cpu.cfs_quota_us", "-1\n");
    assert(container_cores(root) == allowed());
}

static void test_nonsense(void)
{
    write_file("/proc/self/cgroup", "no colon\n4:cpu\n0::\n");
    assert(container_memory_bytes(root) == INT64_MAX && container_cores(root) == allowed());
}

int main(void)
{
    char command[64];

    assert(mkdtemp(root) != NULL);
    test_no_limit();
    test_version_2();
    test_version_1();
    test_nonsense();
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}
