/*
 * Goal: damage to a block or the log is refused by name or, on request, set aside, and loses nothing that is still there; what
 * is put back counts once.  Method: small files of which each byte is spoilt, and each length tried, in turn.
 */
#include "shard/test_machine.h"

static struct slice file_bytes(struct arena *a, const char *path)
{
    FILE *f = fopen(path, "rb");

    assert(f != NULL && fseek(f, 0, SEEK_END) == 0);
    size_t n = (size_t)ftell(f);
    char  *p = arena_array(a, n, 1);
    rewind(f);
    assert(fread(p, 1, n, f) == n);
    fclose(f);
    return slice_make(p, n);
}

static void file_make(const char *path, const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");

    assert(f != NULL && fwrite(bytes, 1, n, f) == n);
    fclose(f);
}

static void expect_refusal(const char *path, size_t at)
{
    struct machine m;
    struct fault   why;
    enum code      code = start(&m, SIZE_MAX, BLOCK_DAMAGE_REFUSE, &why);

    if (code == CODE_OK || strstr(why.text, path) == NULL)
        fprintf(stderr, "byte %zu: %s\n", at, code == CODE_OK ? "taken" : why.text);
    assert(code != CODE_OK && strstr(why.text, path) != NULL);
    stop(&m);
}

/* How many profiles a start finds, -1: it was refused, by the name of a segment. */
static int64_t found_or_refused(void)
{
    struct machine m;
    struct fault   why;
    int64_t        found = -1;

    if (start(&m, SIZE_MAX, BLOCK_DAMAGE_REFUSE, &why) == CODE_OK)
        expect(&m, "a", found = found_of(&m, "a").profiles);
    else
        assert(strstr(why.text, "log wal-") != NULL);
    stop(&m);
    return found;
}

/* Three profiles of a span that is over, behind what keeps the log from going. */
static struct machine started_with_three(void)
{
    struct machine m = started(SIZE_MAX);

    insist(&m, "slow", T0, 100000, 10);
    for (unsigned i = 0; i < 3; i++)
        insist(&m, "a", T0 - 3 * SPAN + i, i, 5);
    return m;
}

/* The log has it all still, the block has it all, too: wherever that is spoilt it is refused, or set aside and not missed. */
static void each_byte_of_a_block_counts(void)
{
    struct arena  *a = arena_new(0);
    struct machine m = started_with_three();
    struct fault   why;
    char           path[512];

    for (int i = 0; i < 20000 && files_n("blocks", ".block", path) < 1; i++) {
        keeper_step(m.keeper, T0 + 6 * NS_PER_S); /* old, and idle for long enough */
        usleep(500);
    }
    stop(&m);
    assert(files_n("blocks", ".block", path) == 1);
    struct slice whole = file_bytes(a, path);
    char        *spoilt = arena_array(a, whole.n, 1);
    for (size_t at = 0; at < whole.n; at++) {
        memcpy(spoilt, whole.p, whole.n);
        spoilt[at] ^= (char)(1 << at % 8);
        file_make(path, spoilt, whole.n);
        expect_refusal(path, at);
        file_make(path, whole.p, at);
        expect_refusal(path, at);
    }
    printf("load: %zu bytes of a block spoilt and cut off in turn\n", whole.n);

    assert(start(&m, SIZE_MAX, BLOCK_DAMAGE_SET_ASIDE, &why) == CODE_OK);
    assert(files_n("blocks", ".damaged", NULL) == 1 && files_n("blocks", ".block", NULL) == 0);
    expect(&m, "a", 3);
    expect(&m, "slow", 1);
    await_sealed(&m, "a", 1, T0 + 6 * NS_PER_S);
    stop(&m);
    m = started(SIZE_MAX);
    expect(&m, "a", 3);
    stop(&m);
    assert(files_n("blocks", "0000000000000002.block", NULL) == 1); /* no number is used twice */
    arena_free(a);
    folder_empty(root);
}

static void file_spoil(const char *path, struct slice whole)
{
    file_make(path, whole.p, whole.n - 1);
}

/* Sets the one damaged block aside; so many profiles are found, from the log. */
static struct machine set_aside(int64_t profiles)
{
    struct machine m;
    struct fault   why;

