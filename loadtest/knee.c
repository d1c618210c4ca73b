#include "loadtest/knee.h"

#include <stdio.h>

#include "base/mem.h"
#include "loadtest/report.h"

enum { TRIALS_MAX = 20 };

double knee_next(double first, double good, double bad)
{
    if (bad == 0)
        return good == 0 ? first : good * 2;
    if (bad <= good * 1.1 || bad < 0.02)
        return 0;
    return (good + bad) / 2;
}

static bool trial_is_fine(const struct trial *t)
{
    struct buf  why = { 0 };
    enum result result = trial_result(t, &why);

    fprintf(stderr, "knee: %.1f requests a second: %s\n%.*s", t->rate, result_text(result), SLICE_ARGS(buf_view(&why)));
    buf_free(&why);
    return result == RESULT_FINE;
}

void knee_find(const struct settings *s, struct target *t, const struct seeds *seeds, struct trial *out)
{
    struct trial *next = mem_alloc(sizeof *next);
    double        good = 0, bad = 0, rate;

    for (unsigned i = 0; i < TRIALS_MAX && (rate = knee_next(s->rate, good, bad)) > 0; i++) {
        trial_run(s, t, seeds, rate, i, next);
        bool is_fine = trial_is_fine(next);
        if (i == 0 || is_fine) {
            if (i > 0)
                trial_free(out);
            *out = *next;
        } else {
            trial_free(next);
        }
        *(is_fine ? &good : &bad) = rate;
        if (trials_are_stopped())
            break;
    }
    fprintf(stderr, "knee: the highest rate that held is %.1f requests a second\n", good);
    free(next);
}
