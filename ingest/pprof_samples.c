#include "ingest/pprof_samples.h"

#include <assert.h>

#include "base/hash.h"
#include "ingest/pprof_check.h"
#include "ingest/pprof_groups.h"
#include "ingest/short_ids.h"
#include "wire/pb.h"

/* Fields of google.v1.Profile and Sample. */
enum { P_SAMPLE = 2, S_LOCATION = 1, S_VALUE = 2, S_LABEL = 3 };

struct reading {
    struct samples     *s;
    const struct idmap *map;
    struct labels       labels;
    struct fault       *why;
    const uint8_t      *bytes_end; /* of the profile */
    uint32_t            n_types;
    uint32_t            id_most;                      /* no id above it is looked for in map->direct */
    bool                is_counted, keeps_all_stacks; /* is_counted: ids 1, 2, 3, ... are locations 0, 1, 2, ... */

    /* one sample */
    uint32_t locations_or;               /* of the sample's locations: all bits are set where one is NO_LOCATION */
    size_t   locations_from, pairs_from; /* where its own begin */
    int64_t *values;                     /* [n_types] */
    uint64_t values_or;                  /* as int64_t > 0: none is negative and some is not 0 */
    uint32_t n_values, n_labels;
    uint64_t labels_hash;
};

uint32_t samples_depth(struct slice sample)
{
    struct pb_cursor c = pb_cursor(sample);
    struct pb_field  f;
    uint32_t         depth = 0;

    while (pb_next(&c, &f)) {
        if (f.number != S_LOCATION)
            continue;
        if (f.wire != PB_BYTES)
            depth++;
        else
            for (uint64_t i = 0; i < f.value; i++) /* each id ends in the one byte whose top bit is clear */
                depth += f.bytes[i] < 0x80;
    }
    return c.is_bad ? 0 : depth;
}

static const uint8_t *packed_end(const uint8_t **p, const uint8_t *end)
{
    uint64_t n;

    *p = varint_read(*p, end, &n);
    return *p == NULL || n > (uint64_t)(end - *p) ? NULL : *p + n;
}

/* Ids less 1 become locations. */
static uint32_t ids_look_up(const struct idmap *map, uint32_t *at, const uint32_t *end)
{
    const uint32_t *direct = map->direct + 1;
    uint32_t        bits = 0;

    for (; at < end; at++)
        bits |= *at = direct[*at];
    return bits;
}

__attribute__((noinline)) static const uint8_t *ids_read_each(struct reading *r, const uint8_t *p, const uint8_t *end)
{
    struct samples *s = r->s;
    uint64_t        id;

    for (; p < end; r->locations_or |= s->locations[s->n_locations++] = idmap_get(r->map, id))
        if ((p = varint_read(p, end, &id)) == NULL)
            return NULL;
    return p;
}

static inline const uint8_t *locations_read(struct reading *r, const uint8_t *p, const uint8_t *end)
{
    struct samples *s = r->s;
    uint32_t       *out = s->locations + s->n_locations, *stop = NULL;

    if (r->bytes_end - end >= SHORT_IDS_SLACK)
        stop = short_ids_read(p, end, r->id_most, out);
    if (stop == NULL)
        return ids_read_each(r, p, end);
    if (!r->is_counted)
        r->locations_or |= ids_look_up(r->map, out, stop);
    s->n_locations += (size_t)(stop - out);
    return end;
}

/* Numbers are read with the end of all bytes in sight, for that is faster, and must not go beyond `end`. */
static inline const uint8_t *values_read(struct reading *r, const uint8_t *p, const uint8_t *end)
{
    uint32_t n = r->n_values, n_types = r->n_types;
    uint64_t v, any = r->values_or;

    for (; p < end; n++) {
        if ((p = varint_read(p, r->bytes_end, &v)) == NULL || p > end)
            return NULL;
        if (n < n_types) {
            r->values[n] = (int64_t)v;
            any |= v;
        }
    }
    r->n_values = n;
    r->values_or = any;
    return p;
}

