/*
 * Goal: /ingest is understood as its reference says: names, times, formats, forms, and which status a failure gets.
 * Method: tables of inputs and what they mean; forms with each part there, empty, missing and broken.
 */
#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "ingest/app_name.h"
#include "ingest/attime.h"
#include "ingest/ingest_http.h"
#include "ingest/multipart.h"
#include "wire/url.h"

static const int64_t NOW = INT64_C(1763683200) * NS_PER_S;

static void names_parse(void)
{
    static const char *const good[][3] = {
        { "app", "app", "{}" },
        { " app ", "app", "{}" },
        { "a/b-c.d_9{}", "a/b-c.d_9", "{}" },
        { "app{b=2,a=1}", "app", "{a=\"1\", b=\"2\"}" },
        { "app{ k.1 = v = w ,  e = }tail", "app", "{e=\"\", k.1=\"v = w\"}" },
        { "app{a=1,a=2}", "app", "{a=\"2\"}" },
        { "app{foo}", "app", "{}" },
        { "app{a=1,b=2", "app", "{a=\"1\"}" },
        { "app{__name__=other,__x__=1,__session_id__=0123456789abcdef}", "other",
          "{__session_id__=\"0123456789abcdef\"}" },
    };
    struct arena   *a = arena_new(0);
    struct app_name name;
    struct fault    why;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct buf b = { 0 };
        assert(app_name_parse(slice_of(good[i][0]), a, &name, &why) == CODE_OK && slice_is(name.app, good[i][1]));
        labels_print(&b, name.labels);
        assert(slice_is(buf_view(&b), good[i][2]));
        buf_free(&b);
    }
    arena_free(a);
}

static void names_are_refused(void)
{
    static const char *const bad[][2] = {
        { "", "name: service name is required" },
        { "{}", "name: service name is required" },
        { "{a=b}", "name: service name is required" },
        { "a b", "name: invalid service name: a b: character is not allowed: ' '" },
        { "a{b c=d}", "name: invalid label name: b c: character is not allowed: ' '" },
        { "a{=x}", "name: label name is required" },
        { "a{x=1,,y=2}", "name: invalid label name: ,y: character is not allowed: ','" },
        { "\xc3\xa9", "name: invalid service name: \xc3\xa9: character is not allowed: '\xc3\xa9'" },
    };
    struct arena   *a = arena_new(0);
    struct app_name name;
    struct fault    why;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert(app_name_parse(slice_of(bad[i][0]), a, &name, &why) == CODE_INVALID_ARGUMENT);
        assert(slice_is(slice_of(why.text), bad[i][1]));
    }
    arena_free(a);
}

