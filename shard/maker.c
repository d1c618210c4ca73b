#include "shard/maker.h"

#include <assert.h>
#include <pthread.h>

#include "base/mem.h"
#include "base/queue.h"
#include "index/bucket.h"

enum { SLOTS = 64, WORTH_BYTES = 256 << 10 };

struct maker {
    struct queue *todo, *done; /* to the thread, from the thread */
    pthread_t     thread;
    bool          has_thread;
    struct made   stop;         /* its place in the queue says: nothing comes after me */
    struct made  *given[SLOTS]; /* the loader's: [first, end), not taken yet, by number modulo SLOTS */
    unsigned      first, end;
    struct made  *bad;
};

struct maker *maker_new(void)
{
    struct maker *m = mem_zalloc(sizeof *m);

    m->todo = queue_new(SLOTS);
    m->done = queue_new(SLOTS);
    return m;
}

static void made_free(struct made *x)
{
    bucket_unref(x->bucket);
    free(x);
}

static void *maker_main(void *arg)
{
    struct maker *m = arg;

    pthread_setname_np(pthread_self(), "maker");
    for (struct made *x; (x = queue_pop(m->todo, -1)) != &m->stop;) {
        making_help(&x->making);
        bool is_pushed = queue_push(m->done, x);
        assert(is_pushed); /* no more are on their way */
    }
    return NULL;
}

static void thread_start(struct maker *m)
{
    if (pthread_create(&m->thread, NULL, maker_main, m) != 0)
        abort();
    m->has_thread = true;
}

bool maker_give(struct maker *m, struct bucket *b, uint64_t seq)
{
    if (bucket_bytes(b) < WORTH_BYTES || m->end - m->first == SLOTS - 1)
        return false;
    if (!m->has_thread)
        thread_start(m);
    struct made *x = mem_alloc(sizeof *x);
    *x = (struct made){ .bucket = b, .seq = seq };
    bucket_ref(b);
    making_begin(&x->making, b);
    m->given[m->end++ % SLOTS] = x;
    bool is_pushed = queue_push(m->todo, x);
    assert(is_pushed);
    return true;
}

static struct made *next_made(struct maker *m, bool is_waiting)
{
    for (unsigned i = m->first; is_waiting && i != m->end; i++)
        making_own(&m->given[i % SLOTS]->making);
    struct made *x = m->first != m->end ? queue_pop(m->done, is_waiting ? -1 : 0) : NULL;
    assert(x == NULL || x == m->given[m->first % SLOTS]); /* K2 */
    m->first += x != NULL;
    return x;
}

struct bucket *maker_take(struct maker *m, bool is_waiting)
{
    for (struct made *x; (x = next_made(m, is_waiting)) != NULL;) {
        struct bucket *b = x->bucket;
        if (making_end(&x->making, &x->why) == CODE_OK) {
            free(x);
            return b;
        }
        if (m->bad == NULL)
            m->bad = x;
        else
            made_free(x);
    }
    return NULL;
}

const struct made *maker_bad(const struct maker *m) { return m->bad; }

void maker_free(struct maker *m)
{
    assert(m->first == m->end);
    if (m->has_thread) {
        bool is_pushed = queue_push(m->todo, &m->stop);
        assert(is_pushed);
        pthread_join(m->thread, NULL);
    }
    queue_free(m->todo);
    queue_free(m->done);
    if (m->bad != NULL)
        made_free(m->bad);
    free(m);
}
