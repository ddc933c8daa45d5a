/* One connection: settings, migrations, statements.
 *
 * WAL everywhere: readers never wait for the writer. Automatic checkpoints are off, since they run
 * inside some unlucky commit; the store's checkpoint thread does them (store.c). A connection is
 * used by one thread at a time, so SQLite's own mutexes are left out (NOMUTEX). */
#include "store/sqlite.h"
#include "base/log.h"

enum {
    BUSY_MS = 10000, /* only an operator's own sqlite3 shell can hold a lock that long */
    WAL_KEEP_BYTES = 64 << 20,
    ROW_BYTES_MAX = 64 << 20,
};

int
conn_err(struct conn *c, const char *step, struct err *err)
{
    int sys = sqlite3_system_errno(c->db);
    int rc = err_set(err, ERR_INTERNAL, "%s: %s: %s", c->kind->what, step, sqlite3_errmsg(c->db));

    err->sys = sys;
    return rc;
}

int
arena_err(struct err *err)
{
    return err_set(err, ERR_TOO_LARGE, "the stored answer does not fit the request's memory");
}

int
conn_exec(struct conn *c, const char *sql, struct err *err)
{
    if (sqlite3_exec(c->db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        char head[48];

        snprintf(head, sizeof(head), "%s", sql);
        return conn_err(c, head, err);
    }
    return 0;
}

static int
read_int(struct conn *c, const char *sql, int64_t *ret, struct err *err)
{
    sqlite3_stmt *q = NULL;
    int rc = 0;

    if (sqlite3_prepare_v2(c->db, sql, -1, &q, NULL) != SQLITE_OK || sqlite3_step(q) != SQLITE_ROW)
        rc = conn_err(c, sql, err);
    else
        *ret = sqlite3_column_int64(q, 0);
    (void)sqlite3_finalize(q); /* its error is the one just reported */
    return rc;
}

static int
migrate_from(struct conn *c, int64_t version, struct err *err)
{
    const struct database_kind *kind = c->kind;

    for (size_t i = (size_t)version; i < kind->migrations_len; i++) {
        char sql[160];

        if (conn_exec(c, kind->migrations[i].sql, err) < 0)
            return err_wrap(err, "migration %zu '%s'", i + 1, kind->migrations[i].name);
        snprintf(sql, sizeof(sql),
                 "INSERT INTO schema_migrations (version, name, applied_at) "
                 "VALUES (%zu, '%s', CURRENT_TIMESTAMP)",
                 i + 1, kind->migrations[i].name);
        if (conn_exec(c, sql, err) < 0)
            return -(int)err->kind;
        if (version > 0) /* making a new database is not worth a line */
            log_event(LOG_store_migrate, "db=%s version=%zu name=%s", kind->what, i + 1,
                      kind->migrations[i].name);
    }
    return 0;
}

/* All or nothing: a kill in the middle leaves the old schema, or an empty file. */
static int
migrate(struct conn *c, struct err *err)
{
    const struct database_kind *kind = c->kind;
    int64_t tables = 0, id = 0, version = 0;
    char sql[80];

    if (read_int(c, "SELECT count(*) FROM sqlite_schema", &tables, err) < 0 ||
        read_int(c, "PRAGMA application_id", &id, err) < 0)
        return -(int)err->kind;
    if (id != kind->application_id && (id != 0 || tables != 0))
        return err_set(err, ERR_INTERNAL, "%s: the file belongs to another program", kind->what);
    if (tables > 0 &&
        read_int(c, "SELECT coalesce(max(version), 0) FROM schema_migrations", &version, err) < 0)
        return -(int)err->kind;
    if (version > (int64_t)kind->migrations_len)
        return err_set(err, ERR_INTERNAL,
                       "%s: written by a newer Lambent (schema %lld, this one knows up to %zu): "
                       "install that version again",
                       kind->what, (long long)version, kind->migrations_len);
    if (version == (int64_t)kind->migrations_len)
        return 0;
    snprintf(sql, sizeof(sql), "PRAGMA application_id = %d", kind->application_id);
    if (conn_exec(c, "BEGIN IMMEDIATE", err) < 0)
        return -(int)err->kind;
    if ((version > 0 || (conn_exec(c, sql, err) >= 0 &&
                         conn_exec(c,
                                   "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, "
                                   "name TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT",
                                   err) >= 0)) &&
        migrate_from(c, version, err) >= 0 && conn_exec(c, "COMMIT", err) >= 0)
        return 0;
    (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL); /* the connection is closed next */
    return -(int)err->kind;
}

int
conn_open(const char *path, const struct database_kind *kind, bool writing, struct conn **ret,
          struct err *err)
{
    AUTO(conn_close)
    struct conn *c = xcalloc(1, sizeof(*c) + kind->statements_len * sizeof(c->prepared[0]));
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
    char sql[256];

    c->kind = kind;
    if (sqlite3_open_v2(path, &c->db, flags | (writing ? SQLITE_OPEN_CREATE : 0), NULL) !=
        SQLITE_OK)
        return c->db ? conn_err(c, "open", err) : err_set(err, ERR_INTERNAL, "open database");
    (void)sqlite3_extended_result_codes(c->db, 1);
    (void)sqlite3_busy_timeout(c->db, BUSY_MS);
    (void)sqlite3_limit(c->db, SQLITE_LIMIT_LENGTH, ROW_BYTES_MAX);
    (void)sqlite3_limit(c->db, SQLITE_LIMIT_ATTACHED, 0);
    (void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (writing && conn_exec(c, "PRAGMA journal_mode = WAL", err) < 0)
        return -(int)err->kind;
    snprintf(
        sql, sizeof(sql),
        "PRAGMA synchronous = %s; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 0; "
        "PRAGMA journal_size_limit = %d; PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON",
        kind->synchronous, WAL_KEEP_BYTES);
    if (conn_exec(c, sql, err) < 0)
        return -(int)err->kind;
    if (writing ? migrate(c, err) < 0 : conn_exec(c, "PRAGMA query_only = ON", err) < 0)
        return -(int)err->kind;
    *ret = TAKE(c);
    return 0;
}

void
conn_close(struct conn *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->kind->statements_len; i++)
        (void)sqlite3_finalize(c->prepared[i]);
    (void)sqlite3_close(c->db); /* nothing of it is open any more */
    free(c);
}

int
conn_stmt(struct conn *c, size_t index, sqlite3_stmt **ret, struct err *err)
{
    ASSERT(index < c->kind->statements_len);
    if (!c->prepared[index] &&
        sqlite3_prepare_v3(c->db, c->kind->statements[index], -1, SQLITE_PREPARE_PERSISTENT,
                           &c->prepared[index], NULL) != SQLITE_OK)
        return conn_err(c, "prepare", err);
    ASSERT(!sqlite3_stmt_busy(c->prepared[index])); /* a statement is not used inside itself */
    *ret = c->prepared[index];
    return 0;
}

int
stmt_step(struct conn *c, sqlite3_stmt *q, struct err *err)
{
    int rc = sqlite3_step(q);

    if (rc == SQLITE_ROW)
        return 1;
    if (rc == SQLITE_DONE)
        return 0;
    if (rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_UNIQUE)
        return err_set(err, ERR_CONFLICT, "%s: the key exists already", c->kind->what);
    return conn_err(c, "step", err);
}

int
stmt_run(struct conn *c, sqlite3_stmt *q, struct err *err)
{
    int rc = stmt_step(c, q, err);

    ASSERT(rc != 1);
    return rc;
}

/* Binding can only fail for a wrong index (our bug), memory, or the length limit; the latter comes
 * back as an error of the step, as the value is NULL then and the column is NOT NULL. */
void
stmt_str(sqlite3_stmt *q, int i, struct str s)
{
    int rc = s.at ? sqlite3_bind_text64(q, i, s.at, s.len, SQLITE_STATIC, SQLITE_UTF8)
                  : sqlite3_bind_null(q, i);

    ASSERT(rc == SQLITE_OK || rc == SQLITE_TOOBIG);
}

void
stmt_blob(sqlite3_stmt *q, int i, struct str s)
{
    int rc = sqlite3_bind_blob64(q, i, s.at ? s.at : "", s.len, SQLITE_STATIC);

    ASSERT(rc == SQLITE_OK || rc == SQLITE_TOOBIG);
}

void
stmt_int(sqlite3_stmt *q, int i, int64_t v)
{
    ASSERT(sqlite3_bind_int64(q, i, v) == SQLITE_OK);
}

bool
stmt_get_str(sqlite3_stmt *q, int col, struct arena *a, struct str *ret)
{
    struct str s = STR_NULL;

    if (sqlite3_column_type(q, col) != SQLITE_NULL) {
        const void *at = sqlite3_column_blob(q, col); /* of TEXT: its bytes; of length 0: NULL */

        s = (struct str){at ? at : "", (size_t)sqlite3_column_bytes(q, col)};
        s = arena_str(a, s);
        if (!s.at)
            return false;
    }
    *ret = s;
    return true;
}

void *
rows_grow(struct arena *a, void *rows, size_t len, size_t *cap, size_t limit, size_t size)
{
    size_t more;
    void *grown;

    if (len < *cap)
        return rows;
    more = MIN(*cap ? *cap * 2 : (size_t)16, MAX(limit, (size_t)1));
    ASSERT(more > len);
    if (more > SIZE_MAX / 2 / size || !(grown = arena_alloc(a, more * size)))
        return NULL;
    if (len)
        memcpy(grown, rows, len * size);
    *cap = more;
    return grown;
}
