#include "base/slice.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

bool slice_eq_nocase(struct slice a, struct slice b) { return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0); }

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

struct slice slice_trim(struct slice a)
{
    while (a.n > 0 && is_space(a.p[0]))
        a = slice_from(a, 1);
    while (a.n > 0 && is_space(a.p[a.n - 1]))
        a.n--;
    return a;
}

size_t slice_find(struct slice a, struct slice needle)
{
    if (needle.n == 0)
        return 0;
    const char *at = a.n ? memmem(a.p, a.n, needle.p, needle.n) : NULL;
    return at ? (size_t)(at - a.p) : a.n;
}

bool slice_to_i64(struct slice a, long long *out)
{
    char  text[24];
    char *end;

    if (a.n == 0 || a.n >= sizeof text || is_space(a.p[0]))
        return false;
    memcpy(text, a.p, a.n);
    text[a.n] = '\0';
    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && end == text + a.n;
}

int slice_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}
