/* Function logs: groups, streams, events, as CloudWatch Logs has them. One SQLite file a UTC day,
 * beside the control-plane store: dropping a day is unlinking a file. Same thread rules as store.h.
 */
#pragma once

#include "store/store.h"

struct log_event_row {
    struct str group, stream;
    int64_t time_ms; /* when it was written */
    int64_t ingested_ms;
    int64_t id; /* grows with every event of the store; unique */
    struct str message;
};
struct log_batch_entry {
    struct str account, region, group, stream;
    int64_t time_ms;
    struct str message; /* at most 262,144 bytes: longer ones are split by the caller */
};
/* Append; makes groups and streams that don't exist. One commit for all of a day; not fsynced (a
 * log line is worth less than an invocation's latency): an operating system crash may lose the last
 * second, a kill loses nothing (synchronous=NORMAL). Not inside a transaction: a new group takes a
 * writing one. Errors: INVALID for a message over 262,144 bytes, a time before 1970 or after 9999,
 * or a batch that touches more than 16 days. */
int logs_append(struct store *st, const struct log_batch_entry *entries, size_t len,
                struct err *err);

struct log_filter {
    struct str account, region, group;
    struct str stream;        /* absent: all streams */
    struct str stream_prefix; /* absent: no prefix */
    struct str contains;      /* absent: no text filter; else the message must contain it */
    int64_t start_ms, end_ms; /* start inclusive, end exclusive; INT64_MIN / INT64_MAX: no bound */
    int64_t after_id; /* events with a greater id (ascending) or a smaller one (descending) */
    bool descending;
    size_t limit;     /* at most 10,000 */
    size_t bytes_max; /* of messages, each counted with 26 bytes more; 0: only the arena's own
                       * bound, which is an error (TOO_LARGE). One event always fits */
    bool *ret_more;   /* may be NULL; set to whether limit or bytes_max ended the page */
    /* The next page: set `paging`, and after_id and after_time_ms from the last row of the page
     * before. after_id without it means "events that were stored later", also those with an earlier
     * time: what a follower asks for (it should page until nothing comes, then go on from the
     * greatest id). Descending, an after_id of 0 is no bound. */
    bool paging;
    int64_t after_time_ms;
};
/* Ordered by (time, id). A page ends at `limit` or `bytes_max`.
 * Sets group and stream of each row. NOT_FOUND: no such group (or stream, when one is named). */
int logs_read(struct store *st, struct arena *a, const struct log_filter *f,
              struct log_event_row **ret, size_t *ret_len, struct err *err);

struct log_group_row {
    struct str name;
    int64_t created_ms, stored_bytes;
    int64_t retention_days; /* 0: never expires */
};
struct log_stream_row {
    struct str name;
    int64_t created_ms, first_event_ms, last_event_ms, last_ingested_ms, stored_bytes;
};
int logs_groups(struct store *st, struct arena *a, struct str account, struct str region,
                struct str prefix, struct str after_name, size_t limit, struct log_group_row **ret,
                size_t *ret_len, struct err *err);
/* by_time: in order of the last event, else of the name; `descending` turns either round (newest
 * first: both true). */
int logs_streams(struct store *st, struct arena *a, struct str account, struct str region,
                 struct str group, struct str prefix, bool by_time, bool descending, size_t offset,
                 size_t limit, struct log_stream_row **ret, size_t *ret_len, struct err *err);
int logs_group_create(struct store *st, struct str account, struct str region, struct str group,
                      struct err *err);
/* Its events can't be read from now on; the bytes go with the next logs_expire(). */
int logs_group_delete(struct store *st, struct str account, struct str region, struct str group,
                      struct err *err);
int logs_group_retention(struct store *st, struct str account, struct str region, struct str group,
                         int64_t days, struct err *err);
/* Drop what is past its group's retention (default_days where it has none; 0: for ever), by whole
 * UTC days; unlink empty days. Called now and then (hourly is plenty); appending goes on meanwhile.
 */
int logs_expire(struct store *st, int64_t now_ms, int64_t default_days, struct err *err);
