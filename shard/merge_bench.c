/*
 * What many small blocks cost, before and after they are merged: each tenant has one series with a profile every ten minutes.
 *
 *     merge_bench [TENANTS [SPANS]]        200 tenants, a day of 144 spans; files below $TMPDIR
 *
 * A tenant's share of memory, of what is mapped and of the files, and the CPU time of one flame graph over all its blocks.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "index/block.h"
#include "index/select.h"
#include "shard/shard.h"
#include "shard/store.h"
#include "shard/test_batch.h"

#define SPAN (600 * NS_PER_S)
#define T0 (1700000000 * NS_PER_S / (144 * SPAN) * (144 * SPAN))

enum { AT_ONCE = 12 }; /* spans that are live */

static int           tenants = 200, spans = 144;
static struct store *store;

static void must(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "merge_bench: %s\n", what);
    exit(1);
}

static void push_span(struct shard *s, int span, int64_t now_ns)
{
    static uint64_t seq;
    struct arena   *a = arena_new(0);

    for (int t = 0; t < tenants; t++) {
        const char         *name = arena_printf(a, "tenant-%d", t).p;
        struct test_profile p = { name, "svc", "pod-0", T0 + span * SPAN, 1 + t, (unsigned)(span % 3), 20 };
        struct append       one = { .batch = test_batch(a, &p), .seq = ++seq }, *all = &one;
        shard_step(s, &all, 1, now_ns);
        must(one.code == CODE_OK, one.why.text);
    }
    arena_free(a);
}

/* The shard looks once a second for what is due, and sends some hundred; the time afterwards. */
static int64_t seal_all(struct shard *s, int64_t now_ns)
{
    for (int looks = 0; looks < tenants * AT_ONCE / 100 + 2; looks++, now_ns += NS_PER_S)
        do {
            shard_step(s, NULL, 0, now_ns);
            usleep(200);
        } while (!store_is_idle(store));
    return now_ns;
}

/* Until nothing has become fewer for a while. */
static int64_t merge_all(struct shard *s, int64_t now_ns)
{
    int64_t had = 0;

    for (int quiet = 0; quiet < 200; now_ns += 10 * NS_PER_S) {
        shard_step(s, NULL, 0, now_ns);
        usleep(2000);
        int64_t has = shard_stats(s).buckets;
        quiet = has == had ? quiet + 1 : 0;
        had = has;
    }
    return now_ns;
}

static long lines_of(const char *path)
{
    FILE *f = fopen(path, "r");
    long  n = 0;

    must(f != NULL, path);
    for (int c; (c = getc(f)) != EOF;)
        n += c == '\n';
    fclose(f);
    return n;
}

static long fds_n(void)
{
    DIR *d = opendir("/proc/self/fd");
    long n = 0;

    must(d != NULL, "/proc/self/fd");
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

static long rss_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long  size, rss;

    must(f != NULL && fscanf(f, "%ld %ld", &size, &rss) == 2, "/proc/self/statm");
    fclose(f);
    return rss * sysconf(_SC_PAGESIZE);
}

static double cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

struct asked {
    double  us;
    size_t  bytes, blocks;
    int64_t sum;
};

static struct asked ask(struct shard *s, struct slice tenant)
{
    struct selection all = { .start_ns = INT64_MIN, .end_ns = INT64_MAX };
    struct tree     *t = tree_new();
    struct asked     a = { .us = cpu_us() };
    struct fault     why;
    struct pin       p = shard_pin(s, tenant, INT64_MIN, INT64_MAX);

    for (size_t i = 0; i < p.n; i++)
        must(select_tree(p.buckets[i], &all, t, &why) == CODE_OK, why.text);
    a.us = cpu_us() - a.us;
    a.blocks = p.n;
    for (size_t i = 0; i < p.n; i++)
        a.bytes += block_image(p.buckets[i]).n;
    for (uint32_t i = 0; i < t->n; i++)
        a.sum += t->self[i];
    shard_unpin(&p);
    tree_free(t);
    return a;
}

static void tell(struct shard *s, const char *when)
{
    struct asked  all = { 0 };
    struct arena *a = arena_new(0);
    long          rss = rss_bytes();

    for (int t = 0; t < tenants; t++) {
        struct asked one = ask(s, arena_printf(a, "tenant-%d", t));
        must(one.sum == (int64_t)(t + 1) * spans, "a sum is not what it should be");
        all.us += one.us;
        all.bytes += one.bytes;
        all.blocks += one.blocks;
    }
    double n = tenants;
    printf("%-9s a tenant: %6.1f blocks, %8.0f bytes of files, %8.0f accounted, %8.0f RSS, %6.1f mappings; graph %7.1f "
           "us\n",
           when, (double)all.blocks / n, (double)all.bytes / n, (double)shard_stats(s).bytes / n, (double)rss / n,
           (double)lines_of("/proc/self/maps") / n, all.us / n);
    arena_free(a);
}

static struct store *store_at(const char *dir)
{
    struct block_files *files;
    struct fault        why;

    must(block_files_open(dir, BLOCK_DAMAGE_REFUSE, &files, &why) == CODE_OK, why.text);
    return store_start(files);
}

int main(int argc, char **argv)
{
    const char *tmp = getenv("TMPDIR");
    char        dir[512], command[600];

    tenants = argc > 1 ? atoi(argv[1]) : tenants;
    spans = argc > 2 ? atoi(argv[2]) : spans;
    snprintf(dir, sizeof dir, "%s/merge_bench.XXXXXX", tmp ? tmp : "/tmp");
    must(mkdtemp(dir) != NULL, dir);
    store = store_at(dir);
    struct shard *s = shard_new(
        &(struct shard_config){ .name = "bench", .retention_ns = INT64_MAX, .limit_bytes = SIZE_MAX, .store = store });
    int64_t now_ns = T0 + (spans + 2) * SPAN; /* and soon after, so nothing is merged yet */
    long    fds = fds_n();
    for (int i = 0; i < spans; i++) {
        push_span(s, i, now_ns);
        if (i == 0)
            printf("%.0f bytes a tenant with one live bucket\n", (double)shard_stats(s).bytes / tenants);
        if (i % AT_ONCE == AT_ONCE - 1 || i == spans - 1)
            now_ns = seal_all(s, now_ns + 6 * NS_PER_S);
    }
    tell(s, "unmerged");
    merge_all(s, now_ns + 144 * SPAN);
    tell(s, "merged");
    printf("%ld files opened and left so\n", fds_n() - fds);
    store_stop(store);
    shard_free(s);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) != 0;
}
