/* Functions and transactions. */
#include "help.h"
#include "base/log.h"
#include <sqlite3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct function_row
row_of(const char *name, uint32_t version, const char *doc)
{
    return (struct function_row){
        .account = ACCOUNT,
        .region = REGION,
        .name = str_of(name),
        .version = version,
        .doc = str_of(doc),
        .extra = STR("{}"),
        .next_version = version ? 0 : 1,
    };
}

static void
insert(struct store *st, const struct function_row *row)
{
    AUTO(txn_end) struct txn *t = NULL;
    struct err err = {0};

    OK(txn_begin(st, true, &t, &err));
    OK(store_function_insert(t, row, &err));
    OK(txn_commit(t, &err));
}

static bool
there(struct fixture *f, const char *name, uint32_t version)
{
    AUTO(txn_end) struct txn *t = NULL;
    struct function_row row;
    struct err err = {0};
    int rc;

    OK(txn_begin(f->st, false, &t, &err));
    rc = store_function_get(t, f->a, ACCOUNT, REGION, str_of(name), version, &row, &err);
    if (rc < 0)
        assert_int_equal(err.kind, ERR_NOT_FOUND);
    return rc >= 0;
}

static void
what_is_stored_comes_back(void **state)
{
    struct fixture *f = *state;
    AUTO(txn_end) struct txn *t = NULL;
    struct function_row row = row_of("hello", 0, "{\"CodeSize\":12,\"n\":18446744073709551616}"),
                        got;
    struct err err = {0};

    row.extra = STR_NULL;
    row.package = STR("abc");
    row.next_version = 7;
    insert(f->st, &row);
    OK(txn_begin(f->st, false, &t, &err));
    OK(store_function_get(t, f->a, ACCOUNT, REGION, STR("hello"), 0, &got, &err));
    assert_true(str_eq(got.doc, row.doc)); /* to the byte */
    assert_true(str_eq(got.account, ACCOUNT) && str_eq(got.region, REGION));
    assert_true(str_is(got.name, "hello") && str_is(got.package, "abc"));
    assert_null(got.extra.at);
    assert_int_equal(got.next_version, 7);
    assert_int_equal(got.version, 0);
    FAILS(NOT_FOUND, store_function_get(t, f->a, ACCOUNT, REGION, STR("hell"), 0, &got, &err));
    FAILS(NOT_FOUND, store_function_get(t, f->a, ACCOUNT, REGION, STR("hello"), 1, &got, &err));
    FAILS(NOT_FOUND, store_function_get(t, f->a, STR("1"), REGION, STR("hello"), 0, &got, &err));
}

static void
insert_update_and_delete_tell_what_was_there(void **state)
{
    struct fixture *f = *state;
    struct function_row row = row_of("f", 0, "{}"), v1 = row_of("f", 1, "{}"),
                        v2 = row_of("f", 2, "{}"), other = row_of("g", 0, "{}");
    AUTO(txn_end) struct txn *t = NULL;
    struct err err = {0};

    OK(txn_begin(f->st, true, &t, &err));
    FAILS(NOT_FOUND, store_function_update(t, &row, &err));
    OK(store_function_insert(t, &row, &err));
    FAILS(CONFLICT, store_function_insert(t, &row, &err));
    assert_string_equal(last_error.text, "Function already exist: f");
    OK(store_function_insert(t, &v1, &err));
    OK(store_function_insert(t, &v2, &err));
    OK(store_function_insert(t, &other, &err));
    row.doc = STR("{\"a\":1}");
    OK(store_function_update(t, &row, &err));
    OK(store_function_delete(t, ACCOUNT, REGION, STR("f"), 1, &err));
    FAILS(NOT_FOUND, store_function_delete(t, ACCOUNT, REGION, STR("f"), 1, &err));
    OK(txn_commit(t, &err));
    txn_end(TAKE(t));
    assert_true(there(f, "f", 0) && there(f, "f", 2) && !there(f, "f", 1));

    OK(txn_begin(f->st, true, &t, &err));
    OK(store_function_delete(t, ACCOUNT, REGION, STR("f"), 0, &err)); /* takes version 2 along */
    OK(txn_commit(t, &err));
    txn_end(TAKE(t));
    assert_true(!there(f, "f", 0) && !there(f, "f", 2) && there(f, "g", 0));
}

static void
without_commit_nothing_happened(void **state)
{
    struct fixture *f = *state;
    struct function_row row = row_of("f", 0, "{}");
    struct err err = {0};
    struct txn *t;

    OK(txn_begin(f->st, true, &t, &err));
    OK(store_function_insert(t, &row, &err));
    assert_false(there(f, "f", 0)); /* a reader beside it doesn't see it, and doesn't wait */
    txn_end(t);
    assert_false(there(f, "f", 0));
}

