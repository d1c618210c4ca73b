/*
 * Goal: the program as users start it: it is up at once, takes a profile, answers for it, refuses what is wrong in
 * words, keeps strangers out when told to, and ends well.
 * Method: the real binary as a child on port 0, spoken to over plain sockets; one scenario a function.  The pprof is
 * packed with the generated code.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "proto/profile.pb-c.h"
#include "server/config.h"

enum { ARGS_MAX = 16, WAIT_MS = 20000 };

static char program[4096]; /* bin/hearth beside this test */
static char scratch[] = "/tmp/hearth-test-XXXXXX";

struct child {
    pid_t pid;
    int   out;
    int   port; /* 0: it did not come up */
};

struct answer {
    int        status;
    struct buf bytes; /* head and body */
    char      *body;
};

static int read_port(int fd)
{
    char   text[512];
    size_t n = 0;

    for (int64_t until = clock_mono_ns() + WAIT_MS * NS_PER_MS; clock_mono_ns() < until && n < sizeof text - 1;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (poll(&p, 1, 100) <= 0)
            continue;
        ssize_t got = read(fd, text + n, sizeof text - 1 - n);
        if (got <= 0)
            return 0;
        n += (size_t)got;
        text[n] = '\0';
        char *line = strstr(text, "listening on ");
        if (line != NULL && strchr(line, '\n') != NULL)
            return atoi(strrchr(line, ':') + 1);
    }
    return 0;
}

static struct child start(const char *const *more)
{
    const char  *argv[ARGS_MAX] = { program, "--listen=127.0.0.1:0", "--memory-limit=512MiB", "--log.level=warn" };
    int          n = 4, pipes[2];
    struct child c = { 0 };

    for (; more && *more; more++)
        argv[n++] = *more;
    assert(n < ARGS_MAX && pipe(pipes) == 0);
    c.pid = fork();
    if (c.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed assertion leaves nobody behind */
        dup2(pipes[1], STDOUT_FILENO);
        close(pipes[0]);
        close(pipes[1]);
        execv(program, (char **)(uintptr_t)argv);
        _exit(127);
    }
    close(pipes[1]);
    c.out = pipes[0];
    c.port = read_port(c.out);
    return c;
}

