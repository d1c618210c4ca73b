#include "shard/store.h"

#include <assert.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/metric.h"
#include "base/queue.h"
#include "index/block.h"

enum { SLOTS = 256, IN_FLIGHT_MAX = SLOTS / 2, NICE = 10 };

struct store {
    struct queue  *todo, *done; /* to the thread, from the thread */
    pthread_t      thread;
    struct sealing stop; /* its place in the queue says: nothing comes after me */
    unsigned       n;    /* submitted and not taken; the writer's */
    struct metric *blocks, *failed, *bytes_in, *bytes_out;
};

struct sealing *sealing_new(struct bucket *live, _Atomic size_t *meter, uint64_t wal_sequence)
{
    struct sealing *x = mem_zalloc(sizeof *x);

    bucket_ref(live);
    *x = (struct sealing){ .live = live, .meter = meter, .wal_sequence = wal_sequence };
    return x;
}

void sealing_free(struct sealing *x)
{
    bucket_unref(x->live);
    if (x->sealed != NULL)
        bucket_unref(x->sealed);
    free(x);
}

static void image_free(struct slice bytes) { free((char *)bytes.p); }

/* The image at its own size: what it is made in is larger. */
static struct block_image image_of(struct buf *b)
{
    return (struct block_image){ slice_make(mem_resize(b->p, b->n), b->n), image_free };
}

/* What it wrote itself is checked like anything else before the live bucket is let go for it. */
static void seal(struct store *s, struct sealing *x)
{
    struct buf out = { 0 };

    x->code = block_write(x->live, x->wal_sequence, SLICE(""), &out, &x->why);
    if (x->code == CODE_OK) {
        struct block_image image = image_of(&out);
        x->code = block_open(&image, x->meter, &x->sealed, &x->why);
        if (x->code != CODE_OK)
            image.release(image.bytes);
    } else {
        buf_free(&out);
    }
    metric_add(x->code == CODE_OK ? s->blocks : s->failed, 1);
    if (x->code == CODE_OK) {
        metric_add(s->bytes_in, (int64_t)bucket_bytes(x->live));
        metric_add(s->bytes_out, (int64_t)bucket_bytes(x->sealed));
    }
}

static void *store_main(void *arg)
{
    struct store *s = arg;

    pthread_setname_np(pthread_self(), "store");
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* T3; without it only the share is another */
    for (struct sealing *x; (x = queue_pop(s->todo, -1)) != &s->stop;) {
        seal(s, x);
        bool is_pushed = queue_push(s->done, x);
        assert(is_pushed); /* no more are in flight */
    }
    return NULL;
}

struct store *store_start(void)
{
    struct store *s = mem_zalloc(sizeof *s);

    s->todo = queue_new(SLOTS);
    s->done = queue_new(SLOTS);
    s->blocks = metric_counter("hearth_store_sealed_total", "Buckets sealed.", "");
    s->failed = metric_counter("hearth_store_failed_total", "Buckets that could not be sealed.", "");
    s->bytes_in =
        metric_counter("hearth_store_live_bytes_total", "Accounted bytes of buckets before they were sealed.", "");
    s->bytes_out = metric_counter("hearth_store_sealed_bytes_total", "The same afterwards.", "");
    if (pthread_create(&s->thread, NULL, store_main, s) != 0)
        abort();
    return s;
}

bool store_submit(struct store *s, struct sealing *x)
{
    if (s->n == IN_FLIGHT_MAX || !queue_push(s->todo, x))
        return false;
    s->n++;
    return true;
}

struct sealing *store_take(struct store *s)
{
    struct sealing *x = queue_pop(s->done, 0);

    s->n -= x != NULL;
    return x;
}

static void let_go(struct queue *q)
{
    for (struct sealing *x; (x = queue_pop(q, 0)) != NULL;)
        sealing_free(x);
    queue_free(q);
}

void store_stop(struct store *s)
{
    for (struct sealing *x; (x = queue_pop(s->todo, 0)) != NULL;)
        sealing_free(x); /* not begun: it need not be */
    bool is_pushed = queue_push(s->todo, &s->stop);
    assert(is_pushed);
    pthread_join(s->thread, NULL);
    let_go(s->todo);
    let_go(s->done);
    free(s);
}
