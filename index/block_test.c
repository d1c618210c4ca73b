/*
 * Goal: a block is the same bytes each time, and a damaged one is refused with a word of what and where; one that was forged
 * with checksums that agree is refused or answers in bounds.
 * Method: a small block with everything in it (mappings, inlined lines, bare addresses, several types and services) is cut at
 * every length and changed at every byte, with and without new checksums.  That sealed and live answers are equal is
 * model_test's.  `block_test --seeds FOLDER` writes the seeds of block_fuzz.
 */
#include <stdio.h>
#include <unistd.h>

#include "index/batch_make.h"
#include "index/block_probe.h"

static struct fault why;

static void append(struct bucket *b, const char *service, const char *pod, int64_t time_ns, int extra)
{
    struct arena     *a = arena_new(0);
    struct batch_make m;

    make_begin(&m, a, service, "process_cpu", time_ns);
    make_type(&m, "cpu", "nanoseconds");
    make_type(&m, "samples", "count");
    make_part(&m, arena_printf(a, "pod=%s,zone=z", pod).p);
    make_row(&m, "main;work>inlined;!/usr/bin/x@1f", (int64_t[]){ 10000000, 1 });
    make_row(&m, "main;work", (int64_t[]){ 30000000, 3 });
    make_row(&m, "", (int64_t[]){ 20000000, 2 });
    for (int i = 0; i < extra; i++)
        make_row(&m, arena_printf(a, "main;f%d;g%d;!@%x", i % 7, i, i).p, (int64_t[]){ i * INT64_C(10000000), i });
    enum code code = bucket_append(b, make_end(&m), &why);
    assert(code == CODE_OK);
    arena_free(a);
}

static struct bucket *small_bucket(int extra)
{
    struct bucket *b = bucket_new(SLICE("tenant"), 0, 1000, NULL);

    append(b, "web", "b", 500, extra);
    append(b, "db", "a", 20, 0);
    append(b, "web", "a", 10, extra);
    append(b, "web", "b", 900, 0);
    for (int i = 0; i < 12 && extra == 0; i++)
        append(b, "db", "a", 30 + i, 0); /* it has rollups */
    return b;
}

static void take_abandoned(struct bucket *b, struct arena *a, const char *type, const char *labels)
{
    struct batch_make m;

    make_begin(&m, a, "web", "process_cpu", 600);
    make_type(&m, type, "nanoseconds");
    make_part(&m, labels);
    make_row(&m, "main", (int64_t[]){ 1 });
    assert(bucket_take(b, make_end(&m), NULL, &why) == CODE_OK);
}

static struct bucket *sealed_of(const struct bucket *b)
{
    struct buf     image = { 0 };
    struct bucket *sealed;

    assert(block_write(b, &(struct block_origin){ 0 }, &image, &why) == CODE_OK);
    struct block_image own = probe_copy(buf_view(&image));
    assert(block_open(&own, NULL, &sealed, &why) == CODE_OK);
    buf_free(&image);
    return sealed;
}

/* A batch whose log failed leaves its series and types in the bucket, without a point that is seen. */
static void what_was_abandoned_is_in_no_answer(void)
{
    struct bucket   *b = small_bucket(0), *typed = small_bucket(0);
    struct selection all = { .start_ns = INT64_MIN, .end_ns = INT64_MAX };
    struct arena    *a = arena_new(0);
    struct strset   *names = strset_new(a), *pods = strset_new(a), *series = strset_new(a), *types = strset_new(a);
    uint32_t         id;

    take_abandoned(b, a, "cpu", "ghost=yes,pod=ghost");
    struct bucket *sealed = sealed_of(b);
    assert(!bucket_is_all_seen(sealed));
    assert(select_label_names(sealed, &all, names, &why) == CODE_OK && !strset_find(names, SLICE("ghost"), &id));
    assert(select_label_values(sealed, &all, SLICE("pod"), pods, &why) == CODE_OK && strset_n(pods) == 2);
    assert(select_series(sealed, &all, (struct slice[]){ SLICE("pod") }, 1, series, &why) == CODE_OK &&
           strset_n(series) == 2);
    bucket_unref(sealed);
    take_abandoned(typed, a, "ghost", "pod=a");
    sealed = sealed_of(typed);
    assert(!bucket_is_all_seen(sealed) && select_types(sealed, &all, types, &why) == CODE_OK);
    for (uint32_t i = 0; i < strset_n(types); i++)
        assert(slice_find(strset_at(types, i), SLICE("ghost")) == strset_at(types, i).n);
    bucket_unref(sealed);
    bucket_unref(typed);
    bucket_unref(b);
    arena_free(a);
}

