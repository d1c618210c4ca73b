/*
 * Goal: bucket_bytes is what the allocator gave, dropping a bucket gives it all back, and small buckets are small.
 * Method: many buckets, small and large, are filled; the allocator's own count (the sanitizer's, or mallinfo2) is compared
 * with the accounted bytes before and after.  Under an allocator that tells neither, only the accounting itself is checked.
 */
#include <malloc.h>
#include <stdio.h>

#include "base/tsan.h"
#include "index/batch_make.h"
#include "index/bucket.h"

#if defined(__SANITIZE_ADDRESS__) || defined(HAS_TSAN)
size_t        __sanitizer_get_current_allocated_bytes(void);
static size_t in_use(void) { return __sanitizer_get_current_allocated_bytes(); }
#else
static size_t in_use(void)
{
    struct mallinfo2 now = mallinfo2();
    return now.uordblks + now.hblkhd;
}
#endif

enum { SMALL = 300, LARGE_PROFILES = 40 };

static struct fault why;

static void append_small(struct bucket *b, uint32_t i)
{
    struct arena     *a = arena_new(0);
    struct batch_make m;

    make_begin(&m, a, "tiny", "process_cpu", 10);
    make_type(&m, "cpu", "nanoseconds");
    make_part(&m, arena_printf(a, "pod=p%u", i).p);
    make_row(&m, "main;a;b;c;d;e;f;g;h;i;j", (int64_t[]){ 1 });
    make_row(&m, "main;a;b;k;l", (int64_t[]){ 1 });
    enum code code = bucket_append(b, make_end(&m), &why);
    assert(code == CODE_OK);
    arena_free(a);
}

static void append_large(struct bucket *b, uint32_t i)
{
    struct arena     *a = arena_new(0);
    struct batch_make m;

    make_begin(&m, a, "large", "process_cpu", 10);
    make_type(&m, "cpu", "nanoseconds");
    make_part(&m, arena_printf(a, "pod=p%u", i).p);
    for (uint32_t k = 0; k < 500; k++)
        make_row(&m, arena_printf(a, "main;f%u;g%u;h%u_%u", k % 7, k % 31, k, k % 3 ? 0 : i).p,
                 (int64_t[]){ 1 + k % 4 });
    size_t    had = bucket_bytes(b), most = bucket_cost_max(b, make_end(&m));
    assert(most <= bucket_cost_roughly(b, &m.b));
    enum code code = bucket_append(b, &m.b, &why);
    assert(code == CODE_OK && bucket_bytes(b) - had <= most);
    arena_free(a);
}

static void is_near(const char *what, size_t accounted, size_t taken)
{
    printf("%s: accounted %zu bytes, the allocator gave %zu\n", what, accounted, taken);
    if (taken > 0)
        assert(accounted <= taken + taken / 20 && taken <= accounted + accounted / 20);
}

static struct bucket *large_new(_Atomic size_t *meter)
{
    struct bucket *b = bucket_new(SLICE("tenant"), 0, 100, meter);

    for (uint32_t i = 0; i < LARGE_PROFILES; i++)
        append_large(b, i);
    return b;
}

int main(void)
{
    static struct bucket *small[SMALL];
    _Atomic size_t        meter = 0;

    bucket_unref(large_new(&meter)); /* from now on the thread has its scratch, which is not the buckets' */
    size_t before = in_use();

    for (uint32_t i = 0; i < SMALL; i++) {
        small[i] = bucket_new(SLICE("tenant"), 0, 100, &meter);
        append_small(small[i], i);
    }
    is_near("small buckets", meter, in_use() - before);
    printf("%zu bytes each\n", meter / SMALL);
    assert(meter / SMALL <= 24 * 1024);

    size_t         small_bytes = meter, between = in_use();
    struct bucket *large = large_new(&meter);
    is_near("a large one", bucket_bytes(large), in_use() - between);
    assert(meter == small_bytes + bucket_bytes(large));
    bucket_unref(large);
    assert(meter == small_bytes);

    for (uint32_t i = 0; i < SMALL; i++)
        bucket_unref(small[i]);
    assert(meter == 0);
    printf("left behind: %zu bytes of %zu\n", in_use() - before, small_bytes);
    assert(in_use() - before <= small_bytes / 20);
    return 0;
}
