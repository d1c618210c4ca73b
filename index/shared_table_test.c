/*
 * Goal: what was put into a shared table is found by whoever looks, while it is put in and while the table grows.
 * Method: one writer adds numbers to a vec and puts each under its hash; readers look for those that the writer has said
 * are there, which must be found, for the next, and for some that never will be.  Under the tsan preset this is the proof of
 * T1 and T2.
 */
#include "index/shared_table.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>

#include "base/hash.h"
#include "index/vec.h"

enum { NUMBERS = 60000, READERS = 2, ROUNDS = 3 };

struct numbers {
    struct slab         slab;
    struct vec          all; /* uint64_t */
    struct shared_table ids;
    _Atomic uint64_t    said; /* 0 to said - 1 are there */
    _Atomic bool        is_over;
};

/* Every eighth shares its hash with others. */
static uint64_t number_hash(uint64_t n) { return n % 8 == 0 ? hash64(&(uint64_t){ n / 64 }, 8) : hash64(&n, sizeof n); }

static bool number_find(struct numbers *x, uint64_t n)
{
    struct shared_walk w = shared_table_walk(&x->ids, number_hash(n));
    uint32_t           i;

    while (shared_table_next(&w, &i))
        if (*(const uint64_t *)vec_at(&x->all, i) == n)
            return true;
    return false;
}

static void number_add(struct numbers *x, uint64_t n)
{
    uint32_t at = vec_add(&x->all, &x->slab, &n);

    shared_table_put(&x->ids, &x->slab, number_hash(n), at);
}

static void numbers_init(struct numbers *x)
{
    *x = (struct numbers){ 0 };
    slab_init(&x->slab, NULL);
    vec_init(&x->all, sizeof(uint64_t), 0);
}

static void *look(void *arg)
{
    struct numbers *x = arg;
    uint64_t        at = 12345;

    while (!atomic_load_explicit(&x->is_over, memory_order_relaxed)) {
        uint64_t said = atomic_load_explicit(&x->said, memory_order_acquire);
        at = at * 6364136223846793005u + 1442695040888963407u;
        assert(said == 0 || number_find(x, said - 1)); /* the newest */
        assert(said == 0 || number_find(x, (at >> 32) % said));
        assert(!number_find(x, NUMBERS + (at >> 32)));
        (void)number_find(x, said); /* which is being put in: whole, if it is found */
    }
    return NULL;
}

static void found_beside_the_writer(void)
{
    struct numbers x;
    pthread_t      readers[READERS];

    numbers_init(&x);
    for (int i = 0; i < READERS; i++)
        assert(pthread_create(&readers[i], NULL, look, &x) == 0);
    for (uint64_t n = 0; n < NUMBERS; n++) {
        number_add(&x, n);
        atomic_store_explicit(&x.said, n + 1, memory_order_release);
    }
    atomic_store(&x.is_over, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    for (uint64_t n = 0; n < NUMBERS; n++)
        assert(number_find(&x, n) && !number_find(&x, n + NUMBERS));
    slab_fini(&x.slab);
}

/* What it may ask for is never less than what it asks for. */
static void costs_what_it_says(void)
{
    for (uint64_t more = 1; more < 5000; more = more * 3 / 2 + 1) {
        struct shared_table t = { 0 };
        struct slab         slab;
        slab_init(&slab, NULL);
        for (uint64_t n = 0, round = 0; round < 4; round++) {
            size_t most = slab_bytes(&slab) + slab_cost_max(&slab, shared_table_cost(&t, more));
            for (uint64_t k = 0; k < more; k++, n++)
                shared_table_put(&t, &slab, number_hash(n), (uint32_t)n);
            assert(slab_bytes(&slab) <= most);
        }
        slab_fini(&slab);
    }
}

int main(void)
{
    costs_what_it_says();
    for (int i = 0; i < ROUNDS; i++)
        found_beside_the_writer();
    puts("shared_table: ok");
    return 0;
}
