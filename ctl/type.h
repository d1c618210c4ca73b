/* Type: which profile type a command shows, and what its values are. */
#pragma once

#include "ctl/session.h"
#include "ctl/text.h"

/* --type, or one of those that the selector has; NULL: it has none, or the server refuses (`*code` says). */
const char *type_choose(struct session *s, const char *selector, enum exit_code *code);

/* Of the third of the type's five parts. */
enum text_unit type_unit(const char *type);