/* A label, or a field that is none of ours. */
static enum code other_read(struct reading *r, const uint8_t **p, const uint8_t *end)
{
    struct pb_cursor c = { *p, end, false };
    struct pb_field  f;

    if (!pb_next(&c, &f)) {
        *p = NULL;
        return CODE_OK;
    }
    *p = c.p;
    if (f.number != S_LABEL)
        return CODE_OK;
    r->n_labels++;
    return group_label(r->s, pb_bytes(&f), &r->labels_hash, r->why);
}

/* The fields of one sample; *p is NULL afterwards where they are broken. */
static enum code fields_walk(struct reading *r, const uint8_t **at, const uint8_t *end)
{
    const uint8_t *p = *at, *stop;
    enum code      code = CODE_OK;
    uint64_t       v;

    while (p != NULL && p < end && code == CODE_OK) {
        switch (*p) {
        case S_LOCATION << 3 | PB_BYTES:
            p++;
            stop = packed_end(&p, end);
            p = stop != NULL ? locations_read(r, p, stop) : NULL;
            break;
        case S_LOCATION << 3 | PB_VARINT:
            if ((p = varint_read(p + 1, end, &v)) != NULL)
                r->locations_or |= r->s->locations[r->s->n_locations++] = idmap_get(r->map, v);
            break;
        case S_VALUE << 3 | PB_BYTES:
            p++;
            stop = packed_end(&p, end);
            p = stop != NULL ? values_read(r, p, stop) : NULL;
            break;
        case S_VALUE << 3 | PB_VARINT:
            stop = varint_read(p + 1, end, &v);
            p = stop != NULL ? values_read(r, p + 1, stop) : NULL;
            break;
        default:
            code = other_read(r, &p, end);
            break;
        }
    }
    *at = p;
    return code;
}

/* The numbers of a short packed field when it comes next. */
static inline bool packed_next(const uint8_t **p, const uint8_t *end, uint8_t tag, const uint8_t **stop)
{
    const uint8_t *at = *p;

    if (end - at < 2 || at[0] != tag || at[1] >= 0x80 || at[1] > end - at - 2)
        return false;
    *p = at + 2;
    *stop = at + 2 + at[1];
    return true;
}

/* Writers keep fields in order: locations, values, labels. */
static enum code fields_read(struct reading *r, struct slice bytes)
{
    const uint8_t *p = (const uint8_t *)bytes.p, *end = p + bytes.n, *stop;
    enum code      code = CODE_OK;

    if (packed_next(&p, end, S_LOCATION << 3 | PB_BYTES, &stop))
        p = locations_read(r, p, stop);
    if (p != NULL && packed_next(&p, end, S_VALUE << 3 | PB_BYTES, &stop))
        p = values_read(r, p, stop);
    if (p != NULL && p < end)
        code = fields_walk(r, &p, end);
    if (code == CODE_OK && p == NULL)
        return fail(r->why, CODE_INVALID_ARGUMENT, "failed to decode pprof: malformed sample");
    return code;
}

/* A stack too deep loses its leaf frames. */
static void stack_cut(struct reading *r)
{
    struct samples *s = r->s;
    size_t          depth = s->n_locations - r->locations_from, max = (size_t)s->p->limits->depth_max;

    if (depth > s->depth_max)
        s->depth_max = (uint32_t)depth;
    if (depth <= max)
        return;
    memmove(s->locations + r->locations_from, s->locations + s->n_locations - max, max * sizeof *s->locations);
    s->n_locations = r->locations_from + max;
}

/* The number of the stack just read, or NO_LOCATION and no trace of it. */
static uint32_t stack_close(struct reading *r, bool is_kept)
{
    struct samples *s = r->s;
    bool            is_whole = r->locations_or != NO_LOCATION;

    stack_cut(r);
    if (!r->keeps_all_stacks && !(is_whole && is_kept)) {
        s->n_locations = r->locations_from;
        return NO_LOCATION;
    }
    if (r->keeps_all_stacks)
        s->labels_hash[s->n_stacks] = r->labels_hash;
    s->stack_end[s->n_stacks++] = (uint32_t)s->n_locations;
    return is_whole ? s->n_stacks - 1 : NO_LOCATION;
}

