/*
 * What an HTTP/2 peer may do to us before the connection ends: a token bucket for its faults, and the stream ids it
 * passed over (nghttp2 ignores HEADERS on those; RFC 9113 section 5.1.1 wants a connection error).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { H2_GAPS_MAX = 16 };

struct h2_guard {
    int32_t highest_id; /* of the peer's streams */
    int     n_gaps;
    struct {
        int32_t first, last;
    } gaps[H2_GAPS_MAX];
    int64_t tokens, refilled_ms;
};

/* A stream was opened, or an old one mentioned again.  False: it lies among those passed over. */
bool h2_guard_stream(struct h2_guard *g, int32_t id);

/* The peer made us work for nothing, worth `cost`.  False: it did so too often. */
bool h2_guard_charge(struct h2_guard *g, int cost, int64_t now_ms);
