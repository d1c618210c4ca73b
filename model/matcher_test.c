/*
 * Goal: selectors are read as Prometheus reads them, a bad one is refused with its place, and a regex means what RE2 means
 * by it or is refused.  Method: tables of good and bad selectors; each regex against values that pass and values that do
 * not, the fast path checked against the program by a pattern that says the same and cannot take it; threads on one regex.
 */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>

#include "base/buf.h"
#include "model/matcher.h"
#include "model/regex.h"

static const char *op_text[] = { [MATCH_EQ] = "=", [MATCH_NE] = "!=", [MATCH_RE] = "=~", [MATCH_NRE] = "!~" };

static struct slice printed(const struct selector *s, struct arena *a)
{
    struct slice out = SLICE("");

    for (size_t i = 0; i < s->n; i++)
        out = arena_printf(a, "%.*s[%.*s]%s[%.*s]", SLICE_ARGS(out), SLICE_ARGS(s->at[i].name), op_text[s->at[i].op],
                           SLICE_ARGS(s->at[i].value));
    return out;
}

static const struct {
    const char *text, *parsed;
} good[] = {
    { "{}", "" },
    { " { } ", "" },
    { "{a=\"b\"}", "[a]=[b]" },
    { "{a=\"b\",}", "[a]=[b]" },
    { "{ a = \"b\" , c != 'd' ,\n e =~ `f\\.` , g!~\"h\" }", "[a]=[b][c]!=[d][e]=~[f\\.][g]!~[h]" },
    { "{a=\"x\",a=\"y\"}", "[a]=[x][a]=[y]" },
    { "{\"foo.bar\"=\"x\",'b c'=\"\"}", "[foo.bar]=[x][b c]=[]" },
    { "{\"cpu\",a=\"b\"}", "[__name__]=[cpu][a]=[b]" },
    { "cpu", "[__name__]=[cpu]" },
    { "_cpu9{}", "[__name__]=[_cpu9]" },
    { "process_cpu:cpu:nanoseconds:cpu:nanoseconds{}",
      "[__profile_type__]=[process_cpu:cpu:nanoseconds:cpu:nanoseconds]" },
    { "off_cpu:off_cpu:nanoseconds::{a=\"b\"}", "[__profile_type__]=[off_cpu:off_cpu:nanoseconds::][a]=[b]" },
    { "m:a:b:c:d:delta", "[__profile_type__]=[m:a:b:c:d]" },
    { "job:rate:sum{}", "[__name__]=[job:rate:sum]" },
    { "{or=\"x\",and=\"y\"}", "[or]=[x][and]=[y]" },
    { "{a=\"q\\\"q\\\\\\n\\t\\x41\\101\\u00e9\\U0001F600'\"}", "[a]=[q\"q\\\n\tAA\xc3\xa9\xf0\x9f\x98\x80']" },
    { "{a='it\\'s'}", "[a]=[it's]" },
    { "{a=`c:\\x\n'\"`}", "[a]=[c:\\x\n'\"]" },
    { "{a=\"\xc3\xa9\"}", "[a]=[\xc3\xa9]" },
};

