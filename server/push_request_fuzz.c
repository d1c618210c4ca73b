/* Any bytes as a push.v1.PushRequest: refused, or read as protobuf-c reads them. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "proto/push.pb-c.h"
#include "server/push_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_labels(struct labels l, const Push__V1__RawProfileSeries *s)
{
    struct label *want = calloc(s->n_labels + 1, sizeof *want);

    assert(l.n == s->n_labels);
    for (size_t i = 0; i < l.n; i++)
        want[i] = (struct label){ slice_of(s->labels[i]->name), slice_of(s->labels[i]->value) };
    labels_sort(want, l.n);
    for (size_t i = 0; i < l.n; i++)
        assert(slice_eq(l.at[i].name, want[i].name) && slice_eq(l.at[i].value, want[i].value));
    free(want);
}

static void check(const struct push_request *r, const Push__V1__PushRequest *m)
{
    size_t at = 0;

    for (size_t i = 0; i < m->n_series; i++)
        for (size_t k = 0; k < m->series[i]->n_samples; k++, at++) {
            const Push__V1__RawSample *s = m->series[i]->samples[k];
            assert(at < r->n && r->series_of[at] == i);
            check_labels(r->items[at].labels, m->series[i]);
            assert(slice_eq(r->items[at].id, slice_of(s->id)));
            assert(slice_eq(r->items[at].body, slice_make(s->raw_profile.data, s->raw_profile.len)));
        }
    assert(at == r->n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena    *a = arena_new(0);
    struct slice     message = slice_make(data, n);
    struct push_size size;
    struct fault     why;

    if (push_request_measure(message, &size, &why) == CODE_OK) {
        struct push_request    r = push_request_read(message, &size, a);
        Push__V1__PushRequest *m = push__v1__push_request__unpack(NULL, n, data);
        if (m != NULL) { /* it may dislike a field that we pass over */
            check(&r, m);
            push__v1__push_request__free_unpacked(m, NULL);
        }
    }
    arena_free(a);
    return 0;
}
