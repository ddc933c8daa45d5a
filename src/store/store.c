/* Opening and closing a data directory, its lock, its transactions, its checkpoint thread.
 *
 *   DIR/lock            held with flock(2) by the one process that uses DIR; its pid is inside
 *   DIR/state.db        functions, log groups, counters (sqlite_functions.c)
 *   DIR/packages/SHA/   unpacked code trees, by the SHA-256 of their zip (package.c)
 *   DIR/zips/SHA.zip    the zips as uploaded
 *   DIR/logs/           index.db and one YYYY-MM-DD.db a day (sqlite_logs.c)
 *   DIR/tmp/            what is not finished yet; emptied at open
 *
 * One connection writes, a few read. A transaction takes a connection and gives it back: so the
 * number of workers doesn't matter, and no SQLite lock is ever waited for inside our process.
 * DIR is 0700: what lies below may be readable to all, since nobody else gets there by path. */
#include "store/store_internal.h"
#include "store/files.h"
#include "base/log.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

enum { WAIT_S = 60, RESTART_BUSY_MS = 200 };

/* ---- the checkpoint thread ---- */

static int
on_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct store *st = arg;

    if (pages >= CHECKPOINT_PAGES) {
        pthread_mutex_lock(&st->lock);
        st->wal_pages = pages;
        st->checkpoint_wanted = true;
        pthread_cond_signal(&st->checkpoint_due);
        pthread_mutex_unlock(&st->lock);
    }
    return SQLITE_OK;
}

void
store_checkpoint_wake(struct store *st)
{
    pthread_mutex_lock(&st->lock);
    st->checkpoint_wanted = true;
    pthread_cond_signal(&st->checkpoint_due);
    pthread_mutex_unlock(&st->lock);
}

/* PASSIVE takes no lock that a writer or reader would wait for. Only if readers that overlap
 * without a gap have kept the log from starting over for long, RESTART holds writers back, 200 ms
 * at most. */
void
store_checkpoint(struct conn *c, int pages)
{
    int mode =
        pages >= CHECKPOINT_RESTART_PAGES ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE;
    int rc;

    (void)sqlite3_busy_timeout(c->db, RESTART_BUSY_MS);
    rc = sqlite3_wal_checkpoint_v2(c->db, NULL, mode, NULL, NULL);
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
        log_event(LOG_store_failed, "db=%s step=checkpoint text=\"%s\" next=\"tried again later\"",
                  c->kind->what, sqlite3_errmsg(c->db));
}

static void *
checkpoint_main(void *arg)
{
    AUTO(conn_close) struct conn *c = NULL;
    struct store *st = arg;

    pthread_mutex_lock(&st->lock);
    while (!st->stopping) {
        int pages = st->wal_pages;

        st->wal_pages = 0;
        st->checkpoint_wanted = false;
        pthread_mutex_unlock(&st->lock);
        if (pages > 0) {
            struct err err = {0};

            if (!c && conn_open(st->state_path, &state_database, true, &c, &err) < 0)
                log_event(LOG_store_failed, "step=checkpoint text=\"%s\"", err.text);
            if (c)
                store_checkpoint(c, pages);
        }
        logs_checkpoint(st);
        pthread_mutex_lock(&st->lock);
        while (!st->stopping && !st->checkpoint_wanted)
            pthread_cond_wait(&st->checkpoint_due, &st->lock);
    }
    pthread_mutex_unlock(&st->lock);
    return NULL;
}

static int
checkpointer_start(struct store *st, struct err *err)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all); /* signals belong to the loop's thread */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&st->checkpointer, NULL, checkpoint_main, st);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        errno = rc;
        return err_sys(err, "start the checkpoint thread");
    }
    st->checkpointer_runs = true;
    return 0;
}

/* ---- open and close ---- */

static int
count_entry(void *arg, const char *name, struct err *err)
{
    ++*(unsigned *)arg;
    return 0;
}

/* Make DIR, or take one that is ours. An existing directory that others may enter is closed only if
 * it is empty: `--data-dir /home/me` must not lock anybody out of /home/me. */
static int
open_dir(struct store *st, const char *dir, struct err *err)
{
    unsigned entries = 0;
    struct stat sb;

    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return err_sys(err, "make data directory %s", dir);
    st->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (st->dir_fd < 0 || fstat(st->dir_fd, &sb) < 0)
        return err_sys(err, "open data directory %s", dir);
    if ((sb.st_mode & 0077) != 0) {
        if (dir_each(st->dir_fd, count_entry, &entries, err) < 0)
            return -(int)err->kind;
        if (entries > 0)
            return err_set(err, ERR_INVALID,
                           "data directory %s is open to other users (mode %04o): choose another, "
                           "or chmod 700 it",
                           dir, (unsigned)(sb.st_mode & 07777));
        if (fchmod(st->dir_fd, 0700) < 0)
            return err_sys(err, "chmod 700 %s", dir);
    }
    st->dir = realpath(dir, NULL);
    if (!st->dir)
        return err_sys(err, "data directory %s", dir);
    return 0;
}

