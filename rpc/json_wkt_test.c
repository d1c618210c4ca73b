/*
 * Goal: proto3 JSON as its rules have it: every form that is taken is written in the one form that is sent, and what is
 * no form of anything is refused with the field named. Where the rules are silent, the answer of protobuf's own
 * libraries stands here.
 * Method: tables over a message with a field of every kind (tests/proto/every.proto): read, written, read again.
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "rpc/codec.h"
#include "tests/proto/descriptors.h"
#include "tests/proto/every.pb-c.h"

static struct schema          *schema;
static const struct json_type *every;

static enum code read_json(struct slice text, struct arena *a, ProtobufCMessage **out, struct fault *why)
{
    size_t    memory_bytes;
    enum code code = codec_json.measure(every, text, 1 << 20, &memory_bytes, why);

    *out = NULL;
    if (code == CODE_OK)
        code = codec_json.decode(every, text, a, out, why);
    if (code == CODE_OK)
        assert(arena_bytes(a) <= 2 * memory_bytes + (4 << 10)); /* D1; chunks double */
    return code;
}

/* What stands between the outer brackets of `in`, read and written, and the same once more by way of protobuf. */
static void expect(const char *in, const char *want)
{
    struct arena     *a = arena_new(0);
    struct buf        text = { 0 }, bytes = { 0 };
    ProtobufCMessage *m;
    struct fault      why = { 0 };

    buf_printf(&text, "{%s}", in);
    enum code code = read_json(buf_view(&text), a, &m, &why);
    for (int i = 0; code == CODE_OK && i < 2; i++) {
        text.n = 0;
        code = codec_json.encode(every, m, &text, &why);
        if (code != CODE_OK || text.n != strlen(want) + 2 || memcmp(text.p + 1, want, text.n - 2) != 0) {
            fprintf(stderr, "%s\n is %.*s %s\nnot  %s\n", in, SLICE_ARGS(buf_view(&text)), why.text, want);
            abort();
        }
        bytes.n = 0;
        proto_encode(m, &bytes);
        code = proto_decode(every->descriptor, buf_view(&bytes), 1 << 20, a, &m, &why);
    }
    if (code != CODE_OK)
        fprintf(stderr, "%s: %s\n", in, why.text);
    assert(code == CODE_OK);
    buf_free(&text);
    buf_free(&bytes);
    arena_free(a);
}

static void refuse(const char *in, const char *word)
{
    struct arena     *a = arena_new(0);
    struct buf        text = { 0 };
    ProtobufCMessage *m;
    struct fault      why = { 0 };

    buf_printf(&text, "{%s}", in);
    enum code code = read_json(buf_view(&text), a, &m, &why);
    if (code != CODE_INVALID_ARGUMENT || strstr(why.text, word) == NULL)
        fprintf(stderr, "%s: %d %s\n", in, code, why.text);
    assert(code == CODE_INVALID_ARGUMENT && strstr(why.text, word) != NULL);
    buf_free(&text);
    arena_free(a);
}

#define SAME(text)                                                                                                     \
    {                                                                                                                  \
        text, text                                                                                                     \
    }
#define ANY(name) "\"@type\":\"type.googleapis.com/" name "\""

