/* Log lines: one event is one line, whatever its values hold. stderr is a file meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/log.h"
#include <fcntl.h>
#include <sys/mman.h>

static char text[65536];

/* What fn() wrote to stderr. */
static const char *
captured(void (*fn)(void))
{
    int memory = memfd_create("stderr", MFD_CLOEXEC), real = dup(2);
    ssize_t n;

    assert_true(memory >= 0 && real >= 0 && dup2(memory, 2) == 2);
    fn();
    assert_int_equal(dup2(real, 2), 2);
    n = pread(memory, text, sizeof(text) - 1, 0);
    assert_true(n >= 0);
    text[n] = '\0';
    close(memory);
    close(real);
    return text;
}

static size_t
lines_of(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += *s == '\n';
    return n;
}

static void
hostile_values(void)
{
    log_event(LOG_request_failed, "fn=\"%s\"",
              "a\nevent=daemon_stopped\r\nx\v\f\x1b[2J\b\x7f\t\x01 end");
}

static void
control_characters_make_no_second_line(void **state)
{
    const char *got = captured(hostile_values);

    assert_int_equal(lines_of(got), 1);
    assert_int_equal(got[strlen(got) - 1], '\n');
    for (const char *c = got; c[1]; c++)
        assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
    assert_non_null(strstr(got, " level=warn prog=lambent event=request_failed fn=\"a event="));
    assert_memory_equal(got, "time=20", 7);
}

static void
huge_value(void)
{
    static char huge[100000];

    memset(huge, 'x', sizeof(huge) - 1);
    log_event(LOG_request_failed, "why=%s", huge);
    log_event(LOG_request_failed, "%s", "after");
}

static void
long_values_are_cut_and_the_line_still_ends(void **state)
{
    const char *got = captured(huge_value);

    assert_int_equal(lines_of(got), 2);
    assert_int_equal(strchr(got, '\n') - got, 1022);
    assert_non_null(strstr(got, "event=request_failed after\n"));
}

static void
below_level(void)
{
    log_event(LOG_request, "hidden=1");
    log_set_level(LOG_LEVEL_DEBUG);
    log_event(LOG_request, "shown=1");
    log_set_level(LOG_LEVEL_ERROR);
    log_event(LOG_request_failed, "hidden=2");
    log_set_level(LOG_LEVEL_INFO);
}

static void
dump(void)
{
    log_dump_recent(2);
}

static void
levels_hide_lines_but_a_panic_still_has_them(void **state)
{
    const char *got = captured(below_level);

    assert_int_equal(lines_of(got), 1);
    assert_non_null(strstr(got, "shown=1"));
    got = captured(dump);
    assert_non_null(strstr(got, "hidden=1"));
    assert_non_null(strstr(got, "hidden=2"));
}

static void
many(void)
{
    for (int i = 0; i < 100; i++)
        log_event(LOG_daemon_ready, "n=%d.", i);
}

static void
the_last_32_lines_are_kept_oldest_first(void **state)
{
    const char *got, *first, *last;

    captured(many);
    got = captured(dump);
    assert_int_equal(lines_of(got), 32);
    first = strstr(got, "n=68.");
    last = strstr(got, "n=99.");
    assert_true(first && last && first < last);
    assert_null(strstr(got, "n=67."));
}

static void
level_names(void **state)
{
    enum log_level level = LOG_LEVEL_INFO;

    assert_true(log_level_parse(STR("Error"), &level));
    assert_int_equal(level, LOG_LEVEL_ERROR);
    assert_false(log_level_parse(STR("fatal"), &level));
    assert_false(log_level_parse(STR_NULL, &level));
    assert_int_equal(level, LOG_LEVEL_ERROR);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_make_no_second_line),
        cmocka_unit_test(long_values_are_cut_and_the_line_still_ends),
        cmocka_unit_test(levels_hide_lines_but_a_panic_still_has_them),
        cmocka_unit_test(the_last_32_lines_are_kept_oldest_first),
        cmocka_unit_test(level_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
