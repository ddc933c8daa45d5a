/* Function logs on SQLite: DIR/logs/index.db knows the streams, DIR/logs/YYYY-MM-DD.db holds the
 * events of one UTC day, by the time they were written. Groups, whose retention people rely on, are
 * in the state database.
 *
 * A day file stands for itself (it has its streams' names), so that a day is dropped by unlinking
 * it and the index could be made anew from the days. Ids of events and streams come from one
 * counter that is reserved in blocks in the state database: they never repeat, whatever a crash
 * takes.
 *
 * synchronous = NORMAL: in WAL mode a commit then is a write without an fsync. A kill loses
 * nothing, a power cut the last second, and neither damages the file.
 *
 * Locks, in this order: `write_lock` (one thread appends or expires at a time; held over disk work,
 * and over short transactions of the state database), then `lock` (the list of open files). Readers
 * take only `lock`, and only to check a file out. A file is never unlinked while somebody has it
 * checked out: SQLite's last close removes a log by its path, which could by then be a new one's.
 */
#include "store/store_internal.h"
#include "store/files.h"
#include "base/log.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#define DAY_MS ((int64_t)86400000)
#define TIME_MS_MAX                                                                                \
    (2932897 * DAY_MS) /* the end of the year 9999: names stay as long as they are */
#define INDEX_DAY ((int64_t)-1)
#define EVENT_COST 26 /* bytes that AWS adds to each event's length */

enum {
    OPEN_MAX = 8,
    IDLE_READERS_MAX = 2,
    BATCH_DAYS_MAX = 16,
    LIST_MAX = 10000,
    READ_MAX = 10000,
    MESSAGE_MAX = 262144,
    ID_BLOCK = 1 << 20,
    DELETE_AT_ONCE = 10000
};

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

enum index_sql {
    INDEX_STREAM_ADD, INDEX_STREAM_GET, INDEX_STREAM_LESS, INDEX_STREAMS_DELETE,
    INDEX_STREAMS_EXPIRE, INDEX_GROUP_ADD, INDEX_GROUP_GET, INDEX_GROUP_DELETE, INDEX_GROUPS,
    INDEX_LIST, /* then: by name descending, by time, by time descending */
    INDEX_SQL_LEN = INDEX_LIST + 4,
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

enum day_sql {
    DAY_EVENT_ADD, DAY_STREAM_ADD, DAY_GROUPS, DAY_GROUP_STREAMS, DAY_EVENTS_DELETE,
    DAY_STREAMS_DELETE,
    DAY_READ, /* then: of a group descending, of a stream, of a stream descending */
    DAY_SQL_LEN = DAY_READ + 4,
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

static const struct database_kind index_database = {
    .what = "log index",
    .application_id = 0x4c6d6269, /* "Lmbi" */
    .synchronous = "NORMAL",
    .migrations = index_migrations,
    .migrations_len = ARRAY_LEN(index_migrations),
    .statements = index_statements,
    .statements_len = INDEX_SQL_LEN,
};
static const struct database_kind day_database = {
    .what = "log day",
    .application_id = 0x4c6d626c, /* "Lmbl" */
    .synchronous = "NORMAL",
    .migrations = day_migrations,
    .migrations_len = ARRAY_LEN(day_migrations),
    .statements = day_statements,
    .statements_len = DAY_SQL_LEN,
};

struct log_file {
    struct log_file *next; /* in logs->files: most recently used first */
    struct store *st;
    int64_t day; /* days since 1970, or INDEX_DAY */
    unsigned refs;
    struct conn *writer; /* used under write_lock */
    struct conn *idle;   /* reading ones */
    unsigned idle_len;
    atomic_int wal_pages;
    char path[];
};

struct logs {
    pthread_mutex_t write_lock, lock;
    struct log_file *files;
    struct log_file *index; /* checked out for good */
    int64_t next_id, id_end;
};

/* ---- files ---- */

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
    if (conn_open(f->path, day == INDEX_DAY ? &index_database : &day_database, true, &f->writer,
                  err) < 0) {
        file_free(f);
        return err_wrap(err, "logs/%s", name);
    }
    (void)sqlite3_wal_hook(f->writer->db, on_wal, f);
    *ret = f;
    return 0;
}

/* Check a file out. NOT_FOUND if there is none and it shall not be made. */
static int
file_take(struct store *st, int64_t day, bool create, struct log_file **ret, struct err *err)
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

/* Give it back; the least recently used ones that nobody has are closed. */
static void
file_give(struct log_file *f)
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
AUTO_DEFINE(struct log_file *, file_give)

static int
reader_take(struct log_file *f, struct conn **ret, struct err *err)
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

static void
reader_give(struct log_file *f, struct conn *c)
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
    return file_take(st, INDEX_DAY, true, &logs->index, err);
}