static int
take_lock(struct store *st, struct err *err)
{
    char pid[16] = "";

    st->lock_fd = file_open(st->dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600, false);
    if (st->lock_fd < 0)
        return err_sys(err, "open %s/lock", st->dir);
    if (flock(st->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return err_sys(err, "lock %s/lock", st->dir);
        if (pread(st->lock_fd, pid, sizeof(pid) - 1, 0) <= 0)
            snprintf(pid, sizeof(pid), "unknown");
        pid[strcspn(pid, "\n")] = '\0';
        return err_set(err, ERR_CONFLICT, "data directory %s is in use by pid %s", st->dir, pid);
    }
    snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    if (ftruncate(st->lock_fd, 0) < 0 ||
        pwrite(st->lock_fd, pid, strlen(pid), 0) != (ssize_t)strlen(pid))
        return err_sys(err, "write %s/lock", st->dir);
    return 0;
}

static int
remove_leftover(void *arg, const char *name, struct err *err)
{
    log_event(LOG_store_cleanup, "tmp=%s reason=unfinished", name);
    return tree_remove(*(int *)arg, name, err);
}

static int
open_database(struct store *st, struct err *err)
{
    size_t len = strlen(st->dir) + 16;

    st->state_path = xmalloc(len);
    snprintf(st->state_path, len, "%s/state.db", st->dir);
    st->packages_dir = xmalloc(len);
    snprintf(st->packages_dir, len, "%s/packages", st->dir);
    if (file_touch(st->dir_fd, "state.db", err) < 0 ||
        conn_open(st->state_path, &state_database, true, &st->writer, err) < 0)
        return err_wrap(err, "%s", st->state_path);
    if (fsync(st->dir_fd) < 0) /* SQLite syncs the directory for its log, not for the database */
        return err_sys(err, "sync %s", st->dir);
    (void)sqlite3_wal_hook(st->writer->db, on_wal, st);
    return 0;
}

int
store_open(const char *dir, struct store **ret, struct err *err)
{
    AUTO(store_close) struct store *st = xcalloc(1, sizeof(*st));
    pthread_condattr_t monotonic;

    st->dir_fd = st->lock_fd = st->tmp_fd = st->packages_fd = st->zips_fd = st->logs_fd = -1;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&st->lock, NULL);
    pthread_mutex_init(&st->publish_lock, NULL);
    pthread_cond_init(&st->reader_free, &monotonic);
    pthread_cond_init(&st->writer_free, &monotonic);
    pthread_cond_init(&st->checkpoint_due, &monotonic);
    pthread_condattr_destroy(&monotonic);

    if (open_dir(st, dir, err) < 0 || take_lock(st, err) < 0)
        return -(int)err->kind;
    if (dir_make(st->dir_fd, "tmp", 0700, &st->tmp_fd, err) < 0 ||
        dir_make(st->dir_fd, "packages", 0755, &st->packages_fd, err) < 0 ||
        dir_make(st->dir_fd, "zips", 0700, &st->zips_fd, err) < 0 ||
        dir_make(st->dir_fd, "logs", 0700, &st->logs_fd, err) < 0 ||
        dir_each(st->tmp_fd, remove_leftover, &st->tmp_fd, err) < 0)
        return err_wrap(err, "data directory %s", st->dir);
    if (open_database(st, err) < 0 || logs_open(st, err) < 0 || checkpointer_start(st, err) < 0)
        return -(int)err->kind;
    log_event(LOG_store_open, "dir=%s", st->dir);
    *ret = TAKE(st);
    return 0;
}

void
store_close(struct store *st)
{
    if (!st)
        return;
    if (st->checkpointer_runs) {
        pthread_mutex_lock(&st->lock);
        st->stopping = true;
        pthread_cond_signal(&st->checkpoint_due);
        pthread_mutex_unlock(&st->lock);
        pthread_join(st->checkpointer, NULL);
    }
    logs_close(st);
    ASSERT(!st->writer_busy); /* a transaction outlives its store */
    while (st->idle_readers) {
        struct conn *c = st->idle_readers;

        st->idle_readers = c->next_idle;
        st->readers--;
        conn_close(c);
    }
    ASSERT(st->readers == 0);
    conn_close(st->writer); /* last of all: SQLite moves the log into the database and removes it */
    pthread_cond_destroy(&st->checkpoint_due);
    pthread_cond_destroy(&st->writer_free);
    pthread_cond_destroy(&st->reader_free);
    pthread_mutex_destroy(&st->publish_lock);
    pthread_mutex_destroy(&st->lock);
    auto_close(&st->logs_fd);
    auto_close(&st->zips_fd);
    auto_close(&st->packages_fd);
    auto_close(&st->tmp_fd);
    auto_close(&st->dir_fd);
    auto_close(&st->lock_fd); /* lets the next one in: after everything else */
    free(st->state_path);
    free(st->packages_dir);
    free(st->dir);
    free(st);
}

