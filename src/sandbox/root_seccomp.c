/* What a process in a sandbox may ask of the kernel. An allow-list, as data: what isn't named here
 * answers ENOSYS, so that a libc tries its older way (clone3 → clone, whose flags can be seen by a
 * filter; a call invented tomorrow is refused today). What is refused on purpose answers EPERM,
 * with the reason beside it. Nothing kills: a runtime that probes must live to fall back.
 *
 * Compiled once, by libseccomp, into a binary tree (CTL_OPTIMIZE 2: 45-82 us to install instead of
 * 126-176, and cheaper calls). */
#include "sandbox/root.h"
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* clang-format off */
struct calls { const char *names, *why; };

static const struct calls allowed[] = {
    {"read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek _llseek close close_range dup dup2 dup3 "
     "fcntl fcntl64 ioctl pipe pipe2 sendfile sendfile64 splice tee vmsplice copy_file_range readahead fadvise64 fadvise64_64 "
     "fsync fdatasync sync_file_range flock", "files and pipes, for everybody; what can be opened is up to the mounts"},
    {"open openat openat2 creat access faccessat faccessat2 stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 "
     "fstatfs fstatfs64 getdents getdents64 readlink readlinkat getcwd chdir fchdir umask", "looking at files"},
    {"mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat truncate truncate64 ftruncate "
     "ftruncate64 fallocate chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32 lchown lchown32 fchownat utime utimes utimensat futimesat "
     "mknod mknodat getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr setxattr lsetxattr fsetxattr "
     "removexattr lremovexattr fremovexattr sync syncfs", "changing files, which only /tmp lets them; mknod makes FIFOs (devices need a capability)"},
    {"inotify_init inotify_init1 inotify_add_watch inotify_rm_watch", "file watchers: Node's fs.watch, Python's watchdog"},
    {"mmap mmap2 munmap mprotect mremap madvise brk msync mincore mlock mlock2 munlock mlockall munlockall membarrier "
     "memfd_create pkey_alloc pkey_free pkey_mprotect mseal map_shadow_stack cachestat",
     "memory; JIT compilers (V8, HotSpot) map executable pages; mlock is bounded by RLIMIT_MEMLOCK"},
    {"mbind get_mempolicy set_mempolicy migrate_pages move_pages set_mempolicy_home_node", "HotSpot and numpy ask for NUMA; only about their own memory"},
    {"execve execveat fork vfork exit exit_group wait4 waitid waitpid kill tkill tgkill pidfd_open pidfd_send_signal", "processes of its own"},
    {"set_tid_address set_robust_list get_robust_list futex futex_time64 futex_waitv futex_wake futex_wait futex_requeue rseq arch_prctl set_thread_area "
     "get_thread_area sched_yield restart_syscall gettid", "threads, started by every libc"},
    {"rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_sigqueueinfo "
     "rt_tgsigqueueinfo sigaltstack sigreturn pause alarm signalfd signalfd4", "signals; Go preempts goroutines with tgkill"},
    {"poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd "
     "eventfd2", "event loops: libuv, asyncio, Go's netpoller"},
    {"nanosleep clock_nanosleep clock_nanosleep_time64 clock_gettime clock_gettime64 clock_getres clock_getres_time64 gettimeofday time times "
     "timer_create timer_settime timer_settime64 timer_gettime timer_gettime64 timer_getoverrun timer_delete timerfd_create timerfd_settime "
     "timerfd_settime64 timerfd_gettime timerfd_gettime64 getitimer setitimer", "time; setting clocks is not here"},
    {"getpid getppid getpgid getpgrp getsid setsid setpgid getuid geteuid getgid getegid getresuid getresgid getgroups getuid32 geteuid32 getgid32 "
     "getegid32 getresuid32 getresgid32 getgroups32 setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid "
     "capget capset", "who am I; setting ids can only set what it has"},
    {"getrlimit setrlimit ugetrlimit prlimit64 getrusage getpriority setpriority sched_getaffinity sched_setaffinity sched_getparam "
     "sched_setparam sched_getscheduler sched_setscheduler sched_getattr sched_setattr sched_get_priority_max sched_get_priority_min "
     "sched_rr_get_interval ioprio_get ioprio_set getcpu", "limits can only be lowered, real time needs a right that nobody has; HotSpot and Go count CPUs by affinity"},
    {"uname sysinfo getrandom prctl", "facts about the machine; prctl's dangerous options need capabilities"},
    {"socketpair bind connect listen accept accept4 getsockname getpeername getsockopt setsockopt send sendto sendmsg sendmmsg recv recvfrom "
     "recvmsg recvmmsg recvmmsg_time64 shutdown", "the network of the sandbox, which is loopback; the families are chosen at socket()"},
    {"landlock_create_ruleset landlock_add_rule landlock_restrict_self", "a program may restrict itself further"},
    {"process_madvise pidfd_getfd", "need the rights of ptrace over the target, so end at its own processes"},
};

