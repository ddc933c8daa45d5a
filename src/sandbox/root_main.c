/* lambent-spawner: all that Lambent does as root, in a program of its own.
 *
 *   lambentd --control socket--> supervisor (this file) --fork--> worker (root_worker.c)
 *       `-----request socket, handed over the control socket----------^
 *
 * The supervisor takes the instance's slot, starts a worker in a new pid namespace and gives the
 * daemon the other end of its request socket. It reads nothing that the daemon writes: end of file
 * is all it learns from it. When the worker dies the kernel has killed every sandbox; it removes
 * their control groups, says LOST, and starts another, unless that happens too often. */
#include "sandbox/root.h"
#include <fcntl.h>
#include <getopt.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include "base/log.h"

enum { RESTARTS_MAX = 20, RESTARTS_WINDOW_S = 60 };

struct supervisor {
    struct root_config config;
    struct cgroups cg;
    int signal_fd;
    pid_t worker; /* 0: none */
    time_t starts[RESTARTS_MAX];
    unsigned starts_len;
};

/* Tell the daemon; a daemon that is gone will be noticed by poll. */
static void
tell(struct supervisor *s, enum supervisor_reply_type type, int fd, const struct err *why)
{
    struct supervisor_reply reply = {.type = type};
    struct err err = {0};

    if (why)
        reply.err = *why;
    (void)proto_send(s->config.control_fd, &reply, sizeof(reply), &fd, fd >= 0 ? 1 : 0, &err);
}

/* `again`: another one was lost before. */
static int
start_worker(struct supervisor *s, bool again, struct err *err)
{
    struct clone_args args = {.flags = CLONE_NEWPID, .exit_signal = SIGCHLD};
    struct timespec now;
    int pair[2];

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (s->starts_len >= RESTARTS_MAX &&
        now.tv_sec - s->starts[s->starts_len % RESTARTS_MAX] < RESTARTS_WINDOW_S)
        return err_set(err, ERR_UNAVAILABLE, "the worker died %d times within %d s", RESTARTS_MAX,
                       RESTARTS_WINDOW_S);
    s->starts[s->starts_len++ % RESTARTS_MAX] = now.tv_sec;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(err, "make a socket for requests");
    s->worker = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (s->worker == 0) {
        (void)close(pair[0]);
        (void)close(s->config.control_fd);
        worker_main(&s->config, &s->cg, pair[1]);
    }
    if (s->worker < 0) {
        s->worker = 0;
        (void)err_sys(err,
                      "cannot start the worker in a pid namespace: start lambentd as root, with "
                      "CAP_SYS_ADMIN");
    } else {
        if (again)
            tell(s, SUPERVISOR_LOST, -1, NULL);
        tell(s, SUPERVISOR_WORKER, pair[0], NULL);
    }
    (void)close(pair[0]);
    (void)close(pair[1]);
    return err->kind == ERR_NONE ? 0 : -(int)err->kind;
}

/* Did it end? Then nothing of its sandboxes runs any more. */
static bool
reap_worker(struct supervisor *s, int flags, int *ret_status)
{
    pid_t pid;

    do
        pid = waitpid(s->worker, ret_status, flags);
    while (pid < 0 && errno == EINTR);
    if (pid != s->worker)
        return false;
    s->worker = 0;
    return true;
}

static void
stop(struct supervisor *s)
{
    int status;

    if (s->worker > 0) {
        (void)kill(s->worker, SIGKILL);
        (void)reap_worker(s, 0, &status);
    }
    cgroups_close(&s->cg);
}

/* Returns when the daemon is gone (0) or we cannot go on. */
static int
serve(struct supervisor *s, struct err *err)
{
    for (;;) {
        /* Nothing that the daemon could say is of interest, its silence is. */
        struct pollfd polls[2] = {{.fd = s->config.control_fd, .events = POLLRDHUP},
                                  {.fd = s->signal_fd, .events = POLLIN}};
        struct signalfd_siginfo info;
        int status;

        if (poll(polls, 2, -1) < 0 && errno != EINTR)
            return err_sys(err, "poll");
        if (polls[0].revents)
            return 0;
        while (read(s->signal_fd, &info, sizeof(info)) == sizeof(info))
            if (info.ssi_signo != SIGCHLD)
                return 0;
        if (!reap_worker(s, WNOHANG, &status))
            continue;
        cgroups_sweep(&s->cg);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 2) /* it has said why itself */
            return err_set(err, ERR_UNAVAILABLE,
                           "the spawner's worker could not set up its sandbox template");
        log_event(LOG_spawner_lost, "status=%d next=\"starting another\"", status);
        if (start_worker(s, true, err) < 0)
            return -(int)err->kind;
    }
}

/* ---- arguments ---- */

static int
parse_number(const char *text, int64_t min, int64_t max, const char *name, int64_t *ret,
             struct err *err)
{
    if (!str_int(str_of(text), min, max, ret))
        return err_set(err, ERR_INVALID, "--%s is '%s', must be %lld to %lld", name, text,
                       (long long)min, (long long)max);
    return 0;
}

