#include "net/h1_head.h"

#include <assert.h>

enum { METHOD_BYTES_MAX = 32, LENGTH_DIGITS_MAX = 18 };

/* What is still to be read of a head: the line ends are known to be right by then. */
struct cursor {
    char *p, *end;
};

static const struct h1_wrong FINE = { 0, "" };

static struct h1_wrong bad(const char *text) { return (struct h1_wrong){ 400, text }; }

/*
 * What a character may stand in: a token (RFC 9110 section 5.6.2), a field's value, an authority (host or host:port, as far
 * as it matters for not being fooled), a target that needs no percent-encoding.
 */
enum { TOKEN = 1, TEXT = 2, AUTHORITY = 4, TARGET = 8, ANY = TOKEN | TEXT | AUTHORITY | TARGET };

static const uint8_t kinds[256] = {
    ['\t'] = TEXT,
    [' '] = TEXT,
    ['0' ... '9'] = ANY,
    ['A' ... 'Z'] = ANY,
    ['a' ... 'z'] = ANY,
    ['!'] = ANY,
    ['$' ... '\''] = ANY,
    ['*' ... '+'] = ANY,
    ['-' ... '.'] = ANY,
    ['_'] = ANY,
    ['~'] = ANY,
    ['#'] = TOKEN | TEXT,
    ['^'] = TOKEN | TEXT | TARGET,
    ['`'] = TOKEN | TEXT | TARGET,
    ['|'] = TOKEN | TEXT | TARGET,
    ['(' ... ')'] = TEXT | AUTHORITY | TARGET,
    [','] = TEXT | AUTHORITY | TARGET,
    [':' ... ';'] = TEXT | AUTHORITY | TARGET,
    ['='] = TEXT | AUTHORITY | TARGET,
    ['['] = TEXT | AUTHORITY | TARGET,
    [']'] = TEXT | AUTHORITY | TARGET,
    ['"'] = TEXT | TARGET,
    ['/'] = TEXT | TARGET,
    ['<'] = TEXT | TARGET,
    ['>' ... '@'] = TEXT | TARGET,
    ['\\'] = TEXT | TARGET,
    ['{'] = TEXT | TARGET,
    ['}'] = TEXT | TARGET,
    [0x80 ... 0xff] = TEXT,
};

/* Of one kind, every character. */
static bool is_all(struct slice s, unsigned kind)
{
    for (size_t i = 0; i < s.n; i++)
        kind &= kinds[(unsigned char)s.p[i]];
    return kind != 0;
}

bool h1_is_token(struct slice s) { return s.n > 0 && is_all(s, TOKEN); }

bool h1_is_text(struct slice s) { return is_all(s, TEXT); }

static struct h1_wrong too_long(struct slice in, size_t bytes_max)
{
    if (memchr(in.p, '\n', bytes_max) == NULL)
        return (struct h1_wrong){ 414, "the request line is too long" };
    return (struct h1_wrong){ 431, "the header fields are too long" };
}

size_t h1_head_end(struct slice in, size_t bytes_max, size_t *scanned, struct h1_wrong *wrong)
{
    const char *lf;

    *wrong = FINE;
    while (*scanned < in.n && (lf = memchr(in.p + *scanned, '\n', in.n - *scanned)) != NULL) {
        size_t at = (size_t)(lf - in.p);
        if (at >= bytes_max)
            break;
        *scanned = at + 1;
        if (at == 0 || in.p[at - 1] != '\r') {
            *wrong = bad("a line of the head does not end in CR LF");
            return 0;
        }
        if (at == 1 || in.p[at - 2] == '\n')
            return at + 1;
    }
    if (in.n > bytes_max)
        *wrong = too_long(in, bytes_max);
    else
        *scanned = in.n;
    return 0;
}

/* The next line without its CR LF. */
static struct slice line_next(struct cursor *c)
{
    char        *lf = memchr(c->p, '\n', (size_t)(c->end - c->p));
    struct slice line;

    assert(lf != NULL && lf > c->p && lf[-1] == '\r');
    line = slice_make(c->p, (size_t)(lf - 1 - c->p));
    c->p = lf + 1;
    return line;
}

