#include "router/map.h"

#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <jansson.h>

#include "base/arena.h"
#include "base/hash.h"

enum { SHARDS_MAX = 1024, NAME_MAX_BYTES = 128, SPREAD_DEFAULT = 4 };

static const char *const state_names[] = { "active", "readonly", "draining", "lost" };

static enum code bad(struct fault *why, const char *where, const char *what)
{
    return fail(why, CODE_INVALID_ARGUMENT, "shard map: %s: %s", where, what);
}

static char *keep(struct arena *a, const char *text) { return (char *)arena_copy(a, slice_of(text)).p; }

/* Every key of `object` is among `known`, a list that ends with NULL. */
static enum code check_keys(json_t *object, const char *where, const char *const *known, struct fault *why)
{
    const char *key;
    json_t     *value;

    json_object_foreach(object, key, value)
    {
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], key) != 0)
            i++;
        if (known[i] == NULL)
            return fail(why, CODE_INVALID_ARGUMENT, "shard map: %s: unknown key \"%.60s\"", where, key);
    }
    return CODE_OK;
}

static enum code get_text(json_t *object, const char *key, const char *where, const char **out, struct fault *why)
{
    json_t *v = json_object_get(object, key);

    if (!json_is_string(v) || json_string_length(v) == 0)
        return fail(why, CODE_INVALID_ARGUMENT, "shard map: %s: \"%s\" must be a text that is not empty", where, key);
    *out = json_string_value(v);
    return CODE_OK;
}

/* A missing number is `otherwise`; 0: it must be there. */
static enum code get_number(json_t *object, const char *key, int64_t least, int64_t most, int64_t otherwise,
                            int64_t *out, struct fault *why)
{
    json_t *v = json_object_get(object, key);

    *out = v ? json_integer_value(v) : otherwise;
    if ((v == NULL && otherwise == 0) || (v != NULL && !json_is_integer(v)) || *out < least || *out > most)
        return fail(why, CODE_INVALID_ARGUMENT, "shard map: \"%s\" must be a whole number from %" PRId64 " to %" PRId64,
                    key, least, most);
    return CODE_OK;
}

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

static bool is_made_of(const char *s, const char *chars)
{
    return strlen(s) <= NAME_MAX_BYTES && s[strspn(s, chars)] == '\0';
}

static bool is_address(const char *s)
{
    const char *colon = strrchr(s, ':');
    long long   port;

    return colon != NULL && colon > s && strlen(s) <= 300 && s[strcspn(s, " \t\r\n/@\"\\")] == '\0' &&
           slice_to_i64(slice_of(colon + 1), &port) && port >= 1 && port <= 65535;
}

static enum code parse_state(json_t *object, const char *where, enum shard_state *out, struct fault *why)
{
    const char *text = state_names[SHARD_ACTIVE];

    if (json_object_get(object, "state") != NULL && get_text(object, "state", where, &text, why) != CODE_OK)
        return why->code;
    for (size_t i = 0; i < sizeof state_names / sizeof *state_names; i++)
        if (strcmp(text, state_names[i]) == 0) {
            *out = (enum shard_state)i;
            return CODE_OK;
        }
    return bad(why, where, "\"state\" must be active, readonly, draining or lost");
}

static enum code parse_shard(json_t *v, const char *where, struct arena *a, struct map_shard *out, struct fault *why)
{
    static const char *const known[] = { "name", "address", "state", NULL };
    const char              *name = "", *address = "";

    if (!json_is_object(v))
        return bad(why, where, "must be an object");
    if (check_keys(v, where, known, why) != CODE_OK || get_text(v, "name", where, &name, why) != CODE_OK ||
        get_text(v, "address", where, &address, why) != CODE_OK || parse_state(v, where, &out->state, why) != CODE_OK)
        return why->code;
    if (!is_made_of(name, NAME_CHARS))
        return bad(why, where, "\"name\" may have letters, digits, '.', '_' and '-', at most 128");
    if (!is_address(address))
        return bad(why, where, "\"address\" must be HOST:PORT");
    out->name = keep(a, name);
    out->address = keep(a, address);
    return CODE_OK;
}