void
logs_close(struct store *st)
{
    struct logs *logs = st->logs;

    if (!logs)
        return;
    if (logs->index)
        file_give(logs->index);
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
        AUTO(file_give) struct log_file *f = NULL;
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

/* ---- groups ---- */

struct group {
    int64_t id, created_ms, retention_days;
};

static int64_t
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int
group_get(struct txn *t, struct str account, struct str region, struct str name, struct group *ret,
          struct err *err)
{
    AUTO_STMT sqlite3_stmt *q = NULL;
    int rc;

    if (conn_stmt(t->c, SQL_GROUP_GET, &q, err) < 0)
        return -(int)err->kind;
    stmt_str(q, 1, account);
    stmt_str(q, 2, region);
    stmt_str(q, 3, name);
    rc = stmt_step(t->c, q, err);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return err_set(err, ERR_NOT_FOUND, "The specified log group does not exist.");
    *ret = (struct group){sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1),
                          sqlite3_column_int64(q, 2)};
    return 0;
}

static int
group_find(struct store *st, struct str account, struct str region, struct str name,
           struct group *ret, struct err *err)
{
    AUTO(txn_end) struct txn *t = NULL;

    if (txn_begin(st, false, &t, err) < 0)
        return -(int)err->kind;
    return group_get(t, account, region, name, ret, err);
}

/* One statement on a group of the state database, in a transaction of its own. */
static int
group_change(struct store *st, enum state_sql sql, struct str account, struct str region,
             struct str name, int64_t value, struct err *err)
{
    AUTO(txn_end) struct txn *t = NULL;
    AUTO_STMT sqlite3_stmt *q = NULL;

    if (txn_begin(st, true, &t, err) < 0 || conn_stmt(t->c, sql, &q, err) < 0)
        return -(int)err->kind;
    stmt_str(q, 1, account);
    stmt_str(q, 2, region);
    stmt_str(q, 3, name);
    if (sql != SQL_GROUP_DELETE)
        stmt_int(q, 4, value);
    if (stmt_run(t->c, q, err) < 0) {
        if (err->kind != ERR_CONFLICT)
            return -(int)err->kind;
        err_clear(err);
        return err_set(err, ERR_CONFLICT, "The specified log group already exists");
    }
    if (sqlite3_changes(t->c->db) == 0)
        return err_set(err, ERR_NOT_FOUND, "The specified log group does not exist.");
    return txn_commit(t, err);
}

int
logs_group_create(struct store *st, struct str account, struct str region, struct str group,
                  struct err *err)
{
    return group_change(st, SQL_GROUP_ADD, account, region, group, now_ms(), err);
}

int
logs_group_retention(struct store *st, struct str account, struct str region, struct str group,
                     int64_t days, struct err *err)
{
    ASSERT(days >= 0);
    return group_change(st, SQL_GROUP_RETENTION, account, region, group, days, err);
}

static int
index_forget(struct store *st, int64_t group_id, struct err *err)
{
    static const enum index_sql both[] = {INDEX_STREAMS_DELETE, INDEX_GROUP_DELETE};
    struct conn *c = st->logs->index->writer;

    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        AUTO_STMT sqlite3_stmt *q = NULL;

        if (conn_stmt(c, both[i], &q, err) < 0)
            return -(int)err->kind;
        stmt_int(q, 1, group_id);
        if (stmt_run(c, q, err) < 0)
            return -(int)err->kind;
    }
    return 0;
}

/* The group's number dies with it, which makes its events invisible; logs_expire removes them. */
int
logs_group_delete(struct store *st, struct str account, struct str region, struct str name,
                  struct err *err)
{
    struct group group;
    int rc;

    if (group_find(st, account, region, name, &group, err) < 0 ||
        group_change(st, SQL_GROUP_DELETE, account, region, name, 0, err) < 0)
        return -(int)err->kind;
    pthread_mutex_lock(&st->logs->write_lock);
    rc = index_forget(st, group.id, err);
    pthread_mutex_unlock(&st->logs->write_lock);
    return rc;
}

int
logs_groups(struct store *st, struct arena *a, struct str account, struct str region,
            struct str prefix, struct str after_name, size_t limit, struct log_group_row **ret,
            size_t *ret_len, struct err *err)
{
    struct log_file *index = st->logs->index;
    AUTO(txn_end) struct txn *t = NULL;
    AUTO_STMT sqlite3_stmt *q = NULL;
    struct log_group_row *rows = NULL;
    struct conn *c = NULL;
    size_t len = 0, cap = 0;
    int rc = 0;

    limit = MIN(limit, (size_t)LIST_MAX);
    if (txn_begin(st, false, &t, err) < 0 || conn_stmt(t->c, SQL_GROUP_LIST, &q, err) < 0 ||
        reader_take(index, &c, err) < 0)
        return -(int)err->kind;
    stmt_str(q, 1, account);
    stmt_str(q, 2, region);
    stmt_str(q, 3, after_name.at ? after_name : STR(""));
    stmt_str(q, 4, prefix.at ? prefix : STR(""));
    stmt_int(q, 5, (int64_t)limit);
    while (len < limit && (rc = stmt_step(t->c, q, err)) > 0) {
        AUTO_STMT sqlite3_stmt *bytes = NULL;
        struct log_group_row *row;

        rows = rows_grow(a, rows, len, &cap, limit, sizeof(*rows));
        row = rows ? &rows[len++] : NULL;
        if (!row || !stmt_get_str(q, 1, a, &row->name)) {
            rc = arena_err(err);
            break;
        }
        row->created_ms = sqlite3_column_int64(q, 2);
        row->retention_days = sqlite3_column_int64(q, 3);
        if ((rc = conn_stmt(c, INDEX_GROUP_GET, &bytes, err)) < 0)
            break;
        stmt_int(bytes, 1, sqlite3_column_int64(q, 0));
        if ((rc = stmt_step(c, bytes, err)) < 0)
            break;
        row->stored_bytes = rc ? sqlite3_column_int64(bytes, 0) : 0;
    }
    reader_give(index, c);
    if (rc < 0)
        return rc;
    *ret = rows;
    *ret_len = len;
    return 0;
}

