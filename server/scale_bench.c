/*
 * Does a profile cost the same however much is there already?
 *
 *     stored   1,000 series, a profile of each every ten seconds: 10^4, 10^5, 10^6 profiles, until all are in blocks
 *     series   10^3 to 10^6 series with a profile each, and then another one: more labels, the same few stacks
 *
 * Through a keeper with its log and a store with its files, as the writer of a server steps them; the clock is invented,
 * so hours pass in seconds.  CPU of the writer's thread and of all (sealing, files) for a profile, memory, and what
 * questions about labels cost then.  The profiles are as small as can be: whatever looks through what is there stands out.
 * Every line is a process of its own, so its memory is its own.
 *
 *     scale_bench [stored|series [N]]
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "query/partial.h"
#include "query/query.h"
#include "shard/disk.h"
#include "shard/keeper.h"
#include "shard/store.h"
#include "shard/test_batch.h"

/* As in main.c. */
extern const char *malloc_conf;
const char        *malloc_conf = "background_thread:true,dirty_decay_ms:5000,muzzy_decay_ms:0,oversize_threshold:0";

enum { TOGETHER = 64, SERVICES = 20, PER_SECOND = 100, STACKS = 200, ROUNDS = 5 };
enum { LEAST = 300000 }; /* profiles behind a figure: few are told by many rounds, and what is known becomes blocks, too */
enum { ALLOCATOR_SECONDS = 2 }; /* after which it has given back what was freed */

#define T0 (1700000000 * NS_PER_S)

struct rig {
    char           dir[64];
    struct store  *store;
    struct shard  *shard;
    struct disk   *disk;
    struct keeper *keeper;
    int64_t        now_ns, writer_ns, own_ns; /* CPU of stepping, and of what a server does not do */
    uint64_t       n;
};

static void must(enum code code, const struct fault *why)
{
    if (code == CODE_OK)
        return;
    fprintf(stderr, "%s\n", why->text);
    exit(1);
}

static void remove_all(const char *dir)
{
    char command[96];

    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0)
        fprintf(stderr, "%s stays\n", dir);
}

static void rig_open(struct rig *r)
{
    struct block_files *files;
    struct fault        why;
    char                path[80];

    *r = (struct rig){ .dir = "build/scale-bench.XXXXXX", .now_ns = T0 };
    if (mkdtemp(r->dir) == NULL) {
        perror(r->dir);
        exit(1);
    }
    snprintf(path, sizeof path, "%s/wal", r->dir);
    must(disk_open(path, &r->disk, &why), &why);
    snprintf(path, sizeof path, "%s/blocks", r->dir);
    must(block_files_open(path, BLOCK_DAMAGE_REFUSE, &files, &why), &why);
    r->store = store_start(files);
    r->shard = shard_new(&(struct shard_config){
        .name = "bench", .retention_ns = INT64_MAX, .limit_bytes = SIZE_MAX, .store = r->store });
    r->keeper = keeper_new(&(struct keeper_config){
        .shard = r->shard, .disk = r->disk, .segment_bytes = 16 << 20, .interval_ns = 50 * NS_PER_MS });
    must(keeper_load(r->keeper, r->now_ns, &why), &why);
}

static void rig_close(struct rig *r)
{
    keeper_free(r->keeper, r->now_ns);
    store_stop(r->store);
    shard_free(r->shard);
    r->disk->ops->free(r->disk);
    remove_all(r->dir);
}

static void on_done(struct append *a) { must(a->code, &a->why); }

static struct batch *profile_make(const struct rig *r, uint64_t series, struct arena *a)
{
    struct test_profile p = { .tenant = "t",
                              .service = arena_printf(a, "service-%02u", (unsigned)(series % SERVICES)).p,
                              .pod = arena_printf(a, "pod-%08x-%07u", (uint32_t)series * 2654435761u, (unsigned)series).p,
                              .time_ns = r->now_ns,
                              .value = (int64_t)(r->n % 1000) + 1,
                              .leaf = (unsigned)(r->n * 7919 % STACKS) };
    struct batch       *b = test_batch(a, &p);

