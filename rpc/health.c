/*
 * grpc.health.v1: the whole server by the empty name, and each service that is served by its own.
 */
#include "base/clock.h"
#include "proto/health.pb-c.h"
#include "rpc/server_priv.h"

typedef Grpc__Health__V1__HealthCheckRequest  check_request;
typedef Grpc__Health__V1__HealthCheckResponse check_response;

static Grpc__Health__V1__HealthCheckResponse__ServingStatus status_of(struct rpc_server *s)
{
    return atomic_load(&s->is_ready) ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
                                     : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
}

static bool is_service(const struct call *c, struct slice name)
{
    struct slice service;

    for (size_t i = 0; (service = call_service(c, i)).n > 0; i++)
        if (slice_eq(service, name))
            return true;
    return name.n == 0;
}

static void check(struct call *c, const ProtobufCMessage *request)
{
    const char    *name = ((const check_request *)request)->service;
    check_response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    struct fault   why;

    if (!is_service(c, slice_of(name))) {
        (void)fail(&why, CODE_NOT_FOUND, "no service \"%s\" here", name);
        call_fail(c, &why);
        return;
    }
    response.status = status_of(call_server(c));
    call_reply(c, &response.base);
}

enum { LISTED_MAX = 64 };

static void list(struct call *c, const ProtobufCMessage *request)
{
    Grpc__Health__V1__HealthListResponse                response = GRPC__HEALTH__V1__HEALTH_LIST_RESPONSE__INIT;
    Grpc__Health__V1__HealthListResponse__StatusesEntry entries[LISTED_MAX], *pointers[LISTED_MAX];
    check_response                                      status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    struct slice                                        service = SLICE("");

    (void)request;
    status.status = status_of(call_server(c));
    response.statuses = pointers;
    for (size_t i = 0; i < LISTED_MAX && (i == 0 || service.n > 0); i++) {
        pointers[i] = &entries[i];
        grpc__health__v1__health_list_response__statuses_entry__init(&entries[i]);
        entries[i].key = (char *)arena_copy(call_arena(c), service).p;
        entries[i].value = &status;
        response.n_statuses++;
        service = call_service(c, i);
    }
    call_reply(c, &response.base);
}

/*
 * A watcher is told the status at once and whenever it has changed.  It looks by itself: readiness changes a few times in a
 * process's life, and nobody has to know who watches.
 */
#define WATCH_NS NS_PER_S

struct watcher {
    bool                                              is_known;
    Grpc__Health__V1__HealthCheckResponse__ServingStatus told;
};

static void watch_on(struct call *c)
{
    struct watcher *w = call_user(c);
    check_response  response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

    struct fault    why;

    if (call_is_cancelled(c) || call_server(c)->is_draining) {
        (void)fail(&why, CODE_UNAVAILABLE, "the server is shutting down");
        call_fail(c, &why);
        return;
    }
    response.status = w->is_known ? status_of(call_server(c))
                                  : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN;
    if (response.status != w->told)
        call_send(c, &response.base);
    w->told = response.status;
    call_after(c, WATCH_NS, watch_on);
}

static void watch(struct call *c, const ProtobufCMessage *request)
{
    const char     *name = ((const check_request *)request)->service;
    struct watcher *w = arena_zalloc(call_arena(c), sizeof *w);

    w->is_known = is_service(c, slice_of(name));
    call_set_user(c, w);
    watch_on(c);
}

const struct method *health_methods(size_t *n)
{
    static const struct method methods[] = {
        { "/grpc.health.v1.Health/Check", &grpc__health__v1__health_check_request__descriptor,
          &grpc__health__v1__health_check_response__descriptor, LANE_INLINE, 4096, check, NULL },
        { "/grpc.health.v1.Health/List", &grpc__health__v1__health_list_request__descriptor,
          &grpc__health__v1__health_list_response__descriptor, LANE_INLINE, 4096, list, NULL },
        { "/grpc.health.v1.Health/Watch", &grpc__health__v1__health_check_request__descriptor,
          &grpc__health__v1__health_check_response__descriptor, LANE_INLINE, 4096, watch, NULL },
    };
    *n = sizeof methods / sizeof methods[0];
    return methods;
}
