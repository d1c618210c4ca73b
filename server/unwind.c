#include "server/unwind.h"

#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The sanitizers take reading other functions' frames for an error. */
#define READS_STACKS __attribute__((no_sanitize("address", "undefined")))

enum { LIBRARIES_MAX = 128, REMEMBERED_MAX = 8 };

struct library {
    uintptr_t      text_begin, text_end;
    const uint8_t *index;       /* .eh_frame_hdr */
    const uint8_t *begin, *end; /* of the mapped bytes that hold it and .eh_frame */
};

struct unwind_tables {
    size_t         n;
    struct library libraries[LIBRARIES_MAX];
};

static const uint8_t *bytes_at(uintptr_t address)
{
    return (const uint8_t *)address; /* NOLINT(performance-no-int-to-ptr) */
}

static int add_library(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct unwind_tables *t = arg;
    struct library        l = { 0 };
    uintptr_t             index = 0;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_GNU_EH_FRAME)
            index = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_LOAD && (p->p_flags & PF_X)) {
            l.text_begin = info->dlpi_addr + p->p_vaddr;
            l.text_end = l.text_begin + p->p_memsz;
        }
    }
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_LOAD && index >= begin && index < begin + p->p_filesz) {
            l.index = bytes_at(index);
            l.begin = bytes_at(begin);
            l.end = l.begin + p->p_filesz;
        }
    }
    if (l.index != NULL && l.text_begin != 0 && t->n < LIBRARIES_MAX)
        t->libraries[t->n++] = l;
    return 0;
}

struct unwind_tables *unwind_new(void)
{
    struct unwind_tables *t = mem_zalloc(sizeof *t);

    dl_iterate_phdr(add_library, t);
    return t;
}

void unwind_free(struct unwind_tables *t) { free(t); }

#if defined(__x86_64__)

/* DWARF's numbers of rbp, rsp and the return address. */
enum { REGISTER_FP = 6, REGISTER_SP = 7, REGISTER_RETURN = 16 };

/* pc-relative and index-relative 32 bits: what linkers write. */
enum { ENCODING_INDEX = 0x3b, ENCODING_COUNT = 0x03, ENCODING_PC = 0x1b };

/* Bytes still to be read; `is_bad` once something was not there. */
struct cursor {
    const uint8_t *p, *end;
    bool           is_bad;
};

static uint64_t take(struct cursor *c, size_t n)
{
    uint64_t v = 0;

    if ((size_t)(c->end - c->p) < n) {
        c->is_bad = true;
        return 0;
    }
    memcpy(&v, c->p, n);
    c->p += n;
    return v;
}

static uint64_t take_unsigned(struct cursor *c)
{
    uint64_t v = 0, byte = 0x80;

    for (int shift = 0; shift < 63 && (byte & 0x80) && !c->is_bad; shift += 7) {
        byte = take(c, 1);
        v |= (byte & 0x7f) << shift;
    }
    return v;
}

static int64_t take_signed(struct cursor *c)
{
    uint64_t v = 0, byte = 0x80;
    int      shift = 0;

    for (; shift < 63 && (byte & 0x80) && !c->is_bad; shift += 7) {
        byte = take(c, 1);
        v |= (byte & 0x7f) << shift;
    }
    return (int64_t)(byte & 0x40 ? v | ~UINT64_C(0) << shift : v);
}

static void skip(struct cursor *c, uint64_t n)
{
    if (n > (uint64_t)(c->end - c->p))
        c->is_bad = true;
    else
        c->p += n;
}

/* A length and as many bytes, at `p` in `l`. */
static struct cursor record_at(const struct library *l, const uint8_t *p)
{
    struct cursor c = { p, l->end, p < l->begin || p > l->end };

    if (c.is_bad)
        return c;
    uint64_t n = take(&c, 4);
    if (n == 0 || n > (uint64_t)(c.end - c.p))
        c.is_bad = true;
    else
        c.end = c.p + n;
    return c;
}

