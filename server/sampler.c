#include "server/sampler.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/tsan.h"
#include "server/unwind.h"

/* Not in older headers under this name. */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { RING = 4096, THREADS_MAX = 1024, FUNCTION_BYTES_MAX = 4096 };

enum slot_state { SLOT_EMPTY, SLOT_WRITING, SLOT_FULL };

struct slot {
    _Atomic int   state;
    struct sample sample;
};

struct timed_thread {
    pid_t   tid;
    timer_t timers[SAMPLE_CLOCKS];
    bool    is_alive; /* during a scan */
};

struct sampler {
    _Atomic uint32_t      next; /* where the next handler looks for an empty slot */
    uintptr_t             main_self, main_top;  /* pthread_self() of the main thread, the end of its stack */
    uintptr_t             text_begin, text_end; /* of this program */
    struct unwind_tables *unwind;
    struct timed_thread   threads[THREADS_MAX]; /* from here on the collector's own */
    size_t                n_threads;
    struct slot           ring[RING];
};

static _Atomic(struct sampler *) the_sampler; /* what the handler writes to; a signal handler has no other argument */

extern const char __executable_start, etext; /* from the linker */

#if defined(__x86_64__)
#define CONTEXT_PC(u) ((uintptr_t)(u)->uc_mcontext.gregs[REG_RIP])
#define CONTEXT_SP(u) ((uintptr_t)(u)->uc_mcontext.gregs[REG_RSP])
#define CONTEXT_FP(u) ((uintptr_t)(u)->uc_mcontext.gregs[REG_RBP])
#elif defined(__aarch64__)
#define CONTEXT_PC(u) ((uintptr_t)(u)->uc_mcontext.pc)
#define CONTEXT_SP(u) ((uintptr_t)(u)->uc_mcontext.sp)
#define CONTEXT_FP(u) ((uintptr_t)(u)->uc_mcontext.regs[29])
#else
#error "which registers hold pc, sp and the frame pointer here?"
#endif

/* Reads other functions' frames, which the sanitizers would take for an error. */
#define READS_STACKS __attribute__((no_sanitize("address", "undefined")))

READS_STACKS static bool is_own_code(const struct sampler *s, uintptr_t pc)
{
    return pc - s->text_begin < s->text_end - s->text_begin;
}

/* Addresses come out of registers, as numbers. */
READS_STACKS static uintptr_t word_at(uintptr_t address)
{
    return *(const uintptr_t *)address; /* NOLINT(performance-no-int-to-ptr) */
}

/*
 * Is `top`, the word at the stack pointer, where the function at `pc` returns to?  It is when that function has made
 * no frame (yet, or because the compiler wraps frames around the rare path only).  In a library that unwind.h knows
 * nothing of, any return into our code is taken for it.  In our code it must lie behind a call of a function that
 * begins a little before pc.
 */
READS_STACKS static bool is_frameless(const struct sampler *s, uintptr_t pc, uintptr_t top)
{
    if (!is_own_code(s, top) || !is_own_code(s, top - 5))
        return false;
    if (!is_own_code(s, pc))
        return true;
#if defined(__x86_64__)
    const uint8_t *call = (const uint8_t *)(top - 5); /* NOLINT(performance-no-int-to-ptr): e8 and a distance */
    int32_t        distance;
    memcpy(&distance, call + 1, sizeof distance);
    uintptr_t called = top + (uintptr_t)(intptr_t)distance;
    return call[0] == 0xe8 && called <= pc && pc - called < FUNCTION_BYTES_MAX;
#else
    return false;
#endif
}

/* Frames of ours are pairs: the caller's frame pointer, the return address. */
READS_STACKS static bool step_by_pointer(struct frame *f, uintptr_t top)
{
    if (f->fp < f->sp || f->fp >= top - 2 * sizeof(uintptr_t) || f->fp % sizeof(uintptr_t) != 0)
        return false;
    uintptr_t back = word_at(f->fp + sizeof(uintptr_t));
    if (back < 4096)
        return false;
    *f = (struct frame){ .pc = back - 1, .sp = f->fp + 2 * sizeof(uintptr_t), .fp = word_at(f->fp) };
    return true;
}

