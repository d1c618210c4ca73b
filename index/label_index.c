#include "index/label_index.h"

#include "base/hash.h"

static uint64_t value_hash(const struct label_name *name, struct slice text)
{
    return hash_pair(name->id, hash_text(text));
}

static struct label_name *name_find(const struct label_index *x, struct slice text, uint64_t hash)
{
    uint32_t i;

    for (struct shared_walk w = shared_table_walk(&x->by_name, hash); shared_table_next(&w, &i);) {
        struct label_name *name = vec_pointer(&x->names, i);
        if (slice_eq(name->text, text))
            return name;
    }
    return NULL;
}

static struct label_value *value_find(const struct label_index *x, const struct label_name *name, struct slice text,
                                      uint64_t hash)
{
    uint32_t i;

    for (struct shared_walk w = shared_table_walk(&x->by_value, hash); shared_table_next(&w, &i);) {
        struct label_value *v = (struct label_value *)vec_at(&x->values, i);
        if (v->name == name && slice_eq(v->text, text))
            return v;
    }
    return NULL;
}

void label_index_init(struct label_index *x)
{
    *x = (struct label_index){ 0 };
    vec_init(&x->names, sizeof(struct label_name *), 2);
    vec_init(&x->values, sizeof(struct label_value), 0);
}

const struct label_name *label_index_find_name(const struct label_index *x, struct slice name)
{
    return name_find(x, name, hash_text(name));
}

const struct label_value *label_index_find(const struct label_index *x, const struct label_name *name,
                                           struct slice value)
{
    return value_find(x, name, value, value_hash(name, value));
}

uint32_t label_index_warm(const struct label_index *x, struct slice name, struct slice value)
{
    const struct label_name *in = label_index_find_name(x, name);
    uint64_t                 hash = in ? value_hash(in, value) : 0;

    shared_table_warm(&x->by_value, hash);
    return (uint32_t)hash;
}

static struct label_name *name_of(struct label_index *x, struct slab *s, struct slice text)
{
    uint64_t           hash = hash_text(text);
    struct label_name *name = name_find(x, text, hash);

    if (name != NULL)
        return name;
    name = slab_new(s, sizeof *name);
    *name = (struct label_name){ .id = vec_n(&x->names), .text = slab_copy(s, text) };
    vec_init(&name->values, sizeof(struct label_value *), 1);
    shared_table_put(&x->by_name, s, hash, vec_add(&x->names, s, &name)); /* L3 */
    return name;
}

struct label_value *label_index_value(struct label_index *x, struct slab *s, struct slice name, struct slice value)
{
    struct label_name  *in = name_of(x, s, name);
    uint64_t            hash = value_hash(in, value);
    struct label_value *v = value_find(x, in, value, hash);

    if (v != NULL)
        return v;
    uint32_t at =
        vec_add(&x->values, s,
                &(struct label_value){
                    .name = in, .text = slab_copy(s, value), .id = vec_n(&in->values), .hash = (uint32_t)hash });
    v = (struct label_value *)vec_at(&x->values, at);
    vec_add(&in->values, s, &v);
    shared_table_put(&x->by_value, s, hash, at); /* L3 */
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
    c->bytes += value.n + 8 + vec_cost(in ? &in->values : &fresh, c->labels);
    if (in == NULL)
        c->bytes += sizeof(struct label_name) + name.n + 16;
}

/* Without a look whether they are new.  No name has more values than there are in all. */
void label_index_count_unseen(const struct label_index *x, size_t n, size_t text_bytes, struct label_cost *c)
{
    struct vec kind;

    vec_init(&kind, sizeof(struct label_value *), 1);
    c->labels += n;
    c->bytes += n * (sizeof(struct label_name) + 32 + vec_cost_max(&kind, x->by_value.n, n)) + text_bytes;
}

size_t label_index_cost(const struct label_index *x, const struct label_cost *c)
{
    return c->bytes + vec_cost(&x->names, c->labels) + vec_cost(&x->values, c->labels) +
           shared_table_cost(&x->by_name, c->labels) + shared_table_cost(&x->by_value, c->labels);
}
