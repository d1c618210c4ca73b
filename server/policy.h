/*
 * Policy: the rules that may change while the server runs, limits and tokens.
 *
 *     main --policy_set--> rules --epoch--> every call reads them once, at its door
 *
 * O1  One thread, main, sets; rules are immutable once set and die when no reader can hold them.
 * O2  A call sees one set of rules for its whole life: what it needs is copied out.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/fault.h"
#include "base/slice.h"
#include "server/overrides.h"
#include "tenant/limits.h"
#include "tenant/tokens.h"

struct policy;

struct policy *policy_new(void);
void           policy_free(struct policy *p);

/*
 * Main thread.  `overrides` (NULL: none) and `tokens` (NULL: everybody may do everything) pass to the policy; `cluster` is
 * copied (NULL: none).
 */
void policy_set(struct policy *p, const struct limits *limits, struct overrides *overrides, struct tokens *tokens,
                const struct token_hash *cluster);

/* What counts for one tenant, or for several at once: the tightest. */
void policy_limits(struct policy *p, const struct slice *tenants, size_t n_tenants, struct limits *out);
bool policy_has_tokens(struct policy *p);

/* Who shows `secret` (empty: nobody), and may it `scope` for `tenants`?  UNAUTHENTICATED, PERMISSION_DENIED. */
must_check enum code policy_check(struct policy *p, struct slice secret, enum token_scope scope,
                                  const struct slice *tenants, size_t n_tenants, struct fault *why);

/* Any token that the file knows.  UNAUTHENTICATED. */
must_check enum code policy_check_any(struct policy *p, struct slice secret, struct fault *why);

/* The token of the cluster: what a peer shows.  PERMISSION_DENIED; without a tokens file everybody passes. */
must_check enum code policy_check_peer(struct policy *p, struct slice secret, struct fault *why);

/* The one tenant that `secret` is bound to, copied to `a`; empty when it is bound to several, or unknown. */
struct slice policy_only_tenant(struct policy *p, struct slice secret, struct arena *a);
