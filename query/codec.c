#include "query/codec.h"

#include "model/location.h"
#include "query/partial.h"
#include "rpc/codec.h"

typedef ProtobufCBinaryData Bytes;

static Bytes *list_encode(const struct slice *at, size_t n, struct arena *a)
{
    Bytes *out = arena_array(a, n, sizeof *out);

    for (size_t i = 0; i < n; i++)
        out[i] = proto_bytes(at[i]);
    return out;
}

static const struct slice *list_decode(const Bytes *at, size_t n, struct arena *a)
{
    struct slice *out = arena_array(a, n, sizeof *out);

    for (size_t i = 0; i < n; i++)
        out[i] = proto_slice(at[i]);
    return out;
}

/* The wire's kinds are ours. */
_Static_assert((int)HEARTH__SHARD__V1__QUERY_REQUEST__KIND__TYPES == ASK_TYPES, "kinds");
_Static_assert((int)HEARTH__SHARD__V1__QUERY_REQUEST__KIND__LABEL_NAMES == ASK_LABEL_NAMES, "kinds");
_Static_assert((int)HEARTH__SHARD__V1__QUERY_REQUEST__KIND__LABEL_VALUES == ASK_LABEL_VALUES, "kinds");
_Static_assert((int)HEARTH__SHARD__V1__QUERY_REQUEST__KIND__SERIES == ASK_SERIES, "kinds");
_Static_assert((int)HEARTH__SHARD__V1__QUERY_REQUEST__KIND__TREE == ASK_TREE, "kinds");
_Static_assert((int)HEARTH__SHARD__V1__QUERY_REQUEST__KIND__POINTS == ASK_POINTS, "kinds");
_Static_assert((int)HEARTH__SHARD__V1__QUERY_REQUEST__KIND__PROFILE == ASK_PROFILE, "kinds");

Hearth__Shard__V1__QueryRequest *question_encode(const struct question *q, struct arena *a)
{
    Hearth__Shard__V1__QueryRequest *m = arena_alloc(a, sizeof *m);

    hearth__shard__v1__query_request__init(m);
    m->kind = (Hearth__Shard__V1__QueryRequest__Kind)q->kind;
    m->tenants = list_encode(q->tenants, m->n_tenants = q->n_tenants, a);
    m->start_ns = q->start_ns;
    m->end_ns = q->end_ns;
    m->selectors = list_encode(q->selectors, m->n_selectors = q->n_selectors, a);
    m->profile_type = proto_bytes(q->profile_type);
    m->call_site = list_encode(q->call_site, m->n_call_site = q->n_call_site, a);
    m->label = proto_bytes(q->label);
    m->names = list_encode(q->names, m->n_names = q->n_names, a);
    m->first_ms = q->first_ms;
    m->step_ms = q->step_ms;
    return m;
}

enum code question_decode(const Hearth__Shard__V1__QueryRequest *m, struct arena *a, struct question *out,
                          struct fault *why)
{
    if ((unsigned)m->kind > ASK_PROFILE)
        return fail(why, CODE_INVALID_ARGUMENT, "unknown kind of question %d", (int)m->kind);
    if (m->n_tenants == 0)
        return fail(why, CODE_INVALID_ARGUMENT, "a question without a tenant");
    if (m->kind == HEARTH__SHARD__V1__QUERY_REQUEST__KIND__POINTS && m->step_ms <= 0)
        return fail(why, CODE_INVALID_ARGUMENT, "a question for points with step %lld ms", (long long)m->step_ms);
    *out = (struct question){
        .kind = (enum question_kind)m->kind,
        .tenants = list_decode(m->tenants, m->n_tenants, a),
        .n_tenants = m->n_tenants,
        .start_ns = m->start_ns,
        .end_ns = m->end_ns,
        .selectors = list_decode(m->selectors, m->n_selectors, a),
        .n_selectors = m->n_selectors,
        .profile_type = m->profile_type.len ? proto_slice(m->profile_type) : (struct slice){ 0 },
        .call_site = list_decode(m->call_site, m->n_call_site, a),
        .n_call_site = m->n_call_site,
        .label = proto_slice(m->label),
        .names = list_decode(m->names, m->n_names, a),
        .n_names = m->n_names,
        .first_ms = m->first_ms,
        .step_ms = m->step_ms,
    };
    return CODE_OK;
}

static void set_encode(struct strset *set, Hearth__Shard__V1__QueryResponse *m, struct arena *a)
{
    m->n_set = strset_n(set);
    m->set = arena_array(a, m->n_set, sizeof *m->set);
    for (uint32_t i = 0; i < m->n_set; i++)
        m->set[i] = proto_bytes(strset_at(set, i));
}

