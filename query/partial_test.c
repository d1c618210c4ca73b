/*
 * Goal: partials lose nothing, however they are split, shipped and merged; series come out in Pyroscope's order; a peer's
 * nonsense is refused.  Method: random points into one partial and into sixteen, half of which travel as messages; both
 * against a plain table of sums.
 */
#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "model/location.h"
#include "query/codec.h"
#include "query/points.h"
#include "query/partial.h"
#include "query/series_out.h"

enum { GROUPS = 5, TIMES = 40, PARTS = 16 };

static uint64_t seed = 3;

static uint32_t roll(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

static struct labels group_labels(uint32_t g)
{
    static const struct label one[GROUPS][2] = {
        { { { "env", 3 }, { "prod", 4 } }, { { "zone", 4 }, { "z1", 2 } } },
        { { { "env", 3 }, { "dev", 3 } } },
        { { { "env", 3 }, { "prod", 4 } } },
        { { { "zone", 4 }, { "z1", 2 } }, { { "env", 3 }, { "prod", 4 } } }, /* in request order, not sorted */
        { { { 0 }, { 0 } } },
    };
    static const size_t n[GROUPS] = { 2, 1, 1, 2, 0 };

    return (struct labels){ one[g], n[g] };
}

/* Over the wire and back. */
static struct partial *shipped(struct partial *p)
{
    struct arena                     *a = arena_new(0);
    Hearth__Shard__V1__QueryResponse *m = partial_encode(p, a), *back;
    struct partial                   *out = partial_new(p->kind);
    struct fault                      why;
    size_t                            n = hearth__shard__v1__query_response__get_packed_size(m);
    uint8_t                          *bytes = mem_alloc(n);

    assert(hearth__shard__v1__query_response__pack(m, bytes) == n);
    back = hearth__shard__v1__query_response__unpack(NULL, n, bytes);
    assert(back != NULL && partial_decode(back, out, &why) == CODE_OK);
    hearth__shard__v1__query_response__free_unpacked(back, NULL);
    free(bytes);
    arena_free(a);
    partial_free(p);
    return out;
}

static void check_points(struct partial *p, int64_t sum[GROUPS][TIMES], int64_t count[GROUPS][TIMES])
{
    size_t                       n, found = 0, there = 0;
    const struct partial_series *s = partial_points(p, &n);

    assert(n == GROUPS && s[0].labels.n == 0); /* the shorter prefix first */
    for (size_t i = 0; i < n; i++) {
        uint32_t g = 0;
        while (labels_cmp(group_labels(g), s[i].labels) != 0)
            assert(++g < GROUPS);
        assert(i == 0 || labels_cmp(s[i - 1].labels, s[i].labels) < 0);
        for (uint32_t k = 0; k < s[i].n; k++) {
            int64_t slot = s[i].slot[k] / 1000003;
            assert(k == 0 || s[i].slot[k - 1] < s[i].slot[k]);
            assert(s[i].sum[k] == sum[g][slot] && s[i].count[k] == count[g][slot]);
            found++;
        }
    }
    for (uint32_t g = 0; g < GROUPS; g++)
        for (uint32_t k = 0; k < TIMES; k++)
            there += count[g][k] > 0;
    assert(found == there);
}

static void points(void)
{
    struct partial *whole = partial_new(ASK_POINTS), *merged = partial_new(ASK_POINTS), *part[PARTS];
    int64_t         sum[GROUPS][TIMES] = { 0 }, count[GROUPS][TIMES] = { 0 };

    for (int i = 0; i < PARTS; i++)
        part[i] = partial_new(ASK_POINTS);
    points_group(part[0]->points, (struct labels){ group_labels(0).at, 1 }); /* a group without points is nothing */
    for (int i = 0; i < 2000; i++) {
        uint32_t g = roll(GROUPS), slot = roll(TIMES), value = roll(1000);
        sum[g][slot] += value;
        count[g][slot]++;
        points_add(points_group(whole->points, group_labels(g)), slot * 1000003, value, 1);
        points_add(points_group(part[roll(PARTS)]->points, group_labels(g)), slot * 1000003, value, 1);
    }
    for (int i = 0; i < PARTS; i++) {
        if (i % 2)
            part[i] = shipped(part[i]);
        partial_merge(merged, part[i]);
        partial_free(part[i]);
    }
    check_points(whole, sum, count);
    check_points(merged, sum, count);
    points_add(points_group(whole->points, group_labels(0)), 0, INT64_MAX, 1); /* saturates */
    partial_free(whole);
    partial_free(merged);
}

static void sets_and_trees(void)
{
    struct partial *set = partial_new(ASK_LABEL_VALUES), *other = partial_new(ASK_LABEL_VALUES);
    struct partial *tree = partial_new(ASK_TREE), *branch = partial_new(ASK_TREE);

    strset_add(partial_set(set), SLICE("b"));
    strset_add(partial_set(other), SLICE("a\0c"));
    strset_add(partial_set(other), SLICE("b"));
    other = shipped(other);
    partial_merge(set, other);
    const struct slice *sorted = strset_sorted(partial_set(set));
    assert(strset_n(partial_set(set)) == 2 && slice_eq(sorted[0], SLICE("a\0c")) && slice_is(sorted[1], "b"));

    struct tree *t = partial_tree(branch);
    tree_add(t, tree_child(t, tree_child(t, 0, tree_name(t, SLICE("a"))), tree_name(t, SLICE("b"))), 5);
    t->is_clamped = true;
    branch = shipped(branch);
    partial_merge(tree, branch);
    partial_merge(tree, branch); /* swapped the first time: what is left merges as nothing */
    assert(partial_tree(tree)->n == 3 && partial_tree(tree)->self[2] == 5 && partial_tree(tree)->is_clamped);
    partial_free(set);
    partial_free(other);
    partial_free(tree);
    partial_free(branch);
    partial_free(NULL);
}

static void profiles(void)
{
    struct partial       *p = partial_new(ASK_PROFILE), *other = partial_new(ASK_PROFILE);
    struct location_line  line = { .line = 7, .function = { .name = SLICE("f") } };
    const struct location l = { .address = 5, .lines = &line, .n_lines = 1 };
    struct buf            text = { 0 };

    location_encode(&l, &text);
    for (struct partial *at = p;; at = other) {
        struct tree *t = partial_tree(at);
        tree_add(t, tree_child(t, tree_child(t, 0, tree_name(t, buf_view(&text))), tree_name(t, buf_view(&text))), 5);
        if (at == other)
            break;
    }
    other = shipped(other);
    partial_merge(p, other);
    assert(partial_tree(p)->n == 3 && partial_tree(p)->self[2] == 10);
    buf_free(&text);
    partial_free(p);
    partial_free(other);
}

static void add(struct partial *p, uint32_t group, int64_t slot, int64_t sum, int64_t count)
{
    points_add(points_group(p->points, group_labels(group)), slot, sum, count);
}

static void ranking(void)
{
    struct partial    *p = partial_new(ASK_POINTS);
    struct question    q = { .kind = ASK_POINTS, .first_ms = -60000, .step_ms = 15000 };
    struct arena      *a = arena_new(0);
    struct series_row *rows;

    add(p, 0, 2, 31, 1);
    add(p, 2, 4, 13, 2);
    add(p, 1, 4, 20, 1);
    add(p, 4, 8, 20, 4);
    assert(series_out(p, &q, false, 0, a, &rows) == 4);
    assert(rows[0].value[0] == 31 && rows[0].time_ms[0] == -30000);
    assert(rows[1].labels.n == 0 && rows[1].value[0] == 20); /* equals by labels */
    assert(slice_is(rows[2].labels.at[0].value, "dev") && rows[3].value[0] == 13 && rows[3].time_ms[0] == 0);
    assert(series_out(p, &q, true, -1, a, &rows) == 4);
    assert(rows[1].value[0] == 20 && rows[2].value[0] == 6.5 && rows[3].value[0] == 5);
    assert(series_out(p, &q, false, 2, a, &rows) == 2 && rows[1].labels.n == 0);
    partial_free(p);
    arena_free(a);
}

static bool eq(const struct slice *a, size_t n, const struct slice *b, size_t m)
{
    for (size_t i = 0; i < n && i < m; i++)
        if (!slice_eq(a[i], b[i]))
            return false;
    return n == m;
}

static void questions(void)
{
    const struct slice texts[] = { SLICE("a"), SLICE("{b=~\".*\"}"), SLICE("c") };
    struct question    q = { ASK_POINTS, texts, 1, -5, 1000, texts + 1, 2,   SLICE("t:a:b:c:d"), texts, 2,
                             texts[2],   texts, 3, -7, 15,   NULL,      NULL, NULL };
    struct question    back;
    struct arena      *a = arena_new(0);
    struct fault       why;

    Hearth__Shard__V1__QueryRequest *m = question_encode(&q, a);
    assert(question_decode(m, a, &back, &why) == CODE_OK);
    assert(back.kind == q.kind && eq(back.tenants, back.n_tenants, texts, 1) && back.start_ns == -5 &&
           back.end_ns == 1000);
    assert(eq(back.selectors, back.n_selectors, texts + 1, 2) && slice_eq(back.profile_type, q.profile_type));
    assert(eq(back.call_site, back.n_call_site, texts, 2) && slice_is(back.label, "c") &&
           eq(back.names, back.n_names, texts, 3));
    assert(back.first_ms == -7 && back.step_ms == 15);
    q.profile_type = (struct slice){ 0 };
    assert(question_decode(question_encode(&q, a), a, &back, &why) == CODE_OK && back.profile_type.p == NULL);
    m->step_ms = 0;
    assert(question_decode(m, a, &back, &why) == CODE_INVALID_ARGUMENT);
    m->step_ms = 1, m->kind = 77;
    assert(question_decode(m, a, &back, &why) == CODE_INVALID_ARGUMENT);
    m->kind = 0, m->n_tenants = 0;
    assert(question_decode(m, a, &back, &why) == CODE_INVALID_ARGUMENT);
    arena_free(a);
}

static void nonsense(void)
{
    Hearth__Shard__V1__QueryResponse m = HEARTH__SHARD__V1__QUERY_RESPONSE__INIT;
    Hearth__Shard__V1__Points        s = HEARTH__SHARD__V1__POINTS__INIT, *points_at[] = { &s };
    struct fault                     why;
    int64_t                          one[] = { 1 }, minus[] = { -1 };
    ProtobufCBinaryData              bad = { 3, (uint8_t *)"\x05\x00\x00" }, bad_set = { 2, (uint8_t *)"a" };
    struct partial *p = partial_new(ASK_POINTS), *t = partial_new(ASK_TREE), *set = partial_new(ASK_SERIES);

    m.points = points_at, m.n_points = 1;
    s.slot = s.sum = s.count = one;
    s.n_slot = s.n_sum = s.n_count = 1;
    assert(partial_decode(&m, p, &why) == CODE_OK);
    s.n_sum = 0;
    assert(partial_decode(&m, p, &why) == CODE_INVALID_ARGUMENT);
    s.n_sum = 1, s.sum = minus;
    assert(partial_decode(&m, p, &why) == CODE_INVALID_ARGUMENT);
    s.sum = one, s.labels = bad;
    assert(partial_decode(&m, p, &why) == CODE_INVALID_ARGUMENT);
    assert(partial_decode(&m, t, &why) == CODE_INVALID_ARGUMENT); /* no tree at all */
    m.set = &bad_set, m.n_set = 1;
    assert(partial_decode(&m, set, &why) == CODE_INVALID_ARGUMENT);
    for (int is_empty = 0; is_empty < 2; is_empty++) { /* a tree, but of names that are no locations */
        struct partial *profile = partial_new(ASK_PROFILE);
        struct buf      bytes = { 0 };
        tree_free(t->tree);
        t->tree = tree_new();
        tree_add(t->tree, tree_child(t->tree, 0, tree_name(t->tree, is_empty ? SLICE("") : SLICE("main"))), 1);
        tree_encode(t->tree, &bytes);
        m.tree = (ProtobufCBinaryData){ bytes.n, (uint8_t *)bytes.p };
        assert(partial_decode(&m, profile, &why) == CODE_INVALID_ARGUMENT && strstr(why.text, "location") != NULL);
        buf_free(&bytes);
        partial_free(profile);
    }
    partial_free(p);
    partial_free(t);
    partial_free(set);
}

static void bounds(void)
{
    struct partial *p = partial_new(ASK_LABEL_VALUES);
    struct fault    why;

    for (uint32_t i = 0; i < PARTIAL_SET_MAX; i++)
        strset_add(p->set, slice_make(&i, sizeof i));
    assert(partial_check(p, &why) == CODE_OK);
    strset_add(p->set, SLICE("one more"));
    assert(partial_check(p, &why) == CODE_RESOURCE_EXHAUSTED && strstr(why.text, "2097152 entries") != NULL);
    partial_free(p);

    char *name = mem_zalloc(8 << 20);
    p = partial_new(ASK_PROFILE);
    for (; tree_name_bytes(p->tree) + (8 << 20) <= PARTIAL_NAME_BYTES_MAX - (1 << 20); name[0]++)
        tree_name(p->tree, slice_make(name, 8 << 20));
    assert(partial_check(p, &why) == CODE_OK);
    tree_name(p->tree, slice_make(name, 8 << 20));
    assert(partial_check(p, &why) == CODE_RESOURCE_EXHAUSTED && strstr(why.text, "bytes of locations") != NULL);
    partial_free(p);
    free(name);
}

int main(void)
{
    points();
    bounds();
    sets_and_trees();
    profiles();
    ranking();
    questions();
    nonsense();
    puts("partial: ok");
    return 0;
}
