/*
 * For tests of the querier service: its methods are called as the RPC room would call them, with a call, a router and a worker played
 * by this file over a real shard; the answers are read back from their packed bytes.  A program has it once.
 */
#pragma once

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "index/batch_make.h"
#include "proto/querier.pb-c.h"
#include "router/router.h"
#include "server/principal.h"
#include "server/services.h"
#include "shard/shard.h"

#define T0_MS INT64_C(1700000000000)
#define CPU "process_cpu:cpu:nanoseconds:cpu:nanoseconds"

/* ---- the rooms below ------------------------------------------------------------------------------------------------ */

struct call {
    struct arena    *arena;
    struct principal user;
    const char      *accept, *path;
    int              ends;
    struct fault     why;
    uint8_t         *reply; /* packed */
    size_t           reply_n;
};

static struct shard *shard;
static struct app    app;

struct arena *call_arena(struct call *c) { return c->arena; }
void         *call_app(const struct call *c) { return c ? &app : NULL; }
int64_t       call_deadline_ns(const struct call *c) { return c->ends ? 0 : INT64_MAX; }
bool          call_is_cancelled(const struct call *c) { return c->ends > 0; }
struct slice  call_field(const struct call *c, const char *name)
{
    return slice_of(strcmp(name, "accept") ? NULL : c->accept);
}
struct slice call_path(const struct call *c) { return slice_of(c->path); }
void        *call_user(const struct call *c) { return (void *)(uintptr_t)&c->user; }

void call_reply(struct call *c, const ProtobufCMessage *m)
{
    c->ends++;
    c->reply = mem_alloc(protobuf_c_message_get_packed_size(m));
    c->reply_n = protobuf_c_message_pack(m, c->reply);
}

void call_fail(struct call *c, const struct fault *why)
{
    assert(why->code != CODE_OK && why->text[0] != '\0');
    c->ends++;
    c->why = *why;
}

bool rpc_server_run(struct rpc_server *s, enum lane lane, void (*fn)(void *), void *arg)
{
    (void)s;
    (void)lane;
    fn(arg);
    return true;
}

struct shard *router_local(struct router *r)
{
    (void)r;
    return shard;
}

bool router_is_alone(struct router *r)
{
    (void)r;
    return true;
}

void router_scatter(struct router *r, const struct scatter *s)
{
    (void)r;
    s->done(s->arg);
}

/* ---- calling -------------------------------------------------------------------------------------------------------- */

static const struct slice tenants[] = { SLICE("a"), SLICE("b") };

static const struct method *method_of(const char *name)
{
    size_t               n;
    const struct method *m = querier_methods(&n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(strrchr(m[i].path, '/') + 1, name) == 0)
            return &m[i];
    assert(!"no such method");
    return NULL;
}

static struct limits limits; /* of the call to come */
static size_t        n_tenants = 1;
static const char   *accept_field;

/* The answer, unpacked; NULL when it failed: then c->why says why. */
static void *ask(const char *name, const void *request, struct call *c)
{
    const struct method *m = method_of(name);
    void                *answer = NULL;

    *c = (struct call){
        .arena = arena_new(0), .user = { tenants, n_tenants, limits }, .accept = accept_field, .path = m->path
    };
    m->run(c, request);
    assert(c->ends == 1);
    if (c->reply != NULL) {
        answer = protobuf_c_message_unpack(m->response, NULL, c->reply_n, c->reply);
        assert(answer != NULL);
    }
    free(c->reply);
    arena_free(c->arena);
    return answer;
}

static inline void refused(const char *name, const void *request, enum code code, const char *text)
{
    struct call c;

    assert(ask(name, request, &c) == NULL);
    if (c.why.code != code || strcmp(c.why.text, text) != 0)
        fprintf(stderr, "%s: %d %s\n not %d %s\n", name, c.why.code, c.why.text, code, text),
            assert(!"not as expected");
}

/* Is the answer the message without any field? */
static inline bool is_bare(const char *name, const void *request)
{
    struct call c;
    void       *answer = ask(name, request, &c);

    assert(answer != NULL);
    protobuf_c_message_free_unpacked(answer, NULL);
    return c.reply_n == 0;
}

/* ---- data ----------------------------------------------------------------------------------------------------------- */

static void push(struct slice tenant, const char *service, const char *labels, int64_t at_s, const char *const *stacks,
                 const int64_t *values)
{
    struct arena     *a = arena_new(0);
    struct batch_make m;
    struct append     append = { .batch = &m.b }, *list = &append;

    make_begin(&m, a, service, "process_cpu", (T0_MS + at_s * 1000) * NS_PER_MS);
    make_type(&m, "cpu", "nanoseconds");
    make_part(&m, labels);
    for (size_t i = 0; stacks[i] != NULL; i++)
        make_row(&m, stacks[i], &values[i]);
    make_end(&m);
    m.b.tenant = tenant;
    shard_step(shard, &list, 1, T0_MS * NS_PER_MS);
    assert(append.code == CODE_OK);
    arena_free(a);
}

#define PUSH(tenant, service, labels, at_s, stack, value)                                                              \
    push(tenant, service, labels, at_s, (const char *const[]){ stack, NULL }, (const int64_t[]){ value })

static void data(void)
{
    struct shard_config c = { .name = "t", .retention_ns = INT64_MAX, .limit_bytes = SIZE_MAX };

    shard = shard_new(&c);
    push(tenants[0], "api", "env=prod,zone=z1", 0, (const char *const[]){ "a;b", "a;c", NULL },
         (const int64_t[]){ 10, 3 });
    PUSH(tenants[0], "api", "env=dev", 0, "a;c", 20);
    push(tenants[0], "db", "env=prod,odd.name=x y,zone=z2", 30, (const char *const[]){ "a;b", "q", NULL },
         (const int64_t[]){ 30, 1 });
    PUSH(tenants[0], "db", "", 60, "d", 40);
    PUSH(tenants[1], "other", "", 60, "d", 5);
}

/* Begins with all there is to be asked for, under no limits. */
static void world_begin(void)
{
    limits = limits_default;
    limits.max_query_lookback_ns = limits.max_query_length_ns = LIMIT_NONE;
    data();
}
