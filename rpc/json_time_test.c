/*
 * Goal: Timestamp and Duration are read in every form that is one and written in the shortest.
 * Method: tables of both; the seconds are those that date -u says.
 */
#include "rpc/json_time.h"

#include <assert.h>

struct moment {
    const char *text;
    int64_t     seconds;
    int32_t     nanos;
    const char *written; /* NULL: the same */
};

static const struct moment timestamps[] = {
    { "1970-01-01T00:00:00Z", 0, 0, NULL },
    { "1969-12-31T23:59:59.999999999Z", -1, 999999999, NULL },
    { "9999-12-31T23:59:59.999999Z", 253402300799, 999999000, NULL },
    { "0001-01-01T00:00:00.000000001Z", -62135596800, 1, NULL },
    { "2000-02-29T23:59:59.12Z", 951868799, 120000000, "2000-02-29T23:59:59.120Z" },
    { "2000-03-01T00:00:00+23:59", 951782460, 0, "2000-02-29T00:01:00Z" },
    { "2000-02-29T00:00:00.0-01:30", 951787800, 0, "2000-02-29T01:30:00Z" },
};

static const struct moment durations[] = {
    { "0s", 0, 0, NULL },
    { "-0s", 0, 0, "0s" },
    { "1.000001s", 1, 1000, NULL },
    { "-0.000000001s", 0, -1, NULL },
    { "-3.5s", -3, -500000000, "-3.500s" },
    { "315576000000.999999999s", 315576000000, 999999999, NULL },
    { "-315576000000s", -315576000000, 0, NULL },
};

static const char *const no_times[] = {
    "",
    "2000-01-01",
    "2000-01-01T00:00:00",
    "2000-01-01 00:00:00Z",
    "2000-01-01t00:00:00z",
    "2000-1-01T00:00:00Z",
    "2001-02-29T00:00:00Z",
    "2000-00-01T00:00:00Z",
    "2000-13-01T00:00:00Z",
    "2000-01-00T00:00:00Z",
    "2000-01-01T24:00:00Z",
    "2000-01-01T00:60:00Z",
    "2000-01-01T00:00:60Z",
    "2000-01-01T00:00:00.Z",
    "2000-01-01T00:00:00.1234567890Z",
    "2000-01-01T00:00:00+24:00",
    "2000-01-01T00:00:00+0100",
    "2000-01-01T00:00:00ZZ",
    "0000-12-31T23:59:59Z",
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
    "+2000-01-01T00:00:00Z",
};

static const char *const no_durations[] = {
    "",
    "s",
    "1",
    "-s",
    ".5s",
    "1.s",
    "+1s",
    "1 s",
    "1s ",
    "--1s",
    "1e3s",
    "0x1s",
    "1.0000000001s",
    "315576000001s",
    "99999999999999999999s",
};

static void test_texts(void)
{
    char    room[JSON_TIME_BYTES];
    int64_t s;
    int32_t n;

    for (size_t i = 0; i < sizeof timestamps / sizeof timestamps[0]; i++) {
        const struct moment *m = &timestamps[i];
        assert(timestamp_of(slice_of(m->text), &s, &n) && s == m->seconds && n == m->nanos);
        assert(timestamp_text(s, n, room) && strcmp(room, m->written ? m->written : m->text) == 0);
    }
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        const struct moment *m = &durations[i];
        assert(duration_of(slice_of(m->text), &s, &n) && s == m->seconds && n == m->nanos);
        assert(duration_text(s, n, room) && strcmp(room, m->written ? m->written : m->text) == 0);
    }
}

static void test_no_texts(void)
{
    char    room[JSON_TIME_BYTES];
    int64_t s;
    int32_t n;

    for (size_t i = 0; i < sizeof no_times / sizeof no_times[0]; i++)
        assert(!timestamp_of(slice_of(no_times[i]), &s, &n));
    for (size_t i = 0; i < sizeof no_durations / sizeof no_durations[0]; i++)
        assert(!duration_of(slice_of(no_durations[i]), &s, &n));
    assert(!timestamp_text(253402300800, 0, room) && !timestamp_text(-62135596801, 0, room));
    assert(!timestamp_text(0, -1, room) && !timestamp_text(0, 1000000000, room));
    assert(!duration_text(315576000001, 0, room) && !duration_text(1, -1, room) && !duration_text(-1, 1, room));
    assert(!duration_text(0, 1000000000, room) && !duration_text(INT64_MIN, INT32_MIN, room));
}

int main(void)
{
    test_texts();
    test_no_texts();
    return 0;
}
