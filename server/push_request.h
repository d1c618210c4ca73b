/*
 * PushRequest: push.v1.PushRequest as the items of an intake, walked where it lies.
 *
 * P1  What reading can cost is known before it is taken: measuring comes first, and refuses what is no such message.
 * P2  Labels, ids and profiles are views of the message; only the lists of them are made.
 * P3  Texts are valid UTF-8 and hold no NUL, as in messages that rpc decodes.
 */
#pragma once

#include "server/intake.h"

struct push_size {
    size_t items, labels;
};

struct push_request {
    struct intake_item *items;     /* [n] */
    uint32_t           *series_of; /* [n] which series of the request an item is of */
    size_t              n;
};

/* INVALID_ARGUMENT: not such a message, and where. */
must_check enum code push_request_measure(struct slice message, struct push_size *size, struct fault *why);

size_t push_request_bytes(const struct push_size *size); /* that the lists will take of the arena */

/* `message` was measured. */
struct push_request push_request_read(struct slice message, const struct push_size *size, struct arena *a);
