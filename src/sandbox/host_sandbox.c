/* One sandbox, from the daemon's side: root's part is asked of the worker, everything else is said
 * to its init directly or written to its own cgroup files, which root opened for us.
 *
 * A sandbox is ready when two messages have come by two ways, in either order: CREATED from the
 * worker (with the cgroup files), READY from init (with the listener). It is gone when the worker
 * says GONE; what its init had to say before is read first. */
#include "sandbox/host_internal.h"
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { CPU_PERIOD_US = 20000, CPU_QUOTA_US_MIN = 1000 };

static ssize_t
read_file(int fd, char *to, size_t size)
{
    ssize_t n = fd < 0 ? -1 : pread(fd, to, size - 1, 0);

    to[n < 0 ? 0 : n] = '\0';
    return n;
}

/* The number after "key " at a line's start; 0 if there is none. */
static uint64_t
find_number(const char *text, const char *key)
{
    size_t len = strlen(key);

    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
        if (strncmp(line, key, len) == 0 && line[len] == ' ')
            return strtoull(line + len + 1, NULL, 10);
    return 0;
}

/* Both dialects have the line "oom_kill N": v1 in memory.oom_control, v2 in memory.events. */
static uint64_t
oom_kills(const struct sandbox *sb)
{
    char text[512];

    (void)read_file(sb->cgroup_fds[SANDBOX_FD_EVENTS], text, sizeof(text)); /* "" then */
    return find_number(text, "oom_kill");
}

/* ---- what init says ---- */

static void
maybe_ready(struct sandbox *sb)
{
    if (sb->ready || !sb->created || sb->listener_fd < 0 || sb->destroyed)
        return;
    sb->ready = true;
    if (sb->events->on_ready)
        sb->events->on_ready(sb->arg, sb->listener_fd);
}

static void
on_exited(struct sandbox *sb, const struct init_reply *reply)
{
    struct sandbox_exit how = {0};

    if (!sb->running || reply->run != sb->run)
        return;
    sb->running = false;
    how.exited = WIFEXITED(reply->status);
    how.code = how.exited ? WEXITSTATUS(reply->status) : 0;
    how.signo = WIFSIGNALED(reply->status) ? WTERMSIG(reply->status) : 0;
    how.oom = oom_kills(sb) > sb->oom_at_start;
    how.why = reply->err.kind != ERR_NONE ? &reply->err : NULL;
    if (sb->events->on_exit)
        sb->events->on_exit(sb->arg, &how);
}

static void
close_init(struct sandbox *sb)
{
    io_close(&sb->init_io);
    if (sb->init_fd >= 0)
        (void)close(TAKE_FD(sb->init_fd));
}

/* Returns whether there may be more. */
static bool
read_init(struct sandbox *sb)
{
    struct init_reply reply;
    struct err err = {0};
    size_t fds_len = 0;
    int fd = -1, rc;

    if (sb->init_fd < 0)
        return false;
    rc = proto_receive(sb->init_fd, &reply, sizeof(reply), &fd, 1, &fds_len, &err);
    if (rc == 0)
        return false;
    if (rc < 0) { /* its end; the worker's GONE follows */
        close_init(sb);
        return false;
    }
    reply.err.text[sizeof(reply.err.text) - 1] = '\0';
    reply.err.wire = 0; /* these two are used as indices later */
    if ((unsigned)reply.err.kind > ERR_INTERNAL)
        reply.err.kind = ERR_INTERNAL;
    if (reply.type == FROM_INIT_READY && fds_len == 1 && sb->listener_fd < 0) {
        sb->listener_fd = TAKE_FD(fd);
        maybe_ready(sb);
    } else if (reply.type == FROM_INIT_BROKEN && fds_len == 0) {
        if (sb->why.kind == ERR_NONE)
            sb->why = reply.err;
    } else if (reply.type == FROM_INIT_EXITED && fds_len == 0) {
        on_exited(sb, &reply);
    } else {
        if (fd >= 0)
            (void)close(fd);
        if (sb->why.kind == ERR_NONE)
            (void)err_set(&sb->why, ERR_INTERNAL, "the sandbox's init sent nonsense");
        sandbox_destroy(sb);
        return false;
    }
    return true;
}

static void
on_init_io(struct io *io, uint32_t events)
{
    struct sandbox *sb = CONTAINER_OF(io, struct sandbox, init_io);

    (void)read_init(sb); /* one: a callback may do anything; epoll tells of the next */
}

/* ---- what the worker says ---- */

