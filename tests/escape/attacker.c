/* A function that attacks. The event names the attempts, "\"kernel\"" or "\"connect 127.0.0.1
 * 4566\""; the answer is one JSON object: what was tried → "ok", an errno's name, or a number. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <poll.h>
#include "runtime.h"

static char out[65536];
static size_t out_len;

static void
put(const char *what, const char *fmt, ...)
{
    va_list args;

    out_len += (size_t)snprintf(out + out_len, sizeof(out) - out_len,
                                "%s\"%s\": ", out_len > 1 ? ", " : "", what);
    va_start(args, fmt);
    out_len += (size_t)vsnprintf(out + out_len, sizeof(out) - out_len, fmt, args);
    va_end(args);
}

/* Result of a call that failed with -1, or that must not have worked. */
static void
say(const char *what, long rc)
{
    put(what, "\"%s\"", rc >= 0 ? "ok" : strerrorname_np(errno));
}

static void
number(const char *what, long n)
{
    put(what, "%ld", n);
}

/* ---- files ---- */

static void
try_write(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    say(path, fd < 0 ? -1 : write(fd, "1", 1));
    if (fd >= 0)
        close(fd);
}

static void
try_read(const char *path)
{
    char room[64];
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        say(path, -1);
    else
        put(path, read(fd, room, sizeof(room)) > 0 ? "\"ok\"" : "\"empty\"");
    if (fd >= 0)
        close(fd);
}

