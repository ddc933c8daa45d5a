/* Lambda's control plane over HTTP with a store of its own: names, rules that span members, states,
 * versions, lists, tags, links. */
#include "../gateway/help.h"
#include <openssl/hmac.h>

#define ROLE "arn:aws:iam::000000000000:role/r"
#define ARN "arn:aws:lambda:us-east-1:000000000000:function:"

static char room[70000];

/* `more`: further members, beginning with a comma. */
static int
create(const char *name, const char *more)
{
    snprintf(room, sizeof(room),
             "{\"FunctionName\":\"%s\",\"Role\":\"" ROLE "\",\"Runtime\":\"python3.12\","
             "\"Handler\":\"a.handler\",\"Code\":{\"ZipFile\":\"" ZIP_1 "\"}%s}",
             name, more);
    return ask("POST", FUNCTIONS, room);
}

static void
created(const char *name, const char *more)
{
    if (create(name, more) != 201)
        fail_msg("create %s: %d %.*s", name, got.status, (int)got.body.len, got.body.at);
    run_until(settled, NULL);
}

static int
configure(const char *members)
{
    return ask("PUT", FUNCTIONS "/f/configuration", members);
}

static int
get(const char *name, const char *query)
{
    char path[400];

    snprintf(path, sizeof(path), FUNCTIONS "/%s/configuration%s", name, query);
    return ask("GET", path, NULL);
}

static int
publish(const char *body)
{
    return ask("POST", FUNCTIONS "/f/versions", body);
}

/* ---- names ---- */

static void
a_function_is_found_by_every_form_of_its_name(void **state)
{
    static const char *const forms[] = {
        "f",
        "function:f",
        "000000000000:function:f",
        "000000000000:f",
        "us-east-1:000000000000:function:f",
        "arn:aws:lambda:us-east-1:000000000000:function:f",
        "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af"};

    created("f", "");
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if (get(forms[i], "") != 200)
            fail_msg("%s: %d %.*s", forms[i], got.status, (int)got.body.len, got.body.at);
        assert_string_equal(member("FunctionArn"), ARN "f");
    }
    assert_int_equal(get("f:$LATEST", ""), 200);
    assert_string_equal(member("FunctionArn"), ARN "f:$LATEST");
    assert_int_equal(get("f", "?Qualifier=$LATEST"), 200);
    assert_string_equal(member("FunctionArn"), ARN "f:$LATEST");
    assert_int_equal(get("f:$LATEST", "?Qualifier=$LATEST"), 200);
}

static void
a_function_may_have_a_name_that_looks_like_a_part(void **state)
{
    static const char *const names[] = {"function", "000000000000", "us-east-1", "arn"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        created(names[i], "");
        assert_int_equal(get(names[i], ""), 200);
        assert_string_equal(member("FunctionName"), names[i]);
    }
}

static void
names_that_contradict_or_lie_elsewhere_are_refused(void **state)
{
    char name[80];

    created("f", "");
    (void)get("f:1", "?Qualifier=2");
    assert_error(
        400, "InvalidParameterValueException", "message",
        "The derived qualifier from the function name does not match the specified qualifier.");
    (void)get("arn:aws:lambda:eu-west-1:000000000000:function:f", "");
    assert_non_null(strstr(got.body.at,
                           "Functions from 'eu-west-1' are not reachable in this region "
                           "('us-east-1')"));
    (void)get("111111111111:function:f", "");
    assert_error(404, "ResourceNotFoundException", "Message",
                 "Function not found: arn:aws:lambda:us-east-1:111111111111:function:f");
    (void)get("g", "");
    assert_error(404, "ResourceNotFoundException", "Message", "Function not found: " ARN "g");
    (void)get("f", "?Qualifier=7");
    assert_error(404, "ResourceNotFoundException", "Message", "Function not found: " ARN "f:7");
    (void)get("f", "?Qualifier=99999999999");
    assert_error(404, "ResourceNotFoundException", "Message",
                 "Function not found: " ARN "f:99999999999");
    memset(name, 'n', 65);
    name[65] = '\0';
    (void)get(name, "");
    assert_int_equal(got.status, 400);
    assert_string_equal(header("x-amzn-ErrorType"), "ValidationException");
    assert_int_equal(create("f:1", ""), 400);
}

