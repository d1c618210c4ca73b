/*
 * A cart, parcels on their way to one shard of another process: sent, held while that is away, sent again, given up.
 *
 * A parcel that its shard has certainly not taken (the request never left, or the shard refused it) is placed again by
 * the map of that moment.  Once a request may have arrived and no answer came, the fate of its parcels is unknown: they
 * go to the same shard again, which knows them by their keys if it took them, and never to another.  When the patience
 * ends before the answer is known, the pusher is told so.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proto/shard.pb-c.h"
#include "router/push_priv.h"
#include "wire/pb.h"

#define GLANCE_NS (1 * NS_PER_S)
#define AGAIN_NS (250 * NS_PER_MS)

enum { ANSWER_BYTES_MAX = 16 << 20 };

typedef Hearth__Shard__V1__AppendResponse append_response;

struct cart *cart_new(struct push *p, struct shard_map *m, uint16_t shard, size_t room)
{
    struct cart *c = mem_alloc(sizeof *c + room * sizeof *c->at);

    *c = (struct cart){ .push = p, .map = map_ref(m), .shard = shard };
    peer_fields_make(p->router, m->shards[shard].name, &c->fields);
    return c;
}

void cart_free(struct cart *c)
{
    map_unref(c->map);
    free(c);
}

void cart_answer(struct cart *c, enum code code, const char *format, ...)
{
    char    text[480];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    for (size_t k = 0; k < c->n; k++)
        push_answer(c->push, c->at[k], code, text); /* the last one may end the push: p is not used behind it */
    cart_free(c);
}

static void place_again(struct later *l)
{
    struct cart *c = (struct cart *)(void *)((char *)l - offsetof(struct cart, later));

    metric_add(c->push->router->metrics.retries, (int64_t)c->n);
    router_refresh(c->push->router);
    if (c->is_unknown) {
        cart_send(c);
        return;
    }
    push_place(c->push, c->at, c->n);
    cart_free(c);
}

/* Counts the cart as held, once for each parcel; false: too much is. */
static bool hold_bytes(struct cart *c)
{
    struct router *r = c->push->router;
    size_t         more = 0;

    for (size_t k = 0; k < c->n; k++) {
        struct item *item = &c->push->items[c->at[k]];
        more += item->bytes - item->held;
    }
    size_t before = atomic_fetch_add(&r->held_bytes, more);
    if (before + more > r->config.held_bytes_max) {
        atomic_fetch_sub(&r->held_bytes, more);
        return false;
    }
    for (size_t k = 0; k < c->n; k++)
        c->push->items[c->at[k]].held = c->push->items[c->at[k]].bytes;
    metric_set(r->metrics.held_bytes, (int64_t)(before + more));
    return true;
}

/*
 * When to give up on a shard that is away now: what comes while it is long gone is held for a second only, so that a
 * lost shard does not fill the frontends, and one that is just back is found.
 */
static int64_t patience_until(struct cart *c, int64_t now_ns)
{
    struct map_absence *away = &c->map->absences[c->shard];
    int64_t             last_ns = atomic_exchange(&away->last_ns, now_ns), began_ns = atomic_load(&away->since_ns);

    if (began_ns == 0 || now_ns - last_ns > PUSH_HOLD_NS) { /* nobody looked for so long: this is another absence */
        began_ns = now_ns;
        atomic_store(&away->since_ns, began_ns);
    }
    int64_t until_ns = began_ns + PUSH_HOLD_NS, least_ns = c->push->began_ns + GLANCE_NS;
    if (until_ns < least_ns)
        until_ns = least_ns;
    return until_ns < c->push->until_ns ? until_ns : c->push->until_ns;
}

static void give_up_unknown(struct cart *c, enum code code, const char *because)
{
    metric_add(c->push->router->metrics.unknown, (int64_t)c->n);
    cart_answer(c, code == CODE_DEADLINE_EXCEEDED ? code : CODE_UNAVAILABLE,
                "shard %s broke off, and whether it took the profile is not known: %s", c->map->shards[c->shard].name,
                because);
}

static void give_up(struct cart *c, const char *because, bool is_late)
{
    const struct map_shard *shard = &c->map->shards[c->shard];

    if (c->is_unknown) {
        give_up_unknown(c, CODE_UNAVAILABLE, because);
        return;
    }
    metric_add(c->push->router->metrics.unavailable, (int64_t)c->n);
    cart_answer(c, CODE_UNAVAILABLE, "shard %s (%s) does not take profiles: %s%s", shard->name, shard->address, because,
                is_late ? "" : "; too much is waiting for shards already");
}

