/*
 * Sock: one non-blocking TCP connection of a loop, server's or client's.
 *
 *     on_bytes <-- recv, 64 KiB at most a turn
 *     on_turn  --> out --> one sendmsg a turn --> on_sent
 *
 * S1  Everything runs on the loop's thread.  on_closed is last; the owner may free the sock there and nowhere else.
 * S2  After sock_close no other callback runs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/slice.h"
#include "net/loop_priv.h"
#include "net/outq.h"

struct sock_ops {
    void (*on_connected)(void *owner);
    void (*on_bytes)(void *owner, struct slice bytes); /* in the loop's scratch: dead when this returns */
    void (*on_eof)(void *owner);
    void (*on_broken)(void *owner, int error); /* errno */
    void (*on_turn)(void *owner);              /* fill `out` */
    void (*on_sent)(void *owner);              /* what could be sent was sent */
    void (*on_closed)(void *owner);
};

struct sock {
    struct loop           *loop;
    const struct sock_ops *ops;
    void                  *owner;
    struct outq            out;
    struct turn            turn;
    uv_poll_t              poll;
    int                    fd, events;
    bool                   is_reading, is_blocked, is_connecting, is_closing;
};

enum { SOCK_OUT_ENOUGH = 256 << 10 }; /* on_turn stops filling here */

/* `fd` is non-blocking and passes to the sock; `is_connecting`: a connect is under way. */
void sock_open(struct sock *s, struct loop *l, int fd, bool is_connecting, const struct sock_ops *ops, void *owner);
void sock_read(struct sock *s, bool on);
void sock_touch(struct sock *s); /* on_turn at the end of this turn */
void sock_close(struct sock *s); /* again: nothing */
