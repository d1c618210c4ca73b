#include "ingest/attime.h"

#include <time.h>

#include "base/clock.h"

enum { TEXT_MAX = 128, DATE_DIGITS = 8 };

static const int64_t DAY_S = 86400;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static int64_t saturated(int64_t n, int64_t unit_ns)
{
    int64_t ns;
    return __builtin_mul_overflow(n, unit_ns, &ns) ? INT64_MAX : ns;
}

/* YYYYMMDD that is a day of the calendar. */
static bool date_parse(int64_t n, int64_t *ns)
{
    struct tm tm = { .tm_year = (int)(n / 10000) - 1900,
                     .tm_mon = (int)(n / 100 % 100) - 1,
                     .tm_mday = (int)(n % 100) };
    struct tm asked = tm;
    time_t    s = timegm(&tm);

    if (tm.tm_year != asked.tm_year || tm.tm_mon != asked.tm_mon || tm.tm_mday != asked.tm_mday)
        return false;
    *ns = saturated(s, NS_PER_S);
    return true;
}

static int64_t number_time(struct slice digits, long long n)
{
    int64_t ns;

    if (digits.n == DATE_DIGITS && date_parse(n, &ns))
        return ns;
    switch (digits.n) {
    case 13:
        return saturated(n, NS_PER_MS);
    case 16:
        return saturated(n, 1000);
    case 19:
        return n;
    default:
        return saturated(n, NS_PER_S);
    }
}

static int64_t unit_s(struct slice unit)
{
    if (slice_starts(unit, SLICE("s")))
        return 1;
    if (slice_starts(unit, SLICE("mon")) || slice_starts(unit, SLICE("M")))
        return 30 * DAY_S;
    if (slice_starts(unit, SLICE("m")))
        return 60;
    if (slice_starts(unit, SLICE("h")))
        return 3600;
    if (slice_starts(unit, SLICE("d")))
        return DAY_S;
    if (slice_starts(unit, SLICE("w")))
        return 7 * DAY_S;
    return slice_starts(unit, SLICE("y")) ? 365 * DAY_S : 0;
}

/* `1h30m`: the groups added up. */
static int64_t offset_ns(struct slice s)
{
    int64_t sum = 0;

    for (size_t i = 0; i < s.n;) {
        size_t    digits = i, unit;
        long long n = 0;
        while (i < s.n && is_digit(s.p[i]))
            i++;
        if (!slice_to_i64(slice_make(s.p + digits, i - digits), &n))
            n = 0;
        unit = i;
        while (i < s.n && !is_digit(s.p[i]))
            i++;
        int64_t ns = saturated(saturated(n, unit_s(slice_make(s.p + unit, i - unit))), NS_PER_S);
        if (__builtin_add_overflow(sum, ns, &sum))
            return INT64_MAX;
    }
    return sum;
}

static int64_t shifted(int64_t now_ns, char sign, int64_t by_ns)
{
    int64_t ns;

    if (sign == '-')
        return __builtin_sub_overflow(now_ns, by_ns, &ns) ? INT64_MIN : ns;
    return __builtin_add_overflow(now_ns, by_ns, &ns) ? INT64_MAX : ns;
}

int64_t attime_parse(struct slice text, int64_t now_ns)
{
    char      kept[TEXT_MAX];
    size_t    n = 0, sign = 0;
    long long number;

    for (size_t i = 0; i < text.n && n < sizeof kept; i++)
        if (text.p[i] != ' ' && text.p[i] != '_' && text.p[i] != ',')
            kept[n++] = text.p[i];
    struct slice s = slice_make(kept, n);
    if (n > 0 && is_digit(kept[0]) && slice_to_i64(s, &number))
        return number_time(s, number);
    while (sign < n && kept[sign] != '+' && kept[sign] != '-')
        sign++;
    return sign < n ? shifted(now_ns, kept[sign], offset_ns(slice_from(s, sign + 1))) : now_ns;
}
