/* Control groups, whichever of the three arrangements the host has: v2, v1, or both side by side.
 *
 *   <where the spawner stands>/lambent-<slot>/        one per instance, mode 0700, flocked while
 * alive <where the spawner stands>/lambent-<slot>/s<id>/  one per sandbox
 *
 * in each hierarchy that has one of memory, cpu and pids, and always in the v2 tree: even where v1
 * owns every controller a cgroup2 tree can be mounted, and its core functions need no controller.
 * They are the better ones: cgroup.freeze takes 1-3 us where v1's freezer takes 35-61 and keeps a
 * SIGKILL waiting for the thaw, cpu.stat saves the cpuacct hierarchy, and CLONE_INTO_CGROUP puts a
 * process there free of charge. So the v1 freezer and cpuacct are never used at all.
 *
 * Being below the place where we stand keeps the limits that a container or a service was given.
 *
 * The hierarchies are mounted by fsopen/fsmount and stay detached: whether the host (or the bare
 * chroot we run in) has /sys/fs/cgroup, and what is in it, doesn't matter.
 *
 * An instance is alive as long as somebody holds the flock on its folder in the v2 tree. The lock
 * lies where the conflict lies: instances in different chroots share no /run, but do share this. It
 * dies with its holders, whatever killed them, so that the next instance to start can tell what is
 * stale and remove it. */
#include "sandbox/root.h"
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "base/log.h"

enum { SWEEP_TRIES = 2000 /* of a millisecond */, CPU_PERIOD_US = 20000, CPU_QUOTA_US_MIN = 1000 };

int
write_at(int dir_fd, const char *name, struct err *err, const char *fmt, ...)
{
    char text[64];
    va_list args;
    AUTO_FD int fd = -1;
    int len;

    va_start(args, fmt);
    len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    ASSERT(len >= 0 && (size_t)len < sizeof(text));
    fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, "open %s", name);
    if (write(fd, text, (size_t)len) != len)
        return err_sys(err, "write %s to %s", text, name);
    return 0;
}

/* Whole small file; returns its length, or -1 with errno. */
static ssize_t
read_at(int dir_fd, const char *name, char *to, size_t size)
{
    AUTO_FD int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    size_t len = 0;

    if (fd < 0)
        return -1;
    while (len < size - 1) {
        ssize_t n = read(fd, to + len, size - 1 - len);

        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    to[len] = '\0';
    return (ssize_t)len;
}

/* Is `word` one of the words in `list`, separated by `sep` or line ends? */
static bool
has_word(const char *list, const char *word, char sep)
{
    size_t len = strlen(word);

    for (const char *at = list; (at = strstr(at, word)); at += len)
        if ((at == list || at[-1] == sep) &&
            (at[len] == '\0' || at[len] == sep || at[len] == '\n' || at[len] == ':'))
            return true;
    return false;
}

/* The line behind this one, or NULL. */
static const char *
next_line(const char *line)
{
    const char *end = strchr(line, '\n');

    return end && end[1] ? end + 1 : NULL;
}

/* ---- mounting ---- */

/* `options`: comma-separated controllers of a v1 hierarchy, as /proc/self/cgroup writes them; the
 * kernel gives the existing hierarchy only to exactly the same set. */
static int
mount_tree(const char *type, const char *options, int *ret, struct err *err)
{
    AUTO_FD int fs = fsopen(type, FSOPEN_CLOEXEC);
    char words[128], *rest = words, *word;
    int fd;

    if (fs < 0)
        return err_sys(err, "cannot open the %s file system; does this kernel have control groups?",
                       type);
    if (!str_copy(words, sizeof(words), str_of(options)))
        return err_set(err, ERR_INTERNAL, "too many controllers in one hierarchy: %s", options);
    while ((word = strsep(&rest, ",")))
        if (*word && fsconfig(fs, FSCONFIG_SET_FLAG, word, NULL, 0) < 0)
            return err_sys(err, "set option %s of %s", word, type);
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ||
        (fd = fsmount(fs, FSMOUNT_CLOEXEC,
                      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)) < 0)
        return err_sys(
            err,
            "cannot mount %s %s: start lambentd as root, with CAP_SYS_ADMIN (a container "
            "needs --privileged)",
            type, options);
    *ret = fd;
    return 0;
}

