/* The state database: its schema, its statements, and functions.
 *
 * A function's document is stored as the JSON that will be answered; the columns beside it are what
 * must be found or added up: `code_size` and `settling` are taken out of the JSON by SQLite at
 * write time, so they cannot drift from it. PostgreSQL has the same statements with jsonb
 * operators. */
#include "store/store_internal.h"

enum { DOCUMENT_MAX = 16 << 20, LIST_MAX = 10000 };

/* clang-format off */
static const struct migration migrations[] = {
    {"functions, log groups, counters",
     "CREATE TABLE functions ("
     "  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,"
     "  version INTEGER NOT NULL,"                     /* 0: $LATEST */
     "  doc TEXT NOT NULL, extra TEXT, package TEXT,"
     "  next_version INTEGER NOT NULL,"                /* means something in version 0 only */
     "  code_size INTEGER NOT NULL, settling INTEGER NOT NULL,"
     "  PRIMARY KEY (account, region, name, version)) STRICT;"
     "CREATE INDEX functions_package ON functions (package) WHERE package IS NOT NULL;"
     "CREATE INDEX functions_settling ON functions (settling) WHERE settling <> 0;"
     "CREATE TABLE log_groups ("
     "  id INTEGER PRIMARY KEY AUTOINCREMENT,"         /* never used twice: day files refer to it */
     "  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,"
     "  created_ms INTEGER NOT NULL, retention_days INTEGER NOT NULL,"
     "  UNIQUE (account, region, name)) STRICT;"
     "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;"},
};

#define FUNCTION_COLUMNS "account, region, name, version, doc, extra, package, next_version"
#define CODE_SIZE(doc)   "coalesce(json_extract(" doc ", '$.CodeSize'), 0)"
#define SETTLING(extra)  "coalesce(json_extract(" extra ", '$.settling'), 0)"
static const char *const statements[STATE_SQL_LEN] = {
    [SQL_FUNCTION_GET] =
        "SELECT " FUNCTION_COLUMNS " FROM functions"
        " WHERE account = ?1 AND region = ?2 AND name = ?3 AND version = ?4",
    [SQL_FUNCTION_INSERT] =
        "INSERT INTO functions (" FUNCTION_COLUMNS ", code_size, settling)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, " CODE_SIZE("?5") ", " SETTLING("?6") ")",
    [SQL_FUNCTION_UPDATE] =
        "UPDATE functions SET doc = ?5, extra = ?6, package = ?7, next_version = ?8,"
        " code_size = " CODE_SIZE("?5") ", settling = " SETTLING("?6")
        " WHERE account = ?1 AND region = ?2 AND name = ?3 AND version = ?4",
    [SQL_FUNCTION_DELETE_VERSION] =
        "DELETE FROM functions WHERE account = ?1 AND region = ?2 AND name = ?3 AND version = ?4",
    [SQL_FUNCTION_DELETE_ALL] =
        "DELETE FROM functions WHERE account = ?1 AND region = ?2 AND name = ?3",
    [SQL_FUNCTION_LIST_LATEST] =
        "SELECT " FUNCTION_COLUMNS " FROM functions"
        " WHERE account = ?1 AND region = ?2 AND (name, version) > (?3, ?4) AND version = 0"
        " ORDER BY name, version LIMIT ?5",
    [SQL_FUNCTION_LIST_ALL] =
        "SELECT " FUNCTION_COLUMNS " FROM functions"
        " WHERE account = ?1 AND region = ?2 AND (name, version) > (?3, ?4)"
        " ORDER BY name, version LIMIT ?5",
    [SQL_FUNCTION_LIST_ONE] =
        "SELECT " FUNCTION_COLUMNS " FROM functions"
        " WHERE account = ?1 AND region = ?2 AND name = ?6 AND (name, version) > (?3, ?4)"
        " AND (?7 OR version = 0) ORDER BY version LIMIT ?5",
    [SQL_FUNCTION_SETTLING] =
        "SELECT " FUNCTION_COLUMNS " FROM functions WHERE settling <> 0"
        " ORDER BY account, region, name, version",
    [SQL_FUNCTION_COUNT] =
        "SELECT count(*) FILTER (WHERE version = 0), coalesce(sum(code_size), 0) FROM functions"
        " WHERE account = ?1 AND region = ?2",
    [SQL_PACKAGE_NAMED] = "SELECT 1 FROM functions WHERE package = ?1 LIMIT 1",
    [SQL_GROUP_GET] =
        "SELECT id, created_ms, retention_days FROM log_groups"
        " WHERE account = ?1 AND region = ?2 AND name = ?3",
    [SQL_GROUP_ADD] =
        "INSERT INTO log_groups (account, region, name, created_ms, retention_days)"
        " VALUES (?1, ?2, ?3, ?4, 0)",
    [SQL_GROUP_DELETE] = "DELETE FROM log_groups WHERE account = ?1 AND region = ?2 AND name = ?3",
    [SQL_GROUP_RETENTION] =
        "UPDATE log_groups SET retention_days = ?4"
        " WHERE account = ?1 AND region = ?2 AND name = ?3",
    [SQL_GROUP_LIST] =
        "SELECT id, name, created_ms, retention_days FROM log_groups"
        " WHERE account = ?1 AND region = ?2 AND name > ?3 AND substr(name, 1, length(?4)) = ?4"
        " ORDER BY name LIMIT ?5",
    [SQL_GROUP_ALL] = "SELECT id, retention_days FROM log_groups ORDER BY id",
    [SQL_COUNTER_ADD] =
        "INSERT INTO counters (name, value) VALUES (?1, ?2)"
        " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value RETURNING value",
};
/* clang-format on */

