/*
 * Whoever waits: for the next message of a stream, for room in what is unsent, for a time to come.
 *
 *     method --call_next, call_when_room, call_after--> waits --call_move: it is there--> the next step, on its lane
 */
#include <assert.h>

#include "base/clock.h"
#include "rpc/call_priv.h"

enum { UNSENT_MARK = 256 << 10 }; /* answers that the client has not taken; above it, its call waits */

static bool has_room(const struct call *c)
{
    return atomic_load_explicit(&c->posted_bytes, memory_order_relaxed) + call_unsent(c) < UNSENT_MARK;
}

bool call_has_room(const struct call *c)
{
    return atomic_load_explicit(&c->posted_bytes, memory_order_relaxed) +
               atomic_load_explicit(&c->unsent_bytes, memory_order_relaxed) < UNSENT_MARK;
}

/* ---- steps ---- */

static bool is_over(const struct call *c) { return c->is_answered || c->x == NULL; }

static void run_resume(struct job *j)
{
    struct call *c = call_of_job(j);
    c->resume(c);
}

/* A full lane ends the call.  A method that waits hears of it here, for there is nowhere else (R5). */
static void lane_is_full(struct call *c, bool is_first)
{
    struct fault why;

    (void)fail(&why, CODE_RESOURCE_EXHAUSTED, "too many requests are waiting: try again");
    call_refuse(c, &why);
    if (is_first)
        call_unref(c);
    else
        c->job.run(&c->job);
}

void call_step(struct call *c, void (*step)(struct job *j))
{
    bool is_first = !c->is_begun;

    c->waits = WAITS_NOT;
    c->is_begun = true;
    c->job.run = step;
    if (is_first)
        call_ref(c);
    if (c->lane == LANE_INLINE)
        step(&c->job);
    else if (!crew_push(server_crew(c->server, c->lane), &c->job))
        lane_is_full(c, is_first);
}

/* ---- messages ---- */

/* Messages that a worker reads are copied: the inbox goes on taking what comes. */
static bool message_give(struct call *c, uint8_t flags, struct slice bytes)
{
    struct fault why;

    if (check_flags(c, flags, &why) != CODE_OK) {
        call_refuse(c, &why);
        return false;
    }
    if (c->lane != LANE_INLINE) {
        if (!call_charge(c, bytes.n)) {
            call_refuse(c, (call_too_busy(&why), &why));
            return false;
        }
        c->message_charged += bytes.n;
        bytes = arena_copy(c->scratch, bytes);
    }
    c->message = bytes;
    c->is_compressed = (flags & ENVELOPE_COMPRESSED) != 0;
    c->has_message = true;
    return true;
}

/* The stream's last message has been taken. */
static bool end_give(struct call *c)
{
    struct fault why;

    c->has_message = false;
    if (inbox_rest(&c->inbox) == 0)
        return true;
    (void)fail(&why, CODE_INVALID_ARGUMENT, "the last message is cut short");
    call_refuse(c, &why);
    return false;
}

static void scratch_empty(struct call *c)
{
    if (c->scratch == c->arena)
        c->scratch = arena_new(0);
    else
        arena_reset(c->scratch);
}

/* True when there is something to run the method with.  While it is hungry, its client may send more. */
static bool message_take(struct call *c)
{
    uint8_t flags;
    size_t  at, n;

    inbox_trim(&c->inbox);
    scratch_empty(c);
    switch (inbox_next(&c->inbox, &flags, &at, &n)) {
    case INBOX_TOO_LARGE:
        call_refuse_size(c, n);
        return false;
    case INBOX_MESSAGE:
        return message_give(c, flags, slice_make(c->inbox.bytes.p + at, n));
    case INBOX_WAITS:
        break;
    }
    if (c->is_body_whole)
        return end_give(c);
    exchange_consume(c->x, c->unconsumed);
    c->unconsumed = 0;
    return false;
}

/* ---- moving on ---- */

/* What it waits for is there, or never will be. */
static bool is_due(struct call *c)
{
    bool is_there = false;

    if (is_over(c))
        return true;
    if (c->waits == WAITS_FOR_MESSAGE)
        is_there = has_room(c) && message_take(c);
    else if (c->waits == WAITS_FOR_ROOM)
        is_there = has_room(c);
    else
        is_there = clock_mono_ns() >= c->wake_ns;
    return is_there || is_over(c); /* taking a message may find a fault */
}

void call_move(struct call *c)
{
    if (c->is_moving)
        return;
    c->is_moving = true;
    call_ref(c);
    while (c->waits != WAITS_NOT && is_due(c)) {
        if (is_over(c) && !c->is_begun)
            c->waits = WAITS_NOT; /* a method that never ran need not hear of it */
        else
            call_step(c, c->waits == WAITS_FOR_MESSAGE ? call_run : run_resume);
    }
    c->is_moving = false;
    call_unref(c);
}

void call_writable(struct call *c)
{
    atomic_store_explicit(&c->unsent_bytes, call_unsent(c), memory_order_relaxed);
    call_move(c);
}

static void on_wake(void *arg) { call_move(arg); }

static void on_wait(struct task *t)
{
    struct call *c = (struct call *)((char *)t - offsetof(struct call, wait_task));

    c->waits = c->asked;
    if (c->waits == WAITS_FOR_MESSAGE) {
        call_discharge(c, c->message_charged);
        c->message_charged = 0;
    } else if (c->waits == WAITS_FOR_TIME) {
        if (c->wake == NULL)
            c->wake = loop_timer_new(c->loop, on_wake, c);
        loop_timer_arm(c->wake, c->wake_ns - clock_mono_ns());
    }
    call_move(c);
}

static void wait_for(struct call *c, enum waits what, resume_fn *resume)
{
    c->asked = what;
    c->resume = resume;
    c->wait_task.run = on_wait;
    if (loop_is_mine(c->loop))
        on_wait(&c->wait_task);
    else
        loop_post(c->loop, &c->wait_task);
}

void call_next(struct call *c)
{
    assert(call_client_streams(c));
    wait_for(c, WAITS_FOR_MESSAGE, NULL);
}

void call_when_room(struct call *c, resume_fn *resume) { wait_for(c, WAITS_FOR_ROOM, resume); }

void call_after(struct call *c, int64_t ns, resume_fn *resume)
{
    c->wake_ns = clock_mono_ns() + ns;
    wait_for(c, WAITS_FOR_TIME, resume);
}
