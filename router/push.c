/*
 * Push: the parcels of one request on their way to their owners.
 *
 *     place --> local: writer ----------------------------------> answered
 *           `-> remote: send --> reply: results ----------------> answered
 *                  ^              | not sent, or not its slot
 *                  `--- place <-- hold (250 ms, until 8 s after the shard went away, at least 1 s)
 *                  `------------- hold, when the fate is unknown
 *
 * What goes to another process is a cart, cart.c.
 */
#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"
#include "router/push_priv.h"

static void finish_one(struct push *p)
{
    if (atomic_fetch_sub_explicit(&p->open, 1, memory_order_acq_rel) != 1)
        return;
    struct router *r = p->router;
    push_done_fn  *done = p->done;
    void          *arg = p->arg;
    free(p);
    atomic_fetch_sub(&r->open, 1);
    done(arg);
}

void push_answer(struct push *p, size_t i, enum code code, const char *text)
{
    struct router *r = p->router;
    size_t         held = p->items[i].held;

    if (held > 0)
        metric_set(r->metrics.held_bytes, (int64_t)(atomic_fetch_sub(&r->held_bytes, held) - held));
    p->each(p->arg, i, code, text);
    finish_one(p);
}

static void on_local(struct append *a)
{
    struct item *item = (struct item *)(void *)((char *)a - offsetof(struct item, append));

    push_answer(item->push, item->i, a->code, a->code == CODE_OK ? "" : a->why.text);
}

static void submit_local(struct item *item, const struct batch *b)
{
    struct push *p = item->push;

    if (b == NULL) {
        push_answer(p, item->i, CODE_ABORTED, "it lives here and is to be decoded here");
        return;
    }
    item->append = (struct append){ .batch = b, .done = on_local };
    if (!writer_submit(p->router->config.writer, &item->append))
        push_answer(p, item->i, CODE_RESOURCE_EXHAUSTED, "too many profiles are waiting to be stored");
}

static void send_local(struct cart *c)
{
    struct push *p = c->push;
    struct fault why;

    if (writer_check(p->router->config.writer, &why) != CODE_OK) {
        cart_answer(c, CODE_UNAVAILABLE, "%s", why.text);
        return;
    }
    for (size_t k = 0; k < c->n; k++)
        submit_local(&p->items[c->at[k]], p->parcels[c->at[k]].batch);
    cart_free(c);
}

/* By the map of this moment: who is to have it. */
static uint16_t place_parcel(struct item *item, const struct parcel *p, const struct shard_map *m)
{
    item->slot = place(p->tenant, p->service, p->labels, m->spread);
    if (p->batch != NULL) {
        p->batch->slot = item->slot;
        p->batch->map_epoch = m->epoch;
    }
    return m->owner[item->slot];
}

void push_place(struct push *p, const size_t *at, size_t n)
{
    struct shard_map *m = router_map(p->router);
    uint16_t         *owner = mem_alloc(n * sizeof *owner);

    for (size_t k = 0; k < n; k++)
        owner[k] = place_parcel(&p->items[at[k]], &p->parcels[at[k]], m);
    for (size_t k = 0; k < n; k++) {
        if (owner[k] == MAP_NOBODY)
            continue; /* it went with an earlier one */
        uint16_t     shard = owner[k];
        struct cart *c = cart_new(p, m, shard, n - k);
        for (size_t j = k; j < n; j++)
            if (owner[j] == shard) {
                c->at[c->n++] = at[j];
                owner[j] = MAP_NOBODY;
            }
        if (shard == m->self)
            send_local(c);
        else
            cart_send(c);
    }
    free(owner);
    map_unref(m);
}

bool router_is_elsewhere(struct router *r, const struct parcel *p)
{
    struct shard_map *m = router_map(r);
    bool              is_alone = m->n_shards == 1 && m->self != MAP_NOBODY;
    bool is_elsewhere = !is_alone && m->owner[place(p->tenant, p->service, p->labels, m->spread)] != m->self;

    map_unref(m);
    return is_elsewhere;
}

void router_push(struct router *r, const struct parcel *parcels, size_t n, int64_t deadline_ns, push_fn *each,
                 push_done_fn *done, void *arg)
{
    struct push *p = mem_zalloc(sizeof *p + n * sizeof *p->items);
    size_t      *all = mem_alloc(n * sizeof *all);
    int64_t      now_ns = clock_mono_ns();

    assert(r->config.is_frontend);
    *p = (struct push){ .router = r, .parcels = parcels, .each = each, .done = done, .arg = arg };
    p->began_ns = now_ns;
    p->until_ns = deadline_ns < now_ns + PUSH_HOLD_NS ? deadline_ns : now_ns + PUSH_HOLD_NS;
    p->open = n + 1;
    for (size_t i = 0; i < n; i++) {
        p->items[i].push = p;
        p->items[i].i = all[i] = i;
    }
    atomic_fetch_add(&r->open, 1);
    push_place(p, all, n);
    free(all);
    finish_one(p);
}
