/*
 * What a unary call costs the server: serves one small method, inline and by a worker, until its standard input ends,
 * then tells the CPU time of the whole process per call.
 *
 *     mkfifo in; rpc_bench < in > out &                      prints the address and a body for each dialect
 *     h2load -c10 -m10 -n200000 -d /tmp/body -H 'content-type: application/grpc' http://ADDRESS/querier.v1...
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/metric.h"
#include "net/listen.h"
#include "net/loop.h"
#include "proto/descriptors.h"
#include "proto/querier.pb-c.h"
#include "rpc/server.h"

static _Atomic long n_calls;

static void answer(struct call *c, const ProtobufCMessage *request)
{
    const Types__V1__LabelValuesRequest *q = (const void *)request;
    Types__V1__LabelValuesResponse       r = TYPES__V1__LABEL_VALUES_RESPONSE__INIT;
    char                                *names[] = { q->name, q->name };

    r.names = names;
    r.n_names = 2;
    atomic_fetch_add_explicit(&n_calls, 1, memory_order_relaxed);
    call_reply(c, &r.base);
}

static const struct method methods[] = {
    { "/querier.v1.QuerierService/LabelValues", &types__v1__label_values_request__descriptor,
      &types__v1__label_values_response__descriptor, LANE_INLINE, 0, answer },
    { "/querier.v1.QuerierService/LabelNames", &types__v1__label_values_request__descriptor,
      &types__v1__label_values_response__descriptor, LANE_QUERY, 0, answer },
};

static double cpu_us(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Each line of input is the end of a measurement. */
static void measure(void)
{
    double before_us = cpu_us();
    long   before = n_calls;
    char   line[256];

    while (fgets(line, sizeof line, stdin) != NULL) {
        double now_us = cpu_us();
        long   now = n_calls;
        if (now > before)
            printf("%ld calls, %.2f us of CPU each: %s", now - before, (now_us - before_us) / (double)(now - before),
                   line);
        fflush(stdout);
        before_us = now_us;
        before = now;
    }
}

int main(void)
{
    struct fault       why;
    struct rpc_server *server;
    struct listener   *listener;
    struct loop       *loop = loop_new(0);
    size_t             n;
    const uint8_t     *set = proto_descriptors(&n);
    struct rpc_config  config = { .methods = methods,
                                  .n_methods = 2,
                                  .descriptors = slice_make(set, n),
                                  .query_workers = 1,
                                  .request_bytes_max = 1 << 20,
                                  .inflight_bytes_max = 1 << 30 };

    if (rpc_server_new(&config, &server, &why) != CODE_OK)
        return 1;
    struct http_app app = rpc_server_app(server, RPC_FACES_ALL);
    loop_start(loop);
    if (listener_new("127.0.0.1:0", &loop, 1, &app, &http_limits_default, NULL, &listener, &why) != CODE_OK)
        return 1;
    printf("%s\n", listener_address(listener));
    fflush(stdout);
    measure();
    listener_free(listener);
    loop_stop(loop);
    rpc_server_free(server);
    loop_free(loop);
    return 0;
}
