#include "net/admit.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/hash.h"
#include "base/mem.h"
#include "net/guard.h"

enum { BUCKETS = 4096 }; /* a power of two */

struct place {
    uint64_t      address;
    int64_t       n; /* at least 1 */
    struct place *next;
};

struct admit {
    const struct http_limits *limits;
    _Atomic int64_t           n;
    pthread_mutex_t           lock; /* over what follows */
    struct place             *buckets[BUCKETS];
};

struct admit *admit_new(const struct http_limits *limits)
{
    struct admit *a = mem_zalloc(sizeof *a);

    a->limits = limits;
    pthread_mutex_init(&a->lock, NULL);
    return a;
}

void admit_free(struct admit *a)
{
    assert(a->n == 0);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

/* The upper half of an IPv6 address; an IPv4 one as it is, which no such half can be. */
static uint64_t address_key(struct address from)
{
    static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };
    uint64_t             key;

    memcpy(&key, memcmp(from.at, v4, sizeof v4) == 0 ? from.at + 8 : from.at, sizeof key);
    return key;
}

/* Where the place of `address` hangs, or would. */
static struct place **place_at(struct admit *a, uint64_t address)
{
    struct place **at = &a->buckets[hash_pair(address, 0) & (BUCKETS - 1)];

    while (*at != NULL && (*at)->address != address)
        at = &(*at)->next;
    return at;
}

static bool place_enter(struct admit *a, uint64_t address)
{
    pthread_mutex_lock(&a->lock);
    struct place **at = place_at(a, address);
    if (*at == NULL) {
        *at = mem_zalloc(sizeof **at);
        (*at)->address = address;
    }
    bool is_room = (*at)->n < a->limits->address_connections_max;
    (*at)->n += is_room;
    pthread_mutex_unlock(&a->lock);
    return is_room;
}

static void place_leave(struct admit *a, uint64_t address)
{
    pthread_mutex_lock(&a->lock);
    struct place **at = place_at(a, address), *p = *at;
    if (--p->n == 0) {
        *at = p->next;
        free(p);
    }
    pthread_mutex_unlock(&a->lock);
}

bool admit_enter(struct admit *a, struct address from, struct admitted *out)
{
    const struct http_limits *l = a->limits;
    bool                      is_exempt = l->exempt != NULL && networks_hold(l->exempt, from);

    *out = (struct admitted){ address_key(from), l->address_connections_max != INT64_MAX && !is_exempt };
    if (atomic_fetch_add_explicit(&a->n, 1, memory_order_relaxed) >= l->connections_max) {
        abuse_count(ABUSE_CONNECTIONS);
    } else if (out->is_counted && !place_enter(a, out->address)) {
        abuse_count(ABUSE_ADDRESS_CONNECTIONS);
    } else {
        return true;
    }
    atomic_fetch_sub_explicit(&a->n, 1, memory_order_relaxed);
    return false;
}

void admit_leave(struct admit *a, struct admitted which)
{
    if (which.is_counted)
        place_leave(a, which.address);
    atomic_fetch_sub_explicit(&a->n, 1, memory_order_relaxed);
}

int64_t admit_count(const struct admit *a) { return atomic_load_explicit(&a->n, memory_order_relaxed); }
