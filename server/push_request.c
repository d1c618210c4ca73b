#include "server/push_request.h"

#include <assert.h>

#include "wire/pb.h"
#include "wire/utf8.h"

enum { SERIES = 1 };              /* of PushRequest */
enum { LABELS = 1, SAMPLES = 2 }; /* of RawProfileSeries */
enum { NAME = 1, VALUE = 2 };     /* of LabelPair */
enum { RAW_PROFILE = 1, ID = 2 }; /* of RawSample */

#define REFUSE(why, ...) fail(why, CODE_INVALID_ARGUMENT, __VA_ARGS__)

/* ---- measuring ---- */

static enum code check_bytes(const struct pb_field *f, const char *name, struct fault *why)
{
    return f->wire == PB_BYTES ? CODE_OK : REFUSE(why, "%s: wire type %d, not %d", name, f->wire, PB_BYTES);
}

static enum code check_text(const struct pb_field *f, const char *name, struct fault *why)
{
    struct slice text = pb_bytes(f);
    enum code    code = check_bytes(f, name, why);

    if (code == CODE_OK && !utf8_is_valid(text))
        return REFUSE(why, "%s: not valid UTF-8", name);
    if (code == CODE_OK && text.n > 0 && memchr(text.p, 0, text.n) != NULL)
        return REFUSE(why, "%s: a string with a NUL in it", name);
    return code;
}

static enum code check_end(const struct pb_cursor *c, const char *message, struct fault *why)
{
    return c->is_bad ? REFUSE(why, "%s: not a protobuf message", message) : CODE_OK;
}

static enum code check_label(struct slice label, struct fault *why)
{
    struct pb_cursor c = pb_cursor(label);
    struct pb_field  f;
    enum code        code = CODE_OK;

    while (code == CODE_OK && pb_next(&c, &f))
        if (f.number == NAME)
            code = check_text(&f, "types.v1.LabelPair.name", why);
        else if (f.number == VALUE)
            code = check_text(&f, "types.v1.LabelPair.value", why);
    return code == CODE_OK ? check_end(&c, "types.v1.LabelPair", why) : code;
}

static enum code check_sample(struct slice sample, struct fault *why)
{
    struct pb_cursor c = pb_cursor(sample);
    struct pb_field  f;
    enum code        code = CODE_OK;

    while (code == CODE_OK && pb_next(&c, &f))
        if (f.number == RAW_PROFILE)
            code = check_bytes(&f, "push.v1.RawSample.raw_profile", why);
        else if (f.number == ID)
            code = check_text(&f, "push.v1.RawSample.ID", why);
    return code == CODE_OK ? check_end(&c, "push.v1.RawSample", why) : code;
}

static enum code measure_series(struct slice series, struct push_size *size, struct fault *why)
{
    struct pb_cursor c = pb_cursor(series);
    struct pb_field  f;
    enum code        code = CODE_OK;

    while (code == CODE_OK && pb_next(&c, &f))
        if (f.number == LABELS) {
            size->labels++;
            if ((code = check_bytes(&f, "push.v1.RawProfileSeries.labels", why)) == CODE_OK)
                code = check_label(pb_bytes(&f), why);
        } else if (f.number == SAMPLES) {
            size->items++;
            if ((code = check_bytes(&f, "push.v1.RawProfileSeries.samples", why)) == CODE_OK)
                code = check_sample(pb_bytes(&f), why);
        }
    return code == CODE_OK ? check_end(&c, "push.v1.RawProfileSeries", why) : code;
}

enum code push_request_measure(struct slice message, struct push_size *size, struct fault *why)
{
    struct pb_cursor c = pb_cursor(message);
    struct pb_field  f;
    enum code        code = CODE_OK;

    *size = (struct push_size){ 0 };
    while (code == CODE_OK && pb_next(&c, &f))
        if (f.number == SERIES && (code = check_bytes(&f, "push.v1.PushRequest.series", why)) == CODE_OK)
            code = measure_series(pb_bytes(&f), size, why);
    return code == CODE_OK ? check_end(&c, "push.v1.PushRequest", why) : code;
}

size_t push_request_bytes(const struct push_size *size)
{
    return size->items * (sizeof(struct intake_item) + sizeof(uint32_t)) + size->labels * sizeof(struct label);
}

/* ---- reading ---- */

/* Both parts of a label are a text each, both of a sample bytes: field 1 and field 2; what is missing is empty. */
static void pair_read(struct slice message, struct slice *first, struct slice *second)
{
    struct pb_cursor c = pb_cursor(message);
    struct pb_field  f;

    *first = *second = SLICE("");
    while (pb_next(&c, &f))
        if (f.number == 1)
            *first = pb_bytes(&f);
        else if (f.number == 2)
            *second = pb_bytes(&f);
    assert(!c.is_bad);
}

static struct labels labels_read(struct slice series, struct label *at)
{
    struct pb_cursor c = pb_cursor(series);
    struct pb_field  f;
    size_t           n = 0;

    for (; pb_next(&c, &f); n += f.number == LABELS)
        if (f.number == LABELS)
            pair_read(pb_bytes(&f), &at[n].name, &at[n].value);
    labels_sort(at, n);
    return (struct labels){ at, n };
}

static void items_read(struct slice series, struct labels labels, uint32_t number, struct push_request *r)
{
    struct pb_cursor c = pb_cursor(series);
    struct pb_field  f;

    while (pb_next(&c, &f))
        if (f.number == SAMPLES) {
            struct intake_item *item = &r->items[r->n];
            *item = (struct intake_item){ .labels = labels };
            pair_read(pb_bytes(&f), &item->body, &item->id);
            r->series_of[r->n++] = number;
        }
}

struct push_request push_request_read(struct slice message, const struct push_size *size, struct arena *a)
{
    struct push_request r = { .items = arena_array(a, size->items, sizeof *r.items),
                              .series_of = arena_array(a, size->items, sizeof *r.series_of) };
    struct label       *room = arena_array(a, size->labels, sizeof *room);
    struct pb_cursor    c = pb_cursor(message);
    struct pb_field     f;

    for (uint32_t number = 0; pb_next(&c, &f); number += f.number == SERIES)
        if (f.number == SERIES) {
            struct labels labels = labels_read(pb_bytes(&f), room);
            items_read(pb_bytes(&f), labels, number, &r);
            room += labels.n;
        }
    assert(!c.is_bad && r.n == size->items);
    return r;
}
