/* What user code writes into its pipes, friendly and not, and the events that come of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "observe/capture.h"
#include <fcntl.h>

static struct loop *loop;
static struct capture *c;
static int out, log_fd; /* our ends */

struct event {
    int64_t time_ms;
    char *text;
    size_t len;
};
static struct event events[70000];
static size_t events_len, stop_at;

static void
on_event(void *arg, int64_t time_ms, struct str text)
{
    assert_ptr_equal(arg, &events);
    assert_true(text.len <= CAPTURE_EVENT_MAX);
    assert_true(events_len < ARRAY_LEN(events));
    events[events_len++] = (struct event){time_ms, xstrndup(text.at, text.len), text.len};
    if (events_len == stop_at)
        loop_stop(loop);
}

static void
forget(void)
{
    while (events_len > 0)
        free(events[--events_len].text);
}

static void
open_pipes(void)
{
    struct err err = {0};
    int a[2], b[2];

    assert_int_equal(pipe2(a, O_CLOEXEC), 0);
    assert_int_equal(pipe2(b, O_CLOEXEC), 0);
    (void)fcntl(a[1], F_SETPIPE_SZ, 1 << 20); /* tests write first and read then */
    (void)fcntl(b[1], F_SETPIPE_SZ, 1 << 20);
    assert_int_equal(capture_open(c, a[0], b[0], &err), 0);
    out = a[1];
    log_fd = b[1];
}

static int
setup(void **state)
{
    loop = loop_new(0, 1);
    c = capture_new(loop, on_event, &events);
    open_pipes();
    return 0;
}

static int
teardown(void **state)
{
    close(out);
    close(log_fd);
    capture_free(c);
    loop_free(loop);
    forget();
    return 0;
}

static void
send_to(int fd, const void *at, size_t len)
{
    assert_int_equal(write(fd, at, len), len);
}

static void
send_text(int fd, const char *text)
{
    send_to(fd, text, strlen(text));
}

static size_t
make_frame(char *at, uint32_t type, uint32_t len, uint64_t us)
{
    uint32_t words[4] = {__builtin_bswap32(type), __builtin_bswap32(len),
                         __builtin_bswap32((uint32_t)(us >> 32)), __builtin_bswap32((uint32_t)us)};

    memcpy(at, words, 16);
    return 16;
}

static void
send_frame(uint32_t type, const char *text, uint64_t us)
{
    char frame[4096];
    size_t n = make_frame(frame, type, (uint32_t)strlen(text), us);

    memcpy(frame + n, text, strlen(text));
    send_to(log_fd, frame, n + strlen(text));
}

static void
assert_events(size_t n, const char *const *texts)
{
    for (size_t i = 0; i < MIN(n, events_len); i++)
        assert_string_equal(events[i].text, texts[i]);
    assert_int_equal(events_len, n);
}
#define EVENTS(...)                                                                                \
    assert_events(ARRAY_LEN(((const char *[]){__VA_ARGS__})), (const char *[]){__VA_ARGS__})

/* ---- lines ---- */

static void
lines_become_events_as_they_end(void **state)
{
    int64_t before = (int64_t)clock_wall_ms();

    send_text(out, "one\n\ntwo\r\nthr");
    capture_drain(c, CAPTURE_MORE);
    EVENTS("one", "", "two\r");
    assert_in_range(events[0].time_ms, before, clock_wall_ms());
    send_text(out, "ee\nfour");
    capture_drain(c, CAPTURE_MORE);
    EVENTS("one", "", "two\r", "three");
    capture_drain(c, CAPTURE_OVER);
    EVENTS("one", "", "two\r", "three", "four");
    capture_drain(c, CAPTURE_OVER);
    assert_int_equal(events_len, 5); /* told once */
}

static void
the_loop_reads_by_itself_and_the_end_of_file_flushes(void **state)
{
    send_text(out, "one\nunfinished");
    close(out);
    out = open("/dev/null", O_WRONLY | O_CLOEXEC);
    stop_at = 2;
    loop_run(loop);
    EVENTS("one", "unfinished");
    capture_drain(c, CAPTURE_OVER); /* closed by now */
    assert_int_equal(events_len, 2);
}

