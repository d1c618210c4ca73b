#include <assert.h>
#include <string.h>

#include "ctl/table.h"
#include "ctl/text.h"

enum { GAP = 2, LAST_MIN = 8 };

struct table {
    struct arena              *a;
    const struct table_column *columns;
    size_t                     n_columns;
    struct slice              *cells;
    size_t                     n, cap;
    size_t                    *width; /* [n_columns] */
};

struct table *table_new(struct arena *a, const struct table_column *columns, size_t n)
{
    struct table *t = arena_zalloc(a, sizeof *t);

    *t = (struct table){ .a = a, .columns = columns, .n_columns = n, .width = arena_array(a, n, sizeof *t->width) };
    for (size_t i = 0; i < n; i++)
        t->width[i] = text_columns(slice_of(columns[i].title));
    return t;
}

void table_cell(struct table *t, struct slice text)
{
    if (t->n == t->cap) {
        size_t        cap = t->cap ? t->cap * 2 : 64;
        struct slice *wider = arena_array(t->a, cap, sizeof *wider);
        if (t->n)
            memcpy(wider, t->cells, t->n * sizeof *wider);
        t->cells = wider;
        t->cap = cap;
    }
    size_t at = t->n % t->n_columns;
    size_t width = text_columns(text);
    if (t->width[at] < width)
        t->width[at] = width;
    t->cells[t->n++] = arena_copy(t->a, text);
}

/* The text becomes a cell. */
static void cell_take(struct table *t, struct buf *text)
{
    table_cell(t, buf_view(text));
    buf_free(text);
}

void table_value(struct table *t, int64_t value, enum text_unit unit)
{
    struct buf text = { 0 };

    text_value(&text, value, unit);
    cell_take(t, &text);
}

void table_change(struct table *t, int64_t before, int64_t after, enum text_unit unit)
{
    struct buf text = { 0 };

    assert(before >= 0 && after >= 0);
    if (before != after)
        buf_byte(&text, after > before ? '+' : '-');
    text_value(&text, after > before ? after - before : before - after, unit);
    cell_take(t, &text);
}

void table_percent(struct table *t, int64_t part, int64_t whole)
{
    struct buf text = { 0 };

    text_percent(&text, part, whole);
    cell_take(t, &text);
}

static void row_write(const struct table *t, const struct slice *cells, size_t columns_max, struct buf *out)
{
    size_t used = 0, begin = out->n;

    for (size_t i = 0; i < t->n_columns; i++) {
        bool   is_last = i + 1 == t->n_columns;
        size_t room = t->width[i];
        if (is_last && columns_max > 0) {
            size_t left = columns_max > used ? columns_max - used : 0;
            if (left < LAST_MIN)
                left = LAST_MIN;
            room = room < left ? room : left;
        }
        size_t takes = text_columns(cells[i]);
        size_t pad = takes < room ? room - takes : 0;
        if (t->columns[i].is_number)
            text_pad(out, pad);
        text_fit(out, cells[i], room);
        if (!is_last)
            text_pad(out, GAP + (t->columns[i].is_number ? 0 : pad));
        used += t->width[i] + GAP;
    }
    while (out->n > begin && out->p[out->n - 1] == ' ')
        out->n--;
    buf_byte(out, '\n');
}

void table_write(const struct table *t, size_t columns_max, struct buf *out)
{
    struct slice *titles = arena_array(t->a, t->n_columns, sizeof *titles);

    assert(t->n % t->n_columns == 0);
    for (size_t i = 0; i < t->n_columns; i++)
        titles[i] = slice_of(t->columns[i].title);
    row_write(t, titles, columns_max, out);
    for (size_t at = 0; at < t->n; at += t->n_columns)
        row_write(t, t->cells + at, columns_max, out);
}
