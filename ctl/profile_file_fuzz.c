/* A user's file, whatever it holds: made into a profile or refused; what is made is a protobuf. */
#include <assert.h>
#include <stdint.h>

#include "ctl/profile_file.h"
#include "wire/pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena       *a = arena_new(0);
    struct profile_file file;
    struct fault        why;

    if (profile_file_make(slice_make(data, size), 77, a, &file, &why) == CODE_OK) {
        struct pb_cursor c = pb_cursor(file.pprof);
        struct pb_field  f;
        while (pb_next(&c, &f))
            continue;
        assert(!c.is_bad && file.name.n > 0);
    }
    arena_free(a);
    return 0;
}
