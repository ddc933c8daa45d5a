#include "base/buf.h"
#include <stdarg.h>

void
buf_done(struct buf *b)
{
    free(b->at);
    *b = (struct buf){.max = b->max};
}

bool
buf_reserve(struct buf *b, size_t more)
{
    size_t need, cap;

    ASSERT(b->max > 0);
    if (b->overflow || more > b->max || b->len > b->max - more) {
        b->overflow = true;
        return false;
    }
    need = b->len + more + 1; /* the NUL */
    if (need <= b->cap)
        return true;
    cap = b->cap ? b->cap : 128;
    while (cap < need)
        cap += cap < (64u << 20) ? cap : cap / 4;
    cap = MAX(need, MIN(cap, b->max + 1));
    b->at = xrealloc(b->at, cap);
    b->cap = cap;
    return true;
}

bool
buf_add(struct buf *b, const void *at, size_t len)
{
    if (!buf_reserve(b, len))
        return false;
    if (len)
        memcpy(b->at + b->len, at, len);
    b->len += len;
    b->at[b->len] = '\0';
    return true;
}

bool
buf_str(struct buf *b, struct str s)
{
    return buf_add(b, s.at, s.len);
}

bool
buf_z(struct buf *b, const char *z)
{
    return buf_add(b, z, strlen(z));
}

bool
buf_c(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

bool
buf_fmt(struct buf *b, const char *fmt, ...)
{
    va_list args, again;
    bool ok = false;
    int n;

    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, fmt, args);
    if (n >= 0 && buf_reserve(b, (size_t)n)) {
        vsnprintf(b->at + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
        ok = true;
    }
    va_end(again);
    va_end(args);
    return ok;
}

void
buf_shift(struct buf *b, size_t n)
{
    ASSERT(n <= b->len);
    if (n == 0)
        return;
    memmove(b->at, b->at + n, b->len - n);
    b->len -= n;
    b->at[b->len] = '\0';
}
