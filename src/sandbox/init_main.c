/* Pid 1 of a sandbox while it lives: starts the runtime, kills, reaps, reports. It has the
 * sandbox's own uid, no rights and the same seccomp filter as everything else in here; what
 * protects it is being pid 1 (signals from inside its namespace don't reach it, not even SIGKILL)
 * and not being dumpable. If it ends, the kernel kills every process of the sandbox.
 *
 * End of file on the control socket means the daemon is gone: so are we. */
#include "sandbox/root.h"
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { FD_OUT = 1, FD_LOG = 3, FD_FRAMES = 4, START_FDS_MAX = 4 };

struct init {
    int socket_fd;
    pid_t runtime; /* 0: none runs */
    uint32_t run;
};

/* What START brought, made ready for exec. */
struct start {
    char *argv[ARGS_MAX + 1];
    char *envp[ENVS_MAX + 1];
    int out_fd, log_fd, frames_fd; /* -1: none */
};

static void
tell(const struct init *in, uint32_t run, int status, const struct err *why)
{
    struct init_reply reply = {.type = FROM_INIT_EXITED, .run = run, .status = status};
    struct err err = {0};

    if (why)
        reply.err = *why;
    if (proto_send(in->socket_fd, &reply, sizeof(reply), NULL, 0, &err) < 0)
        _exit(0); /* the daemon is gone */
}

static void
reap(struct init *in, int flags)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, flags)) > 0 || (pid < 0 && errno == EINTR))
        if (pid > 0 && pid == in->runtime) {
            in->runtime = 0;
            tell(in, in->run, status, NULL);
        }
}

/* ---- START ---- */

/* `count` NUL-terminated strings from the blob; false if it has fewer. */
static bool
take_strings(char **at, size_t *left, char **ret, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char *end = memchr(*at, '\0', *left);

        if (!end)
            return false;
        ret[i] = *at;
        *left -= (size_t)(end + 1 - *at);
        *at = end + 1;
    }
    ret[count] = NULL;
    return true;
}

/* Between vfork and exec: shares our memory, so it may only set what it owns, and `err`. */
static _Noreturn void
become_runtime(const struct start *s, struct err *err)
{
    /* First out of the way of the numbers they go to: 3 and 4 may be each other's source. */
    int out = fcntl(s->out_fd, F_DUPFD, 10), log = -1, frames = -1;
    sigset_t none;

    if (s->log_fd >= 0)
        log = fcntl(s->log_fd, F_DUPFD, 10);
    if (s->frames_fd >= 0)
        frames = fcntl(s->frames_fd, F_DUPFD, 10);
    if (out < 0 || (s->log_fd >= 0 && log < 0) || (s->frames_fd >= 0 && frames < 0) ||
        dup2(out, FD_OUT) < 0 || dup2(out, 2) < 0) {
        (void)err_sys(err, "set up file descriptors");
        _exit(127);
    }
    if (log >= 0 ? dup2(log, FD_LOG) < 0 : (close(FD_LOG), false)) {
        (void)err_sys(err, "set up the log descriptor");
        _exit(127);
    }
    if (frames >= 0 ? dup2(frames, FD_FRAMES) < 0 : (close(FD_FRAMES), false)) {
        (void)err_sys(err, "set up the frame descriptor");
        _exit(127);
    }
    (void)close_range(FD_FRAMES + 1, ~0u, 0); /* cannot fail with these arguments */
    (void)setsid();                           /* nor this: we are a new process */
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (chdir("/var/task") < 0) {
        (void)err_sys(err, "go to /var/task (its files must be readable by everybody)");
        _exit(127);
    }
    execve(s->argv[0], s->argv, s->envp);
    (void)err_sys(err, "execute '%s'", s->argv[0]);
    _exit(127);
}

static __attribute__((noinline)) pid_t
start_runtime(const struct start *s, struct err *err)
{
    pid_t pid = vfork(); /* 4 times as cheap as fork, and tells at once whether exec failed */

    if (pid == 0)
        become_runtime(s, err);
    if (pid < 0)
        return err_sys(err, "make a process");
    return pid;
}