static void
a_long_name_and_qualifier_stand_whole_in_the_answer(void **state)
{
    char name[65], query[160], wanted[400];

    memset(name, 'n', 64);
    name[64] = '\0';
    snprintf(query, sizeof(query), "?Qualifier=%0128d", 0);
    query[11] = 'q';
    (void)get(name, query);
    snprintf(wanted, sizeof(wanted), "Function not found: " ARN "%s:%s", name, query + 11);
    assert_error(404, "ResourceNotFoundException", "Message", wanted);
}

static void
a_region_of_any_length_is_only_a_region(void **state)
{
    char auth[300], body[1000];

    snprintf(
        auth, sizeof(auth),
        JSON
        "Authorization: AWS4-HMAC-SHA256 Credential=AKID/20261121/%064d/lambda/aws4_request\r\n",
        0);
    snprintf(body, sizeof(body),
             "{\"FunctionName\":\"f\",\"Role\":\"" ROLE "\",\"Runtime\":\"python3.12\","
             "\"Handler\":\"a.handler\",\"Code\":{\"ZipFile\":\"" ZIP_1 "\"}}");
    assert_int_equal(ask_with("POST", FUNCTIONS, auth, str_of(body)), 201);
    run_until(settled, NULL); /* once that ended the daemon */
    assert_int_equal(ask_with("GET", FUNCTIONS "/f/configuration", auth, STR_NULL), 200);
    assert_string_equal(member("State"), "Active");
    assert_int_equal(get("f", ""), 404);
}

/* ---- states ---- */

static void
a_function_is_pending_then_active(void **state)
{
    assert_int_equal(create("f", ""), 201);
    assert_string_equal(member("State"), "Pending");
    assert_string_equal(member("StateReason"), "The function is being created.");
    assert_string_equal(member("StateReasonCode"), "Creating");
    assert_null(json_object_get(got.json, "LastUpdateStatus"));
    assert_string_equal(member("Description"), "");
    assert_string_equal(member("TracingConfig.Mode"), "PassThrough");
    assert_string_equal(member("SnapStart.ApplyOn"), "None");
    assert_string_equal(member("LoggingConfig.LogGroup"), "/aws/lambda/f");
    assert_int_equal(json_integer_value(json_object_get(got.json, "Timeout")), 3);
    assert_int_equal(json_integer_value(json_object_get(got.json, "CodeSize")), 134);
    assert_null(json_object_get(got.json, "VpcConfig"));
    assert_null(json_object_get(got.json, "Environment"));
    run_until(settled, NULL);
    assert_int_equal(invoked.prepared, 1);
    assert_int_equal(get("f", ""), 200);
    assert_string_equal(member("State"), "Active");
    assert_null(json_object_get(got.json, "StateReason"));
    assert_null(json_object_get(got.json, "StateReasonCode"));
    assert_string_equal(member("LastUpdateStatus"), "Successful");
    assert_int_equal(create("f", ""), 409);
    assert_error(409, "ResourceConflictException", "message", "Function already exist: f");
}

