#include "rpc/compression.h"

#include "rpc/metadata.h"
#include "wire/zip.h"
#include "wire/zstd.h"

static const struct compression all[] = {
    { "gzip", zip_claim, zip_gunzip, zip_gzip },
    { "zstd", zstd_claim, zstd_unpack, zstd_pack },
};

static const struct compression *find(struct slice name)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (slice_eq_nocase(name, slice_of(all[i].name)))
            return &all[i];
    return NULL;
}

enum code compression_named(struct slice name, const struct compression **out, struct fault *why)
{
    *out = find(name);
    if (*out != NULL || name.n == 0 || slice_eq_nocase(name, SLICE("identity")))
        return CODE_OK;
    return fail(why, CODE_UNIMPLEMENTED, "unknown compression \"%.*s\": supported are " COMPRESSIONS ",identity",
                name.n < 64 ? (int)name.n : 64, name.p);
}

const struct compression *compression_accepted(struct slice list)
{
    const struct compression *c = NULL;
    struct slice              name;

    while (c == NULL && list_next(&list, &name))
        c = find(name);
    return c;
}
