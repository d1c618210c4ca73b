#include "loadtest/target.h"

#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/client.h"
#include "rpc/envelope.h"
#include "rpc/errors.h"

enum { TOKEN_BYTES_MAX = 4096, ANSWER_BYTES_MAX = 128 << 20, FIELDS_MAX = 6 };

struct target {
    char                address[256]; /* host:port */
    char                bearer[TOKEN_BYTES_MAX + 8];
    int64_t             timeout_ns;
    struct loop        *loop;
    struct http_client *http; /* loop */
    sem_t               closed;
    struct task         closing;
};

static enum code address_read(const char *url, char *out, size_t cap, struct fault *why)
{
    struct slice s = slice_of(url);

    if (slice_starts(s, SLICE("http://")))
        s = slice_from(s, 7);
    if (s.n > 0 && s.p[s.n - 1] == '/')
        s.n--;
    size_t host = slice_find(s, SLICE(":"));
    if (host == 0 || host + 1 >= s.n || s.n >= cap || slice_find(s, SLICE("/")) < s.n)
        return fail(why, CODE_INVALID_ARGUMENT, "url: `%s` is not http://HOST:PORT", url);
    snprintf(out, cap, "%.*s", SLICE_ARGS(s));
    return CODE_OK;
}

static enum code bearer_read(const char *path, char *out, size_t cap, struct fault *why)
{
    char  text[TOKEN_BYTES_MAX];
    FILE *f = fopen(path, "re");

    if (f == NULL)
        return fail(why, CODE_NOT_FOUND, "%s: %s", path, strerror(errno));
    struct slice token = slice_trim(slice_make(text, fread(text, 1, sizeof text, f)));
    fclose(f);
    if (token.n == 0 || token.n == sizeof text)
        return fail(why, CODE_INVALID_ARGUMENT, "%s: no token of at most %d bytes", path, TOKEN_BYTES_MAX - 1);
    snprintf(out, cap, "Bearer %.*s", SLICE_ARGS(token));
    return CODE_OK;
}

enum code target_open(const struct target_config *config, struct target **out, struct fault *why)
{
    struct target *t = mem_zalloc(sizeof *t);
    enum code      code = address_read(config->url, t->address, sizeof t->address, why);

    if (code == CODE_OK && config->token_file[0] != '\0')
        code = bearer_read(config->token_file, t->bearer, sizeof t->bearer, why);
    if (code != CODE_OK) {
        free(t);
        return code;
    }
    t->timeout_ns = config->timeout_ns;
    sem_init(&t->closed, 0, 0);
    t->loop = loop_new(0);
    loop_start(t->loop);
    *out = t;
    return CODE_OK;
}

static void close_http(struct task *task)
{
    struct target *t = (struct target *)((char *)task - offsetof(struct target, closing));

    if (t->http != NULL)
        http_client_free(t->http);
    sem_post(&t->closed);
}

void target_close(struct target *t)
{
    t->closing.run = close_http;
    loop_post(t->loop, &t->closing);
    while (sem_wait(&t->closed) != 0)
        continue;
    loop_stop(t->loop);
    loop_free(t->loop);
    sem_destroy(&t->closed);
    free(t);
}

/* ---- shots ---- */

struct shot *shot_new(struct target *t, enum dialect_of_shot dialect, struct slice path, struct slice tenant)
{
    struct arena *a = arena_new(0);
    struct shot  *s = arena_alloc(a, sizeof *s);

    *s = (struct shot){
        .target = t, .dialect = dialect, .arena = a, .path = arena_copy(a, path), .tenant = arena_copy(a, tenant)
    };
    return s;
}

void shot_open(struct shot *s)
{
    if (s->dialect == SHOT_GRPC)
        envelope_open(&s->body);
}

void shot_close(struct shot *s)
{
    if (s->dialect == SHOT_GRPC)
        envelope_close(&s->body, 0, 0);
}

void shot_free(struct shot *s)
{
    buf_free(&s->body);
    arena_free(s->arena); /* it lives there */
}

static struct slice field_of(const struct http_reply *r, const char *name)
{
    for (size_t i = 0; i < r->n_trailers; i++)
        if (slice_is(r->trailers[i].name, name))
            return r->trailers[i].value;
    for (size_t i = 0; i < r->n_fields; i++)
        if (slice_is(r->fields[i].name, name))
            return r->fields[i].value;
    return (struct slice){ 0 };
}

static void say_why(struct shot *s, const char *what, struct slice text)
{
    snprintf(s->why, sizeof s->why, "%s%s%.*s", what, text.n ? ": " : "", SLICE_ARGS(text));
}

/* A code that says the request was looked at and turned down, whole: nothing of it is stored. */
static bool is_refusal(enum code code)
{
    return code == CODE_INVALID_ARGUMENT || code == CODE_RESOURCE_EXHAUSTED || code == CODE_PERMISSION_DENIED ||
           code == CODE_UNAUTHENTICATED || code == CODE_NOT_FOUND || code == CODE_UNIMPLEMENTED ||
           code == CODE_FAILED_PRECONDITION || code == CODE_OUT_OF_RANGE;
}