/* Try again a little later, if there is time and room to wait. */
static void hold(struct cart *c, const char *because)
{
    struct router *r = c->push->router;
    int64_t        now_ns = clock_mono_ns(), at_ns = now_ns + AGAIN_NS;
    bool           is_late = at_ns >= patience_until(c, now_ns);

    if (is_late || !hold_bytes(c)) {
        give_up(c, because, is_late);
        return;
    }
    c->later = (struct later){ .at_ns = at_ns, .run = place_again };
    retry_add(r->retry, &c->later);
}

static enum code result_code(const Hearth__Shard__V1__AppendResponse__Result *result)
{
    return result->code >= 0 && result->code <= CODE_UNAUTHENTICATED ? (enum code)result->code : CODE_UNKNOWN;
}

/* What the shard said about each parcel.  Those that are not its own are placed again. */
static void take_results(struct cart *c, const append_response *response)
{
    struct cart *again = cart_new(c->push, c->map, c->shard, c->n);
    char         text[480], because[240] = "";

    again->is_unknown = c->is_unknown;
    for (size_t k = 0; k < c->n; k++) {
        const Hearth__Shard__V1__AppendResponse__Result *result = response->results[k];
        enum code                                        code = result_code(result);
        size_t n = result->message.len < sizeof text ? result->message.len : sizeof text - 1;
        memcpy(text, n ? (const char *)result->message.data : "", n);
        text[n] = '\0';
        if (code != CODE_FAILED_PRECONDITION) {
            push_answer(c->push, c->at[k], code, text); /* may end the push when none is left */
            continue;
        }
        again->at[again->n++] = c->at[k];
        snprintf(because, sizeof because, "%.230s", text);
    }
    cart_free(c);
    if (again->n == 0) {
        cart_free(again);
        return;
    }
    if (again->is_unknown) { /* its slot has moved since: the new owner does not know what the old one has */
        give_up_unknown(again, CODE_UNAVAILABLE, because);
        return;
    }
    metric_add(again->push->router->metrics.misplaced, (int64_t)again->n);
    hold(again, because);
}

/* The shard's process answered with an error of its own, before it looked at any parcel. */
static bool is_refusal(enum code code)
{
    return code == CODE_RESOURCE_EXHAUSTED || code == CODE_INVALID_ARGUMENT || code == CODE_UNIMPLEMENTED ||
           code == CODE_UNAUTHENTICATED || code == CODE_PERMISSION_DENIED;
}

/* A batch without a key would be counted again.  What goes as it came is given the same key each time. */
static bool have_keys(const struct cart *c)
{
    for (size_t k = 0; k < c->n; k++) {
        const struct batch *b = c->push->parcels[c->at[k]].batch;
        if (b != NULL && b->key.lo == 0 && b->key.hi == 0)
            return false;
    }
    return true;
}

static void on_reply(void *arg, enum code code, const char *text, bool was_sent, const ProtobufCMessage *message)
{
    struct cart           *c = arg;
    const append_response *response = (const append_response *)message;
    const char            *name = c->map->shards[c->shard].name;

    if (code == CODE_OK && response->n_results == c->n) {
        atomic_store(&c->map->absences[c->shard].since_ns, 0);
        take_results(c, response);
    } else if (!was_sent || code == CODE_FAILED_PRECONDITION) { /* not there yet, or another shard at that address */
        hold(c, text);
    } else if (is_refusal(code) && !c->is_unknown) {
        cart_answer(c, code == CODE_RESOURCE_EXHAUSTED ? code : CODE_INTERNAL, "shard %s: %s", name, text);
    } else if (code == CODE_DEADLINE_EXCEEDED || !have_keys(c)) {
        give_up_unknown(c, code, text);
    } else {
        c->is_unknown = true;
        hold(c, text);
    }
}

/* Large: each parcel is written straight to where it is sent from (AppendRequest of proto/shard.proto). */
static struct buf append_request_of(const struct cart *c)
{
    enum { MAP_EPOCH = 1, PARCELS = 3 };
    struct push *p = c->push;
    struct buf   out = { 0 };

    buf_reserve(&out, RPC_ROOM);
    out.n = RPC_ROOM;
    pb_put_varint(&out, MAP_EPOCH, c->map->epoch);
    for (size_t k = 0; k < c->n; k++) {
        struct item *item = &p->items[c->at[k]];
        item->bytes = parcel_put(&out, PARCELS, &p->parcels[item->i], item->slot);
    }
    return out;
}

void cart_send(struct cart *c)
{
    struct push       *p = c->push;
    struct buf         packed = append_request_of(c);
    struct rpc_request call = {
        .address = c->map->shards[c->shard].address,
        .path = "/hearth.shard.v1.Shard/Append",
        .packed = &packed,
        .response = &hearth__shard__v1__append_response__descriptor,
        .fields = c->fields.at,
        .deadline_ns = p->until_ns,
        .response_bytes_max = ANSWER_BYTES_MAX,
        .on_reply = on_reply,
        .arg = c,
    };
    rpc_client_call(p->router->config.client, &call);
}
