/* Block: its sections, for those who write, check and read them (index/block.h). */
#pragma once

#include <stdbool.h>

#include "index/block.h"
#include "index/pack.h"

enum {
    BLOCK_VERSION = 2,
    BLOCK_PAGE = 65536,
    BLOCK_PAD = 8,
    BLOCK_ALIGN = 8,
    BLOCK_TENANT_MAX = 1024,
    BLOCK_SHARED_MAX = 255
};

static const char BLOCK_MAGIC[8] = { 'H', 'E', 'A', 'R', 'T', 'H', 'B', 'K' };

struct block_head {
    char     magic[8];
    uint16_t version, features;
    uint32_t page_bytes;
    uint64_t body_bytes;
    int64_t  start_ns, end_ns, oldest_ns, newest_ns;
    int64_t  profiles, samples, clamped;
    uint64_t first_seq, last_seq;
    uint32_t tenant_bytes, n_groups;
    uint16_t bucket_sections, group_sections;
    uint32_t zero;
};
_Static_assert(sizeof(struct block_head) == 112, "as documented");

struct block_entry {
    uint64_t end;
    uint32_t n, width;
};
_Static_assert(sizeof(struct block_entry) == 16, "as documented");

/* Of N label names, V values of all of them, T types, G groups, S series, M streams, U rollups, R row blocks. */
enum block_section {
    B_KEYS,           /* bytes, opaque */
    B_TEXT,           /* bytes: names, values name by name, five-part type ids, services */
    B_TEXT_ENDS,      /* bits [N + V + T + G]: ends in B_TEXT */
    B_NAME_ENDS,      /* bits [N]: ends in the values */
    B_TYPE_PARTS,     /* bits [4 T]: bytes of the first four parts of each id, the colons not counted */
    B_POSTINGS,       /* bytes: for each value its series, uvarint distances less 1, the first from -1 */
    B_POSTING_ENDS,   /* bits [V]: ends in B_POSTINGS */
    B_GROUP_ENDS,     /* bits [G]: ends in the series */
    B_LABEL_ENDS,     /* bits [S]: ends in B_LABELS */
    B_LABELS,         /* bits: values, by name */
    B_STREAM_ENDS,    /* bits [S]: ends in the streams */
    B_STREAM_TYPES,   /* bits [M], ascending in a series */
    B_POINT_ENDS,     /* bits [M]: ends in B_POINTS */
    B_POINTS,         /* bytes: points of each stream in the order of their appends, each four uvarints:
                       time, zigzag distance from the one before, the first from start_ns; total; row block, zigzag distance
                       from the one behind the one before, the first from 0; column */
    B_ROLLUP_ENDS,    /* bits [G]: ends in the rollups */
    B_ROLLUP_TYPES,   /* bits [U], strictly ascending in a group */
    B_ROLLUP_ROWS,    /* bits [U]: row blocks */
    B_ROLLUP_COLUMNS, /* bits [U]: of those */
    B_ROW_ENDS,       /* bits [R]: ends in B_ROWS */
    B_ROWS,           /* bytes: row blocks (index/rows.h) */
    B_SOURCES,        /* bytes, opaque */
    B_SECTIONS,
};

/*
 * Of one group.  Numbers of 64 bits stand in two sections: the lower halves, and the upper ones, zigzag as int32.
 * Records are those of index/symtab.h and index/stacks.h.
 */
