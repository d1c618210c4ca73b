#include "wire/zip.h"

#include <assert.h>
#include <isa-l/igzip_lib.h>
#include <libdeflate.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

enum {
    LEVEL = 1,         /* of ISA-L, a third of libdeflate's time and a tenth more bytes: answers wait for it */
    GUESS_FACTOR = 4,  /* profiles shrink to a third or a quarter */
    TRUST_FACTOR = 64, /* a trailer that claims more has to be proved by doubling */
    GUESS_MIN = 1 << 10,
    HEAD_AND_TAIL = 18,         /* the least a gzip member has */
    MEMBER_BYTES_MAX = 1 << 30, /* ISA-L counts in 32 bits */
    SMALL_BYTES = 2 << 10,      /* tables of its own would save it 200 bytes, no packet, and take three times as long */
    STORED_BYTES = 512,         /* with 1/1024 of the input more than what storing it as it is takes */
};

/* One per thread, freed by the key's destructor when the thread ends: a cache, nothing anyone can observe. */
struct codecs {
    struct libdeflate_decompressor *inflate;
    struct deflate                 *deflate; /* made on first use */
};

struct deflate {
    struct isal_zstream stream;
    uint8_t             tables[ISAL_DEF_LVL1_DEFAULT];
};

static pthread_key_t  codecs_key;
static pthread_once_t codecs_once = PTHREAD_ONCE_INIT;

static void codecs_free(void *arg)
{
    struct codecs *c = arg;

    libdeflate_free_decompressor(c->inflate);
    free(c->deflate);
    free(c);
}

static void codecs_setup(void)
{
    int failed = pthread_key_create(&codecs_key, codecs_free);
    assert(failed == 0);
}

static struct codecs *codecs_of_thread(void)
{
    pthread_once(&codecs_once, codecs_setup);
    struct codecs *c = pthread_getspecific(codecs_key);
    if (c != NULL)
        return c;
    c = mem_zalloc(sizeof *c);
    c->inflate = libdeflate_alloc_decompressor();
    if (c->inflate == NULL || pthread_setspecific(codecs_key, c) != 0)
        abort();
    return c;
}

bool zip_is_gzip(struct slice s) { return s.n >= 2 && (uint8_t)s.p[0] == 0x1f && (uint8_t)s.p[1] == 0x8b; }

size_t zip_claim(struct slice in)
{
    if (in.n < HEAD_AND_TAIL)
        return 0;
    const uint8_t *t = (const uint8_t *)in.p + in.n - 4;
    return (size_t)t[0] | (size_t)t[1] << 8 | (size_t)t[2] << 16 | (size_t)t[3] << 24;
}

static size_t guess_bytes(struct slice in, size_t max_bytes)
{
    size_t isize = zip_claim(in);
    size_t guess = isize <= in.n * TRUST_FACTOR ? isize : in.n * GUESS_FACTOR;

    if (guess < GUESS_MIN)
        guess = GUESS_MIN;
    return guess < max_bytes ? guess : max_bytes;
}

/* Twice the room, the first `n` bytes kept. */
static char *grown(struct arena *a, const char *old, size_t n, size_t *cap, size_t max_bytes)
{
    *cap = *cap <= max_bytes / 2 ? *cap * 2 : max_bytes;
    char *p = arena_alloc(a, *cap);
    if (n > 0)
        memcpy(p, old, n);
    return p;
}

enum code zip_gunzip(struct slice in, size_t max_bytes, struct arena *a, struct slice *out, struct fault *why)
{
    struct codecs *codecs = codecs_of_thread();

    if (in.n < HEAD_AND_TAIL || !zip_is_gzip(in))
        return fail(why, CODE_INVALID_ARGUMENT, "gzip: %s",
                    zip_is_gzip(in) ? "unexpected end of data" : "invalid header");
    size_t cap = guess_bytes(in, max_bytes), n = 0;
    char  *p = arena_alloc(a, cap);
    while (in.n > 0) {
        size_t taken = 0, made = 0;
        switch (libdeflate_gzip_decompress_ex(codecs->inflate, in.p, in.n, p + n, cap - n, &taken, &made)) {
        case LIBDEFLATE_SUCCESS:
            n += made;
            in = slice_from(in, taken);
            break;
        case LIBDEFLATE_INSUFFICIENT_SPACE:
            if (cap == max_bytes)
                return fail(why, CODE_RESOURCE_EXHAUSTED, "gzip: data inflates to more than the limit of %zu bytes",
                            max_bytes);
            p = grown(a, p, n, &cap, max_bytes);
            break;
        default:
            return fail(why, CODE_INVALID_ARGUMENT, "gzip: data is damaged or cut short after %zu inflated bytes", n);
        }
    }
    *out = slice_make(p, n);
    return CODE_OK;
}

static void member_put(struct deflate *d, struct slice in, struct buf *out)
{
    struct isal_zstream *s = &d->stream;
    size_t               room = in.n + in.n / 1024 + STORED_BYTES;

    isal_deflate_stateless_init(s);
    s->gzip_flag = IGZIP_GZIP;
    s->level = in.n <= SMALL_BYTES ? 0 : LEVEL;
    s->level_buf = d->tables;
    s->level_buf_size = sizeof d->tables;
    s->next_in = (uint8_t *)(uintptr_t)(in.n ? in.p : "");
    s->avail_in = (uint32_t)in.n;
    s->next_out = (uint8_t *)buf_reserve(out, room);
    s->avail_out = (uint32_t)room;
    s->end_of_stream = 1;
    int code = isal_deflate_stateless(s);
    assert(code == COMP_OK);
    out->n += s->total_out;
}

void zip_gzip(struct slice in, struct buf *out)
{
    struct codecs *codecs = codecs_of_thread();

    if (codecs->deflate == NULL)
        codecs->deflate = mem_alloc(sizeof *codecs->deflate);
    do {
        struct slice piece = slice_make(in.p, in.n < MEMBER_BYTES_MAX ? in.n : MEMBER_BYTES_MAX);
        member_put(codecs->deflate, piece, out);
        in = slice_from(in, piece.n);
    } while (in.n > 0);
}
