/* `lambent doctor`: can this machine run Lambent, and if not, what to do? One row a check; each
 * says what it found and, unless all is well, how to mend it. Nothing is changed: what has to be
 * tried is tried in a child process that ends, or in a cgroup that is removed again at once. */
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/guess.h"
#include "cli/term.h"
#include "cli/up.h"

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL };

struct doctor {
    struct cli *cli;
    const char *data_dir;
};

struct finding {
    enum verdict verdict;
    char found[400], mend[400];
};

struct check {
    const char *name, *title;
    void (*run)(struct doctor *doctor, struct finding *ret);
};

enum { FDS_WANTED = 65536, PIDS_WANTED = 65536, CAP_SYS_ADMIN_BIT = 21 };

static void PRINTF_LIKE(3, 4) set(struct finding *ret, enum verdict verdict, const char *fmt, ...)
{
    va_list args;

    ret->verdict = verdict;
    va_start(args, fmt);
    (void)vsnprintf(ret->found, sizeof(ret->found), fmt, args);
    va_end(args);
}

static void PRINTF_LIKE(2, 3) mend(struct finding *ret, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(ret->mend, sizeof(ret->mend), fmt, args);
    va_end(args);
}

static void
list_add(char *list, size_t size, const char *word)
{
    size_t len = strlen(list);

    (void)snprintf(list + len, size - len, "%s%s", len ? ", " : "", word);
}

/* First `size - 1` bytes of a small file of the kernel's; "" if it cannot be read. */
static bool
file_read(const char *path, char *ret, size_t size)
{
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

    ret[MAX(n, 0)] = '\0';
    return n >= 0;
}

static bool
file_number(const char *path, int64_t *ret)
{
    char text[64];

    return file_read(path, text, sizeof(text)) &&
           str_int((struct str){text, strspn(text, "0123456789")}, 0, INT64_MAX, ret);
}

static bool
has_admin(void)
{
    char status[4096];
    const char *at;

    if (!file_read("/proc/self/status", status, sizeof(status)) ||
        !(at = strstr(status, "CapEff:")))
        return false;
    return (strtoull(at + 7, NULL, 16) >> CAP_SYS_ADMIN_BIT) & 1;
}

/* ---- kernel ---- */

static bool
call_exists(long rc)
{
    return rc >= 0 || errno != ENOSYS;
}

static void
check_kernel(struct doctor *doctor, struct finding *ret)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
    char missing[160] = "", optional[100] = "";
    struct utsname name;
    long fd;

    uname(&name);
    /* Arguments that each call must refuse: only "no such call" tells anything. */
    if (!call_exists(syscall(SYS_clone3, NULL, 0)))
        list_add(missing, sizeof(missing), "clone3");
    fd = syscall(SYS_pidfd_open, getpid(), 0);
    if (!call_exists(fd))
        list_add(missing, sizeof(missing), "pidfd_open");
    if (fd >= 0)
        (void)close((int)fd);
    fd = syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof(how));
    if (!call_exists(fd))
        list_add(missing, sizeof(missing), "openat2");
    if (fd >= 0)
        (void)close((int)fd);
    if (!call_exists(syscall(SYS_open_tree, -1, "", 0)))
        list_add(missing, sizeof(missing), "open_tree");
    if (!call_exists(syscall(SYS_move_mount, -1, "", -1, "", 0)))
        list_add(missing, sizeof(missing), "move_mount");
    if (!call_exists(syscall(SYS_mount_setattr, -1, "", 0, NULL, 0)))
        list_add(optional, sizeof(optional), "mount_setattr");
    fd = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (fd < 0)
        list_add(optional, sizeof(optional), "Landlock");
    if (missing[0]) {
        set(ret, VERDICT_FAIL, "%s lacks %s", name.release, missing);
        mend(ret, "Boot a kernel of 5.10 or later (Debian 12 has 6.1). In a container, its seccomp "
                  "profile may hide these calls.");
        return;
    }
    set(ret, VERDICT_OK, "%s: clone3, pidfd, openat2, mount API%s%s", name.release,
        optional[0] ? "; without (optional) " : ", Landlock", optional);
}

