/* The receiving half: bytes to heads, bodies and callbacks.
 *
 * rx_feed() takes one small step at a time, so that after each callback there is one place that
 * looks whether the connection still lives. Pieces of a body go to the handler straight from the
 * receive buffer; only what is not understood yet (part of a head, pipelined requests, what arrives
 * while paused) is copied into the connection. */
#include "http/conn.h"

/* A step's answer besides the number of bytes it used: nothing can be done for now. */
enum { STUCK = -1 };

static bool
has_exchange(const struct conn *c, const struct http_exchange *x)
{
    return !c->closed && c->x == x;
}

/* The exchange whose head is in front of `at`; everything it borrows comes with it. */
static struct http_exchange *
exchange_new(struct conn *c, struct str head, struct http_fault *ret_fault)
{
    size_t lines = http_head_lines(head), table = lines * sizeof(struct http_header);
    struct http_exchange *x = xmalloc(sizeof(*x) + table + head.len);

    memset(x, 0, sizeof(*x));
    memcpy(x->memory + table, head.at, head.len);
    head.at = x->memory + table;
    if (!http_head_parse(head, (struct http_header *)x->memory, &x->head, ret_fault)) {
        free(x);
        return NULL;
    }
    x->magic = EXCHANGE_MAGIC;
    x->conn = c;
    return x;
}

static void
too_large(struct conn *c)
{
    struct http_server *s = c->server;
    struct http_exchange *x = c->x;

    x->deaf = true;
    if (x->answered) { /* streaming already: all that is left is to cut it off */
        c->broken = true;
        return;
    }
    if (!s->handlers.on_too_large) {
        http_respond(x, 413, &(struct http_header){STR("Content-Type"), STR("application/json")}, 1,
                     STR("{\"message\":\"The request body is too large.\"}"));
        return;
    }
    s->callbacks++;
    s->handlers.on_too_large(s->arg, x);
    s->callbacks--;
}

static void
start_body(struct conn *c)
{
    const struct http_head *head = &c->x->head;

    c->chunked = head->chunked;
    c->chunks = (struct http_chunks){0};
    c->body_left = head->content_length > 0 ? (uint64_t)head->content_length : 0;
    c->drained = 0;
    c->paused = false;
    c->continue_due = head->expect_continue && (c->chunked || c->body_left > 0);
    c->keep = head->keep_alive;
    c->rx = RX_BODY; /* an empty one ends in the next step */
}

static ssize_t
step_head(struct conn *c, const char *at, size_t len)
{
    struct http_server *s = c->server;
    struct http_exchange *x;
    struct http_fault fault;
    ssize_t used;

    if (len == 0)
        return STUCK;
    if (c->head_us == 0)
        c->head_us = loop_now_us(s->loop);
    /* Empty lines before a request: some old clients send one after a body (RFC 9112 2.2). */
    if (at[0] == '\r' && (len == 1 || at[1] == '\n')) {
        c->scan = 0;
        return len == 1 ? STUCK : 2;
    }
    used = http_head_end(at, MIN(len, s->config.head_bytes_max), &c->scan, &fault);
    if (used == 0 && len < s->config.head_bytes_max)
        return STUCK;
    c->scan = 0;
    if (used == 0) {
        fault = (struct http_fault){431, "The request's headers are too large."};
        used = -1;
    }
    x = used > 0 ? exchange_new(c, (struct str){at, (size_t)used}, &fault) : NULL;
    if (!x) {
        tx_fault(c, &fault);
        return STUCK;
    }
    c->head_us = 0;
    c->x = x;
    start_body(c);

    s->callbacks++;
    s->handlers.on_head(s->arg, x);
    s->callbacks--;
    if (!has_exchange(c, x) || x->deaf)
        return used;
    if (x->head.content_length > 0 && (uint64_t)x->head.content_length > x->body_max)
        too_large(c);
    else if (c->continue_due && !c->paused && !x->answered)
        tx_continue(c);
    return used;
}

/* A piece of the body, for the handler or for nobody. */
static void
deliver(struct conn *c, struct str piece)
{
    struct http_server *s = c->server;
    struct http_exchange *x = c->x;

    if (piece.len == 0)
        return;
    c->continue_due = false; /* it comes without being asked for */
    if (x && !x->deaf && piece.len > x->body_max - x->body_seen)
        too_large(c);
    if (!c->closed && c->x && !c->x->deaf) {
        x->body_seen += piece.len;
        s->callbacks++;
        s->handlers.on_body(s->arg, x, piece);
        s->callbacks--;
        return;
    }
    c->drained += piece.len;
    if (c->drained <= c->server->config.drain_max || c->closed)
        return;
    c->rx = RX_CLOSED;
    c->keep = false;
    c->closing = true; /* at once, or after the answer */
}

