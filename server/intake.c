#include "server/intake.h"

#include <assert.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/metric.h"
#include "ingest/label_rules.h"
#include "router/router.h"
#include "server/admission.h"
#include "server/waybill.h"
#include "server/wiring.h"
#include "wire/zip.h"

#define PUSH_WAIT_NS                                                                                                   \
    (30 * NS_PER_S) /* for a client that set no deadline; the router gives up on a lost shard long before */

/* What went through and what did not, since the start. */
struct counters {
    struct metric *profiles, *bytes;
    struct metric *discarded[CODE_UNAUTHENTICATED + 1];
};

/* A parcel on its way: which item it is, and as how large it was admitted. */
struct sent {
    uint32_t item;
    size_t   raw_bytes;
};

struct job {
    struct intake          in;
    struct intake_outcome *outcomes; /* [n_items] */
    struct decode_limits   limits;
    uint32_t              *ordinals; /* [n_items] */
    bool                  *is_due;   /* [n_items]: a worker is to decode it here */
    struct parcel         *parcels;  /* [n_parcels]: those of the items that were taken */
    struct sent           *sent;     /* [n_parcels] */
    size_t                 n_parcels;
    _Atomic size_t         n_due;
    struct admission       admission;
    size_t                 taken_bytes; /* from the server's budget */
};

static const char *reason_of(enum code code)
{
    switch (code) {
    case CODE_INVALID_ARGUMENT:
        return "reason=\"invalid\"";
    case CODE_RESOURCE_EXHAUSTED:
        return "reason=\"resource_exhausted\"";
    case CODE_UNAVAILABLE:
    case CODE_DEADLINE_EXCEEDED:
        return "reason=\"unavailable\"";
    default:
        return "reason=\"other\"";
    }
}

static struct counters counters;

void intake_metrics(void)
{
    counters.profiles = metric_counter("hearth_ingest_profiles_total", "Profiles taken in and acknowledged.", "");
    counters.bytes = metric_counter("hearth_ingest_bytes_total", "Bytes of those profiles, inflated.", "");
    for (int code = 0; code <= CODE_UNAUTHENTICATED; code++)
        counters.discarded[code] = metric_counter("hearth_discarded_profiles_total", "Profiles refused, by reason.",
                                                  reason_of((enum code)code));
}

static void refuse(struct job *j, size_t i, enum code code, const char *text)
{
    j->outcomes[i] = (struct intake_outcome){ code, strdup(text) };
    metric_add(counters.discarded[code <= CODE_UNAUTHENTICATED ? code : CODE_UNKNOWN], 1);
}

static void count_taken(size_t raw_bytes)
{
    metric_add(counters.profiles, 1);
    metric_add(counters.bytes, (int64_t)raw_bytes);
}

static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

/* now - span, now + span; any time when there is no limit. */
static struct decode_limits decode_limits_of(const struct limits *l, int64_t now_ns)
{
    return (struct decode_limits){
        .profile_bytes_max = lesser(l->max_profile_size_bytes, l->ingestion_body_limit_bytes),
        .samples_max = l->max_profile_stacktrace_samples,
        .sample_labels_max = l->max_profile_stacktrace_sample_labels,
        .depth_max = l->max_profile_stacktrace_depth,
        .symbol_bytes_max = l->max_profile_symbol_value_length,
        .label_names_max = l->max_label_names_per_series,
        .label_name_bytes_max = l->max_label_name_length,
        .label_value_bytes_max = l->max_label_value_length,
        .sessions_max = l->max_sessions_per_series,
        .oldest_ns = l->reject_older_than_ns == LIMIT_NONE ? INT64_MIN : now_ns - l->reject_older_than_ns,
        .newest_ns = l->reject_newer_than_ns == LIMIT_NONE ? INT64_MAX : now_ns + l->reject_newer_than_ns,
        .sanitize_labels = !l->disable_label_sanitization,
    };
}

/* How many equal items came before each: the ordinals (N2). */
struct ordinals {
    struct hash128 *keys;
    uint32_t       *counts; /* 0: an empty place */
    size_t          n;      /* a power of two, more than twice the items */
};

static struct ordinals ordinals_new(struct arena *a, size_t n_items)
{
    struct ordinals o = { .n = 4 };

    while (o.n < n_items * 2)
        o.n *= 2;
    o.keys = arena_array(a, o.n, sizeof *o.keys);
    o.counts = arena_zalloc(a, o.n * sizeof *o.counts);
    return o;
}

