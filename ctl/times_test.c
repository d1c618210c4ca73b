/*
 * Goal: times are read as people write them, and nothing unreadable becomes a time.
 * Method: a table of texts against nanoseconds, then a list of texts that must be refused.
 */
#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "ctl/times.h"

#define NOW (INT64_C(1763632800) * NS_PER_S) /* 2025-11-20T10:00:00Z */

static const struct {
    const char *text;
    int64_t     ns;
} good[] = {
    { "now", NOW },
    { " now ", NOW },
    { "-1h", NOW - 3600 * NS_PER_S },
    { "now-30m", NOW - 1800 * NS_PER_S },
    { "now+90s", NOW + 90 * NS_PER_S },
    { "1h30m", NOW - 5400 * NS_PER_S },
    { "-250ms", NOW - 250 * NS_PER_MS },
    { "-90", NOW - 90 * NS_PER_S },
    { "-2d", NOW - 172800 * NS_PER_S },
    { "2025-11-20T10:00:00Z", NOW },
    { "2025-11-20 10:00", NOW },
    { "2025-11-20", NOW - 36000 * NS_PER_S },
    { "20251120", NOW - 36000 * NS_PER_S },
    { "2025-11-20T10:00:00.25Z", NOW + 250 * NS_PER_MS },
    { "2025-11-20T11:30:00+01:30", NOW },
    { "2025-11-20T06:00:00-0400", NOW },
    { "1763632800", NOW },
    { "1763632800000", NOW },
    { "1763632800000000", NOW },
    { "1763632800000000000", NOW },
    { "0", 0 },
};

static const char *const bad[] = { "",
                                   "yesterday",
                                   "-h",
                                   "1x",
                                   "now-",
                                   "nowadays",
                                   "2025-13-01",
                                   "2025-02-30T00:00:00Z",
                                   "2025-11-20T25:00:00Z",
                                   "2025-11-20T10:00:00Zulu",
                                   "2025-11-20T10:00:00+99:00",
                                   "-99999999999999999999h",
                                   "99999999999999999999",
                                   "-9999999999y" };

static void check_times(void)
{
    struct fault why;
    int64_t      ns;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        enum code code = time_parse(slice_of(good[i].text), NOW, &ns, &why);
        if (code != CODE_OK || ns != good[i].ns)
            fprintf(stderr, "%s: %lld, not %lld\n", good[i].text, (long long)ns, (long long)good[i].ns);
        assert(code == CODE_OK && ns == good[i].ns);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        enum code code = time_parse(slice_of(bad[i]), NOW, &ns, &why);
        if (code == CODE_OK)
            fprintf(stderr, "\"%s\" was taken for %lld\n", bad[i], (long long)ns);
        assert(code == CODE_INVALID_ARGUMENT);
    }
}

static void check_durations(void)
{
    struct fault why;
    int64_t      ns;

    assert(duration_parse(SLICE("30s"), &ns, &why) == CODE_OK && ns == 30 * NS_PER_S);
    assert(duration_parse(SLICE("5"), &ns, &why) == CODE_OK && ns == 5 * NS_PER_S);
    assert(duration_parse(SLICE("1h1m"), &ns, &why) == CODE_OK && ns == 3660 * NS_PER_S);
    assert(duration_parse(SLICE("-5s"), &ns, &why) == CODE_INVALID_ARGUMENT);
    assert(duration_parse(SLICE(""), &ns, &why) == CODE_INVALID_ARGUMENT);
    assert(duration_parse(SLICE("5 s"), &ns, &why) == CODE_INVALID_ARGUMENT);
}

int main(void)
{
    check_times();
    check_durations();
    return 0;
}
