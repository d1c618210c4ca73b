/* Listening sockets: from "host:port" to bound sockets that share one port. */
#pragma once

#include <stddef.h>
#include <sys/socket.h>

#include "base/fault.h"

/*
 * `n` listening, non-blocking sockets on one port, for a loop each; `at` gets the address with the port in use.  A port
 * that another listener has is refused, also one of this user.  On failure nothing is open.
 */
must_check enum code bind_shared(const char *address, int *fds, size_t n, struct sockaddr_storage *at,
                                 struct fault *why);

/* "127.0.0.1:4040", "[::1]:4040"; an IPv4 address that came over an IPv6 socket is shown as IPv4. */
void address_print(const struct sockaddr_storage *a, char *out, size_t n);
