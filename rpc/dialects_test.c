/*
 * Goal: the same methods answer alike in three dialects, two codecs, compressed or not; and what is wrong with a message has its own
 * answer in the dialect's own form.
 * Method: the toys of test_world.h; HTTP/1.1 exchanges go through a plain socket.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "rpc/test_world.h"

static void test_connect(bool is_json, bool is_gzip, size_t n)
{
    const char  *type = is_json ? "application/json" : "application/proto";
    struct slice body = query_bytes(is_json, "abc", (int64_t)n);
    struct got   got = ask("POST", QUERIER "LabelValues",
                           FIELDS("content-type", type, "content-encoding", is_gzip ? "gzip" : "identity",
                                  "accept-encoding", is_gzip ? "br, gzip" : "br"),
                         is_gzip ? gzipped(body) : body);

    assert(got.code == CODE_OK && got.status == 200 && slice_is(got.content_type, type) && !got.has_trailers);
    assert(slice_is(got.encoding, "gzip") == (is_gzip && n > 1000));
    check_values(is_json, got.encoding.n ? gunzipped(got.body) : got.body, "abc", n);
}

static void test_grpc(bool is_web, bool is_json, bool is_gzip, size_t n)
{
    const char  *types[] = { "application/grpc", "application/grpc+json", "application/grpc-web+proto",
                             "application/grpc-web+json" };
    const char  *type = types[is_web * 2 + is_json];
    struct slice body = query_bytes(is_json, "abc", (int64_t)n), rest;
    uint8_t      flags;
    struct got   got = ask("POST", QUERIER "LabelValues",
                           FIELDS("content-type", type, "te", "trailers", "grpc-timeout", "10S", "grpc-encoding",
                                is_gzip ? "gzip" : "identity", "grpc-accept-encoding", is_gzip ? "gzip" : "identity"),
                           enveloped(is_gzip, is_gzip ? gzipped(body) : body));

    assert(got.code == CODE_OK && got.status == 200 && slice_is(got.content_type, type) && got.has_trailers == !is_web);
    struct slice message = unwrapped(got.body, &flags, &rest);
    assert(flags == (is_gzip && n > 1000) && slice_is(got.encoding, "gzip") == (flags != 0));
    check_values(is_json, flags ? gunzipped(message) : message, "abc", n);
    if (!is_web) {
        assert(slice_is(got.grpc_status, "0") && rest.n == 0);
        return;
    }
    assert(slice_is(unwrapped(rest, &flags, &rest), "grpc-status: 0\r\n") && flags == 0x80 && rest.n == 0);
}

static void test_dialects(void)
{
    const size_t sizes[] = { 0, 3, 4000 };

    for (int bits = 0; bits < 4; bits++)
        for (size_t i = 0; i < 3; i++) {
            test_connect(bits & 1, bits >> 1, sizes[i]);
            test_grpc(false, bits & 1, bits >> 1, sizes[i]);
            test_grpc(true, bits & 1, bits >> 1, sizes[i]);
        }
}

static struct got values_json(const char *text)
{
    return ask("POST", QUERIER "LabelValues", FIELDS(JSON), slice_of(text));
}
static struct got values_grpc(struct slice body) { return ask("POST", QUERIER "LabelValues", FIELDS(GRPC), body); }

static void test_method_errors(void)
{
    struct slice bytes = query_bytes(false, "x", -1);

    expect_json_error(values_json("{\"name\":\"x\",\"start\":-1}"), 404, "not_found", "100% no \\\"x\\\"");
    expect_json_error(ask("POST", QUERIER "LabelValues", FIELDS("content-type", "application/proto"), bytes), 404,
                      "not_found", "no");
    expect_grpc_error(values_grpc(enveloped(0, bytes)), CODE_NOT_FOUND, "100%25 no \"x\"");
    expect_grpc_error(
        ask("POST", QUERIER "LabelValues", FIELDS("content-type", "application/grpc-web"), enveloped(0, bytes)),
        CODE_NOT_FOUND, "100%25 no \"x\"");
    expect_json_error(ask("POST", QUERIER "LabelValues", FIELDS(JSON, "x-who", "stranger"), SLICE("{}")), 401,
                      "unauthenticated", "who are you");
}

static void test_bad_bodies(void)
{
    expect_json_error(values_json(""), 400, "invalid_argument", "empty");
    expect_json_error(values_json("{\"start\":\"x\"}"), 400, "invalid_argument", "start");
    expect_grpc_error(values_grpc((struct slice){ 0 }), CODE_UNIMPLEMENTED, "no message");
    expect_grpc_error(values_grpc(SLICE("\0\0\0\0\5ab")), CODE_INVALID_ARGUMENT, "cut short");
    expect_grpc_error(values_grpc(SLICE("\0\0\0\0\0\0\0\0\0\0")), CODE_UNIMPLEMENTED, "more than one");
    expect_grpc_error(values_grpc(SLICE("\0\0\0\0\1\xFF")), CODE_INVALID_ARGUMENT, "protobuf");
    expect_grpc_error(values_grpc(SLICE("\1\0\0\0\1\xFF")), CODE_INTERNAL, "compressed");
    expect_grpc_error(values_grpc(SLICE("\2\0\0\0\0")), CODE_INTERNAL, "flags");
    expect_json_error(ask("POST", QUERIER "LabelValues", FIELDS(JSON, "content-encoding", "gzip"), SLICE("{}")), 400,
                      "invalid_argument", "gzip");
    struct got got =
        ask("POST", QUERIER "LabelValues", FIELDS("content-type", "application/proto"), (struct slice){ 0 });
    assert(got.status == 200 && got.body.n == 0);
    got = ask("POST", QUERIER "LabelValues", FIELDS("content-type", "application/proto", "content-encoding", "gzip"),
              (struct slice){ 0 });
    assert(got.status == 200 && got.body.n == 0);
}

static void test_bad_heads(void)
{
    expect_json_error(ask("POST", QUERIER "LabelValues", FIELDS(JSON, "content-encoding", "br"), SLICE("{}")), 501,
                      "unimplemented", "gzip");
    expect_grpc_error(ask("POST", QUERIER "LabelValues", FIELDS(GRPC, "grpc-encoding", "br"), enveloped(0, SLICE(""))),
                      CODE_UNIMPLEMENTED, "gzip");
    expect_json_error(ask("POST", QUERIER "LabelValues", FIELDS(JSON, "connect-timeout-ms", "1s"), SLICE("{}")), 400,
                      "invalid_argument", "1s");
    expect_grpc_error(ask("POST", QUERIER "LabelValues", FIELDS(GRPC, "grpc-timeout", "1"), enveloped(0, SLICE(""))),
                      CODE_INVALID_ARGUMENT, "timeout");
    expect_json_error(ask("POST", QUERIER "LabelValues", FIELDS(JSON, "connect-protocol-version", "2"), SLICE("{}")),
                      400, "invalid_argument", "version");
    expect_json_error(ask("POST", QUERIER "LabelValues", FIELDS(JSON, "connect-timeout-ms", "0"), SLICE("{}")), 504,
                      "deadline_exceeded", "deadline");
}

/* ---- HTTP/1.1 ---- */

