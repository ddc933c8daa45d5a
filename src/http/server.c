/* Who is connected: listeners, connections, deadlines, tags, and the order in which things happen.
 *
 * System calls of one exchange whose request arrives in one piece and is answered at once or later:
 * epoll_wait (the loop's), recv, sendmsg. Interest in EPOLLIN stays registered while a request is
 * worked on, since clients seldom send then; it is taken away only when something does arrive that
 * cannot be used yet. TCP_NODELAY is set once, on the listening socket: Linux hands it on.
 *
 * Every answer given outside of the connection's own callbacks, and every stream's output, puts its
 * connection on the ready list; conn_progress() runs for it before the loop sleeps (loop_on_idle),
 * or, when something became ready after our idle call of that round, through a timer due at once.
 *
 * Deadlines: a connection's timer is only ever armed for the earliest deadline it had; when it
 * fires it looks at what the deadline is now. So a busy connection does not touch the heap at each
 * request.
 *
 * An idle connection costs its struct (about half a KiB) and no buffer. */
#include "http/conn.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include "base/log.h"

enum { ACCEPT_RETRY_US = 50 * 1000, REFUSED_LOG_US = 1000 * 1000 };

static void on_conn_ready(struct io *io, uint32_t events);
static void on_deadline(struct timer *t);
static void on_accept(struct io *io, uint32_t events);

/* ---- a connection's life ---- */

static struct conn **
tag_bucket(struct http_server *s, const void *tag)
{
    uint64_t h = (uint64_t)(uintptr_t)tag * 0x9e3779b97f4a7c15ull;

    return &s->tags[h >> 54 & (TAG_BUCKETS - 1)];
}

static void
conn_link(struct conn *c)
{
    struct http_server *s = c->server;
    struct conn **bucket = tag_bucket(s, c->tag);

    c->next = s->conns;
    if (c->next)
        c->next->prev = c;
    s->conns = c;
    s->connections++;
    if (!c->tag)
        return;
    c->tag_next = *bucket;
    if (c->tag_next)
        c->tag_next->tag_prev = c;
    *bucket = c;
}

static void
conn_unlink(struct conn *c)
{
    struct http_server *s = c->server;

    *(c->prev ? &c->prev->next : &s->conns) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    s->connections--;
    if (!c->tag)
        return;
    *(c->tag_prev ? &c->tag_prev->tag_next : tag_bucket(s, c->tag)) = c->tag_next;
    if (c->tag_next)
        c->tag_next->tag_prev = c->tag_prev;
}

static void
conn_free_if_left(struct conn *c)
{
    if (!c->closed || c->busy > 0 || c->queued)
        return;
    buf_done(&c->in);
    buf_done(&c->out);
    c->magic = 0;
    free(c);
}

void
exchange_end(struct conn *c, bool sent)
{
    struct http_server *s = c->server;
    struct http_exchange *x = c->x;

    ASSERT(x && x->magic == EXCHANGE_MAGIC);
    c->x = NULL;
    tx_release(c);
    if (c->rx == RX_DONE && c->keep)
        c->rx = RX_HEAD;
    if (!c->keep)
        c->closing = true;
    if (c->in.len == 0)
        buf_done(&c->in);
    if (tx_waiting(c) == 0 && c->out.cap > OUT_KEEP)
        buf_done(&c->out);
    x->deaf = true;
    c->busy++;
    s->callbacks++;
    s->handlers.on_gone(s->arg, x, sent);
    s->callbacks--;
    c->busy--;
    x->magic = 0;
    free(x->trailer_memory);
    free(x);
}

static void
accept_resume(struct http_server *s)
{
    if (!s->accept_paused)
        return;
    s->accept_paused = false;
    timer_stop(&s->accept_timer);
    for (size_t i = 0; i < s->listeners_len; i++)
        io_set(&s->listeners[i].io, EPOLLIN);
}

