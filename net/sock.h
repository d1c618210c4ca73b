/*
 * Sock: one non-blocking TCP connection of a loop, server's or client's, in clear text or TLS.
 *
 *     on_bytes <--[ TLS ]<-- recv, 4 KiB at most in the first turn, later 64
 *     on_turn  --> out --[ TLS ]--> one sendmsg a turn --> on_sent
 *
 * S1  Everything runs on the loop's thread.  on_closed is last; the owner may free the sock there and nowhere else.
 * S2  After sock_close no other callback runs.
 * S3  `out` holds what has not left yet, also what TLS has sealed of it: `out.n == 0` means the same with and without.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/slice.h"
#include "net/loop_priv.h"
#include "net/outq.h"
#include "net/tls_session.h"

struct sock_ops {
    void (*on_connected)(void *owner); /* with TLS: hands are shaken; never for what is accepted in clear text */
    void (*on_bytes)(void *owner, struct slice bytes); /* in the loop's scratch: dead when this returns */
    void (*on_eof)(void *owner);
    void (*on_broken)(void *owner, const char *why);
    void (*on_turn)(void *owner); /* fill `out` */
    void (*on_sent)(void *owner); /* what could be sent was sent */
    void (*on_closed)(void *owner);
};

struct sock {
    struct loop           *loop;
    const struct sock_ops *ops;
    void                  *owner;
    struct tls_session    *tls; /* NULL: clear text */
    struct outq            out;
    size_t                 n_sealed; /* so much of `out` is in the session's wire */
    struct turn            turn;
    uv_poll_t              poll;
    int                    fd, events;
    int                    turn_bytes; /* that are read at most in the next turn */
    bool                   is_reading, is_blocked, is_connecting, is_ready, is_shutting, is_closing;
};

enum { SOCK_OUT_ENOUGH = 256 << 10 }; /* on_turn stops filling here */

/* `fd` is non-blocking and passes to the sock, like `tls` (or NULL); `is_connecting`: a connect is under way. */
void sock_open(struct sock *s, struct loop *l, int fd, bool is_connecting, struct tls_session *tls,
               const struct sock_ops *ops, void *owner);
void sock_read(struct sock *s, bool on);
void sock_touch(struct sock *s); /* on_turn at the end of this turn */
void sock_shut(struct sock *s);  /* `out` is empty and stays so: the peer is told, and may still send */
void sock_trim(struct sock *s);  /* what was kept for the next write is given back */
void sock_close(struct sock *s); /* again: nothing */