static int
read_streams(struct conn *c, sqlite3_stmt *q, struct arena *a, size_t limit,
             struct log_stream_row **ret, size_t *ret_len, struct err *err)
{
    struct log_stream_row *rows = NULL;
    size_t len = 0, cap = 0;
    int rc;

    while (len < limit && (rc = stmt_step(c, q, err)) != 0) {
        struct log_stream_row *row;

        if (rc < 0)
            return rc;
        rows = rows_grow(a, rows, len, &cap, limit, sizeof(*rows));
        row = rows ? &rows[len++] : NULL;
        if (!row || !stmt_get_str(q, 0, a, &row->name))
            return arena_err(err);
        row->created_ms = sqlite3_column_int64(q, 1);
        row->first_event_ms = sqlite3_column_int64(q, 2);
        row->last_event_ms = sqlite3_column_int64(q, 3);
        row->last_ingested_ms = sqlite3_column_int64(q, 4);
        row->stored_bytes = sqlite3_column_int64(q, 5);
    }
    *ret = rows;
    *ret_len = len;
    return 0;
}

int
logs_streams(struct store *st, struct arena *a, struct str account, struct str region,
             struct str name, struct str prefix, bool by_time, bool descending, size_t offset,
             size_t limit, struct log_stream_row **ret, size_t *ret_len, struct err *err)
{
    struct log_file *index = st->logs->index;
    struct conn *c = NULL;
    struct group group;
    int rc;

    limit = MIN(limit, (size_t)LIST_MAX);
    if (group_find(st, account, region, name, &group, err) < 0 || reader_take(index, &c, err) < 0)
        return -(int)err->kind;
    {
        AUTO_STMT sqlite3_stmt *q = NULL;

        rc = conn_stmt(c, INDEX_LIST + by_time * 2 + descending, &q, err);
        if (rc >= 0) {
            stmt_int(q, 1, group.id);
            stmt_str(q, 2, prefix.at ? prefix : STR(""));
            stmt_int(q, 3, (int64_t)limit);
            stmt_int(q, 4, (int64_t)MIN(offset, (size_t)INT64_MAX));
            rc = read_streams(c, q, a, limit, ret, ret_len, err);
        }
    }
    reader_give(index, c);
    return rc;
}

/* ---- appending ---- */

/* The part of a batch that belongs to one stream. */
struct slot {
    const struct log_batch_entry *first;
    int64_t group_id, stream_id, first_ms, last_ms, bytes;
};

struct batch {
    const struct log_batch_entry *entries;
    uint32_t *slot_of; /* of each entry */
    size_t len;
    struct slot *slots;
    size_t slots_len;
    uint32_t *buckets; /* index + 1 of a slot; open addressing */
    size_t buckets_len;
    struct log_file *days[BATCH_DAYS_MAX]; /* checked out, each in a transaction */
    size_t days_len;
    int64_t ingested_ms, first_id;
    bool index_begun;
};

static int64_t
day_of(int64_t time_ms)
{
    return time_ms / DAY_MS;
}

static bool
same_stream(const struct log_batch_entry *a, const struct log_batch_entry *b)
{
    return str_eq(a->stream, b->stream) && str_eq(a->group, b->group) &&
           str_eq(a->account, b->account) && str_eq(a->region, b->region);
}

static uint32_t
slot_find(struct batch *b, const struct log_batch_entry *e)
{
    const struct str parts[] = {e->account, e->region, e->group, e->stream};
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    size_t at;

    for (size_t p = 0; p < ARRAY_LEN(parts); p++) {
        for (size_t i = 0; i < parts[p].len; i++)
            h = (h ^ (uint8_t)parts[p].at[i]) * 1099511628211u;
        h = (h ^ 0xff) * 1099511628211u;
    }
    for (at = (h ^ h >> 31) & (b->buckets_len - 1); b->buckets[at] != 0;
         at = (at + 1) & (b->buckets_len - 1))
        if (same_stream(b->slots[b->buckets[at] - 1].first, e))
            return b->buckets[at] - 1;
    b->slots[b->slots_len] =
        (struct slot){.first = e, .first_ms = e->time_ms, .last_ms = e->time_ms};
    b->buckets[at] = (uint32_t)++b->slots_len;
    return (uint32_t)b->slots_len - 1;
}

