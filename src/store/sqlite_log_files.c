/* Schema of the log databases, and the bounded set of open ones. The story stands in log_files.h.
 */
#include "store/log_files.h"
#include "store/files.h"
#include "base/log.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

enum { OPEN_MAX = 8, IDLE_READERS_MAX = 2 };

/* clang-format off */
static const struct migration index_migrations[] = {
    {"streams",
     "CREATE TABLE streams ("
     "  id INTEGER PRIMARY KEY, group_id INTEGER NOT NULL, name TEXT NOT NULL,"
     "  created_ms INTEGER NOT NULL, first_event_ms INTEGER NOT NULL,"
     "  last_event_ms INTEGER NOT NULL, last_ingested_ms INTEGER NOT NULL,"
     "  stored_bytes INTEGER NOT NULL, UNIQUE (group_id, name)) STRICT;"
     "CREATE INDEX streams_time ON streams (group_id, last_event_ms);"
     "CREATE TABLE groups (id INTEGER PRIMARY KEY, stored_bytes INTEGER NOT NULL) STRICT;"},
};
static const struct migration day_migrations[] = {
    {"events",
     "CREATE TABLE events ("
     "  id INTEGER PRIMARY KEY, group_id INTEGER NOT NULL, stream_id INTEGER NOT NULL,"
     "  time_ms INTEGER NOT NULL, ingested_ms INTEGER NOT NULL, message BLOB NOT NULL) STRICT;"
     "CREATE INDEX events_group ON events (group_id, time_ms);" /* each ends with the id by itself */
     "CREATE INDEX events_stream ON events (stream_id, time_ms);"
     "CREATE TABLE streams ("
     "  id INTEGER PRIMARY KEY, group_id INTEGER NOT NULL, name TEXT NOT NULL,"
     "  stored_bytes INTEGER NOT NULL) STRICT;"
     "CREATE INDEX streams_group ON streams (group_id);"},
};

#define STREAM_LIST(order)                                                                         \
    "SELECT name, created_ms, first_event_ms, last_event_ms, last_ingested_ms, stored_bytes"       \
    " FROM streams WHERE group_id = ?1 AND substr(name, 1, length(?2)) = ?2"                       \
    " ORDER BY " order " LIMIT ?3 OFFSET ?4"
static const char *const index_statements[INDEX_SQL_LEN] = {
    [INDEX_STREAM_ADD] =
        "INSERT INTO streams (id, group_id, name, created_ms, first_event_ms, last_event_ms,"
        "  last_ingested_ms, stored_bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?4, ?7)"
        " ON CONFLICT (group_id, name) DO UPDATE SET"
        "  first_event_ms = min(first_event_ms, excluded.first_event_ms),"
        "  last_event_ms = max(last_event_ms, excluded.last_event_ms),"
        "  last_ingested_ms = excluded.last_ingested_ms,"
        "  stored_bytes = stored_bytes + excluded.stored_bytes RETURNING id",
    [INDEX_STREAM_GET] = "SELECT id FROM streams WHERE group_id = ?1 AND name = ?2",
    [INDEX_STREAM_LESS] =
        "UPDATE streams SET stored_bytes = max(0, stored_bytes - ?2),"
        " first_event_ms = max(first_event_ms, ?3) WHERE id = ?1",
    [INDEX_STREAMS_DELETE] = "DELETE FROM streams WHERE group_id = ?1",
    [INDEX_STREAMS_EXPIRE] = "DELETE FROM streams WHERE group_id = ?1 AND last_event_ms < ?2",
    [INDEX_GROUP_ADD] =
        "INSERT INTO groups (id, stored_bytes) VALUES (?1, max(0, ?2)) ON CONFLICT (id)"
        " DO UPDATE SET stored_bytes = max(0, stored_bytes + ?2)",
    [INDEX_GROUP_GET] = "SELECT stored_bytes FROM groups WHERE id = ?1",
    [INDEX_GROUP_DELETE] = "DELETE FROM groups WHERE id = ?1",
    [INDEX_GROUPS] = "SELECT id FROM groups ORDER BY id",
    [INDEX_LIST + 0] = STREAM_LIST("name"),
    [INDEX_LIST + 1] = STREAM_LIST("name DESC"),
    [INDEX_LIST + 2] = STREAM_LIST("last_event_ms, id"),
    [INDEX_LIST + 3] = STREAM_LIST("last_event_ms DESC, id DESC"),
};

