/* Small file helpers. Every open goes through openat2(2) with RESOLVE_BENEATH, so that a name which
 * slipped past the checks above still can't leave the directory it is meant for. */
#include "store/files.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { REMOVE_DEPTH_MAX = 400 /* each level holds a descriptor; packages are 128 deep at most */ };

int
file_open(int dir_fd, const char *path, int flags, mode_t mode, bool links)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (links ? 0 : RESOLVE_NO_SYMLINKS),
    };
    long fd;

    do /* EAGAIN: the kernel saw a rename somewhere while it walked a ".." and asks us to repeat */
        fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
    while (fd < 0 && (errno == EINTR || errno == EAGAIN));
    return (int)fd;
}

int
file_write(int fd, const void *at, size_t len)
{
    const char *p = at;

    while (len > 0) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int
file_touch(int dir_fd, const char *name, struct err *err)
{
    AUTO_FD int fd = file_open(dir_fd, name, O_RDONLY | O_CREAT | O_NOFOLLOW, 0600, false);

    if (fd < 0)
        return err_sys(err, "make file '%s'", name);
    return 0;
}

int
dir_make(int parent_fd, const char *name, mode_t mode, int *ret_fd, struct err *err)
{
    AUTO_FD int fd = -1;
    bool made = mkdirat(parent_fd, name, mode) == 0;

    if (!made && errno != EEXIST)
        return err_sys(err, "make directory '%s'", name);
    fd = file_open(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, false);
    if (fd < 0)
        return err_sys(err, "open directory '%s'", name);
    if (made && fchmod(fd, mode) < 0)
        return err_sys(err, "set mode of directory '%s'", name);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int
dir_each(int dir_fd, int (*fn)(void *arg, const char *name, struct err *err), void *arg,
         struct err *err)
{
    int fd = file_open(dir_fd, ".", O_RDONLY | O_DIRECTORY, 0, false);
    struct dirent *entry;
    DIR *dir;
    int rc = 0;

    if (fd < 0)
        return err_sys(err, "open directory");
    dir = fdopendir(fd);
    if (!dir) {
        (void)close(fd);
        return err_sys(err, "read directory");
    }
    while (rc >= 0 && (errno = 0, entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        rc = fn(arg, entry->d_name, err);
    }
    if (rc >= 0 && errno != 0)
        rc = err_sys(err, "read directory");
    (void)closedir(dir); /* only read from */
    return rc;
}

struct removal {
    int fd;
    unsigned depth;
};

static int
remove_entry(void *arg, const char *name, struct err *err)
{
    struct removal *up = arg;
    struct removal down = {.fd = -1, .depth = up->depth + 1};
    int rc;

    if (unlinkat(up->fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return err_sys(err, "remove '%s'", name);
    if (up->depth >= REMOVE_DEPTH_MAX)
        return err_set(err, ERR_INTERNAL, "remove '%s': too deep", name);
    down.fd = file_open(up->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, false);
    if (down.fd < 0)
        return err_sys(err, "remove '%s'", name);
    rc = dir_each(down.fd, remove_entry, &down, err);
    (void)close(down.fd);
    if (rc >= 0 && unlinkat(up->fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        rc = err_sys(err, "remove directory '%s'", name);
    return rc;
}

int
tree_remove(int parent_fd, const char *name, struct err *err)
{
    struct removal top = {.fd = parent_fd};

    return remove_entry(&top, name, err);
}
