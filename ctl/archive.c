#include "ctl/archive.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/json.h"
#include "wire/json_read.h"
#include "wire/varint.h"

static const char magic[] = "PYRPLAY1";
enum { MAGIC_BYTES = 8, TENANTS_MAX = 10000 };

/* What is left to read of the file or of a record. */
struct cursor {
    const uint8_t *p, *end;
};

static bool take_number(struct cursor *c, uint64_t *out)
{
    const uint8_t *p = varint_read(c->p, c->end, out);

    c->p = p != NULL ? p : c->p;
    return p != NULL;
}

static bool take_bytes(struct cursor *c, struct slice *out)
{
    uint64_t n;

    if (!take_number(c, &n) || n > (size_t)(c->end - c->p))
        return false;
    *out = slice_make(c->p, (size_t)n);
    c->p += n;
    return true;
}

static int64_t unzigzag(uint64_t v) { return (int64_t)(v >> 1 ^ -(v & 1)); }

/* ---- the header ---- */

static struct slice text_of(struct json_string s, struct arena *a)
{
    char *room = arena_alloc(a, s.raw.n + 1);
    return slice_make(room, json_unescape(s, room));
}

static void tenants_read(struct json_reader *r, struct arena *a, struct archive_header *h)
{
    struct json_string s;
    size_t             cap = 0;

    if (!json_read_open(r, '['))
        return;
    while (json_read_item(r) && json_read_string(r, &s) && h->n_tenants < TENANTS_MAX) {
        if (h->n_tenants == cap) {
            struct slice *wider = arena_array(a, cap * 2 + 4, sizeof *wider);
            if (cap > 0)
                memcpy(wider, h->tenants, cap * sizeof *wider);
            h->tenants = wider;
            cap = cap * 2 + 4;
        }
        h->tenants[h->n_tenants++] = text_of(s, a);
    }
}

static bool number_read(struct json_reader *r, long long *out)
{
    struct slice text;
    return json_read_number(r, &text) && slice_to_i64(text, out);
}

static enum code header_read(struct slice text, struct arena *a, struct archive_header *h, struct fault *why)
{
    struct json_reader r = json_reader(text);
    struct json_string key, s;
    long long          version = 0, ms = 0;
    bool               is_good = json_read_open(&r, '{');

    *h = (struct archive_header){ 0 };
    while (is_good && json_read_key(&r, &key)) {
        if (slice_is(key.raw, "version"))
            is_good = number_read(&r, &version);
        else if (slice_is(key.raw, "source_query") && (is_good = json_read_string(&r, &s)))
            h->query = text_of(s, a);
        else if (slice_is(key.raw, "tenants") && json_peek(&r) == '[')
            tenants_read(&r, a, h);
        else if (slice_is(key.raw, "from_unix_milli") && (is_good = number_read(&r, &ms)))
            h->from_ms = ms;
        else if (slice_is(key.raw, "to_unix_milli") && (is_good = number_read(&r, &ms)))
            h->to_ms = ms;
        else if (slice_is(key.raw, "created_at_unix_milli") && (is_good = number_read(&r, &ms)))
            h->created_ms = ms;
        else if (is_good)
            is_good = json_read_skip(&r);
    }
    if (!is_good || !json_read_end(&r))
        return fail(why, CODE_INVALID_ARGUMENT, "the archive's header is not the JSON it should be");
    if (version != 1)
        return fail(why, CODE_INVALID_ARGUMENT, "an archive of version %lld; this program knows version 1", version);
    return CODE_OK;
}

/* ---- records ---- */

static enum code damaged(const struct archive *r, size_t at, const char *what, struct fault *why)
{
    return fail(why, CODE_INVALID_ARGUMENT, "record %zu, at byte %zu: %s", r->n, at, what);
}

