#include <wchar.h>

#include "ctl/text.h"

/* One character of UTF-8 and its length; -1 and 1 for a byte that belongs to none. */
static int32_t text_decode(struct slice s, size_t *n)
{
    static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    const uint8_t       *p = (const uint8_t *)s.p;
    size_t               length = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;

    *n = 1;
    if (length <= 1)
        return length == 1 ? p[0] : -1;
    if (length > s.n)
        return -1;
    int32_t point = p[0] & (0x7F >> length);
    for (size_t i = 1; i < length; i++) {
        if (p[i] >> 6 != 2)
            return -1;
        point = point << 6 | (p[i] & 0x3F);
    }
    if (point < least[length] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))
        return -1;
    *n = length;
    return point;
}

/* The columns of one character; -1: must not reach a terminal. */
static int text_width(int32_t point)
{
    if (point < 0x20 || point == 0x7F)
        return -1;
    return point < 0x7F ? 1 : wcwidth((wchar_t)point);
}

size_t text_columns(struct slice s)
{
    size_t columns = 0, n;

    for (; s.n > 0; s = slice_from(s, n)) {
        int width = text_width(text_decode(s, &n));
        columns += width < 0 ? 1 : (size_t)width;
    }
    return columns;
}

size_t text_fit(struct buf *out, struct slice s, size_t columns)
{
    size_t all = text_columns(s);
    size_t room = all <= columns ? columns : columns ? columns - 1 : 0; /* the last column is for the mark */
    size_t used = 0, n;

    for (; s.n > 0; s = slice_from(s, n)) {
        int    width = text_width(text_decode(s, &n));
        size_t takes = width < 0 ? 1 : (size_t)width;
        if (used + takes > room)
            break;
        if (width < 0)
            buf_byte(out, '?');
        else
            buf_put(out, s.p, n);
        used += takes;
    }
    if (s.n > 0 && columns > 0) {
        buf_byte(out, '~');
        used++;
    }
    return used;
}

void text_pad(struct buf *out, size_t columns)
{
    if (columns == 0)
        return;
    memset(buf_reserve(out, columns), ' ', columns);
    out->n += columns;
}

enum text_unit text_unit_of(struct slice unit)
{
    if (slice_is(unit, "nanoseconds"))
        return TEXT_NANOSECONDS;
    return slice_is(unit, "bytes") ? TEXT_BYTES : TEXT_PLAIN;
}

struct step {
    double      size;
    const char *name;
};

static const struct step steps[][6] = {
    [TEXT_PLAIN] = { { 1e12, "T" }, { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" }, { 1, "" } },
    [TEXT_NANOSECONDS] = { { 3600e9, "h" }, { 60e9, "min" }, { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" }, { 1, "ns" } },
    [TEXT_BYTES] = { { 1ull << 40, "TiB" }, { 1 << 30, "GiB" }, { 1 << 20, "MiB" }, { 1 << 10, "KiB" }, { 1, "B" } },
};

void text_value(struct buf *out, int64_t value, enum text_unit unit)
{
    const struct step *s = steps[unit];

    while (s->size > 1 && (double)value < s->size)
        s++;
    double v = (double)value / s->size;
    buf_printf(out, "%.*f%s", s->size <= 1 || v >= 100 ? 0 : v >= 10 ? 1 : 2, v, s->name);
}

void text_percent(struct buf *out, int64_t part, int64_t whole)
{
    buf_printf(out, "%.1f%%", whole > 0 ? 100 * (double)part / (double)whole : 0);
}

void text_json(struct buf *out, struct slice s)
{
    size_t n;

    buf_byte(out, '"');
    for (; s.n > 0; s = slice_from(s, n)) {
        int32_t point = text_decode(s, &n);
        if (point < 0)
            buf_text(out, "\\ufffd");
        else if (point < 0x20)
            buf_printf(out, "\\u%04x", (unsigned)point);
        else {
            if (point == '"' || point == '\\')
                buf_byte(out, '\\');
            buf_put(out, s.p, n);
        }
    }
    buf_byte(out, '"');
}
