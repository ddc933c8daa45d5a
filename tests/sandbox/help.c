#include "help.h"
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

char package_name[SHA256_HEX_LEN + 1] =
    "00000000000000000000000000000000000000000000000000000000000000aa";

/* ---- callbacks ---- */

static void
on_spawner_ready(void *arg)
{
    struct host *h = arg;

    h->readies++;
    loop_stop(h->loop);
}

static void
on_spawner_lost(void *arg, bool fatal)
{
    struct host *h = arg;

    h->losts++;
    h->fatal = fatal;
    loop_stop(h->loop);
}
static const struct spawner_events spawner_events = {on_spawner_ready, on_spawner_lost};

static void
on_ready(void *arg, int listener_fd)
{
    struct box *b = arg;

    b->readies++;
    b->listener_fd = listener_fd;
    loop_stop(b->host->loop);
}

static void
on_exit_(void *arg, const struct sandbox_exit *how)
{
    struct box *b = arg;

    b->exits++;
    b->how = *how;
    b->exit_why = (struct err){0};
    if (how->why)
        b->exit_why = *how->why;
    loop_stop(b->host->loop);
}

static void
on_gone(void *arg, const struct err *why)
{
    struct box *b = arg;

    b->gones++;
    b->sb = NULL;
    if (b->takes_along && b->takes_along->sb)
        sandbox_destroy(b->takes_along->sb);
    if (why) {
        b->failed = true;
        b->why = *why;
    }
    loop_stop(b->host->loop);
}
static const struct sandbox_events box_events = {on_ready, on_exit_, on_gone};

struct deadline {
    struct timer timer;
    struct loop *loop;
};

static void
on_late(struct timer *t)
{
    loop_stop(CONTAINER_OF(t, struct deadline, timer)->loop);
}

void
wait_count(struct host *h, const int *count, int wanted)
{
    struct deadline late = {.loop = h->loop};
    uint64_t end = clock_us() + 20000000;

    while (*count < wanted) {
        if (clock_us() > end)
            fail_msg("waited 20 s in vain (%d of %d)", *count, wanted);
        timer_set(h->loop, &late.timer, end - clock_us() + 1000, on_late);
        loop_run(h->loop);
        timer_stop(&late.timer);
    }
}

/* ---- the host ---- */

static void
copy(const char *from, const char *to)
{
    char room[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    ssize_t n;

    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, room, sizeof(room))) > 0)
        assert_int_equal(write(out, room, (size_t)n), n);
    close(in);
    close(out);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

void
host_launch(struct host *h, uint32_t sandboxes_max, int *ret_control_fd)
{
    char packages[128], runtimes[128], path[300];
    struct spawner_config config = {
        .program = getenv("LAMBENT_SPAWNER"), .cgroup_parent = "", .sandboxes_max = sandboxes_max};
    struct err err = {0};

    memset(h, 0, sizeof(*h));
    h->slot = -1;
    snprintf(h->dir, sizeof(h->dir), "/tmp/lambent-test-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    assert_int_equal(chmod(h->dir, 0755), 0);
    snprintf(packages, sizeof(packages), "%s/packages", h->dir);
    snprintf(runtimes, sizeof(runtimes), "%s/runtimes", h->dir);
    assert_int_equal(mkdir(packages, 0755), 0);
    assert_int_equal(mkdir(runtimes, 0755), 0);
    snprintf(path, sizeof(path), "%s/test", runtimes);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof(path), "%s/test/hello", runtimes);
    copy("/etc/hostname", path);
    for (int i = 0; i < 3; i++) { /* …aa and two layers, …a1 and …a2 */
        char name[SHA256_HEX_LEN + 1];

        snprintf(name, sizeof(name), "%s", package_name);
        name[SHA256_HEX_LEN - 1] = "a12"[i];
        snprintf(path, sizeof(path), "%s/%s", packages, name);
        assert_int_equal(mkdir(path, 0755), 0);
        snprintf(path, sizeof(path), "%s/%s/%s", packages, name,
                 i == 0   ? "probe"
                 : i == 1 ? "one"
                          : "two");
        copy(i == 0 ? getenv("LAMBENT_PROBE") : "/etc/hostname", path);
        if (i > 0) {
            int fd;

            snprintf(path, sizeof(path), "%s/%s/both", packages, name);
            fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
            assert_int_equal(write(fd, i == 1 ? "one\n" : "two\n", 4), 4);
            close(fd);
        }
    }
    config.packages_dir = packages;
    config.runtimes_dir = runtimes;
    if (spawner_launch(&config, ret_control_fd, &h->pid, &err) < 0)
        fail_msg("%s", err.text);
}

