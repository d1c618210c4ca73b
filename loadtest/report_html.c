/* The report as a page: the text, and what happened over time in plots.  No scripts, nothing from elsewhere. */
#include "loadtest/report.h"

enum { WIDE = 860, HIGH = 180, LEFT = 70, TOP = 10, LINES_MAX = 3, TICKS = 4, POINTS_MAX = 1500 };

typedef double value_fn(const struct stats *s, size_t second);

struct line {
    const char *name, *colour;
    value_fn   *value;
};

static double p50_ms(const struct stats *s, size_t i) { return (double)s->seconds[i].p50_ns / 1e6; }
static double p99_ms(const struct stats *s, size_t i) { return (double)s->seconds[i].p99_ns / 1e6; }
static double max_ms(const struct stats *s, size_t i) { return (double)s->seconds[i].max_ns / 1e6; }
static double acked(const struct stats *s, size_t i) { return s->seconds[i].acked; }
static double failed(const struct stats *s, size_t i) { return s->seconds[i].refused + s->seconds[i].unknown; }
static double queries(const struct stats *s, size_t i) { return s->seconds[i].reads; }

/* The last that is known: a second may pass unwatched. */
static double rss_mb(const struct stats *s, size_t i)
{
    while (i > 0 && s->seconds[i].rss_bytes == 0)
        i--;
    return (double)s->seconds[i].rss_bytes / 1e6;
}

static double cores(const struct stats *s, size_t i)
{
    double used = i > 0 ? s->seconds[i].cpu_s - s->seconds[i - 1].cpu_s : 0;
    return used > 0 && s->seconds[i - 1].cpu_s > 0 ? used : 0;
}

static const struct plot {
    const char *title;
    struct line lines[LINES_MAX];
} plots[] = {
    { "Acks from their intended start, ms",
      { { "p50", "#2a7", p50_ms }, { "p99", "#27c", p99_ms }, { "max", "#c52", max_ms } } },
    { "Answers a second",
      { { "acked", "#2a7", acked }, { "not acked", "#c52", failed }, { "queries", "#27c", queries } } },
    { "Server memory, MB", { { "resident", "#27c", rss_mb } } },
    { "Server CPU, cores", { { "used", "#c52", cores } } },
};

static void put_escaped(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        switch (s.p[i]) {
        case '<':
            buf_text(out, "&lt;");
            break;
        case '&':
            buf_text(out, "&amp;");
            break;
        default:
            buf_byte(out, (uint8_t)s.p[i]);
        }
}

static double plot_top(const struct plot *p, const struct stats *s)
{
    double top = 0;

    for (const struct line *l = p->lines; l < p->lines + LINES_MAX && l->value != NULL; l++)
        for (size_t i = 0; i < s->n_seconds; i++)
            top = l->value(s, i) > top ? l->value(s, i) : top;
    return top > 0 ? top * 1.05 : 1;
}

/* Of a long load every k-th point is the greatest of k seconds. */
static void line_draw(const struct line *l, const struct stats *s, double top, struct buf *out)
{
    size_t step = (s->n_seconds + POINTS_MAX - 1) / POINTS_MAX, last = s->n_seconds > 1 ? s->n_seconds - 1 : 1;

    buf_printf(out, "<polyline fill=\"none\" stroke=\"%s\" points=\"", l->colour);
    for (size_t i = 0; i < s->n_seconds; i += step) {
        double value = 0;
        for (size_t j = i; j < i + step && j < s->n_seconds; j++)
            value = l->value(s, j) > value ? l->value(s, j) : value;
        buf_printf(out, "%.1f,%.1f ", LEFT + (double)i / (double)last * (WIDE - LEFT), TOP + HIGH - value / top * HIGH);
    }
    buf_text(out, "\"/>\n");
}

static void plot_draw(const struct plot *p, const struct stats *s, struct buf *out)
{
    double top = plot_top(p, s);

    buf_printf(out, "<h2>%s</h2>\n<svg viewBox=\"0 0 %d %d\" width=\"%d\">\n", p->title, WIDE + 10, HIGH + TOP + 45,
               WIDE);
    for (int i = 0; i <= TICKS; i++) {
        double y = TOP + HIGH - (double)i / TICKS * HIGH;
        buf_printf(
            out, "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n",
            LEFT, y, WIDE, LEFT - 6, y + 4, top * i / TICKS);
        double x = LEFT + (double)i / TICKS * (WIDE - LEFT);
        buf_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.0f s</text>\n", x, TOP + HIGH + 16,
                   (double)(s->n_seconds > 0 ? s->n_seconds - 1 : 0) * i / TICKS);
    }
    int x = LEFT;
    for (const struct line *l = p->lines; l < p->lines + LINES_MAX && l->value != NULL; l++, x += 110) {
        line_draw(l, s, top, out);
        buf_printf(out, "<text x=\"%d\" y=\"%d\" fill=\"%s\">%s</text>\n", x, TOP + HIGH + 36, l->colour, l->name);
    }
    buf_text(out, "</svg>\n");
}

void report_html(const struct trial *t, enum result result, struct slice why, struct buf *out)
{
    struct buf text = { 0 }, settings = { 0 };

    report_text(t, result, why, &text);
    settings_print(t->settings, &settings);
    buf_printf(out,
               "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>hearth-load</title>\n"
               "<style>body{font:15px sans-serif;max-width:%dpx;margin:2em auto}pre{background:#f4f4f4;padding:1em;"
               "overflow:auto;white-space:pre-wrap}svg text{font:12px "
               "sans-serif}h2{font-size:16px}.r{color:%s}</style></head><body>\n",
               WIDE + 20, result == RESULT_FINE ? "#2a7" : "#c22");
    buf_printf(out, "<h1>hearth-load</h1>\n<p class=\"r\">%s</p>\n<pre>", result_text(result));
    put_escaped(out, buf_view(&text));
    buf_text(out, "</pre>\n");
    for (size_t i = 0; i < sizeof plots / sizeof *plots; i++)
        plot_draw(&plots[i], &t->stats, out);
    buf_text(out, "<h2>Settings</h2>\n<pre>");
    put_escaped(out, buf_view(&settings));
    buf_text(out, "</pre>\n</body></html>\n");
    buf_free(&text);
    buf_free(&settings);
}
