#include "server/listen_list.h"

/* The next word of *s, which is cut off; empty: there is none. */
static struct slice cut_word(struct slice *s)
{
    struct slice rest = slice_trim(*s);
    size_t       n = 0;

    while (n < rest.n && rest.p[n] != ' ' && rest.p[n] != '\t')
        n++;
    *s = slice_from(rest, n);
    return slice_make(rest.p, n);
}

static unsigned face_named(struct slice word)
{
    if (slice_is(word, "public"))
        return FACE_PUBLIC;
    if (slice_is(word, "internal"))
        return FACE_INTERNAL;
    return slice_is(word, "admin") ? FACE_ADMIN : 0;
}

static enum code take_word(struct slice word, struct listen_at *at, struct fault *why)
{
    unsigned face = face_named(word);

    if (face != 0) {
        at->faces |= face;
        return CODE_OK;
    }
    if (!slice_is(word, "tls") && !slice_is(word, "mtls"))
        return fail(why, CODE_INVALID_ARGUMENT, "listeners: %s: `%.*s` is none of tls, mtls, public, internal, admin",
                    at->address, SLICE_ARGS(word));
    if (at->how != LISTEN_CLEAR)
        return fail(why, CODE_INVALID_ARGUMENT, "listeners: %s: tls or mtls, one of them and once", at->address);
    at->how = slice_is(word, "tls") ? LISTEN_TLS : LISTEN_MTLS;
    return CODE_OK;
}

static enum code take_one(struct slice text, struct arena *a, struct listen_at *at, struct fault *why)
{
    struct slice address = cut_word(&text), word;
    enum code    code = CODE_OK;

    if (slice_find(address, SLICE(":")) == address.n)
        return fail(why, CODE_INVALID_ARGUMENT, "listeners: `%.*s` is not HOST:PORT", SLICE_ARGS(address));
    *at = (struct listen_at){ .address = arena_copy(a, address).p };
    while (code == CODE_OK && (word = cut_word(&text)).n > 0)
        code = take_word(word, at, why);
    if (at->faces == 0)
        at->faces = FACES_ALL;
    return code;
}

enum code listen_list_parse(struct slice text, struct arena *a, struct listen_list *out, struct fault *why)
{
    *out = (struct listen_list){ 0 };
    for (;;) {
        size_t comma = slice_find(text, SLICE(","));
        if (out->n == LISTEN_MAX)
            return fail(why, CODE_INVALID_ARGUMENT, "listeners: more than %d", LISTEN_MAX);
        enum code code = take_one(slice_make(text.p, comma), a, &out->at[out->n++], why);
        if (code != CODE_OK || comma == text.n)
            return code;
        text = slice_from(text, comma + 1);
    }
}

bool listen_list_has(const struct listen_list *l, enum listen_how how)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].how == how)
            return true;
    return false;
}

bool listen_at_is_loopback(const struct listen_at *at)
{
    struct slice address = slice_of(at->address);

    return slice_starts(address, SLICE("127.")) || slice_starts(address, SLICE("[::1]")) ||
           slice_starts(address, SLICE("localhost:"));
}
