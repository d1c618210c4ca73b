/* Term: what a terminal (or a file in its place) can show. */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

struct term {
    int  columns;
    bool is_tty;
    bool has_colour; /* 256 colours */
};

/*
 * Of file descriptor `fd`.  Columns: the variable COLUMNS, else what the terminal says, else 80.  `colour` is always,
 * never, or auto: colour when it is a terminal, NO_COLOR is not set (https://no-color.org) and TERM is not dumb.
 */
struct term term_of(int fd, struct slice colour);