    b->key = hash128(&r->n, sizeof r->n);
    return b;
}

/* The next profiles, one of each of these series. */
static void push(struct rig *r, uint64_t from_series, uint64_t n)
{
    struct arena *a = arena_new(64 << 10);
    struct append all[TOGETHER];
    int64_t       began_ns = clock_thread_ns(), stepped_ns = 0;

    for (uint64_t i = 0; i < n; i += TOGETHER) {
        uint64_t some = n - i < TOGETHER ? n - i : TOGETHER;
        for (uint64_t k = 0; k < some; k++) {
            r->n++;
            all[k] = (struct append){ .batch = profile_make(r, from_series + i + k, a), .done = on_done };
        }
        r->now_ns += (int64_t)some * NS_PER_S / PER_SECOND;
        int64_t from_ns = clock_thread_ns();
        for (uint64_t k = 0; k < some; k++) {
            if (k + 1 < some)
                keeper_warm(r->keeper, &all[k + 1]);
            if (!keeper_take(r->keeper, &all[k], r->now_ns))
                keeper_step(r->keeper, r->now_ns);
        }
        keeper_step(r->keeper, r->now_ns);
        stepped_ns += clock_thread_ns() - from_ns;
        arena_reset(a);
    }
    r->writer_ns += stepped_ns;
    r->own_ns += clock_thread_ns() - began_ns - stepped_ns;
    arena_free(a);
}

/* Until all that can be is sealed. */
static void settle(struct rig *r)
{
    for (int quiet = 0; quiet < 3;) {
        r->now_ns += 700 * NS_PER_S;
        int64_t from_ns = clock_thread_ns();
        keeper_step(r->keeper, r->now_ns);
        r->writer_ns += clock_thread_ns() - from_ns;
        quiet = store_is_idle(r->store) ? quiet + 1 : 0;
        usleep(10000);
    }
}

/* ---- figures -------------------------------------------------------------------------------------------------------- */

static double rss_mb(void)
{
    long  pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f == NULL || fscanf(f, "%*d %ld", &pages) != 1)
        pages = 0;
    if (f != NULL)
        fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

struct asked {
    const char        *name;
    enum question_kind kind;
    const char        *selector, *label; /* what is asked for: values, or label sets of just this label */
};

static const struct asked asked[] = {
    { "values of service_name", ASK_LABEL_VALUES, "{}", "service_name" },
    { "values of pod", ASK_LABEL_VALUES, "{}", "pod" },
    { "values of pod of a service", ASK_LABEL_VALUES, "{service_name=\"service-03\"}", "pod" },
    { "series by service_name", ASK_SERIES, "{}", "service_name" },
    { "series by pod", ASK_SERIES, "{}", "pod" },
    { "series by pod of a service", ASK_SERIES, "{service_name=\"service-03\"}", "pod" },
    { "profile types", ASK_TYPES, "{}", "" },
};

/* Best of some, in ns of CPU; *n becomes how many there are. */
static int64_t ask_ns(const struct rig *r, const struct asked *what, uint32_t *n)
{
    struct slice    tenant = SLICE("t"), selector = slice_of(what->selector), label = slice_of(what->label);
    struct question q = { .kind = what->kind,
                          .tenants = &tenant,
                          .n_tenants = 1,
                          .start_ns = T0,
                          .end_ns = r->now_ns,
                          .selectors = &selector,
                          .n_selectors = 1,
                          .label = label,
                          .names = &label,
                          .n_names = 1 };
    int64_t         best = INT64_MAX;

    for (int i = 0; i < ROUNDS; i++) {
        struct partial *p = partial_new(q.kind);
        struct fault    why;
        int64_t         from_ns = clock_thread_ns();
        must(query_local(r->shard, &q, p, &why), &why);
        int64_t took_ns = clock_thread_ns() - from_ns;
        *n = strset_n(partial_set(p));
        best = took_ns < best ? took_ns : best;
        partial_free(p);
    }
    return best;
}

