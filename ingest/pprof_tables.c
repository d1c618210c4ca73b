#include "ingest/pprof_tables.h"

/* Tags of functions, locations and their lines, in the order their writers keep. */
enum {
    FUNCTION = 5 << 3 | PB_BYTES,
    FUNCTION_ID = 1 << 3,
    FUNCTION_NAME = 2 << 3,
    FUNCTION_SYSTEM_NAME = 3 << 3,
    FUNCTION_FILE = 4 << 3,
    FUNCTION_START_LINE = 5 << 3,
    LOCATION = 4 << 3 | PB_BYTES,
    LOCATION_ID = 1 << 3,
    LOCATION_MAPPING = 2 << 3,
    LOCATION_ADDRESS = 3 << 3,
    LOCATION_LINE = 4 << 3 | PB_BYTES,
    LINE_FUNCTION = 1 << 3,
    LINE_NUMBER = 2 << 3,
};

/* One of them in so many bytes of a profile, names included: how much room tables have at first. */
enum { USUAL_BYTES = 48, LEAST_ROWS = 4 };

static uint32_t ref_of(uint64_t v) { return v < REF_BAD ? (uint32_t)v : REF_BAD; }

/*
 * Nearly all messages have their fields in the order of their numbers.  Quickly they are read one by one without a look at
 * where the message ends; whether the last one ends there tells if it was such a message.  If not, it is read again in the
 * general way.  Until that is known, reads go at most so far beyond the end.
 */
enum { QUICK_BYTES = 64 };

static bool is_quick(const struct pb_cursor *behind) { return behind->end - behind->p >= QUICK_BYTES; }

/* The number with this tag when it comes next, else 0; of at most eight bytes, all read at once. */
__attribute__((always_inline)) static inline uint64_t long_take(const uint8_t **p, uint8_t tag)
{
    const uint8_t *at = *p;
    uint64_t       word;

    memcpy(&word, at + 1, sizeof word);
    uint64_t stops = ~word & 0x8080808080808080; /* the lowest one set ends the number */
    if (at[0] != tag || stops == 0)
        return 0;
    *p = at + 2 + ((unsigned)__builtin_ctzll(stops) >> 3);
    return varint_close(word & (stops ^ (stops - 1)));
}

/* The same, mostly of one byte or two, which of them the one before tells: ids are counted, names come in order. */
__attribute__((always_inline)) static inline uint64_t ordered_take(const uint8_t **p, uint8_t tag)
{
    const uint8_t *at = *p;

    if (at[0] != tag)
        return 0;
    if (at[1] < 0x80) {
        *p = at + 2;
        return at[1];
    }
    if (at[2] >= 0x80)
        return long_take(p, tag);
    *p = at + 3;
    return (at[1] & 0x7fu) | (uint64_t)at[2] << 7;
}

/* The same in no order, so that no branch could foretell it. */
__attribute__((always_inline)) static inline uint64_t short_take(const uint8_t **p, uint8_t tag)
{
    const uint8_t *at = *p;
    uint32_t       word;

    if (at[0] != tag)
        return 0;
    memcpy(&word, at, sizeof word);
    if ((word & word >> 8 & 0x8000) != 0)
        return long_take(p, tag);
    uint32_t is_two = word >> 15 & 1;
    *p = at + 2 + is_two;
    return (word >> 8 & 0x7f) | (word >> 9 & 0x3f80 & -is_two);
}

/* For few: room doubles when n is a power of two. */
static void *array_with_room(struct arena *a, void *at, uint32_t n, size_t item)
{
    if (n == 0)
        return arena_array(a, LEAST_ROWS, item);
    return n >= LEAST_ROWS && (n & (n - 1)) == 0 ? array_grown(a, at, n, (size_t)n * 2, item) : at;
}

struct batch_type *type_new(struct pprof *p)
{
    p->types = array_with_room(p->a, p->types, p->n_types, sizeof *p->types);
    return &p->types[p->n_types++];
}

bool type_read(struct slice bytes, struct batch_type *t)
{
    struct pb_cursor c = pb_cursor(bytes);
    struct pb_field  f;

    *t = (struct batch_type){ 0 };
    while (pb_next(&c, &f))
        if (f.number == 1)
            t->type = ref_of(f.value);
        else if (f.number == 2)
            t->unit = ref_of(f.value);
    return !c.is_bad;
}