const struct database_kind state_database = {
    .what = "state database",
    .application_id = 0x4c6d6274, /* "Lmbt" */
    .synchronous = "FULL",
    .migrations = migrations,
    .migrations_len = ARRAY_LEN(migrations),
    .statements = statements,
    .statements_len = STATE_SQL_LEN,
};

static int
not_found(struct str name, uint32_t version, struct err *err)
{
    if (version == 0)
        return err_set(err, ERR_NOT_FOUND, "no function %.*s", STR_FMT(name));
    return err_set(err, ERR_NOT_FOUND, "no version %u of function %.*s", version, STR_FMT(name));
}

static bool
read_row(sqlite3_stmt *q, struct arena *a, struct function_row *ret)
{
    *ret = (struct function_row){
        .version = (uint32_t)sqlite3_column_int64(q, 3),
        .next_version = sqlite3_column_int64(q, 7),
    };
    return stmt_get_str(q, 0, a, &ret->account) && stmt_get_str(q, 1, a, &ret->region) &&
           stmt_get_str(q, 2, a, &ret->name) && stmt_get_str(q, 4, a, &ret->doc) &&
           stmt_get_str(q, 5, a, &ret->extra) && stmt_get_str(q, 6, a, &ret->package);
}

static int
read_rows(struct conn *c, sqlite3_stmt *q, struct arena *a, size_t limit, struct function_row **ret,
          size_t *ret_len, struct err *err)
{
    struct function_row *rows = NULL;
    size_t len = 0, cap = 0;
    int rc;

    while (len < limit && (rc = stmt_step(c, q, err)) != 0) {
        if (rc < 0)
            return rc;
        rows = rows_grow(a, rows, len, &cap, limit, sizeof(*rows));
        if (!rows || !read_row(q, a, &rows[len]))
            return arena_err(err);
        len++;
    }
    *ret = rows;
    *ret_len = len;
    return 0;
}

static void
bind_key(sqlite3_stmt *q, struct str account, struct str region, struct str name)
{
    ASSERT(account.at && region.at && name.at);
    stmt_str(q, 1, account);
    stmt_str(q, 2, region);
    stmt_str(q, 3, name);
}

int
store_function_get(struct txn *t, struct arena *a, struct str account, struct str region,
                   struct str name, uint32_t version, struct function_row *ret, struct err *err)
{
    AUTO_STMT sqlite3_stmt *q = NULL;
    struct function_row row;
    int rc;

    if (conn_stmt(t->c, SQL_FUNCTION_GET, &q, err) < 0)
        return -(int)err->kind;
    bind_key(q, account, region, name);
    stmt_int(q, 4, version);
    rc = stmt_step(t->c, q, err);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return not_found(name, version, err);
    if (!read_row(q, a, &row))
        return arena_err(err);
    *ret = row;
    return 0;
}

