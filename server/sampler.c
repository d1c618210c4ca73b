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

/* Not in older headers under this name. */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { RING = 1024, THREADS_MAX = 1024, FUNCTION_BYTES_MAX = 4096 };

enum slot_state { SLOT_EMPTY, SLOT_WRITING, SLOT_FULL };

struct slot {
    _Atomic int   state;
    struct sample sample;
};

struct timed_thread {
    pid_t   tid;
    timer_t timer;
    bool    is_alive; /* during a scan */
};

struct sampler {
    _Atomic uint32_t    next; /* where the next handler looks for an empty slot */
    _Atomic int64_t     lost;
    uintptr_t           main_self, main_top;  /* pthread_self() of the main thread, the end of its stack */
    uintptr_t           text_begin, text_end; /* of this program */
    struct timed_thread threads[THREADS_MAX]; /* from here on the collector's own */
    size_t              n_threads;
    struct slot         ring[RING];
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
 * no frame (yet, or because the compiler wraps frames around the rare path only).  In a library, without frame
 * pointers anyway, any return into our code is taken for it.  In our code it must lie behind a call of a function that
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

/* Frames are pairs: the caller's frame pointer, the return address. */
READS_STACKS static uint32_t walk(const struct sampler *s, const ucontext_t *u, uint64_t *pcs)
{
    uintptr_t self = (uintptr_t)pthread_self(), top = self == s->main_self ? s->main_top : self;
    uintptr_t sp = CONTEXT_SP(u), fp = CONTEXT_FP(u), least = sp;
    uint32_t  n = 0;

    pcs[n++] = CONTEXT_PC(u);
    if (sp >= top || sp % sizeof(uintptr_t) != 0)
        return n;
    uintptr_t first = word_at(sp);
    if (is_frameless(s, pcs[0], first))
        pcs[n++] = first - 1;
    while (n < SAMPLE_DEPTH_MAX && fp >= least && fp < top - 2 * sizeof(uintptr_t) && fp % sizeof(uintptr_t) == 0) {
        uintptr_t back = word_at(fp + sizeof(uintptr_t));
        if (back < 4096)
            break;
        pcs[n++] = back - 1;
        least = fp + 2 * sizeof(uintptr_t);
        fp = word_at(fp);
    }
    return n;
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
                                                 memory_order_relaxed)) {
        atomic_fetch_add_explicit(&s->lost, 1, memory_order_relaxed);
        return;
    }
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

static bool timer_make(pid_t tid, timer_t *out)
{
    struct sigevent   event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF };
    struct itimerspec period = { .it_interval.tv_nsec = SAMPLE_PERIOD_NS, .it_value.tv_nsec = SAMPLE_PERIOD_NS };

    event.sigev_notify_thread_id = tid;
    if (timer_create(thread_clock(tid), &event, out) != 0)
        return false;
    if (timer_settime(*out, 0, &period, NULL) == 0)
        return true;
    timer_delete(*out);
    return false;
}

enum code sampler_start(struct sampler **out, struct fault *why)
{
#ifdef HAS_TSAN
    (void)out;
    return fail(why, CODE_UNIMPLEMENTED, "ThreadSanitizer runs signal handlers late, without the registers");
#endif
    struct sampler  *s = mem_zalloc(sizeof *s);
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
    timer_t          probe;

    s->text_begin = (uintptr_t)&__executable_start;
    s->text_end = (uintptr_t)&etext;
    enum code code = main_bounds(s, why);
    if (code == CODE_OK && sigaction(SIGPROF, &action, NULL) != 0)
        code = fail(why, CODE_UNAVAILABLE, "SIGPROF: %s", strerror(errno));
    if (code == CODE_OK && !timer_make((pid_t)syscall(SYS_gettid), &probe))
        code = fail(why, CODE_UNAVAILABLE, "no CPU timers for threads: %s", strerror(errno));
    if (code != CODE_OK) {
        free(s);
        return code;
    }
    timer_delete(probe);
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
    if (s->n_threads < THREADS_MAX && timer_make(tid, &t.timer))
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
            timer_delete(s->threads[i].timer);
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

int64_t sampler_lost(const struct sampler *s) { return atomic_load_explicit(&s->lost, memory_order_relaxed); }

/*
 * A signal may still be on its way to a thread when its timer is deleted, and its handler may have read the pointer:
 * the sampler itself, 1 MB, is therefore left to the end of the process.
 */
void sampler_stop(struct sampler *s)
{
    for (size_t i = 0; i < s->n_threads; i++)
        timer_delete(s->threads[i].timer);
    s->n_threads = 0;
}