/* The record of the function at `pc`: the index is sorted pairs of start and record, both from the index's address. */
static const uint8_t *record_find(const struct library *l, uintptr_t pc)
{
    struct cursor c = { l->index, l->end, false };
    uint64_t      head = take(&c, 4);
    int32_t       pair[2];

    take(&c, 4);
    uint64_t low = 0, high = take(&c, 4);
    if (c.is_bad || head >> 24 != ENCODING_INDEX || (head >> 16 & 0xff) != ENCODING_COUNT || (head & 0xff) != 1 ||
        high > (uint64_t)(c.end - c.p) / sizeof pair)
        return NULL;
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        memcpy(pair, c.p + mid * sizeof pair, sizeof pair);
        if ((uintptr_t)l->index + (uintptr_t)(intptr_t)pair[0] <= pc)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == 0)
        return NULL;
    memcpy(pair, c.p + (low - 1) * sizeof pair, sizeof pair);
    return l->index + pair[1];
}

/* Where the caller's registers are, relative to its stack pointer before the call (the CFA). */
struct rules {
    uint64_t cfa_register;
    int64_t  cfa_offset, fp_offset, return_offset;
    bool     has_fp, has_return; /* saved; else rbp is as it was, and there is no caller */
};

struct program {
    uint64_t     code_unit;
    int64_t      data_unit;
    uintptr_t    at, pc; /* the address the rules are for, and the one asked for */
    struct rules now, first, remembered[REMEMBERED_MAX];
    size_t       n_remembered;
};

static void set_saved(struct program *p, uint64_t reg, bool is_saved, int64_t offset)
{
    if (reg == REGISTER_FP) {
        p->now.has_fp = is_saved;
        p->now.fp_offset = offset;
    } else if (reg == REGISTER_RETURN) {
        p->now.has_return = is_saved;
        p->now.return_offset = offset;
    }
}

static void set_first(struct program *p, uint64_t reg)
{
    if (reg == REGISTER_FP)
        set_saved(p, reg, p->first.has_fp, p->first.fp_offset);
    else
        set_saved(p, reg, p->first.has_return, p->first.return_offset);
}

/* One instruction of those with a byte of their own (DWARF 5, 6.4.2).  False: unknown here. */
static bool step_long(struct program *p, struct cursor *c, uint64_t op)
{
    uint64_t reg;

    switch (op) {
    case 0x00:
        return true; /* nop */
    case 0x02:
        p->at += take(c, 1) * p->code_unit;
        return true;
    case 0x03:
        p->at += take(c, 2) * p->code_unit;
        return true;
    case 0x04:
        p->at += take(c, 4) * p->code_unit;
        return true;
    case 0x05: /* offset_extended */
        reg = take_unsigned(c);
        set_saved(p, reg, true, (int64_t)take_unsigned(c) * p->data_unit);
        return true;
    case 0x06:
        set_first(p, take_unsigned(c));
        return true;
    case 0x07: /* undefined */
    case 0x08: /* same_value */
        set_saved(p, take_unsigned(c), false, 0);
        return true;
    case 0x0a: /* remember_state */
        if (p->n_remembered == REMEMBERED_MAX)
            return false;
        p->remembered[p->n_remembered++] = p->now;
        return true;
    case 0x0b: /* restore_state */
        if (p->n_remembered == 0)
            return false;
        p->now = p->remembered[--p->n_remembered];
        return true;
    case 0x0c: /* def_cfa */
        p->now.cfa_register = take_unsigned(c);
        p->now.cfa_offset = (int64_t)take_unsigned(c);
        return true;
    case 0x0d:
        p->now.cfa_register = take_unsigned(c);
        return true;
    case 0x0e:
        p->now.cfa_offset = (int64_t)take_unsigned(c);
        return true;
    case 0x0f: /* def_cfa_expression: no register, until another rule comes */
        p->now.cfa_register = UINT64_MAX;
        skip(c, take_unsigned(c));
        return true;
    case 0x10: /* expression */
    case 0x16: /* val_expression */
        reg = take_unsigned(c);
        skip(c, take_unsigned(c));
        return reg != REGISTER_FP && reg != REGISTER_RETURN;
    case 0x11: /* offset_extended_sf */
        reg = take_unsigned(c);
        set_saved(p, reg, true, take_signed(c) * p->data_unit);
        return true;
    case 0x2e:
        take_unsigned(c);
        return true; /* GNU_args_size */
    default:
        return false;
    }
}