static void
what_is_under_way_refuses_changes(void **state)
{
    settings.settle_ms = 1000;
    assert_int_equal(create("f", ""), 201);
    (void)configure("{}");
    assert_error(409, "ResourceConflictException", "message",
                 "The operation cannot be performed at this time. The function is currently in the "
                 "following state: Pending");
    (void)publish("{}");
    assert_int_equal(got.status, 409);
    run_until(settled, NULL);
    assert_int_equal(configure("{\"Timeout\":5}"), 200);
    assert_string_equal(member("State"), "Active");
    assert_string_equal(member("LastUpdateStatus"), "InProgress");
    assert_string_equal(member("LastUpdateStatusReasonCode"), "Creating");
    (void)configure("{\"Timeout\":6}");
    assert_error(409, "ResourceConflictException", "message",
                 "The operation cannot be performed at this time. An update is in progress for "
                 "resource: " ARN "f");
    (void)ask("PUT", FUNCTIONS "/f/code", "{\"ZipFile\":\"" ZIP_2 "\"}");
    assert_int_equal(got.status, 409);
    (void)publish("{}");
    assert_int_equal(got.status, 409);
    assert_int_equal(invoked.forgotten, 1); /* the old one serves until the update is done */
    run_until(settled, NULL);
    assert_int_equal(invoked.forgotten, 2);
    assert_int_equal(get("f", ""), 200);
    assert_string_equal(member("LastUpdateStatus"), "Successful");
    assert_int_equal(json_integer_value(json_object_get(got.json, "Timeout")), 5);
}

static void
a_restart_finishes_what_was_under_way(void **state)
{
    struct err err = {0};

    settings.settle_ms = 300;
    assert_int_equal(create("f", ""), 201);
    assert_int_equal(lambda_settle_recover(&api, &err), 0);
    assert_int_equal(get("f", ""), 200);
    assert_string_equal(member("State"), "Active");
}

static void
a_stale_revision_is_refused(void **state)
{
    char body[200], old[64];

    created("f", "");
    (void)get("f", "");
    snprintf(old, sizeof(old), "%s", member("RevisionId"));
    snprintf(body, sizeof(body), "{\"Timeout\":7,\"RevisionId\":\"%s\"}", old);
    assert_int_equal(configure(body), 200);
    assert_string_not_equal(member("RevisionId"), old);
    run_until(settled, NULL);
    (void)configure(body);
    assert_int_equal(got.status, 412);
    assert_string_equal(header("x-amzn-ErrorType"), "PreconditionFailedException");
    assert_non_null(
        strstr(member("message"), "The Revision Id provided does not match the latest"));
    (void)publish(body);
    assert_int_equal(got.status, 412);
}

/* ---- rules ---- */

static void
four_kb_of_variables_are_the_limit(void **state)
{
    char value[4200], more[4400];
    size_t most = 4096 - sizeof("{\"KEY\":\"\"}") + 1;

    memset(value, 'v', sizeof(value));
    value[most] = '\0';
    snprintf(more, sizeof(more), ",\"Environment\":{\"Variables\":{\"KEY\":\"%s\"}}", value);
    created("f", more);
    value[most] = 'v';
    value[most + 1] = '\0';
    snprintf(more, sizeof(more), ",\"Environment\":{\"Variables\":{\"KEY\":\"%s\"}}", value);
    assert_int_equal(create("g", more), 400);
    snprintf(more, sizeof(more),
             "Lambda was unable to configure your environment variables because the environment "
             "variables "
             "you have provided exceeded the 4KB limit. String measured: {\"KEY\":\"%s\"}",
             value);
    assert_error(400, "InvalidParameterValueException", "message", more);
}

static void
reserved_variables_are_named(void **state)
{
    assert_int_equal(create("f",
                            ",\"Environment\":{\"Variables\":{\"AWS_REGION\":\"x\",\"OK\":\"y\","
                            "\"AWS_LAMBDA_FUNCTION_NAME\":\"z\"}}"),
                     400);
    assert_error(
        400, "InvalidParameterValueException", "message",
        "Lambda was unable to configure your environment variables because the environment "
        "variables you have provided contains reserved keys that are currently not supported for "
        "modification. Reserved keys used in this request: AWS_REGION, AWS_LAMBDA_FUNCTION_NAME");
}