    assert(start(&m, SIZE_MAX, BLOCK_DAMAGE_SET_ASIDE, &why) == CODE_OK);
    expect(&m, "a", profiles);
    return m;
}

/* Found again, a block that was set aside is known by what the log has made of it meanwhile. */
static void a_block_put_back_counts_once(void)
{
    struct arena  *a = arena_new(0);
    struct machine m = started_with_three();
    struct fault   why;
    char           path[512];

    await_sealed(&m, "a", 1, T0 + 6 * NS_PER_S);
    stop(&m);
    assert(files_n("blocks", ".block", path) == 1);
    struct slice whole = file_bytes(a, path);

    file_spoil(path, whole);
    m = set_aside(3);
    stop(&m);
    file_make(path, whole.p, whole.n); /* before the log's was sealed: the log need not be asked */
    m = started(SIZE_MAX);
    expect(&m, "a", 3);
    stop(&m);

    file_spoil(path, whole);
    m = set_aside(3);
    insist(&m, "a", T0 - 3 * SPAN + 3, 3, 5); /* it goes on */
    stop(&m);
    file_make(path, whole.p, whole.n);
    m = started(SIZE_MAX);
    expect(&m, "a", 4);
    await_sealed(&m, "a", 1, T0 + 6 * NS_PER_S);
    stop(&m);
    assert(files_n("blocks", ".block", NULL) == 1 && files_n("blocks", "0000000000000001.block", NULL) == 0);

    file_make(path, whole.p, whole.n); /* beside the other */
    assert(start(&m, SIZE_MAX, BLOCK_DAMAGE_REFUSE, &why) == CODE_DATA_LOSS);
    assert(strstr(why.text, "0000000000000001.block beside it") != NULL && strstr(why.text, "2.block: block: ") != NULL);
    stop(&m);
    unlink(path);
    m = started(SIZE_MAX);
    expect(&m, "a", 4);
    stop(&m);
    arena_free(a);
    folder_empty(root);
}

/*
 * Spoilt it is refused, but for the mark behind its last record.  What is cut off takes along what would prove that it was there, so
 * that is a torn tail: what is before it is found, and what the block has.
 */
static void each_byte_of_a_log_counts(void)
{
    struct arena  *a = arena_new(0);
    struct machine m = started(SIZE_MAX);
    char           path[512], *spoilt;
    int64_t        found;
    size_t         refused = 0;

    for (unsigned i = 0; i < 3; i++)
        insist(&m, "a", T0 - 3 * SPAN + i, i, 5);
    await_sealed(&m, "a", 1, T0 + 6 * NS_PER_S);
    for (unsigned i = 3; i < 6; i++)
        insist(&m, "a", T0 - 3 * SPAN + i, i, 5);
    stop(&m);
    assert(files_n("wal", "", path) == 1 && files_n("blocks", ".block", NULL) == 1);
    struct slice whole = file_bytes(a, path);
    spoilt = arena_array(a, whole.n, 1);
    while (whole.n > 0 && whole.p[whole.n - 1] == '\0')
        whole.n--;
    whole.n = (whole.n + 7) / 8 * 8; /* what is behind it was reserved ahead */
    for (size_t at = 0; at < whole.n; at++) {
        memcpy(spoilt, whole.p, whole.n);
        spoilt[at] ^= (char)(1 << at % 8);
        file_make(path, spoilt, whole.n);
        found = found_or_refused();
        refused += found < 0;
        assert(found < 0 || found == 6);
        file_make(path, whole.p, at);
        found = found_or_refused();
        assert(found < 0 || (found >= 3 && found <= 6));
    }
    printf("load: %zu bytes of a log spoilt and cut off in turn, %zu of the spoilt refused\n", whole.n, refused);
    assert(refused >= whole.n - 48); /* the mark, and zeros to a multiple of 8 */
    arena_free(a);
    folder_empty(root);
}

int main(void)
{
    root_make();
    each_byte_of_a_block_counts();
    a_block_put_back_counts_once();
    each_byte_of_a_log_counts();
    assert(rmdir(root) == 0);
    puts("damage: ok");
    return 0;
}
