/*
 * A call's life, and what methods ask of it.
 */
#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"
#include "rpc/call_priv.h"

/* ---- what methods ask ---- */

struct arena                     *call_arena(struct call *c) { return c->scratch; }
struct arena                     *call_memory(struct call *c) { return c->arena; }
void                             *call_app(const struct call *c) { return c->server->config.app; }
struct rpc_server                *call_server(const struct call *c) { return c->server; }
int64_t                           call_deadline_ns(const struct call *c) { return c->deadline_ns; }
bool                              call_is_cancelled(const struct call *c) { return atomic_load(&c->is_cancelled); }
struct slice                      call_path(const struct call *c) { return c->path; }
struct slice                      call_query(const struct call *c) { return c->query; }
bool                              call_is_get(const struct call *c) { return c->is_get; }
struct slice                      call_message(const struct call *c) { return c->message; }
bool                              call_is_inline(const struct call *c) { return c->lane == LANE_INLINE; }
const ProtobufCMessageDescriptor *call_response_type(const struct call *c) { return c->row->method->response; }
void                              call_set_user(struct call *c, void *user) { c->user = user; }
void                             *call_user(const struct call *c) { return c->user; }
bool                              call_client_streams(const struct call *c) { return c->row->kind.client_streams; }

struct slice call_field(const struct call *c, const char *name)
{
    struct slice wanted = slice_of(name);

    for (size_t i = 0; i < c->n_fields; i++)
        if (slice_eq(c->fields[i].name, wanted))
            return c->fields[i].value;
    return (struct slice){ 0 };
}

const struct slice *call_peer_names(const struct call *c, size_t *n)
{
    *n = c->n_peer_names;
    return c->peer_names;
}

const struct http_field *call_fields(const struct call *c, size_t *n)
{
    *n = c->n_fields;
    return c->fields;
}

/* ---- what they say beside their answers ---- */

/* `name` is the arena's already. */
static void metadata_add(struct call *c, struct metadata *m, struct slice name, struct slice value)
{
    assert(m->n < CALL_METADATA_MAX);
    if (m->at == NULL)
        m->at = arena_array(c->arena, CALL_METADATA_MAX, sizeof *m->at);
    m->at[m->n++] = (struct http_field){ name, arena_copy(c->arena, value) };
}

void call_add_header(struct call *c, struct slice name, struct slice value)
{
    metadata_add(c, &c->headers, arena_copy(c->arena, name), value);
}

void call_add_trailer(struct call *c, struct slice name, struct slice value)
{
    struct slice prefixed = arena_printf(c->arena, TRAILER_PREFIX "%.*s", SLICE_ARGS(name));
    metadata_add(c, &c->trailers, slice_from(prefixed, TRAILER_PREFIX_BYTES), value);
}

struct metadata call_headers(const struct call *c) { return c->has_headers ? c->headers : (struct metadata){ 0 }; }
struct metadata call_trailers(const struct call *c) { return c->has_trailers ? c->trailers : (struct metadata){ 0 }; }

size_t call_details(const struct call *c, const struct detail **at)
{
    *at = c->has_trailers ? c->details : NULL;
    return c->has_trailers ? c->n_details : 0;
}

enum { DETAILS_MAX = 16 };

void call_add_detail(struct call *c, struct slice type, struct slice value)
{
    assert(c->n_details < DETAILS_MAX);
    if (c->details == NULL)
        c->details = arena_array(c->arena, DETAILS_MAX, sizeof *c->details);
    c->details[c->n_details++] = (struct detail){ arena_copy(c->arena, type), arena_copy(c->arena, value) };
}

/* ---- life ---- */

static struct slice copy_into(char **room, struct slice s)
{
    char *p = *room;

    if (s.n > 0)
        memcpy(p, s.p, s.n);
    *room += s.n;
    return slice_make(p, s.n);
}

/* The exchange may go while the method still works (R3). */
static void copy_head(struct call *c, const struct exchange *x)
{
    size_t n = x->path.n + x->query.n;

    for (size_t i = 0; i < x->n_fields; i++)
        n += x->fields[i].name.n + x->fields[i].value.n;
    for (size_t i = 0; i < x->n_peer_names; i++)
        n += x->peer_names[i].n;
    char *room = arena_alloc(c->arena, n);
    c->fields = arena_array(c->arena, x->n_fields, sizeof *c->fields);
    c->n_fields = x->n_fields;
    for (size_t i = 0; i < x->n_fields; i++) {
        c->fields[i].name = copy_into(&room, x->fields[i].name);
        c->fields[i].value = copy_into(&room, x->fields[i].value);
    }
    c->path = copy_into(&room, x->path);
    c->query = copy_into(&room, x->query);
    if (x->n_peer_names == 0)
        return;
    c->peer_names = arena_array(c->arena, x->n_peer_names, sizeof *c->peer_names);
    c->n_peer_names = x->n_peer_names;
    for (size_t i = 0; i < x->n_peer_names; i++)
        c->peer_names[i] = copy_into(&room, x->peer_names[i]);
}

struct call *call_new(const struct face *f, struct row *row, struct exchange *x)
{
    struct arena *a = arena_new(5 * 1024 - 16); /* with its head a size that malloc has; a small push fits */
    struct call  *c = arena_alloc(a, sizeof *c);

    *c = (struct call){ .server = f->server,
                        .face = f,
                        .row = row,
                        .arena = a,
                        .scratch = a,
                        .loop = x->loop,
                        .x = x,
                        .refs = 1,
                        .waits = row->kind.client_streams ? WAITS_FOR_MESSAGE : WAITS_NOT,
                        .deadline_ns = INT64_MAX,
                        .started_ns = clock_mono_ns(),
                        .is_plain = row->route != NULL,
                        .lane = row->lane,
                        .inbox.message_bytes_max = row->request_bytes_max };
    copy_head(c, x);
    server_opened(f->server);
    return c;
}

void call_ref(struct call *c)
{
    assert(loop_is_mine(c->loop));
    c->refs++;
}

void call_unref(struct call *c)
{
    assert(loop_is_mine(c->loop) && c->refs > 0);
    if (--c->refs > 0)
        return;
    inbox_free(&c->inbox);
    buf_free(&c->out.bytes);
    loop_timer_free(c->timer);
    loop_timer_free(c->wake);
    server_discharge(c->server, c->charged_bytes);
    server_closed(c->server);
    if (c->scratch != c->arena)
        arena_free(c->scratch);
    arena_free(c->arena);
}

void call_gone(struct call *c)
{
    c->x = NULL;
    atomic_store(&c->is_cancelled, true);
    if (!c->is_answered)
        call_answered(c, CODE_CANCELED);
    call_move(c);
    call_unref(c);
}

bool call_charge(struct call *c, size_t bytes)
{
    if (!server_charge(c->server, bytes))
        return false;
    atomic_fetch_add_explicit(&c->charged_bytes, bytes, memory_order_relaxed);
    return true;
}

void call_discharge(struct call *c, size_t bytes)
{
    server_discharge(c->server, bytes);
    atomic_fetch_sub_explicit(&c->charged_bytes, bytes, memory_order_relaxed);
}

enum code call_too_busy(struct fault *why)
{
    return fail(why, CODE_RESOURCE_EXHAUSTED, "the requests in flight hold all the memory they may: try again");
}
