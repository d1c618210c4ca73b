/*
 * For tests of the router: a cluster in one process.  Its wire is rpc_client_call below, which stands in for rpc/client.c and
 * can be told to be down, to break off, or to lead to another node; replies come on threads of their own, as from a loop.
 */
#pragma once

#include "router/router.h"

#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "proto/shard.pb-c.h"
#include "router/map.h"
#include "shard/test_batch.h"

#define T0 (1700000000 * NS_PER_S)
#define NEVER INT64_MAX

typedef Hearth__Shard__V1__AppendRequest          append_request;
typedef Hearth__Shard__V1__AppendResponse         append_response;
typedef Hearth__Shard__V1__AppendResponse__Result append_result;

enum { NODES_MAX = 5 };
enum wire { WIRE_UP, WIRE_DOWN, WIRE_BREAKS_AFTER, WIRE_REFUSES, WIRE_WRONG_NODE };

static struct node {
    char              name[16], address[16];
    struct shard     *shard;
    struct writer    *writer;
    struct router    *router;
    _Atomic enum wire wire;
    _Atomic int       calls;
} nodes[NODES_MAX];

static char        dir[] = "/tmp/router_test.XXXXXX";
static char        map_path[64];
static _Atomic int calls_open;

/* ---- the wire ---- */

struct wire_call {
    struct node  *node;
    char          path[64];
    uint8_t      *bytes;
    size_t        n;
    int64_t       deadline_ns;
    rpc_reply_fn *on_reply;
    void         *arg;
};

struct wire_append {
    struct append append;
    struct batch  batch;
    sem_t        *done;
};

static inline void appended(struct append *a) { sem_post(((struct wire_append *)(void *)a)->done); }

/* What server/append.c does, one batch after the other. */
static inline void serve_append(struct wire_call *c)
{
    append_request *request = (append_request *)protobuf_c_message_unpack(
        &hearth__shard__v1__append_request__descriptor, NULL, c->n, c->bytes);
    append_response response = HEARTH__SHARD__V1__APPEND_RESPONSE__INIT;
    struct arena   *a = arena_new(0);
    append_result  *results = arena_array(a, request->n_parcels, sizeof *results), **list;
    sem_t           done;

    sem_init(&done, 0, 0);
    list = arena_array(a, request->n_parcels, sizeof *list);
    for (size_t i = 0; i < request->n_parcels; i++) {
        struct wire_append  one = { .append.done = appended, .done = &done };
        ProtobufCBinaryData sent = request->parcels[i]->batch;
        struct slice        bytes = arena_copy(a, slice_make(sent.data, sent.len));
        struct fault        why;
        enum code           code = batch_decode(bytes, a, &one.batch, &why);
        if (code == CODE_OK && (code = router_accept(c->node->router, &one.batch, &one.append, &why)) == CODE_OK) {
            while (sem_wait(&done) != 0)
                ;
            code = one.append.code;
            why = one.append.why;
        }
        results[i] = (append_result)HEARTH__SHARD__V1__APPEND_RESPONSE__RESULT__INIT;
        results[i].code = (int32_t)code;
        if (code != CODE_OK) {
            struct slice text = arena_copy(a, slice_of(why.text));
            results[i].message = (ProtobufCBinaryData){ text.n, (uint8_t *)text.p };
        }
        list[i] = &results[i];
    }
    response.n_results = request->n_parcels;
    response.results = list;
    response.map_epoch = router_epoch(c->node->router);
    if (atomic_load(&c->node->wire) == WIRE_BREAKS_AFTER)
        c->on_reply(c->arg, CODE_UNAVAILABLE, "connection reset", true, NULL);
    else
        c->on_reply(c->arg, CODE_OK, "", true, &response.base);
    protobuf_c_message_free_unpacked(&request->base, NULL);
    sem_destroy(&done);
    arena_free(a);
}

static inline void serve_status(struct wire_call *c)
{
    Hearth__Shard__V1__StatusResponse response = HEARTH__SHARD__V1__STATUS_RESPONSE__INIT;

    usleep(100000);
    response.shard = c->node->name;
    response.profiles = shard_stats(c->node->shard).profiles;
    c->on_reply(c->arg, CODE_OK, "", true, &response.base);
}

static inline void *serve(void *arg)
{
    struct wire_call *c = arg;

    atomic_fetch_add(&c->node->calls, 1);
    switch (atomic_load(&c->node->wire)) {
    case WIRE_DOWN:
        c->on_reply(c->arg, CODE_UNAVAILABLE, "connection refused", false, NULL);
        break;
    case WIRE_REFUSES:
        c->on_reply(c->arg, CODE_RESOURCE_EXHAUSTED, "busy", true, NULL);
        break;
    case WIRE_WRONG_NODE:
        c->on_reply(c->arg, CODE_FAILED_PRECONDITION, "this is another shard", true, NULL);
        break;
    default:
        if (strcmp(c->path, "/hearth.shard.v1.Shard/Append") == 0)
            serve_append(c);
        else
            serve_status(c);
    }
    free(c->bytes);
    free(c);
    atomic_fetch_sub(&calls_open, 1);
    return NULL;
}

