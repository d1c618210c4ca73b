#include "server/append.h"

#include <stdatomic.h>

#include "proto/shard.pb-c.h"
#include "router/router.h"
#include "server/services.h"
#include "server/waybill.h"
#include "server/wiring.h"
#include "wire/pb.h"

typedef Hearth__Shard__V1__AppendResponse         append_response;
typedef Hearth__Shard__V1__AppendResponse__Result append_result;

enum { PARCELS_MAX = 65536 };
enum { MAP_EPOCH = 1, PARCELS = 3 /* fields of AppendRequest */ };
enum { QUICK_BYTES = 256 << 10, QUICK_PPROF_BYTES = 1 << 10 };

struct one {
    struct append append;
    struct many  *all;
    struct batch  batch;
};

/* All parcels of one request, in the call's arena. */
struct many {
    struct call   *call;
    struct one    *at;
    size_t         n;
    uint64_t       map_epoch;
    size_t         taken_bytes; /* from the server's budget */
    _Atomic size_t open;        /* appends not yet done, and one while they are handed over */
};

static void answer(struct many *all)
{
    struct arena   *a = call_arena(all->call);
    append_response response = HEARTH__SHARD__V1__APPEND_RESPONSE__INIT;
    append_result  *results = arena_array(a, all->n, sizeof *results);
    append_result **list = arena_array(a, all->n, sizeof *list);

    for (size_t i = 0; i < all->n; i++) {
        const struct append *one = &all->at[i].append;
        results[i] = (append_result)HEARTH__SHARD__V1__APPEND_RESPONSE__RESULT__INIT;
        results[i].code = (int32_t)one->code;
        if (one->code != CODE_OK) {
            results[i].message.data = (uint8_t *)one->why.text;
            results[i].message.len = strlen(one->why.text);
        }
        list[i] = &results[i];
    }
    response.n_results = all->n;
    response.results = list;
    response.map_epoch = router_epoch(app_of(all->call)->router);
    server_give_memory(app_of(all->call)->server, all->taken_bytes);
    call_reply(all->call, &response.base);
}

static void finish_one(struct many *all)
{
    if (atomic_fetch_sub_explicit(&all->open, 1, memory_order_acq_rel) == 1)
        answer(all);
}

static void on_append(struct append *a) { finish_one(((struct one *)(void *)a)->all); }

/* What its sender's limits were applied to has to be so. */
static enum code check_size(const struct waybill *w, size_t raw_bytes, struct fault *why)
{
    if (raw_bytes == w->raw_bytes)
        return CODE_OK;
    return fail(why, CODE_ABORTED, "unpacks to %zu bytes, not to %zu", raw_bytes, w->raw_bytes);
}

static enum code decode_pprof(struct many *all, const struct parcel_view *p, struct batch *out, struct fault *why)
{
    struct arena  *a = call_arena(all->call);
    struct server *server = app_of(all->call)->server;
    size_t         before = arena_bytes(a), raw_bytes;
    struct waybill w;
    enum code      code = waybill_decode(p->waybill, a, &w, why);

    if (code != CODE_OK)
        return code;
    if (!server_await_memory(server, all->taken_bytes, !call_is_inline(all->call)))
        return fail(why, CODE_RESOURCE_EXHAUSTED, "memory for requests is used up, try again");
    code = ingest_pprof(p->pprof, &w.source, &w.limits, a, out, &raw_bytes, why);
    size_t more = arena_bytes(a) - before;
    server_take_memory(server, more);
    all->taken_bytes += more;
    if (raw_bytes > 0 && check_size(&w, raw_bytes, why) != CODE_OK)
        return why->code;
    out->mode = w.mode;
    out->slot = (uint16_t)p->slot;
    out->map_epoch = all->map_epoch;
    return code;
}

static enum code batch_of(struct many *all, struct slice parcel, struct batch *out, struct fault *why)
{
    struct parcel_view p;
    enum code          code = parcel_read(parcel, &p, why);

