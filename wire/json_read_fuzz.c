/*
 * Any bytes: taken exactly when jansson takes them, but for its limits of numbers and depth, that it ends at a NUL
 * and takes none in a key; strings come out the same.
 */
#include <assert.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "wire/json_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void compare_text(struct slice text, const json_t *other)
{
    struct json_reader r = json_reader(text);
    struct json_string s;

    if (!json_read_string(&r, &s))
        return;
    char  *room = malloc(s.raw.n + 1);
    size_t length = json_unescape(s, room);
    assert(length == json_string_length(other) && memcmp(room, json_string_value(other), length) == 0);
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice       text = slice_make(data, n);
    struct json_reader r = json_reader(text);
    bool               is_good = json_read_skip(&r) && json_read_end(&r);
    json_error_t       error;
    json_t            *other =
        json_loadb((const char *)data, n, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);

    if (other != NULL && !is_good)
        assert(strstr(r.wrong, "deeper") != NULL || memchr(data, '\0', n) != NULL);
    if (other == NULL && is_good)
        assert(json_error_code(&error) == json_error_numeric_overflow ||
               json_error_code(&error) == json_error_null_byte_in_key);
    if (is_good && json_is_string(other))
        compare_text(text, other);
    json_decref(other);
    return 0;
}
