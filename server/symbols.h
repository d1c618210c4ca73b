/*
 * Symbols: the names of addresses in this process, from the ELF files that are mapped into it.
 *
 * A file is read when the first address in it is asked for: .symtab when it has one, else .dynsym.  One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct symbols;

struct symbols *symbols_new(void);
void            symbols_free(struct symbols *s);

struct symbol {
    const char *name; /* "[libc.so.6]" for what is stripped there; NULL: in no object */
    bool        is_stripped;
    const char *file;                 /* of the object; "" when the address is in none */
    uint32_t    object;               /* which, from 0; UINT32_MAX: none */
    uint64_t    start, limit, offset; /* of its mapping */
};

/* Texts live as long as `s`. */
struct symbol symbols_find(struct symbols *s, uint64_t pc);