static void
log_levels_belong_to_json(void **state)
{
    assert_int_equal(create("f", ",\"LoggingConfig\":{\"SystemLogLevel\":\"WARN\"}"), 400);
    assert_error(
        400, "InvalidParameterValueException", "message",
        "Log Level is not supported when Log Format is set to \"Text\". Remove log level from your "
        "request or change the log format to \"JSON\" and try again.");
    created("f", ",\"LoggingConfig\":{\"LogFormat\":\"JSON\",\"SystemLogLevel\":\"WARN\"}");
    (void)get("f", "");
    assert_string_equal(member("LoggingConfig.ApplicationLogLevel"), "INFO");
    assert_string_equal(member("LoggingConfig.SystemLogLevel"), "WARN");
    assert_int_equal(configure("{\"LoggingConfig\":{\"LogFormat\":\"Text\"}}"), 200);
    assert_null(member("LoggingConfig.SystemLogLevel"));
    run_until(settled, NULL);
}

static void
what_an_update_leaves_out_stays_and_empty_clears(void **state)
{
    created("f", ",\"Description\":\"d\",\"Environment\":{\"Variables\":{\"KEY\":\"v\"}},"
                 "\"DeadLetterConfig\":{\"TargetArn\":\"arn:aws:sqs:us-east-1:000000000000:q\"}");
    assert_int_equal(configure("{\"MemorySize\":256}"), 200);
    assert_string_equal(member("Environment.Variables.KEY"), "v");
    assert_string_equal(member("Description"), "d");
    run_until(settled, NULL);
    assert_int_equal(
        configure("{\"Environment\":{\"Variables\":{}},\"DeadLetterConfig\":{\"TargetArn\":\"\"}}"),
        200);
    assert_null(json_object_get(got.json, "Environment"));
    assert_null(json_object_get(got.json, "DeadLetterConfig"));
    run_until(settled, NULL);
}

static void
code_comes_from_exactly_one_place(void **state)
{
    assert_int_equal(ask("POST", FUNCTIONS,
                         "{\"FunctionName\":\"f\",\"Role\":\"" ROLE "\",\"Runtime\":"
                         "\"python3.12\",\"Handler\":\"a.b\",\"Code\":{}}"),
                     400);
    assert_error(400, "InvalidParameterValueException", "message",
                 "Please provide a source for function code.");
    assert_int_equal(ask("POST", FUNCTIONS,
                         "{\"FunctionName\":\"f\",\"Role\":\"" ROLE
                         "\",\"Code\":{\"ZipFile\":\"" ZIP_1 "\"}}"),
                     400);
    assert_error(400, "InvalidParameterValueException", "message",
                 "Runtime and Handler are mandatory parameters for functions created with "
                 "deployment packages.");
    created("f", "");
    (void)ask("PUT", FUNCTIONS "/f/code", "{\"ImageUri\":\"i\"}");
    assert_error(400, "InvalidParameterValueException", "message",
                 "Please don't provide ImageUri when updating a function with packageType Zip.");
    (void)ask("PUT", FUNCTIONS "/f/code",
              "{\"ZipFile\":\"" ZIP_1 "\",\"S3Bucket\":\"bucket\",\"S3Key\":\"k\"}");
    assert_error(400, "InvalidParameterValueException", "message",
                 "Please do not provide other FunctionCode parameters when providing a ZipFile.");
    (void)ask("PUT", FUNCTIONS "/f/code", "{\"ZipFile\":\"UEsDBA==\"}");
    assert_int_equal(got.status, 400);
}

/* ---- tags ---- */

static void
tags_are_kept_and_bounded(void **state)
{
    char more[4096] = ",\"Tags\":{";
    size_t n = strlen(more);

    created("f", ",\"Tags\":{\"a\":\"1 \\u00fc\",\"b\":\"\"}");
    assert_int_equal(ask("GET", FUNCTIONS "/f", NULL), 200);
    assert_string_equal(member("Tags.a"), "1 \xc3\xbc");
    assert_string_equal(member("Tags.b"), "");
    for (int i = 0; i < 51; i++)
        n += (size_t)snprintf(more + n, sizeof(more) - n, "%s\"k%d\":\"v\"", i ? "," : "", i);
    snprintf(more + n, sizeof(more) - n, "}");
    assert_int_equal(create("g", more), 400);
    assert_int_equal(create("g", ",\"Tags\":{\"aws:mine\":\"v\"}"), 400);
    snprintf(more, sizeof(more), ",\"Tags\":{\"%0129d\":\"v\"}", 0);
    assert_int_equal(create("g", more), 400);
    snprintf(more, sizeof(more), ",\"Tags\":{\"k\":\"%0257d\"}", 0);
    assert_int_equal(create("g", more), 400);
    snprintf(more, sizeof(more), ",\"Tags\":{\"k\":\"%0256d\"}", 0);
    assert_int_equal(create("g", more), 201);
}

