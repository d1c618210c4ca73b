/*
 * Items keep absolute places v[from, to) all the way down: one step (is_soon_sorted) may look in front of its range.
 */
#include "ingest/go_sort.h"

#include <assert.h>
#include <stdbool.h>

enum {
    INSERTION_MOST = 12, /* shorter ranges are sorted by insertion */
    MEDIAN_LEAST = 8,    /* the pivot is the median of three from here on, */
    NINTHER_LEAST = 50,  /* of three medians from here on */
    NINTHER_SWAPS = 12,  /* all comparisons that make it */
    SHIFTS_LEAST = 50,   /* shorter ranges that are not sorted are partitioned at once */
    SHIFTS_MOST = 5,     /* so many items out of place are put right, no more */
    BALANCE = 8,         /* a side shorter than this share of the whole is a bad partition */
};

struct pivot {
    int at;
    int n_swaps; /* of the candidates, to put them in order: 0 or all of them say much about the range */
};

struct asked {
    const uint32_t *before; /* [n_ranks + 1]; rank r counts as before[r - 1] .. before[r] */
    uint32_t        n_ranks;
};

struct range { /* v[from, to), whose ranks are in [least, most] */
    int      from, to;
    uint32_t least, most;
};

static inline bool less(struct go_item x, struct go_item y) { return x.rank == 0 || x.rank < y.rank; }

static inline void swap(struct go_item *v, int i, int j)
{
    struct go_item x = v[i];
    v[i] = v[j];
    v[j] = x;
}

static int bit_length(int n) { return 32 - __builtin_clz((unsigned)n); }

static void insertion_sort(struct go_item *v, int from, int to)
{
    for (int i = from + 1; i < to; i++)
        for (int j = i; j > from && less(v[j], v[j - 1]); j--)
            swap(v, j, j - 1);
}

static void sift_down(struct go_item *v, int root, int n)
{
    for (int child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && less(v[child], v[child + 1]))
            child++;
        if (!less(v[root], v[child]))
            return;
        swap(v, root, child);
    }
}

static void heap_sort(struct go_item *v, int n)
{
    for (int i = (n - 1) / 2; i >= 0; i--)
        sift_down(v, i, n);
    for (int i = n - 1; i >= 0; i--) {
        swap(v, 0, i);
        sift_down(v, 0, i);
    }
}

/* Three items around the middle change places with any: xorshift, seeded by the length. */
static void scatter(struct go_item *v, int from, int to)
{
    int      n = to - from, middle = from + n / 4 * 2;
    uint64_t x = (uint64_t)n, mask = (UINT64_C(1) << bit_length(n)) - 1;

    for (int i = middle - 1; i <= middle + 1; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        int other = (int)(x & mask);
        swap(v, i, from + (other < n ? other : other - n));
    }
}

static void in_order(const struct go_item *v, int *i, int *j, int *n_swaps)
{
    if (!less(v[*j], v[*i]))
        return;
    int k = *i;
    *i = *j;
    *j = k;
    ++*n_swaps;
}

static int median(const struct go_item *v, int i, int j, int k, int *n_swaps)
{
    in_order(v, &i, &j, n_swaps);
    in_order(v, &j, &k, n_swaps);
    in_order(v, &i, &j, n_swaps);
    return j;
}

static struct pivot pivot_choose(const struct go_item *v, int from, int to)
{
    int quarter = (to - from) / 4, at[] = { from + quarter, from + quarter * 2, from + quarter * 3 }, n = 0;

    for (int i = 0; i < 3 && to - from >= NINTHER_LEAST; i++)
        at[i] = median(v, at[i] - 1, at[i], at[i] + 1, &n);
    if (to - from >= MEDIAN_LEAST)
        at[1] = median(v, at[0], at[1], at[2], &n);
    return (struct pivot){ at[1], n };
}

static void reverse(struct go_item *v, int from, int to)
{
    for (int i = from, j = to - 1; i < j; i++, j--)
        swap(v, i, j);
}

