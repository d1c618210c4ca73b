/*
 * Goal: tokens open exactly what they may, also while they are replaced; a data directory belongs to one process and
 * one shard.
 * Method: a policy asked with each kind of token, and by a thread while main replaces it; a folder opened twice, and
 * under another name.
 */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "model/batch.h"
#include "server/data_dir.h"
#include "server/policy.h"
#include "tenant/tenant_id.h"

#define WRITER SLICE("the-writer-of-team-a")
#define READER SLICE("the-reader-of-everything")
#define PEER SLICE("the-secret-of-the-cluster")

static struct tokens *make_tokens(void)
{
    struct buf     text = { 0 };
    struct tokens *t;
    struct fault   why;
    char           hex[TOKEN_HASH_BYTES * 2 + 1];

    token_hash_print(token_hash(WRITER), hex);
    buf_printf(&text, "%s read,write team-a\n", hex);
    token_hash_print(token_hash(READER), hex);
    buf_printf(&text, "%s read *\n", hex);
    assert(tokens_parse("tokens", buf_view(&text), &t, &why) == CODE_OK);
    buf_free(&text);
    return t;
}

static enum code check(struct policy *p, struct slice secret, enum token_scope scope, const char *tenant)
{
    struct slice id = slice_of(tenant);
    struct fault why;

    return policy_check(p, secret, scope, &id, 1, &why);
}

static void test_open(void)
{
    struct policy *p = policy_new();
    struct fault   why;
    struct limits  l;

    assert(!policy_has_tokens(p));
    assert(check(p, (struct slice){ 0 }, TOKEN_WRITE, "anybody") == CODE_OK);
    assert(policy_check_any(p, (struct slice){ 0 }, &why) == CODE_OK);
    assert(policy_check_peer(p, (struct slice){ 0 }, &why) == CODE_OK);
    policy_limits(p, NULL, 0, &l);
    assert(l.max_profile_size_bytes == limits_default.max_profile_size_bytes);
    policy_free(p);
}

static void test_overrides(void)
{
    const struct slice good = SLICE("overrides:\n  a: {max_query_length: 2h, reject_older_than: unlimited}\n"
                                    "  b: {max_query_length: 1h, max_profile_size_bytes: 8MiB}\n"
                                    "  kept: {retention: 30d, retention-bytes: 1GiB, wal.mode: memory, "
                                    "reject_older_than: 0}\n");
    const struct slice both[] = { SLICE("a"), SLICE("b") };
    const char *const  bad[] = { "overrides: {a: {x: 1}}",
                                 "overrides: {a: 3}",
                                 "overrides: {a: {}, a: {}}",
                                 "other: {}",
                                 "overrides: {a: {max_query_length: soon}}",
                                 "overrides: {a: {overrides: f}}",
                                 "overrides: {a/b: {}}",
                                 "overrides: {a: {max_query_length: [1h]}}",
                                 "overrides: {a: {retention: 1d, retention: 2d}}",
                                 "overrides: {a: {retention: 0}}",
                                 "overrides: {a: {memory-limit: 1GiB}}",
                                 "overrides: {a: {wal.interval: 1s}}",
                                 "overrides: {a: {wal.mode: never}}",
                                 "overrides: {",
                                 "- a" };
    struct policy     *p = policy_new();
    struct overrides  *o;
    struct fault       why;
    struct limits      l;

    assert(overrides_parse("f", good, &limits_default, &o, &why) == CODE_OK);
    policy_set(p, &limits_default, o, NULL, NULL);
    policy_limits(p, both, 1, &l);
    assert(l.reject_older_than_ns == LIMIT_NONE && l.max_query_length_ns == 7200 * INT64_C(1000000000));
    policy_limits(p, both, 2, &l);
    assert(l.max_query_length_ns == 3600 * INT64_C(1000000000));
    policy_limits(p, both + 1, 1, &l);
    assert(l.ingestion_burst_bytes == 8 << 20 && l.reject_older_than_ns == limits_default.reject_older_than_ns);
    policy_limits(p, &SLICE("kept"), 1, &l);
    assert(l.retention_ns == 30 * 86400 * INT64_C(1000000000) && l.retention_bytes == 1 << 30);
    assert(l.wal_mode == BATCH_MEMORY && l.reject_older_than_ns == LIMIT_NONE);
    policy_limits(p, &SLICE("c"), 1, &l);
    assert(memcmp(&l, &limits_default, sizeof l) == 0);
    policy_free(p);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert(overrides_parse("f", slice_of(bad[i]), &limits_default, &o, &why) == CODE_INVALID_ARGUMENT);
        assert(strncmp(why.text, "f:", 2) == 0);
    }
    assert(overrides_parse("f", (struct slice){ 0 }, &limits_default, &o, &why) == CODE_OK);
    overrides_free(o);
}

