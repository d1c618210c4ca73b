/*
 * Configuration: what this process was told.  One table (config.c) drives the flags, the file, --help and /config.
 *
 *     defaults  <  --config.file  <  flags
 *
 * Read at start, and again on SIGHUP: then only `limits`, with retention and log mode, and what stands in other files (tokens, shard map) take
 * effect.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "server/listen_list.h"
#include "server/option.h"
#include "tenant/limits.h"

enum client_auth { CLIENT_AUTH_REQUIRE, CLIENT_AUTH_OPTIONAL };

enum { TARGET_ALL = 1, TARGET_FRONTEND = 2, TARGET_SHARD = 4, TARGET_QUERIER = 8 };

struct config {
    unsigned    targets; /* as written */
    const char *listen, *listeners;
    const char *tls_cert_file, *tls_key_file, *tls_ca_file;
    int         tls_client_auth; /* enum client_auth */
    const char *peers_ca_file, *peers_cert_file, *peers_key_file;
    const char *data_dir;
    int         data_damaged_blocks; /* enum block_damage */
    int64_t     wal_interval_ns, wal_segment_bytes;
    const char *shard_map;
    const char *shard_name;
    bool        multitenancy;
    int64_t     memory_limit_bytes;
    int         log_format; /* 0 logfmt, 1 json */
    int         log_level;  /* enum log_level */
    const char *auth_tokens_file;
    const char *auth_cluster_token_file, *auth_cluster_names;
    bool        self_profile;
    int64_t     shutdown_delay_ns;
    int64_t     net_loops;
    int64_t     net_connections_max, net_connections_per_address;
    const char *net_exempt_networks;
    int64_t     net_connection_age_max_ns;
    int64_t     workers_decode, workers_query;
    int64_t     debug_query_delay_ns;

    struct limits limits;
    const char   *limits_overrides;

    struct listen_list listening; /* what `listen` or `listeners` come to */

    /* commands */
    const char *config_file;
    bool        config_check, help, version, hash_token;
};

extern const struct option_table config_table;

/*
 * Reads flags and the file they name, and checks that it all fits together.  Texts are in `a`.  `auto` values are still
 * OPTION_IS_AUTO (config_settle).  INVALID_ARGUMENT: what is wrong and where; NOT_FOUND: no such file.
 */
must_check enum code config_load(int argc, char *const *argv, struct arena *a, struct config *out, struct fault *why);

/* The text of a configuration file over what is in `out`; for the fuzzer and config_load. */
must_check enum code config_read(const char *name, struct slice text, struct arena *a, struct config *out,
                                 struct fault *why);

/* Chooses what was `auto`: from the machine, the container's limits and the name of the host. */
void config_settle(struct config *c, struct arena *a);

/* Does this part run here?  `all` is every one of them. */
bool config_has(const struct config *c, unsigned target);

/* Can only this machine connect to any listener? */
bool config_is_loopback(const struct config *c);

/* The whole of a small file.  NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT (over `bytes_max`, not a file). */
must_check enum code file_read(const char *path, size_t bytes_max, struct arena *a, struct slice *out,
                               struct fault *why);
