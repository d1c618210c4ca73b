#include "oracle/tally.h"

#include "base/mem.h"

struct entry {
    uint64_t what;
    int64_t  much;
    bool     is_used;
};

struct tally {
    struct entry *at; /* open addressing, at most half full */
    size_t        cap, n_used;
};

struct tally *tally_new(void)
{
    struct tally *t = mem_alloc(sizeof *t);

    *t = (struct tally){ .cap = 64, .at = mem_zalloc(64 * sizeof *t->at) };
    return t;
}

void tally_free(struct tally *t)
{
    if (t == NULL)
        return;
    free(t->at);
    free(t);
}

/* A server may answer anything; what wraps around differs from what is expected all the same. */
static int64_t wrapping_sum(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }

static struct entry *entry_at(const struct tally *t, uint64_t what)
{
    size_t i = (what ^ what >> 32) & (t->cap - 1);

    while (t->at[i].is_used && t->at[i].what != what)
        i = (i + 1) & (t->cap - 1);
    return &t->at[i];
}

static void grow(struct tally *t)
{
    struct tally wider = { .cap = t->cap * 2, .at = mem_zalloc(t->cap * 2 * sizeof *t->at), .n_used = t->n_used };

    for (size_t i = 0; i < t->cap; i++)
        if (t->at[i].is_used)
            *entry_at(&wider, t->at[i].what) = t->at[i];
    free(t->at);
    *t = wider;
}

void tally_add(struct tally *t, uint64_t what, int64_t much)
{
    struct entry *e = entry_at(t, what);

    if (e->is_used) {
        e->much = wrapping_sum(e->much, much);
        return;
    }
    if (t->n_used == t->cap / 2) {
        grow(t);
        e = entry_at(t, what);
    }
    *e = (struct entry){ what, much, true };
    t->n_used++;
}

int64_t tally_of(const struct tally *t, uint64_t what) { return entry_at(t, what)->much; }

size_t tally_n(const struct tally *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->cap; i++)
        n += t->at[i].much != 0;
    return n;
}

int64_t tally_total(const struct tally *t)
{
    int64_t sum = 0;

    for (size_t i = 0; i < t->cap; i++)
        sum = wrapping_sum(sum, t->at[i].much);
    return sum;
}

static void differ(struct tally_difference *d, uint64_t what, int64_t expected, int64_t answered)
{
    *d = (struct tally_difference){ d->n + 1, what, expected, answered };
}

bool tally_equal(const struct tally *expected, const struct tally *answered, struct tally_difference *out)
{
    *out = (struct tally_difference){ 0 };
    for (size_t i = 0; i < expected->cap; i++) {
        const struct entry *e = &expected->at[i];
        if (e->much != tally_of(answered, e->what))
            differ(out, e->what, e->much, tally_of(answered, e->what));
    }
    for (size_t i = 0; i < answered->cap; i++) {
        const struct entry *e = &answered->at[i];
        if (e->much != 0 && tally_of(expected, e->what) == 0)
            differ(out, e->what, 0, e->much);
    }
    return out->n == 0;
}

bool tally_is_within(const struct tally *some, const struct tally *all)
{
    for (size_t i = 0; i < some->cap; i++)
        if (some->at[i].much != 0 && tally_of(all, some->at[i].what) == 0)
            return false;
    return true;
}