static const char *const taken[][2] = {
    /* integers, in every form that is whole */
    SAME("\"i32\":-2147483648"),
    { "\"i32\":\"2147483647\"", "\"i32\":2147483647" },
    { "\"i32\":1.0,\"s32\":1e2,\"sf32\":-0.01E+3", "\"i32\":1,\"s32\":100,\"sf32\":-10" },
    { "\"i32\":0.0,\"u32\":-0,\"u64\":-0.0,\"text\":\"\",\"raw\":\"\",\"truth\":false,\"real\":0", "" },
    { "\"u32\":4294967295,\"f32\":\"4294967295\"", "\"u32\":4294967295,\"f32\":4294967295" },
    { "\"i64\":9223372036854775807,\"s64\":-9223372036854775808",
      "\"i64\":\"9223372036854775807\",\"s64\":\"-9223372036854775808\"" },
    { "\"u64\":18446744073709551615,\"f64\":\"18446744073709551615\"",
      "\"u64\":\"18446744073709551615\",\"f64\":\"18446744073709551615\"" },
    { "\"i64\":9007199254740993.0,\"sf64\":\"9007199254740993\"",
      "\"i64\":\"9007199254740993\",\"sf64\":\"9007199254740993\"" },
    { "\"i64\":9.007199254740993e15,\"u64\":1844674407370955161.5e1",
      "\"i64\":\"9007199254740993\",\"u64\":\"18446744073709551615\"" },
    { "\"i64\":1000000000000000000000000e-20,\"u64\":0.00000000000000000000000012e26,\"i32\":1."
      "000000000000000000000000",
      "\"i32\":1,\"i64\":\"10000\",\"u64\":\"12\"" },
    { "\"i64\":0e999999999999999999999999", "" },

    /* reals */
    SAME("\"real\":0.1,\"wideReal\":0.1"),
    SAME("\"real\":\"NaN\",\"wideReal\":\"-Infinity\""),
    { "\"real\":\"1.5\",\"wideReal\":\"-2.5e-3\"", "\"real\":1.5,\"wideReal\":-0.0025" },
    { "\"real\":3.4028235e38,\"wideReal\":1.7976931348623157e308",
      "\"real\":3.4028235e+38,\"wideReal\":1.7976931348623157e+308" },
    { "\"real\":1e-60,\"wideReal\":100000000000000000000", "\"wideReal\":1e+20" },
    { "\"manyReal\":[1,0.3333333333333333,-0.0,123456789012345680]",
      "\"manyReal\":[1,0.3333333333333333,-0.0,1.2345678901234568e+17]" },

    /* the other scalars */
    SAME("\"truth\":true,\"text\":\"a\xC3\xA9\\n\",\"raw\":\"+/8=\",\"colour\":\"COLOUR_RED\""),
    { "\"text\":\"\\u00e9\\ud83d\\ude00\\/\",\"raw\":\"-_8\"",
      "\"text\":\"\xC3\xA9\xF0\x9F\x98\x80/\",\"raw\":\"+/8=\"" },
    { "\"raw\":\"\\u002b\\/8\"", "\"raw\":\"+/8=\"" },
    { "\"colour\":-7", "\"colour\":\"COLOUR_NEGATIVE\"" },
    { "\"colour\":1.0", "\"colour\":\"COLOUR_RED\"" },
    SAME("\"colour\":99"),
    { "\"colour\":\"COLOUR_OF_TOMORROW\"", "" },
    { "\"wide_real\":1,\"many_text\":[\"\"],\"\\u0069nner\":{}", "\"wideReal\":1,\"inner\":{},\"manyText\":[\"\"]" },
    { "\"nobody\":{\"a\":[1,{\"b\":null}]},\"text\":\"x\"", "\"text\":\"x\"" },
    { "\"text\":\"a\",\"text\":\"b\",\"inner\":{\"i32\":1},\"inner\":{\"u32\":2}",
      "\"text\":\"b\",\"inner\":{\"u32\":2}" },
    { "\"i32\":null,\"text\":null,\"inner\":null,\"manyText\":null,\"byText\":null,\"oneText\":null,\"time\":null,"
      "\"boxedI32\":null,\"colour\":null,\"any\":null,\"struct\":null,\"manyValue\":null",
      "" },

    /* lists, maps, choices */
    { "\"manyI32\":[1,\"2\",3.0],\"manyU64\":[\"1\",2],\"manyTruth\":[true,false],\"manyRaw\":[\"\",\"AA\"]",
      "\"manyI32\":[1,2,3],\"manyU64\":[\"1\",\"2\"],\"manyTruth\":[true,false],\"manyRaw\":[\"\",\"AA==\"]" },
    { "\"manyColour\":[\"COLOUR_RED\",\"COLOUR_OF_TOMORROW\",0,5]", "\"manyColour\":[\"COLOUR_RED\","
                                                                    "\"COLOUR_UNSPECIFIED\",5]" },
    SAME("\"manyInner\":[{},{\"manyInner\":[{}]}],\"byText\":{\"\":\"\",\"a\\\"b\":\"c\"}"),
    { "\"byI32\":{\"-1\":1,\"2.0\":\"COLOUR_OF_TOMORROW\"},\"byU64\":{\"18446744073709551615\":{}}",
      "\"byI32\":{\"-1\":\"COLOUR_RED\"},\"byU64\":{\"18446744073709551615\":{}}" },
    SAME("\"byTruth\":{\"true\":1,\"false\":\"NaN\"},\"byS64\":{\"-5\":\"AQ==\"}"),
    SAME("\"byValue\":{\"a\":null,\"b\":[1,\"x\"]}"),
    SAME("\"oneNumber\":0"),
    SAME("\"oneText\":\"\""),
    SAME("\"oneNull\":null"),
    SAME("\"oneRaw\":\"\""),
    SAME("\"oneTruth\":false"),
    { "\"oneNull\":\"NULL_VALUE\"", "\"oneNull\":null" },
    { "\"oneNumber\":1,\"one_text\":null,\"oneNumber\":2", "\"oneNumber\":2" },

    /* Timestamp and Duration: more of them in json_time_test.c */
    SAME("\"time\":\"0001-01-01T00:00:00Z\",\"duration\":\"-0.500s\""),
    { "\"time\":\"1972-01-01T11:00:20.0210+01:00\",\"duration\":\"1.000340012s\"",
      "\"time\":\"1972-01-01T10:00:20.021Z\",\"duration\":\"1.000340012s\"" },
    { "\"manyTime\":[\"2024-02-29T12:00:00.1-00:30\"]", "\"manyTime\":[\"2024-02-29T12:30:00.100Z\"]" },

    /* FieldMask and Empty */
    SAME("\"mask\":\"\",\"empty\":{}"),
    SAME("\"mask\":\"user.displayName,photo,a1B\""),
    { "\"empty\":{\"nobody\":1}", "\"empty\":{}" },

    /* Struct, Value, ListValue */
    SAME("\"struct\":{},\"value\":null,\"list\":[]"),
    SAME("\"struct\":{\"a\":{\"b\":[null,true,-1.5,\"NaN\",{},[]]}},\"value\":{\"c\":[]},\"list\":[{\"d\":1e+30}]"),
    SAME("\"value\":\"text\",\"manyValue\":[null,1,\"\",false,{},[]]"),
    { "\"value\":9007199254740993", "\"value\":9007199254740992" },

    /* wrappers, at their defaults too */
    SAME("\"boxedReal\":0,\"boxedFloat\":0.1,\"boxedI64\":\"0\",\"boxedU64\":\"18446744073709551615\",\"boxedI32\":-1,"
         "\"boxedU32\":0,\"boxedTruth\":false,\"boxedText\":\"\",\"boxedRaw\":\"\""),
    { "\"boxedReal\":\"Infinity\",\"boxedI64\":5,\"boxedU32\":\"7\",\"boxedRaw\":\"_w\"",
      "\"boxedReal\":\"Infinity\",\"boxedI64\":\"5\",\"boxedU32\":7,\"boxedRaw\":\"/w==\"" },

    /* Any: "@type" anywhere, whatever stands before its last slash; a form of its own under "value" */
    SAME("\"any\":{}"),
    SAME("\"any\":{" ANY("hearth.test.Every") "}"),
    { "\"any\":{\"i32\":5,\"inner\":{\"text\":\"x\"},\"@type\":\"a.b/c/hearth.test.Every\",\"nobody\":[{}]}",
      "\"any\":{\"@type\":\"a.b/c/hearth.test.Every\",\"i32\":5,\"inner\":{\"text\":\"x\"}}" },
    { "\"any\":{\"@\\u0074ype\":\"hearth.test.Every\",\"i32\":5}",
      "\"any\":{\"@type\":\"hearth.test.Every\",\"i32\":5}" },
    SAME("\"any\":{" ANY("google.protobuf.Duration") ",\"value\":\"1.500s\"}"),
    { "\"any\":{\"value\":\"1.5s\",\"nobody\":1," ANY("google.protobuf.Duration") "}",
      "\"any\":{" ANY("google.protobuf.Duration") ",\"value\":\"1.500s\"}" },
    SAME("\"any\":{" ANY("google.protobuf.Value") ",\"value\":null}"),
    SAME("\"any\":{" ANY("google.protobuf.Struct") ",\"value\":{\"@type\":\"x\"}}"),
    SAME("\"any\":{" ANY("google.protobuf.Int64Value") ",\"value\":\"0\"}"),
    { "\"any\":{" ANY("google.protobuf.Empty") ",\"value\":{}}", "\"any\":{" ANY("google.protobuf.Empty") "}" },
    SAME("\"any\":{" ANY("google.protobuf.Any") ",\"value\":{" ANY("google.protobuf.Any") ",\"value\":{}}}"),
    SAME("\"manyAny\":[{" ANY("google.protobuf.Any") ",\"value\":{" ANY("hearth.test.Every") ",\"any\":{" ANY(
        "google.protobuf.BoolValue") ",\"value\":true}}},{}]"),
};

