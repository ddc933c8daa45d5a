/* Appending a batch of log lines.
 *
 * The batch is sorted into slots (one a stream), the streams are found or made in the index, the
 * events go into their days' files; the transactions of all these files stay open until everything
 * is in, then are committed one after the other: the index first. */
#include "store/log_files.h"

enum { BATCH_DAYS_MAX = 16, MESSAGE_MAX = 262144, ID_BLOCK = 1 << 20 };

int
log_group_bytes(struct conn *index, int64_t group_id, int64_t bytes, struct err *err)
{
    AUTO_STMT sqlite3_stmt *q = NULL;

    if (conn_stmt(index, INDEX_GROUP_ADD, &q, err) < 0)
        return -(int)err->kind;
    stmt_int(q, 1, group_id);
    stmt_int(q, 2, bytes);
    return stmt_run(index, q, err);
}

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

        if (e->time_ms < 0 || e->time_ms >= LOG_TIME_MS_MAX)
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
        struct log_group group;

        if (log_group_find(st, e->account, e->region, e->group, &group, err) < 0) {
            if (err->kind != ERR_NOT_FOUND)
                return -(int)err->kind;
            err_clear(err);
            if (logs_group_create(st, e->account, e->region, e->group, err) < 0) {
                if (err->kind != ERR_CONFLICT) /* made by somebody else just now: fine */
                    return -(int)err->kind;
                err_clear(err);
            }
            if (log_group_find(st, e->account, e->region, e->group, &group, err) < 0)
                return -(int)err->kind;
        }
        b->slots[i].group_id = group.id;
    }
    return 0;
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
        if (log_group_bytes(index, s->group_id, s->bytes, err) < 0)
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
    if (log_file_take(st, day, true, &f, err) < 0)
        return -(int)err->kind;
    if (conn_exec(f->writer, "BEGIN IMMEDIATE", err) < 0) {
        log_file_give(f);
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
                    log_day_of(e[1].time_ms) != log_day_of(e->time_ms);

        if ((!f || f->day != log_day_of(e->time_ms)) &&
            batch_day(st, b, log_day_of(e->time_ms), &f, err) < 0)
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
        log_file_give(b->days[i]);
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
        .entries = entries, .len = len, .ingested_ms = logs_now_ms()};
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
