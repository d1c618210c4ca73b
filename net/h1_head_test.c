/*
 * Goal: a request head means one thing or is refused with the right status.  Method: a table of malformed, ambiguous
 * and plain heads (test_heads.h); each plain one is also read by libhttp-parser, which has to see the same request;
 * each is then fed byte by byte to h1_head_end, which has to find the same end.  A second table and every cut of it for
 * chunked bodies.
 */
#include <assert.h>
#include <stdio.h>

#ifdef HAVE_HTTP_PARSER
#include <http_parser.h>
#endif

#include "base/buf.h"
#include "base/mem.h"
#include "net/h1_chunk.h"
#include "net/test_heads.h"

struct parsed {
    struct h1_wrong   wrong;
    struct h1_head    head;
    struct http_field fields[FIELDS_MAX];
    char             *copy; /* owned */
};

static struct parsed parse(struct slice in)
{
    struct parsed p = { 0 };
    size_t        scanned = 0, n = h1_head_end(in, BYTES_MAX, &scanned, &p.wrong);

    p.copy = mem_alloc(in.n);
    memcpy(p.copy, in.p, in.n);
    if (p.wrong.status == 0) {
        assert(n == in.n);
        p.wrong = h1_head_parse(p.copy, n, p.fields, FIELDS_MAX, &p.head);
    }
    return p;
}

/* The end is found at the same byte, or the fault is, however the bytes come. */
static void dribble(struct slice in)
{
    size_t          scanned = 0, n = 0;
    struct h1_wrong w = { 0 };

    for (size_t i = 1; i <= in.n && n == 0 && w.status == 0; i++)
        n = h1_head_end(slice_make(in.p, i), BYTES_MAX, &scanned, &w);
    assert(w.status != 0 || n == in.n);
}

#ifdef HAVE_HTTP_PARSER
struct oracle {
    struct buf url;
    int        n_fields;
    struct buf names, values;
};

static int on_url(http_parser *p, const char *at, size_t n)
{
    buf_put(&((struct oracle *)p->data)->url, at, n);
    return 0;
}

static int on_name(http_parser *p, const char *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_byte(&((struct oracle *)p->data)->names, (uint8_t)(at[i] >= 'A' && at[i] <= 'Z' ? at[i] + 32 : at[i]));
    return 0;
}

static int on_value(http_parser *p, const char *at, size_t n)
{
    struct oracle *o = p->data;

    o->n_fields++;
    buf_put(&o->values, at, n);
    return 0;
}

static int on_complete(http_parser *p)
{
    (void)p;
    return 1; /* no body follows here */
}

static void same_as_oracle(struct slice in, const struct parsed *ours)
{
    http_parser_settings set = { .on_url = on_url, .on_header_field = on_name, .on_header_value = on_value,
                                 .on_headers_complete = on_complete };
    struct oracle        o = { 0 };
    http_parser          p = { .data = &o };
    struct buf           names = { 0 }, values = { 0 };
    const struct h1_head *h = &ours->head;

    http_parser_init(&p, HTTP_REQUEST);
    http_parser_execute(&p, &set, in.p, in.n);
    if (HTTP_PARSER_ERRNO(&p) != HPE_OK) {
        fprintf(stderr, "%.*s--> libhttp-parser: %s\n", SLICE_ARGS(in), http_errno_name(HTTP_PARSER_ERRNO(&p)));
        abort();
    }
    assert(slice_is(h->method, http_method_str((enum http_method)p.method)));
    assert(p.http_major == 1 && p.http_minor == h->minor);
    for (size_t i = 0; i < h->n_fields; i++) {
        struct slice v = ours->fields[i].value;
        buf_slice(&names, ours->fields[i].name);
        buf_slice(&values, v);
    }
    assert(slice_eq(buf_view(&names), buf_view(&o.names)));
    if (slice_find(in, SLICE(" \r\n")) == in.n) /* it keeps blanks at the end */
        assert(slice_eq(buf_view(&values), buf_view(&o.values)));
    size_t n = o.url.n;
    assert(n >= h->target.n && memcmp(o.url.p + n - h->target.n, h->target.p, h->target.n) == 0);
    assert(((p.flags & F_CHUNKED) != 0) == h->is_chunked);
    assert(h->content_length < 0 ? !(p.flags & F_CONTENTLENGTH) : p.content_length == (uint64_t)h->content_length);
    assert(h->is_last == !http_should_keep_alive(&p));
    buf_free(&names);
    buf_free(&values);
    buf_free(&o.names);
    buf_free(&o.values);
    buf_free(&o.url);
}
#endif