static void
a_writer_inside_a_writer_is_told_at_once(void **state)
{
    struct fixture *f = *state;
    AUTO(txn_end) struct txn *t = NULL;
    struct err err = {0};
    struct txn *inner;

    OK(txn_begin(f->st, true, &t, &err));
    FAILS(INTERNAL, txn_begin(f->st, true, &inner, &err));
    txn_end(TAKE(t));
    OK(txn_begin(f->st, true, &t, &err));
}

static void
a_reader_keeps_its_snapshot(void **state)
{
    struct fixture *f = *state;
    struct function_row row = row_of("f", 0, "{}"), got;
    AUTO(txn_end) struct txn *t = NULL;
    struct err err = {0};

    OK(txn_begin(f->st, false, &t, &err));
    FAILS(NOT_FOUND, store_function_get(t, f->a, ACCOUNT, REGION, STR("f"), 0, &got, &err));
    insert(f->st, &row);
    FAILS(NOT_FOUND, store_function_get(t, f->a, ACCOUNT, REGION, STR("f"), 0, &got, &err));
    txn_end(TAKE(t));
    assert_true(there(f, "f", 0));
}

static void
lists_page_in_order_of_name_and_version(void **state)
{
    struct fixture *f = *state;
    struct function_row *rows, after = {.name = STR_NULL};
    AUTO(txn_end) struct txn *t = NULL;
    struct err err = {0};
    size_t len, seen = 0;
    char name[32];

    OK(txn_begin(f->st, true, &t, &err));
    for (int i = 0; i < 40; i++)
        for (uint32_t v = 0; v < 3; v++) {
            struct function_row row;

            snprintf(name, sizeof(name), "f%02d", (i * 7) % 40);
            row = row_of(name, v, "{\"CodeSize\":10}");
            OK(store_function_insert(t, &row, &err));
        }
    OK(txn_commit(t, &err));
    txn_end(TAKE(t));
    OK(txn_begin(f->st, false, &t, &err));

    do { /* all, by pages of 17 */
        OK(store_function_list(t, f->a, ACCOUNT, REGION, STR_NULL, true, after.name, after.version,
                               17, &rows, &len, &err));
        for (size_t i = 0; i < len; i++, seen++) {
            snprintf(name, sizeof(name), "f%02d", (int)(seen / 3));
            assert_true(str_is(rows[i].name, name));
            assert_int_equal(rows[i].version, seen % 3);
        }
        if (len)
            after = rows[len - 1];
    } while (len == 17);
    assert_int_equal(seen, 120);

    OK(store_function_list(t, f->a, ACCOUNT, REGION, STR_NULL, false, STR("f09"), 0, 5, &rows, &len,
                           &err));
    assert_int_equal(len, 5);
    assert_true(str_is(rows[0].name, "f10") && str_is(rows[4].name, "f14"));
    assert_int_equal(rows[4].version, 0);
    OK(store_function_list(t, f->a, ACCOUNT, REGION, STR("f11"), true, STR_NULL, 0, 50, &rows, &len,
                           &err));
    assert_int_equal(len, 3);
    OK(store_function_list(t, f->a, ACCOUNT, REGION, STR("f11"), true, STR("f11"), 0, 50, &rows,
                           &len, &err));
    assert_int_equal(len, 2);
    assert_int_equal(rows[0].version, 1);
    OK(store_function_list(t, f->a, ACCOUNT, REGION, STR("f11"), false, STR_NULL, 0, 50, &rows,
                           &len, &err));
    assert_int_equal(len, 1);
    OK(store_function_list(t, f->a, ACCOUNT, STR("eu-west-1"), STR_NULL, true, STR_NULL, 0, 50,
                           &rows, &len, &err));
    assert_int_equal(len, 0);
    {
        int64_t functions, bytes;

        OK(store_function_count(t, ACCOUNT, REGION, &functions, &bytes, &err));
        assert_int_equal(functions, 40);
        assert_int_equal(bytes, 1200);
        OK(store_function_count(t, ACCOUNT, STR("mars"), &functions, &bytes, &err));
        assert_int_equal(functions, 0);
        assert_int_equal(bytes, 0);
    }
}

static void
settling_follows_the_extra_document(void **state)
{
    struct fixture *f = *state;
    struct function_row a = row_of("a", 0, "{}"), b = row_of("b", 3, "{}"), *rows;
    AUTO(txn_end) struct txn *t = NULL;
    struct err err = {0};
    size_t len;

    a.extra = STR("{\"settling\":false}");
    b.extra = STR("{\"x\":1,\"settling\":true}");
    insert(f->st, &a);
    insert(f->st, &b);
    OK(txn_begin(f->st, true, &t, &err));
    OK(store_function_settling(t, f->a, &rows, &len, &err));
    assert_int_equal(len, 1);
    assert_true(str_is(rows[0].name, "b"));
    assert_int_equal(rows[0].version, 3);
    b.extra = STR("{}");
    OK(store_function_update(t, &b, &err));
    OK(store_function_settling(t, f->a, &rows, &len, &err));
    assert_int_equal(len, 0);
}

