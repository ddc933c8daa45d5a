/* The server against raw sockets. Client and server share one loop and one thread, so each test
 * waits for what it is about (UNTIL) and never for time to pass; a watchdog ends a test that waits
 * in vain. What a handler does is chosen by the path; what happened to exchanges is written down in
 * f->seen: H head, B body piece, E end, L too large, D drained, + gone and sent, - gone and not. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include "http/conn.h"

struct client {
    struct io io;
    int fd;
    struct buf got;
    struct str to_send;
    bool eof, reset, lazy; /* lazy: does not read */
};

struct fixture {
    struct loop *loop;
    struct http_server *s;
    struct timer watchdog;
    bool late;
    int turns;
    uint16_t port;
    struct buf seen, body;
    struct http_exchange *parked[64];
    size_t parked_len;
    unsigned released;
    size_t streamed, waiting_max; /* the "/flood" stream */
    bool drained;
    struct http_exchange *paused;
};

static const size_t FLOOD = 8 << 20, HIGH_WATER = 64 * 1024;
static char big[1 << 20];

/* ---- the handlers under test ---- */

static struct fixture *the; /* on_drained has no argument of its own */

static void
reply(struct http_exchange *x, int status, const char *text)
{
    http_respond(x, status, NULL, 0, str_of(text));
}

static void
release(void *arg)
{
    ((struct fixture *)arg)->released++;
}

static void
flood(struct http_exchange *x)
{
    size_t waiting = 0;

    while (the->streamed < FLOOD && waiting <= HIGH_WATER) {
        waiting = http_stream_write(x, (struct str){big, 10000});
        the->streamed += 10000;
        the->waiting_max = MAX(the->waiting_max, waiting);
    }
    if (the->streamed >= FLOOD)
        http_stream_end(x);
}

static void
on_drained(struct http_exchange *x)
{
    the->drained = true;
    buf_c(&the->seen, 'D');
    flood(x);
}

static void
on_head(void *arg, struct http_exchange *x)
{
    struct fixture *f = arg;
    struct str path = http_path(x);

    buf_c(&f->seen, 'H');
    http_set_arg(x, f);
    if (str_is(path, "/early"))
        reply(x, 403, "no");
    else if (str_is(path, "/drop"))
        http_server_drop_tag(f->s, f);
    else if (!str_is(path, "/nobody"))
        http_body_max(x, 8 << 20);
    if (str_is(path, "/pause")) {
        http_body_pause(x);
        f->paused = x;
    }
    if (str_is(path, "/duplex"))
        http_stream_begin(x, 200, NULL, 0, HIGH_WATER, NULL);
}

static void
on_body(void *arg, struct http_exchange *x, struct str piece)
{
    struct fixture *f = arg;

    assert_ptr_equal(http_arg(x), f);
    assert_true(piece.len > 0);
    if (f->seen.len == 0 || f->seen.at[f->seen.len - 1] != 'B')
        buf_c(&f->seen, 'B');
    buf_str(&f->body, piece);
    if (str_is(http_path(x), "/mid"))
        reply(x, 200, "enough");
    if (str_is(http_path(x), "/duplex"))
        http_stream_write(x, piece);
}

static void
on_end(void *arg, struct http_exchange *x)
{
    struct fixture *f = arg;
    struct str path = http_path(x);

    buf_c(&f->seen, 'E');
    if (str_is(path, "/echo")) {
        http_respond(x, 200, NULL, 0, buf_view(&f->body));
        buf_reset(&f->body);
    } else if (str_is(path, "/park")) {
        f->parked[f->parked_len++] = x;
    } else if (str_is(path, "/owned")) {
        http_respond_owned(x, 200, NULL, 0, (struct str){big, sizeof(big)}, release, f);
    } else if (str_is(path, "/stream")) {
        http_stream_begin(x, 200, NULL, 0, HIGH_WATER, NULL);
        http_stream_write(x, STR("one"));
        http_stream_write(x, STR(""));
        http_stream_write(x, STR("three"));
        http_stream_end(x);
    } else if (str_is(path, "/abort")) {
        http_stream_begin(x, 200, NULL, 0, HIGH_WATER, NULL);
        http_stream_write(x, STR("one"));
        http_stream_abort(x);
    } else if (str_is(path, "/flood")) {
        http_stream_begin(x, 200, NULL, 0, HIGH_WATER, on_drained);
        flood(x);
    } else if (str_is(path, "/duplex")) {
        http_stream_end(x);
    } else if (str_is(path, "/trailer")) {
        http_respond(x, 200, NULL, 0, http_trailer_get(x, "x-sum"));
    } else if (str_is(path, "/peer")) {
        reply(x, 200, http_peer(x));
    } else if (str_is(path, "/tag")) {
        reply(x, 200, http_conn_tag(x) ? "tagged" : "untagged");
    } else if (str_is(path, "/split")) {
        const struct http_header h[] = {{STR("X-A"), STR("b\r\nX-Evil: c")},
                                        {STR("X Bad"), STR("d")},
                                        {STR("Content-Length"), STR("99")}};
        http_respond(x, 200, h, ARRAY_LEN(h), STR("ok"));
    } else if (str_is(path, "/204")) {
        reply(x, 204, "not sent");
    } else {
        reply(x, 200, "hello");
    }
}

