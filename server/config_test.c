/*
 * Goal: every option can be written as a flag and in the file, is printed in a form that is read back equal, and
 * whatever is wrong is refused with its name and place.
 * Method: tables of texts for each kind of value; YAML documents with the line and column their fault must name; the
 * printed defaults read in again; a look that no name stands twice in the table.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "server/config.h"
#include "server/memory_limit.h"

#define S INT64_C(1000000000)
#define MIB INT64_C(1048576)

static struct arena *a;

static enum code flag(struct config *c, const char *text, struct fault *why)
{
    char *argv[] = { strdup(text) };

    *c = (struct config){ 0 };
    enum code code = config_load(1, argv, a, c, why);
    free(argv[0]);
    return code;
}

static void test_values(void)
{
    static const struct {
        const char *flag, *printed; /* NULL: refused */
    } rows[] = {
        { "--limits.max_query_length=7d", "7d" },
        { "--limits.max_query_length=1h30m", "1h30m" },
        { "--limits.max_query_length=90m", "1h30m" },
        { "--limits.max_query_length=1w", "7d" },
        { "--limits.max_query_length=250ms", "250ms" },
        { "--limits.max_query_length=unlimited", "unlimited" },
        { "--limits.max_query_length=0", NULL },
        { "--limits.max_query_length=1", NULL },
        { "--limits.max_query_length=-1h", NULL },
        { "--limits.max_query_length=1x", NULL },
        { "--limits.max_query_length=h", NULL },
        { "--limits.max_query_length=", NULL },
        { "--limits.max_query_length=400000d", NULL },
        { "--limits.max_profile_size_bytes=67108864", "64MiB" },
        { "--limits.max_profile_size_bytes=1GB", "1000000000" },
        { "--limits.max_profile_size_bytes=1536MiB", "1536MiB" },
        { "--limits.max_profile_size_bytes=1 MiB", NULL },
        { "--limits.max_profile_size_bytes=99999999TiB", NULL },
        { "--limits.ingestion_rate_mb=1.5", "1.5" },
        { "--limits.ingestion_rate_mb=unlimited", "unlimited" },
        { "--limits.ingestion_rate_mb=.", NULL },
        { "--limits.ingestion_rate_mb=1e3", NULL },
        { "--limits.max_label_names_per_series=12", "12" },
        { "--limits.max_label_names_per_series=12.5", NULL },
        { "--limits.max_sessions_per_series=0", "0" },
        { "--target=querier,frontend", "frontend,querier" },
        { "--target=everything", NULL },
        { "--log.format=json", "json" },
        { "--log.format=xml", NULL },
        { "--multitenancy", "true" },
        { "--multitenancy=false", "false" },
        { "--multitenancy=yes", NULL },
        { "--memory-limit=auto", "auto" },
        { "--memory-limit=1MiB", NULL },
        { "--debug.query-delay=200ms", "200ms" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct config c;
        struct fault  why;
        struct buf    printed = { 0 };
        size_t        name_n = strcspn(rows[i].flag + 2, "=");
        bool          needs_map = strstr(rows[i].flag, "querier") != NULL;
        enum code     code = flag(&c, rows[i].flag, &why);
        if (needs_map)
            assert(code == CODE_INVALID_ARGUMENT && strstr(why.text, "--shard-map"));
        else
            assert((code == CODE_OK) == (rows[i].printed != NULL));
        if (rows[i].printed != NULL)
            option_print(option_find(config_table, slice_make(rows[i].flag + 2, name_n)), &c, &printed);
        assert(rows[i].printed == NULL || slice_is(buf_view(&printed), rows[i].printed));
        buf_free(&printed);
    }
}

