/* Routing, bounds, answers, and clients that leave, over real connections. */
#include "help.h"

#define INVOKE FUNCTIONS "/f/invocations"
#define LOGS_AUTH                                                                                  \
    "Authorization: AWS4-HMAC-SHA256 "                                                             \
    "Credential=AKIDEXAMPLE/20261121/eu-west-1/logs/aws4_request, "                                \
    "SignedHeaders=host, Signature=00\r\n"

/* ---- routing ---- */

static void
a_path_routes_with_and_without_a_slash_at_its_end(void **state)
{
    assert_int_equal(ask("GET", FUNCTIONS, NULL), 200);
    assert_int_equal(ask("GET", FUNCTIONS "/", NULL), 200);
    assert_string_equal(header("Content-Type"), "application/json");
    assert_int_equal(strlen(header("x-amzn-RequestId")), UUID_LEN);
}

static void
a_target_routes_and_the_scope_gives_the_region(void **state)
{
    assert_int_equal(ask_with("POST", "/",
                              LOGS_AUTH "X-Amz-Target: Logs_20140328.CreateLogGroup\r\n"
                                        "Content-Type: application/x-amz-json-1.1\r\n",
                              STR("{\"logGroupName\":\"g\"}")),
                     200);
    assert_int_equal(ask_with("POST", "/",
                              LOGS_AUTH "X-Amz-Target: Logs_20140328.DescribeLogGroups\r\n",
                              STR("{}")),
                     200);
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(got.json, "logGroups"), 0), "arn")),
                        "arn:aws:logs:eu-west-1:000000000000:log-group:g:*");
}

static void
unknown_operations_are_404(void **state)
{
    assert_int_equal(ask("GET", "/nothing/here", NULL), 404);
    assert_string_equal(header("x-amzn-ErrorType"), "UnknownOperationException");
    assert_int_equal(ask("PATCH", FUNCTIONS, NULL), 404);
    assert_int_equal(
        ask_with("POST", "/", LOGS_AUTH "X-Amz-Target: Logs_20140328.Nothing\r\n", STR("{}")),
        400); /* awsJson's way to say the same */
    assert_string_equal(header("x-amzn-ErrorType"), "UnknownOperationException");
}

static void
a_malformed_credential_is_refused(void **state)
{
    (void)ask_with(
        "GET", FUNCTIONS,
        "Authorization: AWS4-HMAC-SHA256 Credential=AKID/20261121/us_east/lambda/aws4_request\r\n",
        STR_NULL);
    assert_string_equal(header("x-amzn-ErrorType"), "IncompleteSignatureException");
}

static void
health_is_told(void **state)
{
    assert_int_equal(ask("GET", "/_lambent/health", NULL), 200);
    assert_string_equal(member("status"), "ok");
    assert_int_equal(json_integer_value(json_object_get(got.json, "running")), 3);
}

static void
what_is_not_built_yet_says_so(void **state)
{
    assert_int_equal(ask("GET", "/2018-10-31/layers", NULL), 501);
    assert_string_equal(header("x-amzn-ErrorType"), "NotImplementedException");
}

/* ---- bounds ---- */

static void
a_body_over_its_operations_bound_is_413_in_aws_words(void **state)
{
    static char body[6000];

    memset(body, ' ', sizeof(body) - 1);
    (void)ask("PUT", FUNCTIONS "/f/configuration", body);
    assert_int_equal(got.status, 413);
    assert_string_equal(header("x-amzn-ErrorType"), "RequestEntityTooLargeException");
    assert_non_null(strstr(got.body.at, "Request must be smaller than 5120 bytes for the "
                                        "UpdateFunctionConfiguration operation"));
}

static void
an_event_over_6_mb_is_413_in_aws_words(void **state)
{
    size_t len = 6291457;
    char *body = xmalloc(len);

    memset(body, '1', len);
    (void)ask_with("POST", INVOKE, "", (struct str){body, len});
    assert_error(413, "RequestTooLargeException", "message",
                 "6291457 byte payload is too large for the RequestResponse invocation type (limit "
                 "6291456 bytes)");
    free(body);
    assert_int_equal(invoked.started, 0);
}

