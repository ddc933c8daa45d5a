/* Bytes of a client through a real socket into the server.
 *
 * The input's first two bytes choose how the rest is cut; what follows is what the client sends
 * before it ends its side. It is sent twice: whole, and in pieces. The handlers' answers depend on
 * the request alone, so both runs must show the same requests and the same answers to the byte: a
 * parser whose findings depend on where packets end is one that can be lied to. Beyond that: the
 * order of callbacks, bounds, and that nothing waits for ever. */
#include <sys/epoll.h>
#include "http/conn.h"
#include "base/log.h"

enum { PARKED_MAX = 16, TURNS_MAX = 100000 };

struct seen { /* hangs on an exchange */
    uint64_t body_len;
    bool answered, ended, gone;
    unsigned turns;
};

static struct {
    struct loop *loop;
    struct http_server *server;
    int fd; /* the client's end */
    struct buf requests, answers;
    unsigned heads, gones, turns;
    bool aborted; /* how much of a stream was on its way by then is the kernel's business */
    struct http_exchange *parked, *paused;
} f;

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "http_fuzz: %s\nrequests: %.999s\nanswers: %.999s\n", #cond,           \
                    buf_view(&f.requests).at, buf_view(&f.answers).at);                            \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static char
kind(const struct http_exchange *x)
{
    struct str path = http_path(x);

    return path.len > 1 ? path.at[1] : '/';
}

static void
respond(struct http_exchange *x, int status)
{
    struct seen *seen = http_arg(x);
    const struct http_header h = {STR("X-Path"), http_path(x)};

    seen->answered = true;
    http_respond(x, status, &h, 1, http_method(x));
}

static void
stream(struct http_exchange *x)
{
    static char block[5000];
    struct seen *seen = http_arg(x);

    seen->answered = true;
    memset(block, 'x', sizeof(block));
    http_stream_begin(x, 200, NULL, 0, 1000, NULL);
    for (int i = 0; i < 4; i++)
        http_stream_write(x, (struct str){block, sizeof(block)});
    if (http_query(x).at) {
        f.aborted = true;
        http_stream_abort(x);
    } else {
        http_stream_end(x);
    }
}

static void
check_head(const struct http_exchange *x)
{
    size_t n;
    const struct http_header *h = http_headers(x, &n);

    CHECK(http_is_token(http_method(x)));
    CHECK(http_path(x).len > 0 && (http_path(x).at[0] == '/' || str_is(http_path(x), "*")));
    for (size_t i = 0; i < n; i++) {
        CHECK(http_is_token(h[i].name));
        CHECK(!memchr(h[i].value.at, '\0', h[i].value.len));
        CHECK(str_find(h[i].value, '\r') < 0 && str_find(h[i].value, '\n') < 0);
        CHECK(h[i].value.len == 0 ||
              (h[i].value.at[0] != ' ' && h[i].value.at[h[i].value.len - 1] != ' '));
        buf_fmt(&f.requests, "%.*s=%.*s,", STR_FMT(h[i].name), STR_FMT(h[i].value));
    }
    CHECK(http_header_get(x, "host").at || x->head.minor == 0);
    CHECK(!http_header_get(x, "transfer-encoding").at || http_content_length(x) == -1);
    CHECK(http_content_length(x) >= -1);
}

static void
on_head(void *arg, struct http_exchange *x)
{
    struct seen *seen = xcalloc(1, sizeof(*seen));

    f.heads++;
    http_set_arg(x, seen);
    CHECK(http_conn_tag(x) == &f);
    buf_fmt(&f.requests, "[%.*s %.*s?%.*s ", STR_FMT(http_method(x)), STR_FMT(http_path(x)),
            STR_FMT(http_query(x)));
    check_head(x);
    http_body_max(x, kind(x) == 'l' ? 3 : 1 << 20);
    switch (kind(x)) {
    case 'e':
        respond(x, 403);
        break;
    case 'p':
        http_body_pause(x);
        f.paused = x;
        break;
    case 'd':
        http_server_drop_tag(f.server, &f);
        break;
    }
}

static void
on_body(void *arg, struct http_exchange *x, struct str piece)
{
    struct seen *seen = http_arg(x);

    CHECK(!seen->answered && !seen->ended && !seen->gone && piece.len > 0);
    CHECK(f.paused != x);
    seen->body_len += piece.len;
    CHECK(seen->body_len <= (kind(x) == 'l' ? 3u : 1u << 20));
    if (kind(x) == 'm') {
        respond(x, 200);
        return;
    }
    if (kind(x) != 'l') /* how much of what is too large comes first depends on the cut */
        buf_str(&f.requests, piece);
}

static void
on_end(void *arg, struct http_exchange *x)
{
    struct seen *seen = http_arg(x);

    CHECK(!seen->answered && !seen->ended && !seen->gone && f.paused != x);
    CHECK(http_content_length(x) < 0 || seen->body_len == (uint64_t)http_content_length(x));
    seen->ended = true;
    buf_fmt(&f.requests, "%.*s]", STR_FMT(http_trailer_get(x, "t")));
    switch (kind(x)) {
    case 'k':
        CHECK(!f.parked); /* one connection has one exchange */
        f.parked = x;
        break;
    case 's':
        stream(x);
        break;
    case 'n':
        respond(x, 204);
        break;
    default:
        respond(x, 200);
    }
}

