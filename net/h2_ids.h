/*
 * The stream ids of an HTTP/2 peer: those it passed over are lost, and nghttp2 ignores HEADERS on them, where RFC 9113
 * section 5.1.1 wants a connection error.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { H2_GAPS_MAX = 16 };

struct h2_ids {
    int32_t highest;
    int     n_gaps;
    struct {
        int32_t first, last;
    } gaps[H2_GAPS_MAX];
};

/* A stream was opened, or an old one mentioned again.  False: it lies among those passed over. */
bool h2_ids_seen(struct h2_ids *ids, int32_t id);
