/*
 * Tenant ids: who owns a profile.  At most 150 bytes of [0-9A-Za-z!-_.*'()], not "." or "..": an id may become a
 * folder.
 */
#pragma once

#include "base/arena.h"
#include "base/fault.h"
#include "base/slice.h"

enum { TENANT_ID_BYTES_MAX = 150, TENANTS_MAX = 64 };

#define TENANT_ANONYMOUS SLICE("anonymous") /* everybody, while multitenancy is off */

/* UNAUTHENTICATED: what is wrong with it. */
must_check enum code tenant_id_check(struct slice id, struct fault *why);

/*
 * `a|b|a`: the ids between the bars, each checked; ascending and distinct, in `a`, borrowing `text`.
 * UNAUTHENTICATED: none ("no org id"), a bad one, or more than TENANTS_MAX.
 */
must_check enum code tenant_ids_parse(struct slice text, struct arena *a, struct slice **out, size_t *n,
                                      struct fault *why);
