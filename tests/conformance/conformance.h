/* What the program serves. */
#pragma once

#include "rpc/server.h"

enum { CONFORMANCE_METHODS = 6 };
extern const struct method conformance_methods[CONFORMANCE_METHODS];
