#include "tenant/tenant_id.h"

#include <string.h>

static bool is_allowed(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c && strchr("!-_.*'()", c) != NULL);
}

enum code tenant_id_check(struct slice id, struct fault *why)
{
    if (id.n == 0)
        return fail(why, CODE_UNAUTHENTICATED, "no org id");
    if (id.n > TENANT_ID_BYTES_MAX)
        return fail(why, CODE_UNAUTHENTICATED, "tenant ID is too long: max %d characters", TENANT_ID_BYTES_MAX);
    if (slice_is(id, ".") || slice_is(id, ".."))
        return fail(why, CODE_UNAUTHENTICATED, "tenant ID is '.' or '..'");
    for (size_t i = 0; i < id.n; i++) {
        unsigned char c = (unsigned char)id.p[i];
        if (is_allowed(id.p[i]))
            continue;
        if (c > ' ' && c < 0x7f)
            return fail(why, CODE_UNAUTHENTICATED, "tenant ID '%.*s' contains unsupported character '%c'",
                        SLICE_ARGS(id), c);
        return fail(why, CODE_UNAUTHENTICATED, "tenant ID contains unsupported byte 0x%02x", c);
    }
    return CODE_OK;
}

/* Keeps at[0, n) ascending and distinct. */
static size_t insert(struct slice *at, size_t n, struct slice id)
{
    size_t i = n;

    while (i > 0 && slice_cmp(at[i - 1], id) > 0)
        i--;
    if (i > 0 && slice_eq(at[i - 1], id))
        return n;
    memmove(at + i + 1, at + i, (n - i) * sizeof *at);
    at[i] = id;
    return n + 1;
}

enum code tenant_ids_parse(struct slice text, struct arena *a, struct slice **out, size_t *n, struct fault *why)
{
    struct slice *ids = arena_array(a, TENANTS_MAX + 1, sizeof *ids);

    *n = 0;
    for (struct slice left = slice_trim(text);;) {
        size_t    bar = slice_find(left, SLICE("|"));
        enum code code = tenant_id_check(slice_make(left.p, bar), why);
        if (code != CODE_OK)
            return code;
        *n = insert(ids, *n, slice_make(left.p, bar));
        if (*n > TENANTS_MAX)
            return fail(why, CODE_UNAUTHENTICATED, "more than %d tenant IDs", TENANTS_MAX);
        if (bar == left.n)
            break;
        left = slice_from(left, bar + 1);
    }
    *out = ids;
    return CODE_OK;
}
