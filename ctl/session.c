#include <stdarg.h>
#include <stdio.h>

#include "ctl/session.h"

enum exit_code say(enum exit_code code, const char *format, ...)
{
    va_list ap;

    fputs("hearthctl: ", stderr);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    return code;
}

/* What to try next; NULL: the message says it all. */
static const char *hint_for(enum code code)
{
    switch (code) {
    case CODE_UNAUTHENTICATED:
        return "the server wants to know who asks: --token-file FILE, and --tenant ID with multi-tenancy";
    case CODE_PERMISSION_DENIED:
        return "this token may not use this tenant: see --tenant and --token-file";
    case CODE_UNIMPLEMENTED:
        return "is this a Hearth server of this version? `hearthctl version` prints ours";
    default:
        return NULL;
    }
}

enum exit_code answer_check(const struct session *s, const struct answer *a)
{
    if (a->code == CODE_OK)
        return EXIT_FINE;
    if (a->is_unreachable) {
        say(EXIT_UNREACHABLE, "no answer from %s: %s", api_address(s->api), a->text);
        return say(EXIT_UNREACHABLE,
                   "is Hearth running there? `./dev run` starts one; --url or HEARTH_URL names another");
    }
    say(EXIT_REFUSED, "%s", a->text);
    const char *hint = hint_for(a->code);
    return hint != NULL ? say(EXIT_REFUSED, "%s", hint) : EXIT_REFUSED;
}

bool option_number(const char *option, const char *text, int64_t least, int64_t otherwise, int64_t *out)
{
    long long value = otherwise;

    if (text != NULL && (!slice_to_i64(slice_of(text), &value) || value < least)) {
        say(EXIT_USAGE, "--%s %s: write a whole number, at least %lld", option, text, (long long)least);
        return false;
    }
    *out = value;
    return true;
}
