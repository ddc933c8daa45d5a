/* Log lines on their way to a real store in a temporary folder: batches, bounds, failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/log.h"
#include "observe/log_writer.h"
#include "store/files.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#define ACCOUNT STR("000000000000")
#define REGION STR("us-east-1")
#define GROUP STR("/aws/lambda/f")
#define STREAM STR("2026/11/21/[$LATEST]0")

static struct loop *loop;
static struct store *st;
static char dir[64], data[80];
static struct log_writer *l;
static unsigned flushed;

static int
setup(void **state)
{
    struct err err = {0};

    snprintf(dir, sizeof(dir), "%s/lambent-observe-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(dir));
    snprintf(data, sizeof(data), "%s/data", dir);
    loop = loop_new(1, 4);
    if (store_open(data, &st, &err) < 0)
        fail_msg("%s", err.text);
    flushed = 0;
    l = NULL;
    return 0;
}

static int
teardown(void **state)
{
    struct err err = {0};
    char *name = strrchr(dir, '/');
    int parent;

    log_writer_free(l);
    loop_free(loop);
    store_close(st);
    *name = '\0';
    parent = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(parent >= 0);
    if (tree_remove(parent, name + 1, &err) < 0)
        fail_msg("%s", err.text);
    close(parent);
    return 0;
}

static void
add(struct str stream, const char *text)
{
    log_writer_add(l, ACCOUNT, REGION, GROUP, stream, (int64_t)clock_wall_ms(), str_of(text));
}

static void
on_flushed(void *arg)
{
    assert_ptr_equal(arg, &flushed);
    flushed++;
    loop_stop(loop);
}

static void
flush(void)
{
    unsigned before = flushed;

    log_writer_flush(l, on_flushed, &flushed);
    if (flushed == before)
        loop_run(loop);
    assert_int_equal(flushed, before + 1);
}

/* All messages of the group in order, in `a`. */
static size_t
read_back(struct arena *a, struct str stream, struct log_event_row **ret)
{
    struct log_filter f = {.account = ACCOUNT,
                           .region = REGION,
                           .group = GROUP,
                           .stream = stream,
                           .start_ms = INT64_MIN,
                           .end_ms = INT64_MAX,
                           .limit = 10000,
                           .bytes_max = 32 << 20};
    struct err err = {0};
    size_t len;

    if (logs_read(st, a, &f, ret, &len, &err) < 0)
        fail_msg("%s", err.text);
    return len;
}

static void
lines_arrive_in_order_in_batches(void **state)
{
    AUTO(arena_free) struct arena *a = arena_new(64 << 20);
    struct log_event_row *rows;
    char text[32];

    l = log_writer_new(loop, st, 1 << 20, 60000);
    flush(); /* of nothing: at once */
    for (int i = 0; i < 3000; i++) {
        snprintf(text, sizeof(text), "line %d", i);
        add(i / 10 % 2 ? STREAM : STR("other"), text);
    }
    flush();
    assert_int_equal(read_back(a, STR_NULL, &rows), 3000);
    for (int i = 0; i < 3000; i++) {
        snprintf(text, sizeof(text), "line %d", i);
        assert_true(str_is(rows[i].message, text));
        assert_true(str_eq(rows[i].stream, i / 10 % 2 ? STREAM : STR("other")));
    }
    assert_int_equal(read_back(a, STREAM, &rows), 1500);
    assert_int_equal(log_writer_dropped(l), 0);
}

/* Stops the loop once a reader sees a line: nothing was flushed by hand. */
static void
look(struct timer *t)
{
    AUTO(arena_free) struct arena *a = arena_new(1 << 20);
    struct log_filter f = {.account = ACCOUNT,
                           .region = REGION,
                           .group = GROUP,
                           .start_ms = INT64_MIN,
                           .end_ms = INT64_MAX,
                           .limit = 10};
    struct log_event_row *rows;
    struct err err = {0};
    size_t len;

    if (logs_read(st, a, &f, &rows, &len, &err) == 0 && len == 1)
        loop_stop(loop);
    else
        timer_set(loop, t, 2000, look);
}

