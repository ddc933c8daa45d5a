/* Log groups, streams and events. */
#include "help.h"
#include "store/logs.h"
#include "base/log.h"
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>

#define DAY 86400000LL
#define NOON (20000 * DAY + DAY / 2) /* 2024-10-04T12:00Z */

static struct log_batch_entry
entry(const char *group, const char *stream, int64_t time_ms, const char *message)
{
    return (struct log_batch_entry){ACCOUNT,        REGION,  str_of(group),
                                    str_of(stream), time_ms, str_of(message)};
}

static void
append(struct fixture *f, const char *group, const char *stream, int64_t time_ms,
       const char *message)
{
    struct log_batch_entry e = entry(group, stream, time_ms, message);
    struct err err = {0};

    OK(logs_append(f->st, &e, 1, &err));
}

static struct log_filter
all_of(const char *group)
{
    return (struct log_filter){.account = ACCOUNT,
                               .region = REGION,
                               .group = str_of(group),
                               .start_ms = INT64_MIN,
                               .end_ms = INT64_MAX,
                               .limit = 1000};
}

/* The messages that a filter gives, joined by blanks. */
static const char *
messages(struct fixture *f, const struct log_filter *filter)
{
    static char text[4096];
    struct log_event_row *rows;
    struct err err = {0};
    size_t len, at = 0;

    OK(logs_read(f->st, f->a, filter, &rows, &len, &err));
    text[0] = '\0';
    for (size_t i = 0; i < len; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%.*s", i ? " " : "",
                               STR_FMT(rows[i].message));
    return text;
}

static unsigned
day_files(struct fixture *f)
{
    char path[100];
    struct dirent *e;
    unsigned n = 0;
    DIR *dir;

    snprintf(path, sizeof(path), "%s/logs", f->data);
    dir = opendir(path);
    assert_non_null(dir);
    while ((e = readdir(dir)))
        n += strlen(e->d_name) == 13;
    closedir(dir);
    return n;
}

static void
events_come_back_in_order_over_days(void **state)
{
    struct fixture *f = *state;
    struct log_filter filter = all_of("g");
    struct log_batch_entry batch[] = {
        entry("g", "s2", NOON + 2 * DAY, "e"), entry("g", "s1", NOON, "a"),
        entry("g", "s2", NOON, "b"),           entry("other", "s1", NOON, "x"),
        entry("g", "s1", NOON + DAY, "d"),     entry("g", "s1", NOON + 1, "c"),
    };
    struct log_event_row *rows;
    struct err err = {0};
    size_t len;

    OK(logs_append(f->st, batch, ARRAY_LEN(batch), &err));
    assert_string_equal(messages(f, &filter), "a b c d e");
    assert_int_equal(day_files(f), 3);
    OK(logs_read(f->st, f->a, &filter, &rows, &len, &err));
    assert_true(str_is(rows[1].stream, "s2") && str_is(rows[1].group, "g"));
    assert_int_equal(rows[1].time_ms, NOON);
    assert_true(rows[1].ingested_ms > NOON);
    filter.descending = true;
    assert_string_equal(messages(f, &filter), "e d c b a");
    filter.limit = 2;
    assert_string_equal(messages(f, &filter), "e d");
    filter.descending = false;
    assert_string_equal(messages(f, &filter), "a b");
}

static void
filters_narrow(void **state)
{
    struct fixture *f = *state;
    struct log_filter filter = all_of("g");
    struct log_event_row *rows;
    struct err err = {0};
    size_t len;

    append(f, "g", "app/1", NOON, "one ERROR here");
    append(f, "g", "app/2", NOON + 10, "fine");
    append(f, "g", "web/1", NOON + 20, "ERROR");
    filter.contains = STR("ERROR");
    assert_string_equal(messages(f, &filter), "one ERROR here ERROR");
    filter.stream_prefix = STR("app/");
    assert_string_equal(messages(f, &filter), "one ERROR here");
    filter.contains = STR_NULL;
    assert_string_equal(messages(f, &filter), "one ERROR here fine");
    filter.stream_prefix = STR_NULL;
    filter.stream = STR("app/2");
    assert_string_equal(messages(f, &filter), "fine");
    filter.stream = STR_NULL;
    filter.start_ms = NOON + 10; /* inclusive */
    filter.end_ms = NOON + 20;   /* exclusive */
    assert_string_equal(messages(f, &filter), "fine");
    filter.end_ms = NOON + 21;
    assert_string_equal(messages(f, &filter), "fine ERROR");
    filter.end_ms = filter.start_ms;
    assert_string_equal(messages(f, &filter), "");

    filter = all_of("g");
    filter.stream = STR("app/3");
    FAILS(NOT_FOUND, logs_read(f->st, f->a, &filter, &rows, &len, &err));
    assert_string_equal(last_error.text, "The specified log stream does not exist.");
    filter = all_of("h");
    FAILS(NOT_FOUND, logs_read(f->st, f->a, &filter, &rows, &len, &err));
    assert_string_equal(last_error.text, "The specified log group does not exist.");
    filter = all_of("g");
    filter.region = STR("eu-west-1");
    FAILS(NOT_FOUND, logs_read(f->st, f->a, &filter, &rows, &len, &err));
}

