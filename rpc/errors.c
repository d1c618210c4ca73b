#include "rpc/errors.h"

#include <assert.h>

#include "wire/json.h"
#include "wire/pb.h"
#include "wire/utf8.h"

#define CODES 17

static const struct {
    const char *name;
    int         status;
} spelling[CODES] = {
    [CODE_OK] = { "ok", 200 },
    [CODE_CANCELED] = { "canceled", 499 },
    [CODE_UNKNOWN] = { "unknown", 500 },
    [CODE_INVALID_ARGUMENT] = { "invalid_argument", 400 },
    [CODE_DEADLINE_EXCEEDED] = { "deadline_exceeded", 504 },
    [CODE_NOT_FOUND] = { "not_found", 404 },
    [CODE_ALREADY_EXISTS] = { "already_exists", 409 },
    [CODE_PERMISSION_DENIED] = { "permission_denied", 403 },
    [CODE_RESOURCE_EXHAUSTED] = { "resource_exhausted", 429 },
    [CODE_FAILED_PRECONDITION] = { "failed_precondition", 400 },
    [CODE_ABORTED] = { "aborted", 409 },
    [CODE_OUT_OF_RANGE] = { "out_of_range", 400 },
    [CODE_UNIMPLEMENTED] = { "unimplemented", 501 },
    [CODE_INTERNAL] = { "internal", 500 },
    [CODE_UNAVAILABLE] = { "unavailable", 503 },
    [CODE_DATA_LOSS] = { "data_loss", 500 },
    [CODE_UNAUTHENTICATED] = { "unauthenticated", 401 },
};

const char *code_name(enum code code)
{
    assert(code < CODES);
    return spelling[code].name;
}

int code_http_status(enum code code)
{
    assert(code < CODES);
    return spelling[code].status;
}

enum code code_of_http_status(int status)
{
    switch (status) {
    case 400:
        return CODE_INTERNAL;
    case 401:
        return CODE_UNAUTHENTICATED;
    case 403:
        return CODE_PERMISSION_DENIED;
    case 404:
        return CODE_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return CODE_UNAVAILABLE;
    default:
        return CODE_UNKNOWN;
    }
}

static void put_base64(struct json_writer *w, struct slice bytes)
{
    struct buf text = { 0 };

    base64_encode(bytes, false, &text);
    json_text(w, buf_view(&text));
    buf_free(&text);
}

static void put_details(struct json_writer *w, const struct detail *details, size_t n)
{
    json_key(w, SLICE("details"));
    json_open(w, '[');
    for (size_t i = 0; i < n; i++) {
        json_open(w, '{');
        json_key(w, SLICE("type"));
        json_text(w, details[i].type);
        json_key(w, SLICE("value"));
        put_base64(w, details[i].value);
        json_close(w, '}');
    }
    json_close(w, ']');
}

void error_json(struct json_writer *w, const struct fault *why, const struct detail *details, size_t n)
{
    json_open(w, '{');
    json_key(w, SLICE("code"));
    json_text(w, slice_of(code_name(why->code)));
    if (why->text[0] != '\0') {
        json_key(w, SLICE("message"));
        json_text(w, slice_of(why->text));
    }
    if (n > 0)
        put_details(w, details, n);
    json_close(w, '}');
}

/* proto/status.proto, and google.protobuf.Any in it. */
enum { STATUS_CODE = 1, STATUS_MESSAGE = 2, STATUS_DETAILS = 3, ANY_TYPE_URL = 1, ANY_VALUE = 2 };

void error_status_text(const struct fault *why, const struct detail *details, size_t n, struct buf *out)
{
    struct buf status = { 0 }, url = { 0 };

    pb_put_varint(&status, STATUS_CODE, why->code);
    pb_put_bytes(&status, STATUS_MESSAGE, slice_of(why->text));
    for (size_t i = 0; i < n; i++) {
        size_t any = pb_open(&status, STATUS_DETAILS);
        url.n = 0;
        buf_printf(&url, "type.googleapis.com/%.*s", SLICE_ARGS(details[i].type));
        pb_put_bytes(&status, ANY_TYPE_URL, buf_view(&url));
        pb_put_bytes(&status, ANY_VALUE, details[i].value);
        pb_close(&status, any);
    }
    base64_encode(buf_view(&status), false, out);
    buf_free(&url);
    buf_free(&status);
}

static void put_escaped(uint8_t byte, struct buf *out)
{
    static const char hex[] = "0123456789ABCDEF";

    if (byte >= 0x20 && byte <= 0x7E && byte != '%') {
        buf_byte(out, byte);
        return;
    }
    buf_put(out, (char[]){ '%', hex[byte >> 4], hex[byte & 15] }, 3);
}

void percent_encode(struct slice text, struct buf *out)
{
    while (text.n > 0) {
        size_t valid = utf8_valid_prefix(text);
        for (size_t i = 0; i < valid; i++)
            put_escaped((uint8_t)text.p[i], out);
        if (valid < text.n) {
            buf_text(out, "%EF%BF%BD");
            valid++;
        }
        text = slice_from(text, valid);
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void percent_decode(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        int high = text.p[i] == '%' && text.n - i >= 3 ? hex_digit(text.p[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text.p[i + 2]) : -1;
        if (low >= 0) {
            buf_byte(out, (uint8_t)(high << 4 | low));
            i += 2;
        } else {
            buf_byte(out, (uint8_t)text.p[i]);
        }
    }
}
