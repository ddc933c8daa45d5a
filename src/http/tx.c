/* The sending half: heads of answers, bodies, streams.
 *
 * An answer given whole leaves in one sendmsg() of head and body, from where it is called: no other
 * system call, no copy and no allocation unless the kernel takes only part of it. Streams collect
 * what is written in one turn of the loop and send it before the loop sleeps. Nothing here makes a
 * callback: conn_progress() does, later. */
#include "http/conn.h"
#include <sys/uio.h>
#include <time.h>

/* ---- bytes to the kernel ---- */

void
tx_release(struct conn *c)
{
    void (*release)(void *arg) = c->release;

    c->release = NULL;
    c->own = STR_NULL;
    if (release)
        release(c->release_arg);
}

/* What is left after the first n bytes; n is 0 for an absent string. */
static struct str
str_from(struct str s, size_t n)
{
    return n > 0 ? (struct str){s.at + n, s.len - n} : s;
}

static void
tx_taken(struct conn *c, size_t n)
{
    size_t out = MIN(n, c->out.len - c->out_off);

    c->out_off += out;
    c->own = str_from(c->own, n - out);
    if (c->out_off == c->out.len) {
        buf_reset(&c->out);
        c->out_off = 0;
    }
}

/* One sendmsg. Returns what the kernel took; less than all of it sets out_wait. */
static size_t
tx_send(struct conn *c, struct iovec *iov, size_t iov_len)
{
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = iov_len};
    size_t want = 0;
    ssize_t n;

    for (size_t i = 0; i < iov_len; i++)
        want += iov[i].iov_len;
    n = sendmsg(c->io.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
        c->broken = true;
        return 0;
    }
    if (n > 0)
        c->mark_us = loop_now_us(c->server->loop);
    n = MAX(n, (ssize_t)0);
    c->out_wait = (size_t)n < want;
    return (size_t)n;
}

void
tx_flush(struct conn *c)
{
    struct iovec iov[2];
    size_t n = 0;

    if (c->closed || c->broken || c->out_wait || tx_waiting(c) == 0)
        return;
    if (c->out.len > c->out_off)
        iov[n++] = (struct iovec){c->out.at + c->out_off, c->out.len - c->out_off};
    if (c->own.len > 0)
        iov[n++] = (struct iovec){(char *)c->own.at, c->own.len};
    tx_taken(c, tx_send(c, iov, n));
}

static void
tx_add(struct conn *c, struct str s)
{
    if (c->out_off > 64 * 1024 && c->out_off > c->out.len / 2) {
        buf_shift(&c->out, c->out_off);
        c->out_off = 0;
    }
    if (s.len > 0 && !buf_str(&c->out, s))
        c->broken = true; /* whoever writes did not heed high_water, by far */
}

/* Head and body of a whole answer. `owned`: the body stays where it is until it is sent. */
static void
tx_whole(struct conn *c, struct str head, struct str body, bool owned)
{
    if (c->out.len == c->out_off && !c->out_wait) {
        struct iovec iov[2] = {{(char *)head.at, head.len}, {(char *)body.at, body.len}};
        size_t n = tx_send(c, iov, body.len > 0 ? 2 : 1), of_head = MIN(n, head.len);

        head = str_from(head, of_head);
        body = str_from(body, n - of_head);
    }
    tx_add(c, head);
    if (owned)
        c->own = body;
    else
        tx_add(c, body);
}

void
tx_continue(struct conn *c)
{
    c->continue_due = false;
    tx_whole(c, STR("HTTP/1.1 100 Continue\r\n\r\n"), STR_NULL, false);
}

/* ---- heads ---- */

