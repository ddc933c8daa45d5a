/* The worker of lambent-spawner: root, one thread, pid 1 of its own pid namespace, so that its
 * death, however it comes about, is the death of every sandbox. It answers the daemon's requests
 * one at a time; each costs a few hundred microseconds and waits for nobody.
 *
 *   EMPTY --CREATE--> LIVE --DESTROY, or its init dies--> DYING --groups removed--> GONE
 * --RELEASE--> EMPTY
 *                       `--(a step failed)--> GONE
 *
 * The daemon may be hostile. It can name an id, a package and numbers, all checked; a record that
 * isn't exactly one of the table ends the conversation and with it the worker. It may not read its
 * socket: then its requests wait (we only read one when there's room for the answer), and deaths
 * are noted in the table until they can be told. */
#include "sandbox/root.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "base/log.h"

enum { REMOVE_TRIES_MAX = 5000 /* of a millisecond */, END_WAIT_MS = 5000 };

struct entry {
    enum sandbox_state state;
    pid_t pid;      /* LIVE and DYING; 0 once reaped */
    int status;     /* its wait status */
    uint32_t tries; /* to remove the groups */
    bool tell;      /* GONE is still to be sent */
    bool generic;   /* may be ASSIGNed */
};

struct worker {
    const struct root_config *config;
    struct cgroups *cg;
    struct template template;
    struct bpf filter;
    uint32_t uid_base;
    int request_fd;
    struct entry *entries; /* sandboxes_max of them */
    uint32_t removing_len; /* entries that are reaped and have groups left */
    uint32_t telling_len;  /* entries with `tell` */
    uint32_t high;         /* no entry from here on was ever used */
    bool stopping;         /* SIGTERM came */
};

/* 1 sent, 0 no room, or the connection's end. */
static int
send_reply(struct worker *w, const struct spawner_reply *reply, const int *fds, size_t fds_len,
           struct err *err)
{
    return proto_send(w->request_fd, reply, sizeof(*reply), fds, fds_len, err);
}

/* For answers to a request: there was room when we read it. */
static int
send_answer(struct worker *w, const struct spawner_reply *reply, const int *fds, size_t fds_len,
            struct err *err)
{
    int rc = send_reply(w, reply, fds, fds_len, err);

    if (rc == 0)
        return err_set(err, ERR_TIMEOUT, "the daemon does not read its answers");
    return rc < 0 ? rc : 0;
}

/* ---- the handlers ---- */

static int
root_create(struct worker *w, const struct spawner_request *rq, int *fds, struct err *err)
{
    struct entry *e = &w->entries[rq->id];
    struct spawner_reply reply = {.type = WORKER_CREATED,
                                  .id = rq->id,
                                  .memory_v2 = w->cg->memory == 0,
                                  .cpu_v2 = w->cg->cpu == 0};
    struct root_sandbox made;
    int out[SANDBOX_FDS_LEN];
    size_t out_len = 0;
    int rc;

    if (sandbox_spec_check(&rq->spec, err) < 0)
        return -(int)err->kind; /* the daemon checks these itself: one that doesn't is not ours */
    if (sandbox_build(w->cg, &w->template, &w->filter, w->uid_base, rq->id, &rq->spec, fds[0],
                      &made, &reply.err) < 0) {
        e->state = SANDBOX_GONE;
        reply.type = WORKER_FAILED;
        return send_answer(w, &reply, NULL, 0, err);
    }
    *e = (struct entry){
        .state = SANDBOX_LIVE, .pid = made.pid, .generic = sandbox_spec_generic(&rq->spec)};
    for (size_t i = 0; i < SANDBOX_FDS_LEN; i++)
        if (made.cgroup_fds[i] >= 0) {
            reply.fds |= 1u << i;
            out[out_len++] = made.cgroup_fds[i];
        }
    rc = send_answer(w, &reply, out, out_len, err);
    proto_close_fds(out, out_len);
    return rc;
}

static int
root_assign(struct worker *w, const struct spawner_request *rq, int *fds, struct err *err)
{
    struct entry *e = &w->entries[rq->id];
    struct spawner_reply reply = {.type = WORKER_ASSIGNED, .id = rq->id};

    if (sandbox_spec_check(&rq->spec, err) < 0)
        return -(int)err->kind;
    if (!e->generic || sandbox_spec_generic(&rq->spec))
        return err_set(err, ERR_INVALID, "ASSIGN of sandbox %u, which is not generic", rq->id);
    e->generic = false; /* whatever comes of it */
    if (sandbox_mounts_add(&w->template, &rq->spec, e->pid, &reply.err) < 0 &&
        reply.err.sys == ENOTRECOVERABLE) {
        *err = reply.err;
        return -(int)err->kind;
    }
    if (reply.err.kind == ERR_NONE)
        (void)cgroup_limit(w->cg, rq->id, &rq->spec, &reply.err); /* told in the answer */
    return send_answer(w, &reply, NULL, 0, err);
}

