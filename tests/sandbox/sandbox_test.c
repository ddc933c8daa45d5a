/* Real sandboxes, through the daemon's interface. Needs root. */
#include "help.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct host host;

#define PROBE "/var/task/probe"

static void
never_called(void *arg, const struct err *why)
{
    fail();
}
static const struct sandbox_events no_events = {.on_gone = never_called};

static void
new_box(struct box *b)
{
    struct sandbox_spec spec = spec_default();

    box_new(&host, b, &spec);
}

static void
has_line(struct box *b, const char *line)
{
    const char *at = strstr(box_out(b), line);
    size_t len = strlen(line);

    if (!at || (at != b->out.at && at[-1] != '\n') || (at[len] != '\n' && at[len] != '\0'))
        fail_msg("no line '%s' in:\n%s", line, box_out(b));
}

/* ---- starting and ending ---- */

static void
a_program_runs_and_its_output_and_status_come_back(void **state)
{
    struct box b;

    new_box(&b);
    box_run(&b, "/bin/sh", "-c", "echo out; echo err >&2; pwd; exit 3", NULL);
    ASSERT_EXIT(&b, 3);
    assert_string_equal(box_out(&b), "out\nerr\n/var/task\n");
    assert_int_equal(b.readies, 1);
    assert_true(b.listener_fd >= 0);
    box_run(&b, PROBE, "exit", "0", NULL);
    ASSERT_EXIT(&b, 0);
    box_run(&b, "/bin/sh", "-c", "echo again > /dev/stdout", NULL);
    ASSERT_EXIT(&b, 0);
    assert_string_equal(box_out(&b), "again\n");
    box_free(&b);
    assert_false(b.failed);
}

static void
a_signal_is_told_apart_from_an_exit(void **state)
{
    struct box b;

    new_box(&b);
    box_run(&b, PROBE, "segv", NULL);
    assert_false(b.how.exited);
    assert_int_equal(b.how.signo, SIGSEGV);
    assert_false(b.how.oom);
    box_free(&b);
}

static void
start_kill_and_start_again_keep_tmp(void **state)
{
    const char *const argv[] = {"/bin/sh", "-c", "echo kept > /tmp/file; sleep 1000 & sleep 1000",
                                NULL};
    struct box b;
    struct err err = {0};

    new_box(&b);
    box_start(&b, argv);
    assert_int_equal(sandbox_kill(b.sb, &err), 0); /* right behind the start, in order */
    wait_count(&host, &b.exits, 1);
    assert_false(b.how.exited);
    assert_int_equal(b.how.signo, SIGKILL);
    box_run(&b, "/bin/sh", "-c", "echo kept > /tmp/file", NULL);
    box_run(&b, "/bin/cat", "/tmp/file", NULL);
    assert_string_equal(box_out(&b), "kept\n");
    /* Only init and the shell itself: what ran before is dead. */
    box_run(&b, "/bin/sh", "-c", "cd /proc; echo [0-9]*", NULL);
    assert_null(strstr(box_out(&b), " "));
    box_free(&b);
}

static void
a_signal_reaches_the_runtime_alone(void **state)
{
    const char *const argv[] = {PROBE, "sleep_term", NULL};
    struct box b;
    struct err err = {0};
    char room[64];

    new_box(&b);
    box_start(&b, argv);
    assert_int_equal(fcntl(b.out_fd, F_SETFL, 0), 0);
    assert_true(read(b.out_fd, room, sizeof(room)) > 0); /* it has said "ready" */
    assert_int_equal(sandbox_signal(b.sb, SIGTERM, &err), 0);
    wait_count(&host, &b.exits, 1);
    ASSERT_EXIT(&b, SIGTERM);
    box_free(&b);
}

static void
orphans_outlive_the_runtime_and_die_with_kill(void **state)
{
    struct box b;
    struct err err = {0};

    new_box(&b);
    box_run(&b, PROBE, "orphan", NULL);
    ASSERT_EXIT(&b, 0);
    box_run(&b, "/bin/sh", "-c", "cd /proc; echo [0-9]*", NULL);
    assert_non_null(strstr(box_out(&b), " ")); /* the orphan and the shell */
    assert_int_equal(sandbox_kill(b.sb, &err), 0);
    box_run(&b, "/bin/sh", "-c", "cd /proc; echo [0-9]*", NULL);
    assert_null(strstr(box_out(&b), " "));
    box_free(&b);
}

