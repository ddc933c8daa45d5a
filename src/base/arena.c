#include "base/arena.h"
#include <stdarg.h>

struct block {
    struct block *next;
    size_t size, used;
    _Alignas(max_align_t) char bytes[];
};

struct arena {
    struct block *blocks; /* newest first; only the newest is filled */
    size_t used, max;
    bool full;
};

enum { BLOCK_MIN = 4096 - sizeof(struct block) - 16 };

struct arena *
arena_new(size_t max_bytes)
{
    struct arena *a = xcalloc(1, sizeof(*a));

    a->max = max_bytes;
    return a;
}

void
arena_free(struct arena *a)
{
    if (!a)
        return;
    for (struct block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(a);
}

void *
arena_alloc(struct arena *a, size_t size)
{
    size_t need = (size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
    struct block *b = a->blocks;
    void *at;

    if (need < size || need > a->max || a->used > a->max - need) {
        a->full = true;
        return NULL;
    }
    if (!b || b->size - b->used < need) {
        size_t room = MAX(need, b ? MIN(b->size * 2, (size_t)1 << 20) : (size_t)BLOCK_MIN);

        b = xmalloc(sizeof(*b) + room);
        b->size = room;
        b->used = 0;
        b->next = a->blocks;
        a->blocks = b;
    }
    at = b->bytes + b->used;
    b->used += need;
    a->used += need;
    return memset(at, 0, need);
}

struct str
arena_str(struct arena *a, struct str s)
{
    char *copy;

    if (!s.at)
        return STR_NULL;
    copy = arena_alloc(a, s.len + 1);
    if (!copy)
        return STR_NULL;
    memcpy(copy, s.at, s.len);
    return (struct str){copy, s.len};
}

struct str
arena_fmt(struct arena *a, const char *fmt, ...)
{
    va_list args, again;
    char *at;
    int n;

    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    ASSERT(n >= 0);
    at = arena_alloc(a, (size_t)n + 1);
    if (at)
        vsnprintf(at, (size_t)n + 1, fmt, again);
    va_end(again);
    return at ? (struct str){at, (size_t)n} : STR_NULL;
}

void
arena_limit(struct arena *a, size_t max_bytes)
{
    a->max = max_bytes;
}

bool
arena_full(const struct arena *a)
{
    return a->full;
}

size_t
arena_used(const struct arena *a)
{
    return a->used;
}
