/*
 * Listen list: where this process listens, how each address is spoken to and what it shows.
 *
 *     ADDRESS [tls|mtls] [public] [internal] [admin], ...
 *     127.0.0.1:4040 admin, :4443 tls public, :4444 mtls internal
 *
 * Nothing said of how is clear text; nothing said of what is everything.  `tls` shows our certificate, and verifies the
 * client's if it has one and there is a CA for it; `mtls` wants one.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/fault.h"

/* What a listener shows; which path belongs where is server/authorize.c's to say. */
enum { FACE_PUBLIC = 1, FACE_INTERNAL = 2, FACE_ADMIN = 4, FACES_ALL = FACE_PUBLIC | FACE_INTERNAL | FACE_ADMIN };

enum listen_how { LISTEN_CLEAR, LISTEN_TLS, LISTEN_MTLS };

struct listen_at {
    const char     *address;
    enum listen_how how;
    unsigned        faces;
};

enum { LISTEN_MAX = 16 };

struct listen_list {
    struct listen_at at[LISTEN_MAX];
    size_t           n;
};

/* INVALID_ARGUMENT: which part of the text is wrong.  Addresses are copied into `a`, not resolved. */
must_check enum code listen_list_parse(struct slice text, struct arena *a, struct listen_list *out, struct fault *why);

bool listen_list_has(const struct listen_list *l, enum listen_how how);

/* Can only this machine connect to it? */
bool listen_at_is_loopback(const struct listen_at *at);
