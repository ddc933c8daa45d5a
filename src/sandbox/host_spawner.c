/* The daemon's connection to lambent-spawner: launching it, the two sockets, the queue of requests.
 *
 * Nothing here blocks. Requests are tiny and usually go out at once; when the worker's socket is
 * full they wait in a queue that needs no memory: each sandbox is in it at most once, with the set
 * of requests it still has to make. */
#include "sandbox/host_internal.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* ---- launching ---- */

int
spawner_launch(const struct spawner_config *config, int *ret_control_fd, pid_t *ret_pid,
               struct err *err)
{
    char control[16], uid_base[16], max[16];
    const char *argv[16 + 2 * 16 /* SHOW_DIRS_MAX */];
    size_t n = 0;
    int pair[2];
    pid_t pid;

    if (config->sandboxes_max < 1 || config->sandboxes_max > SANDBOXES_MAX)
        return err_set(err, ERR_INVALID, "sandboxes_max is %u, must be 1 to %d",
                       config->sandboxes_max, SANDBOXES_MAX);
    if (access(config->program, X_OK) < 0)
        return err_sys(err, "cannot execute '%s'; is Lambent installed?", config->program);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(err, "make the spawner's control socket");
    snprintf(uid_base, sizeof(uid_base), "%u", config->uid_base);
    snprintf(max, sizeof(max), "%u", config->sandboxes_max);
    argv[n++] = config->program;
    argv[n++] = "--control-fd";
    argv[n++] = control;
    argv[n++] = "--packages";
    argv[n++] = config->packages_dir;
    argv[n++] = "--runtimes";
    argv[n++] = config->runtimes_dir;
    argv[n++] = "--uid-base";
    argv[n++] = uid_base;
    argv[n++] = "--sandboxes-max";
    argv[n++] = max;
    if (config->cgroup_parent && config->cgroup_parent[0]) {
        argv[n++] = "--cgroup-parent";
        argv[n++] = config->cgroup_parent;
    }
    for (size_t i = 0; config->show_dirs && config->show_dirs[i] && n + 3 <= ARRAY_LEN(argv); i++) {
        argv[n++] = "--show";
        argv[n++] = config->show_dirs[i];
    }
    argv[n] = NULL;
    pid = fork();
    if (pid == 0) {
        int fd = fcntl(pair[1], F_DUPFD, 3); /* not close-on-exec */
        sigset_t none;

        snprintf(control, sizeof(control), "%d", fd);
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        execve(config->program, (char **)(uintptr_t)argv, (char *[]){NULL});
        _exit(127);
    }
    (void)close(pair[1]);
    if (pid < 0) {
        (void)close(pair[0]);
        return err_sys(err, "start lambent-spawner");
    }
    *ret_control_fd = pair[0];
    *ret_pid = pid;
    return 0;
}

/* ---- the queue of requests ---- */

static int
send_one(struct spawner *sp, struct sandbox *sb, enum spawner_request_type type, struct err *err)
{
    struct spawner_request rq = {.type = type, .id = sb->id};
    int rc;

    if (type == SPAWNER_CREATE || type == SPAWNER_ASSIGN)
        rq.spec = sb->spec;
    rc =
        proto_send(sp->request_fd, &rq, sizeof(rq), &sb->init_peer_fd, type == SPAWNER_CREATE, err);
    if (rc > 0 && type == SPAWNER_CREATE) {
        (void)close(TAKE_FD(sb->init_peer_fd)); /* or its end would never be seen */
    } else if (rc > 0 && type == SPAWNER_RELEASE) {
        sp->table[sb->id] = NULL;
        sp->free_ids[(sp->free_at + sp->free_len++) % sp->sandboxes_max] = sb->id;
    }
    return rc;
}

