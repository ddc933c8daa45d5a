/* .lambentignore's patterns, held against what git does with the same lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/ignore.h"

static bool
glob(const char *pattern, const char *path)
{
    return ignore_glob(str_of(pattern), str_of(path));
}

static void
test_glob(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool match;
    } rows[] = {
        {"a.txt", "a.txt", true},
        {"a.txt", "b.txt", false},
        {"*.txt", "a.txt", true},
        {"*.txt", "a.txt.gz", false},
        {"*", "", true},
        {"a*b*c", "axxbyyc", true},
        {"a*b*c", "axxbyy", false},
        {"?", "a", true},
        {"?", "ab", false},
        {"[a-c]x", "bx", true},
        {"[a-c]x", "dx", false},
        {"[!a-c]x", "dx", true},
        {"[]]", "]", true},
        {"[a", "[a", true}, /* never closed: itself */
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"a/b", "a/b", true},
        {"a/b", "a/c", false},
        {"a/*", "a/b", true},
        {"a/*", "a/b/c", false},
        {"a/**", "a/b/c", true},
        {"a/**", "a", false},
        {"**/c", "a/b/c", true},
        {"**/c", "c", true},
        {"a/**/c", "a/c", true},
        {"a/**/c", "a/b/b/c", true},
        {"a/**/c", "a/b/b/d", false},
        {"**/a/**/b", "x/a/y/a/z/b", true},
        {"*a", "aaaab", false},
        {"**/b/c", "b/b/b/c", true},
        {"ä*", "ähm", true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (glob(rows[i].pattern, rows[i].path) != rows[i].match)
            fail_msg("'%s' and '%s'", rows[i].pattern, rows[i].path);
}

/* A pattern of many stars must not take exponential time; this ends within the test's timeout. */
static void
test_glob_hostile(void **state)
{
    char pattern[257] = "", path[513] = "";

    for (size_t i = 0; i < 256; i++)
        pattern[i] = i % 2 ? 'a' : '*';
    memset(path, 'a', 512);
    path[511] = 'b';
    assert_false(glob(pattern, path));
    for (size_t i = 0; i < 255; i++)
        memcpy(pattern + i, i % 3 == 2 ? "/" : "*", 1);
    for (size_t i = 0; i < 512; i++)
        path[i] = i % 2 ? '/' : 'a';
    pattern[254] = 'z';
    assert_false(glob(pattern, path));
}

static void
test_rules(void **state)
{
    AUTO(ignore_free) struct ignore *ignore = ignore_new();
    struct err err = {0};

    assert_int_equal(0, ignore_add(ignore,
                                   STR("# a comment\n\n*.log\r\n!keep.log\nbuild/\n/top.txt\n"
                                       "docs/*.md\ntests/**/data   \n!.DS_Store\n\\#odd"),
                                   &err));
    assert_true(ignore_match(ignore, "a.log", false));
    assert_true(ignore_match(ignore, "deep/down/a.log", false));
    assert_false(ignore_match(ignore, "deep/keep.log", false));
    assert_true(ignore_match(ignore, "build", true));
    assert_true(ignore_match(ignore, "sub/build", true));
    assert_false(ignore_match(ignore, "build", false)); /* the rule is for folders */
    assert_true(ignore_match(ignore, "top.txt", false));
    assert_false(ignore_match(ignore, "sub/top.txt", false));
    assert_true(ignore_match(ignore, "docs/a.md", false));
    assert_false(ignore_match(ignore, "docs/sub/a.md", false));
    assert_false(ignore_match(ignore, "x/docs/a.md", false));
    assert_true(ignore_match(ignore, "tests/a/b/data", true));
    assert_true(ignore_match(ignore, "#odd", false));
    assert_false(ignore_match(ignore, ".DS_Store", false)); /* even what always holds, comes back */
}

static void
test_always(void **state)
{
    AUTO(ignore_free) struct ignore *ignore = ignore_new();

    assert_true(ignore_match(ignore, ".git", true));
    assert_true(ignore_match(ignore, "sub/.git", false)); /* a submodule's is a file */
    assert_true(ignore_match(ignore, "pkg/__pycache__", true));
    assert_true(ignore_match(ignore, "node_modules/.cache", true));
    assert_true(ignore_match(ignore, "sub/node_modules/.cache", true));
    assert_true(ignore_match(ignore, ".lambentignore", false));
    assert_false(ignore_match(ignore, "node_modules", true));
    assert_false(ignore_match(ignore, ".env", false));
    assert_false(ignore_match(ignore, ".cache", true));
}

static void
test_bounds(void **state)
{
    AUTO(ignore_free) struct ignore *ignore = ignore_new();
    AUTO_BUF struct buf text = BUF_MAX(1 << 20);
    struct err err = {0};

    for (size_t i = 0; i <= IGNORE_PATTERN_MAX; i++)
        buf_c(&text, 'x');
    assert_int_equal(-ERR_INVALID, ignore_add(ignore, buf_view(&text), &err));
    assert_non_null(strstr(err.text, "line 1"));
    err_clear(&err);
    buf_reset(&text);
    for (size_t i = 0; i < IGNORE_RULES_MAX; i++)
        buf_z(&text, "x\n");
    assert_int_equal(-ERR_INVALID, ignore_add(ignore, buf_view(&text), &err));
    err_clear(&err);
    assert_int_equal(-ERR_INVALID, ignore_add(ignore, STR("a\0b"), &err));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_glob),   cmocka_unit_test(test_glob_hostile),
        cmocka_unit_test(test_rules),  cmocka_unit_test(test_always),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
