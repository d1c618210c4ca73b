#include "ingest/pprof_samples.h"

#include <assert.h>

#include "base/hash.h"
#include "ingest/pprof_check.h"
#include "ingest/pprof_groups.h"
#include "wire/pb.h"

/* Fields of google.v1.Profile and Sample. */
enum { P_SAMPLE = 2, S_LOCATION = 1, S_VALUE = 2, S_LABEL = 3 };

/* Remembering packed stacks pays only where they repeat: not when of so many new ones fewer than an eighth came again. */
enum { PACKED_TRIAL = 64, PACKED_SHARE = 8 };

/* One sample while it is read. */
struct reading {
    struct samples     *s;
    const struct idmap *map;
    struct labels       labels;
    struct fault       *why;
    const uint8_t      *bytes_end;    /* of the profile */
    uint32_t            locations_or; /* of the sample's locations: all bits are set where one is NO_LOCATION */
    size_t              locations_from, pairs_from; /* where its own begin */
    struct packed       packed;                     /* its locations while nobody has read them */
    int64_t            *values;                     /* [n_types] */
    uint32_t            n_values, n_labels;
    uint64_t            labels_hash;
    uint32_t            n_repeated; /* samples so far whose locations were known by their bytes */
    bool                keeps_all_stacks;
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

/*
 * The hot loop of the room.  Ids come in long runs of one byte in small profiles and of two in others, so eight or four
 * of them are taken at a time.
 */
static const uint8_t *locations_read(const struct idmap *map, const uint8_t *p, const uint8_t *end, uint32_t **out,
                                     uint32_t *all_or)
{
    uint32_t          *o = *out, bits = *all_or;
    const struct idmap m = *map;
    const uint64_t     beyond = (uint16_t)-m.n_direct * UINT64_C(0x0001000100010001); /* bits that its ids lack */
    uint64_t           word, id;

    while (p < end) {
        if ((size_t)(end - p) >= sizeof word) {
            memcpy(&word, p, sizeof word);
            uint64_t more = word & 0x8080808080808080;
            if (more == 0) {
#pragma GCC unroll 8
                for (int i = 0; i < 8; i++)
                    bits |= o[i] = m.direct[word >> 8 * i & 0x7f]; /* IDMAP_LEAST */
                o += 8;
                p += 8;
                continue;
            }
            uint64_t pairs = (word & 0x007f007f007f007f) | (word & 0x7f007f007f007f00) >> 1;
            if (more == 0x0080008000800080 && (pairs & beyond) == 0) {
#pragma GCC unroll 4
                for (int i = 0; i < 4; i++)
                    bits |= o[i] = m.direct[pairs >> 16 * i & 0xffff];
                o += 4;
                p += 8;
                continue;
            }
        }
        if ((p = varint_read(p, end, &id)) == NULL)
            return NULL;
        bits |= *o++ = idmap_get(&m, id);
    }
    *out = o;
    *all_or = bits;
    return p;
}

/* Appends the sample's locations that were left packed. */
static bool packed_read(struct reading *r)
{
    struct samples *s = r->s;
    uint32_t       *out = s->locations + s->n_locations;
    const uint8_t  *p = r->packed.p;

    if (p != NULL && (p = locations_read(r->map, p, p + r->packed.n, &out, &r->locations_or)) == NULL)
        return false;
    s->n_locations = (size_t)(out - s->locations);
    r->packed.p = NULL;
    return true;
}

/* Numbers are read with the end of all bytes in sight, for that is faster, and must not go beyond `end`. */
static inline const uint8_t *values_read(struct reading *r, const uint8_t *p, const uint8_t *end)
{
    uint32_t n_types = r->s->p->n_types;
    uint64_t v;

    for (; p < end; r->n_values++) {
        if ((p = varint_read(p, r->bytes_end, &v)) == NULL || p > end)
            return NULL;
        if (r->n_values < n_types)
            r->values[r->n_values] = (int64_t)v;
    }
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

/* Locations one by one, or in several runs: read at once. */
static const uint8_t *location_read(struct reading *r, const uint8_t *p, const uint8_t *end)
{
    uint64_t id;

    if ((r->packed.p != NULL && !packed_read(r)) || (p = varint_read(p, end, &id)) == NULL)
        return NULL;
    r->locations_or |= r->s->locations[r->s->n_locations++] = idmap_get(r->map, id);
    return p;
}

static const uint8_t *locations_leave(struct reading *r, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *stop = packed_end(&p, end);

    if (stop == NULL || (r->packed.p != NULL && !packed_read(r)))
        return NULL;
    r->packed = (struct packed){ p, (uint32_t)(stop - p), 0 };
    return r->s->n_locations == r->locations_from || packed_read(r) ? stop : NULL;
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
            p = locations_leave(r, p + 1, end);
            break;
        case S_LOCATION << 3 | PB_VARINT:
            p = location_read(r, p + 1, end);
            break;
        case S_VALUE << 3 | PB_BYTES:
            p++;
            stop = packed_end(&p, end);
            p = stop != NULL ? values_read(r, p, stop) : NULL;
            break;
        case S_VALUE << 3 | PB_VARINT:
            if ((p = varint_read(p + 1, end, &v)) != NULL && r->n_values++ < r->s->p->n_types)
                r->values[r->n_values - 1] = (int64_t)v;
            break;
        default:
            code = other_read(r, &p, end);
            break;
        }
    }
    *at = p;
    return code;
}

