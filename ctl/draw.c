#include "base/hash.h"
#include "ctl/draw.h"

/* Warm backgrounds of the 256-colour palette on which black text can be read. */
static const uint8_t warm[] = { 208, 209, 214, 215, 216, 220, 221, 222, 178, 179, 180, 173, 210, 203, 227, 186 };

enum { N_WARM = sizeof warm / sizeof *warm };

struct pen {
    const struct graph        *g;
    const struct draw_options *o;
    struct buf                *out;
    size_t                     at;     /* columns of this line already written */
    unsigned                   colour; /* of the box to the left */
    size_t                     n_narrow, n_small;
};

/* The column where x of the graph falls. */
static size_t pen_column(const struct pen *p, int64_t x)
{
    size_t room = (size_t)p->o->columns - (p->o->has_colour ? 0 : 1); /* without colour a bar ends the line */

    return p->g->total > 0 ? (size_t)((double)x / (double)p->g->total * (double)room + 0.5) : x > 0 ? room : 0;
}

/* What stands in the box: its name and share, or less when there is less room. */
static void box_label(const struct pen *p, const struct box *b, size_t columns, struct buf *label)
{
    struct slice name = b->level == 0 ? SLICE("total") : p->g->names[b->name];
    struct buf   share = { 0 };

    buf_byte(&share, ' ');
    if (b->level == 0)
        text_value(&share, b->total, p->o->unit);
    else
        text_percent(&share, b->total, p->g->total);
    size_t used = text_fit(label, name.n ? name : SLICE("(no name)"), columns);
    if (used + share.n <= columns) {
        buf_slice(label, buf_view(&share));
        used += share.n;
    }
    text_pad(label, columns - used);
    buf_free(&share);
}

static void box_paint(struct pen *p, const struct box *b, size_t from, size_t to)
{
    unsigned colour = (unsigned)(hash_slice(p->g->names[b->name]) % N_WARM);

    if (colour == p->colour && p->at == from)
        colour = (colour + 1) % N_WARM;
    text_pad(p->out, from - p->at);
    buf_printf(p->out, "\033[38;5;16;48;5;%dm", b->level == 0 ? 250 : warm[colour]);
    box_label(p, b, to - from, p->out);
    buf_text(p->out, "\033[0m");
    p->colour = colour;
    p->at = to;
}

/* The bar at `from` may already stand there, as the end of the box to the left. */
static void box_print(struct pen *p, const struct box *b, size_t from, size_t to)
{
    if (p->at <= from) {
        text_pad(p->out, from - p->at);
        buf_byte(p->out, '|');
    }
    box_label(p, b, to - from - 1, p->out);
    buf_byte(p->out, '|');
    p->at = to + 1;
}

static void box_draw(struct pen *p, const struct box *b)
{
    size_t from = pen_column(p, b->x), to = pen_column(p, b->x + b->total);

    if (b->level > 0 && 100 * (double)b->total < p->o->percent_min * (double)p->g->total)
        p->n_small++;
    else if (to < from + (p->o->has_colour ? 1 : 2))
        p->n_narrow++;
    else if (p->o->has_colour)
        box_paint(p, b, from, to);
    else
        box_print(p, b, from, to);
}

/* What the picture means and what it leaves out. */
static void legend_draw(const struct pen *p, size_t n_deep)
{
    struct buf *out = p->out;

    buf_text(out, "one column = ");
    text_value(out, p->g->total / p->o->columns, p->o->unit);
    buf_text(out, "; percent of ");
    text_value(out, p->g->total, p->o->unit);
    if (p->n_narrow)
        buf_printf(out, "; %zu boxes narrower than a column not drawn", p->n_narrow);
    if (p->n_small)
        buf_printf(out, "; %zu below %.4g%% left out", p->n_small, p->o->percent_min);
    if (n_deep)
        buf_printf(out, "; %zu deeper than %u levels left out", n_deep, p->o->depth_max);
    buf_byte(out, '\n');
}

void graph_draw(const struct graph *g, const struct draw_options *o, struct buf *out)
{
    struct pen p = { .g = g, .o = o, .out = out, .colour = N_WARM };
    size_t     i = 0;

    while (i < g->n && (o->depth_max == 0 || g->boxes[i].level <= o->depth_max)) {
        uint32_t level = g->boxes[i].level;
        size_t   begin = out->n;
        p.at = 0;
        p.colour = N_WARM;
        for (; i < g->n && g->boxes[i].level == level; i++)
            box_draw(&p, &g->boxes[i]);
        if (out->n > begin)
            buf_byte(out, '\n');
    }
    legend_draw(&p, g->n - i);
}
