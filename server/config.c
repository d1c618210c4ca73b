#include "server/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/network.h"
#include "server/container.h"
#include "server/memory_limit.h"

#define AT(field) offsetof(struct config, field)

enum {
    CONFIG_BYTES_MAX = 1 << 20,
    CORES_MAX = 1024,
    CONNECTIONS_MAX = 32768, /* unless told: about 1 GiB, if all of them were busy HTTP/2 ones */
    SEGMENT_BYTES_MIN = 64 << 10,
    SEGMENT_BYTES_MAX = 1 << 30
};

#define COUNT (OPTION_UNLIMITED | OPTION_POSITIVE) /* a limit of 0 would let nothing through */

static const struct option rows[] = {
    { "target", OPTION_LIST, 0, AT(targets), "all", "all|frontend|shard|querier",
      "parts to run: all, or a list of frontend,shard,querier" },
    { "listen", OPTION_TEXT, 0, AT(listen), "127.0.0.1:4040", NULL,
      "address and port; :4040 for every address, port 0 to have one chosen" },
    { "listeners", OPTION_TEXT, 0, AT(listeners), "", NULL,
      "instead of --listen, several: HOST:PORT [tls|mtls] [public] [internal] [admin], ..." },
    { "tls.cert-file", OPTION_TEXT, 0, AT(tls_cert_file), "", NULL,
      "certificate and chain in PEM, read again when it changes; --listen then speaks TLS" },
    { "tls.key-file", OPTION_TEXT, 0, AT(tls_key_file), "", NULL, "its private key, in PEM" },
    { "tls.client-ca-file", OPTION_TEXT, 0, AT(tls_ca_file), "", NULL, "who signs the certificates of clients" },
    { "tls.client-auth", OPTION_ENUM, 0, AT(tls_client_auth), "require", "require|optional",
      "with a client CA, must clients of --listen show a certificate: require or optional" },
    { "peers.ca-file", OPTION_TEXT, 0, AT(peers_ca_file), "", NULL,
      "who signs the certificates of shards; with it they are spoken to in TLS" },
    { "peers.cert-file", OPTION_TEXT, 0, AT(peers_cert_file), "", NULL, "the certificate that shards are shown" },
    { "peers.key-file", OPTION_TEXT, 0, AT(peers_key_file), "", NULL, "its private key" },
    { "data.dir", OPTION_TEXT, 0, AT(data_dir), "", NULL,
      "folder of a shard, locked while it runs, with its log; without one a restart loses every profile" },
    { "data.damaged-blocks", OPTION_ENUM, 0, AT(data_damaged_blocks), "refuse", "refuse|set-aside",
      "what a start does with a damaged block file: refuse to go on, or rename it to .damaged and go on without it" },
    { "wal.mode", OPTION_ENUM, 0, AT(limits.wal_mode), "sync", "sync|interval|memory",
      "a push is answered when it is: sync: on the disk; interval: written; memory: in memory, never logged" },
    { "wal.interval", OPTION_DURATION, OPTION_POSITIVE, AT(wal_interval_ns), "50ms", NULL,
      "of mode interval: on the disk no later than this, so what a power cut may lose" },
    { "wal.segment-bytes", OPTION_BYTES, OPTION_POSITIVE, AT(wal_segment_bytes), "16MiB", NULL,
      "size of one file of the log, 64KiB to 1GiB" },
    { "shard-map", OPTION_TEXT, 0, AT(shard_map), "", NULL,
      "file that says which shard owns what; re-read when it changes" },
    { "shard.name", OPTION_TEXT, 0, AT(shard_name), "auto", NULL,
      "which shard of the map this is; auto: $HOSTNAME, or the host's name; without a map hearth-shard-0" },
    { "multitenancy", OPTION_BOOL, 0, AT(multitenancy), "false", NULL,
      "tenants by X-Scope-OrgID; otherwise all is tenant anonymous" },
    { "retention", OPTION_DURATION, OPTION_UNLIMITED | OPTION_POSITIVE, AT(limits.retention_ns), "unlimited", NULL,
      "drop profiles older than this" },
    { "retention-bytes", OPTION_BYTES, OPTION_UNLIMITED | OPTION_POSITIVE, AT(limits.retention_bytes), "unlimited",
      NULL, "drop a tenant's oldest profiles when a shard holds more of it, in memory and on disk" },
    { "memory-limit", OPTION_BYTES, OPTION_AUTO | OPTION_POSITIVE, AT(memory_limit_bytes), "auto", NULL,
      "most memory to use; the oldest profiles go first; auto: 80% of the container's limit, or half of the machine" },
    { "shutdown-delay", OPTION_DURATION, OPTION_AUTO, AT(shutdown_delay_ns), "auto", NULL,
      "go on serving this long after SIGTERM while /ready says no; auto: 0 on loopback, else 10s" },
    { "self-profile", OPTION_BOOL, 0, AT(self_profile), "false", NULL, "profile this process, as service hearth" },
    { "log.format", OPTION_ENUM, 0, AT(log_format), "logfmt", "logfmt|json", "logfmt or json, to standard error" },
    { "log.level", OPTION_ENUM, 0, AT(log_level), "info", "debug|info|warn|error", "debug, info, warn or error" },
    { "auth.tokens-file", OPTION_TEXT, 0, AT(auth_tokens_file), "", NULL,
      "hashed bearer tokens and their tenants; without it everybody may do everything" },
    { "auth.cluster-token-file", OPTION_TEXT, 0, AT(auth_cluster_token_file), "", NULL,
      "a secret that frontends, queriers and shards of one cluster share" },
    { "auth.cluster-names", OPTION_TEXT, 0, AT(auth_cluster_names), "", NULL,
      "comma list: a client certificate that bears one of these names is a process of the cluster, as the token is" },
    { "auth.hash-token", OPTION_BOOL, OPTION_COMMAND, AT(hash_token), "false", NULL,
      "read a token from standard input, print its hash for the tokens file, and exit" },
    { "net.loops", OPTION_INT, OPTION_AUTO | OPTION_POSITIVE, AT(net_loops), "auto", NULL,
      "threads for connections; auto: one for every two cores that the process may use" },
    { "net.connections-max", OPTION_INT, OPTION_AUTO | COUNT, AT(net_connections_max), "auto", NULL,
      "most open at once; auto: three quarters of the file descriptors, at most 32768" },
    { "net.connections-per-address", OPTION_INT, COUNT, AT(net_connections_per_address), "unlimited", NULL,
      "connections open at once from one address (of IPv6 a /64); behind an Ingress everybody is one address" },
    { "net.exempt-networks", OPTION_TEXT, 0, AT(net_exempt_networks), "", NULL,
      "networks that net.connections-per-address does not count: 10.0.0.0/8, fd00::/8" },
    { "net.connection-age-max", OPTION_DURATION, COUNT, AT(net_connection_age_max_ns), "1h", NULL,
      "age at which (or up to a tenth before) a client is asked to take another connection" },
    { "workers.decode", OPTION_INT, OPTION_AUTO | OPTION_POSITIVE, AT(workers_decode), "auto", NULL,
      "threads for profiles on their way in; auto: one for each core" },
    { "workers.query", OPTION_INT, OPTION_AUTO | OPTION_POSITIVE, AT(workers_query), "auto", NULL,
      "threads for queries; auto: one for each core" },
    { "limits.ingestion_rate_mb", OPTION_MB, COUNT, AT(limits.ingestion_rate_bytes), "unlimited", NULL,
      "MiB a second that a tenant may push" },
    { "limits.ingestion_burst_size_mb", OPTION_MB, OPTION_POSITIVE, AT(limits.ingestion_burst_bytes), "2", NULL,
      "MiB at once; at least one profile of the largest size passes" },
    { "limits.ingestion_body_limit_mb", OPTION_MB, COUNT, AT(limits.ingestion_body_limit_bytes), "256", NULL,
      "MiB of one request, unpacked" },
    { "limits.max_label_names_per_series", OPTION_INT, COUNT, AT(limits.max_label_names_per_series), "30", NULL,
      "labels of a series" },
    { "limits.max_label_name_length", OPTION_INT, COUNT, AT(limits.max_label_name_length), "1024", NULL,
      "bytes of a label's name" },
    { "limits.max_label_value_length", OPTION_INT, COUNT, AT(limits.max_label_value_length), "2048", NULL,
      "bytes of a label's value" },
    { "limits.max_sessions_per_series", OPTION_INT, 0, AT(limits.max_sessions_per_series), "0", NULL,
      "session ids kept apart; 0: the label __session_id__ is removed" },
    { "limits.max_profile_size_bytes", OPTION_BYTES, COUNT, AT(limits.max_profile_size_bytes), "4MiB", NULL,
      "bytes of one profile, unpacked" },
    { "limits.max_profile_stacktrace_samples", OPTION_INT, COUNT, AT(limits.max_profile_stacktrace_samples), "16000",
      NULL, "samples of one profile; above: refused" },
    { "limits.max_profile_stacktrace_sample_labels", OPTION_INT, COUNT, AT(limits.max_profile_stacktrace_sample_labels),
      "100", NULL, "labels of one sample; above: refused" },
    { "limits.max_profile_stacktrace_depth", OPTION_INT, COUNT, AT(limits.max_profile_stacktrace_depth), "1000", NULL,
      "frames of a stack; above: leaf frames are cut" },
    { "limits.max_profile_symbol_value_length", OPTION_INT, COUNT, AT(limits.max_profile_symbol_value_length), "65535",
      NULL, "bytes of a name in a profile; above: the last ones stay" },
    { "limits.reject_older_than", OPTION_DURATION, OPTION_UNLIMITED, AT(limits.reject_older_than_ns), "1h", NULL,
      "refuse profiles from before; 0: take any" },
    { "limits.reject_newer_than", OPTION_DURATION, OPTION_UNLIMITED, AT(limits.reject_newer_than_ns), "10m", NULL,
      "refuse profiles from the future; 0: take any" },
    { "limits.disable_label_sanitization", OPTION_BOOL, 0, AT(limits.disable_label_sanitization), "true", NULL,
      "take any UTF-8 label name as it is" },
    { "limits.max_query_length", OPTION_DURATION, COUNT, AT(limits.max_query_length_ns), "1d", NULL,
      "longest range of a query" },
    { "limits.max_query_lookback", OPTION_DURATION, COUNT, AT(limits.max_query_lookback_ns), "7d", NULL,
      "how far back a query looks" },
    { "limits.max_flamegraph_nodes_default", OPTION_INT, OPTION_POSITIVE, AT(limits.max_flamegraph_nodes_default),
      "8192", NULL, "nodes of a flame graph when the query does not say" },
    { "limits.max_flamegraph_nodes_max", OPTION_INT, COUNT, AT(limits.max_flamegraph_nodes_max), "1048576", NULL,
      "most nodes a query may ask for" },
    { "limits.overrides", OPTION_TEXT, 0, AT(limits_overrides), "", NULL,
      "file with the limits, retention and log mode of single tenants, `overrides: {TENANT: {NAME: VALUE}}`; read "
      "again on "
      "SIGHUP" },
    { "config.file", OPTION_TEXT, OPTION_COMMAND, AT(config_file), "", NULL,
      "YAML with these names; flags win over it" },
    { "config.check", OPTION_BOOL, OPTION_COMMAND, AT(config_check), "false", NULL,
      "say whether the configuration is good (status 0 or 1) and exit" },
    { "version", OPTION_BOOL, OPTION_COMMAND, AT(version), "false", NULL, "print the version and exit" },
    { "help", OPTION_BOOL, OPTION_COMMAND, AT(help), "false", NULL, "print this and exit" },
    { "debug.query-delay", OPTION_DURATION, OPTION_HIDDEN, AT(debug_query_delay_ns), "0", NULL,
      "for tests: a shard waits this long before it answers a query" },
};

