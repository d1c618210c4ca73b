#include "base/scratch.h"

#include <assert.h>
#include <pthread.h>

/* Freed by the key's destructor when its thread ends: a cache, nothing anyone can observe. */
static pthread_key_t  kept_key;
static pthread_once_t kept_once = PTHREAD_ONCE_INIT;

static void kept_free(void *arena) { arena_free(arena); }

static void kept_setup(void)
{
    int failed = pthread_key_create(&kept_key, kept_free);
    assert(failed == 0);
}

struct arena *scratch_take(size_t first_bytes)
{
    pthread_once(&kept_once, kept_setup);
    struct arena *a = pthread_getspecific(kept_key);
    if (a == NULL)
        return arena_new(first_bytes);
    pthread_setspecific(kept_key, NULL);
    return a;
}

void scratch_give(struct arena *a)
{
    size_t bytes = arena_bytes(a);

    arena_reset(a);
    if (arena_bytes(a) < bytes) { /* it took several chunks: one of that size next time */
        arena_free(a);
        a = bytes <= SCRATCH_KEPT_BYTES ? arena_new(bytes) : NULL;
    } else if (bytes > SCRATCH_KEPT_BYTES) {
        arena_free(a);
        a = NULL;
    }
    if (a != NULL && pthread_setspecific(kept_key, a) != 0)
        arena_free(a);
}
