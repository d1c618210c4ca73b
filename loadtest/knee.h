/* Knee: the highest rate at which every threshold and every answer holds. */
#pragma once

#include "loadtest/trial.h"

/*
 * Doubles from the settings' rate until a trial fails, then halves the distance until it is within a tenth.  `out` is the
 * best trial that was fine, or the first when none was.
 */
void knee_find(const struct settings *s, struct target *t, const struct seeds *seeds, struct trial *out);

/* The rate to try next, when `good` held (0: none has) and `bad` did not (0: none has failed); 0: it is found. */
double knee_next(double first, double good, double bad);