static const struct {
    const char *text, *said;
} bad[] = {
    { "", "unknown position: parse error: unexpected end of input" },
    { "  ", "unknown position: parse error: unexpected end of input" },
    { "{", "1:2: parse error: unexpected end of input inside braces" },
    { "{}}", "1:3: parse error: unexpected character: '}'" },
    { "{a=\"b\"} or {c=\"d\"}", "1:9: parse error: unexpected character: 'o'" },
    { "{foo}", "1:5: parse error: unexpected \"}\" in label matching, expected label matching operator" },
    { "{foo=}", "1:6: parse error: unexpected \"}\" in label matching, expected string" },
    { "{foo=bar}", "1:6: parse error: unexpected identifier \"bar\" in label matching, expected string" },
    { "{foo=\"bar\"", "1:11: parse error: unexpected end of input inside braces" },
    { "{foo==\"bar\"}", "1:6: parse error: unexpected \"=\" in label matching, expected string" },
    { "{1foo=\"bar\"}", "1:2: parse error: unexpected character inside braces: '1'" },
    { "{\xc3=\"bar\"}", "1:2: parse error: unexpected byte inside braces: 0xc3" },
    { "{foo=\"bar\" baz=\"x\"}",
      "1:12: parse error: unexpected identifier \"baz\" in label matching, expected \",\" or \"}\"" },
    { "{,}", "1:2: parse error: unexpected \",\" in label matching, expected identifier or \"}\"" },
    { "{a=\"b\",,}", "1:8: parse error: unexpected \",\" in label matching, expected identifier or \"}\"" },
    { "{a!\"b\"}", "1:3: parse error: unexpected \"!\" in label matching, expected label matching operator" },
    { "{a:b=\"c\"}", "1:3: parse error: unexpected character inside braces: ':'" },
    { "{\"a\"\"b\"}", "1:5: parse error: unexpected string in label matching, expected label matching operator" },
    { "{\"\"=\"b\"}", "1:2: parse error: invalid label name \"\"" },
    { "{foo=\"\\q\"}", "1:6: parse error: unknown escape sequence '\\q'" },
    { "{foo=\"\\'\"}", "1:6: parse error: unknown escape sequence '\\''" },
    { "{foo=\"\\ud800\"}", "1:6: parse error: escape sequence is an invalid Unicode code point" },
    { "{foo=\"\\400\"}", "1:6: parse error: escape sequence is an invalid Unicode code point" },
    { "{foo=\"\\x4\"}", "1:6: parse error: illegal character in an escape sequence" },
    { "{foo='bar\"}", "1:6: parse error: unterminated quoted string" },
    { "{foo=\"a\nb\"}", "1:6: parse error: unterminated quoted string" },
    { "{foo=\"bar\\", "1:6: parse error: unterminated quoted string" },
    { "{foo=`bar}", "1:6: parse error: unterminated raw string" },
    { "{a=\"b\",\n  c=d}", "2:5: parse error: unexpected identifier \"d\" in label matching, expected string" },
    { "{a=\"b\",foo=~\"(\"}", "1:8: parse error: error parsing regexp: missing closing parenthesis at offset 1" },
    { "{foo=~\"*a\"}", "1:2: parse error: error parsing regexp: missing argument to repetition operator: `*`" },
    { "{foo!~\"[z-a]\"}", "1:2: parse error: error parsing regexp: range out of order in character class at offset 3" },
};

static void grammar(void)
{
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct arena   *a = arena_new(0);
        struct selector s;
        struct fault    why = { 0 };
        if (selector_parse(slice_of(good[i].text), a, &s, &why) != CODE_OK)
            fprintf(stderr, "%s: %s\n", good[i].text, why.text), assert(!"refused");
        if (!slice_is(printed(&s, a), good[i].parsed))
            fprintf(stderr, "%s: %.*s\n", good[i].text, SLICE_ARGS(printed(&s, a))), assert(!"read otherwise");
        selector_free(&s);
        arena_free(a);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct arena   *a = arena_new(0);
        struct selector s;
        struct fault    why = { 0 };
        enum code       code = selector_parse(slice_of(bad[i].text), a, &s, &why);
        if (code != CODE_INVALID_ARGUMENT || strcmp(why.text, bad[i].said) != 0)
            fprintf(stderr, "%s: %d %s\n", bad[i].text, code, why.text), assert(!"not as expected");
        arena_free(a);
    }
}

static bool test_one(struct slice pattern, const char *value)
{
    struct arena *a = arena_new(0);
    struct regex *r;
    struct fault  why = { 0 };
    bool          is_match;

    if (regex_new(pattern, a, &r, &why) != CODE_OK)
        fprintf(stderr, "%.*s: %s\n", SLICE_ARGS(pattern), why.text), assert(!"refused");
    assert(regex_test(r, slice_of(value), &is_match, &why) == CODE_OK);
    regex_free(r);
    arena_free(a);
    return is_match;
}

/* The same by the program: nothing that is never there cannot be expanded into literals. */
static bool test_slow(const char *pattern, const char *value)
{
    char text[256];

    snprintf(text, sizeof text, "(?:%s)[\\x00]?", pattern);
    return test_one(slice_of(text), value);
}

