/*
 * TLS session: one connection's end of TLS, without a socket.
 *
 *     recv --> tls_session_feed --> tls_session_read --> what the peer said
 *     what is to be said --> tls_session_seal --> wire --> sendmsg
 *
 * N1  What is fed is read wholly before anything else is fed: between two turns OpenSSL holds no more than the
 *     beginning of a record, so that nothing readable is ever forgotten in it.
 * N2  `wire` takes whatever TLS has to send, also of its own accord (handshake, tickets, alerts): OpenSSL never waits
 *     to write.  The sock bounds it by not reading while it is long.
 * N3  The thread of the connection's loop only.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "net/outq.h"
#include "net/tls.h"

struct tls_session;

enum tls_step {
    TLS_MORE,   /* something was done, or read */
    TLS_WAITS,  /* for bytes to be fed */
    TLS_ENDED,  /* close_notify came */
    TLS_BROKEN, /* tls_session_why; `wire` may hold an alert */
};

/* Takes a reference.  A client says which `host` it wants to meet, a name or an address; a server says NULL. */
struct tls_session *tls_session_new(struct tls *context, const char *host);
void                tls_session_free(struct tls_session *t);

void          tls_session_feed(struct tls_session *t, struct slice bytes); /* borrowed until read */
enum tls_step tls_session_shake(struct tls_session *t);                    /* MORE: the handshake is done */
enum tls_step tls_session_read(struct tls_session *t, char *into, size_t room, size_t *n); /* MORE: *n > 0 */
const char   *tls_session_why(const struct tls_session *t);

/* The first *n bytes of `from`, TLS_SEAL_BYTES or a little more, become records behind `wire`.  False: broken. */
enum { TLS_RECORD_BYTES = 16 << 10, TLS_SEAL_BYTES = 4 * TLS_RECORD_BYTES };
bool tls_session_seal(struct tls_session *t, const struct outq *from, size_t *n);

struct outq *tls_session_wire(struct tls_session *t);
void         tls_session_bye(struct tls_session *t); /* close_notify; nothing where it makes no sense (any more) */

struct slice tls_session_protocol(const struct tls_session *t); /* "h2", "http/1.1"; empty: none was negotiated */

/* Whom the verified certificate of the peer names: subject CN, then DNS, URI and email of subjectAltName; borrowed. */
const struct slice *tls_session_names(const struct tls_session *t, size_t *n);
