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
#include "tests/conformance/descriptors.h"
#include "tests/conformance/server_compat.pb-c.h"
#include "tests/conformance/service.h"

typedef Connectrpc__Conformance__V1__ServerCompatRequest  order;
typedef Connectrpc__Conformance__V1__ServerCompatResponse reply;

enum { ORDER_BYTES_MAX = 1 << 20, WORKERS = 2 };

static void die(const char *what)
{
    fprintf(stderr, "rpc-conformance: %s\n", what);
    exit(1);
}

static order *read_order(void)
{
    static uint8_t bytes[ORDER_BYTES_MAX];
    uint8_t        head[4];

    if (fread(head, 1, 4, stdin) != 4)
        die("no request on standard input");
    size_t n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (n > sizeof bytes || fread(bytes, 1, n, stdin) != n)
        die("the request is too long or cut short");
    order *o = connectrpc__conformance__v1__server_compat_request__unpack(NULL, n, bytes);
    if (o == NULL)
        die("the request is no ServerCompatRequest");
    return o;
}

static void write_reply(const reply *r)
{
    size_t   n = connectrpc__conformance__v1__server_compat_response__get_packed_size(r);
    uint8_t *bytes = malloc(4 + n);

    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(n >> (24 - 8 * i));
    connectrpc__conformance__v1__server_compat_response__pack(r, bytes + 4);
    if (fwrite(bytes, 1, 4 + n, stdout) != 4 + n || fflush(stdout) != 0)
        die("cannot answer");
    free(bytes);
}

static struct rpc_server *server_make(const order *o)
{
    struct rpc_config  config = { .decode_workers = 1,
                                  .query_workers = WORKERS,
                                  .request_bytes_max = o->message_receive_limit ? o->message_receive_limit : 64 << 20,
                                  .inflight_bytes_max = 1 << 30 };
    struct rpc_server *s;
    struct fault       why;
    size_t             n;
    const uint8_t     *set = conformance_proto_descriptors(&n);

    config.descriptors = slice_make(set, n);
    config.methods = conformance_methods(&config.n_methods);
    if (rpc_server_new(&config, &s, &why) != CODE_OK)
        die(why.text);
    return s;
}

static struct slice bytes_of(ProtobufCBinaryData b) { return slice_make(b.data, b.len); }

/* NULL: clear text. */
static struct tls *tls_make(const order *o)
{
    struct tls  *tls;
    struct fault why;

    if (!o->use_tls || o->server_creds == NULL)
        return NULL;
    struct tls_config config = { .cert = bytes_of(o->server_creds->cert),
                                 .key = bytes_of(o->server_creds->key),
                                 .ca = bytes_of(o->client_tls_cert),
                                 .clients = o->client_tls_cert.len > 0 ? TLS_CLIENTS_REQUIRED : TLS_CLIENTS_ANY };
    if (tls_server_new(&config, &tls, &why) != CODE_OK)
        die(why.text);
    return tls;
}

static void wait_for_end(void)
{
    sigset_t set;
    int      got;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigwait(&set, &got);
}

static void signals_block(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int main(void)
{
    struct fault     why;
    struct listener *listener;
    reply            r = CONNECTRPC__CONFORMANCE__V1__SERVER_COMPAT_RESPONSE__INIT;

    signals_block();
    order             *o = read_order();
    struct rpc_server *server = server_make(o);
    struct http_app    app = rpc_server_app(server, RPC_FACES_ALL);
    struct tls        *tls = tls_make(o);
    struct loop       *loop = loop_new(0);
    loop_start(loop);
    if (listener_new("127.0.0.1:0", &loop, 1, &app, &http_limits_default, tls, &listener, &why) != CODE_OK)
        die(why.text);
    r.host = "127.0.0.1";
    if (tls != NULL)
        r.pem_cert = o->server_creds->cert;
    r.port = (uint32_t)atoi(strrchr(listener_address(listener), ':') + 1);
    write_reply(&r);
    wait_for_end();
    _exit(0); /* calls may be under way; the runner is done with them */
}
