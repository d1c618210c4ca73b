/*
 * Ledger: what became of each profile.
 *
 *     planned --> sent --> acked      to be found, once
 *                     \--> refused    not to be found (also: never sent)
 *                      \-> ambiguous  nobody said: found once or not at all, and from then on the same
 *                             `--> found | absent     settled by asking
 *
 * Any thread sets and reads; a fate that is out of `sent` has been learnt before it is seen.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum fate { FATE_PLANNED, FATE_SENT, FATE_ACKED, FATE_REFUSED, FATE_AMBIGUOUS, FATE_FOUND, FATE_ABSENT, FATES };

struct ledger;

struct ledger *ledger_new(uint64_t n_profiles);
void           ledger_free(struct ledger *l);
void           ledger_set(struct ledger *l, uint64_t number, enum fate fate);
enum fate      ledger_get(const struct ledger *l, uint64_t number);
uint64_t       ledger_count(const struct ledger *l, enum fate fate);

/* All before this one have left `sent`.  One thread only; cheap when asked again and again. */
uint64_t ledger_settled(struct ledger *l);

static inline bool fate_is_stored(enum fate f) { return f == FATE_ACKED || f == FATE_FOUND; }
static inline bool fate_is_known(enum fate f) { return fate_is_stored(f) || f == FATE_REFUSED || f == FATE_ABSENT; }