static const char *
date_now(struct http_server *s)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    uint64_t now_ms = loop_now_ms(s->loop);

    if (now_ms >= s->date_due_ms) {
        uint64_t wall_ms = clock_wall_ms();
        time_t t = (time_t)(wall_ms / 1000);
        struct tm tm;

        gmtime_r(&t, &tm);
        snprintf(s->date, sizeof(s->date), "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                 days + tm.tm_wday % 7 * 3, tm.tm_mday % 100, months + tm.tm_mon % 12 * 3,
                 (tm.tm_year + 1900) % 10000, tm.tm_hour, tm.tm_min, tm.tm_sec);
        s->date_due_ms = now_ms + 1000 - wall_ms % 1000;
    }
    return s->date;
}

static void
add_header(struct buf *b, struct http_header h)
{
    size_t start;

    buf_str(b, h.name);
    buf_z(b, ": ");
    start = b->len;
    buf_str(b, h.value);
    /* A line break in a value that came from a function must not begin a header of its own. */
    for (size_t i = start; i < b->len; i++)
        if ((unsigned char)b->at[i] < ' ' || b->at[i] == 0x7f)
            b->at[i] = ' ';
    buf_z(b, "\r\n");
}

/* May the connection serve another request after this answer? The rest of a body that is still
 * coming in must be small and of known size to be worth reading, and a client that awaits our
 * "100 Continue" may or may not send its body after a final answer: no telling where the next
 * request would begin. */
static bool
may_keep(const struct conn *c)
{
    if (!c->keep || c->server->quiescing || c->eof || c->closing || c->rx == RX_CLOSED)
        return false;
    if (c->rx == RX_BODY && !c->x->streaming)
        return !c->continue_due && !c->chunked &&
               c->body_left + c->drained <= c->server->config.drain_max;
    return true;
}

/* `length` < 0: a stream. */
static struct str
build_head(struct conn *c, int status, const struct http_header *headers, size_t headers_len,
           int64_t length)
{
    struct http_server *s = c->server;
    struct http_exchange *x = c->x;
    struct buf *b = &s->head;
    bool http10 = x && x->head.minor == 0, close_asked = false;

    ASSERT(status >= 200 && status <= 999);
    buf_reset(b);
    buf_fmt(b, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, http_status_text(status), date_now(s));
    for (size_t i = 0; i < headers_len; i++) {
        struct http_header h = headers[i];

        if (!http_is_token(h.name) || str_eq_nocase(h.name, STR("content-length")) ||
            str_eq_nocase(h.name, STR("transfer-encoding")) || str_eq_nocase(h.name, STR("date")) ||
            str_eq_nocase(h.name, STR("keep-alive")))
            continue;
        if (str_eq_nocase(h.name, STR("connection"))) {
            close_asked = close_asked || str_eq_nocase(h.value, STR("close"));
            continue;
        }
        add_header(b, h);
    }
    if (x) {
        x->no_body = status == 204 || status == 304 || str_is(x->head.method, "HEAD");
        x->chunked_out = length < 0 && !http10 && !x->no_body;
        if (length < 0 && !x->chunked_out && !x->no_body)
            close_asked = true; /* its end is the connection's end */
    }
    c->keep = x && !close_asked && may_keep(c);
    if (length >= 0 && status != 204 && status != 304)
        buf_fmt(b, "Content-Length: %lld\r\n", (long long)length);
    else if (x && x->chunked_out)
        buf_z(b, "Transfer-Encoding: chunked\r\n");
    if (!c->keep)
        buf_z(b, "Connection: close\r\n");
    else if (http10)
        buf_z(b, "Connection: keep-alive\r\n");
    buf_z(b, "\r\n");
    ASSERT(!b->overflow); /* callers' headers are bounded by their arenas, far below */
    return buf_view(b);
}

void
tx_fault(struct conn *c, const struct http_fault *fault)
{
    bool begun = c->x && c->x->answered;
    char body[160];

    c->rx = RX_CLOSED;
    c->keep = false;
    if (begun) { /* a whole answer may still reach the client; a stream is cut off */
        c->broken = !c->x->tx_end;
        return;
    }
    if (c->x)
        exchange_end(c, false);
    if (c->closed)
        return;
    c->closing = true;
    snprintf(body, sizeof(body), "{\"message\":\"%s\"}", fault->text);
    tx_whole(c,
             build_head(c, fault->status,
                        &(struct http_header){STR("Content-Type"), STR("application/json")}, 1,
                        (int64_t)strlen(body)),
             str_of(body), false);
}

