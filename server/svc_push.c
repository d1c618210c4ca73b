/* push.v1.PusherService: what the SDKs and Alloy send. */
#include "base/buf.h"
#include "base/clock.h"
#include "proto/push.pb-c.h"
#include "server/intake.h"
#include "server/principal.h"
#include "server/services.h"
#include "server/wiring.h"

/* Where each item came from, for the words of a failure. */
struct origin {
    uint32_t    series;
    const char *id;
};

struct push_call {
    struct call         *call;
    const struct origin *origins;
};

/*
 * The first fault's code.  A lone profile's text stands by itself; of several each says which it was.
 */
static void answer(void *arg, const struct intake_outcome *outcomes, size_t n)
{
    struct push_call *p = arg;
    struct fault      why = { 0 };
    struct buf        text = { 0 };

    for (size_t i = 0; i < n && text.n < sizeof why.text; i++) {
        if (outcomes[i].code == CODE_OK)
            continue;
        if (why.code == CODE_OK)
            why.code = outcomes[i].code;
        if (n > 1)
            buf_printf(&text, "%spush series with index %u and id %s failed: ", text.n ? "; " : "",
                       p->origins[i].series, p->origins[i].id);
        buf_text(&text, outcomes[i].text);
    }
    if (why.code == CODE_OK) {
        Push__V1__PushResponse response = PUSH__V1__PUSH_RESPONSE__INIT;
        call_reply(p->call, &response.base);
    } else {
        snprintf(why.text, sizeof why.text, "%.*s", SLICE_ARGS(buf_view(&text)));
        call_fail(p->call, &why);
    }
    buf_free(&text);
}

static struct labels labels_of(const Push__V1__RawProfileSeries *s, struct arena *a)
{
    struct label *at = arena_array(a, s->n_labels, sizeof *at);

    for (size_t i = 0; i < s->n_labels; i++)
        at[i] = (struct label){ slice_of(s->labels[i]->name), slice_of(s->labels[i]->value) };
    labels_sort(at, s->n_labels);
    return (struct labels){ at, s->n_labels };
}

static size_t count_items(const Push__V1__PushRequest *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n_series; i++)
        n += r->series[i]->n_samples;
    return n;
}

static struct intake_item *items_of(const Push__V1__PushRequest *r, size_t n, struct arena *a, struct origin *origins)
{
    struct intake_item *items = arena_array(a, n, sizeof *items);
    size_t              at = 0;

    for (size_t i = 0; i < r->n_series; i++) {
        struct labels labels = labels_of(r->series[i], a);
        for (size_t k = 0; k < r->series[i]->n_samples; k++) {
            const Push__V1__RawSample *s = r->series[i]->samples[k];
            items[at] = (struct intake_item){ .body = slice_make(s->raw_profile.data, s->raw_profile.len),
                                              .labels = labels,
                                              .id = slice_of(s->id) };
            origins[at++] = (struct origin){ (uint32_t)i, s->id };
        }
    }
    return items;
}

static void push(struct call *c, const ProtobufCMessage *request)
{
    const Push__V1__PushRequest *r = (const Push__V1__PushRequest *)request;
    const struct principal      *who = principal_of(c);
    struct arena                *a = call_arena(c);
    size_t                       n = count_items(r);
    struct fault                 why;

    if (n == 0 || n > INTAKE_ITEMS_MAX) {
        (void)(n == 0 ? fail(&why, CODE_INVALID_ARGUMENT, "no profiles received")
                      : fail(&why, CODE_INVALID_ARGUMENT, "more than %d profiles in one request", INTAKE_ITEMS_MAX));
        call_fail(c, &why);
        return;
    }
    struct origin    *origins = arena_array(a, n, sizeof *origins);
    struct push_call *p = arena_alloc(a, sizeof *p);
    *p = (struct push_call){ c, origins };
    intake_run(&(struct intake){ .app = app_of(c),
                                 .tenant = who->tenants[0],
                                 .limits = &who->limits,
                                 .arena = a,
                                 .items = items_of(r, n, a, origins),
                                 .n_items = n,
                                 .now_ns = clock_real_ns(),
                                 .deadline_ns = call_deadline_ns(c),
                                 .is_on_loop = call_is_inline(c),
                                 .done = answer,
                                 .arg = p });
}

/* A small profile is decoded in the time of waking up a worker; one that goes to its shard as it came is just copied. */
static bool is_quick(struct call *c, const ProtobufCMessage *request)
{
    (void)request;
    return server_has_memory(app_of(c)->server) &&
           (call_message(c).n <= INTAKE_QUICK_BYTES || app_of(c)->shard == NULL);
}

static const struct method methods[] = {
    { "/push.v1.PusherService/Push", &push__v1__push_request__descriptor, &push__v1__push_response__descriptor,
      LANE_DECODE, 0, push, is_quick },
};

const struct method *push_methods(size_t *n)
{
    *n = sizeof methods / sizeof *methods;
    return methods;
}