/* M2 */
static enum code check_distinct(const struct shard_map *m, uint16_t i, const char *where, struct fault *why)
{
    for (uint16_t k = 0; k < i; k++) {
        if (strcmp(m->shards[k].name, m->shards[i].name) == 0)
            return fail(why, CODE_INVALID_ARGUMENT, "shard map: %s: shards[%u] has the name \"%s\" too", where, k,
                        m->shards[i].name);
        if (strcmp(m->shards[k].address, m->shards[i].address) == 0)
            return fail(why, CODE_INVALID_ARGUMENT, "shard map: %s: shards[%u] has the address \"%s\" too", where, k,
                        m->shards[i].address);
    }
    return CODE_OK;
}

static enum code parse_shards(json_t *list, struct shard_map *m, struct fault *why)
{
    size_t n = json_array_size(list), active = 0;
    char   where[32];

    if (!json_is_array(list) || n == 0 || n > SHARDS_MAX)
        return bad(why, "\"shards\"", "must be a list of 1 to 1024 shards");
    m->n_shards = (uint16_t)n;
    m->shards = arena_array(m->arena, n, sizeof *m->shards);
    m->absences = arena_zalloc(m->arena, n * sizeof *m->absences);
    for (uint16_t i = 0; i < m->n_shards; i++) {
        snprintf(where, sizeof where, "shards[%u]", i);
        if (parse_shard(json_array_get(list, i), where, m->arena, &m->shards[i], why) != CODE_OK ||
            check_distinct(m, i, where, why) != CODE_OK)
            return why->code;
        active += m->shards[i].state == SHARD_ACTIVE;
    }
    return active > 0 ? CODE_OK : bad(why, "\"shards\"", "at least one must be active");
}

static void put_u32(struct buf *b, uint32_t v)
{
    uint32_t le = htole32(v);

    buf_put(b, &le, sizeof le);
}

static uint64_t score(struct buf *scratch, const char *name, uint32_t slot)
{
    scratch->n = 0;
    put_u32(scratch, (uint32_t)strlen(name));
    buf_text(scratch, name);
    put_u32(scratch, slot);
    return hash_slice(buf_view(scratch));
}

/* M1: highest random weight. */
static void rendezvous(struct shard_map *m)
{
    struct buf scratch = { 0 };

    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        uint64_t best = 0;
        uint16_t owner = MAP_NOBODY;
        for (uint16_t i = 0; i < m->n_shards; i++) {
            if (m->shards[i].state != SHARD_ACTIVE)
                continue;
            uint64_t s = score(&scratch, m->shards[i].name, slot);
            if (owner == MAP_NOBODY || s > best || (s == best && strcmp(m->shards[i].name, m->shards[owner].name) < 0))
                best = s, owner = i;
        }
        m->owner[slot] = owner;
    }
    buf_free(&scratch);
}

static enum code parse_owner(json_t *list, struct shard_map *m, struct fault *why)
{
    if (list == NULL) {
        rendezvous(m);
        return CODE_OK;
    }
    if (json_array_size(list) != SLOTS)
        return bad(why, "\"owner\"", "must be a list of 1024 shard names");
    for (size_t slot = 0; slot < SLOTS; slot++) {
        const char *name = json_string_value(json_array_get(list, slot));
        uint16_t    i = name ? map_find(m, name) : MAP_NOBODY;
        if (i == MAP_NOBODY || m->shards[i].state != SHARD_ACTIVE)
            return fail(why, CODE_INVALID_ARGUMENT,
                        "shard map: owner[%zu]: \"%.60s\" is not the name of an active shard", slot, name ? name : "");
        m->owner[slot] = i;
    }
    return CODE_OK;
}

static enum code check_checksum(json_t *root, const struct shard_map *m, struct fault *why)
{
    const char *text = "";
    char        is[17];

    if (json_object_get(root, "checksum") == NULL)
        return CODE_OK;
    if (get_text(root, "checksum", "top level", &text, why) != CODE_OK)
        return why->code;
    snprintf(is, sizeof is, "%016" PRIx64, map_checksum(m));
    if (strcmp(text, is) != 0)
        return fail(why, CODE_INVALID_ARGUMENT, "shard map: the checksum of this content is %s, not \"%.40s\"", is,
                    text);
    return CODE_OK;
}