static void
files(void)
{
    static const char *const writes[] = {
        "/x",
        "/usr/x",
        "/usr/bin/env",
        "/var/task/x",
        "/var/task/bootstrap",
        "/opt/x",
        "/etc/x",
        "/etc/passwd",
        "/etc/sbx/passwd",
        "/dev/x",
        "/run/x",
        "/home/x",
        "/var/runtime/x",
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/vm/overcommit_memory",
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/sysrq-trigger",
        "/proc/self/uid_map",
        "/proc/self/oom_score_adj",
        "/sys/fs/cgroup/cgroup.procs",
        "/dev/mem",
        "/dev/sda",
        "/dev/kmsg",
    };
    static const char *const reads[] = {
        "/etc/shadow",
        "/root",
        "/proc/kcore",
        "/proc/keys",
        "/proc/key-users",
        "/proc/sysvipc/shm",
        "/proc/kmsg",
        "/proc/1/environ",
        "/proc/1/mem",
        "/proc/1/maps",
        "/proc/1/root/etc/shadow",
        "/proc/1/fd/0",
        "/proc/self/task/1/mem",
        "/var/lib/lambent",
        "/packages",
        "/ids-rw",
        "/sys/kernel",
        "/dev/pts",
        "/dev/shm",
        "/dev/loop-control",
        "/dev/fuse",
        "/dev/kvm",
        "/dev/net/tun",
    };

    for (size_t i = 0; i < sizeof(writes) / sizeof(*writes); i++)
        try_write(writes[i]);
    for (size_t i = 0; i < sizeof(reads) / sizeof(*reads); i++)
        try_read(reads[i]);
    say("mknod null", mknod("/tmp/null", S_IFCHR | 0666, makedev(1, 3)));
    say("mknod mem", mknod("/tmp/mem", S_IFCHR | 0666, makedev(1, 1)));
    say("mknod disk", mknod("/tmp/disk", S_IFBLK | 0666, makedev(8, 0)));
    say("link /usr", link("/usr/bin/env", "/tmp/env"));
    say("chown root", chown("/tmp", 0, 0));
    say("chmod code", chmod("/var/task/bootstrap", 0777));
    say("unlink code", unlink("/var/task/bootstrap"));
    say("rename mount point", rename("/var/task", "/var/task2"));
    say("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, out, 0));
    say("name_to_handle_at", syscall(SYS_name_to_handle_at, AT_FDCWD, "/", out, out, 0));
}

/* A setuid root program of our own is the classic; chmod works in /tmp, but the mount is nosuid. */
static void
setuid_file(void)
{
    char uid[32] = "";
    FILE *f;

    say("chmod 6755", system("cp /usr/bin/id /tmp/id && chmod 6755 /tmp/id"));
    f = popen("/tmp/id -u", "r");
    say("run", f && fgets(uid, sizeof(uid), f) ? 0 : -1);
    pclose(f);
    number("setuid changes uid", strtol(uid, NULL, 10) != (long)getuid());
    say("setuid(0)", setuid(0));
    say("setgid(0)", setgid(0));
    say("setgroups", syscall(SYS_setgroups, 0, NULL));
    number("no_new_privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    number("seccomp", prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
    say("PR_CAPBSET_READ", prctl(PR_CAPBSET_READ, 21, 0, 0, 0) == 0 ? 0 : -1);
    say("PR_CAP_AMBIENT_RAISE", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0));
    say("PR_SET_MM", prctl(PR_SET_MM, PR_SET_MM_BRK, 0, 0, 0));
    unlink("/tmp/id");
}

/* ---- calls ---- */

static long
raw_clone(unsigned long flags)
{
    long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return pid;
}

static void
kernel(void)
{
    unsigned long args[11] = {CLONE_NEWUSER};
    char room[256] = {0};
    struct rlimit core;
    int self;

    say("mount", mount("x", "/tmp", "tmpfs", 0, NULL));
    say("remount", mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL));
    say("umount2", umount2("/var/task", MNT_DETACH));
    say("pivot_root", syscall(SYS_pivot_root, "/tmp", "/tmp"));
    say("chroot", chroot("/tmp"));
    say("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
    say("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1));
    say("move_mount", syscall(SYS_move_mount, AT_FDCWD, "/tmp", AT_FDCWD, "/opt", 0));
    say("mount_setattr", syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, room, 32));
    say("unshare user", unshare(CLONE_NEWUSER));
    say("unshare mount", unshare(CLONE_NEWNS));
    self = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    say("setns", setns(self, 0));
    close(self);
    say("clone user", raw_clone(CLONE_NEWUSER));
    say("clone mount", raw_clone(CLONE_NEWNS));
    say("clone pid", raw_clone(CLONE_NEWPID));
    say("clone net", raw_clone(CLONE_NEWNET));
    say("clone uts", raw_clone(CLONE_NEWUTS));
    say("clone ipc", raw_clone(CLONE_NEWIPC));
    say("clone cgroup", raw_clone(CLONE_NEWCGROUP));
    say("clone3", syscall(SYS_clone3, args, sizeof(args)));
    say("io_uring_setup", syscall(SYS_io_uring_setup, 1, room));
    say("bpf", syscall(SYS_bpf, 0, room, 64));
    say("userfaultfd", syscall(SYS_userfaultfd, 0));
    say("perf_event_open", syscall(SYS_perf_event_open, room, 0, -1, -1, 0));
    say("keyctl", syscall(SYS_keyctl, 0, -3, 1));
    say("add_key", syscall(SYS_add_key, "user", "a", "b", 1, -3));
    say("request_key", syscall(SYS_request_key, "user", "a", 0, -3));
    say("shmget", syscall(SYS_shmget, 1, 4096, 01600));
    say("semget", syscall(SYS_semget, 1, 1, 01600));
    say("msgget", syscall(SYS_msgget, 1, 01600));
    say("mq_open", syscall(SYS_mq_open, "q", O_CREAT | O_RDWR, 0600, 0));
    say("personality", syscall(SYS_personality, 0x0400000 /* READ_IMPLIES_EXEC */));
    say("TIOCSTI", ioctl(0, TIOCSTI, "x"));
    say("TIOCSTI high bits", syscall(SYS_ioctl, 0, 0xffffffff00000000ul | TIOCSTI, "x"));
    say("TIOCLINUX", ioctl(0, TIOCLINUX, "x"));
    say("seccomp", syscall(SYS_seccomp, 1, 8 /* NEW_LISTENER */, room));
    say("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
    say("process_vm_readv", syscall(SYS_process_vm_readv, 1, room, 0, room, 0, 0));
    say("kcmp", syscall(SYS_kcmp, 1, 1, 0, 0, 0));
    say("fanotify_init", syscall(SYS_fanotify_init, 0, 0));
    say("memfd_secret", syscall(447, 0));
    say("io_setup", syscall(SYS_io_setup, 1, room));
    say("init_module", syscall(SYS_init_module, room, 1, ""));
    say("kexec_load", syscall(SYS_kexec_load, 0, 0, 0, 0));
    say("reboot", syscall(SYS_reboot, 0xfee1dead, 672274793, 0x1234567, 0));
    say("swapon", syscall(SYS_swapon, "/tmp/x", 0));
    say("quotactl", syscall(SYS_quotactl, 0, 0, 0, 0));
    say("acct", syscall(SYS_acct, NULL));
    say("syslog", syscall(SYS_syslog, 2, room, 64));
    say("settimeofday", syscall(SYS_settimeofday, NULL, room));
    say("clock_settime", syscall(SYS_clock_settime, 0, room));
    say("sethostname", sethostname("x", 1));
    say("iopl", syscall(SYS_iopl, 3));
    say("modify_ldt", syscall(SYS_modify_ldt, 0, room, 16));
    say("unknown call", syscall(999));
    say("nice -1", setpriority(PRIO_PROCESS, 0, -1));
    say("real time", sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){1}));
    core = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
    say("raise core limit", setrlimit(RLIMIT_CORE, &core));
    core = (struct rlimit){4096, 4096};
    say("raise file limit", setrlimit(RLIMIT_NOFILE, &core));
#ifdef __x86_64__
    {
        long rc;

        /* getpid by its 32-bit number and gate: another architecture to the filter. */
        __asm__ volatile("int $0x80" : "=a"(rc) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
        errno = (int)-rc;
        say("int 0x80", rc < 0 ? -1 : rc);
        say("x32 call", syscall(0x40000000 + SYS_getpid));
    }
#endif
}

/* A crash leaves no file, whatever the host's core_pattern; and status has no "core dumped" bit. */
static void
core_dump(void)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        (void)!chdir("/tmp");
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        abort();
    }
    waitpid(pid, &status, 0);
    number("signal", WTERMSIG(status));
    number("dumped", WCOREDUMP(status) ? 1 : 0);
}