/* The folder where this process stands in a hierarchy. `path` is /proc/self/cgroup's, which is
 * relative to the root of our cgroup namespace, as the mount is. */
static int
open_base(int mount_fd, const char *path, int *ret, struct err *err)
{
    while (*path == '/')
        path++;
    if (strncmp(path, "..", 2) == 0)
        path = ""; /* we stand outside of our own cgroup namespace: take its root */
    *ret = openat(mount_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*ret < 0)
        return err_sys(err, "open our own control group /%s", path);
    return 0;
}

static int
proc_open(int *ret, struct err *err)
{
    AUTO_FD int fs = fsopen("proc", FSOPEN_CLOEXEC);

    if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ||
        (*ret = fsmount(fs, FSMOUNT_CLOEXEC, 0)) < 0)
        return err_sys(err, "cannot mount proc: start lambentd as root, with CAP_SYS_ADMIN (a "
                            "container needs --privileged)");
    return 0;
}

/* ---- v2: making room for children ----
 * A v2 group other than the root may have processes or children with controllers, never both. So
 * where controllers are v2's we need a group without processes: our own, once we and the daemon
 * have moved into a leaf; or, where strangers stand in it too (a login session), one further up. */
static int
enable(int dir_fd, const char *controllers, struct err *err)
{
    char have[256];

    if (read_at(dir_fd, "cgroup.subtree_control", have, sizeof(have)) < 0)
        return err_sys(err, "read cgroup.subtree_control");
    for (const char *at = controllers; *at; at += strcspn(at, " "), at += strspn(at, " ")) {
        char word[16];

        if (!str_copy(word, sizeof(word), (struct str){at, strcspn(at, " ")}))
            return err_set(err, ERR_INTERNAL, "controller %s", at);
        if (!has_word(have, word, ' ') &&
            write_at(dir_fd, "cgroup.subtree_control", err, "+%s", word) < 0)
            return err_wrap(err, "enable controller %s", word);
    }
    return 0;
}

