/*
 * Goal: labels, string sets and profile types do what their headers say.  Method: plain cases, and a set grown to many
 * strings with every id checked.
 */
#include <assert.h>
#include <stdio.h>

#include "model/labels.h"
#include "model/profile_type.h"
#include "model/strset.h"

static void labels_sort_print_and_compare(void)
{
    struct label  at[] = { { SLICE("b"), SLICE("2\"\n") }, { SLICE("a"), SLICE("1") }, { SLICE("a.b"), SLICE("") } };
    struct labels l = { at, 3 };
    struct buf    b = { 0 };

    assert(!labels_are_sorted(l));
    labels_sort(at, 3);
    assert(labels_are_sorted(l));
    labels_print(&b, l);
    assert(slice_is(buf_view(&b), "{a=\"1\", a.b=\"\", b=\"2\\\"\\n\"}"));
    assert(slice_is(labels_get(l, SLICE("a")), "1") && labels_get(l, SLICE("zz")).n == 0);
    assert(labels_cmp(l, (struct labels){ at, 2 }) > 0 && labels_cmp(l, l) == 0);
    assert(labels_hash(l) != labels_hash((struct labels){ at, 2 }));
    at[1] = at[0];
    assert(!labels_are_sorted(l));
    buf_free(&b);
}

static void many_labels_sort(void)
{
    struct arena *a = arena_new(0);
    struct label  at[100];

    for (int i = 0; i < 100; i++)
        at[i] = (struct label){ arena_printf(a, "n%03d", i * 37 % 100), SLICE("v") };
    labels_sort(at, 100);
    assert(labels_are_sorted((struct labels){ at, 100 }));
    arena_free(a);
}

static void labels_encode_and_back(void)
{
    struct label  at[] = { { SLICE("a"), SLICE("") }, { SLICE("name"), SLICE("value") } };
    struct labels l = { at, 2 }, back;
    struct arena *a = arena_new(0);
    struct buf    b = { 0 };
    int           whole = 0;

    labels_encode(&b, l);
    assert(labels_decode(buf_view(&b), a, &back) && labels_cmp(l, back) == 0);
    for (size_t cut = 0; cut < b.n; cut++)
        whole += labels_decode(slice_make(b.p, cut), a, &back);
    assert(whole == 2); /* nothing, and the first pair */
    assert(!labels_decode(SLICE("\xff\xff\xff\xff"), a, &back));
    buf_free(&b);
    arena_free(a);
}

/* Joined sets are in the order of the sets, and come apart again. */
static void labels_join_and_back(void)
{
    struct label pairs[] = { { SLICE("a"), SLICE("") },    { SLICE("a"), SLICE("b") },     { SLICE("a"), SLICE("bc") },
                             { SLICE("ab"), SLICE("") },   { SLICE("ab"), SLICE("\x01") }, { SLICE("b"), SLICE("z") },
                             { SLICE("b"), SLICE("\xff") } };
    enum { N = sizeof pairs / sizeof *pairs };
    struct arena *a = arena_new(0);
    struct buf    x = { 0 }, y = { 0 };
    struct labels back;
    struct label  cut = { SLICE("n"), SLICE("va\0lue") };

    for (int i = 0; i < N * N; i++)
        for (int k = 0; k < N * N; k++) {
            struct label  left[] = { pairs[i / N], pairs[i % N] }, right[] = { pairs[k / N], pairs[k % N] };
            struct labels l = { left, 1 + (size_t)i % 2 }, r = { right, 2 };
            x.n = y.n = 0;
            labels_join(&x, l);
            labels_join(&y, r);
            int order = labels_cmp(l, r), joined = slice_cmp(buf_view(&x), buf_view(&y));
            assert((order < 0) == (joined < 0) && (order > 0) == (joined > 0));
            assert(labels_split(buf_view(&x), a, &back) && labels_cmp(back, l) == 0);
        }
    x.n = 0;
    labels_join(&x, (struct labels){ &cut, 1 });
    assert(slice_eq(buf_view(&x), slice_make("n\0va", 5)));
    assert(labels_split((struct slice){ 0 }, a, &back) && back.n == 0);
    assert(!labels_split(SLICE("a"), a, &back) && !labels_split(slice_make("a", 2), a, &back));
    assert(!labels_split(SLICE("a\0b"), a, &back));
    buf_free(&x);
    buf_free(&y);
    arena_free(a);
}

static void sorts(struct strset *set)
{
    const struct slice *sorted = strset_sorted(set);
    uint32_t            id;

    for (uint32_t i = 0; i < strset_n(set); i++)
        assert(strset_find(set, sorted[i], &id) && (i == 0 || slice_cmp(sorted[i - 1], sorted[i]) < 0));
    strset_add_all(set, sorted, strset_n(set) / 2);
}