/* Of the function that was interrupted. */
READS_STACKS static bool step_frameless(const struct sampler *s, struct frame *f)
{
    uintptr_t first = word_at(f->sp);

    if (!is_frameless(s, f->pc, first))
        return false;
    f->pc = first - 1;
    f->sp += sizeof first;
    return true;
}

/* What stands outside of our outermost function, how libc starts a thread, is left out. */
READS_STACKS static uint32_t walk(const struct sampler *s, const ucontext_t *u, uint64_t *pcs)
{
    uintptr_t    self = (uintptr_t)pthread_self(), top = self == s->main_self ? s->main_top : self;
    struct frame f = { .pc = CONTEXT_PC(u), .sp = CONTEXT_SP(u), .fp = CONTEXT_FP(u) };
    uint32_t     n = 0, n_to_ours = 0;
    bool         has_caller = true;

    while (n < SAMPLE_DEPTH_MAX && has_caller) {
        bool is_ours = is_own_code(s, f.pc);
        pcs[n++] = f.pc;
        n_to_ours = is_ours ? n : n_to_ours;
        has_caller = f.sp < top && f.sp % sizeof(uintptr_t) == 0 &&
                     ((!is_ours && unwind_step(s->unwind, &f, top)) || (n == 1 && step_frameless(s, &f)) ||
                      step_by_pointer(&f, top));
    }
    return n_to_ours ? n_to_ours : n;
}

READS_STACKS static void on_signal(int number, siginfo_t *info, void *context)
{
    struct sampler *s = atomic_load_explicit(&the_sampler, memory_order_acquire);
    int             empty = SLOT_EMPTY, saved_errno = errno;

    (void)number;
    if (s == NULL || info->si_code != SI_TIMER)
        return;
    struct slot *slot = &s->ring[atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed) % RING];
    if (!atomic_compare_exchange_strong_explicit(&slot->state, &empty, SLOT_WRITING, memory_order_acquire,
                                                 memory_order_relaxed))
        return; /* the ring is full: the sample is lost */
    slot->sample.clock = info->si_value.sival_int == SAMPLE_WALL ? SAMPLE_WALL : SAMPLE_CPU;
    slot->sample.count = 1 + (info->si_overrun > 0 ? (uint32_t)info->si_overrun : 0);
    slot->sample.n = walk(s, context, slot->sample.pcs);
    atomic_store_explicit(&slot->state, SLOT_FULL, memory_order_release);
    errno = saved_errno;
}

static enum code main_bounds(struct sampler *s, struct fault *why)
{
    pthread_attr_t attr;
    void          *stack;
    size_t         bytes;

    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return fail(why, CODE_UNAVAILABLE, "the main thread's stack is unknown");
    pthread_attr_getstack(&attr, &stack, &bytes);
    pthread_attr_destroy(&attr);
    s->main_self = (uintptr_t)pthread_self();
    s->main_top = (uintptr_t)stack + bytes;
    return CODE_OK;
}

/* The kernel's name for the CPU clock of one thread (man 2 clock_getres): inverted id, per-thread, scheduler's time. */
static clockid_t thread_clock(pid_t tid) { return (clockid_t)(~(unsigned)tid << 3 | 6); }

static bool timer_make(pid_t tid, enum sample_clock clock, timer_t *out)
{
    struct sigevent   event = { .sigev_notify = SIGEV_THREAD_ID,
                                .sigev_signo = SIGPROF,
                                .sigev_value.sival_int = (int)clock };
    struct itimerspec period = { .it_interval.tv_nsec = SAMPLE_PERIOD_NS(clock),
                                 .it_value.tv_nsec = SAMPLE_PERIOD_NS(clock) };

    event.sigev_notify_thread_id = tid;
    if (timer_create(clock == SAMPLE_CPU ? thread_clock(tid) : CLOCK_MONOTONIC, &event, out) != 0)
        return false;
    if (timer_settime(*out, 0, &period, NULL) == 0)
        return true;
    timer_delete(*out);
    return false;
}