static void show_questions(const struct rig *r)
{
    uint32_t n;

    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        int64_t ns = ask_ns(r, &asked[i], &n);
        printf("    %-28s %9.3f ms for %u\n", asked[i].name, (double)ns / 1e6, n);
    }
}

/* all: of every thread, without making the profiles. */
struct spent {
    int64_t  writer_ns, all_ns;
    uint64_t n;
};

static struct spent spent_now(const struct rig *r)
{
    return (struct spent){ r->writer_ns, clock_process_ns() - r->own_ns, r->n };
}

static void spent_add(struct spent *sum, const struct rig *r, struct spent since)
{
    struct spent now = spent_now(r);

    sum->writer_ns += now.writer_ns - since.writer_ns;
    sum->all_ns += now.all_ns - since.all_ns;
    sum->n += now.n - since.n;
}

static void show_cost(const char *what, struct spent s)
{
    printf("limit  %-20s writer %6.2f us, all %6.2f us a profile\n", what, (double)s.writer_ns / 1e3 / (double)s.n,
           (double)s.all_ns / 1e3 / (double)s.n);
}

/* Until all of it is in blocks; few are stored again and again, each time from nothing, until there are enough to tell. */
static void run_stored(uint64_t n)
{
    enum { SERIES = 1000 };
    struct rig   r;
    struct spent sum = { 0 };
    char         what[40];

    do {
        if (sum.n > 0)
            rig_close(&r);
        rig_open(&r);
        struct spent since = spent_now(&r);
        while (r.n < n)
            push(&r, 0, SERIES);
        settle(&r);
        spent_add(&sum, &r, since);
    } while (sum.n < LEAST);
    snprintf(what, sizeof what, "stored %8llu", (unsigned long long)n);
    show_cost(what, sum);
    sleep(ALLOCATOR_SECONDS);
    printf("    settled: %.1f MB, %lld buckets\n", rss_mb(), (long long)shard_stats(r.shard).buckets);
    show_questions(&r);
    rig_close(&r);
}

/* New, and all of them again: of few series, again and again. */
static void run_series(uint64_t n)
{
    struct rig   r;
    struct spent fresh = { 0 }, again = { 0 };
    double       before, peak;
    char         what[40];

    do {
        if (fresh.n > 0)
            rig_close(&r);
        rig_open(&r);
        before = rss_mb();
        struct spent since = spent_now(&r);
        push(&r, 0, n);
        spent_add(&fresh, &r, since);
        peak = rss_mb();
    } while (fresh.n < LEAST);
    struct spent since = spent_now(&r);
    do
        push(&r, 0, n);
    while (r.n - since.n < LEAST);
    spent_add(&again, &r, since);
    snprintf(what, sizeof what, "series %8llu new", (unsigned long long)n);
    show_cost(what, fresh);
    show_cost("    again", again);
    settle(&r);
    sleep(ALLOCATOR_SECONDS);
    double now = rss_mb();
    printf("    %.0f bytes a series while new, %.0f settled (%.1f MB); %lld buckets\n",
           (peak - before) * 1e6 / (double)n, (now - before) * 1e6 / (double)n, now,
           (long long)shard_stats(r.shard).buckets);
    show_questions(&r);
    rig_close(&r);
}

static void run_apart(void (*run)(uint64_t n), uint64_t n)
{
    int status = 0;

    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        run(n);
        fflush(stdout);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        fprintf(stderr, "it ended with %d\n", status);
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : "";
    uint64_t    n = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;

    log_setup(LOG_WARN, false);
    for (uint64_t i = n ? n : 10000; strcmp(only, "series") != 0 && i <= (n ? n : 1000000); i *= 10)
        run_apart(run_stored, i);
    for (uint64_t i = n ? n : 1000; strcmp(only, "stored") != 0 && i <= (n ? n : 1000000); i *= 10)
        run_apart(run_series, i);
    return 0;
}
