/*
 * The first byte cuts the input in two, as a network would.  As a head: accepted or refused, the same however it is
 * cut, and what is accepted has only clean names and values that lie inside it.  As a chunked body: the same data
 * however it is cut.
 */
#include <assert.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/h1_chunk.h"
#include "net/h1_head.h"

enum { BYTES_MAX = 4096, FIELDS_MAX = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool is_inside(struct slice s, const char *p, size_t n)
{
    return s.n == 0 || (s.p >= p && s.p + s.n <= p + n);
}

static void fuzz_head(struct slice in, size_t cut)
{
    struct h1_wrong   whole, parts = { 0 };
    struct http_field fields[FIELDS_MAX];
    struct h1_head    head;
    size_t            scanned = 0, twice = 0, n = h1_head_end(in, BYTES_MAX, &scanned, &whole), m;

    m = h1_head_end(slice_make(in.p, cut), BYTES_MAX, &twice, &parts);
    if (m == 0 && parts.status == 0)
        m = h1_head_end(in, BYTES_MAX, &twice, &parts);
    assert(m == n && (whole.status == 0) == (parts.status == 0));
    if (n == 0)
        return;
    char *copy = mem_alloc(n);
    memcpy(copy, in.p, n);
    if (h1_head_parse(copy, n, fields, FIELDS_MAX, &head).status == 0) {
        assert(h1_is_token(head.method) && head.target.n > 0);
        assert(is_inside(head.target, copy, n) || slice_is(head.target, "/"));
        assert(is_inside(head.authority, copy, n) && !(head.is_chunked && head.content_length >= 0));
        for (size_t i = 0; i < head.n_fields; i++)
            assert(h1_is_token(fields[i].name) && h1_is_text(fields[i].value) && is_inside(fields[i].value, copy, n));
    }
    free(copy);
}

static enum h1_chunk_state body_of(struct slice a, struct slice b, struct buf *out)
{
    struct h1_chunk c = { 0 };
    struct slice    piece;

    while ((piece = h1_chunk_next(&c, &a)).n > 0)
        buf_slice(out, piece);
    while ((piece = h1_chunk_next(&c, &b)).n > 0)
        buf_slice(out, piece);
    return c.state;
}

static void fuzz_chunk(struct slice in, size_t cut)
{
    struct buf once = { 0 }, twice = { 0 };

    enum h1_chunk_state a = body_of(in, (struct slice){ 0 }, &once);
    enum h1_chunk_state b = body_of(slice_make(in.p, cut), slice_from(in, cut), &twice);
    assert(a == b && slice_eq(buf_view(&once), buf_view(&twice)));
    buf_free(&once);
    buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    struct slice in = slice_make(data + 1, n - 1);
    size_t       cut = data[0] % in.n;

    fuzz_head(in, cut);
    fuzz_chunk(in, cut);
    return 0;
}
