/*
 * Goal: what a waybill says arrives, and what is none is refused.  Method: one with every field set, there and back, also cut
 * short at every byte; then one fault at a time.
 */
#include "server/waybill.h"

#include <assert.h>

static struct label at[] = { { SLICE("pod"), SLICE("a") }, { SLICE("pod"), SLICE("") } };

static struct waybill full(void)
{
    return (struct waybill){
        .source = { .tenant = SLICE("t\xff"),
                    .labels = { at, 2 },
                    .client_id = SLICE("id"),
                    .ordinal = UINT32_MAX,
                    .now_ns = INT64_MAX,
                    .hints = { true, SLICE("spy"), SLICE("{}"), -7 } },
        .limits = { 1, 2, 3, 4, 5, 6, 7, 8, INT64_MAX, INT64_MIN, 11, true },
        .mode = BATCH_MEMORY,
        .raw_bytes = SIZE_MAX,
    };
}

static void test_there_and_back(void)
{
    struct arena  *a = arena_new(0);
    struct waybill sent = full(), came, again;
    struct slice   bytes = waybill_encode(&sent, a);
    struct fault   why;

    assert(waybill_decode(bytes, a, &came, &why) == CODE_OK);
    assert(slice_eq(waybill_encode(&came, a), bytes));
    assert(slice_eq(came.source.tenant, sent.source.tenant));
    assert(labels_cmp(came.source.labels, sent.source.labels) == 0);
    assert(slice_is(came.source.client_id, "id") && came.source.ordinal == UINT32_MAX && came.source.now_ns == INT64_MAX);
    assert(came.source.hints.is_legacy && slice_is(came.source.hints.spy_name, "spy"));
    assert(slice_is(came.source.hints.type_config, "{}") && came.source.hints.from_ns == -7);
    assert(came.limits.profile_bytes_max == 1 && came.limits.samples_max == 2 && came.limits.sample_labels_max == 3);
    assert(came.limits.depth_max == 4 && came.limits.symbol_bytes_max == 5 && came.limits.label_names_max == 6);
    assert(came.limits.label_name_bytes_max == 7 && came.limits.label_value_bytes_max == 8);
    assert(came.limits.sessions_max == INT64_MAX && came.limits.oldest_ns == INT64_MIN);
    assert(came.limits.newest_ns == 11 && came.limits.sanitize_labels);
    assert(came.mode == BATCH_MEMORY && came.raw_bytes == SIZE_MAX);
    for (size_t n = 0; n < bytes.n; n++)
        if (waybill_decode(slice_make(bytes.p, n), a, &again, &why) != CODE_OK)
            assert(why.code == CODE_INVALID_ARGUMENT && why.text[0] != '\0');
    arena_free(a);
}

static void refused(struct waybill w, const char *text)
{
    struct arena *a = arena_new(0);
    struct fault  why;

    assert(waybill_decode(waybill_encode(&w, a), a, &w, &why) == CODE_INVALID_ARGUMENT);
    assert(slice_is(slice_of(why.text), text));
    arena_free(a);
}

int main(void)
{
    struct waybill below_zero = full(), no_mode = full();

    test_there_and_back();
    below_zero.limits.depth_max = -1;
    refused(below_zero, "waybill: a limit below zero");
    no_mode.mode = (enum batch_mode)3;
    refused(no_mode, "waybill: no limits, or labels or a mode that are none");
    return 0;
}
