#include "base/log.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

static _Atomic int  level_least = LOG_INFO;
static _Atomic bool is_json;

static const char *const level_names[] = { "debug", "info", "warn", "error" };

void log_setup(enum log_level least, bool as_json)
{
    level_least = (int)least;
    is_json = as_json;
}

static void put_escaped(struct buf *b, struct slice s)
{
    buf_byte(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f)
            buf_printf(b, "\\u%04x", c);
        else
            buf_byte(b, c);
    }
    buf_byte(b, '"');
}

static bool is_plain(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\')
            return false;
    return s.n > 0;
}

static void put_text(struct buf *b, struct slice s, bool json)
{
    if (!json && is_plain(s))
        buf_slice(b, s);
    else
        put_escaped(b, s);
}

static void put_name(struct buf *b, const char *name, bool json)
{
    if (json)
        buf_printf(b, "%s\"%s\":", b->n > 1 ? "," : "", name);
    else
        buf_printf(b, "%s%s=", b->n > 0 ? " " : "", name);
}

static void put_time(struct buf *b, bool json)
{
    int64_t   now = clock_real_ns();
    time_t    s = (time_t)(now / NS_PER_S);
    struct tm tm;
    char      text[32];

    gmtime_r(&s, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    put_name(b, "ts", json);
    buf_printf(b, json ? "\"%s.%03dZ\"" : "%s.%03dZ", text, (int)(now % NS_PER_S / NS_PER_MS));
}

void log_write(enum log_level level, const char *msg, const struct log_field *fields)
{
    struct buf b = { 0 };
    bool       json = is_json;

    if ((int)level < level_least)
        return;
    if (json)
        buf_byte(&b, '{');
    put_name(&b, "level", json);
    put_text(&b, slice_of(level_names[level]), json);
    put_time(&b, json);
    put_name(&b, "msg", json);
    put_text(&b, slice_of(msg), json);
    for (; fields->name != NULL; fields++) {
        put_name(&b, fields->name, json);
        if (fields->is_text)
            put_text(&b, fields->text, json);
        else
            buf_printf(&b, "%lld", (long long)fields->number);
    }
    buf_text(&b, json ? "}\n" : "\n");
    if (write(STDERR_FILENO, b.p, b.n) < 0) {
        /* nowhere left to say so */
    }
    buf_free(&b);
}
