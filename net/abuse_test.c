/*
 * Goal: each way of making a server work for nothing ends soon, in the protocol's own form, is counted, and does not
 * keep a neighbour from being answered.  Method: a table of attacks, frames made by hand, against a real listener; a
 * neighbour asks all the while.  What attacks by being slow is in slow_test.c.
 */
#include "net/test_frames.h"

enum { FLOOD = 40000, PROVOKED = 240 /* over the budget, below the limit of streams */ };

/* --- the neighbour ------------------------------------------------------------------------------------------------ */

struct neighbour {
    const struct server *server;
    pthread_t            thread;
    atomic_int           n_answers;
    atomic_bool          is_over;
};

static void *ask_on(void *arg)
{
    struct neighbour *n = arg;
    int               fd = dial(n->server);

    while (!atomic_load(&n->is_over)) {
        say(fd, SLICE("GET /query?neighbour HTTP/1.1\r\nhost: x\r\n\r\n"));
        struct buf b = hear(fd, "neighbour", 1);
        assert(has(&b, "HTTP/1.1 200 OK") && has(&b, "neighbour"));
        buf_free(&b);
        atomic_fetch_add(&n->n_answers, 1);
        usleep(500);
    }
    close(fd);
    return NULL;
}

/* --- the attacks -------------------------------------------------------------------------------------------------- */

static void put_fields(struct buf *head, int n)
{
    char name[16];

    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "x-%d", i);
        put_literal(head, name, slice_make("v", 1));
    }
}

/* A field of 4 KiB for the decoder's table, and then `n` times one byte that repeats it. */
static void put_repeated(struct buf *head, int n)
{
    buf_put(head, "\x40\x01x\x7f\xa1\x1e", 6); /* a value of 4,000 bytes */
    for (int i = 0; i < 4000; i++)
        buf_byte(head, 'v');
    for (int i = 0; i < n; i++)
        buf_byte(head, 0x80 | 62);
}

static void resets(struct buf *b)
{
    for (uint32_t id = 1; id < 4000; id += 2) {
        put_request(b, id, "/silent", END_HEADERS);
        put_frame(b, RST_STREAM, 0, id, slice_make("\0\0\0\x08", 4));
    }
}

static void overflown_windows(struct buf *b) /* CVE-2025-8671, as the three after it */
{
    for (uint32_t id = 1; id < 2 * PROVOKED; id += 2) {
        put_request(b, id, "/silent", END_HEADERS);
        put_frame(b, WINDOW_UPDATE, 0, id, slice_make("\x7f\xff\xff\xff", 4));
    }
}

static void bad_fields(struct buf *b)
{
    struct buf head = { 0 };

    put_head(&head, "/silent");
    put_literal(&head, "Upper", SLICE("x"));
    for (uint32_t id = 1; id < 2 * PROVOKED; id += 2)
        put_frame(b, HEADERS, END_HEADERS | END_STREAM, id, buf_view(&head));
    buf_free(&head);
}

static void missing_fields(struct buf *b)
{
    for (uint32_t id = 1; id < 2 * PROVOKED; id += 2)
        put_frame(b, HEADERS, END_HEADERS | END_STREAM, id, slice_make("\x83", 1));
}

static void wrong_lengths(struct buf *b)
{
    struct buf head = { 0 };

    put_head(&head, "/silent");
    put_literal(&head, "content-length", SLICE("5"));
    for (uint32_t id = 1; id < 2 * PROVOKED; id += 2) {
        put_frame(b, HEADERS, END_HEADERS, id, buf_view(&head));
        put_frame(b, DATA, END_STREAM, id, SLICE("abc"));
    }
    buf_free(&head);
}

static void continuations(struct buf *b)
{
    put_request(b, 1, "/silent", END_STREAM);
    for (int i = 0; i < FLOOD; i++)
        put_frame(b, CONTINUATION, 0, 1, SLICE(""));
}

static void header_bomb(struct buf *b)
{
    struct buf head = { 0 };

    put_head(&head, "/silent");
    put_repeated(&head, 12000);
    put_frame(b, HEADERS, END_HEADERS | END_STREAM, 1, buf_view(&head));
    buf_free(&head);
}

/* Each a little over the limit. */
static void header_bomblets(struct buf *b)
{
    struct buf head = { 0 };

    put_head(&head, "/silent");
    put_fields(&head, 130);
    for (uint32_t id = 1; id < 1000; id += 2)
        put_frame(b, HEADERS, END_HEADERS | END_STREAM, id, buf_view(&head));
    buf_free(&head);
}

