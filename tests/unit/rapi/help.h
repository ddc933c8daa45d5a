/* A runtime on the daemon's side, its events recorded, and peers on the same loop: a test says what
 * it waits for, until() runs the loop that far. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rapi/rapi_internal.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define ID "8476a536-e9f4-11e8-9739-2dfe598c3fcd"

static struct loop *loop;
static struct rapi *rapi;
static struct rapi_runtime *rt;
static struct rapi_invocation invocation;

/* What happened, and what a test wants done inside the callback. */
static struct {
    unsigned next, response, error, init_error, prepared, broken;
    struct buf payload; /* of the last response, error or init error */
    char type[256];     /* content type, or error type */
    char why[100];
    void (*in_next)(void);
    void (*in_answer)(void); /* called between two looks at the borrowed bytes */
} got;

static void
keep(struct str type, struct str payload)
{
    assert_true(str_copy(got.type, sizeof(got.type), type));
    if (got.in_answer)
        got.in_answer();
    buf_reset(&got.payload);
    assert_true(buf_str(&got.payload, payload)); /* still there, whatever in_answer() did */
    assert_true(str_is(type, got.type));
}

static void
on_next(void *arg)
{
    assert_ptr_equal(arg, &got);
    got.next++;
    if (got.in_next)
        got.in_next();
}

static void
on_response(void *arg, struct str content_type, struct str payload)
{
    assert_ptr_equal(arg, &got);
    got.response++;
    keep(content_type, payload);
}

static void
on_error(void *arg, struct str type, struct str body)
{
    assert_ptr_equal(arg, &got);
    got.error++;
    keep(type, body);
}

static void
on_init_error(void *arg, struct str type, struct str body)
{
    assert_ptr_equal(arg, &got);
    got.init_error++;
    keep(type, body);
}

static void
on_prepared(void *arg)
{
    assert_ptr_equal(arg, &got);
    got.prepared++;
}

static void
on_broken(void *arg, const char *why)
{
    assert_ptr_equal(arg, &got);
    got.broken++;
    snprintf(got.why, sizeof(got.why), "%s", why);
}

static const struct rapi_events recorder = {
    .on_next = on_next,
    .on_response = on_response,
    .on_error = on_error,
    .on_init_error = on_init_error,
    .on_prepared = on_prepared,
    .on_broken = on_broken,
};

static void
deliver(void)
{
    rapi_runtime_deliver(rt, &invocation);
}

static inline void
deliver_now(void)
{
    got.in_next = deliver;
}

/* ---- running the loop ---- */

#include "../run_loop.h"

/* Until this event was counted; resets the counter to what is left. */
static inline void
until(unsigned *count)
{
    run_until(counted, count);
    --*count;
}

static bool
turned(void *arg)
{
    return --*(int *)arg < 0;
}

static void
on_nothing(struct timer *t)
{
    timer_set(loop, t, 0, on_nothing);
}

/* Some rounds of the loop, enough for anything that is ready on both sides to be done: for showing
 * that something does not happen. */
static inline void
turns(int n)
{
    struct timer t = {0};

    timer_set(loop, &t, 0, on_nothing);
    run_until(turned, &n);
    timer_stop(&t);
}

/* ---- a peer ---- */

struct peer {
    struct io io;
    struct buf in, out;
    bool eof, reading;
};

static void
peer_send_some(struct peer *p)
{
    while (p->out.len > 0) {
        ssize_t n = send(p->io.fd, p->out.at, p->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0)
            break;
        buf_shift(&p->out, (size_t)n);
    }
    io_set(&p->io, (p->reading && !p->eof ? (uint32_t)EPOLLIN : 0u) |
                       (p->out.len && !p->eof ? (uint32_t)EPOLLOUT : 0u));
}

static void
on_peer(struct io *io, uint32_t events)
{
    struct peer *p = CONTAINER_OF(io, struct peer, io);
    ssize_t n;

    if (events & EPOLLOUT)
        peer_send_some(p);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    assert_true(buf_reserve(&p->in, 65536));
    n = recv(io->fd, p->in.at + p->in.len, p->in.cap - p->in.len - 1, MSG_DONTWAIT);
    if (n > 0) {
        p->in.len += (size_t)n;
        p->in.at[p->in.len] = '\0';
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        p->eof = true;
        io_close(io);
    }
}

static void
peer_open(struct peer *p, int fd)
{
    struct err err = {0};

    *p = (struct peer){.in = BUF_MAX(32 << 20), .out = BUF_MAX(32 << 20), .reading = true};
    assert_int_equal(io_open(loop, &p->io, fd, EPOLLIN, on_peer, &err), 0);
}

static void
peer_send(struct peer *p, const void *at, size_t len)
{
    assert_true(buf_add(&p->out, at, len));
    if (p->io.loop)
        peer_send_some(p);
}

static void
peer_close(struct peer *p)
{
    io_close(&p->io);
    close(p->io.fd);
    buf_done(&p->in);
    buf_done(&p->out);
}

static bool
peer_ended(void *arg)
{
    return ((struct peer *)arg)->eof;
}

/* ---- fixture ---- */

static inline int
setup(void **state)
{
    struct err err = {0};

    loop = loop_new(0, 1);
    assert_int_equal(rapi_new(loop, 1000, &rapi, &err), 0);
    rt = rapi_runtime_new(rapi, &recorder, &got);
    memset(&got, 0, sizeof(got));
    got.payload = BUF_MAX(16 << 20);
    invocation = (struct rapi_invocation){
        .request_id = ID,
        .deadline_ms = 1542409706888,
        .function_arn = STR("arn:aws:lambda:us-east-1:000000000000:function:f"),
        .payload = STR("{\"n\": 18446744073709551616}"),
    };
    return 0;
}

static inline int
teardown(void **state)
{
    rapi_runtime_free(rt);
    rapi_free(rapi);
    loop_free(loop);
    buf_done(&got.payload);
    return 0;
}
