/*
 * What a lane knows of an address: is it well, and how much may be tried again.
 *
 *     well --five times UNAVAILABLE--> probing --SERVING, or no such service--> well
 *                                        ^ `--not serving, no answer--> left alone, and asked again after 25 .. 250 ms
 *                                        `-----------------------------------'
 *
 * UNAVAILABLE alone ejects nobody: it may be about one method, or somebody behind the peer.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "proto/health.pb-c.h"
#include "rpc/client_priv.h"

#define REST_NS_FIRST (25 * NS_PER_MS)
#define REST_NS_MAX (250 * NS_PER_MS)
#define PROBE_NS (1 * NS_PER_S)

enum { SUSPECT_N = 5, RETRY = 1000, EARNED = RETRY / 10, BUDGET_MAX = 10 * RETRY };

struct rpc_peer *lane_peer(struct lane_client *lane, const char *address)
{
    for (struct rpc_peer *p = lane->peers; p != NULL; p = p->next)
        if (strcmp(p->address, address) == 0)
            return p;
    size_t           n = strlen(address) + 1;
    struct rpc_peer *p = mem_zalloc(sizeof *p + n);
    memcpy(p->address, address, n);
    p->lane = lane;
    p->budget = BUDGET_MAX;
    p->next = lane->peers;
    lane->peers = p;
    return p;
}

void lane_forget_peers(struct lane_client *lane)
{
    while (lane->peers != NULL) {
        struct rpc_peer *p = lane->peers;
        lane->peers = p->next;
        loop_timer_free(p->timer);
        free(p);
    }
}

/* ---- the budget of retries ---- */

void peer_earn(struct rpc_peer *p) { p->budget = p->budget < BUDGET_MAX - EARNED ? p->budget + EARNED : BUDGET_MAX; }

bool peer_spend(struct rpc_peer *p)
{
    if (p->budget < RETRY)
        return false;
    p->budget -= RETRY;
    return true;
}

/* ---- health ---- */

bool peer_takes_calls(const struct rpc_peer *p, struct fault *why)
{
    if (p->is_ejected)
        (void)fail(why, CODE_UNAVAILABLE, "%s gets no calls for now: %s", p->address, p->why);
    return !p->is_ejected;
}

static void probe(void *arg);

static void eject(struct rpc_peer *p)
{
    p->is_ejected = true;
    p->rest_ns = p->rest_ns == 0 ? REST_NS_FIRST : p->rest_ns * 2;
    if (p->rest_ns > REST_NS_MAX)
        p->rest_ns = REST_NS_MAX;
    if (p->timer == NULL)
        p->timer = loop_timer_new(p->lane->loop, probe, p);
    loop_timer_arm(p->timer, p->rest_ns);
}

static void recover(struct rpc_peer *p)
{
    p->is_ejected = false;
    p->n_unavailable = 0;
    p->rest_ns = 0;
    loop_timer_free(p->timer);
    p->timer = NULL;
}

/* A peer that knows no such service, or does not tell us, is well enough to say so. */
static void on_health(void *arg, enum code code, const char *text, bool was_sent, const ProtobufCMessage *message)
{
    const Grpc__Health__V1__HealthCheckResponse *health = (const void *)message;
    struct rpc_peer                             *p = arg;

    (void)was_sent;
    p->is_probing = false;
    if (p->lane->is_closing)
        return;
    if (code == CODE_UNAVAILABLE || code == CODE_DEADLINE_EXCEEDED) {
        snprintf(p->why, sizeof p->why, "%s", text);
        eject(p);
    } else if (code == CODE_OK && health->status != GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING) {
        snprintf(p->why, sizeof p->why, "it says that it is not serving");
        eject(p);
    } else {
        recover(p);
    }
}

static void probe(void *arg)
{
    struct rpc_peer                     *p = arg;
    Grpc__Health__V1__HealthCheckRequest question = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;

    p->is_probing = true;
    stream_call_here(p->lane, &(struct rpc_request){ .address = p->address,
                                                     .path = "/grpc.health.v1.Health/Check",
                                                     .message = &question.base,
                                                     .response = &grpc__health__v1__health_check_response__descriptor,
                                                     .deadline_ns = clock_mono_ns() + PROBE_NS,
                                                     .response_bytes_max = 4096,
                                                     .on_reply = on_health,
                                                     .arg = p });
}

void peer_hear(struct rpc_peer *p, enum code code)
{
    if (code != CODE_UNAVAILABLE)
        p->n_unavailable = 0;
    else if (++p->n_unavailable >= SUSPECT_N && !p->is_probing && !p->is_ejected)
        probe(p);
}
