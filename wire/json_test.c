/*
 * Goal: the writer writes JSON, doubles read back the same, base64 is both ways, and measuring counts.
 * Method: short texts; doubles of every magnitude from a seed.
 */
#include "wire/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void test_writer(void)
{
    struct buf         out = { 0 };
    struct json_writer w = { .out = &out };

    json_open(&w, '{');
    json_key(&w, SLICE("a\t"));
    json_open(&w, '[');
    json_int(&w, INT64_MIN);
    json_uint(&w, UINT64_MAX);
    json_int_text(&w, -1);
    json_bool(&w, true);
    json_close(&w, ']');
    json_key(&w, SLICE("b"));
    json_text(&w, SLICE("\xE2\x82\xAC\xED\xA0\x80/"));
    json_key(&w, SLICE("d"));
    json_text(&w, SLICE("\xC3\xBC\"\n\xE2\x82\xAC\\\xC3"));
    json_key(&w, SLICE("c"));
    json_base64(&w, SLICE("\xFF"));
    json_close(&w, '}');
    assert(slice_is(buf_view(&out), "{\"a\\t\":[-9223372036854775808,18446744073709551615,\"-1\",true],"
                                    "\"b\":\"\xE2\x82\xAC\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD/"
                                    "\",\"d\":\"\xC3\xBC\\\"\\n\xE2\x82\xAC\\\\\xEF\xBF\xBD\",\"c\":\"/w==\"}"));
    buf_free(&out);
}

static void test_doubles(void)
{
    struct buf         out = { 0 };
    struct json_writer w = { .out = &out };
    uint64_t           x = 1;

    for (int i = 0; i < 20000; i++) {
        double v, back;
        x = x * 6364136223846793005u + 1442695040888963407u;
        memcpy(&v, &x, sizeof v);
        if (v != v || v - v != 0)
            continue;
        out.n = 0;
        w.wants_comma = false;
        json_double(&w, v);
        buf_byte(&out, 0);
        back = strtod(out.p, NULL);
        assert(memcmp(&v, &back, sizeof v) == 0);
    }
    out.n = 0;
    w.wants_comma = false;
    json_double(&w, 1.0 / 0.0);
    assert(slice_is(buf_view(&out), "\"Infinity\""));
    out.n = 0;
    w.wants_comma = false;
    json_open(&w, '[');
    json_float(&w, 0.1f);
    json_float(&w, 16777216.0f);
    json_float(&w, 3.4028235e38f);
    json_float(&w, -1.17549435e-38f);
    json_close(&w, ']');
    assert(slice_is(buf_view(&out), "[0.1,16777216,3.4028235e+38,-1.1754944e-38]"));
    buf_free(&out);
}

static void test_base64(void)
{
    uint8_t    bytes[64], back[64];
    struct buf text = { 0 };
    size_t     n;

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37);
    for (size_t len = 0; len <= 48; len++)
        for (int is_padded = 0; is_padded < 2; is_padded++) {
            text.n = 0;
            base64_encode(slice_make(bytes, len), is_padded, &text);
            assert(base64_decode(buf_view(&text), back, &n) && n == len && memcmp(back, bytes, n) == 0);
        }
    assert(!base64_decode(SLICE("a"), back, &n) && !base64_decode(SLICE("ab=c"), back, &n));
    assert(!base64_decode(SLICE("a==="), back, &n) && !base64_decode(SLICE("!abc"), back, &n));
    buf_free(&text);
}

static void test_measure(void)
{
    struct json_size size = json_measure(SLICE("{\"a\":[1,{\"b\":2}],\"c\":{}}"));

    assert(size.values >= 7 && size.objects == 3);
    assert(json_measure(SLICE("")).values == 1 && json_measure(SLICE("]]\"")).objects == 0);
}

int main(void)
{
    test_writer();
    test_doubles();
    test_base64();
    test_measure();
    return 0;
}