void
conn_kill(struct conn *c, bool sent)
{
    ASSERT(c->magic == CONN_MAGIC);
    if (c->closed)
        return;
    c->closed = true;
    c->busy++;
    io_close(&c->io);
    timer_stop(&c->timer);
    (void)close(c->io.fd); /* a lost error: the peer is not ours to tell any more */
    conn_unlink(c);
    if (c->x)
        exchange_end(c, sent);
    tx_release(c);
    accept_resume(c->server); /* a file descriptor is free again */
    c->busy--;
    conn_free_if_left(c);
}

bool
conn_can_consume(const struct conn *c)
{
    if (c->linger)
        return true;
    switch ((enum rx)c->rx) {
    case RX_HEAD:
        return !c->x && !c->closing;
    case RX_BODY:
        return !c->x || !c->paused || c->x->deaf;
    case RX_DONE:
    case RX_CLOSED:
        return false;
    }
    return false;
}

/* Everything is sent and no request will follow. If bytes may lie unread, a close() would reset the
 * connection and could take our answer with it: end our side only, and read for a while. */
static void
hang_up(struct conn *c)
{
    bool unread = c->rx == RX_CLOSED || c->rx == RX_BODY || c->in.len > 0 || c->in_off;

    if (c->eof || !unread) {
        conn_kill(c, true);
        return;
    }
    (void)shutdown(c->io.fd, SHUT_WR); /* fails only if the client has gone: then we see that */
    c->linger = true;
    c->drained = 0;
    c->mark_us = loop_now_us(c->server->loop);
    buf_done(&c->in);
}

static void
conn_interest(struct conn *c)
{
    if (c->in_off && !c->eof && conn_can_consume(c))
        c->in_off = false;
    io_set(&c->io, (c->in_off ? 0u : (uint32_t)EPOLLIN) |
                       (c->rdhup_seen ? 0u : (uint32_t)EPOLLRDHUP) |
                       (c->out_wait ? (uint32_t)EPOLLOUT : 0u));
}

/* When to give up waiting, on the loop clock; 0: never. */
static uint64_t
conn_deadline_us(const struct conn *c)
{
    const struct http_config *config = &c->server->config;
    uint64_t from_us = c->mark_us, after_ms = 0;

    if (c->linger)
        return c->mark_us + LINGER_US;
    if (tx_waiting(c) > 0) {
        after_ms = config->body_ms;
    } else if (c->rx == RX_HEAD && !c->x) {
        after_ms = c->head_us ? config->head_ms : config->idle_ms;
        from_us = c->head_us ? c->head_us : c->mark_us;
    } else if (c->rx == RX_BODY && conn_can_consume(c)) {
        after_ms = config->body_ms;
    }
    return after_ms ? from_us + after_ms * 1000 : 0;
}

static void
conn_arm(struct conn *c)
{
    uint64_t due_us = conn_deadline_us(c), now_us = loop_now_us(c->server->loop);

    if (due_us == 0 || (c->timer.loop && c->timer.due_us <= due_us))
        return;
    timer_set(c->server->loop, &c->timer, due_us > now_us ? due_us - now_us : 0, on_deadline);
}

/* The one thing that is due on the sending side, if any. */
static bool
conn_settle(struct conn *c)
{
    struct http_server *s = c->server;
    struct http_exchange *x = c->x;

    tx_flush(c);
    if (c->broken) {
        conn_kill(c, false);
    } else if (x && x->tx_end && tx_waiting(c) == 0) {
        c->mark_us = loop_now_us(s->loop);
        exchange_end(c, true);
    } else if (x && x->over_water && tx_waiting(c) <= x->high_water / 2) {
        x->over_water = false;
        s->callbacks++;
        if (x->on_drained)
            x->on_drained(x);
        s->callbacks--;
    } else if (!x && c->closing && !c->linger && tx_waiting(c) == 0) {
        hang_up(c);
    } else {
        return false;
    }
    return true;
}

