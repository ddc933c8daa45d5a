/* A growing byte buffer with a hard maximum given at creation. Passing the maximum is an ordinary
 * failure: the append returns false, the buffer keeps what it had and remembers (`overflow`).
 * Thread: one at a time. Owns its bytes; always NUL-terminated past `len` once anything is in it.
 */
#pragma once

#include "base/base.h"

struct buf {
    char *at;
    size_t len, cap, max;
    bool overflow;
};

#define BUF_MAX(bytes) ((struct buf){.max = (bytes)}) /* an empty one, by value; buf_done() it */

void buf_done(struct buf *b); /* frees the bytes; the buffer is empty and usable again */
bool buf_reserve(struct buf *b, size_t more);
bool buf_add(struct buf *b, const void *at, size_t len);
bool buf_str(struct buf *b, struct str s);
bool buf_z(struct buf *b, const char *z);
bool buf_c(struct buf *b, char c);
bool buf_fmt(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Drop the first n bytes. */
void buf_shift(struct buf *b, size_t n);
static inline void
buf_reset(struct buf *b)
{
    b->len = 0;
    b->overflow = false;
    if (b->at)
        b->at[0] = '\0';
}
static inline struct str
buf_view(const struct buf *b)
{
    return (struct str){b->at ? b->at : "", b->len};
}
static inline void
auto_buf(struct buf *b)
{
    buf_done(b);
}
#define AUTO_BUF __attribute__((cleanup(auto_buf)))