static void
a_huge_line_is_cut_at_the_limit(void **state)
{
    static char huge[CAPTURE_EVENT_MAX * 2 + 10];

    memset(huge, 'x', sizeof(huge));
    huge[sizeof(huge) - 1] = '\n';
    for (size_t at = 0; at < sizeof(huge); at += 65536) {
        send_to(out, huge + at, MIN(sizeof(huge) - at, (size_t)65536));
        capture_drain(c, CAPTURE_MORE);
    }
    assert_int_equal(events_len, 3);
    assert_int_equal(events[0].len, CAPTURE_EVENT_MAX);
    assert_int_equal(events[1].len, CAPTURE_EVENT_MAX);
    assert_int_equal(events[2].len, 9);
    forget();
    /* Exactly the limit is one event, not one and an empty one. */
    huge[CAPTURE_EVENT_MAX] = '\n';
    send_to(out, huge, CAPTURE_EVENT_MAX);
    capture_drain(c, CAPTURE_MORE);
    send_text(out, "\nnext\n");
    capture_drain(c, CAPTURE_MORE);
    assert_int_equal(events_len, 2);
    assert_int_equal(events[0].len, CAPTURE_EVENT_MAX);
    assert_string_equal(events[1].text, "next");
}

static void
a_cut_line_was_split_inside_a_character(void **state)
{
    static char huge[CAPTURE_EVENT_MAX + 100];
    static const char euro[] = "\xe2\x82\xac";

    for (size_t shift = 0; shift < 3; shift++) {
        size_t n = shift;

        memset(huge, 'x', shift);
        while (n + 3 < sizeof(huge)) {
            memcpy(huge + n, euro, 3);
            n += 3;
        }
        send_to(out, huge, n);
        send_text(out, "\n");
        capture_drain(c, CAPTURE_MORE);
        assert_int_equal(events_len, 2);
        assert_memory_equal(events[1].text, euro, 3);
        assert_int_equal(events[0].len % 3, shift);
        assert_int_equal(events[0].len + events[1].len, n);
        forget();
    }
    memset(huge, 0x80, sizeof(huge)); /* no text at all: cut at the limit */
    send_to(out, huge, sizeof(huge));
    capture_drain(c, CAPTURE_OVER);
    assert_int_equal(events_len, 2);
    assert_int_equal(events[0].len, CAPTURE_EVENT_MAX);
}

static void
any_byte_may_be_in_a_line(void **state)
{
    char all[256];

    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)i;
    all['\n'] = 'n';
    send_to(out, all, sizeof(all));
    capture_drain(c, CAPTURE_OVER);
    assert_int_equal(events_len, 1);
    assert_int_equal(events[0].len, sizeof(all));
    assert_memory_equal(events[0].text, all, sizeof(all));
}

/* ---- frames ---- */

static void
frames_are_whole_events_with_their_time(void **state)
{
    int64_t now = (int64_t)clock_wall_ms();

    send_frame(0xA55A0003, "line one\nline two\n", (uint64_t)(now - 5000) * 1000);
    send_frame(0xA55A0002, "{}", (uint64_t)now * 1000);
    send_frame(0xA55A0003, "", (uint64_t)now * 1000);
    send_frame(0xA55A0001, "no time", 0);
    capture_drain(c, CAPTURE_MORE);
    EVENTS("line one\nline two\n", "{}", "", "no time");
    assert_int_equal(events[0].time_ms, now - 5000);
    assert_int_equal(events[1].time_ms, now);
    assert_in_range(events[3].time_ms, now, clock_wall_ms());
}

static void
frames_may_come_in_any_pieces(void **state)
{
    char bytes[64];
    size_t n = make_frame(bytes, 0xA55A000F, 5, clock_wall_ms() * 1000);

    memcpy(bytes + n, "hello", 5);
    n += 5;
    for (size_t cut = 1; cut < n; cut++) {
        send_to(log_fd, bytes, cut);
        capture_drain(c, CAPTURE_MORE);
        assert_int_equal(events_len, 0);
        send_to(log_fd, bytes + cut, n - cut);
        capture_drain(c, CAPTURE_MORE);
        EVENTS("hello");
        forget();
    }
}

