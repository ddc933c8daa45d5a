/* SQLite as we use it: a connection with its settings, its schema brought up to date, and its
 * prepared statements. What the databases mean stands in sqlite_functions.c and sqlite_logs.c.
 * Private to store/. Thread: one at a time per connection. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include <sqlite3.h>

/* Forward only: entry i brings a database from version i to i + 1. Never edit one that was
 * released. */
struct migration {
    const char *name;
    const char *sql;
};

struct database_kind {
    const char *what; /* for messages */
    int32_t application_id;
    const char *synchronous; /* FULL: durable at commit; NORMAL: never corrupt, may lose the last */
    const struct migration *migrations;
    size_t migrations_len;
    const char *const *statements;
    size_t statements_len;
};

struct conn {
    sqlite3 *db;
    const struct database_kind *kind;
    struct conn *next_idle; /* for whoever keeps a pool */
    sqlite3_stmt *prepared[];
};

/* Opens (creating and migrating if `writing`). A database of a newer version is refused. */
int conn_open(const char *path, const struct database_kind *kind, bool writing, struct conn **ret,
              struct err *err);
void conn_close(struct conn *c); /* NULL is fine */
AUTO_DEFINE(struct conn *, conn_close)

/* ERR_INTERNAL with SQLite's own words: "step: disk I/O error". */
int conn_err(struct conn *c, const char *step, struct err *err);
int conn_exec(struct conn *c, const char *sql, struct err *err);
/* A statement of the kind's table, reset and without values; goes back by itself at scope end:
 *     AUTO_STMT sqlite3_stmt *q = NULL;
 *     if (conn_stmt(c, SQL_FUNCTION_GET, &q, err) < 0) … */
int conn_stmt(struct conn *c, size_t index, sqlite3_stmt **ret, struct err *err);
static inline void
auto_stmt(sqlite3_stmt **q)
{
    if (*q) {
        (void)sqlite3_reset(*q); /* repeats the error of the step, which was reported there */
        (void)sqlite3_clear_bindings(*q);
    }
}
#define AUTO_STMT __attribute__((cleanup(auto_stmt)))

/* 1: a row, 0: done, < 0: error. */
int stmt_step(struct conn *c, sqlite3_stmt *q, struct err *err);
/* Step a statement that gives no rows. CONFLICT if a uniqueness rule forbids it. */
int stmt_run(struct conn *c, sqlite3_stmt *q, struct err *err);
/* Bound strings must live until the statement is reset. An absent one is NULL. */
void stmt_str(sqlite3_stmt *q, int i, struct str s);
void stmt_blob(sqlite3_stmt *q, int i, struct str s);
void stmt_int(sqlite3_stmt *q, int i, int64_t v);
/* A column copied to the arena; NULL gives STR_NULL. False: the arena is full. */
bool stmt_get_str(sqlite3_stmt *q, int col, struct arena *a, struct str *ret);
/* The error for "the answer doesn't fit the arena". */
int arena_err(struct err *err);

/* A rolling list of rows in an arena, up to `limit`: starts small, doubles. */
void *rows_grow(struct arena *a, void *rows, size_t len, size_t *cap, size_t limit, size_t size);
