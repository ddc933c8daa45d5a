/* Constraint failures: the exact texts that AWS answers, from the real models. */
#include "help.h"

#define NAME_PATTERN                                                                               \
    "(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?" \
    "(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?"

/* The message for a document checked as the shape; "" if it is good. */
static struct str
check(const struct shape *shape, struct str json, struct arena *a)
{
    void *value = arena_alloc(a, shape->size);
    struct str message = STR("");
    struct err err = {0};

    OK(shape_parse(shape, json, a, value, &err));
    if (shape_validate(shape, value, AWS_VALIDATION_EXCEPTION, a, &message, &err) < 0) {
        assert_int_equal(err.kind, ERR_INVALID);
        assert_int_equal(err.wire, AWS_VALIDATION_EXCEPTION);
        assert_true(strncmp(err.text, message.at, strlen(err.text)) == 0);
    }
    return message;
}

static void
expect(const struct shape *shape, const char *json, const char *message)
{
    AUTO(arena_free) struct arena *a = arena_new(4u << 20);

    assert_str(check(shape, str_of(json), a), message);
}

static void
expect_create(const char *members, const char *message)
{
    AUTO(arena_free) struct arena *a = arena_new(4u << 20);
    struct str json =
        arena_fmt(a,
                  "{\"FunctionName\":\"f\",\"Role\":\"arn:aws:iam::000000000000:role/r\","
                  "\"Code\":{}%s%s}",
                  *members ? "," : "", members);

    assert_str(check(&lambda_create_function_in_shape, json, a), message);
}

static void
good_documents_pass(void **state)
{
    expect_create("", "");
    expect_create("\"MemorySize\":128,\"Timeout\":900,\"Runtime\":\"python3.12\",\"KMSKeyArn\":"
                  "\"\",\"Handler\":\"a.b\","
                  "\"Environment\":{\"Variables\":{\"AB\":\"\"}},\"Architectures\":[\"arm64\"],"
                  "\"Tags\":{\"a\":\"b\"},"
                  "\"EphemeralStorage\":{\"Size\":512},\"DeadLetterConfig\":{\"TargetArn\":\"\"}",
                  "");
}

static void
numbers_are_in_range(void **state)
{
    expect_create("\"MemorySize\":10241",
                  "1 validation error detected: Value '10241' at 'memorySize' failed to satisfy "
                  "constraint: Member must have value less than or equal to 10240");
    expect_create("\"MemorySize\":127",
                  "1 validation error detected: Value '127' at 'memorySize' failed to satisfy "
                  "constraint: Member must have value greater than or equal to 128");
    expect_create("\"Timeout\":901",
                  "1 validation error detected: Value '901' at 'timeout' failed to satisfy "
                  "constraint: Member must have value less than or equal to 900");
    expect_create("\"EphemeralStorage\":{\"Size\":511}",
                  "1 validation error detected: Value '511' at 'ephemeralStorage.size' failed to "
                  "satisfy constraint: "
                  "Member must have value greater than or equal to 512");
}

static void
texts_match_their_pattern_as_a_whole(void **state)
{
    static const char *const bad[] = {"a b", "a/b", "x\\n", "f:", "a:b:c:d", "\\u00e9"};
    static const char *const good[] = {"f",
                                       "f:1",
                                       "f:$LATEST",
                                       "arn:aws:lambda:us-east-1:000000000000:function:f",
                                       "000000000000:function:f:a",
                                       "function:f",
                                       "f-_9"};
    AUTO(arena_free) struct arena *a = arena_new(4u << 20);

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct str json = arena_fmt(
            a, "{\"FunctionName\":\"%s\",\"Name\":\"x\",\"FunctionVersion\":\"1\"}", bad[i]);
        struct str text = check(&lambda_create_alias_in_shape, json, a);

        assert_true(str_starts(text, STR("1 validation error detected: Value '")));
        assert_true(str_ends(
            text,
            STR("' at 'functionName' failed to satisfy constraint: Member must satisfy regular "
                "expression pattern: " NAME_PATTERN)));
    }
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct str json = arena_fmt(
            a, "{\"FunctionName\":\"%s\",\"Name\":\"x\",\"FunctionVersion\":\"1\"}", good[i]);

        assert_str(check(&lambda_create_alias_in_shape, json, a), "");
    }
}

