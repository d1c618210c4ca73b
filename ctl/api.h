/*
 * Api: questions to the server by gRPC, for a program of one thread.
 *
 *     api_send, api_send, ...  -->  loop thread  -->  api_wait, api_wait, ...   answers as they come
 *
 * A question is addressed by `ticket`, which its answer gives back.  Owned by one thread.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

struct api;

struct api_config {
    const char *url;                  /* "http://host:port" or "https://host:port"; without a scheme: http */
    const char *tenant;               /* NULL: no header */
    const char *token_file;           /* NULL: no token */
    const char *ca_file;              /* with https; NULL: whom the system trusts */
    const char *cert_file, *key_file; /* with https; NULL: none is shown */
    int64_t     timeout_ns;           /* for each question */
};

/* INVALID_ARGUMENT: the address or one of the files is of no use, and why. */
must_check enum code api_open(const struct api_config *config, struct api **out, struct fault *why);
void                 api_close(struct api *api); /* every answer taken; NULL is fine */

/* Whose data the questions to come are about, instead of config.tenant; NULL: no header.  Borrowed until the next. */
void api_set_tenant(struct api *api, const char *tenant);

const char *api_address(const struct api *api); /* host:port */

struct answer {
    size_t            ticket;
    enum code         code;
    bool              is_unreachable; /* nobody answered: the server is not there, or too slow */
    ProtobufCMessage *message;        /* NULL unless OK */
    char             *text;           /* why not; NULL when OK */
};

void           api_send(struct api *api, size_t ticket, const char *path, const ProtobufCMessage *request,
                        const ProtobufCMessageDescriptor *response);
struct answer *api_wait(struct api *api);
void           answer_free(struct answer *a); /* NULL is fine */

/* One question, one answer. */
struct answer *api_ask(struct api *api, const char *path, const ProtobufCMessage *request,
                       const ProtobufCMessageDescriptor *response);