/* Each below the limit, and all of them to be remembered. */
static void open_heads(struct buf *b)
{
    struct buf first = { 0 }, more = { 0 };

    put_head(&first, "/silent");
    put_repeated(&first, 14);
    put_frame(b, HEADERS, END_HEADERS, 1, buf_view(&first));
    buf_put(&more,
            "\x83\x86\x01\x01"
            "a\x04\x07/silent",
            14); /* as put_head, but nothing goes into the table */
    for (int i = 0; i < 15; i++)
        buf_byte(&more, 0x80 | 62);
    for (uint32_t id = 3; id < 500; id += 2)
        put_frame(b, HEADERS, END_HEADERS, id, buf_view(&more));
    buf_free(&first);
    buf_free(&more);
}

static void pings(struct buf *b)
{
    for (int i = 0; i < FLOOD; i++)
        put_frame(b, PING, 0, 0, SLICE("12345678"));
}

static void settings(struct buf *b)
{
    for (int i = 0; i < FLOOD; i++)
        put_frame(b, SETTINGS, 0, 0, slice_make("\0\x04\0\0\xff\xff", 6));
}

static void empty_data(struct buf *b)
{
    put_request(b, 1, "/silent", END_HEADERS);
    for (int i = 0; i < FLOOD; i++)
        put_frame(b, DATA, 0, 1, SLICE(""));
}

static void priorities(struct buf *b)
{
    put_request(b, 1, "/silent", END_HEADERS);
    for (int i = 0; i < FLOOD; i++)
        put_frame(b, PRIORITY, 0, 1, slice_make("\0\0\0\0\1", 5));
}

static void resets_of_closed(struct buf *b)
{
    put_request(b, 1, "/query?a", END_HEADERS | END_STREAM);
    for (int i = 0; i < FLOOD; i++)
        put_frame(b, RST_STREAM, 0, 1, slice_make("\0\0\0\x08", 4));
}

static void dribble(struct buf *b)
{
    put_request(b, 1, "/silent", END_HEADERS);
    for (int i = 0; i < FLOOD; i++)
        put_frame(b, DATA, 0, 1, slice_make("x", 1));
}

static void window_updates(struct buf *b)
{
    put_request(b, 1, "/silent", END_HEADERS | END_STREAM);
    for (int i = 0; i < FLOOD; i++)
        put_frame(b, WINDOW_UPDATE, 0, 1, slice_make("\0\0\0\1", 4));
}

/* Frames of one byte come back. */
static void tiny_windows(struct buf *b)
{
    put_frame(b, SETTINGS, 0, 0, slice_make("\0\x04\0\0\0\0", 6));
    put_request(b, 1, "/stream", END_HEADERS | END_STREAM);
    for (int i = 0; i < FLOOD; i++)
        put_frame(b, WINDOW_UPDATE, 0, 1, slice_make("\0\0\0\1", 4));
}

/* Before it says that it knows the limit. */
static void early_streams(struct buf *b)
{
    for (uint32_t id = 1; id < 4000; id += 2)
        put_request(b, id, "/silent", END_HEADERS);
}

static void late_streams(struct buf *b)
{
    put_frame(b, SETTINGS, ACK, 0, SLICE(""));
    early_streams(b);
}

static void no_preface(struct buf *b) { put_frame(b, DATA, 0, 0, SLICE("x")); }

static const struct attack {
    const char *name, *class;
    void (*put)(struct buf *b);
    int max_heads; /* exchanges that the app may see of it */
    int goaway;
} attacks[] = {
    { "resets", "rapid_reset", resets, 201, ENHANCE_YOUR_CALM },
    { "overflown windows", "provoked_reset", overflown_windows, PROVOKED, ENHANCE_YOUR_CALM },
    { "bad fields", "provoked_reset", bad_fields, 0, ENHANCE_YOUR_CALM },
    { "missing fields", "provoked_reset", missing_fields, 0, ENHANCE_YOUR_CALM },
    { "wrong lengths", "provoked_reset", wrong_lengths, PROVOKED, ENHANCE_YOUR_CALM },
    { "continuations", "continuation_flood", continuations, 0, ENHANCE_YOUR_CALM },
    { "header bomb", "header_bomb", header_bomb, 0, ENHANCE_YOUR_CALM },
    { "header bomblets", "header_bomb", header_bomblets, 0, ENHANCE_YOUR_CALM },
    { "open heads", "header_bomb", open_heads, 20, ENHANCE_YOUR_CALM },
    { "pings", "ping_flood", pings, 0, ENHANCE_YOUR_CALM },
    { "settings", "settings_flood", settings, 0, ENHANCE_YOUR_CALM },
    { "empty data", "empty_frames", empty_data, 1, ENHANCE_YOUR_CALM },
    { "priorities", "empty_frames", priorities, 1, ENHANCE_YOUR_CALM },
    { "resets of closed streams", "empty_frames", resets_of_closed, 1, ENHANCE_YOUR_CALM },
    { "dribble", "dribble", dribble, 1, ENHANCE_YOUR_CALM },
    { "window updates", "tiny_windows", window_updates, 1, ENHANCE_YOUR_CALM },
    { "tiny windows", "tiny_windows", tiny_windows, 1, ENHANCE_YOUR_CALM },
    { "streams, early", "stream_flood", early_streams, 250, ENHANCE_YOUR_CALM },
    { "streams, late", "stream_flood", late_streams, 250, ENHANCE_YOUR_CALM },
    { "data on no stream", "protocol_error", no_preface, 0, PROTOCOL_ERROR },
};

