#include "observe/capture.h"
#include <sys/epoll.h>
#include <fcntl.h>

enum { READ_BYTES = 65536, TURN_MAX = 16, FRAME_HEAD = 16, FRAME_MAX = 4 * CAPTURE_EVENT_MAX };
enum { PAST_MS = 24 * 3600 * 1000, FUTURE_MS = 60 * 1000 };

struct stream {
    struct io io;
    struct buf in;
    bool framed;
};

struct capture {
    struct loop *loop;
    void (*on_event)(void *arg, int64_t time_ms, struct str text);
    void *arg;
    struct stream out, log;
};

/* How much of a long text the next event takes: no cut goes through a character of UTF-8. */
static size_t
piece_len(struct str text)
{
    size_t len = CAPTURE_EVENT_MAX;

    if (text.len <= len)
        return text.len;
    for (int i = 0; i < 3 && ((uint8_t)text.at[len] & 0xc0) == 0x80; i++)
        len--;
    return ((uint8_t)text.at[len] & 0xc0) == 0x80 ? (size_t)CAPTURE_EVENT_MAX : len;
}

static void
emit(struct capture *c, int64_t time_ms, struct str text)
{
    do {
        struct str piece = {text.at, piece_len(text)};

        c->on_event(c->arg, time_ms, piece);
        text.at += piece.len;
        text.len -= piece.len;
    } while (text.len > 0);
}

static void
take_lines(struct capture *c, struct stream *s, bool flush)
{
    int64_t now = (int64_t)clock_wall_ms();
    size_t done = 0;

    for (;;) {
        struct str rest = {s->in.at + done, s->in.len - done};
        ssize_t newline = rest.len ? str_find(rest, '\n') : -1;

        if (newline < 0)
            break;
        emit(c, now, (struct str){rest.at, (size_t)newline});
        done += (size_t)newline + 1;
    }
    while (s->in.len - done > CAPTURE_EVENT_MAX) {
        struct str rest = {s->in.at + done, s->in.len - done};

        rest.len = piece_len(rest);
        emit(c, now, rest);
        done += rest.len;
    }
    if (flush && s->in.len > done) {
        emit(c, now, (struct str){s->in.at + done, s->in.len - done});
        done = s->in.len;
    }
    if (done)
        buf_shift(&s->in, done);
}

