#include "index/block_write.h"

void section_close(struct sealing *x, size_t from, uint64_t n, uint32_t width)
{
    x->is_too_large |= x->out->n - from > UINT32_MAX || n > UINT32_MAX;
    x->table[x->n_sections++] = (struct block_entry){ .end = x->out->n - x->start, .n = (uint32_t)n, .width = width };
}

void section_bytes(struct sealing *x, const void *bytes, size_t n)
{
    size_t from = x->out->n;

    if (n > 0)
        buf_put(x->out, bytes, n);
    section_close(x, from, n, 0);
}

void section_bits(struct sealing *x, const uint32_t *numbers, uint32_t n)
{
    uint32_t all = 0, width, used = 0;
    uint64_t window = 0;
    size_t   from = x->out->n;

    for (uint32_t i = 0; i < n; i++)
        all |= numbers[i];
    width = all ? 32 - (uint32_t)__builtin_clz(all) : 0;
    size_t   bytes = ((size_t)n * width + 7) / 8;
    uint8_t *at = (uint8_t *)buf_reserve(x->out, bytes + PACK_BEHIND);
    for (uint32_t i = 0; i < n && width > 0; i++) {
        window |= (uint64_t)numbers[i] << used;
        memcpy(at, &window, sizeof window);
        used += width;
        at += used / 8;
        window >>= used & ~7u;
        used &= 7;
    }
    x->out->n += bytes;
    section_close(x, from, n, width);
}

void section_packs(struct sealing *x, const uint32_t *numbers, uint32_t n)
{
    size_t   from = x->out->n;
    uint8_t *start = (uint8_t *)buf_reserve(x->out, pack_bytes_max(n, 32)), *at = start;
    uint64_t words[PACK];

    for (uint32_t i = 0; i < n; i += PACK) {
        uint32_t count = pack_of(n - i);
        for (uint32_t k = 0; k < count; k++)
            words[k] = numbers[i + k];
        at = pack_put(at, words, count);
    }
    x->out->n += (size_t)(at - start);
    section_close(x, from, n, 0);
}