/* Up to eight runs in order one behind the other, of few strings, so that there are equal ones and short runs. */
static void runs_are_merged(void)
{
    enum { MANY = 200 };
    static const char digits[] = "0123456789";
    struct slice      at[MANY];
    uint32_t          order[MANY];

    for (uint32_t runs = 1; runs <= 8; runs++)
        for (uint32_t n = 0; n <= MANY; n += 1 + n / 3) {
            bool seen[MANY] = { 0 };
            for (uint32_t i = 0; i < n; i++) {
                uint32_t length = (n + runs - 1) / runs;
                at[i] = slice_make(digits + i % length * 10 / length, 1 + i / length % 2);
                if (at[i].p == digits + 9)
                    at[i].n = 1;
            }
            slices_order(at, n, order);
            for (uint32_t i = 0; i < n; i++) {
                assert(order[i] < n && !seen[order[i]]);
                seen[order[i]] = true;
                assert(i == 0 || slice_cmp(at[order[i - 1]], at[order[i]]) <= 0);
            }
        }
}

static void sets_number_strings(void)
{
    struct arena  *a = arena_new(0);
    struct strset *set = strset_new(a);
    uint32_t       id;

    assert(strset_add(set, SLICE("")) == 0 && strset_n(set) == 1);
    for (uint32_t i = 1; i < 5000; i++)
        assert(strset_add(set, arena_printf(a, "s%u", i)) == i);
    for (uint32_t i = 1; i < 5000; i++) {
        assert(strset_add(set, arena_printf(a, "s%u", i)) == i);
        assert(strset_find(set, strset_at(set, i), &id) && id == i);
    }
    assert(!strset_find(set, SLICE("none"), &id) && strset_n(set) == 5000);
    sorts(set);
    assert(strset_n(set) == 5000);
    strset_add_all(set, (struct slice[]){ SLICE("s7"), SLICE("new"), SLICE("new"), SLICE("newer") }, 4);
    assert(strset_n(set) == 5002 && strset_find(set, SLICE("newer"), &id) && id == 5001);
    arena_free(a);
}

/* Texts that are the same for longer than what they are sorted by, that end early, that hold zeros. */
static void sets_sort(void)
{
    static const char *const beginnings[] = { "pod-", "pod-of-a-very-long-name-", "pod-of-a-very-long-naming-", "po" };
    struct arena            *a = arena_new(0);
    struct strset           *set = strset_new(a);

    for (uint32_t i = 0; i < 2000; i++)
        strset_add(set, arena_printf(a, "%s%x", beginnings[i % 4], i * 2654435761U >> 12));
    for (uint32_t i = 0; i < 100; i++) /* the same for longer than there are rounds of eight bytes each */
        for (uint32_t k = 0; k < 100; k++)
            strset_add(set, arena_printf(a, "%0*d%u", (int)i, 0, k));
    strset_add(set, slice_make("pod-\0\0", 6));
    strset_add(set, slice_make("pod-\0", 5));
    strset_add(set, SLICE("pod-"));
    sorts(set);
    arena_free(a);
}

static void types_parse(void)
{
    struct arena       *a = arena_new(0);
    struct profile_type t;
    struct fault        why;

    assert(profile_type_parse(SLICE("memory:inuse_space:bytes::"), &t, &why) == CODE_OK);
    assert(slice_is(t.name, "memory") && slice_is(t.sample_unit, "bytes") && t.period_unit.n == 0);
    assert(slice_is(profile_type_id(&t, a), "memory:inuse_space:bytes::"));
    assert(profile_type_parse(SLICE("a:b:c:d:e:delta"), &t, &why) == CODE_OK);
    assert(slice_is(profile_type_id(&t, a), "a:b:c:d:e"));
    assert(profile_type_parse(SLICE("a:b:c:d"), &t, &why) == CODE_INVALID_ARGUMENT);
    assert(profile_type_parse(SLICE(""), &t, &why) == CODE_INVALID_ARGUMENT);
    assert(profile_type_parse(SLICE("1:2:3:4:5:6:7"), &t, &why) == CODE_INVALID_ARGUMENT);
    arena_free(a);
}

int main(void)
{
    labels_sort_print_and_compare();
    many_labels_sort();
    labels_encode_and_back();
    labels_join_and_back();
    sets_number_strings();
    runs_are_merged();
    sets_sort();
    types_parse();
    printf("labels, strset, profile_type: ok\n");
    return 0;
}