static void
what_cannot_be_executed_says_why(void **state)
{
    struct box b;

    new_box(&b);
    box_run(&b, "/var/task/bootstrap", NULL);
    ASSERT_EXIT(&b, 127);
    assert_string_equal(b.exit_why.text,
                        "execute '/var/task/bootstrap': No such file or directory");
    box_run(&b, "/etc/hosts", NULL);
    ASSERT_EXIT(&b, 127);
    assert_string_equal(b.exit_why.text, "execute '/etc/hosts': Permission denied");
    box_run(&b, PROBE, "exit", "5", NULL);
    ASSERT_EXIT(&b, 5);
    assert_int_equal(b.exit_why.kind, ERR_NONE);
    box_free(&b);
}

static void
descriptors_arguments_environment_and_signals_are_exactly_what_was_given(void **state)
{
    static char *const argv[] = {"/bin/sh",
                                 "-c",
                                 "echo [$1][$EMPTY][$X]; echo log >&3; echo frames >&4; "
                                 "ls -l /proc/self/fd; " PROBE " signals; umask; env",
                                 "sh",
                                 "two words",
                                 NULL};
    static char *const envp[] = {"PATH=/usr/bin:/bin", "EMPTY=", "X=12", NULL};
    struct box b;
    struct err err = {0};
    int out[2], log[2], frames[2];
    char room[64] = "";

    new_box(&b);
    assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK) | pipe2(log, O_CLOEXEC | O_NONBLOCK) |
                         pipe2(frames, O_CLOEXEC | O_NONBLOCK),
                     0);
    assert_int_equal(sandbox_start(b.sb, argv, envp, out[1], log[1], frames[1], &err), 0);
    wait_count(&host, &b.exits, 1);
    ASSERT_EXIT(&b, 0);
    b.out_fd = out[0];
    (void)box_out(&b);
    has_line(&b, "[two words][][12]");
    has_line(&b, "not default: 0");
    has_line(&b, "0022");
    has_line(&b, "EMPTY=");
    assert_null(strstr(box_out(&b), "blocked"));
    assert_null(strstr(box_out(&b), " 5 -> socket"));
    assert_null(strstr(box_out(&b), " 6 ->"));
    assert_int_equal(read(log[0], room, sizeof(room)), 4);
    assert_memory_equal(room, "log\n", 4);
    assert_int_equal(read(frames[0], room, sizeof(room)), 7);
    assert_memory_equal(room, "frames\n", 7);
    close(out[1]);
    close(log[0]);
    close(log[1]);
    close(frames[0]);
    close(frames[1]);
    box_free(&b);
}

/* ---- what it sees ---- */

static void
it_has_no_rights_and_a_uid_of_its_own(void **state)
{
    struct box a, b;
    unsigned uid_a, uid_b;

    new_box(&a);
    new_box(&b);
    box_run(&a, PROBE, "ids", NULL);
    assert_int_equal(sscanf(box_out(&a), "uid %u", &uid_a), 1);
    box_run(&b, PROBE, "ids", NULL);
    assert_int_equal(sscanf(box_out(&b), "uid %u", &uid_b), 1);
    assert_int_not_equal(uid_a, uid_b);
    box_run(&a, PROBE, "cat", "/proc/self/status", NULL);
    has_line(&a, "CapInh:\t0000000000000000");
    has_line(&a, "CapPrm:\t0000000000000000");
    has_line(&a, "CapEff:\t0000000000000000");
    has_line(&a, "CapBnd:\t0000000000000000");
    has_line(&a, "CapAmb:\t0000000000000000");
    has_line(&a, "NoNewPrivs:\t1");
    has_line(&a, "Seccomp:\t2");
    has_line(&a, "Groups:\t ");
    box_run(&a, "/usr/bin/id", "-un", NULL);
    assert_string_equal(box_out(&a), "sbx_user1051\n");
    box_run(&a, "/usr/bin/id", "-gn", NULL);
    assert_string_equal(box_out(&a), "sbx_user1051\n");
    box_run(&a, "/bin/hostname", NULL);
    assert_string_equal(box_out(&a), "sandbox\n");
    box_run(&a, PROBE, "cat", "/proc/self/cgroup", NULL);
    assert_null(strstr(box_out(&a), "lambent"));
    box_free(&a);
    box_free(&b);
}

