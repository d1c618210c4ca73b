/* A redo goes into a bucket; what follows from them all is made behind the last one (making.c). */
#include "index/redo_in.h"

#include <assert.h>
#include <string.h>

#include "base/scratch.h"
#include "index/publish.h"

bool redo_head_read(struct slice redo, struct redo_head *h)
{
    if (redo.n < sizeof *h)
        return false;
    memcpy(h, redo.p, sizeof *h);
    uint64_t things = (uint64_t)h->strings + h->text_bytes + h->mappings + h->functions + h->lines + h->locations +
                      h->nodes + h->stacks + h->types + h->parts + h->labels + h->label_bytes + h->points +
                      h->row_bytes;
    return things <= redo.n - sizeof *h && h->series <= h->parts && h->values <= h->labels && h->type_bytes <= redo.n &&
           h->frames < VEC_MAX;
}

static bool is_roomy(const struct vec *v, uint64_t more) { return vec_n(v) + more < VEC_MAX; }

/* Room for 32-bit ids, as bucket_take has it. */
static bool is_bucket_roomy(const struct bucket *b, const struct group *g, const struct redo_head *h)
{
    return is_roomy(&g->symtab.strings, h->strings) && is_roomy(&g->symtab.mappings, h->mappings) &&
           is_roomy(&g->symtab.functions, h->functions) && is_roomy(&g->symtab.lines, h->lines) &&
           is_roomy(&g->symtab.locations, h->locations) && is_roomy(&g->stacks.locations.nodes, h->nodes) &&
           is_roomy(&g->stacks.functions.nodes, (uint64_t)g->stacks.unmade.frames + h->frames) &&
           is_roomy(&g->stacks.all, h->stacks) && (uint64_t)b->series.n_streams + h->points < VEC_MAX &&
           is_roomy(&b->types.all, h->types) && b->taken.n < VEC_MAX;
}

static void take_group(struct redo_in *x)
{
    struct bucket *b = x->to;
    struct slice   service = redo_text(x, "a service");

    if (x->wrong != NULL)
        return;
    x->group = bucket_group(b, service);
    if (x->head.group != (x->group ? x->group->id : vec_n(&b->groups)))
        redo_wrong(x, "a service");
    else if (x->group == NULL)
        x->group = bucket_group_add(b, service);
}

static enum code head_check(const struct bucket *b, const struct redo_head *h, struct fault *why)
{
    if (h->time_ns < b->start_ns || h->time_ns >= b->end_ns)
        return fail(why, CODE_DATA_LOSS, "redo: its time %lld is not in the bucket [%lld, %lld)", (long long)h->time_ns,
                    (long long)b->start_ns, (long long)b->end_ns);
    if (h->batch != b->taken.n)
        return fail(why, CODE_DATA_LOSS, "redo: it is batch %u of a bucket that has %u", h->batch, b->taken.n);
    return CODE_OK;
}

static void unmade_charge(struct bucket *b, struct group *g, size_t bytes)
{
    slab_charge(&b->slab, bytes);
    slab_credit(&b->slab, g->unmade_bytes);
    g->unmade_bytes = bytes;
}

enum code bucket_redo(struct bucket *b, struct slice redo, struct fault *why)
{
    struct redo_in x = { .to = b,
                         .at = (const uint8_t *)redo.p + sizeof x.head,
                         .end = (const uint8_t *)redo.p + redo.n };

    assert(b->sealed == NULL);
    if (!redo_head_read(redo, &x.head))
        return fail(why, CODE_DATA_LOSS, "redo: its head is damaged");
    enum code code = head_check(b, &x.head, why);
    if (code != CODE_OK)
        return code;
    publish_step(PUBLISHED_NOTHING);
    take_group(&x);
    if (x.wrong == NULL && !is_bucket_roomy(b, x.group, &x.head))
        redo_wrong(&x, "the number of things");
    if (x.wrong == NULL) {
        x.scratch = scratch_take(0);
        redo_take_symbols(&x);
        redo_take_parts(&x);
        scratch_give(x.scratch);
    }
    if (x.wrong != NULL)
        return fail(why, CODE_DATA_LOSS, "redo: %s is damaged", x.wrong);
    unmade_charge(b, x.group, symtab_make_cost(&x.group->symtab) + stacks_make_cost(&x.group->stacks, 0, 0));
    bucket_count(b, x.head.time_ns);
    b->is_unmade = b->slab.is_bulk = true;
    return CODE_OK;
}

void bucket_redo_print(struct slice redo, struct buf *out)
{
    struct redo_in x = { .at = (const uint8_t *)redo.p + sizeof x.head, .end = (const uint8_t *)redo.p + redo.n };

    if (!redo_head_read(redo, &x.head)) {
        buf_text(out, " the redo has no head");
        return;
    }
    struct slice            service = redo_text(&x, "a service");
    const struct redo_head *h = &x.head;
    buf_printf(out,
               " service=%.*s batch=%u time_ns=%lld parts=%u points=%u row_bytes=%u new: series=%u strings=%u "
               "functions=%u locations=%u nodes=%u stacks=%u",
               SLICE_ARGS(service), h->batch, (long long)h->time_ns, h->parts, h->points, h->row_bytes, h->series,
               h->strings, h->functions, h->locations, h->nodes, h->stacks);
}
