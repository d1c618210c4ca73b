#include "index/stack_ids.h"

#include <assert.h>

#include "index/vec.h"

_Static_assert(sizeof(struct stack_line) == 64, "a line of the cache");

/* A slot by itself. */
struct stack_slot {
    uint32_t lo, mid, hi, stack1;
};

static struct stack_slot slot_of(struct hash128 hash, uint32_t stack1)
{
    return (struct stack_slot){ (uint32_t)hash.lo, (uint32_t)(hash.lo >> 32), (uint32_t)(hash.hi >> 32), stack1 };
}

/* By half: two thirds full on average, at most four fifths. */
static uint32_t lines_for(const struct stack_ids *t, uint64_t n)
{
    uint64_t lines = t->n_lines;

    while (n * 5 > lines * STACK_LINE * 4)
        lines += lines / 2 + 1;
    assert(lines <= UINT32_MAX);
    return (uint32_t)lines;
}

static uint32_t line_after(const struct stack_ids *t, uint32_t at) { return at + 1 == t->n_lines ? 0 : at + 1; }

static void slot_place(struct stack_ids *t, struct stack_slot slot)
{
    uint32_t at = stack_ids_home(t, slot.mid), k = 0;

    while (t->lines[at].stack1[k] != 0)
        if (++k == STACK_LINE)
            at = line_after(t, at), k = 0;
    struct stack_line *line = &t->lines[at];
    line->lo[k] = slot.lo;
    line->mid[k] = slot.mid;
    line->hi[k] = slot.hi;
    line->stack1[k] = slot.stack1;
}

static void lines_grow(struct stack_ids *t, struct slab *s, uint32_t n_lines)
{
    struct stack_ids old = *t;

    t->lines = slab_take(s, n_lines * sizeof *t->lines);
    t->n_lines = n_lines;
    for (uint32_t i = 0; i < old.n_lines; i++) {
        const struct stack_line *line = &old.lines[i];
        for (uint32_t k = 0; k < STACK_LINE && line->stack1[k] != 0; k++)
            slot_place(t, (struct stack_slot){ line->lo[k], line->mid[k], line->hi[k], line->stack1[k] });
    }
    slab_give(s, old.lines, old.n_lines * sizeof *old.lines);
}

void stack_ids_put(struct stack_ids *t, struct slab *s, struct hash128 hash, uint32_t stack)
{
    uint32_t n_lines = lines_for(t, (uint64_t)t->n + 1);

    assert(stack < UINT32_MAX);
    if (n_lines != t->n_lines)
        lines_grow(t, s, n_lines);
    slot_place(t, slot_of(hash, stack + 1));
    t->n++;
}

/* The stack + 1 under those bits, or 0. */
static uint32_t line_find(const struct stack_line *line, struct stack_slot want)
{
    stack_lanes is = (stack_lanes)((line->lo == want.lo) & (line->mid == want.mid) & (line->hi == want.hi));
    stack_lanes found = is & line->stack1;

    return found[0] | found[1] | found[2] | found[3];
}

bool stack_ids_get(const struct stack_ids *t, struct hash128 hash, uint32_t *stack)
{
    struct stack_slot want = slot_of(hash, 0);

    if (t->n_lines == 0)
        return false;
    for (uint32_t at = stack_ids_home(t, want.mid);; at = line_after(t, at)) {
        uint32_t stack1 = line_find(&t->lines[at], want);
        *stack = stack1 - 1;
        if (stack1 != 0 || t->lines[at].stack1[STACK_LINE - 1] == 0)
            return stack1 != 0;
    }
}

void stack_ids_free(struct stack_ids *t, struct slab *s) { slab_give(s, t->lines, t->n_lines * sizeof *t->lines); }

size_t stack_ids_cost(const struct stack_ids *t, size_t more)
{
    if (t->n + (uint64_t)more >= VEC_MAX)
        return COST_OF_TOO_MANY;
    uint32_t n_lines = lines_for(t, t->n + more);
    return n_lines == t->n_lines ? 0 : n_lines * sizeof *t->lines;
}
