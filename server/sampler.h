/*
 * Sampler: where this program's threads spend their CPU, and where they are when they spend none.
 *
 *     two timers a thread --SIGPROF, each 10 ms of its CPU and ten times a second--> handler --> ring of stacks
 *     ring of stacks --sampler_drain--> you
 *
 * A1  The handler reads registers, the libraries' tables (unwind.h) and the interrupted thread's own stack, never
 *     beyond its bounds (below), and writes into a ring of fixed size by atomics: no lock, no allocation, nothing that
 *     is not async-signal-safe.  A full ring loses the sample and counts it.
 * A2  Bounds: a thread made by pthread_create has its control block, the address that pthread_self() is, at the top of
 *     its own stack (glibc, all versions), so [stack pointer, pthread_self()) is mapped as long as the thread runs.
 *     The main thread's stack is asked for at the start.
 * A3  A frame pointer counts only when it is aligned, within bounds and above the one before, so the walk ends whatever
 *     stands in the register.  Libraries have none: from there the walk goes by their tables, and where those say
 *     nothing the stack is short, or lacks a caller, but no read is wrong.
 * A4  One sampler in a process; start, scan, drain and stop belong to one thread, and start is called on the main
 *     thread.
 * A5  The wall clock's signals end waiting too: every call that waits goes on after EINTR.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

enum { SAMPLE_DEPTH_MAX = 128 };

enum sample_clock { SAMPLE_CPU, SAMPLE_WALL, SAMPLE_CLOCKS };

/* For each thread, of its own CPU time and of real time. */
#define SAMPLE_PERIOD_NS(clock) ((clock) == SAMPLE_CPU ? INT64_C(10000000) : INT64_C(100000000))

struct sample {
    enum sample_clock clock;
    uint32_t          count; /* periods it stands for: 1, more when signals came late */
    uint32_t          n;
    uint64_t          pcs[SAMPLE_DEPTH_MAX]; /* leaf first; callers already point into their call */
};

struct sampler;

/* UNIMPLEMENTED: ThreadSanitizer, which delivers signals late; UNAVAILABLE: the system has no such timers. */
must_check enum code sampler_start(struct sampler **out, struct fault *why);

/* Threads that came get their timers, those that went lose them. */
void sampler_scan(struct sampler *s);

/* Hands over what the ring holds. */
typedef void sampler_fn(void *arg, const struct sample *sample);
void         sampler_drain(struct sampler *s, sampler_fn *fn, void *arg);

void sampler_stop(struct sampler *s); /* no timer is left; the handler stays, doing nothing */