static void tree_message(const struct tree *t, Hearth__Shard__V1__QueryResponse *m, struct arena *a)
{
    struct buf bytes = { 0 };

    tree_encode(t, &bytes);
    m->tree = proto_bytes(arena_copy(a, buf_view(&bytes)));
    m->is_clamped = t->is_clamped;
    buf_free(&bytes);
}

static Hearth__Shard__V1__Points *points_message(const struct partial_series *s, struct arena *a)
{
    Hearth__Shard__V1__Points *m = arena_alloc(a, sizeof *m);
    struct buf                 labels = { 0 };

    hearth__shard__v1__points__init(m);
    labels_encode(&labels, s->labels);
    m->labels = proto_bytes(arena_copy(a, buf_view(&labels)));
    buf_free(&labels);
    m->n_slot = m->n_sum = m->n_count = s->n;
    m->slot = s->slot;
    m->sum = s->sum;
    m->count = s->count;
    return m;
}

Hearth__Shard__V1__QueryResponse *partial_encode(struct partial *p, struct arena *a)
{
    Hearth__Shard__V1__QueryResponse *m = arena_alloc(a, sizeof *m);

    hearth__shard__v1__query_response__init(m);
    if (p->tree != NULL) {
        tree_message(p->tree, m, a);
    } else if (p->points != NULL) {
        const struct partial_series *s = partial_points(p, &m->n_points);
        m->points = arena_array(a, m->n_points, sizeof *m->points);
        for (size_t i = 0; i < m->n_points; i++)
            m->points[i] = points_message(&s[i], a);
    } else {
        set_encode(p->set, m, a);
    }
    return m;
}

static enum code points_decode(const Hearth__Shard__V1__Points *m, struct points *into, struct arena *a,
                               struct fault *why)
{
    struct labels labels;

    if (m->n_slot != m->n_sum || m->n_slot != m->n_count || !labels_decode(proto_slice(m->labels), a, &labels))
        return fail(why, CODE_INVALID_ARGUMENT, "malformed points: %zu slots, %zu sums, %zu counts", m->n_slot,
                    m->n_sum, m->n_count);
    struct points_group *g = points_group(into, labels);
    for (size_t i = 0; i < m->n_slot; i++) {
        if (m->sum[i] < 0 || m->count[i] <= 0)
            return fail(why, CODE_INVALID_ARGUMENT, "malformed points: sum %lld of %lld profiles", (long long)m->sum[i],
                        (long long)m->count[i]);
        points_add(g, m->slot[i], m->sum[i], m->count[i]);
    }
    return CODE_OK;
}

/* What came in addition to the first nodes and names: every node but the root is a location. */
static enum code locations_check(const struct tree *t, uint32_t nodes, uint32_t names, struct fault *why)
{
    struct arena   *a = arena_new(0);
    struct location l;
    bool            are_good = true;

    for (; nodes < t->n && are_good; nodes++)
        are_good = t->name[nodes] != t->name[0];
    for (; names < strset_n(t->names) && are_good; names++) {
        arena_reset(a);
        are_good = location_decode(strset_at(t->names, names), a, &l);
    }
    arena_free(a);
    return are_good ? CODE_OK
                    : fail(why, CODE_INVALID_ARGUMENT, "malformed location: name %u of node %u", names, nodes);
}

enum code partial_decode_tree(struct slice bytes, bool is_clamped, struct partial *into, struct fault *why)
{
    struct tree *t = into->tree;
    uint32_t     nodes = t->n, names = strset_n(t->names);

    t->is_clamped |= is_clamped;
    enum code code = tree_decode(bytes, t, why);
    return code == CODE_OK && into->kind == ASK_PROFILE ? locations_check(t, nodes, names, why) : code;
}

enum code partial_decode(const Hearth__Shard__V1__QueryResponse *m, struct partial *into, struct fault *why)
{
    enum code code = CODE_OK;

    if (into->tree != NULL)
        return partial_decode_tree(proto_slice(m->tree), m->is_clamped, into, why);
    if (into->points != NULL) {
        for (size_t i = 0; i < m->n_points && code == CODE_OK; i++)
            code = points_decode(m->points[i], into->points, into->arena, why);
        return code;
    }
    struct labels labels;
    for (size_t i = 0; i < m->n_set; i++) {
        if (into->kind == ASK_SERIES && !labels_split(proto_slice(m->set[i]), into->arena, &labels))
            return fail(why, CODE_INVALID_ARGUMENT, "malformed label set of %zu bytes", m->set[i].len);
        strset_add(into->set, proto_slice(m->set[i]));
    }
    return CODE_OK;
}
