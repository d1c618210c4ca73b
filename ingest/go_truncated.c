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
 * what is missing is the one that its sort puts first in the group, where that makes a difference (heads_find).
 */
#include "ingest/go_fix.h"
#include "ingest/go_groups.h"

enum { TOKEN = 16, SHIFTS = GO_ROOT - TOKEN, WINDOWS = SHIFTS + 1, CHAIN_MAX = 56, AHEAD = 2, NONE = -1 };
enum { LENT_MOST = 8 }; /* times all frames that were sent */

/* Go stops heap stacks at 32 frames (128 since 1.23) and CPU stacks at 64, sometimes a few earlier. */
enum { HEAP_LEAST = 28, HEAP_MOST = 32, CPU_LEAST = 60 };

struct link {
    int32_t  group; /* NONE: not cut */
    uint32_t off;
};

/* Frames that some group has at its root. */
struct token {
    const uint32_t *at;   /* [TOKEN] */
    struct link     most; /* the group that has them furthest above its root; NONE: none has them above it */
};

struct windows {
    uint64_t hash[WINDOWS]; /* of the TOKEN frames that end so many above the root */
};

struct repair {
    struct samples  *s;
    struct go_groups groups;
    struct windows  *windows;  /* [groups.n] */
    uint32_t        *group_at; /* [groups.n]: how many stacks the groups before it have */
    struct token    *tokens;
    uint32_t        *root; /* [groups.n]: the token of its own root */
    struct table     seen;
    struct link     *links; /* [groups.n]: the group that has more, */
    struct link     *ends;  /* [n_ends]: the one that is not cut, and all that it has more */
    uint32_t         n_tokens, n_ends;
    size_t           n_lent;
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

static uint32_t group_end(const struct repair *r, uint32_t g)
{
    return g + 1 < r->groups.n ? r->group_at[g + 1] : r->groups.n;
}

static uint64_t frame_mix(uint32_t frame)
{
    uint64_t x = (frame + UINT64_C(1)) * UINT64_C(0x9E3779B97F4A7C15);
    return x ^ x >> 32;
}

static uint64_t rotated(uint64_t x, int by) { return x << by | x >> (64 - by); }

/* A hash that rolls: each frame turns by one bit for every frame that follows it in the window. */
static struct windows windows_of(const uint32_t *root)
{
    struct windows w;
    uint64_t       mixed[GO_ROOT], hash = 0;

