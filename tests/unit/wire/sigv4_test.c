/* Credential scopes. */
#include "help.h"
#include "wire/sigv4.h"

static void
a_signed_header_names_key_region_and_service(void **state)
{
    struct sigv4_scope scope;
    struct err err = {0};

    OK(sigv4_header_parse(
        STR("AWS4-HMAC-SHA256 "
            "Credential=AKIAIOSFODNN7EXAMPLE/20261121/eu-central-1/lambda/aws4_request, "
            "SignedHeaders=host;x-amz-date, Signature=00"),
        &scope, &err));
    assert_str(scope.access_key, "AKIAIOSFODNN7EXAMPLE");
    assert_str(scope.date, "20261121");
    assert_str(scope.region, "eu-central-1");
    assert_str(scope.service, "lambda");
    OK(sigv4_header_parse(
        STR("AWS4-HMAC-SHA256 "
            "SignedHeaders=host,Credential=test/20261121/us-east-1/s3/aws4_request"),
        &scope, &err));
    assert_str(scope.service, "s3");
}

static void
a_presigned_query_does_too(void **state)
{
    AUTO(request_free)
    struct request *rq = request_new(
        "GET", "/",
        "X-Amz-Credential=test%2F20261121%2Fus-east-1%2Flogs%2Faws4_request&X-Amz-Expires=1", "");
    AUTO(request_free) struct request *anonymous = request_new("GET", "/", "", "");
    struct sigv4_scope scope;
    struct err err = {0};

    assert_int_equal(sigv4_find(rq, &scope, &err), 1);
    assert_str(scope.service, "logs");
    assert_int_equal(sigv4_find(anonymous, &scope, &err), 0);
    struct header header = {STR("authorization"), STR("Bearer x")};
    rq->headers = &header;
    rq->headers_len = 1;
    assert_int_equal(sigv4_find(rq, &scope, &err), -ERR_DENIED);
    assert_int_equal(err.wire, AWS_INCOMPLETE_SIGNATURE_EXCEPTION);
}

static void
anything_else_is_refused(void **state)
{
    static const char *const scopes[] = {
        "",
        "a",
        "a/20261121/us-east-1/lambda",
        "a/20261121/us-east-1/lambda/aws4_reques",
        "a/20261121/us-east-1/lambda/aws4_request/",
        "/20261121/us-east-1/lambda/aws4_request",
        "a/2026112/us-east-1/lambda/aws4_request",
        "a/2026112x/us-east-1/lambda/aws4_request",
        "a/-2026112/us-east-1/lambda/aws4_request",
        "a/20261121//lambda/aws4_request",
        "a/20261121/us_east/lambda/aws4_request",
        "a/20261121/../lambda/aws4_request",
        "a/20261121/us-east-1//aws4_request",
        "a/20261121/us-east-1/Lambda/aws4_request",
        "a b/20261121/us-east-1/lambda/aws4_request",
        "a/20261121/us-east-1/a.b/aws4_request",
    };
    static const char *const headers[] = {
        "",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 ",
        "AWS4-HMAC-SHA256 Signature=0",
        "AWS4-HMAC-SHA256Credential=a/20261121/us-east-1/lambda/aws4_request",
        "Basic Credential=a/20261121/us-east-1/lambda/aws4_request"};
    AUTO_BUF struct buf longer = BUF_MAX(1024);
    struct sigv4_scope scope;

    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        struct err err = {0};

        if (sigv4_scope_parse(str_of(scopes[i]), &scope, &err) >= 0)
            fail_msg("accepted '%s'", scopes[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        struct err err = {0};

        if (sigv4_header_parse(str_of(headers[i]), &scope, &err) >= 0)
            fail_msg("accepted '%s'", headers[i]);
    }
    for (unsigned i = 0; i < 129; i++)
        buf_c(&longer, 'a');
    buf_z(&longer, "/20261121/us-east-1/lambda/aws4_request");
    struct err err = {0};
    assert_true(sigv4_scope_parse(buf_view(&longer), &scope, &err) < 0);
    err_clear(&err);
    buf_shift(&longer, 1);
    OK(sigv4_scope_parse(buf_view(&longer), &scope, &err));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signed_header_names_key_region_and_service),
        cmocka_unit_test(a_presigned_query_does_too),
        cmocka_unit_test(anything_else_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
