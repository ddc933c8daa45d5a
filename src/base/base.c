#include "base/base.h"
#include "base/log.h"
#include <execinfo.h>
#include <strings.h>

/* The process is in a state we thought impossible: say where, and stop before it spreads. */
void
panic(const char *file, int line, const char *what)
{
    void *frames[48];
    int n;

    dprintf(2, "event=panic at=%s:%d what=\"%s\"\n", file, line, what);
    log_dump_recent(2);
    n = backtrace(frames, ARRAY_LEN(frames));
    backtrace_symbols_fd(frames, n, 2);
    abort();
}

bool
str_eq_nocase(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || strncasecmp(a.at, b.at, a.len) == 0);
}

bool
str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.at, prefix.at, prefix.len) == 0);
}

bool
str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.at + s.len - suffix.len, suffix.at, suffix.len) == 0);
}

ssize_t
str_find(struct str s, char c)
{
    const char *hit = s.len ? memchr(s.at, c, s.len) : NULL;

    return hit ? hit - s.at : -1;
}

bool
str_int(struct str s, int64_t min, int64_t max, int64_t *ret)
{
    bool negative = s.len > 0 && s.at[0] == '-';
    size_t i = negative ? 1 : 0;
    int64_t value = 0;

    if (i == s.len)
        return false;
    for (; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, s.at[i] - '0', &value)) /* negative: holds INT64_MIN */
            return false;
    }
    if (!negative && __builtin_sub_overflow((int64_t)0, value, &value))
        return false;
    if (value < min || value > max)
        return false;
    *ret = value;
    return true;
}

bool
str_copy(char *to, size_t size, struct str s)
{
    ASSERT(size > 0);
    if (s.len >= size) {
        to[0] = '\0';
        return false;
    }
    if (s.len)
        memcpy(to, s.at, s.len);
    to[s.len] = '\0';
    return true;
}

static void *
or_die(void *at, size_t size)
{
    if (!at) { /* never for want of a size: all three ask for one byte at least */
        dprintf(2, "event=out_of_memory bytes=%zu\n", size);
        abort();
    }
    return at;
}

void *
xmalloc(size_t size)
{
    return or_die(malloc(size ? size : 1), size);
}

void *
xcalloc(size_t n, size_t size)
{
    void *at = calloc(n ? n : 1, size ? size : 1);

    return or_die(at, size && n > SIZE_MAX / size ? SIZE_MAX : n * size);
}

void *
xrealloc(void *at, size_t size)
{
    return or_die(realloc(at, size ? size : 1), size);
}

char *
xstrndup(const char *at, size_t len)
{
    char *copy = xmalloc(len + 1);

    if (len)
        memcpy(copy, at, len);
    copy[len] = '\0';
    return copy;
}