static int
batch_sort(struct batch *b, struct err *err)
{
    if (b->len > UINT32_MAX / 4)
        return err_set(err, ERR_TOO_LARGE, "too many log events at once");
    b->slot_of = xcalloc(b->len, sizeof(*b->slot_of));
    b->slots = xcalloc(b->len, sizeof(*b->slots));
    for (b->buckets_len = 16; b->buckets_len < b->len * 2;)
        b->buckets_len *= 2;
    b->buckets = xcalloc(b->buckets_len, sizeof(*b->buckets));
    for (size_t i = 0; i < b->len; i++) {
        const struct log_batch_entry *e = &b->entries[i];
        struct slot *s;

        if (e->time_ms < 0 || e->time_ms >= TIME_MS_MAX)
            return err_set(err, ERR_INVALID, "log event with impossible time %lld",
                           (long long)e->time_ms);
        if (e->message.len > MESSAGE_MAX)
            return err_set(err, ERR_INVALID, "log event larger than %d bytes", MESSAGE_MAX);
        b->slot_of[i] = i > 0 && same_stream(e, e - 1) ? b->slot_of[i - 1] : slot_find(b, e);
        s = &b->slots[b->slot_of[i]];
        s->first_ms = MIN(s->first_ms, e->time_ms);
        s->last_ms = MAX(s->last_ms, e->time_ms);
        s->bytes += (int64_t)e->message.len + EVENT_COST;
    }
    return 0;
}

static void
batch_done(struct batch *b)
{
    free(b->slot_of);
    free(b->slots);
    free(b->buckets);
}

/* Numbers for events and streams: `len` of them. */
static int
ids_take(struct store *st, int64_t len, int64_t *ret, struct err *err)
{
    struct logs *logs = st->logs;

    if (logs->id_end - logs->next_id < len) {
        AUTO(txn_end) struct txn *t = NULL;
        AUTO_STMT sqlite3_stmt *q = NULL;
        int64_t block = len + ID_BLOCK, end;
        int rc;

        if (txn_begin(st, true, &t, err) < 0 || conn_stmt(t->c, SQL_COUNTER_ADD, &q, err) < 0)
            return -(int)err->kind;
        stmt_str(q, 1, STR("log_id"));
        stmt_int(q, 2, block);
        rc = stmt_step(t->c, q, err);
        if (rc < 0)
            return rc;
        ASSERT(rc == 1);
        end = sqlite3_column_int64(q, 0) + 1;
        (void)sqlite3_reset(q); /* a commit waits for no open statement */
        if (txn_commit(t, err) < 0)
            return -(int)err->kind;
        logs->next_id = end - block;
        logs->id_end = end;
    }
    *ret = logs->next_id;
    logs->next_id += len;
    return 0;
}

static int
slots_groups(struct store *st, struct batch *b, struct err *err)
{
    for (size_t i = 0; i < b->slots_len; i++) {
        const struct log_batch_entry *e = b->slots[i].first;
        struct group group;

        if (group_find(st, e->account, e->region, e->group, &group, err) < 0) {
            if (err->kind != ERR_NOT_FOUND)
                return -(int)err->kind;
            err_clear(err);
            if (logs_group_create(st, e->account, e->region, e->group, err) < 0) {
                if (err->kind != ERR_CONFLICT) /* made by somebody else just now: fine */
                    return -(int)err->kind;
                err_clear(err);
            }
            if (group_find(st, e->account, e->region, e->group, &group, err) < 0)
                return -(int)err->kind;
        }
        b->slots[i].group_id = group.id;
    }
    return 0;
}

static int
group_bytes(struct conn *index, int64_t group_id, int64_t bytes, struct err *err)
{
    AUTO_STMT sqlite3_stmt *q = NULL;

    if (conn_stmt(index, INDEX_GROUP_ADD, &q, err) < 0)
        return -(int)err->kind;
    stmt_int(q, 1, group_id);
    stmt_int(q, 2, bytes);
    return stmt_run(index, q, err);
}

static int
slots_streams(struct conn *index, struct batch *b, int64_t first_id, struct err *err)
{
    for (size_t i = 0; i < b->slots_len; i++) {
        struct slot *s = &b->slots[i];
        AUTO_STMT sqlite3_stmt *q = NULL;
        int rc;

        if (conn_stmt(index, INDEX_STREAM_ADD, &q, err) < 0)
            return -(int)err->kind;
        stmt_int(q, 1, first_id + (int64_t)i); /* unused if the stream exists */
        stmt_int(q, 2, s->group_id);
        stmt_str(q, 3, s->first->stream);
        stmt_int(q, 4, b->ingested_ms);
        stmt_int(q, 5, s->first_ms);
        stmt_int(q, 6, s->last_ms);
        stmt_int(q, 7, s->bytes);
        rc = stmt_step(index, q, err);
        if (rc < 0)
            return rc;
        ASSERT(rc == 1);
        s->stream_id = sqlite3_column_int64(q, 0);
        if (group_bytes(index, s->group_id, s->bytes, err) < 0)
            return -(int)err->kind;
    }
    return 0;
}