void
sandbox_on_created(struct sandbox *sb, const struct spawner_reply *reply, const int *fds)
{
    size_t at = 0;

    ASSERT(sb->magic == SANDBOX_MAGIC && !sb->created);
    for (size_t i = 0; i < SANDBOX_FDS_LEN; i++)
        if (reply->fds & (1u << i))
            sb->cgroup_fds[i] = fds[at++];
    sb->memory_v2 = reply->memory_v2;
    sb->cpu_v2 = reply->cpu_v2;
    sb->created = true;
    if (sb->cpu_wanted) {
        struct err ignored = {0}; /* the same failure as at CREATE, where it is not one either */

        (void)sandbox_set_cpu(sb, sb->spec.cpu_permille, &ignored);
    }
    maybe_ready(sb);
}

void
sandbox_on_assigned(struct sandbox *sb, const struct err *why)
{
    ASSERT(sb->magic == SANDBOX_MAGIC && !sb->gone);
    if (why->kind != ERR_NONE) {
        if (sb->why.kind == ERR_NONE)
            sb->why = *why;
        sandbox_destroy(sb);
    } else if (!sb->destroyed && sb->events->on_assigned) {
        sb->events->on_assigned(sb->arg);
    }
}

void
sandbox_on_gone(struct sandbox *sb, const struct err *why)
{
    const struct err *tell = NULL;

    ASSERT(sb->magic == SANDBOX_MAGIC && !sb->gone);
    for (int i = 0; i < 16 && read_init(sb); i++) /* its last words */
        ;
    close_init(sb);
    if (sb->init_peer_fd >= 0)
        (void)close(TAKE_FD(sb->init_peer_fd));
    if (sb->why.kind != ERR_NONE)
        tell = &sb->why;
    else if (why->kind != ERR_NONE)
        tell = why;
    else if (!sb->destroyed) {
        (void)err_set(&sb->why, ERR_UNAVAILABLE, "the sandbox's init was killed%s",
                      oom_kills(sb) > 0 ? " for want of memory" : "");
        tell = &sb->why;
    }
    sb->gone = true;
    sb->events->on_gone(sb->arg, tell);
    if (sb->listener_fd >= 0)
        (void)close(TAKE_FD(sb->listener_fd));
    proto_close_fds(sb->cgroup_fds, SANDBOX_FDS_LEN);
}

void
sandbox_free(struct sandbox *sb)
{
    if (!sb)
        return;
    ASSERT(sb->magic == SANDBOX_MAGIC);
    close_init(sb);
    if (sb->init_peer_fd >= 0)
        (void)close(sb->init_peer_fd);
    if (sb->listener_fd >= 0)
        (void)close(sb->listener_fd);
    proto_close_fds(sb->cgroup_fds, SANDBOX_FDS_LEN);
    sb->magic = 0;
    free(sb);
}

/* ---- the daemon's calls ---- */

int
sandbox_new(struct spawner *sp, const struct sandbox_spec *spec,
            const struct sandbox_events *events, void *arg, struct sandbox **ret, struct err *err)
{
    struct sandbox *sb;
    int pair[2];

    ASSERT(events->on_gone);
    if (!sp->ready)
        return err_set(err, ERR_UNAVAILABLE, "no sandboxes at the moment%s%s",
                       sp->why.kind ? ": " : "", sp->why.text);
    if (sandbox_spec_check(spec, err) < 0)
        return -(int)err->kind;
    if (sp->free_len == 0)
        return err_set(err, ERR_THROTTLED, "all %u sandboxes are in use", sp->sandboxes_max);
    if (sp->sandboxes_max - sp->free_len >= sp->files_max)
        return err_set(err, ERR_THROTTLED,
                       "the limit of open files allows %u sandboxes; raise it (ulimit -n, systemd: "
                       "LimitNOFILE=) to at least %u",
                       sp->files_max, sp->sandboxes_max * SANDBOX_FILES + OTHER_FILES);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(err, "make a sandbox's control socket");
    sb = xcalloc(1, sizeof(*sb));
    sb->magic = SANDBOX_MAGIC;
    sb->sp = sp;
    sb->events = events;
    sb->arg = arg;
    sb->spec = *spec;
    sb->init_fd = pair[0];
    sb->init_peer_fd = pair[1];
    sb->listener_fd = -1;
    for (size_t i = 0; i < SANDBOX_FDS_LEN; i++)
        sb->cgroup_fds[i] = -1;
    if (fcntl(sb->init_fd, F_SETFL, O_NONBLOCK) < 0 ||
        io_open(sp->loop, &sb->init_io, sb->init_fd, EPOLLIN, on_init_io, err) < 0) {
        if (err->kind == ERR_NONE)
            (void)err_sys(err, "set up a sandbox's control socket");
        sandbox_free(sb);
        return -(int)err->kind;
    }
    sb->id = sp->free_ids[sp->free_at];
    sp->free_at = (sp->free_at + 1) % sp->sandboxes_max;
    sp->free_len--;
    ASSERT(!sp->table[sb->id]);
    sp->table[sb->id] = sb;
    spawner_queue(sp, sb, SPAWNER_CREATE);
    *ret = sb;
    return 0;
}

