/* Settings: defaults < file < environment < flags, every refusal, reload, the two texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/settings.h"

static char path[64];

static void
write_file(const void *at, size_t len)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_int_equal(fwrite(at, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static int
make_file(void **state)
{
    int fd;

    snprintf(path, sizeof(path), "/tmp/lambent-settings-XXXXXX");
    fd = mkstemp(path);
    unsetenv("LAMBENT_CONFIG");
    return fd < 0 ? -1 : close(fd);
}

static int
remove_file(void **state)
{
    return unlink(path);
}

/* Load from `file` (NULL: an empty one) and up to three arguments. */
static int
load(struct settings *s, const char *file, const char *a, const char *b, const char *c,
     struct err *err)
{
    char *argv[] = {"lambentd", "--config", path, (char *)a, (char *)b, (char *)c, NULL};
    enum settings_action action;
    int argc = 3;

    while (argv[argc])
        argc++;
    write_file(file ? file : "", file ? strlen(file) : 0);
    return settings_load(s, argc, argv, &action, err);
}

static void
refused(const char *file, const char *a, const char *b, const char *text)
{
    struct settings s = {0};
    struct err err = {0};
    char want[400];

    assert_int_equal(load(&s, file, a, b, NULL, &err), -ERR_INVALID);
    snprintf(want, sizeof(want), "%s%s", file ? path : "", text);
    assert_string_equal(err.text, want);
    assert_null(s.data_dir); /* nothing was written */
}

static void
defaults_hold(void **state)
{
    struct settings s;
    struct err err = {0};

    assert_int_equal(load(&s, NULL, NULL, NULL, NULL, &err), 0);
    assert_string_equal(s.data_dir, "/var/lib/lambent");
    assert_string_equal(s.listen, "127.0.0.1:4566"); /* loopback unless somebody says otherwise */
    assert_int_equal(s.ready_fd, -1);
    assert_int_equal(s.concurrency, 1000);
    settings_done(&s);
    settings_done(&s); /* idempotent */
}

static void
each_source_wins_over_the_one_before(void **state)
{
    struct settings s;
    struct err err = {0};

    setenv("LAMBENT_INIT_MS", "300", 1);
    setenv("LAMBENT_REGION", "from-environment", 1);
    setenv("LAMBENT_ACCOUNT", "", 1); /* empty: as if it were not there */
    assert_int_equal(
        load(&s,
             "# comment\n\n  \t\nregion=from-file\n\tuser = from file \t\n"
             "init-ms = 200\nstop_ms=200\naccount = 222222222222\nworkers=3\r\nlisten = a=b",
             "--init-ms", "400", "--stop_ms=500", &err),
        0);
    assert_string_equal(s.region, "from-environment");
    assert_string_equal(s.user, "from file");
    assert_string_equal(s.account, "222222222222");
    assert_string_equal(s.listen, "a=b"); /* the last line needs no newline */
    assert_int_equal(s.init_ms, 400);
    assert_int_equal(s.stop_ms, 500);
    assert_int_equal(s.workers, 3);
    settings_done(&s);
    unsetenv("LAMBENT_INIT_MS");
    unsetenv("LAMBENT_REGION");
    unsetenv("LAMBENT_ACCOUNT");
}

static void
the_environment_may_name_the_file(void **state)
{
    struct settings s;
    struct err err = {0};
    enum settings_action action;

    write_file("region = there\n", 15);
    setenv("LAMBENT_CONFIG", path, 1);
    assert_int_equal(settings_load(&s, 1, (char *[]){"lambentd", NULL}, &action, &err), 0);
    assert_int_equal(action, SETTINGS_RUN);
    assert_string_equal(s.region, "there");
    settings_done(&s);
    setenv("LAMBENT_CONFIG", "/nonexistent/file", 1);
    assert_true(settings_load(&s, 1, (char *[]){"lambentd", NULL}, &action, &err) < 0);
    assert_string_equal(err.text,
                        "read configuration file '/nonexistent/file': No such file or directory");
    unsetenv("LAMBENT_CONFIG");
}

static void
every_refusal_says_where_and_why(void **state)
{
    refused("\nworkers = many\n", NULL, NULL,
            " line 2: workers is 'many', but must be a whole number from 1 to 64");
    refused("workers = 65\n", NULL, NULL,
            " line 1: workers is '65', but must be a whole number from 1 to 64");
    refused("workers =\n", NULL, NULL,
            " line 1: workers is '', but must be a whole number from 1 to 64");
    refused("workers\n", NULL, NULL, " line 1: expected `name = value`");
    refused("wrokers = 1\n", NULL, NULL,
            " line 1: there is no setting 'wrokers ' (see lambentd --help)");
    refused("= 1\n", NULL, NULL, " line 1: there is no setting '' (see lambentd --help)");
    refused(NULL, "--workers", NULL, "option '--workers' needs a value: N");
    refused(NULL, "--workers=0", NULL,
            "lambentd: workers is '0', but must be a whole number from 1 to 64");
    refused(NULL, "--wrokers", "1", "there is no option '--wrokers' (see lambentd --help)");
    refused(NULL, "--", NULL, "there is no option '--' (see lambentd --help)");
    refused(NULL, "workers", NULL, "unexpected argument 'workers' (see lambentd --help)");
    refused(NULL, "-x", NULL, "unexpected argument '-x' (see lambentd --help)");
    setenv("LAMBENT_WORKERS", "x", 1);
    refused(NULL, NULL, NULL,
            "LAMBENT_WORKERS: workers is 'x', but must be a whole number from 1 to 64");
    unsetenv("LAMBENT_WORKERS");
}