const struct option_table config_table = { rows, sizeof rows / sizeof *rows };

static enum code file_fail(const char *path, struct fault *why)
{
    enum code code = errno == ENOENT   ? CODE_NOT_FOUND
                     : errno == EACCES ? CODE_PERMISSION_DENIED
                                       : CODE_INVALID_ARGUMENT;

    return fail(why, code, "%s: %s", path, strerror(errno));
}

enum code file_read(const char *path, size_t bytes_max, struct arena *a, struct slice *out, struct fault *why)
{
    enum code code = CODE_OK;
    size_t    n = 0;
    ssize_t   got = 1;
    int       fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return file_fail(path, why);
    char *text = arena_alloc(a, bytes_max + 1);
    while (n <= bytes_max && (got = read(fd, text + n, bytes_max + 1 - n)) > 0)
        n += (size_t)got;
    if (got < 0)
        code = file_fail(path, why);
    else if (n > bytes_max)
        code = fail(why, CODE_INVALID_ARGUMENT, "%s: larger than %zu bytes", path, bytes_max);
    close(fd);
    *out = slice_make(text, n);
    return code;
}

bool config_has(const struct config *c, unsigned target) { return (c->targets & (target | TARGET_ALL)) != 0; }

bool config_is_loopback(const struct config *c)
{
    for (size_t i = 0; i < c->listening.n; i++)
        if (!listen_at_is_loopback(&c->listening.at[i]))
            return false;
    return true;
}

