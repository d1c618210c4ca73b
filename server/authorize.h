/*
 * Authorize: the door of every call.  Finds out for whom it acts and whether it may, and leaves a struct principal.
 *
 *     path             door      what is asked
 *     /ready ...       open      nothing: probes, metrics, health, reflection, the front page
 *     /config ...      known     with --auth.tokens-file any known token
 *     /hearth.shard.*  peer      the cluster's token, when there is one
 *     push, /ingest    write     one tenant, a token that may write for it
 *     everything else  read      tenants, a token that may read them all
 *
 * The tenant is X-Scope-OrgID with --multitenancy (`a|b` for reads), `anonymous` without; a token bound to one tenant
 * may leave the header out.  The token is a bearer token, or the password of HTTP basic authentication, which is all
 * that some SDKs can send; then the user name is not looked at.
 */
#pragma once

#include "rpc/server.h"

authorize_fn authorize;
faces_fn     authorize_faces; /* where a path is shown: bits of server/listen_list.h */

/* The token a call shows; empty: none.  What had to be decoded is in the call's arena. */
struct slice authorize_secret(struct call *c);
