/* Runs inside a sandbox, statically linked: each subcommand tries one thing and prints what came of
 * it. Exit 0 unless said. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int
say(const char *what, long rc)
{
    printf("%s %s\n", what, rc >= 0 ? "ok" : strerrorname_np(errno));
    return 0;
}

static int
write_to(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    long rc = fd < 0 ? -1 : write(fd, "x", 1);

    say(path, rc);
    if (fd >= 0)
        close(fd);
    return 0;
}

static void
connect_to(const char *address, int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    inet_pton(AF_INET, address, &at.sin_addr);
    printf("%s:%d ", address, port);
    say("connect", fd < 0 ? -1 : connect(fd, (struct sockaddr *)&at, sizeof(at)));
    close(fd);
}

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
denied_calls(void)
{
    char room[64];
    struct {
        unsigned long flags, a, b, c, d, e, f, g;
    } clone3_args = {0};
    int pair[2];

    say("mount", mount("x", "/tmp", "tmpfs", 0, NULL));
    say("umount2", umount2("/tmp", MNT_DETACH));
    say("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
    say("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1));
    say("mount_setattr", syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, room, 32));
    say("pivot_root", syscall(SYS_pivot_root, "/tmp", "/tmp"));
    say("chroot", chroot("/tmp"));
    say("unshare_user", unshare(CLONE_NEWUSER));
    say("unshare_files", unshare(CLONE_FILES));
    say("setns", setns(0, 0));
    say("clone_newuser", raw_clone(CLONE_NEWUSER));
    say("clone_newns", raw_clone(CLONE_NEWNS));
    say("clone_newnet_newuser", raw_clone(CLONE_NEWNET | CLONE_NEWUSER));
    say("clone_plain", raw_clone(0));
    say("clone3", syscall(SYS_clone3, &clone3_args, sizeof(clone3_args)));
    say("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
    say("process_vm_readv", syscall(SYS_process_vm_readv, 1, room, 0, room, 0, 0));
    say("bpf", syscall(SYS_bpf, 0, room, 64));
    say("perf_event_open", syscall(SYS_perf_event_open, room, 0, -1, -1, 0));
    say("userfaultfd", syscall(SYS_userfaultfd, 0));
    say("io_uring_setup", syscall(SYS_io_uring_setup, 1, room));
    say("keyctl", syscall(SYS_keyctl, 0, 0));
    say("add_key", syscall(SYS_add_key, "user", "a", "b", 1, -3));
    say("request_key", syscall(SYS_request_key, "user", "a", 0, 0));
    say("shmget", syscall(SYS_shmget, 1, 4096, 01600));
    say("semget", syscall(SYS_semget, 1, 1, 01600));
    say("msgget", syscall(SYS_msgget, 1, 01600));
    say("mq_open", syscall(SYS_mq_open, "q", O_CREAT | O_RDWR, 0600, 0));
    say("personality_query", syscall(SYS_personality, 0xffffffff));
    say("personality_32", syscall(SYS_personality, 8));
    say("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, room, 0));
    say("kexec_load", syscall(SYS_kexec_load, 0, 0, 0, 0));
    say("init_module", syscall(SYS_init_module, room, 1, ""));
    say("swapon", syscall(SYS_swapon, "/tmp/x", 0));
    say("reboot", syscall(SYS_reboot, 0, 0, 0, 0));
    say("acct", syscall(SYS_acct, NULL));
    say("quotactl", syscall(SYS_quotactl, 0, 0, 0, 0));
    say("settimeofday", syscall(SYS_settimeofday, NULL, room));
    say("sethostname", sethostname("x", 1));
    say("memfd_secret", syscall(447, 0));
    say("io_setup", syscall(SYS_io_setup, 1, room));
    say("syslog", syscall(SYS_syslog, 2, room, 64));
    say("unknown_call", syscall(999));
    say("socket_unix", socket(AF_UNIX, SOCK_STREAM, 0));
    say("socket_inet6", socket(AF_INET6, SOCK_DGRAM, 0));
    say("socket_raw", socket(AF_INET, SOCK_RAW, 1));
    say("socket_packet", socket(AF_PACKET, SOCK_RAW, 0));
    say("socket_vsock", socket(40, SOCK_STREAM, 0));
    say("socket_alg", socket(38, SOCK_SEQPACKET, 0));
    say("netlink_route", socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
    say("netlink_audit", socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT));
    say("netlink_netfilter", socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER));
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    say("tiocsti", ioctl(pair[0], TIOCSTI, "x"));
    say("tiocsti_high_bits", syscall(SYS_ioctl, pair[0], 0x100000000ul | TIOCSTI, "x"));
    say("fionread", ioctl(pair[0], FIONREAD, room));
    say("mknod_device", mknod("/tmp/null", S_IFCHR | 0666, (1 << 8) | 3));
    say("mknod_fifo", mknod("/tmp/fifo", S_IFIFO | 0666, 0));
    say("setuid_0", setuid(0));
    say("setgid_0", setgid(0));
    say("kill_init", kill(1, SIGKILL)); /* allowed, and without effect: we go on printing */
    say("kill_init_term", kill(1, SIGTERM));
    say("prlimit_raise", prlimit(0, RLIMIT_NOFILE, &(struct rlimit){4096, 4096}, NULL));
    say("setpriority", setpriority(PRIO_PROCESS, 0, -5));
}