/* Whatever can happen now, happens: send, end the exchange, understand what waits in `in`. */
void
conn_progress(struct conn *c)
{
    bool moved = true;
    int turns = 0;

    c->busy++;
    while (moved && !c->closed && turns++ < STEPS_MAX) {
        size_t used;

        if (conn_settle(c))
            continue;
        used = rx_feed(c, c->in.len > 0 ? c->in.at : "", c->in.len, &moved);
        if (c->closed)
            break;
        if (used > 0)
            buf_shift(&c->in, used);
        if (c->in.len == 0)
            buf_done(&c->in);
        moved = conn_settle(c) || moved;
    }
    if (!c->closed) {
        if (moved)
            conn_queue(c);
        conn_interest(c);
        conn_arm(c);
    }
    c->busy--;
    conn_free_if_left(c);
}

/* ---- the ready list ---- */

static void
pump(struct http_server *s)
{
    struct conn *list = s->ready;

    /* What becomes ready meanwhile is for the next turn, which comes at once: nobody starves. */
    s->ready = NULL;
    s->ready_tail = &s->ready;
    timer_stop(&s->pump_timer);
    while (list) {
        struct conn *c = list;

        list = c->ready_next;
        c->queued = false;
        if (c->closed)
            conn_free_if_left(c);
        else
            conn_progress(c);
    }
}

static void
on_pump_timer(struct timer *t)
{
    pump(CONTAINER_OF(t, struct http_server, pump_timer));
}

static uint64_t
on_idle(void *arg)
{
    struct http_server *s = arg;

    if (s->ready)
        pump(s);
    return UINT64_MAX; /* what came meanwhile has armed pump_timer */
}

void
conn_queue(struct conn *c)
{
    struct http_server *s = c->server;

    if (c->queued || c->closed)
        return;
    c->queued = true;
    c->ready_next = NULL;
    *s->ready_tail = c;
    s->ready_tail = &c->ready_next;
    if (!s->pump_timer.loop)
        timer_set(s->loop, &s->pump_timer, 0, on_pump_timer);
}

/* ---- readiness and time ---- */

static void
conn_recv(struct conn *c, uint32_t events)
{
    struct http_server *s = c->server;
    bool moved;
    size_t used;
    ssize_t n;

    if (!conn_can_consume(c)) {
        c->in_off = c->in_off || (events & EPOLLIN) != 0;
        if (events & EPOLLRDHUP) {
            c->rdhup_seen = true; /* level-triggered: it would be told for ever */
            if (c->x && s->config.eof_is_gone)
                c->broken = true;
        }
        return;
    }
    if (c->in.len >= s->config.head_bytes_max + SCRATCH_BYTES)
        return; /* enough to understand already: it was paused */
    n = recv(c->io.fd, s->scratch, sizeof(s->scratch), MSG_DONTWAIT);
    if (n < 0) {
        c->broken = errno != EAGAIN && errno != EINTR;
        return;
    }
    if (n == 0) {
        rx_eof(c);
        return;
    }
    c->mark_us = loop_now_us(s->loop);
    used = c->in.len == 0 ? rx_feed(c, s->scratch, (size_t)n, &moved) : 0;
    if (!c->closed && used < (size_t)n)
        ASSERT(buf_add(&c->in, s->scratch + used, (size_t)n - used)); /* we stop reading before */
}

static void
on_conn_ready(struct io *io, uint32_t events)
{
    struct conn *c = CONTAINER_OF(io, struct conn, io);

    ASSERT(c->magic == CONN_MAGIC);
    c->busy++;
    if (events & (EPOLLERR | EPOLLHUP))
        c->broken = true; /* reset, or closed on both sides: nobody is there to read an answer */
    if (events & EPOLLOUT)
        c->out_wait = false;
    if (!c->broken && (events & (EPOLLIN | EPOLLRDHUP)))
        conn_recv(c, events);
    c->busy--;
    if (c->closed)
        conn_free_if_left(c);
    else
        conn_progress(c);
}