static void
lengths_are_in_code_points(void **state)
{
    AUTO(arena_free) struct arena *a = arena_new(4u << 20);
    AUTO_BUF struct buf text = BUF_MAX(8192);

    for (unsigned i = 0; i < 256; i++)
        buf_z(&text, "\xf0\x9f\x98\x80");
    assert_str(check(&lambda_publish_version_in_shape,
                     arena_fmt(a, "{\"FunctionName\":\"f\",\"Description\":\"%s\"}", text.at), a),
               "");
    assert_str(check(&lambda_publish_version_in_shape,
                     arena_fmt(a, "{\"FunctionName\":\"f\",\"Description\":\"%sx\"}", text.at), a),
               arena_fmt(a,
                         "1 validation error detected: Value '%sx' at 'description' failed to "
                         "satisfy constraint: "
                         "Member must have length less than or equal to 256",
                         text.at)
                   .at);
    expect_create(
        "\"Handler\":\"\"",
        "1 validation error detected: Value '' at 'handler' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [^\\s]+");
}

static void
required_members_must_be_there(void **state)
{
    expect(&lambda_create_function_in_shape, "{}",
           "3 validation errors detected: Value null at 'functionName' failed to satisfy "
           "constraint: Member must not be "
           "null; Value null at 'role' failed to satisfy constraint: Member must not be null; "
           "Value null at 'code' "
           "failed to satisfy constraint: Member must not be null");
}

static void
enums_name_their_set(void **state)
{
    expect_create("\"PackageType\":\"zip\"",
                  "1 validation error detected: Value 'zip' at 'packageType' failed to satisfy "
                  "constraint: Member must satisfy enum value set: [Zip, Image]");
    expect_create("\"TracingConfig\":{\"Mode\":\"x\"}",
                  "1 validation error detected: Value 'x' at 'tracingConfig.mode' failed to "
                  "satisfy constraint: Member "
                  "must satisfy enum value set: [Active, PassThrough]");
}

static void
lists_tell_all_constraints_of_their_elements(void **state)
{
    expect_create("\"Architectures\":[\"x86\"]",
                  "1 validation error detected: Value '[x86]' at 'architectures' failed to satisfy "
                  "constraint: Member "
                  "must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], "
                  "Member must not be "
                  "null]");
    expect_create("\"Architectures\":[null]",
                  "1 validation error detected: Value '[null]' at 'architectures' failed to "
                  "satisfy constraint: Member "
                  "must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], "
                  "Member must not be "
                  "null]");
    expect_create("\"Architectures\":[]",
                  "1 validation error detected: Value '[]' at 'architectures' failed to satisfy "
                  "constraint: Member must have length greater than or equal to 1");
    expect_create("\"Architectures\":[\"arm64\",\"arm64\"]",
                  "1 validation error detected: Value '[arm64, arm64]' at 'architectures' failed "
                  "to satisfy constraint: "
                  "Member must have length less than or equal to 1");
}

static void
structures_in_lists_are_numbered(void **state)
{
    expect_create(
        "\"FileSystemConfigs\":[{\"LocalMountPath\":\"/x\",\"Arn\":\"a\"}]",
        "2 validation errors detected: Value 'a' at 'fileSystemConfigs.1.member.arn' failed to "
        "satisfy "
        "constraint: Member must satisfy regular expression pattern: "
        "arn:aws[a-zA-Z-]*:elasticfilesystem:[a-z]{2}((-gov)|(-iso(b?)))?-[a-z]+-\\d{1}:\\d{12}:"
        "access-point/"
        "fsap-[a-f0-9]{17}$|^arn:aws[-a-z]*:s3files:[0-9a-z-:]+:file-system/fs-[0-9a-f]{17,40}/"
        "access-point/"
        "fsap-[0-9a-f]{17,40}; Value '/x' at 'fileSystemConfigs.1.member.localMountPath' failed to "
        "satisfy "
        "constraint: Member must satisfy regular expression pattern: /mnt/[a-zA-Z0-9-_.]+");
}

