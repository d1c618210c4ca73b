/*
 * For tests of HTTP/1: heads and chunked bodies, each with what becomes of it: accepted, or refused with a status.
 */
#pragma once

#include "base/slice.h"
#include "net/h1_head.h"

enum { BYTES_MAX = 2000, FIELDS_MAX = 8 };

struct want {
    int          status; /* 0: accepted */
    struct slice head;
};

#define H "host: a\r\n"
#define W(status, text) { status, { text, sizeof(text) - 1 } }

static const struct want wanted[] = {
    /* accepted */
    W(0, "GET / HTTP/1.1\r\n" H "\r\n"),
    W(0, "GET / HTTP/1.0\r\n\r\n"),
    W(0, "GET /a?b=c&d=%20 HTTP/1.1\r\n" H "\r\n"),
    W(0, "GET /a??b HTTP/1.1\r\n" H "\r\n"),
    W(0, "POST /a HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n"),
    W(0, "POST /a HTTP/1.1\r\n" H "Content-Length: 12345678901234567\r\n\r\n"),
    W(0, "POST /a HTTP/1.1\r\n" H "content-length:5\r\n\r\n"),
    W(0, "POST /a HTTP/1.1\r\n" H "content-length: \t 5 \r\n\r\n"),
    W(0, "POST /a HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n"),
    W(0, "PUT /a HTTP/1.1\r\n" H "Connection: close\r\n\r\n"),
    W(0, "PUT /a HTTP/1.1\r\n" H "Connection: x, Close\r\n\r\n"),
    W(0, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
    W(0, "GET /a HTTP/1.1\r\nHOST:\r\n\r\n"),
    W(0, "GET /a HTTP/1.1\r\nhost: [::1]:80\r\n\r\n"),
    W(0, "GET /a HTTP/1.1\r\n" H "x:\r\ny: \r\n\r\n"),
    W(0, "GET /a HTTP/1.1\r\n" H "x: \xc3\xa4\xff\r\n\r\n"),
    W(0, "GET /a HTTP/1.1\r\n" H "x: a:b:c\r\n\r\n"),
    W(0, "GET /a HTTP/1.1\r\n" H "a: 1\r\na: 2\r\n\r\n"),
    W(0, "GET /a HTTP/1.1\r\n" H "!#$%&'*+-.^_`|~0aZ: 1\r\n\r\n"),
    W(0, "GET http://b/c HTTP/1.1\r\n" H "\r\n"),
    W(0, "GET http://b:1/ HTTP/1.1\r\n" H "\r\n"),
    W(0, "GET HTTPS://b/c?d HTTP/1.1\r\n" H "\r\n"),
    W(0, "OPTIONS * HTTP/1.1\r\n" H "\r\n"),
    W(0, "POST /a HTTP/1.1\r\n" H "Expect: 100-Continue\r\ncontent-length: 1\r\n\r\n"),
    W(0, "GET /a HTTP/1.1\r\n" H "upgrade: h2c\r\nconnection: upgrade\r\n\r\n"),
    W(0, "DELETE /a HTTP/1.1\r\n" H "1:1\r\n2:2\r\n3:3\r\n4:4\r\n5:5\r\n6:6\r\n7:7\r\n\r\n"),
    /* line ends */
    W(400, "GET / HTTP/1.1\n" H "\r\n"),
    W(400, "GET / HTTP/1.1\r\nhost: a\n\r\n"),
    W(400, "GET / HTTP/1.1\r\nhost: a\r\n\n"),
    W(400, "\nGET / HTTP/1.1\r\n" H "\r\n"),
    W(400, "GET / HTTP/1.1\r\nhost: a\rx: b\r\n\r\n"),
    W(400, "GET / HTTP/1.1\r\nhost: a\r\r\n\r\n"),
    W(400, "GET /\r HTTP/1.1\r\n" H "\r\n"),
    W(400, "GET / HTTP/1.1\r\r\n" H "\r\n"),
    /* request line */
    W(400, "GET /\r\n" H "\r\n"),
    W(400, "GET\r\n" H "\r\n"),
    W(400, "GET  / HTTP/1.1\r\n" H "\r\n"),
    W(400, "GET /  HTTP/1.1\r\n" H "\r\n"),
    W(400, "GET / HTTP/1.1 \r\n" H "\r\n"),
    W(400, " GET / HTTP/1.1\r\n" H "\r\n"),
    W(400, "GET\t/\tHTTP/1.1\r\n" H "\r\n"),
    W(400, "GET /a b HTTP/1.1\r\n" H "\r\n"),
    W(400, "G(T / HTTP/1.1\r\n" H "\r\n"),
    W(400, "G\0T / HTTP/1.1\r\n" H "\r\n"),
    W(400, "GET /\0 HTTP/1.1\r\n" H "\r\n"),
    W(400, "GET /\x7f HTTP/1.1\r\n" H "\r\n"),
    W(400, "GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n"),
    W(400, "GET /a#b HTTP/1.1\r\n" H "\r\n"),
    W(400, "GET a HTTP/1.1\r\n" H "\r\n"),
    W(400, "GET / FTP\r\n" H "\r\n"),
    W(H1_NOT_HTTP, "SSH to you\r\n\r\n"),
    W(400, "GET * HTTP/1.1\r\n" H "\r\n"),
    W(400, "GET ?a HTTP/1.1\r\n" H "\r\n"),
    W(400, "GET ftp://a/ HTTP/1.1\r\n" H "\r\n"),
    W(400, "GET http:///a HTTP/1.1\r\n" H "\r\n"),
    W(400, "GET http://u@b/a HTTP/1.1\r\n" H "\r\n"),
    W(400, "GET http://b?x HTTP/1.1\r\n" H "\r\n"),
    W(501, "CONNECT a:1 HTTP/1.1\r\n" H "\r\n"),
    W(400, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n" H "\r\n"),
    /* versions */
    W(505, "GET / HTTP/2.0\r\n" H "\r\n"),
    W(505, "GET / HTTP/1.2\r\n" H "\r\n"),
    W(505, "GET / HTTP/0.9\r\n" H "\r\n"),
    W(505, "PRI * HTTP/2.0\r\n\r\n"),
    W(400, "GET / http/1.1\r\n" H "\r\n"),
    W(400, "GET / HTTP/1\r\n" H "\r\n"),
    W(400, "GET / HTTP/1.10\r\n" H "\r\n"),
    W(400, "GET / HTTP/x.1\r\n" H "\r\n"),
    W(400, "GET / HTTPS/1.1\r\n" H "\r\n"),
    /* fields */
    W(400, "GET / HTTP/1.1\r\n" H "x : 1\r\n\r\n"),
    W(400, "GET / HTTP/1.1\r\n" H "x\t: 1\r\n\r\n"),
    W(400, "GET / HTTP/1.1\r\n" H " x: 1\r\n\r\n"),
    W(400, "GET / HTTP/1.1\r\n" H "x: 1\r\n 2\r\n\r\n"),
    W(400, "GET / HTTP/1.1\r\n" H "x: 1\r\n\t2\r\n\r\n"),
    W(400, "GET / HTTP/1.1\r\n x: 1\r\n" H "\r\n"),
    W(400, "GET / HTTP/1.1\r\n" H "x\r\n\r\n"),
    W(400, "GET / HTTP/1.1\r\n" H ": 1\r\n\r\n"),
    W(400, "GET / HTTP/1.1\r\n" H "x y: 1\r\n\r\n"),
    W(400, "GET / HTTP/1.1\r\n" H "x\0: 1\r\n\r\n"),
    W(400, "GET / HTTP/1.1\r\n" H "x: a\0b\r\n\r\n"),
    W(400, "GET / HTTP/1.1\r\n" H "x: a\x01\r\n\r\n"),
    W(400, "GET / HTTP/1.1\r\n" H "x: a\x7f\r\n\r\n"),
    W(400, "GET / HTTP/1.1\r\n" H "\xc3\xa4: 1\r\n\r\n"),
    W(400, "GET / HTTP/1.1\r\n" H "x;y: 1\r\n\r\n"),
    W(431, "GET / HTTP/1.1\r\n" H "1:1\r\n2:2\r\n3:3\r\n4:4\r\n5:5\r\n6:6\r\n7:7\r\n8:8\r\n\r\n"),
    /* host */
    W(400, "GET / HTTP/1.1\r\n\r\n"),
    W(400, "GET / HTTP/1.1\r\n" H H "\r\n"),
    W(400, "GET / HTTP/1.1\r\nhost: a\r\nHost: b\r\n\r\n"),
    W(400, "GET / HTTP/1.1\r\nhost: a b\r\n\r\n"),
    W(400, "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n"),
    W(400, "GET / HTTP/1.1\r\nhost: u@a\r\n\r\n"),
    /* where the body ends */
    W(400, "POST / HTTP/1.1\r\n" H "content-length: 1\r\ncontent-length: 1\r\n\r\n"),
    W(400, "POST / HTTP/1.1\r\n" H "content-length: 1\r\ncontent-length: 2\r\n\r\n"),
    W(400, "POST / HTTP/1.1\r\n" H "content-length: 1, 1\r\n\r\n"),
    W(400, "POST / HTTP/1.1\r\n" H "content-length: +1\r\n\r\n"),
    W(400, "POST / HTTP/1.1\r\n" H "content-length: -1\r\n\r\n"),
    W(400, "POST / HTTP/1.1\r\n" H "content-length: 0x1\r\n\r\n"),
    W(400, "POST / HTTP/1.1\r\n" H "content-length: 1 1\r\n\r\n"),
    W(400, "POST / HTTP/1.1\r\n" H "content-length: 1.0\r\n\r\n"),
    W(400, "POST / HTTP/1.1\r\n" H "content-length:\r\n\r\n"),
    W(413, "POST / HTTP/1.1\r\n" H "content-length: 99999999999999999999\r\n\r\n"),
    W(400, "POST / HTTP/1.1\r\n" H "content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"),
    W(400, "POST / HTTP/1.1\r\n" H "transfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n"),
    W(400, "POST / HTTP/1.1\r\n" H "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n"),
    W(501, "POST / HTTP/1.1\r\n" H "transfer-encoding: gzip, chunked\r\n\r\n"),
    W(501, "POST / HTTP/1.1\r\n" H "transfer-encoding: chunked, identity\r\n\r\n"),
    W(501, "POST / HTTP/1.1\r\n" H "transfer-encoding: identity\r\n\r\n"),
    W(501, "POST / HTTP/1.1\r\n" H "transfer-encoding: xchunked\r\n\r\n"),
    W(501, "POST / HTTP/1.1\r\n" H "transfer-encoding: \"chunked\"\r\n\r\n"),
    W(501, "POST / HTTP/1.1\r\n" H "transfer-encoding:\r\n\r\n"),
    W(400, "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n"),
    W(417, "POST / HTTP/1.1\r\n" H "expect: 200-ok\r\n\r\n"),
};

struct chunk_want {
    const char *data; /* NULL: refused */
    size_t      rest; /* bytes that belong to the next request */
    struct slice in;
};

#define C(data, rest, text) { data, rest, { text, sizeof(text) - 1 } }

static const struct chunk_want chunks[] = {
    C("", 0, "0\r\n\r\n"),
    C("hello", 0, "5\r\nhello\r\n0\r\n\r\n"),
    C("hello", 3, "5\r\nhello\r\n0\r\n\r\nGET"),
    C("hello world", 0, "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"),
    C("0123456789abcdef", 0, "0010\r\n0123456789abcdef\r\n000\r\n\r\n"),
    C("0123456789", 0, "A\r\n0123456789\r\n0\r\n\r\n"),
    C("ab", 0, "2;a=b;c=\"d e\"\r\nab\r\n0;x\r\n\r\n"),
    C("ab", 0, "2\r\nab\r\n0\r\nx: y\r\nz:\r\n\r\n"),
    C("\r\n", 0, "2\r\n\r\n\r\n0\r\n\r\n"),
    C(NULL, 0, "\r\n"),
    C(NULL, 0, "g\r\n"),
    C(NULL, 0, "-1\r\n"),
    C(NULL, 0, "+1\r\n"),
    C(NULL, 0, "0x1\r\n"),
    C(NULL, 0, " 1\r\n"),
    C(NULL, 0, "1 \r\n"),
    C(NULL, 0, "1\n"),
    C(NULL, 0, "1\rx"),
    C(NULL, 0, "1;\n"),
    C(NULL, 0, "1;\0\r\n"),
    C(NULL, 0, "1;\x7f\r\n"),
    C(NULL, 0, "1\r\nab\r\n"),
    C(NULL, 0, "1\r\na\n"),
    C(NULL, 0, "1\r\na\rx"),
    C(NULL, 0, "0\r\n\n"),
    C(NULL, 0, "0\r\n x: y\r\n\r\n"),
    C(NULL, 0, "0\r\n: y\r\n\r\n"),
    C(NULL, 0, "0\r\nx: \1\r\n\r\n"),
    C(NULL, 0, "0\r\nx: y\n\r\n"),
    C(NULL, 0, "ffffffffffffffff\r\n"),
    C(NULL, 0, "10000000000000000\r\n"),
    C(NULL, 0, "00000000000000000000000000000001\r\n"),
};
