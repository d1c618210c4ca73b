#include "net/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/slice.h"

enum { NETWORKS_MAX = 256, V4_BITS = 96 };

struct network {
    struct address from;
    unsigned       bits;
};

struct networks {
    size_t         n;
    struct network list[];
};

static struct address mapped(const void *v4)
{
    struct address a = { { [10] = 0xff, [11] = 0xff } };

    memcpy(a.at + 12, v4, 4);
    return a;
}

struct address address_of(const struct sockaddr_storage *from)
{
    struct address a = { { 0 } };

    if (from->ss_family == AF_INET)
        return mapped(&((const struct sockaddr_in *)from)->sin_addr);
    if (from->ss_family == AF_INET6)
        memcpy(a.at, &((const struct sockaddr_in6 *)from)->sin6_addr, sizeof a.at);
    return a;
}

static bool is_within(const struct network *n, struct address a)
{
    unsigned whole = n->bits / 8, rest = n->bits % 8;
    uint8_t  mask = (uint8_t)(0xff00 >> rest);

    return memcmp(n->from.at, a.at, whole) == 0 && (rest == 0 || ((n->from.at[whole] ^ a.at[whole]) & mask) == 0);
}

/* "a.b.c.d" or "a:b::c", without the prefix length; how many bits it has, 0: it is none. */
static unsigned read_address(struct slice text, struct address *out)
{
    char    copy[INET6_ADDRSTRLEN];
    uint8_t v4[4];

    if (text.n == 0 || text.n >= sizeof copy || memchr(text.p, '\0', text.n) != NULL)
        return 0;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    if (inet_pton(AF_INET6, copy, out->at) == 1)
        return 128;
    if (inet_pton(AF_INET, copy, v4) != 1)
        return 0;
    *out = mapped(v4);
    return 32;
}

/* Are all bits behind the prefix 0?  Otherwise somebody meant something else. */
static bool is_base(const struct network *n)
{
    for (unsigned i = n->bits; i < 128; i++)
        if (n->from.at[i / 8] & 0x80 >> i % 8)
            return false;
    return true;
}

static enum code read_network(struct slice text, struct network *out, struct fault *why)
{
    size_t    slash = slice_find(text, SLICE("/"));
    unsigned  bits = read_address(slice_make(text.p, slash), &out->from);
    long long prefix = bits;

    if (bits == 0)
        return fail(why, CODE_INVALID_ARGUMENT, "\"%.*s\" is not an address or ADDRESS/BITS", SLICE_ARGS(text));
    if (slash < text.n && (!slice_to_i64(slice_from(text, slash + 1), &prefix) || prefix < 0 || prefix > bits))
        return fail(why, CODE_INVALID_ARGUMENT, "\"%.*s\": the bits of the prefix are from 0 to %u", SLICE_ARGS(text),
                    bits);
    out->bits = (unsigned)prefix + (bits == 32 ? V4_BITS : 0);
    if (!is_base(out))
        return fail(why, CODE_INVALID_ARGUMENT, "\"%.*s\" has bits behind its prefix", SLICE_ARGS(text));
    return CODE_OK;
}

enum code networks_parse(struct slice text, struct arena *a, const struct networks **out, struct fault *why)
{
    struct network list[NETWORKS_MAX];
    size_t         n = 0;

    for (text = slice_trim(text); text.n > 0;) {
        size_t    comma = slice_find(text, SLICE(","));
        enum code code = CODE_OK;
        if (n == NETWORKS_MAX)
            return fail(why, CODE_INVALID_ARGUMENT, "more than %d networks", NETWORKS_MAX);
        code = read_network(slice_trim(slice_make(text.p, comma)), &list[n++], why);
        if (code != CODE_OK)
            return code;
        text = slice_from(text, comma < text.n ? comma + 1 : comma);
    }
    struct networks *made = arena_alloc(a, sizeof *made + n * sizeof *list);
    made->n = n;
    memcpy(made->list, list, n * sizeof *list);
    *out = made;
    return CODE_OK;
}

bool networks_hold(const struct networks *list, struct address a)
{
    for (size_t i = 0; i < list->n; i++)
        if (is_within(&list->list[i], a))
            return true;
    return false;
}
