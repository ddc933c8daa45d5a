/* The event loop: fds (epoll), timers, work on other threads, child exits, signals. The only owner
 * of time: everything asks loop_now_*. One loop a process, run by the thread that made it.
 *
 * Thread: every call is for the loop's own thread, except loop_post(). Callbacks never block.
 * Handles (`struct io`, `struct timer`) are embedded by their owners; they may be closed inside any
 * callback, their own included. */
#pragma once

#include "base/base.h"
#include "base/err.h"

struct loop;

struct loop *loop_new(unsigned worker_threads, size_t work_queue_max);
void loop_free(struct loop *loop); /* joins the workers; every handle must be closed before */
/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Monotonic, read once per iteration: cheap, and equal for all callbacks of one iteration. */
uint64_t loop_now_ms(const struct loop *loop);
uint64_t loop_now_us(const struct loop *loop);
/* Read the clocks anew; for measuring inside a callback. */
uint64_t clock_us(void);
uint64_t clock_wall_ms(void); /* Unix epoch, milliseconds */

/* ---- fds ---- */
struct io {
    struct loop *loop; /* NULL when closed */
    int fd;
    uint32_t events; /* EPOLLIN | EPOLLOUT …, level-triggered */
    void (*on_ready)(struct io *io, uint32_t events);
};
/* `fd` stays the caller's: io_close() does not close it. */
int io_open(struct loop *loop, struct io *io, int fd, uint32_t events,
            void (*on_ready)(struct io *io, uint32_t events), struct err *err);
void io_set(struct io *io, uint32_t events);
void io_close(struct io *io); /* idempotent; must come before close(fd) */

/* ---- timers ---- */
struct timer {
    struct loop *loop; /* NULL when not set */
    uint64_t due_us;
    size_t at; /* place in the heap */
    void (*on_due)(struct timer *t);
};
/* (Re)arms: fires once, `after_us` from now. Accurate to about the kernel's timer slack. */
void timer_set(struct loop *loop, struct timer *t, uint64_t after_us,
               void (*on_due)(struct timer *t));
void timer_stop(struct timer *t); /* idempotent */

/* ---- other threads ---- */
/* Run fn(arg) on the loop's thread. Thread: any. Order is kept per caller. */
void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);

/* Blocking work. `work` runs on a worker thread, then `done` on the loop. Embedded by its owner,
 * who keeps it alive until `done`. Refused (ERR_UNAVAILABLE) when work_queue_max are waiting. */
struct work {
    void (*work)(struct work *w); /* thread: a worker */
    void (*done)(struct work *w); /* thread: loop */
    struct work *next;            /* the loop's */
};
int loop_work(struct loop *loop, struct work *w, struct err *err);

/* ---- signals ---- */
/* Called on the loop for each of SIGTERM, SIGINT, SIGHUP, SIGCHLD (blocked for the process by
 * loop_new, before any thread starts). */
void loop_on_signal(struct loop *loop, void (*fn)(void *arg, int signo), void *arg);

/* Before the loop sleeps, fn(arg) runs; for libraries that must be pumped (HTTP). Returns the
 * longest it may sleep in microseconds, UINT64_MAX for no bound. Up to 8. */
void loop_on_idle(struct loop *loop, uint64_t (*fn)(void *arg), void *arg);
/* Takes it back; for libraries that come and go. */
void loop_off_idle(struct loop *loop, uint64_t (*fn)(void *arg), void *arg);
