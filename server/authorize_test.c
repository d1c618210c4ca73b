/*
 * Goal: strangers are kept out when the program is told to, tenants apart, and peers are known by their secret.
 * Method: children (test_child.h), one by itself and a cluster of three.
 */
#include "server/test_child.h"

#define NEED_TENANT "Content-Type: application/json\r\n"
#define AS_TEAM_A NEED_TENANT "Authorization: Bearer the-token-of-team-a\r\n"

static void test_tenants_and_tokens(void)
{
    /* sha256 of "the-token-of-team-a" is made by the program itself. */
    char  path[128], flag[160], command[4400], line[256] = "", *body = push_body(1, 2);
    FILE *p;

    snprintf(command, sizeof command, "echo the-token-of-team-a | %s --auth.hash-token", program);
    p = popen(command, "r");
    assert(p && fgets(line, 65, p) && strlen(line) == 64);
    pclose(p);
    strcat(line, " read,write team-a\n");
    write_file("cluster-tokens", line, path);
    write_file("tokens", line, path);
    snprintf(flag, sizeof flag, "--auth.tokens-file=%s", path);
    struct child c = start((const char *[]){ "--multitenancy", flag, NULL });
    assert(c.port > 0);
    expect_rpc(&c, PUSH, body, 401, "no org id");
    expect_with(&c, "POST", PUSH, NEED_TENANT "X-Scope-OrgID: team-a\r\n", body, 401, "a bearer token is needed");
    expect_with(&c, "POST", PUSH, NEED_TENANT "X-Scope-OrgID: a|b\r\n", body, 401, "multiple org IDs present");
    expect_with(&c, "POST", PUSH, NEED_TENANT "X-Scope-OrgID: bad/one\r\n", body, 401, "unsupported character '/'");
    expect_with(&c, "POST", PUSH, NEED_TENANT "Authorization: Bearer the-token-of-team-a\r\n", body, 200, "{}");
    expect_with(&c, "POST", PUSH, NEED_TENANT "X-Scope-OrgID: team-b\r\nAuthorization: Bearer the-token-of-team-a\r\n",
                body, 403, "may not act for tenant 'team-b'");
    /* team-a:the-token-of-team-a */
    expect_with(&c, "POST", PUSH, NEED_TENANT "Authorization: Basic dGVhbS1hOnRoZS10b2tlbi1vZi10ZWFtLWE=\r\n", body,
                200, "{}");
    expect_rpc(&c, "/hearth.shard.v1.Shard/Status", "{}", 403, "only peers");
    expect(&c, "GET", "/config", 401, "");
    expect(&c, "GET", "/ready", 200, "ready");
    write_file("tokens", "nonsense\n", path); /* a bad file changes nothing */
    kill(c.pid, SIGHUP);
    for (int i = 0; i < 100; i++) {
        struct answer a = ask(&c, "GET", "/metrics", "", (struct slice){ 0 });
        bool          is_seen = strstr(a.body, "\nhearth_config_last_reload_successful 0\n") != NULL;
        buf_free(&a.bytes);
        if (is_seen)
            break;
        assert(i < 99);
        usleep(100000);
    }
    expect_with(&c, "POST", PUSH, NEED_TENANT "Authorization: Bearer the-token-of-team-a\r\n", body, 200, "{}");
    free(body);
    assert(stop(&c) == 0);
}

static int free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
    socklen_t          n = sizeof a;
    int                fd = socket(AF_INET, SOCK_STREAM, 0);

    assert(fd >= 0 && bind(fd, (struct sockaddr *)&a, n) == 0 && getsockname(fd, (struct sockaddr *)&a, &n) == 0);
    close(fd);
    return ntohs(a.sin_port);
}

/* Two shards and one door, which know each other by a secret; without one shard there is a fault and no half answer. */
static void test_cluster(void)
{
    int   ports[] = { free_port(), free_port() };
    char  text[512], map_path[128], secret_path[128], map[160], secret[192], tokens[192], listen[2][64];
    char *body = push_body(70, 30), *flame = flame_body();

    snprintf(text, sizeof text,
             "{\"cluster_id\":\"t\",\"epoch\":1,\"shards\":[{\"name\":\"s0\",\"address\":\"127.0.0.1:%d\"},"
             "{\"name\":\"s1\",\"address\":\"127.0.0.1:%d\"}]}",
             ports[0], ports[1]);
    write_file("map.json", text, map_path);
    write_file("secret", "the secret of this cluster\n", secret_path);
    snprintf(map, sizeof map, "--shard-map=%s", map_path);
    snprintf(secret, sizeof secret, "--auth.cluster-token-file=%s", secret_path);
    snprintf(tokens, sizeof tokens, "--auth.tokens-file=%s/cluster-tokens", scratch);
    for (int i = 0; i < 2; i++)
        snprintf(listen[i], sizeof listen[i], "--listen=127.0.0.1:%d", ports[i]);
    struct child s0 =
        start((const char *[]){ "--target=shard", "--shard.name=s0", listen[0], map, secret, tokens, NULL });
    struct child s1 =
        start((const char *[]){ "--target=shard", "--shard.name=s1", listen[1], map, secret, tokens, NULL });
    struct child door =
        start((const char *[]){ "--target=frontend,querier", "--multitenancy", map, secret, tokens, NULL });
    assert(s0.port == ports[0] && s1.port == ports[1] && door.port > 0);
    expect_with(&door, "POST", PUSH, AS_TEAM_A, body, 200, "{}");
    expect_with(&door, "POST", FLAME, AS_TEAM_A, flame, 200, "\"total\":\"100\"");
    expect_rpc(&s0, "/hearth.shard.v1.Shard/Status", "{}", 403, "only peers");
    expect_with(&s0, "POST", PUSH, AS_TEAM_A, body, 404, "");
    expect_with(&door, "GET", "/shards", AS_TEAM_A, "", 200, "\"name\":\"s1\",\"state\":\"ok\"");
    assert(stop(&s1) == 0);
    expect_with(&door, "POST", FLAME, AS_TEAM_A, flame, 503, "s1");
    expect_with(&door, "GET", "/shards", AS_TEAM_A, "", 200, "\"name\":\"s1\",\"state\":\"unreachable\"");
    assert(stop(&door) == 0 && stop(&s0) == 0);
    free(body);
    free(flame);
}

int main(void)
{
    program_find();
    test_tenants_and_tokens();
    test_cluster();
    return scratch_remove();
}
