#include "ingest/app_name.h"

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

/* Bytes of the character at s.p[i], for naming it whole. */
static int char_bytes(struct slice s, size_t i)
{
    int n = 1;

    while (i + (size_t)n < s.n && ((unsigned char)s.p[i + (size_t)n] & 0xc0) == 0x80)
        n++;
    return n;
}

static enum code word_check(struct slice word, const char *what, const char *also, struct fault *why)
{
    if (word.n == 0)
        return fail(why, CODE_INVALID_ARGUMENT, "name: %s name is required", what);
    for (size_t i = 0; i < word.n; i++)
        if (!is_alnum(word.p[i]) && (word.p[i] == '\0' || strchr(also, word.p[i]) == NULL))
            return fail(why, CODE_INVALID_ARGUMENT, "name: invalid %s name: %.*s: character is not allowed: '%.*s'",
                        what, word.n < 200 ? (int)word.n : 200, word.p, char_bytes(word, i), word.p + i);
    return CODE_OK;
}

struct pairs {
    struct label *at;
    size_t        n;
    struct slice  app; /* __name__ may have replaced it */
};

static void pair_set(struct pairs *pairs, struct slice key, struct slice value)
{
    size_t i = 0;

    if (slice_is(key, "__name__")) {
        pairs->app = value;
        return;
    }
    if (slice_starts(key, SLICE("__")) && !slice_is(key, "__session_id__"))
        return;
    while (i < pairs->n && !slice_eq(pairs->at[i].name, key))
        i++;
    pairs->at[i] = (struct label){ key, value };
    pairs->n += i == pairs->n;
}

/* The first of `stops` in s, or s.n. */
static size_t find_any(struct slice s, const char *stops)
{
    size_t i = 0;

    while (i < s.n && (s.p[i] == '\0' || strchr(stops, s.p[i]) == NULL))
        i++;
    return i;
}

static enum code pairs_parse(struct slice rest, struct pairs *pairs, struct fault *why)
{
    while (rest.n > 0) {
        size_t equals = find_any(rest, "=}");
        if (equals == rest.n || rest.p[equals] == '}')
            return CODE_OK;
        struct slice key = slice_trim(slice_make(rest.p, equals));
        enum code    code = slice_is(key, "__name__") ? CODE_OK : word_check(key, "label", "", why);
        if (code != CODE_OK)
            return code;
        rest = slice_from(rest, equals + 1);
        size_t end = find_any(rest, ",}");
        if (end == rest.n)
            return CODE_OK;
        pair_set(pairs, key, slice_trim(slice_make(rest.p, end)));
        if (rest.p[end] == '}')
            return CODE_OK;
        rest = slice_from(rest, end + 1);
    }
    return CODE_OK;
}

enum code app_name_parse(struct slice text, struct arena *a, struct app_name *out, struct fault *why)
{
    size_t       brace = slice_find(text, SLICE("{")), commas = 0;
    struct pairs pairs = { .app = slice_trim(slice_make(text.p, brace)) };
    enum code    code = word_check(pairs.app, "service", "-/", why);

    if (code != CODE_OK)
        return code;
    for (size_t i = 0; i < text.n; i++)
        commas += text.p[i] == ',';
    pairs.at = arena_array(a, commas + 1, sizeof *pairs.at);
    if (brace < text.n && (code = pairs_parse(slice_from(text, brace + 1), &pairs, why)) != CODE_OK)
        return code;
    labels_sort(pairs.at, pairs.n);
    *out = (struct app_name){ pairs.app, { pairs.at, pairs.n } };
    return CODE_OK;
}