static int
write_row(struct txn *t, const struct function_row *row, enum state_sql sql, struct err *err)
{
    AUTO_STMT sqlite3_stmt *q = NULL;

    ASSERT(t->writing && row->doc.at);
    if (row->doc.len > DOCUMENT_MAX || row->extra.len > DOCUMENT_MAX)
        return err_set(err, ERR_TOO_LARGE, "the document of function %.*s is too large",
                       STR_FMT(row->name));
    if (conn_stmt(t->c, sql, &q, err) < 0)
        return -(int)err->kind;
    bind_key(q, row->account, row->region, row->name);
    stmt_int(q, 4, row->version);
    stmt_str(q, 5, row->doc);
    stmt_str(q, 6, row->extra);
    stmt_str(q, 7, row->package);
    stmt_int(q, 8, row->next_version);
    return stmt_run(t->c, q, err);
}

int
store_function_insert(struct txn *t, const struct function_row *row, struct err *err)
{
    int rc = write_row(t, row, SQL_FUNCTION_INSERT, err);

    if (rc == -ERR_CONFLICT) {
        err_clear(err);
        return err_set(err, ERR_CONFLICT, "Function already exist: %.*s", STR_FMT(row->name));
    }
    return rc;
}

int
store_function_update(struct txn *t, const struct function_row *row, struct err *err)
{
    int rc = write_row(t, row, SQL_FUNCTION_UPDATE, err);

    if (rc < 0)
        return rc;
    if (sqlite3_changes(t->c->db) == 0)
        return not_found(row->name, row->version, err);
    return 0;
}

int
store_function_delete(struct txn *t, struct str account, struct str region, struct str name,
                      uint32_t version, struct err *err)
{
    AUTO_STMT sqlite3_stmt *q = NULL;

    ASSERT(t->writing);
    if (conn_stmt(t->c, version ? SQL_FUNCTION_DELETE_VERSION : SQL_FUNCTION_DELETE_ALL, &q, err) <
        0)
        return -(int)err->kind;
    bind_key(q, account, region, name);
    if (version)
        stmt_int(q, 4, version);
    if (stmt_run(t->c, q, err) < 0)
        return -(int)err->kind;
    if (sqlite3_changes(t->c->db) == 0)
        return not_found(name, version, err);
    return 0;
}

int
store_function_list(struct txn *t, struct arena *a, struct str account, struct str region,
                    struct str name, bool all_versions, struct str after_name,
                    int64_t after_version, size_t limit, struct function_row **ret, size_t *ret_len,
                    struct err *err)
{
    enum state_sql sql = name.at        ? SQL_FUNCTION_LIST_ONE
                         : all_versions ? SQL_FUNCTION_LIST_ALL
                                        : SQL_FUNCTION_LIST_LATEST;
    AUTO_STMT sqlite3_stmt *q = NULL;

    limit = MIN(limit, (size_t)LIST_MAX);
    if (conn_stmt(t->c, sql, &q, err) < 0)
        return -(int)err->kind;
    bind_key(q, account, region, after_name.at ? after_name : STR(""));
    stmt_int(q, 4, after_name.at ? after_version : -1);
    stmt_int(q, 5, (int64_t)limit);
    if (name.at) {
        stmt_str(q, 6, name);
        stmt_int(q, 7, all_versions);
    }
    return read_rows(t->c, q, a, limit, ret, ret_len, err);
}

int
store_function_settling(struct txn *t, struct arena *a, struct function_row **ret, size_t *ret_len,
                        struct err *err)
{
    AUTO_STMT sqlite3_stmt *q = NULL;

    if (conn_stmt(t->c, SQL_FUNCTION_SETTLING, &q, err) < 0)
        return -(int)err->kind;
    return read_rows(t->c, q, a, SIZE_MAX, ret, ret_len, err); /* bounded by the arena */
}

int
store_function_count(struct txn *t, struct str account, struct str region, int64_t *ret_functions,
                     int64_t *ret_code_bytes, struct err *err)
{
    AUTO_STMT sqlite3_stmt *q = NULL;

    if (conn_stmt(t->c, SQL_FUNCTION_COUNT, &q, err) < 0)
        return -(int)err->kind;
    stmt_str(q, 1, account);
    stmt_str(q, 2, region);
    if (stmt_step(t->c, q, err) < 0)
        return -(int)err->kind;
    *ret_functions = sqlite3_column_int64(q, 0);
    *ret_code_bytes = sqlite3_column_int64(q, 1);
    return 0;
}