static const struct {
    const char *pattern, *yes[4], *no[4];
} regexes[] = {
    { "prod|dev", { "prod", "dev" }, { "prod|dev", "pro", "prodx", "" } },
    { "web-(api|db)(-a|)", { "web-api", "web-db-a" }, { "web-", "web-api-", "api" } },
    { "a\\.b", { "a.b" }, { "axb" } },
    { "", { "" }, { "a" } },
    { "a|", { "a", "" }, { "b" } },
    { "(?:a|b)c", { "ac", "bc" }, { "a", "abc" } },
    { ".*", { "", "x\ny" }, { 0 } },
    { ".+", { "x", "\n" }, { "" } },
    { "a.b",
      { "a\nb", "a\xc3\xa9"
                "b" },
      { "ab" } },
    { "pr.*", { "prod", "pr" }, { "xpr" } },
    { "(?i)PROD", { "prod", "Prod" }, { "prodd" } },
    { "a$", { "a" }, { "a\n" } },
    { "(?P<x>a)(?<y>b)", { "ab" }, { "a" } },
    { "[[:alpha:]]+", { "abc" }, { "a1" } },
    { "[]a]+", { "]a" }, { "b" } },
    { "[[:<:]]", { "<]", "[]" }, { "<" } },
    { "[a-z]+.", { "ab\xff", "a\xc3\xa9" }, { "a\xff\xff", "a" } }, /* a bad byte is one character */
    { "a", { "a" }, { "a\xff" } },
    { "(?m)a\n^", { "a\n" }, { "a" } },
    { "\\s[\\s\\S]", { " \v", "\t\f" }, { "\v " } },
    { "\\S[\\S]", { "\v\v", "ab" }, { "\f\v" } },
    { "[[a]+", { "[a" }, { "]" } },
    { "\\d{2,3}?", { "12", "123" }, { "1", "1234" } },
    { "a{,3}", { "a{,3}" }, { "aa" } },
    { "x{", { "x{" }, { "x" } },
    { "\\v", { "\v" }, { "\n" } },
    { "\\x41\\x{42}\\Q.*\\E", { "AB.*" }, { "ABxx" } },
    { "\\pL+",
      { "\xc3\xa9"
        "a" },
      { "1" } },
    { "z[12]", { "z1" }, { "z3" } },
    { "a*?b", { "aab", "b" }, { "a" } },
};

static void meanings(void)
{
    for (size_t i = 0; i < sizeof regexes / sizeof *regexes; i++) {
        for (int k = 0; k < 4 && regexes[i].yes[k] != NULL; k++)
            if (!test_one(slice_of(regexes[i].pattern), regexes[i].yes[k]) ||
                !test_slow(regexes[i].pattern, regexes[i].yes[k]))
                fprintf(stderr, "%s has to match %s\n", regexes[i].pattern, regexes[i].yes[k]), assert(!"no match");
        for (int k = 0; k < 4 && regexes[i].no[k] != NULL; k++)
            if (test_one(slice_of(regexes[i].pattern), regexes[i].no[k]) ||
                test_slow(regexes[i].pattern, regexes[i].no[k]))
                fprintf(stderr, "%s must not match %s\n", regexes[i].pattern, regexes[i].no[k]), assert(!"match");
    }
}

static void re2_refuses(void)
{
    static const char *patterns[] = {
        "(a)\\1",  "\\g1",   "(?=a)b",     "(?!a)b",     "(?<=a)b", "(?<!a)b", "(?>a)b",    "a++",
        "a*+",     "a?+",    "a{2}+",      "a**",        "(?R)",    "(?1)",    "(?P>x)",    "(?P=x)",
        "(?|a|b)", "(?#x)a", "(?x)a",      "(*ACCEPT)a", "(*UTF)a", "\\K",     "\\R",       "\\X",
        "\\h",     "\\Z",    "\\C",        "\\e",        "\\cA",    "\\E",     "a{1001}",   "a{2,1}",
        "[a",      "[\\b]",  "[[:nope:]]", "\\",         "\\xZZ",   "\\x{}",   "\\p{Nope}", "\\p",
        "(?i",     "(?-)",   "(",          ")",          "a)",      "+a",      "(?P<1",     ".\xff",
    };

    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct arena *a = arena_new(0);
        struct regex *r;
        struct fault  why = { 0 };
        enum code     code = regex_new(slice_of(patterns[i]), a, &r, &why);
        if (code != CODE_INVALID_ARGUMENT)
            fprintf(stderr, "%s: %d %s\n", patterns[i], code, why.text), assert(!"accepted");
        arena_free(a);
    }
}