/* ---- processes ---- */

static void
processes(long victim)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    long seen = 0, alien = 0;
    int fd;

    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') {
            seen++;
            if (strtol(entry->d_name, NULL, 10) != getpid())
                alien++;
        }
    closedir(dir);
    number("seen", seen);
    number("others seen", alien);
    say("kill victim", kill((pid_t)victim, SIGKILL));
    say("ptrace victim", ptrace(PTRACE_ATTACH, (pid_t)victim, 0, 0));
    say("pidfd_open victim", syscall(SYS_pidfd_open, victim, 0));
    say("priority victim", setpriority(PRIO_PROCESS, (id_t)victim, 19));
    say("prlimit victim", syscall(SYS_prlimit64, victim, RLIMIT_NOFILE, NULL, out + 60000));
    say("affinity victim", syscall(SYS_sched_setaffinity, victim, 8, "\3\0\0\0\0\0\0"));
    fd = (int)syscall(SYS_pidfd_open, 1, 0);
    for (int n = 0; n < 5; n++) {
        char what[24];

        snprintf(what, sizeof(what), "pidfd_getfd init %d", n);
        say(what, syscall(SYS_pidfd_getfd, fd, n, 0));
    }
    close(fd);
    /* Permitted by the uid, but a namespace's pid 1 takes no signal from inside. */
    (void)kill(1, SIGKILL);
    (void)kill(1, SIGTERM);
    say("init after SIGKILL", kill(1, 0));
    say("process group 0 of others", kill(-1, 0) == 0 ? 0 : -1);
}

/* ---- network ---- */

static void
connect_to(const char *host, int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char what[80];

    inet_pton(AF_INET, host, &at.sin_addr);
    snprintf(what, sizeof(what), "%s:%d", host, port);
    say(what, fd < 0 ? -1 : connect(fd, (struct sockaddr *)&at, sizeof(at)));
    close(fd);
}

static void
try_socket(const char *what, int family, int type, int protocol)
{
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);

    say(what, fd);
    if (fd >= 0)
        close(fd);
}