static void
a_long_comment_does_not_turn_into_a_setting(void **state)
{
    struct settings s = {0};
    struct err err = {0};
    char file[5000];

    /* What reads 4,095 bytes at a time would see "region = evil" as a line of its own. */
    memset(file, 'x', sizeof(file));
    file[0] = '#';
    snprintf(file + 4095, sizeof(file) - 4095, "region = evil\n");
    refused(file, NULL, NULL, " line 1: the line is too long");
    memset(file, ' ', 4096);
    refused(file, NULL, NULL, " line 1: the line is too long");
    memset(file, 'x', 4095);
    file[0] = '#';
    snprintf(file + 4095, sizeof(file) - 4095, "\nregion = evil\n");
    assert_int_equal(load(&s, file, NULL, NULL, NULL, &err), 0); /* just fits */
    assert_string_equal(s.region, "evil");
    settings_done(&s);
}

static void
a_nul_byte_does_not_cut_a_value(void **state)
{
    struct settings s = {0};
    struct err err = {0};
    enum settings_action action;
    char want[200];

    write_file("region = a\0b", 12);
    assert_int_equal(
        settings_load(&s, 3, (char *[]){"lambentd", "--config", path, NULL}, &action, &err),
        -ERR_INVALID);
    snprintf(want, sizeof(want), "%s line 1: region holds a NUL byte", path);
    assert_string_equal(err.text, want);
}

static void
a_folder_as_configuration_is_an_error(void **state)
{
    struct settings s = {0};
    struct err err = {0};
    enum settings_action action;

    assert_true(settings_load(&s, 2, (char *[]){"lambentd", "--config=/etc", NULL}, &action, &err) <
                0);
    assert_string_equal(err.text, "read configuration file '/etc': Is a directory");
    assert_null(s.data_dir);
}

static void
help_is_printed_even_with_a_broken_configuration(void **state)
{
    static const struct {
        const char *flag;
        enum settings_action action;
    } asks[] = {{"--help", SETTINGS_HELP},
                {"-h", SETTINGS_HELP},
                {"--man", SETTINGS_MAN},
                {"--version", SETTINGS_VERSION},
                {"--describe-api", SETTINGS_API}};

    write_file("rubbish\n", 8);
    setenv("LAMBENT_WORKERS", "rubbish", 1);
    for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
        char *argv[] = {"lambentd", "--config", path, (char *)asks[i].flag, NULL};
        struct settings s = {0};
        struct err err = {0};
        enum settings_action action;

        assert_int_equal(settings_load(&s, 4, argv, &action, &err), 0);
        assert_int_equal(action, asks[i].action);
        assert_non_null(s.data_dir);
        settings_done(&s);
    }
    unsetenv("LAMBENT_WORKERS");
}

static void
reload_changes_what_may_change_and_nothing_on_error(void **state)
{
    char *argv[] = {"lambentd", "--config", path, "--init-ms=700", NULL};
    enum settings_action action;
    struct settings s;
    struct err err = {0};

    write_file("log_level = warn\nregion = one\nworkers = 2\nlog_days = 3\n", 54);
    assert_int_equal(settings_load(&s, 4, argv, &action, &err), 0);
    write_file("log_level = debug\nregion = two\nworkers = 5\nlog_days = 9\ninit_ms=1\n", 65);
    assert_int_equal(settings_reload(&s, 4, argv, &err),
                     -ERR_INVALID); /* init_ms is out of range */
    assert_string_equal(s.log_level, "warn");
    assert_int_equal(s.log_days, 3);
    err_clear(&err);
    write_file("log_level = debug\nregion = two\nworkers = 5\nlog_days = 9\n", 55);
    assert_int_equal(settings_reload(&s, 4, argv, &err), 0);
    assert_string_equal(s.log_level, "debug");
    assert_int_equal(s.log_days, 9);
    assert_string_equal(s.region, "one");
    assert_int_equal(s.workers, 2);
    assert_int_equal(s.init_ms, 700); /* the flag still wins */
    settings_done(&s);
}

static char *
printed(void (*print)(FILE *out))
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    print(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void
help_and_manual_have_every_row(void **state)
{
    AUTO_FREE char *help = printed(settings_help), *man = NULL;
    static const char *const names[] = {
#define H(text)
#define S(kind, name, def, min, max, reload, arg, help) #name,
#include "base/settings.def"
#undef S
#undef H
    };

    man = printed(settings_man);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char flag[80], escaped[160], *to = escaped;

        snprintf(flag, sizeof(flag), "\n  --%s ", names[i]);
        for (char *c = flag; *c; c++)
            *c = *c == '_' ? '-' : *c;
        if (!strstr(help, flag))
            fail_msg("--help lacks%s", flag);
        for (const char *c = flag + 3; *c && *c != ' '; c++) {
            if (*c == '-')
                *to++ = '\\';
            *to++ = *c;
        }
        snprintf(to, 8, "\\fR");
        if (!strstr(man, escaped))
            fail_msg("--man lacks %s", escaped);
    }
}

#define TEST_CASE(fn) cmocka_unit_test_setup_teardown(fn, make_file, remove_file)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(defaults_hold),
        TEST_CASE(each_source_wins_over_the_one_before),
        TEST_CASE(the_environment_may_name_the_file),
        TEST_CASE(every_refusal_says_where_and_why),
        TEST_CASE(a_long_comment_does_not_turn_into_a_setting),
        TEST_CASE(a_nul_byte_does_not_cut_a_value),
        TEST_CASE(a_folder_as_configuration_is_an_error),
        TEST_CASE(help_is_printed_even_with_a_broken_configuration),
        TEST_CASE(reload_changes_what_may_change_and_nothing_on_error),
        TEST_CASE(help_and_manual_have_every_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
