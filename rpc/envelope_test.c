/*
 * Goal: messages come out of a body as they went in, however it was cut; and the small grammars around them.
 * Method: three messages in pieces of every size; tables of texts and what they mean.
 */
#include <assert.h>

#include "base/clock.h"
#include "rpc/envelope.h"
#include "rpc/compression.h"
#include "rpc/errors.h"
#include "rpc/metadata.h"
#include "wire/json.h"

static struct buf three_messages(void)
{
    const struct slice payloads[] = { SLICE("hello"), SLICE(""), SLICE("a longer message") };
    struct buf         body = { 0 };

    for (size_t i = 0; i < 3; i++) {
        size_t at = body.n;
        envelope_open(&body);
        buf_slice(&body, payloads[i]);
        envelope_close(&body, at, i == 2);
    }
    return body;
}

static void test_cuts(void)
{
    struct buf body = three_messages();

    for (size_t step = 1; step <= body.n; step++) {
        struct inbox in = { .message_bytes_max = 16 };
        uint8_t      flags;
        size_t       at, n, seen = 0, bytes = 0;
        for (size_t i = 0; i < body.n; i += step) {
            inbox_put(&in, slice_make(body.p + i, step < body.n - i ? step : body.n - i));
            while (inbox_next(&in, &flags, &at, &n) == INBOX_MESSAGE) {
                assert(seen != 0 || slice_is(slice_make(in.bytes.p + at, n), "hello"));
                assert(flags == (seen == 2));
                seen++;
                bytes += n;
            }
            if (step % 2)
                inbox_trim(&in);
        }
        assert(seen == 3 && bytes == 21 && inbox_rest(&in) == 0);
        inbox_free(&in);
    }
    buf_free(&body);
}

static void test_bounds(void)
{
    struct inbox in = { .message_bytes_max = 16 };
    uint8_t      flags;
    size_t       at, n;

    inbox_put(&in, slice_make("\0\0\0\0\x11", 5));
    assert(inbox_next(&in, &flags, &at, &n) == INBOX_TOO_LARGE && n == 17);
    inbox_free(&in);
    inbox_put(&in, slice_make("\0\xFF\xFF\xFF\xFF", 5)); /* V2: a length takes no memory */
    assert(in.bytes.cap <= 512);
    assert(inbox_growth(&in, 400) == 0 && inbox_growth(&in, 508) == 512);
    in.announced = 800;
    assert(inbox_growth(&in, 508) == 800 - 512 && inbox_growth(&in, 796) == 1024 - 512);
    in.announced = 1 << 20; /* more than eight times what came */
    assert(inbox_growth(&in, 508) == 512 && inbox_growth(&in, 1 << 17) == (1 << 20) - 512);
    inbox_free(&in);
}

static void test_timeouts(void)
{
    int64_t ns;

    assert(timeout_of_grpc(SLICE("1S"), &ns) && ns == NS_PER_S);
    assert(timeout_of_grpc(SLICE("250m"), &ns) && ns == 250 * NS_PER_MS);
    assert(timeout_of_grpc(SLICE("99999999H"), &ns) && ns == INT64_MAX);
    assert(timeout_of_grpc(SLICE("0n"), &ns) && ns == 0);
    assert(!timeout_of_grpc(SLICE("123456789S"), &ns) && !timeout_of_grpc(SLICE("S"), &ns));
    assert(!timeout_of_grpc(SLICE("1"), &ns) && !timeout_of_grpc(SLICE("-1S"), &ns) &&
           !timeout_of_grpc(SLICE(""), &ns));
    assert(timeout_of_connect(SLICE("9999999999"), &ns) && ns == 9999999999 * NS_PER_MS);
    assert(!timeout_of_connect(SLICE("12345678901"), &ns) && !timeout_of_connect(SLICE("1.5"), &ns));
}

static bool accepts(struct slice list, const char *name)
{
    const struct compression *c = compression_accepted(list);
    return c != NULL && strcmp(c->name, name) == 0;
}

static void test_lists(void)
{
    const struct compression *c;
    struct fault              why;

    assert(accepts(SLICE("gzip"), "gzip") && accepts(SLICE("br;q=0.5, GZIP ;q=0.1, zstd"), "gzip"));
    assert(accepts(SLICE("zstd, gzip"), "zstd") && accepts(SLICE("zstd;q=0,gzip"), "gzip"));
    assert(!compression_accepted(SLICE("gzip;q=0")) && !compression_accepted(SLICE("br, gzip; q=0.000")));
    assert(!compression_accepted(SLICE("")) && !compression_accepted(SLICE("xgzip,")));
    assert(compression_named(SLICE(""), &c, &why) == CODE_OK && c == NULL);
    assert(compression_named(SLICE("Zstd"), &c, &why) == CODE_OK && strcmp(c->name, "zstd") == 0);
    assert(compression_named(SLICE("br"), &c, &why) == CODE_UNIMPLEMENTED && strstr(why.text, "gzip,zstd") != NULL);
    assert(accept_is_readable(SLICE("*/*; allow-utf8-labelnames=true, application/json,")) &&
           accept_is_readable(SLICE("")));
    assert(!accept_is_readable(SLICE(";;;")) && !accept_is_readable(SLICE("*/*, text")) &&
           !accept_is_readable(SLICE("a/b c")));
    assert(slice_is(media_type(SLICE("application/json ; charset=utf-8")), "application/json"));
}

static void test_percent(void)
{
    struct buf there = { 0 }, back = { 0 };

    percent_encode(SLICE("100% m\xC3\xBC"
                         "de\n\xFF!"),
                   &there);
    assert(slice_is(buf_view(&there), "100%25 m%C3%BCde%0A%EF%BF%BD!"));
    percent_decode(buf_view(&there), &back);
    assert(slice_is(buf_view(&back), "100% m\xC3\xBC"
                                     "de\n\xEF\xBF\xBD!"));
    back.n = 0;
    percent_decode(SLICE("%zz%4"), &back);
    assert(slice_is(buf_view(&back), "%zz%4"));
    buf_free(&there);
    buf_free(&back);
}

static void test_errors(void)
{
    static const struct detail detail = { { "a.B", 3 }, { "\x08\x01", 2 } };
    struct fault               why;
    struct buf                 out = { 0 };
    struct json_writer         w = { .out = &out };

    (void)fail(&why, CODE_NOT_FOUND, "no \"%s\"", "x");
    error_json(&w, &why, NULL, 0);
    assert(slice_is(buf_view(&out), "{\"code\":\"not_found\",\"message\":\"no \\\"x\\\"\"}"));
    out.n = 0;
    w.wants_comma = false;
    error_json(&w, &(struct fault){ .code = CODE_ABORTED }, &detail, 1);
    assert(slice_is(buf_view(&out), "{\"code\":\"aborted\",\"details\":[{\"type\":\"a.B\",\"value\":\"CAE\"}]}"));
    out.n = 0;
    error_status_text(&why, &detail, 1, &out); /* 1: 5, 2: no "x", 3: { 1: type.googleapis.com/a.B, 2: 08 01 } */
    assert(slice_is(buf_view(&out), "CAUSBm5vICJ4IhodChd0eXBlLmdvb2dsZWFwaXMuY29tL2EuQhICCAE"));
    assert(code_http_status(CODE_CANCELED) == 499 && code_of_http_status(404) == CODE_UNIMPLEMENTED);
    buf_free(&out);
}

int main(void)
{
    test_cuts();
    test_bounds();
    test_timeouts();
    test_lists();
    test_percent();
    test_errors();
    return 0;
}