/* Pages of three, either way, over events that were not stored in the order of their time. */
static void
pages_give_every_event_once(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};

    for (int i = 0; i < 50; i++)
        append(f, "g", i % 2 ? "s1" : "s2", NOON + (i * 37 % 50) / 4 * (DAY / 4), "m");
    for (int descending = 0; descending < 2; descending++) {
        struct log_filter filter = all_of("g");
        struct log_event_row *rows, last = {.time_ms = descending ? INT64_MAX : INT64_MIN};
        bool more = true;
        size_t len, seen = 0;

        filter.limit = 3;
        filter.descending = descending;
        filter.ret_more = &more;
        do {
            OK(logs_read(f->st, f->a, &filter, &rows, &len, &err));
            for (size_t i = 0; i < len; i++, seen++) {
                bool after = rows[i].time_ms > last.time_ms ||
                             (rows[i].time_ms == last.time_ms && rows[i].id > last.id);

                assert_true(seen == 0 || after != descending);
                last = rows[i];
            }
            filter.paging = true;
            filter.after_time_ms = last.time_ms;
            filter.after_id = last.id;
        } while (more);
        assert_int_equal(seen, 50);
    }
}

static void
a_follower_sees_what_comes_late(void **state)
{
    struct fixture *f = *state;
    struct log_filter filter = all_of("g");
    struct log_event_row *rows;
    struct err err = {0};
    size_t len;

    append(f, "g", "s", NOON + 100, "new");
    OK(logs_read(f->st, f->a, &filter, &rows, &len, &err));
    assert_int_equal(len, 1);
    filter.after_id = rows[0].id;
    assert_string_equal(messages(f, &filter), "");
    append(f, "g", "s", NOON - DAY, "late");
    assert_string_equal(messages(f, &filter), "late");
}

static void
a_page_is_bounded_in_bytes(void **state)
{
    struct fixture *f = *state;
    struct log_filter filter = all_of("g");
    bool more;

    filter.ret_more = &more;
    append(f, "g", "s", NOON, "0123456789");
    append(f, "g", "s", NOON, "0123456789");
    append(f, "g", "s", NOON + DAY, "abc");
    filter.bytes_max = 1; /* one always fits */
    assert_string_equal(messages(f, &filter), "0123456789");
    assert_true(more);
    filter.bytes_max = 2 * 36;
    assert_string_equal(messages(f, &filter), "0123456789 0123456789");
    assert_true(more);
    filter.bytes_max = 2 * 36 + 30;
    assert_string_equal(messages(f, &filter), "0123456789 0123456789 abc");
    assert_false(more);
}

static void
any_bytes_are_kept(void **state)
{
    struct fixture *f = *state;
    static const char odd[] = "a\0b\xff\xfe\xc3(\n";
    struct log_batch_entry e = entry("g", "s", NOON, "");
    struct log_filter filter = all_of("g");
    struct log_event_row *rows;
    struct err err = {0};
    size_t len;

    OK(logs_append(f->st, &e, 1, &err)); /* empty */
    e.message = (struct str){odd, sizeof(odd)};
    OK(logs_append(f->st, &e, 1, &err));
    filter.contains = (struct str){"b\xff", 2};
    OK(logs_read(f->st, f->a, &filter, &rows, &len, &err));
    assert_int_equal(len, 1);
    assert_int_equal(rows[0].message.len, sizeof(odd));
    assert_memory_equal(rows[0].message.at, odd, sizeof(odd));
    filter.contains = STR_NULL;
    OK(logs_read(f->st, f->a, &filter, &rows, &len, &err));
    assert_int_equal(len, 2);
    assert_true(rows[0].message.at && rows[0].message.len == 0);
}

