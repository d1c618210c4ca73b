#include "server/process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metric.h"

#ifndef HEARTH_REVISION
#define HEARTH_REVISION "unknown"
#endif

struct gauges {
    struct metric *resident, *virtual, *cpu, *open_fds, *max_fds, *threads;
};

static struct gauges gauges;

const char *process_version(void) { return HEARTH_VERSION; }
const char *process_revision(void) { return HEARTH_REVISION; }

void process_buildinfo(struct buf *out)
{
    buf_printf(
        out,
        "{\"status\":\"success\",\"data\":{\"version\":\"%s\",\"revision\":\"%s\",\"branch\":\"\",\"buildUser\":\"\","
        "\"buildDate\":\"\",\"goVersion\":\"\",\"compiler\":\"%s\"}}",
        process_version(), process_revision(), __VERSION__);
}

static int64_t count_files(void)
{
    DIR    *d = opendir("/proc/self/fd");
    int64_t n = 0;

    if (d == NULL)
        return 0;
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n - 3; /* ".", ".." and the folder itself */
}

/* Fields of /proc/self/stat, counted behind the name, which may contain anything but the last ')'. */
static void read_stat(int64_t *threads, int64_t *virtual_bytes, int64_t *start_ticks)
{
    char  text[2048];
    FILE *f = fopen("/proc/self/stat", "re");

    if (f == NULL)
        return;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    char *at = strrchr(text, ')'), *rest = NULL;
    char *word = at ? strtok_r(at + 1, " ", &rest) : NULL;
    for (int field = 3; word != NULL; field++, word = strtok_r(NULL, " ", &rest)) {
        if (field == 20)
            *threads = atoll(word);
        else if (field == 22)
            *start_ticks = atoll(word);
        else if (field == 23)
            *virtual_bytes = atoll(word);
    }
}

static int64_t resident_bytes(void)
{
    long long pages = 0;
    FILE     *f = fopen("/proc/self/statm", "re");

    if (f == NULL)
        return 0;
    if (fscanf(f, "%*d %lld", &pages) != 1)
        pages = 0;
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

static void refresh(void *arg)
{
    struct gauges  *g = arg;
    struct timespec cpu;
    int64_t         threads = 0, virtual_bytes = 0, start = 0;

    read_stat(&threads, &virtual_bytes, &start);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    metric_set(g->resident, resident_bytes());
    metric_set(g->virtual, virtual_bytes);
    metric_set(g->threads, threads);
    metric_set(g->cpu, (int64_t)cpu.tv_sec * NS_PER_S + cpu.tv_nsec);
    metric_set(g->open_fds, count_files());
}

/* Wall time of the start, from its distance to boot. */
static int64_t start_ms(void)
{
    struct timespec boot;
    int64_t         threads = 0, virtual_bytes = 0, ticks = 0;

    read_stat(&threads, &virtual_bytes, &ticks);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    int64_t up_ms = (int64_t)boot.tv_sec * 1000 + boot.tv_nsec / NS_PER_MS;
    return clock_real_ns() / NS_PER_MS - up_ms + ticks * 1000 / sysconf(_SC_CLK_TCK);
}

void process_metrics(void)
{
    char          labels[256];
    struct rlimit files = { 0 };

    gauges = (struct gauges){
        .resident = metric_gauge("process_resident_memory_bytes", "Resident memory size in bytes.", ""),
        .virtual = metric_gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", ""),
        .cpu = metric_get("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
                          METRIC_COUNTER, 1e-9, ""),
        .open_fds = metric_gauge("process_open_fds", "Number of open file descriptors.", ""),
        .max_fds = metric_gauge("process_max_fds", "Maximum number of open file descriptors.", ""),
        .threads = metric_gauge("process_threads", "Number of threads.", ""),
    };
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        metric_set(gauges.max_fds, (int64_t)files.rlim_cur);
    metric_set(metric_get("process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
                          METRIC_GAUGE, 1e-3, ""),
               start_ms());
    snprintf(labels, sizeof labels, "version=\"%s\",revision=\"%s\"", process_version(), process_revision());
    metric_set(metric_gauge("hearth_build_info", "1, with what this program is in its labels.", labels), 1);
    metric_refresh(refresh, &gauges);
}