static enum code sample_read(struct reading *r, struct slice bytes)
{
    struct samples *s = r->s;

    r->locations_from = s->n_locations;
    r->pairs_from = s->n_pairs;
    r->values = s->values + (size_t)s->n * r->n_types;
    r->n_values = r->n_labels = 0;
    r->values_or = 0;
    r->labels_hash = 0;
    r->locations_or = 0;
    enum code code = fields_read(r, bytes);
    if (code != CODE_OK)
        return code;
    if (r->n_values != r->n_types)
        return fail(r->why, CODE_INVALID_ARGUMENT, "sample value length mismatch");
    if ((int64_t)r->n_labels > s->p->limits->sample_labels_max)
        return pprof_refuse_sample_labels(s->p, r->n_labels, r->labels, r->why);
    bool     is_kept = (int64_t)r->values_or > 0;
    uint32_t stack = stack_close(r, is_kept);
    if (is_kept && stack != NO_LOCATION) {
        s->stack[s->n] = stack;
        s->group[s->n++] = s->n_pairs > r->pairs_from ? group_close(s, r->pairs_from) : 0;
    } else {
        s->n_pairs = r->pairs_from;
    }
    return CODE_OK;
}

static void samples_new(const struct pprof *p, bool keeps_all_stacks, struct samples *s)
{
    size_t locations_most = p->samples.n; /* each id takes a byte at least */

    *s = (struct samples){ .p = p };
    s->stack = arena_array(p->scratch, p->n_samples + 1, sizeof *s->stack);
    s->group = arena_array(p->scratch, p->n_samples + 1, sizeof *s->group);
    s->values = arena_array(p->scratch, ((size_t)p->n_samples + 1) * p->n_types, sizeof *s->values);
    s->stack_end = arena_array(p->scratch, p->n_samples + 1, sizeof *s->stack_end);
    groups_new(s);
    if (keeps_all_stacks)
        s->labels_hash = arena_array(p->scratch, p->n_samples + 1, sizeof *s->labels_hash);
    s->locations = arena_array(p->scratch, locations_most + SHORT_IDS_SLACK, sizeof *s->locations);
}

/* Are ids 1 to n the locations 0 to n - 1? */
static bool ids_are_counted(const struct idmap *map, uint32_t n)
{
    uint32_t others = 0;

    if (n >= map->n_direct)
        return false;
    for (uint32_t i = 0; i < n; i++)
        others |= map->direct[i + 1] ^ i;
    return others == 0;
}

enum code samples_read(const struct pprof *p, const struct idmap *locations, bool keeps_all_stacks,
                       struct labels labels, struct samples *out, struct fault *why)
{
    struct pb_cursor c = pb_cursor(p->samples);
    struct pb_field  f;
    struct reading   r = { .s = out, .map = locations, .labels = labels, .why = why };

    if ((uint64_t)p->n_samples * p->n_types > p->bytes.n) /* each value takes a byte at least: bounds what follows */
        return fail(why, CODE_INVALID_ARGUMENT, "sample value length mismatch");
    samples_new(p, keeps_all_stacks, out);
    r.n_types = p->n_types;
    r.keeps_all_stacks = keeps_all_stacks;
    r.bytes_end = (const uint8_t *)p->bytes.p + p->bytes.n;
    r.is_counted = ids_are_counted(locations, p->n_locations);
    r.id_most = r.is_counted ? p->n_locations : (uint32_t)locations->n_direct - 1;
    while (pb_next(&c, &f)) {
        if (f.number != P_SAMPLE)
            continue;
        enum code code = sample_read(&r, pb_bytes(&f));
        if (code != CODE_OK)
            return code;
    }
    assert(!c.is_bad); /* the skim has seen to that */
    return CODE_OK;
}
