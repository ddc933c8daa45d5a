/* One sandbox, from a checked request to a running pid 1. Everything it acquires is let go of again
 * when a step fails. */
#include "sandbox/root.h"
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "base/log.h"

static pid_t
clone_init(int cgroup_fd)
{
    struct clone_args args = {
        /* Its mount and cgroup namespaces it makes itself, from the template and once it is in all
         * its groups. No IPC namespace: its mqueue superblock costs memory quadratically in memory
         * cgroups; seccomp refuses the calls instead. */
        .flags = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_INTO_CGROUP,
        .exit_signal = SIGCHLD,
        .cgroup = (unsigned)cgroup_fd,
    };

    return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

int
sandbox_build(struct cgroups *cg, const struct template *t, const struct bpf *filter,
              uint32_t uid_base, uint32_t id, const struct sandbox_spec *spec, int socket_fd,
              struct root_sandbox *ret, struct err *err)
{
    struct cgroup_made made = {.v2_fd = -1};
    struct sandbox_mounts mounts = {-1, -1, -1, -1};
    AUTO_FD int go_fd = -1;
    uint64_t go = 1;
    bool have_cgroup = false;
    pid_t pid = -1;

    for (size_t i = 0; i < SANDBOX_FDS_LEN; i++)
        made.fds[i] = -1;
    if (sandbox_mounts_make(t, spec, id, uid_base + 1 + id, &mounts, err) < 0)
        goto failed;
    if (cgroup_make(cg, id, spec, &made, err) < 0)
        goto failed;
    have_cgroup = true;
    go_fd = eventfd(0, EFD_CLOEXEC);
    if (go_fd < 0) {
        (void)err_sys(err, "make an eventfd");
        goto failed;
    }
    pid = clone_init(made.v2_fd);
    if (pid < 0) {
        (void)err_sys(
            err, "make the sandbox's first process (user.max_net_namespaces and kernel.pid_max "
                 "bound it)");
        goto failed;
    }
    if (pid == 0) {
        struct init_args args = {.socket_fd = socket_fd,
                                 .go_fd = go_fd,
                                 .template_fd = t->ns_fd,
                                 .mounts = mounts,
                                 .uid = uid_base + 1 + id,
                                 .gid = uid_base + 1 + id,
                                 .tmp_mb = spec->tmp_mb,
                                 .filter = *filter};

        init_main(&args);
    }
    if (cgroup_attach(cg, id, pid, err) < 0)
        goto failed;
    if (write(go_fd, &go, sizeof(go)) != sizeof(go)) {
        (void)err_sys(err, "start the sandbox's first process");
        goto failed;
    }
    sandbox_mounts_done(&mounts);
    (void)close(TAKE_FD(made.v2_fd));
    ret->pid = pid;
    memcpy(ret->cgroup_fds, made.fds, sizeof(made.fds));
    return 0;

failed:
    if (pid > 0) {
        (void)kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    sandbox_mounts_done(&mounts);
    cgroup_made_done(&made);
    if (have_cgroup) {
        int rc = cgroup_remove(cg, id);

        for (int tries = 0; rc == -EBUSY && tries < 1000; tries++) {
            (void)usleep(1000);
            rc = cgroup_remove(cg, id);
        }
        if (rc < 0)
            log_event(LOG_cleanup_failed, "what=cgroup sandbox=%u why=\"%s\"", id, strerror(-rc));
    }
    return -(int)err->kind;
}
