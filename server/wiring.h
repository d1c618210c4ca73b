/*
 * Wiring: one process put together from the rooms, as its configuration says.
 *
 *     loops (N) --connections--> rpc server --lanes--> services --> router --ring--> writer --> shard
 *                                                                      `--HTTP/2--> other shards
 *
 * W1  server_new builds everything and binds the address; nothing else is started later.  When it returns the server is
 *     ready, or its shard is still loading what is on disk: then /ready says how far it is, and pushes and questions are
 *     refused as unavailable until that is over.
 * W2  Ending is server_lame (not ready, still serving), server_drain (no new connections), then server_free.
 * W3  Main thread only, but for server_state, server_check_loaded, server_config, server_policy, server_tenants and server_app.
 */
#pragma once

#include <stdbool.h>

#include "server/config.h"
#include "server/policy.h"
#include "server/services.h"
#include "tenant/registry.h"

struct server;

/* `config` must outlive the server.  INVALID_ARGUMENT, UNAVAILABLE, FAILED_PRECONDITION: what stands in the way. */
must_check enum code server_new(const struct config *config, struct server **out, struct fault *why);

const char *server_address(const struct server *s, size_t i); /* of the i-th listener, with the port in use; or NULL */

/*
 * Once a second, more often while the shard is loading: the end of that is noticed; a new shard map, new certificates are
 * taken in.  Bad ones are logged once and the old ones stay.
 */
void server_tick(struct server *s);

/* True: what is on disk cannot be used, `why` says so, and nothing can be stored: the process had better end. */
bool server_is_broken(const struct server *s, struct fault *why);

/*
 * Takes in new limits and reads the tokens again.  On a fault both stay as they were.  (The map is server_tick's, and so
 * are the certificates, which it then reads whether they have changed or not.)
 */
must_check enum code server_reload(struct server *s, const struct limits *limits, struct fault *why);

void server_lame(struct server *s);
void server_drain(struct server *s);
bool server_is_drained(const struct server *s);

/* No call in flight (server_is_drained): frees everything. */
void server_free(struct server *s);

/* Any thread.  UNAVAILABLE: the shard is not loaded; how far it is, or why it never will be. */
must_check enum code server_check_loaded(const struct server *s, struct fault *why);

enum server_state { SERVER_STARTING, SERVER_LOADING, SERVER_READY, SERVER_LAME };

enum server_state    server_state(const struct server *s);
const struct config *server_config(const struct server *s);
struct policy       *server_policy(struct server *s);
struct registry     *server_tenants(struct server *s);
struct app          *server_app(struct server *s);

/*
 * Memory that requests are decoded into.  A worker waits, a second at most, until what others hold leaves room,
 * decodes one profile, and then takes what that needed: its own limit bounds by how much the sum may overshoot.
 * Waiting is safe, for those who give back (writer, loops) never wait for a worker; and while workers wait the lane
 * fills and refuses. False: no room came, or the caller's own bytes are all there may be.  A loop does not wait.
 */
must_check bool server_await_memory(const struct server *s, size_t own_bytes, bool may_wait);
bool            server_has_memory(const struct server *s);
void            server_take_memory(struct server *s, size_t bytes);
void            server_give_memory(struct server *s, size_t bytes);
