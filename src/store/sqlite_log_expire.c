/* Expiry of logs: whole UTC days of a group at a time. A day that only expired groups are in is
 * unlinked; of others the rows are deleted, some thousands in one go, so that appending goes on. */
#include "store/log_files.h"

enum { DELETE_AT_ONCE = 10000 };

struct live {
    struct {
        int64_t id, retention_days;
    } * at;
    size_t len, cap;
    int64_t default_days; /* of groups that name no retention */
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
        live->at[live->len].retention_days = sqlite3_column_int64(q, 1);
        if (live->at[live->len].retention_days == 0)
            live->at[live->len].retention_days = live->default_days;
        live->len++;
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
    return log_group_bytes(index, group_id, -bytes, err);
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

/* One step on one day, under write_lock. 1: call again. */
static int
day_expire(struct store *st, struct live *live, int64_t day, int64_t now, struct err *err)
{
    AUTO(log_file_give) struct log_file *f = NULL;
    struct conn *index = st->logs->index->writer;
    AUTO_FREE int64_t *groups = NULL;
    bool others = false;
    size_t len = 0;
    int rc;

    if (live_load(st, live, err) < 0)
        return -(int)err->kind;
    if (log_file_take(st, day, false, &f, err) < 0) {
        if (err->kind != ERR_NOT_FOUND)
            return -(int)err->kind;
        err_clear(err);
        return 0;
    }
    if (day_look(f->writer, day, live, now, &groups, &len, &others, err) < 0)
        return -(int)err->kind;
    if (!others && day < log_day_of(now)) {
        for (size_t i = 0; i < len; i++)
            if (in_transaction(index, index_less, f, groups[i], err) < 0)
                return -(int)err->kind;
        rc = log_day_unlink(st, f, err);
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

        if (live_cutoff(live, id, now) == 0 && log_index_forget(st, id, err) < 0)
            return -(int)err->kind;
    }
    return rc;
}

int
logs_expire(struct store *st, int64_t now, int64_t default_days, struct err *err)
{
    __attribute__((cleanup(live_done))) struct live live = {.default_days = default_days};
    AUTO_DAYS struct log_days days = {.first = 0, .last = INT64_MAX};
    int rc = 0;

    if (log_days_list(st, &days, err) < 0)
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
