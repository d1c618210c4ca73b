#include "net/h2_guard.h"

/*
 * A reset that we had to send costs 50, a frame without use 1: 200 resets or 10,000 frames at once, then a tenth of
 * that a second.
 */
enum { TOKENS_MAX = 10000, TOKENS_PER_S = 1000 };

bool h2_guard_stream(struct h2_guard *g, int32_t id)
{
    if (id > g->highest_id) {
        int32_t expected = g->highest_id ? g->highest_id + 2 : 1;
        if (id > expected && g->n_gaps < H2_GAPS_MAX) {
            g->gaps[g->n_gaps].first = expected;
            g->gaps[g->n_gaps++].last = id - 2;
        }
        g->highest_id = id;
        return true;
    }
    for (int i = 0; i < g->n_gaps; i++)
        if (id >= g->gaps[i].first && id <= g->gaps[i].last)
            return false;
    return true;
}

bool h2_guard_charge(struct h2_guard *g, int cost, int64_t now_ms)
{
    if (g->refilled_ms == 0)
        g->tokens = TOKENS_MAX;
    else
        g->tokens += (now_ms - g->refilled_ms) * TOKENS_PER_S / 1000;
    if (g->tokens > TOKENS_MAX)
        g->tokens = TOKENS_MAX;
    g->refilled_ms = now_ms;
    g->tokens -= cost;
    return g->tokens >= 0;
}
