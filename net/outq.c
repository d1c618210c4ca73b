#include "net/outq.h"

#include <assert.h>

#include "base/mem.h"

enum { PIECE_BYTES = 2048, SPARE_MAX = 16 << 10, SHARE_LEAST = 4096 };

struct outq_piece {
    struct outq_piece *next;
    char              *at;     /* own[], or given */
    unsigned          *shares; /* of what was given: the pieces that have a part of it; NULL: this one alone */
    size_t             from, to, cap;
    char               own[];
};

static void piece_add(struct outq *q, struct outq_piece *p)
{
    p->next = NULL;
    if (q->last != NULL)
        q->last->next = p;
    else
        q->first = p;
    q->last = p;
}

static struct outq_piece *piece_new(struct outq *q, size_t least)
{
    size_t             want = q->piece_bytes ? q->piece_bytes : PIECE_BYTES;
    size_t             cap = least > want ? least : want;
    struct outq_piece *p = q->spare;

    if (p != NULL && p->cap >= cap) {
        q->spare = NULL;
    } else {
        p = mem_alloc(sizeof *p + cap);
        p->cap = cap;
    }
    p->at = p->own;
    p->shares = NULL;
    p->from = p->to = 0;
    piece_add(q, p);
    return p;
}

/* The end of the last piece, when it is a gathering one with room. */
static size_t room_left(const struct outq *q)
{
    const struct outq_piece *p = q->last;

    return p != NULL && p->at == p->own ? p->cap - p->to : 0;
}

void outq_copy(struct outq *q, const void *bytes, size_t n)
{
    const char *from = bytes;
    size_t      fits = room_left(q);

    if (n == 0)
        return;
    q->n += n;
    if (fits > n)
        fits = n;
    if (fits > 0) {
        memcpy(q->last->at + q->last->to, from, fits);
        q->last->to += fits;
    }
    if (n > fits) {
        struct outq_piece *p = piece_new(q, n - fits);
        memcpy(p->at, from + fits, n - fits);
        p->to = n - fits;
    }
}

void outq_give(struct outq *q, void *bytes, size_t n)
{
    if (n == 0) {
        free(bytes);
        return;
    }
    struct outq_piece *p = mem_alloc(sizeof *p);
    *p = (struct outq_piece){ .at = bytes, .to = n };
    piece_add(q, p);
    q->n += n;
}

void outq_move(struct outq *to, struct outq *from)
{
    if (from->n <= PIECE_BYTES) {
        outq_move_n(to, from, from->n);
        return;
    }
    if (to->last != NULL)
        to->last->next = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    to->n += from->n;
    from->first = from->last = NULL;
    from->n = 0;
}

/* The first `n` bytes of a piece that was given, in a piece of their own. */
static void share(struct outq *to, struct outq_piece *of, size_t n)
{
    struct outq_piece *p = mem_alloc(sizeof *p);

    if (of->shares == NULL) {
        of->shares = mem_alloc(sizeof *of->shares);
        *of->shares = 1;
    }
    ++*of->shares;
    *p = (struct outq_piece){ .at = of->at, .shares = of->shares, .from = of->from, .to = of->from + n };
    piece_add(to, p);
    to->n += n;
}

void outq_move_n(struct outq *to, struct outq *from, size_t n)
{
    assert(n <= from->n);
    while (n > 0) {
        struct outq_piece *p = from->first;
        size_t             here = p->to - p->from < n ? p->to - p->from : n;
        if (p->at != p->own && here >= SHARE_LEAST)
            share(to, p, here);
        else
            outq_copy(to, p->at + p->from, here);
        outq_drop(from, here);
        n -= here;
    }
}

int outq_view(const struct outq *q, struct iovec *out, int max)
{
    int n = 0;

    for (const struct outq_piece *p = q->first; p != NULL && n < max; p = p->next)
        out[n++] = (struct iovec){ .iov_base = p->at + p->from, .iov_len = p->to - p->from };
    return n;
}

static void given_done(struct outq_piece *p)
{
    if (p->shares != NULL && --*p->shares > 0)
        return;
    free(p->shares);
    free(p->at);
}

static void piece_done(struct outq *q, struct outq_piece *p)
{
    if (p->at != p->own)
        given_done(p);
    else if (q->spare == NULL && p->cap <= SPARE_MAX) {
        q->spare = p;
        return;
    }
    free(p);
}

void outq_drop(struct outq *q, size_t n)
{
    assert(n <= q->n);
    q->n -= n;
    while (n > 0) {
        struct outq_piece *p = q->first;
        size_t             here = p->to - p->from;
        if (n < here) {
            p->from += n;
            return;
        }
        n -= here;
        q->first = p->next;
        if (q->first == NULL)
            q->last = NULL;
        piece_done(q, p);
    }
}

void outq_trim(struct outq *q)
{
    free(q->spare);
    q->spare = NULL;
}

void outq_free(struct outq *q)
{
    outq_drop(q, q->n);
    outq_trim(q);
    *q = (struct outq){ .piece_bytes = q->piece_bytes };
}
