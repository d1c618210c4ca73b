#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "ctl/times.h"

static const struct unit {
    const char *name;
    int64_t     ns;
} units[] = { { "ms", NS_PER_MS },        { "s", NS_PER_S },           { "min", 60 * NS_PER_S },
              { "m", 60 * NS_PER_S },     { "h", 3600 * NS_PER_S },    { "d", 86400 * NS_PER_S },
              { "w", 604800 * NS_PER_S }, { "y", 31536000 * NS_PER_S } };

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The digits that `s` begins with, taken off it. */
static struct slice digits_take(struct slice *s)
{
    size_t n = 0;

    while (n < s->n && is_digit(s->p[n]))
        n++;
    struct slice digits = { s->p, n };
    *s = slice_from(*s, n);
    return digits;
}

static const struct unit *unit_take(struct slice *s)
{
    size_t n = 0;

    while (n < s->n && !is_digit(s->p[n]))
        n++;
    struct slice name = { s->p, n };
    *s = slice_from(*s, n);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (slice_is(name, units[i].name))
            return &units[i];
    return NULL;
}

enum code duration_parse(struct slice text, int64_t *out_ns, struct fault *why)
{
    struct slice rest = text;
    int64_t      sum = 0;
    long long    count;

    if (slice_to_i64(text, &count) && count >= 0 && !__builtin_mul_overflow(count, NS_PER_S, out_ns))
        return CODE_OK;
    if (text.n == 0)
        goto bad;
    while (rest.n > 0) {
        int64_t            part;
        bool               is_count = slice_to_i64(digits_take(&rest), &count);
        const struct unit *unit = unit_take(&rest);
        if (!is_count || unit == NULL || __builtin_mul_overflow(count, unit->ns, &part) ||
            __builtin_add_overflow(sum, part, &sum))
            goto bad;
    }
    *out_ns = sum;
    return CODE_OK;
bad:
    return fail(why, CODE_INVALID_ARGUMENT, "\"%.*s\" is not a duration: write 30s, 5m, 1h30m or 2d", SLICE_ARGS(text));
}

/* Exactly `n` digits off the front of `s`. */
static bool number_take(struct slice *s, size_t n, int *out)
{
    long long value;

    if (s->n < n || !is_digit(s->p[0]) || !slice_to_i64((struct slice){ s->p, n }, &value))
        return false;
    *s = slice_from(*s, n);
    *out = (int)value;
    return true;
}

static bool char_take(struct slice *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = slice_from(*s, 1);
    return true;
}

/* The civil time as nanoseconds since 1970; false when there is no such day or hour. */
static bool civil_ns(struct tm civil, int64_t *out_ns)
{
    struct tm normal = civil;
    time_t    s = timegm(&normal);

    *out_ns = (int64_t)s * NS_PER_S;
    return civil.tm_year >= 70 && civil.tm_year < 330 && normal.tm_mday == civil.tm_mday &&
           normal.tm_mon == civil.tm_mon && normal.tm_hour == civil.tm_hour && normal.tm_min == civil.tm_min;
}

/* Z, +01:00, -0330, or nothing (UTC). */
static bool zone_take(struct slice *s, int64_t *offset_ns)
{
    int  hours = 0, minutes = 0;
    bool is_east = char_take(s, '+');

    *offset_ns = 0;
    if (!is_east && !char_take(s, '-'))
        return char_take(s, 'Z') || s->n == 0;
    if (!number_take(s, 2, &hours))
        return false;
    char_take(s, ':');
    if (!number_take(s, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *offset_ns = (is_east ? 1 : -1) * (int64_t)(hours * 3600 + minutes * 60) * NS_PER_S;
    return true;
}

/* RFC 3339, seconds and zone optional (UTC then), a space for the T allowed; also a date alone. */
static bool stamp_parse(struct slice s, int64_t *out_ns)
{
    struct tm civil = { 0 };
    int64_t   fraction = 0, offset;

    if (!number_take(&s, 4, &civil.tm_year) || !char_take(&s, '-') || !number_take(&s, 2, &civil.tm_mon) ||
        !char_take(&s, '-') || !number_take(&s, 2, &civil.tm_mday))
        return false;
    civil.tm_year -= 1900;
    civil.tm_mon -= 1;
    if (char_take(&s, 'T') || char_take(&s, ' ')) {
        if (!number_take(&s, 2, &civil.tm_hour) || !char_take(&s, ':') || !number_take(&s, 2, &civil.tm_min))
            return false;
        if (char_take(&s, ':') && (!number_take(&s, 2, &civil.tm_sec) || civil.tm_sec > 60))
            return false;
        if (char_take(&s, '.'))
            for (int64_t unit = NS_PER_S / 10; s.n > 0 && is_digit(s.p[0]); unit /= 10, s = slice_from(s, 1))
                fraction += (s.p[0] - '0') * unit;
    }
    if (!zone_take(&s, &offset) || s.n > 0 || !civil_ns(civil, out_ns))
        return false;
    *out_ns += fraction - offset;
    return true;
}

/* Digits alone: YYYYMMDD, or a count of seconds, ms, us or ns since 1970, told apart by how many there are. */
static bool digits_parse(struct slice s, int64_t *out_ns)
{
    struct tm civil = { 0 };
    long long value;

    if (!slice_to_i64(s, &value) || !is_digit(s.p[0]))
        return false;
    if (s.n == 8) {
        civil = (struct tm){ .tm_year = (int)(value / 10000) - 1900,
                             .tm_mon = (int)(value / 100 % 100) - 1,
                             .tm_mday = (int)(value % 100) };
        if (civil_ns(civil, out_ns))
            return true;
    }
    int64_t unit = s.n == 19 ? 1 : s.n == 16 ? 1000 : s.n == 13 ? NS_PER_MS : NS_PER_S;
    return !__builtin_mul_overflow((int64_t)value, unit, out_ns);
}

enum code time_parse(struct slice text, int64_t now_ns, int64_t *out_ns, struct fault *why)
{
    struct slice s = slice_trim(text);
    struct fault ignored;
    int64_t      ago;

    if (slice_is(s, "now")) {
        *out_ns = now_ns;
        return CODE_OK;
    }
    if (digits_parse(s, out_ns) || stamp_parse(s, out_ns))
        return CODE_OK;
    if (slice_starts(s, SLICE("now")))
        s = slice_from(s, 3);
    int sign = char_take(&s, '+') ? 1 : -1;
    if (sign < 0)
        char_take(&s, '-');
    if (s.n == 0 || duration_parse(s, &ago, &ignored) != CODE_OK || __builtin_add_overflow(now_ns, sign * ago, out_ns))
        return fail(why, CODE_INVALID_ARGUMENT,
                    "\"%.*s\" is not a time: write now, -1h, now-30m, 2026-11-20T10:00:00Z or seconds since 1970",
                    SLICE_ARGS(text));
    return CODE_OK;
}