static int
root_destroy(struct worker *w, const struct spawner_request *rq, int *fds, struct err *err)
{
    struct entry *e = &w->entries[rq->id];

    /* A frozen v2 group lets a SIGKILL through, and pid 1's death takes the rest of its namespace
     * with it. */
    if (e->state == SANDBOX_LIVE && e->pid > 0)
        (void)kill(e->pid, SIGKILL);
    if (e->state == SANDBOX_LIVE)
        e->state = SANDBOX_DYING;
    return 0;
}

static int
root_release(struct worker *w, const struct spawner_request *rq, int *fds, struct err *err)
{
    struct entry *e = &w->entries[rq->id];

    if (e->tell) /* it hasn't been told, so it can't know */
        return err_set(err, ERR_INVALID, "RELEASE of sandbox %u before it was said to be gone",
                       rq->id);
    *e = (struct entry){.state = SANDBOX_EMPTY};
    return 0;
}

static const struct {
    const char *name;
    unsigned states; /* bit i: allowed in state i */
    size_t fds_len;
    int (*handle)(struct worker *w, const struct spawner_request *rq, int *fds, struct err *err);
} requests[SPAWNER_REQUESTS_END] = {
#define ST(state) (1u << SANDBOX_##state)
#define R(name, fds, allowed, handler, why) [SPAWNER_##name] = {#name, allowed, fds, handler},
    SPAWNER_REQUESTS(R)
#undef R
#undef ST
};

/* One request; 0 done, 1 nothing there, or the connection's end. */
static int
on_request(struct worker *w, struct err *err)
{
    static const struct sandbox_spec zero;
    struct spawner_request rq;
    int fds[PROTO_FDS_MAX], rc;
    size_t fds_len = 0;

    rc = proto_receive(w->request_fd, &rq, sizeof(rq), fds, 1, &fds_len, err);
    if (rc <= 0)
        return rc < 0 ? rc : 1;
    if (rq.type == SPAWNER_REQUEST_NONE || rq.type >= SPAWNER_REQUESTS_END)
        rc = err_set(err, ERR_INVALID, "there is no request %u", rq.type);
    else if (rq.id >= w->config->sandboxes_max)
        rc = err_set(err, ERR_INVALID, "%s of sandbox %u; there are %u", requests[rq.type].name,
                     rq.id, w->config->sandboxes_max);
    else if (!(requests[rq.type].states & (1u << w->entries[rq.id].state)))
        rc = err_set(err, ERR_INVALID, "%s of sandbox %u in state %d", requests[rq.type].name,
                     rq.id, w->entries[rq.id].state);
    else if (fds_len != requests[rq.type].fds_len)
        rc = err_set(err, ERR_INVALID, "%s with %zu descriptors", requests[rq.type].name, fds_len);
    else if (rq.type != SPAWNER_CREATE && rq.type != SPAWNER_ASSIGN &&
             memcmp(&rq.spec, &zero, sizeof(zero)) != 0)
        rc = err_set(err, ERR_INVALID, "%s with a specification", requests[rq.type].name);
    else {
        w->high = MAX(w->high, rq.id + 1);
        rc = requests[rq.type].handle(w, &rq, fds, err);
    }
    proto_close_fds(fds, fds_len);
    return rc;
}

/* ---- deaths ---- */

static void
reap(struct worker *w)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (uint32_t i = 0; i < w->high; i++) {
            struct entry *e = &w->entries[i];

            if (e->pid != pid || (e->state != SANDBOX_LIVE && e->state != SANDBOX_DYING))
                continue;
            e->state = SANDBOX_DYING;
            e->pid = 0;
            e->status = status;
            e->tries = 0;
            w->removing_len++;
            break;
        }
}

/* Remove the groups of the dead. The kernel may need a moment after the reaping. */
static void
remove_groups(struct worker *w)
{
    for (uint32_t i = 0; i < w->high && w->removing_len > 0; i++) {
        struct entry *e = &w->entries[i];
        int rc;

        if (e->state != SANDBOX_DYING || e->pid != 0)
            continue;
        rc = cgroup_remove(w->cg, i);
        if (rc == -EBUSY && ++e->tries < REMOVE_TRIES_MAX)
            continue;
        if (rc < 0)
            log_event(LOG_cleanup_failed, "what=cgroup sandbox=%u why=\"%s\"", i, strerror(-rc));
        w->removing_len--;
        e->state = SANDBOX_GONE;
        e->tell = true;
        w->telling_len++;
    }
}

