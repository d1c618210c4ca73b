/* Seeds: a folder of real pprofs whose stacks and sample types are used instead of invented ones. */
#pragma once

#include "loadtest/trial.h"

/* INVALID_ARGUMENT: no folder, or no file in it that serves; files that do not are named on standard error. */
must_check enum code seeds_load(const char *folder, struct arena *a, struct seeds *out, struct fault *why);
