/*
 * For the soak: questions made from a seed, good and bad, each with the one answer that is right.
 *
 *     aim      a method, a request and its answer; a new method of the service joins `aims`
 *     tongue   a dialect with its codec
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "net/client.h"
#include "rpc/envelope.h"
#include "rpc/errors.h"
#include "wire/zip.h"

#define SERVICE "/connectrpc.conformance.v1.ConformanceService/"

enum { MESSAGE_BYTES_MAX = 4096, SEVERAL = 3 }; /* of the service: of a request; answers of ServerStream */

static unsigned pick(unsigned *seed, unsigned below) { return (unsigned)rand_r(seed) % below; }

static bool one_in(unsigned *seed, unsigned n) { return pick(seed, n) == 0; }

/* --- what is asked ------------------------------------------------------------------------------------------------ */

#define SMALL(text) { text, sizeof(text) - 1 }

struct aim {
    const char  *path;
    struct slice request; /* one message, proto */
    enum code    code;
    bool         client_streams, server_streams;
};

static const struct aim aims[] = {
    { SERVICE "Unary", SMALL("\22\3pod"), CODE_OK, false, false },
    { SERVICE "IdempotentUnary", SMALL("\22\3pod"), CODE_OK, false, false },
    { SERVICE "Unimplemented", SMALL("\22\3pod"), CODE_NOT_FOUND, false, false },
    { SERVICE "ServerStream", SMALL("\22\3pod"), CODE_OK, false, true },
    { SERVICE "ClientStream", SMALL("\22\3pod"), CODE_OK, true, false },
    { SERVICE "BidiStream", SMALL("\32\3pod"), CODE_OK, true, true },
};

static const struct slice answer = SMALL("\n\5\n\3pod");

enum says { SAYS_STATUS, SAYS_TRAILER, SAYS_END };

struct tongue {
    const char *type;
    bool        is_enveloped;
    enum says   says; /* where the code of the answer stands: HTTP status, grpc-status, Connect's last envelope */
    const char *timeout_field, *timeout, *encoding_field;
};

static const struct tongue tongues[] = {
    { "application/grpc", true, SAYS_TRAILER, "grpc-timeout", "1m", "grpc-encoding" },
    { "application/grpc-web", true, SAYS_TRAILER, "grpc-timeout", "1m", "grpc-encoding" },
    { "application/proto", false, SAYS_STATUS, "connect-timeout-ms", "1", "content-encoding" },
    { "application/connect+proto", true, SAYS_END, "connect-timeout-ms", "1", "connect-content-encoding" },
};

enum { AIMS = sizeof aims / sizeof aims[0], TONGUES = sizeof tongues / sizeof tongues[0], ANY = -1 };

struct question {
    const struct aim    *aim;
    const struct tongue *tongue;
    struct http_field    fields[4];
    size_t               n_fields;
    struct buf           body;
    unsigned             n_messages;
    int                  want; /* a code, or ANY */
};

static void question_add(struct question *q, const char *name, const char *value)
{
    q->fields[q->n_fields++] = (struct http_field){ slice_of(name), slice_of(value) };
}

static void put_message(struct question *q, struct slice message, bool is_gzipped)
{
    size_t at = q->body.n;

    if (q->tongue->is_enveloped)
        envelope_open(&q->body);
    if (is_gzipped)
        zip_gzip(message, &q->body);
    else
        buf_slice(&q->body, message);
    if (q->tongue->is_enveloped)
        envelope_close(&q->body, at, is_gzipped ? ENVELOPE_COMPRESSED : 0);
    q->n_messages++;
}

static void put_nonsense(struct question *q, unsigned *seed)
{
    for (unsigned n = 1 + pick(seed, 300); n > 0; n--)
        buf_byte(&q->body, (uint8_t)pick(seed, 256));
    q->want = ANY;
}

static void put_large(struct question *q)
{
    static const char zeros[MESSAGE_BYTES_MAX + 1];

    put_message(q, slice_make(zeros, sizeof zeros), false);
    q->want = CODE_RESOURCE_EXHAUSTED;
}