static void
impossible_events_are_refused_whole(void **state)
{
    struct fixture *f = *state;
    struct log_batch_entry batch[40];
    struct log_event_row *rows;
    struct log_filter filter = all_of("g");
    struct err err = {0};
    char *large = xcalloc(1, 262145);
    size_t len;

    OK(logs_append(f->st, batch, 0, &err));
    batch[0] = entry("g", "s", NOON, "ok");
    batch[1] = entry("g", "s", -1, "before time");
    FAILS(INVALID, logs_append(f->st, batch, 2, &err));
    batch[1].time_ms = 253402300800000; /* 10000-01-01 */
    FAILS(INVALID, logs_append(f->st, batch, 2, &err));
    memset(large, 'x', 262145);
    batch[1] = entry("g", "s", NOON, "");
    batch[1].message = (struct str){large, 262145};
    FAILS(INVALID, logs_append(f->st, batch, 2, &err));
    FAILS(NOT_FOUND, logs_read(f->st, f->a, &filter, &rows, &len, &err)); /* not even the group */
    for (int i = 0; i < 40; i++)
        batch[i] = entry("g", "s", NOON + i * DAY, "m");
    FAILS(INVALID, logs_append(f->st, batch, 40, &err));
    assert_string_equal(messages(f, &filter), "");
    batch[1] = entry("g", "s", 253402300800000 - 1, "last");
    OK(logs_append(f->st, batch, 2, &err));
    batch[1] = entry("g", "s", 0, "first");
    OK(logs_append(f->st, batch, 2, &err));
    assert_string_equal(messages(f, &filter), "first m m last");
    free(large);
}

static void
groups_are_listed_made_and_deleted(void **state)
{
    struct fixture *f = *state;
    struct log_filter filter = all_of("/aws/lambda/b");
    struct log_group_row *rows;
    struct log_event_row *events;
    struct err err = {0};
    size_t len;

    append(f, "/aws/lambda/b", "s", NOON, "1234");
    append(f, "/aws/lambda/a", "s", NOON, "");
    OK(logs_group_create(f->st, ACCOUNT, REGION, STR("/mine"), &err));
    FAILS(CONFLICT, logs_group_create(f->st, ACCOUNT, REGION, STR("/mine"), &err));
    FAILS(CONFLICT, logs_group_create(f->st, ACCOUNT, REGION, STR("/aws/lambda/a"), &err));
    OK(logs_group_retention(f->st, ACCOUNT, REGION, STR("/mine"), 30, &err));
    FAILS(NOT_FOUND, logs_group_retention(f->st, ACCOUNT, REGION, STR("/yours"), 30, &err));

    OK(logs_groups(f->st, f->a, ACCOUNT, REGION, STR_NULL, STR_NULL, 50, &rows, &len, &err));
    assert_int_equal(len, 3);
    assert_true(str_is(rows[0].name, "/aws/lambda/a") && str_is(rows[2].name, "/mine"));
    assert_int_equal(rows[0].stored_bytes, 26);
    assert_int_equal(rows[1].stored_bytes, 30);
    assert_int_equal(rows[2].stored_bytes, 0);
    assert_int_equal(rows[2].retention_days, 30);
    assert_true(rows[2].created_ms > NOON);
    OK(logs_groups(f->st, f->a, ACCOUNT, REGION, STR("/aws/"), STR("/aws/lambda/a"), 50, &rows,
                   &len, &err));
    assert_int_equal(len, 1);
    assert_true(str_is(rows[0].name, "/aws/lambda/b"));

    OK(logs_group_delete(f->st, ACCOUNT, REGION, STR("/aws/lambda/b"), &err));
    FAILS(NOT_FOUND, logs_group_delete(f->st, ACCOUNT, REGION, STR("/aws/lambda/b"), &err));
    FAILS(NOT_FOUND, logs_read(f->st, f->a, &filter, &events, &len, &err));
    append(f, "/aws/lambda/b", "s", NOON + 1, "again"); /* a new group, without the old events */
    assert_string_equal(messages(f, &filter), "again");
    OK(logs_groups(f->st, f->a, ACCOUNT, REGION, STR("/aws/lambda/b"), STR_NULL, 50, &rows, &len,
                   &err));
    assert_int_equal(rows[0].stored_bytes, 31);
    OK(logs_expire(f->st, NOON + 1000, 0,
                   &err)); /* takes the old events' bytes, not the new ones' */
    assert_string_equal(messages(f, &filter), "again");
}

