/*
 * Goal: a question about a real shard is answered exactly, by one shard and by sixteen merged.  Method: random profiles into
 * one shard and, each, into one of sixteen; random questions, every answer checked against the plain list of what was
 * pushed, node by node and point by point, and nothing may be left over.
 */
#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "index/batch_make.h"
#include "model/location.h"
#include "query/partial.h"
#include "shard/shard.h"

enum { SHARDS = 16, PROFILES = 160, QUESTIONS = 120, MINUTES = 60, SAMPLES_MAX = PROFILES * 2 * 5 };

#define EPOCH_NS (INT64_C(1700000000) * NS_PER_S)

static uint64_t seed;

static uint32_t roll(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

struct sample {
    const char *tenant, *service, *pod, *zone; /* zone "": no such label */
    unsigned    point;                         /* samples of one profile and one label set share it */
    int64_t     time_ns, values[2];
    char        stack[40];
};

static struct sample samples[SAMPLES_MAX];
static size_t        n_samples;
static const char   *tenants[] = { "a", "b" }, *services[] = { "api", "db", "web" }, *pods[] = { "p0", "p1", "p2" };
static const char   *zones[] = { "", "z1", "z2" };
static const char   *types[] = { "process_cpu:cpu:nanoseconds:cpu:nanoseconds",
                                 "process_cpu:samples:count:cpu:nanoseconds" };

static void stack_random(char *out, size_t cap)
{
    out[0] = '\0';
    for (uint32_t depth = roll(5), i = 0; i < depth; i++) /* 0: the empty stack */
        snprintf(out + strlen(out), cap - strlen(out), "%sf%u", i ? ";" : "", roll(4));
}

static void rows_random(struct batch_make *m, struct sample like)
{
    size_t first = n_samples;

    for (uint32_t i = 0, n = 1 + roll(4); i < n; i++) {
        struct sample s = like;
        bool          is_new = true;
        stack_random(s.stack, sizeof s.stack);
        for (size_t k = first; k < n_samples; k++)
            is_new = is_new && strcmp(samples[k].stack, s.stack) != 0;
        s.values[0] = roll(3) ? 1 + roll(1000) : 0;
        s.values[1] = s.values[0] && roll(4) ? 0 : 1 + roll(9);
        if (!is_new)
            continue; /* a stack occurs once in a part */
        make_row(m, s.stack, s.values);
        samples[n_samples++] = s;
    }
}

static void push_to(struct shard *s, const struct batch *b)
{
    struct append  a = { .batch = b };
    struct append *list = &a;

    shard_step(s, &list, 1, EPOCH_NS);
    assert(a.code == CODE_OK);
}

static void push_random(struct shard *whole, struct shard **parts)
{
    struct arena     *a = arena_new(0);
    struct batch_make m;
    unsigned          n_parts = 1 + roll(2), first_pod = roll(3);
    static unsigned   points;
    struct sample     like = { .tenant = tenants[roll(4) == 0], .service = services[roll(3)] };

    like.time_ns = EPOCH_NS + roll(MINUTES * 60) * NS_PER_S + (roll(2) ? roll(1000000000) : 0);
    make_begin(&m, a, like.service, "process_cpu", like.time_ns);
    make_type(&m, "cpu", "nanoseconds");
    make_type(&m, "samples", "count");
    like.zone = zones[roll(3)];
    for (unsigned i = 0; i < n_parts; i++) {
        char labels[64];
        like.pod = pods[(first_pod + i) % 3];
        like.point = points++;
        snprintf(labels, sizeof labels, "pod=%s%s%s", like.pod, *like.zone ? ",zone=" : "", like.zone);
        make_part(&m, labels);
        rows_random(&m, like);
    }
    make_end(&m);
    m.b.tenant = slice_of(like.tenant);
    push_to(whole, &m.b);
    push_to(parts[roll(SHARDS)], &m.b);
    arena_free(a);
}

/* ---- the plain model ------------------------------------------------------------------------------------------------ */

static bool always(const struct sample *s, int t) { return s != NULL || t; }
static bool is_api(const struct sample *s, int t) { return !strcmp(s->service, "api") && t >= 0; }
static bool is_p01(const struct sample *s, int t) { return strcmp(s->pod, "p2") != 0 && t >= 0; }
static bool no_zone(const struct sample *s, int t) { return !*s->zone && t >= 0; }
static bool has_zone(const struct sample *s, int t) { return *s->zone && t >= 0; }
static bool not_z1(const struct sample *s, int t) { return strcmp(s->zone, "z1") != 0 && t >= 0; }
static bool is_cpu(const struct sample *s, int t) { return s != NULL && t == 0; }
static bool never(const struct sample *s, int t) { return s == NULL && t < 0; }

static const struct {
    const char *text;
    bool (*passes)(const struct sample *s, int type);
} selectors[] = {
    { "{}", always },
    { "{service_name=\"api\"}", is_api },
    { "{__service_name__=~\"ap.\",}", is_api },
    { "{pod=~\"p[01]\"}", is_p01 },
    { "{pod!~\"p2|x\",service_name=~\".+\"}", is_p01 },
    { "{zone=\"\"}", no_zone },
    { "{zone!~\".+\"}", no_zone },
    { "{zone!=\"\"}", has_zone },
    { "{zone!=\"z1\"}", not_z1 },
    { "{zone=~\"|z2\"}", not_z1 },
    { "{__type__=\"cpu\"}", is_cpu },
    { "process_cpu:cpu:nanoseconds:cpu:nanoseconds{}", is_cpu },
    { "process_cpu{nolabel!=\"x\",nolabel=~\".*\"}", always },
    { "memory{}", never },
    { "{pod=\"p9\"}", never },
};
enum { N_SELECTORS = sizeof selectors / sizeof *selectors };

struct asked {
    struct question q;
    unsigned        selector[2]; /* [n_selectors] */
    int             type;        /* -1: any */
    char            site[16];    /* "f1;f2": the call site; "": none */
    struct slice    texts[2], site_names[2], group_by[2];
    struct slice    tenants[2];
};

static bool in_question(const struct asked *a, const struct sample *s, int type)
{
    bool passes = (a->type < 0 || a->type == type) && s->values[type] > 0;

    for (size_t i = 0; i < a->q.n_selectors; i++)
        passes = passes && selectors[a->selector[i]].passes(s, type);
    passes = passes && s->time_ns >= a->q.start_ns && s->time_ns <= a->q.end_ns;
    size_t n = strlen(a->site);
    passes = passes && strncmp(s->stack, a->site, n) == 0 && (n == 0 || s->stack[n] == ';' || s->stack[n] == '\0');
    for (size_t i = 0; i < a->q.n_tenants; i++)
        if (slice_is(a->tenants[i], s->tenant))
            return passes;
    return false;
}

static struct slice label_of(const struct sample *s, struct slice name)
{
    return slice_of(slice_is(name, "service_name") ? s->service : slice_is(name, "zone") ? s->zone : s->pod);
}

static void ask_random(struct asked *a, enum question_kind kind)
{
    static const char *labels[] = { "service_name", "zone", "pod" };

    *a = (struct asked){ .q = { .kind = kind, .n_tenants = 1 + roll(2), .n_selectors = roll(3) }, .type = -1 };
    for (size_t i = 0; i < a->q.n_tenants; i++)
        a->tenants[i] = slice_of(tenants[a->q.n_tenants == 2 ? i : roll(2)]);
    for (size_t i = 0; i < a->q.n_selectors; i++) {
        a->selector[i] = roll(N_SELECTORS);
        a->texts[i] = slice_of(selectors[a->selector[i]].text);
    }
    if (roll(3)) {
        a->type = (int)roll(2);
        a->q.profile_type = slice_of(types[a->type]);
    }
    if (kind >= ASK_TREE && roll(3) == 0) {
        a->q.n_call_site = 1 + roll(2);
        for (size_t i = 0; i < a->q.n_call_site; i++) {
            static const char *f[] = { "f0", "f1", "f2", "f3" };
            a->site_names[i] = slice_of(f[roll(4)]);
            snprintf(a->site + strlen(a->site), sizeof a->site - strlen(a->site), "%s%s", i ? ";" : "",
                     a->site_names[i].p);
        }
    }
    a->q.n_names = roll(3);
    for (size_t i = 0, from = roll(3); i < a->q.n_names; i++)
        a->group_by[i] = slice_of(labels[(from + i) % 3]);
    a->q.first_ms = EPOCH_NS / NS_PER_MS + roll(MINUTES * 60000);
    a->q.step_ms = 1 + roll(roll(2) ? 600000 : 5000);
    a->q.start_ns = (a->q.first_ms - a->q.step_ms) * NS_PER_MS;
    a->q.end_ns = a->q.start_ns + roll(MINUTES * 60) * NS_PER_S;
    a->q.tenants = a->tenants;
    a->q.selectors = a->texts;
    a->q.call_site = a->site_names;
    a->q.names = a->group_by;
    a->q.label = slice_of(labels[roll(3)]);
}

/* Of a node: its name, or that of the one function that its location has. */
static struct slice function_of(const struct partial *p, uint32_t node, struct arena *a)
{
    struct slice    name = strset_at(p->tree->names, p->tree->name[node]);
    struct location l;

    if (p->kind == ASK_TREE)
        return name;
    bool is_good = location_decode(name, a, &l);
    assert(is_good && l.n_lines == 1 && l.lines[0].line == 7 && l.address == 0);
    return l.lines[0].function.name;
}

static void check_tree(const struct asked *a, struct partial *p)
{
    struct arena      *arena = arena_new(0);
    const struct tree *t = partial_tree(p);
    int64_t            answered = 0, pushed = 0;

    for (uint32_t node = 1; node < t->n; node++) {
        char path[40] = "";
        for (uint32_t up = node; up != 0; up = t->parent[up]) {
            char below[40];
            snprintf(below, sizeof below, "%s", path);
            snprintf(path, sizeof path, "%.*s%s%.30s", SLICE_ARGS(function_of(p, up, arena)), *below ? ";" : "", below);
        }
        int64_t self = 0;
        for (size_t i = 0; i < n_samples; i++)
            for (int type = 0; type < 2; type++)
                self += strcmp(samples[i].stack, path) == 0 && in_question(a, &samples[i], type)
                            ? samples[i].values[type]
                            : 0;
        assert(t->self[node] == self);
        answered += self;
    }
    for (size_t i = 0; i < n_samples; i++)
        for (int type = 0; type < 2; type++)
            pushed += *samples[i].stack && in_question(a, &samples[i], type) ? samples[i].values[type] : 0;
    assert(answered == pushed && !t->is_clamped);
    arena_free(arena);
}

/* Slot k of a sample by going over them one after the other. */
static int64_t slot_slowly(const struct question *q, int64_t time_ns)
{
    int64_t time_ms = time_ns / NS_PER_MS, k = 0;

    while (q->first_ms + k * q->step_ms < time_ms)
        k++;
    return k;
}

static bool in_group(const struct asked *a, const struct sample *s, struct labels group)
{
    size_t n = 0;

    for (size_t i = 0; i < a->q.n_names; i++) {
        struct slice value = label_of(s, a->group_by[i]);
        if (value.n == 0)
            continue;
        if (n == group.n || !slice_eq(group.at[n].name, a->group_by[i]) || !slice_eq(group.at[n].value, value))
            return false;
        n++;
    }
    return n == group.n;
}

static void check_points(const struct asked *a, struct partial *p)
{
    size_t                       n;
    const struct partial_series *series = partial_points(p, &n);
    int64_t                      answered = 0, pushed = 0;

    for (size_t g = 0; g < n; g++)
        for (uint32_t k = 0; k < series[g].n; k++) {
            int64_t  sum = 0, count = 0;
            unsigned last[2] = { UINT32_MAX, UINT32_MAX };
            for (size_t i = 0; i < n_samples; i++)
                for (int type = 0; type < 2; type++)
                    if (in_question(a, &samples[i], type) && in_group(a, &samples[i], series[g].labels) &&
                        slot_slowly(&a->q, samples[i].time_ns) == series[g].slot[k]) {
                        sum += samples[i].values[type];
                        count += samples[i].point != last[type];
                        last[type] = samples[i].point;
                    }
            assert(series[g].sum[k] == sum && series[g].count[k] == count);
            answered += sum;
        }
    for (size_t i = 0; i < n_samples; i++)
        for (int type = 0; type < 2; type++)
            pushed += in_question(a, &samples[i], type) ? samples[i].values[type] : 0;
    assert(answered == pushed);
}

static void check_set(const struct asked *a, struct partial *p)
{
    struct arena  *arena = arena_new(0);
    struct strset *expected = strset_new(arena);
    struct buf     set = { 0 };

    for (size_t i = 0; i < n_samples; i++)
        for (int type = 0; type < 2; type++) {
            const struct sample *s = &samples[i];
            struct label         kept[2];
            struct labels        l = { kept, 0 };
            if (!in_question(a, s, type))
                continue;
            if (a->q.kind == ASK_TYPES)
                strset_add(expected, slice_of(types[type]));
            if (a->q.kind == ASK_LABEL_VALUES && label_of(s, a->q.label).n > 0)
                strset_add(expected, label_of(s, a->q.label));
            if (a->q.kind != ASK_SERIES)
                continue;
            for (size_t k = 0; k < a->q.n_names; k++)
                if (label_of(s, a->group_by[k]).n > 0)
                    kept[l.n++] = (struct label){ a->group_by[k], label_of(s, a->group_by[k]) };
            labels_sort(kept, l.n);
            set.n = 0;
            labels_join(&set, l);
            strset_add(expected, buf_view(&set));
        }
    assert(strset_n(expected) == strset_n(partial_set(p)));
    for (uint32_t i = 0, id; i < strset_n(expected); i++)
        assert(strset_find(partial_set(p), strset_at(expected, i), &id));
    buf_free(&set);
    arena_free(arena);
}

static void check(const struct asked *a, struct partial *p)
{
    if (a->q.kind == ASK_TREE || a->q.kind == ASK_PROFILE)
        check_tree(a, p);
    else if (a->q.kind == ASK_POINTS)
        check_points(a, p);
    else
        check_set(a, p);
}

static bool has_answer(struct partial *p)
{
    size_t n = 0;

    if (p->tree != NULL)
        return p->tree->n > 1;
    if (p->kind == ASK_POINTS)
        return partial_points(p, &n) != NULL && n > 0;
    return strset_n(partial_set(p)) > 0;
}

static void ask_all(struct shard *whole, struct shard **parts)
{
    static const enum question_kind kinds[] = { ASK_TREE,         ASK_POINTS, ASK_TYPES,
                                                ASK_LABEL_VALUES, ASK_SERIES, ASK_PROFILE };
    int                             answers = 0;

    for (int i = 0; i < QUESTIONS; i++) {
        struct asked a;
        struct fault why;
        ask_random(&a, kinds[i % 6]);
        if (a.q.kind == ASK_SERIES && a.q.n_names == 0)
            continue; /* all labels: the index's own tests */
        struct partial *one = partial_new(a.q.kind), *merged = partial_new(a.q.kind);
        assert(query_local(whole, &a.q, one, &why) == CODE_OK);
        check(&a, one);
        for (int s = 0; s < SHARDS; s++) {
            struct partial *part = partial_new(a.q.kind);
            assert(query_local(parts[s], &a.q, part, &why) == CODE_OK);
            partial_merge(merged, part);
            partial_free(part);
        }
        check(&a, merged);
        answers += has_answer(merged);
        partial_free(one);
        partial_free(merged);
    }
    assert(answers > QUESTIONS / 4); /* the others ask for what is not there */
}

/* The edges of the steps, to the nanosecond: T = 0, 10, 20 ms after the first take (T - 10, T], the first also -10. */
static void edges(void)
{
    static const struct {
        int64_t since_ns, slot;
    } at[] = {
        { -10000001, -1 }, { -10000000, 0 }, { -9999999, 0 }, { -1, 0 },       { 0, 0 },        { 999999, 0 },
        { 1000000, 1 },    { 9000000, 1 },   { 10999999, 1 }, { 11000000, 2 }, { 20000000, 2 }, { 20000001, -1 },
    };
    static const struct slice tenant = SLICE("t");

    int64_t             first_ms = EPOCH_NS / NS_PER_MS + 5;
    struct question     q = { .kind = ASK_POINTS,
                              .tenants = &tenant,
                              .n_tenants = 1,
                              .first_ms = first_ms,
                              .step_ms = 10,
                              .start_ns = (first_ms - 10) * NS_PER_MS,
                              .end_ns = (first_ms + 20) * NS_PER_MS };
    struct shard_config c = { .name = "t", .retention_ns = INT64_MAX, .limit_bytes = SIZE_MAX };
    struct shard       *s = shard_new(&c);
    struct partial     *p = partial_new(ASK_POINTS);
    int64_t             sums[3] = { 0 };
    struct fault        why;
    size_t              n;

    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        struct arena     *a = arena_new(0);
        struct batch_make m;
        int64_t           value = INT64_C(1) << i;
        make_begin(&m, a, "s", "cpu", first_ms * NS_PER_MS + at[i].since_ns);
        make_type(&m, "cpu", "nanoseconds");
        make_part(&m, "");
        make_row(&m, "f", &value);
        make_end(&m);
        m.b.tenant = tenant;
        push_to(s, &m.b);
        if (at[i].slot >= 0)
            sums[at[i].slot] += value;
        arena_free(a);
    }
    assert(query_local(s, &q, p, &why) == CODE_OK);
    const struct partial_series *series = partial_points(p, &n);
    assert(n == 1 && series->n == 3);
    for (int k = 0; k < 3; k++)
        assert(series->slot[k] == k && series->sum[k] == sums[k]);
    partial_free(p);
    shard_free(s);
}