static enum code fields_read(struct reading *r, struct slice bytes)
{
    const uint8_t *p = (const uint8_t *)bytes.p;

    enum code code = fields_walk(r, &p, p + bytes.n);
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

static bool is_worth_keeping(const struct reading *r)
{
    int64_t any = 0; /* its sign bit is set by any negative value */

    for (uint32_t t = 0; t < r->s->p->n_types; t++)
        any |= r->values[t];
    return any > 0;
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

static bool same_packed(const void *items, uint32_t i, uint32_t j)
{
    const struct packed *k = items;
    return k[i].n == k[j].n && memcmp(k[i].p, k[j].p, k[i].n) == 0;
}

/* The sample's stack, read only when its bytes are new; NO_LOCATION: not kept.  False: broken. */
static bool stack_find(struct reading *r, bool is_kept, uint32_t *stack)
{
    struct samples *s = r->s;
    uint32_t        item = s->n_packed, first = item;
    bool            is_packed = r->packed.p != NULL && is_kept && !r->keeps_all_stacks &&
                     (item < PACKED_TRIAL || r->n_repeated >= item / PACKED_SHARE);

    if (is_packed) {
        s->packed[item] = r->packed;
        first = table_put(&s->packed_seen, hash64(r->packed.p, r->packed.n), item, same_packed, s->packed);
    }
    if (first != item) {
        *stack = s->packed[first].stack;
        r->n_repeated++;
        return true;
    }
    if (!packed_read(r))
        return false;
    *stack = stack_close(r, is_kept);
    if (is_packed)
        s->packed[s->n_packed++].stack = *stack;
    return true;
}

static enum code sample_read(struct reading *r, struct slice bytes)
{
    struct samples *s = r->s;
    uint32_t        stack;

    r->locations_from = s->n_locations;
    r->pairs_from = s->n_pairs;
    r->packed.p = NULL;
    r->values = s->values + (size_t)s->n * s->p->n_types;
    r->n_values = r->n_labels = 0;
    r->labels_hash = 0;
    r->locations_or = 0;
    enum code code = fields_read(r, bytes);
    if (code != CODE_OK)
        return code;
    if (r->n_values != s->p->n_types)
        return fail(r->why, CODE_INVALID_ARGUMENT, "sample value length mismatch");
    if ((int64_t)r->n_labels > s->p->limits->sample_labels_max)
        return pprof_refuse_sample_labels(s->p, r->n_labels, r->labels, r->why);
    bool is_kept = is_worth_keeping(r);
    if (!stack_find(r, is_kept, &stack))
        return fail(r->why, CODE_INVALID_ARGUMENT, "failed to decode pprof: malformed sample");
    if (is_kept && stack != NO_LOCATION) {
        s->stack[s->n] = stack;
        s->group[s->n++] = group_close(s, r->pairs_from);
    } else {
        s->n_pairs = r->pairs_from;
    }
    return CODE_OK;
}

static void samples_new(const struct pprof *p, bool keeps_all_stacks, struct samples *s)
{
    *s = (struct samples){ .p = p };
    s->stack = arena_array(p->scratch, p->n_samples + 1, sizeof *s->stack);
    s->group = arena_array(p->scratch, p->n_samples + 1, sizeof *s->group);
    s->values = arena_array(p->scratch, ((size_t)p->n_samples + 1) * p->n_types, sizeof *s->values);
    s->stack_end = arena_array(p->scratch, p->n_samples + 1, sizeof *s->stack_end);
    groups_new(s);
    if (keeps_all_stacks) {
        s->labels_hash = arena_array(p->scratch, p->n_samples + 1, sizeof *s->labels_hash);
    } else {
        s->packed = arena_array(p->scratch, p->n_samples + 1, sizeof *s->packed);
        s->packed_seen = table_new(p->scratch, p->n_samples);
    }
    s->locations = arena_array(p->scratch, p->samples.n, sizeof *s->locations); /* each id takes a byte at least */
}

enum code samples_read(const struct pprof *p, const struct idmap *locations, bool keeps_all_stacks,
                       struct labels labels, struct samples *out, struct fault *why)
{
    struct pb_cursor c = pb_cursor(p->samples);
    struct pb_field  f;
    struct reading   r = {
          .s = out, .map = locations, .labels = labels, .why = why, .keeps_all_stacks = keeps_all_stacks
    };

    r.bytes_end = c.end;

    if ((uint64_t)p->n_samples * p->n_types > p->bytes.n) /* each value takes a byte at least: bounds what follows */
        return fail(why, CODE_INVALID_ARGUMENT, "sample value length mismatch");
    samples_new(p, keeps_all_stacks, out);
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
