/* What the files of store/ share. Private. */
#pragma once

#include "store/logs.h"
#include "store/sqlite.h"
#include "store/store.h"
#include <pthread.h>
#include <stdatomic.h>

enum { READERS_MAX = 8, CHECKPOINT_PAGES = 1000, CHECKPOINT_RESTART_PAGES = 16384 };

struct logs;

struct store {
    char *dir, *packages_dir, *state_path; /* absolute */
    int dir_fd, lock_fd, tmp_fd, packages_fd, zips_fd, logs_fd;

    pthread_mutex_t lock; /* guards what follows; never held over disk work */
    pthread_cond_t reader_free, writer_free;
    struct conn *writer, *idle_readers;
    unsigned readers; /* open ones, idle or not */
    bool writer_busy;
    pthread_t writer_thread; /* who has it */

    pthread_mutex_t publish_lock; /* packages appear and disappear one at a time */

    pthread_t checkpointer;
    bool checkpointer_runs, stopping;
    pthread_cond_t checkpoint_due;
    int wal_pages; /* of the state database, at its last commit; 0: nothing to do */
    bool checkpoint_wanted;

    struct logs *logs;
};

struct txn {
    struct store *st;
    struct conn *c;
    bool writing, open;
};

/* sqlite_functions.c: the state database. Log groups live there too. */
extern const struct database_kind state_database;
enum state_sql {
    SQL_FUNCTION_GET,
    SQL_FUNCTION_INSERT,
    SQL_FUNCTION_UPDATE,
    SQL_FUNCTION_DELETE_VERSION,
    SQL_FUNCTION_DELETE_ALL,
    SQL_FUNCTION_LIST_LATEST,
    SQL_FUNCTION_LIST_ALL,
    SQL_FUNCTION_LIST_ONE,
    SQL_FUNCTION_SETTLING,
    SQL_FUNCTION_COUNT,
    SQL_PACKAGE_NAMED,
    SQL_GROUP_GET,
    SQL_GROUP_ADD,
    SQL_GROUP_DELETE,
    SQL_GROUP_RETENTION,
    SQL_GROUP_LIST,
    SQL_GROUP_ALL,
    SQL_COUNTER_ADD,
    STATE_SQL_LEN,
};

/* sqlite_logs.c */
int logs_open(struct store *st, struct err *err);
void logs_close(struct store *st);
/* Called by the checkpoint thread, without locks. */
void logs_checkpoint(struct store *st);
/* store.c: wake the checkpoint thread; one checkpoint, on that thread. */
void store_checkpoint_wake(struct store *st);
void store_checkpoint(struct conn *c, int wal_pages);
