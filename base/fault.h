/*
 * Faults: why an operation failed, in words a client may read.
 *
 * The sixteen gRPC codes are the only error vocabulary, from store to wire, so nothing is translated on the way up.  A
 * fault lives in the caller's storage; a function that returns CODE_OK has not touched it.
 */
#pragma once

#include <stdarg.h>
#include <stdio.h>

enum code {
    CODE_OK = 0,
    CODE_CANCELED = 1,
    CODE_UNKNOWN = 2,
    CODE_INVALID_ARGUMENT = 3,
    CODE_DEADLINE_EXCEEDED = 4,
    CODE_NOT_FOUND = 5,
    CODE_ALREADY_EXISTS = 6,
    CODE_PERMISSION_DENIED = 7,
    CODE_RESOURCE_EXHAUSTED = 8,
    CODE_FAILED_PRECONDITION = 9,
    CODE_ABORTED = 10,
    CODE_OUT_OF_RANGE = 11,
    CODE_UNIMPLEMENTED = 12,
    CODE_INTERNAL = 13,
    CODE_UNAVAILABLE = 14,
    CODE_DATA_LOSS = 15,
    CODE_UNAUTHENTICATED = 16,
};

struct fault {
    enum code code;
    char      text[480];
};

#define must_check __attribute__((warn_unused_result))

/* Records the fault and returns its code: `return fail(why, CODE_..., "...")`. */
__attribute__((format(printf, 3, 4))) static inline enum code fail(struct fault *why, enum code code, const char *format,
                                                                   ...)
{
    va_list ap;

    va_start(ap, format);
    why->code = code;
    vsnprintf(why->text, sizeof why->text, format, ap);
    va_end(ap);
    return code;
}
