/* From a fresh clone of the worker to a finished sandbox: what pid 1 does before it serves. The
 * order matters, each step needs rights that a later one gives up:
 *
 *   mounts → lo and the Runtime API's listener → limits → wait until the worker has put us into our
 *   v1 cgroups → cgroup namespace → capabilities, uid → seccomp
 *
 * The wait comes as late as it may, before anything of the user runs: entering a v1 group waits for
 * RCU, up to 10 ms, in which the rest gets done. (Into a v2 group we are born.)
 *
 * The child is a copy of the single-threaded worker, so any libc function may be called; it never
 * executes another program, which saves the 100-odd microseconds of an exec. What it inherits of
 * the worker's memory holds no secrets: paths, ids, the seccomp program. It isn't dumpable, so that
 * processes of the same uid can neither read it nor its /proc/1. */
#include "sandbox/root.h"
#include <fcntl.h>
#include <arpa/inet.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <grp.h>

enum { LISTEN_BACKLOG = 128, FILES_MAX = 1024 };

/* clang-format off */
/* Places in /proc that an unprivileged reader may open and that tell of the host or of neighbours.
 * (kcore, timer_list, sysrq-trigger and the like are root's by their mode; the mount is read-only.) */
static const struct { const char *path; bool folder; const char *why; } masks[] = {
    {"proc/sysvipc",   true,  "the host's System V objects: there is no IPC namespace, the calls are refused by seccomp"},
    {"proc/key-users", false, "key counts of every uid, so of every neighbour"},
    {"proc/keys",      false, "keys"},
};
/* clang-format on */

static int
move(int fd, const char *path, struct err *err)
{
    if (fd >= 0 && move_mount(fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_sys(err, "mount %s", path);
    return 0;
}

static int
mount_new(const char *type, const char *path, const char *const options[][2], unsigned attrs,
          struct err *err)
{
    AUTO_FD int fs = fsopen(type, FSOPEN_CLOEXEC);
    AUTO_FD int fd = -1;

    if (fs < 0)
        return err_sys(err, "open file system %s", type);
    for (size_t i = 0; options[i][0]; i++)
        if (fsconfig(fs, FSCONFIG_SET_STRING, options[i][0], options[i][1], 0) < 0)
            return err_sys(err, "%s option %s=%s", type, options[i][0], options[i][1]);
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ||
        (fd = fsmount(fs, FSMOUNT_CLOEXEC, attrs)) < 0)
        return err_sys(err, "make %s for %s", type, path);
    return move(fd, path, err);
}

static int
mask(struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
        const char *cover = masks[i].folder ? "run" : "dev/null";
        AUTO_FD int fd = -1;
        struct stat st;

        if (lstat(masks[i].path, &st) < 0)
            continue; /* this kernel was built without it */
        fd = open_tree(AT_FDCWD, cover, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (fd < 0)
            return err_sys(err, "cover %s", masks[i].path);
        if (move(fd, masks[i].path, err) < 0)
            return -(int)err->kind;
    }
    return 0;
}

static int
make_mounts(const struct init_args *args, struct err *err)
{
    const unsigned attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    char size[24], inodes[24], id[24];
    /* hidepid: processes of other uids (only init's, which isn't dumpable) are not even listed. */
    const char *const proc[][2] = {{"source", "proc"}, {"hidepid", "invisible"}, {NULL, NULL}};
    const char *const tmp[][2] = {{"source", "tmp"}, {"size", size}, {"nr_inodes", inodes},
                                  {"mode", "1777"},  {"uid", id},    {"gid", id},
                                  {NULL, NULL}};

    if (setns(args->template_fd, CLONE_NEWNS) < 0 || unshare(CLONE_NEWNS) < 0)
        return err_sys(err, "make a mount namespace");
    if (chdir("/") < 0)
        return err_sys(err, "go to /");
    snprintf(size, sizeof(size), "%um", args->tmp_mb);
    snprintf(inodes, sizeof(inodes), "%u", args->tmp_mb * TMP_INODES_PER_MB);
    snprintf(id, sizeof(id), "%u", args->uid);
    if (move(args->mounts.task_fd, "var/task", err) < 0 ||
        move(args->mounts.layers_fd, "opt", err) < 0 ||
        move(args->mounts.runtime_fd, "var/runtime", err) < 0 ||
        move(args->mounts.ids_fd, "etc/sbx", err) < 0 ||
        mount_new("tmpfs", "tmp", tmp, attrs, err) < 0 ||
        mount_new("proc", "proc", proc, attrs | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY, err) < 0 ||
        mask(err) < 0)
        return -(int)err->kind;
    return 0;
}

/* Loopback is the only interface and comes up with its addresses. The listener is made while we may
 * still do anything, so nothing of the user can take the port before it. */
static int
make_listener(int *ret, struct err *err)
{
    AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(RUNTIME_API_PORT),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;

    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
        return err_sys(err, "bring loopback up");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
        return err_sys(err, "listen on 127.0.0.1:%d in the sandbox", RUNTIME_API_PORT);
    *ret = TAKE_FD(fd);
    return 0;
}

static int
set_limits(struct err *err)
{
    static const struct {
        int which;
        rlim_t value;
        const char *name;
    } limits[] = {
        {RLIMIT_NOFILE, FILES_MAX, "open files"},
        /* Not 0: where core_pattern is a pipe (apport, systemd-coredump) that would still run the
         * host's handler, as root, on a crash; 1 is the kernel's word for "not even then". */
        {RLIMIT_CORE, 1, "core dumps"},
        {RLIMIT_MEMLOCK, 64 << 10, "locked memory"},
        {RLIMIT_MSGQUEUE, 0, "message queues"},
        {RLIMIT_NICE, 0, "nice"},
        {RLIMIT_RTPRIO, 0, "real-time priority"},
        /* Processes are bounded by the pids cgroup; no bound on the others, whatever the shell that
         * started the daemon had. */
        {RLIMIT_NPROC, RLIM_INFINITY, "processes"},
        {RLIMIT_FSIZE, RLIM_INFINITY, "file size"},
        {RLIMIT_AS, RLIM_INFINITY, "address space"},
        {RLIMIT_CPU, RLIM_INFINITY, "CPU time"},
    };

    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        struct rlimit limit = {limits[i].value, limits[i].value}, have;

        /* Raising takes CAP_SYS_RESOURCE, which a container's root may lack: then what there is. */
        if (getrlimit(limits[i].which, &have) == 0 && have.rlim_max < limits[i].value)
            limit.rlim_cur = limit.rlim_max = have.rlim_max;
        if (setrlimit(limits[i].which, &limit) < 0)
            return err_sys(err, "limit %s", limits[i].name);
    }
    return 0;
}