static void
all_bodies_together_are_bounded(void **state)
{
    size_t len = 3 << 20;
    char *body = xmalloc(len);

    gateway_free(gateway);
    settings.bodies_max_mb = 1;
    {
        struct err err = {0};
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t at_len = sizeof(at);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        assert_int_equal(gateway_new(&api, &gateway, &err), 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
        assert_int_equal(listen(fd, 8), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &at_len), 0);
        port = ntohs(at.sin_port);
        assert_int_equal(gateway_listen(gateway, fd, &err), 0);
    }
    memset(body, '1', len);
    assert_int_equal(ask_with("POST", INVOKE, "", (struct str){body, len}), 503);
    free(body);
    assert_int_equal(ask("GET", FUNCTIONS, NULL), 200); /* what it held was given back */
    {
        struct client c;

        client_open(&c);
        client_put(&c, "POST", INVOKE, "", STR("\"small\""));
        run_until(counted, &invoked.started);
        client_close(&c);
        invoked.on_done(invoked.arg, &(struct invoke_result){.payload = STR("1"),
                                                             .version = STR("$LATEST"),
                                                             .trace_id = STR("Root=1")});
    }
}

/* ---- invoking ---- */

static struct client client;

static void
begin(const char *path, const char *headers, struct str body)
{
    invoked.started = 0;
    client_open(&client);
    client_put(&client, "POST", path, headers, body);
    run_until(counted, &invoked.started);
}

static void
end(struct invoke_result result)
{
    result.version = STR("$LATEST");
    result.trace_id = STR("Root=1-2-3;Parent=4;Sampled=0");
    invoked.on_done(invoked.arg, &result);
    run_until(is_set, &client.done);
    take_answer(&client);
    client_close(&client);
}

static void
an_invocation_passes_through_untouched(void **state)
{
    begin(INVOKE,
          "X-Amz-Log-Type: Tail\r\nx-amzn-RequestId: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n",
          STR(" {\"n\": 18446744073709551616 }"));
    assert_true(str_is(invoked.rq.payload, " {\"n\": 18446744073709551616 }"));
    assert_true(str_is(invoked.rq.name, "f"));
    assert_true(
        str_is(invoked.rq.function_arn, "arn:aws:lambda:us-east-1:000000000000:function:f"));
    assert_true(invoked.rq.want_tail);
    end((struct invoke_result){.payload = STR("{\"x\" :1}"), .tail = STR("the tail\n")});
    assert_int_equal(got.status, 200);
    assert_string_equal(header("x-amzn-RequestId"), "8476a536-e9f4-11e8-9739-2dfe598c3fcd");
    assert_string_equal(header("X-Amz-Executed-Version"), "$LATEST");
    assert_string_equal(header("X-Amz-Log-Result"), "dGhlIHRhaWwK");
    assert_string_equal(header("X-Amz-Function-Error"), "");
    assert_string_equal(header("X-Amzn-Trace-Id"), "Root=1-2-3;Parent=4;Sampled=0");
    assert_string_equal(header("x-amzn-Remapped-Content-Length"), "0");
    assert_string_equal(header("Content-Type"), "application/json");
    assert_true(str_is(buf_view(&got.body), "{\"x\" :1}"));
}

static void
a_functions_error_is_200_with_a_header(void **state)
{
    begin(INVOKE, "", STR_NULL);
    assert_true(str_is(invoked.rq.payload, "{}"));
    end((struct invoke_result){.payload = STR("{}"), .function_error = true});
    assert_int_equal(got.status, 200);
    assert_string_equal(header("X-Amz-Function-Error"), "Unhandled");
}

static void
fail_with(enum err_kind kind, const char *text)
{
    struct err err = {0};

    err_set(&err, kind, "%s", text);
    begin(INVOKE "?Qualifier=7", "", STR("1"));
    assert_int_equal(invoked.rq.version, 7);
    end((struct invoke_result){.error = &err});
}

static void
what_the_invoker_refuses_is_told_as_aws_does(void **state)
{
    fail_with(ERR_THROTTLED, "ConcurrentInvocationLimitExceeded");
    assert_error(429, "TooManyRequestsException", "message", "Rate Exceeded.");
    assert_string_equal(member("Reason"), "ConcurrentInvocationLimitExceeded");
    assert_string_equal(member("Type"), "User");
    assert_string_equal(header("Retry-After"), "1");
    fail_with(ERR_NOT_FOUND, "no version 7");
    assert_error(404, "ResourceNotFoundException", "Message",
                 "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f:7");
    fail_with(ERR_CONFLICT, "it is Pending");
    assert_error(409, "ResourceConflictException", "message", "it is Pending");
    fail_with(ERR_UNAVAILABLE, "stopping");
    assert_int_equal(got.status, 503);
    fail_with(ERR_INTERNAL, "a secret of ours");
    assert_int_equal(got.status, 500);
    assert_null(strstr(got.body.at, "secret"));
    assert_string_equal(member("Type"), "Service");
}