enum code config_read(const char *name, struct slice text, struct arena *a, struct config *out, struct fault *why)
{
    return option_read_yaml(config_table, out, name, text, a, why);
}

/* --listen is a list of one, in TLS when a certificate is named. */
static enum code make_list(struct config *c, struct arena *a, struct fault *why)
{
    bool has_cert = c->tls_cert_file[0] != '\0', is_mutual = c->tls_ca_file[0] != '\0';

    if (c->listeners[0] != '\0')
        return listen_list_parse(slice_of(c->listeners), a, &c->listening, why);
    is_mutual = is_mutual && c->tls_client_auth == CLIENT_AUTH_REQUIRE;
    c->listening = (struct listen_list){ .n = 1 };
    c->listening.at[0] =
        (struct listen_at){ .address = c->listen,
                            .how = !has_cert ? LISTEN_CLEAR : is_mutual ? LISTEN_MTLS : LISTEN_TLS,
                            .faces = FACES_ALL };
    return CODE_OK;
}

static enum code check_pair(const char *section, const char *cert, const char *key, struct fault *why)
{
    if ((cert[0] == '\0') == (key[0] == '\0'))
        return CODE_OK;
    return fail(why, CODE_INVALID_ARGUMENT, "%s.cert-file and %s.key-file: one without the other", section, section);
}