static uint32_t
get_be32(const char *at)
{
    const uint8_t *p = (const uint8_t *)at;

    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* User code writes the timestamps too. The store refuses a batch with an impossible time or too
 * many different days in it, and a batch holds other functions' lines as well: so a frame's time
 * counts only near the present. A record may have waited in the pipe of a frozen environment. */
static int64_t
frame_time(uint32_t type, const char *at, int64_t now_ms)
{
    uint64_t us = (uint64_t)get_be32(at) << 32 | get_be32(at + 4);
    int64_t ms = (int64_t)(us / 1000);

    return type & 2 && ms >= now_ms - PAST_MS && ms <= now_ms + FUTURE_MS ? ms : now_ms;
}

/* Frames while they make sense; anything else on this pipe is passed as lines, so that nothing that
 * was written gets lost. The bytes are moved once at the end: a pipe full of tiny frames must not
 * cost its length squared. */
static void
take_frames(struct capture *c, struct stream *s, bool flush)
{
    int64_t now_ms = (int64_t)clock_wall_ms();
    size_t done = 0;

    while (s->framed) {
        const char *at = s->in.at + done;
        size_t have = s->in.len - done, n;

        if ((have > 0 && (uint8_t)at[0] != 0xA5) || (have > 1 && (uint8_t)at[1] != 0x5A) ||
            (have >= 8 && get_be32(at + 4) > FRAME_MAX)) {
            s->framed = false;
            break;
        }
        if (have < FRAME_HEAD)
            break;
        n = MIN(have - FRAME_HEAD, (size_t)get_be32(at + 4));
        if (n < get_be32(at + 4) && !flush)
            break;
        /* The last frame of a writer that died in the middle of it is better than nothing. */
        emit(c, frame_time(get_be32(at), at + 8, now_ms), (struct str){at + FRAME_HEAD, n});
        done += FRAME_HEAD + n;
    }
    if (done)
        buf_shift(&s->in, done);
    if (!s->framed)
        take_lines(c, s, flush);
    else if (flush)
        buf_reset(&s->in); /* part of a header */
}

static void
stream_close(struct capture *c, struct stream *s)
{
    if (s->io.loop) {
        int fd = s->io.fd;

        io_close(&s->io);
        close(fd);
    }
    buf_done(&s->in);
}

/* Returns false at the end of file. */
static bool
stream_read(struct capture *c, struct stream *s, bool flush)
{
    bool open = true;

    for (int turn = 0; turn < TURN_MAX; turn++) {
        ssize_t n;

        if (!buf_reserve(&s->in, READ_BYTES / 4))
            break;
        n = read(s->io.fd, s->in.at + s->in.len, s->in.cap - s->in.len - 1);
        if (n <= 0) {
            open = n < 0 && (errno == EAGAIN || errno == EINTR);
            break;
        }
        s->in.len += (size_t)n;
        if (s->framed)
            take_frames(c, s, false);
        else
            take_lines(c, s, false);
    }
    if (flush || !open) {
        if (s->framed)
            take_frames(c, s, true);
        else
            take_lines(c, s, true);
    }
    if (s->in.len == 0)
        buf_done(&s->in); /* an idle environment holds no log memory */
    return open;
}

static void
on_out(struct io *io, uint32_t events)
{
    struct capture *c = CONTAINER_OF(io, struct capture, out.io);

    if (!stream_read(c, &c->out, false))
        stream_close(c, &c->out);
}

static void
on_log(struct io *io, uint32_t events)
{
    struct capture *c = CONTAINER_OF(io, struct capture, log.io);

    if (!stream_read(c, &c->log, false))
        stream_close(c, &c->log);
}

struct capture *
capture_new(struct loop *loop, void (*on_event)(void *arg, int64_t time_ms, struct str text),
            void *arg)
{
    struct capture *c = xcalloc(1, sizeof(*c));

    c->loop = loop;
    c->on_event = on_event;
    c->arg = arg;
    c->out.in = BUF_MAX(CAPTURE_EVENT_MAX + 2 * READ_BYTES);
    c->log.in = BUF_MAX(FRAME_MAX + 2 * READ_BYTES);
    return c;
}

static int
stream_open(struct capture *c, struct stream *s, int fd,
            void (*on_ready)(struct io *io, uint32_t events), struct err *err)
{
    int rc;

    if (fd < 0)
        return 0;
    (void)fcntl(fd, F_SETFL, O_NONBLOCK); /* a pipe of ours: cannot fail */
    rc = io_open(c->loop, &s->io, fd, EPOLLIN, on_ready, err);
    if (rc < 0)
        close(fd);
    return rc;
}

int
capture_open(struct capture *c, int out_fd, int log_fd, struct err *err)
{
    int rc;

    capture_drain(c, CAPTURE_OVER);
    stream_close(c, &c->out);
    stream_close(c, &c->log);
    c->log.framed = true;
    rc = stream_open(c, &c->out, out_fd, on_out, err);
    if (rc < 0) {
        if (log_fd >= 0)
            close(log_fd);
        return rc;
    }
    return stream_open(c, &c->log, log_fd, on_log, err);
}

void
capture_drain(struct capture *c, enum capture_end end)
{
    if (c->log.io.loop && !stream_read(c, &c->log, end == CAPTURE_OVER))
        stream_close(c, &c->log);
    if (c->out.io.loop && !stream_read(c, &c->out, end != CAPTURE_MORE))
        stream_close(c, &c->out);
}

void
capture_free(struct capture *c)
{
    if (!c)
        return;
    capture_drain(c, CAPTURE_OVER);
    stream_close(c, &c->out);
    stream_close(c, &c->log);
    free(c);
}
