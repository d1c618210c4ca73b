/*
 * Symtab: the symbols of one service in one bucket: strings <-- mappings <-- functions <-- lines <-- locations.
 *
 * S1  Each thing is there once; ids are dense, by first appearance, local to the table and never change.
 * S2  String 0 is "".
 * S3  A location has lines (innermost first, as pprof has them), or a name instead: `basename(mapping)!0xaddress`, and
 *     `unknown!0x...` without a mapping or its file.  So every frame has a name, and no frame is lost.
 * S4  What a log has is first put into the vecs as it is, and found by nobody; then symtab_make makes the tables in one go.
 *     How far a table is, its n says.
 *
 * Written by the shard's writer, read by anyone (vec.h); the lookups are the writer's.
 */
#pragma once

#include "index/table.h"
#include "index/vec.h"

struct symbol_mapping {
    uint64_t start, limit, offset;
    uint32_t file, build_id; /* strings */
    uint32_t flags;          /* BATCH_HAS_* */
    uint32_t reserved;
};

struct symbol_function {
    uint32_t name, system_name, file; /* strings */
    uint32_t reserved;
    int64_t  start_line;
};

struct symbol_line {
    uint32_t function;
    uint32_t reserved;
    int64_t  line;
};

struct symbol_location {
    uint64_t address;
    uint32_t mapping; /* or BATCH_NONE */
    uint32_t line_at; /* lines[line_at, +n_lines); with no lines: the string to show */
    uint32_t n_lines;
    uint32_t flags; /* BATCH_IS_FOLDED */
};

struct symtab {
    struct vec   strings; /* struct slice */
    struct vec   mappings, functions, lines, locations;
    struct table string_ids, mapping_ids, function_ids, location_ids;
};

void symtab_init(struct symtab *t, struct slab *s);
void symtab_free(struct symtab *t, struct slab *s);

uint32_t symtab_mapping(struct symtab *t, struct slab *s, const struct symbol_mapping *m);

/*
 * Many at once, which is several times as fast as one by one: the ids of n things go to ids[0, n).  The lines of the
 * locations lie at lines[line_at, +n_lines).
 */
void symtab_strings(struct symtab *t, struct slab *s, const struct slice *texts, uint32_t n, uint32_t *ids);
void symtab_functions(struct symtab *t, struct slab *s, const struct symbol_function *functions, uint32_t n,
                      uint32_t *ids);
void symtab_locations(struct symtab *t, struct slab *s, const struct symbol_location *locations,
                      const struct symbol_line *lines, uint32_t n, uint32_t *ids);

/* S4; a location without lines gets its string.  False: a thing is there twice, or no such string: to be let go. */
bool   symtab_make(struct symtab *t, struct slab *s);
size_t symtab_make_cost(const struct symtab *t);

/* Most bytes asked for when so many of each are added and found; strings have `text_bytes` in sum. */
struct symtab_more {
    size_t strings, text_bytes, mappings, functions, lines, locations;
};
size_t symtab_cost(const struct symtab *t, const struct symtab_more *more);

static inline struct slice symtab_text(const struct symtab *t, uint32_t string)
{
    return *(const struct slice *)vec_at(&t->strings, string);
}
