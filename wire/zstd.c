#include "wire/zstd.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/mem.h"

enum {
    LEVEL = 1, /* answers wait for it: fast before small */
    WINDOW_LOG_MAX = 23,
    GUESS_FACTOR = 4,
    TRUST_FACTOR = 64, /* a frame that claims more has to be proved by doubling */
    GUESS_MIN = 1 << 10,
};

/* One per thread, as in zip.c: making one costs more than a small message. */
struct contexts {
    ZSTD_DCtx *unpack;
    ZSTD_CCtx *pack;
};

static pthread_key_t  contexts_key;
static pthread_once_t contexts_once = PTHREAD_ONCE_INIT;

static void contexts_free(void *arg)
{
    struct contexts *c = arg;

    ZSTD_freeDCtx(c->unpack);
    ZSTD_freeCCtx(c->pack);
    free(c);
}

static void contexts_setup(void)
{
    int failed = pthread_key_create(&contexts_key, contexts_free);
    assert(failed == 0);
}

static struct contexts *contexts_of_thread(void)
{
    pthread_once(&contexts_once, contexts_setup);
    struct contexts *c = pthread_getspecific(contexts_key);
    if (c != NULL)
        return c;
    c = mem_alloc(sizeof *c);
    *c = (struct contexts){ ZSTD_createDCtx(), ZSTD_createCCtx() };
    if (c->unpack == NULL || c->pack == NULL || pthread_setspecific(contexts_key, c) != 0)
        abort();
    ZSTD_DCtx_setParameter(c->unpack, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    ZSTD_CCtx_setParameter(c->pack, ZSTD_c_compressionLevel, LEVEL);
    return c;
}

size_t zstd_claim(struct slice in)
{
    unsigned long long n = ZSTD_getFrameContentSize(in.p, in.n);

    return n == ZSTD_CONTENTSIZE_UNKNOWN || n == ZSTD_CONTENTSIZE_ERROR || n > SIZE_MAX ? 0 : (size_t)n;
}

static size_t guess_bytes(struct slice in, size_t max_bytes)
{
    size_t claim = zstd_claim(in), guess = claim > 0 && claim / TRUST_FACTOR <= in.n ? claim : in.n * GUESS_FACTOR;

    if (guess < GUESS_MIN)
        guess = GUESS_MIN;
    return guess < max_bytes ? guess : max_bytes;
}

static void grow(struct arena *a, ZSTD_outBuffer *to, size_t max_bytes)
{
    size_t cap = to->size <= max_bytes / 2 ? to->size * 2 : max_bytes;
    char  *p = arena_alloc(a, cap);

    if (to->pos > 0)
        memcpy(p, to->dst, to->pos);
    to->dst = p;
    to->size = cap;
}

enum code zstd_unpack(struct slice in, size_t max_bytes, struct arena *a, struct slice *out, struct fault *why)
{
    ZSTD_DCtx     *unpack = contexts_of_thread()->unpack;
    ZSTD_inBuffer  from = { in.p, in.n, 0 };
    ZSTD_outBuffer to = { .size = guess_bytes(in, max_bytes) };
    size_t         left = 1; /* of the frame; 0: it is whole */

    to.dst = arena_alloc(a, to.size);
    ZSTD_DCtx_reset(unpack, ZSTD_reset_session_only);
    while (from.pos < from.size || left > 0) {
        size_t was_in = from.pos, was_out = to.pos;
        left = ZSTD_decompressStream(unpack, &to, &from);
        if (ZSTD_isError(left))
            return fail(why, CODE_INVALID_ARGUMENT, "zstd: %s after %zu inflated bytes", ZSTD_getErrorName(left), to.pos);
        if (left > 0 && to.pos == to.size) {
            if (to.size == max_bytes)
                return fail(why, CODE_RESOURCE_EXHAUSTED, "zstd: data inflates to more than the limit of %zu bytes",
                            max_bytes);
            grow(a, &to, max_bytes);
        } else if (left > 0 && from.pos == was_in && to.pos == was_out) {
            return fail(why, CODE_INVALID_ARGUMENT, "zstd: unexpected end of data");
        }
    }
    *out = slice_make(to.dst, to.pos);
    return CODE_OK;
}

void zstd_pack(struct slice in, struct buf *out)
{
    size_t room = ZSTD_compressBound(in.n);
    char  *p = buf_reserve(out, room);
    size_t made = ZSTD_compress2(contexts_of_thread()->pack, p, room, in.n ? in.p : "", in.n);

    assert(!ZSTD_isError(made));
    out->n += made;
}
