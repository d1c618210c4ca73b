#include "wire/url.h"

static bool is_plain(struct slice s)
{
    return s.n == 0 || (memchr(s.p, '%', s.n) == NULL && memchr(s.p, '+', s.n) == NULL);
}

struct slice url_decode(struct slice s, struct arena *a)
{
    if (is_plain(s))
        return s;
    char  *out = arena_alloc(a, s.n);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        int high = i + 2 < s.n ? slice_hex_digit(s.p[i + 1]) : -1, low = i + 2 < s.n ? slice_hex_digit(s.p[i + 2]) : -1;
        if (s.p[i] == '%' && high >= 0 && low >= 0) {
            out[n++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[n++] = s.p[i] == '+' ? ' ' : s.p[i];
        }
    }
    return slice_make(out, n);
}

bool url_query_get(struct slice query, struct slice name, struct arena *a, struct slice *value)
{
    while (query.n > 0) {
        size_t       end = slice_find(query, SLICE("&"));
        struct slice pair = slice_make(query.p, end);
        size_t       equals = slice_find(pair, SLICE("="));
        if (slice_eq(url_decode(slice_make(pair.p, equals), a), name)) {
            *value = equals < pair.n ? url_decode(slice_from(pair, equals + 1), a) : (struct slice){ 0 };
            return true;
        }
        query = end < query.n ? slice_from(query, end + 1) : (struct slice){ 0 };
    }
    return false;
}