static void test_tokens(void)
{
    struct policy    *p = policy_new();
    struct arena     *a = arena_new(0);
    struct token_hash cluster = token_hash(PEER);
    struct fault      why;

    policy_set(p, &limits_default, NULL, make_tokens(), &cluster);
    assert(policy_has_tokens(p));
    assert(check(p, (struct slice){ 0 }, TOKEN_READ, "team-a") == CODE_UNAUTHENTICATED);
    assert(check(p, SLICE("not a token at all"), TOKEN_READ, "team-a") == CODE_UNAUTHENTICATED);
    assert(check(p, WRITER, TOKEN_WRITE, "team-a") == CODE_OK);
    assert(check(p, WRITER, TOKEN_READ, "team-a") == CODE_OK);
    assert(check(p, WRITER, TOKEN_WRITE, "team-b") == CODE_PERMISSION_DENIED);
    assert(check(p, READER, TOKEN_READ, "team-b") == CODE_OK);
    assert(check(p, READER, TOKEN_WRITE, "team-b") == CODE_PERMISSION_DENIED);
    assert(policy_check_any(p, READER, &why) == CODE_OK);
    assert(policy_check_any(p, PEER, &why) == CODE_UNAUTHENTICATED);
    assert(policy_check_peer(p, PEER, &why) == CODE_OK);
    assert(policy_check_peer(p, WRITER, &why) == CODE_PERMISSION_DENIED);
    assert(slice_is(policy_only_tenant(p, WRITER, a), "team-a"));
    assert(policy_only_tenant(p, READER, a).n == 0);
    policy_set(p, &limits_default, NULL, make_tokens(), NULL); /* tokens without a cluster's: no peers */
    assert(policy_check_peer(p, (struct slice){ 0 }, &why) == CODE_PERMISSION_DENIED);
    arena_free(a);
    policy_free(p);
}

static atomic_bool is_over;

static void *ask(void *arg)
{
    while (!is_over) {
        assert(check(arg, WRITER, TOKEN_WRITE, "team-a") == CODE_OK);
        assert(check(arg, WRITER, TOKEN_WRITE, "team-b") == CODE_PERMISSION_DENIED);
    }
    return NULL;
}

static void test_replacing(void)
{
    struct policy *p = policy_new();
    pthread_t      reader;

    policy_set(p, &limits_default, NULL, make_tokens(), NULL);
    assert(pthread_create(&reader, NULL, ask, p) == 0);
    for (int i = 0; i < 2000; i++)
        policy_set(p, &limits_default, NULL, make_tokens(), NULL);
    is_over = true;
    pthread_join(reader, NULL);
    policy_free(p);
}

static void test_data_dir(void)
{
    char         root[] = "/tmp/hearth-data-XXXXXX", path[64], command[96];
    int          fd, other;
    struct fault why;

    assert(mkdtemp(root) != NULL);
    snprintf(path, sizeof path, "%s/a/b", root);
    assert(data_dir_open(path, "shard-0", &fd, &why) == CODE_OK && fd >= 0);
    assert(data_dir_open(path, "shard-0", &other, &why) == CODE_UNAVAILABLE && other == -1);
    assert(strstr(why.text, "in use by another process"));
    close(fd);
    assert(data_dir_open(path, "shard-1", &fd, &why) == CODE_FAILED_PRECONDITION && fd == -1);
    assert(strstr(why.text, "belongs to shard 'shard-0', this is 'shard-1'"));
    assert(data_dir_open(path, "shard-0", &fd, &why) == CODE_OK);
    close(fd);
    assert(data_dir_open("/proc/no/such", "x", &fd, &why) == CODE_PERMISSION_DENIED);
    snprintf(command, sizeof command, "rm -r %s", root);
    assert(system(command) == 0);
}

int main(void)
{
    test_open();
    test_overrides();
    test_tokens();
    test_replacing();
    test_data_dir();
    return 0;
}