    if (code != CODE_OK)
        return code;
    if (p.batch.n > 0)
        return batch_decode(p.batch, call_arena(all->call), out, why);
    return decode_pprof(all, &p, out, why);
}

static void append_one(struct many *all, size_t i, struct slice parcel)
{
    struct one *one = &all->at[i];

    one->all = all;
    one->append.done = on_append;
    one->append.code = batch_of(all, parcel, &one->batch, &one->append.why);
    if (one->append.code != CODE_OK || one->batch.n_rows == 0)
        return; /* nothing remained: a success without anything to store */
    atomic_fetch_add_explicit(&all->open, 1, memory_order_relaxed);
    /* Once it is accepted the writer sets code and why, maybe before this returns. */
    struct fault why;
    enum code    code = router_accept(app_of(all->call)->router, &one->batch, &one->append, &why);
    if (code == CODE_OK)
        return;
    one->append.code = code;
    one->append.why = why;
    atomic_fetch_sub_explicit(&all->open, 1, memory_order_relaxed);
}

/* An AppendRequest as it lies there: parcels are large, and a copy of each costs as much as its decoding. */
static bool next_parcel(struct pb_cursor *at, struct slice *parcel)
{
    struct pb_field f;

    while (pb_next(at, &f))
        if (f.number == PARCELS && f.wire == PB_BYTES) {
            *parcel = pb_bytes(&f);
            return true;
        }
    return false;
}

static enum code count_parcels(struct slice request, size_t *n, uint64_t *map_epoch, struct fault *why)
{
    struct pb_cursor at = pb_cursor(request);
    struct pb_field  f;

    *n = *map_epoch = 0;
    while (pb_next(&at, &f))
        if (f.number == PARCELS && f.wire == PB_BYTES)
            ++*n;
        else if (f.number == MAP_EPOCH)
            *map_epoch = f.value;
        else
            return fail(why, CODE_INVALID_ARGUMENT, "hearth.shard.v1.AppendRequest: field %u is not known here",
                        f.number);
    if (at.is_bad)
        return fail(why, CODE_INVALID_ARGUMENT, "hearth.shard.v1.AppendRequest: not a protobuf message");
    if (*n > PARCELS_MAX)
        return fail(why, CODE_INVALID_ARGUMENT, "%zu parcels in one request, at most %d", *n, PARCELS_MAX);
    return CODE_OK;
}

void append_parcels(struct call *c)
{
    struct arena    *a = call_arena(c);
    struct pb_cursor at = pb_cursor(call_message(c));
    struct slice     parcel;
    struct fault     why;
    uint64_t         map_epoch;
    size_t           n;

    if (count_parcels(call_message(c), &n, &map_epoch, &why) != CODE_OK) {
        call_fail(c, &why);
        return;
    }
    struct many *all = arena_zalloc(a, sizeof *all);
    *all = (struct many){ .call = c, .n = n, .map_epoch = map_epoch, .open = 1 };
    all->at = arena_zalloc(a, n * sizeof *all->at);
    for (size_t i = 0; i < n && next_parcel(&at, &parcel); i++)
        append_one(all, i, parcel);
    finish_one(all);
}

/*
 * Batches take some 50 us to decode: less than two threads' turns with what lies in another's cache.  So does a pprof, when
 * it is tiny.
 */
bool append_is_quick(struct call *c, const ProtobufCMessage *none)
{
    struct pb_cursor   at = pb_cursor(call_message(c));
    struct slice       parcel;
    struct parcel_view p;
    struct fault       why;
    size_t             bytes = 0;

    (void)none;
    if (call_message(c).n > QUICK_BYTES || !server_has_memory(app_of(c)->server))
        return false;
    while (next_parcel(&at, &parcel))
        if (parcel_read(parcel, &p, &why) == CODE_OK)
            bytes += p.pprof.n;
    return bytes <= QUICK_PPROF_BYTES;
}