static enum code check_tls(const struct config *c, struct fault *why)
{
    bool has_cert = c->tls_cert_file[0] != '\0', has_ca = c->tls_ca_file[0] != '\0';
    bool has_tls = listen_list_has(&c->listening, LISTEN_TLS), has_mtls = listen_list_has(&c->listening, LISTEN_MTLS);

    if (check_pair("tls", c->tls_cert_file, c->tls_key_file, why) != CODE_OK ||
        check_pair("peers", c->peers_cert_file, c->peers_key_file, why) != CODE_OK)
        return CODE_INVALID_ARGUMENT;
    if ((has_tls || has_mtls) && !has_cert)
        return fail(why, CODE_INVALID_ARGUMENT, "listeners: tls and mtls need --tls.cert-file and --tls.key-file");
    if (has_mtls && !has_ca)
        return fail(why, CODE_INVALID_ARGUMENT, "listeners: mtls needs --tls.client-ca-file");
    if ((has_cert || has_ca) && !has_tls && !has_mtls)
        return fail(why, CODE_INVALID_ARGUMENT, "tls.cert-file, tls.client-ca-file: no listener speaks TLS");
    if (c->peers_cert_file[0] != '\0' && c->peers_ca_file[0] == '\0')
        return fail(why, CODE_INVALID_ARGUMENT, "peers.cert-file: TLS to shards also needs --peers.ca-file");
    return CODE_OK;
}

static enum code check_networks(const char *text, struct fault *why)
{
    struct arena          *a = arena_new(0);
    const struct networks *list;
    struct fault           wrong;
    enum code              code = networks_parse(slice_of(text), a, &list, &wrong);

    arena_free(a);
    return code == CODE_OK ? CODE_OK : fail(why, code, "net.exempt-networks: %s", wrong.text);
}

/* What each value alone cannot show. */
static enum code check(const struct config *c, struct fault *why)
{
    bool has_map = c->shard_map[0] != '\0';

