/* Memory with one lifetime: everything reachable from a request lives in its arena and goes with
 * it. Bounded: arena_alloc returns NULL once `max` bytes were handed out, and the arena remembers
 * (`arena_full`), so that long builders may check once at the end.
 * Thread: one at a time (a request is on the loop or on one worker, never both). */
#pragma once

#include "base/base.h"

struct arena;

struct arena *arena_new(size_t max_bytes);
void arena_free(struct arena *a); /* NULL is fine */
AUTO_DEFINE(struct arena *, arena_free)
/* Zeroed, aligned for anything. NULL when the bound is reached. */
void *arena_alloc(struct arena *a, size_t size);
/* A NUL-terminated copy. An absent or unstorable string gives STR_NULL. */
struct str arena_str(struct arena *a, struct str s);
struct str arena_fmt(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Change the bound, e.g. once it is known what a request is for. */
void arena_limit(struct arena *a, size_t max_bytes);
bool arena_full(const struct arena *a);
size_t arena_used(const struct arena *a);

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n)                                                                    \
    ((size_t)(n) > SIZE_MAX / 2 / sizeof(type) ? NULL                                              \
                                               : (type *)arena_alloc((a), sizeof(type) * (n)))
