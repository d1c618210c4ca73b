#include "index/label_index.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/tsan.h"

enum { SET_FIRST = 8, MAP_HEAD_MAX = 256 };

/* ---- CK's allocator ------------------------------------------------------------------------------------------------- */

/* CK's callbacks get no argument, so the table that the writer is about to change stands here while it does. */
static _Thread_local struct {
    struct slab        *slab;
    struct label_table *table;
} growing;

static void *map_alloc(size_t bytes)
{
    growing.table->map_bytes = bytes;
    return slab_new(growing.slab, bytes);
}

static void *map_resize(void *p, size_t old, size_t bytes, bool may_move)
{
    (void)p, (void)old, (void)bytes, (void)may_move;
    abort(); /* ck_hs never resizes in place */
}

static void map_free(void *p, size_t bytes, bool deferred)
{
    (void)p, (void)bytes, (void)deferred; /* L3: the slab's, with the bucket.  Maps double, so old ones cost less than one */
}

static struct ck_malloc allocator = { .malloc = map_alloc, .realloc = map_resize, .free = map_free };

/* ---- tables --------------------------------------------------------------------------------------------------------- */

static unsigned long name_hash(const void *key, unsigned long seed)
{
    const struct label_name *n = key;
    return hash_slice(n->text) ^ seed;
}

static bool name_same(const void *a, const void *b)
{
    const struct label_name *x = a, *y = b;

    tsan_acquire(a), tsan_acquire(b);
    return slice_eq(x->text, y->text);
}

static unsigned long value_hash(const void *key, unsigned long seed)
{
    const struct label_value *v = key;
    return v->hash * UINT64_C(0x9E3779B97F4A7C15) ^ seed;
}

static bool value_same(const void *a, const void *b)
{
    const struct label_value *x = a, *y = b;

    tsan_acquire(a), tsan_acquire(b);
    return x->hash == y->hash && x->name == y->name && slice_eq(x->text, y->text);
}

/* What is looked for. */
static struct label_value value_key(const struct label_name *name, struct slice text)
{
    return (struct label_value){ .name = name, .text = text, .hash = (uint32_t)hash_pair(name->id, hash_slice(text)) };
}

static void table_open(struct label_table *t, struct slab *s, ck_hs_hash_cb_t *hash, ck_hs_compare_cb_t *same)
{
    growing.slab = s;
    growing.table = t;
    if (!ck_hs_init(&t->set, CK_HS_MODE_SPMC | CK_HS_MODE_OBJECT, hash, same, &allocator, SET_FIRST, 0))
        abort();
}

static void table_add(struct label_table *t, struct slab *s, const void *record)
{
    growing.slab = s;
    growing.table = t;
    tsan_release(record);
    if (!ck_hs_put(&t->set, CK_HS_HASH(&t->set, t->set.hf, record), record))
        abort(); /* there is room, and the writer has looked that it is new */
    t->n++;
}

static void *table_find(const struct label_table *t, const void *key)
{
    ck_hs_t *set = (ck_hs_t *)&t->set; /* ck_hs_get changes nothing */
    return ck_hs_get(set, CK_HS_HASH(set, set->hf, key), key);
}

/* A map doubles when it is more than half full. */
static size_t table_room(const struct label_table *t, size_t more)
{
    size_t map = t->map_bytes, entries = (map - (map < MAP_HEAD_MAX ? map : MAP_HEAD_MAX)) / sizeof(void *), bytes = 0;

    for (; (t->n + more) * 2 > entries; entries = entries ? entries * 2 : SET_FIRST)
        bytes += entries * 2 * sizeof(void *) + MAP_HEAD_MAX + 8;
    return bytes;
}

/* ---- the index ------------------------------------------------------------------------------------------------------ */

void label_index_init(struct label_index *x, struct slab *s)
{
    *x = (struct label_index){ 0 };
    vec_init(&x->names, sizeof(struct label_name *), 2);
    table_open(&x->by_name, s, name_hash, name_same);
    table_open(&x->by_value, s, value_hash, value_same);
}

const struct label_name *label_index_find_name(const struct label_index *x, struct slice name)
{
    return table_find(&x->by_name, &(struct label_name){ .text = name });
}

const struct label_value *label_index_find(const struct label_index *x, const struct label_name *name,
                                           struct slice value)
{
    struct label_value key = value_key(name, value);

    return table_find(&x->by_value, &key);
}

static struct label_name *name_of(struct label_index *x, struct slab *s, struct slice text)
{
    struct label_name *name = table_find(&x->by_name, &(struct label_name){ .text = text });

    if (name != NULL)
        return name;
    name = slab_new(s, sizeof *name);
    *name = (struct label_name){ .id = vec_n(&x->names), .text = slab_copy(s, text) };
    vec_init(&name->values, sizeof(struct label_value *), 1);
    vec_add(&x->names, s, &name);
    table_add(&x->by_name, s, name);
    return name;
}

struct label_value *label_index_value(struct label_index *x, struct slab *s, struct slice name, struct slice value)
{
    struct label_name *in = name_of(x, s, name);
    struct label_value key = value_key(in, value), *v = table_find(&x->by_value, &key);

    if (v != NULL)
        return v;
    v = slab_new(s, sizeof *v);
    *v = (struct label_value){ .name = in, .text = slab_copy(s, value), .id = vec_n(&in->values), .hash = key.hash };
    vec_add(&in->values, s, &v);
    table_add(&x->by_value, s, v);
    return v;
}

void label_index_count(const struct label_index *x, struct slice name, struct slice value, struct label_cost *c)
{
    const struct label_name *in = label_index_find_name(x, name);
    struct vec               fresh;

    if (in != NULL && label_index_find(x, in, value) != NULL)
        return;
    vec_init(&fresh, sizeof(struct label_value *), 1);
    c->labels++;
    c->bytes += sizeof(struct label_value) + value.n + 16 + vec_cost(in ? &in->values : &fresh, c->labels);
    if (in == NULL)
        c->bytes += sizeof(struct label_name) + name.n + 16;
}

/* Without a look whether they are new.  No name has more values than there are in all. */
void label_index_count_unseen(const struct label_index *x, size_t n, size_t text_bytes, struct label_cost *c)
{
    struct vec kind;

    vec_init(&kind, sizeof(struct label_value *), 1);
    c->labels += n;
    c->bytes +=
        n * (sizeof(struct label_name) + sizeof(struct label_value) + 32 + vec_cost_max(&kind, x->by_value.n, n)) +
        text_bytes;
}

size_t label_index_cost(const struct label_index *x, const struct label_cost *c)
{
    return c->bytes + vec_cost(&x->names, c->labels) + table_room(&x->by_name, c->labels) +
           table_room(&x->by_value, c->labels);
}
