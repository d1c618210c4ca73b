/*
 * Goal: a call finds its method or route and the thread it is for; what is too large, too late, given up or one too many is refused,
 * each in its own words.
 * Method: the toys of test_world.h, one of which works until it is told to end.
 */
#include "rpc/test_world.h"

static void test_routing(void)
{
    struct got got = ask("GET", QUERIER "LabelValues", NULL, (struct slice){ 0 });
    assert(got.status == 400 && slice_find(got.body, SLICE("encoding")) < got.body.n);
    got = ask("GET", "/push.v1.PusherService/Push", NULL, (struct slice){ 0 });
    assert(got.status == 405 && slice_is(got.allow, "POST") && got.body.n == 0);
    got = ask("POST", QUERIER "LabelValues", FIELDS("content-type", "text/plain"), SLICE("{}"));
    assert(got.status == 415 &&
           slice_starts(got.accept_post, SLICE("application/json, application/proto, application/grpc")));
    assert(ask("POST", QUERIER "Nothing", FIELDS(JSON), SLICE("{}")).status == 404);
    assert(ask("POST", "/" QUERIER "/LabelValues", FIELDS(JSON), SLICE("{}")).status == 200);
    assert(ask("POST", QUERIER "LabelValues", FIELDS("content-type", "Application/JSON; charset=utf-8"), SLICE("{}"))
               .status == 200);
    got = ask("GET", "/page?a=1", NULL, (struct slice){ 0 });
    assert(got.status == 200 && slice_is(got.body, "/page?a=1:"));
    got = ask("PUT", "/page", NULL, SLICE("body"));
    assert(got.status == 200 && slice_is(got.body, "/page?:body"));
    got = ask("DELETE", "/page", NULL, (struct slice){ 0 });
    assert(got.status == 405 && slice_is(got.allow, "GET, PUT"));
    got = ask("OPTIONS", QUERIER "LabelValues", FIELDS("origin", "http://x", "access-control-request-method", "POST"),
              (struct slice){ 0 });
    assert(got.status == 204 && slice_is(got.origin, "http://x"));
    got = ask("POST", QUERIER "LabelValues", FIELDS(JSON, "origin", "http://x"), SLICE("{}"));
    assert(got.status == 200 && slice_is(got.origin, "http://x"));
}

/* Small and quick: on the loop; in every other case on the lane. */
static void test_quick(void)
{
    char long_name[1200] = "q";

    memset(long_name + 1, 'x', sizeof long_name - 2);
    const struct {
        const char *name;
        bool        is_gzip, is_inline;
    } cases[] = {
        { "quick", false, true }, { "slow", false, false }, { "quick", true, false }, { long_name, false, false }
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice body = query_bytes(false, cases[i].name, 2);
        struct got   got =
            ask("POST", QUERIER "LabelValues",
                FIELDS("content-type", "application/proto", "content-encoding", cases[i].is_gzip ? "gzip" : "identity"),
                cases[i].is_gzip ? gzipped(body) : body);
        assert(got.code == CODE_OK && got.status == 200 && values_were_inline == cases[i].is_inline);
        check_values(false, got.body, cases[i].name, 2);
    }
}

static void test_raw(void)
{
    struct slice body = SLICE("no protobuf");

    assert(ask("POST", QUERIER "Series", FIELDS("content-type", "application/proto"), body).status == 200);
    assert(ask("POST", QUERIER "Series", FIELDS("content-type", "application/proto", "content-encoding", "gzip"),
               gzipped(body))
               .status == 200);
    assert(ask("POST", QUERIER "Series", FIELDS(JSON), SLICE("{}")).status == 501);
}