/* ---- versions ---- */

static void
publishing_what_was_published_gives_that_version(void **state)
{
    created("f", "");
    assert_int_equal(publish("{\"Description\":\"one\"}"), 201);
    assert_string_equal(member("Version"), "1");
    assert_string_equal(member("FunctionArn"), ARN "f:1");
    assert_string_equal(member("Description"), "one");
    assert_int_equal(publish("{\"Description\":\"other\"}"), 201);
    assert_string_equal(member("Version"), "1");
    assert_string_equal(member("Description"), "one");
    assert_int_equal(configure("{\"Timeout\":9}"), 200);
    run_until(settled, NULL);
    assert_int_equal(publish("{}"), 201);
    assert_string_equal(member("Version"), "2");
    assert_int_equal(
        ask("PUT", FUNCTIONS "/f/code", "{\"ZipFile\":\"" ZIP_2 "\",\"Publish\":true}"), 200);
    assert_string_equal(member("Version"), "3");
    run_until(settled, NULL);
    assert_int_equal(get("f:2", ""), 200);
    assert_string_equal(member("State"), "Active");
    assert_int_equal(json_integer_value(json_object_get(got.json, "Timeout")), 9);
}

static void
numbers_of_deleted_versions_are_not_used_again(void **state)
{
    created("f", "");
    assert_int_equal(publish("{}"), 201);
    (void)ask("DELETE", FUNCTIONS "/f?Qualifier=$LATEST", NULL);
    assert_error(400, "InvalidParameterValueException", "message",
                 "$LATEST version cannot be deleted without deleting the function.");
    assert_int_equal(ask("DELETE", FUNCTIONS "/f?Qualifier=1", NULL), 204);
    (void)ask("DELETE", FUNCTIONS "/f?Qualifier=1", NULL);
    assert_error(404, "ResourceNotFoundException", "Message", "Function not found: " ARN "f:1");
    assert_int_equal(publish("{}"), 201);
    assert_string_equal(member("Version"), "2");
    assert_int_equal(ask("DELETE", FUNCTIONS "/f", NULL), 204);
    assert_int_equal(get("f:2", ""), 404);
    created("f", ",\"Publish\":true");
    assert_int_equal(get("f:1", ""), 200);
}

static void
a_wrong_digest_is_told_whole(void **state)
{
    char body[700], wanted[900], hash[64];

    created("f", "");
    (void)get("f", "");
    snprintf(hash, sizeof(hash), "%s", member("CodeSha256"));
    snprintf(body, sizeof(body), "{\"CodeSha256\":\"%0300d\"}", 0);
    snprintf(wanted, sizeof(wanted),
             "CodeSHA256 (%0300d) is different from current CodeSHA256 in $LATEST (%s). Please try "
             "again with "
             "the CodeSHA256 in $LATEST.",
             0, hash);
    (void)publish(body);
    assert_error(400, "InvalidParameterValueException", "message", wanted);
    snprintf(body, sizeof(body), "{\"CodeSha256\":\"%s\"}", hash);
    assert_int_equal(publish(body), 201);
}

static void
a_dry_run_changes_nothing(void **state)
{
    char hash[64];

    created("f", "");
    (void)get("f", "");
    snprintf(hash, sizeof(hash), "%s", member("CodeSha256"));
    assert_int_equal(ask("PUT", FUNCTIONS "/f/code",
                         "{\"ZipFile\":\"" ZIP_2 "\",\"DryRun\":true,\"Publish\":true}"),
                     200);
    assert_string_not_equal(member("CodeSha256"), hash);
    (void)get("f", "");
    assert_string_equal(member("CodeSha256"), hash);
    assert_int_equal(get("f:1", ""), 404);
}

