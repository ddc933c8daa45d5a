/* Code packages: DIR/packages/SHA/ and DIR/zips/SHA.zip.
 *
 * A package is written into DIR/tmp under a random name, synced, and renamed into place: first the
 * zip, then the tree, so whoever sees the tree finds both. A crash leaves something in tmp (removed
 * by store_open) or a zip without a tree (overwritten by the next upload, or swept). Nothing else
 * is recorded: sizes are read off the zip again, and the age of a package is its directory's mtime,
 * renewed by every upload of the same bytes. That, and `publish_lock`, keeps the sweep from taking
 * a package between its upload and the function row that names it.
 *
 * One syncfs() instead of an fsync() a file: trees of thousands of small files are common, and
 * syncfs reports the write errors of the whole file system, ours included. */
#include "store/store_internal.h"
#include "store/files.h"
#include "store/zip.h"
#include "base/log.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

enum { TMP_NAME_LEN = 32, ZIP_NAME_LEN = SHA256_HEX_LEN + 4 };

static bool
sha_check(struct str sha)
{
    if (sha.len != SHA256_HEX_LEN)
        return false;
    for (size_t i = 0; i < sha.len; i++)
        if (!((sha.at[i] >= '0' && sha.at[i] <= '9') || (sha.at[i] >= 'a' && sha.at[i] <= 'f')))
            return false;
    return true;
}

/* What is being made in tmp; removed again unless it was renamed away. */
struct staged {
    int tmp_fd;
    char tree[TMP_NAME_LEN + 1], zip[TMP_NAME_LEN + 1];
};

static void
staged_done(struct staged *s)
{
    const char *const names[] = {s->tree, s->zip};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct err err = {0};

        if (names[i][0] && tree_remove(s->tmp_fd, names[i], &err) < 0)
            log_event(LOG_cleanup_failed, "tmp=%s text=\"%s\" next=\"at the next start\"", names[i],
                      err.text);
    }
}

static int
stage(struct store *st, struct str bytes, struct zip *z, struct staged *s, struct err *err)
{
    AUTO_FD int tree_fd = -1;
    AUTO_FD int zip_fd = -1;

    random_hex(s->tree, TMP_NAME_LEN);
    if (dir_make(st->tmp_fd, s->tree, 0755, &tree_fd, err) < 0 || zip_unpack(z, tree_fd, err) < 0)
        return -(int)err->kind;
    random_hex(s->zip, TMP_NAME_LEN);
    zip_fd = file_open(st->tmp_fd, s->zip, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, false);
    if (zip_fd < 0 || file_write(zip_fd, bytes.at, bytes.len) < 0)
        return err_sys(err, "write the zip");
    if (syncfs(zip_fd) < 0)
        return err_sys(err, "sync the package");
    return 0;
}