static void
check_rights(struct doctor *doctor, struct finding *ret)
{
    if (geteuid() == 0 && has_admin()) {
        set(ret, VERDICT_OK, "root with CAP_SYS_ADMIN");
    } else if (geteuid() == 0) {
        set(ret, VERDICT_FAIL, "root, but without CAP_SYS_ADMIN");
        mend(ret,
             "This is a container with reduced rights: run it with --privileged, or run Lambent "
             "outside of it.");
    } else {
        set(ret, VERDICT_WARN, "not root (uid %d): some checks below are incomplete",
            (int)geteuid());
        mend(ret,
             "The daemon is started with `sudo lambent up`; check with `sudo lambent doctor`.");
    }
}

static void
check_namespaces(struct doctor *doctor, struct finding *ret)
{
    static const struct {
        const char *name, *limit;
        int flag;
    } kinds[] = {
        {"mount", "mnt", CLONE_NEWNS},         {"pid", "pid", CLONE_NEWPID},
        {"network", "net", CLONE_NEWNET},      {"uts", "uts", CLONE_NEWUTS},
        {"cgroup", "cgroup", CLONE_NEWCGROUP},
    };
    bool user = geteuid() != 0 || !has_admin();
    char missing[120] = "", limits[120] = "";
    int status = 0, user_failed = 0;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        char path[80];
        int64_t limit;
        pid_t pid = fork();

        if (pid == 0)
            _exit(user && syscall(SYS_unshare, CLONE_NEWUSER) < 0 ? 2
                  : syscall(SYS_unshare, kinds[i].flag) < 0       ? 1
                                                                  : 0);
        while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        user_failed |= pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 2;
        if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
            list_add(missing, sizeof(missing), kinds[i].name);
        snprintf(path, sizeof(path), "/proc/sys/user/max_%s_namespaces", kinds[i].limit);
        if (file_number(path, &limit) && limit < 1024) {
            snprintf(path, sizeof(path), "%s %lld", kinds[i].name, (long long)limit);
            list_add(limits, sizeof(limits), path);
        }
    }
    if (user && user_failed) {
        set(ret, VERDICT_WARN, "user namespaces are not allowed here, so nothing could be tried");
        mend(ret, "Lambent with root does not need them: check with `sudo lambent doctor`.");
    } else if (missing[0]) {
        set(ret, VERDICT_FAIL, "cannot make a new namespace: %s", missing);
        mend(ret, "The kernel lacks it or a container forbids it: run outside of the container, or "
                  "with more rights.");
    } else if (limits[0]) {
        set(ret, VERDICT_WARN, "few are allowed: %s", limits);
        mend(ret, "sysctl -w user.max_net_namespaces=65536 (and the others named)");
    } else {
        set(ret, VERDICT_OK, "mount, pid, network, uts, cgroup%s",
            user ? " (with a user namespace)" : "");
    }
}

static void
check_seccomp(struct doctor *doctor, struct finding *ret)
{
    uint32_t action = SECCOMP_RET_KILL_PROCESS;

    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0) {
        set(ret, VERDICT_FAIL, "filters are not available: %s", strerror(errno));
        mend(ret, "The kernel needs CONFIG_SECCOMP_FILTER=y.");
        return;
    }
    set(ret, VERDICT_OK, "filters%s",
        prctl(PR_GET_SECCOMP) == 2 ? " (this shell is in one already, as in a container)" : "");
}

/* ---- cgroups ---- */

struct cgroups {
    bool v2;
    char v2_mount[256];
    char v1_mount[4][256]; /* by controllers[] */
};
static const char *const controllers[] = {"memory", "cpu", "pids", "freezer"};

