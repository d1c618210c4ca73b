#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl/term.h"

enum { COLUMNS_MIN = 20, COLUMNS_MAX = 2000, COLUMNS_USUAL = 80 };

static int term_columns(int fd)
{
    struct winsize size = { 0 };
    long long      wish = 0;

    if (slice_to_i64(slice_of(getenv("COLUMNS")), &wish) && wish >= COLUMNS_MIN && wish <= COLUMNS_MAX)
        return (int)wish;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= COLUMNS_MIN)
        return size.ws_col < COLUMNS_MAX ? size.ws_col : COLUMNS_MAX;
    return COLUMNS_USUAL;
}

static bool term_wants_colour(bool is_tty)
{
    const char *refused = getenv("NO_COLOR"), *kind = getenv("TERM");

    return is_tty && !(refused && *refused) && !slice_is(slice_of(kind), "dumb");
}

struct term term_of(int fd, struct slice colour)
{
    struct term t = { .columns = term_columns(fd), .is_tty = isatty(fd) };

    t.has_colour = slice_is(colour, "always") || (!slice_is(colour, "never") && term_wants_colour(t.is_tty));
    return t;
}
