/*
 * The encoding of a batch.  Little-endian; every section begins at a multiple of 8; gaps are zero bytes.
 *
 *      0  4  magic "HBAT"
 *      4  2  version, 2
 *      6  2  slot
 *      8  8  bytes of the whole record, a multiple of 8
 *     16  8  map epoch
 *     24 16  key: low word, high word
 *     40  8  received_ns
 *     48  1  durability mode (enum batch_mode)
 *     49  1  zero
 *     50  2  T, bytes of the tenant's name
 *     52  4  S, number of sections
 *     56  T  tenant, padded to a multiple of 8
 *     then S entries of 16 bytes, the section table, ascending by kind and by place:
 *      0  2  kind (enum section)
 *      2  2  flags: 1 = who does not know this kind must refuse the record; others skip what they do not know
 *      4  4  n, items of the section
 *      8  8  place, from the record's beginning
 *     then the sections.  One left out has no items.  Numbers below 2^32 are 4 bytes; what is marked * is packed, each field
 *     in as few bytes as its values need (model/columns.h):
 *
 *     S_PROFILE        struct profile
 *     S_STRING_END     * where each string ends in
 *     S_STRING_BYTES
 *     S_MAPPINGS, S_TYPES, S_LABELS, S_PARTS      the structs of batch.h as they lie in memory
 *     S_FUNCTIONS, S_LINES, S_LOCATIONS           * those of batch.h
 *     S_STACK_END      * where each stack ends in the list of all locations
 *     S_STACK_SHARED   1 byte a stack: what it has in common with the one before (model/stack_pack.h)
 *     S_STACK_OWN      * the others, stack by stack, leaf first
 *     S_ROW_STACK      *
 *     S_ROW_VALUES     * for each type the values of all rows
 *
 * The first 56 bytes are fixed from the first day.  What comes later (spans, exemplars) comes as new kinds of section.
 */
#include "model/batch.h"

#include <assert.h>
#include <stddef.h>

#include "model/columns.h"
#include "model/stack_hash.h"
#include "model/stack_pack.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are read as they lie");

enum { VERSION = 2, ALIGN = 8, KNOWN = 16, TENANT_MAX = 1024, SECTIONS_MAX = 256, MUST_KNOW = 1 };
enum { VALUES_MAX = 64 << 20 };

static const char MAGIC[4] = { 'H', 'B', 'A', 'T' };

enum section {
    S_PROFILE = 1,
    S_STRING_END,
    S_STRING_BYTES,
    S_MAPPINGS,
    S_FUNCTIONS,
    S_LINES,
    S_LOCATIONS,
    S_STACK_END,
    S_STACK_SHARED,
    S_STACK_OWN,
    S_TYPES,
    S_LABELS,
    S_PARTS,
    S_ROW_STACK,
    S_ROW_VALUES,
};
_Static_assert(S_ROW_VALUES + 1 == KNOWN, "tables below are indexed by kind");

struct head {
    char     magic[4];
    uint16_t version, slot;
    uint64_t record_bytes, map_epoch, key_lo, key_hi;
    int64_t  received_ns;
    uint8_t  mode, zero;
    uint16_t tenant_bytes;
    uint32_t n_sections;
};
_Static_assert(sizeof(struct head) == 56, "fixed from the first day");

struct entry {
    uint16_t kind, flags;
    uint32_t n;
    uint64_t at;
};
_Static_assert(sizeof(struct entry) == 16, "as documented");

struct profile {
    int64_t  time_ns, duration_ns, period;
    uint32_t name, service, period_type, period_unit;
};
_Static_assert(sizeof(struct profile) == 40 && sizeof(struct batch_mapping) == 40, "no padding: these are the format");