/* ---- lists ---- */

static const char *
item(const char *list, size_t i, const char *name)
{
    return json_string_value(
        json_object_get(json_array_get(json_object_get(got.json, list), i), name));
}

static void
lists_are_paged_and_leave_out_states(void **state)
{
    char path[300], marker[120];

    created("a", "");
    created("b", "");
    created("f", "");
    assert_int_equal(publish("{}"), 201);
    assert_int_equal(ask("GET", FUNCTIONS "?MaxItems=2", NULL), 200);
    assert_int_equal(json_array_size(json_object_get(got.json, "Functions")), 2);
    assert_string_equal(item("Functions", 0, "FunctionName"), "a");
    assert_string_equal(item("Functions", 0, "FunctionArn"), ARN "a");
    assert_null(item("Functions", 0, "State"));
    assert_null(item("Functions", 0, "LastUpdateStatus"));
    snprintf(marker, sizeof(marker), "%s", member("NextMarker"));
    snprintf(path, sizeof(path), FUNCTIONS "?Marker=%s", marker);
    assert_int_equal(ask("GET", path, NULL), 200);
    assert_string_equal(item("Functions", 0, "FunctionName"), "f");
    assert_null(json_object_get(got.json, "NextMarker"));
    assert_int_equal(ask("GET", FUNCTIONS "?FunctionVersion=ALL", NULL), 200);
    assert_int_equal(json_array_size(json_object_get(got.json, "Functions")), 4);
    assert_string_equal(item("Functions", 2, "FunctionArn"), ARN "f:$LATEST");
    assert_string_equal(item("Functions", 3, "FunctionArn"), ARN "f:1");
    assert_int_equal(ask("GET", FUNCTIONS "/f/versions?MaxItems=1", NULL), 200);
    assert_string_equal(item("Versions", 0, "Version"), "$LATEST");
    snprintf(path, sizeof(path), FUNCTIONS "/f/versions?Marker=%s", member("NextMarker"));
    assert_int_equal(ask("GET", path, NULL), 200);
    assert_string_equal(item("Versions", 0, "Version"), "1");
    assert_int_equal(json_array_size(json_object_get(got.json, "Versions")), 1);
    assert_int_equal(ask("GET", FUNCTIONS "/g/versions", NULL), 404);
}

static void
markers_that_were_not_ours_are_refused(void **state)
{
    static const char *const markers[] = {
        "x", "%21", "YQ==", "IDE=", "YSA=", "YSAtMQ==", "YSA0Mjk0OTY3Mjk2", "YSB4"};
    char path[200];

    for (size_t i = 0; i < ARRAY_LEN(markers); i++) {
        snprintf(path, sizeof(path), FUNCTIONS "?Marker=%s", markers[i]);
        if (ask("GET", path, NULL) != 400)
            fail_msg("%s: %d", markers[i], got.status);
        assert_string_equal(header("x-amzn-ErrorType"), "InvalidParameterValueException");
    }
    assert_int_equal(ask("GET", FUNCTIONS "?Marker=YSAw", NULL), 200); /* "a 0" */
}

/* ---- links ---- */

static void
sign(const char *hex, long long expires, char path[300])
{
    char text[128], mac_hex[65];
    uint8_t mac[32];
    unsigned len = sizeof(mac);
    int n = snprintf(text, sizeof(text), "%s %lld", hex, expires);

    assert_non_null(HMAC(EVP_sha256(), api.link_key, sizeof(api.link_key), (uint8_t *)text,
                         (size_t)n, mac, &len));
    hex_encode(mac, sizeof(mac), mac_hex);
    snprintf(path, 300, "/_lambent/code/%s.zip?Expires=%lld&Signature=%s", hex, expires, mac_hex);
}

