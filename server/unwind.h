/*
 * Unwind: from a function of a library, which has no frame pointers, to its caller, by the library's own .eh_frame.
 *
 *     unwind_new --> tables of the libraries loaded now --unwind_step, in a signal handler--> caller, caller, ...
 *
 * U1  unwind_step is async-signal-safe: it reads tables that stay mapped, and words of the stack within the bounds
 *     given; no lock, no allocation.
 * U2  What it does not know (expressions, signal frames, libraries loaded later, another processor than x86-64) it
 *     refuses, and the walk ends there.
 * U3  After a step the stack pointer is higher, so steps come to an end.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct unwind_tables;

struct unwind_tables *unwind_new(void);
void                  unwind_free(struct unwind_tables *t);

struct frame {
    uintptr_t pc; /* within the instruction: a return address less one */
    uintptr_t sp, fp;
};

/* To the caller; the stack is [f->sp, top). */
bool unwind_step(const struct unwind_tables *t, struct frame *f, uintptr_t top);
