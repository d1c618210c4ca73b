/* For this room's tests: what a shard answers of a tenant, and which files are below a folder of the test's own. */
#pragma once

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "index/block.h"
#include "index/select.h"
#include "shard/shard.h"

struct held_by {
    size_t  buckets, sealed;
    int64_t profiles;
    int64_t sum, most; /* of the values of all stacks, and of one */
};

static inline struct held_by held_in(struct shard *s, const char *tenant, int64_t start_ns, int64_t end_ns)
{
    struct selection range = { .start_ns = start_ns, .end_ns = end_ns };
    struct held_by   h = { 0 };
    struct pin       p = shard_pin(s, slice_of(tenant), start_ns, end_ns);
    struct tree     *t = tree_new();
    struct fault     why;

    h.buckets = p.n;
    for (size_t i = 0; i < p.n; i++) {
        h.sealed += bucket_is_sealed(p.buckets[i]);
        h.profiles += bucket_stats(p.buckets[i]).profiles;
        enum code code = select_tree(p.buckets[i], &range, t, &why);
        assert(code == CODE_OK);
    }
    for (uint32_t i = 0; i < t->n; i++) {
        h.sum += t->self[i];
        h.most = t->self[i] > h.most ? t->self[i] : h.most;
    }
    shard_unpin(&p);
    tree_free(t);
    return h;
}

static inline struct held_by held_by(struct shard *s, const char *tenant)
{
    return held_in(s, tenant, INT64_MIN, INT64_MAX);
}

/* Files below the folder whose names end so. */
static inline int files_below(const char *folder, const char *ending)
{
    char command[256];
    int  n;

    snprintf(command, sizeof command, "find %s -type f -name '*%s' | wc -l", folder, ending);
    FILE *p = popen(command, "r");
    int   got = p ? fscanf(p, "%d", &n) : 0;
    assert(got == 1);
    pclose(p);
    return n;
}

static inline void folder_empty(const char *folder)
{
    char command[256];

    snprintf(command, sizeof command, "rm -rf %s/*", folder);
    int status = system(command);
    assert(status == 0);
}