static struct h1_wrong parse_version(struct slice v, struct h1_head *out)
{
    static const struct h1_wrong other = { 505, "only HTTP/1.0, HTTP/1.1 and HTTP/2 are served" };

    if (v.n != 8 || memcmp(v.p, "HTTP/", 5) != 0 || v.p[5] < '0' || v.p[5] > '9' || v.p[6] != '.' || v.p[7] < '0' ||
        v.p[7] > '9')
        return bad("the request line does not end in a version");
    out->minor = v.p[7] - '0';
    return v.p[5] == '1' && out->minor <= 1 ? FINE : other;
}

/* "http://host/path" becomes "/path" of that host. */
static struct h1_wrong parse_absolute(struct h1_head *out)
{
    struct slice t = out->target;
    size_t       scheme = t.n >= 8 && slice_eq_nocase(slice_make(t.p, 8), SLICE("https://")) ? 8 : 7;

    if (t.n < 7 || (scheme == 7 && !slice_eq_nocase(slice_make(t.p, 7), SLICE("http://"))))
        return bad("the request target is neither a path nor an http URI");
    t = slice_from(t, scheme);
    size_t n = 0;
    while (n < t.n && t.p[n] != '/' && t.p[n] != '?')
        n++;
    out->authority = slice_make(t.p, n);
    out->target = slice_from(t, n);
    if (n == 0 || !is_all(out->authority, AUTHORITY))
        return bad("the request target has no valid host");
    if (out->target.n == 0)
        out->target = SLICE("/");
    return out->target.p[0] == '/' ? FINE : bad("the request target has no path");
}

static struct h1_wrong parse_target(struct h1_head *out)
{
    struct slice t = out->target;

    if (t.n == 0)
        return bad("the request line has no target");
    if (!is_all(t, TARGET))
        return bad("the request target has a character that must be percent-encoded");
    if (slice_is(out->method, "CONNECT"))
        return (struct h1_wrong){ 501, "CONNECT is not served" };
    if (t.p[0] == '/')
        return FINE;
    if (slice_is(t, "*"))
        return slice_is(out->method, "OPTIONS") ? FINE : bad("the target * is for OPTIONS only");
    return parse_absolute(out);
}

static struct h1_wrong parse_request_line(struct slice line, struct h1_head *out)
{
    const char *first = memchr(line.p, ' ', line.n);
    const char *last = memrchr(line.p, ' ', line.n);

    if (first == NULL || first == last)
        return bad("the request line is not METHOD TARGET VERSION");
    out->method = slice_make(line.p, (size_t)(first - line.p));
    out->target = slice_make(first + 1, (size_t)(last - first - 1));
    if (!h1_is_token(out->method) || out->method.n > METHOD_BYTES_MAX)
        return bad("the method is not a token");
    struct slice version = slice_make(last + 1, (size_t)(line.p + line.n - last - 1));
    if (!slice_starts(version, SLICE("HTTP")) && memchr(line.p, '/', line.n) == NULL)
        return (struct h1_wrong){ H1_NOT_HTTP, "this is not HTTP" };
    struct h1_wrong w = parse_version(version, out);
    return w.status ? w : parse_target(out);
}

static struct slice trim_blanks(struct slice v)
{
    while (v.n > 0 && (v.p[0] == ' ' || v.p[0] == '\t'))
        v = slice_from(v, 1);
    while (v.n > 0 && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t'))
        v.n--;
    return v;
}

static struct h1_wrong parse_field(char *line, size_t n, struct http_field *out)
{
    char *colon = memchr(line, ':', n);