static void
on_deadline(struct timer *t)
{
    struct conn *c = CONTAINER_OF(t, struct conn, timer);
    uint64_t due_us = conn_deadline_us(c);

    ASSERT(c->magic == CONN_MAGIC);
    if (due_us == 0)
        return;
    if (due_us > loop_now_us(c->server->loop)) {
        conn_arm(c);
        return;
    }
    if (c->linger || tx_waiting(c) > 0 || (c->rx == RX_HEAD && c->head_us == 0) ||
        (c->x && c->x->answered) || (!c->x && c->rx == RX_BODY)) {
        conn_kill(c, false);
        return;
    }
    c->busy++;
    tx_fault(c, &(struct http_fault){408, "The request took too long to arrive."});
    c->busy--;
    if (c->closed)
        conn_free_if_left(c);
    else
        conn_progress(c);
}

/* ---- taking connections in ---- */

static void
refuse(struct http_server *s, const char *reason, int error)
{
    uint64_t now_us = loop_now_us(s->loop);

    s->refused++;
    if (s->refused_log_us != 0 && now_us - s->refused_log_us < REFUSED_LOG_US)
        return;
    log_event(LOG_connection_refused, "server=%s reason=%s errno=%d count=%u connections=%u",
              s->config.name, reason, error, s->refused, s->connections);
    s->refused_log_us = now_us;
    s->refused = 0;
}

/* `fd` is taken over, closed on failure. */
static int
conn_new(struct http_server *s, int fd, void *tag, const struct sockaddr *peer, socklen_t peer_len,
         struct err *err)
{
    struct conn *c = xcalloc(1, sizeof(*c));

    c->magic = CONN_MAGIC;
    c->server = s;
    c->tag = tag;
    c->in = BUF_MAX(s->config.head_bytes_max + 2 * SCRATCH_BYTES);
    c->out = BUF_MAX(OUT_MAX);
    c->mark_us = loop_now_us(s->loop);
    if (peer && peer_len <= sizeof(c->peer))
        memcpy(&c->peer, peer, peer_len);
    if (io_open(s->loop, &c->io, fd, EPOLLIN | EPOLLRDHUP, on_conn_ready, err) < 0) {
        (void)close(fd);
        free(c);
        return err_wrap(err, "connection");
    }
    conn_link(c);
    conn_arm(c);
    return 0;
}

static void
on_accept_retry(struct timer *t)
{
    accept_resume(CONTAINER_OF(t, struct http_server, accept_timer));
}

/* Out of file descriptors or memory. Whoever knocks now waits in the kernel's backlog: we listen
 * again in a moment, or as soon as one of our own connections ends. */
static void
accept_pause(struct http_server *s, int error)
{
    refuse(s, "no_descriptors", error);
    s->accept_paused = true;
    for (size_t i = 0; i < s->listeners_len; i++)
        io_set(&s->listeners[i].io, 0);
    timer_set(s->loop, &s->accept_timer, ACCEPT_RETRY_US, on_accept_retry);
}

static void
on_accept(struct io *io, uint32_t events)
{
    struct listener *l = CONTAINER_OF(io, struct listener, io);
    struct http_server *s = l->server;

    for (int i = 0; i < ACCEPT_BATCH && !s->accept_paused; i++) {
        struct sockaddr_storage peer;
        socklen_t peer_len = sizeof(peer);
        struct err err = {0};
        int fd = accept4(l->fd, (struct sockaddr *)&peer, &peer_len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 && errno == EAGAIN)
            return;
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            accept_pause(s, errno);
            return;
        }
        if (fd < 0) /* that client's own misfortune: reset before we came, and the like */
            continue;
        if (s->connections >= s->config.connections_max) {
            (void)close(fd);
            refuse(s, "connections_max", 0);
            continue;
        }
        if (conn_new(s, fd, NULL, (struct sockaddr *)&peer, peer_len, &err) < 0)
            accept_pause(s, err.sys);
    }
}