static bool timers_make(struct timed_thread *t)
{
    if (!timer_make(t->tid, SAMPLE_CPU, &t->timers[SAMPLE_CPU]))
        return false;
    if (timer_make(t->tid, SAMPLE_WALL, &t->timers[SAMPLE_WALL]))
        return true;
    timer_delete(t->timers[SAMPLE_CPU]);
    return false;
}

static void timers_delete(const struct timed_thread *t)
{
    for (int clock = 0; clock < SAMPLE_CLOCKS; clock++)
        timer_delete(t->timers[clock]);
}

enum code sampler_start(struct sampler **out, struct fault *why)
{
#ifdef HAS_TSAN
    (void)out;
    return fail(why, CODE_UNIMPLEMENTED, "ThreadSanitizer runs signal handlers late, without the registers");
#endif
    struct sampler     *s = mem_zalloc(sizeof *s);
    struct sigaction    action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
    struct timed_thread probe = { .tid = (pid_t)syscall(SYS_gettid) };

    s->text_begin = (uintptr_t)&__executable_start;
    s->text_end = (uintptr_t)&etext;
    s->unwind = unwind_new();
    enum code code = main_bounds(s, why);
    if (code == CODE_OK && sigaction(SIGPROF, &action, NULL) != 0)
        code = fail(why, CODE_UNAVAILABLE, "SIGPROF: %s", strerror(errno));
    if (code == CODE_OK && !timers_make(&probe))
        code = fail(why, CODE_UNAVAILABLE, "no timers for threads: %s", strerror(errno));
    if (code != CODE_OK) {
        unwind_free(s->unwind);
        free(s);
        return code;
    }
    timers_delete(&probe);
    atomic_store_explicit(&the_sampler, s, memory_order_release);
    *out = s;
    return CODE_OK;
}

static void see_thread(struct sampler *s, pid_t tid)
{
    for (size_t i = 0; i < s->n_threads; i++)
        if (s->threads[i].tid == tid) {
            s->threads[i].is_alive = true;
            return;
        }
    struct timed_thread t = { .tid = tid, .is_alive = true };
    if (s->n_threads < THREADS_MAX && timers_make(&t))
        s->threads[s->n_threads++] = t;
}

void sampler_scan(struct sampler *s)
{
    DIR           *d = opendir("/proc/self/task");
    struct dirent *e;
    size_t         kept = 0;

    if (d == NULL)
        return;
    for (size_t i = 0; i < s->n_threads; i++)
        s->threads[i].is_alive = false;
    while ((e = readdir(d)) != NULL)
        if (e->d_name[0] != '.')
            see_thread(s, (pid_t)atoi(e->d_name));
    closedir(d);
    for (size_t i = 0; i < s->n_threads; i++)
        if (s->threads[i].is_alive)
            s->threads[kept++] = s->threads[i];
        else
            timers_delete(&s->threads[i]);
    s->n_threads = kept;
}

void sampler_drain(struct sampler *s, sampler_fn *fn, void *arg)
{
    for (size_t i = 0; i < RING; i++) {
        struct slot *slot = &s->ring[i];
        if (atomic_load_explicit(&slot->state, memory_order_acquire) != SLOT_FULL)
            continue;
        fn(arg, &slot->sample);
        atomic_store_explicit(&slot->state, SLOT_EMPTY, memory_order_release);
    }
}

/*
 * A signal may still be on its way to a thread when its timer is deleted, and its handler may have read the pointer:
 * the sampler itself, 4 MB, is therefore left to the end of the process.
 */
void sampler_stop(struct sampler *s)
{
    for (size_t i = 0; i < s->n_threads; i++)
        timers_delete(&s->threads[i]);
    s->n_threads = 0;
}
