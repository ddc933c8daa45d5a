/* Reads what an environment writes: stdout and stderr as lines, and the runtime's own log pipe as
 * frames (execution.md section 10: multi-line records stay whole). Each becomes one log event.
 * User code writes here: a line is at most CAPTURE_EVENT_MAX bytes (longer ones are cut into
 * several), an endless line costs no more memory than that. Thread: loop. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "loop/loop.h"

enum { CAPTURE_EVENT_MAX = 262144 };

struct capture;

/* on_event: one log event, without its final newline; `time_ms` Unix epoch. Borrowed. */
struct capture *capture_new(struct loop *loop,
                            void (*on_event)(void *arg, int64_t time_ms, struct str text),
                            void *arg);
/* Takes over the read ends (-1: none) of a new runtime process; the old ones are drained and
 * closed. */
int capture_open(struct capture *c, int out_fd, int log_fd, struct err *err);
/* What an unfinished last line or frame is when everything that is there was read. */
enum capture_end {
    CAPTURE_MORE, /* its writer goes on */
    CAPTURE_TURN, /* an invocation is over: its last line needs no newline, frames may still come */
    CAPTURE_OVER, /* the writers are gone: both are events now */
};
/* Read what is there now, up to a bound. */
void capture_drain(struct capture *c, enum capture_end end);
void capture_free(struct capture *c); /* drains first */