static void judge_grpc(struct shot *s, const struct http_reply *r)
{
    long long    code = CODE_UNKNOWN;
    struct slice status = field_of(r, "grpc-status");

    if (r->status == 200 && slice_is(status, "0") && r->body.n >= ENVELOPE_BYTES) {
        s->outcome = OUTCOME_OK;
        s->answer = slice_from(r->body, ENVELOPE_BYTES);
        return;
    }
    bool is_code = slice_to_i64(status, &code) && code > 0 && code <= CODE_UNAUTHENTICATED;
    s->outcome = is_code && is_refusal((enum code)code) ? OUTCOME_REFUSED : OUTCOME_UNKNOWN;
    say_why(s, is_code ? code_name((enum code)code) : "no grpc-status", field_of(r, "grpc-message"));
}

static void judge(struct shot *s, const struct http_reply *r)
{
    char status[32];

    if (r->code != CODE_OK) {
        s->outcome = r->was_sent ? OUTCOME_UNKNOWN : OUTCOME_REFUSED;
        s->is_unreachable = r->code == CODE_UNAVAILABLE || r->code == CODE_DEADLINE_EXCEEDED;
        say_why(s, code_name(r->code), r->text);
    } else if (s->dialect == SHOT_GRPC) {
        judge_grpc(s, r);
    } else if (r->status == 200) {
        s->outcome = OUTCOME_OK;
        s->answer = r->body;
    } else {
        s->outcome = r->status >= 400 && r->status < 500 && r->status != 408 ? OUTCOME_REFUSED : OUTCOME_UNKNOWN;
        snprintf(status, sizeof status, "status %d", r->status);
        say_why(s, status, r->body);
    }
}

static void on_reply(void *arg, const struct http_reply *r)
{
    struct shot *s = arg;

    s->done_ns = clock_mono_ns();
    judge(s, r);
    s->on_done(s);
}

static void start(struct task *task)
{
    static const char *const types[] = { [SHOT_CONNECT] = "application/proto",
                                         [SHOT_GRPC] = "application/grpc",
                                         [SHOT_PLAIN] = "application/octet-stream",
                                         [SHOT_GET] = NULL };
    struct shot             *s = (struct shot *)task;
    struct target           *t = s->target;
    struct http_field        fields[FIELDS_MAX];
    size_t                   n = 0;

    if (t->http == NULL)
        t->http = http_client_new(t->loop, NULL);
    if (types[s->dialect] != NULL)
        fields[n++] = (struct http_field){ SLICE("content-type"), slice_of(types[s->dialect]) };
    if (s->dialect == SHOT_GRPC)
        fields[n++] = (struct http_field){ SLICE("te"), SLICE("trailers") };
    if (s->dialect == SHOT_CONNECT)
        fields[n++] = (struct http_field){ SLICE("connect-protocol-version"), SLICE("1") };
    if (s->tenant.n > 0)
        fields[n++] = (struct http_field){ SLICE("x-scope-orgid"), s->tenant };
    if (t->bearer[0] != '\0')
        fields[n++] = (struct http_field){ SLICE("authorization"), slice_of(t->bearer) };
    http_client_send(t->http, &(struct http_send){ .address = t->address,
                                                   .method = s->dialect == SHOT_GET ? SLICE("GET") : SLICE("POST"),
                                                   .path = s->path,
                                                   .fields = fields,
                                                   .n_fields = n,
                                                   .body = buf_view(&s->body),
                                                   .deadline_ns = clock_mono_ns() + t->timeout_ns,
                                                   .body_bytes_max = ANSWER_BYTES_MAX,
                                                   .on_done = on_reply,
                                                   .arg = s });
    buf_free(&s->body); /* copied */
}

void target_send(struct target *t, struct shot *s)
{
    s->task.run = start;
    s->sent_ns = clock_mono_ns();
    loop_post(t->loop, &s->task);
}

/* ---- asking ---- */

struct asking {
    sem_t       done;
    struct buf *answer;
};

static void asked(struct shot *s)
{
    struct asking *a = s->arg;

    buf_slice(a->answer, s->answer);
    sem_post(&a->done);
}

enum code target_ask(struct target *t, struct shot *s, struct buf *answer, struct fault *why)
{
    struct asking a = { .answer = answer };
    enum code     code = CODE_OK;

    sem_init(&a.done, 0, 0);
    s->on_done = asked;
    s->arg = &a;
    target_send(t, s);
    while (sem_wait(&a.done) != 0)
        continue;
    sem_destroy(&a.done);
    if (s->outcome != OUTCOME_OK)
        code = fail(why, s->is_unreachable ? CODE_UNAVAILABLE : CODE_INTERNAL, "%s", s->why);
    shot_free(s);
    return code;
}