bool mapping_read(struct pprof *p, struct slice bytes)
{
    struct pb_cursor     c = pb_cursor(bytes);
    struct pb_field      f;
    struct batch_mapping m = { 0 };
    uint64_t             id = 0;

    while (pb_next(&c, &f))
        switch (f.number) {
        case 1:
            id = f.value;
            break;
        case 2:
            m.start = f.value;
            break;
        case 3:
            m.limit = f.value;
            break;
        case 4:
            m.offset = f.value;
            break;
        case 5:
            m.file = ref_of(f.value);
            break;
        case 6:
            m.build_id = ref_of(f.value);
            break;
        case 7:
            m.flags |= f.value ? BATCH_HAS_FUNCTIONS : 0;
            break;
        case 8:
            m.flags |= f.value ? BATCH_HAS_FILENAMES : 0;
            break;
        case 9:
            m.flags |= f.value ? BATCH_HAS_LINE_NUMBERS : 0;
            break;
        case 10:
            m.flags |= f.value ? BATCH_HAS_INLINE_FRAMES : 0;
            break;
        default:
            break;
        }
    p->mappings = array_with_room(p->a, p->mappings, p->n_mappings, sizeof m);
    p->mapping_ids = array_with_room(p->scratch, p->mapping_ids, p->n_mappings, sizeof id);
    p->mapping_ids[p->n_mappings] = id;
    p->mappings[p->n_mappings++] = m;
    return !c.is_bad;
}

/* More room, first by a guess from the bytes that are left. */
static uint32_t cap_next(uint32_t cap, size_t bytes_left)
{
    return cap > 0 ? cap * 2 : (uint32_t)(bytes_left / USUAL_BYTES) + LEAST_ROWS;
}

static void functions_grow(struct pprof *p, size_t bytes_left)
{
    uint32_t n = p->n_functions, cap = p->functions_cap = cap_next(p->functions_cap, bytes_left);

    p->functions = array_grown(p->a, p->functions, n, cap, sizeof *p->functions);
    p->function_ids = array_grown(p->scratch, p->function_ids, n, cap, sizeof *p->function_ids);
}

/* Any function. */
static bool function_read(struct slice bytes, uint64_t *id, struct batch_function *fn)
{
    struct pb_cursor c = pb_cursor(bytes);
    struct pb_field  f;

    *id = 0;
    *fn = (struct batch_function){ 0 };
    while (pb_next(&c, &f))
        switch (f.number) {
        case 1:
            *id = f.value;
            break;
        case 2:
            fn->name = ref_of(f.value);
            break;
        case 3:
            fn->system_name = ref_of(f.value);
            break;
        case 4:
            fn->file = ref_of(f.value);
            break;
        case 5:
            fn->start_line = (int64_t)f.value;
            break;
        default:
            break;
        }
    return !c.is_bad;
}

/* One with its fields in order; false: it is not. */
static inline bool function_read_quickly(struct slice bytes, uint64_t *id, struct batch_function *fn)
{
    const uint8_t *p = (const uint8_t *)bytes.p, *end = p + bytes.n;

    *id = ordered_take(&p, FUNCTION_ID);
    fn->name = ref_of(ordered_take(&p, FUNCTION_NAME));
    fn->system_name = ref_of(ordered_take(&p, FUNCTION_SYSTEM_NAME));
    fn->file = ref_of(short_take(&p, FUNCTION_FILE));
    fn->reserved = 0;
    fn->start_line = (int64_t)short_take(&p, FUNCTION_START_LINE);
    return p == end;
}

bool functions_read(struct pprof *p, struct pb_cursor *cursor, struct slice bytes)
{
    struct pb_cursor c = *cursor;
    bool             is_ok;

    do {
        if (p->n_functions == p->functions_cap)
            functions_grow(p, (size_t)(c.end - c.p));
        uint32_t i = p->n_functions++;
        is_ok = (is_quick(&c) && function_read_quickly(bytes, &p->function_ids[i], &p->functions[i])) ||
                function_read(bytes, &p->function_ids[i], &p->functions[i]);
    } while (is_ok && pb_expect_bytes(&c, FUNCTION, &bytes));
    *cursor = c;
    return is_ok;
}