static void
lines_are_written_by_the_clock_too(void **state)
{
    struct timer t = {0};

    l = log_writer_new(loop, st, 1 << 20, 5);
    add(STREAM, "soon");
    timer_set(loop, &t, 1000, look);
    loop_run(loop);
    flush();
}

static void
memory_is_bounded_and_what_was_dropped_is_told(void **state)
{
    AUTO(arena_free) struct arena *a = arena_new(64 << 20);
    struct log_event_row *rows;
    char text[101], want[80];
    uint64_t dropped;
    size_t len;

    /* Small lines, so that no room is left for the note unless it is kept. */
    l = log_writer_new(loop, st, 64 << 10, 60000);
    memset(text, 'x', sizeof(text));
    text[10] = '\0';
    for (int i = 0; i < 10000; i++)
        add(STREAM, text);
    dropped = log_writer_dropped(l);
    assert_in_range(dropped, 7000, 9900);
    flush();
    len = read_back(a, STREAM, &rows);
    assert_int_equal(len, 10000 - dropped + 1);
    snprintf(want, sizeof(want), "%llu log lines were dropped here: the log store was too slow",
             (unsigned long long)dropped);
    assert_true(str_is(rows[len - 1].message, want));
    add(STREAM, "after"); /* and all is well again */
    flush();
    assert_int_equal(read_back(a, STREAM, &rows), len + 1);
    assert_int_equal(log_writer_dropped(l), dropped);
}

static void
a_line_larger_than_the_buffer_is_dropped_alone(void **state)
{
    AUTO(arena_free) struct arena *a = arena_new(64 << 20);
    AUTO_FREE char *huge = xmalloc(200001);
    struct log_event_row *rows;

    memset(huge, 'x', 200000);
    huge[200000] = '\0';
    l = log_writer_new(loop, st, 64 << 10, 60000);
    add(STREAM, huge);
    flush(); /* nothing to write, nobody waits for ever */
    add(STREAM, "small");
    add(STREAM, huge);
    add(STREAM, "small too");
    flush();
    assert_int_equal(read_back(a, STREAM, &rows), 3); /* and the note */
    assert_int_equal(log_writer_dropped(l), 2);
}

static void
failing_batches_are_counted_and_the_next_ones_written(void **state)
{
    AUTO(arena_free) struct arena *a = arena_new(64 << 20);
    struct log_event_row *rows;

    log_set_level(LOG_LEVEL_ERROR);
    l = log_writer_new(loop, st, 1 << 20, 60000);
    log_writer_add(l, ACCOUNT, REGION, GROUP, STREAM, -5, STR("from before 1970"));
    add(STREAM, "goes with it");
    flush();
    assert_int_equal(log_writer_dropped(l), 2);
    add(STREAM, "later");
    flush();
    assert_int_equal(read_back(a, STREAM, &rows), 1);
    assert_true(str_is(rows[0].message, "later"));
    log_set_level(LOG_LEVEL_INFO);
}

