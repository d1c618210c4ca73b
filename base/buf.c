#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

char *buf_reserve(struct buf *b, size_t more)
{
    size_t need;

    if (__builtin_add_overflow(b->n, more, &need))
        abort();
    if (need > b->cap || b->p == NULL) {
        size_t cap = b->cap ? b->cap : 256;
        while (cap < need)
            cap *= 2;
        b->p = mem_resize(b->p, cap);
        b->cap = cap;
    }
    return b->p + b->n;
}

void buf_put(struct buf *b, const void *bytes, size_t n)
{
    if (n == 0)
        return;
    memcpy(buf_reserve(b, n), bytes, n);
    b->n += n;
}

void buf_slice(struct buf *b, struct slice s) { buf_put(b, s.p, s.n); }

void buf_text(struct buf *b, const char *text) { buf_put(b, text, strlen(text)); }

void buf_byte(struct buf *b, uint8_t byte) { buf_put(b, &byte, 1); }

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list ap, again;

    va_start(ap, format);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    if (n > 0) {
        vsnprintf(buf_reserve(b, (size_t)n + 1), (size_t)n + 1, format, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

void buf_free(struct buf *b)
{
    free(b->p);
    *b = (struct buf){ 0 };
}
