/* For tests of the log: small ones on a simulated disk, whose records say their number. */
#pragma once

#include "shard/wal.h"

#include <stdio.h>

#include "base/clock.h"
#include "shard/test_batch.h"
#include "shard/test_disk.h"

#define NOW (1700000000 * NS_PER_S)
#define NAME1 "wal-0000000000000001"

static size_t segment_bytes = 2048;

static inline struct wal *open_log(struct sim_disk *s)
{
    struct wal_config c = {
        .disk = &s->disk, .shard = "t", .segment_bytes = segment_bytes, .interval_ns = 50, .salt = 7
    };
    struct wal_found found;
    struct fault     why;
    struct wal      *w = NULL;

    assert(wal_inspect(&s->disk, "t", &found, &why) == CODE_OK);
    assert(wal_open(&c, &found, &w, &why) == CODE_OK);
    wal_found_free(&found);
    return w;
}

static inline uint64_t add(struct wal *w, unsigned value)
{
    struct arena *a = arena_new(0);
    struct buf    payload = { 0 };

    batch_encode(test_batch(a, &(struct test_profile){ "a", "s", "p", NOW, value, value, 0 }), &payload);
    uint64_t next = wal_next(w), seq = wal_add(w, buf_view(&payload), NOW);
    assert(seq == next && wal_next(w) == seq + 1);
    buf_free(&payload);
    arena_free(a);
    return seq;
}

static inline enum code commit_at(struct wal *w, unsigned value, int64_t now_ns)
{
    struct fault why;

    add(w, value);
    return wal_commit(w, true, now_ns, &why);
}

static inline enum code commit(struct wal *w, unsigned value) { return commit_at(w, value, NOW); }

/* ---- reading back */

struct seen {
    unsigned values[256];
    size_t   n;
};

static inline enum code see(void *arg, const struct wal_record *r, struct fault *why)
{
    struct seen  *seen = arg;
    struct arena *a = arena_new(0);
    struct batch  b;
    enum code     code = batch_decode(r->payload, a, &b, why);

    assert(code == CODE_OK && r->kind == WAL_ADDED && r->now_ns == NOW && seen->n < 256);
    seen->values[seen->n++] = (unsigned)b.row_values[0];
    arena_free(a);
    return code;
}

static inline enum code see_progress(void *arg, uint64_t bytes, struct fault *why)
{
    (void)arg;
    (void)bytes;
    (void)why;
    return CODE_OK;
}

static inline enum code read_back(struct sim_disk *s, struct seen *seen, struct fault *why)
{
    struct wal_found found;
    enum code        code = wal_inspect(&s->disk, "t", &found, why);

    seen->n = 0;
    if (code == CODE_OK)
        code = wal_replay(&s->disk, &found, see, see_progress, seen, why);
    wal_found_free(&found);
    return code;
}

static inline bool is_counting(const struct seen *seen, size_t n)
{
    for (size_t i = 0; i < seen->n; i++)
        if (seen->values[i] != i + 1)
            return false;
    return seen->n == n;
}

static inline void expect_refusal(enum code code, const struct fault *why, const char *word)
{
    assert(code == CODE_DATA_LOSS || code == CODE_FAILED_PRECONDITION);
    assert(why->code == code && strstr(why->text, "log wal-") != NULL);
    if (word != NULL && strstr(why->text, word) == NULL) {
        fprintf(stderr, "not \"%s\": %s\n", word, why->text);
        abort();
    }
}
