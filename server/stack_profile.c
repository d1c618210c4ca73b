#include "server/stack_profile.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/mem.h"
#include "wire/pb.h"

enum { STACKS_MAX = 1 << 14, PLACES = STACKS_MAX * 2 };

struct stack {
    uint64_t        hash;
    int64_t         count;
    uint32_t        n;
    const uint64_t *pcs;
};

struct stack_profile {
    enum sample_clock clock;
    struct arena     *arena; /* pcs */
    struct stack     *places[PLACES];
    struct stack      stacks[STACKS_MAX];
    size_t            n;
};

struct stack_profile *stack_profile_new(enum sample_clock clock)
{
    struct stack_profile *p = mem_zalloc(sizeof *p);

    p->clock = clock;
    p->arena = arena_new(0);
    return p;
}

void stack_profile_free(struct stack_profile *p)
{
    if (p == NULL)
        return;
    arena_free(p->arena);
    free(p);
}

size_t stack_profile_stacks(const struct stack_profile *p) { return p->n; }

void stack_profile_add(struct stack_profile *p, const struct sample *sample)
{
    size_t   bytes = sample->n * sizeof *sample->pcs;
    uint64_t hash = hash64(sample->pcs, bytes);
    size_t   i = hash % PLACES;

    assert(sample->clock == p->clock);

    for (; p->places[i] != NULL; i = (i + 1) % PLACES)
        if (p->places[i]->hash == hash) {
            p->places[i]->count += sample->count;
            return;
        }
    if (p->n == STACKS_MAX)
        return;
    uint64_t *pcs = arena_array(p->arena, sample->n, sizeof *pcs);
    memcpy(pcs, sample->pcs, bytes);
    p->stacks[p->n] = (struct stack){ hash, sample->count, sample->n, pcs };
    p->places[i] = &p->stacks[p->n++];
}

/* Fields of profile.proto. */
enum {
    SAMPLE_TYPE = 1,
    SAMPLE = 2,
    MAPPING = 3,
    LOCATION = 4,
    FUNCTION = 5,
    STRING = 6,
    TIME = 9,
    DURATION = 10,
    PERIOD_TYPE = 11,
    PERIOD = 12
};

/* Tables while one profile is written: strings by address (they are unique), locations by pc. */
struct writer_state {
    struct buf     *out;
    struct symbols *symbols;
    int64_t         period_ns;
    struct map {
        uint64_t *keys;
        uint32_t *ids;
        size_t    places, n;
    } strings, locations, functions;
    uint64_t mappings_seen[4]; /* bit i: object i is written */
};

static void map_grow(struct map *m)
{
    struct map wider = { .places = m->places ? m->places * 2 : 1024, .n = m->n };

    wider.keys = mem_zalloc(wider.places * sizeof *wider.keys);
    wider.ids = mem_zalloc(wider.places * sizeof *wider.ids);
    for (size_t i = 0; i < m->places; i++)
        if (m->ids[i] != 0) {
            size_t k = hash_pair(m->keys[i], 0) & (wider.places - 1);
            while (wider.ids[k] != 0)
                k = (k + 1) & (wider.places - 1);
            wider.keys[k] = m->keys[i];
            wider.ids[k] = m->ids[i];
        }
    free(m->keys);
    free(m->ids);
    *m = wider;
}

/* The id of `key`, from 1; *is_new when it had none. */
static uint32_t map_id(struct map *m, uint64_t key, bool *is_new)
{
    if (m->n * 2 >= m->places)
        map_grow(m);
    size_t i = hash_pair(key, 0) & (m->places - 1);
    while (m->ids[i] != 0 && m->keys[i] != key)
        i = (i + 1) & (m->places - 1);
    *is_new = m->ids[i] == 0;
    if (*is_new) {
        m->keys[i] = key;
        m->ids[i] = (uint32_t)++m->n;
    }
    return m->ids[i];
}

static void map_free(struct map *m)
{
    free(m->keys);
    free(m->ids);
}

/* `text` is a literal or belongs to the symbols: the same address is the same text. */
static uint32_t put_string(struct writer_state *w, const char *text)
{
    bool     is_new;
    uint32_t id = map_id(&w->strings, (uint64_t)(uintptr_t)text, &is_new);

    if (is_new)
        pb_put_bytes(w->out, STRING, slice_of(text));
    return id; /* string 0, "", stands before the first */
}

static void put_value_type(struct writer_state *w, uint32_t field, const char *type, const char *unit)
{
    uint32_t t = put_string(w, type), u = put_string(w, unit);
    size_t   at = pb_open(w->out, field);

    pb_put_varint(w->out, 1, t);
    pb_put_varint(w->out, 2, u);
    pb_close(w->out, at);
}