void
host_open(struct host *h, uint32_t sandboxes_max)
{
    struct err err = {0};
    int control_fd;

    host_launch(h, sandboxes_max, &control_fd);
    h->loop = loop_new(1, 8);
    if (spawner_open(h->loop, control_fd, &spawner_events, h, &h->sp, &err) < 0)
        fail_msg("%s", err.text);
    while (h->readies == 0 && !h->fatal)
        loop_run(h->loop);
    if (h->fatal)
        fail_msg("spawner: %s", spawner_why(h->sp)->text);
}

void
host_close(struct host *h)
{
    spawner_close(h->sp);
    if (h->pid > 0)
        waitpid(h->pid, NULL, 0);
    loop_free(h->loop);
    host_remove_dir(h);
}

void
host_remove_dir(struct host *h)
{
    nftw(h->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- boxes ---- */

struct sandbox_spec
spec_default(void)
{
    struct sandbox_spec spec = {.memory_mb = 128, .tmp_mb = 16, .pids_max = 64};

    memcpy(spec.package, package_name, sizeof(package_name));
    return spec;
}

void
box_new(struct host *h, struct box *b, const struct sandbox_spec *spec)
{
    struct err err = {0};

    *b = (struct box){.host = h, .listener_fd = -1, .out_fd = -1, .out = BUF_MAX(1 << 20)};
    if (sandbox_new(h->sp, spec, &box_events, b, &b->sb, &err) < 0)
        fail_msg("%s", err.text);
}

void
box_start(struct box *b, const char *const *argv)
{
    static char *const envp[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C", NULL};
    struct err err = {0};
    int pipe_fds[2];

    if (b->out_fd >= 0)
        close(b->out_fd);
    buf_reset(&b->out);
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    b->out_fd = pipe_fds[0];
    assert_int_equal(fcntl(b->out_fd, F_SETFL, O_NONBLOCK), 0);
    (void)fcntl(b->out_fd, F_SETPIPE_SZ, 1 << 20);
    if (sandbox_start(b->sb, (char *const *)(uintptr_t)argv, envp, pipe_fds[1], -1, -1, &err) < 0)
        fail_msg("%s", err.text);
    close(pipe_fds[1]);
}

void
box_run(struct box *b, ...)
{
    const char *argv[16];
    size_t n = 0;
    va_list args;
    int exits = b->exits;

    va_start(args, b);
    while ((argv[n] = va_arg(args, const char *)) && n < 15)
        n++;
    va_end(args);
    box_start(b, argv);
    while (b->exits == exits && b->gones == 0)
        loop_run(b->host->loop);
    if (b->gones)
        fail_msg("gone: %s", b->why.text);
}

const char *
box_out(struct box *b)
{
    char room[65536];
    ssize_t n;

    while (b->out_fd >= 0 && (n = read(b->out_fd, room, sizeof(room))) > 0)
        buf_add(&b->out, room, (size_t)n);
    return b->out.at ? b->out.at : "";
}

void
box_free(struct box *b)
{
    if (b->sb)
        sandbox_destroy(b->sb);
    wait_count(b->host, &b->gones, 1);
    if (b->out_fd >= 0)
        close(b->out_fd);
    b->out_fd = -1;
    buf_done(&b->out);
}

/* ---- leaks ---- */

static int cgroups_found;
static char cgroup_wanted[32];

static int
count_cgroup(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    size_t len = strlen(cgroup_wanted);
    const char *at = strstr(path, cgroup_wanted);

    if (type == FTW_D && at && (at[len] == '/' || at[len] == '\0'))
        cgroups_found++;
    return 0;
}

static int
count_cgroups(uint32_t slot)
{
    cgroups_found = 0;
    snprintf(cgroup_wanted, sizeof(cgroup_wanted), "/lambent-%u", slot);
    (void)nftw("/sys/fs/cgroup", count_cgroup, 16, FTW_PHYS);
    return cgroups_found;
}

/* A line "Key:\t<number>" of /proc/<pid>/status. */
static int64_t
status_number(const char *pid, const char *key)
{
    char path[64], text[4096];
    const char *at;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%.20s/status", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    text[MAX(n, (ssize_t)0)] = '\0';
    at = strstr(text, key);
    return at ? strtoll(at + strlen(key), NULL, 10) : -1;
}

static int
count_processes(uint32_t slot)
{
    uint32_t base = SLOT_UID_BASE + slot * 65536u;
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    int n = 0;

    while ((entry = readdir(dir)))
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') {
            int64_t uid = status_number(entry->d_name, "\nUid:\t");

            n += uid > base && uid <= base + 65535;
        }
    closedir(dir);
    return n;
}

pid_t
child_of(pid_t parent)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    pid_t pid = 0;

    while ((entry = readdir(dir)))
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' &&
            status_number(entry->d_name, "\nPPid:\t") == parent)
            pid = (pid_t)strtol(entry->d_name, NULL, 10);
    closedir(dir);
    return pid;
}