static void
secrets_are_not_shown(void **state)
{
    expect_create("\"Environment\":{\"Variables\":{\"1A\":\"secret\"}}",
                  "1 validation error detected: Value at 'environment.variables' failed to satisfy "
                  "constraint: Map keys "
                  "must satisfy constraint: [Member must satisfy regular expression pattern: "
                  "[a-zA-Z]([a-zA-Z0-9_])+]");
}

static void
maps_are_shown_as_java_does(void **state)
{
    expect(&logs_create_log_group_in_shape,
           "{\"logGroupName\":\"g\",\"tags\":{\"k\":\"v\",\"\":\"w\"}}",
           "1 validation error detected: Value '{k=v, =w}' at 'tags' failed to satisfy constraint: "
           "Map keys must satisfy "
           "constraint: [Member must have length less than or equal to 128, Member must have "
           "length greater than or "
           "equal to 1, Member must satisfy regular expression pattern: "
           "^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+)$]");
}

static void
all_violations_are_told_in_the_members_order(void **state)
{
    expect_create(
        "\"Timeout\":0,\"KMSKeyArn\":\"x\",\"MemorySize\":1",
        "3 validation errors detected: Value '0' at 'timeout' failed to satisfy constraint: Member "
        "must have "
        "value greater than or equal to 1; Value '1' at 'memorySize' failed to satisfy constraint: "
        "Member must "
        "have value greater than or equal to 128; Value 'x' at 'kMSKeyArn' failed to satisfy "
        "constraint: "
        "Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()");
}

static void
weights_are_numbers_between_zero_and_one(void **state)
{
    expect(&lambda_update_alias_in_shape,
           "{\"FunctionName\":\"f\",\"Name\":\"a\",\"RoutingConfig\":{\"AdditionalVersionWeights\":"
           "{\"2\":1.5}}}",
           "1 validation error detected: Value '{2=1.5}' at "
           "'routingConfig.additionalVersionWeights' failed to satisfy "
           "constraint: Map value must satisfy constraint: [Member must have value less than or "
           "equal to 1, Member must "
           "have value greater than or equal to 0]");
    expect(&lambda_update_alias_in_shape,
           "{\"FunctionName\":\"f\",\"Name\":\"a\",\"RoutingConfig\":{\"AdditionalVersionWeights\":"
           "{\"2\":0.5}}}",
           "");
    expect(&lambda_create_capacity_provider_in_shape,
           "{\"CapacityProviderName\":\"c\",\"VpcConfig\":{\"SubnetIds\":[\"subnet-"
           "0123456789abcdef0\"],"
           "\"SecurityGroupIds\":[]},\"PermissionsConfig\":{\"CapacityProviderOperatorRoleArn\":"
           "\"arn:aws:iam::000000000000:role/"
           "r\"},\"CapacityProviderScalingConfig\":{\"ScalingPolicies\":"
           "[{\"PredefinedMetricType\":\"LambdaCapacityProviderAverageCPUUtilization\","
           "\"TargetValue\":-1.5}]}}",
           "1 validation error detected: Value '-1.5' at "
           "'capacityProviderScalingConfig.scalingPolicies.1.member."
           "targetValue' failed to satisfy constraint: Member must have value greater than or "
           "equal to 0");
}

