/* The plain pages: probes, metrics, configuration, what runs here. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"
#include "proto/shard.pb-c.h"
#include "router/router.h"
#include "server/process.h"
#include "server/services.h"
#include "server/wiring.h"
#include "shard/shard.h"
#include "wire/json.h"

#define TEXT "text/plain; charset=utf-8"
#define JSON "application/json"
#define SHARDS_WAIT_NS (2 * NS_PER_S)

static void reply_buf(struct call *c, int status, const char *type, struct buf *b)
{
    call_http(c, status, type, buf_view(b));
    buf_free(b);
}

static void ready(struct call *c, struct slice body)
{
    struct fault why = { .text = "" };
    char         text[sizeof why.text + 1];

    (void)body;
    switch (server_state(app_of(c)->server)) {
    case SERVER_READY:
        call_http(c, 200, TEXT, SLICE("ready\n"));
        break;
    case SERVER_STARTING:
        call_http(c, 503, TEXT, SLICE("starting\n"));
        break;
    case SERVER_LOADING:
        if (server_check_loaded(app_of(c)->server, &why) == CODE_OK)
            snprintf(why.text, sizeof why.text, "almost ready");
        call_http(c, 503, TEXT, slice_make(text, (size_t)snprintf(text, sizeof text, "%s\n", why.text)));
        break;
    case SERVER_LAME:
        call_http(c, 503, TEXT, SLICE("shutting down\n"));
    }
}

/* Alive is whoever can answer: the loop turns.  Nothing else is asked, least of all other processes. */
static void healthy(struct call *c, struct slice body)
{
    (void)body;
    call_http(c, 200, TEXT, SLICE("healthy\n"));
}

static void metrics(struct call *c, struct slice body)
{
    struct buf out = { 0 };

    (void)body;
    metric_write(&out);
    reply_buf(c, 200, "text/plain; version=0.0.4; charset=utf-8", &out);
}

static void buildinfo(struct call *c, struct slice body)
{
    struct buf out = { 0 };

    (void)body;
    process_buildinfo(&out);
    reply_buf(c, 200, JSON, &out);
}

enum config_view { CONFIG_ALL, CONFIG_DIFF, CONFIG_DEFAULTS };

static void print_config(struct call *c, enum config_view view)
{
    struct arena        *a = call_arena(c);
    struct config       *defaults = arena_zalloc(a, sizeof *defaults);
    const struct config *here = server_config(app_of(c)->server);
    struct buf           out = { 0 };

    option_defaults(config_table, defaults, a);
    option_print_all(config_table, view == CONFIG_DEFAULTS ? defaults : here, view == CONFIG_DIFF ? defaults : NULL,
                     &out);
    reply_buf(c, 200, TEXT, &out);
}

static void config(struct call *c, struct slice body)
{
    struct slice query = call_query(c);

    (void)body;
    if (query.n == 0)
        print_config(c, CONFIG_ALL);
    else if (slice_is(query, "mode=diff"))
        print_config(c, CONFIG_DIFF);
    else if (slice_is(query, "mode=defaults"))
        print_config(c, CONFIG_DEFAULTS);
    else
        call_http(c, 400, TEXT, SLICE("mode is diff or defaults\n"));
}

static void config_diff(struct call *c, struct slice body)
{
    (void)body;
    print_config(c, CONFIG_DIFF);
}

static void config_defaults(struct call *c, struct slice body)
{
    (void)body;
    print_config(c, CONFIG_DEFAULTS);
}

static void services(struct call *c, struct slice body)
{
    static const struct {
        unsigned    target;
        const char *name;
    } parts[] = { { TARGET_FRONTEND, "frontend" }, { TARGET_QUERIER, "querier" }, { TARGET_SHARD, "shard" } };
    static const char *const states[] = { "Starting", "Starting", "Running", "Stopping" }; /* by enum server_state */
    const struct server     *s = app_of(c)->server;
    struct buf               out = { 0 };

    (void)body;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (config_has(server_config(s), parts[i].target))
            buf_printf(&out, "%s => %s\n", parts[i].name, states[server_state(s)]);
    reply_buf(c, 200, TEXT, &out);
}

/* /shards gathers what each shard says; replies come on several threads, each into a place of its own. */
enum { SHARDS_MAX = SLOTS };

struct shards_call {
    struct call    *call;
    _Atomic int     n;
    _Atomic(char *) rows[SHARDS_MAX]; /* JSON objects */
};

static void add_row(struct shards_call *s, struct buf *row)
{
    int i = atomic_fetch_add_explicit(&s->n, 1, memory_order_relaxed);

    buf_byte(row, '\0');
    if (i < SHARDS_MAX)
        atomic_store_explicit(&s->rows[i], row->p, memory_order_release);
    else
        free(row->p);
}

static void put_text(struct json_writer *w, const char *key, const char *text)
{
    json_key(w, slice_of(key));
    json_text(w, slice_of(text));
}

static void put_int(struct json_writer *w, const char *key, int64_t v)
{
    json_key(w, slice_of(key));
    json_int(w, v);
}

