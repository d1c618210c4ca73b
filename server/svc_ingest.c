/* POST /ingest: what SDKs and agents sent before there was push.v1, and some still do. */
#include "base/buf.h"
#include "base/clock.h"
#include "ingest/ingest_http.h"
#include "server/intake.h"
#include "server/principal.h"
#include "server/services.h"
#include "wire/json.h"
#include "wire/zip.h"

struct ingest_call {
    struct call       *call;
    struct intake_item item;
};

/* {"code","message"}, as Connect has it, under the status of §1.7. */
static void refuse(struct call *c, enum code code, bool was_read, const char *text)
{
    struct ingest_status status = ingest_http_status(code, was_read);
    struct buf           out = { 0 };
    struct json_writer   w = { .out = &out };

    json_open(&w, '{');
    json_key(&w, SLICE("code"));
    json_text(&w, slice_of(status.code));
    json_key(&w, SLICE("message"));
    json_text(&w, slice_of(text));
    json_close(&w, '}');
    call_http(c, status.http, "application/json", buf_view(&out));
    buf_free(&out);
}

static void answer(void *arg, const struct intake_outcome *outcomes, size_t n)
{
    struct ingest_call *i = arg;

    (void)n;
    if (outcomes[0].code == CODE_OK)
        call_http(i->call, 200, "text/plain; charset=utf-8", (struct slice){ 0 });
    else
        refuse(i->call, outcomes[0].code, true, outcomes[0].text);
}

/* The body without its Content-Encoding; what does not look like gzip is taken as it is, whatever the header says. */
static enum code unpack(struct call *c, const struct limits *l, struct slice *body, struct fault *why)
{
    if (!slice_eq_nocase(slice_trim(call_field(c, "content-encoding")), SLICE("gzip")) || !zip_is_gzip(*body))
        return CODE_OK;
    return zip_gunzip(*body, (size_t)l->ingestion_body_limit_bytes, call_arena(c), body, why);
}

static enum code read_post(struct call *c, struct slice body, int64_t now_ns, struct ingest_post *out,
                           struct fault *why)
{
    struct ingest_request r = { .query = call_query(c),
                                .content_type = call_field(c, "content-type"),
                                .now_ns = now_ns };
    enum code             code = unpack(c, &principal_of(c)->limits, &body, why);

    if (code != CODE_OK)
        return why->code = CODE_UNKNOWN; /* 422: it is the body that cannot be read, not the request */
    r.body = body;
    return ingest_http_read(&r, call_arena(c), out, why);
}

static void ingest(struct call *c, struct slice body)
{
    const struct principal *who = principal_of(c);
    struct arena           *a = call_arena(c);
    struct ingest_post      post = { 0 };
    struct fault            why;
    int64_t                 now = clock_real_ns();

    if (read_post(c, body, now, &post, &why) != CODE_OK) {
        refuse(c, why.code, false, why.text);
        return;
    }
    if (post.is_empty) {
        call_http(c, 200, "text/plain; charset=utf-8", (struct slice){ 0 });
        return;
    }
    struct ingest_call *i = arena_alloc(a, sizeof *i);
    *i = (struct ingest_call){ c, { .body = post.profile, .labels = post.labels, .hints = post.hints } };
    intake_run(&(struct intake){ .app = app_of(c),
                                 .tenant = who->tenants[0],
                                 .limits = &who->limits,
                                 .arena = a,
                                 .items = &i->item,
                                 .n_items = 1,
                                 .now_ns = now,
                                 .deadline_ns = call_deadline_ns(c),
                                 .done = answer,
                                 .arg = i });
}

static const struct route routes[] = {
    { "POST", "/ingest", LANE_DECODE, 0, ingest },
    { "POST", "/pyroscope/ingest", LANE_DECODE, 0, ingest },
};

const struct route *ingest_routes(size_t *n)
{
    *n = sizeof routes / sizeof *routes;
    return routes;
}
