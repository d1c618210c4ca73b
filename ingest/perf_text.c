#include "ingest/perf_text.h"

#include "ingest/pprof_make.h"

enum { EVENTS_MAX = 8, FRAMES_MAX = 1024, LOOK_LINES = 64 };

struct header {
    struct slice comm, event;
    int64_t      period;
    struct slice frame; /* on the same line when there is no call chain */
};

struct conversion {
    struct pprof_make m;
    struct arena     *arena;
    struct strset    *events, *dsos, *frames, *stacks; /* frames: number i is location i + 1; dsos: mapping i + 1 */
    int64_t          *values;                          /* [stacks_cap][EVENTS_MAX] */
    size_t            stacks_cap;
    uint32_t          stack[FRAMES_MAX + 1];
    size_t            depth;
    int64_t           period; /* of the first event */
    bool              has_comm;
};

static bool is_space(char c) { return c == ' ' || c == '\t'; }

static bool line_take(struct slice *rest, struct slice *line)
{
    if (rest->n == 0)
        return false;
    size_t end = slice_find(*rest, SLICE("\n"));
    *line = slice_make(rest->p, end);
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    *rest = end < rest->n ? slice_from(*rest, end + 1) : (struct slice){ 0 };
    return true;
}

/* The next word of `s`, and where it stands. */
static bool word_take(struct slice s, size_t *at, struct slice *word)
{
    size_t i = *at;

    while (i < s.n && is_space(s.p[i]))
        i++;
    size_t from = i;
    while (i < s.n && !is_space(s.p[i]))
        i++;
    *word = slice_make(s.p + from, i - from);
    *at = i;
    return i > from;
}

/* `1234.567890:` */
static bool is_time(struct slice w)
{
    size_t dots = 0;

    if (w.n < 4 || w.p[w.n - 1] != ':')
        return false;
    for (size_t i = 0; i + 1 < w.n; i++) {
        if (w.p[i] == '.')
            dots++;
        else if (w.p[i] < '0' || w.p[i] > '9')
            return false;
    }
    return dots == 1;
}

/* What stands before the time: the command, then a pid, perhaps a cpu. */
static struct slice comm_of(struct slice before)
{
    before = slice_trim(before);
    for (int words = 0; words < 2; words++) {
        size_t i = before.n;
        while (i > 0 && !is_space(before.p[i - 1]))
            i--;
        bool is_cpu = i < before.n && before.p[i] == '[';
        before = slice_trim(slice_make(before.p, i));
        if (!is_cpu)
            break;
    }
    return before;
}

static bool header_parse(struct slice line, struct header *h)
{
    struct slice word;
    size_t       at = 0, from;
    long long    period;

    *h = (struct header){ .period = 1 };
    do {
        if (!word_take(line, &at, &word))
            return false;
    } while (!is_time(word));
    from = (size_t)(word.p - line.p);
    h->comm = comm_of(slice_make(line.p, from));
    if (!word_take(line, &at, &word))
        return false;
    if (slice_to_i64(word, &period)) {
        h->period = period;
        if (!word_take(line, &at, &word))
            return false;
    }
    if (word.n < 2 || word.p[word.n - 1] != ':')
        return false;
    h->event = slice_make(word.p, slice_find(word, SLICE(":")));
    h->frame = slice_trim(slice_from(line, at));
    return h->event.n > 0 && h->period >= 0;
}

struct frame {
    struct slice symbol, dso;
    uint64_t     address;
};

static bool hex_parse(struct slice s, uint64_t *v)
{
    *v = 0;
    if (s.n == 0 || s.n > 16)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        int  d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (d < 0)
            return false;
        *v = *v << 4 | (uint64_t)d;
    }
    return true;
}

static bool frame_parse(struct slice line, struct frame *f)
{
    struct slice word;
    size_t       at = 0;

    *f = (struct frame){ 0 };
    if (!word_take(line, &at, &word) || !hex_parse(word, &f->address))
        return false;
    struct slice rest = slice_trim(slice_from(line, at));
    size_t       open = rest.n;
    while (open > 0 && rest.p[open - 1] != '(')
        open--;
    if (open > 0 && rest.p[rest.n - 1] == ')') {
        f->dso = slice_make(rest.p + open, rest.n - open - 1);
        rest = slice_trim(slice_make(rest.p, open - 1));
    }
    size_t plus = rest.n;
    for (size_t i = 0; i + 2 < rest.n; i++)
        if (rest.p[i] == '+' && rest.p[i + 1] == '0' && rest.p[i + 2] == 'x')
            plus = i;
    f->symbol = slice_make(rest.p, plus);
    if (slice_is(f->symbol, "[unknown]"))
        f->symbol = (struct slice){ 0 };
    return true;
}

/* The location of a frame: by symbol and binary, or by address where there is no symbol. */
static uint32_t location_of(struct conversion *c, const struct frame *f)
{
    struct slice key = f->symbol.n > 0
                           ? arena_printf(c->arena, "s%.*s\n%.*s", SLICE_ARGS(f->symbol), SLICE_ARGS(f->dso))
                           : arena_printf(c->arena, "a%llx\n%.*s", (unsigned long long)f->address, SLICE_ARGS(f->dso));
    uint32_t     n = strset_n(c->frames), at = strset_add(c->frames, key);

    if (at < n)
        return at + 1;
    uint64_t mapping = 0;
    if (f->dso.n > 0) {
        uint32_t n_dsos = strset_n(c->dsos), dso = strset_add(c->dsos, f->dso);
        mapping = dso + 1;
        if (dso == n_dsos)
            pprof_make_mapping(&c->m, f->dso, 0, 0, false);
    }
    if (f->symbol.n == 0)
        return (uint32_t)pprof_make_location(&c->m, mapping, f->address, NULL, 0);
    struct pprof_make_line line = { pprof_make_function(&c->m, f->symbol, SLICE("")), 0 };
    return (uint32_t)pprof_make_location(&c->m, mapping, 0, &line, 1);
}