static enum code parse_root(json_t *root, struct shard_map *m, struct fault *why)
{
    static const char *const known[] = {
        "cluster_id", "epoch", "slots", "spread", "shards", "owner", "checksum", NULL
    };
    const char *cluster_id = "";
    int64_t     epoch, slots, spread;

    if (!json_is_object(root))
        return bad(why, "top level", "must be an object");
    if (check_keys(root, "top level", known, why) != CODE_OK ||
        get_text(root, "cluster_id", "top level", &cluster_id, why) != CODE_OK ||
        get_number(root, "epoch", 1, INT64_MAX, 0, &epoch, why) != CODE_OK ||
        get_number(root, "slots", SLOTS, SLOTS, SLOTS, &slots, why) != CODE_OK ||
        get_number(root, "spread", 1, SLOTS, SPREAD_DEFAULT, &spread, why) != CODE_OK)
        return why->code;
    if (!is_made_of(cluster_id, NAME_CHARS "/"))
        return bad(why, "\"cluster_id\"", "may have letters, digits, '.', '_', '-' and '/', at most 128");
    m->cluster_id = keep(m->arena, cluster_id);
    m->epoch = (uint64_t)epoch;
    m->spread = (uint32_t)spread;
    if (parse_shards(json_object_get(root, "shards"), m, why) != CODE_OK ||
        parse_owner(json_object_get(root, "owner"), m, why) != CODE_OK)
        return why->code;
    return check_checksum(root, m, why);
}

static struct shard_map *map_new(void)
{
    struct arena     *a = arena_new(0);
    struct shard_map *m = arena_zalloc(a, sizeof *m);

    m->arena = a;
    m->refs = 1;
    m->self = MAP_NOBODY;
    return m;
}

enum code map_parse(struct slice text, struct shard_map **out, struct fault *why)
{
    json_error_t error;
    json_t      *root = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &error);

    if (root == NULL)
        return fail(why, CODE_INVALID_ARGUMENT, "shard map: line %d, column %d: %s", error.line, error.column,
                    error.text);
    struct shard_map *m = map_new();
    enum code         code = parse_root(root, m, why);
    json_decref(root);
    if (code == CODE_OK)
        *out = m;
    else
        map_unref(m);
    return code;
}

struct shard_map *map_alone(const char *name)
{
    struct shard_map *m = map_new();

    m->cluster_id = "";
    m->epoch = 1;
    m->spread = SPREAD_DEFAULT;
    m->n_shards = 1;
    m->shards = arena_zalloc(m->arena, sizeof *m->shards);
    m->absences = arena_zalloc(m->arena, sizeof *m->absences);
    m->shards[0] = (struct map_shard){ .name = keep(m->arena, name), .address = "" };
    return m;
}

struct shard_map *map_ref(struct shard_map *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

void map_unref(struct shard_map *m)
{
    unsigned before = atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel);

    assert(before > 0);
    if (before == 1)
        arena_free(m->arena);
}

uint16_t map_find(const struct shard_map *m, const char *name)
{
    for (uint16_t i = 0; i < m->n_shards; i++)
        if (strcmp(m->shards[i].name, name) == 0)
            return i;
    return MAP_NOBODY;
}

uint64_t map_checksum(const struct shard_map *m)
{
    struct buf b = { 0 };

    buf_printf(&b, "%s\n%" PRIu64 "\n%d\n%" PRIu32 "\n", m->cluster_id, m->epoch, SLOTS, m->spread);
    for (uint16_t i = 0; i < m->n_shards; i++)
        buf_printf(&b, "%s %s %s\n", m->shards[i].name, m->shards[i].address, state_names[m->shards[i].state]);
    for (size_t slot = 0; slot < SLOTS; slot++)
        buf_printf(&b, "%s\n", m->shards[m->owner[slot]].name);
    uint64_t sum = hash_slice(buf_view(&b));
    buf_free(&b);
    return sum;
}
