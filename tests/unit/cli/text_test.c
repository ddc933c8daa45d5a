/* The daemon's log lines taken apart, times, sizes, and text of strangers made harmless. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>

#include "cli/logline.h"
#include "cli/logtime.h"
#include "cli/term.h"

static void
test_logline(void **state)
{
    struct logline line;

    assert_true(logline_parse(STR("time=2026-11-21T10:00:00.001Z level=info prog=lambentd "
                                  "event=daemon_ready listen=\"http://a http://b\" ms=3"),
                              &line));
    assert_true(str_is(line.level, "info"));
    assert_true(str_is(line.prog, "lambentd"));
    assert_true(str_is(line.event, "daemon_ready"));
    assert_int_equal(2, line.fields_len);
    assert_true(str_is(line.fields[0].key, "listen"));
    assert_true(str_is(line.fields[0].value, "http://a http://b"));
    assert_true(str_is(line.fields[1].value, "3"));

    assert_true(
        logline_parse(STR("time=t level=warn event=x error=open 'a b': No such file n=1"), &line));
    assert_true(str_is(line.fields[0].value, "open 'a b': No such file"));
    assert_true(
        logline_parse(STR("time=t level=warn event=x why=\"it said \"no\" twice\""), &line));
    assert_true(str_is(line.fields[0].value, "it said \"no\" twice"));
    assert_true(logline_parse(STR("time=t level=warn event=x why=\"never closed n=1"), &line));
    assert_true(str_is(line.fields[1].key, "n"));
    assert_true(logline_parse(STR("time= level= event= empty="), &line));

    assert_false(logline_parse(STR("malloc(): corrupted top size"), &line));
    assert_false(logline_parse(STR("time=t level=info"), &line));
    assert_false(logline_parse(STR(""), &line));
    assert_false(logline_parse(STR("=x"), &line));
}

static void
test_since(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } rows[] = {
        {"10m", 1000000000 - 600000},
        {"30s", 1000000000 - 30000},
        {"1h", 1000000000 - 3600000},
        {"500ms", 1000000000 - 500},
        {"52w", 0}, /* not before 1970 */
        {"1970-01-02T00:00:00Z", 86400000},
        {"1970-01-02T00:00:00.250Z", 86400000},
        {"1970-01-02", 86400000},
        {"", -1},
        {"m", -1},
        {"10", -1},
        {"10y", -1},
        {"-5m", -1},
        {"99999999999999999999s", -1},
        {"1970-01-02T00:00:00 tomorrow", -1},
        {"yesterday", -1},
    };

    setenv("TZ", "UTC0", 1);
    tzset();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t ms = -1;
        bool ok = logtime_since(rows[i].text, 1000000000, &ms);

        if (ok != (rows[i].ms >= 0) || ms != rows[i].ms)
            fail_msg("'%s': %d, %lld", rows[i].text, ok, (long long)ms);
    }
}

static void
test_bytes(void **state)
{
    char room[32];

    assert_string_equal("0 B", term_bytes(0, room));
    assert_string_equal("999 B", term_bytes(999, room));
    assert_string_equal("1.0 kB", term_bytes(1000, room));
    assert_string_equal("1.0 MB", term_bytes(999950, room));
    assert_string_equal("52.4 MB", term_bytes(52428800, room));
    assert_string_equal("18446744.1 TB", term_bytes(UINT64_MAX, room));
}

static void
expect_safe(const char *text, bool colors, const char *wanted)
{
    char *got = NULL;
    size_t len;
    FILE *to = open_memstream(&got, &len);

    term_print_safe(to, str_of(text), colors);
    fclose(to);
    assert_string_equal(wanted, got);
    free(got);
}

static void
test_safe(void **state)
{
    expect_safe("plain \xc3\xbc\ttext", false, "plain \xc3\xbc\ttext");
    expect_safe("\033[31mred\033[0m", true, "\033[31mred\033[0m");
    expect_safe("\033[31mred", false, "?[31mred");
    expect_safe("\033]0;title\007", true, "?]0;title?");
    expect_safe("\033[2J\033[1;1H", true, "?[2J?[1;1H");
    expect_safe("a\rb\nc\177", true, "a?b?c?");
    expect_safe("\xc2\x9b"
                "2J",
                true, "?2J");
    expect_safe("\033", true, "?");
    expect_safe("\033[", true, "?[");
    expect_safe("\xc2\xa0"
                "x",
                false,
                "\xc2\xa0"
                "x");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logline),
        cmocka_unit_test(test_since),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_safe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