static void locations_grow(struct pprof *p, size_t bytes_left)
{
    uint32_t n = p->n_locations, cap = p->locations_cap = cap_next(p->locations_cap, bytes_left);

    p->locations = array_grown(p->a, p->locations, n, cap, sizeof *p->locations);
    p->location_ids = array_grown(p->scratch, p->location_ids, n, cap, sizeof *p->location_ids);
    p->mapping_ids_of_locations =
        array_grown(p->scratch, p->mapping_ids_of_locations, n, cap, sizeof *p->mapping_ids_of_locations);
}

static inline struct batch_line *line_new(struct pprof *p)
{
    if (p->n_lines == p->lines_cap) {
        p->lines_cap = p->lines_cap > 0 ? p->lines_cap * 2 : p->locations_cap;
        p->lines = array_grown(p->a, p->lines, p->n_lines, p->lines_cap, sizeof *p->lines);
    }
    return &p->lines[p->n_lines++];
}

static bool line_read(struct pprof *p, struct slice bytes)
{
    struct pb_cursor c = pb_cursor(bytes);
    struct pb_field  f;
    uint64_t         function = 0, line = 0;

    while (pb_next(&c, &f))
        if (f.number == 1)
            function = f.value;
        else if (f.number == 2)
            line = f.value;
    *line_new(p) = line_unresolved(function, (int64_t)line);
    return !c.is_bad;
}

/* Any location. */
static bool location_read(struct pprof *p, struct slice bytes, uint32_t i)
{
    struct pb_cursor       c = pb_cursor(bytes);
    struct pb_field        f;
    struct batch_location *l = &p->locations[i];
    uint32_t               line_at = p->n_lines;
    bool                   is_ok = true;

    *l = (struct batch_location){ .line_at = line_at };
    p->location_ids[i] = p->mapping_ids_of_locations[i] = 0;
    while (pb_next(&c, &f))
        switch (f.number) {
        case 1:
            p->location_ids[i] = f.value;
            break;
        case 2:
            p->mapping_ids_of_locations[i] = f.value;
            break;
        case 3:
            l->address = f.value;
            break;
        case 4:
            is_ok &= line_read(p, pb_bytes(&f));
            break;
        case 5:
            l->flags = f.value != 0 ? BATCH_IS_FOLDED : 0;
            break;
        default:
            break;
        }
    l->n_lines = p->n_lines - line_at;
    return is_ok && !c.is_bad;
}

static inline bool location_read_quickly(struct pprof *p, struct slice bytes, uint32_t i)
{
    const uint8_t *at = (const uint8_t *)bytes.p, *end = at + bytes.n;
    uint32_t       line_at = p->n_lines;
    bool           is_ok = true;

    p->location_ids[i] = ordered_take(&at, LOCATION_ID);
    p->mapping_ids_of_locations[i] = ordered_take(&at, LOCATION_MAPPING);
    uint64_t address = long_take(&at, LOCATION_ADDRESS);
    while (is_ok && at < end && at[0] == LOCATION_LINE) {
        const uint8_t *line_end = at + 2 + at[1];
        at += 2;
        uint64_t function = ordered_take(&at, LINE_FUNCTION), line = short_take(&at, LINE_NUMBER);
        *line_new(p) = line_unresolved(function, (int64_t)line);
        is_ok = at == line_end;
    }
    p->locations[i] =
        (struct batch_location){ .address = address, .line_at = line_at, .n_lines = p->n_lines - line_at };
    is_ok &= at == end;
    if (!is_ok)
        p->n_lines = line_at;
    return is_ok;
}

bool locations_read(struct pprof *p, struct pb_cursor *cursor, struct slice bytes)
{
    struct pb_cursor c = *cursor;
    bool             is_ok;

    do {
        if (p->n_locations == p->locations_cap)
            locations_grow(p, (size_t)(c.end - c.p));
        uint32_t i = p->n_locations++;
        is_ok = (is_quick(&c) && location_read_quickly(p, bytes, i)) || location_read(p, bytes, i);
    } while (is_ok && pb_expect_bytes(&c, LOCATION, &bytes));
    *cursor = c;
    return is_ok;
}