static void test_flags(void)
{
    char         *both[] = { "--listen", ":1", "--self-profile", "--limits.max_query_length", "2h", "--listen=:2" };
    struct config c = { 0 };
    struct fault  why;

    assert(config_load(6, both, a, &c, &why) == CODE_OK);
    assert(strcmp(c.listen, ":2") == 0 && c.self_profile && c.limits.max_query_length_ns == 2 * 3600 * S);
    static const struct {
        const char *flag, *refusal;
    } rows[] = {
        { "--limits.max_query_lenght=1h",
          "unknown flag --limits.max_query_lenght (is --limits.max_query_length meant?)" },
        { "--zzz", "unknown flag --zzz; --help lists them" },
        { "--listen", "--listen needs a value" },
        { "listen=:1", "`listen=:1` is not a flag: they look like --name=value" },
        { "--limits.max_query_length=0", "limits.max_query_length: 0 is not allowed; for no limit say `unlimited`" },
        { "--limits.max_query_length=1x",
          "limits.max_query_length: `1x` is not a duration such as 1h30m or 7d, nor `unlimited`" },
        { "--config.file=/no/such/file", "/no/such/file: No such file or directory" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert(flag(&c, rows[i].flag, &why) != CODE_OK);
        assert(strcmp(why.text, rows[i].refusal) == 0);
    }
}

/* --listen and --listeners come to one list. */
static void test_listeners(void)
{
    static const struct {
        const char *flags[4], *refusal; /* NULL: fine */
    } rows[] = {
        { { "--listeners=127.0.0.1:1 admin, :2  tls\tpublic internal,[::1]:3 mtls", "--tls.cert-file=c", "--tls.key-file=k",
            "--tls.client-ca-file=a" },
          NULL },
        { { "--listen=:1", "--tls.cert-file=c", "--tls.key-file=k" }, NULL },
        { { "--listen=:1", "--tls.cert-file=c" }, "tls.cert-file and tls.key-file: one without the other" },
        { { "--listen=:1", "--tls.client-ca-file=a" },
          "tls.cert-file, tls.client-ca-file: no listener speaks TLS" },
        { { "--listeners=:1 tls" }, "listeners: tls and mtls need --tls.cert-file and --tls.key-file" },
        { { "--listeners=:1 mtls", "--tls.cert-file=c", "--tls.key-file=k" },
          "listeners: mtls needs --tls.client-ca-file" },
        { { "--listeners=:1 tls mtls" }, "listeners: :1: tls or mtls, one of them and once" },
        { { "--listeners=:1 secret" }, "listeners: :1: `secret` is none of tls, mtls, public, internal, admin" },
        { { "--listeners=:1,,:2" }, "listeners: `` is not HOST:PORT" },
        { { "--peers.cert-file=c", "--peers.key-file=k" },
          "peers.cert-file: TLS to shards also needs --peers.ca-file" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct config c = { 0 };
        struct fault  why;
        int           n = 0;
        while (n < 4 && rows[i].flags[n] != NULL)
            n++;
        enum code code = config_load(n, (char *const *)(uintptr_t)rows[i].flags, a, &c, &why);
        assert((code == CODE_OK) == (rows[i].refusal == NULL));
        assert(code == CODE_OK || strcmp(why.text, rows[i].refusal) == 0);
        if (i == 0) {
            assert(c.listening.n == 3 && !config_is_loopback(&c));
            assert(strcmp(c.listening.at[1].address, ":2") == 0 && c.listening.at[1].how == LISTEN_TLS);
            assert(c.listening.at[0].faces == FACE_ADMIN && c.listening.at[1].faces == (FACE_PUBLIC | FACE_INTERNAL));
            assert(c.listening.at[2].faces == FACES_ALL && c.listening.at[2].how == LISTEN_MTLS);
        }
        if (i == 1)
            assert(c.listening.n == 1 && c.listening.at[0].how == LISTEN_TLS && c.listening.at[0].faces == FACES_ALL);
    }
}

static void test_yaml(void)
{
    static const struct {
        const char *text, *refusal; /* NULL: fine */
    } rows[] = {
        { "", NULL },
        { "# nothing\n", NULL },
        { "listen: 0.0.0.0:4040\nlimits:\n  max_query_length: 7d\n", NULL },
        { "target: [frontend, querier]\n", NULL },
        { "listeners: [':1 tls public', ':2 admin']\ntls:\n  cert-file: a\n", NULL },
        { "limits: {ingestion_rate_mb: 4, reject_older_than: unlimited}\n", NULL },
        { "listen: a\nlisten: b\n", "f:2:1: key `listen` stands here a second time" },
        { "limits:\n  max_query_length: 1h\nlimits: {}\n", "f:3:1: key `limits` stands here a second time" },
        { "limits:\n  max_query_lenght: 1h\n", "f:2:3: unknown key `limits.max_query_lenght`" },
        { "limits.max_query_length: 1h\n", "f:1:1: unknown key `limits.max_query_length`" },
        { "limits:\n  max_query_length: 1x\n",
          "f:2:21: limits.max_query_length: `1x` is not a duration such as 1h30m or 7d, nor `unlimited`" },
        { "limits: 5\n", "f:1:9: `limits` is a section: its keys go below it" },
        { "listen: {a: b}\n", "f:1:9: `listen` takes one value" },
        { "listen: &x a\n", "f:1:9: anchors, aliases and tags are not taken here" },
        { "listen: *x\n", "f:1:9: anchors, aliases and tags are not taken here" },
        { "listen: !!str a\n", "f:1:9: anchors, aliases and tags are not taken here" },
        { "target: [[a]]\n", "f:1:10: only words stand in a list" },
        { "config:\n  file: x\n", "f:2:3: unknown key `config.file`" },
        { "- a\n", "f:1:1: the file is a mapping: `key: value` lines" },
        { "listen: a\n---\nlisten: b\n", "f:2:1: a second document" },
        { "listen: \"a\n", "f:2:1: found unexpected end of stream" },
        { "? [a]\n: b\n", "f:1:3: a key is a word" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct config c = { 0 };
        struct fault  why = { 0 };
        option_defaults(config_table, &c, a);
        enum code code = config_read("f", slice_of(rows[i].text), a, &c, &why);
        if (code != CODE_OK && (rows[i].refusal == NULL || strcmp(why.text, rows[i].refusal) != 0))
            printf("%s\n  got: %s\n", rows[i].text, why.text);
        assert((code == CODE_OK) == (rows[i].refusal == NULL));
        assert(rows[i].refusal == NULL || strcmp(why.text, rows[i].refusal) == 0);
    }
}

static void test_round_trip(void)
{
    struct config c = { 0 }, again = { 0 };
    struct fault  why;
    struct buf    first = { 0 }, second = { 0 }, diff = { 0 };

    assert(flag(&c, "--limits.reject_older_than=unlimited", &why) == CODE_OK);
    option_print_all(config_table, &c, NULL, &first);
    option_defaults(config_table, &again, a);
    assert(config_read("again", buf_view(&first), a, &again, &why) == CODE_OK);
    option_print_all(config_table, &again, NULL, &second);
    assert(slice_eq(buf_view(&first), buf_view(&second)));
    option_defaults(config_table, &again, a);
    again.limits.ingestion_burst_bytes = c.limits.ingestion_burst_bytes;
    option_print_all(config_table, &c, &again, &diff);
    assert(slice_is(buf_view(&diff), "limits:\n  reject_older_than: unlimited\n"));
    buf_free(&first);
    buf_free(&second);
    buf_free(&diff);
}

/* The defaults in the table and those of the tenant room are the same. */
static void test_defaults(void)
{
    struct config c = { 0 };
    struct limits expected = limits_default;

    option_defaults(config_table, &c, a);
    assert(memcmp(&c.limits, &expected, offsetof(struct limits, disable_label_sanitization)) == 0);
    assert(c.limits.disable_label_sanitization == expected.disable_label_sanitization);
    assert(memcmp(&c.limits.max_query_length_ns, &expected.max_query_length_ns, 4 * sizeof(int64_t)) == 0);
    for (size_t i = 0; i < config_table.n; i++)
        assert(option_find(config_table, slice_of(config_table.rows[i].name)) == &config_table.rows[i]);
    config_settle(&c, a);
    assert(c.memory_limit_bytes >= MEMORY_LIMIT_MIN && c.net_loops > 0 && c.shutdown_delay_ns == 0 && c.shard_name[0]);
    struct buf help = { 0 };
    option_print_help(config_table, &help);
    assert(slice_find(buf_view(&help), SLICE("--limits.max_query_length=1d")) < help.n);
    assert(slice_find(buf_view(&help), SLICE("debug.")) == help.n);
    buf_free(&help);
}

static void test_burst_is_one_profile(void)
{
    struct config c = { 0 };
    struct fault  why;

    assert(flag(&c, "--limits.max_profile_size_bytes=64MiB", &why) == CODE_OK);
    assert(c.limits.ingestion_burst_bytes == 64 * MIB);
}

int main(void)
{
    a = arena_new(0);
    test_values();
    test_flags();
    test_listeners();
    test_yaml();
    test_round_trip();
    test_defaults();
    test_burst_is_one_profile();
    arena_free(a);
    return 0;
}
