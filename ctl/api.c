#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/queue.h"
#include "base/slice.h"
#include "ctl/api.h"
#include "net/loop.h"
#include "net/tls.h"
#include "rpc/client.h"

enum { PEM_MAX = 1 << 20, IN_FLIGHT_MAX = 256, TOKEN_MAX = 4096, ADDRESS_MAX = 300, FIELDS_MAX = 5, RESPONSE_BYTES_MAX = 256 << 20 };

struct api {
    struct loop       *loop;
    struct rpc_client *client;
    struct queue      *answers; /* struct pending *, from the loop's thread */
    int64_t            timeout_ns;
    size_t             n_in_flight;
    char               address[ADDRESS_MAX];
    char               bearer[TOKEN_MAX + 8];
    const char        *fields[FIELDS_MAX]; /* name, value, ..., NULL */
};

/* A question under way; becomes its answer. */
struct pending {
    struct answer                     answer; /* first: an answer is freed as what it is part of */
    struct api                       *api;
    const ProtobufCMessageDescriptor *response;
    struct buf                        bytes;
};

static bool is_https(const char *url) { return slice_starts(slice_of(url), SLICE("https://")); }

/* http[s]://host[:port][/] or host[:port]; the port is 4040 when none is given. */
static enum code address_parse(const char *url, char *out, struct fault *why)
{
    struct slice s = slice_of(url);

    if (is_https(url))
        s = slice_from(s, 8);
    else if (slice_starts(s, SLICE("http://")))
        s = slice_from(s, 7);
    if (s.n > 0 && s.p[s.n - 1] == '/')
        s.n--;
    if (s.n == 0 || s.n > ADDRESS_MAX - 8 || slice_find(s, SLICE("/")) < s.n || slice_find(s, SLICE(" ")) < s.n)
        return fail(why, CODE_INVALID_ARGUMENT, "\"%s\" is not a server's address: write http://HOST:PORT or https://HOST:PORT", url);
    bool         is_v6 = s.p[0] == '[';
    struct slice tail = is_v6 ? slice_from(s, slice_find(s, SLICE("]"))) : s;
    bool         has_port = slice_find(tail, SLICE(":")) < tail.n;
    snprintf(out, ADDRESS_MAX, "%.*s%s", SLICE_ARGS(s), has_port ? "" : ":4040");
    return CODE_OK;
}

/* "Bearer " and the first line of the file. */
static enum code token_read(const char *path, char *out, size_t room, struct fault *why)
{
    char  line[TOKEN_MAX];
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return fail(why, CODE_INVALID_ARGUMENT, "token file %s: %s", path, strerror(errno));
    char *read = fgets(line, sizeof line, file);
    fclose(file);
    struct slice token = slice_trim(slice_of(read));
    if (token.n == 0)
        return fail(why, CODE_INVALID_ARGUMENT, "token file %s is empty", path);
    snprintf(out, room, "Bearer %.*s", SLICE_ARGS(token));
    return CODE_OK;
}

void api_set_tenant(struct api *api, const char *tenant)
{
    size_t n = 0;

    if (tenant != NULL) {
        api->fields[n++] = "x-scope-orgid";
        api->fields[n++] = tenant;
    }
    if (api->bearer[0] != '\0') {
        api->fields[n++] = "authorization";
        api->fields[n++] = api->bearer;
    }
    api->fields[n] = NULL;
}

static enum code pem_read(const char *path, struct arena *a, struct slice *out, struct fault *why)
{
    if (path == NULL)
        return CODE_OK;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return fail(why, CODE_INVALID_ARGUMENT, "%s: %s", path, strerror(errno));
    char *text = arena_alloc(a, PEM_MAX);
    *out = slice_make(text, fread(text, 1, PEM_MAX, file));
    fclose(file);
    return CODE_OK;
}

/* NULL for http://. */
static enum code tls_open(const struct api_config *config, struct tls **out, struct fault *why)
{
    struct tls_config tls = { .ca_name = config->ca_file, .cert_name = config->cert_file, .key_name = config->key_file };
    struct arena     *a = arena_new(0);

