#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "net/client_priv.h"

enum { BACKOFF_MS_FIRST = 20, BACKOFF_MS_MAX = 250 };

struct peer *peer_at(struct http_client *c, const char *address)
{
    for (struct peer *p = c->peers; p != NULL; p = p->next)
        if (strcmp(p->address, address) == 0)
            return p;
    size_t       n = strlen(address) + 1;
    struct peer *p = mem_zalloc(sizeof *p + n);
    memcpy(p->address, address, n);
    p->client = c;
    p->waiting_last = &p->waiting;
    p->next = c->peers;
    c->peers = p;
    return p;
}

void peer_free(struct peer *p)
{
    for (struct link *l = p->links; l != NULL; l = l->next) {
        assert(l->is_dead);
        l->link = NULL;
    }
    free(p);
}

/* ---- those that wait ---- */

static void push(struct peer *p, struct http_request *r)
{
    r->state = REQUEST_WAITING;
    r->peer = p;
    r->next = NULL;
    r->link = p->waiting_last;
    *p->waiting_last = r;
    p->waiting_last = &r->next;
    p->n_waiting++;
}

void peer_remove(struct peer *p, struct http_request *r)
{
    *r->link = r->next;
    if (r->next != NULL)
        r->next->link = r->link;
    else
        p->waiting_last = r->link;
    r->peer = NULL;
    p->n_waiting--;
}

void peer_fail(struct peer *p, enum code code, const char *why)
{
    while (p->waiting != NULL)
        request_over(p->waiting, code, "%s", why);
}

void peer_add(struct peer *p, struct http_request *r)
{
    push(p, r);
    if (p->n_links == 0 && loop_now_ms(p->client->loop) < p->retry_ms)
        peer_fail(p, CODE_UNAVAILABLE, p->why);
    else
        peer_serve(p);
}

/* ---- and where they go ---- */

void peer_serve(struct peer *p)
{
    size_t room = 0;

    for (struct link *l = p->links; l != NULL && room < p->n_waiting; l = l->next) {
        if (l->is_leaving)
            continue;
        if (!l->is_ready)
            return; /* it will take some when it is connected */
        if (link_room(l) > 0)
            sock_touch(&l->sock);
        room += link_room(l);
    }
    bool may_connect = p->n_links == 0 || loop_now_ms(p->client->loop) >= p->retry_ms;
    if (room < p->n_waiting && p->n_links < LINKS_MAX && may_connect && !p->client->is_closing)
        link_new(p);
}

/*
 * After the second time in a row requests fail at once for a moment, so that a dead peer costs little, and one that only
 * changed its process nothing.
 */
void peer_unreachable(struct peer *p)
{
    p->retry_ms = loop_now_ms(p->client->loop) + p->backoff_ms;
    p->backoff_ms = p->backoff_ms ? p->backoff_ms * 2 : BACKOFF_MS_FIRST;
    if (p->backoff_ms > BACKOFF_MS_MAX)
        p->backoff_ms = BACKOFF_MS_MAX;
    if (p->n_links == 0)
        peer_fail(p, CODE_UNAVAILABLE, p->why);
}