static void put_good(struct question *q, unsigned *seed)
{
    bool is_gzipped = one_in(seed, 8);

    if (is_gzipped)
        question_add(q, q->tongue->encoding_field, "gzip");
    for (unsigned n = q->aim->client_streams ? pick(seed, 5) : 1; n > 0; n--)
        put_message(q, q->aim->request, is_gzipped);
}

/* Connect has one form for methods that stream and one for the others. */
static bool is_spoken(const struct tongue *t, const struct aim *a)
{
    bool streams = a->client_streams || a->server_streams;

    return t->says == SAYS_TRAILER || streams == (t->says == SAYS_END);
}

static struct question question_make(unsigned *seed)
{
    struct question q = { .aim = &aims[pick(seed, AIMS)] };

    do
        q.tongue = &tongues[pick(seed, TONGUES)];
    while (!is_spoken(q.tongue, q.aim));
    q.want = (int)q.aim->code;
    question_add(&q, "content-type", q.tongue->type);
    if (one_in(seed, 20)) {
        put_nonsense(&q, seed);
    } else if (one_in(seed, 40)) {
        put_large(&q);
    } else {
        put_good(&q, seed);
        if (q.body.n > 0 && one_in(seed, 20)) {
            q.body.n--;
            q.want = CODE_INVALID_ARGUMENT;
        }
    }
    if (one_in(seed, 40)) {
        question_add(&q, "x-stranger", "1");
        q.want = ANY; /* a stream of no messages asks nobody */
    }
    if (one_in(seed, 20)) {
        question_add(&q, q.tongue->timeout_field, q.tongue->timeout);
        q.want = ANY;
    }
    return q;
}

/* --- what is answered --------------------------------------------------------------------------------------------- */

static struct slice field_of(const struct http_reply *r, const char *name)
{
    for (size_t i = 0; i < r->n_fields + r->n_trailers; i++) {
        const struct http_field *f = i < r->n_fields ? &r->fields[i] : &r->trailers[i - r->n_fields];
        if (slice_is(f->name, name))
            return f->value;
    }
    return (struct slice){ 0 };
}

static bool has(struct slice text, const char *part) { return slice_find(text, slice_of(part)) < text.n; }

static bool says_code(const struct question *q, const struct http_reply *r, enum code code)
{
    struct slice status = field_of(r, "grpc-status");
    char         text[48];

    switch (q->tongue->says) {
    case SAYS_STATUS:
        return r->status == (code == CODE_OK ? 200 : code_http_status(code));
    case SAYS_END:
        snprintf(text, sizeof text, "{\"error\":{\"code\":\"%s\"", code_name(code));
        return code == CODE_OK ? !has(r->body, "\"error\"") : has(r->body, text);
    case SAYS_TRAILER:
        snprintf(text, sizeof text, "grpc-status: %d", code); /* gRPC-Web has it behind its messages */
        return status.p != NULL ? slice_is(status, strchr(text, ' ') + 1) : has(r->body, text);
    }
    return false;
}

static unsigned n_answers(const struct question *q)
{
    if (!q->aim->server_streams)
        return 1;
    return q->aim->client_streams ? q->n_messages : SEVERAL;
}

static bool says_messages(const struct question *q, const struct http_reply *r)
{
    struct slice rest = r->body;

    for (unsigned i = 0; i < n_answers(q); i++) {
        size_t at = slice_find(rest, answer);
        if (at == rest.n)
            return false;
        rest = slice_from(rest, at + answer.n);
    }
    return slice_find(rest, answer) == rest.n;
}

/* A busy server may say so instead. */
static bool is_right(const struct question *q, const struct http_reply *r)
{
    if (r->code != CODE_OK)
        return false;
    if (q->want == ANY || says_code(q, r, CODE_RESOURCE_EXHAUSTED))
        return true;
    return says_code(q, r, (enum code)q->want) && (q->want != CODE_OK || says_messages(q, r));
}
