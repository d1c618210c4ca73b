/*
 * Goal: a profile is placed by the service it will have.  Method: label sets of few names and values, odd ones among them;
 * whatever may name a series has the service that was read off the labels as they came.
 */
#include "ingest/label_rules.h"

#include <assert.h>
#include <stdlib.h>

static const char *const names[] = { "service_name", "service_name", "__name__", "pod", "a.b", "", "x y" };
static const char *const values[] = { "", "shop", "cart", "unknown_service" };

#define ONE_OF(list) slice_of((list)[(size_t)rand() % (sizeof(list) / sizeof *(list))])

/* How many of them may name a series. */
static int count_accepted(bool sanitize_labels)
{
    struct decode_limits limits = decode_limits_usual;
    int                  accepted = 0;

    limits.sanitize_labels = sanitize_labels;
    for (int round = 0; round < 20000; round++) {
        struct arena *a = arena_new(0);
        struct label  at[5] = { { SLICE("__name__"), SLICE("process_cpu") } };
        struct labels sent = { at, 1 + (size_t)rand() % 4 }, prepared;
        struct fault  why;
        for (size_t i = 1; i < sent.n; i++)
            at[i] = (struct label){ ONE_OF(names), ONE_OF(values) };
        if (labels_prepare(sent, &limits, a, &prepared, &why) == CODE_OK &&
            labels_check(prepared, &limits, &why) == CODE_OK) {
            assert(slice_eq(labels_get(prepared, SLICE("service_name")), labels_service(sent)));
            accepted++;
        }
        arena_free(a);
    }
    return accepted;
}

int main(void)
{
    srand(1);
    assert(count_accepted(false) > 1000);
    assert(count_accepted(true) > 1000);
    return 0;
}
