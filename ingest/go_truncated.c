/*
 * Cut stacks, repaired.  Stacks of 24 frames and more are grouped by their 24 root-most frames.  If the 16 root-most
 * frames of group G stand `off` frames above the root in group R, G has lost R's last `off` frames:
 *
 *     G   leaf ... x [16 frames]                 its root end
 *     R   leaf ... y [16 frames] z z z           off = 3: G gets z z z
 *
 * R may itself be cut: the chain is followed to a group that is not, and the offsets add up.
 *
 * Groups are in the order of their root ends.  The reference implementation bounds the last of them by the number of
 * groups instead of stacks, so that it neither gives nor gets anything unless every group before it is a single
 * stack; kept, for graphs of the same profile have to be the same (group_end).  For the same reason the stack that lends
 * what is missing is the one that its sort puts first in the group, where that makes a difference (lenders_find).
 */
#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"
#include "ingest/go_fix.h"
#include "ingest/go_sort.h"
#include "wire/pb.h"

enum { TOKEN = 16, SHIFTS = 8, SUFFIX = TOKEN + SHIFTS, CHAIN_MAX = 56, NONE = -1 };

/* Go stops heap stacks at 32 frames (128 since 1.23) and CPU stacks at 64, sometimes a few earlier. */
enum { HEAP_LEAST = 28, HEAP_MOST = 32, CPU_LEAST = 60 };

struct family {           /* the stacks of one group, in the order in which they came */
    const uint32_t *root; /* [SUFFIX], their root end */
    uint64_t        key;  /* of root[0]: tells nearly all apart without a look at the rest */
    uint32_t        first, last, n;
    uint32_t        lender;
};

struct token {
    const uint32_t *at; /* [TOKEN] */
    int32_t         group;
    uint32_t        off;
};

struct link {
    int32_t  group; /* NONE: not cut */
    uint32_t off;
};

struct repair {
    const struct pprof *p;
    struct samples     *s;
    const uint64_t     *order;
    struct family      *groups;   /* [n_groups] */
    uint32_t           *next;     /* [n_stacks]: the next stack of a stack's group */
    uint32_t           *group_at; /* [n_groups]: how many stacks the groups before it have */
    struct token       *tokens;
    struct table        seen;
    struct link        *links; /* [n_groups] */
    uint32_t            n_groups, n_tokens;
    bool                has_lenders;
};

static bool has_type(const struct pprof *p, const char *const *names)
{
    for (uint32_t i = 0; i < p->n_types; i++)
        for (const char *const *name = names; *name != NULL; name++)
            if (slice_is(ref_text(p, p->types[i].type), *name))
                return true;
    return false;
}

struct go_depths go_depths_of_cut(const struct pprof *p)
{
    static const char *const heap[] = { "alloc_objects", "alloc_space", "inuse_objects", "inuse_space", NULL };
    static const char *const cpu[] = { "cpu", NULL };

    if (has_type(p, heap))
        return (struct go_depths){ HEAP_LEAST, HEAP_MOST };
    return has_type(p, cpu) ? (struct go_depths){ CPU_LEAST, UINT32_MAX } : (struct go_depths){ 1, 0 };
}

static uint64_t id_of(const uint64_t *order, uint32_t location)
{
    return location == NO_LOCATION ? 0 : __builtin_bswap64(order[location]);
}

/* By the ids' little-endian bytes: which group comes first decides between two equally good guesses. */
static int family_cmp(const void *a, const void *b, void *arg)
{
    const struct family *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    for (int i = 1; i < SUFFIX; i++) {
        uint64_t v = id_of(arg, x->root[i]), w = id_of(arg, y->root[i]);
        if (v != w)
            return v < w ? -1 : 1;
    }
    return 0;
}

static bool same_root(const void *items, uint32_t i, uint32_t j)
{
    const struct family *f = items;
    return memcmp(f[i].root, f[j].root, SUFFIX * sizeof(uint32_t)) == 0;
}

