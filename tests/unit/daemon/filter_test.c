/* The daemon's own seccomp filter, from inside: what is refused, and that a server still works. */
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "daemon/filter.h"

static int wake[2];

static void *
waits(void *arg)
{
    char c;

    (void)!read(wake[0], &c, 1);
    return (void *)(intptr_t)(syscall(SYS_unshare, CLONE_NEWUSER) < 0 && errno == EPERM);
}

static void *
answers(void *arg)
{
    return arg;
}

#define REFUSED(error, call)                                                                       \
    do {                                                                                           \
        errno = 0;                                                                                 \
        if ((long)(call) != -1 || errno != (error)) {                                              \
            fprintf(stderr, "%s: %s instead of %s\n", #call, strerrorname_np(errno), #error);      \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

/* In a child, since there is no way back. 0: all as it should be. */
static int
filtered(void)
{
    char *argv[] = {(char[]){"true"}, NULL};
    struct addrinfo *found = NULL;
    struct err err = {0};
    pthread_t before, after;
    void *result = NULL;
    int pair[2];

    if (pipe(wake) < 0 || pthread_create(&before, NULL, waits, NULL) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || daemon_filter(&err) < 0)
        return 2;
    REFUSED(EPERM, execve("/bin/true", argv, NULL));
    REFUSED(EPERM, syscall(SYS_fork));
    REFUSED(EPERM, fork()); /* the C library's, by clone */
    REFUSED(EPERM, syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
    REFUSED(ENOSYS, syscall(SYS_clone3, NULL, 0));
    REFUSED(EPERM, ptrace(PTRACE_ATTACH, 1, 0, 0));
    REFUSED(EPERM, unshare(CLONE_NEWUSER));
    REFUSED(EPERM, mount("x", "/", "tmpfs", 0, NULL));
    REFUSED(EPERM, syscall(SYS_bpf, 0, NULL, 0));
    REFUSED(EPERM, syscall(SYS_io_uring_setup, 1, NULL));
    REFUSED(EPERM, syscall(SYS_userfaultfd, 0));
    REFUSED(EPERM, syscall(SYS_keyctl, 0, 0));
    REFUSED(EPERM, setuid(getuid()));
    REFUSED(EAFNOSUPPORT, socket(AF_PACKET, SOCK_RAW, 0));
    REFUSED(EAFNOSUPPORT, socket(AF_VSOCK, SOCK_STREAM, 0));
    /* TSYNC: a thread from before has it too. */
    if (write(wake[1], "x", 1) != 1 || pthread_join(before, &result) != 0 || !result)
        return 3;
    if (pthread_create(&after, NULL, answers, &err) != 0 || pthread_join(after, &result) != 0 ||
        result != &err)
        return 4;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || socket(AF_INET6, SOCK_STREAM, 0) < 0 ||
        getaddrinfo("localhost", "80", NULL, &found) != 0)
        return 5;
    freeaddrinfo(found);
    return 0;
}

static void
what_a_server_does_not_need_is_refused_on_all_threads(void **state)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(filtered());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_server_does_not_need_is_refused_on_all_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
