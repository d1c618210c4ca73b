#include "net/bind.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

/* "host:port" cut at the last colon, without the brackets of an IPv6 address. */
static bool split(const char *address, char *host, size_t n_host, const char **port)
{
    const char *colon = strrchr(address, ':');
    size_t      n;

    if (colon == NULL || colon[1] == '\0')
        return false;
    *port = colon + 1;
    n = (size_t)(colon - address);
    if (n >= 2 && address[0] == '[' && colon[-1] == ']') {
        address++;
        n -= 2;
    } else if (memchr(address, ':', n) != NULL) {
        return false; /* an IPv6 address needs its brackets */
    }
    if (n >= n_host)
        return false;
    memcpy(host, address, n);
    host[n] = '\0';
    return true;
}

struct place {
    struct sockaddr_storage at;
    socklen_t               n;
};

static bool has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM, 0);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/*
 * The first address of the name, rather an IPv4 one ("localhost" is both, and most clients try that); for every address
 * an IPv6 one, which takes IPv4 too, where there is IPv6.
 */
static enum code resolve(const char *address, struct place *out, struct fault *why)
{
    struct addrinfo  hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    struct addrinfo *found, *a;
    char             host[256];
    const char      *port;

    if (!split(address, host, sizeof host, &port))
        return fail(why, CODE_INVALID_ARGUMENT, "cannot listen on \"%s\": not HOST:PORT", address);
    if (host[0] == '\0')
        hints.ai_family = has_ipv6() ? AF_INET6 : AF_INET;
    int rc = getaddrinfo(host[0] ? host : NULL, port, &hints, &found);
    if (rc != 0)
        return fail(why, CODE_UNAVAILABLE, "cannot listen on %s: %s", address, gai_strerror(rc));
    for (a = found; a->ai_next != NULL && a->ai_family != AF_INET;)
        a = a->ai_next;
    assert(a->ai_addrlen <= sizeof out->at);
    memcpy(&out->at, a->ai_addr, a->ai_addrlen);
    out->n = a->ai_addrlen;
    freeaddrinfo(found);
    return CODE_OK;
}

static int bind_one(const struct sockaddr *addr, socklen_t n, bool is_shared)
{
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1, no = 0;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (is_shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    if (addr->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    if (bind(fd, addr, n) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Sharing the port among loops would let a second server of this user share it too, and take half of the clients. */
static bool is_free(const struct sockaddr *addr, socklen_t n)
{
    int fd = bind_one(addr, n, false);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

void address_print(const struct sockaddr_storage *a, char *out, size_t n)
{
    char text[INET6_ADDRSTRLEN] = "";

    if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
            inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], text, sizeof text);
            snprintf(out, n, "%s:%d", text, ntohs(in6->sin6_port));
            return;
        }
        inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
        snprintf(out, n, "[%s]:%d", text, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)a;
        inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
        snprintf(out, n, "%s:%d", text, ntohs(in->sin_port));
    }
}

enum code bind_shared(const char *address, int *fds, size_t n, struct sockaddr_storage *at, struct fault *why)
{
    struct place     p;
    struct sockaddr *where = (struct sockaddr *)&p.at;
    enum code        code = resolve(address, &p, why);
    size_t           i;

    if (code != CODE_OK)
        return code;
    bool is_fine = is_free(where, p.n);
    for (i = 0; i < n && is_fine; i++) {
        fds[i] = bind_one(where, p.n, true);
        is_fine = fds[i] >= 0;
        p.n = sizeof p.at;
        if (is_fine)
            getsockname(fds[i], where, &p.n); /* the system may have chosen the port of the first; the others join it */
    }
    if (!is_fine) {
        fail(why, CODE_UNAVAILABLE, "cannot listen on %s: %s", address, strerror(errno));
        while (i-- > 0)
            if (fds[i] >= 0)
                close(fds[i]);
        return CODE_UNAVAILABLE;
    }
    *at = p.at;
    return CODE_OK;
}
