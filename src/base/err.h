/* One error idiom: functions return >= 0 on success and -kind on failure, having filled `err` once.
 * The deepest function sets, callers wrap or handle, only the top logs. `struct err` has no
 * pointers, so that a sandbox child can send it through a socket as it is.
 * Thread: any; an err belongs to the call chain that declared it (`struct err err = {0}`). */
#pragma once

#include "base/base.h"

/* clang-format off */
#define ERR_KINDS(K) /* kind     retry  what it tells the caller */                                 \
    K(NONE,            0) /* not an error: the zero value */                                        \
    K(INVALID,         0) /* the request is wrong and will stay wrong */                            \
    K(NOT_FOUND,       0) /* no such thing */                                                       \
    K(CONFLICT,        0) /* exists already, or in a state that forbids it */                       \
    K(PRECONDITION,    0) /* revision does not match */                                             \
    K(DENIED,          0) /* not allowed */                                                         \
    K(TOO_LARGE,       0) /* over a size limit */                                                   \
    K(THROTTLED,       1) /* a rate or concurrency limit */                                         \
    K(TIMEOUT,         1) /* a deadline passed */                                                   \
    K(NOT_IMPLEMENTED, 0) /* known, but not built yet */                                            \
    K(UNAVAILABLE,     1) /* stopping, or a peer is gone */                                         \
    K(INTERNAL,        1) /* ours: the text goes to our log only */
/* clang-format on */

enum err_kind {
#define K(kind, retry) ERR_##kind,
    ERR_KINDS(K)
#undef K
};

struct err {
    enum err_kind kind;
    int sys;       /* errno, or 0 */
    uint32_t wire; /* enum aws_error of the generated tables; 0: chosen from kind at the top */
    char text[240];
};

/* Set (asserts that `err` is still empty). Each returns -kind. */
int err_set(struct err *err, enum err_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* ERR_INTERNAL with errno kept and its text appended: "open package 'x': No such file". */
int err_sys(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* As err_set, and names the exact error of an AWS model (a value of enum aws_error). */
int err_wire(struct err *err, enum err_kind kind, uint32_t wire, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Put "context: " in front of a set error's text; returns its -kind. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Empty it again, after the error was handled. */
void err_clear(struct err *err);
const char *err_kind_name(enum err_kind kind);
