#include "ingest/pprof_groups.h"

#include "base/hash.h"
#include "wire/pb.h"

/* Fields of google.v1.Label. */
enum { L_KEY = 1, L_STR = 2 };

/* What a sample label's key means; trace, span and profile ids belong to samples and never name a series. */
enum key_kind { KEY_UNKNOWN, KEY_LABEL, KEY_DROPPED };

enum { FIRST_PAIRS = 64 };

void groups_new(struct samples *s)
{
    s->n_groups = 1;
    s->groups = arena_zalloc(s->p->scratch, sizeof *s->groups);
    s->key_kinds = arena_zalloc(s->p->scratch, s->p->n_table);
}

static bool same_group(const void *items, uint32_t i, uint32_t j)
{
    const struct samples *s = items;
    const struct group   *g = &s->groups[i], *h = &s->groups[j];

    return g->n == h->n && (g->n == 0 || memcmp(s->pairs + g->at, s->pairs + h->at, g->n * sizeof *s->pairs) == 0);
}

/* By key, then value: refs, for order only has to be the same for the same pairs. */
static void pairs_sort(struct batch_label *at, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct batch_label l = at[i];
        size_t             j = i;
        for (; j > 0 && (at[j - 1].name > l.name || (at[j - 1].name == l.name && at[j - 1].value > l.value)); j--)
            at[j] = at[j - 1];
        at[j] = l;
    }
}

uint32_t group_close(struct samples *s, size_t from)
{
    uint32_t item = s->n_groups, n = (uint32_t)(s->n_pairs - from);

    if (n == 0)
        return 0;
    if (s->groups_seen.slots == NULL) { /* most profiles have no labels, and need no table of them */
        s->groups = arena_zalloc(s->p->scratch, ((size_t)s->p->n_samples + 2) * sizeof *s->groups);
        s->groups_seen = table_new(s->p->scratch, s->p->n_samples);
    }
    pairs_sort(s->pairs + from, n);
    s->groups[item] = (struct group){ (uint32_t)from, n };
    uint32_t group = table_put(&s->groups_seen, hash64_keyed(s->pairs + from, n * sizeof *s->pairs), item, same_group, s);
    if (group == item)
        s->n_groups++;
    else
        s->n_pairs = from;
    return group;
}

static inline enum key_kind key_kind(struct samples *s, uint32_t key)
{
    if (s->key_kinds[key] == KEY_UNKNOWN) {
        struct slice k = ref_text(s->p, key);
        bool         is_dropped = slice_is(k, "profile_id") || slice_is(k, "span_id") || slice_is(k, "trace_id");
        s->key_kinds[key] = is_dropped ? KEY_DROPPED : KEY_LABEL;
    }
    return s->key_kinds[key];
}

enum code group_label(struct samples *s, struct slice bytes, uint64_t *hash, struct fault *why)
{
    struct pb_cursor c = pb_cursor(bytes);
    struct pb_field  f;
    uint64_t         key = 0, str = 0;

    pb_expect(&c, L_KEY << 3, &key);
    pb_expect(&c, L_STR << 3, &str);
    while (pb_next(&c, &f))
        if (f.number == L_KEY)
            key = f.value;
        else if (f.number == L_STR)
            str = f.value;
    if (c.is_bad)
        return fail(why, CODE_INVALID_ARGUMENT, "failed to decode pprof: malformed label");
    if (key >= s->p->n_table || str >= s->p->n_table)
        return fail(why, CODE_INVALID_ARGUMENT, "sample label string index out of range");
    *hash += hash_pair(key, str);
    if (str == 0 || key_kind(s, (uint32_t)key) == KEY_DROPPED)
        return CODE_OK;
    if (s->n_pairs == s->pairs_cap) {
        s->pairs_cap = s->pairs_cap ? s->pairs_cap * 2 : FIRST_PAIRS;
        s->pairs = array_grown(s->p->scratch, s->pairs, s->n_pairs, s->pairs_cap, sizeof *s->pairs);
    }
    s->pairs[s->n_pairs++] = (struct batch_label){ (uint32_t)key, (uint32_t)str };
    return CODE_OK;
}