/* Sorts a range that is nearly sorted; false: it is not, though some items may have moved. */
static bool is_soon_sorted(struct go_item *v, int from, int to)
{
    int i = from + 1;

    for (int shifts = 0; shifts < SHIFTS_MOST; shifts++) {
        while (i < to && !less(v[i], v[i - 1]))
            i++;
        if (i == to)
            return true;
        if (to - from < SHIFTS_LEAST)
            return false;
        swap(v, i, i - 1);
        for (int j = i - 1; i - from >= 2 && j >= 1 && less(v[j], v[j - 1]); j--) /* to 1, not to from */
            swap(v, j, j - 1);
        for (int j = i + 1; to - i >= 2 && j < to && less(v[j], v[j - 1]); j++)
            swap(v, j, j - 1);
    }
    return false;
}

/* Less than the pivot, the pivot, the rest; returns where it is now. */
static int partition(struct go_item *v, int from, int to, int pivot, bool *was_parted)
{
    int i = from + 1, j = to - 1;

    swap(v, from, pivot);
    const struct go_item p = v[from];
    for (*was_parted = true;; *was_parted = false) {
        while (i <= j && less(v[i], p))
            i++;
        while (i <= j && !less(v[j], p))
            j--;
        if (i > j)
            break;
        swap(v, i++, j--);
    }
    swap(v, from, j);
    return j;
}

/* Nothing is less than the pivot: what is equal to it, then the rest, which begins at the place returned. */
static int partition_equal(struct go_item *v, int from, int to, int pivot)
{
    int i = from + 1, j = to - 1;

    swap(v, from, pivot);
    const struct go_item p = v[from];
    for (;;) {
        while (i <= j && !less(p, v[i]))
            i++;
        while (i <= j && less(p, v[j]))
            j--;
        if (i > j)
            return i;
        swap(v, i++, j--);
    }
}

static bool any_asked(const struct asked *asked, struct range r)
{
    uint32_t most = r.most < asked->n_ranks ? r.most : asked->n_ranks;

    return most > 0 && r.least <= most && asked->before[most] > asked->before[r.least > 0 ? r.least - 1 : 0];
}

/* Recurs into the shorter side only; `bad_left` bad partitions later the rest is for the heap sort. */
static void range_sort(struct go_item *v, struct range r, int bad_left, const struct asked *asked)
{
    bool was_balanced = true, was_parted = true;

    while (r.to - r.from > INSERTION_MOST) {
        if (!any_asked(asked, r))
            return;
        if (bad_left == 0) {
            heap_sort(v + r.from, r.to - r.from);
            return;
        }
        if (!was_balanced) {
            scatter(v, r.from, r.to);
            bad_left--;
        }
        struct pivot p = pivot_choose(v, r.from, r.to);
        if (p.n_swaps == NINTHER_SWAPS) {
            reverse(v, r.from, r.to);
            p = (struct pivot){ r.to - 1 - (p.at - r.from), 0 };
        }
        if (was_balanced && was_parted && p.n_swaps == 0 && is_soon_sorted(v, r.from, r.to))
            return;
        uint32_t rank = v[p.at].rank;
        if (r.from > 0 && !less(v[r.from - 1], v[p.at])) {
            r.from = partition_equal(v, r.from, r.to, p.at);
            r.least = rank + 1;
            continue;
        }
        int          middle = partition(v, r.from, r.to, p.at, &was_parted);
        struct range left = { r.from, middle, r.least, rank > 0 ? rank - 1 : 0 };
        struct range right = { middle + 1, r.to, rank, r.most };
        int          n_left = middle - r.from, n_right = r.to - middle;
        was_balanced = (n_left < n_right ? n_left : n_right) >= (r.to - r.from) / BALANCE;
        range_sort(v, n_left < n_right ? left : right, bad_left, asked);
        r = n_left < n_right ? right : left;
    }
    insertion_sort(v, r.from, r.to);
}

void go_sort(struct go_item *v, uint32_t n, const uint32_t *asked_before, uint32_t n_ranks)
{
    assert(n <= INT32_MAX);
    if (n > 0)
        range_sort(v, (struct range){ 0, (int)n, 0, n_ranks }, bit_length((int)n),
                   &(struct asked){ asked_before, n_ranks });
}
