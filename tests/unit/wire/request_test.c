/* Headers and queries. */
#include "help.h"

static void
headers_are_found_without_case(void **state)
{
    struct header headers[] = {{STR("X-Amz-Log-Type"), STR("Tail")},
                               {STR("x-amz-log-type"), STR("None")},
                               {STR("A"), STR("")}};
    struct request rq = {.headers = headers, .headers_len = ARRAY_LEN(headers)};

    assert_str(rq_header(&rq, "x-amz-LOG-type"), "Tail");
    assert_str(rq_header(&rq, "a"), "");
    assert_null(rq_header(&rq, "b").at);
    assert_null(rq_header(&rq, "X-Amz-Log").at);
}

static void
query_parameters_are_decoded(void **state)
{
    AUTO(request_free)
    struct request *rq =
        request_new("GET", "/", "a=1&b=x%20y+z&%63=%25&d&e=&a=2&f=%2&=g&h=1=2&&", "");

    assert_str(rq_query(rq, "a"), "1");
    assert_str(rq_query(rq, "b"), "x y z");
    assert_str(rq_query(rq, "c"), "%");
    assert_str(rq_query(rq, "d"), "");
    assert_str(rq_query(rq, "e"), "");
    assert_null(rq_query(rq, "f").at);
    assert_str(rq_query(rq, "h"), "1=2");
    assert_null(rq_query(rq, "g").at);
    assert_null(rq_query(rq, "aa").at);
    assert_true(rq_query_has(rq, "d") && rq_query_has(rq, "e"));
    assert_false(rq_query_has(rq, "a") || rq_query_has(rq, "x"));
}

static void
repeated_parameters_keep_their_order(void **state)
{
    AUTO(request_free) struct request *rq = request_new("GET", "/", "k=1&x=9&k=%32&k", "");
    AUTO(request_free) struct request *bad = request_new("GET", "/", "k=1&k=%zz", "");
    struct err err = {0};
    struct str *values;
    size_t n;

    OK(rq_query_all(rq, "k", &values, &n, &err));
    assert_int_equal(n, 3);
    assert_str(values[0], "1");
    assert_str(values[1], "2");
    assert_str(values[2], "");
    OK(rq_query_all(rq, "none", &values, &n, &err));
    assert_int_equal(n, 0);
    assert_int_equal(rq_query_all(bad, "k", &values, &n, &err), -ERR_INVALID);
}

static void
answer_headers_replace_each_other(void **state)
{
    struct request rq = {0};

    rq_set_header(&rq, "Content-Type", STR("a"));
    rq_set_header(&rq, "X", STR("b"));
    rq_set_header(&rq, "content-type", STR("c"));
    assert_int_equal(rq.headers_out_len, 2);
    assert_str(header_out(&rq, "Content-Type"), "c");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_found_without_case),
        cmocka_unit_test(query_parameters_are_decoded),
        cmocka_unit_test(repeated_parameters_keep_their_order),
        cmocka_unit_test(answer_headers_replace_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
