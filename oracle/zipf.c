#include "oracle/zipf.h"

#include <assert.h>
#include <math.h>

#include "oracle/dice.h"

struct zipf zipf_make(uint32_t n, double s, struct arena *a)
{
    double sum = 0, so_far = 0;

    assert(n > 0);
    if (s <= 0)
        return (struct zipf){ n, NULL };
    for (uint32_t r = 0; r < n; r++)
        sum += pow(r + 1.0, -s);
    uint64_t *up_to = arena_array(a, n, sizeof *up_to);
    for (uint32_t r = 0; r < n; r++) {
        so_far += pow(r + 1.0, -s) / sum;
        up_to[r] = so_far >= 1 ? UINT64_MAX : (uint64_t)ldexp(so_far, 64);
    }
    up_to[n - 1] = UINT64_MAX;
    return (struct zipf){ n, up_to };
}

uint32_t zipf_rank(const struct zipf *z, uint64_t dice)
{
    uint32_t low = 0, high = z->n - 1;

    if (z->up_to == NULL)
        return dice_below(dice, z->n);
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (dice < z->up_to[mid])
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}
