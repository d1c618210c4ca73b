/* Utf8: is this text? */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/* As RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool utf8_is_valid(struct slice s);

/* How many bytes at the start of `s` are. */
size_t utf8_valid_prefix(struct slice s);

/* Nearly every name is, which is faster to tell; many texts can be asked about at once. */
bool utf8_is_ascii(struct slice s);
