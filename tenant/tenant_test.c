/*
 * Goal: tenant ids are accepted and refused exactly as documented; a rate lets through what it says and no more;
 * tenants keep their own state and their number is bounded; tokens open what their line says, and bad files are
 * refused by line. Method: tables of inputs; a rate driven with a made-up clock; more tenants than the registry
 * tracks, from two threads.
 */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tenant/limits.h"
#include "tenant/registry.h"
#include "tenant/tenant_id.h"
#include "tenant/tokens.h"

#define S INT64_C(1000000000)

static void test_ids(void)
{
    static const struct {
        const char *text, *refusal; /* NULL: fine */
    } rows[] = {
        { "anonymous", NULL },
        { "team-A_1!.*'()", NULL },
        { "", "no org id" },
        { ".", "tenant ID is '.' or '..'" },
        { "..", "tenant ID is '.' or '..'" },
        { "bad/tenant", "tenant ID 'bad/tenant' contains unsupported character '/'" },
        { "a b", "tenant ID contains unsupported byte 0x20" },
        { "\xc3\xa9", "tenant ID contains unsupported byte 0xc3" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fault why = { 0 };
        enum code    code = tenant_id_check(slice_of(rows[i].text), &why);
        assert((code == CODE_OK) == (rows[i].refusal == NULL));
        assert(rows[i].refusal == NULL || strcmp(why.text, rows[i].refusal) == 0);
    }
    char         longest[TENANT_ID_BYTES_MAX + 2];
    struct fault why;
    memset(longest, 't', sizeof longest);
    assert(tenant_id_check(slice_make(longest, TENANT_ID_BYTES_MAX), &why) == CODE_OK);
    assert(tenant_id_check(slice_make(longest, TENANT_ID_BYTES_MAX + 1), &why) == CODE_UNAUTHENTICATED);
}

static void test_federation(void)
{
    struct arena *a = arena_new(0);
    struct slice *ids;
    size_t        n;
    struct fault  why;

    assert(tenant_ids_parse(SLICE("b|a|b"), a, &ids, &n, &why) == CODE_OK);
    assert(n == 2 && slice_is(ids[0], "a") && slice_is(ids[1], "b"));
    assert(tenant_ids_parse(SLICE("a|"), a, &ids, &n, &why) == CODE_UNAUTHENTICATED);
    assert(tenant_ids_parse(SLICE("a|b/c"), a, &ids, &n, &why) == CODE_UNAUTHENTICATED);
    struct buf many = { 0 };
    for (int i = 0; i <= TENANTS_MAX; i++)
        buf_printf(&many, "%st%d", i ? "|" : "", i);
    assert(tenant_ids_parse(buf_view(&many), a, &ids, &n, &why) == CODE_UNAUTHENTICATED);
    buf_free(&many);
    arena_free(a);
}

static void test_rate(void)
{
    struct rate r = { 0 };

    assert(rate_take(&r, INT64_MAX, LIMIT_NONE, 1, 5 * S));
    assert(rate_take(&r, 1000, 100, 1000, 5 * S)); /* the whole burst at once */
    assert(!rate_take(&r, 1, 100, 1000, 5 * S) && !rate_holds(&r, 1, 100, 1000, 5 * S));
    assert(rate_holds(&r, 100, 100, 1000, 6 * S) && rate_holds(&r, 5000, LIMIT_NONE, 1000, 5 * S));
    assert(rate_take(&r, 100, 100, 1000, 6 * S)); /* a second later: 100 more */
    assert(!rate_take(&r, 1, 100, 1000, 6 * S));
    rate_give(&r, 100, 100), rate_give(&r, 100, LIMIT_NONE);
    assert(rate_take(&r, 100, 100, 1000, 6 * S) && !rate_take(&r, 1, 100, 1000, 6 * S)); /* just what was given back */
    assert(!rate_take(&r, 1001, 100, 1000, 999 * S)); /* never above the burst */
    assert(rate_take(&r, 1000, 100, 1000, 999 * S));  /* full again, not fuller */
    assert(!rate_take(&r, 1, 100, 1000, 999 * S));
    struct rate none = { 0 };
    assert(!rate_take(&none, 1, 0, 1000, S) && !rate_holds(&none, 1, 0, 1000, S));
}

static void *add_tenants(void *arg)
{
    for (int i = 0; i < TENANTS_TRACKED + 100; i++) {
        char id[16];
        snprintf(id, sizeof id, "t%d", i);
        struct tenant *t = registry_get(arg, slice_of(id));
        assert(t->id.n == 0 || slice_is(t->id, id));
    }
    return NULL;
}

static void test_registry(void)
{
    struct registry *r = registry_new();
    pthread_t        other;

    assert(pthread_create(&other, NULL, add_tenants, r) == 0);
    add_tenants(r);
    pthread_join(other, NULL);
    struct tenant *first = registry_get(r, SLICE("t0"));
    assert(slice_is(first->id, "t0") && registry_get(r, SLICE("t0")) == first);
    struct tenant *late = registry_get(r, SLICE("late-1"));
    assert(late->id.n == 0 && registry_get(r, SLICE("late-2")) == late);
    registry_free(r);
}

static void test_tokens(void)
{
    /* sha256("test") and sha256("bar-token"), from sha256sum(1) */
    static const char file[] = "# who\n\n"
                               "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 read,write b,a\n"
                               "0000000000000000000000000000000000000000000000000000000000000001\tread  *\r\n"
                               "0000000000000000000000000000000000000000000000000000000000000002 write solo";
    struct tokens    *t;
    struct fault      why;
    struct token_hash one = { .bytes[31] = 1 }, two = { .bytes[31] = 2 }, three = { .bytes[31] = 3 };
    char              hex[TOKEN_HASH_BYTES * 2 + 1];

    assert(tokens_parse("f", slice_make(file, sizeof file - 1), &t, &why) == CODE_OK);
    const struct token *test = tokens_find(t, token_hash(SLICE("test")));
    assert(test && token_may(test, TOKEN_READ) && token_may(test, TOKEN_WRITE));
    assert(token_covers(test, SLICE("a")) && token_covers(test, SLICE("b")) && !token_covers(test, SLICE("c")));
    assert(token_only_tenant(test).n == 0);
    const struct token *any = tokens_find(t, one);
    assert(any && token_may(any, TOKEN_READ) && !token_may(any, TOKEN_WRITE) && token_covers(any, SLICE("c")));
    assert(slice_is(token_only_tenant(tokens_find(t, two)), "solo"));
    assert(tokens_find(t, three) == NULL);
    token_hash_print(token_hash(SLICE("test")), hex);
    assert(strncmp(hex, "9f86d081884c7d65", 16) == 0 && strlen(hex) == 64);
    tokens_free(t);
}

static void test_bad_token_files(void)
{
    static const char *const rows[][2] = {
        { "abc read a", "f:1: a line begins with the 64 hex digits of a token's SHA-256" },
        { "\n0000000000000000000000000000000000000000000000000000000000000001 admin a",
          "f:2: behind the hash stands what it may: read, write or read,write" },
        { "0000000000000000000000000000000000000000000000000000000000000001 read", "f:1: no org id" },
        { "0000000000000000000000000000000000000000000000000000000000000001 read a, b",
          "f:1: text behind the tenants (separate them by commas, without blanks)" },
        { "0000000000000000000000000000000000000000000000000000000000000001 read a/b",
          "f:1: tenant ID 'a/b' contains unsupported character '/'" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tokens *t;
        struct fault   why;
        assert(tokens_parse("f", slice_of(rows[i][0]), &t, &why) == CODE_INVALID_ARGUMENT);
        assert(strcmp(why.text, rows[i][1]) == 0);
    }
}

int main(void)
{
    test_ids();
    test_federation();
    test_rate();
    test_registry();
    test_tokens();
    test_bad_token_files();
    return 0;
}
