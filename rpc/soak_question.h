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

enum { MESSAGE_BYTES_MAX = 4096 }; /* of the service */

static unsigned pick(unsigned *seed, unsigned below) { return (unsigned)rand_r(seed) % below; }

static bool one_in(unsigned *seed, unsigned n) { return pick(seed, n) == 0; }

/* --- what is asked ------------------------------------------------------------------------------------------------ */

#define SMALL(text) { text, sizeof(text) - 1 }

struct aim {
    const char  *path;
    struct slice request, answer; /* one message, proto */
    enum code    code;
    bool         is_stream; /* any number of requests, an answer for each */
};

static const struct aim aims[] = {
    { "/querier.v1.QuerierService/LabelValues", SMALL("\n\3pod"), SMALL("\n\3pod\n\3pod"), CODE_OK, false },
    { "/querier.v1.QuerierService/LabelNames", SMALL("\n\3pod"), SMALL("\n\3pod\n\3pod"), CODE_OK, false },
    { "/querier.v1.QuerierService/Series", SMALL("\n\3pod"), SMALL("\n\3pod\n\3pod"), CODE_OK, false },
    { "/querier.v1.QuerierService/ProfileTypes", SMALL("\n\3pod"), SMALL(""), CODE_NOT_FOUND, false },
    { "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", SMALL("\"\1?"), SMALL("\22\3\"\1?"), CODE_OK, true },
};

struct tongue {
    const char *type;
    bool        is_enveloped;
    const char *timeout_field, *timeout, *encoding_field;
};

static const struct tongue tongues[] = {
    { "application/grpc", true, "grpc-timeout", "1m", "grpc-encoding" },
    { "application/grpc-web", true, "grpc-timeout", "1m", "grpc-encoding" },
    { "application/proto", false, "connect-timeout-ms", "1", "content-encoding" },
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
    q->want = q->aim->is_stream ? ANY : CODE_RESOURCE_EXHAUSTED; /* reflection has a limit of its own */
}

static void put_good(struct question *q, unsigned *seed)
{
    bool is_gzipped = one_in(seed, 8);

    if (is_gzipped)
        question_add(q, q->tongue->encoding_field, "gzip");
    for (unsigned n = q->aim->is_stream ? pick(seed, 5) : 1; n > 0; n--)
        put_message(q, q->aim->request, is_gzipped);
}

static struct question question_make(unsigned *seed)
{
    struct question q = { .aim = &aims[pick(seed, AIMS)], .tongue = &tongues[pick(seed, TONGUES)] };

    if (q.aim->is_stream && !q.tongue->is_enveloped)
        q.tongue = &tongues[0];
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

static bool says_code(const struct question *q, const struct http_reply *r, enum code code)
{
    struct slice status = field_of(r, "grpc-status");
    char         line[40];

    if (!q->tongue->is_enveloped)
        return r->status == (code == CODE_OK ? 200 : code_http_status(code));
    snprintf(line, sizeof line, "grpc-status: %d", code);
    if (status.p != NULL)
        return slice_is(status, strchr(line, ' ') + 1);
    return slice_find(r->body, slice_of(line)) < r->body.n; /* gRPC-Web, behind its messages */
}

static bool says_messages(const struct question *q, const struct http_reply *r)
{
    struct slice rest = r->body;

    for (unsigned i = 0; i < q->n_messages; i++) {
        size_t at = slice_find(rest, q->aim->answer);
        if (at == rest.n)
            return false;
        rest = slice_from(rest, at + q->aim->answer.n);
    }
    return true;
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