static void
a_frames_impossible_time_took_other_functions_logs_with_it(void **state)
{
    static const uint64_t hostile[] = {
        0, 1, 253402300800000000u, UINT64_MAX, (uint64_t)INT64_MAX, 86400000000u};
    uint64_t now = clock_wall_ms();

    for (size_t i = 0; i < ARRAY_LEN(hostile); i++)
        send_frame(0xA55A0003, "x", hostile[i]);
    for (uint64_t days = 2; days < 30; days++) {
        send_frame(0xA55A0003, "x", (now - days * 86400000) * 1000);
        send_frame(0xA55A0003, "x", (now + days * 86400000) * 1000);
    }
    capture_drain(c, CAPTURE_MORE);
    assert_int_equal(events_len, ARRAY_LEN(hostile) + 56);
    for (size_t i = 0; i < events_len; i++)
        assert_in_range(events[i].time_ms, now, now + 3600000);
}

static void
garbage_instead_of_frames_is_passed_as_lines(void **state)
{
    send_text(log_fd, "hi\n"); /* shorter than a header, and told at once */
    capture_drain(c, CAPTURE_MORE);
    EVENTS("hi");
    forget();
    send_frame(0xA55A0003, "now\nlines for good", clock_wall_ms() * 1000);
    capture_drain(c, CAPTURE_OVER);
    assert_int_equal(events_len, 2);
    assert_string_equal(events[1].text, "lines for good");
}

static void
garbage_between_frames_loses_nothing(void **state)
{
    send_frame(0xA55A0003, "good", clock_wall_ms() * 1000);
    send_text(log_fd, "\xA5print without framing\nend\n");
    capture_drain(c, CAPTURE_MORE);
    EVENTS("good", "\xA5print without framing", "end");
}

static void
a_hostile_length_is_not_waited_for(void **state)
{
    static const uint32_t lengths[] = {CAPTURE_EVENT_MAX * 4 + 1, 0x7fffffff, 0x80000000,
                                       0xffffffff};

    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        char bytes[64];

        make_frame(bytes, 0xA55A0003, lengths[i], 0);
        memcpy(bytes + 16, "tail\nmore\n", 10);
        send_to(log_fd, bytes, 26);
        capture_drain(c, CAPTURE_MORE);
        assert_int_equal(events_len, 2);
        assert_string_equal(events[1].text, "more");
        forget();
        close(out);
        close(log_fd);
        open_pipes(); /* framed again */
    }
}

