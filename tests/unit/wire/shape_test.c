/* Documents both ways: JSON text to structs of the real models and back. */
#include <math.h>

#include "help.h"
#include "wire/shape_slots.h"

struct fixture {
    struct arena *a;
    struct buf out;
};

static int
setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    f->a = arena_new(1u << 20);
    f->out = BUF_MAX(1u << 20);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    buf_done(&f->out);
    arena_free(f->a);
    free(f);
    return 0;
}

static void
configuration_round(struct fixture *f, const char *json, const char *want)
{
    struct lambda_function_configuration c = {0};
    struct err err = {0};

    buf_reset(&f->out);
    OK(lambda_function_configuration_parse(str_of(json), f->a, &c, &err));
    assert_true(lambda_function_configuration_write(&c, &f->out));
    assert_str(buf_view(&f->out), want);
}

static void
a_document_comes_back_in_the_models_order(void **state)
{
    configuration_round(
        *state,
        "{\"MemorySize\":128, \"FunctionName\" : "
        "\"f\",\"Environment\":{\"Variables\":{\"z\":\"1\",\"a\":\"\\u00e9\\n\\\"\"}},"
        "\"VpcConfig\":{\"SubnetIds\":[],\"Ipv6AllowedForDualStack\":false},"
        "\"Layers\":[{\"CodeSize\":9007199254740993,\"Arn\":\"x\"},{}],\"Timeout\":3.0,"
        "\"NoSuchMember\":[{}]}",
        "{\"FunctionName\":\"f\",\"Timeout\":3,\"MemorySize\":128,"
        "\"VpcConfig\":{\"SubnetIds\":[],\"Ipv6AllowedForDualStack\":false},"
        "\"Environment\":{\"Variables\":{\"z\":\"1\",\"a\":\"\xc3\xa9\\n\\\"\"}},"
        "\"Layers\":[{\"Arn\":\"x\",\"CodeSize\":9007199254740993},{}]}");
}

static void
null_is_absent_and_empty_is_not(void **state)
{
    struct fixture *f = *state;
    struct lambda_function_configuration c = {0};
    struct err err = {0};

    configuration_round(
        f, "{\"FunctionName\":null,\"VpcConfig\":null,\"Layers\":null,\"Timeout\":null}", "{}");
    configuration_round(f, "", "{}");
    configuration_round(f, "null", "{}");
    configuration_round(f, "{\"Description\":\"\",\"Layers\":[],\"VpcConfig\":{}}",
                        "{\"Description\":\"\",\"VpcConfig\":{},\"Layers\":[]}");
    OK(lambda_function_configuration_parse(STR("{\"Description\":\"\"}"), f->a, &c, &err));
    assert_non_null(c.description.at);
    assert_int_equal(c.description.len, 0);
    assert_null(c.runtime.at);
    assert_false(c.layers.set);
    assert_null(c.vpc_config);
}

static void
some_members_are_null_instead_of_absent(void **state)
{
    struct fixture *f = *state;
    struct lambda_get_runtime_management_config_out out = {.update_runtime_on = STR("Auto")};

    assert_true(lambda_get_runtime_management_config_out_write(&out, &f->out));
    assert_str(buf_view(&f->out), "{\"UpdateRuntimeOn\":\"Auto\",\"RuntimeVersionArn\":null}");
}

static void
numbers_and_times_keep_their_value(void **state)
{
    struct fixture *f = *state;
    struct lambda_alias_configuration alias = {0};
    struct lambda_event_source_mapping_configuration esm = {0};
    struct err err = {0};

    OK(lambda_alias_configuration_parse(
        STR("{\"RoutingConfig\":{\"AdditionalVersionWeights\":{\"2\":0.1,\"3\":1}}}"), f->a, &alias,
        &err));
    assert_true(alias.routing_config->additional_version_weights.at[0].value.value == 0.1);
    assert_true(lambda_alias_configuration_write(&alias, &f->out));
    assert_str(buf_view(&f->out),
               "{\"RoutingConfig\":{\"AdditionalVersionWeights\":{\"2\":0.1,\"3\":1}}}");

    static const struct {
        double value;
        const char *text;
    } times[] = {{1569284520.333, "1569284520.333"},
                 {1569284520, "1569284520"},
                 {1569284520.5, "1569284520.5"},
                 {0, "0"},
                 {-1.25, "-1.25"},
                 {1569284520.3336, "1569284520.334"}};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        char want[64];

        esm = (struct lambda_event_source_mapping_configuration){.last_modified =
                                                                     OPT_DOUBLE(times[i].value)};
        buf_reset(&f->out);
        assert_true(lambda_event_source_mapping_configuration_write(&esm, &f->out));
        snprintf(want, sizeof(want), "{\"LastModified\":%s}", times[i].text);
        assert_str(buf_view(&f->out), want);
    }
}

