#include "server/symbols.h"

#include <fcntl.h>
#include <libelf.h>
#include <gelf.h>
#include <link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/mem.h"

enum { OBJECTS_MAX = 256, SYMBOLS_MAX = 1 << 22 };

struct entry {
    uint64_t    at, size; /* as in the file */
    const char *name;
};

struct object {
    const char   *file;
    const char   *label;        /* for what has no name in it: "[libc.so.6]" */
    uint64_t      base;         /* address = base + address in the file */
    uint64_t      start, limit; /* of its code in memory */
    uint64_t      offset;       /* of that code in the file */
    bool          is_read;
    struct entry *entries; /* ascending */
    size_t        n;
};

struct symbols {
    struct arena *arena;
    struct object objects[OBJECTS_MAX];
    size_t        n;
};

static int add_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct symbols *s = arg;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum && s->n < OBJECTS_MAX; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
            continue;
        const char *file = info->dlpi_name[0] ? info->dlpi_name : "/proc/self/exe"; /* the program itself comes first */
        char        real[4096];
        ssize_t     n = info->dlpi_name[0] || s->n > 0 ? -1 : readlink(file, real, sizeof real);
        struct slice name = n > 0 ? slice_make(real, (size_t)n) : slice_of(file);
        const char  *slash = memrchr(name.p, '/', name.n);
        struct slice base = slash ? slice_from(name, (size_t)(slash + 1 - name.p)) : name;
        s->objects[s->n++] = (struct object){ .file = arena_copy(s->arena, name).p,
                                              .label = arena_printf(s->arena, "[%.*s]", SLICE_ARGS(base)).p,
                                              .base = info->dlpi_addr,
                                              .start = info->dlpi_addr + p->p_vaddr,
                                              .limit = info->dlpi_addr + p->p_vaddr + p->p_memsz,
                                              .offset = p->p_offset };
    }
    return 0;
}

struct symbols *symbols_new(void)
{
    struct symbols *s = mem_zalloc(sizeof *s);

    s->arena = arena_new(0);
    elf_version(EV_CURRENT);
    dl_iterate_phdr(add_object, s);
    return s;
}

void symbols_free(struct symbols *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->n; i++)
        free(s->objects[i].entries);
    arena_free(s->arena);
    free(s);
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static void read_table(struct symbols *s, struct object *o, Elf *elf, Elf_Scn *section, const GElf_Shdr *head)
{
    Elf_Data *data = elf_getdata(section, NULL);
    size_t    n = head->sh_entsize ? head->sh_size / head->sh_entsize : 0;
    GElf_Sym  sym;

    if (data == NULL || n > SYMBOLS_MAX)
        return;
    free(o->entries);
    o->entries = mem_alloc(n * sizeof *o->entries);
    o->n = 0;
    for (size_t i = 0; i < n; i++) {
        if (gelf_getsym(data, (int)i, &sym) == NULL || GELF_ST_TYPE(sym.st_info) != STT_FUNC || sym.st_value == 0)
            continue;
        const char *name = elf_strptr(elf, head->sh_link, sym.st_name);
        if (name != NULL && name[0] != '\0')
            o->entries[o->n++] = (struct entry){ sym.st_value, sym.st_size, arena_copy(s->arena, slice_of(name)).p };
    }
    qsort(o->entries, o->n, sizeof *o->entries, compare_entries);
}

/* The full table wins over the dynamic one, wherever it stands. */
static void read_object(struct symbols *s, struct object *o)
{
    int       fd = open(o->file, O_RDONLY | O_CLOEXEC);
    Elf      *elf = fd >= 0 ? elf_begin(fd, ELF_C_READ, NULL) : NULL;
    Elf_Scn  *section = NULL;
    bool      has_full = false;
    GElf_Shdr head;

    o->is_read = true;
    while (elf != NULL && (section = elf_nextscn(elf, section)) != NULL) {
        if (gelf_getshdr(section, &head) == NULL || (head.sh_type != SHT_SYMTAB && head.sh_type != SHT_DYNSYM))
            continue;
        if (head.sh_type == SHT_SYMTAB || !has_full)
            read_table(s, o, elf, section, &head);
        has_full |= head.sh_type == SHT_SYMTAB;
    }
    if (elf != NULL)
        elf_end(elf);
    if (fd >= 0)
        close(fd);
}

/* The last symbol that begins at or before `at`; one without a size reaches to the next. */
static const char *name_at(const struct object *o, uint64_t at)
{
    size_t low = 0, high = o->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (o->entries[mid].at <= at)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == 0)
        return NULL;
    const struct entry *e = &o->entries[low - 1];
    return e->size == 0 || at < e->at + e->size ? e->name : NULL;
}

struct symbol symbols_find(struct symbols *s, uint64_t pc)
{
    for (size_t i = 0; i < s->n; i++) {
        struct object *o = &s->objects[i];
        if (pc < o->start || pc >= o->limit)
            continue;
        if (!o->is_read)
            read_object(s, o);
        const char *name = name_at(o, pc - o->base);
        return (struct symbol){ .name = name ? name : o->label,
                                .is_stripped = name == NULL,
                                .file = o->file,
                                .object = (uint32_t)i,
                                .start = o->start,
                                .limit = o->limit,
                                .offset = o->offset };
    }
    return (struct symbol){ .file = "", .object = UINT32_MAX };
}
