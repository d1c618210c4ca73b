/*
 * Goal: whoever looks at a log or a block with hearthctl is told of each bit that is not as it was written, and of each byte
 * that is missing; of nothing else.
 * Method: a small log, of what a bucket took, and the block of that bucket, as files; every bit flipped, every length, by the
 * commands themselves.  What a shard does with such files is wal_test's, block_test's and keeper_test's.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "ctl/session.h"
#include "index/block.h"
#include "shard/disk.h"
#include "shard/record.h"
#include "shard/test_batch.h"
#include "shard/wal.h"

enum { PROFILES = 3, ENDS = PROFILES + 2 };

#define T0 INT64_C(1700000000000000000)

static char         folder[] = "/tmp/damage_test.XXXXXX";
static char         log_path[64], block_path[64];
static int          nowhere, complaints;
static struct fault why;

/* ---- two files */

static void log_add(struct wal *w, struct bucket *b, unsigned i)
{
    struct arena *a = arena_new(0);
    struct buf    redo = { 0 }, payload = { 0 };

    enum code code =
        bucket_take(b, test_batch(a, &(struct test_profile){ "t", "s", "p", T0 + i, 1, i, 0 }), &redo, &why);
    assert(code == CODE_OK);
    bucket_publish(b);
    record_write(&payload,
                 &(struct record){ .start_ns = T0, .generation = i, .tenant = SLICE("t"), .redo = buf_view(&redo) });
    wal_add(w, buf_view(&payload), T0);
    code = wal_commit(w, true, T0, &why);
    assert(code == CODE_OK);
    buf_free(&redo);
    buf_free(&payload);
    arena_free(a);
}

static void file_write(const char *path, const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");

    assert(f != NULL && fwrite(bytes, 1, n, f) == n);
    fclose(f);
}

static struct buf file_read(const char *path)
{
    struct buf out = { 0 };
    FILE      *f = fopen(path, "rb");

    assert(f != NULL);
    for (int c; (c = fgetc(f)) != EOF;)
        buf_byte(&out, (uint8_t)c);
    fclose(f);
    return out;
}

/* The log ends well: cut to what it holds, a mark behind the last record. */
static void files_make(void)
{
    struct bucket   *b = bucket_new(SLICE("t"), T0, T0 + 1000, NULL);
    struct buf       image = { 0 };
    struct wal_found none = { .next = 1 };
    struct disk     *d;
    struct wal      *w;

    enum code code = disk_open(folder, &d, &why);
    assert(code == CODE_OK);
    code = wal_open(&(struct wal_config){ .disk = d, .shard = "s", .segment_bytes = 4096, .salt = 9 }, &none, &w, &why);
    assert(code == CODE_OK);
    for (unsigned i = 0; i < PROFILES; i++)
        log_add(w, b, i);
    wal_close(w, T0);
    code = block_write(b, &(struct block_origin){ .first_seq = 1, .last_seq = PROFILES }, &image, &why);
    assert(code == CODE_OK);
    file_write(block_path, image.p, image.n);
    buf_free(&image);
    d->ops->free(d);
    bucket_unref(b);
}

/* ---- commands */

/* Its complaints, thousands of them, go nowhere; those of an assert do not. */
static enum exit_code run(command_fn *command, const char *verb, const char *path, struct buf *out)
{
    const char    *args[] = { verb, path };
    struct options o = { .args = args, .n_args = 2 };
    struct session s = { .options = &o, .arena = arena_new(0) };

    dup2(nowhere, STDERR_FILENO);
    enum exit_code code = command(&s);
    dup2(complaints, STDERR_FILENO);
    out->n = 0;
    buf_slice(out, buf_view(&s.out));
    buf_byte(out, '\0');
    buf_free(&s.out);
    arena_free(s.arena);
    return code;
}

static bool says(const struct buf *out, const char *words) { return strstr(out->p, words) != NULL; }

/* A log that is cut between records is sound, one byte more or less is told. */
static void every_length_of_the_log(const struct buf *bytes, const uint64_t ends[ENDS])
{
    struct buf out = { 0 };
    size_t     whole = 0;

    for (size_t n = 0; n <= bytes->n; n++) {
        file_write(log_path, bytes->p, n);
        whole += n == ends[whole];
        bool is_end = whole > 0 && n == ends[whole - 1];
        assert(run(command_wal, "dump", log_path, &out) == (is_end ? EXIT_FINE : EXIT_REFUSED));
        assert(is_end || says(&out, n < WAL_HEADER_BYTES ? "cut short" : "does not read"));
        assert(run(command_wal, "dump", folder, &out) == (n < WAL_HEADER_BYTES ? EXIT_REFUSED : EXIT_FINE)); /* torn */
    }
    buf_free(&out);
}

