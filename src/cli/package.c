/* Folder → sorted list → zip in memory → upload. Memory is bounded by the upload limit of 50 MB.
 *
 * Everything is opened beneath the folder's own fd without following links, so what is packed is
 * what stands there. A symbolic link goes in as a link if it stays inside; one that leads outside
 * would dangle in the sandbox, and is refused with its name. */
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "cli/ignore.h"
#include "cli/package.h"

struct walk {
    struct package *package;
    struct ignore *ignore;
    int root_fd;
};

struct package *
package_new(void)
{
    struct package *package = xcalloc(1, sizeof(*package));

    package->zip = BUF_MAX((size_t)ZIP_MAX_BYTES + 1); /* one more, to know that it is over */
    return package;
}

void
package_free(struct package *package)
{
    if (!package)
        return;
    for (size_t i = 0; i < package->files_len; i++) {
        free(package->files[i].path);
        buf_done(&package->files[i].text);
    }
    free(package->files);
    buf_done(&package->zip);
    free(package);
}

static int
file_order(const void *a, const void *b)
{
    return strcmp(((const struct package_file *)a)->path, ((const struct package_file *)b)->path);
}

static int
file_add(struct package *package, const char *path, mode_t mode, uint64_t size, struct err *err)
{
    if (package->files_len == PACKAGE_FILES_MAX)
        return err_set(err, ERR_TOO_LARGE, "there are more than %d files", PACKAGE_FILES_MAX);
    if (package->files_len == package->files_cap) {
        package->files_cap = package->files_cap ? package->files_cap * 2 : 64;
        package->files = xrealloc(package->files, package->files_cap * sizeof(*package->files));
    }
    package->files[package->files_len++] = (struct package_file){
        .path = xstrndup(path, strlen(path)),
        .mode = mode,
        .size = size,
        .text = BUF_MAX(PACKAGE_TEXT_MAX_BYTES),
    };
    if (S_ISREG(mode))
        package->unzipped_bytes += size;
    if (package->unzipped_bytes > UNZIPPED_MAX_BYTES)
        return err_set(err, ERR_TOO_LARGE,
                       "the files are larger than Lambda takes: %llu bytes unzipped, all together",
                       UNZIPPED_MAX_BYTES);
    return 0;
}

/* Does a link's target stay inside? Only names count: `path` is where the link stands. */
static bool
link_inside(const char *path, const char *target)
{
    int depth = 0;

    if (*target == '/')
        return false;
    for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/'))
        depth++;
    while (*target) {
        size_t len = strcspn(target, "/");

        if (len == 2 && strncmp(target, "..", 2) == 0)
            depth--;
        else if (len > 0 && !(len == 1 && *target == '.'))
            depth++;
        if (depth < 0)
            return false;
        target += len + (target[len] == '/');
    }
    return true;
}

static int
walk_entry(struct walk *walk, int dir_fd, const char *name, const char *path, const struct stat *st,
           struct err *err)
{
    char target[PATH_MAX];
    ssize_t len;

    if (S_ISREG(st->st_mode))
        return file_add(walk->package, path, S_IFREG | (st->st_mode & 0111 ? 0755 : 0644),
                        (uint64_t)st->st_size, err);
    if (!S_ISLNK(st->st_mode))
        return err_set(err, ERR_INVALID, "'%.150s' is neither a file, a folder nor a link", path);
    len = readlinkat(dir_fd, name, target, sizeof(target) - 1);
    if (len < 0)
        return err_sys(err, "read the link '%.150s'", path);
    target[len] = '\0';
    if (!link_inside(path, target))
        return err_set(err, ERR_INVALID,
                       "the link '%.80s' leads out of the folder: put a copy there, or name it in "
                       ".lambentignore",
                       path);
    return file_add(walk->package, path, S_IFLNK | 0777, (uint64_t)len, err);
}