/* Send what can be sent. A failure means that the worker is gone: LOST comes and settles it all. */
static void
flush(struct spawner *sp)
{
    struct err err = {0};

    while (sp->queue && sp->request_fd >= 0 && sp->ready) {
        struct sandbox *sb = sp->queue;
        int rc = 1;

        for (int type = SPAWNER_CREATE; type < SPAWNER_REQUESTS_END && rc > 0; type++)
            if (sb->todo & (1u << type)) {
                rc = send_one(sp, sb, type, &err);
                if (rc > 0)
                    sb->todo &= ~(1u << type);
            }
        if (rc < 0)
            return;
        if (rc == 0)
            break;
        sp->queue = sb->next;
        if (!sp->queue)
            sp->queue_end = &sp->queue;
        sb->next = NULL;
        sb->queued = false;
        if (!sp->table[sb->id])
            sandbox_free(sb);
    }
    if (sp->request_io.loop)
        io_set(&sp->request_io, sp->queue ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void
spawner_queue(struct spawner *sp, struct sandbox *sb, enum spawner_request_type type)
{
    /* Without a worker there is nobody to ask: LOST settles every sandbox. A callback of one that
     * was lost may destroy others that are about to be freed: they must not be left in the queue.
     */
    if (sp->request_fd < 0)
        return;
    sb->todo |= 1u << type;
    if (!sb->queued) {
        sb->queued = true;
        *sp->queue_end = sb;
        sp->queue_end = &sb->next;
    }
    flush(sp);
}

/* ---- what the worker says ---- */

static void
close_request(struct spawner *sp)
{
    io_close(&sp->request_io);
    if (sp->request_fd >= 0)
        (void)close(TAKE_FD(sp->request_fd));
    sp->ready = false;
}

static void
note_why(struct spawner *sp, const struct err *why)
{
    if (why->kind != ERR_NONE && sp->why.kind == ERR_NONE)
        sp->why = *why;
}

/* One reply. A reply that makes no sense ends the connection, as on the other side. */
static int
on_reply(struct spawner *sp, const struct spawner_reply *reply, int *fds, size_t fds_len,
         struct err *err)
{
    struct sandbox *sb;

    if (reply->type == WORKER_READY) {
        if (!sp->table) {
            sp->sandboxes_max = reply->sandboxes_max;
            sp->table = xcalloc(sp->sandboxes_max, sizeof(struct sandbox *));
            sp->free_ids = xcalloc(sp->sandboxes_max, sizeof(uint32_t));
            for (uint32_t id = 0; id < sp->sandboxes_max; id++)
                sp->free_ids[sp->free_len++] = id;
        }
        sp->ready = true;
        sp->events->on_ready(sp->arg);
        return 0;
    }
    if (reply->type == WORKER_FAILED && !sp->ready) { /* its set-up */
        note_why(sp, &reply->err);
        return 0;
    }
    sb = reply->id < sp->sandboxes_max ? sp->table[reply->id] : NULL;
    if (!sb || sb->magic != SANDBOX_MAGIC)
        return err_set(err, ERR_INTERNAL, "the spawner speaks of sandbox %u, which isn't there",
                       reply->id);
    switch ((enum spawner_reply_type)reply->type) {
    case WORKER_CREATED:
        if ((size_t)__builtin_popcount(reply->fds) != fds_len || reply->fds >> SANDBOX_FDS_LEN)
            return err_set(err, ERR_INTERNAL, "the spawner sent %zu descriptors", fds_len);
        sandbox_on_created(sb, reply, fds);
        for (size_t i = 0; i < fds_len; i++)
            fds[i] = -1; /* they are the sandbox's now */
        return 0;
    case WORKER_ASSIGNED:
        sandbox_on_assigned(sb, &reply->err);
        return 0;
    case WORKER_FAILED:
    case WORKER_GONE:
        sandbox_on_gone(sb, &reply->err);
        if (sp->closed) /* by the callback */
            return 0;
        spawner_queue(sp, sb, SPAWNER_RELEASE);
        return 0;
    case WORKER_NONE:
    case WORKER_READY:
    case WORKER_REPLIES_END:
        break;
    }
    return err_set(err, ERR_INTERNAL, "the spawner sent a message of type %u", reply->type);
}

static void
read_replies(struct spawner *sp)
{
    for (int i = 0; i < 64 && sp->request_fd >= 0; i++) { /* then others have a turn */
        struct spawner_reply reply;
        int fds[PROTO_FDS_MAX], rc;
        size_t fds_len = 0;
        struct err err = {0};

        rc = proto_receive(sp->request_fd, &reply, sizeof(reply), fds, SANDBOX_FDS_LEN, &fds_len,
                           &err);
        if (rc == 0)
            break;
        if (rc > 0) {
            rc = on_reply(sp, &reply, fds, fds_len, &err);
            proto_close_fds(fds, fds_len);
        }
        if (rc < 0) {
            if (err.kind != ERR_UNAVAILABLE)
                note_why(sp, &err);
            close_request(sp); /* the supervisor says LOST when all is removed */
        }
    }
    if (!sp->closed)
        flush(sp);
}

static void
free_if_closed(struct spawner *sp)
{
    if (--sp->depth == 0 && sp->closed)
        free(sp);
}

static void
on_request_io(struct io *io, uint32_t events)
{
    struct spawner *sp = CONTAINER_OF(io, struct spawner, request_io);

    sp->depth++;
    read_replies(sp);
    free_if_closed(sp);
}

/* ---- what the supervisor says ---- */

/* Nothing of any sandbox is left (or root's side is dead, which kills them): tell everybody. */
static void
lost(struct spawner *sp, bool fatal)
{
    struct err why = {0};

    close_request(sp);
    (void)err_set(&why, ERR_UNAVAILABLE, "the spawner was lost%s%s", sp->why.kind ? ": " : "",
                  sp->why.text);
    while (sp->queue) { /* nobody is left to be asked */
        struct sandbox *sb = sp->queue;

        sp->queue = sb->next;
        sb->next = NULL;
        sb->queued = false;
        sb->todo = 0;
    }
    sp->queue_end = &sp->queue;
    sp->fatal = fatal;
    for (uint32_t id = 0; id < sp->sandboxes_max; id++) {
        struct sandbox *sb = sp->table[id];

        if (!sb)
            continue;
        if (!sb->gone)
            sandbox_on_gone(sb, &why);
        if (sp->closed) /* which freed it */
            return;
        sp->table[id] = NULL;
        sp->free_ids[(sp->free_at + sp->free_len++) % sp->sandboxes_max] = id;
        sandbox_free(sb);
    }
    sp->events->on_lost(sp->arg, fatal);
}

static void
read_control(struct spawner *sp)
{
    struct supervisor_reply reply;
    struct err err = {0};
    size_t fds_len = 0;
    int fd = -1, rc;

    rc = proto_receive(sp->control_fd, &reply, sizeof(reply), &fd, 1, &fds_len, &err);
    if (rc == 0)
        return;
    if (rc > 0 && reply.type == SUPERVISOR_WORKER && fds_len == 1 && sp->request_fd < 0 &&
        fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
        io_open(sp->loop, &sp->request_io, fd, EPOLLIN, on_request_io, &err) == 0) {
        sp->request_fd = fd;
        return;
    }
    if (fds_len > 0)
        (void)close(fd);
    /* The worker's last words, deaths and reasons, were sent before. A dying one's answers are
     * bounded by the socket's buffer. */
    while (sp->request_fd >= 0 && rc != 0) {
        struct pollfd more = {.fd = sp->request_fd, .events = POLLIN};

        if (poll(&more, 1, 0) != 1 || !(more.revents & (POLLIN | POLLHUP)))
            break;
        read_replies(sp);
    }
    if (sp->closed)
        return;
    if (rc > 0 && reply.type == SUPERVISOR_LOST && fds_len == 0) {
        lost(sp, false);
        return;
    }
    if (rc > 0 && reply.type == SUPERVISOR_FATAL)
        note_why(sp, &reply.err);
    else if (rc < 0)
        note_why(sp, &err);
    io_close(&sp->control_io);
    (void)close(TAKE_FD(sp->control_fd));
    lost(sp, true);
}

static void
on_control_io(struct io *io, uint32_t events)
{
    struct spawner *sp = CONTAINER_OF(io, struct spawner, control_io);

    sp->depth++;
    read_control(sp);
    free_if_closed(sp);
}

/* ---- open, close ---- */

/* A descriptor that the kernel could not give us while it delivered a message is lost without a
 * word, so we must never get there. Takes as many as the hard limit allows. */
static uint32_t
files_max(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return SANDBOXES_MAX; /* cannot fail with these arguments */
    if (limit.rlim_cur < limit.rlim_max) {
        rlim_t soft = limit.rlim_cur;

        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
            limit.rlim_cur = soft;
    }
    if (limit.rlim_cur <= OTHER_FILES)
        return 0;
    return (uint32_t)MIN((limit.rlim_cur - OTHER_FILES) / SANDBOX_FILES, (rlim_t)SANDBOXES_MAX);
}

int
spawner_open(struct loop *loop, int control_fd, const struct spawner_events *events, void *arg,
             struct spawner **ret, struct err *err)
{
    struct spawner *sp;

    if (fcntl(control_fd, F_SETFL, O_NONBLOCK) < 0)
        return err_sys(err, "set up the spawner's control socket");
    sp = xcalloc(1, sizeof(*sp));
    sp->loop = loop;
    sp->events = events;
    sp->arg = arg;
    sp->control_fd = control_fd;
    sp->request_fd = -1;
    sp->files_max = files_max();
    sp->queue_end = &sp->queue;
    if (io_open(loop, &sp->control_io, control_fd, EPOLLIN, on_control_io, err) < 0) {
        free(sp);
        return -(int)err->kind;
    }
    *ret = sp;
    return 0;
}

const struct err *
spawner_why(const struct spawner *sp)
{
    return &sp->why;
}

void
spawner_close(struct spawner *sp)
{
    if (!sp)
        return;
    for (uint32_t id = 0; id < sp->sandboxes_max; id++) {
        struct sandbox *sb = sp->table[id];

        if (!sb)
            continue;
        ASSERT(sb->gone); /* only its RELEASE was not sent yet */
        sandbox_free(sb);
    }
    close_request(sp);
    io_close(&sp->control_io);
    if (sp->control_fd >= 0)
        (void)close(TAKE_FD(sp->control_fd));
    free(sp->table);
    free(sp->free_ids);
    sp->table = NULL;
    sp->free_ids = NULL;
    sp->sandboxes_max = 0;
    sp->closed = true;
    if (sp->depth == 0)
        free(sp);
}