static void limits(void)
{
    static const char *evil[] = { "(a+)+[bc]", "(a|aa)+c", "(.*)*x", "(?:a?){40}a{40}b", "([a-z]+)*\\d" };
    char               value[4096];

    memset(value, 'a', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
        struct arena *a = arena_new(0);
        struct regex *r;
        struct fault  why = { 0 };
        bool          is_match = true;
        assert(regex_new(slice_of(evil[i]), a, &r, &why) == CODE_OK);
        enum code code = regex_test(r, slice_of(value), &is_match, &why);
        assert(code == CODE_RESOURCE_EXHAUSTED || (code == CODE_OK && !is_match));
        assert(code == CODE_OK || strstr(why.text, evil[i]) != NULL);
        assert(i > 0 || code == CODE_RESOURCE_EXHAUSTED);
        regex_free(r);
        arena_free(a);
    }
    struct arena *a = arena_new(0);
    struct regex *r;
    struct fault  why;
    struct buf    big = { 0 };
    bool          is_match;
    int           slow = 0;

    /* Each of these values takes long, none too long; all of them together would. */
    assert(regex_new(SLICE("(?:a?){14}a{14}[bc]"), a, &r, &why) == CODE_OK);
    while (slow < 1000 && regex_test(r, slice_of("aaaaaaaaaaaaaaaaaaaaaaa"), &is_match, &why) == CODE_OK)
        slow++;
    assert(slow == 100 && why.code == CODE_RESOURCE_EXHAUSTED);
    regex_free(r);

    const struct slice *none;
    buf_text(&big, "[x]");
    while (big.n < 70000)
        buf_text(&big, "web-1\\.example|");
    assert(regex_new(buf_view(&big), a, &r, &why) == CODE_INVALID_ARGUMENT);
    assert(regex_new(slice_from(buf_view(&big), 3), a, &r, &why) ==
           CODE_OK); /* as literals, which have no such limit */
    regex_free(r);
    big.n = 0;
    while (big.n < 5 * 20) /* a million strings: the program's */
        buf_text(&big, "(a|b)");
    assert(regex_new(buf_view(&big), a, &r, &why) == CODE_OK && r != NULL);
    assert(regex_literals(r, &none) == 0);
    regex_free(r);
    buf_free(&big);
    arena_free(a);
}

static void literals(void)
{
    struct arena       *a = arena_new(0);
    struct selector     s;
    struct fault        why;
    const struct slice *at;
    bool                passes;

    assert(selector_parse(SLICE("{a=~\"x-(c|b)|a\",b=~\"x.\",c!~\"u|v\",d!=\"k\"}"), a, &s, &why) == CODE_OK);
    assert(matcher_literals(&s.at[0], &at) == 3);
    assert(slice_is(at[0], "a") && slice_is(at[1], "x-b") && slice_is(at[2], "x-c"));
    assert(matcher_literals(&s.at[1], &at) == 0);
    assert(matcher_literals(&s.at[2], &at) == 2);
    assert(matcher_literals(&s.at[3], &at) == 1 && slice_is(at[0], "k"));
    assert(matcher_takes_missing(&s.at[0], &passes, &why) == CODE_OK && !passes);
    assert(matcher_takes_missing(&s.at[2], &passes, &why) == CODE_OK && passes);
    assert(matcher_takes_missing(&s.at[3], &passes, &why) == CODE_OK && passes);
    assert(matcher_test(&s.at[2], SLICE("u"), &passes, &why) == CODE_OK && !passes);
    selector_free(&s);
    arena_free(a);
}

static void *test_often(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        struct fault why;
        bool         yes, no;
        assert(regex_test(arg, SLICE("web-1234-prod"), &yes, &why) == CODE_OK && yes);
        assert(regex_test(arg, SLICE("web-1234-dev"), &no, &why) == CODE_OK && !no);
    }
    return NULL;
}

static void threads(void)
{
    struct arena *a = arena_new(0);
    struct regex *r;
    struct fault  why;
    pthread_t     t[4];

    assert(regex_new(SLICE("(web|api)-[0-9]+-(prod|stage.*)"), a, &r, &why) == CODE_OK);
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, test_often, r);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    regex_free(r);
    arena_free(a);
}

int main(void)
{
    grammar();
    meanings();
    re2_refuses();
    limits();
    literals();
    threads();
    puts("matcher: ok");
    return 0;
}
