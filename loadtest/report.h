/* Report: what a trial came to, for a terminal, for programs and for people. */
#pragma once

#include "loadtest/trial.h"

enum { REPORT_VERSION = 1 };

void report_text(const struct trial *t, enum result result, struct slice why, struct buf *out);
void report_json(const struct trial *t, enum result result, struct slice why, struct buf *out);
void report_html(const struct trial *t, enum result result, struct slice why,
                 struct buf *out); /* one page, self-contained */

const char *result_text(enum result r);
