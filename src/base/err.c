#include "base/err.h"
#include <stdarg.h>

static const char *const kind_names[] = {
#define K(kind, retry) [ERR_##kind] = #kind,
    ERR_KINDS(K)
#undef K
};

const char *
err_kind_name(enum err_kind kind)
{
    return (size_t)kind < ARRAY_LEN(kind_names) ? kind_names[kind] : "?";
}

static int
set_va(struct err *err, enum err_kind kind, int sys, const char *fmt, va_list args)
{
    int n;

    ASSERT(err && err->kind == ERR_NONE && kind != ERR_NONE);
    err->kind = kind;
    err->sys = sys;
    n = vsnprintf(err->text, sizeof(err->text), fmt, args);
    if (sys && n >= 0 && (size_t)n + 3 < sizeof(err->text)) {
        char room[80];

        snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s",
                 strerror_r(sys, room, sizeof(room)));
    }
    return -(int)kind;
}

int
err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
    va_list args;
    int rc;

    va_start(args, fmt);
    rc = set_va(err, kind, 0, fmt, args);
    va_end(args);
    return rc;
}

int
err_sys(struct err *err, const char *fmt, ...)
{
    int sys = errno;
    va_list args;
    int rc;

    va_start(args, fmt);
    rc = set_va(err, ERR_INTERNAL, sys, fmt, args);
    va_end(args);
    return rc;
}

int
err_wire(struct err *err, enum err_kind kind, uint32_t wire, const char *fmt, ...)
{
    va_list args;
    int rc;

    va_start(args, fmt);
    rc = set_va(err, kind, 0, fmt, args);
    va_end(args);
    err->wire = wire;
    return rc;
}

int
err_wrap(struct err *err, const char *fmt, ...)
{
    char inner[sizeof(err->text)];
    va_list args;
    int n;

    ASSERT(err && err->kind != ERR_NONE);
    memcpy(inner, err->text, sizeof(inner));
    va_start(args, fmt);
    n = vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof(err->text))
        snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %.*s", (int)sizeof(inner) - 1,
                 inner);
    return -(int)err->kind;
}

void
err_clear(struct err *err)
{
    *err = (struct err){0};
}