static bool gone(const void *asker) { return *(const bool *)asker; }

static void refusals(struct shard *s)
{
    static const struct slice tenant = SLICE("a"), bad[] = { SLICE("{}"), SLICE("{") },
                              evil = SLICE("{pod!~\"(p+[0-9]?)+[xy]\"}");

    bool            is_gone = true;
    struct question q = { .kind = ASK_TREE,
                          .tenants = &tenant,
                          .n_tenants = 1,
                          .end_ns = INT64_MAX,
                          .selectors = bad,
                          .n_selectors = 2,
                          .is_given_up = gone,
                          .asker = &is_gone };
    struct partial *p = partial_new(ASK_TREE);
    struct fault    why;

    assert(query_local(s, &q, p, &why) == CODE_INVALID_ARGUMENT && strstr(why.text, "1:2") != NULL);
    q.n_selectors = 1;
    assert(query_local(s, &q, p, &why) == CODE_CANCELED);
    is_gone = false;
    q.selectors = &evil; /* short values: costs nothing, so it is answered */
    assert(query_local(s, &q, p, &why) == CODE_OK && partial_tree(p)->n > 1);
    partial_free(p);
}

int main(void)
{
    for (uint64_t run = 1; run <= 4; run++) {
        struct shard_config c = { .name = "t", .retention_ns = INT64_MAX, .limit_bytes = SIZE_MAX };
        struct shard       *whole = shard_new(&c), *parts[SHARDS];
        seed = run;
        n_samples = 0;
        for (int i = 0; i < SHARDS; i++)
            parts[i] = shard_new(&c);
        for (int i = 0; i < PROFILES; i++)
            push_random(whole, parts);
        ask_all(whole, parts);
        refusals(whole);
        shard_free(whole);
        for (int i = 0; i < SHARDS; i++)
            shard_free(parts[i]);
    }
    edges();
    puts("query: ok");
    return 0;
}
