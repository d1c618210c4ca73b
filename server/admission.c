#include "server/admission.h"

#include "base/clock.h"
#include "wire/zip.h"

size_t admission_claim(const struct admission *a, struct slice body)
{
    size_t claim = zip_is_gzip(body) ? zip_claim(body) : body.n;

    return claim <= (uint64_t)a->limits->max_profile_size_bytes ? claim : 0;
}

static int64_t size_of(struct labels l, size_t raw_bytes)
{
    int64_t n = (int64_t)raw_bytes;

    for (size_t i = 0; i < l.n; i++)
        n += (int64_t)(l.at[i].name.n + l.at[i].value.n);
    return n;
}

static enum code over_rate(const struct limits *l, int64_t size, struct fault *why)
{
    return fail(why, CODE_RESOURCE_EXHAUSTED, "push rate limit (%.1f MiB) exceeded while adding %.1f KiB",
                (double)l->ingestion_rate_bytes / 1048576, (double)size / 1024);
}

enum code admission_glance(const struct admission *a, struct labels labels, size_t claim, struct fault *why)
{
    const struct limits *l = a->limits;
    int64_t              size = size_of(labels, claim);

    if (a->tenant == NULL || size > l->ingestion_burst_bytes)
        return CODE_OK; /* admission_take knows better */
    bool fits =
        rate_holds(&a->tenant->rate, size, l->ingestion_rate_bytes, l->ingestion_burst_bytes, clock_mono_ns());
    return fits ? CODE_OK : over_rate(l, size, why);
}

enum code admission_take(struct admission *a, struct labels labels, size_t raw_bytes, struct fault *why)
{
    const struct limits *l = a->limits;
    int64_t              size = size_of(labels, raw_bytes), burst = l->ingestion_burst_bytes;
    int64_t              before = atomic_fetch_add(&a->raw_bytes, (int64_t)raw_bytes);

    if (before + (int64_t)raw_bytes > l->ingestion_body_limit_bytes)
        return fail(why, CODE_INVALID_ARGUMENT, "uncompressed profiles of one request exceed the limit of %lld bytes",
                    (long long)l->ingestion_body_limit_bytes);
    if (burst < size)
        burst = size; /* a profile that passed its own limit always fits: see tenant/rate.h */
    if (a->tenant != NULL && !rate_take(&a->tenant->rate, size, l->ingestion_rate_bytes, burst, clock_mono_ns()))
        return over_rate(l, size, why);
    return CODE_OK;
}

void admission_give_back(struct admission *a, struct labels labels, size_t raw_bytes)
{
    atomic_fetch_sub(&a->raw_bytes, (int64_t)raw_bytes);
    if (a->tenant != NULL)
        rate_give(&a->tenant->rate, size_of(labels, raw_bytes), a->limits->ingestion_rate_bytes);
}
