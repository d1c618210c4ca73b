/* Options as text for people: --help, and the YAML of /config. */
#include <string.h>

#include "server/option.h"

static bool is_plain(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'z') &&
            !(s.p[i] >= 'A' && s.p[i] <= 'Z') && strchr("._/-", s.p[i]) == NULL)
            return false;
    return s.n > 0;
}

/* The code point at the front of *s, which is cut off; a byte that is no UTF-8 stands for itself. */
static uint32_t cut_rune(struct slice *s)
{
    const unsigned char *p = (const unsigned char *)s->p;
    size_t               n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 1;
    uint32_t             rune = n == 1 ? p[0] : p[0] & (0x7fu >> n);

    if (n > s->n)
        n = 1, rune = p[0];
    for (size_t i = 1; i < n; i++)
        rune = rune << 6 | (p[i] & 0x3f);
    *s = slice_from(*s, n);
    return rune;
}

static void put_scalar(struct buf *out, struct slice s)
{
    if (is_plain(s)) {
        buf_slice(out, s);
        return;
    }
    buf_byte(out, '"');
    while (s.n > 0) {
        uint32_t c = cut_rune(&s);
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", (char)c);
        else if (c < ' ' || c >= 0x7f)
            buf_printf(out, "\\U%08X", c);
        else
            buf_byte(out, (uint8_t)c);
    }
    buf_byte(out, '"');
}

static struct slice section_of(struct slice name)
{
    size_t dot = slice_find(name, SLICE("."));
    return slice_make(name.p, dot == name.n ? 0 : dot);
}

static void print_line(const struct option *o, struct slice *section, const void *target, struct buf *out)
{
    struct slice name = slice_of(o->name), own = section_of(name);
    struct buf   value = { 0 };

    if (!slice_eq(own, *section) && own.n > 0)
        buf_printf(out, "%.*s:\n", SLICE_ARGS(own));
    *section = own;
    struct slice key = own.n > 0 ? slice_from(name, own.n + 1) : name;
    buf_printf(out, "%s%.*s: ", own.n > 0 ? "  " : "", SLICE_ARGS(key));
    option_print(o, target, &value);
    put_scalar(out, buf_view(&value));
    buf_byte(out, '\n');
    buf_free(&value);
}

static bool is_equal(const struct option *o, const void *a, const void *b)
{
    struct buf x = { 0 }, y = { 0 };

    option_print(o, a, &x);
    option_print(o, b, &y);
    bool equal = slice_eq(buf_view(&x), buf_view(&y));
    buf_free(&x);
    buf_free(&y);
    return equal;
}

/* Rows of one section stand together in the table, so each heading is printed once. */
void option_print_all(struct option_table t, const void *target, const void *unless, struct buf *out)
{
    struct slice section = { 0 };

    for (size_t i = 0; i < t.n; i++) {
        if (t.rows[i].flags & (OPTION_COMMAND | OPTION_HIDDEN))
            continue;
        if (unless == NULL || !is_equal(&t.rows[i], target, unless))
            print_line(&t.rows[i], &section, target, out);
    }
    if (out->n == 0)
        buf_text(out, "{}\n");
}

void option_print_help(struct option_table t, struct buf *out)
{
    for (size_t i = 0; i < t.n; i++) {
        const struct option *o = &t.rows[i];
        if (o->flags & OPTION_HIDDEN)
            continue;
        size_t from = out->n;
        buf_printf(out, "  --%s", o->name);
        if (o->kind != OPTION_BOOL || strcmp(o->fallback, "true") == 0)
            buf_printf(out, "=%s", o->fallback[0] ? o->fallback : "...");
        if (out->n - from > 42)
            buf_printf(out, "\n%*s", 44, "");
        else
            buf_printf(out, "%*s", (int)(44 - (out->n - from)), "");
        buf_printf(out, "%s\n", o->help);
    }
}