static void
bad_invocations_never_start(void **state)
{
    (void)ask("POST", INVOKE, "{\"a\":");
    assert_int_equal(got.status, 400);
    assert_string_equal(header("x-amzn-ErrorType"), "InvalidRequestContentException");
    assert_non_null(strstr(member("message"), "Could not parse request body into json: "));
    (void)ask_with("POST", INVOKE, "x-amzn-RequestId: no\r\n", STR("1"));
    assert_string_equal(header("x-amzn-ErrorType"), "InvalidRequestContentException");
    (void)ask_with("POST", INVOKE, "X-Amz-Client-Context: W10=\r\n", STR("1")); /* [] */
    assert_error(400, "InvalidRequestContentException", "message",
                 "Client context must be a valid Base64-encoded JSON object.");
    (void)ask_with("POST", INVOKE, "X-Amz-Invocation-Type: Soon\r\n", STR("1"));
    assert_string_equal(header("x-amzn-ErrorType"), "ValidationException");
    (void)ask_with("POST", INVOKE, "X-Amz-Invocation-Type: DryRun\r\n", STR("1"));
    assert_error(404, "ResourceNotFoundException", "Message",
                 "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f");
    assert_int_equal(invoked.started, 0);
}

/* ---- leaving ---- */

static bool
nobody_connected(void *arg)
{
    drained = false;
    gateway_drain(gateway, on_drained, NULL); /* at once when there is no exchange */
    return drained;
}

static void
a_client_that_leaves_while_its_function_runs(void **state)
{
    char kept[64];

    begin(INVOKE, "", STR("\"the event\""));
    shutdown(client.io.fd, SHUT_RDWR);
    client_close(&client);
    assert_int_equal(ask("GET", FUNCTIONS, NULL), 200); /* the loop has seen it go */
    /* The event is still there for the function that runs. */
    snprintf(kept, sizeof(kept), "%.*s", STR_FMT(invoked.rq.payload));
    assert_string_equal(kept, "\"the event\"");
    invoked.on_done(invoked.arg, &(struct invoke_result){.payload = STR("1"),
                                                         .version = STR("$LATEST"),
                                                         .trace_id = STR("Root=1")});
}

static void
a_client_that_leaves_within_its_body(void **state)
{
    struct client c;

    client_open(&c);
    buf_z(&c.out, "POST " INVOKE " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{\"a");
    io_set(&c.io, EPOLLIN | EPOLLOUT);
    assert_int_equal(ask("GET", FUNCTIONS, NULL), 200);
    client_close(&c);
    run_until(nobody_connected, NULL);
    assert_int_equal(invoked.started, 0);
}

static void
a_client_that_leaves_while_a_worker_has_its_request(void **state)
{
    for (int i = 0; i < 20; i++) {
        struct client c;
        unsigned one = 1;

        client_open(&c);
        client_put(&c, "GET", FUNCTIONS, "", STR_NULL);
        run_until(counted, &one); /* a turn of the loop or two, then away */
        client_close(&c);
    }
    run_until(nobody_connected, NULL);
}

static void
draining_waits_for_what_runs(void **state)
{
    begin(INVOKE, "", STR("1"));
    drained = false;
    gateway_drain(gateway, on_drained, NULL);
    assert_false(drained);
    end((struct invoke_result){.payload = STR("1")});
    run_until(is_set, &drained);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(a_path_routes_with_and_without_a_slash_at_its_end),
        TEST_CASE(a_target_routes_and_the_scope_gives_the_region),
        TEST_CASE(unknown_operations_are_404),
        TEST_CASE(a_malformed_credential_is_refused),
        TEST_CASE(health_is_told),
        TEST_CASE(what_is_not_built_yet_says_so),
        TEST_CASE(a_body_over_its_operations_bound_is_413_in_aws_words),
        TEST_CASE(an_event_over_6_mb_is_413_in_aws_words),
        TEST_CASE(all_bodies_together_are_bounded),
        TEST_CASE(an_invocation_passes_through_untouched),
        TEST_CASE(a_functions_error_is_200_with_a_header),
        TEST_CASE(what_the_invoker_refuses_is_told_as_aws_does),
        TEST_CASE(bad_invocations_never_start),
        TEST_CASE(a_client_that_leaves_while_its_function_runs),
        TEST_CASE(a_client_that_leaves_within_its_body),
        TEST_CASE(a_client_that_leaves_while_a_worker_has_its_request),
        TEST_CASE(draining_waits_for_what_runs),
    };

    return cmocka_run_group_tests_name("gateway", tests, NULL, NULL);
}