static int
walk_dir(struct walk *walk, int dir_fd, const char *prefix, unsigned depth, struct err *err)
{
    DIR *dir;
    struct dirent *entry;
    size_t entries = 0;
    int rc = 0, iter_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (iter_fd < 0 || !(dir = fdopendir(iter_fd))) {
        err_sys(err, "read the folder '%.150s'", *prefix ? prefix : ".");
        auto_close(&iter_fd);
        return -(int)err->kind;
    }
    while (rc >= 0 && (entry = readdir(dir))) {
        char path[PACKAGE_PATH_MAX + 1];
        struct stat st;
        int n;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        entries++;
        n = snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "/" : "", entry->d_name);
        if (n < 0 || (size_t)n >= sizeof(path)) {
            rc = err_set(err, ERR_INVALID, "a path in '%.120s' is longer than %d bytes", prefix,
                         PACKAGE_PATH_MAX);
            break;
        }
        if (fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
            rc = err_sys(err, "look at '%.150s'", path);
            break;
        }
        if (ignore_match(walk->ignore, path, S_ISDIR(st.st_mode))) {
            walk->package->ignored++;
            continue;
        }
        if (S_ISDIR(st.st_mode)) {
            AUTO_FD int sub_fd = -1;

            if (depth + 1 > PACKAGE_DEPTH_MAX) {
                rc = err_set(err, ERR_INVALID, "'%.120s' lies more than %d folders deep", path,
                             PACKAGE_DEPTH_MAX);
                break;
            }
            sub_fd = openat(dir_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            rc = sub_fd < 0 ? err_sys(err, "open the folder '%.150s'", path)
                            : walk_dir(walk, sub_fd, path, depth + 1, err);
        } else {
            rc = walk_entry(walk, dir_fd, entry->d_name, path, &st, err);
        }
    }
    closedir(dir);
    /* A program may expect its empty folder: it gets an entry. Others follow from their files. */
    if (rc >= 0 && entries == 0 && *prefix) {
        char path[PACKAGE_PATH_MAX + 2];

        snprintf(path, sizeof(path), "%s/", prefix);
        rc = file_add(walk->package, path, S_IFDIR | 0755, 0, err);
    }
    return rc;
}

static int
ignore_load(struct walk *walk, struct err *err)
{
    enum { IGNORE_FILE_MAX = 256 << 10 };
    AUTO_FD int fd = openat(walk->root_fd, ".lambentignore", O_RDONLY | O_CLOEXEC);
    AUTO_BUF struct buf text = BUF_MAX(IGNORE_FILE_MAX);
    char room[4096];
    ssize_t n;

    if (fd < 0)
        return errno == ENOENT ? 0 : err_sys(err, "open .lambentignore");
    while ((n = read(fd, room, sizeof(room))) > 0)
        if (!buf_add(&text, room, (size_t)n))
            return err_set(err, ERR_TOO_LARGE, ".lambentignore is larger than %d bytes",
                           IGNORE_FILE_MAX);
    if (n < 0)
        return err_sys(err, "read .lambentignore");
    if (ignore_add(walk->ignore, buf_view(&text), err) < 0)
        return err_wrap(err, ".lambentignore");
    return 0;
}

/* Never fails: libarchive 3.6 leaks zlib's state when a write fails within an entry. What is too
 * much is dropped and remembered. */
static la_ssize_t
on_zip_bytes(struct archive *archive, void *arg, const void *at, size_t len)
{
    struct buf *zip = arg;

    if (zip->overflow || zip->len + len > ZIP_MAX_BYTES || !buf_add(zip, at, len))
        zip->overflow = true;
    return (la_ssize_t)len;
}

static int
zip_error(const struct package *package, struct archive *archive, const char *path, struct err *err)
{
    if (package->zip.overflow)
        return err_set(
            err, ERR_TOO_LARGE,
            "the zip is larger than the %u bytes (50 MB) that Lambda takes in an upload; "
            "name what is not needed in .lambentignore",
            ZIP_MAX_BYTES);
    return err_set(err, ERR_INTERNAL, "zip '%.100s': %.100s", path, archive_error_string(archive));
}