static bool
on_start(struct init *in, const struct init_request *rq, int *fds, size_t fds_len)
{
    static struct start s; /* 9 KiB that needn't be on the stack */
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    size_t wanted = 2 + (rq->has_log != 0) + (rq->has_frames != 0), left = rq->blob_len;
    struct err err = {0};
    struct stat st;
    char *blob, *at;
    pid_t pid;
    bool ok;

    if (fds_len != wanted || rq->argc < 1 || rq->argc > ARGS_MAX || rq->envc > ENVS_MAX ||
        rq->blob_len < 1 || rq->blob_len > BLOB_MAX || in->runtime || fstat(fds[0], &st) < 0 ||
        st.st_size != (off_t)rq->blob_len ||
        (fcntl(fds[0], F_GET_SEALS) & seals) != seals) /* it can't shrink under our feet */
        return false;
    at = blob = mmap(NULL, rq->blob_len, PROT_READ, MAP_PRIVATE, fds[0], 0);
    if (blob == MAP_FAILED) {
        (void)err_sys(&err, "map the arguments");
        tell(in, rq->run, 127 << 8, &err);
        return true;
    }
    ok = take_strings(&at, &left, s.argv, rq->argc) && take_strings(&at, &left, s.envp, rq->envc) &&
         left == 0;
    if (ok) {
        s.out_fd = fds[1];
        s.log_fd = rq->has_log ? fds[2] : -1;
        s.frames_fd = rq->has_frames ? fds[2 + (rq->has_log != 0)] : -1;
        pid = start_runtime(&s, &err);
        if (err.kind != ERR_NONE) {
            if (pid > 0)
                while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                    ;
            tell(in, rq->run, 127 << 8, &err);
        } else {
            in->runtime = pid;
            in->run = rq->run;
        }
    }
    (void)munmap(blob, rq->blob_len);
    return ok;
}

/* ---- the others ---- */

static void
on_kill(struct init *in)
{
    /* Nobody escapes by forking: a fork fails while a SIGKILL is pending. */
    (void)kill(-1, SIGKILL); /* fails only when there is nobody */
    reap(in, 0);
}

static bool
on_signal(struct init *in, const struct init_request *rq)
{
    if (rq->signo < 1 || rq->signo > SIGRTMAX)
        return false;
    if (in->runtime)
        (void)kill(in->runtime, rq->signo); /* a zombie at most: only we reap it */
    return true;
}

static bool
on_message(struct init *in)
{
    struct init_request rq;
    int fds[START_FDS_MAX];
    size_t fds_len = 0;
    struct err err = {0};
    bool ok = false;

    if (proto_receive(in->socket_fd, &rq, sizeof(rq), fds, START_FDS_MAX, &fds_len, &err) <= 0)
        return false;
    switch ((enum init_request_type)rq.type) {
    case INIT_START:
        ok = on_start(in, &rq, fds, fds_len);
        break;
    case INIT_KILL:
        ok = fds_len == 0;
        if (ok)
            on_kill(in);
        break;
    case INIT_SIGNAL:
        ok = fds_len == 0 && on_signal(in, &rq);
        break;
    case INIT_REQUEST_NONE:
    case INIT_REQUESTS_END:
        break;
    }
    proto_close_fds(fds, fds_len);
    return ok;
}

_Noreturn void
init_serve(int socket_fd)
{
    struct init in = {.socket_fd = socket_fd};
    struct signalfd_siginfo info;
    struct pollfd polls[2];
    sigset_t all;

    /* Nothing is handled, everything blocked; SIGCHLD arrives as a descriptor. */
    sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    (void)signal(SIGPIPE, SIG_DFL); /* all that the worker ignores; a runtime must not inherit it */
    sigemptyset(&all);
    sigaddset(&all, SIGCHLD);
    polls[0] = (struct pollfd){.fd = socket_fd, .events = POLLIN};
    polls[1] =
        (struct pollfd){.fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK), .events = POLLIN};
    if (polls[1].fd < 0)
        _exit(1);
    for (;;) {
        if (poll(polls, 2, -1) < 0 && errno != EINTR)
            _exit(1);
        if (polls[1].revents) {
            while (read(polls[1].fd, &info, sizeof(info)) == sizeof(info))
                ;
            reap(&in, WNOHANG);
        }
        if (polls[0].revents && !on_message(&in))
            _exit(0); /* and with us everything in here */
    }
}
