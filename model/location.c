#include "model/location.h"

#include <stdio.h>

#include "wire/varint.h"

enum { FILE_SHOWN_MAX = LOCATION_NAME_ROOM - 24 };

static uint8_t *put(uint8_t *to, uint64_t v) { return to + varint_write(to, v); }

static uint8_t *put_bytes(uint8_t *to, struct slice s)
{
    if (s.n > 0)
        memcpy(to, s.p, s.n);
    return to + s.n;
}

static uint8_t *put_text(uint8_t *to, struct slice s) { return put_bytes(put(to, s.n), s); }

static uint8_t *room_for(struct buf *out, size_t bytes) { return (uint8_t *)buf_reserve(out, bytes); }

static void grown_to(struct buf *out, const uint8_t *end) { out->n = (size_t)((const char *)end - out->p); }

void location_encode_mapping(const struct location_mapping *m, struct buf *out)
{
    uint8_t *to = room_for(out, 6 * VARINT_MAX_BYTES + m->file.n + m->build_id.n);

    to = put(put(put(put(to, m->start), m->limit), m->offset), m->flags);
    grown_to(out, put_text(put_text(to, m->file), m->build_id));
}

void location_encode_function(const struct location_function *f, struct buf *out)
{
    uint8_t *to = room_for(out, 4 * VARINT_MAX_BYTES + f->name.n + f->system_name.n + f->file.n);

    to = put_text(put_text(put(to, (uint64_t)f->start_line), f->name), f->system_name);
    grown_to(out, put_text(to, f->file));
}

static void put_line(const struct location_line *l, struct buf *out)
{
    uint8_t *to = put(room_for(out, VARINT_MAX_BYTES + l->function_bytes.n), (uint64_t)l->line);

    grown_to(out, put_bytes(to, l->function_bytes));
    if (l->function_bytes.n == 0)
        location_encode_function(&l->function, out);
}

void location_encode(const struct location *l, struct buf *out)
{
    uint8_t *to = put(put(room_for(out, 2 * VARINT_MAX_BYTES + l->mapping_bytes.n), l->address), l->is_folded);

    grown_to(out, put_bytes(to, l->mapping_bytes));
    if (l->mapping_bytes.n == 0)
        location_encode_mapping(&l->mapping, out);
    grown_to(out, put(room_for(out, VARINT_MAX_BYTES), l->n_lines));
    for (uint32_t i = 0; i < l->n_lines; i++)
        put_line(&l->lines[i], out);
}

struct cursor {
    const uint8_t *at, *end; /* at == NULL: the string was malformed */
};

static uint64_t take(struct cursor *c, uint64_t max)
{
    uint64_t v = 0;

    if (c->at != NULL)
        c->at = varint_read(c->at, c->end, &v);
    if (v > max)
        c->at = NULL;
    return c->at != NULL ? v : 0;
}

static struct slice take_text(struct cursor *c)
{
    uint64_t n = take(c, UINT64_MAX);

    if (c->at == NULL || n > (uint64_t)(c->end - c->at)) {
        c->at = NULL;
        return (struct slice){ 0 };
    }
    c->at += n;
    return slice_make(c->at - n, n);
}

static struct slice bytes_since(const uint8_t *from, const struct cursor *c)
{
    return c->at != NULL ? slice_make(from, (size_t)(c->at - from)) : (struct slice){ 0 };
}

static void take_mapping(struct cursor *c, struct location *l)
{
    const uint8_t *from = c->at;

    l->mapping.start = take(c, UINT64_MAX);
    l->mapping.limit = take(c, UINT64_MAX);
    l->mapping.offset = take(c, UINT64_MAX);
    l->mapping.flags = (uint32_t)take(c, UINT32_MAX);
    l->mapping.file = take_text(c);
    l->mapping.build_id = take_text(c);
    l->mapping_bytes = bytes_since(from, c);
}

static void take_line(struct cursor *c, struct location_line *l)
{
    l->line = (int64_t)take(c, UINT64_MAX);
    const uint8_t *from = c->at;
    l->function.start_line = (int64_t)take(c, UINT64_MAX);
    l->function.name = take_text(c);
    l->function.system_name = take_text(c);
    l->function.file = take_text(c);
    l->function_bytes = bytes_since(from, c);
}

bool location_decode(struct slice bytes, struct arena *a, struct location *out)
{
    struct cursor c = { (const uint8_t *)bytes.p, (const uint8_t *)bytes.p + bytes.n };

    if (bytes.n == 0)
        return false;
    *out = (struct location){ .address = take(&c, UINT64_MAX) };
    out->is_folded = take(&c, 1);
    take_mapping(&c, out);
    uint64_t n = take(&c, UINT32_MAX);
    if (c.at == NULL || n > (uint64_t)(c.end - c.at) / 5) /* a line takes five bytes */
        return false;
    out->n_lines = (uint32_t)n;
    out->lines = arena_array(a, n, sizeof *out->lines);
    for (uint32_t i = 0; i < out->n_lines; i++)
        take_line(&c, &out->lines[i]);
    return c.at == c.end;
}

struct slice location_bare_name(struct slice file, uint64_t address, char room[LOCATION_NAME_ROOM])
{
    for (size_t i = file.n; i > 0; i--)
        if (file.p[i - 1] == '/') {
            file = slice_from(file, i);
            break;
        }
    if (file.n == 0)
        file = SLICE("unknown");
    if (file.n > FILE_SHOWN_MAX)
        file.n = FILE_SHOWN_MAX;
    memcpy(room, file.p, file.n);
    int n = snprintf(room + file.n, LOCATION_NAME_ROOM - file.n, "!0x%llx", (unsigned long long)address);
    return slice_make(room, file.n + (size_t)n);
}