/* The day's file, in a transaction. */
static int
batch_day(struct store *st, struct batch *b, int64_t day, struct log_file **ret, struct err *err)
{
    struct log_file *f;

    for (size_t i = 0; i < b->days_len; i++)
        if (b->days[i]->day == day) {
            *ret = b->days[i];
            return 0;
        }
    if (b->days_len == BATCH_DAYS_MAX)
        return err_set(err, ERR_INVALID, "log events of more than %d days at once", BATCH_DAYS_MAX);
    if (file_take(st, day, true, &f, err) < 0)
        return -(int)err->kind;
    if (conn_exec(f->writer, "BEGIN IMMEDIATE", err) < 0) {
        file_give(f);
        return -(int)err->kind;
    }
    b->days[b->days_len++] = *ret = f;
    return 0;
}

static int
add_event(struct conn *c, const struct batch *b, size_t i, struct err *err)
{
    const struct log_batch_entry *e = &b->entries[i];
    const struct slot *s = &b->slots[b->slot_of[i]];
    AUTO_STMT sqlite3_stmt *q = NULL;

    if (conn_stmt(c, DAY_EVENT_ADD, &q, err) < 0)
        return -(int)err->kind;
    stmt_int(q, 1, b->first_id + (int64_t)i);
    stmt_int(q, 2, s->group_id);
    stmt_int(q, 3, s->stream_id);
    stmt_int(q, 4, e->time_ms);
    stmt_int(q, 5, b->ingested_ms);
    stmt_blob(q, 6, e->message);
    return stmt_run(c, q, err);
}

static int
add_day_stream(struct conn *c, const struct slot *s, int64_t bytes, struct err *err)
{
    AUTO_STMT sqlite3_stmt *q = NULL;

    if (conn_stmt(c, DAY_STREAM_ADD, &q, err) < 0)
        return -(int)err->kind;
    stmt_int(q, 1, s->stream_id);
    stmt_int(q, 2, s->group_id);
    stmt_str(q, 3, s->first->stream);
    stmt_int(q, 4, bytes);
    return stmt_run(c, q, err);
}

/* Events in a row of one day and stream cost one update of the stream's row. */
static int
batch_events(struct store *st, struct batch *b, struct err *err)
{
    struct log_file *f = NULL;
    int64_t bytes = 0;

    for (size_t i = 0; i < b->len; i++) {
        const struct log_batch_entry *e = &b->entries[i];
        bool last = i + 1 == b->len || b->slot_of[i + 1] != b->slot_of[i] ||
                    day_of(e[1].time_ms) != day_of(e->time_ms);

        if ((!f || f->day != day_of(e->time_ms)) &&
            batch_day(st, b, day_of(e->time_ms), &f, err) < 0)
            return -(int)err->kind;
        if (add_event(f->writer, b, i, err) < 0)
            return -(int)err->kind;
        bytes += (int64_t)e->message.len + EVENT_COST;
        if (last) {
            if (add_day_stream(f->writer, &b->slots[b->slot_of[i]], bytes, err) < 0)
                return -(int)err->kind;
            bytes = 0;
        }
    }
    return 0;
}

/* Commit the index, then the days; or roll all of it back. A failure between two commits leaves a
 * stream that counts bytes it doesn't have: harmless. */
