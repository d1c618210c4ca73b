/* The symbols and trees of a sealed group, unpacked to be read as those of a live one are. */
#include "index/block_tree.h"
#include "index/reading.h"

struct thaw_work {
    const struct block *from;
    uint32_t            group;
    struct arena       *arena;
};

static struct section section_of(const struct thaw_work *x, enum group_section kind)
{
    return group_section(x->from, x->group, kind);
}

/* Reads what is there: nothing is copied, and all of it lies side by side. */
static void vec_over(struct vec *v, struct arena *a, void *items, uint32_t n, size_t item_bytes)
{
    enum { BASE_LOG2 = 15 };

    vec_init(v, item_bytes, BASE_LOG2);
    atomic_init(&v->n, n);
    if (n == 0)
        return;
    uint32_t   segments = vec_place(v, n - 1).segment + 1;
    uintptr_t *dir = arena_array(a, segments, sizeof *dir);
    for (uint32_t i = 0; i < segments; i++)
        dir[i] = (uintptr_t)items; /* V4 */
    atomic_init(&v->dir, dir);
}

/* A column into the u32 at `offset` of every item. */
static void column(const struct thaw_work *x, enum group_section kind, void *items, size_t item_bytes, size_t offset)
{
    struct section s = section_of(x, kind);
    struct words   w = words_of(&s);
    uint64_t       words[PACK];
    char          *at = (char *)items + offset;

    for (uint32_t n; (n = words_next(&w, words)) > 0;)
        for (uint32_t i = 0; i < n; i++, at += item_bytes)
            *(uint32_t *)(void *)at = (uint32_t)words[i];
}

#define COLUMN(x, kind, items, field) column(x, kind, items, sizeof *(items), offsetof(typeof(*(items)), field))

/* The same of a number in two halves. */
static void wide_column(const struct thaw_work *x, enum group_section lo, void *items, size_t item_bytes, size_t offset)
{
    struct section low = section_of(x, lo), high = section_of(x, lo + 1);
    struct words   lows = words_of(&low), highs = words_of(&high);
    uint64_t       l[PACK], h[PACK];
    char          *at = (char *)items + offset;

    for (uint32_t n; (n = words_next(&lows, l)) > 0;) {
        words_next(&highs, h);
        for (uint32_t i = 0; i < n; i++, at += item_bytes)
            *(uint64_t *)(void *)at = halves(l[i], h[i]);
    }
}

#define WIDE_COLUMN(x, lo, items, field) wide_column(x, lo, items, sizeof *(items), offsetof(typeof(*(items)), field))

static uint64_t sum_of(struct section s)
{
    struct words w = words_of(&s);
    uint64_t     words[PACK], sum = 0;

    for (uint32_t n; (n = words_next(&w, words)) > 0;)
        for (uint32_t i = 0; i < n; i++)
            sum += words[i];
    return sum;
}

/* Eight bytes at a time: both have room for what is copied behind n. */
static inline void copy(char *to, const char *from, uint64_t n)
{
    for (uint64_t i = 0; i < n; i += 8)
        memcpy(to + i, from + i, 8);
}

/* Each begins as the one before does. */
static void thaw_strings(const struct thaw_work *x, struct symtab *t)
{
    struct section own = section_of(x, G_TEXT_BYTES), shared = section_of(x, G_TEXT_SHARED);
    struct section text = section_of(x, G_TEXT);
    struct slice  *all = arena_array(x->arena, own.n, sizeof *all), *to = all;
    struct words   owns = words_of(&own), shares = words_of(&shared);
    uint64_t       o[PACK], s[PACK];
    const char    *from = (const char *)text.at;
    char          *at = arena_alloc(x->arena, text.bytes + sum_of(shared) + BLOCK_PAD), *before = at;

    for (uint32_t n; (n = words_next(&owns, o)) > 0;) {
        words_next(&shares, s);
        for (uint32_t i = 0; i < n; i++, from += o[i - 1]) {
            *to++ = slice_make(at, s[i] + o[i]);
            copy(at, before, s[i]);
            copy(at + s[i], from, o[i]);
            before = at;
            at += s[i] + o[i];
        }
    }
    vec_over(&t->strings, x->arena, all, own.n, sizeof *all);
}

