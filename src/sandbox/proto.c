/* One record, out or in. The checks that every receiver owes stand here once: exact size, no
 * truncation, no more descriptors than asked for, and none leaked when a record is refused. */
#include "sandbox/proto.h"
#include <sys/socket.h>

void
proto_close_fds(int *fds, size_t fds_len)
{
    for (size_t i = 0; i < fds_len; i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
        fds[i] = -1;
    }
}

int
proto_send(int socket_fd, const void *message, size_t size, const int *fds, size_t fds_len,
           struct err *err)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int) * PROTO_FDS_MAX)];
    } control = {0};
    struct iovec iov = {(void *)(uintptr_t)message, size};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    ASSERT(fds_len <= PROTO_FDS_MAX);
    if (fds_len > 0) {
        struct cmsghdr *c;

        msg.msg_control = control.room;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * fds_len);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * fds_len);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * fds_len);
    }
    do
        n = sendmsg(socket_fd, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
        return err_set(err, ERR_UNAVAILABLE, "the other end is gone");
    if (n < 0)
        return err_sys(err, "send a message of %zu bytes", size);
    ASSERT((size_t)n == size); /* SOCK_SEQPACKET takes a record whole or not at all */
    return 1;
}

int
proto_receive(int socket_fd, void *message, size_t size, int *fds, size_t fds_max,
              size_t *ret_fds_len, struct err *err)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int) * PROTO_FDS_MAX)];
    } control;
    struct iovec iov = {message, size};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.room,
                         .msg_controllen = sizeof(control.room)};
    int got[PROTO_FDS_MAX];
    size_t got_len = 0;
    ssize_t n;

    ASSERT(fds_max <= PROTO_FDS_MAX);
    do
        n = recvmsg(socket_fd, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (n < 0 && errno == ECONNRESET)
        return err_set(err, ERR_UNAVAILABLE, "the other end is gone");
    if (n < 0)
        return err_sys(err, "receive a message");
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0;
             at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0) && got_len < PROTO_FDS_MAX;
             at += sizeof(int))
            memcpy(&got[got_len++], CMSG_DATA(c) + at, sizeof(int));
    }
    if (n == 0 && got_len == 0) /* an empty record looks the same, and is as wrong */
        return err_set(err, ERR_UNAVAILABLE, "the other end is gone");
    if ((size_t)n != size || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || got_len > fds_max) {
        proto_close_fds(got, got_len);
        return err_set(err, ERR_INVALID,
                       "a message of %zd bytes%s with %zu descriptors, where %zu and %zu are right",
                       n, msg.msg_flags & MSG_TRUNC ? " and more" : "", got_len, size, fds_max);
    }
    if (got_len > 0)
        memcpy(fds, got, sizeof(int) * got_len);
    *ret_fds_len = got_len;
    return 1;
}