static int
batch_end(struct store *st, struct batch *b, bool commit, struct err *err)
{
    struct conn *index = st->logs->index->writer;
    int rc = 0;

    if (b->index_begun) {
        if (commit)
            rc = conn_exec(index, "COMMIT", err);
        if (!sqlite3_get_autocommit(index->db))
            (void)sqlite3_exec(index->db, "ROLLBACK", NULL, NULL, NULL);
    }
    for (size_t i = 0; i < b->days_len; i++) {
        struct conn *c = b->days[i]->writer;

        if (commit && rc >= 0)
            rc = conn_exec(c, "COMMIT", err);
        if (!sqlite3_get_autocommit(c->db))
            (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
        file_give(b->days[i]);
    }
    return rc;
}

static int
batch_write(struct store *st, struct batch *b, struct err *err)
{
    struct conn *index = st->logs->index->writer;
    int64_t first = 0;

    if (slots_groups(st, b, err) < 0 ||
        ids_take(st, (int64_t)(b->len + b->slots_len), &first, err) < 0 ||
        conn_exec(index, "BEGIN IMMEDIATE", err) < 0)
        return -(int)err->kind;
    b->index_begun = true;
    b->first_id = first + (int64_t)b->slots_len;
    if (slots_streams(index, b, first, err) < 0)
        return -(int)err->kind;
    return batch_events(st, b, err);
}

int
logs_append(struct store *st, const struct log_batch_entry *entries, size_t len, struct err *err)
{
    __attribute__((cleanup(batch_done))) struct batch b = {
        .entries = entries, .len = len, .ingested_ms = now_ms()};
    int rc, end_rc;

    if (len == 0)
        return 0;
    if (batch_sort(&b, err) < 0)
        return -(int)err->kind;
    pthread_mutex_lock(&st->logs->write_lock);
    rc = batch_write(st, &b, err);
    end_rc = batch_end(st, &b, rc >= 0, err);
    pthread_mutex_unlock(&st->logs->write_lock);
    return rc < 0 ? rc : end_rc;
}

/* ---- reading ---- */

struct days {
    int64_t *at;
    size_t len, cap;
    int64_t first, last;
};

static int
days_add(void *arg, const char *name, struct err *err)
{
    struct days *days = arg;
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

static void
days_done(struct days *days)
{
    free(days->at);
}
#define AUTO_DAYS __attribute__((cleanup(days_done)))

/* The day files there are within [first, last], in order. */
static int
days_list(struct store *st, struct days *days, struct err *err)
{
    if (dir_each(st->logs_fd, days_add, days, err) < 0)
        return -(int)err->kind;
    if (days->len > 1)
        qsort(days->at, days->len, sizeof(*days->at), days_cmp);
    return 0;
}

struct reading {
    const struct log_filter *f;
    struct arena *a;
    struct str group;
    int64_t whose_id; /* of the group, or the stream */
    int64_t start_ms, end_ms;
    struct log_event_row *rows;
    size_t len, cap, limit, bytes, bytes_max;
};

static bool
reading_full(const struct reading *r)
{
    return r->len >= r->limit || r->bytes >= r->bytes_max;
}

static int
read_rows(struct reading *r, struct conn *c, struct err *err)
{
    const struct log_filter *f = r->f;
    AUTO_STMT sqlite3_stmt *q = NULL;
    int rc;

    if (conn_stmt(c, DAY_READ + (f->stream.at != NULL) * 2 + f->descending, &q, err) < 0)
        return -(int)err->kind;
    stmt_int(q, 1, r->whose_id);
    stmt_int(q, 2, r->start_ms);
    stmt_int(q, 3, r->end_ms);
    stmt_int(q, 4,
             f->paging                           ? (f->descending ? INT64_MAX : INT64_MIN)
             : f->descending && f->after_id == 0 ? INT64_MAX
                                                 : f->after_id);
    if (f->paging) {
        stmt_int(q, 5, f->after_time_ms);
        stmt_int(q, 6, f->after_id);
    }
    if (f->contains.len > 0)
        stmt_blob(q, 7, f->contains);
    if (f->stream_prefix.len > 0)
        stmt_str(q, 8, f->stream_prefix);
    stmt_int(q, 9, (int64_t)(r->limit - r->len));
    while (!reading_full(r) && (rc = stmt_step(c, q, err)) != 0) {
        struct log_event_row *row;
        size_t bytes;

        if (rc < 0)
            return rc;
        bytes = (size_t)sqlite3_column_bytes(q, 3) + EVENT_COST;
        if (r->len > 0 && bytes > r->bytes_max - r->bytes) {
            r->bytes = r->bytes_max; /* full: this one begins the next page */
            break;
        }
        r->rows = rows_grow(r->a, r->rows, r->len, &r->cap, r->limit, sizeof(*r->rows));
        row = r->rows ? &r->rows[r->len++] : NULL;
        if (!row || !stmt_get_str(q, 3, r->a, &row->message) ||
            !stmt_get_str(q, 4, r->a, &row->stream))
            return arena_err(err);
        row->group = r->group;
        row->id = sqlite3_column_int64(q, 0);
        row->time_ms = sqlite3_column_int64(q, 1);
        row->ingested_ms = sqlite3_column_int64(q, 2);
        r->bytes = MIN(r->bytes + bytes, r->bytes_max);
    }
    return 0;
}

static int
read_day(struct store *st, struct reading *r, int64_t day, struct err *err)
{
    AUTO(file_give) struct log_file *file = NULL;
    struct conn *c;
    int rc;

    if (file_take(st, day, false, &file, err) < 0) {
        if (err->kind != ERR_NOT_FOUND)
            return -(int)err->kind;
        err_clear(err); /* it expired since we looked */
        return 0;
    }
    if (reader_take(file, &c, err) < 0)
        return -(int)err->kind;
    rc = read_rows(r, c, err);
    reader_give(file, c);
    return rc;
}

static int
stream_find(struct store *st, int64_t group_id, struct str name, int64_t *ret, struct err *err)
{
    struct log_file *index = st->logs->index;
    struct conn *c;
    int rc;

    if (reader_take(index, &c, err) < 0)
        return -(int)err->kind;
    {
        AUTO_STMT sqlite3_stmt *q = NULL;

        rc = conn_stmt(c, INDEX_STREAM_GET, &q, err);
        if (rc >= 0) {
            stmt_int(q, 1, group_id);
            stmt_str(q, 2, name);
            rc = stmt_step(c, q, err);
            if (rc == 0)
                rc = err_set(err, ERR_NOT_FOUND, "The specified log stream does not exist.");
            else if (rc > 0)
                *ret = sqlite3_column_int64(q, 0);
        }
    }
    reader_give(index, c);
    return rc;
}

int
logs_read(struct store *st, struct arena *a, const struct log_filter *f, struct log_event_row **ret,
          size_t *ret_len, struct err *err)
{
    struct reading r = {
        .f = f,
        .a = a,
        .limit = MIN(f->limit, (size_t)READ_MAX),
        .bytes_max = f->bytes_max ? f->bytes_max : SIZE_MAX,
        .start_ms = MAX(f->start_ms, (int64_t)0),
        .end_ms = MIN(f->end_ms, TIME_MS_MAX),
    };
    AUTO_DAYS struct days days = {0};
    struct group group;

    if (group_find(st, f->account, f->region, f->group, &group, err) < 0)
        return -(int)err->kind;
    r.whose_id = group.id;
    if (f->stream.at && stream_find(st, group.id, f->stream, &r.whose_id, err) < 0)
        return -(int)err->kind;
    r.group = arena_str(a, f->group);
    if (!r.group.at)
        return arena_err(err);
    if (f->paging && f->descending && f->after_time_ms < r.end_ms - 1)
        r.end_ms = f->after_time_ms + 1;
    else if (f->paging && !f->descending)
        r.start_ms = MAX(r.start_ms, f->after_time_ms);
    if (r.start_ms < r.end_ms) {
        days.first = day_of(r.start_ms);
        days.last = day_of(r.end_ms - 1);
        if (days_list(st, &days, err) < 0)
            return -(int)err->kind;
    }
    for (size_t i = 0; i < days.len && !reading_full(&r); i++)
        if (read_day(st, &r, days.at[f->descending ? days.len - 1 - i : i], err) < 0)
            return -(int)err->kind;
    if (f->ret_more)
        *f->ret_more = reading_full(&r);
    *ret = r.rows;
    *ret_len = r.len;
    return 0;
}

/* ---- expiry ---- */

struct live {
    struct {
        int64_t id, retention_days;
    } * at;
    size_t len, cap;
};

static void
live_done(struct live *live)
{
    free(live->at);
}

/* All groups, in order of id. Read under write_lock, so that no event of a later group can be in a
 * day file that is looked at with this list. */
static int
live_load(struct store *st, struct live *live, struct err *err)
{
    AUTO(txn_end) struct txn *t = NULL;
    AUTO_STMT sqlite3_stmt *q = NULL;
    int rc;

    live->len = 0;
    if (txn_begin(st, false, &t, err) < 0 || conn_stmt(t->c, SQL_GROUP_ALL, &q, err) < 0)
        return -(int)err->kind;
    while ((rc = stmt_step(t->c, q, err)) > 0) {
        if (live->len == live->cap) {
            live->cap = live->cap ? live->cap * 2 : 64;
            live->at = xrealloc(live->at, live->cap * sizeof(*live->at));
        }
        live->at[live->len].id = sqlite3_column_int64(q, 0);
        live->at[live->len++].retention_days = sqlite3_column_int64(q, 1);
    }
    return rc;
}

/* 0: the group is gone; INT64_MIN: keeps everything; else events before that time are expired. */
static int64_t
live_cutoff(const struct live *live, int64_t group_id, int64_t now)
{
    size_t low = 0, high = live->len;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (live->at[mid].id < group_id)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == live->len || live->at[low].id != group_id)
        return 0;
    return live->at[low].retention_days ? now - live->at[low].retention_days * DAY_MS : INT64_MIN;
}

static bool
expired(int64_t day, int64_t cutoff)
{
    return cutoff == 0 || (day + 1) * DAY_MS <= cutoff; /* whole days only */
}

/* Which groups of a day are expired, and whether others remain. */
static int
day_look(struct conn *c, int64_t day, const struct live *live, int64_t now, int64_t **ret_groups,
         size_t *ret_len, bool *ret_others, struct err *err)
{
    AUTO_STMT sqlite3_stmt *q = NULL;
    size_t len = 0, cap = 0;
    AUTO_FREE int64_t *groups = NULL;
    bool others = false;
    int rc;

    if (conn_stmt(c, DAY_GROUPS, &q, err) < 0)
        return -(int)err->kind;
    while ((rc = stmt_step(c, q, err)) > 0) {
        int64_t id = sqlite3_column_int64(q, 0);

        if (!expired(day, live_cutoff(live, id, now))) {
            others = true;
            continue;
        }
        if (len == cap) {
            cap = cap ? cap * 2 : 16;
            groups = xrealloc(groups, cap * sizeof(*groups));
        }
        groups[len++] = id;
    }
    if (rc < 0)
        return rc;
    *ret_groups = TAKE(groups);
    *ret_len = len;
    *ret_others = others;
    return 0;
}

/* Take what a day holds of a group off the index's sums. */
static int
index_less(struct conn *index, struct log_file *f, int64_t group_id, struct err *err)
{
    AUTO_STMT sqlite3_stmt *q = NULL;
    int64_t bytes = 0;
    int rc;

    if (conn_stmt(f->writer, DAY_GROUP_STREAMS, &q, err) < 0)
        return -(int)err->kind;
    stmt_int(q, 1, group_id);
    while ((rc = stmt_step(f->writer, q, err)) > 0) {
        AUTO_STMT sqlite3_stmt *less = NULL;

        if (conn_stmt(index, INDEX_STREAM_LESS, &less, err) < 0)
            return -(int)err->kind;
        stmt_int(less, 1, sqlite3_column_int64(q, 0));
        stmt_int(less, 2, sqlite3_column_int64(q, 1));
        stmt_int(less, 3, (f->day + 1) * DAY_MS);
        if (stmt_run(index, less, err) < 0)
            return -(int)err->kind;
        bytes += sqlite3_column_int64(q, 1);
    }
    if (rc < 0)
        return rc;
    return group_bytes(index, group_id, -bytes, err);
}

static int
in_transaction(struct conn *c,
               int (*fn)(struct conn *c, struct log_file *f, int64_t group_id, struct err *err),
               struct log_file *f, int64_t group_id, struct err *err)
{
    int rc = conn_exec(c, "BEGIN IMMEDIATE", err);

    if (rc < 0)
        return rc;
    rc = fn(c, f, group_id, err);
    if (rc >= 0 && conn_exec(c, "COMMIT", err) < 0)
        rc = -(int)err->kind;
    if (!sqlite3_get_autocommit(c->db))
        (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

/* 1: some were deleted, there may be more; 0: all are gone, the streams too. */
static int
delete_some(struct conn *c, struct log_file *f, int64_t group_id, struct err *err)
{
    AUTO_STMT sqlite3_stmt *q = NULL;
    AUTO_STMT sqlite3_stmt *streams = NULL;

    if (conn_stmt(c, DAY_EVENTS_DELETE, &q, err) < 0)
        return -(int)err->kind;
    stmt_int(q, 1, group_id);
    stmt_int(q, 2, DELETE_AT_ONCE);
    if (stmt_run(c, q, err) < 0)
        return -(int)err->kind;
    if (sqlite3_changes(c->db) == DELETE_AT_ONCE)
        return 1;
    if (conn_stmt(c, DAY_STREAMS_DELETE, &streams, err) < 0)
        return -(int)err->kind;
    stmt_int(streams, 1, group_id);
    return stmt_run(c, streams, err);
}

/* Close and unlink a day that nobody else has checked out. 0: somebody has, next time. */
static int
day_unlink(struct store *st, struct log_file *f, struct err *err)
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

/* One step on one day, under write_lock. 1: call again. */
static int
day_expire(struct store *st, struct live *live, int64_t day, int64_t now, struct err *err)
{
    AUTO(file_give) struct log_file *f = NULL;
    struct conn *index = st->logs->index->writer;
    AUTO_FREE int64_t *groups = NULL;
    bool others = false;
    size_t len = 0;
    int rc;

    if (live_load(st, live, err) < 0)
        return -(int)err->kind;
    if (file_take(st, day, false, &f, err) < 0) {
        if (err->kind != ERR_NOT_FOUND)
            return -(int)err->kind;
        err_clear(err);
        return 0;
    }
    if (day_look(f->writer, day, live, now, &groups, &len, &others, err) < 0)
        return -(int)err->kind;
    if (!others && day < day_of(now)) {
        for (size_t i = 0; i < len; i++)
            if (in_transaction(index, index_less, f, groups[i], err) < 0)
                return -(int)err->kind;
        rc = day_unlink(st, f, err);
        if (rc != 0) /* freed there */
            f = NULL;
        return rc < 0 ? rc : 0;
    }
    if (len == 0)
        return 0;
    rc = in_transaction(f->writer, delete_some, f, groups[0], err);
    return rc < 0 ? rc : rc > 0 || len > 1;
}

/* Streams without events any more, and what is left of groups that were deleted. */
static int
index_expire(struct store *st, struct live *live, int64_t now, struct err *err)
{
    struct conn *c = st->logs->index->writer;
    AUTO_STMT sqlite3_stmt *groups = NULL;
    int rc;

    if (live_load(st, live, err) < 0)
        return -(int)err->kind;
    for (size_t i = 0; i < live->len; i++) {
        AUTO_STMT sqlite3_stmt *q = NULL;
        int64_t cutoff = live_cutoff(live, live->at[i].id, now);

        if (cutoff == INT64_MIN)
            continue;
        if (conn_stmt(c, INDEX_STREAMS_EXPIRE, &q, err) < 0)
            return -(int)err->kind;
        stmt_int(q, 1, live->at[i].id);
        stmt_int(q, 2, cutoff / DAY_MS * DAY_MS);
        if (stmt_run(c, q, err) < 0)
            return -(int)err->kind;
    }
    if (conn_stmt(c, INDEX_GROUPS, &groups, err) < 0)
        return -(int)err->kind;
    while ((rc = stmt_step(c, groups, err)) > 0) {
        int64_t id = sqlite3_column_int64(groups, 0);

        if (live_cutoff(live, id, now) == 0 && index_forget(st, id, err) < 0)
            return -(int)err->kind;
    }
    return rc;
}

int
logs_expire(struct store *st, int64_t now, struct err *err)
{
    __attribute__((cleanup(live_done))) struct live live = {0};
    AUTO_DAYS struct days days = {.first = 0, .last = INT64_MAX};
    int rc = 0;

    if (days_list(st, &days, err) < 0)
        return -(int)err->kind;
    for (size_t i = 0; i < days.len && rc >= 0; i++)
        do { /* the lock is let go between steps: appending goes on */
            pthread_mutex_lock(&st->logs->write_lock);
            rc = day_expire(st, &live, days.at[i], now, err);
            pthread_mutex_unlock(&st->logs->write_lock);
        } while (rc > 0);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&st->logs->write_lock);
    rc = index_expire(st, &live, now, err);
    pthread_mutex_unlock(&st->logs->write_lock);
    return rc;
}