static void
everything_but_tmp_is_read_only(void **state)
{
    struct box b;

    new_box(&b);
    box_run(&b, PROBE, "write", "/x", "/var/task/x", "/var/runtime/x", "/opt/x", "/etc/x",
            "/etc/passwd", "/usr/x", "/dev/x", "/proc/sys/kernel/hostname",
            "/proc/self/oom_score_adj", "/run/x", NULL);
    has_line(&b, "/x EROFS");
    has_line(&b, "/var/task/x EROFS");
    has_line(&b, "/var/runtime/x EROFS");
    has_line(&b, "/opt/x EROFS");
    has_line(&b, "/etc/x EROFS");
    has_line(&b, "/etc/passwd EACCES");
    has_line(&b, "/usr/x EROFS");
    has_line(&b, "/dev/x EROFS");
    has_line(&b, "/proc/sys/kernel/hostname EACCES");
    has_line(&b, "/run/x EROFS");
    box_run(&b, PROBE, "write", "/tmp/x", "/dev/null", "/dev/full", NULL);
    has_line(&b, "/tmp/x ok");
    has_line(&b, "/dev/null ok");
    has_line(&b, "/dev/full ENOSPC");
    box_run(&b, PROBE, "cat", "/proc/1/environ", "/proc/1/maps", "/proc/sysvipc/shm", "/etc/shadow",
            NULL);
    has_line(&b, "/proc/1/environ ENOENT"); /* hidepid: not even there */
    has_line(&b, "/proc/sysvipc/shm ENOENT");
    has_line(&b, "/etc/shadow ENOENT");
    box_run(&b, "/bin/ls", "/", NULL);
    assert_null(strstr(box_out(&b), "root\n"));
    assert_null(strstr(box_out(&b), "mnt"));
    box_run(&b, PROBE, "cat", "/proc/self/mounts", NULL);
    assert_non_null(strstr(box_out(&b), "lambent / tmpfs ro,nosuid,"));
    box_free(&b);
}

static void
layers_and_runtime_folder_are_where_they_belong(void **state)
{
    struct sandbox_spec spec = spec_default();
    struct box b;

    memcpy(spec.runtime, "test", 5);
    for (uint32_t i = 0; i < 2; i++) {
        memcpy(spec.layers[i], package_name, sizeof(package_name));
        spec.layers[i][SHA256_HEX_LEN - 1] = i == 0 ? '1' : '2';
    }
    spec.layers_len = 1;
    box_new(&host, &b, &spec);
    box_run(&b, "/bin/sh", "-c", "ls /opt /var/runtime; cat /opt/both", NULL);
    assert_string_equal(box_out(&b), "/opt:\nboth\none\n\n/var/runtime:\nhello\none\n");
    box_free(&b);
    spec.layers_len = 2;
    box_new(&host, &b, &spec);
    box_run(&b, "/bin/sh", "-c", "ls /opt; cat /opt/both; echo x > /opt/one", NULL);
    assert_non_null(strstr(box_out(&b), "both\none\ntwo\ntwo\n"));
    assert_non_null(strstr(box_out(&b), "Read-only file system"));
    box_free(&b);
}

static void
the_network_is_loopback_and_nothing_else(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char port[8], line[64];
    struct box b;

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(port, sizeof(port), "%d", ntohs(at.sin_port));
    new_box(&b);
    box_run(&b, PROBE, "cat", "/proc/net/dev", NULL);
    assert_non_null(strstr(box_out(&b), "lo:"));
    assert_null(strstr(box_out(&b), "eth"));
    box_run(&b, PROBE, "connect", "127.0.0.1", "9001", "127.0.0.1", port, "169.254.169.254", "80",
            "10.0.0.1", "80", "8.8.8.8", "53", NULL);
    has_line(&b, "127.0.0.1:9001 connect ok"); /* the Runtime API's listener */
    snprintf(line, sizeof(line), "127.0.0.1:%s connect ECONNREFUSED", port);
    has_line(&b, line); /* the host's loopback is another one */
    has_line(&b, "169.254.169.254:80 connect ENETUNREACH");
    has_line(&b, "10.0.0.1:80 connect ENETUNREACH");
    has_line(&b, "8.8.8.8:53 connect ENETUNREACH");
    box_free(&b);
    close(fd);
}