static void frame_push(struct conversion *c, const struct frame *f)
{
    if (c->depth < FRAMES_MAX && (f->symbol.n > 0 || f->address != 0))
        c->stack[c->depth++] = location_of(c, f);
}

/* The stack is complete: its values grow by this sample's. */
static void sample_close(struct conversion *c, const struct header *h, uint32_t event)
{
    if (c->has_comm && h->comm.n > 0)
        c->stack[c->depth++] = location_of(c, &(struct frame){ .symbol = h->comm });
    uint32_t n = strset_n(c->stacks), at = strset_add(c->stacks, slice_make(c->stack, c->depth * sizeof *c->stack));
    if (n == c->stacks_cap) {
        size_t   cap = c->stacks_cap ? c->stacks_cap * 2 : 256;
        int64_t *values = arena_zalloc(c->arena, cap * EVENTS_MAX * sizeof *values);
        if (n > 0)
            memcpy(values, c->values, n * EVENTS_MAX * sizeof *values);
        c->values = values;
        c->stacks_cap = cap;
    }
    int64_t *sum = &c->values[(size_t)at * EVENTS_MAX + event];
    if (__builtin_add_overflow(*sum, h->period, sum))
        *sum = INT64_MAX;
}

static enum code event_read(struct conversion *c, struct slice line, struct slice *rest, struct fault *why)
{
    struct header h;
    struct frame  f;

    if (!header_parse(line, &h))
        return fail(why, CODE_INVALID_ARGUMENT, "perf script: not an event: %.*s", line.n < 200 ? (int)line.n : 200,
                    line.p);
    uint32_t event = strset_add(c->events, h.event);
    if (event >= EVENTS_MAX)
        return fail(why, CODE_INVALID_ARGUMENT, "perf script: more than %d kinds of events", EVENTS_MAX);
    if (strset_n(c->stacks) == 0)
        c->period = h.period;
    c->depth = 0;
    if (h.frame.n > 0 && frame_parse(h.frame, &f))
        frame_push(c, &f);
    while (rest->n > 0 && is_space(rest->p[0])) {
        line_take(rest, &line);
        if (slice_trim(line).n == 0)
            break;
        if (!frame_parse(line, &f))
            return fail(why, CODE_INVALID_ARGUMENT, "perf script: not a frame: %.*s", line.n < 200 ? (int)line.n : 200,
                        line.p);
        frame_push(c, &f);
    }
    sample_close(c, &h, event);
    return CODE_OK;
}

static void types_make(struct conversion *c)
{
    for (uint32_t i = 0; i < strset_n(c->events); i++) {
        struct slice event = strset_at(c->events, i);
        bool         is_clock = slice_is(event, "cpu-clock") || slice_is(event, "task-clock");
        struct slice name = arena_copy(c->arena, event);
        for (size_t j = 0; j < name.n; j++)
            if (name.p[j] == '-')
                ((char *)(uintptr_t)name.p)[j] = '_'; /* ours: just copied */
        struct slice type = is_clock ? SLICE("cpu") : name, unit = is_clock ? SLICE("nanoseconds") : SLICE("count");
        pprof_make_type(&c->m, type, unit);
        if (i == 0)
            pprof_make_period(&c->m, type, unit, c->period);
    }
}

static void samples_make(struct conversion *c)
{
    uint64_t locations[FRAMES_MAX + 1];

    for (uint32_t i = 0; i < strset_n(c->stacks); i++) {
        struct slice stack = strset_at(c->stacks, i);
        size_t       n = stack.n / sizeof(uint32_t);
        for (size_t j = 0; j < n; j++) {
            uint32_t location;
            memcpy(&location, stack.p + j * sizeof location, sizeof location);
            locations[j] = location;
        }
        pprof_make_sample(&c->m, locations, n, c->values + (size_t)i * EVENTS_MAX, strset_n(c->events), NULL, 0);
    }
}

bool perf_text_is(struct slice text)
{
    struct slice  line;
    struct header h;

    for (int i = 0; i < LOOK_LINES && line_take(&text, &line); i++)
        if (slice_trim(line).n > 0 && line.p[0] != '#')
            return header_parse(line, &h);
    return false;
}

enum code perf_text_to_pprof(struct slice text, bool has_comm, int64_t time_ns, struct buf *pprof, struct fault *why)
{
    struct conversion *c;
    struct arena      *a = arena_new(0);
    struct slice       line;
    enum code          code = CODE_OK;

    c = arena_zalloc(a, sizeof *c);
    *c = (struct conversion){ .arena = a,
                              .events = strset_new(a),
                              .dsos = strset_new(a),
                              .frames = strset_new(a),
                              .stacks = strset_new(a),
                              .has_comm = has_comm };
    pprof_make_init(&c->m);
    while (code == CODE_OK && line_take(&text, &line))
        if (slice_trim(line).n > 0 && line.p[0] != '#')
            code = event_read(c, line, &text, why);
    if (code == CODE_OK && strset_n(c->stacks) == 0)
        code = fail(why, CODE_INVALID_ARGUMENT, "perf script: no events");
    if (code == CODE_OK) {
        types_make(c);
        samples_make(c);
        pprof_make_time(&c->m, time_ns, 0);
        buf_slice(pprof, pprof_make_bytes(&c->m));
    }
    pprof_make_fini(&c->m);
    arena_free(a);
    return code;
}
