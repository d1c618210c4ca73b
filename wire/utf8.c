#include "wire/utf8.h"

#include <stdint.h>
#include <string.h>

/* How many bytes the valid character at `p` takes; 0 when it is not one. */
static size_t char_bytes(const uint8_t *p, size_t n)
{
    uint8_t low = 0x80, high = 0xbf; /* what the second byte may be */
    size_t  more;

    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        more = 1;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        more = 2;
        low = p[0] == 0xe0 ? 0xa0 : 0x80;
        high = p[0] == 0xed ? 0x9f : 0xbf;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        more = 3;
        low = p[0] == 0xf0 ? 0x90 : 0x80;
        high = p[0] == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    if (n <= more || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i <= more; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return more + 1;
}

size_t utf8_valid_prefix(struct slice s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    size_t         i = 0;

    while (i < s.n) {
        uint64_t word;
        for (; s.n - i >= sizeof word; i += sizeof word) { /* plain ASCII, eight at a time */
            memcpy(&word, p + i, sizeof word);
            if (word & 0x8080808080808080u)
                break;
        }
        if (i == s.n)
            break;
        size_t n = char_bytes(p + i, s.n - i);
        if (n == 0)
            return i;
        i += n;
    }
    return i;
}

/* All of it at once, the last eight bytes once more where they overlap. */
bool utf8_is_ascii(struct slice s)
{
    uint64_t word, all = 0;

    if (s.n < sizeof word) {
        for (size_t i = 0; i < s.n; i++)
            all |= (uint8_t)s.p[i];
    } else {
        for (size_t i = 0; i + sizeof word < s.n; i += sizeof word) {
            memcpy(&word, s.p + i, sizeof word);
            all |= word;
        }
        memcpy(&word, s.p + s.n - sizeof word, sizeof word);
        all |= word;
    }
    return (all & 0x8080808080808080u) == 0;
}

bool utf8_is_valid(struct slice s) { return utf8_is_ascii(s) || utf8_valid_prefix(s) == s.n; }