static bool
options_have(const char *options, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = options; (at = strstr(at, name)); at += len)
        if ((at == options || at[-1] == ',') && (at[len] == ',' || at[len] == '\0'))
            return true;
    return false;
}

/* "36 35 98:0 /root /mount opts - type source super": fields 5, and 1 and 3 after the dash. */
static void
cgroups_find(struct cgroups *ret)
{
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    char line[4096];

    *ret = (struct cgroups){0};
    while (mounts && fgets(line, sizeof(line), mounts)) {
        char mount[256], type[32], super[512] = "";
        const char *dash = strstr(line, " - ");

        if (!dash || sscanf(line, "%*s %*s %*s %*s %255s", mount) != 1 ||
            sscanf(dash + 3, "%31s %*s %511s", type, super) < 1)
            continue;
        if (strcmp(type, "cgroup2") == 0 && !ret->v2) {
            ret->v2 = true;
            str_copy(ret->v2_mount, sizeof(ret->v2_mount), str_of(mount));
        }
        for (size_t i = 0; strcmp(type, "cgroup") == 0 && i < ARRAY_LEN(controllers); i++)
            if (options_have(super, controllers[i]))
                str_copy(ret->v1_mount[i], sizeof(ret->v1_mount[i]), str_of(mount));
    }
    if (mounts)
        fclose(mounts);
}

/* This process's own cgroup in the hierarchy of `controller` ("" for v2), or "/". */
static void
cgroup_own(const char *controller, char *ret, size_t size)
{
    FILE *own = fopen("/proc/self/cgroup", "re");
    char line[4096];

    str_copy(ret, size, STR("/"));
    while (own && fgets(line, sizeof(line), own)) {
        char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;

        if (!path)
            continue;
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        if (*controller ? options_have(names + 1, controller) : names[1] == '\0')
            str_copy(ret, size, str_of(path));
    }
    if (own)
        fclose(own);
}

/* May a cgroup be made beneath our own? Where our own is not visible (a container), at the mount.
 */
static bool
cgroup_writable(const char *mount, const char *controller)
{
    char own[1024], path[PATH_MAX];

    cgroup_own(controller, own, sizeof(own));
    (void)snprintf(path, sizeof(path), "%s%s/lambent-doctor-%d", mount, strcmp(own, "/") ? own : "",
                   (int)getpid());
    if (mkdir(path, 0755) < 0) {
        if (errno != ENOENT)
            return false;
        (void)snprintf(path, sizeof(path), "%s/lambent-doctor-%d", mount, (int)getpid());
        if (mkdir(path, 0755) < 0)
            return false;
    }
    (void)rmdir(path);
    return true;
}