static void
an_answer_larger_than_the_arena_is_an_ordinary_error(void **state)
{
    struct fixture *f = *state;
    char doc[3000] = "{\"x\":\"";
    struct function_row row, got, *rows;
    AUTO(txn_end) struct txn *t = NULL;
    AUTO(arena_free) struct arena *small = arena_new(5000);
    struct err err = {0};
    size_t len;

    memset(doc + 6, 'y', sizeof(doc) - 9);
    memcpy(doc + sizeof(doc) - 3, "\"}", 3);
    row = row_of("a", 0, doc);
    insert(f->st, &row);
    row.name = STR("b");
    insert(f->st, &row);
    OK(txn_begin(f->st, false, &t, &err));
    FAILS(TOO_LARGE, store_function_list(t, small, ACCOUNT, REGION, STR_NULL, true, STR_NULL, 0, 9,
                                         &rows, &len, &err));
    FAILS(TOO_LARGE, store_function_get(t, small, ACCOUNT, REGION, STR("a"), 0, &got, &err));
    OK(store_function_get(t, f->a, ACCOUNT, REGION, STR("a"), 0, &got, &err));
}

static void
reopening_finds_everything(void **state)
{
    struct fixture *f = *state;
    struct function_row row = row_of("f", 0, "{}");
    struct err err = {0};

    insert(f->st, &row);
    store_close(f->st);
    f->st = NULL;
    OK(store_open(f->data, &f->st, &err));
    assert_true(there(f, "f", 0));
}

static void
a_second_store_on_the_same_directory_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *second;
    struct err err = {0};
    char want[200];

    FAILS(CONFLICT, store_open(f->data, &second, &err));
    snprintf(want, sizeof(want), "data directory %s is in use by pid %d", f->data, (int)getpid());
    assert_string_equal(last_error.text, want);
}

static void
someone_elses_directory_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct store *st;
    struct stat sb;
    char dir[100], file[120];

    snprintf(dir, sizeof(dir), "%s/home", f->dir);
    snprintf(file, sizeof(file), "%s/diary", dir);
    assert_int_equal(mkdir(dir, 0755), 0);
    assert_int_equal(chmod(dir, 0755), 0);
    assert_int_equal(mkdir(file, 0755), 0);
    FAILS(INVALID, store_open(dir, &st, &err));
    assert_int_equal(stat(dir, &sb), 0);
    assert_int_equal(sb.st_mode & 07777, 0755);
    assert_int_equal(rmdir(file), 0); /* an empty one is taken, and closed to others */
    OK(store_open(dir, &st, &err));
    store_close(st);
    assert_int_equal(stat(dir, &sb), 0);
    assert_int_equal(sb.st_mode & 07777, 0700);
}

static void
change_database(struct fixture *f, const char *sql)
{
    char path[100];
    sqlite3 *db;

    snprintf(path, sizeof(path), "%s/state.db", f->data);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
a_newer_database_is_refused_and_unharmed(void **state)
{
    struct fixture *f = *state;
    struct function_row row = row_of("f", 0, "{}");
    struct err err = {0};

    insert(f->st, &row);
    store_close(f->st);
    f->st = NULL;
    change_database(f, "INSERT INTO schema_migrations VALUES (99, 'from the future', 'x')");
    FAILS(INTERNAL, store_open(f->data, &f->st, &err));
    assert_non_null(strstr(last_error.text, "newer"));
    assert_non_null(strstr(last_error.text, "99"));
    change_database(f, "DELETE FROM schema_migrations WHERE version = 99");
    OK(store_open(f->data, &f->st, &err));
    assert_true(there(f, "f", 0));
}

static void
another_programs_database_is_refused(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};

    store_close(f->st);
    f->st = NULL;
    change_database(f, "PRAGMA application_id = 77");
    FAILS(INTERNAL, store_open(f->data, &f->st, &err));
    assert_non_null(strstr(last_error.text, "another program"));
    change_database(f, "PRAGMA application_id = 0x4c6d6274");
    OK(store_open(f->data, &f->st, &err));
}

/* Threads add to one counter kept in a document, and read: no update may be lost, and what a reader
 * sees in one transaction must fit together. */
enum { WRITERS = 4, READERS = 12, ROUNDS = 60 };