static void
blobs_are_base64_in_documents(void **state)
{
    struct fixture *f = *state;
    struct lambda_function_code code = {0};
    struct err err = {0};

    OK(lambda_function_code_parse(STR("{\"ZipFile\":\"AAEC/w==\"}"), f->a, &code, &err));
    assert_int_equal(code.zip_file.len, 4);
    assert_memory_equal(code.zip_file.at, "\0\1\2\xff", 4);
    assert_true(lambda_function_code_write(&code, &f->out));
    assert_str(buf_view(&f->out), "{\"ZipFile\":\"AAEC/w==\"}");
    assert_true(lambda_function_code_parse(STR("{\"ZipFile\":\"AAE\"}"), f->a, &code, &err) < 0);
    assert_int_equal(err.wire, AWS_SERIALIZATION_EXCEPTION);
}

static void
maps_of_lists_are_possible(void **state)
{
    struct fixture *f = *state;
    struct lambda_self_managed_event_source s = {0};
    struct err err = {0};
    const char *text = "{\"Endpoints\":{\"KAFKA_BOOTSTRAP_SERVERS\":[\"a:1\",\"b:2\"]}}";

    OK(lambda_self_managed_event_source_parse(str_of(text), f->a, &s, &err));
    assert_str(s.endpoints.at[0].key, "KAFKA_BOOTSTRAP_SERVERS");
    assert_str(s.endpoints.at[0].value.at[1], "b:2");
    assert_true(lambda_self_managed_event_source_write(&s, &f->out));
    assert_str(buf_view(&f->out), text);
}

