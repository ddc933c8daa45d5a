/* Log groups, streams, and reading events: days in order, each from its file's index. */
#include "store/log_files.h"

enum { LIST_MAX = 10000, READ_MAX = 10000 };

/* ---- groups ---- */

static int
group_get(struct txn *t, struct str account, struct str region, struct str name,
          struct log_group *ret, struct err *err)
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
    *ret = (struct log_group){sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1),
                              sqlite3_column_int64(q, 2)};
    return 0;
}

int
log_group_find(struct store *st, struct str account, struct str region, struct str name,
               struct log_group *ret, struct err *err)
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
    return group_change(st, SQL_GROUP_ADD, account, region, group, logs_now_ms(), err);
}

int
logs_group_retention(struct store *st, struct str account, struct str region, struct str group,
                     int64_t days, struct err *err)
{
    ASSERT(days >= 0);
    return group_change(st, SQL_GROUP_RETENTION, account, region, group, days, err);
}

/* The group's number dies with it, which makes its events invisible; logs_expire removes them. */
int
logs_group_delete(struct store *st, struct str account, struct str region, struct str name,
                  struct err *err)
{
    struct log_group group;
    int rc;

    if (log_group_find(st, account, region, name, &group, err) < 0 ||
        group_change(st, SQL_GROUP_DELETE, account, region, name, 0, err) < 0)
        return -(int)err->kind;
    pthread_mutex_lock(&st->logs->write_lock);
    rc = log_index_forget(st, group.id, err);
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
        log_reader_take(index, &c, err) < 0)
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
    log_reader_give(index, c);
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
    struct log_group group;
    int rc;

    limit = MIN(limit, (size_t)LIST_MAX);
    if (log_group_find(st, account, region, name, &group, err) < 0 ||
        log_reader_take(index, &c, err) < 0)
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
    log_reader_give(index, c);
    return rc;
}

int
log_index_forget(struct store *st, int64_t group_id, struct err *err)
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

/* ---- reading events ---- */

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
    AUTO(log_file_give) struct log_file *file = NULL;
    struct conn *c;
    int rc;

    if (log_file_take(st, day, false, &file, err) < 0) {
        if (err->kind != ERR_NOT_FOUND)
            return -(int)err->kind;
        err_clear(err); /* it expired since we looked */
        return 0;
    }
    if (log_reader_take(file, &c, err) < 0)
        return -(int)err->kind;
    rc = read_rows(r, c, err);
    log_reader_give(file, c);
    return rc;
}

static int
stream_find(struct store *st, int64_t group_id, struct str name, int64_t *ret, struct err *err)
{
    struct log_file *index = st->logs->index;
    struct conn *c;
    int rc;

    if (log_reader_take(index, &c, err) < 0)
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
    log_reader_give(index, c);
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
        .end_ms = MIN(f->end_ms, LOG_TIME_MS_MAX),
    };
    AUTO_DAYS struct log_days days = {0};
    struct log_group group;

    if (log_group_find(st, f->account, f->region, f->group, &group, err) < 0)
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
        days.first = log_day_of(r.start_ms);
        days.last = log_day_of(r.end_ms - 1);
        if (log_days_list(st, &days, err) < 0)
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