struct race {
    struct store *st;
    atomic_bool stop;
    atomic_int bad, reads;
};

static long
number_in(struct txn *t, struct arena *a, const char *name)
{
    struct function_row row;
    struct err err = {0};

    if (store_function_get(t, a, ACCOUNT, REGION, str_of(name), 0, &row, &err) < 0)
        return -1;
    return strtol(row.doc.at + strlen("{\"n\":"), NULL, 10);
}

static void *
race_write(void *arg)
{
    struct race *race = arg;

    for (int i = 0; i < ROUNDS; i++) {
        AUTO(arena_free) struct arena *a = arena_new(1 << 20);
        AUTO(txn_end) struct txn *t = NULL;
        struct err err = {0};
        char doc[40];
        bool ok;

        ok = txn_begin(race->st, true, &t, &err) >= 0;
        for (int k = 0; ok && k < 2; k++) {
            const char *name = k ? "b" : "a";
            struct function_row row;

            snprintf(doc, sizeof(doc), "{\"n\":%ld}", number_in(t, a, name) + 1);
            row = row_of(name, 0, doc);
            ok = store_function_update(t, &row, &err) >= 0;
        }
        if (!ok || txn_commit(t, &err) < 0)
            atomic_fetch_add(&race->bad, 1);
    }
    return NULL;
}

static void *
race_read(void *arg)
{
    struct race *race = arg;

    do {
        AUTO(arena_free) struct arena *a = arena_new(1 << 20);
        AUTO(txn_end) struct txn *t = NULL;
        struct err err = {0};

        if (txn_begin(race->st, false, &t, &err) < 0 ||
            number_in(t, a, "a") != number_in(t, a, "b"))
            atomic_fetch_add(&race->bad, 1);
        atomic_fetch_add(&race->reads, 1);
    } while (!atomic_load(&race->stop));
    return NULL;
}

static void
threads_lose_no_update_and_see_no_half_one(void **state)
{
    struct fixture *f = *state;
    struct function_row a = row_of("a", 0, "{\"n\":0}"), b = row_of("b", 0, "{\"n\":0}");
    pthread_t writers[WRITERS], readers[READERS];
    struct race race = {.st = f->st};
    AUTO(txn_end) struct txn *t = NULL;
    struct err err = {0};

    insert(f->st, &a);
    insert(f->st, &b);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, race_read, &race), 0);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, race_write, &race), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&race.stop, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(atomic_load(&race.bad), 0);
    assert_true(atomic_load(&race.reads) >= READERS);
    OK(txn_begin(f->st, false, &t, &err));
    assert_int_equal(number_in(t, f->a, "a"), WRITERS * ROUNDS);
}

/* The log must not grow without end: the checkpoint thread moves it into the database. */
static void
the_write_ahead_log_stays_bounded(void **state)
{
    struct fixture *f = *state;
    static char doc[200000];
    struct function_row row = row_of("f", 0, doc);
    struct stat sb;
    char path[100];
    off_t largest = 0;

    memset(doc, 'x', sizeof(doc) - 1);
    memcpy(doc, "{\"x\":\"", 6);
    memcpy(doc + sizeof(doc) - 3, "\"}", 2);
    row.doc = str_of(doc);
    insert(f->st, &row);
    snprintf(path, sizeof(path), "%s/state.db-wal", f->data);
    for (int i = 0; i < 1000; i++) { /* 200 MB through the log */
        AUTO(txn_end) struct txn *t = NULL;
        struct err err = {0};

        OK(txn_begin(f->st, true, &t, &err));
        OK(store_function_update(t, &row, &err));
        OK(txn_commit(t, &err));
        assert_int_equal(stat(path, &sb), 0);
        largest = MAX(largest, sb.st_size);
    }
    assert_true(largest < 100 << 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(what_is_stored_comes_back),
        TEST_CASE(insert_update_and_delete_tell_what_was_there),
        TEST_CASE(without_commit_nothing_happened),
        TEST_CASE(a_writer_inside_a_writer_is_told_at_once),
        TEST_CASE(a_reader_keeps_its_snapshot),
        TEST_CASE(lists_page_in_order_of_name_and_version),
        TEST_CASE(settling_follows_the_extra_document),
        TEST_CASE(an_answer_larger_than_the_arena_is_an_ordinary_error),
        TEST_CASE(reopening_finds_everything),
        TEST_CASE(a_second_store_on_the_same_directory_is_refused),
        TEST_CASE(someone_elses_directory_is_left_alone),
        TEST_CASE(a_newer_database_is_refused_and_unharmed),
        TEST_CASE(another_programs_database_is_refused),
        TEST_CASE(threads_lose_no_update_and_see_no_half_one),
        TEST_CASE(the_write_ahead_log_stays_bounded),
    };

    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
