/*
 * Goal: a good map is understood, a bad one is refused with words that say where, and owners never change by accident.
 * Method: small documents, each wrong in one way; golden owners; counting how many slots move when shards come and go.
 */
#include "router/map.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define HEAD "\"cluster_id\":\"c\",\"epoch\":7,"
#define SHARD0 "{\"name\":\"s0\",\"address\":\"127.0.0.1:1\"}"
#define SHARD1 "{\"name\":\"s1\",\"address\":\"127.0.0.1:2\",\"state\":\"draining\"}"

static struct shard_map *parsed(const char *text)
{
    struct shard_map *m;
    struct fault      why;

    if (map_parse(slice_of(text), &m, &why) == CODE_OK)
        return m;
    fprintf(stderr, "%s\n", why.text);
    assert(false);
    return NULL;
}

static void refused(const char *text, const char *because)
{
    struct shard_map *m;
    struct fault      why;

    assert(map_parse(slice_of(text), &m, &why) == CODE_INVALID_ARGUMENT);
    if (strstr(why.text, because) == NULL)
        fprintf(stderr, "%s\nsays: %s\n", text, why.text);
    assert(strstr(why.text, because) != NULL);
}

static void good(void)
{
    struct shard_map *m = parsed("{" HEAD "\"slots\":1024,\"spread\":9,\"shards\":[" SHARD0 "," SHARD1 "]}");

    assert(m->epoch == 7 && m->spread == 9 && m->n_shards == 2 && strcmp(m->cluster_id, "c") == 0);
    assert(m->shards[1].state == SHARD_DRAINING && map_find(m, "s1") == 1 && map_find(m, "x") == MAP_NOBODY);
    for (int i = 0; i < SLOTS; i++)
        assert(m->owner[i] == 0); /* a draining shard owns nothing */
    map_unref(m);
    m = map_alone("me");
    assert(m->epoch == 1 && m->owner[1023] == 0);
    map_unref(m);
}

static void bad_ones(void)
{
    refused("", "line 1");
    refused("{" HEAD "\"shards\":[" SHARD0, "line 1");
    refused("{\n" HEAD "\n\"epoch\":8}", "line 3");
    refused("[]", "top level: must be an object");
    refused("{" HEAD "\"shards\":[" SHARD0 "],\"shard\":1}", "top level: unknown key \"shard\"");
    refused("{\"epoch\":1,\"shards\":[" SHARD0 "]}", "\"cluster_id\"");
    refused("{\"cluster_id\":\"a b\",\"epoch\":1,\"shards\":[" SHARD0 "]}", "\"cluster_id\"");
    refused("{\"cluster_id\":\"c\",\"shards\":[" SHARD0 "]}", "\"epoch\"");
    refused("{\"cluster_id\":\"c\",\"epoch\":0,\"shards\":[" SHARD0 "]}", "\"epoch\"");
    refused("{\"cluster_id\":\"c\",\"epoch\":1.5,\"shards\":[" SHARD0 "]}", "\"epoch\"");
    refused("{\"cluster_id\":\"c\",\"epoch\":\"2\",\"shards\":[" SHARD0 "]}", "\"epoch\"");
    refused("{" HEAD "\"slots\":512,\"shards\":[" SHARD0 "]}", "\"slots\"");
    refused("{" HEAD "\"spread\":0,\"shards\":[" SHARD0 "]}", "\"spread\"");
    refused("{" HEAD "\"shards\":[]}", "\"shards\"");
    refused("{" HEAD "\"shards\":[1]}", "shards[0]: must be an object");
    refused("{" HEAD "\"shards\":[" SHARD0 "," SHARD0 "]}", "shards[1]: shards[0] has the name \"s0\" too");
    refused("{" HEAD "\"shards\":[" SHARD0 ",{\"name\":\"s1\",\"address\":\"127.0.0.1:1\"}]}", "has the address");
    refused("{" HEAD "\"shards\":[" SHARD1 "]}", "at least one must be active");
    refused("{" HEAD "\"shards\":[{\"name\":\"s 0\",\"address\":\"h:1\"}]}", "shards[0]: \"name\"");
    refused("{" HEAD "\"shards\":[{\"name\":\"s0\"}]}", "shards[0]: \"address\"");
    refused("{" HEAD "\"shards\":[{\"name\":\"s0\",\"address\":\"h\"}]}", "HOST:PORT");
    refused("{" HEAD "\"shards\":[{\"name\":\"s0\",\"address\":\"h:70000\"}]}", "HOST:PORT");
    refused("{" HEAD "\"shards\":[{\"name\":\"s0\",\"address\":\"h:1\",\"state\":\"up\"}]}",
            "\"state\" must be active");
    refused("{" HEAD "\"shards\":[{\"name\":\"s0\",\"address\":\"h:1\",\"weight\":1}]}",
            "shards[0]: unknown key \"weight\"");
    refused("{" HEAD "\"shards\":[" SHARD0 "],\"owner\":[\"s0\"]}", "\"owner\"");
    refused("{" HEAD "\"shards\":[" SHARD0 "],\"checksum\":\"0\"}", "checksum of this content");
}

