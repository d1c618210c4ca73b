#include "server/policy_files.h"

enum { TOKENS_FILE_BYTES_MAX = 16 << 20, SECRET_FILE_BYTES_MAX = 4096 };

enum code secret_read(const char *path, struct arena *a, struct slice *out, struct fault *why)
{
    enum code code = file_read(path, SECRET_FILE_BYTES_MAX, a, out, why);

    if (code != CODE_OK)
        return code;
    *out = slice_trim(slice_make(out->p, slice_find(*out, SLICE("\n"))));
    if (out->n < TOKEN_BYTES_MIN)
        return fail(why, CODE_INVALID_ARGUMENT, "%s: a secret has at least %d bytes", path, TOKEN_BYTES_MIN);
    return CODE_OK;
}

static enum code overrides_read(const char *path, const struct limits *limits, struct arena *a, struct overrides **out,
                                struct fault *why)
{
    struct slice text;

    if (path[0] == '\0')
        return CODE_OK;
    enum code code = file_read(path, OVERRIDES_FILE_BYTES_MAX, a, &text, why);
    return code == CODE_OK ? overrides_parse(path, text, limits, out, why) : code;
}

static enum code tokens_read(const char *path, struct arena *a, struct tokens **out, struct fault *why)
{
    struct slice text;

    if (path[0] == '\0')
        return CODE_OK;
    enum code code = file_read(path, TOKENS_FILE_BYTES_MAX, a, &text, why);
    return code == CODE_OK ? tokens_parse(path, text, out, why) : code;
}

enum code policy_read(struct policy *p, const struct config *c, const struct limits *limits,
                      struct slice cluster_secret, struct fault *why)
{
    struct arena     *scratch = arena_new(0);
    struct tokens    *tokens = NULL;
    struct overrides *overrides = NULL;
    enum code         code = overrides_read(c->limits_overrides, limits, scratch, &overrides, why);

    if (code == CODE_OK)
        code = tokens_read(c->auth_tokens_file, scratch, &tokens, why);
    if (code == CODE_OK) {
        struct token_hash cluster = token_hash(cluster_secret);
        policy_set(p, limits, overrides, tokens, cluster_secret.n > 0 ? &cluster : NULL);
    } else {
        overrides_free(overrides);
    }
    arena_free(scratch);
    return code;
}