static void add_status(struct shards_call *s, const char *name, const Hearth__Shard__V1__StatusResponse *r)
{
    struct buf         row = { 0 };
    struct json_writer w = { .out = &row };

    json_open(&w, '{');
    put_text(&w, "name", name);
    put_text(&w, "state", "ok");
    put_int(&w, "mapEpoch", (int64_t)r->map_epoch);
    put_int(&w, "bytes", r->bytes);
    put_int(&w, "series", r->series);
    put_int(&w, "profiles", r->profiles);
    put_int(&w, "samples", r->samples);
    put_int(&w, "buckets", r->buckets);
    put_int(&w, "tenants", r->tenants);
    put_int(&w, "dataSinceMs", r->data_since_ns / NS_PER_MS);
    json_close(&w, '}');
    add_row(s, &row);
}

static void shard_replied(void *arg, const char *shard, enum code code, const char *text,
                          const ProtobufCMessage *answer)
{
    struct buf         row = { 0 };
    struct json_writer w = { .out = &row };

    if (code == CODE_OK) {
        add_status(arg, shard, (const Hearth__Shard__V1__StatusResponse *)answer);
        return;
    }
    json_open(&w, '{');
    put_text(&w, "name", shard);
    put_text(&w, "state", "unreachable");
    put_text(&w, "error", text);
    json_close(&w, '}');
    add_row(arg, &row);
}

static int compare_rows(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void shards_done(void *arg)
{
    struct shards_call *s = arg;
    int                 n = s->n < SHARDS_MAX ? s->n : SHARDS_MAX;
    char               *rows[SHARDS_MAX];
    struct buf          out = { 0 };

    for (int i = 0; i < n; i++)
        rows[i] = atomic_load_explicit(&s->rows[i], memory_order_acquire);
    qsort(rows, (size_t)n, sizeof *rows, compare_rows); /* each begins with its name */
    buf_printf(&out, "{\"epoch\":%llu,\"shards\":[", (unsigned long long)router_epoch(app_of(s->call)->router));
    for (int i = 0; i < n; i++) {
        buf_printf(&out, "%s%s", i ? "," : "", rows[i]);
        free(rows[i]);
    }
    buf_text(&out, "]}");
    reply_buf(s->call, 200, JSON, &out);
}

static void add_local(struct shards_call *s, const struct app *app)
{
    Hearth__Shard__V1__StatusResponse r = HEARTH__SHARD__V1__STATUS_RESPONSE__INIT;

    shard_status(app, &r);
    add_status(s, r.shard, &r);
}

static void shards(struct call *c, struct slice body)
{
    struct shards_call              *s = arena_zalloc(call_arena(c), sizeof *s);
    Hearth__Shard__V1__StatusRequest request = HEARTH__SHARD__V1__STATUS_REQUEST__INIT;

    (void)body;
    s->call = c;
    if (app_of(c)->shard != NULL)
        add_local(s, app_of(c));
    router_scatter(app_of(c)->router, &(struct scatter){ .path = "/hearth.shard.v1.Shard/Status",
                                                         .message = &request.base,
                                                         .response = &hearth__shard__v1__status_response__descriptor,
                                                         .deadline_ns = clock_mono_ns() + SHARDS_WAIT_NS,
                                                         .reply = shard_replied,
                                                         .done = shards_done,
                                                         .arg = s });
}

static void front_page(struct call *c, struct slice body)
{
    (void)body;
    call_http(
        c, 200, TEXT,
        SLICE(
            "Hearth " HEARTH_VERSION ": keeps the profiles that programs push and answers with flame graphs.\n\n"
            "push      hearthctl push --name checkout cpu.pb.gz      or any Pyroscope SDK or agent, at this address\n"
            "look      hearthctl types | labels | series | top | flame\n"
            "Grafana   data source \"Grafana Pyroscope\" with this address\n"
            "gRPC      grpcurl -plaintext HOST:PORT list             (also Connect and gRPC-Web, proto and JSON)\n\n"
            "/ready  /healthy  /metrics  /config  /config?mode=diff  /shards  /services  /api/v1/status/buildinfo\n"));
}

static const struct route routes[] = {
    { "GET", "/", LANE_INLINE, 0, front_page },
    { "GET", "/ready", LANE_INLINE, 0, ready },
    { "GET", "/-/ready", LANE_INLINE, 0, ready },
    { "GET", "/healthy", LANE_INLINE, 0, healthy },
    { "GET", "/-/healthy", LANE_INLINE, 0, healthy },
    { "GET", "/metrics", LANE_INLINE, 0, metrics },
    { "GET", "/api/v1/status/buildinfo", LANE_INLINE, 0, buildinfo },
    { "GET", "/config", LANE_INLINE, 0, config },
    { "GET", "/api/v1/status/config", LANE_INLINE, 0, config },
    { "GET", "/api/v1/status/config/diff", LANE_INLINE, 0, config_diff },
    { "GET", "/api/v1/status/config/default", LANE_INLINE, 0, config_defaults },
    { "GET", "/services", LANE_INLINE, 0, services },
    { "GET", "/shards", LANE_QUERY, 0, shards },
};

const struct route *status_routes(size_t *n)
{
    *n = sizeof routes / sizeof *routes;
    return routes;
}