static void
streams_are_listed_both_ways(void **state)
{
    struct fixture *f = *state;
    struct log_stream_row *rows;
    struct err err = {0};
    size_t len;

    append(f, "g", "a", NOON + 50, "12");
    append(f, "g", "c", NOON + 20, "1");
    append(f, "g", "b", NOON + 30, "1");
    append(f, "g", "a", NOON - DAY, "3");
#define STREAMS(prefix, by_time, descending, offset, limit)                                        \
    OK(logs_streams(f->st, f->a, ACCOUNT, REGION, STR("g"), prefix, by_time, descending, offset,   \
                    limit, &rows, &len, &err))
    STREAMS(STR_NULL, false, false, 0, 10);
    assert_int_equal(len, 3);
    assert_true(str_is(rows[0].name, "a") && str_is(rows[2].name, "c"));
    assert_int_equal(rows[0].first_event_ms, NOON - DAY);
    assert_int_equal(rows[0].last_event_ms, NOON + 50);
    assert_int_equal(rows[0].stored_bytes, 3 + 2 * 26);
    assert_true(rows[0].created_ms > NOON && rows[0].last_ingested_ms >= rows[0].created_ms);
    STREAMS(STR_NULL, true, true, 0, 10);
    assert_true(str_is(rows[0].name, "a") && str_is(rows[2].name, "c"));
    STREAMS(STR_NULL, true, false, 0, 10);
    assert_true(str_is(rows[0].name, "c") && str_is(rows[2].name, "a"));
    STREAMS(STR_NULL, false, true, 1, 1);
    assert_int_equal(len, 1);
    assert_true(str_is(rows[0].name, "b"));
    STREAMS(STR("c"), false, false, 0, 10);
    assert_int_equal(len, 1);
    assert_true(str_is(rows[0].name, "c"));
    FAILS(NOT_FOUND, logs_streams(f->st, f->a, ACCOUNT, REGION, STR("h"), STR_NULL, false, false, 0,
                                  9, &rows, &len, &err));
}

static void
retention_drops_rows_then_days(void **state)
{
    struct fixture *f = *state;
    struct log_filter lasting = all_of("lasting"), brief = all_of("brief");
    struct log_stream_row *streams;
    struct log_group_row *groups;
    struct err err = {0};
    size_t len;

    for (int i = 0; i < 4; i++) {
        append(f, "lasting", "s", NOON + i * DAY, "L");
        append(f, "brief", "s", NOON + i * DAY, "B");
    }
    append(f, "brief", "old", NOON, "B");
    OK(logs_group_retention(f->st, ACCOUNT, REGION, STR("brief"), 1, &err));
    OK(logs_expire(f->st, NOON + 2 * DAY, 0,
                   &err)); /* a day's end must be past: only the first is */
    assert_string_equal(messages(f, &brief), "B B B");
    assert_string_equal(messages(f, &lasting), "L L L L");
    assert_int_equal(day_files(f), 4);
    OK(logs_streams(f->st, f->a, ACCOUNT, REGION, STR("brief"), STR_NULL, false, false, 0, 9,
                    &streams, &len, &err));
    assert_int_equal(len, 1); /* "old" has nothing left */

    OK(logs_group_retention(f->st, ACCOUNT, REGION, STR("lasting"), 2, &err));
    OK(logs_expire(f->st, NOON + 4 * DAY, 0, &err));
    assert_string_equal(messages(f, &brief), "B");
    assert_string_equal(messages(f, &lasting), "L L");
    assert_int_equal(day_files(f), 2);
    OK(logs_groups(f->st, f->a, ACCOUNT, REGION, STR("lasting"), STR_NULL, 9, &groups, &len, &err));
    assert_int_equal(groups[0].stored_bytes, 2 * 27);

    OK(logs_expire(f->st, NOON + 40 * DAY, 0, &err));
    assert_int_equal(day_files(f), 0);
    assert_string_equal(messages(f, &lasting), "");
    append(f, "lasting", "s", NOON, "new"); /* the file can be made again */
    assert_string_equal(messages(f, &lasting), "new");
}

static void
ids_never_repeat(void **state)
{
    struct fixture *f = *state;
    struct log_filter filter = all_of("g");
    struct log_event_row *rows;
    struct err err = {0};
    int64_t last = 0;
    size_t len;

    for (int i = 0; i < 3; i++) {
        append(f, "g", "s", NOON, "m");
        OK(logs_read(f->st, f->a, &filter, &rows, &len, &err));
        assert_int_equal(len, 1);
        assert_true(rows[0].id > last);
        last = rows[0].id;
        OK(logs_group_delete(f->st, ACCOUNT, REGION, STR("g"), &err));
        store_close(f->st);
        f->st = NULL;
        OK(store_open(f->data, &f->st, &err));
    }
}