static void groups_make(struct repair *r)
{
    struct samples *s = r->s;
    struct arena   *scratch = r->p->scratch;
    struct table    seen = table_new(scratch, s->n_stacks);

    r->groups = arena_array(scratch, (size_t)s->n_stacks + 1, sizeof *r->groups);
    r->next = arena_array(scratch, s->n_stacks, sizeof *r->next);
    for (uint32_t i = 0, from = 0; i < s->n_stacks; from = s->stack_end[i++]) {
        if (s->stack_end[i] - from < SUFFIX)
            continue;
        const uint32_t *root = s->locations + s->stack_end[i] - SUFFIX;
        r->groups[r->n_groups] = (struct family){ root, id_of(r->order, root[0]), i, i, 0, i };
        uint32_t g = table_put(&seen, hash64(root, SUFFIX * sizeof *root), r->n_groups, same_root, r->groups);
        r->next[r->groups[g].last] = i;
        r->groups[g].last = i;
        r->groups[g].n++;
        r->n_groups += g == r->n_groups;
    }
    qsort_r(r->groups, r->n_groups, sizeof *r->groups, family_cmp, (void *)(uintptr_t)r->order);
    r->group_at = arena_array(scratch, r->n_groups, sizeof *r->group_at);
    for (uint32_t g = 0, n = 0; g < r->n_groups; n += r->groups[g++].n)
        r->group_at[g] = n;
}

static uint32_t group_end(const struct repair *r, uint32_t g)
{
    return g + 1 < r->n_groups ? r->group_at[g + 1] : r->n_groups;
}

static bool same_token(const void *items, uint32_t i, uint32_t j)
{
    const struct token *t = items;
    return memcmp(t[i].at, t[j].at, TOKEN * sizeof(uint32_t)) == 0;
}

/* The token equal to these frames, made when new. */
static struct token *token_of(struct repair *r, const uint32_t *at)
{
    uint32_t item = r->n_tokens;

    r->tokens[item] = (struct token){ .at = at, .group = NONE };
    uint32_t first = table_put(&r->seen, hash64(at, TOKEN * sizeof *at), item, same_token, r->tokens);
    r->n_tokens += first == item;
    return &r->tokens[first];
}

/* For each run of frames above the root: the group that has it furthest from its root. */
static void tokens_make(struct repair *r)
{
    r->tokens = arena_array(r->p->scratch, (size_t)r->n_groups * (SHIFTS + 1) + 1, sizeof *r->tokens);
    r->seen = table_new(r->p->scratch, r->n_groups * (SHIFTS + 1));
    for (uint32_t g = 0; g < r->n_groups; g++)
        for (uint32_t off = 1; off <= SHIFTS && r->group_at[g] < group_end(r, g); off++) {
            struct token *t = token_of(r, r->groups[g].root + SHIFTS - off);
            if (t->group == NONE || off > t->off) {
                t->group = (int32_t)g;
                t->off = off;
            }
        }
}

static void links_make(struct repair *r)
{
    r->links = arena_array(r->p->scratch, r->n_groups, sizeof *r->links);
    for (uint32_t g = 0; g < r->n_groups; g++) {
        const struct token *t = token_of(r, r->groups[g].root + SHIFTS);
        bool                is_cut = t->group != NONE && t->group != (int32_t)g;
        r->links[g] = is_cut ? (struct link){ t->group, t->off } : (struct link){ NONE, 0 };
    }
}

/* What tells samples of one stack apart once they were merged: the refs of its labels, in any order. */
static uint64_t labels_sum(struct slice sample)
{
    struct pb_cursor c = pb_cursor(sample), in;
    struct pb_field  f, part;
    uint64_t         sum = 0, ref[3] = { 0 };

    while (pb_next(&c, &f)) {
        if (f.number != 3)
            continue;
        ref[1] = ref[2] = 0;
        for (in = pb_cursor(pb_bytes(&f)); pb_next(&in, &part);)
            ref[part.number < 3 ? part.number : 0] = part.value;
        sum += hash_pair(ref[1], ref[2]);
    }
    return sum;
}

struct sent {
    const struct samples *s;
    uint64_t             *labels; /* [s->n_stacks] */
};

static bool same_sent(const void *items, uint32_t i, uint32_t j)
{
    const struct sent *sent = items;
    struct frames      x = samples_stack(sent->s, i), y = samples_stack(sent->s, j);

    return sent->labels[i] == sent->labels[j] && x.n == y.n &&
           (x.n == 0 || memcmp(x.at, y.at, x.n * sizeof *x.at) == 0);
}