static void
check_cgroups(struct doctor *doctor, struct finding *ret)
{
    struct cgroups cgroups;
    char available[512] = "", path[512], missing[120] = "";
    bool writable = true;
    size_t v1 = 0;

    cgroups_find(&cgroups);
    if (cgroups.v2) {
        snprintf(path, sizeof(path), "%s/cgroup.controllers", cgroups.v2_mount);
        file_read(path, available, sizeof(available));
        for (char *c = available; *c; c++)
            if (*c == ' ' || *c == '\n')
                *c = ',';
    }
    for (size_t i = 0; i < ARRAY_LEN(controllers); i++)
        v1 += cgroups.v1_mount[i][0] != '\0';
    if (!cgroups.v2 && v1 == 0) {
        set(ret, VERDICT_FAIL, "no cgroup file system is mounted");
        mend(ret, "mount -t cgroup2 none /sys/fs/cgroup");
        return;
    }
    if (v1 == 0 || options_have(available, "memory")) { /* v2; its freezer is always there */
        for (size_t i = 0; i < 3; i++)
            if (!options_have(available, controllers[i]))
                list_add(missing, sizeof(missing), controllers[i]);
        writable = cgroup_writable(cgroups.v2_mount, "");
        v1 = 0;
    } else {
        for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
            if (!cgroups.v1_mount[i][0])
                list_add(missing, sizeof(missing), controllers[i]);
            else
                writable &= cgroup_writable(cgroups.v1_mount[i], controllers[i]);
        }
    }
    if (missing[0]) {
        set(ret, VERDICT_FAIL, "version %d, without the controller(s) %s", v1 ? 1 : 2, missing);
        if (strstr(missing, "memory"))
            mend(ret, "Boot with the kernel parameters cgroup_enable=memory swapaccount=1.");
        else
            mend(ret,
                 v1 ? "mount -t cgroup -o %s none /sys/fs/cgroup/%s"
                    : "echo '+%s' > /sys/fs/cgroup/cgroup.subtree_control, or let systemd "
                      "delegate it (Delegate=yes)%.0s",
                 missing, missing);
    } else if (!writable) {
        set(ret, geteuid() == 0 ? VERDICT_FAIL : VERDICT_WARN,
            "version %d with all controllers, but no right to make a cgroup", v1 ? 1 : 2);
        mend(ret, geteuid() == 0 ? "/sys/fs/cgroup is read-only here, as in a container: mount it "
                                   "read-write."
                                 : "Check with `sudo lambent doctor`.");
    } else {
        set(ret, VERDICT_OK, "version %d: memory, cpu, pids, freezer", v1 ? 1 : 2);
    }
}

/* ---- installation ---- */

static void
check_programs(struct doctor *doctor, struct finding *ret)
{
    char daemon[PATH_MAX], spawner[PATH_MAX];
    bool has_daemon = up_find_program("lambentd", daemon);
    bool has_spawner = up_find_program("lambent-spawner", spawner);

    if (has_daemon && has_spawner) {
        set(ret, VERDICT_OK, "%.180s, %.180s", daemon, spawner);
        return;
    }
    set(ret, VERDICT_FAIL, "%s%s%s not found", has_daemon ? "" : "lambentd",
        has_daemon || has_spawner ? "" : " and ", has_spawner ? "" : "lambent-spawner");
    mend(ret, "Install the whole of Lambent: meson install -C BUILD, or the package lambent.");
}

static void
check_user(struct doctor *doctor, struct finding *ret)
{
    const struct passwd *user = getpwnam("lambent");

    if (user) {
        set(ret, VERDICT_OK, "lambent, uid %d", (int)user->pw_uid);
        return;
    }
    set(ret, VERDICT_WARN, "there is no user lambent; the daemon would run as nobody's uid");
    mend(ret, "useradd --system --home-dir /var/lib/lambent --shell /usr/sbin/nologin lambent");
}

static void
check_python(struct doctor *doctor, struct finding *ret)
{
    struct guess_host host;

    guess_host_probe(&host);
    if (host.python_minor) {
        set(ret, VERDICT_OK, "Python 3.%d: runtime python3.%d", host.python_minor,
            host.python_minor);
        return;
    }
    set(ret, VERDICT_WARN, "no Python 3.8 or later in /usr/bin or /usr/local/bin");
    mend(ret, "apt-get install python3, if you want Python functions.");
}

static void
check_node(struct doctor *doctor, struct finding *ret)
{
    struct guess_host host;

    guess_host_probe(&host);
    if (host.node_major >= 18) {
        set(ret, VERDICT_OK, "Node.js %d: runtime nodejs%d.x", host.node_major,
            host.node_major - host.node_major % 2);
        return;
    }
    if (host.node_major)
        set(ret, VERDICT_WARN, "Node.js %d is older than 18", host.node_major);
    else
        set(ret, VERDICT_WARN, "no node in /usr/bin or /usr/local/bin");
    mend(ret, "apt-get install nodejs (18 or later), if you want JavaScript functions.");
}

/* ---- capacity ---- */

