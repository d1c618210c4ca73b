/* Any bytes as an enveloped body, in pieces: the same messages as in one piece. */
#include <assert.h>

#include "base/hash.h"
#include "rpc/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MESSAGE_BYTES_MAX = 4096 };

/* A hash over the messages, and how many bytes were left. */
static uint64_t read_in_pieces(const uint8_t *data, size_t n, size_t piece)
{
    struct inbox in = { .message_bytes_max = MESSAGE_BYTES_MAX };
    uint64_t     seen = 0;

    for (size_t i = 0; i < n; i += piece) {
        uint8_t          flags;
        size_t           at, len;
        enum inbox_state state;
        size_t           take = piece < n - i ? piece : n - i;
        assert(in.bytes.cap <= 4 * (MESSAGE_BYTES_MAX + ENVELOPE_BYTES + n));
        inbox_put(&in, slice_make(data + i, take));
        while ((state = inbox_next(&in, &flags, &at, &len)) == INBOX_MESSAGE)
            seen = hash_pair(seen, hash_pair(flags, hash64(in.bytes.p + at, len)));
        inbox_trim(&in);
        if (state == INBOX_TOO_LARGE) {
            inbox_free(&in);
            return ~seen;
        }
    }
    seen = hash_pair(seen, inbox_rest(&in));
    inbox_free(&in);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    uint64_t whole = read_in_pieces(data, n, n);
    assert(read_in_pieces(data, n, 1) == whole && read_in_pieces(data, n, 7) == whole);
    return 0;
}
