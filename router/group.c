/*
 * A group on its way to a shard of another process: sent, held while that is away, sent again, given up.
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

struct group *group_new(struct push *p, struct shard_map *m, uint16_t shard, size_t room)
{
    struct group *g = mem_alloc(sizeof *g + room * sizeof *g->at);

    *g = (struct group){ .push = p, .map = map_ref(m), .shard = shard };
    peer_fields_make(p->router, m->shards[shard].name, &g->fields);
    return g;
}

void group_free(struct group *g)
{
    map_unref(g->map);
    free(g);
}

void group_answer(struct group *g, enum code code, const char *format, ...)
{
    char    text[480];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    for (size_t k = 0; k < g->n; k++)
        push_answer(g->push, g->at[k], code, text); /* the last one may end the push: p is not used behind it */
    group_free(g);
}

static void place_again(struct later *l)
{
    struct group *g = (struct group *)(void *)((char *)l - offsetof(struct group, later));

    metric_add(g->push->router->metrics.retries, (int64_t)g->n);
    router_refresh(g->push->router);
    if (g->is_unknown) {
        group_send(g);
        return;
    }
    push_place(g->push, g->at, g->n);
    group_free(g);
}

/* Counts the group as held, once for each parcel; false: too much is. */
static bool hold_bytes(struct group *g)
{
    struct router *r = g->push->router;
    size_t         more = 0;

    for (size_t k = 0; k < g->n; k++) {
        struct item *item = &g->push->items[g->at[k]];
        more += item->bytes - item->held;
    }
    size_t before = atomic_fetch_add(&r->held_bytes, more);
    if (before + more > r->config.held_bytes_max) {
        atomic_fetch_sub(&r->held_bytes, more);
        return false;
    }
    for (size_t k = 0; k < g->n; k++)
        g->push->items[g->at[k]].held = g->push->items[g->at[k]].bytes;
    metric_set(r->metrics.held_bytes, (int64_t)(before + more));
    return true;
}

/*
 * When to give up on a shard that is away now: what comes while it is long gone is held for a second only, so that a
 * lost shard does not fill the frontends, and one that is just back is found.
 */
static int64_t patience_until(struct group *g, int64_t now_ns)
{
    struct map_absence *away = &g->map->absences[g->shard];
    int64_t             last_ns = atomic_exchange(&away->last_ns, now_ns), began_ns = atomic_load(&away->since_ns);

    if (began_ns == 0 || now_ns - last_ns > PUSH_HOLD_NS) { /* nobody looked for so long: this is another absence */
        began_ns = now_ns;
        atomic_store(&away->since_ns, began_ns);
    }
    int64_t until_ns = began_ns + PUSH_HOLD_NS, least_ns = g->push->began_ns + GLANCE_NS;
    if (until_ns < least_ns)
        until_ns = least_ns;
    return until_ns < g->push->until_ns ? until_ns : g->push->until_ns;
}

static void give_up_unknown(struct group *g, enum code code, const char *because)
{
    metric_add(g->push->router->metrics.unknown, (int64_t)g->n);
    group_answer(g, code == CODE_DEADLINE_EXCEEDED ? code : CODE_UNAVAILABLE,
                 "shard %s broke off, and whether it took the profile is not known: %s", g->map->shards[g->shard].name,
                 because);
}

static void give_up(struct group *g, const char *because, bool is_late)
{
    const struct map_shard *shard = &g->map->shards[g->shard];

    if (g->is_unknown) {
        give_up_unknown(g, CODE_UNAVAILABLE, because);
        return;
    }
    metric_add(g->push->router->metrics.unavailable, (int64_t)g->n);
    group_answer(g, CODE_UNAVAILABLE, "shard %s (%s) does not take profiles: %s%s", shard->name, shard->address,
                 because, is_late ? "" : "; too much is waiting for shards already");
}

