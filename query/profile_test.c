/*
 * Goal: a pprof lists every stack with its value, whole, cut or shortened, and is the same however the stacks came together.
 * Method: random stacks over few locations, some inlined, some bare; what each has to become is worked out one by one from
 * the plain list, as text, and every sample of the message is read back as such a text.
 */
#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "model/batch.h"
#include "model/location.h"
#include "query/pprof.h"

enum { LOCATIONS = 14, STACKS = 40, DEPTH = 6, FRAMES = DEPTH * 3, TEXTS_MAX = 2 * STACKS };

static uint64_t seed = 9;

static uint32_t roll(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

/* ---- the plain list ------------------------------------------------------------------------------------------------- */

struct stack {
    uint32_t at[DEPTH], n; /* root first */
    int64_t  value;
};

struct frame {
    struct slice name;
    int64_t      line;
};

struct texts {
    struct slice text[TEXTS_MAX];
    int64_t      value[TEXTS_MAX];
    size_t       n;
};

static struct location locations[LOCATIONS];
static struct stack    stacks[STACKS];

static void locations_random(struct arena *a)
{
    static const struct slice names[] = { SLICE("f"), SLICE("g"), SLICE("h"), SLICE("") };
    char                      room[LOCATION_NAME_ROOM];

    for (uint32_t i = 0; i < LOCATIONS; i++) {
        struct location *l = &locations[i];
        *l = (struct location){ .address = roll(3), .n_lines = roll(4), .is_folded = roll(2) };
        l->mapping = (struct location_mapping){ .start = roll(2), .flags = roll(16), .file = SLICE("/bin/x") };
        l->lines = arena_zalloc(a, 3 * sizeof *l->lines);
        for (uint32_t k = 0; k < l->n_lines; k++)
            l->lines[k] = (struct location_line){ .line = 1 + roll(2), .function = { .name = names[roll(4)] } };
        if (l->n_lines == 0) /* as a frame it has this name, which a message does not hold */
            l->lines[0].function.name = arena_copy(a, location_bare_name(l->mapping.file, l->address, room));
    }
}

static uint32_t frames_of(const struct location *l, struct frame *out)
{
    uint32_t n = l->n_lines ? l->n_lines : 1;

    for (uint32_t i = 0; i < n; i++)
        out[i] = (struct frame){ l->lines[n - 1 - i].function.name, l->lines[n - 1 - i].line };
    return n;
}

static uint32_t stack_frames(const struct stack *s, struct frame *out)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->n; i++)
        n += frames_of(&locations[s->at[i]], out + n);
    return n;
}

static void text_put(struct texts *t, struct arena *a, const struct frame *f, uint32_t n, int64_t value)
{
    struct buf text = { 0 };
    size_t     i = 0;

    for (uint32_t k = 0; k < n; k++)
        buf_printf(&text, "%.*s:%lld;", SLICE_ARGS(f[k].name), (long long)f[k].line);
    while (i < t->n && !slice_eq(t->text[i], buf_view(&text)))
        i++;
    assert(i < TEXTS_MAX);
    if (i == t->n) {
        t->text[t->n++] = arena_copy(a, buf_view(&text));
        t->value[i] = 0;
    }
    t->value[i] += value;
    buf_free(&text);
}

/* What all stacks have that begin with the names of the first k frames. */
static int64_t total_of(const struct frame *f, uint32_t k)
{
    int64_t sum = 0;

    for (size_t s = 0; s < STACKS; s++) {
        struct frame g[FRAMES];
        bool         begins = stack_frames(&stacks[s], g) >= k;
        for (uint32_t i = 0; i < k && begins; i++)
            begins = slice_eq(f[i].name, g[i].name);
        sum += begins ? stacks[s].value : 0;
    }
    return sum;
}

static int descending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* The max_nodes-th largest total of all distinct beginnings. */
static int64_t least_of(struct arena *a, size_t max_nodes)
{
    struct strset *seen = strset_new(a);
    int64_t       *totals = arena_array(a, STACKS * FRAMES, sizeof *totals);
    struct buf     text = { 0 };

    for (size_t s = 0; s < STACKS; s++) {
        struct frame f[FRAMES];
        uint32_t     n = stack_frames(&stacks[s], f);
        text.n = 0;
        for (uint32_t k = 1; k <= n; k++) {
            uint32_t had = strset_n(seen);
            buf_printf(&text, "%.*s;", SLICE_ARGS(f[k - 1].name));
            if (strset_add(seen, buf_view(&text)) == had)
                totals[had] = total_of(f, k);
        }
    }
    buf_free(&text);
    qsort(totals, strset_n(seen), sizeof *totals, descending);
    return max_nodes > 0 && strset_n(seen) > max_nodes ? totals[max_nodes - 1] : 0;
}