static int
zip_content(struct walk *walk, struct archive *archive, const struct package_file *file,
            struct err *err)
{
    AUTO_FD int fd = openat(walk->root_fd, file->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    uint64_t left = file->size;
    char room[64 << 10];

    if (fd < 0)
        return err_sys(err, "open '%.150s'", file->path);
    while (left > 0) {
        ssize_t n = read(fd, room, MIN(left, (uint64_t)sizeof(room)));

        if (n < 0)
            return err_sys(err, "read '%.150s'", file->path);
        if (n == 0)
            return err_set(err, ERR_CONFLICT, "'%.150s' became shorter while it was read",
                           file->path);
        if (archive_write_data(archive, room, (size_t)n) != n || walk->package->zip.overflow)
            return zip_error(walk->package, archive, file->path, err);
        left -= (uint64_t)n;
    }
    return 0;
}

static int
zip_file(struct walk *walk, struct archive *archive, const struct package_file *file,
         struct err *err)
{
    struct archive_entry *entry = archive_entry_new();
    char target[PATH_MAX];
    int rc = 0;

    archive_entry_set_pathname(entry, file->path);
    archive_entry_set_mode(entry, file->mode);
    archive_entry_set_uid(entry, 0);
    archive_entry_set_gid(entry, 0);
    /* No mtime: libarchive then writes 1980-01-01, whatever the time zone. */
    if (S_ISREG(file->mode))
        archive_entry_set_size(entry, (la_int64_t)file->size);
    if (S_ISLNK(file->mode)) {
        ssize_t len = readlinkat(walk->root_fd, file->path, target, sizeof(target) - 1);

        if (len < 0)
            rc = err_sys(err, "read the link '%.150s'", file->path);
        target[MAX(len, 0)] = '\0';
        archive_entry_set_symlink(entry, target);
    }
    if (rc == 0 && archive_write_header(archive, entry) != ARCHIVE_OK)
        rc = zip_error(walk->package, archive, file->path, err);
    if (rc == 0 && S_ISREG(file->mode))
        rc = zip_content(walk, archive, file, err);
    archive_entry_free(entry);
    return rc;
}

static int
zip_write(struct walk *walk, void (*on_file)(void *arg, uint64_t done, uint64_t total), void *arg,
          struct err *err)
{
    struct package *package = walk->package;
    struct archive *archive = archive_write_new();
    uint64_t done = 0;
    int rc = 0;

