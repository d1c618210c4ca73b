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
 * But the locations of stacks, which would be most of the record, are packed: neighbours begin alike at the root.
 *
 *     S_STACK_SHARED  1 byte a stack: so many locations, counted from the root, are those of the stack before (255 at most)
 *     S_STACK_OWN_16  2 bytes each: the others, stack by stack, leaf first, when every location's number fits
 *     S_STACK_OWN_32  4 bytes each: the same when not; of the two there is at most one
 *
 * The first 56 bytes are fixed from the first day.  What comes later (spans, exemplars) comes as new kinds of section.
 */
#include "model/batch.h"

#include <assert.h>
#include <stddef.h>

#include "base/mem.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "sections are read in place");

enum { VERSION = 1, ALIGN = 8, KNOWN = 18, TENANT_MAX = 1024, SECTIONS_MAX = 256, MUST_KNOW = 1 };
enum { SHARED_MAX = UINT8_MAX, STACK_LOCATIONS_MAX = 128 << 20 };

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
    S_TYPES = 10, /* 9 is not used any more */
    S_LABELS,
    S_PARTS,
    S_ROW_STACK,
    S_ROW_VALUES,
    S_STACK_SHARED,
    S_STACK_OWN_16,
    S_STACK_OWN_32,
};
_Static_assert(S_STACK_OWN_32 + 1 == KNOWN, "tables below are indexed by kind");

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
    [S_TYPES] = sizeof(struct batch_type),
    [S_LABELS] = sizeof(struct batch_label),
    [S_PARTS] = sizeof(struct batch_part),
    [S_ROW_STACK] = 4,
    [S_ROW_VALUES] = 8,
    [S_STACK_SHARED] = 1,
    [S_STACK_OWN_16] = 2,
    [S_STACK_OWN_32] = 4,
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

/* How many locations the stack has in common with the one before, from the root on. */
static uint32_t shared_with(struct batch_stack before, struct batch_stack s)
{
    uint32_t n = 0, most = before.n < s.n ? before.n : s.n;

    most = most < SHARED_MAX ? most : SHARED_MAX;
    while (n < most && before.locations[before.n - 1 - n] == s.locations[s.n - 1 - n])
        n++;
    return n;
}

/* shared[i] of every stack; returns how many locations are left. */
static uint32_t stacks_share(const struct batch *b, uint8_t *shared)
{
    struct batch_stack before = { 0 };
    uint32_t           own = 0;

    for (uint32_t i = 0; i < b->n_stacks; i++) {
        struct batch_stack s = batch_stack(b, i);
        uint32_t           n = shared_with(before, s);
        shared[i] = (uint8_t)n;
        own += s.n - n;
        before = s;
    }
    return own;
}

static void own_16_put(const struct batch *b, const uint8_t *shared, char *out)
{
    uint16_t *at = (uint16_t *)(void *)out; /* sections are aligned */

    for (uint32_t i = 0; i < b->n_stacks; i++) {
        struct batch_stack s = batch_stack(b, i);
        for (uint32_t k = 0; k < s.n - shared[i]; k++)
            *at++ = (uint16_t)s.locations[k];
    }
}

static void own_32_put(const struct batch *b, const uint8_t *shared, char *out)
{
    for (uint32_t i = 0; i < b->n_stacks; i++) {
        struct batch_stack s = batch_stack(b, i);
        size_t             bytes = (s.n - shared[i]) * sizeof *s.locations;
        if (bytes > 0)
            memcpy(out, s.locations, bytes);
        out += bytes;
    }
}

static void items_of(const struct batch *b, const struct profile *p, const uint8_t *shared, uint32_t n_own,
                     struct items of[KNOWN])
{
    bool     is_small = b->n_locations <= UINT16_MAX + 1;
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
    of[S_TYPES] = (struct items){ b->types, b->n_types };
    of[S_LABELS] = (struct items){ b->labels, b->n_labels };
    of[S_PARTS] = (struct items){ b->parts, b->n_parts };
    of[S_ROW_STACK] = (struct items){ b->row_stack, b->n_rows };
    of[S_ROW_VALUES] = (struct items){ b->row_values, (uint32_t)n_values };
    of[S_STACK_SHARED] = (struct items){ shared, b->n_stacks };
    of[S_STACK_OWN_16] = (struct items){ NULL, is_small ? n_own : 0 };
    of[S_STACK_OWN_32] = (struct items){ NULL, is_small ? 0 : n_own };
}

