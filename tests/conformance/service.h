/*
 * ConformanceService: what the official Connect conformance runner asks of a server, answered as each request says.
 * Its rules stand in connectrpc.com/conformance v1.0.5, proto/connectrpc/conformance/v1/service.proto.
 */
#pragma once

#include "rpc/server.h"

const struct method *conformance_methods(size_t *n);
