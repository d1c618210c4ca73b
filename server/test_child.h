/*
 * For tests of the program as users start it: the real binary as a child on port 0, spoken to over plain sockets.  The pprof it
 * is pushed is packed with the generated code.
 */
#pragma once

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

static inline int read_port(int fd)
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

static inline struct child start(const char *const *more)
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
static inline int join(struct child *c)
{
    int status;

    close(c->out);
    assert(waitpid(c->pid, &status, 0) == c->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline int stop(struct child *c)
{
    kill(c->pid, SIGTERM);
    return join(c);
}

static inline int connect_to(int port)
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
static inline struct answer ask(const struct child *c, const char *method, const char *path, const char *fields,
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
static inline void expect_with(const struct child *c, const char *method, const char *path, const char *fields,
                        const char *body, int status, const char *part)
{
    struct answer a = ask(c, method, path, fields, slice_of(body));

    if (a.status != status || strstr(a.body, part) == NULL)
        printf("%s %s\n%.300s\n  want %d and `%s`, got:\n%s\n", method, path, body, status, part, a.bytes.p);
    assert(a.status == status && strstr(a.body, part) != NULL);
    buf_free(&a.bytes);
}

static inline void expect(const struct child *c, const char *method, const char *path, int status, const char *part)
{
    expect_with(c, method, path, "", "", status, part);
}

static inline void expect_rpc(const struct child *c, const char *path, const char *body, int status, const char *part)
{
    expect_with(c, "POST", path, "Content-Type: application/json\r\n", body, status, part);
}

static inline void put_base64(struct buf *out, const uint8_t *p, size_t n)
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
static inline void put_pprof(struct buf *out, int64_t value)
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

static inline void put_series(struct buf *out, const char *service, const char *id, int64_t value)
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
static inline char *push_body(int64_t first, int64_t second)
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

static inline char *flame_body(void)
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

static inline void write_file(const char *name, const char *text, char path[128])
{
    snprintf(path, 128, "%s/%s", scratch, name);
    FILE *f = fopen(path, "w");
    assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* Every test of the program begins and ends so. */
static inline void program_find(void)
{
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 16);

    assert(n > 0 && mkdtemp(scratch) != NULL);
    program[n] = '\0';
    strcpy(strrchr(program, '/') + 1, "hearth");
    signal(SIGPIPE, SIG_IGN);
}

static inline int scratch_remove(void)
{
    char command[64];

    snprintf(command, sizeof command, "rm -r %s", scratch);
    return system(command) == 0 ? 0 : 1;
}