static void
the_listener_that_came_out_is_the_one_inside(void **state)
{
    const char *const argv[] = {PROBE, "connect", "127.0.0.1", "9001", NULL};
    struct box b;
    int fd;

    new_box(&b);
    box_start(&b, argv);
    wait_count(&host, &b.exits, 1);
    fd = accept4(b.listener_fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    close(fd);
    box_free(&b);
}

static void
forbidden_calls_fail_and_harmless_ones_work(void **state)
{
    static const char *const refused[] = {"mount",
                                          "umount2",
                                          "fsopen",
                                          "open_tree",
                                          "mount_setattr",
                                          "pivot_root",
                                          "chroot",
                                          "unshare_user",
                                          "unshare_files",
                                          "setns",
                                          "clone_newuser",
                                          "clone_newns",
                                          "clone_newnet_newuser",
                                          "ptrace",
                                          "process_vm_readv",
                                          "bpf",
                                          "perf_event_open",
                                          "userfaultfd",
                                          "io_uring_setup",
                                          "keyctl",
                                          "add_key",
                                          "request_key",
                                          "shmget",
                                          "semget",
                                          "msgget",
                                          "mq_open",
                                          "open_by_handle_at",
                                          "kexec_load",
                                          "init_module",
                                          "swapon",
                                          "reboot",
                                          "acct",
                                          "quotactl",
                                          "settimeofday",
                                          "sethostname",
                                          "memfd_secret",
                                          "io_setup",
                                          "syslog",
                                          "socket_raw",
                                          "tiocsti",
                                          "tiocsti_high_bits",
                                          "mknod_device",
                                          "setuid_0",
                                          "setgid_0",
                                          "prlimit_raise"};
    static const char *const lines[] = {"clone3 ENOSYS",
                                        "clone_plain ok",
                                        "personality_query ok",
                                        "unknown_call ENOSYS",
                                        "socket_unix ok",
                                        "socket_inet6 ok",
                                        "netlink_route ok",
                                        "mknod_fifo ok",
                                        "kill_init ok",
                                        "kill_init_term ok",
                                        "setpriority EACCES",
                                        "fionread ok",
                                        "socket_packet EAFNOSUPPORT",
                                        "socket_vsock EAFNOSUPPORT",
                                        "socket_alg EAFNOSUPPORT",
                                        "netlink_audit EPERM",
                                        "netlink_netfilter EPERM",
                                        "personality_32 ENOSYS"};
    struct box b;
    char line[64];

    new_box(&b);
    box_run(&b, PROBE, "denied", NULL);
    ASSERT_EXIT(&b, 0);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        snprintf(line, sizeof(line), "%s EPERM", refused[i]);
        has_line(&b, line);
    }
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        has_line(&b, lines[i]);
    box_free(&b);
    assert_false(b.failed);
}

static void
interpreters_work(void **state)
{
    static const struct {
        const char *path, *flag, *code, *out;
    } each[] = {
        {"/usr/bin/python3", "-c",
         "import asyncio,concurrent.futures as "
         "c,subprocess,socket,ssl,os,getpass,threading,tempfile\n"
         "ssl.create_default_context(); getpass.getuser(); tempfile.mkdtemp()\n"
         "print(list(c.ThreadPoolExecutor(4).map(str,range(3))), "
         "subprocess.check_output(['echo','hi']),\n"
         "asyncio.run(asyncio.sleep(0,'a')), socket.gethostbyname('localhost'), "
         "os.path.expanduser('~'))",
         "['0', '1', '2'] b'hi\\n' a 127.0.0.1 /home/sbx_user1051\n"},
        {"/usr/bin/node", "-e",
         "const{Worker}=require('worker_threads');const "
         "fs=require('fs');fs.writeFileSync('/tmp/a','x');"
         "fs.readFile('/tmp/a',()=>new "
         "Worker('require(\"worker_threads\").parentPort.postMessage(7)',"
         "{eval:true}).on('message',m=>console.log(m,require('os').userInfo().username,"
         "require('child_process').execSync('echo hi')+'')))",
         "7 sbx_user1051 hi\n\n"},
    };
    struct sandbox_spec spec = spec_default();
    struct box b;

    spec.memory_mb = 512;
    for (size_t i = 0; i < ARRAY_LEN(each); i++) {
        if (access(each[i].path, X_OK) < 0) {
            print_message("not here: %s\n", each[i].path);
            continue;
        }
        box_new(&host, &b, &spec);
        box_run(&b, each[i].path, each[i].flag, each[i].code, NULL);
        ASSERT_EXIT(&b, 0);
        assert_string_equal(box_out(&b), each[i].out);
        box_free(&b);
    }
    if (access("/usr/bin/java", X_OK) == 0) {
        box_new(&host, &b, &spec);
        box_run(&b, "/usr/bin/java", "-Xshare:auto", "-XX:+UseSerialGC", "-version", NULL);
        ASSERT_EXIT(&b, 0);
        assert_non_null(strstr(box_out(&b), "Server VM"));
        box_free(&b);
    }
}