static void
a_huge_frame_becomes_several_events(void **state)
{
    static char frame[16 + CAPTURE_EVENT_MAX * 4];

    memset(frame, 'y', sizeof(frame));
    make_frame(frame, 0xA55A0003, CAPTURE_EVENT_MAX * 4, clock_wall_ms() * 1000);
    for (size_t at = 0; at < sizeof(frame); at += 65536) {
        send_to(log_fd, frame + at, MIN(sizeof(frame) - at, (size_t)65536));
        capture_drain(c, CAPTURE_MORE);
    }
    assert_int_equal(events_len, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(events[i].len, CAPTURE_EVENT_MAX);
}

static void
the_frame_of_a_writer_that_died_is_cut_not_lost(void **state)
{
    char bytes[64];

    make_frame(bytes, 0xA55A0003, 1000, clock_wall_ms() * 1000);
    memcpy(bytes + 16, "last words", 10);
    send_to(log_fd, bytes, 26);
    capture_drain(c, CAPTURE_OVER);
    EVENTS("last words");
    make_frame(bytes, 0xA55A0003, 1000, 0);
    send_to(log_fd, bytes, 7); /* part of a header says nothing */
    capture_drain(c, CAPTURE_OVER);
    assert_int_equal(events_len, 1);
}

/* With one memmove a frame, this took seconds of the loop's time: a large frame makes the buffer
 * large, and then it is filled with the smallest ones. */
static void
a_pipe_full_of_tiny_frames_held_up_the_loop(void **state)
{
    static char large[16 + CAPTURE_EVENT_MAX * 4], tiny[16 * 60000];
    size_t at = 0, last = sizeof(large) - 1;
    uint64_t start;

    if (fcntl(log_fd, F_GETPIPE_SZ) < 1 << 20)
        skip();
    make_frame(large, 0xA55A0001, CAPTURE_EVENT_MAX * 4, 0);
    for (; at < last; at += MIN(last - at, (size_t)65536)) {
        send_to(log_fd, large + at, MIN(last - at, (size_t)65536));
        capture_drain(c, CAPTURE_MORE);
    }
    for (size_t i = 0; i < sizeof(tiny); i += 16)
        make_frame(tiny + i, 0xA55A0001, 0, 0);
    send_to(log_fd, large + last, 1);
    send_to(log_fd, tiny, sizeof(tiny));
    start = clock_us();
    for (size_t before = 0; events_len < 60004; before = events_len) {
        capture_drain(c, CAPTURE_MORE);
        assert_true(events_len > before);
    }
    assert_true(clock_us() - start < 1000000);
}

static void
a_new_process_takes_over_after_the_old_ones_rest(void **state)
{
    int old_out = out, old_log = log_fd;

    send_text(out, "old");
    send_frame(0xA55A0001, "old frame", 0);
    open_pipes();
    EVENTS("old frame", "old");
    forget();
    assert_int_equal(write(old_out, "x", 1), -1); /* nobody reads there any more */
    assert_int_equal(errno, EPIPE);
    close(old_out);
    close(old_log);
    send_text(out, "new\n");
    capture_drain(c, CAPTURE_MORE);
    EVENTS("new");
}

static void
one_turn_reads_a_bounded_amount(void **state)
{
    static char lines[1 << 20];

    memset(lines, 'x', sizeof(lines));
    for (size_t i = 999; i < sizeof(lines); i += 1000)
        lines[i] = '\n';
    if (fcntl(out, F_GETPIPE_SZ) < (int)sizeof(lines))
        skip();
    send_to(out, lines, sizeof(lines));
    capture_drain(c, CAPTURE_MORE);
    assert_in_range(events_len, 100, 1000);
    while (events_len < sizeof(lines) / 1000) {
        size_t before = events_len;

        capture_drain(c, CAPTURE_MORE);
        assert_true(events_len > before);
    }
}

static void
streams_may_be_absent(void **state)
{
    struct err err = {0};

    assert_int_equal(capture_open(c, -1, -1, &err), 0);
    capture_drain(c, CAPTURE_OVER);
    capture_free(NULL);
    assert_int_equal(events_len, 0);
}

#define TEST_CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(lines_become_events_as_they_end),
        TEST_CASE(the_loop_reads_by_itself_and_the_end_of_file_flushes),
        TEST_CASE(a_huge_line_is_cut_at_the_limit),
        TEST_CASE(a_cut_line_was_split_inside_a_character),
        TEST_CASE(any_byte_may_be_in_a_line),
        TEST_CASE(frames_are_whole_events_with_their_time),
        TEST_CASE(frames_may_come_in_any_pieces),
        TEST_CASE(a_frames_impossible_time_took_other_functions_logs_with_it),
        TEST_CASE(garbage_instead_of_frames_is_passed_as_lines),
        TEST_CASE(garbage_between_frames_loses_nothing),
        TEST_CASE(a_hostile_length_is_not_waited_for),
        TEST_CASE(a_huge_frame_becomes_several_events),
        TEST_CASE(the_frame_of_a_writer_that_died_is_cut_not_lost),
        TEST_CASE(a_pipe_full_of_tiny_frames_held_up_the_loop),
        TEST_CASE(a_new_process_takes_over_after_the_old_ones_rest),
        TEST_CASE(one_turn_reads_a_bounded_amount),
        TEST_CASE(streams_may_be_absent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
