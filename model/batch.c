/*
 * The encoding of a batch.  Little-endian; every section begins at a multiple of 8; gaps are zero bytes.
 *
 *      0  4  magic "HBAT"
 *      4  2  version, 1
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
 *     then the sections: arrays of the structs of batch.h, as they lie in memory.  A section left out has no items.
 *
 * The first 56 bytes are fixed from the first day.  What comes later (spans, exemplars) comes as new kinds of section.
 */
#include "model/batch.h"

#include <assert.h>
#include <stddef.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "sections are read in place");

enum { VERSION = 1, ALIGN = 8, KNOWN = 15, TENANT_MAX = 1024, SECTIONS_MAX = 256, MUST_KNOW = 1 };

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
    S_STACK_LOCATIONS,
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
_Static_assert(sizeof(struct profile) == 40 && sizeof(struct batch_mapping) == 40 &&
                   sizeof(struct batch_function) == 24 && sizeof(struct batch_line) == 16 &&
                   sizeof(struct batch_location) == 24,
               "no padding: these are the format");

static const uint8_t item_bytes[KNOWN] = {
    [S_PROFILE] = sizeof(struct profile),
    [S_STRING_END] = 4,
    [S_STRING_BYTES] = 1,
    [S_MAPPINGS] = sizeof(struct batch_mapping),
    [S_FUNCTIONS] = sizeof(struct batch_function),
    [S_LINES] = sizeof(struct batch_line),
    [S_LOCATIONS] = sizeof(struct batch_location),
    [S_STACK_END] = 4,
    [S_STACK_LOCATIONS] = 4,
    [S_TYPES] = sizeof(struct batch_type),
    [S_LABELS] = sizeof(struct batch_label),
    [S_PARTS] = sizeof(struct batch_part),
    [S_ROW_STACK] = 4,
    [S_ROW_VALUES] = 8,
};

struct items {
    const void *at;
    uint32_t    n;
};

static uint64_t aligned(uint64_t n) { return (n + ALIGN - 1) & ~(uint64_t)(ALIGN - 1); }

static void pad(struct buf *out, size_t from)
{
    static const char zeros[ALIGN];
    buf_put(out, zeros, (size_t)(aligned(out->n - from) - (out->n - from)));
}

static void items_of(const struct batch *b, const struct profile *p, struct items of[KNOWN])
{
    uint64_t n_values = (uint64_t)b->n_types * b->n_rows;

    assert(n_values <= UINT32_MAX);
    of[S_PROFILE] = (struct items){ p, 1 };
    of[S_STRING_END] = (struct items){ b->string_end, b->n_strings };
    of[S_STRING_BYTES] = (struct items){ b->string_bytes, b->n_strings ? b->string_end[b->n_strings - 1] : 0 };
    of[S_MAPPINGS] = (struct items){ b->mappings, b->n_mappings };
    of[S_FUNCTIONS] = (struct items){ b->functions, b->n_functions };
    of[S_LINES] = (struct items){ b->lines, b->n_lines };
    of[S_LOCATIONS] = (struct items){ b->locations, b->n_locations };
    of[S_STACK_END] = (struct items){ b->stack_end, b->n_stacks };
    of[S_STACK_LOCATIONS] = (struct items){ b->stack_locations, b->n_stack_locations };
    of[S_TYPES] = (struct items){ b->types, b->n_types };
    of[S_LABELS] = (struct items){ b->labels, b->n_labels };
    of[S_PARTS] = (struct items){ b->parts, b->n_parts };
    of[S_ROW_STACK] = (struct items){ b->row_stack, b->n_rows };
    of[S_ROW_VALUES] = (struct items){ b->row_values, (uint32_t)n_values };
}