static void
on_gone(void *arg, struct http_exchange *x, bool sent)
{
    struct fixture *f = arg;

    buf_c(&f->seen, sent ? '+' : '-');
    for (size_t i = 0; i < f->parked_len; i++)
        if (f->parked[i] == x)
            f->parked[i--] = f->parked[--f->parked_len];
}

static void
on_too_large(void *arg, struct http_exchange *x)
{
    struct fixture *f = arg;

    buf_c(&f->seen, 'L');
    reply(x, 413, "too much");
}

/* ---- the bench ---- */

static uint64_t
on_idle(void *arg)
{
    struct fixture *f = arg;

    if (f->turns++ == 1)
        loop_stop(f->loop);
    return UINT64_MAX;
}

static void
on_late(struct timer *t)
{
    CONTAINER_OF(t, struct fixture, watchdog)->late = true;
}

static void
turn(struct fixture *f)
{
    if (f->late)
        fail_msg("waited in vain; seen: %s", buf_view(&f->seen).at);
    f->turns = 0;
    loop_run(f->loop);
}

#define UNTIL(f, cond)                                                                             \
    while (!(cond))                                                                                \
    turn(f)

static int
listener(uint16_t *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 512), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

static struct fixture *
fixture_of(struct http_config config)
{
    struct http_handlers handlers = {on_head, on_body, on_end, on_gone, on_too_large};
    struct fixture *f = xcalloc(1, sizeof(*f));
    struct err err = {0};

    the = f;
    f->seen = BUF_MAX(1 << 20);
    f->body = BUF_MAX(16 << 20);
    f->loop = loop_new(0, 1);
    loop_on_idle(f->loop, on_idle, f);
    if (config.connections_max == 0)
        config.connections_max = 5000;
    config.name = "test";
    assert_int_equal(http_server_new(f->loop, &config, &handlers, f, &f->s, &err), 0);
    assert_int_equal(http_server_listen(f->s, listener(&f->port), &err), 0);
    timer_set(f->loop, &f->watchdog, 20 * 1000000, on_late);
    return f;
}

static int
setup(void **state)
{
    *state = fixture_of((struct http_config){.head_bytes_max = 4096});
    return 0;
}

static void
fixture_done(struct fixture *f)
{
    http_server_free(f->s);
    timer_stop(&f->watchdog);
    loop_free(f->loop);
    buf_done(&f->seen);
    buf_done(&f->body);
    free(f);
}

static int
teardown(void **state)
{
    fixture_done(*state);
    return 0;
}

static void
client_set(struct client *c)
{
    io_set(&c->io, (c->lazy ? 0u : (uint32_t)EPOLLIN) | (c->to_send.len ? (uint32_t)EPOLLOUT : 0u));
}

static void
on_client(struct io *io, uint32_t events)
{
    struct client *c = CONTAINER_OF(io, struct client, io);
    char at[65536];
    ssize_t n;

    if (c->to_send.len > 0 && (events & EPOLLOUT)) {
        n = send(c->fd, c->to_send.at, c->to_send.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            c->to_send.at += n;
            c->to_send.len -= (size_t)n;
        } else if (n < 0 && errno != EAGAIN) {
            c->to_send.len = 0; /* the server has hung up: what it said is still to be read */
        }
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        n = recv(c->fd, at, sizeof(at), MSG_DONTWAIT);
        if (n > 0) {
            buf_add(&c->got, at, (size_t)n);
        } else if (n == 0 || errno != EAGAIN) {
            c->eof = true;
            c->reset = n < 0;
            io_close(&c->io);
            return;
        }
    }
    client_set(c);
}

static void
client_on(struct client *c, struct fixture *f, int fd)
{
    struct err err = {0};

    *c = (struct client){.fd = fd, .got = BUF_MAX(64 << 20)};
    assert_int_equal(io_open(f->loop, &c->io, fd, EPOLLIN, on_client, &err), 0);
}

