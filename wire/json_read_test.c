/*
 * Goal: the reader takes JSON and nothing else, says where a mistake is, and strings come out as they were meant.
 * Method: a table of texts, each read by skipping it and walked value by value; every text cut short at every byte.
 */
#include "wire/json_read.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_json(struct slice text)
{
    char *exact = malloc(text.n ? text.n : 1);

    if (text.n > 0)
        memcpy(exact, text.p, text.n);
    struct json_reader r = json_reader(slice_make(exact, text.n));
    bool               is_good = json_read_skip(&r) && json_read_end(&r);
    assert(is_good == (r.wrong == NULL));
    free(exact);
    return is_good;
}

static const char *const good[] = {
    "0",
    "-0",
    " -12.50e+3 ",
    "1E-2",
    "true",
    "false",
    "null",
    "\"\"",
    "\"\\u00e9\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t \xF0\x9F\x98\x80\"",
    "[]",
    "[ 1 , [ ] , { } ]",
    "{}",
    "\r\n\t{ \"a\" : { \"a\" : [ null , \"x\" ] } , \"\" : 0 }\n",
    "\"\\u0000\"",
    "\"0123456789abcdef0123456789\\n\"",
};

static const char *const bad[] = {
    "",
    " ",
    "01",
    "1.",
    ".5",
    "+1",
    "1e",
    "1e+",
    "-",
    "--1",
    "0x10",
    "1 2",
    "NaN",
    "Infinity",
    "tru",
    "nulll",
    "'a'",
    "\"",
    "\"\\",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"a\nb\"",
    "\"\\ud800\"",
    "\"\\udc00\"",
    "\"\\ud800\\u0041\"",
    "\"\\ud800\\ud800\"",
    "\"\x80\"",
    "\"\xED\xA0\x80\"",
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1}",
    "{",
    "}",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":1",
    "{\"a\":1,",
    "{\"a\":1,}",
    "{a:1}",
    "{1:1}",
    "{\"a\" 1}",
    "{\"a\":}",
    "{\"a\":1]",
    "[\"a\":1]",
    "{\"a\"}",
    "// x\n1",
    "\xEF\xBB\xBF{}",
};

static void test_table(void)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!is_json(slice_of(good[i])))
            printf("refused: %.*s\n", SLICE_ARGS(slice_of(good[i])));
        assert(is_json(slice_of(good[i])));
        for (size_t n = 0; n < strlen(good[i]); n++)
            (void)is_json(slice_make(good[i], n));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (is_json(slice_of(bad[i])))
            printf("taken: %.*s\n", SLICE_ARGS(slice_of(bad[i])));
        assert(!is_json(slice_of(bad[i])));
    }
    assert(!is_json(SLICE("1\0")) && !is_json(SLICE("\"\\\0\"")) && !is_json(SLICE("\"\0\"")));
}

static void test_walk(void)
{
    struct json_reader r =
        json_reader(SLICE("{\"a\":[true,-1.5e3,null],\"b\":{},\"c\":\"x\\u00e9\\ud83d\\ude00\\/\"}"));
    struct json_string s;
    struct slice       number;
    bool               truth;
    char               room[32];

    assert(!json_read_open(&r, '[') && json_read_open(&r, '{'));
    assert(json_read_key(&r, &s) && slice_is(s.raw, "a") && !s.is_escaped);
    assert(!json_read_number(&r, &number) && !json_read_null(&r) && json_read_open(&r, '['));
    assert(json_read_item(&r) && json_peek(&r) == 't' && json_read_bool(&r, &truth) && truth);
    assert(json_read_item(&r) && json_read_number(&r, &number) && slice_is(number, "-1.5e3"));
    assert(json_read_item(&r) && json_read_null(&r) && !json_read_item(&r));
    assert(json_read_key(&r, &s) && json_read_open(&r, '{') && !json_read_key(&r, &s));
    assert(json_read_key(&r, &s) && json_read_string(&r, &s) && s.is_escaped);
    size_t n = json_unescape(s, room);
    assert(slice_is(slice_make(room, n), "x\xC3\xA9\xF0\x9F\x98\x80/"));
    assert(!json_read_key(&r, &s) && json_read_end(&r) && r.wrong == NULL);
}

static void test_places(void)
{
    struct json_reader r = json_reader(SLICE("{\n \"a\": nope}"));
    struct fault       why;

    assert(!json_read_skip(&r) && !json_read_end(&r) && json_peek(&r) == 0);
    assert(json_read_fault(&r, &why) == CODE_INVALID_ARGUMENT);
    assert(strstr(why.text, "line 2, column 7") != NULL);
}

static void test_depth(void)
{
    char text[2 * JSON_DEPTH_MAX + 2];

    for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert(is_json(slice_make(text, 2 * depth)) == (depth <= JSON_DEPTH_MAX));
    }
}

int main(void)
{
    test_table();
    test_walk();
    test_places();
    test_depth();
    return 0;
}