void batch_encode(const struct batch *b, struct buf *out)
{
    struct profile p = { b->time_ns, b->duration_ns, b->period, b->name, b->service, b->period_type, b->period_unit };
    struct items   of[KNOWN];
    size_t         from = out->n;
    uint64_t       at = sizeof(struct head) + aligned(b->tenant.n) + (KNOWN - 1) * sizeof(struct entry);
    struct entry   table[KNOWN];

    assert(b->tenant.n <= TENANT_MAX);
    items_of(b, &p, of);
    for (uint16_t kind = 1; kind < KNOWN; kind++) {
        table[kind] = (struct entry){ .kind = kind, .flags = MUST_KNOW, .n = of[kind].n, .at = at };
        at += aligned((uint64_t)of[kind].n * item_bytes[kind]);
    }
    struct head head = { .version = VERSION,
                         .slot = b->slot,
                         .record_bytes = at,
                         .map_epoch = b->map_epoch,
                         .key_lo = b->key.lo,
                         .key_hi = b->key.hi,
                         .received_ns = b->received_ns,
                         .mode = (uint8_t)b->mode,
                         .tenant_bytes = (uint16_t)b->tenant.n,
                         .n_sections = KNOWN - 1 };
    memcpy(head.magic, MAGIC, sizeof MAGIC);
    buf_reserve(out, at);
    buf_put(out, &head, sizeof head);
    buf_slice(out, b->tenant);
    pad(out, from);
    buf_put(out, table + 1, sizeof table - sizeof table[0]);
    for (int kind = 1; kind < KNOWN; kind++) {
        buf_put(out, of[kind].at, (size_t)of[kind].n * item_bytes[kind]);
        pad(out, from);
    }
    assert(out->n - from == at);
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

/* The arrays of a batch from its sections; what their sizes say of each other is checked here. */
static enum code arrays_read(const struct items of[KNOWN], struct batch *b, struct fault *why)
{
    struct profile p;

    if (of[S_PROFILE].n != 1)
        return fail(why, CODE_INVALID_ARGUMENT, "batch: no profile section");
    memcpy(&p, of[S_PROFILE].at, sizeof p);
    b->time_ns = p.time_ns, b->duration_ns = p.duration_ns, b->period = p.period;
    b->name = p.name, b->service = p.service, b->period_type = p.period_type, b->period_unit = p.period_unit;
    b->string_end = of[S_STRING_END].at, b->n_strings = of[S_STRING_END].n;
    b->string_bytes = of[S_STRING_BYTES].at;
    b->mappings = of[S_MAPPINGS].at, b->n_mappings = of[S_MAPPINGS].n;
    b->functions = of[S_FUNCTIONS].at, b->n_functions = of[S_FUNCTIONS].n;
    b->lines = of[S_LINES].at, b->n_lines = of[S_LINES].n;
    b->locations = of[S_LOCATIONS].at, b->n_locations = of[S_LOCATIONS].n;
    b->stack_end = of[S_STACK_END].at, b->n_stacks = of[S_STACK_END].n;
    b->stack_locations = of[S_STACK_LOCATIONS].at, b->n_stack_locations = of[S_STACK_LOCATIONS].n;
    b->types = of[S_TYPES].at, b->n_types = of[S_TYPES].n;
    b->labels = of[S_LABELS].at, b->n_labels = of[S_LABELS].n;
    b->parts = of[S_PARTS].at, b->n_parts = of[S_PARTS].n;
    b->row_stack = of[S_ROW_STACK].at, b->n_rows = of[S_ROW_STACK].n;
    b->row_values = of[S_ROW_VALUES].at;
    if ((uint64_t)b->n_types * b->n_rows != of[S_ROW_VALUES].n)
        return fail(why, CODE_INVALID_ARGUMENT, "batch: %u values for %u types and %u rows", of[S_ROW_VALUES].n,
                    b->n_types, b->n_rows);
    if (b->n_strings == 0 || b->string_end[b->n_strings - 1] != of[S_STRING_BYTES].n)
        return fail(why, CODE_INVALID_ARGUMENT, "batch: string table does not fit its bytes");
    return CODE_OK;
}

enum code batch_decode(struct slice bytes, struct arena *a, struct batch *out, struct fault *why)
{
    struct items of[KNOWN];
    struct head  h;

    assert(((uintptr_t)bytes.p & (ALIGN - 1)) == 0);
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
        code = arrays_read(of, out, why);
    return code == CODE_OK ? batch_check(out, a, why) : code;
}
