#include "server/policy.h"

#include <openssl/crypto.h>
#include <stdatomic.h>

#include "base/epoch.h"
#include "base/mem.h"

struct rules {
    ck_epoch_entry_t  reclaim;
    struct limits     limits;
    struct overrides *overrides; /* owned; NULL: none */
    struct tokens    *tokens; /* owned; NULL: open to all */
    struct token_hash cluster;
    bool              has_cluster;
};

struct policy {
    struct epoch           *epoch;
    _Atomic(struct rules *) rules;
    _Atomic bool            is_open; /* no tokens, no secret: nothing to hash, nothing to look up */
};

CK_EPOCH_CONTAINER(struct rules, reclaim, rules_of)

static void rules_free(struct rules *r)
{
    if (r == NULL)
        return;
    overrides_free(r->overrides);
    tokens_free(r->tokens);
    free(r);
}

static void rules_reclaim(ck_epoch_entry_t *e) { rules_free(rules_of(e)); }

struct policy *policy_new(void)
{
    struct policy *p = mem_zalloc(sizeof *p);

    p->epoch = epoch_new();
    policy_set(p, &limits_default, NULL, NULL, NULL);
    return p;
}

void policy_free(struct policy *p)
{
    if (p == NULL)
        return;
    rules_free(p->rules);
    epoch_free(p->epoch);
    free(p);
}

void policy_set(struct policy *p, const struct limits *limits, struct overrides *overrides, struct tokens *tokens,
                const struct token_hash *cluster)
{
    struct rules *r = mem_zalloc(sizeof *r);

    r->limits = *limits;
    r->overrides = overrides;
    r->tokens = tokens;
    r->has_cluster = cluster != NULL;
    if (cluster != NULL)
        r->cluster = *cluster;
    if (tokens != NULL || cluster != NULL)
        p->is_open = false; /* closed before the rules that close it, opened after those that open it */
    struct rules *old = atomic_exchange_explicit(&p->rules, r, memory_order_acq_rel);
    if (old != NULL)
        epoch_retire(p->epoch, &old->reclaim, rules_reclaim);
    p->is_open = tokens == NULL && cluster == NULL;
    epoch_poll(p->epoch);
}

struct section {
    struct epoch_reader *reader;
    const struct rules  *rules; /* borrowed until section_end */
};

static struct section section_begin(struct policy *p)
{
    struct section s = { .reader = epoch_reader_take(p->epoch) };

    epoch_enter(s.reader);
    s.rules = atomic_load_explicit(&p->rules, memory_order_acquire);
    return s;
}

static void section_end(struct policy *p, struct section s)
{
    epoch_leave(s.reader);
    epoch_reader_give(p->epoch, s.reader);
}

static const struct limits *limits_of(const struct rules *r, struct slice tenant)
{
    const struct limits *own = overrides_find(r->overrides, tenant);

    return own ? own : &r->limits;
}

void policy_limits(struct policy *p, const struct slice *tenants, size_t n_tenants, struct limits *out)
{
    struct section s = section_begin(p);

    *out = n_tenants > 0 ? *limits_of(s.rules, tenants[0]) : s.rules->limits;
    for (size_t i = 1; i < n_tenants; i++)
        limits_tighten(out, limits_of(s.rules, tenants[i]));
    section_end(p, s);
}

bool policy_has_tokens(struct policy *p)
{
    struct section s = section_begin(p);
    bool           has = s.rules->tokens != NULL;

    section_end(p, s);
    return has;
}

static enum code find(const struct rules *r, struct slice secret, struct token_hash h, const struct token **out,
                      struct fault *why)
{
    if (secret.n == 0)
        return fail(why, CODE_UNAUTHENTICATED, "a bearer token is needed: Authorization: Bearer ...");
    *out = tokens_find(r->tokens, h);
    return *out ? CODE_OK : fail(why, CODE_UNAUTHENTICATED, "this token is not known here");
}

static enum code check(const struct rules *r, struct slice secret, struct token_hash h, enum token_scope scope,
                       const struct slice *tenants, size_t n_tenants, struct fault *why)
{
    const struct token *t = NULL;
    enum code           code = find(r, secret, h, &t, why);

    if (code != CODE_OK)
        return code;
    if (!token_may(t, scope))
        return fail(why, CODE_PERMISSION_DENIED, "this token may not %s", scope == TOKEN_WRITE ? "write" : "read");
    for (size_t i = 0; i < n_tenants; i++)
        if (!token_covers(t, tenants[i]))
            return fail(why, CODE_PERMISSION_DENIED, "this token may not act for tenant '%.*s'",
                        SLICE_ARGS(tenants[i]));
    return CODE_OK;
}

/* The hash is taken before the section begins: a section is short. */
enum code policy_check(struct policy *p, struct slice secret, enum token_scope scope, const struct slice *tenants,
                       size_t n_tenants, struct fault *why)
{
    if (p->is_open)
        return CODE_OK;
    struct token_hash h = token_hash(secret);
    struct section    s = section_begin(p);
    enum code         code = s.rules->tokens ? check(s.rules, secret, h, scope, tenants, n_tenants, why) : CODE_OK;

    section_end(p, s);
    return code;
}

enum code policy_check_any(struct policy *p, struct slice secret, struct fault *why)
{
    const struct token *t;

    if (p->is_open)
        return CODE_OK;
    struct token_hash h = token_hash(secret);
    struct section    s = section_begin(p);
    enum code         code = s.rules->tokens ? find(s.rules, secret, h, &t, why) : CODE_OK;

    section_end(p, s);
    return code;
}

enum code policy_check_peer(struct policy *p, struct slice secret, struct fault *why)
{
    if (p->is_open)
        return CODE_OK;
    struct token_hash h = token_hash(secret);
    struct section    s = section_begin(p);
    bool is_peer = s.rules->has_cluster ? CRYPTO_memcmp(h.bytes, s.rules->cluster.bytes, sizeof h.bytes) == 0
                                        : s.rules->tokens == NULL;

    section_end(p, s);
    return is_peer ? CODE_OK : fail(why, CODE_PERMISSION_DENIED, "only peers of this cluster may call this service");
}

struct slice policy_only_tenant(struct policy *p, struct slice secret, struct arena *a)
{
    if (p->is_open || secret.n == 0)
        return (struct slice){ 0 };
    struct token_hash   h = token_hash(secret);
    struct section      s = section_begin(p);
    const struct token *t = s.rules->tokens ? tokens_find(s.rules->tokens, h) : NULL;
    struct slice        only = t ? token_only_tenant(t) : (struct slice){ 0 };

    if (only.n > 0)
        only = arena_copy(a, only);
    section_end(p, s);
    return only;
}
