/*
 * What a unary call costs the server: serves one small method on one loop, answered there (LabelValues) and by a worker
 * (LabelNames), until its standard input ends.
 *
 *     rpc_bench [--tls]      prints its address; loadtest/rpc.py drives it and reads its CPU clock
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/listen.h"
#include "net/loop.h"
#include "net/test_pem.h"
#include "net/tls.h"
#include "proto/descriptors.h"
#include "proto/querier.pb-c.h"
#include "rpc/server.h"

static void answer(struct call *c, const ProtobufCMessage *request)
{
    const Types__V1__LabelValuesRequest *q = (const void *)request;
    Types__V1__LabelValuesResponse       r = TYPES__V1__LABEL_VALUES_RESPONSE__INIT;
    char                                *names[] = { q->name, q->name };

    r.names = names;
    r.n_names = 2;
    call_reply(c, &r.base);
}

static const struct method methods[] = {
    { "/querier.v1.QuerierService/LabelValues", &types__v1__label_values_request__descriptor,
      &types__v1__label_values_response__descriptor, LANE_INLINE, 0, answer, NULL },
    { "/querier.v1.QuerierService/LabelNames", &types__v1__label_values_request__descriptor,
      &types__v1__label_values_response__descriptor, LANE_QUERY, 0, answer, NULL },
};

/* With a certificate of its own making. */
static struct tls *tls_make(void)
{
    struct test_pem   pem = pem_new("localhost", "DNS:localhost,IP:127.0.0.1", NULL, -60, 86400);
    struct tls_config config = { .cert = buf_view(&pem.cert_pem), .key = buf_view(&pem.key_pem) };
    struct tls       *tls;
    struct fault      why;

    if (tls_server_new(&config, &tls, &why) != CODE_OK)
        exit(1);
    pem_free(&pem);
    return tls;
}

int main(int argc, char **argv)
{
    struct tls        *tls = argc > 1 && strcmp(argv[1], "--tls") == 0 ? tls_make() : NULL;
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
    char               c;

    if (rpc_server_new(&config, &server, &why) != CODE_OK)
        return 1;
    struct http_app app = rpc_server_app(server, RPC_FACES_ALL);
    loop_start(loop);
    if (listener_new("127.0.0.1:0", &loop, 1, &app, &http_limits_default, tls, &listener, &why) != CODE_OK)
        return 1;
    printf("%s\n", listener_address(listener));
    fflush(stdout);
    while (read(STDIN_FILENO, &c, 1) > 0)
        continue;
    listener_free(listener);
    tls_unref(tls);
    loop_stop(loop);
    rpc_server_free(server);
    loop_free(loop);
    return 0;
}