static void thaw_mappings(const struct thaw_work *x, struct symtab *t)
{
    struct section         s = section_of(x, G_MAPPINGS);
    struct symbol_mapping *all = arena_array(x->arena, s.n, sizeof *all);

    if (s.n > 0)
        memcpy(all, s.at, s.bytes);
    vec_over(&t->mappings, x->arena, all, s.n, sizeof *all);
}

static void thaw_functions(const struct thaw_work *x, struct symtab *t)
{
    uint32_t                n = section_of(x, G_FUNCTION_NAME).n;
    struct symbol_function *all = arena_zalloc(x->arena, n * sizeof *all);

    COLUMN(x, G_FUNCTION_NAME, all, name);
    COLUMN(x, G_FUNCTION_SYSTEM, all, system_name);
    COLUMN(x, G_FUNCTION_FILE, all, file);
    WIDE_COLUMN(x, G_FUNCTION_LINE_LO, all, start_line);
    for (uint32_t i = 0; i < n; i++)
        all[i].system_name = all[i].name + (uint32_t)unzigzag(all[i].system_name);
    vec_over(&t->functions, x->arena, all, n, sizeof *all);
}

static void thaw_lines(const struct thaw_work *x, struct symtab *t)
{
    uint32_t            n = section_of(x, G_LINE_FUNCTION).n;
    struct symbol_line *all = arena_zalloc(x->arena, n * sizeof *all);

    COLUMN(x, G_LINE_FUNCTION, all, function);
    WIDE_COLUMN(x, G_LINE_LO, all, line);
    vec_over(&t->lines, x->arena, all, n, sizeof *all);
}

static void thaw_locations(const struct thaw_work *x, struct symtab *t)
{
    uint32_t                n = section_of(x, G_LOCATION_LINES).n, line_at = 0;
    struct symbol_location *all = arena_zalloc(x->arena, n * sizeof *all);

    WIDE_COLUMN(x, G_LOCATION_ADDRESS_LO, all, address);
    COLUMN(x, G_LOCATION_MAPPING, all, mapping);
    COLUMN(x, G_LOCATION_NAME, all, line_at);
    COLUMN(x, G_LOCATION_LINES, all, n_lines);
    COLUMN(x, G_LOCATION_FLAGS, all, flags);
    for (uint32_t i = 0; i < n; i++) {
        all[i].mapping -= 1; /* 0: BATCH_NONE */
        if (all[i].n_lines > 0)
            all[i].line_at = line_at;
        line_at += all[i].n_lines;
    }
    vec_over(&t->locations, x->arena, all, n, sizeof *all);
}

static void thaw_tree(const struct thaw_work *x, enum group_section kind, struct paths *p)
{
    struct section up = section_of(x, kind), key = section_of(x, kind + 1);
    struct path   *nodes = arena_array(x->arena, up.n + (size_t)1, sizeof *nodes);

    block_tree_read(&up, &key, nodes, arena_array(x->arena, up.n + (size_t)1, sizeof(uint32_t)));
    vec_over(&p->nodes, x->arena, nodes, up.n + 1, sizeof *nodes);
}

static struct group *thaw(const struct thaw_work *x, unsigned what)
{
    struct group *g = arena_zalloc(x->arena, sizeof *g);
    uint32_t      n = section_of(x, G_STACK_LOCATION).n;
    struct stack *stacks = arena_array(x->arena, n, sizeof *stacks);

    g->id = x->group;
    thaw_strings(x, &g->symtab);
    if (what & THAW_FUNCTIONS) {
        thaw_tree(x, G_FUNCTION_UP, &g->stacks.functions);
        COLUMN(x, G_STACK_FUNCTION, stacks, function);
    }
    if (what & THAW_LOCATIONS) {
        thaw_mappings(x, &g->symtab);
        thaw_functions(x, &g->symtab);
        thaw_lines(x, &g->symtab);
        thaw_locations(x, &g->symtab);
        thaw_tree(x, G_LOCATION_UP, &g->stacks.locations);
        COLUMN(x, G_STACK_LOCATION, stacks, location);
    }
    vec_over(&g->stacks.all, x->arena, stacks, n, sizeof *stacks);
    return g;
}

const struct group *group_thaw(const struct bucket *b, uint32_t group, unsigned what, struct arena *a)
{
    struct thaw_work x = { b->sealed, group, a };

    return b->sealed ? thaw(&x, what) : group_at(b, group);
}