static void write_block(int extra, struct buf *out)
{
    struct bucket *b = small_bucket(extra);
    enum code      code =
        block_write(b, &(struct block_origin){ 40, 42, SLICE("0123456789abcdef"), SLICE("sources") }, out, &why);

    assert(code == CODE_OK);
    bucket_unref(b);
}

/* The code of opening it; what opens is asked everything. */
static enum code try_open(struct slice bytes, bool is_resummed)
{
    struct block_image image = probe_copy(bytes);
    struct bucket     *b;

    if (is_resummed)
        probe_resum((char *)image.bytes.p, image.bytes.n);
    enum code code = block_open(&image, NULL, &b, &why);
    if (code == CODE_OK) {
        probe_ask(b);
        probe_merge(b);
        bucket_unref(b);
    } else {
        assert(why.code == code && slice_starts(slice_of(why.text), SLICE("block: ")));
        image.release(image.bytes);
    }
    return code;
}

static void same_bytes_each_time(void)
{
    struct buf a = { 0 }, b = { 0 };

    write_block(100, &a);
    buf_text(&b, "12345678"); /* it is appended */
    write_block(100, &b);
    assert(slice_eq(buf_view(&a), slice_from(buf_view(&b), 8)));
    buf_free(&a);
    buf_free(&b);
}

static void every_cut_is_refused(struct slice image)
{
    for (size_t n = 0; n < image.n; n++) {
        enum code code = try_open(slice_make(image.p, n), false);
        assert(code == CODE_DATA_LOSS);
    }
}

static void every_flip_is_refused(struct buf *image)
{
    for (size_t i = 0; i < image->n * 8; i++) {
        image->p[i / 8] ^= (char)(1 << i % 8);
        enum code code = try_open(buf_view(image), false);
        assert(code == CODE_DATA_LOSS || (code == CODE_UNIMPLEMENTED && i / 8 >= 8 && i / 8 < 12));
        image->p[i / 8] ^= (char)(1 << i % 8);
    }
}

/* With checksums that agree: no wrong step, whatever the answer. */
static void every_forgery_is_refused_or_harmless(struct buf *image)
{
    static const int bits[] = { 0x01, 0x80, 0xFF };
    long             opened = 0, refused = 0;

    for (size_t i = 0; i < image->n; i++)
        for (size_t k = 0; k < sizeof bits / sizeof *bits; k++) {
            image->p[i] ^= (char)bits[k];
            *(try_open(buf_view(image), true) == CODE_OK ? &opened : &refused) += 1;
            image->p[i] ^= (char)bits[k];
        }
    printf("%zu bytes: %ld forgeries opened, %ld refused\n", image->n, opened, refused);
    assert(refused > opened / 4 && opened > 0);
}

static void damage_says_where(void)
{
    struct buf image = { 0 };

    write_block(6000, &image);
    assert(image.n > 2 * BLOCK_PAGE);
    assert(try_open(buf_view(&image), false) == CODE_OK);
    image.p[BLOCK_PAGE + 17] ^= 1;
    assert(try_open(buf_view(&image), false) == CODE_DATA_LOSS);
    assert(strcmp(why.text, "block: damaged: bytes 65536 to 131071 have another checksum") == 0);
    image.p[8] = BLOCK_VERSION + 1;
    assert(try_open(buf_view(&image), false) == CODE_UNIMPLEMENTED);
    buf_free(&image);
}

/* Where nothing was ever appended there is nothing to answer, and that is an answer. */
static void empty_is_a_block(void)
{
    struct bucket *b = bucket_new(SLICE(""), -10, 0, NULL);
    struct buf     image = { 0 };

    enum code code = block_write(b, &(struct block_origin){ 0 }, &image, &why);
    assert(code == CODE_OK && try_open(buf_view(&image), false) == CODE_OK);
    bucket_unref(b);
    buf_free(&image);
}

static void write_seed(const char *folder, const char *name, int extra)
{
    struct buf image = { 0 };
    char       path[4096];

    write_block(extra, &image);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert(f != NULL && fwrite(image.p, 1, image.n, f) == image.n);
    fclose(f);
    buf_free(&image);
}

int main(int argc, char **argv)
{
    struct buf image = { 0 };

    if (argc == 3 && strcmp(argv[1], "--seeds") == 0) {
        write_seed(argv[2], "small", 0);
        write_seed(argv[2], "more", 60);
        return 0;
    }
    same_bytes_each_time();
    empty_is_a_block();
    damage_says_where();
    what_was_abandoned_is_in_no_answer();
    write_block(0, &image);
    every_cut_is_refused(buf_view(&image));
    every_flip_is_refused(&image);
    every_forgery_is_refused_or_harmless(&image);
    buf_free(&image);
    puts("block: ok");
    return 0;
}
