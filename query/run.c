/*
 * One question over all the shards.
 *
 *     query_run --scatter--> peers ... each answer is pushed on a list (loop threads; a tree as bytes, not yet decoded)
 *         `---- query_local, on the caller's thread, meanwhile
 *     whoever ends last of the two merges the list and calls done; a loop thread leaves that to a worker
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/mem.h"
#include "query/codec.h"
#include "query/partial.h"

struct answer {
    struct answer  *next;
    struct partial *partial; /* NULL: a peer's tree, as it came */
    struct buf      tree;
    bool            is_clamped;
    char            shard[64];
};

struct run {
    const struct question   *question;
    query_done_fn           *done;
    void                    *arg;
    pthread_t                caller;
    struct arena            *arena;   /* the message */
    _Atomic(struct answer *) answers; /* pushed by whoever has one */
    _Atomic bool             has_failed;
    struct fault             why;   /* written by the first who failed, read by the last of all */
    _Atomic int              parts; /* still under way: the scatter and the local part */
};

/* `a` is copied; what it owns is the run's. */
static void answer_push(struct run *r, struct answer a)
{
    struct answer *kept = mem_alloc(sizeof *kept);

    *kept = a;
    kept->next = atomic_load_explicit(&r->answers, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&r->answers, &kept->next, kept, memory_order_release,
                                                  memory_order_relaxed))
        ;
}

/* The first fault counts; it is published by the count of parts going down after it. */
static void run_fail(struct run *r, const struct fault *why)
{
    if (!atomic_exchange_explicit(&r->has_failed, true, memory_order_relaxed))
        r->why = *why;
}

static void bad_answer(struct run *r, const char *shard, const struct fault *inner)
{
    struct fault why;

    fail(&why, CODE_INTERNAL, "shard %s: its answer: %.350s", shard, inner->text);
    run_fail(r, &why);
}

static void answer_merge(struct run *r, struct partial **whole, struct answer *a)
{
    struct fault why;

    if (a->partial != NULL && *whole == NULL) {
        *whole = a->partial;
        return;
    }
    if (*whole == NULL)
        *whole = partial_new(r->question->kind);
    if (a->partial != NULL) {
        partial_merge(*whole, a->partial);
        partial_free(a->partial);
    } else {
        if (partial_decode_tree(buf_view(&a->tree), a->is_clamped, *whole, &why) != CODE_OK)
            bad_answer(r, a->shard, &why);
        buf_free(&a->tree);
    }
    if (partial_check(*whole, &why) != CODE_OK)
        run_fail(r, &why);
}

static void answer_drop(struct answer *a)
{
    partial_free(a->partial);
    buf_free(&a->tree);
}

/* All of them into one, or none once something has failed; the answers themselves are freed. */
static struct partial *answers_merge(struct run *r)
{
    struct partial *whole = NULL;

    for (struct answer *a = atomic_load_explicit(&r->answers, memory_order_acquire), *next; a != NULL; a = next) {
        next = a->next;
        if (atomic_load_explicit(&r->has_failed, memory_order_relaxed))
            answer_drop(a);
        else
            answer_merge(r, &whole, a);
        free(a);
    }
    if (atomic_load_explicit(&r->has_failed, memory_order_relaxed)) {
        partial_free(whole);
        return NULL;
    }
    return whole ? whole : partial_new(r->question->kind);
}

static void finish(void *arg)
{
    struct run     *r = arg;
    struct partial *whole = answers_merge(r);

    r->done(r->arg, whole, whole ? NULL : &r->why);
    arena_free(r->arena);
    free(r);
}

static void part_done(struct run *r)
{
    const struct question *q = r->question;

    if (atomic_fetch_sub_explicit(&r->parts, 1, memory_order_acq_rel) > 1)
        return;
    if (pthread_equal(pthread_self(), r->caller) || q->spawn == NULL || !q->spawn(q->asker, finish, r))
        finish(r);
}

/* Decoding a tree is a worker's work: here its bytes are only kept. */
static void tree_answered(struct run *r, const char *shard, const Hearth__Shard__V1__QueryResponse *m)
{
    struct answer a = { .is_clamped = m->is_clamped };

    snprintf(a.shard, sizeof a.shard, "%s", shard);
    buf_put(&a.tree, m->tree.data, m->tree.len);
    answer_push(r, a);
}

static void peer_answered(void *arg, const char *shard, enum code code, const char *text,
                          const ProtobufCMessage *answer)
{
    const Hearth__Shard__V1__QueryResponse *m = (const Hearth__Shard__V1__QueryResponse *)answer;
    struct run                             *r = arg;
    struct fault                            why;

    if (code != CODE_OK) {
        fail(&why, code, "%.470s", text); /* which names the shard */
        run_fail(r, &why);
        return;
    }
    if (r->question->kind == ASK_TREE || r->question->kind == ASK_PROFILE) {
        tree_answered(r, shard, m);
        return;
    }
    struct partial *p = partial_new(r->question->kind);
    if (partial_decode(m, p, &why) == CODE_OK) {
        answer_push(r, (struct answer){ .partial = p });
        return;
    }
    partial_free(p);
    bad_answer(r, shard, &why);
}

static void peers_done(void *arg) { part_done(arg); }

static void ask_local(struct run *r, struct shard *s)
{
    struct partial *p = partial_new(r->question->kind);
    struct fault    why;

    if (query_local(s, r->question, p, &why) == CODE_OK) {
        answer_push(r, (struct answer){ .partial = p });
        return;
    }
    partial_free(p);
    run_fail(r, &why);
}

void query_run(struct router *router, const struct question *q, int64_t deadline_ns, query_done_fn *done, void *arg)
{
    struct run   *r = mem_zalloc(sizeof *r);
    struct shard *local = router_local(router);

    r->question = q;
    r->done = done;
    r->arg = arg;
    r->caller = pthread_self();
    r->arena = arena_new(0);
    atomic_init(&r->parts, 2);
    const struct scatter all = {
        .path = "/hearth.shard.v1.Shard/Query",
        .message = &question_encode(q, r->arena)->base,
        .response = &hearth__shard__v1__query_response__descriptor,
        .deadline_ns = deadline_ns,
        .reply = peer_answered,
        .done = peers_done,
        .arg = r,
    };
    router_scatter(router, &all); /* the message is encoded before it returns */
    if (local != NULL)
        ask_local(r, local);
    part_done(r);
}