static int
dial(struct fixture *f)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(f->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void
client_send(struct client *c, struct str s)
{
    assert_int_equal(c->to_send.len, 0);
    c->to_send = s;
    if (c->io.loop)
        client_set(c);
}

static void
client_open(struct client *c, struct fixture *f, struct str s)
{
    client_on(c, f, dial(f));
    client_send(c, s);
}

static void
client_done(struct client *c)
{
    io_close(&c->io);
    close(c->fd);
    buf_done(&c->got);
}

static const char *
text(struct client *c)
{
    return buf_view(&c->got).at;
}

static unsigned
count(const char *in, const char *what)
{
    unsigned n = 0;

    for (; (in = strstr(in, what)) != NULL; in++)
        n++;
    return n;
}

#define assert_has(c, what)                                                                        \
    do {                                                                                           \
        if (!strstr(text(c), what))                                                                \
            fail_msg("no '%s' in: %s", what, text(c));                                             \
    } while (0)
#define assert_seen(f, what) assert_string_equal(buf_view(&(f)->seen).at, what)

/* Say all, read until the server hangs up. */
static void
talk(struct fixture *f, struct client *c, struct str s)
{
    client_open(c, f, s);
    UNTIL(f, c->eof);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n"
#define POST(path) "POST " path " HTTP/1.1\r\nHost: a\r\n"
#define CLOSE "Connection: close\r\n\r\n"

/* ---- plain exchanges ---- */

static void
an_answer_has_only_the_headers_it_needs(void **state)
{
    struct fixture *f = *state;
    struct client c;
    char *date;

    client_open(&c, f, STR(GET("/") "\r\n"));
    UNTIL(f, strstr(text(&c), "hello"));
    date = strstr(text(&c), "Date: ");
    assert_non_null(date);
    assert_string_equal(date + 35, "\r\nContent-Length: 5\r\n\r\nhello");
    assert_true(strncmp(text(&c), "HTTP/1.1 200 OK\r\nDate: ", 23) == 0);
    UNTIL(f, f->seen.len == 3);
    assert_seen(f, "HE+");
    assert_int_equal(http_server_connections(f->s), 1);
    client_done(&c);
    UNTIL(f, http_server_connections(f->s) == 0);
}

static void
pipelined_requests_are_answered_in_order(void **state)
{
    struct fixture *f = *state;
    struct client c;

    talk(f, &c,
         STR(GET("/") "\r\n" POST("/echo") "Content-Length: 3\r\n\r\nabc\r\n" GET(
             "/peer") "\r\n" GET("/tag") CLOSE));
    assert_int_equal(count(text(&c), "HTTP/1.1 200 OK"), 4);
    assert_true(strstr(text(&c), "hello") < strstr(text(&c), "abc"));
    assert_true(strstr(text(&c), "abc") < strstr(text(&c), "127.0.0.1:"));
    assert_true(strstr(text(&c), "127.0.0.1:") < strstr(text(&c), "untagged"));
    assert_int_equal(count(text(&c), "Connection: close"), 1);
    assert_seen(f, "HE+HBE+HE+HE+");
    client_done(&c);
}

static void
many_pipelined_requests_wait_for_a_slow_answer(void **state)
{
    struct fixture *f = *state;
    AUTO_BUF struct buf b = BUF_MAX(1 << 20);
    struct client c;

    buf_z(&b, GET("/park") "\r\n");
    for (int i = 0; i < 3000; i++)
        buf_z(&b, GET("/") "\r\n");
    buf_z(&b, GET("/last") CLOSE);
    client_open(&c, f, buf_view(&b));
    UNTIL(f, f->parked_len == 1 && c.to_send.len == 0);
    assert_seen(f, "HE");
    reply(f->parked[0], 200, "first");
    UNTIL(f, c.eof);
    assert_int_equal(count(text(&c), "HTTP/1.1 200 OK"), 3002);
    client_done(&c);
}

static void
http_1_0_is_closed_unless_asked(void **state)
{
    struct fixture *f = *state;
    struct client c;

    talk(f, &c, STR("GET / HTTP/1.0\r\n\r\n"));
    assert_has(&c, "Connection: close\r\n");
    client_done(&c);
    talk(f, &c,
         STR("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /stream HTTP/1.0\r\n"
             "Connection: keep-alive\r\n\r\n"));
    assert_has(&c, "Connection: keep-alive\r\n\r\nhello");
    assert_has(&c, "Connection: close\r\n\r\nonethree"); /* a stream without chunks ends so */
    client_done(&c);
}

static void
head_and_204_have_no_body(void **state)
{
    struct fixture *f = *state;
    struct client c;

    talk(f, &c,
         STR("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
             "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n" GET("/204") "\r\n" GET("/") CLOSE));
    assert_int_equal(count(text(&c), "hello"), 1);
    assert_int_equal(count(text(&c), "Content-Length: 5"), 2);
    assert_null(strstr(text(&c), "one"));
    assert_null(strstr(text(&c), "chunked"));
    assert_null(strstr(text(&c), "not sent"));
    client_done(&c);
}

static void
values_cannot_split_an_answer(void **state)
{
    struct fixture *f = *state;
    struct client c;

    talk(f, &c, STR(GET("/split") CLOSE));
    assert_has(&c, "X-A: b  X-Evil: c\r\n");
    assert_null(strstr(text(&c), "X Bad"));
    assert_null(strstr(text(&c), "99"));
    client_done(&c);
}

static void
doubtful_requests_get_one_json_error_and_a_close(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct str request;
        const char *first;
    } cases[] = {
        {STR("GARBAGE\r\n\r\n"), "HTTP/1.1 400 "},
        {STR("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n"), "HTTP/1.1 400 "}, /* TLS */
        {STR("GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 400 "},
        {STR("GET / HTTP/1.1\nHost: a\n\n"), "HTTP/1.1 400 "},
        {STR(GET("/") "A : b\r\n\r\n"), "HTTP/1.1 400 "},
        {STR(POST("/") "Content-Length: abc\r\n\r\n"), "HTTP/1.1 400 "},
        {STR(POST("/") "Content-Length: 1\r\nContent-Length: 1\r\n\r\na"), "HTTP/1.1 400 "},
        {STR(POST("/") "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" GET("/")),
         "HTTP/1.1 400 "},
        {STR(POST("/") "Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n"), "HTTP/1.1 400 "},
        {STR(POST("/") "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\nzz\r\n"), "HTTP/1.1 400 "},
        {STR(POST("/trailer") "Transfer-Encoding: chunked\r\n\r\n0\r\nA : b\r\n\r\n"),
         "HTTP/1.1 400 "},
        {STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "HTTP/1.1 505 "},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client c;

        talk(f, &c, cases[i].request);
        assert_true(strncmp(text(&c), cases[i].first, strlen(cases[i].first)) == 0);
        assert_int_equal(count(text(&c), "\r\nDate: "), 1);
        assert_has(&c, "Connection: close\r\n");
        assert_has(&c, "\r\n\r\n{\"message\":\"");
        assert_false(c.reset);
        client_done(&c);
    }
    assert_null(strstr(buf_view(&f->seen).at, "+")); /* no handler's answer was among them */
    UNTIL(f, http_server_connections(f->s) == 0);
}

static void
a_head_too_large_is_431(void **state)
{
    struct fixture *f = *state;
    AUTO_BUF struct buf b = BUF_MAX(1 << 20);
    struct client c;

    buf_z(&b, GET("/") "X: ");
    while (b.len < 4096)
        buf_c(&b, 'x');
    talk(f, &c, buf_view(&b)); /* its end is not even there */
    assert_has(&c, "HTTP/1.1 431 ");
    client_done(&c);
    buf_z(&b, "\r\n\r\n");
    talk(f, &c, buf_view(&b));
    assert_has(&c, "HTTP/1.1 431 ");
    assert_seen(f, "");
    client_done(&c);
}

static void
a_request_may_come_byte_by_byte(void **state)
{
    struct fixture *f = *state;
    struct str all = STR("\r\n" POST("/echo") "Transfer-Encoding: chunked\r\n" CLOSE
                                              "3;e=1\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n");
    struct client c;

    client_open(&c, f, STR_NULL);
    for (size_t i = 0; i < all.len; i++) {
        client_send(&c, (struct str){all.at + i, 1});
        UNTIL(f, c.to_send.len == 0);
    }
    UNTIL(f, c.eof);
    assert_has(&c, "\r\n\r\nabcde");
    client_done(&c);
}

/* ---- bodies ---- */

static void
large_bodies_go_both_ways(void **state)
{
    struct fixture *f = *state;
    AUTO_BUF struct buf b = BUF_MAX(8 << 20);
    struct client c;

    buf_fmt(&b, POST("/echo") "Content-Length: %d\r\n" CLOSE, 5000000);
    for (int i = 0; i < 5000000; i++)
        buf_c(&b, (char)(i * 7 >> 3));
    talk(f, &c, buf_view(&b));
    assert_has(&c, "Content-Length: 5000000\r\n");
    assert_memory_equal(c.got.at + c.got.len - 5000000, b.at + b.len - 5000000, 5000000);
    assert_seen(f, "HBE+");
    client_done(&c);
}

static void
trailers_are_there_at_the_end(void **state)
{
    struct fixture *f = *state;
    struct client c;

    talk(f, &c,
         STR(POST("/trailer") "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n" CLOSE
                              "1\r\na\r\n0\r\nX-Other: 1\r\nX-SUM: 42\r\n\r\n"));
    assert_has(&c, "\r\n\r\n42");
    client_done(&c);
}

static void
expect_100_continue_asks_for_the_body(void **state)
{
    struct fixture *f = *state;
    struct client c;

    client_open(&c, f, STR(POST("/echo") "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"));
    UNTIL(f, strstr(text(&c), "100 Continue\r\n\r\n"));
    client_send(&c, STR("abc"));
    UNTIL(f, strstr(text(&c), "\r\n\r\nabc"));
    assert_null(strstr(text(&c), "close"));
    client_done(&c);
    /* Refused: the final answer comes at once, and as nobody knows what comes next, a close. */
    client_open(&c, f, STR(POST("/early") "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"));
    UNTIL(f, c.got.len > 0);
    assert_has(&c, "HTTP/1.1 403 ");
    assert_has(&c, "Connection: close\r\n");
    shutdown(c.fd, SHUT_WR);
    UNTIL(f, c.eof);
    client_done(&c);
    /* Too large by its own account. */
    talk(f, &c, STR(POST("/nobody") "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"));
    assert_has(&c, "HTTP/1.1 413 ");
    assert_null(strstr(text(&c), "100 Continue"));
    client_done(&c);
}

static void
an_early_answer_drains_a_small_body(void **state)
{
    struct fixture *f = *state;
    struct client c;

    client_open(&c, f, STR(POST("/early") "Content-Length: 10\r\n\r\n12345"));
    UNTIL(f, strstr(text(&c), "\r\n\r\nno"));
    client_send(&c, STR("67890" GET("/") CLOSE));
    UNTIL(f, c.eof);
    assert_has(&c, "hello");
    assert_seen(f, "H+HE+");
    client_done(&c);
}

static void
an_answer_amid_the_body_stops_its_callbacks(void **state)
{
    struct fixture *f = *state;
    struct client c;

    client_open(&c, f, STR(POST("/mid") "Content-Length: 6\r\n\r\nabc"));
    UNTIL(f, strstr(text(&c), "enough"));
    client_send(&c, STR("def" GET("/") CLOSE));
    UNTIL(f, c.eof);
    assert_seen(f, "HB+HE+");
    assert_has(&c, "hello");
    client_done(&c);
}

static void
a_large_unwanted_body_ends_in_a_close_that_keeps_the_answer(void **state)
{
    struct fixture *f = *state;
    AUTO_BUF struct buf b = BUF_MAX(8 << 20);
    struct client c;

    buf_fmt(&b, POST("/early") "Content-Length: %d\r\n\r\n", 6 << 20);
    for (int i = 0; i < 6; i++)
        buf_add(&b, big, sizeof(big));
    talk(f, &c, buf_view(&b));
    assert_has(&c, "HTTP/1.1 403 ");
    assert_has(&c, "Connection: close\r\n");
    assert_has(&c, "\r\n\r\nno");
    client_done(&c);
}

static void
too_large_is_told_once_and_only_then(void **state)
{
    struct fixture *f = *state;
    struct client c;

    talk(f, &c, STR(POST("/nobody") "Content-Length: 1\r\n" CLOSE "a"));
    assert_has(&c, "HTTP/1.1 413 ");
    assert_seen(f, "HL+");
    client_done(&c);
    buf_reset(&f->seen);
    talk(f, &c, STR(POST("/nobody") "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n"));
    assert_has(&c, "HTTP/1.1 413 ");
    assert_seen(f, "HL+");
    client_done(&c);
    buf_reset(&f->seen);
    talk(f, &c, STR(POST("/nobody") "Transfer-Encoding: chunked\r\n" CLOSE "0\r\n\r\n"));
    assert_has(&c, "HTTP/1.1 200 "); /* an empty body is within every bound */
    client_done(&c);
}

static void
a_paused_body_waits(void **state)
{
    struct fixture *f = *state;
    struct client c;

    client_open(&c, f, STR(POST("/pause") "Content-Length: 3\r\n\r\nabc"));
    UNTIL(f, f->paused && c.to_send.len == 0);
    assert_seen(f, "H"); /* though its body came with it */
    http_body_resume(f->paused);
    UNTIL(f, strstr(text(&c), "hello"));
    assert_string_equal(f->body.at, "abc");
    client_done(&c);
}

static void
a_paused_body_does_not_fill_memory(void **state)
{
    struct fixture *f = *state;
    AUTO_BUF struct buf b = BUF_MAX(9 << 20);
    struct client c;
    int small = 4096;

    buf_fmt(&b, POST("/pause") "Content-Length: %d\r\n" CLOSE, 8 << 20);
    for (int i = 0; i < 8; i++)
        buf_add(&b, big, sizeof(big));
    client_on(&c, f, dial(f));
    setsockopt(c.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    client_send(&c, buf_view(&b));
    UNTIL(f, f->paused && f->s->conns->in_off);
    assert_true(f->s->conns->in.len <= 2 * SCRATCH_BYTES);
    http_body_resume(f->paused);
    UNTIL(f, c.eof);
    assert_int_equal(f->body.len, 8 << 20);
    assert_has(&c, "hello");
    client_done(&c);
}

static void
expect_100_continue_waits_for_a_paused_body(void **state)
{
    struct fixture *f = *state;
    struct client c;

    client_open(&c, f, STR(POST("/pause") "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"));
    UNTIL(f, f->paused);
    assert_int_equal(c.got.len, 0);
    http_body_resume(f->paused);
    UNTIL(f, strstr(text(&c), "100 Continue"));
    client_send(&c, STR("abc"));
    UNTIL(f, strstr(text(&c), "hello"));
    client_done(&c);
}

/* ---- answers ---- */

static void
an_owned_body_is_released_once(void **state)
{
    struct fixture *f = *state;
    struct client c;

    talk(f, &c, STR(GET("/owned") CLOSE));
    assert_int_equal(f->released, 1);
    assert_memory_equal(c.got.at + c.got.len - sizeof(big), big, sizeof(big));
    client_done(&c);
    /* The client leaves amid the answer. */
    client_open(&c, f, STR(GET("/owned") "\r\n"));
    c.lazy = true;
    client_set(&c);
    UNTIL(f, strstr(buf_view(&f->seen).at, "HE+HE"));
    client_done(&c);
    UNTIL(f, http_server_connections(f->s) == 0);
    assert_int_equal(f->released, 2);
}

static void
an_answer_may_come_later(void **state)
{
    struct fixture *f = *state;
    struct client c;

    client_open(&c, f, STR(GET("/park") "\r\n"));
    UNTIL(f, f->parked_len == 1);
    reply(f->parked[0], 200, "at last");
    assert_int_equal(f->parked_len, 1); /* on_gone never comes from inside http_respond */
    UNTIL(f, strstr(text(&c), "at last"));
    UNTIL(f, f->parked_len == 0);
    assert_seen(f, "HE+");
    client_done(&c);
}

static void
a_stream_is_chunked(void **state)
{
    struct fixture *f = *state;
    struct client c;

    talk(f, &c, STR(GET("/stream") "\r\n" GET("/") CLOSE));
    assert_has(&c, "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\nHTTP");
    client_done(&c);
}

static void
a_stream_may_answer_while_the_body_comes(void **state)
{
    struct fixture *f = *state;
    struct client c;

    client_open(&c, f, STR(POST("/duplex") "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"));
    UNTIL(f, strstr(text(&c), "3\r\nabc\r\n"));
    client_send(&c, STR("2\r\nde\r\n0\r\n\r\n" GET("/") CLOSE));
    UNTIL(f, c.eof);
    assert_has(&c, "2\r\nde\r\n0\r\n\r\nHTTP");
    assert_seen(f, "HBE+HE+");
    client_done(&c);
}

static void
an_aborted_stream_has_no_end(void **state)
{
    struct fixture *f = *state;
    struct client c;

    talk(f, &c, STR(GET("/abort") "\r\n"));
    assert_has(&c, "3\r\none\r\n");
    assert_null(strstr(text(&c), "0\r\n\r\n"));
    assert_seen(f, "HE-");
    client_done(&c);
    talk(f, &c, STR("GET /abort HTTP/1.0\r\n\r\n"));
    assert_true(c.reset); /* where a close would mean the end */
    client_done(&c);
}

static void
a_slow_reader_holds_the_writer(void **state)
{
    struct fixture *f = *state;
    struct client c;
    size_t before;

    client_on(&c, f, dial(f));
    c.lazy = true;
    client_send(&c, STR(GET("/flood") CLOSE));
    UNTIL(f, f->waiting_max > HIGH_WATER);
    before = f->streamed;
    assert_true(before < FLOOD);
    assert_true(f->waiting_max < HIGH_WATER + 20000);
    assert_true(f->s->conns->out.cap < 8 * HIGH_WATER);
    c.lazy = false;
    client_set(&c);
    UNTIL(f, c.eof);
    assert_true(f->drained);
    assert_true(f->waiting_max < HIGH_WATER + 20000);
    assert_true(c.got.len > FLOOD);
    assert_has(&c, "\r\n0\r\n\r\n");
    client_done(&c);
}

/* ---- clients that leave ---- */

static void
a_reset_while_suspended_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct linger reset = {.l_onoff = 1};
    struct client c;

    client_open(&c, f, STR(GET("/park") "\r\n"));
    UNTIL(f, f->parked_len == 1);
    setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    client_done(&c);
    UNTIL(f, f->parked_len == 0);
    assert_seen(f, "HE-");
}

static void
a_half_closed_client_still_gets_its_answer(void **state)
{
    struct fixture *f = *state;
    struct client c;

    client_open(&c, f, STR(GET("/park") "\r\n"));
    UNTIL(f, f->parked_len == 1);
    shutdown(c.fd, SHUT_WR);
    UNTIL(f, f->s->conns->rdhup_seen);
    assert_int_equal(f->parked_len, 1);
    reply(f->parked[0], 200, "still here");
    UNTIL(f, c.eof);
    assert_has(&c, "still here");
    assert_seen(f, "HE+");
    client_done(&c);
}

static void
a_closed_client_is_gone_where_configured(void **state)
{
    struct fixture *f = fixture_of((struct http_config){.eof_is_gone = true});
    struct client c;

    client_open(&c, f, STR(GET("/park") "\r\n"));
    UNTIL(f, f->parked_len == 1);
    client_done(&c);
    UNTIL(f, f->parked_len == 0);
    assert_seen(f, "HE-");
    UNTIL(f, http_server_connections(f->s) == 0);
    fixture_done(f);
}

static void
a_truncated_request_is_told_so(void **state)
{
    struct fixture *f = *state;
    struct client c;

    client_open(&c, f, STR(POST("/echo") "Content-Length: 10\r\n\r\nabc"));
    UNTIL(f, f->body.len == 3);
    shutdown(c.fd, SHUT_WR);
    UNTIL(f, c.eof);
    assert_has(&c, "HTTP/1.1 400 ");
    assert_seen(f, "HB-");
    client_done(&c);
    client_open(&c, f, STR("GET / HT"));
    UNTIL(f, f->s->conns && f->s->conns->in.len == 8);
    shutdown(c.fd, SHUT_WR);
    UNTIL(f, c.eof);
    assert_has(&c, "HTTP/1.1 400 ");
    client_done(&c);
}

/* ---- slow clients ---- */

static void
slow_clients_meet_their_deadlines(void **state)
{
    struct fixture *f =
        fixture_of((struct http_config){.idle_ms = 30, .head_ms = 40, .body_ms = 50});
    struct client idle, head, body, kept, answer, parked;

    client_open(&parked, f, STR(GET("/park") "\r\n"));
    client_open(&idle, f, STR_NULL);
    client_open(&head, f, STR("GET / HTTP/1.1\r\nHo"));
    client_open(&body, f, STR(POST("/echo") "Content-Length: 3\r\n\r\na"));
    client_open(&kept, f, STR(GET("/") "\r\n"));
    client_on(&answer, f, dial(f));
    answer.lazy = true;
    client_send(&answer, STR(GET("/flood") "\r\n"));
    UNTIL(f, idle.eof && head.eof && body.eof && kept.eof && http_server_connections(f->s) == 1);
    assert_int_equal(idle.got.len, 0);
    assert_has(&head, "HTTP/1.1 408 ");
    assert_has(&body, "HTTP/1.1 408 ");
    assert_has(&kept, "hello");
    assert_int_equal(f->parked_len, 1); /* one that awaits its answer is nobody's fault */
    client_done(&idle);
    client_done(&head);
    client_done(&body);
    client_done(&kept);
    client_done(&answer);
    client_done(&parked);
    fixture_done(f);
}

static void
a_head_that_dribbles_is_cut_off(void **state)
{
    struct fixture *f = fixture_of((struct http_config){.idle_ms = 10000, .head_ms = 60});
    struct client c;

    client_open(&c, f, STR("GET / HTTP/1.1\r\nX: "));
    while (!c.eof) {
        if (c.to_send.len == 0)
            client_send(&c, STR("y")); /* always something new, never a whole head */
        turn(f);
    }
    assert_has(&c, "HTTP/1.1 408 ");
    client_done(&c);
    fixture_done(f);
}

/* ---- many connections ---- */

static void
above_the_limit_connections_are_closed(void **state)
{
    struct fixture *f = fixture_of((struct http_config){.connections_max = 2});
    struct client c[4];
    int pair[2];
    struct err err = {0};

    for (int i = 0; i < 4; i++)
        client_open(&c[i], f, STR_NULL);
    UNTIL(f, c[2].eof && c[3].eof);
    assert_int_equal(http_server_connections(f->s), 2);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(http_server_adopt(f->s, pair[0], f, &err), -ERR_UNAVAILABLE);
    close(pair[1]);
    client_done(&c[0]);
    UNTIL(f, http_server_connections(f->s) == 1);
    client_done(&c[3]);
    client_open(&c[3], f, STR(GET("/") CLOSE)); /* there is room again */
    UNTIL(f, c[3].eof);
    assert_has(&c[3], "hello");
    for (int i = 1; i < 4; i++)
        client_done(&c[i]);
    fixture_done(f);
}

static void
without_descriptors_accepting_pauses_and_resumes(void **state)
{
    struct fixture *f = *state;
    struct client first, second;
    struct rlimit was, now;

    client_open(&first, f, STR(GET("/") "\r\n"));
    UNTIL(f, strstr(text(&first), "hello"));
    client_on(&second, f, dial(f));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    now = was;
    now.rlim_cur = (rlim_t)second.fd; /* all below is taken, or this test would hang */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    client_send(&second, STR(GET("/") CLOSE));
    UNTIL(f, f->s->accept_paused);
    assert_int_equal(http_server_connections(f->s), 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    UNTIL(f, second.eof);
    assert_has(&second, "hello");
    client_done(&first);
    client_done(&second);
}

static void
idle_connections_are_cheap(void **state)
{
    enum { MANY = 2000 };
    struct fixture *f = *state;
    int *fds = xcalloc(MANY, sizeof(int));
    struct client c;
    size_t before;

    client_open(&c, f, STR(GET("/") "\r\n"));
    UNTIL(f, strstr(text(&c), "hello"));
    before = mallinfo2().uordblks;
    for (int i = 0; i < MANY; i++) {
        fds[i] = dial(f);
        if (i % 100 == 99)
            UNTIL(f, (int)http_server_connections(f->s) == i + 2);
    }
    assert_true(mallinfo2().uordblks - before < MANY * 800u);
    client_send(&c, STR(GET("/") CLOSE));
    UNTIL(f, c.eof);
    assert_int_equal(count(text(&c), "hello"), 2);
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    UNTIL(f, http_server_connections(f->s) == 0);
    free(fds);
    client_done(&c);
}

/* ---- tags, the end ---- */

static void
adopt(struct fixture *f, struct client *c, void *tag, struct str s)
{
    struct err err = {0};
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(http_server_adopt(f->s, pair[0], tag, &err), 0);
    client_on(c, f, pair[1]);
    client_send(c, s);
}

static void
a_dropped_tag_takes_its_connections_only(void **state)
{
    struct fixture *f = *state;
    struct client mine[3], other;
    int tags[2];

    adopt(f, &mine[0], &tags[0], STR(GET("/tag") "\r\n"));
    adopt(f, &mine[1], &tags[0], STR(GET("/park") "\r\n"));
    adopt(f, &mine[2], &tags[0], STR(POST("/echo") "Content-Length: 5\r\n\r\nab"));
    adopt(f, &other, &tags[1], STR(GET("/park") "\r\n"));
    UNTIL(f, strstr(text(&mine[0]), "tagged") && f->parked_len == 2 && f->body.len == 2);
    buf_reset(&f->seen);
    http_server_drop_tag(f->s, &tags[0]);
    assert_seen(f, "--"); /* at once */
    assert_int_equal(http_server_connections(f->s), 1);
    assert_int_equal(f->parked_len, 1);
    reply(f->parked[0], 200, "other");
    UNTIL(f, mine[0].eof && mine[1].eof && mine[2].eof && strstr(text(&other), "other"));
    http_server_drop_tag(f->s, &tags[0]); /* forgotten: nothing to do */
    for (int i = 0; i < 3; i++)
        client_done(&mine[i]);
    client_done(&other);
}

static void
a_tag_may_be_dropped_inside_its_own_callback(void **state)
{
    struct fixture *f = *state;
    struct client c, parked;

    adopt(f, &parked, f, STR(GET("/park") "\r\n"));
    UNTIL(f, f->parked_len == 1);
    adopt(f, &c, f, STR(GET("/drop") "\r\n" GET("/") "\r\n"));
    UNTIL(f, c.eof && parked.eof);
    assert_int_equal(http_server_connections(f->s), 0);
    assert_int_equal(count(f->seen.at, "-"), 2);
    assert_int_equal(count(f->seen.at, "H"), 2);
    client_done(&c);
    client_done(&parked);
}

static void
quiescing_lets_running_exchanges_end(void **state)
{
    struct fixture *f = *state;
    struct client idle, parked;

    client_open(&idle, f, STR(GET("/") "\r\n"));
    client_open(&parked, f, STR(GET("/park") "\r\n"));
    UNTIL(f, f->parked_len == 1 && strstr(text(&idle), "hello") && strchr(f->seen.at, '+'));
    http_server_quiesce(f->s);
    UNTIL(f, idle.eof);
    reply(f->parked[0], 200, "the last");
    UNTIL(f, parked.eof);
    assert_has(&parked, "Connection: close\r\n");
    assert_has(&parked, "the last");
    assert_int_equal(http_server_connections(f->s), 0);
    client_done(&idle);
    client_done(&parked);
}

static void
freeing_ends_every_exchange(void **state)
{
    struct fixture *f = *state;
    struct http_config config = {.name = "again", .connections_max = 1};
    struct http_handlers handlers = {on_head, on_body, on_end, on_gone, NULL};
    struct client parked, queued, body;
    struct err err = {0};

    client_open(&parked, f, STR(GET("/park") "\r\n"));
    client_open(&queued, f, STR(GET("/park") "\r\n"));
    client_open(&body, f, STR(POST("/echo") "Content-Length: 9\r\n\r\nab"));
    UNTIL(f, f->parked_len == 2 && f->body.len == 2);
    buf_reset(&f->seen);
    reply(f->parked[0], 200, "sent, its on_gone still to come");
    http_server_free(f->s);
    assert_int_equal(f->seen.len, 3);
    assert_int_equal(f->parked_len, 0);
    UNTIL(f, parked.eof && queued.eof && body.eof);
    client_done(&parked);
    client_done(&queued);
    client_done(&body);
    assert_int_equal(http_server_new(f->loop, &config, &handlers, f, &f->s, &err), 0);
}

/* ---- wiring ---- */

static void
nagle_is_off_without_asking_for_each_connection(void **state)
{
    struct fixture *f = *state;
    struct client c;
    socklen_t len = sizeof(int);
    int on = 0;

    client_open(&c, f, STR_NULL);
    UNTIL(f, f->s->conns);
    assert_int_equal(getsockopt(f->s->conns->io.fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_true(on);
    client_done(&c);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_answer_has_only_the_headers_it_needs),
        CASE(pipelined_requests_are_answered_in_order),
        CASE(many_pipelined_requests_wait_for_a_slow_answer),
        CASE(http_1_0_is_closed_unless_asked),
        CASE(head_and_204_have_no_body),
        CASE(values_cannot_split_an_answer),
        CASE(doubtful_requests_get_one_json_error_and_a_close),
        CASE(a_head_too_large_is_431),
        CASE(a_request_may_come_byte_by_byte),
        CASE(large_bodies_go_both_ways),
        CASE(trailers_are_there_at_the_end),
        CASE(expect_100_continue_asks_for_the_body),
        CASE(an_early_answer_drains_a_small_body),
        CASE(an_answer_amid_the_body_stops_its_callbacks),
        CASE(a_large_unwanted_body_ends_in_a_close_that_keeps_the_answer),
        CASE(too_large_is_told_once_and_only_then),
        CASE(a_paused_body_waits),
        CASE(a_paused_body_does_not_fill_memory),
        CASE(expect_100_continue_waits_for_a_paused_body),
        CASE(an_owned_body_is_released_once),
        CASE(an_answer_may_come_later),
        CASE(a_stream_is_chunked),
        CASE(a_stream_may_answer_while_the_body_comes),
        CASE(an_aborted_stream_has_no_end),
        CASE(a_slow_reader_holds_the_writer),
        CASE(a_reset_while_suspended_is_noticed),
        CASE(a_half_closed_client_still_gets_its_answer),
        cmocka_unit_test(a_closed_client_is_gone_where_configured),
        CASE(a_truncated_request_is_told_so),
        cmocka_unit_test(slow_clients_meet_their_deadlines),
        cmocka_unit_test(a_head_that_dribbles_is_cut_off),
        cmocka_unit_test(above_the_limit_connections_are_closed),
        CASE(without_descriptors_accepting_pauses_and_resumes),
        CASE(idle_connections_are_cheap),
        CASE(a_dropped_tag_takes_its_connections_only),
        CASE(a_tag_may_be_dropped_inside_its_own_callback),
        CASE(quiescing_lets_running_exchanges_end),
        CASE(freeing_ends_every_exchange),
        CASE(nagle_is_off_without_asking_for_each_connection),
    };

    memset(big, 'x', sizeof(big));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
