#include "model/location.h"

#include <stdio.h>

#include "wire/varint.h"

enum { FILE_SHOWN_MAX = LOCATION_NAME_ROOM - 24 };

static void put(struct buf *out, uint64_t v)
{
    out->n += varint_write((uint8_t *)buf_reserve(out, VARINT_MAX_BYTES), v);
}

static void put_text(struct buf *out, struct slice s)
{
    put(out, s.n);
    buf_slice(out, s);
}

static void put_mapping(struct buf *out, const struct location_mapping *m)
{
    put(out, m->start);
    put(out, m->limit);
    put(out, m->offset);
    put(out, m->flags);
    put_text(out, m->file);
    put_text(out, m->build_id);
}

static void put_function(struct buf *out, const struct location_function *f)
{
    put(out, (uint64_t)f->start_line);
    put_text(out, f->name);
    put_text(out, f->system_name);
    put_text(out, f->file);
}

void location_encode(const struct location *l, struct buf *out)
{
    put(out, l->address);
    put(out, l->is_folded);
    put_mapping(out, &l->mapping);
    put(out, l->n_lines);
    for (uint32_t i = 0; i < l->n_lines; i++) {
        put(out, (uint64_t)l->lines[i].line);
        put_function(out, &l->lines[i].function);
    }
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