/* ---- limits ---- */

static void
memory_is_limited_and_the_oom_kill_told_apart(void **state)
{
    struct box b;

    new_box(&b);
    box_run(&b, PROBE, "eat", "40", NULL);
    ASSERT_EXIT(&b, 0);
    assert_in_range(sandbox_memory_peak(b.sb), 40u << 20, 128u << 20);
    box_run(&b, PROBE, "eat", "400", NULL);
    assert_false(b.how.exited);
    assert_int_equal(b.how.signo, SIGKILL);
    assert_true(b.how.oom);
    box_run(&b, PROBE, "exit", "1", NULL); /* the sandbox lives on, and the count starts anew */
    ASSERT_EXIT(&b, 1);
    assert_false(b.how.oom);
    box_free(&b);
}

static void
a_fork_bomb_meets_its_limit(void **state)
{
    struct box b;

    new_box(&b);
    box_run(&b, PROBE, "fork_bomb", NULL);
    has_line(&b, "forked 62 then EAGAIN"); /* 64 with init and itself */
    box_run(&b, PROBE, "exit", "0", NULL);
    ASSERT_EXIT(&b, 0);
    box_free(&b);
}

static void
tmp_and_descriptors_are_limited(void **state)
{
    struct box b;

    new_box(&b);
    box_run(&b, PROBE, "fill_tmp", NULL);
    has_line(&b, "filled 16 then ENOSPC");
    assert_non_null(strstr(box_out(&b), "files 40"));
    assert_non_null(strstr(box_out(&b), "then ENOSPC"));
    box_run(&b, PROBE, "open_files", NULL);
    has_line(&b, "opened 1021 then EMFILE");
    box_free(&b);
}

static void
cpu_is_limited_while_a_quota_is_set(void **state)
{
    const char *const argv[] = {PROBE, "spin", NULL};
    struct sandbox_spec spec = spec_default();
    struct err err = {0};
    struct box b;
    uint64_t from, cpu;

    spec.cpu_permille = 200;
    box_new(&host, &b, &spec);
    box_start(&b, argv);
    wait_count(&host, &b.readies, 1);
    from = clock_us();
    cpu = sandbox_cpu_us(b.sb);
    while (clock_us() < from + 300000)
        ; /* measures a rate: time has to pass */
    assert_true(sandbox_cpu_us(b.sb) - cpu < 300000 / 2);
    assert_int_equal(sandbox_set_cpu(b.sb, 0, &err), 0);
    assert_int_equal(sandbox_set_cpu(b.sb, 1000, &err), 0);
    box_free(&b);
}

/* ---- freezing ---- */

static void
frozen_uses_no_cpu_and_thawed_does(void **state)
{
    const char *const argv[] = {PROBE, "spin", NULL};
    struct err err = {0};
    struct box b;
    uint64_t cpu, from;
    char room[64];

    new_box(&b);
    box_start(&b, argv);
    wait_count(&host, &b.readies, 1);
    assert_int_equal(fcntl(b.out_fd, F_SETFL, 0), 0);
    assert_true(read(b.out_fd, room, sizeof(room)) > 0); /* it spins */
    assert_int_equal(sandbox_freeze(b.sb, &err), 0);
    assert_int_equal(sandbox_freeze(b.sb, &err), 0); /* idempotent */
    /* Freezing is a request; within a tick it has been granted. */
    from = clock_us();
    do {
        cpu = sandbox_cpu_us(b.sb);
        for (uint64_t t = clock_us(); clock_us() < t + 20000;)
            ;
    } while (sandbox_cpu_us(b.sb) != cpu && clock_us() < from + 2000000);
    for (uint64_t t = clock_us(); clock_us() < t + 100000;)
        ;
    assert_int_equal(sandbox_cpu_us(b.sb), cpu);
    assert_int_equal(sandbox_thaw(b.sb, &err), 0);
    from = clock_us();
    while (sandbox_cpu_us(b.sb) == cpu && clock_us() < from + 5000000)
        ;
    assert_true(sandbox_cpu_us(b.sb) > cpu);
    assert_int_equal(sandbox_freeze(b.sb, &err), 0);
    assert_int_equal(sandbox_kill(b.sb, &err), 0); /* thaws */
    wait_count(&host, &b.exits, 1);
    assert_int_equal(b.how.signo, SIGKILL);
    box_free(&b);
}

