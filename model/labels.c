#include "model/labels.h"

#include <endian.h>
#include <stdlib.h>

#include "base/hash.h"

enum { FEW = 24 }; /* pairs that insertion sorts faster than qsort's calls */

static int label_cmp(const struct label *a, const struct label *b)
{
    int d = slice_cmp(a->name, b->name);
    return d ? d : slice_cmp(a->value, b->value);
}

static int label_cmp_qsort(const void *a, const void *b) { return label_cmp(a, b); }

void labels_sort(struct label *at, size_t n)
{
    if (n > FEW) {
        qsort(at, n, sizeof *at, label_cmp_qsort); /* equal pairs are bytewise equal: their order cannot be seen */
        return;
    }
    for (size_t i = 1; i < n; i++) {
        struct label l = at[i];
        size_t       j = i;
        for (; j > 0 && label_cmp(&l, &at[j - 1]) < 0; j--)
            at[j] = at[j - 1];
        at[j] = l;
    }
}

bool labels_are_sorted(struct labels l)
{
    for (size_t i = 1; i < l.n; i++)
        if (slice_cmp(l.at[i - 1].name, l.at[i].name) >= 0)
            return false;
    return true;
}

struct slice labels_get(struct labels l, struct slice name)
{
    for (size_t i = 0; i < l.n; i++)
        if (slice_eq(l.at[i].name, name))
            return l.at[i].value;
    return (struct slice){ 0 };
}

int labels_cmp(struct labels a, struct labels b)
{
    for (size_t i = 0; i < a.n && i < b.n; i++) {
        int d = label_cmp(&a.at[i], &b.at[i]);
        if (d != 0)
            return d;
    }
    return (a.n > b.n) - (a.n < b.n);
}

uint64_t labels_hash(struct labels l)
{
    struct buf encoded = { 0 };

    labels_encode(&encoded, l);
    uint64_t h = hash64(encoded.p, encoded.n);
    buf_free(&encoded);
    return h;
}

static void value_print(struct buf *out, struct slice v)
{
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_text(out, "\\n");
        else if (c < ' ' || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_byte(out, c);
    }
}

void labels_print(struct buf *out, struct labels l)
{
    buf_byte(out, '{');
    for (size_t i = 0; i < l.n; i++) {
        buf_text(out, i ? ", " : "");
        buf_slice(out, l.at[i].name);
        buf_text(out, "=\"");
        value_print(out, l.at[i].value);
        buf_byte(out, '"');
    }
    buf_byte(out, '}');
}

static char *word_encode(char *to, struct slice s)
{
    uint32_t n = htole32((uint32_t)s.n);

    memcpy(to, &n, sizeof n);
    if (s.n > 0)
        memcpy(to + sizeof n, s.p, s.n);
    return to + sizeof n + s.n;
}

void labels_encode(struct buf *out, struct labels l)
{
    size_t n = 0;

    for (size_t i = 0; i < l.n; i++)
        n += 2 * sizeof(uint32_t) + l.at[i].name.n + l.at[i].value.n;
    char *to = buf_reserve(out, n);
    for (size_t i = 0; i < l.n; i++)
        to = word_encode(word_encode(to, l.at[i].name), l.at[i].value);
    out->n += n;
}

static bool word_decode(struct slice *rest, struct slice *word)
{
    if (rest->n < 4)
        return false;
    const uint8_t *p = (const uint8_t *)rest->p;
    size_t         n = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
    if (rest->n - 4 < n)
        return false;
    *word = slice_make(rest->p + 4, n);
    *rest = slice_from(*rest, 4 + n);
    return true;
}

bool labels_decode(struct slice bytes, struct arena *a, struct labels *out)
{
    struct slice word;
    size_t       words = 0;

    for (struct slice rest = bytes; rest.n > 0; words++)
        if (!word_decode(&rest, &word))
            return false;
    if (words % 2 != 0)
        return false;
    struct label *at = arena_array(a, words / 2, sizeof *at);
    for (size_t i = 0; i < words / 2; i++)
        if (!word_decode(&bytes, &at[i].name) || !word_decode(&bytes, &at[i].value))
            return false;
    *out = (struct labels){ at, words / 2 };
    return true;
}

static char *text_join(char *to, struct slice s)
{
    size_t n = s.n > 0 ? strnlen(s.p, s.n) : 0;

    if (n > 0)
        memcpy(to, s.p, n);
    to[n] = '\0';
    return to + n + 1;
}

void labels_join(struct buf *out, struct labels l)
{
    size_t most = 0;

    for (size_t i = 0; i < l.n; i++)
        most += l.at[i].name.n + l.at[i].value.n + 2;
    char *from = buf_reserve(out, most), *to = from;
    for (size_t i = 0; i < l.n; i++)
        to = text_join(text_join(to, l.at[i].name), l.at[i].value);
    out->n += (size_t)(to - from);
}

static size_t texts_n(struct slice bytes)
{
    size_t n = 0;

    for (size_t i = 0; i < bytes.n; i++)
        n += bytes.p[i] == '\0';
    return n;
}

static struct slice text_split(struct slice *rest)
{
    struct slice text = slice_make(rest->p, (size_t)((const char *)memchr(rest->p, '\0', rest->n) - rest->p));

    *rest = slice_from(*rest, text.n + 1);
    return text;
}

bool labels_split(struct slice bytes, struct arena *a, struct labels *out)
{
    size_t texts = texts_n(bytes);

    if (texts % 2 != 0 || (bytes.n > 0 && bytes.p[bytes.n - 1] != '\0'))
        return false;
    struct label *at = arena_array(a, texts / 2, sizeof *at);
    for (size_t i = 0; i < texts / 2; i++) {
        at[i].name = text_split(&bytes);
        at[i].value = text_split(&bytes);
    }
    *out = (struct labels){ at, texts / 2 };
    return true;
}