static void section_put(const struct batch *b, int kind, const struct items *items, const uint8_t *shared,
                        struct buf *out)
{
    size_t bytes = (size_t)items->n * item_bytes[kind];

    if (kind < S_STACK_OWN_16) {
        buf_put(out, items->at, bytes);
        return;
    }
    char *at = buf_reserve(out, bytes);
    if (items->n > 0)
        (kind == S_STACK_OWN_16 ? own_16_put : own_32_put)(b, shared, at);
    out->n += bytes;
}

void batch_encode(const struct batch *b, struct buf *out)
{
    struct profile p = { b->time_ns, b->duration_ns, b->period, b->name, b->service, b->period_type, b->period_unit };
    struct items   of[KNOWN] = { 0 }; /* a kind that is not used any more has no items */
    size_t         from = out->n;
    uint64_t       at = sizeof(struct head) + aligned(b->tenant.n) + (KNOWN - 1) * sizeof(struct entry);
    struct entry   table[KNOWN];
    uint8_t       *shared = mem_alloc(b->n_stacks);

    assert(b->tenant.n <= TENANT_MAX);
    items_of(b, &p, shared, stacks_share(b, shared), of);
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
        section_put(b, kind, &of[kind], shared, out);
        pad(out, from);
    }
    assert(out->n - from == at);
    free(shared);
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

/* Where the packed locations are, and where they go. */
struct unpack {
    const uint16_t *own_16;
    const uint32_t *own_32;
    uint32_t        left; /* locations in either */
    uint32_t       *out;
};

/* One stack, out[begin, end): its own locations, then what it shares with the one before; false: it does not fit. */
static bool stack_unpack(struct unpack *u, uint32_t begin, uint32_t end, uint32_t before_n, uint32_t shared)
{
    if (end < begin || shared > end - begin || shared > before_n || end - begin - shared > u->left)
        return false;
    uint32_t  own = end - begin - shared;
    uint32_t *to = u->out + begin;
    if (u->own_16 != NULL)
        for (uint32_t k = 0; k < own; k++)
            to[k] = *u->own_16++;
    else
        for (uint32_t k = 0; k < own; k++)
            to[k] = *u->own_32++;
    for (uint32_t k = 0; k < shared; k++)
        to[own + k] = to[(int64_t)k - shared]; /* the one before ends where this one begins */
    u->left -= own;
    return true;
}

/* The locations of every stack, unpacked; at most 512 MiB of them. */
static enum code stacks_read(const struct items of[KNOWN], struct arena *a, struct batch *b, struct fault *why)
{
    struct items   own_16 = of[S_STACK_OWN_16], own_32 = of[S_STACK_OWN_32];
    const uint8_t *shared = of[S_STACK_SHARED].at;
    struct unpack  u = { own_16.n ? own_16.at : NULL, own_32.at, own_16.n ? own_16.n : own_32.n, NULL };
    uint32_t       end = b->n_stacks ? b->stack_end[b->n_stacks - 1] : 0;

    if (of[S_STACK_SHARED].n != b->n_stacks || (own_16.n > 0 && own_32.n > 0) || end > STACK_LOCATIONS_MAX ||
        end > u.left + (uint64_t)SHARED_MAX * b->n_stacks)
        return fail(why, CODE_INVALID_ARGUMENT, "batch: the stacks' sections do not fit each other");
    u.out = arena_array(a, end, sizeof *u.out);
    b->stack_locations = u.out;
    b->n_stack_locations = end;
    for (uint32_t i = 0, begin = 0, before_n = 0; i < b->n_stacks; i++) {
        if (b->stack_end[i] > end || !stack_unpack(&u, begin, b->stack_end[i], before_n, shared[i]))
            return fail(why, CODE_INVALID_ARGUMENT, "batch: stack %u is out of range", i);
        before_n = b->stack_end[i] - begin;
        begin = b->stack_end[i];
    }
    return u.left == 0 ? CODE_OK : fail(why, CODE_INVALID_ARGUMENT, "batch: locations that belong to no stack");
}

/* The arrays of a batch from its sections; what their sizes say of each other is checked here. */
static enum code arrays_read(const struct items of[KNOWN], struct arena *a, struct batch *b, struct fault *why)
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
    return stacks_read(of, a, b, why);
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
        code = arrays_read(of, a, out, why);
    return code == CODE_OK ? batch_check(out, a, why) : code;
}