static void test_limits(void)
{
    static char  zeroes[1 << 20];
    struct slice large = slice_make(zeroes, sizeof zeroes), push_path = SLICE("/push.v1.PusherService/Push");

    struct got got = ask("POST", push_path.p, FIELDS(JSON), slice_make(zeroes, 201));
    expect_json_error(got, 429, "resource_exhausted", "message size 201 is larger than configured max 200");
    assert(slice_is(got.retry_after, "1"));
    expect_json_error(ask("POST", push_path.p, FIELDS(JSON, "content-encoding", "gzip"), gzipped(large)), 429,
                      "resource_exhausted", "larger");
    expect_grpc_error(ask("POST", push_path.p, FIELDS(GRPC), enveloped(0, slice_make(zeroes, 201))),
                      CODE_RESOURCE_EXHAUSTED, "larger");
    expect_json_error(ask("PUT", "/page", NULL, slice_make(zeroes, 101)), 413, "resource_exhausted", "larger");
    assert(ask("PUT", "/page", NULL, slice_make(zeroes, 100)).status == 200);
    /* what all calls may hold together: 4 MiB */
    static char huge[5 << 20];
    expect_json_error(
        ask("POST", QUERIER "LabelValues", FIELDS("content-type", "application/proto"), slice_make(huge, sizeof huge)),
        429, "resource_exhausted", "in flight");
}

static void test_deadlines(void)
{
    struct got got = ask("POST", QUERIER "LabelNames", FIELDS(JSON, "connect-timeout-ms", "400"), SLICE("{}"));
    expect_json_error(got, 504, "deadline_exceeded", "deadline");
    sem_wait(&slow_runs);
    sem_post(&slow_may_end);
    got = ask("POST", QUERIER "LabelNames", FIELDS(GRPC, "grpc-timeout", "400m"), enveloped(0, SLICE("")));
    expect_grpc_error(got, CODE_DEADLINE_EXCEEDED, "deadline");
    sem_wait(&slow_runs);
    sem_post(&slow_may_end);
    wait_for_end();
    assert(slow_was_cancelled);
}

static void test_cancel(void)
{
    struct asking a;
    struct got    got;

    slow_was_cancelled = false;
    ask_begin(&a, &got, "POST", QUERIER "LabelNames", FIELDS(GRPC), enveloped(0, SLICE("")));
    loop_post(the_loop, &a.task);
    sem_wait(&slow_runs);
    loop_post(the_loop, &a.cancel);
    sem_wait(&a.done);
    assert(got.code == CODE_CANCELED);
    sem_post(&slow_may_end);
    wait_for_end();
    assert(slow_was_cancelled);
}

struct waiting {
    sem_t begun, ended;
};

static void wait_to_end(void *arg)
{
    struct waiting *w = arg;

    sem_post(&w->begun);
    sem_wait(&slow_may_end);
    sem_post(&w->ended);
}

/* The one worker is busy and the queue behind it is full: refused at once. */
static void test_full_lane(void)
{
    size_t         n = 0;
    struct waiting w;

    sem_init(&w.begun, 0, 0);
    sem_init(&w.ended, 0, 0);
    while (rpc_server_run(server, LANE_DECODE, wait_to_end, &w))
        if (n++ == 0)
            sem_wait(&w.begun);
    assert(n >= 100);
    struct got got = ask("POST", QUERIER "LabelNames", FIELDS(JSON), SLICE("{}"));
    expect_json_error(got, 429, "resource_exhausted", "waiting");
    assert(slice_is(got.retry_after, "1"));
    expect_grpc_error(ask("POST", QUERIER "LabelNames", FIELDS(GRPC), enveloped(0, SLICE(""))), CODE_RESOURCE_EXHAUSTED,
                      "waiting");
    for (size_t i = 0; i < n; i++)
        sem_post(&slow_may_end);
    for (size_t i = 0; i < n; i++)
        sem_wait(&w.ended);
}

int main(void)
{
    world_begin();
    test_routing();
    test_quick();
    test_raw();
    test_limits();
    test_deadlines();
    test_cancel();
    test_full_lane();
    world_end();
    return 0;
}