static void
check_files(struct doctor *doctor, struct finding *ret)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max >= FDS_WANTED || geteuid() == 0) {
        /* Root may raise its own limit up to fs.nr_open. */
        int64_t most = 0;

        (void)file_number("/proc/sys/fs/nr_open", &most);
        if (geteuid() != 0 || most >= FDS_WANTED) {
            set(ret, VERDICT_OK, "%llu open files allowed%s", (unsigned long long)limit.rlim_max,
                limit.rlim_max < FDS_WANTED ? "; root raises that by itself" : "");
            return;
        }
    }
    set(ret, VERDICT_WARN, "only %llu open files allowed", (unsigned long long)limit.rlim_max);
    mend(ret, "ulimit -n %d, or LimitNOFILE=%d in the systemd unit: each environment takes a few.",
         FDS_WANTED, FDS_WANTED);
}

static void
check_pids(struct doctor *doctor, struct finding *ret)
{
    int64_t most = 0;

    (void)file_number("/proc/sys/kernel/pid_max", &most);
    if (most >= PIDS_WANTED) {
        set(ret, VERDICT_OK, "pid_max is %lld", (long long)most);
        return;
    }
    set(ret, VERDICT_WARN, "pid_max is %lld: enough for some thousand environments",
        (long long)most);
    mend(ret, "sysctl -w kernel.pid_max=4194304");
}

static void
check_disk(struct doctor *doctor, struct finding *ret)
{
    char path[PATH_MAX], room[32];
    struct statvfs disk;
    uint64_t bytes;

    /* The folder may not be there yet: look at the nearest that is. */
    str_copy(path, sizeof(path), str_of(doctor->data_dir));
    while (statvfs(path, &disk) < 0) {
        char *slash = strrchr(path, '/');

        if (!slash || slash == path) {
            str_copy(path, sizeof(path), STR("/"));
            if (statvfs(path, &disk) < 0)
                return set(ret, VERDICT_FAIL, "cannot look at %.200s", doctor->data_dir);
            break;
        }
        *slash = '\0';
    }
    bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    set(ret,
        bytes < 100u << 20 ? VERDICT_FAIL
        : bytes < 1u << 30 ? VERDICT_WARN
                           : VERDICT_OK,
        "%s free for %.200s", term_bytes(bytes, room), doctor->data_dir);
    if (ret->verdict != VERDICT_OK)
        mend(ret, "Make room, or choose another place: lambent up --data-dir DIR");
    if (disk.f_flag & ST_RDONLY) {
        set(ret, VERDICT_FAIL, "%.200s is on a read-only file system", doctor->data_dir);
        mend(ret, "Choose another place: lambent up --data-dir DIR");
    }
}

static void
check_endpoint(struct doctor *doctor, struct finding *ret)
{
    struct cli *cli = doctor->cli;
    struct err err = {0};
    json_t *doc = NULL;
    struct client *client;

    if (cli_client(cli, &client, &err) < 0) {
        set(ret, VERDICT_FAIL, "%.300s", err.text);
        return;
    }
    if (client_json(client,
                    &(struct call){.method = "GET",
                                   .path = "/2015-03-31/functions?MaxItems=1",
                                   .timeout_s = 10},
                    &doc, &err) == 0 &&
        json_is_array(json_object_get(doc, "Functions"))) {
        set(ret, VERDICT_OK, "Lambent answers at %.200s", cli->endpoint);
    } else if (client_unreachable(client)) {
        set(ret, VERDICT_OK, "%.200s is free; no daemon runs there", cli->endpoint);
    } else {
        set(ret, VERDICT_WARN, "something else answers at %.200s: %.120s", cli->endpoint,
            err.kind ? err.text : "no list of functions");
        mend(ret, "Stop it, or use another port: lambent up --listen 127.0.0.1:4567");
    }
    json_decref(doc);
}

