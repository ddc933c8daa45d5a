/* The log files as sqlite_log*.c share them: which are open, who has them, what is in them.
 * Private to those files.
 *
 * DIR/logs/index.db knows the streams, DIR/logs/YYYY-MM-DD.db holds the events of one UTC day, by
 * the time they were written. Groups, whose retention people rely on, are in the state database. A
 * day file stands for itself (it has its streams' names), so that a day is dropped by unlinking it
 * and the index could be made anew from the days. Ids of events and streams come from one counter
 * that is reserved in blocks in the state database: they never repeat, whatever a crash takes.
 *
 * synchronous = NORMAL: in WAL mode a commit then is a write without an fsync. A kill loses
 * nothing, a power cut the last second, and neither damages the file.
 *
 * Locks, in this order: `write_lock` (one thread appends or expires at a time; held over disk work,
 * and over short transactions of the state database), then `lock` (the list of open files). Readers
 * take only `lock`, and only to check a file out. A file is never unlinked while somebody has it
 * checked out: SQLite's last close removes a log by its path, which could by then be a new one's.
 */
#pragma once

#include "store/store_internal.h"

#define DAY_MS ((int64_t)86400000)
#define INDEX_DAY ((int64_t)-1)
#define EVENT_COST 26 /* bytes that AWS adds to the length of each event */
/* The end of the year 9999: names of files stay as long as they are. */
#define LOG_TIME_MS_MAX (2932897 * DAY_MS)

/* clang-format off */
enum index_sql {
    INDEX_STREAM_ADD, INDEX_STREAM_GET, INDEX_STREAM_LESS, INDEX_STREAMS_DELETE,
    INDEX_STREAMS_EXPIRE, INDEX_GROUP_ADD, INDEX_GROUP_GET, INDEX_GROUP_DELETE, INDEX_GROUPS,
    INDEX_LIST, /* then: by name descending, by time, by time descending */
    INDEX_SQL_LEN = INDEX_LIST + 4,
};
enum day_sql {
    DAY_EVENT_ADD, DAY_STREAM_ADD, DAY_GROUPS, DAY_GROUP_STREAMS, DAY_EVENTS_DELETE,
    DAY_STREAMS_DELETE,
    DAY_READ, /* then: of a group descending, of a stream, of a stream descending */
    DAY_SQL_LEN = DAY_READ + 4,
};
/* clang-format on */
extern const struct database_kind log_index_database, log_day_database;

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

static inline int64_t
log_day_of(int64_t time_ms)
{
    return time_ms / DAY_MS;
}
int64_t logs_now_ms(void);

/* Check a file out. NOT_FOUND if there is none and it shall not be made. */
int log_file_take(struct store *st, int64_t day, bool create, struct log_file **ret,
                  struct err *err);
/* Give it back; the least recently used ones that nobody has are closed. */
void log_file_give(struct log_file *f);
AUTO_DEFINE(struct log_file *, log_file_give)
/* A reading connection of a file that is checked out. */
int log_reader_take(struct log_file *f, struct conn **ret, struct err *err);
void log_reader_give(struct log_file *f, struct conn *c);
/* Close and unlink a day. 1: done, and `f` is freed; 0: somebody else has it too, next time. */
int log_day_unlink(struct store *st, struct log_file *f, struct err *err);

struct log_days {
    int64_t *at;
    size_t len, cap;
    int64_t first, last;
};
/* The day files there are within [first, last], in order. */
int log_days_list(struct store *st, struct log_days *days, struct err *err);
void log_days_done(struct log_days *days);
#define AUTO_DAYS __attribute__((cleanup(log_days_done)))

struct log_group {
    int64_t id, created_ms, retention_days;
};
int log_group_find(struct store *st, struct str account, struct str region, struct str name,
                   struct log_group *ret, struct err *err);
/* In the index, under write_lock: add to a group's bytes; forget a group and its streams. */
int log_group_bytes(struct conn *index, int64_t group_id, int64_t bytes, struct err *err);
int log_index_forget(struct store *st, int64_t group_id, struct err *err);
