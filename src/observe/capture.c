#include "observe/capture.h"
#include <sys/epoll.h>
#include <fcntl.h>

enum { READ_BYTES = 65536, TURN_MAX = 16, FRAME_HEAD = 16 };

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

static void
emit(struct capture *c, int64_t time_ms, struct str text)
{
    do {
        struct str piece = {text.at, MIN(text.len, (size_t)CAPTURE_EVENT_MAX)};

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
    if (s->in.len - done >= CAPTURE_EVENT_MAX || (flush && s->in.len > done)) {
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

/* Frames while they make sense; anything else on this pipe is passed as lines, so that nothing that
 * was written gets lost. */
static void
take_frames(struct capture *c, struct stream *s, bool flush)
{
    while (s->in.len >= FRAME_HEAD) {
        uint32_t type = get_be32(s->in.at), len = get_be32(s->in.at + 4);
        uint64_t us;

        if (type >> 16 != 0xA55A || len > CAPTURE_EVENT_MAX * 4) {
            s->framed = false;
            break;
        }
        if (s->in.len - FRAME_HEAD < len)
            break;
        us = (uint64_t)get_be32(s->in.at + 8) << 32 | get_be32(s->in.at + 12);
        emit(c, type & 2 ? (int64_t)(us / 1000) : (int64_t)clock_wall_ms(),
             (struct str){s->in.at + FRAME_HEAD, len});
        buf_shift(&s->in, FRAME_HEAD + len);
    }
    if (!s->framed || (flush && s->in.len))
        take_lines(c, s, flush);
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
    c->log.in = BUF_MAX(CAPTURE_EVENT_MAX * 4 + 2 * READ_BYTES);
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

    capture_drain(c, true);
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
capture_drain(struct capture *c, bool flush)
{
    if (c->log.io.loop && !stream_read(c, &c->log, flush))
        stream_close(c, &c->log);
    if (c->out.io.loop && !stream_read(c, &c->out, flush))
        stream_close(c, &c->out);
}

void
capture_free(struct capture *c)
{
    if (!c)
        return;
    capture_drain(c, true);
    stream_close(c, &c->out);
    stream_close(c, &c->log);
    free(c);
}