static int
parse_args(int argc, char **argv, struct root_config *c, struct err *err)
{
    static const struct option options[] = {
        {"control-fd", required_argument, NULL, 'c'},
        {"packages", required_argument, NULL, 'p'},
        {"runtimes", required_argument, NULL, 'r'},
        {"cgroup-parent", required_argument, NULL, 'g'},
        {"uid-base", required_argument, NULL, 'u'},
        {"sandboxes-max", required_argument, NULL, 'n'},
        {"show", required_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    int64_t number;
    int option;

    *c = (struct root_config){.control_fd = -1, .cgroup_parent = "", .sandboxes_max = 1000};
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case 'c':
            if (parse_number(optarg, 3, 1 << 20, "control-fd", &number, err) < 0)
                return -(int)err->kind;
            c->control_fd = (int)number;
            break;
        case 'p':
            c->packages_dir = optarg;
            break;
        case 'r':
            c->runtimes_dir = optarg;
            break;
        case 'g':
            c->cgroup_parent = optarg;
            break;
        case 'u':
            if (parse_number(optarg, 0, (int64_t)UINT32_MAX - 65536, "uid-base", &number, err) < 0)
                return -(int)err->kind;
            c->uid_base = (uint32_t)number;
            break;
        case 'n':
            if (parse_number(optarg, 1, SANDBOXES_MAX, "sandboxes-max", &number, err) < 0)
                return -(int)err->kind;
            c->sandboxes_max = (uint32_t)number;
            break;
        case 's':
            if (c->show_dirs_len == SHOW_DIRS_MAX)
                return err_set(err, ERR_INVALID, "--show more than %d times", SHOW_DIRS_MAX);
            c->show_dirs[c->show_dirs_len++] = optarg;
            break;
        default:
            return err_set(err, ERR_INVALID, "unknown option '%s'", argv[optind - 1]);
        }
    if (optind != argc || c->control_fd < 0 || !c->packages_dir || !c->runtimes_dir ||
        c->packages_dir[0] != '/' || c->runtimes_dir[0] != '/')
        return err_set(err, ERR_INVALID,
                       "lambent-spawner is started by lambentd; by hand it needs --control-fd N "
                       "--packages /DIR --runtimes /DIR");
    for (size_t i = 0; i < c->show_dirs_len; i++)
        if (c->show_dirs[i][0] != '/' || strstr(c->show_dirs[i], "/.") || !c->show_dirs[i][1])
            return err_set(err, ERR_INVALID, "--show '%s' is not a plain absolute path",
                           c->show_dirs[i]);
    return 0;
}

static int
setup(struct supervisor *s, int argc, char **argv, struct err *err)
{
    sigset_t set;
    int fd;

    if (parse_args(argc, argv, &s->config, err) < 0)
        return -(int)err->kind;
    if (geteuid() != 0)
        return err_set(err, ERR_DENIED,
                       "sandboxes need root: start lambentd as root (it gives its own rights up)");
    /* Whatever the daemon's parent left open stays out of here, and so out of every sandbox. */
    fd = fcntl(s->config.control_fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0 || dup2(fd, 3) < 0 || close_range(4, ~0u, 0) < 0 ||
        fcntl(3, F_SETFD, FD_CLOEXEC) < 0 || fcntl(3, F_SETFL, O_NONBLOCK) < 0)
        return err_sys(err, "take over the control socket");
    s->config.control_fd = 3;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_SETMASK, &set, NULL) < 0 ||
        (s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
        return err_sys(err, "take signals");
    /* A terminal's ctrl-C is for the daemon, which stops in order; we follow when it is gone. */
    if (setsid() < 0 && errno != EPERM)
        return err_sys(err, "leave the terminal");
    for (int signo = 1; signo <= SIGRTMAX; signo++)
        (void)signal(signo, SIG_DFL); /* what a nohup ignored would reach every runtime */
    (void)signal(SIGPIPE, SIG_IGN);
    umask(022);
    if (chdir("/") < 0)
        return err_sys(err, "go to /");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return err_sys(err, "give up gaining rights");
    return cgroups_open(&s->cg, &s->config, err);
}

int
main(int argc, char **argv)
{
    static struct supervisor s = {.signal_fd = -1};
    struct err err = {0};
    int rc;

    log_set_program("lambent-spawner");
    s.cg.slot_fd = s.cg.run_fd = -1;
    rc = setup(&s, argc, argv, &err);
    if (rc == 0)
        rc = start_worker(&s, false, &err);
    if (rc == 0)
        rc = serve(&s, &err);
    if (rc < 0) {
        log_event(LOG_spawner_lost, "why=\"%s\" next=\"ending\"", err.text);
        if (s.config.control_fd >= 0)
            tell(&s, SUPERVISOR_FATAL, -1, &err);
    }
    stop(&s);
    return rc < 0 ? 1 : 0;
}