/* Whether the package is there; then it is young again. Under publish_lock. */
static int
renew(struct store *st, const char *sha, const char *zip_name, struct err *err)
{
    struct stat sb;

    if (fstatat(st->zips_fd, zip_name, &sb, AT_SYMLINK_NOFOLLOW) < 0 ||
        fstatat(st->packages_fd, sha, &sb, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT)
            return 0;
        return err_sys(err, "look for package %s", sha);
    }
    if (utimensat(st->packages_fd, sha, NULL, AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(err, "renew package %s", sha);
    return 1;
}

static int
publish(struct store *st, struct staged *s, const char *sha, const char *zip_name, struct err *err)
{
    if (renameat(st->tmp_fd, s->zip, st->zips_fd, zip_name) < 0)
        return err_sys(err, "publish the zip");
    s->zip[0] = '\0';
    if (fsync(st->zips_fd) < 0)
        return err_sys(err, "sync zips");
    if (renameat(st->tmp_fd, s->tree, st->packages_fd, sha) == 0)
        s->tree[0] = '\0';
    else if (errno != ENOTEMPTY && errno != EEXIST) /* only its zip was missing: ours goes */
        return err_sys(err, "publish the package");
    if (fsync(st->packages_fd) < 0)
        return err_sys(err, "sync packages");
    return 0;
}

int
store_package_put(struct store *st, struct str bytes, const struct package_limits *limits,
                  struct package_info *ret, struct err *err)
{
    __attribute__((cleanup(staged_done))) struct staged staged = {.tmp_fd = st->tmp_fd};
    AUTO(zip_free) struct zip *z = NULL;
    struct package_info info = {.zip_bytes = bytes.len};
    char zip_name[ZIP_NAME_LEN + 1];
    int rc;

    if (zip_open(bytes, limits, &z, err) < 0)
        return -(int)err->kind;
    info.unzipped_bytes = zip_unzipped_bytes(z);
    sha256(bytes.at, bytes.len, info.sha256);
    hex_encode(info.sha256, sizeof(info.sha256), info.sha256_hex);
    snprintf(zip_name, sizeof(zip_name), "%s.zip", info.sha256_hex);

    pthread_mutex_lock(&st->publish_lock);
    rc = renew(st, info.sha256_hex, zip_name, err);
    pthread_mutex_unlock(&st->publish_lock);
    if (rc == 0) {
        if (stage(st, bytes, z, &staged, err) < 0)
            return -(int)err->kind;
        pthread_mutex_lock(&st->publish_lock);
        rc = renew(st, info.sha256_hex, zip_name, err); /* another worker may have been faster */
        if (rc == 0)
            rc = publish(st, &staged, info.sha256_hex, zip_name, err);
        pthread_mutex_unlock(&st->publish_lock);
        if (rc == 0)
            log_event(LOG_package_stored, "sha256=%s zip_bytes=%llu unzipped_bytes=%llu",
                      info.sha256_hex, (unsigned long long)info.zip_bytes,
                      (unsigned long long)info.unzipped_bytes);
    }
    if (rc < 0)
        return rc;
    *ret = info;
    return 0;
}

int
store_package_open(struct store *st, struct str sha, int *ret_fd, uint64_t *ret_size,
                   struct err *err)
{
    AUTO_FD int fd = -1;
    char name[ZIP_NAME_LEN + 1];
    struct stat sb;

    if (!sha_check(sha))
        return err_set(err, ERR_NOT_FOUND, "no package of that name");
    snprintf(name, sizeof(name), "%.*s.zip", STR_FMT(sha));
    fd = file_open(st->zips_fd, name, O_RDONLY | O_NOFOLLOW, 0, false);
    if (fd < 0 && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND, "no package %.*s", STR_FMT(sha));
    if (fd < 0 || fstat(fd, &sb) < 0)
        return err_sys(err, "open package %.*s", STR_FMT(sha));
    *ret_size = (uint64_t)sb.st_size;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

bool
store_package_has(struct store *st, struct str sha, const char *path, bool executable)
{
    AUTO_FD int tree_fd = -1;
    AUTO_FD int fd = -1;
    char name[SHA256_HEX_LEN + 1];
    struct stat sb;

    if (!sha_check(sha))
        return false;
    str_copy(name, sizeof(name), sha);
    tree_fd = file_open(st->packages_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, false);
    if (tree_fd < 0)
        return false;
    fd = file_open(tree_fd, path, O_PATH, 0, true); /* a bootstrap may well be a link inside */
    return fd >= 0 && fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode) &&
           (!executable || (sb.st_mode & 0111));
}

/* ---- sweeping ---- */

struct sweep {
    struct store *st;
    uint64_t min_age_s;
    bool (*in_use)(void *arg, struct str sha256_hex);
    void *arg;
};

static int
named_by_row(struct store *st, struct str sha, struct err *err)
{
    AUTO(txn_end) struct txn *t = NULL;
    AUTO_STMT sqlite3_stmt *q = NULL;

    if (txn_begin(st, false, &t, err) < 0 || conn_stmt(t->c, SQL_PACKAGE_NAMED, &q, err) < 0)
        return -(int)err->kind;
    stmt_str(q, 1, sha);
    return stmt_step(t->c, q, err);
}

/* Too young, or used: 1. Gone already: 1. */
static int
keep(const struct sweep *sw, int dir_fd, const char *name, struct str sha, struct err *err)
{
    struct stat sb;
    time_t now = time(NULL);

    if (fstatat(dir_fd, name, &sb, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT)
            return 1;
        return err_sys(err, "look at package %s", name);
    }
    if (now < sb.st_mtime || (uint64_t)(now - sb.st_mtime) < sw->min_age_s)
        return 1;
    if (sw->in_use && sw->in_use(sw->arg, sha))
        return 1;
    return named_by_row(sw->st, sha, err);
}

static int
sweep_tree(void *arg, const char *name, struct err *err)
{
    const struct sweep *sw = arg;
    struct store *st = sw->st;
    struct str sha = str_of(name);
    char tmp[TMP_NAME_LEN + 1], zip_name[ZIP_NAME_LEN + 1];
    int rc;

    if (!sha_check(sha))
        return 0; /* not ours to judge */
    random_hex(tmp, TMP_NAME_LEN);
    snprintf(zip_name, sizeof(zip_name), "%s.zip", name);
    pthread_mutex_lock(&st->publish_lock);
    rc = keep(sw, st->packages_fd, name, sha, err);
    if (rc == 0) {
        if (renameat(st->packages_fd, name, st->tmp_fd, tmp) < 0)
            rc = err_sys(err, "sweep package %s", name);
        else if (unlinkat(st->zips_fd, zip_name, 0) < 0 && errno != ENOENT)
            rc = err_sys(err, "sweep zip %s", name);
    }
    pthread_mutex_unlock(&st->publish_lock);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    log_event(LOG_store_cleanup, "package=%s reason=unused", name);
    return tree_remove(st->tmp_fd, tmp, err);
}

/* A zip whose tree is missing: a crash came between the two renames. */
static int
sweep_zip(void *arg, const char *name, struct err *err)
{
    const struct sweep *sw = arg;
    struct store *st = sw->st;
    char sha_name[SHA256_HEX_LEN + 1];
    struct str sha = {name, strlen(name)};
    int rc = 0;

    if (sha.len != ZIP_NAME_LEN || !str_ends(sha, STR(".zip")))
        return 0;
    sha.len = SHA256_HEX_LEN;
    if (!sha_check(sha))
        return 0;
    str_copy(sha_name, sizeof(sha_name), sha);
    pthread_mutex_lock(&st->publish_lock);
    if (faccessat(st->packages_fd, sha_name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) {
        rc = keep(sw, st->zips_fd, name, sha, err);
        if (rc == 0 && unlinkat(st->zips_fd, name, 0) < 0 && errno != ENOENT)
            rc = err_sys(err, "sweep zip %s", name);
    }
    pthread_mutex_unlock(&st->publish_lock);
    return rc < 0 ? rc : 0;
}

int
store_package_sweep(struct store *st, uint64_t min_age_s,
                    bool (*in_use)(void *arg, struct str sha256_hex), void *arg, struct err *err)
{
    struct sweep sw = {.st = st, .min_age_s = min_age_s, .in_use = in_use, .arg = arg};

    if (dir_each(st->packages_fd, sweep_tree, &sw, err) < 0)
        return -(int)err->kind;
    return dir_each(st->zips_fd, sweep_zip, &sw, err);
}
