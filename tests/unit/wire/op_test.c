/* Routing, running, answering and failing on the real models. The handlers below are what makes an
 * operation implemented: all others must say that they are not. */
#include "help.h"

/* ---- handlers ---- */

static struct err fail_with;

int
lambda_create_function(struct request *rq, const struct lambda_create_function_in *in,
                       struct lambda_function_configuration *ret, struct err *err)
{
    if (fail_with.kind != ERR_NONE) {
        *err = fail_with;
        return -(int)err->kind;
    }
    ret->function_name = in->function_name;
    ret->code_size = OPT_INT((int64_t)in->code->zip_file.len);
    ret->memory_size = in->memory_size;
    return RQ_DONE;
}

int
lambda_delete_function(struct request *rq, const struct lambda_delete_function_in *in,
                       struct lambda_delete_function_out *ret, struct err *err)
{
    return RQ_DONE;
}

int
lambda_get_function_configuration(struct request *rq,
                                  const struct lambda_get_function_configuration_in *in,
                                  struct lambda_function_configuration *ret, struct err *err)
{
    ret->function_name = in->function_name;
    ret->version = in->qualifier;
    return RQ_DONE;
}

int
lambda_list_functions(struct request *rq, const struct lambda_list_functions_in *in,
                      struct lambda_list_functions_out *ret, struct err *err)
{
    ret->next_marker = arena_fmt(rq->arena, "%lld", (long long)in->max_items.value);
    return RQ_DONE;
}

int
lambda_untag_resource(struct request *rq, const struct lambda_untag_resource_in *in,
                      struct lambda_untag_resource_out *ret, struct err *err)
{
    assert_int_equal(in->tag_keys.len, 3);
    assert_str(in->tag_keys.at[0], "a b");
    assert_str(in->tag_keys.at[1], "c&d");
    assert_str(in->tag_keys.at[2], "e");
    return RQ_DONE;
}

int
lambda_invoke(struct request *rq, const struct lambda_invoke_in *in, struct lambda_invoke_out *ret,
              struct err *err)
{
    if (str_is(in->payload, "later"))
        return RQ_LATER;
    ret->payload = in->payload;
    ret->function_error = in->invocation_type;
    ret->executed_version = STR("$LATEST");
    if (str_is(in->invocation_type, "Event"))
        ret->status_code = OPT_INT(202);
    return RQ_DONE;
}

int
lambda_list_durable_executions_by_function(
    struct request *rq, const struct lambda_list_durable_executions_by_function_in *in,
    struct lambda_list_durable_executions_by_function_out *ret, struct err *err)
{
    assert_true(in->started_after.set && in->started_after.value == 1706704496.5);
    assert_true(in->reverse_order.set && in->reverse_order.value);
    return RQ_DONE;
}

int
lambda_stop_durable_execution(struct request *rq, const struct lambda_stop_durable_execution_in *in,
                              struct lambda_stop_durable_execution_out *ret, struct err *err)
{
    ret->stop_timestamp = OPT_DOUBLE(1706704496.25);
    if (in->error)
        assert_str(in->error->error_type, "T");
    return in->error ? RQ_DONE : err_set(err, ERR_CONFLICT, "no error given");
}

int
logs_create_log_group(struct request *rq, const struct logs_create_log_group_in *in,
                      struct logs_create_log_group_out *ret, struct err *err)
{
    return str_is(in->log_group_name, "there")
               ? err_set(err, ERR_CONFLICT, "The specified log group already exists")
               : RQ_DONE;
}

int
logs_describe_log_groups(struct request *rq, const struct logs_describe_log_groups_in *in,
                         struct logs_describe_log_groups_out *ret, struct err *err)
{
    ret->log_groups.set = true;
    ret->log_groups.at = ARENA_NEW(rq->arena, struct logs_log_group);
    ret->log_groups.len = 1;
    ret->log_groups.at[0].log_group_name = STR("/aws/lambda/\"x\"");
    ret->log_groups.at[0].creation_time = OPT_INT(1706704496250);
    return RQ_DONE;
}