    if (!has_map && !config_has(c, TARGET_SHARD))
        return fail(why, CODE_INVALID_ARGUMENT,
                    "target: a process without a shard needs --shard-map to find the shards");
    if (has_map && c->auth_tokens_file[0] != '\0' && c->auth_cluster_token_file[0] == '\0' &&
        c->auth_cluster_names[0] == '\0')
        return fail(why, CODE_INVALID_ARGUMENT,
                    "auth.tokens-file: with --shard-map the processes also need --auth.cluster-token-file or "
                    "--auth.cluster-names to know each other");
    if (c->auth_cluster_names[0] != '\0' && c->tls_ca_file[0] == '\0')
        return fail(why, CODE_INVALID_ARGUMENT, "auth.cluster-names: nobody's certificate is asked for without --tls.client-ca-file");
    if (c->limits.max_flamegraph_nodes_default > c->limits.max_flamegraph_nodes_max)
        return fail(why, CODE_INVALID_ARGUMENT,
                    "limits.max_flamegraph_nodes_default: more than limits.max_flamegraph_nodes_max");
    if (c->memory_limit_bytes != OPTION_IS_AUTO && c->memory_limit_bytes < MEMORY_LIMIT_MIN)
        return fail(why, CODE_INVALID_ARGUMENT, "memory-limit: at least %lldMiB", (long long)(MEMORY_LIMIT_MIN >> 20));
    if (c->wal_segment_bytes < SEGMENT_BYTES_MIN || c->wal_segment_bytes > SEGMENT_BYTES_MAX)
        return fail(why, CODE_INVALID_ARGUMENT, "wal.segment-bytes: from 64KiB to 1GiB");
    if (check_tls(c, why) != CODE_OK || check_networks(c->net_exempt_networks, why) != CODE_OK)
        return CODE_INVALID_ARGUMENT;
    if (c->net_loops > CORES_MAX || c->workers_decode > CORES_MAX || c->workers_query > CORES_MAX)
        return fail(why, CODE_INVALID_ARGUMENT, "net.loops, workers.decode, workers.query: at most %d", CORES_MAX);
    return CODE_OK;
}

enum code config_load(int argc, char *const *argv, struct arena *a, struct config *out, struct fault *why)
{
    struct config flags = { 0 };
    struct slice  text = { 0 };
    enum code     code;

    option_defaults(config_table, &flags, a);
    option_defaults(config_table, out, a);
    code =
        option_read_flags(config_table, &flags, argc, argv, a, why); /* only to learn the file's name, and of faults */
    if (code == CODE_OK && flags.config_file[0] != '\0') {
        code = file_read(flags.config_file, CONFIG_BYTES_MAX, a, &text, why);
        if (code == CODE_OK)
            code = config_read(flags.config_file, text, a, out, why);
    }
    if (code == CODE_OK)
        code = option_read_flags(config_table, out, argc, argv, a, why);
    if (code != CODE_OK || out->help || out->version || out->hash_token)
        return code;
    limits_settle(&out->limits);
    code = make_list(out, a, why);
    return code == CODE_OK ? check(out, why) : code;
}

/* The whole host name: a pod of a StatefulSet is called what the map calls its shard. */
static const char *host_name(struct arena *a)
{
    char        text[256] = "";
    const char *from_env = getenv("HOSTNAME");

    if (from_env != NULL && from_env[0] != '\0')
        return arena_copy(a, slice_of(from_env)).p;
    if (gethostname(text, sizeof text - 1) != 0 || text[0] == '\0')
        return "localhost";
    return arena_copy(a, slice_of(text)).p;
}

static int64_t connections_choose(void)
{
    struct rlimit files = { 0 };

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
        return CONNECTIONS_MAX;
    int64_t fits = (int64_t)(files.rlim_cur / 4 * 3);
    return fits < CONNECTIONS_MAX ? fits : CONNECTIONS_MAX;
}

static void choose_count(int64_t *count, int64_t n)
{
    if (*count == OPTION_IS_AUTO)
        *count = n;
}

void config_settle(struct config *c, struct arena *a)
{
    int64_t allowed = container_cores(""), cores = allowed > CORES_MAX ? CORES_MAX : allowed;

    if (strcmp(c->shard_name, "auto") == 0) /* alone its name must outlive the host's, which a container changes */
        c->shard_name = c->shard_map[0] != '\0' ? host_name(a) : "hearth-shard-0";
    if (c->memory_limit_bytes == OPTION_IS_AUTO)
        c->memory_limit_bytes = memory_limit_choose();
    if (c->shutdown_delay_ns == OPTION_IS_AUTO)
        c->shutdown_delay_ns = config_is_loopback(c) ? 0 : 10 * NS_PER_S;
    if (c->net_connections_max == OPTION_IS_AUTO)
        c->net_connections_max = connections_choose();
    choose_count(&c->net_loops, (cores + 1) / 2); /* docs/decisions/099-loops.md */
    choose_count(&c->workers_decode, cores);
    choose_count(&c->workers_query, cores);
}
