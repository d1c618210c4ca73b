/*
 * Networks: a list of address ranges, "10.0.0.0/8, fd00::/8, 192.0.2.1".  IPv4 is looked at as IPv6 does, mapped.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/fault.h"

struct sockaddr_storage;
struct networks;

/* An IP address, IPv4 as ::ffff:a.b.c.d. */
struct address {
    uint8_t at[16];
};

struct address address_of(const struct sockaddr_storage *from);

/* Into `a`.  INVALID_ARGUMENT: which of them is no network, and why. */
must_check enum code networks_parse(struct slice text, struct arena *a, const struct networks **out, struct fault *why);

bool networks_hold(const struct networks *list, struct address a);