static void
wrong_types_are_serialization_errors(void **state)
{
    static const struct {
        const char *json, *text;
    } rows[] = {
        {"{\"MemorySize\":\"128\"}", "STRING_VALUE can not be converted to an Integer"},
        {"{\"MemorySize\":1.5}", "DECIMAL_VALUE can not be converted to an Integer"},
        {"{\"MemorySize\":4294967296}", "NUMBER_VALUE can not be converted to an Integer"},
        {"{\"MemorySize\":true}", "TRUE_VALUE can not be converted to an Integer"},
        {"{\"MemorySize\":{}}", "Start of structure or map found where not expected."},
        {"{\"MemorySize\":[]}", "Start of list found where not expected"},
        {"{\"FunctionName\":1}", "NUMBER_VALUE can not be converted to a String"},
        {"{\"FunctionName\":false}", "FALSE_VALUE can not be converted to a String"},
        {"{\"CodeSize\":\"1\"}", "STRING_VALUE can not be converted to a Long"},
        {"{\"VpcConfig\":\"x\"}", "Expected map or null"},
        {"{\"VpcConfig\":[]}", "Start of list found where not expected"},
        {"{\"Layers\":\"x\"}", "Expected list or null"},
        {"{\"Layers\":{}}", "Start of structure or map found where not expected."},
        {"{\"Layers\":[null]}", "Expected map or null"},
        {"{\"Environment\":{\"Variables\":[]}}", "Start of list found where not expected"},
        {"{\"Environment\":{\"Variables\":{\"a\":1}}}",
         "NUMBER_VALUE can not be converted to a String"},
        {"[]", "Start of list found where not expected"},
        {"\"x\"", "Expected map or null"},
        {"{", "Unexpected token at line 1, column 1"},
        {"{\"a\":1}}", "Unexpected token at line 1, column 8"},
        {"{\"a\":1,\n}", "Unexpected token at line 2, column 1"},
        {"{\"FunctionName\":\"\\u0000\"}", "Unexpected token at line 1, column 24"},
        {"{\"FunctionName\":\"\xff\"}", "Unexpected token at line 1, column 17"},
        {"{\"MemorySize\":99999999999999999999}", "Unexpected token at line 1, column 34"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct lambda_function_configuration c = {0};
        struct err err = {0};

        assert_int_equal(lambda_function_configuration_parse(str_of(rows[i].json), f->a, &c, &err),
                         -ERR_INVALID);
        assert_int_equal(err.wire, AWS_SERIALIZATION_EXCEPTION);
        if (strcmp(err.text, rows[i].text) != 0)
            fail_msg("%s: got '%s', want '%s'", rows[i].json, err.text, rows[i].text);
    }
}

/* Found by fuzzing: jansson stopped at the NUL and took `1` for the whole text. */
static void
nothing_hides_behind_a_nul(void **state)
{
    struct fixture *f = *state;
    struct lambda_function_configuration c = {0};
    struct err err = {0};

    assert_int_equal(lambda_function_configuration_parse(STR("{}\0{"), f->a, &c, &err),
                     -ERR_INVALID);
    assert_string_equal(err.text, "Unexpected token: NUL");
    err_clear(&err);
    assert_int_equal(lambda_function_configuration_parse(STR("{}\0"), f->a, &c, &err),
                     -ERR_INVALID);
}

static void
documents_are_bounded_before_they_are_parsed(void **state)
{
    AUTO_BUF struct buf deep = BUF_MAX(1 << 20), wide = BUF_MAX(4 << 20), text = BUF_MAX(4 << 20);
    struct fixture *f = *state;
    struct lambda_function_configuration c = {0};
    struct err err = {0};

    for (unsigned i = 0; i < 100000; i++)
        buf_c(&deep, '[');
    assert_int_equal(lambda_function_configuration_parse(buf_view(&deep), f->a, &c, &err),
                     -ERR_INVALID);
    assert_string_equal(err.text, "The document has too many values or is nested too deeply");
    err_clear(&err);
    buf_z(&wide, "{\"x\":[0");
    for (unsigned i = 0; i < SHAPE_VALUES_MAX; i++)
        buf_z(&wide, ",0");
    buf_z(&wide, "]}");
    assert_int_equal(lambda_function_configuration_parse(buf_view(&wide), f->a, &c, &err),
                     -ERR_INVALID);
    assert_string_equal(err.text, "The document has too many values or is nested too deeply");
    /* Commas and brackets inside of strings are no values. */
    err_clear(&err);
    buf_z(&text, "{\"FunctionName\":\"\\\\\\\"");
    for (unsigned i = 0; i < SHAPE_VALUES_MAX; i++)
        buf_c(&text, i % 2 ? ',' : '[');
    buf_z(&text, "\"}");
    OK(lambda_function_configuration_parse(buf_view(&text), f->a, &c, &err));
    assert_int_equal(c.function_name.len, SHAPE_VALUES_MAX + 2);
}

static void
a_full_arena_or_buffer_is_an_ordinary_failure(void **state)
{
    static const char text[] =
        "{\"FunctionName\":\"f\",\"Layers\":[{\"Arn\":\"abc\"}],\"Environment\":{\"Variables\":"
        "{\"a\":\"b\"}},\"VpcConfig\":{\"SubnetIds\":[\"s\"]}}";
    unsigned failed = 0;
    bool good = false;

    for (size_t max = 0; !good; max += 16) {
        AUTO(arena_free) struct arena *a = arena_new(max);
        struct lambda_function_configuration c = {0};
        struct err err = {0};
        int rc = lambda_function_configuration_parse(STR(text), a, &c, &err);

        good = rc == 0;
        if (!good) {
            assert_int_equal(rc, -ERR_TOO_LARGE);
            failed++;
            continue;
        }
        for (size_t room = 1; room < sizeof(text) + 8; room++) {
            AUTO_BUF struct buf out = BUF_MAX(room);

            assert_int_equal(lambda_function_configuration_write(&c, &out),
                             room >= sizeof(text) - 1);
        }
    }
    assert_true(failed > 5);
}

/* Labels, headers and queries of any simple shape; the real models use few of them. */
static void
simple_shapes_have_a_text_form(void **state)
{
    static const struct {
        enum shape_type type;
        bool iso;
        const char *text; /* NULL: `bad` only */
        const char *bad;
    } rows[] = {
        {SHAPE_STRING, false, "a b", "\xff"},
        {SHAPE_STRING, false, "", "\xc3"},
        {SHAPE_BLOB, false, "AAEC/w==", "AAE"},
        {SHAPE_BOOLEAN, false, "true", "True"},
        {SHAPE_BOOLEAN, false, "false", ""},
        {SHAPE_INTEGER, false, "-2147483648", "2147483648"},
        {SHAPE_LONG, false, "9223372036854775807", "9223372036854775808"},
        {SHAPE_LONG, false, "-1", "1.0"},
        {SHAPE_DOUBLE, false, "0.1", "0.1x"},
        {SHAPE_DOUBLE, false, "-1e+300", "1e999"},
        {SHAPE_DOUBLE, false, "3", "nan"},
        {SHAPE_DOUBLE, false, "2", " 2"},
        {SHAPE_TIMESTAMP, false, "1706704496", "2024-01-31T12:34:56Z"},
        {SHAPE_TIMESTAMP, true, "2024-01-31T12:34:56Z", "1706704496"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct shape shape = {.name = "S", .type = rows[i].type};
        union {
            struct str s;
            struct opt_int i;
            struct opt_double d;
        } slot;
        struct err err = {0};

        memset(&slot, 0, sizeof(slot));
        assert_null(shape_text(&shape, rows[i].iso, &slot, f->a).at);
        OK(shape_parse_text(&shape, rows[i].iso, str_of(rows[i].text), f->a, &slot, &err));
        assert_str(shape_text(&shape, rows[i].iso, &slot, f->a), rows[i].text);
        if (shape_parse_text(&shape, rows[i].iso, str_of(rows[i].bad), f->a, &slot, &err) >= 0)
            fail_msg("'%s' was accepted", rows[i].bad);
        assert_int_equal(err.wire, AWS_SERIALIZATION_EXCEPTION);
    }
}

static void
times_as_text(void **state)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00Z"},
        {1706704496.25, "2024-01-31T12:34:56.250Z"},
        {951782400, "2000-02-29T00:00:00Z"},
        {-1, "1969-12-31T23:59:59Z"},
        {-0.5, "1969-12-31T23:59:59.500Z"},
        {253402300799, "9999-12-31T23:59:59Z"},
        {-62135596800, "0001-01-01T00:00:00Z"},
    };
    static const char *const bad[] = {
        "",
        "2024",
        "2024-01-31",
        "2024-01-31T12:34:56",
        "2024-13-01T00:00:00Z",
        "2024-00-01T00:00:00Z",
        "2024-01-32T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00+1:00",
        "2024-01-01T00:00:00Zx",
        "x024-01-01T00:00:00Z",
        "2024-01-01 00:00:00Z",
    };
    double value;
    char room[64];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(time_write(rows[i].value, true, room, sizeof(room)));
        assert_string_equal(room, rows[i].text);
        assert_true(time_parse(str_of(rows[i].text), &value));
        assert_true(value == rows[i].value);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (time_parse(str_of(bad[i]), &value))
            fail_msg("'%s' was accepted", bad[i]);
    assert_false(time_write(1e15, true, room, sizeof(room)));
    assert_false(time_write(NAN, true, room, sizeof(room)));
    assert_false(time_write(INFINITY, false, room, sizeof(room)));
}