int64_t
slot_of(pid_t supervisor)
{
    pid_t init = child_of(child_of(supervisor));
    char name[16];
    int64_t uid;

    snprintf(name, sizeof(name), "%d", (int)init);
    uid = init ? status_number(name, "\nUid:\t") : -1;
    return uid > SLOT_UID_BASE ? (uid - SLOT_UID_BASE) / 65536 : -1;
}

uint32_t
host_slot(struct host *h)
{
    if (h->slot < 0) {
        struct sandbox_spec spec = spec_default();
        struct box b;
        unsigned uid;

        box_new(h, &b, &spec);
        box_run(&b, "/var/task/probe", "ids", NULL);
        assert_int_equal(sscanf(box_out(&b), "uid %u", &uid), 1);
        assert_true(uid > SLOT_UID_BASE);
        box_free(&b);
        h->slot = (uid - SLOT_UID_BASE) / 65536;
    }
    return (uint32_t)h->slot;
}

struct leaks
leaks_count(const struct host *h)
{
    struct leaks l = {0};
    DIR *dir = opendir("/proc/self/fd");
    FILE *f;
    int c;

    assert_true(h->slot >= 0);
    while (readdir(dir))
        l.fds++;
    closedir(dir);
    f = fopen("/proc/self/mountinfo", "re");
    while ((c = getc(f)) != EOF)
        l.mounts += c == '\n';
    fclose(f);
    l.cgroups = count_cgroups((uint32_t)h->slot);
    l.processes = count_processes((uint32_t)h->slot);
    return l;
}

void
leaks_same(const struct leaks *before, const struct leaks *after)
{
    assert_int_equal(before->fds, after->fds);
    assert_int_equal(before->cgroups, after->cgroups);
    assert_int_equal(before->mounts, after->mounts);
    assert_int_equal(before->processes, after->processes);
}

void
nothing_left(const struct host *h)
{
    char path[64];

    assert_true(h->slot >= 0);
    assert_int_equal(count_cgroups((uint32_t)h->slot), 0);
    assert_int_equal(count_processes((uint32_t)h->slot), 0);
    snprintf(path, sizeof(path), "/run/lambent/slot-%u", (unsigned)h->slot);
    assert_int_equal(access(path, F_OK), -1);
}

void
nothing_left_soon(const struct host *h)
{
    uint64_t end = clock_us() + 10000000;

    while ((count_cgroups((uint32_t)h->slot) || count_processes((uint32_t)h->slot)) &&
           clock_us() < end)
        sched_yield(); /* nobody tells us: who would is dead */
    nothing_left(h);
}
