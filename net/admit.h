/*
 * Admit: how many connections a listener takes, in all and from one address.  Of IPv6 a /64 counts as one address, for
 * that is what one customer gets.  Any thread; a lock, for each connection once and only where addresses are counted.
 */
#pragma once

#include <stdbool.h>

#include "net/http.h"
#include "net/network.h"

struct admit;

/* What a connection that came in is counted under. */
struct admitted {
    uint64_t address;
    bool     is_counted; /* by address */
};

struct admit *admit_new(const struct http_limits *limits); /* borrowed */
void          admit_free(struct admit *a);

/* False: there are too many; nothing is to be left then. */
bool    admit_enter(struct admit *a, struct address from, struct admitted *out);
void    admit_leave(struct admit *a, struct admitted which);
int64_t admit_count(const struct admit *a);