static void
an_unwritable_log_folder_costs_lines_not_the_daemon(void **state)
{
    char logs[100];
    int fd;

    log_set_level(LOG_LEVEL_ERROR);
    l = log_writer_new(loop, st, 1 << 20, 60000);
    /* As root a mode means nothing: a day's file that is a folder refuses everybody. */
    snprintf(logs, sizeof(logs), "%s/logs", data);
    fd = open(logs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (int64_t day = -1; day <= 1; day++) {
        time_t t = (time_t)(clock_wall_ms() / 1000) + day * 86400;
        struct tm tm;
        char name[40];

        gmtime_r(&t, &tm);
        strftime(name, sizeof(name), "%Y-%m-%d.db", &tm);
        assert_int_equal(mkdirat(fd, name, 0700), 0);
    }
    close(fd);
    for (int i = 0; i < 3; i++) {
        add(STREAM, "lost");
        flush();
        assert_int_equal(log_writer_dropped(l), i + 1);
    }
    log_set_level(LOG_LEVEL_INFO);
}

static void
on_flushed_frees(void *arg)
{
    log_writer_free(l);
    l = NULL;
    on_flushed(arg);
}

static void
a_flush_callback_that_freed_the_writer_was_read_after(void **state)
{
    l = log_writer_new(loop, st, 1 << 20, 60000);
    add(STREAM, "last");
    log_writer_flush(l, on_flushed, &flushed);
    log_writer_flush(l, on_flushed_frees, &flushed);
    loop_run(loop);
    assert_int_equal(flushed, 2);
    assert_null(l);
}

static void
on_flushed_adds(void *arg)
{
    add(STREAM, "from a callback");
    log_writer_flush(l, on_flushed, arg);
}

static void
a_flush_callback_may_add_and_flush(void **state)
{
    AUTO(arena_free) struct arena *a = arena_new(1 << 20);
    struct log_event_row *rows;

    l = log_writer_new(loop, st, 1 << 20, 60000);
    add(STREAM, "one");
    log_writer_flush(l, on_flushed_adds, &flushed);
    add(STREAM, "while the first is written");
    loop_run(loop);
    assert_int_equal(flushed, 1);
    assert_int_equal(read_back(a, STREAM, &rows), 3);
}

/* The only worker is held, and the queue behind it is full. */
struct hold {
    struct work work;
    int gate[2];
    bool done;
};

static void
hold_work(struct work *w)
{
    struct hold *h = CONTAINER_OF(w, struct hold, work);
    char c;

    assert_int_equal(read(h->gate[0], &c, 1), 1);
}

static void
hold_done(struct work *w)
{
    CONTAINER_OF(w, struct hold, work)->done = true;
}

static void
on_open_gates(struct timer *t)
{
    struct hold *h = (struct hold *)(void *)(t + 1);

    assert_int_equal(flushed, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(write(h[i].gate[1], "x", 1), 1);
}

static void
overrun_workers_delay_lines_but_lose_none(void **state)
{
    AUTO(arena_free) struct arena *a = arena_new(1 << 20);
    struct {
        struct timer timer;
        struct hold holds[5];
    } s = {0};
    struct log_event_row *rows;
    size_t held = 0;

    l = log_writer_new(loop, st, 1 << 20, 1);
    for (; held < 5; held++)
        assert_int_equal(pipe2(s.holds[held].gate, O_CLOEXEC), 0);
    for (held = 0; held < 5;) {
        struct err err = {0};

        s.holds[held].work = (struct work){.work = hold_work, .done = hold_done};
        held += loop_work(loop, &s.holds[held].work, &err) == 0; /* one runs, four wait */
    }
    add(STREAM, "patient");
    log_writer_flush(l, on_flushed, &flushed); /* refused; the timer tries again */
    timer_set(loop, &s.timer, 5000, on_open_gates);
    loop_run(loop);
    assert_int_equal(read_back(a, STREAM, &rows), 1);
    assert_int_equal(log_writer_dropped(l), 0);
    for (held = 0; held < 5; held++) {
        assert_true(s.holds[held].done);
        close(s.holds[held].gate[0]);
        close(s.holds[held].gate[1]);
    }
}

#define TEST_CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(lines_arrive_in_order_in_batches),
        TEST_CASE(lines_are_written_by_the_clock_too),
        TEST_CASE(memory_is_bounded_and_what_was_dropped_is_told),
        TEST_CASE(a_line_larger_than_the_buffer_is_dropped_alone),
        TEST_CASE(failing_batches_are_counted_and_the_next_ones_written),
        TEST_CASE(an_unwritable_log_folder_costs_lines_not_the_daemon),
        TEST_CASE(a_flush_callback_that_freed_the_writer_was_read_after),
        TEST_CASE(a_flush_callback_may_add_and_flush),
        TEST_CASE(overrun_workers_delay_lines_but_lose_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