    if (line[0] == ' ' || line[0] == '\t')
        return bad("a header field is folded over two lines");
    if (colon == NULL)
        return bad("a header field has no colon");
    out->name = slice_make(line, (size_t)(colon - line));
    out->value = trim_blanks(slice_make(colon + 1, n - out->name.n - 1));
    if (!h1_is_token(out->name))
        return bad("the name of a header field is not a token");
    if (!h1_is_text(out->value))
        return bad("the value of a header field has a control character");
    for (char *p = line; p < colon; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 'a' - 'A');
    return FINE;
}

static struct h1_wrong read_length(struct slice v, struct h1_head *out)
{
    if (out->content_length >= 0)
        return bad("content-length is given twice");
    if (v.n == 0)
        return bad("content-length is not a number");
    out->content_length = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9')
            return bad("content-length is not a number");
        if (i >= LENGTH_DIGITS_MAX)
            return (struct h1_wrong){ 413, "content-length is too large" };
        out->content_length = out->content_length * 10 + (v.p[i] - '0');
    }
    return FINE;
}

static struct h1_wrong read_encoding(struct slice v, struct h1_head *out)
{
    if (out->is_chunked)
        return bad("transfer-encoding is given twice");
    if (!slice_eq_nocase(v, SLICE("chunked")))
        return (struct h1_wrong){ 501, "only the transfer-encoding chunked is served" };
    if (out->minor == 0)
        return bad("HTTP/1.0 has no transfer-encoding");
    out->is_chunked = true;
    return FINE;
}

static void read_connection(struct slice v, struct h1_head *out)
{
    while (v.n > 0) {
        const char  *comma = memchr(v.p, ',', v.n);
        struct slice word = slice_make(v.p, comma ? (size_t)(comma - v.p) : v.n);
        v = slice_from(v, comma ? word.n + 1 : word.n);
        word = trim_blanks(word);
        if (slice_eq_nocase(word, SLICE("close")))
            out->is_last = true;
        else if (out->minor == 0 && slice_eq_nocase(word, SLICE("keep-alive")))
            out->is_last = false;
    }
}

/* The fields that decide how the rest of the connection is read. */
static struct h1_wrong read_field(const struct http_field *f, struct h1_head *out, struct slice *host)
{
    switch (f->name.n) {
    case 4:
        if (!slice_is(f->name, "host"))
            break;
        if (host->p != NULL)
            return bad("host is given twice");
        *host = f->value;
        return is_all(f->value, AUTHORITY) ? FINE : bad("host is not a host name");
    case 6:
        if (!slice_is(f->name, "expect"))
            break;
        if (!slice_eq_nocase(f->value, SLICE("100-continue")))
            return (struct h1_wrong){ 417, "only the expectation 100-continue can be met" };
        out->expects_continue = out->minor == 1;
        break;
    case 10:
        if (slice_is(f->name, "connection"))
            read_connection(f->value, out);
        break;
    case 14:
        if (slice_is(f->name, "content-length"))
            return read_length(f->value, out);
        break;
    case 17:
        if (slice_is(f->name, "transfer-encoding"))
            return read_encoding(f->value, out);
        break;
    default:
        break;
    }
    return FINE;
}

static struct h1_wrong check_whole(struct h1_head *out, struct slice host)
{
    if (out->is_chunked && out->content_length >= 0)
        return bad("content-length and transfer-encoding exclude each other");
    if (out->authority.n == 0 && host.p == NULL && out->minor == 1)
        return bad("HTTP/1.1 asks for a host field");
    if (out->authority.n == 0)
        out->authority = host;
    return FINE;
}

struct h1_wrong h1_head_parse(char *head, size_t n, struct http_field *fields, size_t fields_max, struct h1_head *out)
{
    struct cursor   c = { head, head + n };
    struct slice    host = { 0 }, line;
    struct h1_wrong w;

    *out = (struct h1_head){ .content_length = -1 };
    w = parse_request_line(line_next(&c), out);
    if (w.status)
        return w;
    out->is_last = out->minor == 0;
    for (line = line_next(&c); line.n > 0; line = line_next(&c)) {
        if (out->n_fields == fields_max)
            return (struct h1_wrong){ 431, "too many header fields" };
        struct http_field *f = &fields[out->n_fields++];
        w = parse_field(c.p - line.n - 2, line.n, f);
        if (!w.status)
            w = read_field(f, out, &host);
        if (w.status)
            return w;
    }
    return check_whole(out, host);
}