/* A lone item is the first of its kind, whatever it is. */
static uint32_t ordinals_next(struct ordinals *o, const struct intake_item *item, size_t n_items)
{
    if (n_items == 1)
        return 0;

    struct hash128 body = hash128(item->body.p, item->body.n);
    struct hash128 key = { body.lo ^ labels_hash(item->labels), body.hi ^ hash_slice(item->id) };

    for (size_t i = key.lo & (o->n - 1);; i = (i + 1) & (o->n - 1)) {
        if (o->counts[i] == 0)
            o->keys[i] = key;
        if (o->keys[i].lo == key.lo && o->keys[i].hi == key.hi)
            return o->counts[i]++;
    }
}

/* Places by what names the program, not by what changes at each of its starts or tells its profiles apart. */
static struct labels placing_labels(struct labels all, struct arena *a)
{
    struct label *at = arena_array(a, all.n, sizeof *at);
    size_t        n = 0;

    for (size_t i = 0; i < all.n; i++)
        if (!slice_starts(all.at[i].name, SLICE("__")))
            at[n++] = all.at[i];
    labels_sort(at, n);
    return (struct labels){ at, n };
}

static struct ingest_source source_of(const struct job *j, size_t i)
{
    const struct intake_item *item = &j->in.items[i];

    return (struct ingest_source){ .tenant = j->in.tenant,
                                   .labels = item->labels,
                                   .client_id = item->id,
                                   .ordinal = j->ordinals[i],
                                   .now_ns = j->in.now_ns,
                                   .hints = item->hints };
}

static enum code decode(struct job *j, size_t i, struct parcel *out, size_t *raw_bytes, struct fault *why)
{
    const struct intake_item *item = &j->in.items[i];
    struct ingest_source      source = source_of(j, i);
    struct arena             *a = j->in.arena;
    size_t                    before = arena_bytes(a);

    if (!server_await_memory(j->in.app->server, j->taken_bytes, !j->in.is_on_loop))
        return fail(why, CODE_RESOURCE_EXHAUSTED, "memory for requests is used up, try again");
    enum code code = admission_glance(&j->admission, item->labels, admission_claim(&j->admission, item->body), why);
    if (code != CODE_OK)
        return code;
    out->batch = arena_alloc(a, sizeof *out->batch);
    code = ingest_pprof(item->body, &source, &j->limits, a, out->batch, raw_bytes, why);
    out->batch->mode = (enum batch_mode)j->in.limits->wal_mode;
    size_t more = arena_bytes(a) - before;
    server_take_memory(j->in.app->server, more);
    j->taken_bytes += more;
    return code == CODE_OK ? admission_take(&j->admission, item->labels, *raw_bytes, why) : code;
}

/* By the labels alone: a place is the same whether the profile has been decoded or not. */
static struct parcel parcel_of(struct job *j, const struct intake_item *item)
{
    return (struct parcel){ .tenant = j->in.tenant,
                            .service = labels_service(item->labels),
                            .labels = placing_labels(item->labels, j->in.arena) };
}

/* Another process decodes what is smaller as it came, and says how large it is. */
static bool goes_as_it_came(struct job *j, const struct intake_item *item, const struct parcel *p)
{
    return zip_is_gzip(item->body) && admission_claim(&j->admission, item->body) > 0 &&
           router_is_elsewhere(j->in.app->router, p);
}

static enum code forward(struct job *j, size_t i, struct parcel *out, size_t *raw_bytes, struct fault *why)
{
    const struct intake_item *item = &j->in.items[i];
    struct waybill            waybill = { .source = source_of(j, i),
                                          .limits = j->limits,
                                          .mode = (enum batch_mode)j->in.limits->wal_mode,
                                          .raw_bytes = admission_claim(&j->admission, item->body) };

    *raw_bytes = waybill.raw_bytes;
    out->pprof = item->body;
    out->waybill = waybill_encode(&waybill, j->in.arena);
    return admission_take(&j->admission, item->labels, waybill.raw_bytes, why);
}

static void leave_to_worker(struct job *j, size_t i)
{
    j->is_due[i] = true;
    atomic_fetch_add(&j->n_due, 1);
}