static void attack(const struct server *s, const struct attack *a, struct neighbour *n)
{
    struct buf  b = hello(65535);
    int64_t     before = counted(a->class);
    int         answers = atomic_load(&n->n_answers);
    int         heads_before = atomic_load(&heads);
    struct seen seen;

    a->put(&b);
    seen = abuse(s, &b, 2000);
    int neighbours = atomic_load(&n->n_answers) - answers;
    int mine = atomic_load(&heads) - heads_before - neighbours;
    if (!seen.is_closed || seen.goaway != a->goaway || counted(a->class) <= before || mine > a->max_heads + 1) {
        fprintf(stderr, "%s: closed %d, GOAWAY %d, %d resets, %d heads, counted %lld\n", a->name, seen.is_closed,
                seen.goaway, seen.n_resets, mine, (long long)(counted(a->class) - before));
        abort();
    }
}

/* Chunks of one byte, and a head of any length. */
static void h1_attacks(const struct server *s)
{
    int64_t    dribbles = counted("dribble"), bombs = counted("header_bomb");
    struct buf b = { 0 }, answer;

    buf_text(&b, "POST /count HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    for (int i = 0; i < FLOOD; i++)
        buf_text(&b, "1\r\nx\r\n");
    answer = ask(s, buf_view(&b));
    assert(has(&answer, "HTTP/1.1 429 ") && has(&answer, "connection: close") && counted("dribble") == dribbles + 1);
    buf_free(&answer);
    b.n = 0;
    buf_text(&b, "GET / HTTP/1.1\r\nhost: x\r\nx: ");
    for (int i = 0; i < 70000; i++)
        buf_byte(&b, 'v');
    answer = ask(s, buf_view(&b));
    assert(has(&answer, "HTTP/1.1 431 ") && counted("header_bomb") == bombs + 1);
    buf_free(&answer);
    buf_free(&b);
}

/* --- what must not be taken for an attack ------------------------------------------------------------------------- */

/* 3,000 small messages of a stream, a PING and two window updates for each answer, a few resets. */
static void a_busy_client(const struct server *s)
{
    struct buf b = hello(1 << 20);

    put_request(&b, 1, "/count", END_HEADERS);
    for (int i = 0; i < 3000; i++)
        put_frame(&b, DATA, 0, 1, SLICE("\0\0\0\0\5hello"));
    put_frame(&b, DATA, END_STREAM, 1, SLICE(""));
    for (uint32_t id = 3; id < 400; id += 2) {
        put_request(&b, id, "/query?a", END_HEADERS | END_STREAM);
        put_frame(&b, WINDOW_UPDATE, 0, 0, slice_make("\0\0\0\1", 4));
        put_frame(&b, PING, 0, 0, SLICE("12345678"));
    }
    for (uint32_t id = 401; id < 500; id += 2) {
        put_request(&b, id, "/silent", END_HEADERS | END_STREAM);
        put_frame(&b, RST_STREAM, 0, id, slice_make("\0\0\0\x08", 4));
    }
    struct seen seen = abuse(s, &b, 300);
    assert(!seen.is_closed && seen.goaway == NEVER && seen.n_heads == 200);
}

int main(void)
{
    struct neighbour n = { 0 };
    struct server    s;

    server_start(&s, &http_limits_default);
    n.server = &s;
    pthread_create(&n.thread, NULL, ask_on, &n);
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++)
        attack(&s, &attacks[i], &n);
    h1_attacks(&s);
    a_busy_client(&s);
    atomic_store(&n.is_over, true);
    pthread_join(n.thread, NULL);
    assert(soon(none_open, &s));
    server_stop(&s);
    printf("abuse: ok, %d answers to the neighbour meanwhile\n", atomic_load(&n.n_answers));
    return 0;
}