static bool program_run(struct program *p, struct cursor c)
{
    while (c.p < c.end && p->at <= p->pc) {
        uint64_t op = take(&c, 1), low = op & 0x3f;
        bool     is_known = true;
        if (op >> 6 == 1)
            p->at += low * p->code_unit;
        else if (op >> 6 == 2)
            set_saved(p, low, true, (int64_t)take_unsigned(&c) * p->data_unit);
        else if (op >> 6 == 3)
            set_first(p, low);
        else
            is_known = step_long(p, &c, op);
        if (!is_known || c.is_bad)
            return false;
    }
    return true;
}

/* What functions have in common: units, and the rules they begin with. */
static bool common_read(struct program *p, struct cursor c)
{
    const uint8_t *end;

    take(&c, 4); /* 0: not a function */
    uint64_t    version = take(&c, 1);
    const char *letters = (const char *)c.p;
    while (take(&c, 1) != 0 && !c.is_bad)
        continue;
    p->code_unit = take_unsigned(&c);
    p->data_unit = take_signed(&c);
    uint64_t reg = take_unsigned(&c);
    if (c.is_bad || (version != 1 && version != 3) || reg != REGISTER_RETURN || letters[0] != 'z')
        return false;
    uint64_t n = take_unsigned(&c);
    if (c.is_bad || n > (uint64_t)(c.end - c.p))
        return false;
    end = c.p + n;
    uint64_t encoding = 0;
    for (letters++; *letters != '\0' && !c.is_bad; letters++)
        if (*letters == 'R')
            encoding = take(&c, 1);
        else if (*letters == 'L')
            take(&c, 1);
        else if (*letters == 'P')
            skip(&c, (take(&c, 1) & 7) == 3 ? 4 : 8);
        else
            return false; /* S: a signal's frame */
    if (c.is_bad || encoding != ENCODING_PC)
        return false;
    c.p = end;
    return program_run(p, c);
}

static bool rules_find(const struct library *l, uintptr_t pc, struct rules *out)
{
    const uint8_t *record = record_find(l, pc);
    struct program p = { 0 };

    if (record == NULL)
        return false;
    struct cursor  c = record_at(l, record);
    const uint8_t *back = c.p;
    uint64_t       distance = take(&c, 4);
    if (c.is_bad || distance == 0 || distance > (uint64_t)(back - l->begin))
        return false;
    struct cursor common = record_at(l, back - distance);
    if (common.is_bad || !common_read(&p, common))
        return false;
    p.first = p.now;
    uintptr_t begin = (uintptr_t)c.p;
    begin += (uintptr_t)(intptr_t)(int32_t)take(&c, 4);
    uint64_t bytes = take(&c, 4);
    skip(&c, take_unsigned(&c));
    p.at = begin;
    p.pc = pc;
    if (c.is_bad || pc - begin >= bytes || !program_run(&p, c))
        return false;
    *out = p.now;
    return true;
}

/* The word at `address`, within the stack. */
READS_STACKS static bool word_take(uintptr_t address, const struct frame *f, uintptr_t top, uintptr_t *out)
{
    if (address < f->sp || address > top - sizeof *out || address % sizeof *out != 0)
        return false;
    *out = *(const uintptr_t *)address; /* NOLINT(performance-no-int-to-ptr) */
    return true;
}

bool unwind_step(const struct unwind_tables *t, struct frame *f, uintptr_t top)
{
    const struct library *l = NULL;
    struct rules          r;

    for (size_t i = 0; i < t->n && l == NULL; i++)
        if (f->pc >= t->libraries[i].text_begin && f->pc < t->libraries[i].text_end)
            l = &t->libraries[i];
    if (l == NULL || !rules_find(l, f->pc, &r) || !r.has_return)
        return false;
    if (r.cfa_register != REGISTER_SP && r.cfa_register != REGISTER_FP)
        return false;
    uintptr_t cfa = (r.cfa_register == REGISTER_SP ? f->sp : f->fp) + (uintptr_t)r.cfa_offset;
    uintptr_t back, fp = f->fp;
    if (cfa <= f->sp || cfa > top || !word_take(cfa + (uintptr_t)r.return_offset, f, top, &back) || back < 4096)
        return false;
    if (r.has_fp && !word_take(cfa + (uintptr_t)r.fp_offset, f, top, &fp))
        return false;
    *f = (struct frame){ .pc = back - 1, .sp = cfa, .fp = fp };
    return true;
}

#else

bool unwind_step(const struct unwind_tables *t, struct frame *f, uintptr_t top)
{
    (void)t, (void)f, (void)top;
    return false;
}

#endif