static const char *const refused[][2] = {
    { "\"i32\":1.5", "i32: not a 32-bit integer" },
    { "\"i32\":2147483648", "i32" },
    { "\"i32\":1e10", "i32" },
    { "\"i32\":1e-1", "i32" },
    { "\"i32\":\"\"", "i32" },
    { "\"i32\":\" 1\"", "i32" },
    { "\"i32\":\"+1\"", "i32" },
    { "\"i32\":\"0x1\"", "i32" },
    { "\"i32\":true", "i32" },
    { "\"i32\":[1]", "i32" },
    { "\"i32\":1e999999999999999999999", "i32" },
    { "\"u32\":-1", "u32: not a 32-bit unsigned integer" },
    { "\"u32\":4294967296", "u32" },
    { "\"i64\":9223372036854775808", "i64: not a 64-bit integer" },
    { "\"i64\":-9223372036854775809", "i64" },
    { "\"i64\":\"NaN\"", "i64" },
    { "\"u64\":18446744073709551616", "u64: not a 64-bit unsigned integer" },
    { "\"u64\":-1", "u64" },
    { "\"u64\":1e20", "u64" },
    { "\"real\":3.5e38", "real: not a number" },
    { "\"real\":\"nan\"", "real" },
    { "\"wideReal\":1e400", "wideReal: not a number" },
    { "\"wideReal\":\"inf\"", "wideReal" },
    { "\"wideReal\":\"1.\"", "wideReal" },
    { "\"wideReal\":NaN", "line 1" },
    { "\"truth\":\"true\"", "truth: not true or false" },
    { "\"truth\":1", "truth" },
    { "\"text\":5", "text: not a string" },
    { "\"text\":\"\\ud800\"", "line 1" },
    { "\"text\":\"\\udc00\\ud800\"", "line 1" },
    { "\"text\":\"\\u0000\"", "text" },
    { "\"raw\":\"a\"", "raw: not base64" },
    { "\"raw\":\"a*==\"", "raw" },
    { "\"colour\":1.5", "colour" },
    { "\"colour\":true", "colour" },
    { "\"inner\":[]", "inner: not an object" },
    { "\"inner\":\"\"", "inner" },
    { "\"manyI32\":{}", "manyI32: not an array" },
    { "\"manyI32\":[null]", "manyI32: not an array without null" },
    { "\"manyInner\":[null]", "manyInner" },
    { "\"manyColour\":[null]", "manyColour" },
    { "\"manyI32\":[1,]", "line 1" },
    { "\"byText\":[]", "byText: not an object" },
    { "\"byText\":{\"a\":null}", "value: not a string" },
    { "\"byText\":{\"a\\u0000\":\"\"}", "byText" },
    { "\"byI32\":{\"a\":0}", "byI32: not a 32-bit integer" },
    { "\"byI32\":{\"1\":null}", "value" },
    { "\"byTruth\":{\"1\":0}", "byTruth: not true or false" },
    { "\"oneNumber\":1,\"oneText\":\"\"", "oneText: another field of the same choice" },
    { "\"oneNull\":null,\"one_inner\":{}", "oneInner: another field of the same choice" },
    { "\"oneNull\":1.5", "oneNull" },
    { "\"oneNull\":1e2", "oneNull" },
    { "\"time\":5", "time: not a time" },
    { "\"time\":\"2024-02-30T00:00:00Z\"", "time: not a time" },
    { "\"duration\":\"1\"", "duration: not a duration" },
    { "\"duration\":1", "duration" },
    { "\"mask\":\"a_b\"", "mask: not a field mask" },
    { "\"mask\":\"a,,b\"", "mask" },
    { "\"mask\":[\"a\"]", "mask" },
    { "\"empty\":1", "empty: not an object" },
    { "\"struct\":[]", "struct: not an object" },
    { "\"list\":{}", "list: not an array" },
    { "\"value\":1e999", "not a number" },
    { "\"value\":nope", "line 1" },
    { "\"boxedI32\":\"x\"", "boxedI32: not a 32-bit integer" },
    { "\"boxedText\":{}", "boxedText" },
    { "\"any\":[]", "any: not an object" },
    { "\"any\":{\"i32\":1}", "any: not an Any: it needs an \"@type\"" },
    { "\"any\":{\"@type\":1}", "any: not an Any" },
    { "\"any\":{\"@type\":\"\"}", "any: not an Any" },
    { "\"any\":{\"@type\":\"type.googleapis.com/no.Such\"}",
      "any: an Any of the unknown type type.googleapis.com/no.Such" },
    { "\"any\":{\"@type\":\"hearth.test.Every/\"}", "unknown type" },
    { "\"any\":{" ANY("hearth.test.Every") ",\"i32\":\"x\"}", "i32: not a 32-bit integer" },
    { "\"any\":{" ANY("google.protobuf.Duration") "}", "without its \"value\"" },
    { "\"any\":{" ANY("google.protobuf.Duration") ",\"value\":1}", "any: not a duration" },
    { "\"any\":{" ANY("google.protobuf.Int32Value") ",\"value\":null}", "any: not a 32-bit integer" },
    { "\"any\":{\"x\":1,", "line 1" },
};