/* The exit status; -1 when it did not exit by itself. */
static int join(struct child *c)
{
    int status;

    close(c->out);
    assert(waitpid(c->pid, &status, 0) == c->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int stop(struct child *c)
{
    kill(c->pid, SIGTERM);
    return join(c);
}

static int connect_to(int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(0x7f000001) };
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert(fd >= 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

/* `fields`: whole lines, each ended by \r\n. */
static struct answer ask(const struct child *c, const char *method, const char *path, const char *fields,
                         struct slice body)
{
    struct buf    request = { 0 };
    struct answer a = { 0 };
    char          piece[4096];
    ssize_t       n;
    int           fd = connect_to(c->port);

    assert(fd >= 0);
    buf_printf(&request, "%s %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: %zu\r\n%s\r\n", method,
               path, body.n, fields);
    buf_slice(&request, body);
    assert(send(fd, request.p, request.n, MSG_NOSIGNAL) == (ssize_t)request.n);
    while ((n = read(fd, piece, sizeof piece)) > 0)
        buf_put(&a.bytes, piece, (size_t)n);
    buf_byte(&a.bytes, '\0');
    a.status = a.bytes.n > 12 ? atoi(a.bytes.p + 9) : 0;
    a.body = strstr(a.bytes.p, "\r\n\r\n");
    a.body = a.body ? a.body + 4 : a.bytes.p;
    close(fd);
    buf_free(&request);
    return a;
}

/* Status, and `part` in the body. */
static void expect_with(const struct child *c, const char *method, const char *path, const char *fields,
                        const char *body, int status, const char *part)
{
    struct answer a = ask(c, method, path, fields, slice_of(body));

    if (a.status != status || strstr(a.body, part) == NULL)
        printf("%s %s\n%.300s\n  want %d and `%s`, got:\n%s\n", method, path, body, status, part, a.bytes.p);
    assert(a.status == status && strstr(a.body, part) != NULL);
    buf_free(&a.bytes);
}

static void expect(const struct child *c, const char *method, const char *path, int status, const char *part)
{
    expect_with(c, method, path, "", "", status, part);
}

static void expect_rpc(const struct child *c, const char *path, const char *body, int status, const char *part)
{
    expect_with(c, "POST", path, "Content-Type: application/json\r\n", body, status, part);
}

static void put_base64(struct buf *out, const uint8_t *p, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0u);
        buf_byte(out, (uint8_t)digits[v >> 18]);
        buf_byte(out, (uint8_t)digits[v >> 12 & 63]);
        buf_byte(out, (uint8_t)(i + 1 < n ? digits[v >> 6 & 63] : '='));
        buf_byte(out, (uint8_t)(i + 2 < n ? digits[v & 63] : '='));
    }
}

/* main -> work, `value` nanoseconds of CPU, now. */
static void put_pprof(struct buf *out, int64_t value)
{
    char                  *strings[] = { "", "cpu", "nanoseconds", "main", "work" };
    Google__V1__ValueType  type = GOOGLE__V1__VALUE_TYPE__INIT;
    Google__V1__Function   f[2] = { GOOGLE__V1__FUNCTION__INIT, GOOGLE__V1__FUNCTION__INIT };
    Google__V1__Line       line[2] = { GOOGLE__V1__LINE__INIT, GOOGLE__V1__LINE__INIT };
    Google__V1__Location   l[2] = { GOOGLE__V1__LOCATION__INIT, GOOGLE__V1__LOCATION__INIT };
    Google__V1__Sample     sample = GOOGLE__V1__SAMPLE__INIT;
    Google__V1__Profile    p = GOOGLE__V1__PROFILE__INIT;
    Google__V1__ValueType *types[] = { &type };
    Google__V1__Function  *functions[] = { &f[0], &f[1] };
    Google__V1__Line      *lines[] = { &line[0], &line[1] };
    Google__V1__Location  *locations[] = { &l[0], &l[1] };
    Google__V1__Sample    *samples[] = { &sample };
    uint64_t               stack[] = { 2, 1 };
    uint8_t                packed[1024];

    type.type = 1, type.unit = 2;
    for (int i = 0; i < 2; i++) {
        f[i].id = l[i].id = line[i].function_id = (uint64_t)i + 1;
        f[i].name = 3 + i;
        l[i].line = &lines[i], l[i].n_line = 1;
    }
    sample.location_id = stack, sample.n_location_id = 2;
    sample.value = &value, sample.n_value = 1;
    p.sample_type = types, p.n_sample_type = 1;
    p.period_type = &type, p.period = 10000000;
    p.sample = samples, p.n_sample = 1;
    p.location = locations, p.n_location = 2;
    p.function = functions, p.n_function = 2;
    p.string_table = strings, p.n_string_table = 5;
    p.time_nanos = clock_real_ns();
    assert(google__v1__profile__get_packed_size(&p) <= sizeof packed);
    put_base64(out, packed, google__v1__profile__pack(&p, packed));
}

static void put_series(struct buf *out, const char *service, const char *id, int64_t value)
{
    buf_printf(
        out,
        "{\"labels\":[{\"name\":\"__name__\",\"value\":\"process_cpu\"},{\"name\":\"service_name\",\"value\":\"%s\"}],"
        "\"samples\":[{\"ID\":\"%s\",\"rawProfile\":\"",
        service, id);
    if (value > 0)
        put_pprof(out, value);
    else
        buf_text(out, "Z2FyYmFnZQ=="); /* garbage */
    buf_text(out, "\"}]}");
}

/* Two series of one request; a value of 0 stands for bytes that are no profile. */
static char *push_body(int64_t first, int64_t second)
{
    struct buf b = { 0 };

    buf_text(&b, "{\"series\":[");
    put_series(&b, "checkout", "id-1", first);
    buf_text(&b, ",");
    put_series(&b, "checkout", "id-2", second);
    buf_text(&b, "]}");
    buf_byte(&b, '\0');
    return b.p;
}

#define PUSH "/push.v1.PusherService/Push"
#define FLAME "/querier.v1.QuerierService/SelectMergeStacktraces"

static char *flame_body(void)
{
    struct buf b = { 0 };
    long long  now_ms = (long long)(clock_real_ns() / NS_PER_MS);

    buf_printf(&b,
               "{\"start\":%lld,\"end\":%lld,\"labelSelector\":\"{service_name=\\\"checkout\\\"}\","
               "\"profileTypeID\":\"process_cpu:cpu:nanoseconds:cpu:nanoseconds\"}",
               now_ms - 600000, now_ms + 60000);
    buf_byte(&b, '\0');
    return b.p;
}

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

static void write_file(const char *name, const char *text, char path[128])
{
    snprintf(path, 128, "%s/%s", scratch, name);
    FILE *f = fopen(path, "w");
    assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

#define NEED_TENANT "Content-Type: application/json\r\n"

static void test_tenants_and_tokens(void)
{
    /* sha256 of "the-token-of-team-a" is made by the program itself. */
    char  path[128], flag[160], command[4400], line[256] = "", *body = push_body(1, 2);
    FILE *p;

    snprintf(command, sizeof command, "echo the-token-of-team-a | %s --auth.hash-token", program);
    p = popen(command, "r");
    assert(p && fgets(line, 65, p) && strlen(line) == 64);
    pclose(p);
    strcat(line, " read,write team-a\n");
    write_file("cluster-tokens", line, path);
    write_file("tokens", line, path);
    snprintf(flag, sizeof flag, "--auth.tokens-file=%s", path);
    struct child c = start((const char *[]){ "--multitenancy", flag, NULL });
    assert(c.port > 0);
    expect_rpc(&c, PUSH, body, 401, "no org id");
    expect_with(&c, "POST", PUSH, NEED_TENANT "X-Scope-OrgID: team-a\r\n", body, 401, "a bearer token is needed");
    expect_with(&c, "POST", PUSH, NEED_TENANT "X-Scope-OrgID: a|b\r\n", body, 401, "multiple org IDs present");
    expect_with(&c, "POST", PUSH, NEED_TENANT "X-Scope-OrgID: bad/one\r\n", body, 401, "unsupported character '/'");
    expect_with(&c, "POST", PUSH, NEED_TENANT "Authorization: Bearer the-token-of-team-a\r\n", body, 200, "{}");
    expect_with(&c, "POST", PUSH, NEED_TENANT "X-Scope-OrgID: team-b\r\nAuthorization: Bearer the-token-of-team-a\r\n",
                body, 403, "may not act for tenant 'team-b'");
    /* team-a:the-token-of-team-a */
    expect_with(&c, "POST", PUSH, NEED_TENANT "Authorization: Basic dGVhbS1hOnRoZS10b2tlbi1vZi10ZWFtLWE=\r\n", body,
                200, "{}");
    expect_rpc(&c, "/hearth.shard.v1.Shard/Status", "{}", 403, "only peers");
    expect(&c, "GET", "/config", 401, "");
    expect(&c, "GET", "/ready", 200, "ready");
    write_file("tokens", "nonsense\n", path); /* a bad file changes nothing */
    kill(c.pid, SIGHUP);
    for (int i = 0; i < 100; i++) {
        struct answer a = ask(&c, "GET", "/metrics", "", (struct slice){ 0 });
        bool          is_seen = strstr(a.body, "\nhearth_config_last_reload_successful 0\n") != NULL;
        buf_free(&a.bytes);
        if (is_seen)
            break;
        assert(i < 99);
        usleep(100000);
    }
    expect_with(&c, "POST", PUSH, NEED_TENANT "Authorization: Bearer the-token-of-team-a\r\n", body, 200, "{}");
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

static int free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
    socklen_t          n = sizeof a;
    int                fd = socket(AF_INET, SOCK_STREAM, 0);

    assert(fd >= 0 && bind(fd, (struct sockaddr *)&a, n) == 0 && getsockname(fd, (struct sockaddr *)&a, &n) == 0);
    close(fd);
    return ntohs(a.sin_port);
}

#define AS_TEAM_A NEED_TENANT "Authorization: Bearer the-token-of-team-a\r\n"

/* Two shards and one door, which know each other by a secret; without one shard there is a fault and no half answer. */
static void test_cluster(void)
{
    int   ports[] = { free_port(), free_port() };
    char  text[512], map_path[128], secret_path[128], map[160], secret[192], tokens[192], listen[2][64];
    char *body = push_body(70, 30), *flame = flame_body();

    snprintf(text, sizeof text,
             "{\"cluster_id\":\"t\",\"epoch\":1,\"shards\":[{\"name\":\"s0\",\"address\":\"127.0.0.1:%d\"},"
             "{\"name\":\"s1\",\"address\":\"127.0.0.1:%d\"}]}",
             ports[0], ports[1]);
    write_file("map.json", text, map_path);
    write_file("secret", "the secret of this cluster\n", secret_path);
    snprintf(map, sizeof map, "--shard-map=%s", map_path);
    snprintf(secret, sizeof secret, "--auth.cluster-token-file=%s", secret_path);
    snprintf(tokens, sizeof tokens, "--auth.tokens-file=%s/cluster-tokens", scratch);
    for (int i = 0; i < 2; i++)
        snprintf(listen[i], sizeof listen[i], "--listen=127.0.0.1:%d", ports[i]);
    struct child s0 =
        start((const char *[]){ "--target=shard", "--shard.name=s0", listen[0], map, secret, tokens, NULL });
    struct child s1 =
        start((const char *[]){ "--target=shard", "--shard.name=s1", listen[1], map, secret, tokens, NULL });
    struct child door =
        start((const char *[]){ "--target=frontend,querier", "--multitenancy", map, secret, tokens, NULL });
    assert(s0.port == ports[0] && s1.port == ports[1] && door.port > 0);
    expect_with(&door, "POST", PUSH, AS_TEAM_A, body, 200, "{}");
    expect_with(&door, "POST", FLAME, AS_TEAM_A, flame, 200, "\"total\":\"100\"");
    expect_rpc(&s0, "/hearth.shard.v1.Shard/Status", "{}", 403, "only peers");
    expect_with(&s0, "POST", PUSH, AS_TEAM_A, body, 404, "");
    expect_with(&door, "GET", "/shards", AS_TEAM_A, "", 200, "\"name\":\"s1\",\"state\":\"ok\"");
    assert(stop(&s1) == 0);
    expect_with(&door, "POST", FLAME, AS_TEAM_A, flame, 503, "s1");
    expect_with(&door, "GET", "/shards", AS_TEAM_A, "", 200, "\"name\":\"s1\",\"state\":\"unreachable\"");
    assert(stop(&door) == 0 && stop(&s0) == 0);
    free(body);
    free(flame);
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
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 16);

    assert(n > 0 && mkdtemp(scratch) != NULL);
    program[n] = '\0';
    strcpy(strrchr(program, '/') + 1, "hearth");
    signal(SIGPIPE, SIG_IGN);
    test_pages();
    test_push_and_query();
    test_limits();
    test_tenants_and_tokens();
    test_refusals();
    test_cluster();
    test_shutdown();
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", scratch);
    return system(command) == 0 ? 0 : 1;
}