/* ---- routing ---- */

/* The path that a client makes from a template, with labels that need no encoding. */
static void
fill_template(const char *uri, char *path, size_t size, char *query, size_t query_size)
{
    size_t n = 0;

    *query = '\0';
    for (const char *c = uri; *c; c++) {
        if (*c == '?') {
            str_copy(query, query_size, str_of(c + 1));
            break;
        }
        if (*c == '{') {
            n += (size_t)snprintf(path + n, size - n, "x:%%41");
            c = strchr(c, '}');
        } else {
            path[n++] = *c;
        }
    }
    path[n] = '\0';
}

static void
every_operation_is_found_by_its_own_template(void **state)
{
    for (size_t i = 0; i < wire_services_len; i++) {
        const struct service *service = wire_services[i];

        for (size_t k = 0; k < service->ops_len; k++) {
            const struct op *op = &service->ops[k];
            char path[256], query[64];
            AUTO(request_free) struct request *rq = NULL;

            fill_template(op->uri, path, sizeof(path) - 1, query, sizeof(query));
            rq = request_new(op->method, path, query, "");
            struct header target = {STR("x-amz-target"),
                                    arena_fmt(rq->arena, "%s.%s", service->target, op->name)};
            if (service->protocol != PROTOCOL_REST_JSON_1) {
                rq->headers = &target;
                rq->headers_len = 1;
            }
            assert_ptr_equal(op_route(rq, NULL), op);
            assert_ptr_equal(op_route(rq, service), op);
            for (unsigned n = 0, label = 0; n < op->segments_len; n++)
                if (op->segments[n].label)
                    assert_str(rq->labels[label++], "x:A");
            if (service->protocol == PROTOCOL_REST_JSON_1 && strlen(path) > 1) {
                size_t len = strlen(path);
                path[len] = '/';
                path[len + 1] = '\0';
                rq->path = str_of(path);
                assert_ptr_equal(op_route(rq, NULL), op);
                rq->method = STR("HEAD");
                assert_null(op_route(rq, NULL));
            }
        }
    }
    assert_int_equal(service_find(STR("lambda"))->ops_len, 85);
}

static void
constant_query_parameters_select(void **state)
{
    static const struct {
        const char *path, *query, *name;
    } rows[] = {
        {"/2018-10-31/layers", "", "ListLayers"},
        {"/2018-10-31/layers", "find=LayerVersion&Arn=x", "GetLayerVersionByArn"},
        {"/2018-10-31/layers", "Arn=x&find=Layer%56ersion", "GetLayerVersionByArn"},
        {"/2018-10-31/layers", "find=other", "ListLayers"},
        {"/2019-09-30/functions/f/provisioned-concurrency", "List=ALL",
         "ListProvisionedConcurrencyConfigs"},
        {"/2019-09-30/functions/f/provisioned-concurrency", "Qualifier=1",
         "GetProvisionedConcurrencyConfig"},
        {"/2019-09-25/functions/f/event-invoke-config/list", "", "ListFunctionEventInvokeConfigs"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(request_free) struct request *rq = request_new("GET", rows[i].path, rows[i].query, "");
        const struct op *op = op_route(rq, NULL);

        assert_non_null(op);
        assert_string_equal(op->name, rows[i].name);
    }
}

static void
what_is_no_operation_is_not_found(void **state)
{
    static const char *const paths[] = {
        "",
        "/",
        "//",
        "/2015-03-31",
        "/2015-03-31/functions//code",
        "/2015-03-31/functions/a/b/c/d/e",
        "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p",
        "/2015-03-31/functionsx",
        "2015-03-31/functions",
        "/2015-03-31/functions/a%/code",
        "/2015-03-31/functions/a%2/code",
        "/2015-03-31/functions/a%zz/code",
        "/2015-03-31//functions",
        "/2016-03-31/functions",
    };

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        AUTO(request_free) struct request *rq = request_new("GET", paths[i], "", "");

        assert_null(op_route(rq, NULL));
        rq_fail_unknown(rq);
        assert_int_equal(rq->status, 404);
        assert_str(header_out(rq, "x-amzn-ErrorType"), "UnknownOperationException");
    }
}

