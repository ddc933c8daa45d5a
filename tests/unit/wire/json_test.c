/* Payload validation in pieces, and JSON text made by hand. */
#include "help.h"
#include "wire/json.h"

/* Fed whole, byte by byte, and in two halves at every place: the verdict must be the same. */
static bool
valid(struct str text)
{
    struct err err = {0};
    bool whole = json_check(text, &err) == 0;

    for (size_t cut = 0; cut <= text.len; cut++) {
        AUTO(json_check_free) struct json_check *c = json_check_new();
        bool good;

        err_clear(&err);
        good = json_check_feed(c, (struct str){text.at, cut}, &err) == 0 &&
               json_check_feed(c, (struct str){text.at + cut, text.len - cut}, &err) == 0 &&
               json_check_end(c, &err) == 0;
        if (good != whole)
            fail_msg("'%.*s' cut at %zu: %d, whole: %d", STR_FMT(text), cut, good, whole);
    }
    AUTO(json_check_free) struct json_check *c = json_check_new();
    bool good = true;

    err_clear(&err);
    for (size_t i = 0; i < text.len && good; i++)
        good = json_check_feed(c, (struct str){text.at + i, 1}, &err) == 0;
    assert_int_equal(good && json_check_end(c, &err) == 0, whole);
    return whole;
}

static void
json_is_told_from_what_is_not(void **state)
{
    static const char *const good[] = {
        "{}",
        "[]",
        "\"\"",
        "0",
        "-0.5e-10",
        "true",
        "false",
        "null",
        " {\"a\" : [1, 2, {\"b\":null}]} \n\t",
        "123456789012345678901234567890",
        "1e9999",
        "\"\\u00e9\\ud83d\\ude00\"",
        "\"\xc3\xa9\"",
        "{\"a\":1,\"a\":2}",
    };
    static const char *const bad[] = {
        "",    " ",   "{",   "}",         "[1,]", "{\"a\"}", "{\"a\":1,}", "{a:1}",   "{} {}",
        "1 2", "{}x", "tru", "truefalse", "'a'",  "\"a",     "\"\n\"",     "\"\\x\"", "\"\xff\"",
        "01",  "1.",  "-",   ".5",        "+1",   "NaN",     "[1 2]",      "//x\n1",  "\"\\u12\"",
    };

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!valid(str_of(good[i])))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (valid(str_of(bad[i])))
            fail_msg("accepted: %s", bad[i]);
    assert_false(valid(STR("{}\0")));
}

static void
depth_is_bounded(void **state)
{
    for (int deep = JSON_DEPTH_MAX; deep <= JSON_DEPTH_MAX + 1; deep++) {
        AUTO_BUF struct buf text = BUF_MAX(1 << 16);
        struct err err = {0};
        int rc;

        for (int i = 0; i < deep; i++)
            buf_z(&text, i % 2 ? "{\"a\":" : "[");
        buf_c(&text, '1');
        for (int i = deep; i-- > 0;)
            buf_c(&text, i % 2 ? '}' : ']');
        rc = json_check(buf_view(&text), &err);
        assert_int_equal(rc, deep <= JSON_DEPTH_MAX ? 0 : -ERR_INVALID);
        if (rc < 0)
            assert_string_equal(err.text, "nested deeper than 512");
    }
}

static void
a_failure_stays(void **state)
{
    AUTO(json_check_free) struct json_check *c = json_check_new();
    struct err err = {0};

    assert_true(json_check_empty(c));
    OK(json_check_feed(c, STR(""), &err));
    assert_true(json_check_empty(c));
    OK(json_check_feed(c, STR("[1"), &err));
    assert_false(json_check_empty(c));
    assert_int_equal(json_check_feed(c, STR("}"), &err), -ERR_INVALID);
    err_clear(&err);
    assert_int_equal(json_check_feed(c, STR("]"), &err), -ERR_INVALID);
    err_clear(&err);
    assert_int_equal(json_check_end(c, &err), -ERR_INVALID);
}

static void
strings_are_escaped(void **state)
{
    static const struct {
        struct str text;
        const char *want;
    } rows[] = {
        {{"", 0}, "\"\""},
        {{NULL, 0}, "\"\""},
        {{"a\"b\\c/", 6}, "\"a\\\"b\\\\c/\""},
        {{"\n\r\t\b\x1f\x7f", 6}, "\"\\n\\r\\t\\u0008\\u001f\\u007f\""},
        {{"\0x", 2}, "\"\\u0000x\""},
        {{"\xc3\xa9\xf0\x9f\x98\x80", 6}, "\"\xc3\xa9\xf0\x9f\x98\x80\""},
        {{"\xff"
          "a\xc3",
          3},
         "\"\xef\xbf\xbd"
         "a\xef\xbf\xbd\""},
        {{"\xed\xa0\x80", 3}, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BUF struct buf out = BUF_MAX(100);

        assert_true(json_put_string(&out, rows[i].text));
        assert_str(buf_view(&out), rows[i].want);
        assert_true(valid(buf_view(&out)));
    }
}

static void
objects_are_built_piece_by_piece(void **state)
{
    AUTO_BUF struct buf out = BUF_MAX(200);

    buf_c(&out, '{');
    json_put_str(&out, "absent", STR_NULL);
    json_put_str(&out, "a", STR("x"));
    json_put_int(&out, "b", INT64_MIN);
    json_put_bool(&out, "c", false);
    json_put_key(&out, "d");
    buf_c(&out, '[');
    for (int i = 0; i < 2; i++) {
        json_put_comma(&out);
        buf_fmt(&out, "%d", i);
    }
    assert_true(buf_z(&out, "]}"));
    assert_str(buf_view(&out), "{\"a\":\"x\",\"b\":-9223372036854775808,\"c\":false,\"d\":[0,1]}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_told_from_what_is_not),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(a_failure_stays),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(objects_are_built_piece_by_piece),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