/* A packed section has so many bytes. */
static const uint8_t item_bytes[KNOWN] = {
    [S_PROFILE] = sizeof(struct profile),
    [S_STRING_END] = 1,
    [S_STRING_BYTES] = 1,
    [S_MAPPINGS] = sizeof(struct batch_mapping),
    [S_FUNCTIONS] = 1,
    [S_LINES] = 1,
    [S_LOCATIONS] = 1,
    [S_STACK_END] = 1,
    [S_STACK_SHARED] = 1,
    [S_STACK_OWN] = 1,
    [S_TYPES] = sizeof(struct batch_type),
    [S_LABELS] = sizeof(struct batch_label),
    [S_PARTS] = sizeof(struct batch_part),
    [S_ROW_STACK] = 1,
    [S_ROW_VALUES] = 1,
};

#define FIELD(type, name)                                                                                              \
    {                                                                                                                  \
        offsetof(type, name), sizeof(((type *)NULL)->name)                                                             \
    }

static const struct columns functions = {
    sizeof(struct batch_function),
    4,
    { FIELD(struct batch_function, name), FIELD(struct batch_function, system_name), FIELD(struct batch_function, file),
      FIELD(struct batch_function, start_line) }
};
static const struct columns lines = { sizeof(struct batch_line),
                                      2,
                                      { FIELD(struct batch_line, function), FIELD(struct batch_line, line) } };
static const struct columns locations = {
    sizeof(struct batch_location),
    5,
    { FIELD(struct batch_location, line_at), FIELD(struct batch_location, address),
      FIELD(struct batch_location, mapping), FIELD(struct batch_location, n_lines),
      FIELD(struct batch_location, flags) }
};
static const struct columns numbers = { sizeof(uint32_t), 1, { { 0, sizeof(uint32_t) } } };
static const struct columns values = { sizeof(int64_t), 1, { { 0, sizeof(int64_t) } } };

static uint64_t aligned(uint64_t n) { return (n + ALIGN - 1) & ~(uint64_t)(ALIGN - 1); }

static void pad(struct buf *out, size_t from)
{
    static const char zeros[ALIGN];
    buf_put(out, zeros, (size_t)(aligned(out->n - from) - (out->n - from)));
}

static void profile_put(const struct batch *b, struct buf *out)
{
    struct profile p = { b->time_ns, b->duration_ns, b->period, b->name, b->service, b->period_type, b->period_unit };

    buf_put(out, &p, sizeof p);
}

static void section_put(const struct batch *b, const struct stack_pack *stacks, enum section kind, struct buf *out)
{
    switch (kind) {
    case S_PROFILE:
        return profile_put(b, out);
    case S_STRING_END:
        return columns_pack(&numbers, b->string_end, b->n_strings, out);
    case S_STRING_BYTES:
        return buf_put(out, b->string_bytes, b->n_strings ? b->string_end[b->n_strings - 1] : 0);
    case S_MAPPINGS:
        return buf_put(out, b->mappings, b->n_mappings * sizeof *b->mappings);
    case S_FUNCTIONS:
        return columns_pack(&functions, b->functions, b->n_functions, out);
    case S_LINES:
        return columns_pack(&lines, b->lines, b->n_lines, out);
    case S_LOCATIONS:
        return columns_pack(&locations, b->locations, b->n_locations, out);
    case S_STACK_END:
        return columns_pack(&numbers, b->stack_end, b->n_stacks, out);
    case S_STACK_SHARED:
        return buf_put(out, stacks->shared, b->n_stacks);
    case S_STACK_OWN:
        return columns_pack(&numbers, stacks->own, stacks->n_own, out);
    case S_TYPES:
        return buf_put(out, b->types, b->n_types * sizeof *b->types);
    case S_LABELS:
        return buf_put(out, b->labels, b->n_labels * sizeof *b->labels);
    case S_PARTS:
        return buf_put(out, b->parts, b->n_parts * sizeof *b->parts);
    case S_ROW_STACK:
        return columns_pack(&numbers, b->row_stack, b->n_rows, out);
    case S_ROW_VALUES:
        for (uint32_t i = 0; i < b->n_types; i++)
            columns_pack(&values, b->row_values + (size_t)i * b->n_rows, b->n_rows, out);
        return;
    }
}

