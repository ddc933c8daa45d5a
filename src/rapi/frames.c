/* The Runtime API over frames: see docs/PROTOCOL.md section 1 for the bytes. One non-blocking
 * stream socket; what does not fit the socket's buffer waits in rt->out. The peer is user code:
 * every length is checked against the bytes that are there, and any violation is final. */
#include "rapi/rapi_internal.h"
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum frame_type {
    FRAME_INVOKE = 1,
    FRAME_NEXT = 2,
    FRAME_RESPONSE = 3,
    FRAME_ERROR = 4,
    FRAME_INIT_ERROR = 5,
    FRAME_ASSIGN = 6,
    FRAME_PREPARED = 7,
};
enum { HEADER = 8, BODY_MAX = RAPI_RESPONSE_MAX + 65536, READ_CHUNK = 16384, KEEP_MAX = 32768 };

static void
put_u32(char *at, size_t value)
{
    uint32_t v = (uint32_t)value;

    memcpy(at, &v, sizeof(v)); /* x86-64 and arm64 are little-endian; the wire is too */
}

static void
broken(struct rapi_runtime *rt, const char *why)
{
    rapi_frames_close(rt);
    rt->state = RAPI_NONE;
    rt->inv = NULL;
    rt->events->on_broken(rt->arg, why);
}

static bool
take_field(struct str *body, struct str *ret)
{
    uint32_t len;

    if (body->len < 4)
        return false;
    memcpy(&len, body->at, 4);
    if (len > body->len - 4)
        return false;
    *ret = (struct str){body->at + 4, len};
    *body = (struct str){body->at + 4 + len, body->len - 4 - len};
    return true;
}

/* One whole frame. */
static void
on_frame(struct rapi_runtime *rt, enum frame_type type, struct str body)
{
    struct str id, field;

    switch (type) {
    case FRAME_NEXT:
        /* Stricter than over HTTP: there is no connection that could have been lost. */
        if (body.len != 0 || !rapi_allowed(rt, RAPI_CALL_NEXT) || rt->state == RAPI_RUNNING ||
            rt->state == RAPI_READY)
            broken(rt, "NEXT out of order");
        else
            rapi_next(rt);
        return;
    case FRAME_RESPONSE:
    case FRAME_ERROR:
        if (!take_field(&body, &id) || !take_field(&body, &field)) {
            broken(rt, "malformed frame");
        } else if (rt->state != RAPI_RUNNING || !str_is(id, rt->inv->request_id)) {
            broken(rt, "answer to an invocation it does not have");
        } else if (body.len > RAPI_RESPONSE_MAX) {
            rapi_too_large(rt, body.len);
        } else if (type == FRAME_RESPONSE) {
            rapi_response(rt, field, body);
        } else {
            rapi_error(rt, field, body);
        }
        return;
    case FRAME_INIT_ERROR:
        if (!take_field(&body, &field) || !rapi_allowed(rt, RAPI_CALL_INIT_ERROR))
            broken(rt, "INIT_ERROR out of order");
        else
            rapi_init_error(rt, field, body);
        return;
    case FRAME_PREPARED:
        if (body.len != 0 || rt->state != RAPI_UNASSIGNED)
            broken(rt, "PREPARED out of order");
        else
            rt->events->on_prepared(rt->arg);
        return;
    case FRAME_INVOKE:
    case FRAME_ASSIGN:
    default:
        broken(rt, "unknown frame");
    }
}

static void
flush_out(struct rapi_runtime *rt)
{
    while (rt->out.len > 0) {
        ssize_t n = send(rt->frames.fd, rt->out.at, rt->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
            buf_done(&rt->out); /* it reads no more; if it is gone, the read side tells */
            break;
        }
        if (n < 0)
            break; /* full: EPOLLOUT comes */
        buf_shift(&rt->out, (size_t)n);
    }
    io_set(&rt->frames, rt->out.len ? EPOLLIN | EPOLLOUT : EPOLLIN);
    if (rt->out.len == 0)
        buf_done(&rt->out);
}

/* Frames in rt->in, as many as are whole. A callback may stop or restart the runtime: then the
 * socket is another one, and what was left in the buffer is gone. The bytes are held here
 * meanwhile, since a callback may rely on what it was given until it returns. */
static void
parse_in(struct rapi_runtime *rt)
{
    uint32_t generation = rt->frames_generation;
    AUTO_BUF struct buf in = rt->in;
    size_t done = 0;

    rt->in = BUF_MAX(in.max);
    while (in.len - done >= HEADER) {
        const char *at = in.at + done;
        uint32_t len;

        memcpy(&len, at, 4);
        if (len > BODY_MAX || at[5] || at[6] || at[7]) {
            broken(rt, "malformed header");
            return;
        }
        if (in.len - done - HEADER < len)
            break;
        done += HEADER + len;
        on_frame(rt, (enum frame_type)(uint8_t)at[4], (struct str){at + HEADER, len});
        if (rt->frames_generation != generation)
            return;
    }
    buf_shift(&in, done);
    if (in.len > 0 || in.cap <= KEEP_MAX) {
        rt->in = in;
        in = BUF_MAX(in.max);
    }
}