enum group_section {
    G_TEXT,             /* bytes: the strings, sorted, without what each shares with the one before */
    G_TEXT_BYTES,       /* packs: bytes of each string here, of all but the first at least 1 */
    G_TEXT_SHARED,      /* packs: bytes that it shares, at most BLOCK_SHARED_MAX */
    G_MAPPINGS,         /* bytes: struct symbol_mapping */
    G_FUNCTION_NAME,    /* packs, as all below: strings */
    G_FUNCTION_SYSTEM,  /* string, zigzag distance from the name, modulo 2^32 */
    G_FUNCTION_FILE,    /* string */
    G_FUNCTION_LINE_LO, /* start_line */
    G_FUNCTION_LINE_HI,
    G_LINE_FUNCTION, /* lines, location by location */
    G_LINE_LO,
    G_LINE_HI,
    G_LOCATION_ADDRESS_LO,
    G_LOCATION_ADDRESS_HI,
    G_LOCATION_MAPPING, /* plus 1; 0: none */
    G_LOCATION_LINES,   /* how many; they follow those of the location before */
    G_LOCATION_NAME,    /* of one without lines: a string; else 0 */
    G_LOCATION_FLAGS,
    G_LOCATION_UP, /* location nodes but the root */
    G_LOCATION_KEY,
    G_FUNCTION_UP, /* function nodes but the root */
    G_FUNCTION_KEY,
    G_STACK_LOCATION, /* nodes of each stack */
    G_STACK_FUNCTION,
    G_SECTIONS,
};

struct section {
    const uint8_t *at;
    uint64_t       bytes;
    uint32_t       n, width;
};

/* A sealed bucket's own part. */
struct block {
    struct block_image image;
    _Atomic bool       is_demoted;
    struct block_head  head;
    const uint8_t     *table; /* of struct block_entry */
    struct section     of[B_SECTIONS];
    uint32_t           n_names, n_values, n_types, n_series;
    bool               is_all_seen; /* each series and type has a point: one of a batch whose log failed has none */
};

static inline uint64_t block_aligned(uint64_t n) { return (n + BLOCK_ALIGN - 1) & ~(uint64_t)(BLOCK_ALIGN - 1); }

/* Number i < n of bits. */
static inline uint32_t bits_at(const struct section *s, uint32_t i)
{
    uint64_t bit = (uint64_t)i * s->width;

    return (uint32_t)(load64(s->at + bit / 8) >> bit % 8 & ((UINT64_C(1) << s->width) - 1));
}

struct range {
    uint32_t at, end;
};

/* The i-th part by its ends. */
static inline struct range range_at(const struct section *ends, uint32_t i)
{
    return (struct range){ i ? bits_at(ends, i - 1) : 0, bits_at(ends, i) };
}

/* Which part item i is in. */
static inline uint32_t ends_find(const struct section *ends, uint32_t i)
{
    uint32_t lo = 0, n = ends->n;

    while (lo < n) {
        uint32_t mid = lo + (n - lo) / 2;
        if (bits_at(ends, mid) <= i)
            lo = mid + 1;
        else
            n = mid;
    }
    return lo;
}

static inline struct slice block_text(const struct block *b, uint32_t i)
{
    struct range r = range_at(&b->of[B_TEXT_ENDS], i);
    return slice_make(b->of[B_TEXT].at + r.at, r.end - r.at);
}

/* The i-th section of all; it is where the table says, which has been checked. */
struct section block_section(const struct block *b, uint32_t i);

static inline struct section group_section(const struct block *b, uint32_t group, enum group_section kind)
{
    return block_section(b, b->head.bucket_sections + group * b->head.group_sections + kind);
}

/* A 64-bit number in its two halves. */
static inline uint32_t half_lo(uint64_t v) { return (uint32_t)v; }
static inline uint32_t half_hi(uint64_t v) { return (uint32_t)zigzag((int32_t)(v >> 32)); }
static inline uint64_t halves(uint64_t lo, uint64_t hi) { return (uint64_t)unzigzag(hi) << 32 | lo; }

/* A walk over the words of packs. */
struct words {
    const uint8_t *at;
    uint32_t       left;
};

static inline struct words words_of(const struct section *s) { return (struct words){ s->at, s->n }; }

/* The next words; 0: there are no more. */
static inline uint32_t words_next(struct words *w, uint64_t words[PACK])
{
    uint32_t n = pack_of(w->left);

    if (n > 0)
        w->at = pack_get(w->at, n, words);
    w->left -= n;
    return n;
}

/* block_open.c: the end of a sealed bucket that nobody refers to any more. */
void block_close(struct bucket *b);

/* block_check.c: K1, for what lies in the sections; the table and the checksums are good. */
must_check enum code block_check(struct block *b, struct fault *why);
