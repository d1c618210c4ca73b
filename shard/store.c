#include "shard/store.h"

#include <assert.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/metric.h"
#include "base/queue.h"
#include "index/block_merge.h"
#include "index/bucket.h"

enum { SLOTS = 4096, IN_FLIGHT_MAX = 128, NICE = 10 };

struct store {
    struct block_files *files;
    struct queue       *todo, *done; /* to the thread, from the thread */
    pthread_t           thread;
    struct sealing      stop; /* its place in the queue says: nothing comes after me */
    unsigned            n;    /* submitted and not taken; the writer's */
    struct metric      *blocks, *merged, *failed, *unsaved, *bytes_in, *bytes_out;
};

struct sealing *sealing_new(struct bucket *live, _Atomic size_t *meter)
{
    struct sealing *x = mem_zalloc(sizeof *x);

    bucket_ref(live);
    *x = (struct sealing){ .live = live, .meter = meter };
    return x;
}

struct sealing *sealing_merge(size_t n_from, _Atomic size_t *meter)
{
    struct sealing *x = mem_zalloc(sizeof *x);

    *x = (struct sealing){ .from = mem_zalloc(n_from * sizeof *x->from), .n_from = n_from, .meter = meter };
    return x;
}

void sealing_free(struct sealing *x)
{
    for (size_t i = 0; i < x->n_from; i++)
        bucket_unref(x->from[i]);
    free(x->from);
    buf_free(&x->sources);
    if (x->live != NULL)
        bucket_unref(x->live);
    if (x->sealed != NULL)
        bucket_unref(x->sealed);
    free(x);
}

static void image_free(struct slice bytes) { free((char *)bytes.p); }

/* T4.  `out` is empty afterwards. */
static struct block_image place(struct store *s, struct sealing *x, struct buf *out)
{
    struct block_image image;

    if (s->files != NULL) {
        if (block_files_save(s->files, bucket_tenant(x->live), buf_view(out), &x->file, &image, &x->why) == CODE_OK) {
            buf_free(out);
            return image;
        }
        x->file = 0;
        metric_add(s->unsaved, 1);
    }
    image = (struct block_image){ slice_make(mem_resize(out->p, out->n), out->n), image_free, NULL };
    *out = (struct buf){ 0 };
    return image;
}

/* What it wrote itself is checked like anything else before the live bucket is let go for it. */
static enum code open_written(struct store *s, struct sealing *x, struct buf *out)
{
    struct block_image image = place(s, x, out);
    enum code          code = block_open(&image, x->meter, &x->sealed, &x->why);

    if (code == CODE_OK)
        return CODE_OK;
    image.release(image.bytes);
    if (x->file != 0)
        block_files_remove(s->files, bucket_tenant(x->live), x->file);
    x->file = 0;
    return code;
}

static void merge_keys(const struct sealing *x, struct buf *keys)
{
    struct bucket_key k;

    for (size_t i = 0; i < x->n_from; i++) {
        struct slice all = block_origin(x->from[i]).keys;
        for (size_t at = 0; at + sizeof k <= all.n; at += sizeof k) {
            memcpy(&k, all.p + at, sizeof k);
            if (k.received_ns >= x->known_since_ns)
                buf_put(keys, &k, sizeof k);
        }
    }
}

static void seal(struct store *s, struct sealing *x)
{
    struct buf out = { 0 }, keys = { 0 };

    if (x->n_from > 0) {
        merge_keys(x, &keys);
        x->code = block_merge(x->from, x->n_from, x->meter, &x->live, &x->why);
    } else {
        bucket_keys(x->live, &keys);
    }
    if (x->code == CODE_OK)
        x->code = block_write(
            x->live, &(struct block_origin){ x->first_seq, x->last_seq, buf_view(&keys), buf_view(&x->sources) }, &out,
            &x->why);
    buf_free(&keys);
    if (x->code == CODE_OK)
        x->code = open_written(s, x, &out);
    buf_free(&out);
}

static void count(struct store *s, const struct sealing *x)
{
    if (x->code != CODE_OK) {
        metric_add(s->failed, 1);
    } else if (x->n_from > 0) {
        metric_add(s->merged, (int64_t)x->n_from);
    } else {
        metric_add(s->blocks, 1);
        metric_add(s->bytes_in, (int64_t)bucket_bytes(x->live));
        metric_add(s->bytes_out, (int64_t)bucket_bytes(x->sealed));
    }
}

/* What a merge was sealed from is nobody else's. */
static void make(struct store *s, struct sealing *x)
{
    seal(s, x);
    count(s, x);
    if (x->n_from > 0 && x->live != NULL) {
        bucket_unref(x->live);
        x->live = NULL;
    }
}

static void *store_main(void *arg)
{
    struct store *s = arg;

    pthread_setname_np(pthread_self(), "store");
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* T3; without it only the share is another */
    for (struct sealing *x; (x = queue_pop(s->todo, -1)) != &s->stop;) {
        if (x->live == NULL && x->n_from == 0) {
            block_files_remove(s->files, bucket_tenant(x->sealed), x->file);
            sealing_free(x);
            continue;
        }
        make(s, x);
        bool is_pushed = queue_push(s->done, x);
        assert(is_pushed); /* no more are in flight */
    }
    return NULL;
}

struct store *store_start(struct block_files *files)
{
    struct store *s = mem_zalloc(sizeof *s);

    s->files = files;
    s->todo = queue_new(SLOTS);
    s->done = queue_new(SLOTS);
    s->blocks = metric_counter("hearth_store_sealed_total", "Buckets sealed.", "");
    s->merged = metric_counter("hearth_store_merged_total", "Blocks that became part of another.", "");
    s->failed = metric_counter("hearth_store_failed_total", "Buckets that could not be sealed.", "");
    s->unsaved =
        metric_counter("hearth_store_unsaved_total", "Sealed buckets that could not be written to a file.", "");
    s->bytes_in =
        metric_counter("hearth_store_live_bytes_total", "Accounted bytes of buckets before they were sealed.", "");
    s->bytes_out = metric_counter("hearth_store_sealed_bytes_total", "The same afterwards.", "");
    if (pthread_create(&s->thread, NULL, store_main, s) != 0)
        abort();
    return s;
}

bool store_is_idle(const struct store *s) { return s->n == 0; }

bool store_has_files(const struct store *s) { return s->files != NULL; }

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

void store_remove(struct store *s, struct bucket *sealed, uint64_t file)
{
    struct sealing *x = mem_zalloc(sizeof *x);

    bucket_ref(sealed);
    *x = (struct sealing){ .sealed = sealed, .file = file };
    if (queue_push(s->todo, x))
        return;
    block_files_remove(s->files, bucket_tenant(sealed), file);
    sealing_free(x);
}

enum code store_load(struct store *s, _Atomic size_t *meter, block_file_fn *each, block_progress_fn *progress,
                     void *arg, struct fault *why)
{
    return block_files_load(s->files, meter, each, progress, arg, why);
}

static void let_go(struct queue *q)
{
    for (struct sealing *x; (x = queue_pop(q, 0)) != NULL;)
        sealing_free(x);
    queue_free(q);
}

void store_stop(struct store *s)
{
    struct sealing *last = &s->stop, *x;

    while (s->files == NULL && (x = queue_pop(s->todo, 0)) != NULL)
        sealing_free(x); /* nobody will ask for it any more */
    while (!queue_push(s->todo, last))
        usleep(1000); /* full of files to be removed */
    pthread_join(s->thread, NULL);
    let_go(s->todo);
    let_go(s->done);
    if (s->files != NULL)
        block_files_close(s->files);
    free(s);
}