static int
drop_rights(const struct init_args *args, struct err *err)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    struct sock_fprog program = {.len = args->filter.len, .filter = args->filter.at};

    for (int cap = 0; cap < 64; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
            if (errno == EINVAL && cap > CAP_CHECKPOINT_RESTORE - 5)
                break; /* past the last one that this kernel has */
            return err_sys(err, "drop capability %d from the bounding set", cap);
        }
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return err_sys(err, "clear ambient capabilities");
    if (prctl(PR_SET_SECUREBITS,
              SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                  SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
              0, 0, 0) < 0)
        return err_sys(err, "lock the secure bits");
    if (setgroups(0, NULL) < 0 || setresgid(args->gid, args->gid, args->gid) < 0 ||
        setresuid(args->uid, args->uid, args->uid) < 0)
        return err_sys(err, "become uid %u", args->uid);
    if (syscall(SYS_capset, &head, none) < 0)
        return err_sys(err, "drop all capabilities");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_sys(err, "give up gaining rights");
    /* A change of uid cleared it. The worker is pid 1 of the namespace above: its death kills us in
     * any case, this only says so twice. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        return err_sys(err, "die with the worker");
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        return err_sys(err, "install the seccomp filter");
    return 0;
}

int
init_setup(const struct init_args *args, int *ret_listener_fd, struct err *err)
{
    AUTO_FD int null_fd = -1;
    uint64_t go;

    if (make_mounts(args, err) < 0)
        return -(int)err->kind;
    if (sethostname("sandbox", 7) < 0)
        return err_sys(err, "set the host name");
    if (make_listener(ret_listener_fd, err) < 0 || set_limits(err) < 0)
        return -(int)err->kind;
    umask(022);
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 || dup2(null_fd, 2) < 0)
        return err_sys(err, "open /dev/null");
    if (read(args->go_fd, &go, sizeof(go)) != sizeof(go))
        return err_sys(err, "wait for the control groups");
    if (unshare(CLONE_NEWCGROUP) < 0) /* whose root is where we now are */
        return err_sys(err, "make a cgroup namespace");
    return drop_rights(args, err);
}

_Noreturn void
init_main(const struct init_args *args)
{
    struct init_reply reply = {.type = FROM_INIT_READY};
    struct init_args a = *args;
    int listener_fd = -1;
    struct err ignored = {0};

    if (init_setup(&a, &listener_fd, &reply.err) < 0) {
        reply.type = FROM_INIT_BROKEN;
        (void)proto_send(a.socket_fd, &reply, sizeof(reply), NULL, 0, &ignored);
        _exit(1);
    }
    /* Everything of the worker's goes: its sockets, cgroup files, folders, the template. */
    if (dup2(a.socket_fd, 3) < 0 || dup2(listener_fd, 4) < 0 || close_range(5, ~0u, 0) < 0)
        _exit(1);
    if (proto_send(3, &reply, sizeof(reply), (int[]){4}, 1, &ignored) < 0)
        _exit(1);
    (void)close(4);
    init_serve(3);
}
