/*
 * Draw: a graph as lines of text, root at the top, one line for each level, as wide as the terminal.
 *
 *     |total 2.45s                                                                            |
 *     |main.main 100.0%                                                                       |
 *     |http.serve 62.1%                                          |db.query 37.9%              |
 *
 * With colour a box is a strip of background (the same function always the same one); without, it begins and ends with
 * a bar.  A box narrower than a column is not drawn, but counted; nothing is widened, so widths can be compared.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "ctl/graph.h"
#include "ctl/text.h"

struct draw_options {
    int            columns;
    bool           has_colour;
    double         percent_min; /* boxes below that share of the root are left out */
    uint32_t       depth_max;   /* levels below the root; 0: all */
    enum text_unit unit;
};

void graph_draw(const struct graph *g, const struct draw_options *o, struct buf *out);