static void
a_code_link_gives_the_zip_until_it_expires(void **state)
{
    char link[400], hex[65], path[300];
    uint8_t zip[200];
    ssize_t len = base64_decode(STR(ZIP_1), zip);
    long long now = (long long)(clock_wall_ms() / 1000);

    created("f", "");
    assert_int_equal(ask("GET", FUNCTIONS "/f", NULL), 200);
    assert_string_equal(member("Code.RepositoryType"), "S3");
    snprintf(link, sizeof(link), "%s", member("Code.Location"));
    assert_int_equal(strncmp(link, "http://127.0.0.1:4566/_lambent/code/", 36), 0);
    assert_int_equal(ask("GET", link + 21, NULL), 200);
    assert_string_equal(header("Content-Type"), "application/zip");
    assert_int_equal(got.body.len, len);
    assert_memory_equal(got.body.at, zip, len);
    snprintf(hex, sizeof(hex), "%s", link + 36);
    sign(hex, now + 5, path);
    assert_int_equal(ask("GET", path, NULL), 200);
    sign(hex, now - 5, path);
    assert_int_equal(ask("GET", path, NULL), 403);
    assert_true(str_is(buf_view(&got.body), "Request has expired"));
    link[strlen(link) - 1] ^= 1;
    assert_int_equal(ask("GET", link + 21, NULL), 403);
    memset(hex, '0', 64);
    sign(hex, now + 5, path);
    assert_int_equal(ask("GET", path, NULL), 404);
    assert_int_equal(ask("GET", "/_lambent/code/../x.zip", NULL), 404);
    assert_int_equal(ask("GET", "/_lambent/code/.zip", NULL), 404);
    assert_int_equal(ask("GET", "/_lambent/code/", NULL), 404);
}

/* ---- logs ---- */

static void
the_last_moment_there_is_ends_a_filter(void **state)
{
    static const char target[] =
        "Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: Logs_20140328.";
    char headers[200];

    snprintf(headers, sizeof(headers), "%sCreateLogGroup\r\n", target);
    assert_int_equal(ask_with("POST", "/", headers, STR("{\"logGroupName\":\"g\"}")), 200);
    snprintf(headers, sizeof(headers), "%sFilterLogEvents\r\n", target);
    assert_int_equal(ask_with("POST", "/", headers,
                              STR("{\"logGroupName\":\"g\",\"endTime\":9223372036854775807}")),
                     200);
    assert_int_equal(json_array_size(json_object_get(got.json, "events")), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(a_function_is_found_by_every_form_of_its_name),
        TEST_CASE(a_function_may_have_a_name_that_looks_like_a_part),
        TEST_CASE(names_that_contradict_or_lie_elsewhere_are_refused),
        TEST_CASE(a_long_name_and_qualifier_stand_whole_in_the_answer),
        TEST_CASE(a_region_of_any_length_is_only_a_region),
        TEST_CASE(a_function_is_pending_then_active),
        TEST_CASE(what_is_under_way_refuses_changes),
        TEST_CASE(a_restart_finishes_what_was_under_way),
        TEST_CASE(a_stale_revision_is_refused),
        TEST_CASE(four_kb_of_variables_are_the_limit),
        TEST_CASE(reserved_variables_are_named),
        TEST_CASE(log_levels_belong_to_json),
        TEST_CASE(what_an_update_leaves_out_stays_and_empty_clears),
        TEST_CASE(code_comes_from_exactly_one_place),
        TEST_CASE(tags_are_kept_and_bounded),
        TEST_CASE(publishing_what_was_published_gives_that_version),
        TEST_CASE(numbers_of_deleted_versions_are_not_used_again),
        TEST_CASE(a_wrong_digest_is_told_whole),
        TEST_CASE(a_dry_run_changes_nothing),
        TEST_CASE(lists_are_paged_and_leave_out_states),
        TEST_CASE(markers_that_were_not_ours_are_refused),
        TEST_CASE(a_code_link_gives_the_zip_until_it_expires),
        TEST_CASE(the_last_moment_there_is_ends_a_filter),
    };

    return cmocka_run_group_tests_name("api-lambda", tests, NULL, NULL);
}