static void
labels_are_decoded_once(void **state)
{
    AUTO(request_free)
    struct request *rq =
        request_new("GET", "/2015-03-31/functions/arn%3Aaws%3Alambda%253A/aliases/a:b%2Fc", "", "");

    assert_non_null(op_route(rq, NULL));
    assert_str(rq->labels[0], "arn:aws:lambda%3A");
    assert_str(rq->labels[1], "a:b/c");
}

static void
targets_are_matched_whole(void **state)
{
    static const char *const targets[] = {"Logs_20140328.CreateLogGrou",
                                          "Logs_20140328.CreateLogGroups",
                                          "Logs_20140328CreateLogGroup",
                                          "Logs.CreateLogGroup",
                                          ".",
                                          "",
                                          "Lambda.CreateFunction",
                                          "Logs_20140328."};

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        AUTO(request_free) struct request *rq = request_new("POST", "/", "", "{}");
        struct header header = {STR("X-Amz-Target"), str_of(targets[i])};

        rq->headers = &header;
        rq->headers_len = 1;
        assert_null(op_route(rq, NULL));
        rq_fail_unknown(rq);
        assert_int_equal(rq->status, 400); /* awsJson services answer 400 */
        assert_str(buf_view(&rq->body_out),
                   "{\"__type\":\"UnknownOperationException\",\"message\":"
                   "\"No operation of AWS answers to this method and path\"}");
    }
}

/* ---- running ---- */

static const char create_body[] =
    "{\"FunctionName\":\"f\",\"Role\":\"arn:aws:iam::000000000000:role/r\","
    "\"Code\":{\"ZipFile\":\"aGVsbG8=\"},\"MemorySize\":256,\"Unknown\":{\"a\":[1,2,{}]}}";

static void
a_body_reaches_the_handler_and_its_answer_the_client(void **state)
{
    AUTO(request_free)
    struct request *rq = request_new("POST", "/2015-03-31/functions/", "", create_body);

    assert_int_equal(request_run(rq), RQ_DONE);
    assert_int_equal(rq->status, 201);
    assert_str(header_out(rq, "content-type"), "application/json");
    assert_str(buf_view(&rq->body_out),
               "{\"FunctionName\":\"f\",\"CodeSize\":5,\"MemorySize\":256}");
}

static void
labels_and_queries_reach_the_handler(void **state)
{
    AUTO(request_free)
    struct request *rq = request_new("GET", "/2015-03-31/functions/f/configuration",
                                     "Other=1&Qualifier=%24LATEST", "");

    assert_int_equal(request_run(rq), RQ_DONE);
    assert_str(buf_view(&rq->body_out), "{\"FunctionName\":\"f\",\"Version\":\"$LATEST\"}");
}

static void
query_values_are_typed(void **state)
{
    AUTO(request_free)
    struct request *rq = request_new("GET", "/2015-03-31/functions", "MaxItems=50", "");
    AUTO(request_free)
    struct request *bad = request_new("GET", "/2015-03-31/functions", "MaxItems=5o", "");

    assert_int_equal(request_run(rq), RQ_DONE);
    assert_str(buf_view(&rq->body_out), "{\"NextMarker\":\"50\"}");
    assert_true(request_run(bad) < 0);
    assert_int_equal(bad->status, 400);
    assert_str(header_out(bad, "x-amzn-ErrorType"), "SerializationException");
    assert_str(buf_view(&bad->body_out),
               "{\"message\":\"STRING_VALUE can not be converted to an Integer\"}");
}