static int
fork_bomb(void)
{
    int n = 0;
    pid_t pid;

    while (n < 100000 && (pid = fork()) >= 0) {
        if (pid == 0) {
            pause();
            _exit(0);
        }
        n++;
    }
    printf("forked %d then %s\n", n, strerrorname_np(errno));
    fflush(stdout);
    kill(-1, SIGKILL);
    return 0;
}

static int
eat(size_t mb)
{
    for (size_t i = 0; i < mb; i++) {
        char *at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (at == MAP_FAILED)
            return say("mmap", -1);
        memset(at, 1, 1 << 20);
    }
    return say("eat", 0);
}

static int
fill_tmp(void)
{
    static char room[1 << 20];
    int fd = open("/tmp/fill", O_WRONLY | O_CREAT, 0600);
    long mb = 0;
    int files = 0;

    while (write(fd, room, sizeof(room)) == (ssize_t)sizeof(room))
        mb++;
    printf("filled %ld then %s\n", mb, strerrorname_np(errno));
    close(fd);
    unlink("/tmp/fill");
    for (char path[32]; files < 1000000; files++) {
        snprintf(path, sizeof(path), "/tmp/i%d", files);
        fd = open(path, O_WRONLY | O_CREAT, 0600);
        if (fd < 0)
            break;
        close(fd);
    }
    printf("files %d then %s\n", files, strerrorname_np(errno));
    return 0;
}

static int
open_files(void)
{
    int n = 0;

    while (open("/dev/null", O_RDONLY) >= 0)
        n++;
    printf("opened %d then %s\n", n, strerrorname_np(errno));
    return 0;
}

static int
cat(const char *path)
{
    char room[8192];
    int fd = open(path, O_RDONLY);
    ssize_t n;

    if (fd < 0)
        return say(path, -1);
    while ((n = read(fd, room, sizeof(room))) > 0)
        (void)!write(1, room, (size_t)n);
    if (n < 0)
        say(path, -1);
    close(fd);
    return 0;
}

int
main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!strcmp(what, "exit"))
        return atoi(argv[2]);
    if (!strcmp(what, "segv"))
        raise(SIGSEGV);
    if (!strcmp(what, "sleep"))
        for (;;)
            pause();
    if (!strcmp(what, "sleep_term")) { /* ready when it has said so */
        signal(SIGTERM, exit);
        say("ready", 0);
        for (;;)
            pause();
    }
    if (!strcmp(what, "spin")) {
        say("spinning", 0);
        for (;;)
            ;
    }
    if (!strcmp(what, "orphan")) { /* leaves a child behind */
        if (fork() == 0) {
            setsid();
            for (;;)
                pause();
        }
        return 0;
    }
    if (!strcmp(what, "ids")) {
        printf("uid %u %u gid %u pid %d ppid %d sid %d\n", getuid(), geteuid(), getgid(), getpid(),
               getppid(), getsid(0));
        return 0;
    }
    if (!strcmp(what, "cat"))
        for (int i = 2; i < argc; i++)
            cat(argv[i]);
    if (!strcmp(what, "write"))
        for (int i = 2; i < argc; i++)
            write_to(argv[i]);
    if (!strcmp(what, "denied"))
        denied_calls();
    if (!strcmp(what, "fork_bomb"))
        return fork_bomb();
    if (!strcmp(what, "eat"))
        return eat((size_t)atoi(argv[2]));
    if (!strcmp(what, "fill_tmp"))
        return fill_tmp();
    if (!strcmp(what, "open_files"))
        return open_files();
    if (!strcmp(what, "connect"))
        for (int i = 2; i + 1 < argc; i += 2)
            connect_to(argv[i], atoi(argv[i + 1]));
    if (!strcmp(what, "signals")) {
        sigset_t set;
        int ignored = 0;

        sigprocmask(SIG_SETMASK, NULL, &set);
        for (int i = 1; i < 32; i++) {
            struct sigaction sa;

            if (sigaction(i, NULL, &sa) == 0 && sa.sa_handler != SIG_DFL)
                ignored++;
            if (sigismember(&set, i))
                printf("blocked %d\n", i);
        }
        printf("not default: %d\n", ignored);
    }
    return 0;
}