int
sandbox_assign(struct sandbox *sb, const struct sandbox_spec *spec, struct err *err)
{
    /* Not `ready`: what runs inside may have told us so before the worker's CREATED was read. */
    ASSERT(sandbox_spec_generic(&sb->spec));
    if (sb->destroyed || sb->gone)
        return err_set(err, ERR_NOT_FOUND, "the sandbox is gone");
    if (sandbox_spec_check(spec, err) < 0)
        return -(int)err->kind;
    if (sandbox_spec_generic(spec))
        return err_set(err, ERR_INVALID, "there is no package to assign");
    sb->spec = *spec;
    spawner_queue(sb->sp, sb, SPAWNER_ASSIGN);
    return 0;
}

/* argv and envp as one sealed file: init can map it without fear that it shrinks. */
static int
make_blob(char *const argv[], char *const envp[], struct init_request *rq, int *ret,
          struct err *err)
{
    char *const *const lists[] = {argv, envp};
    uint32_t *const counts[] = {&rq->argc, &rq->envc};
    const uint32_t maxima[] = {ARGS_MAX, ENVS_MAX};
    AUTO_FD int fd = -1;
    AUTO_FREE char *blob = NULL;
    size_t len = 0;

    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        for (char *const *s = lists[l]; *s; s++) {
            len += strlen(*s) + 1;
            if (++*counts[l] > maxima[l] || len > BLOB_MAX)
                return err_set(err, ERR_TOO_LARGE,
                               "too many or too long arguments and environment variables");
        }
    ASSERT(rq->argc > 0);
    rq->blob_len = (uint32_t)len;
    blob = xmalloc(len);
    len = 0;
    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        for (char *const *s = lists[l]; *s; s++) {
            size_t one = strlen(*s) + 1;

            memcpy(blob + len, *s, one);
            len += one;
        }
    fd = memfd_create("start", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || write(fd, blob, len) != (ssize_t)len ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
        return err_sys(err, "write a runtime's arguments");
    *ret = TAKE_FD(fd);
    return 0;
}

static int
send_init(struct sandbox *sb, const struct init_request *rq, const int *fds, size_t fds_len,
          struct err *err)
{
    int rc;

