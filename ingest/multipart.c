#include "ingest/multipart.h"

enum { BOUNDARY_MAX = 70 };

static struct slice cut(struct slice s, size_t n) { return slice_make(s.p, n); }

static size_t find_nocase(struct slice s, struct slice lower)
{
    for (size_t i = 0; i + lower.n <= s.n; i++)
        if (slice_eq_nocase(slice_make(s.p + i, lower.n), lower))
            return i;
    return s.n;
}

/* The value of `; name=value` or `; name="value"` in a header; false when there is none. */
static bool parameter_get(struct slice header, struct slice name, struct slice *value)
{
    size_t semicolon;

    while ((semicolon = slice_find(header, SLICE(";"))) < header.n) {
        header = slice_trim(slice_from(header, semicolon + 1));
        size_t equals = slice_find(header, SLICE("="));
        if (equals == header.n)
            return false;
        struct slice key = slice_trim(cut(header, equals));
        struct slice rest = slice_trim(slice_from(header, equals + 1));
        bool         is_quoted = rest.n > 0 && rest.p[0] == '"';
        size_t       n = 0;
        if (is_quoted)
            for (rest = slice_from(rest, 1); n < rest.n && rest.p[n] != '"'; n++)
                n += rest.p[n] == '\\' && n + 1 < rest.n;
        else
            n = slice_find(rest, SLICE(";"));
        if (is_quoted && n >= rest.n)
            return false;
        *value = is_quoted ? cut(rest, n) : slice_trim(cut(rest, n));
        if (slice_eq_nocase(key, name))
            return true;
        header = slice_from(rest, n);
    }
    return false;
}

bool multipart_is(struct slice content_type)
{
    return find_nocase(content_type, SLICE("multipart/form-data")) < content_type.n;
}

/*
 * Where the next `--boundary` begins that stands at the beginning of a line; body.n when there is none.  `*before` is
 * where the line end in front of it begins.
 */
static size_t delimiter_find(struct slice body, struct slice boundary, size_t *before)
{
    for (size_t i = 0; i < body.n;) {
        size_t at = i + slice_find(slice_from(body, i), boundary);
        if (at == body.n)
            return body.n;
        i = at + 1;
        if (at < 2 || body.p[at - 1] != '-' || body.p[at - 2] != '-')
            continue;
        at -= 2;
        if (at == 0) {
            *before = 0;
            return at;
        }
        if (body.p[at - 1] != '\n')
            continue;
        *before = at >= 2 && body.p[at - 2] == '\r' ? at - 2 : at - 1;
        return at;
    }
    return body.n;
}

enum code multipart_open(struct slice content_type, struct slice body, struct multipart *out, struct fault *why)
{
    size_t before;

    if (!parameter_get(content_type, SLICE("boundary"), &out->boundary) || out->boundary.n == 0 ||
        out->boundary.n > BOUNDARY_MAX)
        return fail(why, CODE_INVALID_ARGUMENT, "multipart form: no boundary in the content type");
    size_t at = delimiter_find(body, out->boundary, &before);
    if (at == body.n)
        return fail(why, CODE_INVALID_ARGUMENT, "multipart form: the boundary does not occur in the body");
    out->rest = slice_from(body, at + 2 + out->boundary.n);
    return CODE_OK;
}

/* One line without its end; false when none ends. */
static bool line_take(struct slice *rest, struct slice *line)
{
    size_t end = slice_find(*rest, SLICE("\n"));

    if (end == rest->n)
        return false;
    *line = cut(*rest, end > 0 && rest->p[end - 1] == '\r' ? end - 1 : end);
    *rest = slice_from(*rest, end + 1);
    return true;
}

static bool headers_take(struct slice *rest, struct multipart_part *part)
{
    const struct slice disposition = SLICE("content-disposition:");
    struct slice       line;

    while (line_take(rest, &line)) {
        if (line.n == 0)
            return true;
        if (line.n < disposition.n || !slice_eq_nocase(cut(line, disposition.n), disposition))
            continue;
        part->has_filename = parameter_get(line, SLICE("filename"), &part->filename);
        if (!parameter_get(line, SLICE("name"), &part->name))
            part->name = (struct slice){ 0 };
    }
    return false;
}

enum code multipart_next(struct multipart *m, struct multipart_part *out, bool *has_part, struct fault *why)
{
    struct slice line;
    size_t       before = 0;

    *out = (struct multipart_part){ 0 };
    *has_part = false;
    if (slice_starts(m->rest, SLICE("--")))
        return CODE_OK;
    if (!line_take(&m->rest, &line) || slice_trim(line).n > 0)
        return fail(why, CODE_INVALID_ARGUMENT, "multipart form: malformed delimiter");
    if (!headers_take(&m->rest, out))
        return fail(why, CODE_INVALID_ARGUMENT, "multipart form: part headers are cut short");
    size_t at = delimiter_find(m->rest, m->boundary, &before);
    if (at == m->rest.n)
        return fail(why, CODE_INVALID_ARGUMENT, "multipart form: a part is cut short");
    out->bytes = cut(m->rest, before);
    m->rest = slice_from(m->rest, at + 2 + m->boundary.n);
    *has_part = true;
    return CODE_OK;
}
