#include "ingest/pprof_make.h"

#include "wire/pb.h"

void pprof_make_init(struct pprof_make *m)
{
    *m = (struct pprof_make){ .arena = arena_new(0) };
    m->strings = strset_new(m->arena);
    strset_add(m->strings, SLICE(""));
}

void pprof_make_fini(struct pprof_make *m)
{
    buf_free(&m->out);
    arena_free(m->arena);
}

uint64_t pprof_make_string(struct pprof_make *m, struct slice s) { return strset_add(m->strings, s); }

static void type_put(struct pprof_make *m, uint32_t field, struct slice type, struct slice unit)
{
    size_t opened = pb_open(&m->out, field);

    pb_put_varint(&m->out, 1, pprof_make_string(m, type));
    pb_put_varint(&m->out, 2, pprof_make_string(m, unit));
    pb_close(&m->out, opened);
}

void pprof_make_type(struct pprof_make *m, struct slice type, struct slice unit) { type_put(m, 1, type, unit); }

void pprof_make_period(struct pprof_make *m, struct slice type, struct slice unit, int64_t period)
{
    type_put(m, 11, type, unit);
    pb_put_varint(&m->out, 12, (uint64_t)period);
}

void pprof_make_time(struct pprof_make *m, int64_t time_ns, int64_t duration_ns)
{
    pb_put_varint(&m->out, 9, (uint64_t)time_ns);
    pb_put_varint(&m->out, 10, (uint64_t)duration_ns);
}

uint64_t pprof_make_mapping(struct pprof_make *m, struct slice file, uint64_t start, uint64_t limit, bool has_functions)
{
    size_t opened = pb_open(&m->out, 3);

    pb_put_varint(&m->out, 1, ++m->n_mappings);
    pb_put_varint(&m->out, 2, start);
    pb_put_varint(&m->out, 3, limit);
    pb_put_varint(&m->out, 5, pprof_make_string(m, file));
    pb_put_varint(&m->out, 7, has_functions);
    pb_close(&m->out, opened);
    return m->n_mappings;
}

uint64_t pprof_make_function(struct pprof_make *m, struct slice name, struct slice file)
{
    size_t opened = pb_open(&m->out, 5);

    pb_put_varint(&m->out, 1, ++m->n_functions);
    pb_put_varint(&m->out, 2, pprof_make_string(m, name));
    pb_put_varint(&m->out, 4, pprof_make_string(m, file));
    pb_close(&m->out, opened);
    return m->n_functions;
}

uint64_t pprof_make_location(struct pprof_make *m, uint64_t mapping, uint64_t address,
                             const struct pprof_make_line *lines, size_t n)
{
    size_t opened = pb_open(&m->out, 4);

    pb_put_varint(&m->out, 1, ++m->n_locations);
    pb_put_varint(&m->out, 2, mapping);
    pb_put_varint(&m->out, 3, address);
    for (size_t i = 0; i < n; i++) {
        size_t line = pb_open(&m->out, 4);
        pb_put_varint(&m->out, 1, lines[i].function);
        pb_put_varint(&m->out, 2, (uint64_t)lines[i].line);
        pb_close(&m->out, line);
    }
    pb_close(&m->out, opened);
    return m->n_locations;
}

uint64_t pprof_make_frame(struct pprof_make *m, struct slice name)
{
    struct pprof_make_line line = { pprof_make_function(m, name, SLICE("")), 0 };
    return pprof_make_location(m, 0, 0, &line, 1);
}

void pprof_make_sample(struct pprof_make *m, const uint64_t *locations, size_t n, const int64_t *values,
                       size_t n_values, const struct label *labels, size_t n_labels)
{
    size_t opened = pb_open(&m->out, 2);

    pb_put_packed(&m->out, 1, locations, n);
    pb_put_packed(&m->out, 2, (const uint64_t *)values, n_values); /* int64 goes as its two's complement */
    for (size_t i = 0; i < n_labels; i++) {
        size_t label = pb_open(&m->out, 3);
        pb_put_varint(&m->out, 1, pprof_make_string(m, labels[i].name));
        pb_put_varint(&m->out, 2, pprof_make_string(m, labels[i].value));
        pb_close(&m->out, label);
    }
    pb_close(&m->out, opened);
}

struct slice pprof_make_bytes(struct pprof_make *m)
{
    for (uint32_t i = 0; i < strset_n(m->strings); i++)
        pb_put_bytes(&m->out, 6, strset_at(m->strings, i));
    return buf_view(&m->out);
}
