/*
 * Inside TLS: tls.c makes contexts, tls_session.c speaks for one connection.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/metric.h"
#include "net/tls.h"

enum handshake_result { SHAKE_OK, SHAKE_NO_CERTIFICATE, SHAKE_BAD_CERTIFICATE, SHAKE_FAILED, SHAKE_ABANDONED, SHAKES };

struct tls {
    SSL_CTX       *ctx;
    _Atomic int    refs;
    bool           is_server;
    int64_t        expires_s;
    struct metric *shakes[SHAKES]; /* of servers */
};
