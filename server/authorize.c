#include "server/authorize.h"

#include <stdint.h>

#include "server/policy.h"
#include "server/principal.h"
#include "server/services.h"
#include "server/wiring.h"
#include "tenant/tenant_id.h"
#include "wire/json.h"

enum door { DOOR_READ, DOOR_WRITE, DOOR_PEER, DOOR_KNOWN, DOOR_OPEN };

struct place {
    struct slice path; /* a whole path, or with a '/' or '.' at its end (and not alone) the beginning of some */
    enum door    door;
    unsigned     faces; /* of the listeners that show it */
};

static const struct place places[] = {
    { { "/", 1 }, DOOR_OPEN, FACES_ALL },
    { { "/push.v1.", 9 }, DOOR_WRITE, FACE_PUBLIC },
    { { "/ingest", 7 }, DOOR_WRITE, FACE_PUBLIC },
    { { "/pyroscope/ingest", 17 }, DOOR_WRITE, FACE_PUBLIC },
    { { "/hearth.shard.", 14 }, DOOR_PEER, FACE_INTERNAL },
    { { "/config", 7 }, DOOR_KNOWN, FACE_ADMIN },
    { { "/api/v1/status/config", 21 }, DOOR_KNOWN, FACE_ADMIN },
    { { "/api/v1/status/config/", 22 }, DOOR_KNOWN, FACE_ADMIN },
    { { "/shards", 7 }, DOOR_KNOWN, FACE_ADMIN },
    { { "/services", 9 }, DOOR_KNOWN, FACE_ADMIN },
    { { "/ready", 6 }, DOOR_OPEN, FACES_ALL },
    { { "/healthy", 8 }, DOOR_OPEN, FACES_ALL },
    { { "/-/", 3 }, DOOR_OPEN, FACES_ALL },
    { { "/metrics", 8 }, DOOR_OPEN, FACE_ADMIN },
    { { "/api/v1/status/buildinfo", 24 }, DOOR_OPEN, FACES_ALL },
    { { "/grpc.", 6 }, DOOR_OPEN, FACES_ALL },
};

static struct place place_of(struct slice path)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct slice p = places[i].path;
        char         last = p.p[p.n - 1];
        bool         is_prefix = p.n > 1 && (last == '/' || last == '.');
        if (is_prefix ? slice_starts(path, p) : slice_eq(path, p))
            return places[i];
    }
    return (struct place){ path, DOOR_READ, FACE_PUBLIC }; /* what nobody thought of needs a tenant and a token */
}

unsigned authorize_faces(const char *path) { return place_of(slice_of(path)).faces; }

/* The password in "user:password", from base64; empty when there is none. */
static struct slice basic_password(struct slice encoded, struct arena *a)
{
    uint8_t *out = arena_alloc(a, encoded.n / 4 * 3 + 3);
    size_t   n;

    if (!base64_decode(encoded, out, &n))
        return (struct slice){ 0 };
    struct slice pair = slice_make(out, n);
    size_t       colon = slice_find(pair, SLICE(":"));
    return colon < n ? slice_from(pair, colon + 1) : (struct slice){ 0 };
}

struct slice authorize_secret(struct call *c)
{
    struct slice field = slice_trim(call_field(c, "authorization"));
    size_t       blank = slice_find(field, SLICE(" "));

    if (blank == field.n)
        return (struct slice){ 0 };
    struct slice scheme = slice_make(field.p, blank), rest = slice_trim(slice_from(field, blank));
    if (slice_eq_nocase(scheme, SLICE("bearer")))
        return rest;
    if (slice_eq_nocase(scheme, SLICE("basic")))
        return basic_password(rest, call_arena(c));
    return (struct slice){ 0 };
}

/* Fills in the tenants of `p`. */
static enum code find_tenants(struct call *c, struct server *s, struct slice secret, enum door door,
                              struct principal *p, struct fault *why)
{
    struct arena *a = call_arena(c);
    struct slice  named = slice_trim(call_field(c, "x-scope-orgid")), *ids;

    if (!server_config(s)->multitenancy)
        named = TENANT_ANONYMOUS;
    else if (named.n == 0)
        named = policy_only_tenant(server_policy(s), secret, a);
    enum code code = tenant_ids_parse(named, a, &ids, &p->n_tenants, why);
    if (code != CODE_OK)
        return code;
    p->tenants = ids;
    if (door == DOOR_WRITE && p->n_tenants > 1)
        return fail(why, CODE_UNAUTHENTICATED, "multiple org IDs present");
    return CODE_OK;
}

static enum code admit_tenants(struct call *c, struct server *s, enum door door, struct fault *why)
{
    struct principal *p = arena_zalloc(call_arena(c), sizeof *p);
    struct slice      secret = authorize_secret(c);
    enum code         code = find_tenants(c, s, secret, door, p, why);

    if (code == CODE_OK)
        code = policy_check(server_policy(s), secret, door == DOOR_WRITE ? TOKEN_WRITE : TOKEN_READ, p->tenants,
                            p->n_tenants, why);
    if (code != CODE_OK)
        return code;
    policy_limits(server_policy(s), p->tenants, p->n_tenants, &p->limits);
    call_set_user(c, p);
    return CODE_OK;
}

static bool list_names(struct slice list, struct slice name)
{
    while (list.n > 0) {
        struct slice item = slice_make(list.p, slice_find(list, SLICE(",")));
        if (name.n > 0 && slice_eq(slice_trim(item), name))
            return true;
        list = slice_from(list, item.n < list.n ? item.n + 1 : item.n);
    }
    return false;
}

/* A process of the cluster is known by its certificate or by the cluster's token. */
static enum code admit_peer(struct call *c, struct server *s, struct fault *why)
{
    const struct config *config = server_config(s);
    struct slice         list = slice_of(config->auth_cluster_names);
    size_t               n;
    const struct slice  *names = call_peer_names(c, &n);

    for (size_t i = 0; i < n; i++)
        if (list_names(list, names[i]))
            return CODE_OK;
    if (list.n > 0 && config->auth_cluster_token_file[0] == '\0')
        return fail(why, CODE_PERMISSION_DENIED,
                    "only peers of this cluster, known by their certificates, may call this service");
    return policy_check_peer(server_policy(s), authorize_secret(c), why);
}

enum code authorize(struct call *c, const char *path, struct fault *why)
{
    struct server *s = app_of(c)->server;
    enum door      door = place_of(slice_of(path)).door;

    switch (door) {
    case DOOR_OPEN:
        return CODE_OK;
    case DOOR_PEER:
        return admit_peer(c, s, why);
    case DOOR_KNOWN:
        return policy_check_any(server_policy(s), authorize_secret(c), why);
    default:
        return admit_tenants(c, s, door, why);
    }
}