static void
a_frozen_one_can_be_destroyed(void **state)
{
    const char *const argv[] = {PROBE, "spin", NULL};
    struct err err = {0};
    struct box b;

    new_box(&b);
    box_start(&b, argv);
    wait_count(&host, &b.readies, 1);
    assert_int_equal(sandbox_freeze(b.sb, &err), 0);
    box_free(&b);
    assert_false(b.failed);
}

/* ---- failures ---- */

static void
a_sandbox_that_cannot_be_made_says_why_and_leaves_nothing(void **state)
{
    struct leaks before, after;
    struct sandbox_spec spec = spec_default();
    struct err err = {0};
    struct sandbox *sb;
    struct box b;

    (void)host_slot(&host);
    before = leaks_count(&host);
    spec.package[0] = 'f';
    box_new(&host, &b, &spec);
    wait_count(&host, &b.gones, 1);
    assert_true(b.failed);
    assert_int_equal(b.readies, 0);
    assert_int_equal(b.why.kind, ERR_NOT_FOUND);
    assert_memory_equal(b.why.text, "no package named f0", 19);
    box_free(&b);
    spec = spec_default();
    memcpy(spec.runtime, "nosuch", 7);
    box_new(&host, &b, &spec);
    wait_count(&host, &b.gones, 1);
    assert_string_equal(b.why.text, "no runtime named nosuch");
    box_free(&b);
    spec = spec_default();
    memcpy(spec.runtime, "..", 3);
    assert_int_equal(sandbox_new(host.sp, &spec, &no_events, NULL, &sb, &err) < 0 ? (int)err.kind
                                                                                  : -1,
                     ERR_INVALID);
    after = leaks_count(&host);
    leaks_same(&before, &after);
}

static void
destroyed_at_once_or_while_starting(void **state)
{
    const char *const argv[] = {PROBE, "sleep", NULL};
    struct box b;

    new_box(&b);
    box_free(&b);
    assert_false(b.failed);
    new_box(&b);
    box_start(&b, argv);
    box_free(&b);
    assert_false(b.failed);
}

static void
two_hundred_come_and_go_and_leave_nothing(void **state)
{
    enum { BATCH = 20, ROUNDS = 10 };
    static struct box b[BATCH];
    struct leaks before, after;

    (void)host_slot(&host);
    before = leaks_count(&host);
    for (int round = 0; round < ROUNDS; round++) {
        const char *const argv[] = {PROBE, round % 2 ? "exit" : "sleep", "0", NULL};

        for (int i = 0; i < BATCH; i++) {
            new_box(&b[i]);
            box_start(&b[i], argv);
        }
        for (int i = 0; i < BATCH; i++)
            if (round % 2)
                wait_count(&host, &b[i].exits, 1);
            else if (round % 4)
                wait_count(&host, &b[i].readies, 1);
        for (int i = 0; i < BATCH; i++)
            sandbox_destroy(b[i].sb);
        for (int i = 0; i < BATCH; i++)
            box_free(&b[i]);
    }
    after = leaks_count(&host);
    leaks_same(&before, &after);
}

static void
when_the_worker_is_killed_all_are_gone_and_it_comes_back(void **state)
{
    const char *const argv[] = {PROBE, "sleep", NULL};
    struct leaks before, after;
    struct box b[9];
    struct err err = {0};
    struct sandbox_spec spec = spec_default();
    struct sandbox *sb;
    int readies = host.readies;

    (void)host_slot(&host);
    before = leaks_count(&host);
    for (int i = 0; i < 8; i++) {
        new_box(&b[i]);
        box_start(&b[i], argv);
        wait_count(&host, &b[i].readies, 1);
    }
    assert_int_equal(sandbox_freeze(b[7].sb, &err), 0);
    new_box(&b[8]); /* and one that is being made */
    kill(child_of(host.pid), SIGKILL);
    wait_count(&host, &host.losts, 1);
    assert_false(host.fatal);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(b[i].gones, 1);
        assert_true(b[i].failed);
        assert_int_equal(b[i].why.kind, ERR_UNAVAILABLE);
        box_free(&b[i]);
    }
    assert_int_equal(sandbox_new(host.sp, &spec, &no_events, NULL, &sb, &err) < 0 ? (int)err.kind
                                                                                  : -1,
                     ERR_UNAVAILABLE);
    wait_count(&host, &host.readies, readies + 1);
    after = leaks_count(&host);
    leaks_same(&before, &after);
    new_box(&b[0]);
    box_run(&b[0], PROBE, "exit", "0", NULL);
    box_free(&b[0]);
}