const char *
store_packages_dir(struct store *st)
{
    return st->packages_dir;
}

/* ---- transactions ---- */

static struct timespec
wait_until(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += WAIT_S;
    return t;
}

static int
writer_take(struct store *st, struct conn **ret, struct err *err)
{
    struct timespec until = wait_until();
    int rc = 0;

    pthread_mutex_lock(&st->lock);
    if (st->writer_busy && pthread_equal(st->writer_thread, pthread_self())) {
        pthread_mutex_unlock(&st->lock); /* our own bug, said at once instead of after a minute */
        return err_set(err, ERR_INTERNAL, "a writing transaction inside a writing transaction");
    }
    while (st->writer_busy && rc == 0)
        rc = pthread_cond_timedwait(&st->writer_free, &st->lock, &until);
    if (!st->writer_busy) {
        st->writer_busy = true;
        st->writer_thread = pthread_self();
        *ret = st->writer;
        rc = 0;
    }
    pthread_mutex_unlock(&st->lock);
    if (rc != 0)
        return err_set(err, ERR_UNAVAILABLE, "the store was busy for %d s", WAIT_S);
    return 0;
}

static int
reader_take(struct store *st, struct conn **ret, struct err *err)
{
    struct timespec until = wait_until();
    struct conn *c = NULL;
    bool open = false;
    int rc = 0;

    pthread_mutex_lock(&st->lock);
    while (!st->idle_readers && st->readers >= READERS_MAX && rc == 0)
        rc = pthread_cond_timedwait(&st->reader_free, &st->lock, &until);
    if (st->idle_readers) {
        c = st->idle_readers;
        st->idle_readers = c->next_idle;
    } else if (st->readers < READERS_MAX) {
        st->readers++;
        open = true;
    }
    pthread_mutex_unlock(&st->lock);
    if (!c && !open)
        return err_set(err, ERR_UNAVAILABLE, "the store was busy for %d s", WAIT_S);
    if (open && conn_open(st->state_path, &state_database, false, &c, err) < 0) {
        pthread_mutex_lock(&st->lock);
        st->readers--;
        pthread_cond_signal(&st->reader_free);
        pthread_mutex_unlock(&st->lock);
        return -(int)err->kind;
    }
    *ret = c;
    return 0;
}

int
txn_begin(struct store *st, bool writing, struct txn **ret, struct err *err)
{
    AUTO(txn_end) struct txn *t = NULL;
    struct conn *c = NULL;

    if ((writing ? writer_take(st, &c, err) : reader_take(st, &c, err)) < 0)
        return -(int)err->kind;
    t = xcalloc(1, sizeof(*t));
    *t = (struct txn){.st = st, .c = c, .writing = writing};
    if (conn_exec(c, writing ? "BEGIN IMMEDIATE" : "BEGIN", err) < 0)
        return -(int)err->kind;
    t->open = true;
    *ret = TAKE(t);
    return 0;
}

int
txn_commit(struct txn *t, struct err *err)
{
    ASSERT(t->open);
    if (conn_exec(t->c, "COMMIT", err) < 0)
        return -(int)err->kind; /* txn_end rolls back: the disk may be full */
    t->open = false;
    return 0;
}

void
txn_end(struct txn *t)
{
    struct store *st;

    if (!t)
        return;
    st = t->st;
    if (t->open && !sqlite3_get_autocommit(t->c->db)) /* SQLite may have rolled back by itself */
        (void)sqlite3_exec(t->c->db, "ROLLBACK", NULL, NULL, NULL);
    ASSERT(sqlite3_get_autocommit(t->c->db));
    pthread_mutex_lock(&st->lock);
    if (t->writing) {
        st->writer_busy = false;
        pthread_cond_signal(&st->writer_free);
    } else {
        t->c->next_idle = st->idle_readers;
        st->idle_readers = t->c;
        pthread_cond_signal(&st->reader_free);
    }
    pthread_mutex_unlock(&st->lock);
    free(t);
}