static void cannot_write(const Hearth__Test__Every *m, const char *word)
{
    struct buf   text = { 0 };
    struct fault why = { 0 };

    assert(codec_json.encode(every, &m->base, &text, &why) == CODE_INTERNAL);
    if (strstr(why.text, word) == NULL)
        fprintf(stderr, "%s\n", why.text);
    assert(strstr(why.text, word) != NULL);
    buf_free(&text);
}

/* What bytes can hold and JSON cannot say. */
static void test_unwritable(void)
{
    Hearth__Test__Every         m = HEARTH__TEST__EVERY__INIT;
    Google__Protobuf__Any       any = GOOGLE__PROTOBUF__ANY__INIT;
    Google__Protobuf__Value     value = GOOGLE__PROTOBUF__VALUE__INIT;
    Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Google__Protobuf__Duration  duration = GOOGLE__PROTOBUF__DURATION__INIT;
    static char *const          paths[] = { "fooBar", "foo__bar", "foo_", "_1", "" };

    m.any = &any;
    any.type_url = "type.googleapis.com/no.Such";
    cannot_write(&m, "Any of the unknown type \"type.googleapis.com/no.Such\"");
    any.type_url = "";
    any.value = (ProtobufCBinaryData){ 1, (uint8_t *)"\x08" };
    cannot_write(&m, "unknown type \"\"");
    any.type_url = "/hearth.test.Every";
    cannot_write(&m, "does not hold what it says");
    m.any = NULL;

    m.value = &value;
    cannot_write(&m, "a Value that is none");
    value.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
    value.number_value = NAN;
    cannot_write(&m, "no finite number");
    m.value = NULL;

    m.mask = &mask;
    mask.n_paths = 1;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        mask.paths = (char **)&paths[i];
        cannot_write(&m, "FieldMask");
    }
    m.mask = NULL;

    m.time = &time;
    time.nanos = -1;
    cannot_write(&m, "a Timestamp of 0 s and -1 ns");
    m.time = NULL;
    m.duration = &duration;
    duration.seconds = INT64_MAX;
    cannot_write(&m, "a Duration of 9223372036854775807 s");
}