static void
query_times_are_iso_8601(void **state)
{
    AUTO(request_free)
    struct request *rq =
        request_new("GET", "/2025-12-01/functions/f/durable-executions",
                    "StartedAfter=2024-01-31T12%3A34%3A56.5Z&ReverseOrder=true", "");
    AUTO(request_free)
    struct request *offset =
        request_new("GET", "/2025-12-01/functions/f/durable-executions",
                    "StartedAfter=2024-01-31T14:34:56.5%2B02:00&ReverseOrder=true", "");
    AUTO(request_free)
    struct request *bad = request_new("GET", "/2025-12-01/functions/f/durable-executions",
                                      "StartedAfter=2024-02-32T12:34:56Z", "");

    assert_int_equal(request_run(rq), RQ_DONE);
    assert_int_equal(request_run(offset), RQ_DONE);
    assert_true(request_run(bad) < 0);
    assert_int_equal(bad->status, 400);
}

static void
repeated_parameters_make_a_list(void **state)
{
    AUTO(request_free)
    struct request *rq =
        request_new("DELETE", "/2017-03-31/tags/arn:aws:lambda:us-east-1:000000000000:function:f",
                    "tagKeys=a+b&tagKeys=c%26d&x=1&tagKeys=%65", "");

    assert_int_equal(request_run(rq), RQ_DONE);
    assert_int_equal(rq->status, 204);
}

static void
no_content_has_no_body(void **state)
{
    AUTO(request_free)
    struct request *rq = request_new("DELETE", "/2015-03-31/functions/f", "", "");

    assert_int_equal(request_run(rq), RQ_DONE);
    assert_int_equal(rq->status, 204);
    assert_int_equal(rq->body_out.len, 0);
    assert_null(header_out(rq, "Content-Type").at);
}

static void
a_payload_is_the_raw_body_both_ways(void **state)
{
    AUTO(request_free)
    struct request *rq =
        request_new("POST", "/2015-03-31/functions/f/invocations", "", "[1, 18446744073709551617]");
    struct header type = {STR("x-amz-invocation-type"), STR("Event")};

    rq->headers = &type;
    rq->headers_len = 1;
    assert_int_equal(request_run(rq), RQ_DONE);
    assert_int_equal(rq->status, 202);
    assert_str(buf_view(&rq->body_out), "[1, 18446744073709551617]");
    assert_str(header_out(rq, "X-Amz-Function-Error"), "Event");
    assert_str(header_out(rq, "X-Amz-Executed-Version"), "$LATEST");
    assert_null(header_out(rq, "X-Amz-Log-Result").at);
    assert_str(header_out(rq, "Content-Type"), "application/json");
}

static void
a_handler_may_answer_later(void **state)
{
    AUTO(request_free)
    struct request *rq = request_new("POST", "/2015-03-31/functions/f/invocations", "", "later");
    struct lambda_invoke_out out = {.payload = STR("now")};
    struct err err = {0};

    assert_int_equal(request_run(rq), RQ_LATER);
    assert_int_equal(rq->status, 0);
    OK(lambda_invoke_answer(rq, &out, &err));
    assert_int_equal(rq->status, 200);
    assert_str(buf_view(&rq->body_out), "now");
}

static void
a_structure_may_be_the_whole_body(void **state)
{
    const char *path =
        "/2025-12-01/durable-executions/"
        "arn:aws:lambda:us-east-1:000000000000:function:f:1%2Fdurable-execution%2Fn%2Fr/stop";
    AUTO(request_free) struct request *rq = request_new("POST", path, "", "{\"ErrorType\":\"T\"}");
    AUTO(request_free) struct request *without = request_new("POST", path, "", "");

    assert_int_equal(request_run(rq), RQ_DONE);
    assert_str(buf_view(&rq->body_out), "{\"StopTimestamp\":1706704496.25}");
    assert_true(request_run(without) < 0);
    assert_int_equal(without->status, 409);
}

