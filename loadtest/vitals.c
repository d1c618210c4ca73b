#include "loadtest/vitals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool of_process(int64_t pid, struct vitals *out)
{
    char          path[64], text[1024];
    unsigned long user = 0, system = 0;
    long          pages = 0;

    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    const char *behind = strrchr(text, ')'); /* the name may hold anything else */
    if (behind == NULL || sscanf(behind,
                                 ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d "
                                 "%*u %*u %ld",
                                 &user, &system, &pages) != 3)
        return false;
    out->cpu_s = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    out->rss_bytes = pages * sysconf(_SC_PAGESIZE);
    return true;
}

bool metric_find(struct slice text, const char *name, double *out)
{
    size_t n = strlen(name);

    while (text.n > 0) {
        size_t       end = slice_find(text, SLICE("\n"));
        struct slice line = { text.p, end };
        if (line.n > n + 1 && line.n < 200 && memcmp(line.p, name, n) == 0 && line.p[n] == ' ') {
            char copy[200];
            snprintf(copy, sizeof copy, "%.*s", (int)(line.n - n), line.p + n);
            *out = strtod(copy, NULL);
            return true;
        }
        text = end < text.n ? slice_from(text, end + 1) : (struct slice){ 0 };
    }
    return false;
}

static bool of_metrics(struct target *t, struct vitals *out)
{
    struct buf   text = { 0 };
    struct fault why;
    double       rss = 0, cpu = 0;
    bool         is_there = target_ask(t, shot_new(t, SHOT_GET, SLICE("/metrics"), SLICE("")), &text, &why) == CODE_OK;

    is_there = is_there && metric_find(buf_view(&text), "process_resident_memory_bytes", &rss) &&
               metric_find(buf_view(&text), "process_cpu_seconds_total", &cpu);
    *out = (struct vitals){ (int64_t)rss, cpu };
    buf_free(&text);
    return is_there;
}

bool vitals_read(struct target *t, int64_t pid, struct vitals *out)
{
    return pid > 0 ? of_process(pid, out) : of_metrics(t, out);
}