static const struct calls refused[] = {
    {"mount umount umount2 pivot_root chroot move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick mount_setattr statmount listmount", "the file system's shape is fixed"},
    {"unshare setns", "namespaces are where kernel bugs become root; nobody in a function needs one"},
    {"ptrace process_vm_readv process_vm_writev kcmp process_mrelease", "no looking into other processes, not even its own: init shares the uid"},
    {"bpf perf_event_open userfaultfd seccomp", "large kernel surfaces with a history"},
    {"io_uring_setup io_uring_enter io_uring_register", "goes around this very filter; libuv and others fall back to epoll"},
    {"add_key request_key keyctl", "keyrings are not in a namespace"},
    {"init_module finit_module delete_module create_module kexec_load kexec_file_load reboot", "the kernel itself"},
    {"shmget shmat shmdt shmctl semget semop semtimedop semtimedop_time64 semctl msgget msgsnd msgrcv msgctl ipc", "System V IPC: there is no IPC namespace, these would be the host's"},
    {"mq_open mq_unlink mq_timedsend mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64 mq_notify mq_getsetattr", "POSIX queues: the same"},
    {"settimeofday stime clock_settime clock_settime64 clock_adjtime clock_adjtime64 adjtimex sethostname setdomainname", "the host's clock and names"},
    {"acct swapon swapoff quotactl quotactl_fd nfsservctl vhangup syslog sysfs _sysctl uselib ustat iopl ioperm modify_ldt vm86 vm86old lookup_dcookie", "administration and museum pieces"},
    {"open_by_handle_at name_to_handle_at", "reaches files outside of the mounts by number"},
    {"fanotify_init fanotify_mark", "watches whole file systems"},
    {"memfd_secret", "memory that cannot be frozen or reclaimed"},
    {"io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents", "kernel AIO: fs.aio-max-nr is the host's, one sandbox could take it all"},
    {"remap_file_pages", "emulated and obsolete"},
};

/* Not in the namespaces a filter can see: clone3 takes its flags from memory, so libc is sent back
 * to clone. */
static const struct calls absent[] = {
    {"clone3", "ENOSYS: glibc then uses clone"},
};

/* As with unshare: CLONE_NEWUSER above all, it is the door to the others. (CLONE_NEWTIME shares its
 * bit with clone's exit signal and is out of clone's reach.) */
static const unsigned clone_refused[] = {
    CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET,
};
static const int families[] = {AF_UNIX, AF_INET, AF_INET6};
/* clang-format on */

static int
add_calls(scmp_filter_ctx ctx, const struct calls *calls, size_t len, uint32_t action,
          struct err *err)
{
    for (size_t i = 0; i < len; i++)
        for (const char *at = calls[i].names; *at; at += strcspn(at, " "), at += strspn(at, " ")) {
            char name[40];
            int nr, rc;

            ASSERT(str_copy(name, sizeof(name), (struct str){at, strcspn(at, " ")}));
            nr = seccomp_syscall_resolve_name(name);
            /* Unknown to this libseccomp, or not on this machine (negative pseudo numbers): the
             * default answers. */
            if (nr < 0)
                continue;
            if ((rc = seccomp_rule_add(ctx, action, nr, 0)) < 0 && rc != -EACCES) {
                errno = -rc;
                return err_sys(err, "seccomp rule for %s", name);
            }
        }
    return 0;
}