/* protobuf may leave out the value of a map's entry, and its key. */
static void test_bare_entries(void)
{
    struct arena     *a = arena_new(0);
    struct buf        text = { 0 };
    ProtobufCMessage *m;
    struct fault      why = { 0 };

    /* by_text, by_u64: one empty entry each */
    assert(proto_decode(every->descriptor, SLICE("\xFA\x01\x00\x8A\x02\x00"), 1 << 20, a, &m, &why) == CODE_OK);
    assert(codec_json.encode(every, m, &text, &why) == CODE_OK);
    assert(slice_is(buf_view(&text), "{\"byText\":{\"\":\"\"},\"byU64\":{\"0\":{}}}"));
    buf_free(&text);
    arena_free(a);
}

/* Messages inside each other by fields, by Any, by Struct and by ListValue: deep enough is an error, never a crash. */
static void test_depth(void)
{
    static const char *const around[][2] = {
        { "\"inner\":{", "}" },
        { "\"any\":{" ANY("hearth.test.Every") ",", "}" },
        { "\"any\":{" ANY("google.protobuf.Any") ",\"value\":{\"@type\":\"hearth.test.Every\",", "}}" },
        { "\"byU64\":{\"1\":{", "}}" },
    };
    struct buf text = { 0 };

    for (size_t i = 0; i < sizeof around / sizeof around[0]; i++)
        for (int depth = 20; depth <= 200; depth += 180) {
            text.n = 0;
            for (int k = 0; k < depth; k++)
                buf_text(&text, around[i][0]);
            buf_text(&text, "\"i32\":1");
            for (int k = 0; k < depth; k++)
                buf_text(&text, around[i][1]);
            buf_byte(&text, 0);
            if (depth == 20)
                expect(text.p, text.p);
            else
                refuse(text.p, "");
        }
    text.n = 0;
    buf_printf(&text, "\"list\":%.*s%.*s", 49, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 49,
               "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    buf_byte(&text, 0);
    expect(text.p, text.p);
    text.n = 0;
    buf_printf(&text, "\"list\":%s[]%s", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
               "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    buf_byte(&text, 0);
    refuse(text.p, "more than 100 messages");
    buf_free(&text);
}

int main(void)
{
    struct fault   why;
    size_t         n;
    const uint8_t *set = test_proto_descriptors(&n);

    if (schema_new(slice_make(set, n), &schema, &why) != CODE_OK)
        return 1;
    every = schema_type(schema, &hearth__test__every__descriptor);
    assert(every != NULL);
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        expect(taken[i][0], taken[i][1]);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        refuse(refused[i][0], refused[i][1]);
    test_unwritable();
    test_bare_entries();
    test_depth();
    schema_free(schema);
    return 0;
}