/* A bit of a file, which was as in `bytes`; the byte before is whole again. */
static void bit_flip(int file, const struct buf *bytes, size_t bit)
{
    char byte = bytes->p[bit / 8] ^ (char)(1 << bit % 8);

    if (bit >= 8 && bit % 8 == 0) {
        ssize_t n = pwrite(file, bytes->p + bit / 8 - 1, 1, (off_t)(bit / 8 - 1));
        assert(n == 1);
    }
    ssize_t n = pwrite(file, &byte, 1, (off_t)(bit / 8));
    assert(n == 1);
}

static void every_bit_of_the_log(const struct buf *bytes, const uint64_t ends[ENDS])
{
    struct buf out = { 0 };
    int        file = open(log_path, O_WRONLY);

    for (size_t bit = 0; bit < bytes->n * 8; bit++) {
        bit_flip(file, bytes, bit);
        bool is_mark = bit / 8 >= ends[PROFILES]; /* nothing was promised behind that */
        assert(run(command_wal, "dump", log_path, &out) == EXIT_REFUSED);
        assert(run(command_wal, "dump", folder, &out) == (is_mark ? EXIT_FINE : EXIT_REFUSED));
        assert(says(&out, is_mark ? "sound: 1 segments" : "not sound: log wal-0000000000000001"));
    }
    close(file);
    file_write(log_path, bytes->p, bytes->n);
    assert(run(command_wal, "dump", folder, &out) == EXIT_FINE && says(&out, "sound: 1 segments"));
    buf_free(&out);
}

/* Where the header ends, and each record. */
static void ends_find(struct slice bytes, uint64_t ends[ENDS])
{
    struct wal_segment segment;
    struct wal_record  r;
    size_t             n = 0;

    enum code code = wal_header_read(bytes, NULL, &segment, &why);
    assert(code == CODE_OK);
    for (ends[n] = WAL_HEADER_BYTES; wal_record_read(bytes, &segment, ends[n], &r); n++)
        ends[n + 1] = ends[n] + WAL_RECORD_BYTES + r.payload.n;
    assert(n + 1 == ENDS && ends[n] == bytes.n);
}

static void the_log_is_told(void)
{
    struct buf bytes = file_read(log_path);
    uint64_t   ends[ENDS + 1] = { 0 };

    ends_find(buf_view(&bytes), ends);
    every_length_of_the_log(&bytes, ends);
    every_bit_of_the_log(&bytes, ends);
    printf("log of %zu bytes: every bit and length told\n", bytes.n);
    buf_free(&bytes);
}

static void the_block_is_told(void)
{
    struct buf bytes = file_read(block_path), out = { 0 };
    int        file = open(block_path, O_WRONLY);

    assert(run(command_block, "verify", block_path, &out) == EXIT_FINE && says(&out, "sound"));
    for (size_t bit = 0; bit < bytes.n * 8; bit++) {
        bit_flip(file, &bytes, bit);
        assert(run(command_block, "verify", block_path, &out) == EXIT_REFUSED && out.n == 1);
    }
    close(file);
    for (size_t n = 0; n < bytes.n; n++) {
        file_write(block_path, bytes.p, n);
        assert(run(command_block, "verify", block_path, &out) == EXIT_REFUSED && out.n == 1);
    }
    printf("block of %zu bytes: every bit and length told\n", bytes.n);
    buf_free(&bytes);
    buf_free(&out);
}

int main(void)
{
    char name[WAL_NAME_BYTES];

    nowhere = open("/dev/null", O_WRONLY);
    complaints = dup(STDERR_FILENO);
    if (mkdtemp(folder) == NULL || nowhere < 0 || complaints < 0)
        return 1;
    wal_name(1, name);
    snprintf(log_path, sizeof log_path, "%s/%s", folder, name);
    snprintf(block_path, sizeof block_path, "%s/x.block", folder);
    files_make();
    the_log_is_told();
    the_block_is_told();
    unlink(log_path);
    unlink(block_path);
    rmdir(folder);
    return 0;
}
