/*
 * Listener: one address served by several loops.  Each loop has its own SO_REUSEPORT socket; HTTP/1.1 or HTTP/2 is
 * told by ALPN on TLS, and by the first bytes (HTTP/2 with prior knowledge) in clear text or without ALPN.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "net/http.h"
#include "net/tls.h"

struct listener;

/*
 * Listens on `address` ("127.0.0.1:4040", "[::1]:0", ":4040" for every address; port 0 is chosen by the system) with
 * all `loops`; `app` is copied.  It takes a reference to `tls`; NULL: clear text.  UNAVAILABLE: the address cannot be
 * bound, with the reason.
 */
must_check enum code listener_new(const char *address, struct loop *const *loops, size_t n_loops,
                                  const struct http_app *app, const struct http_limits *limits, struct tls *tls,
                                  struct listener **out, struct fault *why);

/* Connections that are accepted a moment from now begin with `tls`; takes a reference.  Only where there was one. */
void listener_set_tls(struct listener *l, struct tls *tls);

const char *listener_address(const struct listener *l); /* with the port in use */

/* No new connections; GOAWAY (or Connection: close) on those open; returns at once. */
void listener_drain(struct listener *l);

/* Connections still open, for the drain at shutdown and for metrics. */
int64_t listener_connections(const struct listener *l);

/* Closes what is left.  The loops must still run. */
void listener_free(struct listener *l);
