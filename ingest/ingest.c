/* The table by name: a format's decoder joins here. */
#include "ingest/ingest_http.h"

bool ingest_format_is_known(struct slice name)
{
    static const struct slice formats[] = { SLICE("pprof") };

    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (slice_eq(name, formats[i]))
            return true;
    return false;
}