static void expect_cut(struct texts *t, struct arena *a, int64_t least)
{
    for (size_t s = 0; s < STACKS; s++) {
        struct frame f[FRAMES + 1];
        uint32_t     n = stack_frames(&stacks[s], f), k = 0;
        while (k < n && total_of(f, k + 1) >= least)
            k++;
        if (k < n)
            f[k++] = (struct frame){ SLICE("other"), 0 };
        text_put(t, a, f, k, stacks[s].value);
    }
}

static void expect_nearest(struct texts *t, struct arena *a, uint32_t keep, bool are_callees_one)
{
    for (size_t s = 0; s < STACKS; s++) {
        struct stack cut = stacks[s];
        struct frame f[FRAMES];
        if (keep > 0 && cut.n > keep) {
            memmove(cut.at, cut.at + cut.n - keep, keep * sizeof *cut.at);
            cut.n = keep;
        }
        uint32_t n = stack_frames(&cut, f);
        if (are_callees_one)
            f[n - 1].line = 0;
        text_put(t, a, f, n, cut.value);
    }
}

/* ---- the message ---------------------------------------------------------------------------------------------------- */

static struct slice string_at(const Google__V1__Profile *m, int64_t i)
{
    assert(i >= 0 && (size_t)i < m->n_string_table);
    return slice_of(m->string_table[i]);
}

static struct location location_read(const Google__V1__Profile *m, uint64_t id, struct arena *a)
{
    assert(id > 0 && id <= m->n_location);
    const Google__V1__Location *from = m->location[id - 1];
    struct location             l = { .address = from->address, .n_lines = (uint32_t)from->n_line };
    char                        room[LOCATION_NAME_ROOM];

    assert(from->id == id && from->mapping_id > 0 && from->mapping_id <= m->n_mapping);
    struct slice file = string_at(m, m->mapping[from->mapping_id - 1]->filename);
    l.lines = arena_zalloc(a, (l.n_lines + 1) * sizeof *l.lines);
    l.lines[0].function.name = arena_copy(a, location_bare_name(file, l.address, room));
    for (uint32_t i = 0; i < l.n_lines; i++) {
        const Google__V1__Line *line = from->line[i];
        assert(line->function_id > 0 && line->function_id <= m->n_function);
        assert(m->function[line->function_id - 1]->id == line->function_id);
        l.lines[i].line = line->line;
        l.lines[i].function.name = string_at(m, m->function[line->function_id - 1]->name);
    }
    return l;
}

static void check(const Google__V1__Profile *m, const struct texts *expected, struct arena *a)
{
    struct texts *got = arena_zalloc(a, sizeof *got);

    assert(m->string_table[0][0] == '\0' && m->n_sample_type == 1);
    for (size_t i = 0; i < m->n_sample; i++) {
        const Google__V1__Sample *s = m->sample[i];
        struct frame              f[FRAMES + 1];
        uint32_t                  n = 0;
        assert(s->n_value == 1 && s->n_label == 0);
        for (size_t k = s->n_location_id; k-- > 0;) {
            struct location l = location_read(m, s->location_id[k], a);
            n += frames_of(&l, f + n);
        }
        text_put(got, a, f, n, s->value[0]);
    }
    assert(got->n == expected->n);
    for (size_t i = 0; i < expected->n; i++) {
        size_t k = 0;
        while (!slice_eq(got->text[k], expected->text[i]))
            assert(++k < got->n);
        assert(got->value[k] == expected->value[i]);
    }
}

static void stack_put(struct tree *t, const struct stack *s)
{
    uint32_t node = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        struct buf text = { 0 };
        location_encode(&locations[s->at[i]], &text);
        node = tree_child(t, node, tree_name(t, buf_view(&text)));
        buf_free(&text);
    }
    tree_add(t, node, s->value);
}

static struct slice packed(const struct tree *t, const struct pprof_form *form, struct arena *a)
{
    Google__V1__Profile m;
    struct fault        why;

    if (pprof_build(t, form, a, &m, &why) != CODE_OK)
        assert(!"built");
    size_t   n = google__v1__profile__get_packed_size(&m);
    uint8_t *bytes = arena_alloc(a, n);
    google__v1__profile__pack(&m, bytes);
    return slice_make(bytes, n);
}

/* Once from the stacks in order, once from two halves that were filled from the other end. */
static void ask(const struct pprof_form *form, const struct texts *expected, struct arena *a)
{
    struct tree        *t = tree_new(), *half = tree_new(), *other = tree_new();
    Google__V1__Profile m;
    struct fault        why;

    for (size_t s = 0; s < STACKS; s++) {
        stack_put(t, &stacks[s]);
        stack_put(s % 2 ? half : other, &stacks[STACKS - 1 - s]);
    }
    tree_merge(half, other);
    assert(pprof_build(t, form, a, &m, &why) == CODE_OK);
    check(&m, expected, a);
    assert(slice_eq(packed(t, form, a), packed(half, form, a))); /* F1 */
    tree_free(t);
    tree_free(half);
    tree_free(other);
}