    *out = NULL;
    enum code code = pem_read(config->ca_file, a, &tls.ca, why);
    if (code == CODE_OK)
        code = pem_read(config->cert_file, a, &tls.cert, why);
    if (code == CODE_OK)
        code = pem_read(config->key_file, a, &tls.key, why);
    if (code == CODE_OK && is_https(config->url))
        code = tls_client_new(&tls, out, why);
    arena_free(a);
    return code;
}

enum code api_open(const struct api_config *config, struct api **out, struct fault *why)
{
    struct api *api = mem_zalloc(sizeof *api);
    struct tls *tls = NULL;
    enum code   code = address_parse(config->url, api->address, why);

    if (code == CODE_OK && config->token_file != NULL)
        code = token_read(config->token_file, api->bearer, sizeof api->bearer, why);
    if (code == CODE_OK)
        code = tls_open(config, &tls, why);
    if (code != CODE_OK) {
        free(api);
        return code;
    }
    api_set_tenant(api, config->tenant);
    api->timeout_ns = config->timeout_ns;
    api->answers = queue_new(2 * IN_FLIGHT_MAX);
    api->loop = loop_new(0);
    api->client = rpc_client_new(&api->loop, 1, tls);
    tls_unref(tls);
    loop_start(api->loop);
    *out = api;
    return CODE_OK;
}

void api_close(struct api *api)
{
    if (api == NULL)
        return;
    assert(api->n_in_flight == 0);
    rpc_client_free(api->client);
    loop_stop(api->loop);
    loop_free(api->loop);
    queue_free(api->answers);
    free(api);
}

const char *api_address(const struct api *api) { return api->address; }

/* Loop thread: the message dies with this call, so its bytes are what crosses. */
static void on_reply(void *arg, enum code code, const char *text, bool was_sent, const ProtobufCMessage *response)
{
    struct pending *p = arg;

    p->answer.code = code;
    p->answer.is_unreachable = code == CODE_DEADLINE_EXCEEDED || (code == CODE_UNAVAILABLE && !was_sent);
    if (code == CODE_OK) {
        size_t n = protobuf_c_message_get_packed_size(response);
        protobuf_c_message_pack(response, (uint8_t *)buf_reserve(&p->bytes, n + 1));
        p->bytes.n = n;
    } else {
        p->answer.text = strdup(text && *text ? text : "no reason given");
    }
    bool is_in = queue_push(p->api->answers, p);
    assert(is_in); /* the queue holds more than can be in flight */
    (void)is_in;
}

void api_send(struct api *api, size_t ticket, const char *path, const ProtobufCMessage *request,
              const ProtobufCMessageDescriptor *response)
{
    struct pending *p = mem_zalloc(sizeof *p);

    assert(api->n_in_flight < IN_FLIGHT_MAX);
    p->answer.ticket = ticket;
    p->api = api;
    p->response = response;
    api->n_in_flight++;
    rpc_client_call(api->client, &(struct rpc_request){ .address = api->address,
                                                        .path = path,
                                                        .message = request,
                                                        .response = response,
                                                        .fields = api->fields,
                                                        .deadline_ns = clock_mono_ns() + api->timeout_ns,
                                                        .response_bytes_max = RESPONSE_BYTES_MAX,
                                                        .on_reply = on_reply,
                                                        .arg = p });
}

struct answer *api_wait(struct api *api)
{
    struct pending *p = queue_pop(api->answers, -1);

    assert(api->n_in_flight > 0);
    api->n_in_flight--;
    if (p->answer.code == CODE_OK) {
        p->answer.message = protobuf_c_message_unpack(p->response, NULL, p->bytes.n, (const uint8_t *)p->bytes.p);
        assert(p->answer.message != NULL); /* it was packed a moment ago */
    }
    buf_free(&p->bytes);
    return &p->answer;
}

struct answer *api_ask(struct api *api, const char *path, const ProtobufCMessage *request,
                       const ProtobufCMessageDescriptor *response)
{
    assert(api->n_in_flight == 0);
    api_send(api, 0, path, request, response);
    return api_wait(api);
}

void answer_free(struct answer *a)
{
    if (a == NULL)
        return;
    if (a->message != NULL)
        protobuf_c_message_free_unpacked(a->message, NULL);
    free(a->text);
    free((struct pending *)a);
}
