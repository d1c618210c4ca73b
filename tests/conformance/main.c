/*
 * rpc-conformance: the server that the official Connect conformance runner tests.  It reads one ServerCompatRequest from
 * standard input, answers one ServerCompatResponse and serves until SIGTERM.  Both are preceded by their length, four
 * bytes, big-endian.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/listen.h"
#include "net/loop.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/descriptors.h"
#include "tests/conformance/server_compat.pb-c.h"

typedef Connectrpc__Conformance__V1__ServerCompatRequest order;

static void die(const char *what)
{
    fprintf(stderr, "rpc-conformance: %s\n", what);
    exit(1);
}

static order *read_order(void)
{
    static uint8_t bytes[1 << 20];
    uint8_t        head[4];
    order         *o = NULL;

    if (fread(head, 1, 4, stdin) != 4)
        die("no request on standard input");
    size_t n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (n <= sizeof bytes && fread(bytes, 1, n, stdin) == n)
        o = connectrpc__conformance__v1__server_compat_request__unpack(NULL, n, bytes);
    if (o == NULL)
        die("the request is no ServerCompatRequest");
    return o;
}

static void write_reply(const order *o, const char *address)
{
    Connectrpc__Conformance__V1__ServerCompatResponse r = CONNECTRPC__CONFORMANCE__V1__SERVER_COMPAT_RESPONSE__INIT;
    uint8_t                                           bytes[1 << 16];

    r.host = "127.0.0.1";
    r.port = (uint32_t)atoi(strrchr(address, ':') + 1);
    if (o->use_tls)
        r.pem_cert = o->server_creds->cert;
    size_t n = connectrpc__conformance__v1__server_compat_response__get_packed_size(&r);
    if (n > sizeof bytes - 4)
        die("the certificate is too long");
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(n >> (24 - 8 * i));
    connectrpc__conformance__v1__server_compat_response__pack(&r, bytes + 4);
    if (fwrite(bytes, 1, 4 + n, stdout) != 4 + n || fflush(stdout) != 0)
        die("cannot answer");
}

static struct rpc_server *server_make(const order *o)
{
    size_t             n;
    const uint8_t     *set = conformance_proto_descriptors(&n);
    struct rpc_config  config = { .methods = conformance_methods,
                                  .n_methods = CONFORMANCE_METHODS,
                                  .descriptors = slice_make(set, n),
                                  .query_workers = 2,
                                  .request_bytes_max = o->message_receive_limit ? o->message_receive_limit : 64 << 20,
                                  .inflight_bytes_max = 1 << 30 };
    struct rpc_server *s;
    struct fault       why;

    if (rpc_server_new(&config, &s, &why) != CODE_OK)
        die(why.text);
    return s;
}

static struct slice slice_of_bytes(ProtobufCBinaryData b) { return slice_make(b.data, b.len); }

/* NULL: clear text. */
static struct tls *tls_make(const order *o)
{
    struct tls  *tls = NULL;
    struct fault why;

    if (!o->use_tls)
        return NULL;
    struct tls_config config = { .cert = slice_of_bytes(o->server_creds->cert),
                                 .key = slice_of_bytes(o->server_creds->key),
                                 .ca = slice_of_bytes(o->client_tls_cert),
                                 .clients = o->client_tls_cert.len > 0 ? TLS_CLIENTS_REQUIRED : TLS_CLIENTS_ANY };
    if (tls_server_new(&config, &tls, &why) != CODE_OK)
        die(why.text);
    return tls;
}

int main(void)
{
    struct fault     why;
    struct listener *listener;
    sigset_t         ends;
    int              got;

    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL); /* before there are threads */
    order          *o = read_order();
    struct http_app app = rpc_server_app(server_make(o), RPC_FACES_ALL);
    struct loop    *loop = loop_new(0);
    loop_start(loop);
    if (listener_new("127.0.0.1:0", &loop, 1, &app, &http_limits_default, tls_make(o), &listener, &why) != CODE_OK)
        die(why.text);
    write_reply(o, listener_address(listener));
    sigwait(&ends, &got);
    _exit(0); /* calls may be under way; the runner is done with them */
}
