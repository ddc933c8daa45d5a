/* Running a loop in a test just as far as is needed: until something is so, never for a time.
 * To be included after `static struct loop *loop` of the test is declared, and cmocka. */
#pragma once

#include "loop/loop.h"

static bool (*awaited)(void *arg);
static void *awaited_arg;

static uint64_t
look(void *arg)
{
    if (awaited(awaited_arg))
        loop_stop(loop);
    return UINT64_MAX;
}

static void
on_too_long(struct timer *t)
{
    fail_msg("waited for something that did not happen");
}

static void
run_until(bool (*done)(void *arg), void *arg)
{
    struct timer limit = {0};

    awaited = done;
    awaited_arg = arg;
    timer_set(loop, &limit, 30 * 1000 * 1000, on_too_long);
    loop_on_idle(loop, look, NULL);
    loop_run(loop);
    loop_off_idle(loop, look, NULL);
    timer_stop(&limit);
}

static inline bool
is_set(void *arg)
{
    return *(bool *)arg;
}

static inline bool
counted(void *arg)
{
    return *(unsigned *)arg > 0;
}
