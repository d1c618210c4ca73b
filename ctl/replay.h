/* Replay: both halves of the command. */
#pragma once

#include "ctl/archive.h"
#include "ctl/session.h"

enum { REPLAY_IN_FLIGHT_MAX = 8 };

enum exit_code replay_push(struct session *s, const char *path);
enum exit_code replay_dump(struct session *s, const char *selector);
