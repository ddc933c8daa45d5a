/* What every file of ours may rely on: borrowed strings, scope cleanup, asserts, banned calls.
 * Needs nothing of ours. Thread: any. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/banned.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define CONTAINER_OF(ptr, type, member)                                                            \
    ({                                                                                             \
        const typeof(((type *)0)->member) *member_ptr_ = (ptr);                                    \
        (type *)((char *)member_ptr_ - offsetof(type, member));                                    \
    })
#define MIN(a, b)                                                                                  \
    ({                                                                                             \
        typeof(a) min_a_ = (a);                                                                    \
        typeof(b) min_b_ = (b);                                                                    \
        min_a_ < min_b_ ? min_a_ : min_b_;                                                         \
    })
#define MAX(a, b)                                                                                  \
    ({                                                                                             \
        typeof(a) max_a_ = (a);                                                                    \
        typeof(b) max_b_ = (b);                                                                    \
        max_a_ > max_b_ ? max_a_ : max_b_;                                                         \
    })

/* Asserts stay on in release: they state what only our own bug can break. */
#define ASSERT(cond)                                                                               \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0))                                                          \
            panic(__FILE__, __LINE__, #cond);                                                      \
    } while (0)

_Noreturn void panic(const char *file, int line, const char *what);

/* Scope ownership: `AUTO(buf_free) struct buf *b` is freed when the scope ends, unless TAKEn. */
#define AUTO(fn) __attribute__((cleanup(auto_##fn)))
#define AUTO_DEFINE(type, fn)                                                                      \
    static inline void auto_##fn(type *at)                                                         \
    {                                                                                              \
        if (*at)                                                                                   \
            fn(*at);                                                                               \
    }
#define TAKE(ptr)                                                                                  \
    ({                                                                                             \
        typeof(ptr) take_ = (ptr);                                                                 \
        (ptr) = NULL;                                                                              \
        take_;                                                                                     \
    })
#define TAKE_FD(fd)                                                                                \
    ({                                                                                             \
        int take_ = (fd);                                                                          \
        (fd) = -1;                                                                                 \
        take_;                                                                                     \
    })

/* AUTO_FREE char *p; */
#define AUTO_FREE __attribute__((cleanup(auto_free_any)))
static inline void
auto_free_any(void *at)
{
    free(*(void **)at);
}
static inline void
auto_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* Linux has released the number even on EINTR: never retry */
}
#define AUTO_FD __attribute__((cleanup(auto_close)))

/* A borrowed view of bytes: never assumed NUL-terminated. `at == NULL` means absent. */
struct str {
    const char *at;
    size_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_NULL ((struct str){NULL, 0})
#define STR_FMT(s) (int)(s).len, (s).at /* for %.*s */

static inline struct str
str_of(const char *z)
{
    return (struct str){z, z ? strlen(z) : 0};
}
static inline bool
str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}
static inline bool
str_is(struct str a, const char *z)
{
    return a.at && a.len == strlen(z) && memcmp(a.at, z, a.len) == 0;
}
bool str_eq_nocase(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* First position of `c`, or -1. */
ssize_t str_find(struct str s, char c);
/* Whole decimal number in [min, max]; false leaves *ret alone. No sign but '-', no blanks. */
bool str_int(struct str s, int64_t min, int64_t max, int64_t *ret);
/* Copy into a fixed array, always NUL-terminated; false (and an empty string) if it doesn't fit. */
bool str_copy(char *to, size_t size, struct str s);

/* malloc family that ends the process when memory is truly exhausted: it restarts from the store.
 */
void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *at, size_t size);
char *xstrndup(const char *at, size_t len);