/* Dropping type parameters merges equal samples: without those that came again.  Returns how many remain. */
static uint32_t items_merge(const struct repair *r, struct go_item *v)
{
    const struct samples *s = r->s;
    struct arena         *scratch = r->p->scratch;
    struct sent           sent = { s, arena_array(scratch, s->n_stacks, sizeof *sent.labels) };
    struct table          seen = table_new(scratch, s->n_stacks);
    struct pb_cursor      c = pb_cursor(r->p->samples);
    struct pb_field       f;
    uint32_t              n = 0;

    for (uint32_t i = 0; pb_next(&c, &f);) {
        if (f.number != 2)
            continue;
        struct frames own = samples_stack(s, i);
        sent.labels[i] = labels_sum(pb_bytes(&f));
        uint64_t hash = hash64(own.at, own.n * sizeof *own.at) ^ sent.labels[i];
        if (table_put(&seen, hash, i, same_sent, &sent) == i)
            v[n++] = v[i];
        i++;
    }
    return n;
}

/* Stacks of one group have no order, and those too short for any are each less than all others: the sort decides. */
static void lenders_find(struct repair *r)
{
    uint32_t        n = r->s->n_stacks;
    struct go_item *v = arena_array(r->p->scratch, n, sizeof *v);

    for (uint32_t k = 0; k < n; k++)
        v[k] = (struct go_item){ 0, k };
    for (uint32_t g = 0; g < r->n_groups; g++)
        for (uint32_t i = 0, k = r->groups[g].first; i < r->groups[g].n; i++, k = r->next[k])
            v[k].rank = g + 1;
    if (r->p->has_brackets)
        n = items_merge(r, v);
    go_sort(v, n);
    for (uint32_t i = n; i-- > 0 && v[i].rank > 0;)
        r->groups[v[i].rank - 1].lender = v[i].item;
    r->has_lenders = true;
}

/* Would another stack of the group lend other frames?  All agree on their last SUFFIX. */
static bool lender_matters(const struct repair *r, const struct family *group, uint32_t off)
{
    struct frames first = samples_stack(r->s, group->first);

    for (uint32_t i = 0, k = group->first; off > SUFFIX && i < group->n; i++, k = r->next[k]) {
        struct frames other = samples_stack(r->s, k);
        if ((other.n > off) != (first.n > off))
            return true;
        if (first.n > off && memcmp(other.at + other.n - off, first.at + first.n - off, off * sizeof *first.at) != 0)
            return true;
    }
    return false;
}

/* What group `g` has lost, from the end of its chain; false: the chain is too long, or goes round. */
static bool group_repair(struct repair *r, uint32_t g)
{
    struct samples *s = r->s;
    struct link     link = r->links[g];
    uint32_t        off = 0;

    if (link.group == NONE)
        return true;
    for (int steps = 0;; steps++) {
        off += link.off;
        struct link next = r->links[link.group];
        if (next.group == NONE)
            break;
        if (steps + 1 == CHAIN_MAX)
            return false;
        link = next;
    }
    if (!r->has_lenders && lender_matters(r, &r->groups[link.group], off))
        lenders_find(r);
    struct frames whole = samples_stack(s, r->groups[link.group].lender);
    if (off >= whole.n)
        return true;
    for (uint32_t i = r->group_at[g], k = r->groups[g].first; i < group_end(r, g); i++, k = r->next[k])
        s->lent[k] = (struct frames){ whole.at + whole.n - off, off };
    return true;
}

static void lent_are_needed(struct samples *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        struct frames lent = s->lent[s->stack[i]];
        for (uint32_t k = 0; k < lent.n; k++)
            if (lent.at[k] != NO_LOCATION)
                s->is_needed[lent.at[k]] = true;
    }
}

void go_stacks_repair(const struct pprof *p, const uint64_t *order, struct samples *s)
{
    struct repair r = { .p = p, .s = s, .order = order };

    s->lent = arena_zalloc(p->scratch, ((size_t)s->n_stacks + 1) * sizeof *s->lent);
    groups_make(&r);
    tokens_make(&r);
    links_make(&r);
    for (uint32_t g = 0; g < r.n_groups; g++)
        if (!group_repair(&r, g))
            break;
    lent_are_needed(s);
}
