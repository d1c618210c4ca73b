#include "oracle/ledger.h"

#include <assert.h>
#include <stdatomic.h>

#include "base/mem.h"

struct ledger {
    uint64_t        n, settled; /* `settled`: of the one thread that asks */
    _Atomic uint8_t fate[];
};

struct ledger *ledger_new(uint64_t n_profiles)
{
    struct ledger *l = mem_zalloc(sizeof *l + n_profiles);

    l->n = n_profiles;
    return l;
}

void ledger_free(struct ledger *l) { free(l); }

void ledger_set(struct ledger *l, uint64_t number, enum fate fate)
{
    assert(number < l->n);
    atomic_store_explicit(&l->fate[number], (uint8_t)fate, memory_order_release);
}

enum fate ledger_get(const struct ledger *l, uint64_t number)
{
    assert(number < l->n);
    return (enum fate)atomic_load_explicit(&l->fate[number], memory_order_acquire);
}

uint64_t ledger_count(const struct ledger *l, enum fate fate)
{
    uint64_t n = 0;

    for (uint64_t i = 0; i < l->n; i++)
        n += ledger_get(l, i) == fate;
    return n;
}

uint64_t ledger_settled(struct ledger *l)
{
    while (l->settled < l->n && ledger_get(l, l->settled) > FATE_SENT)
        l->settled++;
    return l->settled;
}
