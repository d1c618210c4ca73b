/*
 * Ports: the listeners of this process and the certificates they show, from opening to closing.
 *
 *     config.listening --> listener, listener, ... <-- contexts -- tls.* files
 *
 * Main thread only.
 */
#pragma once

#include "net/loop.h"
#include "rpc/server.h"
#include "server/config.h"

struct ports;

/* All listeners, or none.  `config` is borrowed. */
must_check enum code ports_open(const struct config *config, struct loop *const *loops, size_t n_loops,
                                struct rpc_server *rpc, const struct http_limits *limits, struct ports **out,
                                struct fault *why);

/* With the port in use; NULL behind the last. */
const char *ports_address(const struct ports *p, size_t i);

void    ports_renew(struct ports *p);  /* once a second: changed certificates are taken in */
void    ports_reread(struct ports *p); /* with the next renewal, changed or not */
void    ports_drain(struct ports *p);
int64_t ports_connections(const struct ports *p);
void    ports_free(struct ports *p); /* NULL is fine */
