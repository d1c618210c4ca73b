#include "loadtest/ask.h"

#include <stdio.h>

#include "wire/pb.h"

static void put_number(struct buf *out, uint32_t field, int64_t v) { pb_put_varint(out, field, (uint64_t)v); }

static void put_text(struct buf *out, uint32_t field, struct slice s)
{
    if (s.n > 0)
        pb_put_bytes(out, field, s);
}

static void put_double(struct buf *out, uint32_t field, double v)
{
    buf_byte(out, (uint8_t)(field << 3 | PB_FIXED64));
    buf_put(out, &v, sizeof v);
}

/* Selects: type 1, selector 2, from 3, to 4. */
static void put_select(const struct ask *a, struct buf *out)
{
    put_text(out, 1, a->type_id);
    put_text(out, 2, a->selector);
    put_number(out, 3, a->from_ms);
    put_number(out, 4, a->to_ms);
}

static void put_diff(const struct ask *a, struct buf *out)
{
    struct ask half = *a;

    for (uint32_t side = 1; side <= 2; side++) {
        half.from_ms = side == 1 ? a->from_ms : a->from_ms + (a->to_ms - a->from_ms) / 2;
        half.to_ms = side == 1 ? a->from_ms + (a->to_ms - a->from_ms) / 2 : a->to_ms;
        size_t at = pb_open(out, side);
        put_select(&half, out);
        pb_close(out, at);
    }
}

static void put_message(const struct ask *a, struct buf *out)
{
    struct slice method = slice_of(a->method);

    if (slice_is(method, "LabelValues")) {
        put_text(out, 1, a->label);
        put_text(out, 2, a->selector);
        put_number(out, 3, a->from_ms);
        put_number(out, 4, a->to_ms);
    } else if (slice_is(method, "LabelNames")) {
        put_text(out, 1, a->selector);
        put_number(out, 2, a->from_ms);
        put_number(out, 3, a->to_ms);
    } else if (slice_is(method, "Series")) {
        put_text(out, 1, a->selector);
        for (size_t i = 0; i < a->n_labels; i++)
            put_text(out, 2, a->labels[i]);
        put_number(out, 3, a->from_ms);
        put_number(out, 4, a->to_ms);
    } else if (slice_is(method, "ProfileTypes")) {
        put_number(out, 1, a->from_ms);
        put_number(out, 2, a->to_ms);
    } else if (slice_is(method, "Diff")) {
        put_diff(a, out);
    } else {
        put_select(a, out);
        put_text(out, 5, slice_is(method, "SelectSeries") ? a->label : (struct slice){ 0 });
        if (a->max_nodes > 0)
            put_number(out, 5, a->max_nodes);
        if (a->step_ms > 0)
            put_double(out, 6, (double)a->step_ms / 1000);
    }
}

struct shot *ask_shot(struct target *t, const struct ask *a)
{
    char path[128];

    snprintf(path, sizeof path, "/querier.v1.QuerierService/%s", a->method);
    struct shot *s = shot_new(t, SHOT_CONNECT, slice_of(path), a->tenant);
    put_message(a, &s->body);
    return s;
}

enum code ask_now(struct target *t, const struct ask *a, struct buf *answer, struct fault *why)
{
    return target_ask(t, ask_shot(t, a), answer, why);
}
