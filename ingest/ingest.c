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

const struct decode_limits decode_limits_usual = {
    .profile_bytes_max = 1 << 22,
    .samples_max = 16000,
    .sample_labels_max = 100,
    .depth_max = 1000,
    .symbol_bytes_max = 65535,
    .label_names_max = 30,
    .label_name_bytes_max = 1024,
    .label_value_bytes_max = 2048,
    .oldest_ns = INT64_MIN,
    .newest_ns = INT64_MAX,
};