static struct head head_of(const struct batch *b, size_t bytes)
{
    struct head h = { .version = VERSION,
                      .slot = b->slot,
                      .record_bytes = bytes,
                      .map_epoch = b->map_epoch,
                      .key_lo = b->key.lo,
                      .key_hi = b->key.hi,
                      .received_ns = b->received_ns,
                      .mode = (uint8_t)b->mode,
                      .tenant_bytes = (uint16_t)b->tenant.n,
                      .n_sections = KNOWN - 1 };

    memcpy(h.magic, MAGIC, sizeof MAGIC);
    return h;
}

static size_t memory_bytes(const struct batch *b)
{
    return ((size_t)b->n_strings + b->n_stacks + b->n_stack_locations + b->n_rows) * sizeof(uint32_t) +
           (b->n_strings ? b->string_end[b->n_strings - 1] : 0) + b->n_mappings * sizeof *b->mappings +
           b->n_functions * sizeof *b->functions + b->n_lines * sizeof *b->lines +
           b->n_locations * sizeof *b->locations + (size_t)b->n_types * b->n_rows * sizeof *b->row_values;
}

void batch_encode(const struct batch *b, struct buf *out)
{
    size_t            from = out->n, table_at = sizeof(struct head) + aligned(b->tenant.n);
    struct entry      table[KNOWN];
    struct stack_pack stacks = stack_pack_make(b);

    assert(b->tenant.n <= TENANT_MAX && (uint64_t)b->n_types * b->n_rows <= UINT32_MAX);
    buf_reserve(out, table_at + sizeof table + memory_bytes(b) / 2); /* most need less: it seldom grows */
    out->n += sizeof(struct head);
    buf_slice(out, b->tenant);
    pad(out, from);
    out->n += sizeof table - sizeof table[0];
    for (uint16_t kind = 1; kind < KNOWN; kind++) {
        size_t begin = out->n;
        section_put(b, &stacks, (enum section)kind, out);
        table[kind] = (struct entry){
            .kind = kind, .flags = MUST_KNOW, .n = (uint32_t)((out->n - begin) / item_bytes[kind]), .at = begin - from
        };
        pad(out, from);
    }
    struct head head = head_of(b, out->n - from);
    memcpy(out->p + from, &head, sizeof head);
    memcpy(out->p + from + table_at, table + 1, sizeof table - sizeof table[0]);
    stack_pack_fini(&stacks);
}

static bool head_read(struct slice bytes, struct head *h)
{
    if (bytes.n < sizeof *h)
        return false;
    memcpy(h, bytes.p, sizeof *h);
    return memcmp(h->magic, MAGIC, sizeof MAGIC) == 0 && h->version == VERSION && h->zero == 0 &&
           h->mode <= BATCH_MEMORY && h->tenant_bytes <= TENANT_MAX && h->n_sections <= SECTIONS_MAX &&
           h->record_bytes % ALIGN == 0 &&
           h->record_bytes >= sizeof *h + aligned(h->tenant_bytes) + (uint64_t)h->n_sections * sizeof(struct entry);
}

size_t batch_record_bytes(struct slice bytes)
{
    struct head h;
    return head_read(bytes, &h) ? h.record_bytes : 0;
}

struct items {
    const void *at;
    uint32_t    n;
};

/* The section table into of[]; what it names lies inside the record, in order and aligned. */
static enum code sections_read(struct slice bytes, const struct head *h, struct items of[KNOWN], struct fault *why)
{
    uint64_t table = sizeof *h + aligned(h->tenant_bytes);
    uint64_t end = table + h->n_sections * sizeof(struct entry);
    unsigned before = 0;