static unsigned
open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void
a_year_of_days_keeps_few_files_open(void **state)
{
    struct fixture *f = *state;
    struct log_filter filter = all_of("g");
    struct log_event_row *rows;
    struct err err = {0};
    unsigned before = open_fds();
    size_t len;

    for (int i = 0; i < 365; i++)
        append(f, "g", "s", NOON + i * DAY, "m");
    OK(logs_read(f->st, f->a, &filter, &rows, &len, &err));
    assert_int_equal(len, 365);
    assert_int_equal(day_files(f), 365);
    assert_true(open_fds() < before + 100);
}

enum { THREADS = 4, BATCHES = 30, LINES = 50 };

struct race {
    struct store *st;
    atomic_int next, bad;
    atomic_bool stop;
};

static void *
race_append(void *arg)
{
    struct race *race = arg;
    int me = atomic_fetch_add(&race->next, 1);
    struct log_batch_entry batch[LINES];
    char stream[16];

    snprintf(stream, sizeof(stream), "s%d", me);
    for (int b = 0; b < BATCHES; b++) {
        struct err err = {0};

        for (int i = 0; i < LINES; i++)
            batch[i] = entry("g", stream, NOON + (b % 3) * DAY + i, "message");
        if (logs_append(race->st, batch, LINES, &err) < 0)
            atomic_fetch_add(&race->bad, 1);
    }
    return NULL;
}

static void *
race_read(void *arg)
{
    struct race *race = arg;

    do {
        AUTO(arena_free) struct arena *a = arena_new(32 << 20);
        struct log_filter filter = all_of("g");
        struct log_event_row *rows;
        struct err err = {0};
        size_t len;

        filter.limit = 10000;
        if (logs_read(race->st, a, &filter, &rows, &len, &err) < 0) {
            if (err.kind != ERR_NOT_FOUND) /* before the first append */
                atomic_fetch_add(&race->bad, 1);
            continue;
        }
        if (len % LINES != 0) /* a batch is seen whole or not at all */
            atomic_fetch_add(&race->bad, 1);
        if (logs_expire(race->st, NOON + 100 * DAY, 0, &err) < 0)
            atomic_fetch_add(&race->bad, 1);
    } while (!atomic_load(&race->stop));
    return NULL;
}

static void
threads_append_and_read_at_once(void **state)
{
    struct fixture *f = *state;
    struct log_filter filter = all_of("g");
    struct race race = {.st = f->st};
    pthread_t writers[THREADS], readers[2];
    struct log_event_row *rows;
    struct err err = {0};
    size_t len;

    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, race_read, &race), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, race_append, &race), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&race.stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(atomic_load(&race.bad), 0);
    filter.limit = 10000;
    OK(logs_read(f->st, f->a, &filter, &rows, &len, &err));
    assert_int_equal(len, THREADS * BATCHES * LINES);
}

/* Days vanish under readers and come back under writers. */
static void *
race_expire(void *arg)
{
    struct race *race = arg;

    do {
        struct err err = {0};

        if (logs_expire(race->st, NOON + 100 * DAY, 0, &err) < 0)
            atomic_fetch_add(&race->bad, 1);
    } while (!atomic_load(&race->stop));
    return NULL;
}

static void
expiry_races_with_everything(void **state)
{
    struct fixture *f = *state;
    struct race race = {.st = f->st};
    pthread_t writers[THREADS], reader, expirer;
    struct err err = {0};

    OK(logs_group_create(f->st, ACCOUNT, REGION, STR("g"), &err));
    OK(logs_group_retention(f->st, ACCOUNT, REGION, STR("g"), 1, &err));
    assert_int_equal(pthread_create(&expirer, NULL, race_expire, &race), 0);
    assert_int_equal(pthread_create(&reader, NULL, race_read, &race), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, race_append, &race), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&race.stop, true);
    pthread_join(reader, NULL);
    pthread_join(expirer, NULL);
    assert_int_equal(atomic_load(&race.bad), 0);
    OK(logs_expire(f->st, NOON + 100 * DAY, 0, &err));
    assert_int_equal(day_files(f), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(events_come_back_in_order_over_days),
        TEST_CASE(filters_narrow),
        TEST_CASE(pages_give_every_event_once),
        TEST_CASE(a_follower_sees_what_comes_late),
        TEST_CASE(a_page_is_bounded_in_bytes),
        TEST_CASE(any_bytes_are_kept),
        TEST_CASE(impossible_events_are_refused_whole),
        TEST_CASE(groups_are_listed_made_and_deleted),
        TEST_CASE(streams_are_listed_both_ways),
        TEST_CASE(retention_drops_rows_then_days),
        TEST_CASE(ids_never_repeat),
        TEST_CASE(a_year_of_days_keeps_few_files_open),
        TEST_CASE(threads_append_and_read_at_once),
        TEST_CASE(expiry_races_with_everything),
    };

    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