/* ---- answers ---- */

/* False: the client is gone, or on_gone is running: the answer is nobody's. */
static bool
answer(struct http_exchange *x)
{
    ASSERT(x->magic == EXCHANGE_MAGIC && !x->answered);
    x->answered = true;
    return x->conn->x == x && !x->conn->broken && !x->conn->closed;
}

void
http_respond_owned(struct http_exchange *x, int status, const struct http_header *headers,
                   size_t headers_len, struct str body, void (*release)(void *arg),
                   void *release_arg)
{
    struct conn *c = x->conn;
    struct str head;

    if (!answer(x)) {
        if (release)
            release(release_arg);
        return;
    }
    x->deaf = x->tx_end = true;
    head = build_head(c, status, headers, headers_len, (int64_t)body.len);
    c->release = release;
    c->release_arg = release_arg;
    tx_whole(c, head, x->no_body ? (struct str){body.at, 0} : body, release != NULL);
    conn_queue(c);
}

void
http_respond(struct http_exchange *x, int status, const struct http_header *headers,
             size_t headers_len, struct str body)
{
    http_respond_owned(x, status, headers, headers_len, body, NULL, NULL);
}

void
http_stream_begin(struct http_exchange *x, int status, const struct http_header *headers,
                  size_t headers_len, size_t high_water,
                  void (*on_drained)(struct http_exchange *x))
{
    if (!answer(x))
        return;
    x->streaming = true;
    x->high_water = high_water;
    x->on_drained = on_drained;
    tx_add(x->conn, build_head(x->conn, status, headers, headers_len, -1));
    conn_queue(x->conn);
}

size_t
http_stream_write(struct http_exchange *x, struct str piece)
{
    struct conn *c = x->conn;
    char size[24];

    ASSERT(x->magic == EXCHANGE_MAGIC && x->answered && !x->tx_end);
    if (c->x != x || c->broken || c->closed)
        return 0;
    if (piece.len > 0 && !x->no_body) {
        if (x->chunked_out) {
            int n = snprintf(size, sizeof(size), "%zx\r\n", piece.len);

            tx_add(c, (struct str){size, (size_t)n});
        }
        tx_add(c, piece);
        if (x->chunked_out)
            tx_add(c, STR("\r\n"));
    }
    if (tx_waiting(c) > x->high_water)
        tx_flush(c);
    x->over_water = x->over_water || tx_waiting(c) > x->high_water;
    conn_queue(c);
    return tx_waiting(c);
}

void
http_stream_end(struct http_exchange *x)
{
    struct conn *c = x->conn;

    ASSERT(x->magic == EXCHANGE_MAGIC && x->answered && !x->tx_end);
    x->tx_end = x->deaf = true;
    x->streaming = false;
    if (c->x != x || c->broken || c->closed)
        return;
    if (x->chunked_out)
        tx_add(c, STR("0\r\n\r\n"));
    /* The head could not know whether the request's body would be complete by now. */
    c->keep = c->keep && may_keep(c);
    conn_queue(c);
}

void
http_stream_abort(struct http_exchange *x)
{
    struct conn *c = x->conn;
    struct linger reset = {.l_onoff = 1};

    ASSERT(x->magic == EXCHANGE_MAGIC && !x->tx_end);
    x->answered = x->tx_end = x->deaf = true;
    if (c->x != x || c->broken || c->closed)
        return;
    tx_flush(c);
    /* Without chunks a plain close would look like the end of the body: reset instead. */
    if (!x->chunked_out)
        (void)setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)); /* best effort */
    c->broken = true;
    conn_queue(c);
}
