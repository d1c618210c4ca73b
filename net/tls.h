/*
 * TLS: what one end of a connection shows and what it asks of the other, made once from PEM texts.
 *
 *     tls_server_new, tls_client_new --> struct tls <--ref-- listener, client, each of their connections
 *
 * T1  A context never changes.  A new certificate is a new context: connections that begin from then on take it
 *     (listener_set_tls, http_client_set_tls), the others keep theirs.
 * T2  Any thread may ref and unref; the connections of all loops share one.
 * T3  TLS 1.3 or 1.2, the latter with forward secrecy and AEAD only, as HTTP/2 demands; no renegotiation, no
 *     compression, no early data.  A ticket is good for the context that gave it, so it outlives no change of CAs.
 */
#pragma once

#include <stdint.h>

#include "base/fault.h"
#include "base/slice.h"

struct tls;

enum tls_clients { TLS_CLIENTS_ANY, TLS_CLIENTS_OPTIONAL, TLS_CLIENTS_REQUIRED };

struct tls_config {
    struct slice     cert;    /* PEM: own certificate, then what leads to its root; a client may have none */
    struct slice     key;     /* PEM, not encrypted */
    struct slice     ca;      /* PEM: who signs the other side; empty: for a client whom the system trusts */
    enum tls_clients clients; /* a server: are certificates asked for?  Then `ca` is needed. */
    const char      *cert_name, *key_name, *ca_name; /* for faults: "tls.crt"; NULL: in general words */
};

/* INVALID_ARGUMENT: which of the texts is wrong and why.  An expired certificate is none (tls_expires_s). */
must_check enum code tls_server_new(const struct tls_config *config, struct tls **out, struct fault *why);
must_check enum code tls_client_new(const struct tls_config *config, struct tls **out, struct fault *why);

struct tls *tls_ref(struct tls *t); /* NULL gives NULL */
void        tls_unref(struct tls *t);

/* When its own certificate is no longer good, in seconds since 1970; 0: it has none. */
int64_t tls_expires_s(const struct tls *t);