    for (int kind = 0; kind < KNOWN; kind++)
        of[kind] = (struct items){ bytes.p, 0 }; /* left out: an array of nothing, not NULL, which may not be indexed */
    for (uint32_t i = 0; i < h->n_sections; i++) {
        struct entry e;
        memcpy(&e, bytes.p + table + i * sizeof e, sizeof e);
        if (e.kind <= before || e.at < end || e.at % ALIGN != 0 || e.at > h->record_bytes)
            return fail(why, CODE_INVALID_ARGUMENT, "batch: section %u is out of place", e.kind);
        before = e.kind;
        end = e.at;
        if (e.kind >= KNOWN && (e.flags & MUST_KNOW))
            return fail(why, CODE_INVALID_ARGUMENT, "batch: unknown section %u", e.kind);
        if (e.kind >= KNOWN)
            continue;
        uint64_t n = (uint64_t)e.n * item_bytes[e.kind];
        if (n > h->record_bytes - e.at)
            return fail(why, CODE_INVALID_ARGUMENT, "batch: section %u is cut short", e.kind);
        end = e.at + n;
        of[e.kind] = (struct items){ bytes.p + e.at, e.n };
    }
    return CODE_OK;
}

/* What a section that is packed holds, and nothing behind it. */
static enum code unpack(const struct items of[KNOWN], enum section kind, const struct columns *c, struct arena *a,
                        const void **items, uint32_t *n, struct fault *why)
{
    struct slice packed = slice_make(of[kind].at, of[kind].n);

    *n = 0;
    *items = of[kind].at;
    if (packed.n == 0 || (columns_unpack(c, &packed, a, items, n) && packed.n == 0))
        return CODE_OK;
    return fail(why, CODE_INVALID_ARGUMENT, "batch: section %u is not packed as it should be", kind);
}

static enum code stacks_read(const struct items of[KNOWN], struct arena *a, struct batch *b, struct fault *why)
{
    const void *own;
    uint32_t    n_own;
    enum code   code = unpack(of, S_STACK_OWN, &numbers, a, &own, &n_own, why);

    if (code == CODE_OK && of[S_STACK_SHARED].n != b->n_stacks)
        return fail(why, CODE_INVALID_ARGUMENT, "batch: the stacks' sections do not fit each other");
    return code == CODE_OK ? stack_unpack(of[S_STACK_SHARED].at, own, n_own, a, b, why) : code;
}

/* Column by column, side by side. */
static enum code values_read(const struct items of[KNOWN], struct arena *a, struct batch *b, struct fault *why)
{
    struct slice packed = slice_make(of[S_ROW_VALUES].at, of[S_ROW_VALUES].n);

    if ((uint64_t)b->n_types * b->n_rows > VALUES_MAX)
        return fail(why, CODE_INVALID_ARGUMENT, "batch: %u types of %u rows are too many", b->n_types, b->n_rows);
    int64_t *all = arena_array(a, (size_t)b->n_types * b->n_rows, sizeof *all);
    for (uint32_t i = 0; i < b->n_types; i++)
        if (!columns_unpack_n(&values, &packed, all + (size_t)i * b->n_rows, b->n_rows))
            return fail(why, CODE_INVALID_ARGUMENT, "batch: the values of type %u do not fit %u rows", i, b->n_rows);
    b->row_values = all;
    return packed.n == 0 ? CODE_OK : fail(why, CODE_INVALID_ARGUMENT, "batch: values that belong to no type");
}

/* Few: they are moved to where structs may lie, if need be. */
static const void *structs_read(struct items in, size_t item_size, struct arena *a)
{
    bool is_aligned = ((uintptr_t)in.at & (ALIGN - 1)) == 0;

    return is_aligned ? in.at : arena_copy(a, slice_make(in.at, in.n * item_size)).p;
}

/* Those that are no arrays of numbers. */
static enum code profile_read(const struct items of[KNOWN], struct arena *a, struct batch *b, struct fault *why)
{
    struct profile p;

