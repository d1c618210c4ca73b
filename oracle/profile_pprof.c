#include "oracle/profile_pprof.h"

#include "wire/pb.h"

enum {
    P_SAMPLE_TYPE = 1,
    P_SAMPLE = 2,
    P_LOCATION = 4,
    P_FUNCTION = 5,
    P_STRING = 6,
    P_TIME = 9,
    P_DURATION = 10,
    P_PERIOD_TYPE = 11,
    P_PERIOD = 12,
    NAMES_AT = 2 * KIND_TYPES_MAX + 4, /* in the string table; before them "", types, units, the marker */
};

/* What is needed of the pool: stacks with their sums, names in the order of their first use. */
struct making {
    const struct stack_pool *pool;
    const struct kind       *kind;
    uint32_t                *slot_of_stack, *stacks, n_stacks; /* slot 0: none yet */
    uint32_t                *slot_of_name, *names, n_names;
    int64_t (*sums)[KIND_TYPES_MAX];
};

static void samples_sum(struct making *m, const struct workload *w, const struct profile *p)
{
    struct sample s;

    for (uint32_t i = 0; i < workload_spec_of(w)->samples; i++) {
        workload_sample(w, p, i, &s);
        uint32_t *slot = &m->slot_of_stack[s.stack];
        if (*slot == 0) {
            m->stacks[m->n_stacks++] = s.stack;
            *slot = m->n_stacks;
        }
        for (uint32_t t = 0; t < m->kind->n_types; t++)
            m->sums[*slot - 1][t] += s.values[t];
    }
}

/* A name's function and location have this id; 1 is the marker's. */
static uint64_t id_of_name(struct making *m, uint32_t name)
{
    if (m->slot_of_name[name] == 0) {
        m->names[m->n_names++] = name;
        m->slot_of_name[name] = m->n_names;
    }
    return m->slot_of_name[name] + 1;
}

static void sample_write(struct making *m, uint32_t slot, struct buf *out)
{
    const struct stack_pool *pool = m->pool;
    uint32_t                 stack = m->stacks[slot];
    uint64_t                 ids[STACK_DEPTH_MAX + 1], n = 0;
    size_t                   at = pb_open(out, P_SAMPLE);

    for (uint32_t i = pool->frame_at[stack + 1]; i > pool->frame_at[stack]; i--)
        ids[n++] = id_of_name(m, pool->frames[i - 1]);
    ids[n++] = 1;
    pb_put_packed(out, 1, ids, n);
    pb_put_packed(out, 2, (const uint64_t *)m->sums[slot], m->kind->n_types);
    pb_close(out, at);
}

static void value_type_write(uint32_t field, uint32_t string, struct buf *out)
{
    size_t at = pb_open(out, field);

    pb_put_varint(out, 1, string);
    pb_put_varint(out, 2, string + 1);
    pb_close(out, at);
}

static void function_write(uint64_t id, uint64_t name, struct buf *out)
{
    size_t function = pb_open(out, P_FUNCTION);

    pb_put_varint(out, 1, id);
    pb_put_varint(out, 2, name);
    pb_close(out, function);
    size_t location = pb_open(out, P_LOCATION);
    pb_put_varint(out, 1, id);
    size_t line = pb_open(out, 4);
    pb_put_varint(out, 1, id);
    pb_close(out, line);
    pb_close(out, location);
}

static void strings_write(const struct making *m, struct slice marker, struct buf *out)
{
    const struct kind *k = m->kind;

    pb_put_bytes(out, P_STRING, (struct slice){ 0 });
    for (uint32_t t = 0; t < KIND_TYPES_MAX; t++) {
        pb_put_bytes(out, P_STRING, t < k->n_types ? k->types[t].type : (struct slice){ 0 });
        pb_put_bytes(out, P_STRING, t < k->n_types ? k->types[t].unit : (struct slice){ 0 });
    }
    pb_put_bytes(out, P_STRING, k->period_type);
    pb_put_bytes(out, P_STRING, k->period_unit);
    pb_put_bytes(out, P_STRING, marker);
    for (uint32_t i = 0; i < m->n_names; i++)
        pb_put_bytes(out, P_STRING, m->pool->names[m->names[i]]);
}

static struct making making_new(const struct workload *w, const struct profile *p, struct arena *a)
{
    const struct workload_spec *spec = workload_spec_of(w);
    struct making               m = { .pool = workload_pool(w, p->service, p->kind), .kind = &spec->kinds[p->kind] };

    m.slot_of_stack = arena_zalloc(a, m.pool->n_stacks * sizeof *m.slot_of_stack);
    m.stacks = arena_array(a, spec->samples, sizeof *m.stacks);
    m.slot_of_name = arena_zalloc(a, m.pool->n_names * sizeof *m.slot_of_name);
    m.names = arena_array(a, m.pool->n_names, sizeof *m.names);
    m.sums = arena_zalloc(a, spec->samples * sizeof *m.sums);
    return m;
}

void profile_pprof(const struct workload *w, const struct profile *p, int64_t planted, struct arena *scratch,
                   struct buf *out)
{
    arena_reset(scratch);
    struct making m = making_new(w, p, scratch);

    samples_sum(&m, w, p);
    m.sums[0][0] += planted;
    for (uint32_t t = 0; t < m.kind->n_types; t++)
        value_type_write(P_SAMPLE_TYPE, 1 + 2 * t, out);
    for (uint32_t i = 0; i < m.n_stacks; i++)
        sample_write(&m, i, out);
    function_write(1, NAMES_AT - 1, out);
    for (uint32_t i = 0; i < m.n_names; i++)
        function_write(i + 2, NAMES_AT + i, out);
    strings_write(&m, workload_marker(w, p->tenant, scratch), out);
    pb_put_varint(out, P_TIME, (uint64_t)p->time_ns);
    pb_put_varint(out, P_DURATION, 10000000000);
    value_type_write(P_PERIOD_TYPE, 1 + 2 * KIND_TYPES_MAX, out);
    pb_put_varint(out, P_PERIOD, (uint64_t)m.kind->period);
}