#define ADD(ctx, action, call, ...)                                                                \
    do {                                                                                           \
        int add_rc_ = seccomp_rule_add((ctx), (action), SCMP_SYS(call), __VA_ARGS__);              \
                                                                                                   \
        if (add_rc_ < 0) {                                                                         \
            errno = -add_rc_;                                                                      \
            return err_sys(err, "seccomp rule for " #call);                                        \
        }                                                                                          \
    } while (0)

/* Calls of which only some arguments are fine. */
static int
add_argument_rules(scmp_filter_ctx ctx, struct err *err)
{
    unsigned namespaces = 0;
    static const unsigned personas[] = {0 /* PER_LINUX */, 0xffffffff /* asks */,
                                        0x0040000 /* ADDR_NO_RANDOMIZE: debuggers, Go's tests */};

    for (size_t i = 0; i < ARRAY_LEN(clone_refused); i++) {
        namespaces |= clone_refused[i];
        ADD(ctx, SCMP_ACT_ERRNO(EPERM), clone, 1,
            SCMP_A0(SCMP_CMP_MASKED_EQ, clone_refused[i], clone_refused[i]));
    }
    ADD(ctx, SCMP_ACT_ALLOW, clone, 1, SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces, 0));
    for (size_t i = 0; i < ARRAY_LEN(personas); i++)
        ADD(ctx, SCMP_ACT_ALLOW, personality, 1,
            SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, personas[i]));
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        ADD(ctx, SCMP_ACT_ALLOW, socket, 1,
            SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, (unsigned)families[i]));
    /* getaddrinfo() and getifaddrs() ask for addresses over route netlink. */
    ADD(ctx, SCMP_ACT_ALLOW, socket, 2, SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, AF_NETLINK),
        SCMP_A2(SCMP_CMP_MASKED_EQ, 0xffffffff, NETLINK_ROUTE));
    ADD(ctx, SCMP_ACT_ERRNO(EPERM), socket, 2, SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, AF_NETLINK),
        SCMP_A2(SCMP_CMP_GT, NETLINK_ROUTE));
    /* The others as if the kernel had none of them, which programs are ready for. */
    for (unsigned family = 0; family < AF_MAX; family++)
        if (family != AF_UNIX && family != AF_INET && family != AF_INET6 && family != AF_NETLINK)
            ADD(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), socket, 1,
                SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, family));
    return 0;
}

/* What libseccomp cannot say (one call, several forbidden values of the same argument, the rest
 * allowed), in front of its program. The kernel reads 32 bits of ioctl's request: so do we, or a
 * request with a bit set above them would pass. */
#define NR offsetof(struct seccomp_data, nr)
#define ARG_LOW(n) (offsetof(struct seccomp_data, args[n]) /* little-endian */)
static const struct sock_filter prologue[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NR),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 4),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG_LOW(1)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 1, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCLINUX, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM), /* typing for somebody else */
};
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the seccomp prologue reads the low half of an argument at its first byte"
#endif

static int
read_program(int fd, struct bpf *ret, struct err *err)
{
    struct stat st;
    char *program;

    if (fstat(fd, &st) < 0 || st.st_size <= 0 ||
        st.st_size % (off_t)sizeof(struct sock_filter) != 0 ||
        (size_t)st.st_size > (BPF_MAXINSNS - ARRAY_LEN(prologue)) * sizeof(struct sock_filter))
        return err_set(err, ERR_INTERNAL, "the seccomp program has a strange size");
    program = xmalloc(sizeof(prologue) + (size_t)st.st_size);
    memcpy(program, prologue, sizeof(prologue));
    if (pread(fd, program + sizeof(prologue), (size_t)st.st_size, 0) != st.st_size) {
        free(program);
        return err_sys(err, "read the seccomp program");
    }
    ret->at = program;
    ret->len =
        (unsigned short)(ARRAY_LEN(prologue) + (size_t)st.st_size / sizeof(struct sock_filter));
    return 0;
}

int
seccomp_compile(struct bpf *ret, struct err *err)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    AUTO_FD int fd = memfd_create("seccomp", MFD_CLOEXEC);
    int rc;

    if (!ctx || fd < 0) {
        seccomp_release(ctx);
        return err_sys(err, "make a seccomp filter");
    }
    (void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* an old library has it linear */
    /* 32-bit and x32 calls would need a table of their own: they get nothing. */
    (void)seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
    rc = add_calls(ctx, allowed, ARRAY_LEN(allowed), SCMP_ACT_ALLOW, err);
    if (rc == 0)
        rc = add_calls(ctx, refused, ARRAY_LEN(refused), SCMP_ACT_ERRNO(EPERM), err);
    if (rc == 0)
        rc = add_calls(ctx, absent, ARRAY_LEN(absent), SCMP_ACT_ERRNO(ENOSYS), err);
    if (rc == 0)
        rc = add_argument_rules(ctx, err);
    if (rc == 0 && (rc = seccomp_export_bpf(ctx, fd)) < 0) {
        errno = -rc;
        rc = err_sys(err, "compile the seccomp filter");
    }
    if (rc == 0)
        rc = read_program(fd, ret, err);
    seccomp_release(ctx);
    return rc;
}