static int place_cmp(const void *a, const void *b)
{
    const struct archive_place *x = a, *y = b;

    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static void place_add(struct archive *r, struct archive_place place)
{
    if (r->n == 0 || (r->n & (r->n - 1)) == 0) /* room for a power of two */
        r->places = mem_resize(r->places, (r->n ? r->n * 2 : 1) * sizeof *r->places);
    r->places[r->n++] = place;
}

static enum code places_read(struct archive *r, struct cursor c, struct fault *why)
{
    const uint8_t *begin = (const uint8_t *)r->bytes.p;

    while (c.p < c.end) {
        size_t   at = (size_t)(c.p - begin);
        uint64_t n, time;
        if (!take_number(&c, &n))
            return damaged(r, at, "its length is cut short or no number", why);
        if (n > ARCHIVE_RECORD_MAX)
            return damaged(r, at, "longer than 512 MiB", why);
        if (n > (size_t)(c.end - c.p))
            return damaged(r, at, "cut short", why);
        struct cursor body = { c.p, c.p + n };
        if (!take_number(&body, &time))
            return damaged(r, at, "it has no time", why);
        place_add(r, (struct archive_place){ unzigzag(time), (size_t)(c.p - begin), (size_t)n });
        c.p += n;
    }
    return CODE_OK;
}

enum code archive_open(struct slice bytes, struct arena *a, struct archive *out, struct fault *why)
{
    struct slice header;

    *out = (struct archive){ .bytes = bytes };
    if (bytes.n < MAGIC_BYTES || memcmp(bytes.p, magic, MAGIC_BYTES) != 0)
        return fail(why, CODE_INVALID_ARGUMENT, "not an archive: it does not begin with %s", magic);
    struct cursor c = { (const uint8_t *)bytes.p + MAGIC_BYTES, (const uint8_t *)bytes.p + bytes.n };
    if (!take_bytes(&c, &header) || header.n > ARCHIVE_HEADER_MAX)
        return fail(why, CODE_INVALID_ARGUMENT, "the archive's header is cut short, or larger than 1 MiB");
    enum code code = header_read(header, a, &out->header, why);
    if (code == CODE_OK)
        code = places_read(out, c, why);
    if (code != CODE_OK)
        archive_close(out);
    else if (out->n > 0)
        qsort(out->places, out->n, sizeof *out->places, place_cmp);
    return code;
}

void archive_close(struct archive *r)
{
    free(r->places);
    r->places = NULL;
    r->n = 0;
}

static bool labels_take(struct cursor *c, struct arena *a, struct archive_record *out)
{
    uint64_t      n;
    struct label *at, next;

    if (!take_number(c, &n) || n > ARCHIVE_LABELS_MAX || n > (size_t)(c->end - c->p))
        return false;
    at = arena_array(a, n, sizeof *at);
    for (uint64_t i = 0; i < n; i++) {
        if (!take_bytes(c, &next.name) || !take_bytes(c, &next.value))
            return false;
        if (slice_is(next.name, ARCHIVE_TENANT))
            out->tenant = next.value;
        else
            at[out->labels.n++] = next;
    }
    out->labels.at = at;
    return true;
}

enum code archive_read(const struct archive *r, size_t i, struct arena *a, struct archive_record *out,
                       struct fault *why)
{
    const struct archive_place *place = &r->places[i];
    struct cursor               c = { (const uint8_t *)r->bytes.p + place->at, NULL };
    uint64_t                    time;

    c.end = c.p + place->n;
    *out = (struct archive_record){ .time_ns = place->time_ns };
    if (take_number(&c, &time) && labels_take(&c, a, out) && take_bytes(&c, &out->pprof) && c.p == c.end)
        return CODE_OK;
    return fail(why, CODE_INVALID_ARGUMENT, "the record at byte %zu is damaged", place->at);
}

/* ---- writing ---- */

static void put_number(struct buf *out, uint64_t v)
{
    out->n += varint_write((uint8_t *)buf_reserve(out, VARINT_MAX_BYTES), v);
}

static void put_bytes(struct buf *out, struct slice s)
{
    put_number(out, s.n);
    buf_slice(out, s);
}

void archive_put_header(struct buf *out, const struct archive_header *h)
{
    struct buf         text = { 0 };
    struct json_writer w = { .out = &text };

    json_open(&w, '{');
    json_key(&w, SLICE("version")), json_int(&w, 1);
    json_key(&w, SLICE("source_query")), json_text(&w, h->query);
    json_key(&w, SLICE("tenants")), json_open(&w, '[');
    for (size_t i = 0; i < h->n_tenants; i++)
        json_text(&w, h->tenants[i]);
    json_close(&w, ']');
    json_key(&w, SLICE("from_unix_milli")), json_int(&w, h->from_ms);
    json_key(&w, SLICE("to_unix_milli")), json_int(&w, h->to_ms);
    json_key(&w, SLICE("created_at_unix_milli")), json_int(&w, h->created_ms);
    json_close(&w, '}');
    buf_text(out, magic);
    put_bytes(out, buf_view(&text));
    buf_free(&text);
}

void archive_put_record(struct buf *out, const struct archive_record *r)
{
    struct buf body = { 0 };
    bool       has_tenant = r->tenant.n > 0;

    put_number(&body, (uint64_t)r->time_ns << 1 ^ (uint64_t)(r->time_ns >> 63));
    put_number(&body, r->labels.n + has_tenant);
    for (size_t i = 0; i < r->labels.n; i++) {
        put_bytes(&body, r->labels.at[i].name);
        put_bytes(&body, r->labels.at[i].value);
    }
    if (has_tenant) {
        put_bytes(&body, SLICE(ARCHIVE_TENANT));
        put_bytes(&body, r->tenant);
    }
    put_bytes(&body, r->pprof);
    put_bytes(out, buf_view(&body));
    buf_free(&body);
}
