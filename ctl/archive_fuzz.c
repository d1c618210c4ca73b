/* A file given as an archive, whatever it holds: refused or read; what is read comes out the same when it is written again. */
#include <assert.h>
#include <stdint.h>

#include "ctl/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct archive_record *r, struct arena *a)
{
    struct buf            bytes = { 0 };
    struct archive        again;
    struct archive_record same;
    struct fault          why;

    archive_put_header(&bytes, &(struct archive_header){ 0 });
    archive_put_record(&bytes, r);
    enum code code = archive_open(buf_view(&bytes), a, &again, &why);
    assert(code == CODE_OK && again.n == 1);
    if (archive_read(&again, 0, a, &same, &why) == CODE_OK) /* not when the tenant's label is one too many */
        assert(same.time_ns == r->time_ns && same.labels.n == r->labels.n && slice_eq(same.pprof, r->pprof) &&
               slice_eq(same.tenant, r->tenant));
    archive_close(&again);
    buf_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena         *a = arena_new(0);
    struct archive        r;
    struct archive_record record;
    struct fault          why;

    if (archive_open(slice_make(data, size), a, &r, &why) == CODE_OK) {
        for (size_t i = 0; i < r.n; i++)
            if (archive_read(&r, i, a, &record, &why) == CODE_OK)
                check_again(&record, a);
        archive_close(&r);
    }
    arena_free(a);
    return 0;
}
