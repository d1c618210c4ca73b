#include "base/epoch.h"

#include <assert.h>
#include <stdatomic.h>

#include "base/mem.h"

struct epoch_reader {
    _Alignas(128) ck_epoch_record_t record;
    _Atomic int          is_taken;
    struct epoch_reader *next; /* set before the reader is published, then constant */
};

struct epoch {
    _Alignas(128) ck_epoch_t  global;
    _Alignas(128) ck_epoch_record_t writer;
    _Atomic(struct epoch_reader *) readers; /* grows at its head, never shrinks (E2) */
};

CK_STACK_CONTAINER(struct ck_epoch_entry, stack_entry, entry_of)

static void *aligned_zalloc(size_t bytes)
{
    void *p;

    if (posix_memalign(&p, 128, (bytes + 127) / 128 * 128) != 0)
        abort();
    return memset(p, 0, bytes);
}

struct epoch *epoch_new(void)
{
    struct epoch *e = aligned_zalloc(sizeof *e);

    ck_epoch_init(&e->global);
    ck_epoch_register(&e->global, &e->writer, NULL);
    return e;
}

void epoch_free(struct epoch *e)
{
    while (e->writer.n_pending > 0)
        epoch_poll(e);
    for (struct epoch_reader *r = e->readers, *next; r != NULL; r = next) {
        next = r->next;
        assert(!r->is_taken);
        free(r);
    }
    free(e);
}

struct epoch_reader *epoch_reader_take(struct epoch *e)
{
    struct epoch_reader *r = atomic_load_explicit(&e->readers, memory_order_acquire);

    for (; r != NULL; r = r->next)
        if (!atomic_exchange_explicit(&r->is_taken, 1, memory_order_acquire))
            return r;
    r = aligned_zalloc(sizeof *r);
    r->is_taken = 1;
    ck_epoch_register(&e->global, &r->record, NULL);
    r->next = atomic_load_explicit(&e->readers, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&e->readers, &r->next, r, memory_order_release, memory_order_relaxed))
        ;
    return r;
}

void epoch_reader_give(struct epoch *e, struct epoch_reader *r)
{
    (void)e;
    atomic_store_explicit(&r->is_taken, 0, memory_order_release);
}

void epoch_enter(struct epoch_reader *r) { ck_epoch_begin(&r->record, NULL); }

void epoch_leave(struct epoch_reader *r)
{
    tsan_release(r->record.global);
    ck_epoch_end(&r->record, NULL);
}

void epoch_retire(struct epoch *e, ck_epoch_entry_t *entry, ck_epoch_cb_t *fn) { ck_epoch_call(&e->writer, entry, fn); }

void epoch_poll(struct epoch *e)
{
    ck_stack_t        dead = CK_STACK_INITIALIZER;
    ck_stack_entry_t *next;

    ck_epoch_poll_deferred(&e->writer, &dead);
    tsan_acquire(&e->global);
    for (ck_stack_entry_t *at = CK_STACK_FIRST(&dead); at != NULL; at = next) {
        struct ck_epoch_entry *entry = entry_of(at);
        next = CK_STACK_NEXT(at);
        entry->function(entry);
    }
}
