/* Policy files: the tokens, the secret of the cluster and the overrides of limits, read from where the configuration says. */
#pragma once

#include "server/config.h"
#include "server/policy.h"

/* The first line of a file that holds a secret, in `a`.  INVALID_ARGUMENT: too short; and as by file_read. */
must_check enum code secret_read(const char *path, struct arena *a, struct slice *out, struct fault *why);

/* Reads the tokens and the overrides and sets the policy; on a fault that stays.  `cluster_secret` empty: none. */
must_check enum code policy_read(struct policy *p, const struct config *c, const struct limits *limits,
                                 struct slice cluster_secret, struct fault *why);
