/* The daemon's own seccomp filter. lambentd reads bytes from strangers in C, without privilege;
 * should somebody come to run code in it, this is what is left to ask of the kernel: what a server
 * of files and sockets needs, and neither other programs nor other processes nor the kernel's large
 * or young surfaces, through which an unprivileged process becomes root.
 *
 * A list of what is refused, not of what is allowed: SQLite, the C library, OpenSSL and the
 * resolver choose their calls by version and by kernel, and a server that dies after an upgrade
 * because libc came to like another call protects nobody. (Environments, whose code is hostile from
 * the start, have an allow-list: src/sandbox/root_seccomp.c.) Refused calls answer EPERM; nothing
 * kills.
 *
 * Installed on every thread (TSYNC), after the start and before the first answer; spawner and
 * listeners exist by then. */
#include "daemon/filter.h"
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* clang-format off */
static const struct { const char *names, *why; } refused[] = {
    {"execve execveat", "it starts no program: the one that it needs, the spawner, runs already"},
    {"fork vfork", "nor processes; threads come by clone, whose flags are looked at below"},
    {"ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp pidfd_getfd", "other processes of its user are none of its business"},
    {"unshare setns", "namespaces, above all those of users, are where kernel bugs become root"},
    {"mount umount2 pivot_root chroot move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick mount_setattr statmount listmount", "mounts are the spawner's"},
    {"bpf perf_event_open userfaultfd seccomp", "large kernel surfaces; no second filter is needed"},
    {"io_uring_setup io_uring_enter io_uring_register", "goes around this very filter"},
    {"io_setup io_submit io_destroy io_cancel io_getevents io_pgetevents", "kernel AIO: the loop uses epoll, SQLite plain files"},
    {"add_key request_key keyctl", "it keeps no keys in the kernel"},
    {"shmget shmat shmdt shmctl semget semop semtimedop semctl msgget msgsnd msgrcv msgctl", "System V IPC, shared with every process of the host"},
    {"mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr", "POSIX queues"},
    {"init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff acct quotactl quotactl_fd syslog "
     "settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname vhangup nfsservctl iopl ioperm modify_ldt uselib ustat sysfs lookup_dcookie", "administration, all of it root's anyway"},
    {"open_by_handle_at name_to_handle_at fanotify_init fanotify_mark", "files by number, files of everybody"},
    {"mknod mknodat", "devices and FIFOs: a folder of its own could otherwise hold one for root to trip over"},
    {"setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset", "who it is was settled before"},
    {"personality remap_file_pages memfd_secret vmsplice migrate_pages move_pages mbind set_mempolicy", "no use for them, and a history"},
};
/* Threads share everything; whatever lacks one of these is a process. */
static const unsigned thread_flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK /* getaddrinfo() */};
/* clang-format on */

static int
refuse(scmp_filter_ctx ctx, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        for (const char *at = refused[i].names; *at;
             at += strcspn(at, " "), at += strspn(at, " ")) {
            char name[40];
            int nr, rc;

            ASSERT(str_copy(name, sizeof(name), (struct str){at, strcspn(at, " ")}));
            nr = seccomp_syscall_resolve_name(name);
            if (nr < 0) /* unknown to this libseccomp, or not a call of this machine */
                continue;
            rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 0);
            if (rc < 0) {
                errno = -rc;
                return err_sys(err, "filter rule for %s", name);
            }
        }
    return 0;
}

/* clone only for threads, few socket families, no ioctl that types into a terminal. */
static int
refuse_by_argument(scmp_filter_ctx ctx, struct err *err)
{
    int rc = 0;

    for (unsigned bit = 1; rc == 0 && bit; bit <<= 1)
        if (thread_flags & bit)
            rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                  SCMP_A0(SCMP_CMP_MASKED_EQ, bit, 0));
    /* Its flags lie in memory, out of a filter's sight: the C library goes back to clone. */
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    for (unsigned family = 0; rc == 0 && family < AF_MAX; family++) {
        bool known = false;

        for (size_t i = 0; i < ARRAY_LEN(families); i++)
            known |= family == (unsigned)families[i];
        if (!known)
            rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                                  SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, family));
    }
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                              SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, TIOCSTI));
    if (rc < 0) {
        errno = -rc;
        return err_sys(err, "filter rule by argument");
    }
    return 0;
}

/* A sanitizer's leak check at the end is a process that stops this one with ptrace. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

int
daemon_filter(struct err *err)
{
#ifdef SANITIZED
    return 0;
#endif
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    int rc;

    if (!ctx)
        return err_set(err, ERR_INTERNAL, "libseccomp has no memory for a filter");
    (void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* an old library has it linear */
    (void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    /* 32-bit and x32 calls would need a table of their own: they get nothing. */
    (void)seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
    rc = refuse(ctx, err);
    if (rc == 0)
        rc = refuse_by_argument(ctx, err);
    if (rc == 0 && (rc = seccomp_load(ctx)) < 0) {
        errno = -rc;
        rc = err_sys(err, "install the daemon's own seccomp filter");
    }
    seccomp_release(ctx);
    return rc;
}
