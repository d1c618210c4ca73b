/*
 * Certificates: TLS contexts made of files, and made anew when the files have changed.
 *
 *     tls.crt, tls.key, ca.crt --certificates_open--> a context of each kind that is wanted
 *             `-- change, and rest for a moment --certificates_renew--> all of them anew, or the old ones stay
 *
 * Main thread only; the contexts themselves are anybody's (net/tls.h).
 */
#pragma once

#include <stdbool.h>

#include "net/tls.h"

struct certificates;

enum certificate_use {
    CERTIFICATE_TLS,  /* a listener's; clients are verified if they show a certificate and there is a CA */
    CERTIFICATE_MTLS, /* a listener's; clients must show one */
    CERTIFICATE_PEER, /* a client's, of a cluster's own processes */
    CERTIFICATE_USES
};

struct certificate_files {
    const char *cert, *key, *ca; /* "": none */
};

/* `wanted`: bits of certificate_use.  Files are borrowed.  A fault says which file is wrong and why. */
must_check enum code certificates_open(const struct certificate_files *files, unsigned wanted,
                                       struct certificates **out, struct fault *why);
void                 certificates_free(struct certificates *c); /* NULL is fine */

struct tls *certificates_get(const struct certificates *c, enum certificate_use use); /* borrowed; NULL: not wanted */

/* Once a second.  True: the contexts are new.  What is wrong with changed files is logged once. */
bool certificates_renew(struct certificates *c);
void certificates_reread(struct certificates *c); /* the next renewal reads them, changed or not */