    if (sb->init_fd < 0 || sb->destroyed)
        return err_set(err, ERR_NOT_FOUND, "the sandbox is gone");
    if (sb->frozen && sandbox_thaw(sb, err) < 0)
        return -(int)err->kind;
    rc = proto_send(sb->init_fd, rq, sizeof(*rq), fds, fds_len, err);
    if (rc == 0)
        return err_set(err, ERR_UNAVAILABLE, "the sandbox's init does not read its messages");
    return rc < 0 ? err_wrap(err, "the sandbox's init") : 0;
}

int
sandbox_start(struct sandbox *sb, char *const argv[], char *const envp[], int out_fd, int log_fd,
              int frames_fd, struct err *err)
{
    struct init_request rq = {.type = INIT_START,
                              .run = sb->run + 1,
                              .has_log = log_fd >= 0,
                              .has_frames = frames_fd >= 0};
    AUTO_FD int blob_fd = -1;
    struct stat st;
    int fds[4];
    size_t n = 0;

    if (make_blob(argv, envp, &rq, &blob_fd, err) < 0)
        return -(int)err->kind;
    /* Programs open /dev/stdout anew (shells, nginx's habit): that checks the pipe's mode, and the
     * sandbox has another uid than its maker. */
    if (fstat(out_fd, &st) == 0 && S_ISFIFO(st.st_mode))
        (void)fchmod(out_fd, 0622); /* not ours to change? then they can't */
    fds[n++] = blob_fd;
    fds[n++] = out_fd;
    if (log_fd >= 0)
        fds[n++] = log_fd;
    if (frames_fd >= 0)
        fds[n++] = frames_fd;
    if (send_init(sb, &rq, fds, n, err) < 0)
        return -(int)err->kind;
    sb->run = rq.run;
    sb->running = true;
    sb->oom_at_start = oom_kills(sb);
    return 0;
}

int
sandbox_kill(struct sandbox *sb, struct err *err)
{
    struct init_request rq = {.type = INIT_KILL};

    return send_init(sb, &rq, NULL, 0, err);
}

int
sandbox_signal(struct sandbox *sb, int signo, struct err *err)
{
    struct init_request rq = {.type = INIT_SIGNAL, .signo = signo};

    ASSERT(signo > 0 && signo <= SIGRTMAX);
    return send_init(sb, &rq, NULL, 0, err);
}

static int
write_file(struct sandbox *sb, enum sandbox_fd which, const char *text, const char *what,
           struct err *err)
{
    if (!sb->created || sb->gone)
        return err_set(err, ERR_NOT_FOUND, "cannot %s a sandbox that is %s", what,
                       sb->gone ? "gone" : "not built yet");
    if (pwrite(sb->cgroup_fds[which], text, strlen(text), 0) < 0) {
        if (errno == ENODEV)
            return err_set(err, ERR_NOT_FOUND, "cannot %s a sandbox that is gone", what);
        return err_sys(err, "%s a sandbox", what);
    }
    return 0;
}

int
sandbox_freeze(struct sandbox *sb, struct err *err)
{
    if (sb->frozen)
        return 0;
    if (write_file(sb, SANDBOX_FD_FREEZE, "1", "freeze", err) < 0)
        return -(int)err->kind;
    sb->frozen = true;
    return 0;
}

int
sandbox_thaw(struct sandbox *sb, struct err *err)
{
    if (!sb->frozen)
        return 0;
    if (write_file(sb, SANDBOX_FD_FREEZE, "0", "thaw", err) < 0)
        return -(int)err->kind;
    sb->frozen = false;
    return 0;
}

int
sandbox_set_cpu(struct sandbox *sb, uint32_t cpu_permille, struct err *err)
{
    char text[32];
    uint32_t quota_us = MAX(cpu_permille * (CPU_PERIOD_US / 1000u), (uint32_t)CPU_QUOTA_US_MIN);

    if (cpu_permille > SANDBOX_CPU_PERMILLE_MAX)
        return err_set(err, ERR_INVALID, "cpu_permille is %u, must be at most %d", cpu_permille,
                       SANDBOX_CPU_PERMILLE_MAX);
    sb->spec.cpu_permille = cpu_permille;
    if (!sb->created) {
        sb->cpu_wanted = true;
        return 0;
    }
    if (sb->cpu_v2 && cpu_permille == 0)
        snprintf(text, sizeof(text), "max %d", CPU_PERIOD_US);
    else if (sb->cpu_v2)
        snprintf(text, sizeof(text), "%u %d", quota_us, CPU_PERIOD_US);
    else if (cpu_permille == 0)
        snprintf(text, sizeof(text), "-1");
    else
        snprintf(text, sizeof(text), "%u", quota_us);
    if (write_file(sb, SANDBOX_FD_CPU, text, "set the CPU quota of", err) < 0) {
        if (err->sys != EINVAL)
            return -(int)err->kind;
        err_clear(err); /* v1: more than a group above ours has, which then is the limit */
    }
    return 0;
}

uint64_t
sandbox_memory_peak(const struct sandbox *sb)
{
    char text[32];

    if (read_file(sb->cgroup_fds[SANDBOX_FD_PEAK], text, sizeof(text)) > 0)
        return strtoull(text, NULL, 10);
    /* Before 5.19 v2 keeps no peak: what is there now is the best that can be told. */
    (void)read_file(sb->cgroup_fds[SANDBOX_FD_CURRENT], text, sizeof(text)); /* "" then */
    return strtoull(text, NULL, 10);
}

uint64_t
sandbox_cpu_us(const struct sandbox *sb)
{
    char text[1024];

    (void)read_file(sb->cgroup_fds[SANDBOX_FD_CPUSTAT], text, sizeof(text)); /* "" then */
    return find_number(text, "usage_usec");
}

void
sandbox_destroy(struct sandbox *sb)
{
    if (!sb || sb->destroyed || sb->gone)
        return;
    sb->destroyed = true;
    spawner_queue(sb->sp, sb, SPAWNER_DESTROY);
}