static int
tell_gone(struct worker *w, struct err *err)
{
    for (uint32_t i = 0; i < w->high && w->telling_len > 0; i++) {
        struct entry *e = &w->entries[i];
        struct spawner_reply reply = {.type = WORKER_GONE, .id = i, .status = e->status};
        int rc;

        if (!e->tell)
            continue;
        rc = send_reply(w, &reply, NULL, 0, err);
        if (rc <= 0)
            return rc;
        e->tell = false;
        w->telling_len--;
    }
    return 0;
}

/* ---- the loop ---- */

static int
serve(struct worker *w, int signal_fd, struct err *err)
{
    for (;;) {
        bool blocked = w->telling_len > 0;
        struct pollfd polls[2] = {
            /* One direction at a time: no request is read while an answer has no room. */
            {.fd = w->request_fd, .events = blocked ? POLLOUT : POLLIN},
            {.fd = signal_fd, .events = POLLIN},
        };
        struct pollfd room = {.fd = w->request_fd, .events = POLLOUT};
        struct signalfd_siginfo info;

        if (poll(polls, 2, w->removing_len > 0 ? 1 : -1) < 0 && errno != EINTR)
            return err_sys(err, "poll");
        while (read(signal_fd, &info, sizeof(info)) == sizeof(info))
            if (info.ssi_signo != SIGCHLD)
                w->stopping = true; /* the supervisor is gone */
        if (w->stopping)
            return 0;
        reap(w);
        remove_groups(w);
        if (tell_gone(w, err) < 0)
            return -(int)err->kind;
        if (w->telling_len == 0 && (polls[0].revents & (POLLIN | POLLHUP | POLLERR))) {
            if (poll(&room, 1, 0) == 1 && (room.revents & POLLOUT)) {
                if (on_request(w, err) < 0)
                    return -(int)err->kind;
            } else {
                /* Wait for room, but not forever for one who never makes any. */
                if (poll(&room, 1, 1000) <= 0)
                    return err_set(err, ERR_TIMEOUT, "the daemon does not read its answers");
            }
        } else if (blocked && (polls[0].revents & (POLLHUP | POLLERR))) {
            return err_set(err, ERR_UNAVAILABLE, "the other end is gone");
        }
    }
}

static int
setup(struct worker *w, int *ret_signal_fd, struct err *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    /* Blocked, and so kept even for a pid 1 without handlers. */
    if (sigprocmask(SIG_SETMASK, &set, NULL) < 0 ||
        (*ret_signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
        return err_sys(err, "take signals");
    if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0)
        return err_sys(err, "follow the supervisor");
    if (fcntl(w->request_fd, F_SETFL, O_NONBLOCK) < 0)
        return err_sys(err, "set up the request socket");
    if (seccomp_compile(&w->filter, err) < 0)
        return -(int)err->kind;
    return template_make(w->config, &w->template, err);
}

/* Our death ends every sandbox, and the supervisor then removes their groups. Should it be the
 * supervisor that died, removing is left to us: then SIGTERM comes (PDEATHSIG). End of file may be
 * seen a moment before that; if instead the daemon is what died, the supervisor kills us. */
static void
end(struct worker *w, int signal_fd, bool restarts)
{
    struct pollfd polled = {.fd = signal_fd, .events = POLLIN};
    struct signalfd_siginfo info = {0};

    for (uint32_t i = 0; i < w->high; i++)
        if (w->entries[i].pid > 0)
            (void)kill(w->entries[i].pid, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    if (restarts)
        return;
    while (!w->stopping && poll(&polled, 1, END_WAIT_MS) > 0)
        while (read(signal_fd, &info, sizeof(info)) == sizeof(info))
            if (info.ssi_signo != SIGCHLD)
                w->stopping = true;
    cgroups_close(w->cg);
}

_Noreturn void
worker_main(const struct root_config *config, struct cgroups *cg, int request_fd)
{
    struct worker w = {.config = config, .cg = cg, .request_fd = request_fd};
    struct spawner_reply reply = {.type = WORKER_READY, .sandboxes_max = config->sandboxes_max};
    struct err err = {0};
    int signal_fd = -1;

    umask(0); /* modes are given in full */
    w.uid_base = config->uid_base ? config->uid_base : SLOT_UID_BASE + cg->slot * 65536u;
    w.entries = xcalloc(config->sandboxes_max, sizeof(*w.entries));
    if (setup(&w, &signal_fd, &reply.err) < 0) {
        reply.type = WORKER_FAILED;
        (void)send_reply(&w, &reply, NULL, 0, &err); /* the supervisor sees us exit */
        _exit(2);
    }
    if (send_reply(&w, &reply, NULL, 0, &err) < 0)
        _exit(0);
    if (serve(&w, signal_fd, &err) < 0 && err.kind != ERR_UNAVAILABLE)
        log_event(LOG_spawner_refused, "why=\"%s\" next=\"every sandbox ends\"", err.text);
    end(&w, signal_fd, err.kind != ERR_NONE && err.kind != ERR_UNAVAILABLE);
    _exit(0);
}