static void
what_has_no_handler_says_so(void **state)
{
    AUTO(request_free)
    struct request *rq =
        request_new("POST", "/2015-03-31/functions/f/aliases", "", "not even JSON");

    assert_true(request_run(rq) < 0);
    assert_int_equal(rq->status, 501);
    assert_str(header_out(rq, "x-amzn-ErrorType"), "NotImplementedException");
    assert_str(buf_view(&rq->body_out),
               "{\"message\":\"Lambent does not implement lambda:CreateAlias yet.\"}");
}

/* ---- failing ---- */

static void
kinds_become_the_services_errors(void **state)
{
    static const struct {
        enum err_kind kind;
        uint32_t wire;
        int status;
        const char *type, *body;
    } rows[] = {
        {ERR_INVALID, 0, 400, "InvalidParameterValueException",
         "{\"Type\":\"User\",\"message\":\"text\"}"},
        {ERR_NOT_FOUND, 0, 404, "ResourceNotFoundException",
         "{\"Type\":\"User\",\"Message\":\"text\"}"},
        {ERR_CONFLICT, 0, 409, "ResourceConflictException",
         "{\"Type\":\"User\",\"message\":\"text\"}"},
        {ERR_PRECONDITION, 0, 412, "PreconditionFailedException",
         "{\"Type\":\"User\",\"message\":\"text\"}"},
        {ERR_DENIED, 0, 403, "AccessDeniedException", "{\"Message\":\"text\"}"},
        {ERR_TOO_LARGE, 0, 413, "RequestTooLargeException",
         "{\"Type\":\"User\",\"message\":\"text\"}"},
        {ERR_THROTTLED, 0, 429, "TooManyRequestsException",
         "{\"Type\":\"User\",\"message\":\"text\"}"},
        {ERR_UNAVAILABLE, 0, 503, "ServiceUnavailableException", "{\"message\":\"text\"}"},
        {ERR_INTERNAL, 0, 500, "ServiceException",
         "{\"Type\":\"Service\",\"Message\":\"An internal error occurred. The server's log has the "
         "details.\"}"},
        {ERR_INVALID, AWS_LAMBDA_CODE_STORAGE_EXCEEDED_EXCEPTION, 400,
         "CodeStorageExceededException", "{\"Type\":\"User\",\"message\":\"text\"}"},
        {ERR_INTERNAL, AWS_LAMBDA_INVALID_RUNTIME_EXCEPTION, 502, "InvalidRuntimeException",
         "{\"Type\":\"Service\",\"Message\":\"text\"}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(request_free)
        struct request *rq = request_new("POST", "/2015-03-31/functions", "", create_body);

        fail_with = (struct err){.kind = rows[i].kind, .wire = rows[i].wire, .text = "text"};
        assert_true(request_run(rq) < 0);
        assert_int_equal(rq->status, rows[i].status);
        assert_str(header_out(rq, "x-amzn-ErrorType"), rows[i].type);
        assert_str(header_out(rq, "Content-Type"), "application/json");
        assert_str(buf_view(&rq->body_out), rows[i].body);
    }
    fail_with = (struct err){0};
}

static void
a_throttled_client_is_told_the_reason(void **state)
{
    AUTO(request_free)
    struct request *rq = request_new("POST", "/2015-03-31/functions", "", create_body);

    fail_with = (struct err){.kind = ERR_THROTTLED, .text = "Rate exceeded"};
    rq->reason = STR("CallerRateLimitExceeded");
    rq_set_header(rq, "Retry-After", STR("1"));
    assert_true(request_run(rq) < 0);
    assert_str(header_out(rq, "Retry-After"), "1");
    assert_str(
        buf_view(&rq->body_out),
        "{\"Type\":\"User\",\"Reason\":\"CallerRateLimitExceeded\",\"message\":\"Rate exceeded\"}");
    fail_with = (struct err){0};
}

static void
an_answer_too_large_is_an_ordinary_error(void **state)
{
    AUTO(request_free)
    struct request *rq = request_new("POST", "/2015-03-31/functions", "", create_body);

    rq->body_out.max = 20;
    assert_true(request_run(rq) < 0);
    assert_int_equal(rq->status, 500);
    assert_true(rq->body_out.len <= 20);
}

static void
a_request_too_large_is_told_the_bound(void **state)
{
    AUTO(request_free)
    struct request *rq = request_new("PUT", "/2015-03-31/functions/f/configuration", "", "");
    AUTO(request_free)
    struct request *invoke = request_new("POST", "/2015-03-31/functions/f/invocations", "", "");

    assert_non_null(op_route(rq, NULL));
    rq_fail_too_large(rq);
    assert_int_equal(rq->status, 413);
    assert_str(header_out(rq, "x-amzn-ErrorType"), "RequestEntityTooLargeException");
    assert_str(buf_view(&rq->body_out),
               "{\"message\":\"Request must be smaller than 5120 bytes for the "
               "UpdateFunctionConfiguration operation\"}");
    assert_non_null(op_route(invoke, NULL));
    rq_fail_too_large(invoke);
    assert_non_null(
        strstr(invoke->body_out.at, "smaller than 6291456 bytes for the InvokeFunction operation"));
}

static void
a_full_arena_is_an_ordinary_error(void **state)
{
    for (size_t max = 0; max < 4000; max += 64) {
        AUTO(request_free)
        struct request *rq = request_new("POST", "/2015-03-31/functions", "", create_body);
        int rc;

        arena_free(rq->arena);
        rq->arena = arena_new(max);
        rc = request_run(rq);
        assert_int_equal(rq->status, rc < 0 ? 413 : 201);
    }
}

/* ---- awsJson ---- */

static struct request *
logs_run(const char *operation, const char *body, int *ret)
{
    struct request *rq = request_new("POST", "/", "", body);
    struct header *header = ARENA_NEW(rq->arena, struct header);

    *header =
        (struct header){STR("X-Amz-Target"), arena_fmt(rq->arena, "Logs_20140328.%s", operation)};
    rq->headers = header;
    rq->headers_len = 1;
    *ret = request_run(rq);
    return rq;
}

static void
aws_json_has_everything_in_the_body(void **state)
{
    int rc;
    AUTO(request_free) struct request *list = logs_run("DescribeLogGroups", "", &rc);

    assert_int_equal(rc, RQ_DONE);
    assert_int_equal(list->status, 200);
    assert_str(header_out(list, "Content-Type"), "application/x-amz-json-1.1");
    assert_str(buf_view(&list->body_out), "{\"logGroups\":[{\"logGroupName\":\"/aws/lambda/"
                                          "\\\"x\\\"\",\"creationTime\":1706704496250}]}");
    AUTO(request_free)
    struct request *made = logs_run("CreateLogGroup", "{\"logGroupName\":\"new\"}", &rc);
    assert_int_equal(rc, RQ_DONE);
    assert_int_equal(made->body_out.len, 0);
}

static void
aws_json_errors_carry_their_type(void **state)
{
    int rc;
    AUTO(request_free)
    struct request *there = logs_run("CreateLogGroup", "{\"logGroupName\":\"there\"}", &rc);

    assert_int_equal(there->status, 400);
    assert_str(buf_view(&there->body_out),
               "{\"__type\":\"ResourceAlreadyExistsException\",\"message\":"
               "\"The specified log group already exists\"}");
    AUTO(request_free)
    struct request *bad = logs_run("CreateLogGroup", "{\"logGroupName\":\"a b\"}", &rc);
    assert_str(header_out(bad, "x-amzn-ErrorType"), "InvalidParameterException");
    assert_str(buf_view(&bad->body_out), "{\"__type\":\"InvalidParameterException\",\"message\":"
                                         "\"1 validation error detected: Value 'a b' at "
                                         "'logGroupName' failed to satisfy constraint: Member must "
                                         "satisfy regular expression pattern: "
                                         "[\\\\.\\\\-_/#A-Za-z0-9]+\"}");
}

/* ---- tables ---- */

static void
rows_know_what_the_model_says(void **state)
{
    static const struct {
        const char *name;
        bool on_loop, raw, readonly;
        uint32_t body_max;
        int code;
    } rows[] = {
        {"Invoke", true, true, false, 6291456, 200},
        {"InvokeAsync", true, true, false, 6291456, 202},
        {"InvokeWithResponseStream", true, true, false, 6291456, 200},
        {"CreateFunction", false, false, false, 70167211, 201},
        {"UpdateFunctionCode", false, false, false, 70167211, 200},
        {"PublishLayerVersion", false, false, false, 70167211, 201},
        {"UpdateFunctionConfiguration", false, false, false, 5120, 200},
        {"GetFunction", false, false, true, 6291456, 200},
        {"DeleteFunction", false, false, false, 6291456, 204},
    };
    const struct service *lambda = service_find_signing(STR("lambda"));
    unsigned on_loop = 0;

    for (size_t k = 0; k < lambda->ops_len; k++) {
        const struct op *op = &lambda->ops[k];

        on_loop += op->on_loop;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            if (strcmp(op->name, rows[i].name) != 0)
                continue;
            assert_int_equal(op->on_loop, rows[i].on_loop);
            assert_int_equal(op->raw_body, rows[i].raw);
            assert_int_equal(op->readonly, rows[i].readonly);
            assert_int_equal(op->body_max, rows[i].body_max);
            assert_int_equal(op->code, rows[i].code);
        }
    }
    assert_int_equal(on_loop, 3);
}

