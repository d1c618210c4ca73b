/* For this room's tests: blocks whose checksums are made right again, and every question asked of one that opens. */
#pragma once

#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "index/block_merge.h"
#include "index/block_priv.h"
#include "index/naming.h"
#include "index/select.h"

static inline void probe_release(struct slice bytes) { free((char *)bytes.p); }

/* A copy of its own size, so that a sanitizer sees a read behind it. */
static inline struct block_image probe_copy(struct slice bytes)
{
    char *own = mem_alloc(bytes.n);

    if (bytes.n > 0)
        memcpy(own, bytes.p, bytes.n);
    return (struct block_image){ slice_make(own, bytes.n), probe_release, NULL };
}

/* Whatever was done to the body, its checksums agree. */
static inline void probe_resum(char *image, size_t n)
{
    struct block_head h;
    uint64_t          all;

    if (n < sizeof h)
        return;
    memcpy(&h, image, sizeof h);
    uint64_t pages = h.body_bytes / BLOCK_PAGE + (h.body_bytes % BLOCK_PAGE > 0);
    if (h.body_bytes > n || n - h.body_bytes != pages * sizeof(uint32_t) + sizeof all)
        return;
    for (uint64_t i = 0; i < pages; i++) {
        uint64_t at = i * BLOCK_PAGE, left = h.body_bytes - at;
        uint32_t sum = (uint32_t)hash64(image + at, left < BLOCK_PAGE ? left : BLOCK_PAGE);
        memcpy(image + h.body_bytes + i * sizeof sum, &sum, sizeof sum);
    }
    all = hash64(image + h.body_bytes, pages * sizeof(uint32_t));
    memcpy(image + h.body_bytes + pages * sizeof(uint32_t), &all, sizeof all);
}

static inline void *probe_open(void *arg, struct labels labels)
{
    (void)labels;
    return arg;
}

static inline void probe_point(void *arg, void *stream, int64_t time_ns, int64_t total)
{
    (void)arg, (void)stream, (void)time_ns;
    assert(total >= 0);
}

/* Nothing may be read out of bounds, whatever the answers are. */
static inline void probe_ask(const struct bucket *b)
{
    struct arena           *a = arena_new(0);
    struct selector         selector;
    struct fault            why;
    struct slice            site = SLICE("main");
    const struct point_sink sink = { a, probe_open, probe_point };
    struct strset          *set = strset_new(a);
    struct tree            *names = tree_new(), *profile = tree_new();
    struct naming          *locations = naming_new(profile, SIZE_MAX);
    struct buf              text = { 0 };

    enum code code = selector_parse(SLICE("{service_name=~\"w.*|x\",pod!=\"b\"}"), a, &selector, &why);
    assert(code == CODE_OK);
    struct selection all = { .start_ns = INT64_MIN, .end_ns = INT64_MAX }, some = all;
    some.selectors = &selector;
    some.n_selectors = 1;
    some.call_site = &site;
    some.n_call_site = 1;
    for (int i = 0; i < 2; i++) {
        const struct selection *what = i ? &some : &all;
        code |= select_types(b, what, set, &why) | select_label_names(b, what, set, &why);
        code |= select_label_values(b, what, SLICE("pod"), set, &why) | select_series(b, what, NULL, 0, set, &why);
        code |= select_points(b, what, &sink, &why) | select_tree(b, what, names, &why);
        code |= select_profile(b, what, locations, &why);
        assert(code == CODE_OK);
    }
    block_dump(b, true, &text);
    buf_free(&text);
    selector_free(&selector);
    tree_free(names);
    naming_free(locations);
    tree_free(profile);
    arena_free(a);
}

/* Merged with itself it is refused, or is as good as any block. */
static inline void probe_merge(struct bucket *b)
{
    struct buf     image = { 0 };
    struct bucket *merged, *sealed;
    struct fault   why;

    if (block_merge((struct bucket *[]){ b, b }, 2, NULL, &merged, &why) != CODE_OK)
        return;
    enum code code = block_write(merged, &(struct block_origin){ 0 }, &image, &why);
    assert(code == CODE_OK);
    struct block_image copy = probe_copy(buf_view(&image));
    code = block_open(&copy, NULL, &sealed, &why);
    assert(code == CODE_OK);
    probe_ask(sealed);
    bucket_unref(sealed);
    bucket_unref(merged);
    buf_free(&image);
}
