/*
 * Tokens: which bearer token may act for which tenants.  The file holds hashes, so that reading it gives no access:
 *
 *     # sha256 of the token, in hex (hearth --auth.hash-token)   may          tenants
 *     9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08   read,write   team-a,team-b
 *     60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11cf75   read         *
 *
 * A plain SHA-256 suffices because tokens are random; short ones are refused where they are hashed (TOKEN_BYTES_MIN).
 * Immutable once loaded; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/slice.h"

enum { TOKEN_HASH_BYTES = 32, TOKEN_BYTES_MIN = 16, TOKENS_MAX = 100000 };

struct token_hash {
    uint8_t bytes[TOKEN_HASH_BYTES];
};

enum token_scope { TOKEN_READ = 1, TOKEN_WRITE = 2 };

struct token; /* one line */
struct tokens;

struct token_hash token_hash(struct slice token);
void              token_hash_print(struct token_hash h, char hex[TOKEN_HASH_BYTES * 2 + 1]);

/* Takes in the text of a file; `name` is for messages.  INVALID_ARGUMENT: what is wrong, with the line. */
must_check enum code tokens_parse(const char *name, struct slice text, struct tokens **out, struct fault *why);
void                 tokens_free(struct tokens *t); /* NULL is fine */

/*
 * The line of a token, NULL when there is none.  Every line is compared, each in constant time, so that how long it
 * takes tells nothing about the hashes.
 */
const struct token *tokens_find(const struct tokens *t, struct token_hash h);

bool token_may(const struct token *t, enum token_scope scope);
bool token_covers(const struct token *t, struct slice tenant);

/* The one tenant it is bound to; empty when it has several or all. */
struct slice token_only_tenant(const struct token *t);