    ASSERT(archive);
    if (archive_write_set_format_zip(archive) != ARCHIVE_OK ||
        archive_write_set_options(archive, "zip:compression=deflate,zip:hdrcharset=UTF-8") <
            ARCHIVE_WARN ||
        archive_write_set_bytes_in_last_block(archive, 1) != ARCHIVE_OK || /* no padding */
        archive_write_open(archive, &package->zip, NULL, on_zip_bytes, NULL) != ARCHIVE_OK)
        rc = zip_error(package, archive, "", err);
    for (size_t i = 0; rc == 0 && i < package->files_len; i++) {
        rc = zip_file(walk, archive, &package->files[i], err);
        done += package->files[i].size;
        if (on_file)
            on_file(arg, done, package->unzipped_bytes);
    }
    if (rc == 0 && (archive_write_close(archive) != ARCHIVE_OK || package->zip.overflow))
        rc = zip_error(package, archive, "", err);
    archive_write_free(archive);
    return rc;
}

static bool
has_files(const struct package *package)
{
    for (size_t i = 0; i < package->files_len; i++)
        if (!S_ISDIR(package->files[i].mode))
            return true;
    return false;
}

int
package_from_dir(const char *path, void (*on_file)(void *arg, uint64_t done, uint64_t total),
                 void *arg, struct package **ret, struct err *err)
{
    AUTO(package_free) struct package *package = package_new();
    AUTO(ignore_free) struct ignore *ignore = ignore_new();
    AUTO_FD int root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct walk walk = {package, ignore, root_fd};

    if (root_fd < 0)
        return err_sys(err, "open the folder '%.150s'", path);
    if (ignore_load(&walk, err) < 0 || walk_dir(&walk, root_fd, "", 0, err) < 0)
        return -(int)err->kind;
    if (!has_files(package))
        return err_set(err, ERR_INVALID, "the folder '%.150s' has no files to deploy", path);
    qsort(package->files, package->files_len, sizeof(*package->files), file_order);
    if (zip_write(&walk, on_file, arg, err) < 0)
        return -(int)err->kind;
    *ret = TAKE(package);
    return 0;
}

/* Paths in zips of others may start with "./"; Lambda unpacks them all the same. */
static const char *
entry_path(struct archive_entry *entry)
{
    const char *path = archive_entry_pathname(entry);

    while (path && strncmp(path, "./", 2) == 0)
        path += 2;
    return path;
}

static struct archive *
zip_open(const struct package *package, struct err *err)
{
    struct archive *archive = archive_read_new();

    ASSERT(archive);
    if (archive_read_support_format_zip_seekable(archive) != ARCHIVE_OK ||
        archive_read_open_memory(archive, package->zip.at, package->zip.len) != ARCHIVE_OK) {
        err_set(err, ERR_INVALID, "not a zip: %.150s", archive_error_string(archive));
        archive_read_free(archive);
        return NULL;
    }
    return archive;
}

static int
zip_list(struct package *package, struct err *err)
{
    struct archive *archive = zip_open(package, err);
    struct archive_entry *entry;
    int rc = 0, got = ARCHIVE_EOF;

    if (!archive)
        return -(int)err->kind;
    while (rc == 0 && (got = archive_read_next_header(archive, &entry)) >= ARCHIVE_WARN &&
           got != ARCHIVE_EOF) {
        const char *path = entry_path(entry);

        if (!path || strlen(path) > PACKAGE_PATH_MAX)
            rc = err_set(err, ERR_INVALID, "it has a path that is too long or not UTF-8");
        else if (archive_entry_filetype(entry) != AE_IFDIR)
            rc = file_add(package, path, archive_entry_mode(entry),
                          (uint64_t)MAX(archive_entry_size(entry), 0), err);
    }
    if (rc == 0 && got != ARCHIVE_EOF)
        rc = err_set(err, ERR_INVALID, "damaged: %.150s", archive_error_string(archive));
    archive_read_free(archive);
    if (rc == 0 && package->files_len == 0)
        rc = err_set(err, ERR_INVALID, "it is empty");
    return rc;
}

int
package_from_zip(const char *path, struct package **ret, struct err *err)
{
    AUTO(package_free) struct package *package = package_new();
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    char room[64 << 10];
    ssize_t n;

    if (fd < 0)
        return err_sys(err, "open '%.150s'", path);
    while ((n = read(fd, room, sizeof(room))) > 0)
        if (!buf_add(&package->zip, room, (size_t)n) || package->zip.len > ZIP_MAX_BYTES)
            return err_set(err, ERR_TOO_LARGE,
                           "'%.100s' is larger than the %u bytes (50 MB) that Lambda takes in an "
                           "upload",
                           path, ZIP_MAX_BYTES);
    if (n < 0)
        return err_sys(err, "read '%.150s'", path);
    if (zip_list(package, err) < 0)
        return err_wrap(err, "'%.60s'", path);
    qsort(package->files, package->files_len, sizeof(*package->files), file_order);
    *ret = TAKE(package);
    return 0;
}

static struct package_file *
find(const struct package *package, const char *path)
{
    struct package_file key = {.path = (char *)path};

    return package->files_len ? bsearch(&key, package->files, package->files_len,
                                        sizeof(*package->files), file_order)
                              : NULL;
}

const struct package_file *
package_find(const struct package *package, const char *path)
{
    return find(package, path);
}

struct str
package_read(struct package *package, const char *path)
{
    struct package_file *file = find(package, path);
    struct archive *archive;
    struct archive_entry *entry;
    struct err ignored = {0};

    if (!file || !S_ISREG(file->mode) || file->size > PACKAGE_TEXT_MAX_BYTES)
        return STR_NULL;
    if (file->text.len || file->size == 0)
        return buf_view(&file->text);
    if (!(archive = zip_open(package, &ignored))) /* the caller only guesses: no text, no guess */
        return STR_NULL;
    while (archive_read_next_header(archive, &entry) == ARCHIVE_OK) {
        const char *at = entry_path(entry);
        char room[8192];
        la_ssize_t n;

        if (!at || strcmp(at, path) != 0)
            continue;
        while ((n = archive_read_data(archive, room, sizeof(room))) > 0)
            if (!buf_add(&file->text, room, (size_t)n))
                break;
        break;
    }
    archive_read_free(archive);
    return file->text.len && !file->text.overflow ? buf_view(&file->text) : STR_NULL;
}
