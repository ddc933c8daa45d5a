/* base.h, err.h, buf.h, arena.h, id.h: the small things that everything stands on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"

/* ---- strings ---- */

static void
str_int_takes_whole_numbers_in_range(void **state)
{
    static const struct {
        const char *text;
        int64_t min, max, want;
        bool ok;
    } cases[] = {
        {"0", 0, 0, 0, true},
        {"-0", 0, 0, 0, true},
        {"007", 0, 10, 7, true},
        {"9223372036854775807", INT64_MIN, INT64_MAX, INT64_MAX, true},
        {"-9223372036854775808", INT64_MIN, INT64_MAX, INT64_MIN, true},
        {"9223372036854775808", INT64_MIN, INT64_MAX, 0, false},
        {"-9223372036854775809", INT64_MIN, INT64_MAX, 0, false},
        {"99999999999999999999999", INT64_MIN, INT64_MAX, 0, false},
        {"", INT64_MIN, INT64_MAX, 0, false},
        {"-", INT64_MIN, INT64_MAX, 0, false},
        {"--1", INT64_MIN, INT64_MAX, 0, false},
        {"+1", INT64_MIN, INT64_MAX, 0, false},
        {" 1", INT64_MIN, INT64_MAX, 0, false},
        {"1 ", INT64_MIN, INT64_MAX, 0, false},
        {"1.0", INT64_MIN, INT64_MAX, 0, false},
        {"0x10", INT64_MIN, INT64_MAX, 0, false},
        {"1e3", INT64_MIN, INT64_MAX, 0, false},
        {"11", 0, 10, 0, false},
        {"-1", 0, 10, 0, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t got = 4711;

        if (str_int(str_of(cases[i].text), cases[i].min, cases[i].max, &got) != cases[i].ok)
            fail_msg("'%s'", cases[i].text);
        assert_int_equal(got, cases[i].ok ? cases[i].want : 4711); /* untouched on failure */
    }
    assert_false(str_int((struct str){"1\0002", 3}, 0, 1000, &(int64_t){0}));
}

static void
strings_compare_by_length_not_by_nul(void **state)
{
    struct str with_nul = {"a\0b", 3};

    assert_false(str_is(with_nul, "a"));
    assert_true(str_eq(with_nul, (struct str){"a\0b", 3}));
    assert_false(str_eq(with_nul, (struct str){"a\0c", 3}));
    assert_true(str_eq(STR_NULL, STR("")));
    assert_false(str_is(STR_NULL, "")); /* absent is not empty */
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_false(str_starts(STR("ab"), STR("abc")));
    assert_true(str_starts(STR_NULL, STR_NULL));
    assert_true(str_ends(STR("abc"), STR("bc")));
    assert_false(str_ends(STR("c"), STR("bc")));
    assert_int_equal(str_find(STR("abcb"), 'b'), 1);
    assert_int_equal(str_find(STR_NULL, 'b'), -1);
    assert_true(str_eq_nocase(STR("Content-Type"), STR("content-TYPE")));
}

static void
str_copy_fits_or_leaves_nothing(void **state)
{
    char to[4] = "xyz";

    assert_true(str_copy(to, sizeof(to), STR("abc")));
    assert_string_equal(to, "abc");
    assert_false(str_copy(to, sizeof(to), STR("abcd")));
    assert_string_equal(to, "");
    assert_true(str_copy(to, sizeof(to), STR_NULL));
    assert_string_equal(to, "");
}

/* ---- err ---- */

static void
err_texts_are_cut_never_overrun(void **state)
{
    struct err err = {0};
    char longer[2 * sizeof(err.text)];

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(err_set(&err, ERR_INVALID, "%s", longer), -ERR_INVALID);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    for (int i = 0; i < 100; i++)
        assert_int_equal(err_wrap(&err, "layer %d", i), -ERR_INVALID);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_memory_equal(err.text, "layer 99: layer 98: ", 20);
    assert_int_equal(err_wrap(&err, "%s", longer), -ERR_INVALID);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    err_clear(&err);
    assert_int_equal(err.kind, ERR_NONE);
    assert_string_equal(err.text, "");
}

static void
err_sys_keeps_errno_and_its_text(void **state)
{
    struct err err = {0};
    char longer[sizeof(err.text)];

    errno = ENOENT;
    assert_int_equal(err_sys(&err, "open '%s'", "x"), -ERR_INTERNAL);
    assert_int_equal(err.sys, ENOENT);
    assert_string_equal(err.text, "open 'x': No such file or directory");
    assert_int_equal(err_wrap(&err, "package"), -ERR_INTERNAL);
    assert_string_equal(err.text, "package: open 'x': No such file or directory");
    assert_int_equal(err.sys, ENOENT);
    /* Room for the text's beginning only, at each place near the end. */
    for (size_t n = sizeof(longer) - 8; n < sizeof(longer); n++) {
        err_clear(&err);
        memset(longer, 'x', sizeof(longer));
        longer[n] = '\0';
        errno = ENOENT;
        (void)err_sys(&err, "%s", longer);
        assert_in_range(strlen(err.text), n, sizeof(err.text) - 1);
    }
}

static void
err_wire_keeps_the_models_error_through_wraps(void **state)
{
    struct err err = {0};

    assert_int_equal(err_wire(&err, ERR_CONFLICT, 7, "exists"), -ERR_CONFLICT);
    assert_int_equal(err_wrap(&err, "function"), -ERR_CONFLICT);
    assert_int_equal(err.wire, 7);
    assert_string_equal(err_kind_name(err.kind), "CONFLICT");
    assert_string_equal(err_kind_name((enum err_kind)999), "?");
}

/* ---- buf ---- */

static void
buf_reaches_its_maximum_and_not_one_byte_more(void **state)
{
    AUTO_BUF struct buf b = BUF_MAX(1000);

    for (int i = 0; i < 1000; i++)
        assert_true(buf_c(&b, 'x'));
    assert_int_equal(b.len, 1000);
    assert_int_equal(b.at[1000], '\0');
    assert_false(b.overflow);
    assert_false(buf_c(&b, 'y'));
    assert_true(b.overflow);
    assert_int_equal(b.len, 1000);
    buf_shift(&b, 500);
    assert_false(buf_c(&b, 'y')); /* it remembers: a text with a hole is never taken for whole */
    buf_reset(&b);
    assert_true(buf_c(&b, 'y'));
    assert_false(buf_reserve(&b, SIZE_MAX));
}

static void
buf_failures_leave_the_content(void **state)
{
    AUTO_BUF struct buf b = BUF_MAX(8);

    assert_true(buf_z(&b, "abc"));
    assert_false(buf_fmt(&b, "%s", "123456"));
    assert_true(str_is(buf_view(&b), "abc"));
    buf_reset(&b);
    assert_true(buf_fmt(&b, "%s", "12345678"));
    assert_true(str_is(buf_view(&b), "12345678"));
    buf_done(&b);
    assert_int_equal(b.max, 8); /* usable again */
    assert_true(buf_view(&b).at != NULL);
    assert_true(buf_add(&b, "", 0));
    assert_int_equal(b.at[0], '\0');
    assert_true(buf_str(&b, STR_NULL));
}

static void
buf_that_was_reset_showed_its_old_text_as_a_string(void **state)
{
    AUTO_BUF struct buf b = BUF_MAX(100);

    buf_z(&b, "secret");
    buf_reset(&b);
    assert_string_equal(b.at, "");
}

static void
buf_grows_over_allocation_steps_and_shifts(void **state)
{
    AUTO_BUF struct buf b = BUF_MAX(10 << 20);

    for (unsigned i = 0; i < 200000; i++)
        assert_true(buf_fmt(&b, "%07u ", i));
    buf_shift(&b, 8 * 199998);
    assert_string_equal(b.at, "0199998 0199999 ");
    buf_shift(&b, 16);
    assert_int_equal(b.len, 0);
}

/* ---- arena ---- */

static void
arena_gives_aligned_zeroed_memory_up_to_its_bound(void **state)
{
    AUTO(arena_free) struct arena *a = arena_new(100000);
    size_t total = 0;

    for (size_t size = 0; size < 300; size++) {
        char *at = arena_alloc(a, size);

        assert_non_null(at);
        assert_int_equal((uintptr_t)at % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(at[i], 0);
        memset(at, 0xff, size);
        total += size;
    }
    assert_in_range(arena_used(a), total, 100000);
    assert_false(arena_full(a));
    assert_null(arena_alloc(a, 100000));
    assert_true(arena_full(a));
    assert_null(arena_alloc(a, SIZE_MAX));
    assert_null(arena_alloc(a, SIZE_MAX - 14));
    arena_limit(a, 1 << 20);
    assert_non_null(arena_alloc(a, 500000)); /* larger than any block */
    assert_null(ARENA_ARRAY(a, uint64_t, SIZE_MAX / 4));
}

static void
arena_exactly_full_is_not_an_error(void **state)
{
    AUTO(arena_free) struct arena *a = arena_new(64);

    assert_non_null(arena_alloc(a, 64));
    assert_false(arena_full(a));
    assert_null(arena_alloc(a, 1));
    arena_limit(a, 0); /* below what is used */
    assert_null(arena_alloc(a, 1));
}

static void
arena_strings_are_copies_with_a_nul(void **state)
{
    AUTO(arena_free) struct arena *a = arena_new(4096);
    char from[] = "abc";
    struct str s = arena_str(a, (struct str){from, 2}), f;

    from[0] = 'x';
    assert_string_equal(s.at, "ab");
    assert_null(arena_str(a, STR_NULL).at);
    s = arena_str(a, STR(""));
    assert_non_null(s.at);
    assert_string_equal(s.at, "");
    f = arena_fmt(a, "%d-%s", 7, "x");
    assert_string_equal(f.at, "7-x");
    assert_int_equal(f.len, 3);
    assert_null(arena_fmt(a, "%5000d", 7).at);
    assert_true(arena_full(a));
}

/* ---- id ---- */

static void
base64_known_answers(void **state)
{
    static const char *const vectors[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"}, /* RFC 4648 section 10 */
        {"\xfb\xff\xfe", "+//+"},
    };

    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        char text[32];
        uint8_t bytes[32];
        size_t len = strlen(vectors[i][0]);

        base64_encode(vectors[i][0], len, text);
        assert_string_equal(text, vectors[i][1]);
        assert_int_equal(base64_len(len), strlen(text));
        assert_int_equal(base64_decode(str_of(text), bytes), len);
        assert_memory_equal(bytes, vectors[i][0], len);
    }
}

static void
base64_refuses_what_is_not_it(void **state)
{
    static const char *const bad[] = {
        "Z",     "Zg",       "Zg=",   "=",    "==",           "===",  "====",
        "Z===",  "Zg==Zg==", "Zm9v=", "Zm=v", "Zm8=Zm8=",     "Zg= ", "Zg =",
        " Zg==", "Zg==\n",   "Zm9\n", "-_-_", "Zm9v\t\t\t\t", "=m9v",
    };
    uint8_t bytes[32];

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (base64_decode(str_of(bad[i]), bytes) != -1)
            fail_msg("'%s' was taken", bad[i]);
    assert_int_equal(base64_decode((struct str){"Zm\0v", 4}, bytes), -1);
}

static void
base64_all_bytes_both_ways(void **state)
{
    uint8_t all[256], back[258];
    char text[400];

    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (uint8_t)i;
    for (size_t len = 0; len <= sizeof(all); len++) {
        base64_encode(all, len, text);
        assert_int_equal(base64_decode(str_of(text), back), len);
        assert_memory_equal(all, back, len);
    }
}

static void
sha256_known_answers(void **state)
{
    uint8_t digest[32];
    char hex[SHA256_HEX_LEN + 1];

    sha256("", 0, digest);
    hex_encode(digest, sizeof(digest), hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256("abc", 3, digest);
    hex_encode(digest, sizeof(digest), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void
uuids_are_version_4_and_differ(void **state)
{
    char a[UUID_LEN + 1], b[UUID_LEN + 1];

    uuid_make(a);
    uuid_make(b);
    assert_int_equal(strlen(a), UUID_LEN);
    assert_true(uuid_check(str_of(a)));
    assert_int_equal(a[14], '4');
    assert_non_null(strchr("89ab", a[19]));
    assert_string_not_equal(a, b);
    assert_true(uuid_check(STR("79104EXB-7f0b-4cc9-a4b1-3f3f6b1d2c3d")) == false);
    assert_true(uuid_check(STR("79104EAB-7f0b-4cc9-a4b1-3f3f6b1d2c3d")));
    assert_false(uuid_check(STR("79104EAB-7f0b-4cc9-a4b1-3f3f6b1d2c3")));
    assert_false(uuid_check(STR("79104EAB-7f0b-4cc9-a4b1-3f3f6b1d2c3d0")));
    assert_false(uuid_check(STR("79104EABx7f0b-4cc9-a4b1-3f3f6b1d2c3d")));
    assert_false(uuid_check(STR_NULL));
}

static void
random_hex_fills_what_was_asked(void **state)
{
    char at[129];

    for (size_t len = 0; len <= 128; len += 2) {
        random_hex(at, len);
        assert_int_equal(strlen(at), len);
        assert_int_equal(strspn(at, "0123456789abcdef"), len);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(str_int_takes_whole_numbers_in_range),
        cmocka_unit_test(strings_compare_by_length_not_by_nul),
        cmocka_unit_test(str_copy_fits_or_leaves_nothing),
        cmocka_unit_test(err_texts_are_cut_never_overrun),
        cmocka_unit_test(err_sys_keeps_errno_and_its_text),
        cmocka_unit_test(err_wire_keeps_the_models_error_through_wraps),
        cmocka_unit_test(buf_reaches_its_maximum_and_not_one_byte_more),
        cmocka_unit_test(buf_failures_leave_the_content),
        cmocka_unit_test(buf_that_was_reset_showed_its_old_text_as_a_string),
        cmocka_unit_test(buf_grows_over_allocation_steps_and_shifts),
        cmocka_unit_test(arena_gives_aligned_zeroed_memory_up_to_its_bound),
        cmocka_unit_test(arena_exactly_full_is_not_an_error),
        cmocka_unit_test(arena_strings_are_copies_with_a_nul),
        cmocka_unit_test(base64_known_answers),
        cmocka_unit_test(base64_refuses_what_is_not_it),
        cmocka_unit_test(base64_all_bytes_both_ways),
        cmocka_unit_test(sha256_known_answers),
        cmocka_unit_test(uuids_are_version_4_and_differ),
        cmocka_unit_test(random_hex_fills_what_was_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