static void
on_too_large(void *arg, struct http_exchange *x)
{
    struct seen *seen = http_arg(x);

    CHECK(kind(x) == 'l' || http_content_length(x) > 1 << 20);
    CHECK(!seen->answered && !seen->ended);
    buf_z(&f.requests, "too large]");
    respond(x, 413);
}

static void
on_gone(void *arg, struct http_exchange *x, bool sent)
{
    struct seen *seen = http_arg(x);

    CHECK(!seen->gone && (!sent || seen->answered));
    seen->gone = true;
    f.gones++;
    f.parked = f.parked == x ? NULL : f.parked;
    f.paused = f.paused == x ? NULL : f.paused;
    free(seen);
    http_set_arg(x, NULL);
}

/* Before each sleep: the client reads, and what waits is set going. */
static uint64_t
on_idle(void *arg)
{
    char at[4096];
    ssize_t n;

    while ((n = recv(f.fd, at, sizeof(at), MSG_DONTWAIT)) > 0)
        buf_add(&f.answers, at, (size_t)n);
    if (f.parked) {
        struct http_exchange *x = f.parked;

        f.parked = NULL;
        respond(x, 200);
    }
    if (f.paused) {
        struct http_exchange *x = f.paused;

        f.paused = NULL;
        http_body_resume(x);
    }
    if (f.turns++ % 2 == 1)
        loop_stop(f.loop);
    return 1000; /* a stuck server shows as many turns */
}

static void
mask_dates(struct buf *b)
{
    for (char *p = b->at; p && (p = memmem(p, (size_t)(b->at + b->len - p), "\r\nDate: ", 8)); p++)
        if ((size_t)(b->at + b->len - p) >= 37)
            memset(p + 8, '-', 29);
}

static void
run(const uint8_t *at, size_t len, unsigned cut)
{
    struct err err = {0};
    int pair[2], small = 2048;
    uint32_t dice = cut;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    if (cut & 1) /* answers leave in pieces too */
        CHECK(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
    f.fd = pair[1];
    f.heads = f.gones = f.turns = 0;
    f.aborted = false;
    buf_reset(&f.requests);
    buf_reset(&f.answers);
    CHECK(http_server_adopt(f.server, pair[0], &f, &err) == 0);
    while (len > 0) {
        size_t piece = len;
        ssize_t n;

        if (cut > 0) {
            dice = dice * 1664525 + 1013904223;
            piece = MIN(len, (size_t)1 + (dice >> 16) % (1 + cut % 64));
        }
        n = send(f.fd, at, piece, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            break; /* it has hung up on us */
        at += MAX(n, (ssize_t)0);
        len -= (size_t)MAX(n, (ssize_t)0);
        if (cut > 0 || n < 0)
            loop_run(f.loop);
    }
    shutdown(f.fd, SHUT_WR);
    while (http_server_connections(f.server) > 0) {
        CHECK(f.turns < TURNS_MAX);
        loop_run(f.loop);
    }
    (void)on_idle(NULL); /* what came last is still to be read */
    close(f.fd);
    CHECK(f.heads == f.gones && !f.parked && !f.paused);
    CHECK(f.answers.len == 0 || (f.answers.len > 9 && memcmp(f.answers.at, "HTTP/1.1 ", 9) == 0));
    mask_dates(&f.answers);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static struct buf requests, answers;
    unsigned cut;

    if (!f.loop) {
        struct http_handlers handlers = {on_head, on_body, on_end, on_gone, on_too_large};
        struct http_config config = {.name = "fuzz", .connections_max = 4, .head_bytes_max = 1024};
        struct err err = {0};

        log_set_level(LOG_LEVEL_ERROR);
        f.loop = loop_new(0, 1);
        loop_on_idle(f.loop, on_idle, NULL);
        f.requests = f.answers = requests = answers = BUF_MAX(64 << 20);
        CHECK(http_server_new(f.loop, &config, &handlers, NULL, &f.server, &err) == 0);
    }
    if (len < 2)
        return 0;
    cut = 1 + at[0] + 256u * at[1];
    run(at + 2, len - 2, 0);
    buf_reset(&requests);
    buf_reset(&answers);
    buf_str(&requests, buf_view(&f.requests));
    buf_str(&answers, buf_view(&f.answers));
    run(at + 2, len - 2, cut);
    if (f.aborted) {
        buf_reset(&answers);
        buf_reset(&f.answers);
    }
    if (!str_eq(buf_view(&requests), buf_view(&f.requests)) ||
        !str_eq(buf_view(&answers), buf_view(&f.answers)))
        fprintf(stderr, "whole:\n%.999s\n%.999s\ncut %u:\n", requests.at, answers.at, cut);
    CHECK(str_eq(buf_view(&requests), buf_view(&f.requests)));
    CHECK(str_eq(buf_view(&answers), buf_view(&f.answers)));
    return 0;
}
