/* Inside the room: one setting, for the table (settings.c) and for whoever reads values into it. */
#pragma once

#include "loadtest/settings.h"

enum value_kind { VALUE_TEXT, VALUE_COUNT, VALUE_NUMBER, VALUE_DURATION, VALUE_BOOL };

struct setting {
    const char     *name;
    enum value_kind kind;
    size_t          offset;
    const char     *otherwise;
    const char     *help;
};

enum { N_SETTINGS = 45 };
extern const struct setting settings_table[];

const struct setting *setting_find(struct slice name); /* NULL: there is none */
must_check enum code  setting_set(const struct setting *s, struct settings *out, struct slice text, struct arena *a,
                                  struct fault *why);