#define EVENT_READ(whose, past, order)                                                             \
    "SELECT e.id, e.time_ms, e.ingested_ms, e.message, s.name"                                     \
    " FROM events e JOIN streams s ON s.id = e.stream_id"                                          \
    " WHERE e." whose " = ?1 AND e.time_ms >= ?2 AND e.time_ms < ?3 AND e.id " past " ?4"          \
    " AND (?5 IS NULL OR (e.time_ms, e.id) " past " (?5, ?6))"                                     \
    " AND (?7 IS NULL OR instr(e.message, ?7) > 0)"                                                \
    " AND (?8 IS NULL OR substr(s.name, 1, length(?8)) = ?8)"                                      \
    " ORDER BY e.time_ms " order ", e.id " order " LIMIT ?9"
static const char *const day_statements[DAY_SQL_LEN] = {
    [DAY_EVENT_ADD] =
        "INSERT INTO events (id, group_id, stream_id, time_ms, ingested_ms, message)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [DAY_STREAM_ADD] =
        "INSERT INTO streams (id, group_id, name, stored_bytes) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (id) DO UPDATE SET stored_bytes = stored_bytes + excluded.stored_bytes",
    [DAY_GROUPS] = "SELECT group_id, sum(stored_bytes) FROM streams GROUP BY group_id",
    [DAY_GROUP_STREAMS] = "SELECT id, stored_bytes FROM streams WHERE group_id = ?1",
    [DAY_EVENTS_DELETE] =
        "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE group_id = ?1 LIMIT ?2)",
    [DAY_STREAMS_DELETE] = "DELETE FROM streams WHERE group_id = ?1",
    [DAY_READ + 0] = EVENT_READ("group_id", ">", "ASC"),
    [DAY_READ + 1] = EVENT_READ("group_id", "<", "DESC"),
    [DAY_READ + 2] = EVENT_READ("stream_id", ">", "ASC"),
    [DAY_READ + 3] = EVENT_READ("stream_id", "<", "DESC"),
};
/* clang-format on */

const struct database_kind log_index_database = {
    .what = "log index",
    .application_id = 0x4c6d6269, /* "Lmbi" */
    .synchronous = "NORMAL",
    .migrations = index_migrations,
    .migrations_len = ARRAY_LEN(index_migrations),
    .statements = index_statements,
    .statements_len = INDEX_SQL_LEN,
};
const struct database_kind log_day_database = {
    .what = "log day",
    .application_id = 0x4c6d626c, /* "Lmbl" */
    .synchronous = "NORMAL",
    .migrations = day_migrations,
    .migrations_len = ARRAY_LEN(day_migrations),
    .statements = day_statements,
    .statements_len = DAY_SQL_LEN,
};

