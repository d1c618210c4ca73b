#include "rpc/json_time.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const int64_t TIMESTAMP_MIN = -62135596800, TIMESTAMP_MAX = 253402300799, DURATION_MAX = 315576000000;

enum { NANOS = 1000000000 };

/* ".021", or nothing. */
static const char *fraction_text(int32_t nanos, char room[16])
{
    if (nanos == 0)
        room[0] = '\0';
    else if (nanos % 1000000 == 0)
        snprintf(room, 16, ".%03" PRId32, nanos / 1000000);
    else if (nanos % 1000 == 0)
        snprintf(room, 16, ".%06" PRId32, nanos / 1000);
    else
        snprintf(room, 16, ".%09" PRId32, nanos);
    return room;
}

bool timestamp_text(int64_t seconds, int32_t nanos, char room[JSON_TIME_BYTES])
{
    char      fraction[16];
    struct tm t;

    if (seconds < TIMESTAMP_MIN || seconds > TIMESTAMP_MAX || nanos < 0 || nanos >= NANOS)
        return false;
    gmtime_r(&(time_t){ seconds }, &t);
    snprintf(room, JSON_TIME_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d%sZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
             t.tm_hour, t.tm_min, t.tm_sec, fraction_text(nanos, fraction));
    return true;
}

bool duration_text(int64_t seconds, int32_t nanos, char room[JSON_TIME_BYTES])
{
    char fraction[16];
    bool is_negative = seconds < 0 || nanos < 0;

    if (seconds < -DURATION_MAX || seconds > DURATION_MAX || nanos <= -NANOS || nanos >= NANOS ||
        (is_negative && (seconds > 0 || nanos > 0)))
        return false;
    snprintf(room, JSON_TIME_BYTES, "%s%lld%ss", is_negative ? "-" : "", llabs(seconds),
             fraction_text(abs(nanos), fraction));
    return true;
}

/* ---- reading; each takes what it read off the front of *s ---- */

static bool take_char(struct slice *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = slice_from(*s, 1);
    return true;
}

/* From `least` to `most` digits; returns how many there were, 0 when too few. */
static int take_digits(struct slice *s, int least, int most, int64_t *out)
{
    int n = 0;

    for (*out = 0; n < most && (size_t)n < s->n && s->p[n] >= '0' && s->p[n] <= '9'; n++)
        *out = *out * 10 + (s->p[n] - '0');
    *s = slice_from(*s, (size_t)n);
    return n < least ? 0 : n;
}

static bool take_number(struct slice *s, int digits, int64_t max, int64_t *out)
{
    return take_digits(s, digits, digits, out) > 0 && *out <= max;
}

static bool take_fraction(struct slice *s, int32_t *nanos)
{
    int64_t v = 0;

    *nanos = 0;
    if (!take_char(s, '.'))
        return true;
    int n = take_digits(s, 1, 9, &v);
    for (int i = n; i < 9; i++)
        v *= 10;
    *nanos = (int32_t)v;
    return n > 0;
}

/* "Z", "+01:00": seconds to the east. */
static bool take_zone(struct slice *s, int64_t *offset)
{
    bool    is_west;
    int64_t hours, minutes;

    *offset = 0;
    if (take_char(s, 'Z'))
        return true;
    is_west = take_char(s, '-');
    if ((!is_west && !take_char(s, '+')) || !take_number(s, 2, 23, &hours) || !take_char(s, ':') ||
        !take_number(s, 2, 59, &minutes))
        return false;
    *offset = (hours * 60 + minutes) * (is_west ? -60 : 60);
    return true;
}

static bool take_date(struct slice *s, struct tm *t)
{
    int64_t year, month, day;

    if (!take_number(s, 4, 9999, &year) || !take_char(s, '-') || !take_number(s, 2, 12, &month) || !take_char(s, '-') ||
        !take_number(s, 2, 31, &day) || month == 0 || day == 0)
        return false;
    t->tm_year = (int)year - 1900, t->tm_mon = (int)month - 1, t->tm_mday = (int)day;
    return true;
}

static bool take_clock(struct slice *s, struct tm *t)
{
    int64_t hour, minute, second;

    if (!take_number(s, 2, 23, &hour) || !take_char(s, ':') || !take_number(s, 2, 59, &minute) || !take_char(s, ':') ||
        !take_number(s, 2, 59, &second))
        return false;
    t->tm_hour = (int)hour, t->tm_min = (int)minute, t->tm_sec = (int)second;
    return true;
}

bool timestamp_of(struct slice text, int64_t *seconds, int32_t *nanos)
{
    struct tm t = { 0 };
    int64_t   offset;

    if (!take_date(&text, &t) || !take_char(&text, 'T') || !take_clock(&text, &t) || !take_fraction(&text, nanos) ||
        !take_zone(&text, &offset) || text.n > 0)
        return false;
    int day = t.tm_mday;
    *seconds = timegm(&t) - offset;
    return t.tm_mday == day && *seconds >= TIMESTAMP_MIN && *seconds <= TIMESTAMP_MAX; /* 30 February is another day */
}

bool duration_of(struct slice text, int64_t *seconds, int32_t *nanos)
{
    bool is_negative = take_char(&text, '-');

    if (take_digits(&text, 1, 12, seconds) == 0 || !take_fraction(&text, nanos) || !take_char(&text, 's') ||
        text.n > 0 || *seconds > DURATION_MAX)
        return false;
    if (is_negative) {
        *seconds = -*seconds;
        *nanos = -*nanos;
    }
    return true;
}
