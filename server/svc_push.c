/* push.v1.PusherService: what the SDKs and Alloy send. */
#include "base/buf.h"
#include "base/clock.h"
#include "proto/push.pb-c.h"
#include "server/principal.h"
#include "server/push_request.h"
#include "server/services.h"
#include "server/wiring.h"

enum { FORWARDED_BYTES = 256 << 10 }; /* copied in some 20 us */

struct push_call {
    struct call        *call;
    struct push_request request;
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
            buf_printf(&text, "%spush series with index %u and id %.*s failed: ", text.n ? "; " : "",
                       p->request.series_of[i], SLICE_ARGS(p->request.items[i].id));
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

/* How much the request lists, which the call pays for. */
static enum code measure(struct call *c, struct push_size *size, struct fault *why)
{
    enum code code = push_request_measure(call_message(c), size, why);

    if (code != CODE_OK)
        return code;
    if (size->items == 0)
        return fail(why, CODE_INVALID_ARGUMENT, "no profiles received");
    if (size->items > INTAKE_ITEMS_MAX)
        return fail(why, CODE_INVALID_ARGUMENT, "more than %d profiles in one request", INTAKE_ITEMS_MAX);
    return call_charge(c, push_request_bytes(size)) ? CODE_OK : call_too_busy(why);
}

static void push(struct call *c, const ProtobufCMessage *none)
{
    const struct principal *who = principal_of(c);
    struct arena           *a = call_arena(c);
    struct push_size        size;
    struct fault            why;

    (void)none;
    if (measure(c, &size, &why) != CODE_OK) {
        call_fail(c, &why);
        return;
    }
    struct push_call *p = arena_alloc(a, sizeof *p);
    *p = (struct push_call){ c, push_request_read(call_message(c), &size, a) };
    intake_run(&(struct intake){ .app = app_of(c),
                                 .tenant = who->tenants[0],
                                 .limits = &who->limits,
                                 .arena = a,
                                 .items = p->request.items,
                                 .n_items = p->request.n,
                                 .now_ns = clock_real_ns(),
                                 .deadline_ns = call_deadline_ns(c),
                                 .is_on_loop = call_is_inline(c),
                                 .done = answer,
                                 .arg = p });
}

/* A small profile is decoded in the time of waking up a worker; one that goes to its shard as it came is just copied. */
static bool is_quick(struct call *c, const ProtobufCMessage *none)
{
    size_t most = app_of(c)->shard == NULL ? FORWARDED_BYTES : INTAKE_QUICK_BYTES;

    (void)none;
    return call_message(c).n <= most && server_has_memory(app_of(c)->server);
}

static const struct method methods[] = {
    { "/push.v1.PusherService/Push", NULL, &push__v1__push_response__descriptor, LANE_DECODE, 0, push, is_quick },
};

const struct method *push_methods(size_t *n)
{
    *n = sizeof methods / sizeof *methods;
    return methods;
}