/* A map of `n` active shards hearth-shard-0, 1, ... with what is given in place of the owner list. */
static struct shard_map *cluster(int n, const char *more)
{
    struct buf b = { 0 };

    buf_printf(&b, "{" HEAD "\"shards\":[");
    for (int i = 0; i < n; i++)
        buf_printf(&b, "%s{\"name\":\"hearth-shard-%d\",\"address\":\"h%d:4040\"}", i ? "," : "", i, i);
    buf_printf(&b, "]%s}%c", more, 0);
    struct shard_map *m = parsed(b.p);
    buf_free(&b);
    return m;
}

static void owner_lists_and_checksums(void)
{
    struct buf        b = { 0 };
    struct shard_map *computed = cluster(3, ""), *written;

    buf_printf(&b, ",\"owner\":[");
    for (int i = 0; i < SLOTS; i++)
        buf_printf(&b, "%s\"%s\"", i ? "," : "", computed->shards[computed->owner[i]].name);
    buf_printf(&b, "],\"checksum\":\"%016" PRIx64 "\"%c", map_checksum(computed), 0);
    written = cluster(3, b.p);
    assert(memcmp(written->owner, computed->owner, sizeof computed->owner) == 0);
    map_unref(written);
    map_unref(computed);
    buf_free(&b);
}

static void shares(const struct shard_map *m, int *out)
{
    for (int i = 0; i < m->n_shards; i++)
        out[i] = 0;
    for (int slot = 0; slot < SLOTS; slot++)
        out[m->owner[slot]]++;
}

static void rendezvous_is_even_and_moves_little(void)
{
    struct shard_map *three = cluster(3, ""), *five = cluster(5, "");
    int               of3[3], of5[5];

    shares(three, of3);
    shares(five, of5);
    for (int i = 0; i < 3; i++)
        assert(of3[i] > SLOTS / 3 * 8 / 10 && of3[i] < SLOTS / 3 * 12 / 10);
    for (int i = 0; i < 5; i++)
        assert(of5[i] > SLOTS / 5 * 7 / 10 && of5[i] < SLOTS / 5 * 13 / 10);
    for (int slot = 0; slot < SLOTS; slot++)
        assert(five->owner[slot] == three->owner[slot] || five->owner[slot] >= 3); /* only the new ones take */
    assert(map_checksum(three) == 0xd793370db28dafeb);
    assert(three->owner[0] == 0 && three->owner[1] == 2 && three->owner[2] == 0 && three->owner[1023] == 2);
    map_unref(three);
    map_unref(five);
}

int main(void)
{
    good();
    bad_ones();
    owner_lists_and_checksums();
    rendezvous_is_even_and_moves_little();
    puts("map: ok");
    return 0;
}