    if (of[S_PROFILE].n != 1)
        return fail(why, CODE_INVALID_ARGUMENT, "batch: no profile section");
    memcpy(&p, of[S_PROFILE].at, sizeof p);
    b->time_ns = p.time_ns, b->duration_ns = p.duration_ns, b->period = p.period;
    b->name = p.name, b->service = p.service, b->period_type = p.period_type, b->period_unit = p.period_unit;
    b->string_bytes = of[S_STRING_BYTES].at;
    b->mappings = structs_read(of[S_MAPPINGS], sizeof *b->mappings, a), b->n_mappings = of[S_MAPPINGS].n;
    b->types = structs_read(of[S_TYPES], sizeof *b->types, a), b->n_types = of[S_TYPES].n;
    b->labels = structs_read(of[S_LABELS], sizeof *b->labels, a), b->n_labels = of[S_LABELS].n;
    b->parts = structs_read(of[S_PARTS], sizeof *b->parts, a), b->n_parts = of[S_PARTS].n;
    if (b->n_strings == 0 || b->string_end[b->n_strings - 1] != of[S_STRING_BYTES].n)
        return fail(why, CODE_INVALID_ARGUMENT, "batch: string table does not fit its bytes");
    return CODE_OK;
}

/* The arrays of a batch from its sections; what their sizes say of each other is checked here. */
static enum code arrays_read(const struct items of[KNOWN], struct arena *a, struct batch *b, struct fault *why)
{
    const struct {
        enum section          kind;
        const struct columns *columns;
        const void          **items;
        uint32_t             *n;
    } packed[] = {
        { S_STRING_END, &numbers, (const void **)&b->string_end, &b->n_strings },
        { S_FUNCTIONS, &functions, (const void **)&b->functions, &b->n_functions },
        { S_LINES, &lines, (const void **)&b->lines, &b->n_lines },
        { S_LOCATIONS, &locations, (const void **)&b->locations, &b->n_locations },
        { S_STACK_END, &numbers, (const void **)&b->stack_end, &b->n_stacks },
        { S_ROW_STACK, &numbers, (const void **)&b->row_stack, &b->n_rows },
    };
    enum code code = CODE_OK;

    for (size_t i = 0; i < sizeof packed / sizeof *packed && code == CODE_OK; i++)
        code = unpack(of, packed[i].kind, packed[i].columns, a, packed[i].items, packed[i].n, why);
    if (code == CODE_OK)
        code = profile_read(of, a, b, why);
    if (code == CODE_OK)
        code = values_read(of, a, b, why);
    return code == CODE_OK ? stacks_read(of, a, b, why) : code;
}

enum code batch_decode(struct slice bytes, struct arena *a, struct batch *out, struct fault *why)
{
    struct items of[KNOWN];
    struct head  h;

    if (!head_read(bytes, &h))
        return fail(why, CODE_INVALID_ARGUMENT, "batch: not a record of version %d", VERSION);
    if (h.record_bytes > bytes.n)
        return fail(why, CODE_INVALID_ARGUMENT, "batch: cut short: %zu of %llu bytes", bytes.n,
                    (unsigned long long)h.record_bytes);
    *out = (struct batch){ .tenant = slice_make(bytes.p + sizeof h, h.tenant_bytes),
                           .key = { h.key_lo, h.key_hi },
                           .map_epoch = h.map_epoch,
                           .received_ns = h.received_ns,
                           .slot = h.slot,
                           .mode = (enum batch_mode)h.mode };
    enum code code = sections_read(bytes, &h, of, why);
    if (code == CODE_OK)
        code = arrays_read(of, a, out, why);
    if (code == CODE_OK)
        code = batch_check_quick(out, a, why);
    if (code == CODE_OK)
        out->stack_hash = stack_hashes(out, a, a);
    return code;
}