static int
move_into_leaf(struct cgroups *cg, pid_t daemon, struct err *err)
{
    struct cgroup_tree *tree = &cg->trees[0];
    AUTO_FD int leaf = -1;

    if (mkdirat(tree->dir_fd, "self", 0755) < 0 && errno != EEXIST)
        return err_sys(err, "make control group lambent-%u/self", cg->slot);
    leaf = openat(tree->dir_fd, "self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (leaf < 0)
        return err_sys(err, "open control group lambent-%u/self", cg->slot);
    if (write_at(leaf, "cgroup.procs", err, "%d", (int)getpid()) < 0 ||
        (daemon > 1 && write_at(leaf, "cgroup.procs", err, "%d", (int)daemon) < 0))
        return err_wrap(err, "move into a leaf control group");
    cg->moved = true;
    return 0;
}

/* The way back, so that nothing is left: take our controllers away (which fails, rightly, while
 * another instance uses the same group), then let all who stand in the leaf stand in the group. */
static void
move_back(struct cgroups *cg)
{
    const int dirs[] = {cg->trees[0].dir_fd, cg->trees[0].base_fd};
    char text[4096];
    const char *line;

    for (size_t d = 0; d < ARRAY_LEN(dirs); d++) {
        if (read_at(dirs[d], "cgroup.subtree_control", text, sizeof(text)) < 0)
            return;
        text[strcspn(text, "\n")] = '\0';
        for (char *rest = text, *word; (word = strsep(&rest, " "));) {
            struct err ignored = {0}; /* seen below: then the processes can't go back */

            if (*word)
                (void)write_at(dirs[d], "cgroup.subtree_control", &ignored, "-%s", word);
        }
    }
    if (read_at(dirs[0], "self/cgroup.procs", text, sizeof(text)) <= 0)
        return;
    for (line = text; line; line = next_line(line)) {
        struct err ignored = {0}; /* it may just have ended */

        /* 0: outside of our pid namespace; or, should the worker do this, ourselves. */
        (void)write_at(dirs[1], "cgroup.procs", &ignored, "%ld", strtol(line, NULL, 10));
    }
}

/* ---- instance slots ---- */

static int
remove_group(int parent_fd, const char *name)
{
    return unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

/* Kill and remove the sandboxes' groups s<id> in an instance's folder. Returns 0 or -errno. */
static int
remove_sandboxes(int dir_fd, bool v2)
{
    int rc = 0;

    for (int tries = 0; tries < SWEEP_TRIES; tries++) {
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;

        if (!dir) {
            rc = -errno;
            if (fd >= 0)
                (void)close(fd);
            return rc;
        }
        rc = 0;
        while ((entry = readdir(dir))) {
            int one;

            if (entry->d_type != DT_DIR || entry->d_name[0] != 's' || entry->d_name[1] > '9')
                continue;
            if (v2) {
                struct err ignored = {0};
                char path[300];

                /* Fails on kernels before 5.14 only; there they died with their worker. */
                snprintf(path, sizeof(path), "%s/cgroup.kill", entry->d_name);
                (void)write_at(dir_fd, path, &ignored, "1");
            }
            if ((one = remove_group(dir_fd, entry->d_name)) < 0)
                rc = one;
        }
        closedir(dir);
        if (rc != -EBUSY)
            break;
        (void)poll(NULL, 0, 1); /* the kernel takes dead processes out of a group a moment later */
    }
    return rc;
}

/* Remove an instance's folder with all that is in it. Returns 0 or -errno. */
static int
remove_instance(int base_fd, const char *name, bool v2)
{
    AUTO_FD int dir_fd = openat(base_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc;

    if (dir_fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if ((rc = remove_sandboxes(dir_fd, v2)) < 0 || (v2 && (rc = remove_group(dir_fd, "self")) < 0))
        return rc;
    return remove_group(base_fd, name);
}

/* Lock one slot's folder. 1: ours; 0: somebody else's. */
static int
slot_lock(int base_fd, const char *name, int *ret, struct err *err)
{
    for (int tries = 0; tries < 8; tries++) {
        AUTO_FD int fd = -1;
        struct stat mine, there;

        if (mkdirat(base_fd, name, 0700) < 0 && errno != EEXIST)
            return err_sys(err,
                           "cannot make control group %s: start lambentd as root, in a group where "
                           "it may make others",
                           name);
        fd = openat(base_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
            continue; /* its last owner is just removing it */
        if (fd < 0)
            return err_sys(err, "open control group %s", name);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
            return errno == EWOULDBLOCK ? 0 : err_sys(err, "lock control group %s", name);
        if (fstat(fd, &mine) == 0 && fstatat(base_fd, name, &there, 0) == 0 &&
            mine.st_ino == there.st_ino) {
            *ret = TAKE_FD(fd);
            return 1;
        }
    }
    return 0;
}

/* A second lock, for the uids: they are the machine's, while the folder above is only known to
 * instances in the same part of the cgroup tree. Best effort: without a writable /run the first
 * lock must do. */
static int
slot_lock_file(int run_fd, uint32_t slot)
{
    char path[64];
    AUTO_FD int fd = -1;
    struct stat mine, there;

    (void)mkdirat(run_fd, "lambent", 0755);
    snprintf(path, sizeof(path), "lambent/slot-%u", slot);
    fd = openat(run_fd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -2;
    if (fstat(fd, &mine) < 0 || fstatat(run_fd, path, &there, 0) < 0 || mine.st_ino != there.st_ino)
        return -2; /* its last owner has just removed it: take the next slot */
    return TAKE_FD(fd);
}

static int
slot_take(struct cgroups *cg, struct err *err)
{
    if (cg->run_fd < 0)
        cg->run_fd = open("/run", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (uint32_t slot = 0; slot < SLOTS_MAX; slot++) {
        char name[32];
        int rc, file_fd = slot_lock_file(cg->run_fd, slot);

        if (file_fd == -2)
            continue;
        snprintf(name, sizeof(name), "lambent-%u", slot);
        rc = slot_lock(cg->trees[0].base_fd, name, &cg->trees[0].dir_fd, err);
        if (rc > 0) {
            cg->slot = slot;
            cg->slot_fd = file_fd;
            return 0;
        }
        if (file_fd >= 0)
            (void)close(file_fd);
        if (rc < 0)
            return rc;
    }
    return err_set(err, ERR_UNAVAILABLE, "%d instances of Lambent run on this machine already",
                   SLOTS_MAX);
}

/* Remove what instances left that are no more: those whose folder nobody holds. */
static void
remove_stale(struct cgroups *cg)
{
    int fd = openat(cg->trees[0].base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!dir) {
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    while ((entry = readdir(dir))) {
        int lock_fd = -1;
        struct err err = {0};
        int64_t slot;
        struct str number = str_of(entry->d_name);

        if (!str_starts(number, STR("lambent-")))
            continue;
        number.at += 8;
        number.len -= 8;
        if (!str_int(number, 0, SLOTS_MAX - 1, &slot) || slot == cg->slot)
            continue;
        if (slot_lock(cg->trees[0].base_fd, entry->d_name, &lock_fd, &err) <= 0)
            continue;
        for (size_t i = cg->trees_len; i-- > 0;) { /* the one with the lock last */
            int rc = remove_instance(cg->trees[i].base_fd, entry->d_name, cg->trees[i].v2);

            if (rc < 0)
                log_event(LOG_cleanup_failed, "what=stale_cgroup name=%s why=\"%s\"", entry->d_name,
                          strerror(-rc));
        }
        (void)close(lock_fd);
    }
    closedir(dir);
}

/* ---- opening ---- */

/* Which hierarchy has this controller? Adds it to the trees if it is a new one. `parent`: the
 * configured place in it, or "". */
static int
find_tree(struct cgroups *cg, const char *controller, const char *self_cgroup, const char *parent,
          int v2_root_fd, size_t *ret, struct err *err)
{
    char controllers[256] = "";

    for (const char *line = self_cgroup; line; line = next_line(line)) {
        const char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
        char options[128], at[512];
        struct cgroup_tree *tree;
        AUTO_FD int mount_fd = -1;

        if (!path || path == names + 1)
            continue; /* the v2 line has no names */
        if (!str_copy(options, sizeof(options),
                      (struct str){names + 1, (size_t)(path - names - 1)}) ||
            !has_word(options, controller, ','))
            continue;
        if (!str_copy(at, sizeof(at), (struct str){path + 1, strcspn(path + 1, "\n")}))
            return err_set(err, ERR_INTERNAL, "our own control group's path is too long");
        /* memory, cpu and pids may be one hierarchy: then its base is the same folder. */
        if (mount_tree("cgroup", options, &mount_fd, err) < 0)
            return -(int)err->kind;
        ASSERT(cg->trees_len < CGROUP_TREES_MAX);
        tree = &cg->trees[cg->trees_len];
        if (open_base(mount_fd, parent[0] ? parent : at, &tree->base_fd, err) < 0)
            return -(int)err->kind;
        for (size_t i = 1; i < cg->trees_len; i++) {
            struct stat a, b;

            if (fstat(cg->trees[i].base_fd, &a) == 0 && fstat(tree->base_fd, &b) == 0 &&
                a.st_dev == b.st_dev) {
                (void)close(TAKE_FD(tree->base_fd));
                *ret = i;
                return 0;
            }
        }
        *ret = cg->trees_len++;
        return 0;
    }
    (void)read_at(v2_root_fd, "cgroup.controllers", controllers, sizeof(controllers));
    if (!has_word(controllers, controller, ' '))
        return err_set(err, ERR_UNAVAILABLE,
                       "the control group controller %s is not available here: enable it (kernel "
                       "command line cgroup_enable=%s; under systemd, Delegate=yes)",
                       controller, controller);
    *ret = 0;
    return 0;
}

/* Make the v2 tree able to have the controllers that v1 doesn't. May move the base up. */
static int
prepare_v2(struct cgroups *cg, int root_fd, pid_t daemon, const char *controllers, struct err *err)
{
    struct cgroup_tree *tree = &cg->trees[0];
    struct err first = {0}, second = {0};
    struct stat root, here;

    if (fstat(root_fd, &root) < 0)
        return err_sys(err, "look at the v2 control groups");
    if (enable(tree->base_fd, controllers, &first) == 0)
        return slot_take(cg, err);
    /* Processes stand here: ours alone? */
    if (slot_take(cg, err) < 0)
        return -(int)err->kind;
    if (move_into_leaf(cg, daemon, err) < 0)
        return -(int)err->kind;
    if (enable(tree->base_fd, controllers, &second) == 0)
        return 0;
    /* Strangers as well: find room further up, outside of their way. */
    cgroups_close(cg); /* moves back, gives the slot back */
    cg->moved = false;
    for (int depth = 0; depth < 32; depth++) {
        struct err ignored = {0};
        int up;

        if (fstat(tree->base_fd, &here) == 0 && here.st_ino == root.st_ino)
            break;
        up = openat(tree->base_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (up < 0)
            break;
        (void)close(tree->base_fd);
        tree->base_fd = up;
        if (enable(up, controllers, &ignored) == 0)
            return slot_take(cg, err);
    }
    return err_set(
        err, ERR_UNAVAILABLE,
        "cannot make control groups with limits: other processes stand in ours (%s); "
        "start lambentd as a service of its own (systemd: Delegate=yes) or name an empty "
        "group in the setting cgroup_parent",
        second.text);
}

int
cgroups_open(struct cgroups *cg, const struct root_config *config, struct err *err)
{
    static const char *const names[] = {"memory", "cpu", "pids"};
    size_t *const places[] = {&cg->memory, &cg->cpu, &cg->pids};
    char self[4096], wanted[64] = "", v2_path[512] = "";
    AUTO_FD int proc_fd = -1;
    AUTO_FD int v2_fd = -1;

    memset(cg, 0, sizeof(*cg));
    cg->slot_fd = cg->run_fd = -1;
    for (size_t i = 0; i < CGROUP_TREES_MAX; i++)
        cg->trees[i].base_fd = cg->trees[i].dir_fd = -1;
    if (proc_open(&proc_fd, err) < 0)
        return -(int)err->kind;
    if (read_at(proc_fd, "self/cgroup", self, sizeof(self)) < 0)
        return err_sys(err, "read /proc/self/cgroup");
    for (const char *line = self; line; line = next_line(line))
        if (strncmp(line, "0::", 3) == 0 &&
            !str_copy(v2_path, sizeof(v2_path), (struct str){line + 3, strcspn(line + 3, "\n")}))
            return err_set(err, ERR_INTERNAL, "our own control group's path is too long");
    if (mount_tree("cgroup2", "", &v2_fd, err) < 0 ||
        open_base(v2_fd, config->cgroup_parent[0] ? config->cgroup_parent : v2_path,
                  &cg->trees[0].base_fd, err) < 0)
        return -(int)err->kind;
    cg->trees[0].v2 = true;
    cg->trees_len = 1;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (find_tree(cg, names[i], self, config->cgroup_parent, v2_fd, places[i], err) < 0)
            return -(int)err->kind;
        if (*places[i] == 0)
            snprintf(wanted + strlen(wanted), sizeof(wanted) - strlen(wanted), "%s%s",
                     wanted[0] ? " " : "", names[i]);
    }
    if (wanted[0] ? prepare_v2(cg, v2_fd, getppid(), wanted, err) < 0 : slot_take(cg, err) < 0)
        return -(int)err->kind;
    remove_stale(cg);
    if (wanted[0] && enable(cg->trees[0].dir_fd, wanted, err) < 0)
        return -(int)err->kind;
    for (size_t i = 1; i < cg->trees_len; i++) {
        char name[32];
        struct cgroup_tree *tree = &cg->trees[i];

        snprintf(name, sizeof(name), "lambent-%u", cg->slot);
        if (mkdirat(tree->base_fd, name, 0700) < 0 && errno != EEXIST)
            return err_sys(err, "cannot make control group %s: start lambentd as root", name);
        tree->dir_fd = openat(tree->base_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (tree->dir_fd < 0)
            return err_sys(err, "open control group %s", name);
    }
    cgroups_sweep(cg); /* what a dead instance left that had our slot */
    return 0;
}

void
cgroups_sweep(struct cgroups *cg)
{
    for (size_t i = 0; i < cg->trees_len; i++) { /* the v2 tree first: killing is done there */
        int rc =
            cg->trees[i].dir_fd < 0 ? 0 : remove_sandboxes(cg->trees[i].dir_fd, cg->trees[i].v2);

        if (rc < 0)
            log_event(LOG_cleanup_failed, "what=cgroups why=\"%s\"", strerror(-rc));
    }
}

void
cgroups_close(struct cgroups *cg)
{
    char name[32], path[64];

    cgroups_sweep(cg);
    if (cg->moved)
        move_back(cg);
    snprintf(name, sizeof(name), "lambent-%u", cg->slot);
    for (size_t i = cg->trees_len; i-- > 0;) { /* the v2 one last: its lock says we are at work */
        int rc;

        if (cg->trees[i].dir_fd < 0)
            continue;
        rc = remove_instance(cg->trees[i].base_fd, name, cg->trees[i].v2);
        /* A folder in which we stand ourselves stays until systemd, or the next start, removes it.
         */
        if (rc < 0 && !(i == 0 && cg->moved))
            log_event(LOG_cleanup_failed, "what=cgroup name=%s why=\"%s\"", name, strerror(-rc));
        (void)close(TAKE_FD(cg->trees[i].dir_fd));
    }
    if (cg->slot_fd >= 0) {
        /* By descriptor: the worker, when it does this, has no /run any more. */
        snprintf(path, sizeof(path), "lambent/slot-%u", cg->slot);
        (void)unlinkat(cg->run_fd, path, 0);
        (void)close(TAKE_FD(cg->slot_fd));
        (void)unlinkat(cg->run_fd, "lambent", AT_REMOVEDIR); /* fails while others use it */
    }
}

/* ---- one sandbox's groups ---- */

static int
set_limits(struct cgroups *cg, const int *dir_fds, const struct sandbox_spec *spec, struct err *err)
{
    uint64_t bytes = (uint64_t)spec->memory_mb << 20;
    int memory = dir_fds[cg->memory];
    struct err ignored = {0}; /* limits of swap exist only where swap accounting does */

    if (cg->memory == 0) {
        if (write_at(memory, "memory.max", err, "%llu", (unsigned long long)bytes) < 0)
            return -(int)err->kind;
        (void)write_at(memory, "memory.swap.max", &ignored, "0");
    } else {
        if (write_at(memory, "memory.limit_in_bytes", err, "%llu", (unsigned long long)bytes) < 0)
            return -(int)err->kind;
        (void)write_at(memory, "memory.memsw.limit_in_bytes", &ignored, "%llu",
                       (unsigned long long)bytes);
    }
    if (write_at(dir_fds[cg->pids], "pids.max", err, "%u", spec->pids_max) < 0)
        return -(int)err->kind;
    if (cg->cpu != 0 &&
        write_at(dir_fds[cg->cpu], "cpu.cfs_period_us", err, "%d", CPU_PERIOD_US) < 0)
        return -(int)err->kind;
    if (spec->cpu_permille > 0) {
        unsigned quota_us =
            MAX(spec->cpu_permille * (CPU_PERIOD_US / 1000u), (unsigned)CPU_QUOTA_US_MIN);
        struct err why = {0};
        int rc = cg->cpu == 0
                     ? write_at(dir_fds[0], "cpu.max", &why, "%u %d", quota_us, CPU_PERIOD_US)
                     : write_at(dir_fds[cg->cpu], "cpu.cfs_quota_us", &why, "%u", quota_us);

        /* v1 refuses a share larger than that of a group above ours, which then is the limit. */
        if (rc < 0 && why.sys != EINVAL) {
            *err = why;
            return rc;
        }
    }
    return 0;
}

int
cgroup_make(struct cgroups *cg, uint32_t id, const struct sandbox_spec *spec,
            struct cgroup_made *ret, struct err *err)
{
    struct cgroup_made made = {.v2_fd = -1};
    int dir_fds[CGROUP_TREES_MAX];
    const struct {
        size_t tree;
        int flags;
        const char *v1, *v2;
        bool optional;
    } files[SANDBOX_FDS_LEN] = {
        [SANDBOX_FD_FREEZE] = {0, O_WRONLY, NULL, "cgroup.freeze", false},
        [SANDBOX_FD_CPU] = {cg->cpu, O_WRONLY, "cpu.cfs_quota_us", "cpu.max", false},
        [SANDBOX_FD_CPUSTAT] = {0, O_RDONLY, NULL, "cpu.stat", false},
        [SANDBOX_FD_PEAK] = {cg->memory, O_RDONLY, "memory.max_usage_in_bytes", "memory.peak",
                             true},
        [SANDBOX_FD_CURRENT] = {cg->memory, O_RDONLY, "memory.usage_in_bytes", "memory.current",
                                false},
        [SANDBOX_FD_EVENTS] = {cg->memory, O_RDONLY, "memory.oom_control", "memory.events", false},
    };
    char name[16];

    snprintf(name, sizeof(name), "s%u", id);
    for (size_t i = 0; i < CGROUP_TREES_MAX; i++)
        dir_fds[i] = -1;
    for (size_t i = 0; i < SANDBOX_FDS_LEN; i++)
        made.fds[i] = -1;
    for (size_t i = 0; i < cg->trees_len; i++) {
        if (mkdirat(cg->trees[i].dir_fd, name, 0755) < 0) {
            (void)err_sys(err, "make control group %s", name);
            goto failed;
        }
        dir_fds[i] = openat(cg->trees[i].dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fds[i] < 0) {
            (void)err_sys(err, "open control group %s", name);
            goto failed;
        }
    }
    if (set_limits(cg, dir_fds, spec, err) < 0)
        goto failed;
    for (size_t i = 0; i < SANDBOX_FDS_LEN; i++) {
        const char *file = files[i].tree == 0 ? files[i].v2 : files[i].v1;

        made.fds[i] = openat(dir_fds[files[i].tree], file, files[i].flags | O_CLOEXEC);
        if (made.fds[i] < 0 && !files[i].optional) {
            (void)err_sys(err, "open %s", file);
            goto failed;
        }
    }
    made.v2_fd = TAKE_FD(dir_fds[0]);
    for (size_t i = 1; i < cg->trees_len; i++)
        (void)close(dir_fds[i]);
    *ret = made;
    return 0;

failed:
    cgroup_made_done(&made);
    for (size_t i = 0; i < cg->trees_len; i++)
        if (dir_fds[i] >= 0)
            (void)close(dir_fds[i]);
    if (cgroup_remove(cg, id) < 0)
        log_event(LOG_cleanup_failed, "what=cgroup name=%s", name);
    return -(int)err->kind;
}

int
cgroup_limit(struct cgroups *cg, uint32_t id, const struct sandbox_spec *spec, struct err *err)
{
    int dir_fds[CGROUP_TREES_MAX], rc = 0;
    char name[16];

    snprintf(name, sizeof(name), "s%u", id);
    for (size_t i = 0; i < cg->trees_len; i++) {
        dir_fds[i] = openat(cg->trees[i].dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fds[i] < 0 && rc == 0)
            rc = err_sys(err, "open control group %s", name);
    }
    if (rc == 0)
        rc = set_limits(cg, dir_fds, spec, err);
    for (size_t i = 0; i < cg->trees_len; i++)
        if (dir_fds[i] >= 0)
            (void)close(dir_fds[i]);
    return rc;
}

void
cgroup_made_done(struct cgroup_made *made)
{
    if (made->v2_fd >= 0)
        (void)close(TAKE_FD(made->v2_fd));
    proto_close_fds(made->fds, SANDBOX_FDS_LEN);
}

int
cgroup_attach(struct cgroups *cg, uint32_t id, pid_t pid, struct err *err)
{
    for (size_t i = 1; i < cg->trees_len; i++) {
        char path[40];

        snprintf(path, sizeof(path), "s%u/cgroup.procs", id);
        if (write_at(cg->trees[i].dir_fd, path, err, "%d", (int)pid) < 0)
            return err_wrap(err, "enter the control group");
    }
    return 0;
}

int
cgroup_remove(struct cgroups *cg, uint32_t id)
{
    char name[16];
    int rc = 0;

    snprintf(name, sizeof(name), "s%u", id);
    for (size_t i = 0; i < cg->trees_len; i++) {
        int one = remove_group(cg->trees[i].dir_fd, name);

        if (one < 0 && rc != -EBUSY)
            rc = one;
    }
    return rc;
}
