#include "tenant/tokens.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "base/arena.h"
#include "base/mem.h"
#include "tenant/tenant_id.h"

struct token {
    struct token_hash hash;
    unsigned          scopes;
    bool              is_any_tenant;
    struct slice     *tenants;
    size_t            n_tenants;
};

struct tokens {
    struct arena *arena; /* the text and the tenant lists */
    struct token *at;
    size_t        n, cap;
};

struct token_hash token_hash(struct slice token)
{
    struct token_hash h;

    SHA256((const unsigned char *)token.p, token.n, h.bytes);
    return h;
}

void token_hash_print(struct token_hash h, char hex[TOKEN_HASH_BYTES * 2 + 1])
{
    for (size_t i = 0; i < TOKEN_HASH_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", h.bytes[i]);
}

static bool hash_parse(struct slice hex, struct token_hash *out)
{
    if (hex.n != (size_t)TOKEN_HASH_BYTES * 2)
        return false;
    for (size_t i = 0; i < TOKEN_HASH_BYTES; i++) {
        int high = slice_hex_digit(hex.p[2 * i]), low = slice_hex_digit(hex.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* Cuts what stands before `separator` (any of its bytes) off the front of *left. */
static struct slice cut(struct slice *left, const char *separators)
{
    size_t i = 0;

    while (i < left->n && strchr(separators, left->p[i]) == NULL)
        i++;
    struct slice head = slice_make(left->p, i);
    *left = i < left->n ? slice_from(*left, i + 1) : slice_from(*left, i);
    return head;
}

static struct slice next_word(struct slice *line)
{
    *line = slice_trim(*line);
    return cut(line, " \t");
}

static bool scopes_parse(struct slice text, unsigned *out)
{
    *out = 0;
    while (text.n > 0) {
        struct slice word = cut(&text, ",");
        if (slice_is(word, "read"))
            *out |= TOKEN_READ;
        else if (slice_is(word, "write"))
            *out |= TOKEN_WRITE;
        else
            return false;
    }
    return *out != 0;
}

static enum code tenants_parse(struct slice text, struct arena *a, struct token *out, struct fault *why)
{
    if (slice_is(text, "*")) {
        out->is_any_tenant = true;
        return CODE_OK;
    }
    char *bars = arena_alloc(a, text.n + 1);
    for (size_t i = 0; i < text.n; i++)
        bars[i] = (char)(text.p[i] == ',' ? '|' : text.p[i]);
    return tenant_ids_parse(slice_make(bars, text.n), a, &out->tenants, &out->n_tenants, why);
}

static enum code line_parse(struct slice line, struct arena *a, struct token *out, struct fault *why)
{
    struct slice hash = next_word(&line), scopes = next_word(&line), tenants = next_word(&line);

    *out = (struct token){ 0 };
    if (!hash_parse(hash, &out->hash))
        return fail(why, CODE_INVALID_ARGUMENT, "a line begins with the 64 hex digits of a token's SHA-256");
    if (!scopes_parse(scopes, &out->scopes))
        return fail(why, CODE_INVALID_ARGUMENT, "behind the hash stands what it may: read, write or read,write");
    if (slice_trim(line).n > 0)
        return fail(why, CODE_INVALID_ARGUMENT, "text behind the tenants (separate them by commas, without blanks)");
    return tenants_parse(tenants, a, out, why);
}

static struct token *token_add(struct tokens *t)
{
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 8;
        t->at = mem_resize(t->at, t->cap * sizeof *t->at);
    }
    return &t->at[t->n++];
}

enum code tokens_parse(const char *name, struct slice text, struct tokens **out, struct fault *why)
{
    struct tokens *t = mem_zalloc(sizeof *t);
    struct fault   bad = { 0 };
    size_t         line_number = 0;

    t->arena = arena_new(0);
    while (text.n > 0) {
        struct slice line = slice_trim(cut(&text, "\n"));
        line_number++;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        enum code code = t->n < TOKENS_MAX ? line_parse(line, t->arena, token_add(t), &bad)
                                           : fail(&bad, CODE_INVALID_ARGUMENT, "more than %d tokens", TOKENS_MAX);
        if (code != CODE_OK) {
            tokens_free(t);
            return fail(why, CODE_INVALID_ARGUMENT, "%s:%zu: %s", name, line_number, bad.text);
        }
    }
    *out = t;
    return CODE_OK;
}

void tokens_free(struct tokens *t)
{
    if (t == NULL)
        return;
    arena_free(t->arena);
    free(t->at);
    free(t);
}

const struct token *tokens_find(const struct tokens *t, struct token_hash h)
{
    const struct token *found = NULL;

    for (size_t i = 0; i < t->n; i++)
        if (CRYPTO_memcmp(t->at[i].hash.bytes, h.bytes, TOKEN_HASH_BYTES) == 0)
            found = &t->at[i];
    return found;
}

bool token_may(const struct token *t, enum token_scope scope) { return (t->scopes & scope) != 0; }

bool token_covers(const struct token *t, struct slice tenant)
{
    if (t->is_any_tenant)
        return true;
    for (size_t i = 0; i < t->n_tenants; i++)
        if (slice_eq(t->tenants[i], tenant))
            return true;
    return false;
}

struct slice token_only_tenant(const struct token *t)
{
    return !t->is_any_tenant && t->n_tenants == 1 ? t->tenants[0] : (struct slice){ 0 };
}