static void
the_api_is_described(void **state)
{
    AUTO_BUF struct buf json = BUF_MAX(1 << 20), text = BUF_MAX(1 << 20), small = BUF_MAX(100);

    assert_true(op_describe_json(&json));
    assert_non_null(strstr(
        json.at,
        "{\"service\":\"lambda\",\"operation\":\"CreateFunction\",\"protocol\":\"restJson1\","
        "\"method\":\"POST\",\"uri\":\"/2015-03-31/functions\",\"implemented\":true}"));
    assert_non_null(
        strstr(json.at,
               "\"operation\":\"CreateAlias\",\"protocol\":\"restJson1\",\"method\":\"POST\","
               "\"uri\":\"/2015-03-31/functions/{FunctionName}/aliases\",\"implemented\":false}"));
    assert_true(op_describe_text(&text));
    assert_non_null(strstr(text.at, "lambda (2015-03-31, restJson1): 8 of 85 operations\n"));
    assert_false(op_describe_json(&small));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_is_found_by_its_own_template),
        cmocka_unit_test(constant_query_parameters_select),
        cmocka_unit_test(what_is_no_operation_is_not_found),
        cmocka_unit_test(labels_are_decoded_once),
        cmocka_unit_test(targets_are_matched_whole),
        cmocka_unit_test(a_body_reaches_the_handler_and_its_answer_the_client),
        cmocka_unit_test(labels_and_queries_reach_the_handler),
        cmocka_unit_test(query_values_are_typed),
        cmocka_unit_test(query_times_are_iso_8601),
        cmocka_unit_test(repeated_parameters_make_a_list),
        cmocka_unit_test(no_content_has_no_body),
        cmocka_unit_test(a_payload_is_the_raw_body_both_ways),
        cmocka_unit_test(a_handler_may_answer_later),
        cmocka_unit_test(a_structure_may_be_the_whole_body),
        cmocka_unit_test(what_has_no_handler_says_so),
        cmocka_unit_test(kinds_become_the_services_errors),
        cmocka_unit_test(a_throttled_client_is_told_the_reason),
        cmocka_unit_test(an_answer_too_large_is_an_ordinary_error),
        cmocka_unit_test(a_request_too_large_is_told_the_bound),
        cmocka_unit_test(a_full_arena_is_an_ordinary_error),
        cmocka_unit_test(aws_json_has_everything_in_the_body),
        cmocka_unit_test(aws_json_errors_carry_their_type),
        cmocka_unit_test(rows_know_what_the_model_says),
        cmocka_unit_test(the_api_is_described),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
