/*
 * Timestamp and Duration as proto3 JSON writes them: "1972-01-01T10:00:20.021Z" and "-1.5s", with 0, 3, 6 or 9 digits of a
 * second.  Read: offsets from UTC, and any number of digits up to 9.  False: not such a text, or out of the range that
 * protobuf gives it (years 1 to 9999; 10,000 years and one sign).
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

enum { JSON_TIME_BYTES = 48 };

bool timestamp_text(int64_t seconds, int32_t nanos, char room[JSON_TIME_BYTES]);
bool timestamp_of(struct slice text, int64_t *seconds, int32_t *nanos);

bool duration_text(int64_t seconds, int32_t nanos, char room[JSON_TIME_BYTES]);
bool duration_of(struct slice text, int64_t *seconds, int32_t *nanos);