static inline const char *field(const struct rpc_request *r, const char *name)
{
    for (const char *const *at = r->fields; *at != NULL; at += 2)
        if (strcmp(at[0], name) == 0)
            return at[1];
    return "";
}

struct rpc_stream *rpc_client_call(struct rpc_client *client, const struct rpc_request *r)
{
    struct wire_call *c = mem_zalloc(sizeof *c);
    pthread_t         thread;

    (void)client;
    for (int i = 0; i < NODES_MAX; i++)
        if (strcmp(nodes[i].address, r->address) == 0)
            c->node = &nodes[i];
    assert(c->node != NULL && strcmp(field(r, "hearth-shard"), c->node->name) == 0);
    assert(strcmp(field(r, "authorization"), "Bearer t") == 0);
    snprintf(c->path, sizeof c->path, "%s", r->path);
    c->n = r->packed ? r->packed->n - RPC_ROOM : protobuf_c_message_get_packed_size(r->message);
    c->bytes = mem_alloc(c->n);
    if (r->packed != NULL)
        memcpy(c->bytes, r->packed->p + RPC_ROOM, c->n);
    else
        protobuf_c_message_pack(r->message, c->bytes);
    if (r->packed != NULL)
        buf_free(r->packed);
    c->on_reply = r->on_reply;
    c->arg = r->arg;
    atomic_fetch_add(&calls_open, 1);
    assert(pthread_create(&thread, NULL, serve, c) == 0);
    pthread_detach(thread);
    return NULL;
}

/* ---- the cluster ---- */

static inline void write_file(const char *text)
{
    char next[80];

    snprintf(next, sizeof next, "%s.next", map_path);
    FILE *f = fopen(next, "w");
    assert(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0 && rename(next, map_path) == 0);
}

static inline void write_map(int epoch, int n)
{
    struct buf b = { 0 };

    buf_printf(&b, "{\"cluster_id\":\"test\",\"epoch\":%d,\"shards\":[", epoch);
    for (int i = 0; i < n; i++)
        buf_printf(&b, "%s{\"name\":\"s%d\",\"address\":\"n%d:1\"}", i ? "," : "", i, i);
    buf_printf(&b, "]}%c", 0);
    write_file(b.p);
    buf_free(&b);
}

static const char *const peer_fields[] = { "authorization", "Bearer t", NULL };

static inline struct router *router_of(const struct node *n, size_t held_bytes_max)
{
    static char          client;
    struct router       *r;
    struct fault         why;
    struct router_config config = {
        .map_file = map_path,
        .client = (struct rpc_client *)(void *)&client,
        .held_bytes_max = held_bytes_max,
        .self = n ? n->name : NULL,
        .shard = n ? n->shard : NULL,
        .writer = n ? n->writer : NULL,
        .is_frontend = n == NULL,
        .peer_fields = peer_fields,
    };

    if (router_new(&config, &r, &why) != CODE_OK)
        fprintf(stderr, "%s\n", why.text), abort();
    return r;
}

static inline void node_start(int i)
{
    struct node *n = &nodes[i];

    snprintf(n->name, sizeof n->name, "s%d", i);
    snprintf(n->address, sizeof n->address, "n%d:1", i);
    n->shard = shard_new(&(struct shard_config){ .name = n->name, .retention_ns = NEVER, .limit_bytes = SIZE_MAX });
    n->writer = writer_start(keeper_new(&(struct keeper_config){ .shard = n->shard }));
    n->router = router_of(n, 0);
    atomic_store(&n->wire, WIRE_UP);
    atomic_store(&n->calls, 0);
}

static inline void node_stop(int i)
{
    writer_stop(nodes[i].writer);
    router_free(nodes[i].router);
    shard_free(nodes[i].shard);
}

static inline void cluster_start(int n)
{
    write_map(1, n);
    for (int i = 0; i < n; i++)
        node_start(i);
}

static inline void cluster_stop(int n)
{
    while (atomic_load(&calls_open) > 0)
        usleep(1000);
    for (int i = 0; i < n; i++)
        node_stop(i);
}

static inline int64_t held(int i) { return shard_stats(nodes[i].shard).profiles; }

/* Every test begins and ends so. */
static inline void cluster_room(void)
{
    log_setup(LOG_ERROR, false);
    assert(mkdtemp(dir) != NULL);
    snprintf(map_path, sizeof map_path, "%s/map.json", dir);
}

static inline void cluster_room_gone(void)
{
    unlink(map_path);
    assert(rmdir(dir) == 0);
}
