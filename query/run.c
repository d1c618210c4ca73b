/*
 * One question over all the shards.
 *
 *     query_run --scatter--> peers ... each answer becomes a partial of its own, pushed on a list (loop threads)
 *         `---- query_local, on the caller's thread, meanwhile
 *     whoever ends last of the two merges the list and calls done
 */
#include <assert.h>
#include <stdatomic.h>

#include "base/mem.h"
#include "query/codec.h"
#include "query/partial.h"

struct answer {
    struct partial *partial;
    struct answer  *next;
};

struct run {
    const struct question   *question;
    query_done_fn           *done;
    void                    *arg;
    struct arena            *arena;   /* the message */
    _Atomic(struct answer *) answers; /* pushed by whoever has one */
    _Atomic bool             has_failed;
    struct fault             why;   /* written by the first who failed, read by the last of all */
    _Atomic int              parts; /* still under way: the scatter and the local part */
};

static void answer_push(struct run *r, struct partial *p)
{
    struct answer *a = mem_alloc(sizeof *a);

    *a = (struct answer){ p, atomic_load_explicit(&r->answers, memory_order_relaxed) };
    while (!atomic_compare_exchange_weak_explicit(&r->answers, &a->next, a, memory_order_release, memory_order_relaxed))
        ;
}

/* The first fault counts; it is published by the count of parts going down after it. */
static void run_fail(struct run *r, const struct fault *why)
{
    if (!atomic_exchange_explicit(&r->has_failed, true, memory_order_relaxed))
        r->why = *why;
}

static void answer_merge(struct run *r, struct partial *whole, struct partial *part)
{
    struct fault why;

    if (!atomic_load_explicit(&r->has_failed, memory_order_relaxed)) {
        partial_merge(whole, part);
        if (partial_check(whole, &why) != CODE_OK)
            run_fail(r, &why);
    }
    partial_free(part);
}

/* All of them into one; the answers themselves are freed. */
static struct partial *answers_merge(struct run *r)
{
    struct partial *whole = NULL;

    for (struct answer *a = atomic_load_explicit(&r->answers, memory_order_acquire), *next; a != NULL; a = next) {
        next = a->next;
        if (whole == NULL)
            whole = a->partial;
        else
            answer_merge(r, whole, a->partial);
        free(a);
    }
    return whole ? whole : partial_new(r->question->kind);
}

static void part_done(struct run *r)
{
    if (atomic_fetch_sub_explicit(&r->parts, 1, memory_order_acq_rel) > 1)
        return;
    struct partial *whole = answers_merge(r);
    if (atomic_load_explicit(&r->has_failed, memory_order_relaxed)) {
        partial_free(whole);
        whole = NULL;
    }
    r->done(r->arg, whole, whole ? NULL : &r->why);
    arena_free(r->arena);
    free(r);
}

static void peer_answered(void *arg, const char *shard, enum code code, const char *text,
                          const ProtobufCMessage *answer)
{
    struct run  *r = arg;
    struct fault why, inner;

    if (code != CODE_OK) {
        fail(&why, code, "%.470s", text); /* which names the shard */
        run_fail(r, &why);
        return;
    }
    struct partial *p = partial_new(r->question->kind);
    if (partial_decode((const Hearth__Shard__V1__QueryResponse *)answer, p, &inner) == CODE_OK) {
        answer_push(r, p);
        return;
    }
    partial_free(p);
    fail(&why, CODE_INTERNAL, "shard %s: its answer: %.400s", shard, inner.text);
    run_fail(r, &why);
}

static void peers_done(void *arg) { part_done(arg); }

static void ask_local(struct run *r, struct shard *s)
{
    struct partial *p = partial_new(r->question->kind);
    struct fault    why;

    if (query_local(s, r->question, p, &why) == CODE_OK) {
        answer_push(r, p);
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