static void
on_ready(struct io *io, uint32_t events)
{
    struct rapi_runtime *rt = CONTAINER_OF(io, struct rapi_runtime, frames);
    int fd = io->fd;
    size_t want = READ_CHUNK;
    ssize_t n;

    if (events & EPOLLOUT)
        flush_out(rt);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    if (rt->in.len >= HEADER) { /* the rest of a large frame in one go */
        uint32_t len;

        memcpy(&len, rt->in.at, 4);
        want = MAX(want, HEADER + (size_t)len - rt->in.len);
    }
    if (!buf_reserve(&rt->in, want)) {
        broken(rt, "frame too large");
        return;
    }
    n = recv(fd, rt->in.at + rt->in.len, rt->in.cap - rt->in.len - 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        /* End of file alone is not an event: the process's exit is, and init reports that. */
        rapi_frames_close(rt);
        return;
    }
    rt->in.len += (size_t)n;
    parse_in(rt);
}

int
rapi_frames_open(struct rapi_runtime *rt, int *ret_fd, struct err *err)
{
    int pair[2], rc;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(err, "make the socket to the runtime");
    rc = io_open(rt->rapi->loop, &rt->frames, pair[0], EPOLLIN, on_ready, err);
    if (rc < 0) {
        close(pair[0]);
        close(pair[1]);
        return rc;
    }
    *ret_fd = pair[1];
    return 0;
}

void
rapi_frames_close(struct rapi_runtime *rt)
{
    if (rt->frames.loop) {
        int fd = rt->frames.fd;

        io_close(&rt->frames);
        close(fd);
        rt->frames_generation++;
    }
    buf_done(&rt->in);
    buf_done(&rt->out);
}

void
rapi_frames_deliver(struct rapi_runtime *rt)
{
    const struct rapi_invocation *inv = rt->inv;
    const struct str fields[] = {str_of(inv->request_id), inv->function_arn,     inv->trace_id,
                                 inv->client_context,     inv->cognito_identity, inv->tenant_id};
    size_t len = HEADER + 8;
    char head[4096], *at = head;
    struct iovec iov[2];
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    AUTO_BUF struct buf large = BUF_MAX(1 << 20);
    size_t sent;
    ssize_t n;

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        len += 4 + fields[i].len;
    if (len > sizeof(head)) {
        ASSERT(buf_reserve(&large, len)); /* headers were bounded at the gateway */
        at = large.at;
    }
    iov[0] = (struct iovec){at, len};
    iov[1] = (struct iovec){(void *)(uintptr_t)inv->payload.at, inv->payload.len};
    put_u32(at, len - HEADER + inv->payload.len);
    put_u32(at + 4, FRAME_INVOKE);
    memcpy(at + HEADER, &inv->deadline_ms, 8);
    at += HEADER + 8;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        put_u32(at, fields[i].len);
        if (fields[i].len)
            memcpy(at + 4, fields[i].at, fields[i].len);
        at += 4 + fields[i].len;
    }
    n = sendmsg(rt->frames.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0)
        n = 0;
    if ((size_t)n == len + inv->payload.len)
        return;
    if ((size_t)n < len)
        buf_add(&rt->out, (char *)iov[0].iov_base + n, len - (size_t)n);
    sent = (size_t)n > len ? (size_t)n - len : 0; /* of the payload */
    if (sent < inv->payload.len)
        buf_add(&rt->out, inv->payload.at + sent, inv->payload.len - sent);
    ASSERT(!rt->out.overflow);
    io_set(&rt->frames, EPOLLIN | EPOLLOUT);
}

int
rapi_frames_assign(struct rapi_runtime *rt, char *const envp[], struct err *err)
{
    AUTO_BUF struct buf frame = BUF_MAX(1 << 20);
    char head[HEADER] = {0};
    ssize_t n;

    buf_add(&frame, head, sizeof(head));
    for (size_t i = 0; envp[i]; i++) {
        char len[4];

        put_u32(len, strlen(envp[i]));
        buf_add(&frame, len, sizeof(len));
        buf_z(&frame, envp[i]);
    }
    if (frame.overflow)
        return err_set(err, ERR_TOO_LARGE, "the function's environment variables are too large");
    put_u32(frame.at, frame.len - HEADER);
    frame.at[4] = FRAME_ASSIGN;
    n = send(rt->frames.fd, frame.at, frame.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0)
        n = 0; /* full or gone: as in rapi_frames_deliver() */
    if ((size_t)n < frame.len) {
        buf_add(&rt->out, frame.at + n, frame.len - (size_t)n);
        io_set(&rt->frames, EPOLLIN | EPOLLOUT);
    }
    return 0;
}