/* clang-format off */
static const struct check checks[] = {
    {"kernel",     "Kernel",        check_kernel},
    {"rights",     "Rights",        check_rights},
    {"namespaces", "Namespaces",    check_namespaces},
    {"cgroups",    "Cgroups",       check_cgroups},
    {"seccomp",    "Seccomp",       check_seccomp},
    {"programs",   "Programs",      check_programs},
    {"user",       "User",          check_user},
    {"python",     "Python",        check_python},
    {"node",       "Node.js",       check_node},
    {"files",      "Open files",    check_files},
    {"pids",       "Process ids",   check_pids},
    {"disk",       "Disk",          check_disk},
    {"endpoint",   "Endpoint",      check_endpoint},
};
/* clang-format on */

static const struct {
    const char *name, *word;
    enum style style;
} verdicts[] = {
    [VERDICT_OK] = {"ok", "ok  ", STYLE_GREEN},
    [VERDICT_WARN] = {"warn", "warn", STYLE_YELLOW},
    [VERDICT_FAIL] = {"fail", "FAIL", STYLE_RED},
};

struct doctor_opts {
    const char *data_dir;
};

static int
run_doctor(struct cli *cli, const void *arg, struct err *err)
{
    const struct doctor_opts *opts = arg;
    char data_dir[PATH_MAX];
    struct doctor doctor = {cli, opts->data_dir ? opts->data_dir : data_dir};
    size_t counts[3] = {0};
    json_t *rows = json_array();

    up_data_dir(data_dir);
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        struct finding finding = {0};

        checks[i].run(&doctor, &finding);
        counts[finding.verdict]++;
        if (cli->json) {
            json_t *row = json_pack("{s:s, s:s, s:s}", "check", checks[i].name, "status",
                                    verdicts[finding.verdict].name, "found", finding.found);

            if (finding.mend[0])
                json_object_set_new(row, "mend", json_string(finding.mend));
            json_array_append_new(rows, row);
            continue;
        }
        printf("%s%s%s  %-12s %s\n", term_style(cli->out_color, verdicts[finding.verdict].style),
               verdicts[finding.verdict].word, term_style(cli->out_color, STYLE_RESET),
               checks[i].title, finding.found);
        if (finding.mend[0])
            printf("                   %s→ %s%s\n", term_style(cli->out_color, STYLE_DIM),
                   finding.mend, term_style(cli->out_color, STYLE_RESET));
    }
    cli->exit_code = counts[VERDICT_FAIL] ? EXIT_FAILED : EXIT_OK;
    if (cli->json) {
        json_t *doc = json_pack("{s:b, s:O}", "ok", counts[VERDICT_FAIL] == 0, "checks", rows);

        cli_print_json(doc);
        json_decref(doc);
    } else if (counts[VERDICT_FAIL]) {
        printf("\n%zu thing%s must be mended before functions can run here.\n",
               counts[VERDICT_FAIL], counts[VERDICT_FAIL] == 1 ? "" : "s");
    } else {
        printf("\nLambent can run here%s.\n",
               counts[VERDICT_WARN] ? "; what is marked warn limits it" : "");
    }
    json_decref(rows);
    return 0;
}

/* clang-format off */
static const struct opt opts[] = {
    {"data-dir", 0, OPT_TEXT, offsetof(struct doctor_opts, data_dir), "DIR",
     "Where the daemon's data would be, for the disk's room", .max = 4000,
     .complete = COMPLETE_DIR},
    {NULL},
};
/* clang-format on */

const struct command command_doctor = {
    .name = "doctor",
    .summary = "Check this machine, and say how to mend what is missing",
    .details =
        "Needs no daemon and changes nothing. As root it can try more. The exit code is 1 if "
        "anything has to be mended.",
    .examples = (const char *const[]){"sudo lambent doctor", "All checks.",
                                      "lambent doctor --json | jq -r '.checks[].status'",
                                      "For programs.", NULL},
    .opts = opts,
    .opts_size = sizeof(struct doctor_opts),
    .run = run_doctor,
};