static void
network(const char *arguments)
{
    char host[64], abstract[100];
    int port, used = 0;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = -1;

    try_socket("raw icmp", AF_INET, SOCK_RAW, 1);
    try_socket("raw v6", AF_INET6, SOCK_RAW, 58);
    try_socket("packet", AF_PACKET, SOCK_RAW, 0x0300);
    try_socket("netlink route", AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    try_socket("netlink netfilter", AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
    try_socket("netlink audit", AF_NETLINK, SOCK_RAW, NETLINK_AUDIT);
    try_socket("netlink uevent", AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);
    try_socket("vsock", AF_VSOCK, SOCK_STREAM, 0);
    try_socket("alg", 38, SOCK_SEQPACKET, 0);
    try_socket("bluetooth", AF_BLUETOOTH, SOCK_RAW, 1);
    try_socket("xdp", 44, SOCK_RAW, 0);
    if (sscanf(arguments, "%99s%n", abstract, &used) == 1) {
        arguments += used;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        memcpy(un.sun_path + 1, abstract, strlen(abstract));
        say("abstract", connect(fd, (struct sockaddr *)&un,
                                (socklen_t)(sizeof(sa_family_t) + 1 + strlen(abstract))));
        close(fd);
    }
    while (sscanf(arguments, "%63s %d%n", host, &port, &used) == 2) {
        arguments += used;
        connect_to(host, port);
    }
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    say("bind port 80 of our own",
        bind(fd,
             (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(80)},
             sizeof(struct sockaddr_in)));
    say("SO_MARK", setsockopt(fd, SOL_SOCKET, SO_MARK, &(int){1}, sizeof(int)));
    say("SO_BINDTODEVICE", setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5));
    say("iptables", setsockopt(fd, IPPROTO_IP, 64, out + 60000, 100));
    close(fd);
}

/* ---- bombs ---- */

static void
fork_bomb(void)
{
    long made = 0;

    for (;;) {
        pid_t pid = fork();

        if (pid == 0) {
            pause();
            _exit(0);
        }
        if (pid < 0)
            break;
        made++;
    }
    say("fork", -1);
    number("made", made);
    kill(-1, SIGKILL); /* all but the caller; init doesn't hear it */
    while (waitpid(-1, NULL, 0) > 0)
        ;
}

static void
fd_bomb(void)
{
    static int fds[5000];
    long made = 0;

    while (made < 5000 && (fds[made] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        made++;
    say("open", made == 5000 ? 0 : -1);
    number("made", made);
    while (made-- > 0)
        close(fds[made]);
}

static void
memory_bomb(void)
{
    for (size_t i = 0;; i++) {
        char *at = mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (at == MAP_FAILED)
            exit(77);
        memset(at, (int)i | 1, 16 << 20);
    }
}

static void
disk_fill(void)
{
    static char room[1 << 20];
    int fd = open("/tmp/fill", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    long mb = 0;
    ssize_t n;

    memset(room, 'x', sizeof(room));
    while ((n = write(fd, room, sizeof(room))) == sizeof(room))
        mb++;
    say("write", n < 0 ? -1 : (errno = ENOSPC, write(fd, room, 1 << 16)));
    number("mb", mb);
    close(fd);
    unlink("/tmp/fill");
}

static void
inode_fill(void)
{
    char path[40];
    long made = 0;

    for (;; made++) {
        int fd;

        snprintf(path, sizeof(path), "/tmp/i%ld", made);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0)
            break;
        close(fd);
    }
    say("create", -1);
    number("made", made);
    while (made-- > 0) {
        snprintf(path, sizeof(path), "/tmp/i%ld", made);
        unlink(path);
    }
}

/* mb MiB of lines of 1 KiB, as fast as the pipe takes them. */
static void
log_flood(long mb)
{
    static char line[1024];

    memset(line, 'F', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    for (long i = 0; i < mb * 1024; i++)
        if (write(1, line, sizeof(line)) < 0)
            break;
    number("mb", mb);
}

/* ---- its own Runtime API ---- */

static int
dial(void)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(9001), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = 5};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Bytes on a new connection; the status of the answer, 0 when it was closed without one, -1 when
 * neither came. */
static long
say_raw(const char *at, size_t len)
{
    int fd = dial();
    char room[512] = {0};
    ssize_t n;
    long status;

    if (fd < 0)
        return -2;
    while (len) {
        n = send(fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        at += n;
        len -= (size_t)n;
    }
    n = recv(fd, room, sizeof(room) - 1, 0);
    status = n > 12 ? strtol(room + 9, NULL, 10) : n < 0 && errno == EAGAIN ? -1 : 0;
    close(fd);
    return status;
}

static void
api(void)
{
    static char huge[200000];
    static const struct {
        const char *what, *text;
    } raw[] = {
        {"garbage", "\x16\x03\x01\x02garbage\r\n\r\n"},
        {"no version", "GET /2018-06-01/ping\r\n\r\n"},
        {"two lengths", "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: "
                        "x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"},
        {"length and chunked",
         "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: x\r\nContent-Length: "
         "1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {"negative length",
         "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"},
        {"length of 2^64", "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: "
                           "x\r\nContent-Length: 18446744073709551616\r\n\r\n"},
        {"bad chunk", "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: "
                      "x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"},
        {"init/error while running",
         "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"},
        {"another's id",
         "POST /2018-06-01/runtime/invocation/00000000-0000-4000-8000-000000000000/response "
         "HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"},
        {"another's id, error",
         "POST /2018-06-01/runtime/invocation/00000000-0000-4000-8000-000000000000/error "
         "HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"},
        {"the Lambda API", "GET /2015-03-31/functions HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"path out", "GET /2018-06-01/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"ping", "GET /2018-06-01/ping HTTP/1.1\r\nHost: x\r\n\r\n"},
    };
    size_t len;

    for (size_t i = 0; i < sizeof(raw) / sizeof(*raw); i++)
        number(raw[i].what, say_raw(raw[i].text, strlen(raw[i].text)));
    len = (size_t)snprintf(huge, sizeof(huge), "GET /2018-06-01/ping HTTP/1.1\r\nHost: x\r\nX: ");
    memset(huge + len, 'h', sizeof(huge) - len);
    number("200 kB header", say_raw(huge, sizeof(huge)));
    number("endless request line", (memset(huge, 'G', sizeof(huge)), say_raw(huge, sizeof(huge))));
}

/* 10,000 connections, ten processes with a thousand each; all held, then all let go. */
static void
connections(void)
{
    int pipes[2];
    long sum = 0, one;

    if (pipe(pipes) < 0)
        return;
    for (int p = 0; p < 10; p++) {
        if (fork() == 0) {
            long open_ = 0;
            static struct pollfd fds[1000];

            for (int i = 0; i < 1000; i++) {
                fds[i] = (struct pollfd){.fd = dial(), .events = POLLIN};
                open_ += fds[i].fd >= 0;
            }
            (void)poll(NULL, 0, 500); /* those it refuses are closed by now; held ones stay */
            (void)poll(fds, 1000, 0);
            for (int i = 0; i < 1000; i++)
                open_ -= fds[i].fd >= 0 && (fds[i].revents & (POLLIN | POLLHUP | POLLERR));
            (void)!write(pipes[1], &open_, sizeof(open_));
            _exit(0);
        }
    }
    close(pipes[1]);
    while (read(pipes[0], &one, sizeof(one)) == sizeof(one))
        sum += one;
    close(pipes[0]);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    number("held", sum);
    number("ping", say_raw("GET /2018-06-01/ping HTTP/1.1\r\nHost: x\r\n\r\n", 42));
}

/* Sixty answers that are begun and never ended, each with a body of 5 MB promised and 1 MB sent. */
static void
slow_bodies(void)
{
    static char body[1 << 20];
    char head[400];
    int fds[60];
    long accepted = 0;

    for (int i = 0; i < 60; i++) {
        int n = snprintf(head, sizeof(head),
                         "POST /2018-06-01/runtime/invocation/%s/%s HTTP/1.1\r\nHost: "
                         "x\r\nContent-Length: 5000000\r\n\r\n",
                         request_id, i % 2 ? "response" : "error");

        fds[i] = dial();
        if (fds[i] < 0)
            continue;
        (void)!send(fds[i], head, (size_t)n, MSG_NOSIGNAL);
        for (size_t sent = 0; sent < sizeof(body);) {
            ssize_t w = send(fds[i], body, sizeof(body) - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

            if (w <= 0)
                break;
            sent += (size_t)w;
        }
        accepted++;
    }
    number("begun", accepted);
    for (int i = 0; i < 60; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Looks for a string in every small file it can open, and in the environment and the command line
 * of every process it sees. */
static const char *wanted;
static long found, looked;

static int
look_in(const char *path, const struct stat *st, int type, struct FTW *where)
{
    static char room[65536];
    int fd = type == FTW_F && S_ISREG(st->st_mode) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd < 0 ? 0 : read(fd, room, sizeof(room));

    if (fd >= 0)
        close(fd);
    looked += n > 0;
    if (n > 0 && memmem(room, (size_t)n, wanted, strlen(wanted)))
        found++;
    (void)where;
    return 0;
}

static void
look_for(const char *secret)
{
    static const char *const folders[] = {"/tmp",  "/var",     "/opt",  "/etc", "/run",
                                          "/home", "/dev/shm", "/root", "/sys"};
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    char path[400];

    wanted = secret;
    found = looked = 0;
    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
        (void)nftw(folders[i], look_in, 16, FTW_PHYS);
    while (proc && (entry = readdir(proc)))
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') {
            const struct stat regular = {.st_mode = S_IFREG};

            snprintf(path, sizeof(path), "/proc/%s/environ", entry->d_name);
            look_in(path, &regular, FTW_F, NULL);
            snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
            look_in(path, &regular, FTW_F, NULL);
        }
    closedir(proc);
    number("found", found);
    number("looked", looked > 3);
}

static void
handle(const char *event, size_t len)
{
    static char text[4096];
    long n = 0;

    snprintf(text, sizeof(text), "%.*s", (int)(len > 2 ? len - 2 : 0), event + 1);
    out_len = (size_t)snprintf(out, sizeof(out), "{");
    if (!strcmp(text, "files"))
        files();
    else if (!strcmp(text, "setuid"))
        setuid_file();
    else if (!strcmp(text, "kernel"))
        kernel();
    else if (!strcmp(text, "core"))
        core_dump();
    else if (sscanf(text, "processes %ld", &n) == 1)
        processes(n);
    else if (!strncmp(text, "network ", 8))
        network(text + 8);
    else if (!strncmp(text, "read ", 5))
        try_read(text + 5);
    else if (!strncmp(text, "look ", 5))
        look_for(text + 5);
    else if (!strncmp(text, "keep ", 5)) { /* leaves a secret wherever it can */
        FILE *f = fopen("/tmp/secret", "w");

        say("kept", f ? fprintf(f, "%s", text + 5) : -1);
        if (f)
            fclose(f);
    } else if (!strcmp(text, "fork bomb"))
        fork_bomb();
    else if (!strcmp(text, "fd bomb"))
        fd_bomb();
    else if (!strcmp(text, "memory bomb"))
        memory_bomb();
    else if (!strcmp(text, "disk fill"))
        disk_fill();
    else if (!strcmp(text, "inode fill"))
        inode_fill();
    else if (sscanf(text, "log flood %ld", &n) == 1)
        log_flood(n);
    else if (!strcmp(text, "api"))
        api();
    else if (!strcmp(text, "connections"))
        connections();
    else if (!strcmp(text, "slow bodies"))
        slow_bodies();
    else if (!strcmp(text, "answer twice")) {
        char path[256];

        snprintf(path, sizeof(path), "invocation/%s/response", request_id);
        number("first", post(path, NULL, "1", 1));
        number("second", post(path, NULL, "2", 1));
        return; /* it has been answered; what we found goes to nobody but the log */
    }
    number("pid", (long)getpid());
    out_len += (size_t)snprintf(out + out_len, sizeof(out) - out_len, "}");
    respond(out, out_len);
}