static void
messages_are_bounded(void **state)
{
    AUTO(arena_free) struct arena *a = arena_new(16u << 20);
    AUTO_BUF struct buf json = BUF_MAX(4u << 20);
    struct str text;

    buf_z(&json, "{\"FunctionName\":\"");
    for (unsigned i = 0; i < 300000; i++)
        buf_z(&json, "a b");
    buf_z(&json, "\",\"Name\":\"x\",\"FunctionVersion\":\"1\"}");
    text = check(&lambda_create_alias_in_shape, buf_view(&json), a);
    assert_true(str_starts(text, STR("2 validation errors detected: Value 'a ba ba b")));
    assert_true(text.len < 3 * VALIDATE_VALUE_MAX);
    assert_non_null(strstr(text.at, "...' at 'functionName'"));

    /* Thousands of bad elements: counted up to the bound only. */
    buf_reset(&json);
    buf_z(&json, "{\"FunctionName\":\"f\",\"Role\":\"arn:aws:iam::000000000000:role/"
                 "r\",\"Code\":{},\"FileSystemConfigs\":[{}");
    for (unsigned i = 0; i < 5000; i++)
        buf_z(&json, ",{}");
    buf_z(&json, "]}");
    text = check(&lambda_create_function_in_shape, buf_view(&json), a);
    assert_true(
        str_starts(text, STR("50 validation errors detected: Value '[FileSystemConfig(), ")));
    assert_true(str_ends(text, STR("Member must not be null")));
    assert_true(text.len < VALIDATE_TEXT_MAX);
}

static void
no_value_makes_a_pattern_run_for_long(void **state)
{
    static struct pattern nested = {.text = "(a+)+b"};
    AUTO_BUF struct buf text = BUF_MAX(32768);

    for (unsigned i = 0; i < 16384; i++)
        buf_c(&text, 'a');
    assert_false(pattern_matches(&nested, buf_view(&text)));
    assert_true(pattern_matches(&nested, STR("aaab")));
    assert_false(pattern_matches(&nested, STR("aaab\n")));
    assert_false(pattern_matches(&nested, STR("\xff")));
}

/* Compiling is what asserts; a pattern that Java knows and PCRE2 does not would end the daemon. */
static void
every_pattern_of_every_model_compiles(void **state)
{
    unsigned n = 0;

    for (size_t i = 0; i < wire_services_len; i++)
        for (size_t k = 0; k < wire_services[i]->ops_len; k++) {
            const struct shape *stack[256] = {wire_services[i]->ops[k].in,
                                              wire_services[i]->ops[k].out};
            size_t len = 2;

            while (len > 0) {
                const struct shape *s = stack[--len];

                if (s->pattern) {
                    (void)pattern_matches(s->pattern, STR("x"));
                    n++;
                }
                assert_true(len + s->members_len + 2 < ARRAY_LEN(stack));
                for (uint32_t m = 0; m < s->members_len; m++)
                    stack[len++] = s->members[m].shape;
                if (s->element)
                    stack[len++] = s->element;
                if (s->key)
                    stack[len++] = s->key;
            }
        }
    assert_true(n > 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_documents_pass),
        cmocka_unit_test(numbers_are_in_range),
        cmocka_unit_test(texts_match_their_pattern_as_a_whole),
        cmocka_unit_test(lengths_are_in_code_points),
        cmocka_unit_test(required_members_must_be_there),
        cmocka_unit_test(enums_name_their_set),
        cmocka_unit_test(lists_tell_all_constraints_of_their_elements),
        cmocka_unit_test(structures_in_lists_are_numbered),
        cmocka_unit_test(secrets_are_not_shown),
        cmocka_unit_test(maps_are_shown_as_java_does),
        cmocka_unit_test(all_violations_are_told_in_the_members_order),
        cmocka_unit_test(weights_are_numbers_between_zero_and_one),
        cmocka_unit_test(messages_are_bounded),
        cmocka_unit_test(no_value_makes_a_pattern_run_for_long),
        cmocka_unit_test(every_pattern_of_every_model_compiles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
