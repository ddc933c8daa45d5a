/* What a sandbox sees of the file system. Two mount namespaces are made once, when the worker
 * starts, and none of their mounts is visible on the host or outlives the worker:
 *
 *   home      /packages /runtimes (read-only binds) /ids /ids-rw /scratch: where the worker lives
 *             from then on. The host's own tree isn't in it, so no confused path can reach it.
 *   template  the skeleton root of every sandbox, pivoted already: a small tmpfs, read-only at the
 *             end, with /etc, /dev and empty places to mount on, and the host's /usr bound into it
 *             (and /bin, /lib … where they aren't links into /usr). About two mounts, because a
 *             sandbox's init copies this namespace and the copy costs by the mount: 85 us with a
 *             few, 1.4 ms with 1,000.
 *
 * A sandbox then adds: /var/task, /etc/sbx (its own passwd and group), /tmp, /proc, and if asked
 * for /opt and /var/runtime. The worker makes these as detached mounts from `home`, init moves them
 * into place: a detached mount can't be cloned from another namespace, but it can be moved there.
 *
 * Surprises:
 * - In a chroot, / is not a mount point, and pivot_root gives EINVAL. setns() to our own mount
 *   namespace puts us at its real root, so we open all that we need by the chroot's paths and then
 *   leave the chroot that way.
 * - Copying /etc files instead of binding them saves a mount each. They are the state of when the
 *   worker started; a new certificate on the host needs a restart. */
#include "sandbox/root.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

enum {
    COPY_BYTES_MAX = 16 << 20,
    COPY_FILE_MAX = 4 << 20,
    COPY_DEPTH_MAX = 6,
    PATH_LEN_MAX = 512,
    IDS_KIB = 16, /* a folder with two files of a page each, and to spare */
};