static int connected(void)
{
    const char        *address = listener_address(listener);
    int                fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1)) };

    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    int refused = connect(fd, (struct sockaddr *)&to, sizeof to);
    assert(refused == 0);
    return fd;
}

/* The whole answer to one request on a connection that closes. */
static struct slice h1(const char *path, const char *type, struct slice body)
{
    struct buf b = { 0 };
    int        fd = connected();
    ssize_t    n;

    buf_printf(&b,
               "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
               path, type, body.n);
    buf_slice(&b, body);
    n = write(fd, b.p, b.n);
    assert(n == (ssize_t)b.n);
    for (b.n = 0; (n = read(fd, buf_reserve(&b, 4096), 4096)) > 0;)
        b.n += (size_t)n;
    close(fd);
    struct slice copy = arena_copy(kept, buf_view(&b));
    buf_free(&b);
    return copy;
}

static bool holds(struct slice s, struct slice part) { return slice_find(s, part) < s.n; }

static void test_http1(void)
{
    struct slice question = enveloped(0, query_bytes(false, "abc", 2));
    struct slice got = h1(QUERIER "LabelValues", "application/json", SLICE("{\"name\":\"abc\",\"start\":2}"));

    assert(slice_starts(got, SLICE("HTTP/1.1 200 ")) && holds(got, SLICE("{\"names\":[\"abc\",\"abc\"]}")));
    got = h1(QUERIER "LabelValues", "application/grpc-web", question);
    assert(slice_starts(got, SLICE("HTTP/1.1 200 ")) && holds(got, SLICE("\x80\0\0\0\x10grpc-status: 0\r\n")));
    assert(slice_starts(h1(QUERIER "LabelValues", "application/grpc", question), SLICE("HTTP/1.1 505 ")));
    got = h1(QUERIER "LabelValues", "application/json", SLICE("{\"start\":-1}"));
    assert(slice_starts(got, SLICE("HTTP/1.1 404 ")) && holds(got, SLICE("\"not_found\"")));
    assert(
        slice_starts(h1("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "application/grpc-web", question),
                     SLICE("HTTP/1.1 505 ")));
}

int main(void)
{
    world_begin();
    test_dialects();
    test_method_errors();
    test_bad_bodies();
    test_bad_heads();
    test_http1();
    world_end();
    return 0;
}