static void take(struct job *j, size_t i)
{
    const struct intake_item *item = &j->in.items[i];
    struct fault              why = { 0 };
    struct parcel             p = parcel_of(j, item);
    struct sent               sent = { .item = (uint32_t)i };
    bool                      is_forwarded = !j->is_due[i] && goes_as_it_came(j, item, &p);

    if (!is_forwarded && j->in.is_on_loop && item->body.n > INTAKE_QUICK_BYTES) {
        leave_to_worker(j, i);
        return;
    }
    enum code code = is_forwarded ? forward(j, i, &p, &sent.raw_bytes, &why) : decode(j, i, &p, &sent.raw_bytes, &why);
    if (code != CODE_OK) {
        refuse(j, i, code, why.text);
    } else if (p.batch != NULL && p.batch->n_rows == 0) {
        count_taken(sent.raw_bytes); /* nothing remained: a success without anything to store */
    } else {
        j->sent[j->n_parcels] = sent;
        j->parcels[j->n_parcels++] = p;
    }
}

/* What is refused for what it is or for want of memory, or came back, has certainly not been stored. */
static bool is_given_back(enum code code)
{
    return code == CODE_ABORTED || code == CODE_INVALID_ARGUMENT || code == CODE_RESOURCE_EXHAUSTED;
}

static void on_each(void *arg, size_t i, enum code code, const char *text)
{
    struct job        *j = arg;
    const struct sent *sent = &j->sent[i];
    bool               is_forwarded = j->parcels[i].batch == NULL;

    if (is_given_back(code))
        admission_give_back(&j->admission, j->in.items[sent->item].labels, sent->raw_bytes);
    if (code == CODE_OK)
        count_taken(sent->raw_bytes);
    else if (is_forwarded && code == CODE_ABORTED)
        leave_to_worker(j, sent->item);
    else
        refuse(j, sent->item, code, text);
}

static void finish(struct job *j)
{
    size_t n = j->in.n_items;

    server_give_memory(j->in.app->server, j->taken_bytes);
    struct intake_outcome *outcomes = j->outcomes;
    j->in.done(j->in.arg, outcomes, n); /* may free the arena that `j` is in, but not the outcomes */
    for (size_t i = 0; i < n; i++)
        free((char *)outcomes[i].text);
    free(outcomes);
}

static void on_done(void *arg);

static void send_parcels(struct job *j)
{
    int64_t latest = clock_mono_ns() + PUSH_WAIT_NS;

    if (j->n_parcels == 0)
        on_done(j);
    else
        router_push(j->in.app->router, j->parcels, j->n_parcels, lesser(j->in.deadline_ns, latest), on_each, on_done,
                    j);
}

/* On a worker: what came back, or could not go as it came. */
static void take_due(void *arg)
{
    struct job *j = arg;

    j->n_parcels = 0;
    j->in.is_on_loop = false;
    atomic_store(&j->n_due, 0);
    for (size_t i = 0; i < j->in.n_items; i++)
        if (j->is_due[i])
            take(j, i);
    send_parcels(j);
}

static void refuse_due(struct job *j)
{
    for (size_t i = 0; i < j->in.n_items; i++)
        if (j->is_due[i])
            refuse(j, i, CODE_RESOURCE_EXHAUSTED, "too many requests are waiting to be decoded");
    finish(j);
}

static void on_done(void *arg)
{
    struct job *j = arg;

    if (atomic_load(&j->n_due) == 0)
        finish(j);
    else if (!rpc_server_run(j->in.app->rpc, LANE_DECODE, take_due, j))
        refuse_due(j);
}

void intake_run(const struct intake *in)
{
    struct job     *j = arena_zalloc(in->arena, sizeof *j);
    struct ordinals ordinals = ordinals_new(in->arena, in->n_items);

    assert(in->n_items > 0 && in->n_items <= INTAKE_ITEMS_MAX);
    j->in = *in;
    j->limits = decode_limits_of(in->limits, in->now_ns);
    j->admission.limits = in->limits;
    if (in->limits->ingestion_rate_bytes != LIMIT_NONE)
        j->admission.tenant = registry_get(server_tenants(in->app->server), in->tenant);
    j->outcomes = mem_zalloc(in->n_items * sizeof *j->outcomes);
    j->ordinals = arena_array(in->arena, in->n_items, sizeof *j->ordinals);
    j->is_due = arena_zalloc(in->arena, in->n_items);
    j->parcels = arena_array(in->arena, in->n_items, sizeof *j->parcels);
    j->sent = arena_array(in->arena, in->n_items, sizeof *j->sent);
    for (size_t i = 0; i < in->n_items; i++) {
        j->ordinals[i] = ordinals_next(&ordinals, &in->items[i], in->n_items);
        take(j, i);
    }
    send_parcels(j);
}