/* Try again a little later, if there is time and room to wait. */
static void hold(struct group *g, const char *because)
{
    struct router *r = g->push->router;
    int64_t        now_ns = clock_mono_ns(), at_ns = now_ns + AGAIN_NS;
    bool           is_late = at_ns >= patience_until(g, now_ns);

    if (is_late || !hold_bytes(g)) {
        give_up(g, because, is_late);
        return;
    }
    g->later = (struct later){ .at_ns = at_ns, .run = place_again };
    retry_add(r->retry, &g->later);
}

static enum code result_code(const Hearth__Shard__V1__AppendResponse__Result *result)
{
    return result->code >= 0 && result->code <= CODE_UNAUTHENTICATED ? (enum code)result->code : CODE_UNKNOWN;
}

/* What the shard said about each parcel.  Those that are not its own are placed again. */
static void take_results(struct group *g, const append_response *response)
{
    struct group *again = group_new(g->push, g->map, g->shard, g->n);
    char          text[480], because[240] = "";

    again->is_unknown = g->is_unknown;
    for (size_t k = 0; k < g->n; k++) {
        const Hearth__Shard__V1__AppendResponse__Result *result = response->results[k];
        enum code                                        code = result_code(result);
        size_t n = result->message.len < sizeof text ? result->message.len : sizeof text - 1;
        memcpy(text, n ? (const char *)result->message.data : "", n);
        text[n] = '\0';
        if (code != CODE_FAILED_PRECONDITION) {
            push_answer(g->push, g->at[k], code, text); /* may end the push when none is left */
            continue;
        }
        again->at[again->n++] = g->at[k];
        snprintf(because, sizeof because, "%.230s", text);
    }
    group_free(g);
    if (again->n == 0) {
        group_free(again);
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
static bool have_keys(const struct group *g)
{
    for (size_t k = 0; k < g->n; k++) {
        const struct batch *b = g->push->parcels[g->at[k]].batch;
        if (b != NULL && b->key.lo == 0 && b->key.hi == 0)
            return false;
    }
    return true;
}

static void on_reply(void *arg, enum code code, const char *text, bool was_sent, const ProtobufCMessage *message)
{
    struct group          *g = arg;
    const append_response *response = (const append_response *)message;
    const char            *name = g->map->shards[g->shard].name;

    if (code == CODE_OK && response->n_results == g->n) {
        atomic_store(&g->map->absences[g->shard].since_ns, 0);
        take_results(g, response);
    } else if (!was_sent || code == CODE_FAILED_PRECONDITION) { /* not there yet, or another shard at that address */
        hold(g, text);
    } else if (is_refusal(code) && !g->is_unknown) {
        group_answer(g, code == CODE_RESOURCE_EXHAUSTED ? code : CODE_INTERNAL, "shard %s: %s", name, text);
    } else if (code == CODE_DEADLINE_EXCEEDED || !have_keys(g)) {
        give_up_unknown(g, code, text);
    } else {
        g->is_unknown = true;
        hold(g, text);
    }
}

/* Large: each parcel is written straight to where it is sent from (AppendRequest of proto/shard.proto). */
static struct buf append_request_of(const struct group *g)
{
    enum { MAP_EPOCH = 1, PARCELS = 3 };
    struct push *p = g->push;
    struct buf   out = { 0 };

    buf_reserve(&out, RPC_ROOM);
    out.n = RPC_ROOM;
    pb_put_varint(&out, MAP_EPOCH, g->map->epoch);
    for (size_t k = 0; k < g->n; k++) {
        struct item *item = &p->items[g->at[k]];
        item->bytes = parcel_put(&out, PARCELS, &p->parcels[item->i], item->slot);
    }
    return out;
}

void group_send(struct group *g)
{
    struct push       *p = g->push;
    struct buf         packed = append_request_of(g);
    struct rpc_request call = {
        .address = g->map->shards[g->shard].address,
        .path = "/hearth.shard.v1.Shard/Append",
        .packed = &packed,
        .response = &hearth__shard__v1__append_response__descriptor,
        .fields = g->fields.at,
        .deadline_ns = p->until_ns,
        .response_bytes_max = ANSWER_BYTES_MAX,
        .on_reply = on_reply,
        .arg = g,
    };
    rpc_client_call(p->router->config.client, &call);
}