static void
keep_trailer(struct http_exchange *x, struct str lines, struct http_fault *ret_fault, bool *ret_ok)
{
    size_t max = http_head_lines(lines);

    *ret_ok = true;
    if (max <= 1) /* the empty line alone: nearly always */
        return;
    x->trailer_memory = xmalloc(max * sizeof(struct http_header) + lines.len);
    x->trailers = (struct http_header *)x->trailer_memory;
    memcpy(x->trailer_memory + max * sizeof(struct http_header), lines.at, lines.len);
    lines.at = x->trailer_memory + max * sizeof(struct http_header);
    *ret_ok = http_fields_parse(lines, x->trailers, max, &x->trailers_len, ret_fault);
}

static ssize_t
step_chunked(struct conn *c, const char *at, size_t len)
{
    struct http_fault fault;
    struct str data, trailer;
    bool ok = true;
    ssize_t used = http_chunks_feed(&c->chunks, at, len, c->server->config.head_bytes_max, &data,
                                    &trailer, &fault);

    if (used > 0 && trailer.at && c->x && !c->x->deaf)
        keep_trailer(c->x, trailer, &fault, &ok);
    if (used < 0 || !ok) {
        tx_fault(c, &fault);
        return STUCK;
    }
    if (used == 0)
        return STUCK;
    deliver(c, data);
    return used;
}

static ssize_t
step_body(struct conn *c, const char *at, size_t len)
{
    struct http_server *s = c->server;
    struct http_exchange *x = c->x;

    if (x && c->paused && !x->deaf)
        return STUCK;
    if (c->chunked ? c->chunks.state == CHUNK_DONE : c->body_left == 0) {
        if (!x) { /* answered before; what nobody wanted is gone now */
            c->rx = RX_HEAD;
            return 0;
        }
        c->rx = RX_DONE;
        if (!x->deaf) {
            s->callbacks++;
            s->handlers.on_end(s->arg, x);
            s->callbacks--;
        }
        return 0;
    }
    if (len == 0)
        return STUCK;
    if (c->chunked)
        return step_chunked(c, at, len);
    len = (size_t)MIN((uint64_t)len, c->body_left);
    c->body_left -= len;
    deliver(c, (struct str){at, len});
    return (ssize_t)len;
}

static ssize_t
step(struct conn *c, const char *at, size_t len)
{
    if (c->broken)
        return STUCK;
    if (c->linger) {
        c->drained += len;
        if (c->drained > c->server->config.drain_max)
            c->broken = true;
        return len > 0 ? (ssize_t)len : STUCK;
    }
    if (c->x && c->x->tx_end && tx_waiting(c) == 0) {
        exchange_end(c, true);
        return 0;
    }
    if (c->closing)
        return STUCK;
    if (c->rx == RX_HEAD && !c->x)
        return step_head(c, at, len);
    if (c->rx == RX_BODY)
        return step_body(c, at, len);
    return STUCK;
}

size_t
rx_feed(struct conn *c, const char *at, size_t len, bool *ret_moved)
{
    size_t used = 0;

    ASSERT(c->busy > 0);
    *ret_moved = false;
    for (int i = 0; i < STEPS_MAX; i++) {
        ssize_t n = step(c, at + used, len - used);

        if (c->closed)
            return len;
        if (n < 0)
            return used;
        *ret_moved = true;
        used += (size_t)n;
    }
    conn_queue(c); /* there may be more to do, but it is others' turn */
    return used;
}

void
rx_eof(struct conn *c)
{
    struct http_exchange *x = c->x;

    c->eof = c->in_off = c->rdhup_seen = true;
    if (c->linger || (!x && (c->rx != RX_HEAD || c->in.len == 0))) {
        c->broken = true;
        return;
    }
    if (x && (x->answered || c->rx != RX_BODY)) { /* it may still read its answer */
        c->rx = c->rx == RX_BODY ? RX_CLOSED : c->rx;
        c->keep = false;
        if (c->server->config.eof_is_gone)
            c->broken = true;
        return;
    }
    tx_fault(c, &(struct http_fault){400, "The request ended early."});
}