    for (int i = 0; i < GO_ROOT; i++)
        mixed[i] = frame_mix(root[i]);
    for (int i = 0; i < TOKEN; i++)
        hash = rotated(hash, 1) ^ mixed[i];
    for (int off = SHIFTS; off > 0; off--) {
        w.hash[off] = hash;
        hash = rotated(hash, 1) ^ rotated(mixed[SHIFTS - off], TOKEN) ^ mixed[SHIFTS - off + TOKEN];
    }
    w.hash[0] = hash;
    return w;
}

static bool same_token(const void *items, uint32_t i, uint32_t j)
{
    const struct token *t = items;
    return memcmp(t[i].at, t[j].at, TOKEN * sizeof *t->at) == 0;
}

/* The frames `off` above the root of `g`, in the place behind the tokens, to be looked for; returns their hash. */
static uint64_t token_place(struct repair *r, uint32_t g, uint32_t off)
{
    r->tokens[r->n_tokens] = (struct token){ r->groups.at[g].root + SHIFTS - off, { NONE, 0 } };
    return r->windows[g].hash[off];
}

static void tokens_prefetch(const struct repair *r, uint32_t g)
{
    for (uint32_t off = 0; g < r->groups.n && off < WINDOWS; off++)
        table_prefetch(&r->seen, r->windows[g].hash[off]);
}

static void tokens_make(struct repair *r)
{
    struct arena *scratch = r->s->p->scratch;

    r->tokens = arena_array(scratch, (size_t)r->groups.n + 1, sizeof *r->tokens);
    r->root = arena_array(scratch, r->groups.n, sizeof *r->root);
    r->windows = arena_array(scratch, r->groups.n, sizeof *r->windows);
    r->seen = table_new(scratch, r->groups.n);
    for (uint32_t g = 0; g < r->groups.n; g++) {
        r->windows[g] = windows_of(r->groups.at[g].root);
        r->root[g] = table_put(&r->seen, token_place(r, g, 0), r->n_tokens, same_token, r->tokens);
        r->n_tokens += r->root[g] == r->n_tokens;
    }
}

/* For each token: the group that has it furthest from its root. */
static void tokens_find(struct repair *r)
{
    for (uint32_t g = 0; g < r->groups.n; g++) {
        tokens_prefetch(r, g + AHEAD);
        for (uint32_t off = 1; off <= SHIFTS && r->group_at[g] < group_end(r, g); off++) {
            struct token *t =
                &r->tokens[table_get(&r->seen, token_place(r, g, off), r->n_tokens, same_token, r->tokens)];
            if (t->most.group == NONE || off > t->most.off)
                t->most = (struct link){ (int32_t)g, off };
        }
    }
}

static void links_make(struct repair *r)
{
    r->links = arena_array(r->s->p->scratch, r->groups.n, sizeof *r->links);
    for (uint32_t g = 0; g < r->groups.n; g++) {
        struct link most = r->tokens[r->root[g]].most;
        r->links[g] = most.group != (int32_t)g ? most : (struct link){ NONE, 0 };
    }
}

/* The end of the chain of `g`; false: it is too long, or goes round. */
static bool chain_follow(const struct repair *r, uint32_t g, struct link *end)
{
    *end = r->links[g];
    if (end->group == NONE)
        return true;
    for (int steps = 1; r->links[end->group].group != NONE; steps++) {
        if (steps == CHAIN_MAX)
            return false;
        end->off += r->links[end->group].off;
        end->group = r->links[end->group].group;
    }
    return true;
}

/* A chain that has no end keeps all groups from there on as they are. */
static void chains_follow(struct repair *r)
{
    r->ends = arena_array(r->s->p->scratch, r->groups.n, sizeof *r->ends);
    while (r->n_ends < r->groups.n && chain_follow(r, r->n_ends, &r->ends[r->n_ends]))
        r->n_ends++;
}

/* Would another stack of the group lend other frames?  All agree on their last GO_ROOT. */
static bool head_matters(const struct repair *r, struct link end)
{
    const struct go_group *group = &r->groups.at[end.group];
    struct frames          first = samples_stack(r->s, group->first);

    for (uint32_t i = 0, k = group->first; end.off > GO_ROOT && i < group->n; i++, k = r->groups.next[k]) {
        struct frames other = samples_stack(r->s, k);
        if ((other.n > end.off) != (first.n > end.off))
            return true;
        if (first.n > end.off &&
            memcmp(other.at + other.n - end.off, first.at + first.n - end.off, end.off * sizeof *first.at) != 0)
            return true;
    }
    return false;
}

/* Per group the stack that lends its root to others; NULL: the first one sent will do. */
static const uint32_t *heads_find(const struct repair *r)
{
    uint32_t *asked = arena_zalloc(r->s->p->scratch, ((size_t)r->groups.n + 1) * sizeof *asked);
    uint32_t  n = 0;

    for (uint32_t g = 0; g < r->n_ends; g++)
        if (r->ends[g].group != NONE && head_matters(r, r->ends[g]))
            asked[r->ends[g].group] = 1;
    for (uint32_t g = 0; g <= r->groups.n; g++) {
        uint32_t is_asked = asked[g];
        asked[g] = n;
        n += is_asked;
    }
    return n > 0 ? go_groups_heads(&r->groups, asked) : NULL;
}

/* Group `g` gets what it has lost from stack `head`.  False: all lend more than any real profile would. */
static bool group_lend(struct repair *r, uint32_t g, uint32_t head, uint32_t off)
{
    struct frames whole = samples_stack(r->s, head);

    if (off >= whole.n)
        return true;
    r->n_lent += (size_t)off * r->groups.at[g].n;
    if (r->n_lent > LENT_MOST * r->s->n_locations)
        return false;
    for (uint32_t i = r->group_at[g], k = r->groups.at[g].first; i < group_end(r, g); i++, k = r->groups.next[k])
        r->s->lent[k] = (struct frames){ whole.at + whole.n - off, off };
    return true;
}

static void groups_lend(struct repair *r)
{
    const uint32_t *heads = heads_find(r);

    for (uint32_t g = 0; g < r->n_ends; g++) {
        struct link end = r->ends[g];
        if (end.group == NONE)
            continue;
        if (!group_lend(r, g, heads != NULL ? heads[end.group] : r->groups.at[end.group].first, end.off))
            return;
    }
}

void go_stacks_repair(const uint64_t *order, struct samples *s)
{
    struct repair r = { .s = s, .groups = go_groups_make(s, order) };

    r.group_at = arena_array(s->p->scratch, r.groups.n, sizeof *r.group_at);
    for (uint32_t g = 0, n = 0; g < r.groups.n; n += r.groups.at[g++].n)
        r.group_at[g] = n;
    tokens_make(&r);
    tokens_find(&r);
    links_make(&r);
    chains_follow(&r);
    s->lent = arena_zalloc(s->p->scratch, ((size_t)s->n_stacks + 1) * sizeof *s->lent);
    groups_lend(&r);
}