int
http_server_listen(struct http_server *s, int listen_fd, struct err *err)
{
    struct listener *l = &s->listeners[s->listeners_len];
    int flags = fcntl(listen_fd, F_GETFL), one = 1;

    ASSERT(!s->quiescing);
    if (s->listeners_len == LISTENERS_MAX) {
        (void)close(listen_fd);
        return err_set(err, ERR_INVALID, "a server has at most %d listeners", LISTENERS_MAX);
    }
    /* Not for Unix sockets, which have no Nagle: there it fails and nothing is lost. */
    (void)setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (flags < 0 || fcntl(listen_fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        int rc = err_sys(err, "listener");

        (void)close(listen_fd);
        return rc;
    }
    *l = (struct listener){.server = s, .fd = listen_fd};
    if (io_open(s->loop, &l->io, listen_fd, EPOLLIN, on_accept, err) < 0) {
        (void)close(listen_fd);
        return err_wrap(err, "listener");
    }
    s->listeners_len++;
    return 0;
}

/* One tag cannot have so many that counting them each time would matter. */
static unsigned
tag_connections(struct http_server *s, const void *tag)
{
    unsigned n = 0;

    for (struct conn *c = *tag_bucket(s, tag); c; c = c->tag_next)
        n += c->tag == tag;
    return n;
}

int
http_server_adopt(struct http_server *s, int fd, void *tag, struct err *err)
{
    int flags = fcntl(fd, F_GETFL), one = 1;

    if (s->connections >= s->config.connections_max) {
        (void)close(fd);
        refuse(s, "connections_max", 0);
        return err_set(err, ERR_UNAVAILABLE, "%s has %u connections already", s->config.name,
                       s->connections);
    }
    if (tag && s->config.per_tag_max && tag_connections(s, tag) >= s->config.per_tag_max) {
        (void)close(fd);
        refuse(s, "per_tag_max", 0);
        return err_set(err, ERR_UNAVAILABLE, "one peer of %s has %u connections already",
                       s->config.name, s->config.per_tag_max);
    }
    if (flags < 0 || (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)) {
        int rc = err_sys(err, "adopt fd %d", fd);

        (void)close(fd);
        return rc;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* as in listen */
    return conn_new(s, fd, tag, NULL, 0, err);
}

/* ---- the server ---- */

int
http_server_new(struct loop *loop, const struct http_config *config,
                const struct http_handlers *handlers, void *server_arg, struct http_server **ret,
                struct err *err)
{
    struct http_server *s;

    ASSERT(handlers->on_head && handlers->on_body && handlers->on_end && handlers->on_gone);
    if (config->connections_max == 0)
        return err_set(err, ERR_INVALID, "http server '%s': connections_max is 0", config->name);
    s = xcalloc(1, sizeof(*s));
    s->loop = loop;
    s->config = *config;
    if (s->config.drain_max == 0)
        s->config.drain_max = DRAIN_MAX;
    if (s->config.head_bytes_max == 0)
        s->config.head_bytes_max = HEAD_BYTES_DEFAULT;
    s->handlers = *handlers;
    s->arg = server_arg;
    s->ready_tail = &s->ready;
    s->head = BUF_MAX(OUT_MAX);
    loop_on_idle(loop, on_idle, s);
    *ret = s;
    return 0;
}

static void
stop_listening(struct http_server *s)
{
    s->accept_paused = false;
    timer_stop(&s->accept_timer);
    for (size_t i = 0; i < s->listeners_len; i++) {
        io_close(&s->listeners[i].io);
        (void)close(s->listeners[i].fd); /* nothing was promised to who waits in its backlog */
    }
    s->listeners_len = 0;
}

void
http_server_quiesce(struct http_server *s)
{
    struct conn *next;

    s->quiescing = true;
    stop_listening(s);
    for (struct conn *c = s->conns; c; c = next) {
        next = c->next;
        if (c->rx == RX_HEAD && !c->x && c->in.len == 0 && c->busy == 0)
            conn_kill(c, false);
    }
}

void
http_server_free(struct http_server *s)
{
    if (!s)
        return;
    ASSERT(s->callbacks == 0);
    s->quiescing = true;
    stop_listening(s);
    while (s->conns)
        conn_kill(s->conns, false);
    pump(s); /* frees those that were waiting in the list */
    ASSERT(!s->ready && s->connections == 0);
    loop_off_idle(s->loop, on_idle, s);
    timer_stop(&s->pump_timer);
    buf_done(&s->head);
    free(s);
}

void
http_server_drop_tag(struct http_server *s, void *tag)
{
    struct conn *c;

    ASSERT(tag);
    /* From the front each time: on_gone may drop others of the bucket. */
    do {
        for (c = *tag_bucket(s, tag); c && c->tag != tag; c = c->tag_next)
            ;
        if (c)
            conn_kill(c, false);
    } while (c);
}

unsigned
http_server_connections(const struct http_server *s)
{
    return s->connections;
}

/* ---- the request, as handlers see it ---- */

void
http_set_arg(struct http_exchange *x, void *arg)
{
    x->arg = arg;
}

void *
http_arg(const struct http_exchange *x)
{
    return x->arg;
}

void *
http_conn_tag(const struct http_exchange *x)
{
    return x->conn->tag;
}

void
http_body_max(struct http_exchange *x, uint64_t bytes)
{
    x->body_max = MAX(bytes, x->body_seen);
}

struct str
http_method(const struct http_exchange *x)
{
    return x->head.method;
}

struct str
http_path(const struct http_exchange *x)
{
    return x->head.path;
}

struct str
http_query(const struct http_exchange *x)
{
    return x->head.query;
}

static struct str
find_field(const struct http_header *h, size_t len, const char *name)
{
    struct str wanted = str_of(name);

    for (size_t i = 0; i < len; i++)
        if (h[i].name.len == wanted.len && str_eq_nocase(h[i].name, wanted))
            return h[i].value;
    return STR_NULL;
}

struct str
http_header_get(const struct http_exchange *x, const char *name)
{
    return find_field(x->head.headers, x->head.headers_len, name);
}

struct str
http_trailer_get(const struct http_exchange *x, const char *name)
{
    return find_field(x->trailers, x->trailers_len, name);
}

const struct http_header *
http_headers(const struct http_exchange *x, size_t *ret_len)
{
    *ret_len = x->head.headers_len;
    return x->head.headers;
}

int64_t
http_content_length(const struct http_exchange *x)
{
    return x->head.content_length;
}

const char *
http_peer(const struct http_exchange *x)
{
    struct conn *c = x->conn;
    char *to = ((struct http_exchange *)x)->peer; /* a cache: x stays the same to its owner */
    socklen_t len = sizeof(c->peer);
    char host[INET6_ADDRSTRLEN] = "";

    if (to[0])
        return to;
    if (c->peer.any.sa_family == 0 && !c->closed &&
        (getpeername(c->io.fd, &c->peer.any, &len) < 0 || len > sizeof(c->peer)))
        c->peer.any.sa_family = AF_UNSPEC;
    if (c->peer.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &c->peer.in4.sin_addr, host, sizeof(host));
        snprintf(to, sizeof(x->peer), "%s:%u", host, ntohs(c->peer.in4.sin_port));
    } else if (c->peer.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &c->peer.in6.sin6_addr, host, sizeof(host));
        snprintf(to, sizeof(x->peer), "[%s]:%u", host, ntohs(c->peer.in6.sin6_port));
    } else {
        snprintf(to, sizeof(x->peer), "unix");
    }
    return to;
}

void
http_body_pause(struct http_exchange *x)
{
    if (x->conn->x == x)
        x->conn->paused = true;
}

void
http_body_resume(struct http_exchange *x)
{
    struct conn *c = x->conn;

    if (c->x != x || !c->paused)
        return;
    c->paused = false;
    c->mark_us = loop_now_us(c->server->loop);
    if (c->continue_due && !x->deaf && !c->closed && !c->broken)
        tx_continue(c);
    conn_queue(c);
}