int64_t
logs_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
day_name(int64_t day, char *ret, size_t size)
{
    time_t t = (time_t)(day * (DAY_MS / 1000));
    struct tm tm;

    gmtime_r(&t, &tm);
    if (day == INDEX_DAY)
        snprintf(ret, size, "index.db");
    else
        snprintf(ret, size, "%04d-%02d-%02d.db", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

static bool
day_parse(const char *name, int64_t *ret)
{
    struct str s = str_of(name);
    struct tm tm = {0};
    int64_t y, m, d;
    char again[24];

    if (s.len != 13 || !str_int((struct str){s.at, 4}, 1970, 9999, &y) ||
        !str_int((struct str){s.at + 5, 2}, 1, 12, &m) ||
        !str_int((struct str){s.at + 8, 2}, 1, 31, &d))
        return false;
    tm.tm_year = (int)y - 1900;
    tm.tm_mon = (int)m - 1;
    tm.tm_mday = (int)d;
    *ret = timegm(&tm) / (DAY_MS / 1000);
    day_name(*ret, again, sizeof(again));
    return strcmp(again, name) == 0;
}

static int
on_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct log_file *f = arg;

    if (pages >= CHECKPOINT_PAGES) {
        atomic_store(&f->wal_pages, pages);
        store_checkpoint_wake(f->st);
    }
    return SQLITE_OK;
}

static void
file_free(struct log_file *f)
{
    ASSERT(f->refs == 0);
    while (f->idle) {
        struct conn *c = f->idle;

        f->idle = c->next_idle;
        conn_close(c);
    }
    conn_close(f->writer);
    free(f);
}

static int
file_open_new(struct store *st, int64_t day, bool create, struct log_file **ret, struct err *err)
{
    size_t len = strlen(st->dir) + 40;
    struct log_file *f;
    char name[24];

    day_name(day, name, sizeof(name));
    if (faccessat(st->logs_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT)
            return err_sys(err, "logs/%s", name);
        if (!create)
            return err_set(err, ERR_NOT_FOUND, "no logs of %.10s", name);
        if (file_touch(st->logs_fd, name, err) < 0)
            return -(int)err->kind;
    }
    f = xcalloc(1, sizeof(*f) + len);
    f->st = st;
    f->day = day;
    snprintf(f->path, len, "%s/logs/%s", st->dir, name);
    /* The writing connection comes first even for a reader: it makes or migrates the schema. */
    if (conn_open(f->path, day == INDEX_DAY ? &log_index_database : &log_day_database, true,
                  &f->writer, err) < 0) {
        file_free(f);
        return err_wrap(err, "logs/%s", name);
    }
    (void)sqlite3_wal_hook(f->writer->db, on_wal, f);
    *ret = f;
    return 0;
}

int
log_file_take(struct store *st, int64_t day, bool create, struct log_file **ret, struct err *err)
{
    struct logs *logs = st->logs;
    struct log_file **at, *f;
    int rc = 0;

    pthread_mutex_lock(&logs->lock);
    for (at = &logs->files; *at && (*at)->day != day; at = &(*at)->next)
        ;
    f = *at;
    if (f)
        *at = f->next;
    else
        rc = file_open_new(st, day, create, &f, err);
    if (rc >= 0) {
        f->next = logs->files;
        logs->files = f;
        f->refs++;
        *ret = f;
    }
    pthread_mutex_unlock(&logs->lock);
    return rc;
}

void
log_file_give(struct log_file *f)
{
    struct logs *logs = f->st->logs;
    struct log_file *closing = NULL, **at;
    unsigned kept = 0;

    pthread_mutex_lock(&logs->lock);
    ASSERT(f->refs > 0);
    f->refs--;
    for (at = &logs->files; *at;) {
        struct log_file *each = *at;

        if (++kept > OPEN_MAX && each->refs == 0) {
            *at = each->next;
            each->next = closing;
            closing = each;
        } else {
            at = &each->next;
        }
    }
    pthread_mutex_unlock(&logs->lock);
    while (closing) {
        f = closing;
        closing = f->next;
        file_free(f);
    }
}

int
log_reader_take(struct log_file *f, struct conn **ret, struct err *err)
{
    struct logs *logs = f->st->logs;
    struct conn *c;

    pthread_mutex_lock(&logs->lock);
    c = f->idle;
    if (c) {
        f->idle = c->next_idle;
        f->idle_len--;
    }
    pthread_mutex_unlock(&logs->lock);
    if (!c && conn_open(f->path, f->writer->kind, false, &c, err) < 0)
        return -(int)err->kind;
    *ret = c;
    return 0;
}

void
log_reader_give(struct log_file *f, struct conn *c)
{
    struct logs *logs = f->st->logs;

    pthread_mutex_lock(&logs->lock);
    if (f->idle_len < IDLE_READERS_MAX) {
        c->next_idle = f->idle;
        f->idle = c;
        f->idle_len++;
        c = NULL;
    }
    pthread_mutex_unlock(&logs->lock);
    conn_close(c);
}

int
logs_open(struct store *st, struct err *err)
{
    struct logs *logs = st->logs = xcalloc(1, sizeof(*logs));

    pthread_mutex_init(&logs->write_lock, NULL);
    pthread_mutex_init(&logs->lock, NULL);
    return log_file_take(st, INDEX_DAY, true, &logs->index, err);
}

void
logs_close(struct store *st)
{
    struct logs *logs = st->logs;

    if (!logs)
        return;
    if (logs->index)
        log_file_give(logs->index);
    while (logs->files) {
        struct log_file *f = logs->files;

        logs->files = f->next;
        file_free(f);
    }
    pthread_mutex_destroy(&logs->lock);
    pthread_mutex_destroy(&logs->write_lock);
    free(logs);
    st->logs = NULL;
}

void
logs_checkpoint(struct store *st)
{
    struct logs *logs = st->logs;

    for (;;) {
        AUTO(log_file_give) struct log_file *f = NULL;
        AUTO(conn_close) struct conn *c = NULL;
        struct err err = {0};
        int pages;

        pthread_mutex_lock(&logs->lock);
        for (f = logs->files; f && atomic_load(&f->wal_pages) == 0; f = f->next)
            ;
        if (f)
            f->refs++;
        pthread_mutex_unlock(&logs->lock);
        if (!f)
            return;
        pages = atomic_exchange(&f->wal_pages, 0);
        if (conn_open(f->path, f->writer->kind, true, &c, &err) < 0)
            log_event(LOG_store_failed, "step=checkpoint text=\"%s\"", err.text);
        else
            store_checkpoint(c, pages);
    }
}

int
log_day_unlink(struct store *st, struct log_file *f, struct err *err)
{
    static const char *const ends[] = {"-wal", "-shm", ""};
    struct logs *logs = st->logs;
    struct log_file **at;
    char name[24], each[32];
    int rc = 1;

    day_name(f->day, name, sizeof(name));
    pthread_mutex_lock(&logs->lock); /* held over the unlink: nobody opens it in between */
    if (f->refs > 1) {
        rc = 0;
    } else {
        for (at = &logs->files; *at != f; at = &(*at)->next)
            ;
        *at = f->next;
        f->refs = 0;
        file_free(f);
        for (size_t i = 0; i < ARRAY_LEN(ends) && rc > 0; i++) {
            snprintf(each, sizeof(each), "%s%s", name, ends[i]);
            if (unlinkat(st->logs_fd, each, 0) < 0 && errno != ENOENT)
                rc = err_sys(err, "remove logs/%s", each);
        }
    }
    pthread_mutex_unlock(&logs->lock);
    if (rc > 0)
        log_event(LOG_store_cleanup, "logs=%s reason=expired", name);
    return rc;
}

/* ---- which days there are ---- */

static int
days_add(void *arg, const char *name, struct err *err)
{
    struct log_days *days = arg;
    int64_t day;

    if (!day_parse(name, &day) || day < days->first || day > days->last)
        return 0;
    if (days->len == days->cap) {
        days->cap = days->cap ? days->cap * 2 : 64;
        days->at = xrealloc(days->at, days->cap * sizeof(*days->at));
    }
    days->at[days->len++] = day;
    return 0;
}

static int
days_cmp(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

void
log_days_done(struct log_days *days)
{
    free(days->at);
}

int
log_days_list(struct store *st, struct log_days *days, struct err *err)
{
    if (dir_each(st->logs_fd, days_add, days, err) < 0)
        return -(int)err->kind;
    if (days->len > 1)
        qsort(days->at, days->len, sizeof(*days->at), days_cmp);
    return 0;
}