static void table(void)
{
    int refused = 0;

    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct slice  in = wanted[i].head;
        struct parsed p = parse(in);
        if (p.wrong.status != wanted[i].status) {
            fprintf(stderr, "%.*s--> %d %s, wanted %d\n", SLICE_ARGS(in), p.wrong.status, p.wrong.text,
                    wanted[i].status);
            abort();
        }
        refused += p.wrong.status != 0;
        dribble(in);
#ifdef HAVE_HTTP_PARSER
        if (p.wrong.status == 0)
            same_as_oracle(in, &p);
#endif
        free(p.copy);
    }
    assert(refused >= 60);
}

static void details(void)
{
    struct parsed p =
        parse(SLICE("GET http://b:1/c?d HTTP/1.1\r\nHost: a\r\nX-Y:  v w \r\nexpect: 100-continue\r\n\r\n"));

    assert(p.wrong.status == 0 && slice_is(p.head.authority, "b:1") && slice_is(p.head.target, "/c?d"));
    assert(p.head.n_fields == 3 && slice_is(p.fields[1].name, "x-y") && slice_is(p.fields[1].value, "v w"));
    assert(p.head.expects_continue && !p.head.is_last && p.head.content_length == -1);
    free(p.copy);
}

/* Heads without an end are refused as soon as they are too long, and named after what was too long. */
static void bounds(void)
{
    char            long_line[BYTES_MAX + 2], long_field[BYTES_MAX + 2] = "GET / HTTP/1.1\r\nx: ";
    size_t          scanned = 0;
    struct h1_wrong w;

    memset(long_line, 'a', sizeof long_line);
    memset(long_field + 19, 'a', sizeof long_field - 19);
    assert(h1_head_end(slice_make(long_line, BYTES_MAX), BYTES_MAX, &scanned, &w) == 0 && w.status == 0);
    assert(h1_head_end(slice_make(long_line, sizeof long_line), BYTES_MAX, &scanned, &w) == 0 && w.status == 414);
    scanned = 0;
    assert(h1_head_end(slice_make(long_field, sizeof long_field), BYTES_MAX, &scanned, &w) == 0 && w.status == 431);
}

/* The bytes come in two parts, cut at `cut`. */
static void chunked(const struct chunk_want *w, size_t cut)
{
    struct slice    parts[2] = { slice_make(w->in.p, cut), slice_from(w->in, cut) }, piece;
    struct h1_chunk c = { 0 };
    struct buf      data = { 0 };

    for (int i = 0; i < 2; i++)
        while ((piece = h1_chunk_next(&c, &parts[i])).n > 0)
            buf_slice(&data, piece);
    assert(c.state == (w->data ? H1_CHUNK_END : H1_CHUNK_BAD));
    if (w->data) {
        assert(slice_is(buf_view(&data), w->data) && parts[0].n + parts[1].n == w->rest);
    } else {
        assert(c.wrong != NULL && c.wrong[0]);
    }
    buf_free(&data);
}

static void endless_extensions(void)
{
    struct h1_chunk c = { 0 };
    char            text[100];
    struct slice    in = SLICE("1;");

    h1_chunk_next(&c, &in);
    memset(text, 'a', sizeof text);
    for (int i = 0; i < 1000 && c.state != H1_CHUNK_BAD; i++) {
        in = slice_make(text, sizeof text);
        h1_chunk_next(&c, &in);
    }
    assert(c.state == H1_CHUNK_BAD);
}

int main(void)
{
    table();
    details();
    bounds();
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++)
        for (size_t cut = 0; cut <= chunks[i].in.n; cut++)
            chunked(&chunks[i], cut);
    endless_extensions();
#ifdef HAVE_HTTP_PARSER
    printf("h1_head: ok\n");
#else
    printf("h1_head: ok, but libhttp-parser is missing: nothing was compared with it\n");
#endif
    return 0;
}