static void random_stacks(void)
{
    for (int round = 0; round < 25; round++) {
        struct arena *a = arena_new(0);

        locations_random(a);
        for (size_t s = 0; s < STACKS; s++) {
            stacks[s] = (struct stack){ .n = 1 + roll(DEPTH), .value = 1 + roll(50) };
            for (uint32_t i = 0; i < stacks[s].n; i++)
                stacks[s].at[i] = roll(i < 2 ? 3 : LOCATIONS);
        }
        for (size_t max_nodes = 0; max_nodes < 80; max_nodes += 1 + roll(12)) {
            struct texts *expected = arena_zalloc(a, sizeof *expected);
            expect_cut(expected, a, least_of(a, max_nodes));
            ask(&(struct pprof_form){ .max_nodes = (int64_t)max_nodes }, expected, a);
        }
        for (uint32_t keep = 0; keep < DEPTH + 2; keep++) {
            struct texts     *expected = arena_zalloc(a, sizeof *expected);
            struct pprof_form form = { .is_for_pgo = true, .keep_locations = keep, .are_callees_one = keep % 2 == 0 };
            expect_nearest(expected, a, keep, form.are_callees_one);
            ask(&form, expected, a);
        }
        arena_free(a);
    }
}

/* ---- the head, and the bounds --------------------------------------------------------------------------------------- */

static void vector(void)
{
    struct arena        *a = arena_new(0);
    struct tree         *t = tree_new();
    struct location_line line = { .line = 3, .function = { 1, SLICE("work"), SLICE("_work"), SLICE("work.c") } };
    struct location      l = { .lines = &line, .n_lines = 1, .mapping = { .flags = BATCH_HAS_FUNCTIONS } };
    struct pprof_form    form = { .time_ns = 5 };
    Google__V1__Profile  m;
    struct buf           text = { 0 };
    struct fault         why;
    static const char   *strings[] = { "", "work", "_work", "work.c", "nanoseconds", "cpu" };

    assert(pprof_build(t, &form, a, &m, &why) == CODE_OK && google__v1__profile__get_packed_size(&m) == 0);
    assert(profile_type_parse(SLICE("process_cpu:cpu:nanoseconds:cpu:nanoseconds"), &form.type, &why) == CODE_OK);
    location_encode(&l, &text);
    tree_add(t, tree_child(t, 0, tree_name(t, buf_view(&text))), 9);
    tree_add(t, 0, 100); /* the empty stack is no sample */
    assert(pprof_build(t, &form, a, &m, &why) == CODE_OK && m.n_sample == 1 && m.n_string_table == 6);
    for (size_t i = 0; i < m.n_string_table; i++)
        assert(strcmp(m.string_table[i], strings[i]) == 0);
    assert(m.sample_type[0]->type == 5 && m.sample_type[0]->unit == 4 && m.default_sample_type == 5);
    assert(m.period_type->type == 5 && m.period_type->unit == 4 && m.period == 1000000000 && m.time_nanos == 5);
    assert(m.n_mapping == 1 && m.mapping[0]->id == 1 && m.mapping[0]->has_functions && !m.mapping[0]->has_filenames);
    assert(m.function[0]->start_line == 1 && m.function[0]->system_name == 2 && m.function[0]->filename == 3);
    form.max_nodes = 1; /* nothing to cut: `other` is in the tables all the same, and in no sample */
    assert(pprof_build(t, &form, a, &m, &why) == CODE_OK);
    assert(m.n_function == 2 && m.n_location == 2 && m.n_mapping == 1 && m.n_sample == 1);
    buf_free(&text);
    tree_free(t);
    arena_free(a);
}

/* Every node of a long chain is the end of a stack. */
static void bounds(void)
{
    struct arena       *a = arena_new(0);
    struct tree        *t = tree_new();
    struct pprof_form   form = { .max_nodes = 0 };
    struct location     l = { .address = 1 };
    Google__V1__Profile m;
    struct buf          text = { 0 };
    struct fault        why;

    location_encode(&l, &text);
    for (uint32_t node = 0, i = 0; i < 12000; i++)
        tree_add(t, node = tree_child(t, node, tree_name(t, buf_view(&text))), 1);
    assert(pprof_build(t, &form, a, &m, &why) == CODE_RESOURCE_EXHAUSTED && strstr(why.text, "12000 stacks") != NULL);
    form.max_nodes = 100;
    assert(pprof_build(t, &form, a, &m, &why) == CODE_OK && m.n_sample == 101);
    form = (struct pprof_form){ .is_for_pgo = true, .keep_locations = 5 };
    assert(pprof_build(t, &form, a, &m, &why) == CODE_OK && m.n_sample == 5 && m.sample[4]->value[0] == 11996);
    form.keep_locations = 0;
    assert(pprof_build(t, &form, a, &m, &why) == CODE_RESOURCE_EXHAUSTED);
    buf_free(&text);
    tree_free(t);
    arena_free(a);
}

int main(void)
{
    vector();
    random_stacks();
    bounds();
    puts("profile: ok");
    return 0;
}