static void times_parse(void)
{
    static const struct {
        const char *text;
        int64_t     s; /* since 1970, or since NOW when `is_relative` */
        bool        is_relative;
    } cases[] = {
        { "", 0, true },
        { "now", 0, true },
        { "whenever", 0, true },
        { "now-1h", -3600, true },
        { "now - 1h30m", -5400, true },
        { "-2d", -172800, true },
        { "now+1min", 60, true },
        { "now-1mon", -2592000, true },
        { "now-1M", -2592000, true },
        { "now-1y1w", -32140800, true },
        { "now-5x", 0, true },
        { "1700000000", 1700000000, false },
        { "1_700_000_000", 1700000000, false },
        { "1700000000000", 1700000000, false },
        { "1700000000000000", 1700000000, false },
        { "1700000000000000000", 1700000000, false },
        { "20231114", 1699920000, false },
        { "20231399", 20231399, false },
        { "0", 0, false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert(attime_parse(slice_of(cases[i].text), NOW) == cases[i].s * NS_PER_S + (cases[i].is_relative ? NOW : 0));
    assert(attime_parse(SLICE("now-99999999999999999y"), NOW) <= NOW &&
           attime_parse(SLICE("9999999999999999999999"), NOW) == NOW);
}

static void queries_decode(void)
{
    struct arena      *a = arena_new(0);
    struct slice       v;
    const struct slice query = SLICE("a=1&name=app%7Bx%3D1%2Cy%3Da+b%7D&a=2&bad=%zz%4&empty=&%6eone");

    assert(url_query_get(query, SLICE("name"), a, &v) && slice_is(v, "app{x=1,y=a b}"));
    assert(url_query_get(query, SLICE("a"), a, &v) && slice_is(v, "1"));
    assert(url_query_get(query, SLICE("bad"), a, &v) && slice_is(v, "%zz%4"));
    assert(url_query_get(query, SLICE("empty"), a, &v) && v.n == 0);
    assert(url_query_get(query, SLICE("none"), a, &v) && v.n == 0);
    assert(!url_query_get(query, SLICE("x"), a, &v));
    arena_free(a);
}

#define FORM "multipart/form-data; boundary=\"xX\""
#define PART(name) "--xX\r\nContent-Disposition: form-data; name=\"" name "\"; filename=\"f;\\\"\"\r\n\r\n"

static enum code read_post(const char *query, const char *type, struct slice body, struct arena *a,
                           struct ingest_post *post, struct fault *why)
{
    struct ingest_request r = { slice_of(query), slice_of(type), body, NOW };
    return ingest_http_read(&r, a, post, why);
}

static void forms_are_read(void)
{
    struct arena      *a = arena_new(0);
    struct ingest_post post;
    struct fault       why;
    struct buf         b = { 0 };

    assert(read_post("name=app{z=1}&spyName=gospy&from=1700000000", FORM,
                     SLICE("preamble\r\n" PART("profile") "\x1f\x8b\r\n--x\r\n" PART(
                         "sample_type_config") "{}\r\n--xX--\r\n"),
                     a, &post, &why) == CODE_OK);
    assert(slice_is(post.profile, "\x1f\x8b\r\n--x") && slice_is(post.hints.type_config, "{}") && !post.is_empty);
    assert(slice_is(post.hints.spy_name, "gospy") && post.hints.from_ns == INT64_C(1700000000) * NS_PER_S);
    labels_print(&b, post.labels);
    assert(slice_is(buf_view(&b), "{z=\"1\", service_name=\"app\", pyroscope_spy=\"gospy\", __delta__=\"false\"}"));
    buf_free(&b);

    assert(read_post("name=a", FORM, SLICE(PART("other") "x\r\n--xX--"), a, &post, &why) == CODE_OK && post.is_empty);
    assert(read_post("name=a", FORM, SLICE(PART("profile") "\r\n--xX--"), a, &post, &why) == CODE_OK && post.is_empty);
    assert(read_post("name=a", FORM,
                     SLICE("--xX\nContent-Disposition: form-data; name=profile; filename=p\n\nDATA\n--xX--"), a, &post,
                     &why) == CODE_OK &&
           slice_is(post.profile, "DATA"));
    assert(read_post("name=a", FORM,
                     SLICE("--xX\r\nContent-Disposition: form-data; name=profile\r\n\r\nDATA\r\n--xX--"), a, &post,
                     &why) == CODE_OK &&
           post.is_empty); /* a part without a file name is invisible */
    assert(read_post("name=a", FORM, SLICE(PART("prev_profile") "x\r\n--xX--"), a, &post, &why) == CODE_UNKNOWN);
    assert(read_post("name=a", FORM, SLICE(PART("profile") "x\r\n"), a, &post, &why) == CODE_UNKNOWN);
    assert(read_post("name=a", FORM, SLICE("nothing of the kind"), a, &post, &why) == CODE_UNKNOWN);
    assert(read_post("name=a", "multipart/form-data", SLICE("x"), a, &post, &why) == CODE_UNKNOWN);
    assert(read_post("name=a&format=pprof", FORM, SLICE("raw"), a, &post, &why) == CODE_OK &&
           slice_is(post.profile, "raw"));
    assert(read_post("format=pprof", "", SLICE("raw"), a, &post, &why) == CODE_INVALID_ARGUMENT);
    arena_free(a);
}

static void formats_are_named(void)
{
    static const char *const cases[][3] = { { "format=trie", "", "format trie" },
                                            { "", "binary/octet-stream+tree", "format tree" },
                                            { "format=lines", FORM, "format lines" },
                                            { "format=jfr", FORM, "format jfr" },
                                            { "format=speedscope", "", "format speedscope" },
                                            { "format=nonsense", "", "format groups" },
                                            { "", "text/plain", "format groups" } };
    struct arena            *a = arena_new(0);
    struct ingest_post       post;
    struct fault             why;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice query = arena_printf(a, "name=a&%s", cases[i][0]);
        assert(read_post(arena_copy(a, query).p, cases[i][1], SLICE("x"), a, &post, &why) == CODE_UNIMPLEMENTED);
        assert(slice_starts(slice_of(why.text), slice_of(cases[i][2])));
    }
    arena_free(a);
}

static void statuses_differ(void)
{
    assert(ingest_http_status(CODE_INVALID_ARGUMENT, false).http == 400);
    assert(ingest_http_status(CODE_INVALID_ARGUMENT, true).http == 422);
    assert(slice_is(slice_of(ingest_http_status(CODE_INVALID_ARGUMENT, true).code), "unknown"));
    assert(ingest_http_status(CODE_UNKNOWN, false).http == 422 &&
           ingest_http_status(CODE_RESOURCE_EXHAUSTED, true).http == 429);
    assert(ingest_http_status(CODE_OK, true).http == 200 && ingest_http_status(CODE_INTERNAL, true).http == 500);
}

int main(void)
{
    names_parse();
    names_are_refused();
    times_parse();
    queries_decode();
    forms_are_read();
    formats_are_named();
    statuses_differ();
    printf("ingest_http: ok\n");
    return 0;
}
