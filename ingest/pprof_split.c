#include "ingest/pprof_split.h"

#include <stdlib.h>

#include "base/hash.h"
#include "ingest/label_rules.h"

struct splitting {
    struct pprof         *p;
    const struct samples *s;
    struct labels         series;
    struct batch_label   *series_refs; /* [series.n] */
    struct label         *text;        /* one group's labels while they are made, and their refs beside them */
    struct batch_label   *refs;
    size_t                n;
    uint32_t             *clean_of; /* [n_table]: what name_clean said of each name; 0: not asked */
    struct split         *out;
    struct fault         *why;
};

static bool same_part(const void *items, uint32_t i, uint32_t j)
{
    const struct splitting  *sp = items;
    const struct split_part *a = &sp->out->parts[i], *b = &sp->out->parts[j];

    if (a->n_labels != b->n_labels)
        return false;
    for (uint32_t k = 0; k < a->n_labels; k++)
        if (!slice_eq(ref_text(sp->p, a->labels[k].name), ref_text(sp->p, b->labels[k].name)) ||
            !slice_eq(ref_text(sp->p, a->labels[k].value), ref_text(sp->p, b->labels[k].value)))
            return false;
    return true;
}

static uint64_t part_hash(const struct splitting *sp, const struct split_part *part)
{
    uint64_t h = 0;

    for (uint32_t i = 0; i < part->n_labels; i++)
        h = hash_pair(h ^ hash_text(ref_text(sp->p, part->labels[i].name)),
                      hash_text(ref_text(sp->p, part->labels[i].value)));
    return h;
}

/* Puts a label in its place; one that is there already takes the value only when the series does not have it. */
static void label_insert(struct splitting *sp, struct label l, struct batch_label refs)
{
    size_t i = 0;
    int    d = 1;

    while (i < sp->n && (d = slice_cmp(sp->text[i].name, l.name)) < 0)
        i++;
    if (i < sp->n && d == 0) {
        if (labels_get(sp->series, l.name).n == 0) { /* the series has no say: the later sample label stands */
            sp->text[i].value = l.value;
            sp->refs[i].value = refs.value;
        }
        return;
    }
    memmove(sp->text + i + 1, sp->text + i, (sp->n - i) * sizeof *sp->text);
    memmove(sp->refs + i + 1, sp->refs + i, (sp->n - i) * sizeof *sp->refs);
    sp->text[i] = l;
    sp->refs[i] = refs;
    sp->n++;
}

/* The name as it may be, or one that is empty.  Made once, however many groups have it. */
static uint32_t name_clean(struct splitting *sp, uint32_t name)
{
    struct pprof *p = sp->p;

    if (!p->limits->sanitize_labels)
        return name;
    if (sp->clean_of == NULL)
        sp->clean_of = arena_zalloc(p->scratch, p->n_table * sizeof *sp->clean_of);
    if (sp->clean_of[name] == 0) {
        struct slice sent = ref_text(p, name), clean = label_name_clean(sent, p->limits, p->scratch);
        sp->clean_of[name] = clean.p == sent.p ? name : ref_add(p, clean);
    }
    return sp->clean_of[name];
}

/* The labels of one group, all of them, as they are checked. */
static enum code group_labels(struct splitting *sp, const struct group *g)
{
    struct pprof *p = sp->p;

    memcpy(sp->text, sp->series.at, sp->series.n * sizeof *sp->text);
    memcpy(sp->refs, sp->series_refs, sp->series.n * sizeof *sp->refs);
    sp->n = sp->series.n;
    for (uint32_t i = 0; i < g->n; i++) {
        struct batch_label sent = sp->s->pairs[g->at + i], refs = { name_clean(sp, sent.name), sent.value };
        struct label       l = { ref_text(p, refs.name), ref_text(p, refs.value) };
        if (l.value.n == 0)
            continue;
        if (l.name.n == 0)
            return fail(sp->why, CODE_INVALID_ARGUMENT, "invalid labels '%s' with error: invalid label name '%.*s'",
                        labels_text(sp->series).p, SLICE_ARGS(ref_text(p, sent.name)));
        label_insert(sp, l, refs);
    }
    return labels_check((struct labels){ sp->text, sp->n }, p->limits, sp->why);
}

/* The part with the labels just made, without those that store removes. */
static uint32_t part_of_labels(struct splitting *sp, struct table *seen)
{
    struct split       *out = sp->out;
    struct batch_label *kept = arena_array(sp->p->scratch, sp->n, sizeof *kept);
    uint32_t            n = 0;

    for (size_t i = 0; i < sp->n; i++)
        if (label_is_stored(sp->text[i].name))
            kept[n++] = sp->refs[i];
    out->parts[out->n_parts] = (struct split_part){ kept, n };
    uint32_t part = table_put(seen, part_hash(sp, &out->parts[out->n_parts]), out->n_parts, same_part, sp);
    out->n_parts += part == out->n_parts;
    return part;
}

static size_t pairs_max(const struct samples *s)
{
    size_t max = 0;

    for (uint32_t i = 0; i < s->n_groups; i++)
        max = s->groups[i].n > max ? s->groups[i].n : max;
    return max;
}

enum code split_make(struct pprof *p, const struct samples *s, struct labels series, struct split *out,
                     struct fault *why)
{
    struct splitting sp = { .p = p, .s = s, .series = series, .out = out, .why = why };
    struct table     seen = table_new(p->scratch, s->n_groups);
    size_t           room = series.n + pairs_max(s);
    bool            *has_samples = arena_zalloc(p->scratch, s->n_groups);

    sp.series_refs = arena_array(p->scratch, series.n, sizeof *sp.series_refs);
    for (size_t i = 0; i < series.n; i++)
        sp.series_refs[i] = (struct batch_label){ ref_add(p, series.at[i].name), ref_add(p, series.at[i].value) };
    sp.text = arena_array(p->scratch, room, sizeof *sp.text);
    sp.refs = arena_array(p->scratch, room, sizeof *sp.refs);
    *out = (struct split){ .part_of = arena_zalloc(p->scratch, s->n_groups * sizeof *out->part_of),
                           .parts = arena_array(p->scratch, s->n_groups, sizeof *out->parts) };
    for (uint32_t i = 0; i < s->n; i++)
        has_samples[s->group[i]] = true;
    for (uint32_t g = 0; g < s->n_groups; g++) {
        if (!has_samples[g])
            continue;
        enum code code = group_labels(&sp, &s->groups[g]);
        if (code != CODE_OK)
            return code;
        out->part_of[g] = part_of_labels(&sp, &seen);
    }
    return CODE_OK;
}
