/*
 * Goal: a list of networks holds the addresses it says and no others, and a mistake in it is named; of one address, or
 * in all, no more connections come in than may, and those that left make room.  Method: tables.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>

#include "net/admit.h"

static struct address address(const char *text)
{
    struct sockaddr_storage at = { .ss_family = AF_INET6 };

    if (strchr(text, ':') != NULL) {
        assert(inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&at)->sin6_addr) == 1);
    } else {
        at.ss_family = AF_INET;
        assert(inet_pton(AF_INET, text, &((struct sockaddr_in *)&at)->sin_addr) == 1);
    }
    return address_of(&at);
}

static const struct networks *networks(const char *text, struct arena *a)
{
    const struct networks *list;
    struct fault           why;

    assert(networks_parse(slice_of(text), a, &list, &why) == CODE_OK);
    return list;
}

static void holds(struct arena *a)
{
    static const struct {
        const char *list, *address;
        bool        is_in;
    } rows[] = {
        { "", "127.0.0.1", false },
        { "10.0.0.0/8", "10.255.1.2", true },
        { "10.0.0.0/8", "11.0.0.0", false },
        { "10.0.0.0/8", "::ffff:10.1.2.3", true },
        { "192.0.2.128/25", "192.0.2.200", true },
        { "192.0.2.128/25", "192.0.2.100", false },
        { "192.0.2.7", "192.0.2.7", true },
        { "192.0.2.7", "192.0.2.6", false },
        { "0.0.0.0/0", "203.0.113.9", true },
        { "0.0.0.0/0", "2001:db8::1", false },
        { "::/0", "203.0.113.9", true },
        { "fd00::/8", "fdff::1", true },
        { "fd00::/8", "fe80::1", false },
        { "2001:db8:0:20::/59", "2001:db8:0:3f::1", true },
        { "2001:db8:0:20::/59", "2001:db8:0:40::1", false },
        { " 10.0.0.0/8 , ::1 ", "::1", true },
        { "10.0.0.0/8,192.168.0.0/16", "192.168.3.4", true },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert(networks_hold(networks(rows[i].list, a), address(rows[i].address)) == rows[i].is_in);
}

static void refuses(struct arena *a)
{
    static const char *const wrong[] = { "ten",        "10.0.0.0/33",     "10.0.0.0/-1", "10.0.0.0/",  "10.0.0/8",
                                         "10.0.0.1/8", "fd00::/129",      "fd00::1/8",   "1.2.3.4/8x", "/8",
                                         "[::1]",      "10.0.0.0/8,,::1", "localhost/8", "1.2.3.4:80" };
    const struct networks   *list;
    struct fault             why;
    char                     many[257 * 8];

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert(networks_parse(slice_of(wrong[i]), a, &list, &why) == CODE_INVALID_ARGUMENT);
        assert(why.text[0] == '"');
    }
    for (size_t i = 0; i < 257; i++)
        memcpy(many + i * 8, "1.2.3.4,", 8);
    assert(networks_parse(slice_make(many, sizeof many - 8), a, &list, &why) == CODE_OK);
    assert(networks_parse(slice_make(many, sizeof many), a, &list, &why) == CODE_INVALID_ARGUMENT);
}

static void admits(struct arena *a)
{
    struct http_limits limits = http_limits_default;
    struct admitted    in[8], out;

    limits.connections_max = 6;
    limits.address_connections_max = 2;
    limits.exempt = networks("10.0.0.0/8", a);
    struct admit *door = admit_new(&limits);
    assert(admit_enter(door, address("192.0.2.1"), &in[0]) && admit_enter(door, address("192.0.2.1"), &in[1]));
    assert(!admit_enter(door, address("192.0.2.1"), &out));
    assert(admit_enter(door, address("192.0.2.2"), &in[2]));
    admit_leave(door, in[1]);
    assert(admit_enter(door, address("192.0.2.1"), &in[1]) && !admit_enter(door, address("192.0.2.1"), &out));
    assert(admit_enter(door, address("2001:db8::1"), &in[3]) && admit_enter(door, address("2001:db8::ffff:2"), &in[4]));
    assert(!admit_enter(door, address("2001:db8::3"), &out)); /* the same /64 */
    assert(admit_enter(door, address("10.0.0.1"), &in[5]) && admit_count(door) == 6);
    assert(!admit_enter(door, address("10.0.0.1"), &out) && !admit_enter(door, address("2001:db8:1::"), &out));
    admit_leave(door, in[3]);
    assert(admit_enter(door, address("10.0.0.1"), &in[3])); /* as often as it likes, as long as there is room */
    for (int i = 0; i < 6; i++)
        admit_leave(door, in[i]);
    assert(admit_count(door) == 0);
    admit_free(door);
}

int main(void)
{
    struct arena *a = arena_new(0);

    holds(a);
    refuses(a);
    admits(a);
    arena_free(a);
    printf("network: ok\n");
    return 0;
}