static void
how_long_it_takes(void **state)
{
    enum { N = 200 };
    static uint64_t ready[N], done[N];
    const char *const argv[] = {PROBE, "exit", "0", NULL};
    uint64_t gone_sum = 0;
    struct box b;

    for (int i = 0; i < N; i++) {
        uint64_t from = clock_us(), to;

        new_box(&b);
        box_start(&b, argv);
        wait_count(&host, &b.readies, 1);
        ready[i] = clock_us() - from;
        wait_count(&host, &b.exits, 1);
        to = clock_us();
        done[i] = to - from;
        box_free(&b);
        gone_sum += clock_us() - to;
    }
    for (int list = 0; list < 2; list++) {
        uint64_t *at = list ? done : ready;

        for (int i = 1; i < N; i++) /* insertion sort */
            for (int j = i; j > 0 && at[j] < at[j - 1]; j--) {
                uint64_t t = at[j];

                at[j] = at[j - 1];
                at[j - 1] = t;
            }
        print_message("asked -> %s: median %llu us, p90 %llu us\n",
                      list ? "static program's exit" : "ready", (unsigned long long)at[N / 2],
                      (unsigned long long)at[N * 9 / 10]);
    }
    print_message("destroy -> gone: mean %llu us\n", (unsigned long long)(gone_sum / N));
}

static int
group_setup(void **state)
{
    host_open(&host, 1000);
    return 0;
}

static int
group_teardown(void **state)
{
    bool known = host.slot >= 0;

    host_close(&host);
    if (known)
        nothing_left(&host);
    return 0;
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_runs_and_its_output_and_status_come_back),
        cmocka_unit_test(a_signal_is_told_apart_from_an_exit),
        cmocka_unit_test(start_kill_and_start_again_keep_tmp),
        cmocka_unit_test(a_signal_reaches_the_runtime_alone),
        cmocka_unit_test(orphans_outlive_the_runtime_and_die_with_kill),
        cmocka_unit_test(what_cannot_be_executed_says_why),
        cmocka_unit_test(descriptors_arguments_environment_and_signals_are_exactly_what_was_given),
        cmocka_unit_test(it_has_no_rights_and_a_uid_of_its_own),
        cmocka_unit_test(everything_but_tmp_is_read_only),
        cmocka_unit_test(layers_and_runtime_folder_are_where_they_belong),
        cmocka_unit_test(the_network_is_loopback_and_nothing_else),
        cmocka_unit_test(the_listener_that_came_out_is_the_one_inside),
        cmocka_unit_test(forbidden_calls_fail_and_harmless_ones_work),
        cmocka_unit_test(interpreters_work),
        cmocka_unit_test(memory_is_limited_and_the_oom_kill_told_apart),
        cmocka_unit_test(a_fork_bomb_meets_its_limit),
        cmocka_unit_test(tmp_and_descriptors_are_limited),
        cmocka_unit_test(cpu_is_limited_while_a_quota_is_set),
        cmocka_unit_test(frozen_uses_no_cpu_and_thawed_does),
        cmocka_unit_test(a_frozen_one_can_be_destroyed),
        cmocka_unit_test(a_sandbox_that_cannot_be_made_says_why_and_leaves_nothing),
        cmocka_unit_test(destroyed_at_once_or_while_starting),
        cmocka_unit_test(two_hundred_come_and_go_and_leave_nothing),
        cmocka_unit_test(when_the_worker_is_killed_all_are_gone_and_it_comes_back),
        cmocka_unit_test(how_long_it_takes),
    };

    if (geteuid() != 0) {
        fprintf(stderr, "skipped: needs root (namespaces, control groups, other uids)\n");
        return 77;
    }
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
