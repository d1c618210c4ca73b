/*
 * Goal: the program as users start it: it is up at once, takes a profile, answers for it, refuses what is wrong in words, and
 * ends well.  Method: a child (test_child.h); one scenario a function.
 */
#include "server/test_child.h"

static void test_pages(void)
{
    int64_t      begun = clock_mono_ns();
    struct child c = start(NULL);

    assert(c.port > 0);
    expect(&c, "GET", "/ready", 200, "ready");
    printf("ready after %lld ms\n", (long long)((clock_mono_ns() - begun) / NS_PER_MS));
    expect(&c, "GET", "/-/ready", 200, "ready");
    expect(&c, "GET", "/healthy", 200, "healthy");
    expect(&c, "GET", "/", 200, "hearthctl push");
    expect(&c, "GET", "/metrics", 200, "\nhearth_build_info{version=");
    expect(&c, "GET", "/metrics", 200, "\nprocess_resident_memory_bytes ");
    expect(&c, "GET", "/api/v1/status/buildinfo", 200, "\"status\":\"success\"");
    expect(&c, "GET", "/config", 200, "limits:\n  ingestion_rate_mb: unlimited\n");
    expect(&c, "GET", "/config?mode=diff", 200, "memory-limit: 512MiB\n");
    expect(&c, "GET", "/config?mode=defaults", 200, "memory-limit: auto\n");
    expect(&c, "GET", "/config?mode=x", 400, "diff or defaults");
    expect(&c, "GET", "/services", 200, "querier => Running");
    expect(&c, "GET", "/shards", 200, "\"state\":\"ok\"");
    expect(&c, "GET", "/no/such/path", 404, "");
    expect(&c, "DELETE", "/ready", 405, "");
    assert(stop(&c) == 0);
}

static void test_push_and_query(void)
{
    struct child c = start(NULL);
    char        *body = push_body(70, 30), *flame = flame_body();

    expect_rpc(&c, FLAME, flame, 200, "");
    expect_rpc(&c, PUSH, body, 200, "{}");
    expect_rpc(&c, FLAME, flame, 200, "\"total\":\"100\"");
    expect_rpc(&c, FLAME, flame, 200, "\"work\"");
    free(body);
    body = push_body(5, 0);
    expect_rpc(&c, PUSH, body, 400, "push series with index 1 and id id-2 failed: ");
    expect_rpc(&c, FLAME, flame, 200, "\"total\":\"105\""); /* the good one of the two was stored */
    expect_rpc(&c, PUSH, "{}", 400, "no profiles received");
    expect_rpc(&c, PUSH, "", 400, "invalid_argument");
    expect(&c, "GET", "/metrics", 200, "\nhearth_ingest_profiles_total 3\n");
    expect(&c, "GET", "/metrics", 200, "\nhearth_discarded_profiles_total{reason=\"invalid\"} 1\n");
    free(body);
    free(flame);
    assert(stop(&c) == 0);
}

/* Two equal profiles of one request are two; what a limit refuses is refused by its name. */
static void test_limits(void)
{
    struct child c = start(
        (const char *[]){ "--limits.max_profile_stacktrace_depth=1", "--limits.ingestion_rate_mb=0.00001",
                          "--limits.ingestion_burst_size_mb=0.0003", "--limits.max_profile_size_bytes=300", NULL });
    struct buf twins = { 0 };
    char      *flame = flame_body();

    buf_text(&twins, "{\"series\":[");
    put_series(&twins, "checkout", "id", 50);
    char *one = strndup(twins.p + 11, twins.n - 11);
    buf_printf(&twins, ",%s]}", one);
    free(one);
    buf_byte(&twins, '\0');
    expect_rpc(&c, PUSH, twins.p, 200, "{}");
    expect_rpc(&c, FLAME, flame, 200, "\"total\":\"100\"");
    expect_rpc(&c, PUSH, twins.p, 429, "push rate limit");
    expect(&c, "GET", "/metrics", 200, "\nhearth_discarded_profiles_total{reason=\"resource_exhausted\"} 2\n");
    buf_free(&twins);
    free(flame);
    assert(stop(&c) == 0);
    c = start((const char *[]){ "--limits.max_profile_size_bytes=20", NULL });
    char *body = push_body(1, 1);
    expect_rpc(&c, PUSH, body, 400, "exceeds");
    free(body);
    assert(stop(&c) == 0);
}

static void test_refusals(void)
{
    char path[128], file[160], dir[160];

    snprintf(dir, sizeof dir, "--data.dir=%s/data", scratch);
    struct child first = start((const char *[]){ dir, NULL }), second = start((const char *[]){ dir, NULL });
    assert(first.port > 0 && second.port == 0);
    assert(join(&second) == 1);
    char listen[64];
    snprintf(listen, sizeof listen, "--listen=127.0.0.1:%d", first.port);
    struct child third = start((const char *[]){ listen, NULL });
    assert(third.port == 0 && join(&third) == 1);
    assert(stop(&first) == 0);
    write_file("bad.yaml", "limits:\n  max_query_lenght: 1h\n", path);
    snprintf(file, sizeof file, "--config.file=%s", path);
    struct child bad = start((const char *[]){ file, "--config.check", NULL });
    assert(bad.port == 0 && join(&bad) == 1);
    write_file("good.yaml", "limits:\n  max_query_length: 1h\n", path);
    snprintf(file, sizeof file, "--config.file=%s", path);
    struct child good = start((const char *[]){ file, "--config.check", NULL });
    assert(good.port == 0 && join(&good) == 0);
    struct child alone = start((const char *[]){ "--target=frontend", NULL });
    assert(alone.port == 0 && join(&alone) == 1);
}

/* Not ready at once, still serving, then gone; a second signal does not wait. */
static void test_shutdown(void)
{
    struct child c = start((const char *[]){ "--shutdown-delay=1h", NULL });
    int          status = 200;

    assert(c.port > 0);
    kill(c.pid, SIGTERM);
    for (int i = 0; i < 200 && status == 200; i++) {
        struct answer a = ask(&c, "GET", "/ready", "", (struct slice){ 0 });
        status = a.status;
        buf_free(&a.bytes);
        usleep(10000);
    }
    assert(status == 503);
    expect(&c, "GET", "/healthy", 200, "healthy");
    kill(c.pid, SIGTERM);
    assert(join(&c) == 0);
}

int main(void)
{
    program_find();
    test_pages();
    test_push_and_query();
    test_limits();
    test_refusals();
    test_shutdown();
    return scratch_remove();
}