static void
utf8_is_checked_strictly(void **state)
{
    static const char *const good[] = {"",
                                       "a",
                                       "\xc3\xa9",
                                       "\xe2\x82\xac",
                                       "\xf0\x9f\x98\x80",
                                       "\xed\x9f\xbf",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xc3",
                                      "\xc0\xaf",
                                      "\xe0\x80\xaf",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf0\x80\x80\x80",
                                      "\xff",
                                      "\xe2\x82",
                                      "a\xe2\x28\xa1"};

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(utf8_check(str_of(good[i])));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(utf8_check(str_of(bad[i])));
    assert_int_equal(utf8_points(STR("a\xc3\xa9\xf0\x9f\x98\x80")), 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_document_comes_back_in_the_models_order, setup, teardown),
        cmocka_unit_test_setup_teardown(null_is_absent_and_empty_is_not, setup, teardown),
        cmocka_unit_test_setup_teardown(some_members_are_null_instead_of_absent, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_and_times_keep_their_value, setup, teardown),
        cmocka_unit_test_setup_teardown(blobs_are_base64_in_documents, setup, teardown),
        cmocka_unit_test_setup_teardown(maps_of_lists_are_possible, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_types_are_serialization_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_hides_behind_a_nul, setup, teardown),
        cmocka_unit_test_setup_teardown(documents_are_bounded_before_they_are_parsed, setup,
                                        teardown),
        cmocka_unit_test(a_full_arena_or_buffer_is_an_ordinary_failure),
        cmocka_unit_test_setup_teardown(simple_shapes_have_a_text_form, setup, teardown),
        cmocka_unit_test(times_as_text),
        cmocka_unit_test(utf8_is_checked_strictly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
