#include "ingest/language.h"

static bool begins_or_ends(struct slice s, struct slice with)
{
    if (s.n < with.n)
        return false;
    const char *end = s.p + s.n - with.n; /* a look at the first byte spares most of the calls */
    return (*s.p == *with.p && memcmp(s.p, with.p, with.n) == 0) ||
           (*end == *with.p && memcmp(end, with.p, with.n) == 0);
}

static bool is_one_of(struct slice s, const struct slice *marks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (begins_or_ends(s, marks[i]))
            return true;
    return false;
}

bool language_is_go(const struct pprof *p, struct labels labels)
{
    static const struct slice spies[] = { SLICE("javaspy"), SLICE("grafana-agent.java"),
                                          SLICE("pyspy"),   SLICE("rbspy"),
                                          SLICE("nodespy"), SLICE("dotnetspy"),
                                          SLICE("phpspy"),  SLICE("pyroscope-rs") };
    static const struct slice go[] = { SLICE(".go"), SLICE("/usr/local/go/") };
    static const struct slice other[] = {
        SLICE("java/"),   SLICE("sun/"),       SLICE(".rb"), SLICE("gems/"),   SLICE("./node_modules/"), SLICE(".js"),
        SLICE("System."), SLICE("Microsoft."), SLICE(".py"), SLICE("main.rs"), SLICE("core.rs")
    };
    struct slice spy = labels_get(labels, SLICE("pyroscope_spy"));

    if (slice_is(spy, "gospy"))
        return true;
    for (size_t i = 0; i < sizeof spies / sizeof *spies; i++)
        if (slice_eq(spy, spies[i]))
            return false;
    for (uint32_t i = 0; i < p->n_table; i++) {
        struct slice s = ref_text(p, i);
        if (is_one_of(s, go, sizeof go / sizeof *go))
            return true;
        if (is_one_of(s, other, sizeof other / sizeof *other))
            return false;
    }
    return false;
}
