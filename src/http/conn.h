/* Inside src/http only: what server.c (who is connected), rx.c (requests) and tx.c (answers) share.
 *
 * A connection has two halves that move independently. The receiving half (enum rx) knows where in
 * the framing it is; the sending half has bytes the kernel did not take yet. The exchange belongs
 * to the connection from the end of a head until its answer is with the kernel: what is left of its
 * body after that is drained without it.
 *
 * Callbacks may do anything short of http_server_free(): answer, drop their own connection, pause.
 * So after each of them the caller asks whether the connection still lives (`closed`) and still has
 * that exchange. A connection that dies while its code is on the stack (`busy`) or while it waits
 * in the ready list is freed by whoever leaves it last. */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "http/http.h"
#include "http/parse.h"

enum {
    SCRATCH_BYTES = 128 * 1024,  /* what one recv takes at most */
    DRAIN_MAX = 1024 * 1024,     /* of a body nobody wants, unless configured */
    OUT_MAX = 64 * 1024 * 1024,  /* unsent bytes of one connection */
    OUT_KEEP = 4096,             /* capacity an idle connection may keep */
    LINGER_US = 2 * 1000 * 1000, /* for the client to read the last answer before we hang up */
    LISTENERS_MAX = 8,
    ACCEPT_BATCH = 64,
    STEPS_MAX = 512, /* of one connection, before the others have their turn */
    TAG_BUCKETS = 1024,
    HEAD_BYTES_DEFAULT = 64 * 1024,
    CONN_MAGIC = 0x68636f6e,
    EXCHANGE_MAGIC = 0x68657863,
};

enum rx {
    RX_HEAD, /* awaiting a request, or in its head */
    RX_BODY,
    RX_DONE,   /* the request is complete, its answer is not */
    RX_CLOSED, /* nothing more of this connection will be understood */
};

struct conn {
    uint32_t magic;
    struct http_server *server;
    struct conn *prev, *next;
    struct conn *tag_prev, *tag_next; /* its bucket, when it has a tag */
    struct conn *ready_next;
    void *tag;
    struct io io;
    struct timer timer; /* may be due too early: on_deadline() asks again */
    struct http_exchange *x;

    struct buf in; /* received, not understood yet */
    size_t scan;   /* how far `in` was searched for the end of a head */
    struct http_chunks chunks;
    uint64_t body_left; /* when not chunked */
    uint64_t drained;
    uint64_t head_us; /* first byte of the head that is coming in, 0: none */
    uint64_t mark_us; /* last time that something moved */

    struct buf out; /* before `own` */
    size_t out_off;
    struct str own; /* an answer's body in the caller's memory: what is unsent */
    void (*release)(void *arg);
    void *release_arg;

    unsigned busy;
    uint8_t rx; /* enum rx */
    bool chunked, paused, in_off, eof, rdhup_seen, continue_due;
    bool out_wait; /* the kernel is full: EPOLLOUT will tell */
    bool keep;     /* another request may follow this answer */
    bool closing;  /* hang up once everything is sent */
    bool linger, broken, closed, queued;
    union {
        struct sockaddr any;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    } peer; /* sa_family 0: not asked for yet */
};

struct http_exchange {
    uint32_t magic;
    struct conn *conn;
    void *arg;
    struct http_head head; /* views into `memory` */
    struct http_header *trailers;
    size_t trailers_len;
    char *trailer_memory;
    uint64_t body_max, body_seen;
    size_t high_water;
    void (*on_drained)(struct http_exchange *x);
    bool deaf;      /* wants no more on_body, on_end */
    bool answered;  /* http_respond*() or http_stream_begin() was called */
    bool tx_end;    /* the answer is complete on our side */
    bool streaming; /* between begin and end */
    bool chunked_out, no_body, over_water;
    char peer[64];
    _Alignas(struct http_header) char memory[];
};

struct listener {
    struct io io;
    struct http_server *server;
    int fd;
};

struct http_server {
    struct loop *loop;
    struct http_config config;
    struct http_handlers handlers;
    void *arg;
    struct listener listeners[LISTENERS_MAX];
    size_t listeners_len;
    struct timer accept_timer;
    bool accept_paused, quiescing;
    unsigned connections;
    struct conn *conns;
    struct conn *tags[TAG_BUCKETS];
    struct conn *ready, **ready_tail;
    struct timer pump_timer;
    unsigned callbacks; /* depth: http_server_free() must find 0 */

    unsigned refused; /* since the last line about it */
    uint64_t refused_log_us;

    uint64_t date_due_ms; /* loop clock */
    char date[40];
    struct buf head; /* where heads of answers are built */
    char scratch[SCRATCH_BYTES];
};

/* server.c */
void conn_queue(struct conn *c);           /* have conn_progress() called soon */
void conn_kill(struct conn *c, bool sent); /* closes at once; on_gone for its exchange */
void conn_progress(struct conn *c);
void exchange_end(struct conn *c, bool sent); /* on_gone, and free it */
bool conn_can_consume(const struct conn *c);

/* rx.c */
/* Understands what it can of these bytes, making callbacks; returns how many it used. *ret_moved:
 * something happened, perhaps without bytes (the end of a body is such a step). */
size_t rx_feed(struct conn *c, const char *at, size_t len, bool *ret_moved);
void rx_eof(struct conn *c);

/* tx.c */
static inline size_t
tx_waiting(const struct conn *c)
{
    return c->out.len - c->out_off + c->own.len;
}
void tx_flush(struct conn *c);
void tx_continue(struct conn *c); /* 100 Continue */
void tx_release(struct conn *c);
/* The request cannot be understood: give up its exchange, say so, hang up. */
void tx_fault(struct conn *c, const struct http_fault *fault);
