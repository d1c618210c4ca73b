/*
 * Loop: one event-loop thread (libuv) and what other threads may ask of it.
 *
 * L1  Everything a loop owns is touched by its thread only; loop_post is the one door, from any thread.
 * L2  Posted tasks run in the order in which one thread posted them; posting is lock-free and wakes the loop once.
 *     Those posted after loop_stop run in loop_free.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct uv_loop_s;

struct task; /* embedded in whatever is posted */
typedef void task_fn(struct task *t);
struct task {
    task_fn     *run; /* on the loop's thread */
    struct task *next;
};

struct loop *loop_new(int index);
void         loop_start(struct loop *l);         /* starts its thread */
void         loop_post(struct loop *l, struct task *t); /* ownership of t passes */
void         loop_stop(struct loop *l);          /* any thread: finish, close, join */
void         loop_free(struct loop *l);
int          loop_index(const struct loop *l);
bool         loop_is_mine(const struct loop *l); /* is this its thread? for asserts */

/* One-shot timers of the loop's thread; the struct is the caller's and must outlive its being armed. */
typedef void timer_fn(void *arg);
struct loop_timer;
struct loop_timer *loop_timer_new(struct loop *l, timer_fn *fn, void *arg);
void               loop_timer_arm(struct loop_timer *t, int64_t after_ns); /* re-arming moves it */
void               loop_timer_stop(struct loop_timer *t);
void               loop_timer_free(struct loop_timer *t);

struct uv_loop_s *loop_uv(struct loop *l); /* inside net only */
