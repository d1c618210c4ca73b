/* One profile as a push.v1 request under way. */
#pragma once

#include "base/arena.h"
#include "ctl/api.h"
#include "model/labels.h"

/* `pprof`: plain; it is packed.  Nothing is borrowed afterwards. */
void push_send(struct api *api, size_t ticket, struct labels labels, struct slice pprof, struct arena *a);