static uint32_t put_mapping(struct writer_state *w, const struct symbol *s)
{
    uint32_t word = s->object / 64, id = s->object + 1;
    uint64_t bit = UINT64_C(1) << s->object % 64;

    if (s->object >= 256)
        return 0;
    if (w->mappings_seen[word] & bit)
        return id;
    w->mappings_seen[word] |= bit;
    uint32_t file = put_string(w, s->file);
    size_t   at = pb_open(w->out, MAPPING);
    pb_put_varint(w->out, 1, id);
    pb_put_varint(w->out, 2, s->start);
    pb_put_varint(w->out, 3, s->limit);
    pb_put_varint(w->out, 4, s->offset);
    pb_put_varint(w->out, 5, file);
    pb_put_varint(w->out, 7, 1); /* has_functions: addresses do not matter any more */
    pb_close(w->out, at);
    return id;
}

static uint32_t put_function(struct writer_state *w, const char *name)
{
    bool     is_new;
    uint32_t string = put_string(w, name), id = map_id(&w->functions, string, &is_new);

    if (is_new) {
        size_t at = pb_open(w->out, FUNCTION);
        pb_put_varint(w->out, 1, id);
        pb_put_varint(w->out, 2, string);
        pb_put_varint(w->out, 3, string);
        pb_close(w->out, at);
    }
    return id;
}

static uint32_t put_location(struct writer_state *w, uint64_t pc)
{
    bool     is_new;
    uint32_t id = map_id(&w->locations, pc, &is_new);

    if (!is_new)
        return id;
    struct symbol s = symbols_find(w->symbols, pc);
    uint32_t      mapping = put_mapping(w, &s), function = s.name ? put_function(w, s.name) : 0;
    size_t        at = pb_open(w->out, LOCATION);
    pb_put_varint(w->out, 1, id);
    if (mapping != 0)
        pb_put_varint(w->out, 2, mapping);
    pb_put_varint(w->out, 3, pc);
    if (function != 0) {
        size_t line = pb_open(w->out, 4);
        pb_put_varint(w->out, 1, function);
        pb_close(w->out, line);
    }
    pb_close(w->out, at);
    return id;
}

/* Two that follow each other and have but their library's name are one to who looks at them. */
static bool is_repeated(struct writer_state *w, const struct stack *s, uint32_t i)
{
    if (i == 0)
        return false;
    struct symbol inner = symbols_find(w->symbols, s->pcs[i - 1]), outer = symbols_find(w->symbols, s->pcs[i]);
    return inner.is_stripped && outer.is_stripped && inner.object == outer.object;
}

static void put_sample(struct writer_state *w, const struct stack *s)
{
    uint64_t ids[SAMPLE_DEPTH_MAX];
    size_t   n = 0;
    uint64_t values[2] = { (uint64_t)s->count, (uint64_t)(s->count * w->period_ns) };

    for (uint32_t i = 0; i < s->n; i++)
        if (!is_repeated(w, s, i))
            ids[n++] = put_location(w, s->pcs[i]);
    size_t at = pb_open(w->out, SAMPLE);
    pb_put_packed(w->out, 1, ids, n);
    pb_put_packed(w->out, 2, values, 2);
    pb_close(w->out, at);
}

void stack_profile_write(struct stack_profile *p, struct symbols *s, int64_t time_ns, int64_t duration_ns,
                         struct buf *out)
{
    struct writer_state w = { .out = out, .symbols = s, .period_ns = SAMPLE_PERIOD_NS(p->clock) };
    const char         *kind = p->clock == SAMPLE_CPU ? "cpu" : "wall";

    pb_put_bytes(out, STRING, SLICE(""));
    put_value_type(&w, SAMPLE_TYPE, "samples", "count");
    put_value_type(&w, SAMPLE_TYPE, kind, "nanoseconds");
    put_value_type(&w, PERIOD_TYPE, kind, "nanoseconds");
    pb_put_varint(out, PERIOD, (uint64_t)w.period_ns);
    pb_put_varint(out, TIME, (uint64_t)time_ns);
    pb_put_varint(out, DURATION, (uint64_t)duration_ns);
    for (size_t i = 0; i < p->n; i++)
        put_sample(&w, &p->stacks[i]);
    map_free(&w.strings);
    map_free(&w.locations);
    map_free(&w.functions);
    memset(p->places, 0, sizeof p->places);
    p->n = 0;
    arena_reset(p->arena);
}