/* clang-format off */
/* Of the host's /etc, what programs under /usr can't do without. Only what everybody may read. */
static const char *const etc_copies[] = {
    "alternatives",          /* /usr/bin/java and others are links through it */
    "ca-certificates",       /* the CA store, */
    "ca-certificates.conf",
    "ssl",                   /* where OpenSSL and Python look for it */
    "pki",                   /* the same on Fedora and its kin */
    "crypto-policies",       /* included by their openssl.cnf */
    "ld.so.cache",           /* libraries outside the default folders */
    "ld.so.conf", "ld.so.conf.d",
    "localtime", "timezone",
    "mime.types",            /* Python's mimetypes */
    "services", "protocols", /* getaddrinfo() with a service's name */
    "os-release", "debian_version",
    "host.conf", "gai.conf",
    "python3*",              /* sitecustomize.py is a link to it */
    "java-*",                /* the JDK's conf folder is a link to it */
    "ruby*", "perl",
    "fonts",                 /* headless drawing */
    "magic",
};
static const struct { const char *name, *text; } etc_files[] = {
    {"hosts", "127.0.0.1 localhost sandbox.localdomain sandbox\n::1 localhost ip6-localhost ip6-loopback\n"},
    {"hostname", "sandbox\n"},
    {"resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"},
    {"nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\nnetworks: files\n"},
    {"shells", "/bin/sh\n"},
};
static const struct { const char *name, *to; } etc_links[] = {
    {"passwd", "sbx/passwd"},   /* one mount serves both */
    {"group", "sbx/group"},
    {"mtab", "/proc/self/mounts"},
};
static const struct { const char *name; unsigned minor; } devices[] = {
    /* Java waits 9 s for entropy where there is no /dev/random. */
    {"null", 3}, {"zero", 5}, {"full", 7}, {"random", 8}, {"urandom", 9},
};
static const struct { const char *name, *to; } device_links[] = {
    {"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
    {"stderr", "/proc/self/fd/2"},
};
static const char *const root_folders[] = {
    "dev", "etc", "etc/sbx", "home", "opt", "proc", "run", "sys", "tmp", "usr", "var", "var/lib",
    "var/runtime", "var/task", "var/lang",
    /* glibc forgets a folder of LD_LIBRARY_PATH that is missing when a process starts; a generic
     * runtime starts before the code that brings these is mounted over them. */
    "var/task/lib", "opt/lib",
};
/* Shown to sandboxes beside /usr, each as the host has it: a link stays a link. */
static const char *const usr_kin[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
/* clang-format on */

static int
mount_attr(int fd, uint64_t set, unsigned flags, struct err *err)
{
    struct mount_attr attr = {.attr_set = set, .propagation = MS_PRIVATE};

    if (mount_setattr(fd, "", AT_EMPTY_PATH | flags, &attr, sizeof(attr)) < 0)
        return err_sys(err, "set mount attributes (Linux 5.12 or newer is needed)");
    return 0;
}

/* A detached private copy of the mount at a path. */
static int
clone_tree(int dir_fd, const char *path, uint64_t attrs, bool recursive, int *ret, struct err *err)
{
    unsigned flags = recursive ? AT_RECURSIVE : 0;
    AUTO_FD int fd =
        open_tree(dir_fd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | flags);

    if (fd < 0)
        return err_sys(err, "bind %s", path);
    if (attrs && mount_attr(fd, attrs, flags, err) < 0)
        return err_wrap(err, "bind %s", path);
    *ret = TAKE_FD(fd);
    return 0;
}

/* As clone_tree, of a folder that itself is no link: the one above it belongs to the daemon's user,
 * who must not have us show sandboxes any other. */
static int
clone_folder(const char *path, uint64_t attrs, int *ret, struct err *err)
{
    AUTO_FD int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return err_sys(err, "open folder %s", path);
    return clone_tree(fd, "", attrs, false, ret, err);
}

static int
attach(int tree_fd, int root_fd, const char *path, struct err *err)
{
    if (move_mount(tree_fd, "", root_fd, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_sys(err, "mount /%s", path);
    return 0;
}

static int
new_tmpfs(const char *size, const char *mode, uint64_t attrs, int *ret, struct err *err)
{
    AUTO_FD int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);

    if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", "lambent", 0) < 0 ||
        fsconfig(fs, FSCONFIG_SET_STRING, "size", size, 0) < 0 ||
        fsconfig(fs, FSCONFIG_SET_STRING, "mode", mode, 0) < 0 ||
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ||
        (*ret = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attrs)) < 0)
        return err_sys(err, "mount a tmpfs");
    return 0;
}

/* Make `root_fd` (a detached mount) the root of this mount namespace and let go of all the rest. */
static int
pivot(int root_fd, struct err *err)
{
    if (move_mount(root_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_sys(err, "mount a new root");
    /* Stacked on the old root; "." and "." as in pivot_root(2), "pivot_root(".", ".")". */
    if (fchdir(root_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
        return err_sys(err, "pivot_root into the new root");
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return err_sys(err, "let go of the old root");
    return 0;
}

/* ---- copying from the host's /etc ---- */

struct copy {
    size_t bytes;
};

static int
copy_file(struct copy *copy, int from_dir, int to_dir, const char *name, mode_t mode,
          struct err *err)
{
    AUTO_FD int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    AUTO_FD int to = -1;
    char room[16384];
    size_t size = 0;
    ssize_t n;

    if (from < 0)
        return 0; /* removed this moment: then it isn't needed */
    to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (to < 0)
        return errno == EEXIST ? 0 : err_sys(err, "copy /etc/…/%s", name);
    while ((n = read(from, room, sizeof(room))) > 0) {
        size += (size_t)n;
        copy->bytes += (size_t)n;
        if (size > COPY_FILE_MAX || copy->bytes > COPY_BYTES_MAX)
            return err_set(err, ERR_TOO_LARGE,
                           "the files in /etc that sandboxes need are larger than %d bytes at %s",
                           COPY_BYTES_MAX, name);
        if (write(to, room, (size_t)n) != n)
            return err_sys(err, "copy /etc/…/%s", name);
    }
    if (fchmod(to, mode & 0555) < 0)
        return err_sys(err, "copy /etc/…/%s", name);
    return 0;
}

static int copy_folder(struct copy *copy, int from, int to, int depth, struct err *err);

/* One name of a folder, if everybody may read it. */
static int
copy_name(struct copy *copy, int from_dir, int to_dir, const char *name, int depth, struct err *err)
{
    struct stat st;

    if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (S_ISLNK(st.st_mode)) {
        char to[PATH_LEN_MAX];
        ssize_t n = readlinkat(from_dir, name, to, sizeof(to) - 1);

        if (n <= 0)
            return 0;
        to[n] = '\0';
        if (symlinkat(to, to_dir, name) < 0 && errno != EEXIST)
            return err_sys(err, "copy link /etc/…/%s", name);
        return 0;
    }
    if (S_ISREG(st.st_mode) && (st.st_mode & S_IROTH) && st.st_size <= COPY_FILE_MAX)
        return copy_file(copy, from_dir, to_dir, name, st.st_mode, err);
    if (S_ISDIR(st.st_mode) && (st.st_mode & (S_IROTH | S_IXOTH)) == (S_IROTH | S_IXOTH) &&
        depth < COPY_DEPTH_MAX) {
        AUTO_FD int from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        AUTO_FD int to = -1;

        if (from < 0)
            return 0;
        if (mkdirat(to_dir, name, 0755) < 0 && errno != EEXIST)
            return err_sys(err, "copy folder /etc/…/%s", name);
        to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (to < 0)
            return err_sys(err, "copy folder /etc/…/%s", name);
        return copy_folder(copy, from, to, depth + 1, err);
    }
    return 0;
}

static bool
etc_wanted(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(etc_copies); i++) {
        size_t len = strlen(etc_copies[i]);

        if (etc_copies[i][len - 1] == '*' ? strncmp(name, etc_copies[i], len - 1) == 0
                                          : strcmp(name, etc_copies[i]) == 0)
            return true;
    }
    return false;
}

static int
copy_folder(struct copy *copy, int from, int to, int depth, struct err *err)
{
    int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    int rc = 0;

    if (!dir) {
        if (fd >= 0)
            (void)close(fd);
        return err_sys(err, "read a folder in /etc");
    }
    while (rc >= 0 && (entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            (depth > 0 || etc_wanted(entry->d_name)))
            rc = copy_name(copy, from, to, entry->d_name, depth, err);
    closedir(dir);
    return rc;
}

/* ---- the skeleton ---- */

static int
make_folders(int root_fd, const char *path, struct err *err)
{
    char part[PATH_LEN_MAX];

    if (!str_copy(part, sizeof(part), str_of(path)))
        return err_set(err, ERR_INVALID, "path too long: %s", path);
    for (char *at = part; (at = strchr(at, '/')); at++) {
        *at = '\0';
        if (*part && mkdirat(root_fd, part, 0755) < 0 && errno != EEXIST)
            return err_sys(err, "make /%s", part);
        *at = '/';
    }
    if (mkdirat(root_fd, part, 0755) < 0 && errno != EEXIST)
        return err_sys(err, "make /%s", part);
    return 0;
}

static int
fill_skeleton(int root_fd, int host_etc_fd, struct err *err)
{
    AUTO_FD int etc_fd = -1;
    AUTO_FD int dev_fd = -1;
    struct copy copy = {0};

    for (size_t i = 0; i < ARRAY_LEN(root_folders); i++)
        if (make_folders(root_fd, root_folders[i], err) < 0)
            return -(int)err->kind;
    etc_fd = openat(root_fd, "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dev_fd = openat(root_fd, "dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (etc_fd < 0 || dev_fd < 0)
        return err_sys(err, "open the skeleton's folders");
    for (size_t i = 0; i < ARRAY_LEN(etc_files); i++) {
        AUTO_FD int fd =
            openat(etc_fd, etc_files[i].name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
        size_t len = strlen(etc_files[i].text);

        if (fd < 0 || write(fd, etc_files[i].text, len) != (ssize_t)len)
            return err_sys(err, "write /etc/%s", etc_files[i].name);
    }
    for (size_t i = 0; i < ARRAY_LEN(etc_links); i++)
        if (symlinkat(etc_links[i].to, etc_fd, etc_links[i].name) < 0)
            return err_sys(err, "make /etc/%s", etc_links[i].name);
    if (host_etc_fd >= 0 && copy_folder(&copy, host_etc_fd, etc_fd, 0, err) < 0)
        return -(int)err->kind;
    for (size_t i = 0; i < ARRAY_LEN(devices); i++)
        if (mknodat(dev_fd, devices[i].name, S_IFCHR | 0666, makedev(1, devices[i].minor)) < 0)
            return err_sys(err, "make /dev/%s: root's CAP_MKNOD is needed", devices[i].name);
    for (size_t i = 0; i < ARRAY_LEN(device_links); i++)
        if (symlinkat(device_links[i].to, dev_fd, device_links[i].name) < 0)
            return err_sys(err, "make /dev/%s", device_links[i].name);
    return 0;
}

/* Detached binds of the host's folders, taken while its tree is still in view. */
struct host_binds {
    struct host_bind {
        const char *path; /* without the leading slash */
        int fd;           /* -1: `link` instead */
        char link[PATH_LEN_MAX];
    } at[ARRAY_LEN(usr_kin) + 1 + SHOW_DIRS_MAX];
    size_t len;
};

static int
bind_one(struct host_binds *binds, const char *path, bool must, struct err *err)
{
    struct host_bind *bind = &binds->at[binds->len];
    char full[PATH_LEN_MAX];
    struct stat st;

    ASSERT(binds->len < ARRAY_LEN(binds->at));
    while (*path == '/')
        path++;
    if (snprintf(full, sizeof(full), "/%s", path) >= (int)sizeof(full))
        return err_set(err, ERR_INVALID, "path too long: %s", path);
    bind->path = path;
    bind->fd = -1;
    if (lstat(full, &st) < 0) {
        if (must)
            return err_sys(err, "show %s in sandboxes", full);
        return 0;
    }
    if (S_ISLNK(st.st_mode) && !must) {
        ssize_t n = readlink(full, bind->link, sizeof(bind->link) - 1);

        if (n <= 0)
            return err_sys(err, "read link %s", full);
        bind->link[n] = '\0';
    } else if (clone_tree(AT_FDCWD, full, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
                          true, &bind->fd, err) < 0) {
        return -(int)err->kind;
    }
    binds->len++;
    return 0;
}

static int
make_template(struct host_binds *binds, int host_etc_fd, struct err *err)
{
    AUTO_FD int root_fd = -1;

    /* No nodev: its own /dev lies in it. Nothing else in it is a device, and it is read-only. */
    if (new_tmpfs("64m", "0755", MOUNT_ATTR_NOSUID, &root_fd, err) < 0 || pivot(root_fd, err) < 0 ||
        fill_skeleton(root_fd, host_etc_fd, err) < 0)
        return -(int)err->kind;
    for (size_t i = 0; i < binds->len; i++) {
        struct host_bind *bind = &binds->at[i];

        if (bind->fd < 0) {
            if (symlinkat(bind->link, root_fd, bind->path) < 0)
                return err_sys(err, "make link /%s", bind->path);
        } else if (make_folders(root_fd, bind->path, err) < 0 ||
                   attach(bind->fd, root_fd, bind->path, err) < 0) {
            return -(int)err->kind;
        }
    }
    return mount_attr(root_fd, MOUNT_ATTR_RDONLY, 0, err);
}

static int
make_home(int packages_fd, int runtimes_fd, int ids_fd, struct err *err)
{
    static const char *const folders[] = {"packages", "runtimes", "ids", "ids-rw", "scratch"};
    AUTO_FD int root_fd = -1;
    AUTO_FD int ids_show_fd = -1;

    if (new_tmpfs("1m", "0700", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, &root_fd,
                  err) < 0 ||
        pivot(root_fd, err) < 0)
        return -(int)err->kind;
    for (size_t i = 0; i < ARRAY_LEN(folders); i++)
        if (mkdirat(root_fd, folders[i], 0755) < 0)
            return err_sys(err, "make /%s", folders[i]);
    if (attach(packages_fd, root_fd, "packages", err) < 0 ||
        attach(runtimes_fd, root_fd, "runtimes", err) < 0 ||
        attach(ids_fd, root_fd, "ids-rw", err) < 0)
        return -(int)err->kind;
    /* Only once it is attached: before Linux 6.15 a detached mount cannot be cloned. */
    if (clone_tree(root_fd, "ids-rw", MOUNT_ATTR_RDONLY, false, &ids_show_fd, err) < 0 ||
        attach(ids_show_fd, root_fd, "ids", err) < 0)
        return -(int)err->kind;
    return 0;
}

int
template_make(const struct root_config *config, struct template *ret, struct err *err)
{
    const uint64_t ro = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    struct host_binds binds = {.len = 0};
    AUTO_FD int proc_fs = -1;
    AUTO_FD int proc_fd = -1;
    AUTO_FD int etc_fd = -1;
    AUTO_FD int packages_fd = -1;
    AUTO_FD int runtimes_fd = -1;
    AUTO_FD int ids_fd = -1;
    AUTO_FD int self_fd = -1;
    char ids_size[24];
    int rc;

    if (unshare(CLONE_NEWNS) < 0)
        return err_sys(err, "cannot make a mount namespace: start lambentd as root, with "
                            "CAP_SYS_ADMIN (a container needs --privileged)");
    proc_fs = fsopen("proc", FSOPEN_CLOEXEC);
    if (proc_fs < 0 || fsconfig(proc_fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ||
        (proc_fd = fsmount(proc_fs, FSMOUNT_CLOEXEC, 0)) < 0)
        return err_sys(err, "mount proc");
    if (clone_folder(config->packages_dir, ro, &packages_fd, err) < 0 ||
        clone_tree(AT_FDCWD, config->runtimes_dir, ro, false, &runtimes_fd, err) < 0 ||
        bind_one(&binds, "usr", true, err) < 0)
        return -(int)err->kind;
    for (size_t i = 0; i < ARRAY_LEN(usr_kin); i++)
        if (bind_one(&binds, usr_kin[i], false, err) < 0)
            return -(int)err->kind;
    for (size_t i = 0; i < config->show_dirs_len; i++)
        if (bind_one(&binds, config->show_dirs[i], true, err) < 0)
            return -(int)err->kind;
    etc_fd = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* a bare root may have none */
    snprintf(ids_size, sizeof(ids_size), "%uk", IDS_KIB * (config->sandboxes_max + 1));
    if (new_tmpfs(ids_size, "0755", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
                  &ids_fd, err) < 0)
        return -(int)err->kind;

    /* Out of a chroot, should we be in one, to the real root of our copy of the mounts. */
    self_fd = openat(proc_fd, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (self_fd < 0 || setns(self_fd, CLONE_NEWNS) < 0)
        return err_sys(err, "enter our own mount namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return err_sys(err, "make our mounts private");
    ret->ids_fd = openat(ids_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (make_home(packages_fd, runtimes_fd, ids_fd, err) < 0)
        return err_wrap(err, "worker's root");
    ret->home_fd = openat(proc_fd, "self/ns/mnt", O_RDONLY | O_CLOEXEC);

    if (unshare(CLONE_NEWNS) < 0)
        return err_sys(err, "make the template mount namespace");
    if (make_template(&binds, etc_fd, err) < 0)
        return err_wrap(err, "sandbox template");
    ret->ns_fd = openat(proc_fd, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (ret->home_fd < 0 || ret->ns_fd < 0 || setns(ret->home_fd, CLONE_NEWNS) < 0)
        return err_sys(err, "go back to the worker's mount namespace");
    ret->packages_fd = open("/packages", O_PATH | O_DIRECTORY | O_CLOEXEC);
    ret->runtimes_fd = open("/runtimes", O_PATH | O_DIRECTORY | O_CLOEXEC);
    ret->ids_show_fd = open("/ids", O_PATH | O_DIRECTORY | O_CLOEXEC);
    rc = ret->ids_fd < 0 || ret->packages_fd < 0 || ret->runtimes_fd < 0 || ret->ids_show_fd < 0
             ? err_sys(err, "open the worker's folders")
             : 0;
    for (size_t i = 0; i < binds.len; i++)
        if (binds.at[i].fd >= 0)
            (void)close(binds.at[i].fd);
    return rc;
}

/* ---- one sandbox's mounts ---- */

/* A folder by name beneath another, no links and no dots on the way. */
static int
open_beneath(int dir_fd, const char *name, const char *what, int *ret, struct err *err)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
                                      RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV};
    long fd = syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));

    if (fd < 0 && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND, "no %s named %s", what, name);
    if (fd < 0)
        return err_sys(err, "open %s %s", what, name);
    *ret = (int)fd;
    return 0;
}

static int
clone_beneath(int dir_fd, const char *name, const char *what, int *ret, struct err *err)
{
    AUTO_FD int fd = -1;

    if (open_beneath(dir_fd, name, what, &fd, err) < 0)
        return -(int)err->kind;
    /* Read-only, nosuid and nodev already: a clone has the attributes of the mount it is of. */
    if (clone_tree(fd, "", 0, false, ret, err) < 0)
        return err_wrap(err, "%s %s", what, name);
    return 0;
}

/* Several layers: a read-only overlay. It takes paths, so it is mounted by path in the worker's own
 * namespace, where nothing but packages can be reached, whatever was swapped in their folder. */
static int
merge_layers(const struct template *t, const struct sandbox_spec *spec, int *ret, struct err *err)
{
    char options[16 + SANDBOX_LAYERS_MAX * (SHA256_HEX_LEN + 1)] = "lowerdir=";
    int rc;

    for (uint32_t i = spec->layers_len; i-- > 0;) { /* leftmost is uppermost: later ones win */
        AUTO_FD int fd = -1;
        size_t len = strlen(options);

        if (open_beneath(t->packages_fd, spec->layers[i], "layer", &fd, err) < 0)
            return -(int)err->kind;
        snprintf(options + len, sizeof(options) - len, "%s%s", spec->layers[i], i ? ":" : "");
    }
    if (fchdir(t->packages_fd) < 0)
        return err_sys(err, "go to the package folder");
    rc = mount("overlay", "/scratch", "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, options);
    if (rc < 0)
        (void)err_sys(err, "merge %u layers with overlayfs (modprobe overlay?)", spec->layers_len);
    if (chdir("/") < 0 && rc == 0)
        rc = err_sys(err, "go back to /");
    if (rc < 0)
        return -(int)err->kind;
    rc = clone_tree(AT_FDCWD, "/scratch", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
                    false, ret, err);
    if (umount2("/scratch", MNT_DETACH) < 0 && rc == 0)
        rc = err_sys(err, "unmount the merged layers");
    return rc;
}

static int
write_id_file(int dir_fd, const char *name, const char *text, struct err *err)
{
    AUTO_FD int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0444);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        return err_sys(err, "write /etc/%s", name);
    return 0;
}

/* /etc/passwd and /etc/group name the sandbox's own uid as AWS does, and nobody else. Written when
 * an id is used for the first time: the same id has the same uid for as long as the worker lives.
 */
static int
make_ids(const struct template *t, uint32_t id, uint32_t uid, int *ret, struct err *err)
{
    char name[16], text[256];

    snprintf(name, sizeof(name), "%u", id);
    if (mkdirat(t->ids_fd, name, 0755) == 0) {
        AUTO_FD int dir_fd = openat(t->ids_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        snprintf(text, sizeof(text),
                 "root:x:0:0:root:/root:/usr/sbin/nologin\n"
                 "sbx_user1051:x:%u:%u::/home/sbx_user1051:/usr/sbin/nologin\n"
                 "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
                 uid, uid);
        if (dir_fd < 0)
            return err_sys(err, "open ids/%s", name);
        if (write_id_file(dir_fd, "passwd", text, err) < 0)
            return -(int)err->kind;
        snprintf(text, sizeof(text), "root:x:0:\nsbx_user1051:x:%u:\nnogroup:x:65534:\n", uid);
        if (write_id_file(dir_fd, "group", text, err) < 0)
            return -(int)err->kind;
    } else if (errno != EEXIST) {
        return err_sys(err, "make ids/%s", name);
    }
    return clone_tree(t->ids_show_fd, name, 0, false, ret, err);
}

/* The trees that a function brings. */
static int
make_code(const struct template *t, const struct sandbox_spec *spec, struct sandbox_mounts *m,
          struct err *err)
{
    if (clone_beneath(t->packages_fd, spec->package, "package", &m->task_fd, err) < 0 ||
        (spec->layers_len == 1 &&
         clone_beneath(t->packages_fd, spec->layers[0], "layer", &m->layers_fd, err) < 0) ||
        (spec->layers_len > 1 && merge_layers(t, spec, &m->layers_fd, err) < 0))
        return -(int)err->kind;
    return 0;
}

int
sandbox_mounts_make(const struct template *t, const struct sandbox_spec *spec, uint32_t id,
                    uint32_t uid, struct sandbox_mounts *ret, struct err *err)
{
    struct sandbox_mounts m = {-1, -1, -1, -1};

    if ((!sandbox_spec_generic(spec) && make_code(t, spec, &m, err) < 0) ||
        (spec->runtime[0] &&
         clone_beneath(t->runtimes_fd, spec->runtime, "runtime", &m.runtime_fd, err) < 0) ||
        make_ids(t, id, uid, &m.ids_fd, err) < 0) {
        sandbox_mounts_done(&m);
        return -(int)err->kind;
    }
    *ret = m;
    return 0;
}

void
sandbox_mounts_done(struct sandbox_mounts *m)
{
    int *const fds[] = {&m->task_fd, &m->layers_fd, &m->runtime_fd, &m->ids_fd};

    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (*fds[i] >= 0)
            (void)close(TAKE_FD(*fds[i]));
}

/* Whether we stand in a finished sandbox. A daemon that says ASSIGN right after CREATE may find
 * init still in the worker's own mount namespace, or in the template, where a mount would show in
 * every sandbox to come. Neither of those has a /proc; init mounts it in its own namespace, after
 * all else. */
static bool
in_sandbox(void)
{
    struct statx st;

    return statx(AT_FDCWD, "/proc", AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &st) == 0 &&
           (st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* The daemon decides what runs in a generic sandbox before this, so the sandbox may be hostile. Its
 * root and mount points are read-only and of our making, and nothing in it can mount: the paths
 * below lead nowhere else. Nor can it reach us: we stay in our pid namespace, with our uid. */
int
sandbox_mounts_add(const struct template *t, const struct sandbox_spec *spec, pid_t pid,
                   struct err *err)
{
    struct sandbox_mounts m = {-1, -1, -1, -1};
    AUTO_FD int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    char tmp[48];
    int rc = 0;

    if (pid_fd < 0)
        return err_sys(err, "find the sandbox's first process");
    if (make_code(t, spec, &m, err) < 0) {
        sandbox_mounts_done(&m);
        return -(int)err->kind;
    }
    snprintf(tmp, sizeof(tmp), "size=%um,nr_inodes=%u", spec->tmp_mb,
             spec->tmp_mb * TMP_INODES_PER_MB);
    if (setns(pid_fd, CLONE_NEWNS) < 0)
        rc = err_sys(err, "enter the sandbox's mount namespace");
    else if (!in_sandbox())
        rc = err_set(err, ERR_INVALID, "the sandbox is not built yet");
    else if (move_mount(m.task_fd, "", AT_FDCWD, "/var/task", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
             (m.layers_fd >= 0 &&
              move_mount(m.layers_fd, "", AT_FDCWD, "/opt", MOVE_MOUNT_F_EMPTY_PATH) < 0) ||
             (spec->tmp_mb != TMP_MB_GENERIC &&
              mount(NULL, "/tmp", NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV, tmp) < 0))
        rc = err_sys(err, "mount the function's code");
    sandbox_mounts_done(&m);
    if (setns(t->home_fd, CLONE_NEWNS) < 0) {
        if (err->kind != ERR_NONE)
            err_clear(err);
        errno = ENOTRECOVERABLE;
        rc = err_sys(err, "go back to the worker's mount namespace");
    }
    return rc;
}
