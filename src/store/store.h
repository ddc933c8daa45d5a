/* What is kept: functions and their versions, code packages, logs. Behind this header stands SQLite
 * today (sqlite_*.c); nothing outside knows. Control-plane documents are JSON texts made by the
 * generated writers, with the columns needed for finding them beside.
 *
 * Thread: every call blocks on disk and is for a worker, never for the loop. Any number of workers:
 * reads run at once, writing transactions one after the other. Strings returned live in the arena
 * given. Errors: NOT_FOUND, CONFLICT (a key exists), PRECONDITION (revision), INTERNAL. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/id.h"

struct store;
struct txn;

/* Opens (creates, migrates, recovers) everything beneath `dir` (made if missing, mode 0700). */
int store_open(const char *dir, struct store **ret, struct err *err);
void store_close(struct store *st); /* NULL is fine; every transaction has ended */
AUTO_DEFINE(struct store *, store_close)

/* One transaction. Reading ones see a snapshot (as of their first read); writing ones are
 * serialised and durable (fsync) when txn_commit returns. txn_end frees; without a commit it rolls
 * back. Keep them short, at most one at a time per worker: a few reading ones exist, and one
 * writing. UNAVAILABLE if none was free for 60 s. */
int txn_begin(struct store *st, bool writing, struct txn **ret, struct err *err);
int txn_commit(struct txn *t, struct err *err);
void txn_end(struct txn *t); /* NULL is fine */
AUTO_DEFINE(struct txn *, txn_end)

/* ---- functions ---- */
struct function_row {
    struct str account, region, name;
    uint32_t version; /* 0: $LATEST */
    struct str doc;   /* FunctionConfiguration as JSON, as GetFunctionConfiguration would answer */
    struct str extra; /* JSON of ours: what is kept but is not in FunctionConfiguration */
    struct str package;   /* SHA-256 hex of the code's zip, or absent */
    int64_t next_version; /* only in version 0: the number the next published version gets */
};
int store_function_get(struct txn *t, struct arena *a, struct str account, struct str region,
                       struct str name, uint32_t version, struct function_row *ret,
                       struct err *err);
/* Insert (CONFLICT if there) or replace (NOT_FOUND if not). */
int store_function_insert(struct txn *t, const struct function_row *row, struct err *err);
int store_function_update(struct txn *t, const struct function_row *row, struct err *err);
/* Version 0 takes all versions with it. */
int store_function_delete(struct txn *t, struct str account, struct str region, struct str name,
                          uint32_t version, struct err *err);
/* In order of (name, version), those after (after_name, after_version); at most limit rows.
 * `all_versions` false: only $LATEST. `name` not absent: only that function's versions. */
int store_function_list(struct txn *t, struct arena *a, struct str account, struct str region,
                        struct str name, bool all_versions, struct str after_name,
                        int64_t after_version, size_t limit, struct function_row **ret,
                        size_t *ret_len, struct err *err);
/* Functions whose extra document has "settling": true, of all accounts: what a restart must finish.
 */
int store_function_settling(struct txn *t, struct arena *a, struct function_row **ret,
                            size_t *ret_len, struct err *err);
int store_function_count(struct txn *t, struct str account, struct str region,
                         int64_t *ret_functions, int64_t *ret_code_bytes, struct err *err);

/* ---- packages: code trees by the SHA-256 of their zip ---- */
struct package_limits {
    uint64_t zip_max;      /* bytes; 52,428,800 */
    uint64_t unzipped_max; /* bytes of all files; 262,144,000 */
    uint64_t files_max;
};
struct package_info {
    char sha256_hex[SHA256_HEX_LEN + 1];
    uint8_t sha256[32];
    uint64_t zip_bytes, unzipped_bytes;
};
/* Check the zip (paths, symlinks, sizes), unpack it once, keep the zip too. Crash-safe: a tree is
 * seen whole or not at all. The same zip twice is stored once. Errors: INVALID with a text that
 * names the member and the reason; TOO_LARGE. No transaction needed; a package that no function row
 * names is removed by store_package_sweep(). */
int store_package_put(struct store *st, struct str zip, const struct package_limits *limits,
                      struct package_info *ret, struct err *err);
/* The zip as it was uploaded: an open read-only fd (the caller's) and its size. */
int store_package_open(struct store *st, struct str sha256_hex, int *ret_fd, uint64_t *ret_size,
                       struct err *err);
/* Whether a regular file exists in the tree, and is executable by anyone. */
bool store_package_has(struct store *st, struct str sha256_hex, const char *path, bool executable);
/* Remove packages older than min_age_s which no row names. `in_use(arg, sha)`: the loop's own word.
 */
int store_package_sweep(struct store *st, uint64_t min_age_s,
                        bool (*in_use)(void *arg, struct str sha256_hex), void *arg,
                        struct err *err);
/* Absolute path of the folder that holds the unpacked trees (for the spawner). Static to the store.
 */
const char *store_packages_dir(struct store *st);
