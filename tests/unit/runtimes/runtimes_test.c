/* src/rapi/runtimes.c: identifiers and their dates, which interpreter is chosen, what it is started
 * with. Includes the source, to put findings in place that no test machine has. */
#include "rapi/runtimes.c"
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

static void
pretend(size_t n, ...)
{
    va_list args;

    memset(&findings, 0, sizeof(findings));
    findings.done = true;
    va_start(args, n);
    for (size_t i = 0; i < n; i++) {
        struct found *f = &findings.at[findings.len++];

        f->family = (enum runtime_family)va_arg(args, int);
        f->version = va_arg(args, int);
        (void)snprintf(f->text, sizeof(f->text), "%d.%d.9", f->version / 100, f->version % 100);
        (void)snprintf(f->path, sizeof(f->path), "/usr/bin/%s-%d", families[f->family].name,
                       f->version);
    }
    va_end(args);
}

static void
resolve(const char *id, struct runtime_choice *ret)
{
    struct err err = {0};

    if (runtime_resolve(str_of(id), ret, &err) < 0)
        fail_msg("%s: %s", id, err.text);
}

static void
refuse(const char *id, enum err_kind kind, const char *text)
{
    struct runtime_choice choice;
    struct err err = {0};

    assert_int_equal(runtime_resolve(str_of(id), &choice, &err), -(int)kind);
    assert_string_equal(err.text, text);
}

static void
test_identifiers(void **state)
{
    size_t len;
    const struct runtime_info *all = runtime_info_all(&len);

    assert_true(len > 45);
    for (size_t i = 0; i < len; i++) {
        const char *const days[] = {all[i].deprecated, all[i].create_block, all[i].update_block};

        assert_ptr_equal(runtime_info_find(all[i].id), &all[i]);
        for (size_t k = 0; k < ARRAY_LEN(days); k++)
            assert_true(!*days[k] || (strlen(days[k]) == 10 && days[k][4] == '-'));
        assert_true(strcmp(all[i].create_block, all[i].update_block) <= 0);
    }
    assert_null(runtime_info_find(STR("python3.1")));
    assert_null(runtime_info_find(STR("")));
    assert_int_equal(runtime_info_find(STR("nodejs20.x"))->version, 2000);
}

static void
test_blocks(void **state)
{
    const struct runtime_info *old = runtime_info_find(STR("nodejs14.x"));
    const char *successor = NULL;

    assert_false(runtime_blocked_on(old, true, "2024-01-09", &successor));
    assert_true(runtime_blocked_on(old, true, "2024-01-10", &successor));
    assert_string_equal(successor, "nodejs24.x");
    assert_false(runtime_blocked_on(old, false, "2027-03-03", &successor));
    assert_true(runtime_blocked_on(old, false, "2027-03-04", &successor));
    /* An image-only runtime has no block days at all. */
    assert_false(
        runtime_blocked_on(runtime_info_find(STR("dotnet9")), true, "2099-01-01", &successor));
    assert_true(
        runtime_blocked_on(runtime_info_find(STR("go1.x")), true, "2026-11-21", &successor));
    assert_string_equal(successor, "provided.al2023");
}

static void
test_version_arn(void **state)
{
    struct arena *a = arena_new(1 << 16);
    struct str one = runtime_version_arn(a, STR("eu-west-1"), STR("python3.12"));
    struct str other = runtime_version_arn(a, STR("eu-west-1"), STR("python3.13"));

    assert_true(str_starts(one, STR("arn:aws:lambda:eu-west-1::runtime:")));
    assert_int_equal(one.len, strlen("arn:aws:lambda:eu-west-1::runtime:") + SHA256_HEX_LEN);
    assert_false(str_eq(one, other));
    assert_null(runtime_version_arn(a, STR("eu-west-1"), STR("cobol")).at);
    arena_free(a);
}

static void
test_exact_before_near(void **state)
{
    struct runtime_choice c;

    pretend(3, RUNTIME_PYTHON, 310, RUNTIME_PYTHON, 312, RUNTIME_NODEJS, 2011);
    resolve("python3.12", &c);
    assert_true(c.exact && c.frames);
    assert_string_equal(c.interpreter, "/usr/bin/python-312");
    assert_string_equal(c.folder, "python");
    assert_string_equal(c.version_label, "python:3.12.v1");
    assert_string_equal(c.note, "");
    /* Any minor version of Node.js 20 is Node.js 20. */
    resolve("nodejs20.x", &c);
    assert_true(c.exact);
    assert_string_equal(c.folder, "nodejs");
}

static void
test_nearest(void **state)
{
    struct runtime_choice c;

    pretend(3, RUNTIME_PYTHON, 310, RUNTIME_PYTHON, 312, RUNTIME_NODEJS, 2011);
    resolve("python3.14", &c);
    assert_false(c.exact);
    assert_string_equal(c.note, "python3.14 is not installed; using /usr/bin/python-312 (3.12.9)");
    resolve("python3.8", &c);
    assert_string_equal(c.interpreter, "/usr/bin/python-310");
    resolve("python3.11", &c); /* equally far: the newer */
    assert_string_equal(c.interpreter, "/usr/bin/python-312");
    resolve("nodejs24.x", &c);
    assert_false(c.exact);
    assert_string_equal(c.interpreter, "/usr/bin/nodejs-2011");
    refuse("python2.7", ERR_NOT_FOUND,
           "No Python 3.8 or newer was found on this machine. Install it with: "
           "apt-get install python3.");
}

static void
test_nothing_installed(void **state)
{
    struct runtime_choice c;

    memset(&findings, 0, sizeof(findings));
    refuse("python3.12", ERR_UNAVAILABLE,
           "The runtimes of this machine are still being looked for.");
    pretend(0);
    refuse("python3.12", ERR_NOT_FOUND,
           "No Python 3.8 or newer was found on this machine. Install it with: "
           "apt-get install python3.");
    refuse("nodejs22.x", ERR_NOT_FOUND,
           "No Node.js 18 or newer was found on this machine. Install it with: "
           "apt-get install nodejs.");
    refuse("java21", ERR_NOT_IMPLEMENTED, "Functions with the runtime java21 can't be run yet.");
    refuse("go1.x", ERR_NOT_IMPLEMENTED,
           "Functions with the runtime go1.x can't be run yet; build them for provided.al2023, as "
           "an executable named bootstrap.");
    refuse("perl5", ERR_INVALID, "'perl5' is not a runtime");
    resolve("provided.al2023", &c); /* needs nothing of the host */
    assert_false(c.frames);
    assert_string_equal(c.folder, "");
}

static void
test_versions(void **state)
{
    char text[24];

    assert_int_equal(parse_version("Python 3.11.2\n", text, sizeof(text)), 311);
    assert_string_equal(text, "3.11.2");
    assert_int_equal(parse_version("v20.20.2\n", text, sizeof(text)), 2020);
    assert_int_equal(parse_version("Python 3.14.0rc1", text, sizeof(text)), 314);
    assert_int_equal(parse_version("no digits\n3.11", text, sizeof(text)), -1);
    assert_int_equal(parse_version("12", text, sizeof(text)), -1);
    assert_int_equal(parse_version("9999999999.1", text, sizeof(text)), -1);
    assert_int_equal(parse_version("3.99999999999999999999", text, sizeof(text)), -1);
    assert_int_equal(parse_version("", text, sizeof(text)), -1);
}

/* ---- probing, with interpreters that only know their version ---- */

static void
fake(const char *dir, const char *name, const char *says)
{
    char path[256];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fprintf(f, "#!/bin/sh\n%s\n", says) > 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0755), 0);
}

static void
remove_all(const char *dir)
{
    char command[128];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

static const struct found *
found_at(const char *dir, const char *name)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    for (size_t i = 0; i < findings.len; i++)
        if (strcmp(findings.at[i].path, path) == 0)
            return &findings.at[i];
    return NULL;
}

static void
test_probe(void **state)
{
    char dir[] = "/tmp/lambent-runtimes-XXXXXX", outside[] = "/tmp/lambent-runtimes-XXXXXX";
    char bin[64], from[128], to[128];
    const char *extra[] = {dir, NULL};

    assert_non_null(mkdtemp(dir));
    assert_non_null(mkdtemp(outside));
    (void)snprintf(bin, sizeof(bin), "%s/bin", dir);
    assert_int_equal(mkdir(bin, 0755), 0);
    fake(dir, "python3.9", "echo Python 3.9.99");
    fake(bin, "node22", "echo v22.1.99");
    fake(bin, "python3.10", "echo Python 3.10.99 >&2"); /* as Python 2 does */
    fake(bin, "python3.8", "echo Python 3.7.1");        /* too old, whatever its name says */
    fake(bin, "python3.13", "exit 3");
    fake(outside, "python3.12", "echo Python 3.12.99");
    (void)snprintf(from, sizeof(from), "%s/python3.12", bin);
    (void)snprintf(to, sizeof(to), "%s/python3.12", outside);
    assert_int_equal(symlink(to, from), 0); /* a sandbox would not see where it leads */

    runtimes_probe(extra);
    assert_true(findings.done);
    assert_non_null(found_at(dir, "python3.9"));
    assert_int_equal(found_at(dir, "python3.9")->version, 309);
    assert_string_equal(found_at(dir, "python3.9")->text, "3.9.99");
    assert_int_equal(found_at(bin, "node22")->version, 2201);
    assert_int_equal(found_at(bin, "node22")->family, RUNTIME_NODEJS);
    assert_non_null(found_at(bin, "python3.10"));
    assert_null(found_at(bin, "python3.8"));
    assert_null(found_at(bin, "python3.13"));
    assert_null(found_at(outside, "python3.12"));
    for (size_t i = 0; i < findings.len; i++)
        assert_true(beneath(findings.at[i].path, "/usr") || beneath(findings.at[i].path, dir));

    runtimes_probe(NULL); /* a reload without the folder forgets it */
    assert_null(found_at(dir, "python3.9"));
    remove_all(dir);
    remove_all(outside);
}

static void
test_beneath(void **state)
{
    assert_true(beneath("/usr/bin/python3", "/usr"));
    assert_true(beneath("/srv/x/node", "/srv/x/"));
    assert_false(beneath("/usrlocal/python3", "/usr"));
    assert_false(beneath("/usr", "/usr"));
}

/* ---- environments ---- */

static const struct runtime_variable user_variables[] = {
    {{"GREETING", 8}, {"hello = you", 11}},
    {{"EMPTY", 5}, {"", 0}},
    {{"TZ", 2}, {"Europe/Berlin", 13}},
    {{"AWS_REGION", 10}, {"mars-1", 6}}, /* can't come through the API; still of no effect */
};

static struct runtime_env
sample(void)
{
    return (struct runtime_env){
        .account = STR("000000000000"),
        .region = STR("us-east-1"),
        .function_name = STR("hello"),
        .function_version = STR("$LATEST"),
        .handler = STR("app.handler"),
        .memory_mb = 512,
        .log_group = STR("/aws/lambda/hello"),
        .log_stream = STR("2026/11/21/[$LATEST]0123"),
        .log_format = STR("Text"),
        .log_level = STR("DEBUG"),
        .access_key_id = STR("ASIAX"),
        .secret_access_key = STR("secret"),
        .session_token = STR("token"),
        .runtime_api = STR("127.0.0.1:9001"),
        .initialization_type = STR("on-demand"),
        .variables = user_variables,
        .variables_len = ARRAY_LEN(user_variables),
    };
}

static void
compare(char **got, const char *const *wanted)
{
    size_t got_len = 0, wanted_len = 0;

    while (got[got_len])
        got_len++;
    while (wanted[wanted_len])
        wanted_len++;
    for (size_t i = 0; i < wanted_len; i++) {
        bool there = false;

        for (size_t k = 0; k < got_len; k++)
            there |= strcmp(got[k], wanted[i]) == 0;
        if (!there)
            fail_msg("missing: %s", wanted[i]);
    }
    for (size_t k = 0; k < got_len; k++) {
        bool known = false;

        for (size_t i = 0; i < wanted_len; i++)
            known |= strcmp(got[k], wanted[i]) == 0;
        if (!known)
            fail_msg("unexpected: %s", got[k]);
    }
    assert_int_equal(got_len, wanted_len);
}

#define COMMON                                                                                     \
    "_HANDLER=app.handler", "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",                \
        "AWS_LAMBDA_FUNCTION_NAME=hello", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512",                   \
        "AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",         \
        "AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/hello",                                             \
        "AWS_LAMBDA_LOG_STREAM_NAME=2026/11/21/[$LATEST]0123", "AWS_ACCESS_KEY=ASIAX",             \
        "AWS_ACCESS_KEY_ID=ASIAX", "AWS_SECRET_ACCESS_KEY=secret", "AWS_SESSION_TOKEN=token",      \
        "AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001", "LAMBDA_TASK_ROOT=/var/task",                     \
        "LAMBDA_RUNTIME_DIR=/var/runtime", "GREETING=hello = you", "EMPTY=", "TZ=Europe/Berlin",   \
        "LANG=en_US.UTF-8", "AWS_XRAY_CONTEXT_MISSING=LOG_ERROR",                                  \
        "AWS_XRAY_DAEMON_ADDRESS=169.254.79.129:2000", "_AWS_XRAY_DAEMON_ADDRESS=169.254.79.129",  \
        "_AWS_XRAY_DAEMON_PORT=2000"
#define LIBRARIES "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
#define MANAGED                                                                                    \
    "_LAMBDA_TELEMETRY_LOG_FD=3", "LD_LIBRARY_PATH=/var/lang/lib:" LIBRARIES,                      \
        "PATH=/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"

static void
test_env_python(void **state)
{
    struct arena *a = arena_new(1 << 16);
    struct runtime_env in = sample();
    struct runtime_choice c;
    struct err err = {0};
    char **envp, **argv;

    pretend(1, RUNTIME_PYTHON, 312);
    resolve("python3.12", &c);
    assert_int_equal(runtime_env_build(&c, &in, a, &envp, &argv, &err), 0);
    compare(envp, (const char *[]){COMMON, MANAGED, "AWS_LAMBDA_LOG_FORMAT=Text",
                                   "AWS_EXECUTION_ENV=AWS_Lambda_python3.12",
                                   "PYTHONPATH=/var/runtime", NULL});
    assert_string_equal(argv[0], "/usr/bin/python-312");
    assert_string_equal(argv[1], "-S");
    assert_string_equal(argv[2], "/var/runtime/bootstrap.py");
    assert_string_equal(argv[3], "4");
    assert_null(argv[4]);

    in.log_format = STR("JSON");
    assert_int_equal(runtime_env_build(&c, &in, a, &envp, &argv, &err), 0);
    compare(envp, (const char *[]){
                      COMMON, MANAGED, "AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_LOG_LEVEL=DEBUG",
                      "AWS_EXECUTION_ENV=AWS_Lambda_python3.12", "PYTHONPATH=/var/runtime", NULL});
    arena_free(a);
}

static void
test_env_node(void **state)
{
    static const struct runtime_variable heap[] = {
        {{"NODE_OPTIONS", 12}, {"--enable-source-maps --max-old-space-size=400", 45}},
        {{"AWS_LAMBDA_EXEC_WRAPPER", 23}, {"/opt/wrap", 9}},
    };
    struct arena *a = arena_new(1 << 16);
    struct runtime_env in = sample();
    struct runtime_choice c;
    struct err err = {0};
    char **envp, **argv;

    pretend(1, RUNTIME_NODEJS, 2011);
    resolve("nodejs20.x", &c);
    assert_int_equal(runtime_env_build(&c, &in, a, &envp, &argv, &err), 0);
    compare(envp, (const char *[]){COMMON, MANAGED, "AWS_LAMBDA_LOG_FORMAT=Text",
                                   "AWS_EXECUTION_ENV=AWS_Lambda_nodejs20.x",
                                   "NODE_PATH=/opt/nodejs/node20/node_modules:/opt/nodejs/"
                                   "node_modules:/var/runtime/node_modules:/var/runtime:/var/task",
                                   NULL});
    assert_string_equal(argv[1], "--max-semi-space-size=25");
    assert_string_equal(argv[2], "--max-old-space-size=460");
    assert_string_equal(argv[3], "/var/runtime/bootstrap.cjs");
    assert_string_equal(argv[4], "4");
    assert_null(argv[5]);

    in.variables = heap;
    in.variables_len = ARRAY_LEN(heap);
    assert_int_equal(runtime_env_build(&c, &in, a, &envp, &argv, &err), 0);
    assert_string_equal(argv[0], "/opt/wrap");
    assert_string_equal(argv[1], "/usr/bin/nodejs-2011");
    assert_string_equal(argv[2], "/var/runtime/bootstrap.cjs");
    arena_free(a);
}

static void
test_env_provided(void **state)
{
    static const struct runtime_variable platform[] = {
        {{"AWS_ENDPOINT_URL", 16}, {"http://127.0.0.1:4566", 21}},
        {{"GREETING", 8}, {"ours", 4}},
    };
    struct arena *a = arena_new(1 << 16);
    struct runtime_env in = sample();
    struct runtime_choice c;
    struct err err = {0};
    char **envp, **argv;

    pretend(0);
    in.platform = platform;
    in.platform_len = ARRAY_LEN(platform);
    resolve("provided.al2023", &c);
    assert_int_equal(runtime_env_build(&c, &in, a, &envp, &argv, &err), 0);
    compare(envp, (const char *[]){COMMON, "AWS_LAMBDA_LOG_FORMAT=Text",
                                   "PATH=/usr/local/bin:/usr/bin/:/bin:/opt/bin",
                                   "LD_LIBRARY_PATH=" LIBRARIES,
                                   "AWS_ENDPOINT_URL=http://127.0.0.1:4566", NULL});
    assert_string_equal(argv[0], "/var/task/bootstrap");
    assert_null(argv[1]);
    in.bootstrap = STR("/opt/bootstrap");
    assert_int_equal(runtime_env_build(&c, &in, a, &envp, &argv, &err), 0);
    assert_string_equal(argv[0], "/opt/bootstrap");
    arena_free(a);
}

/* Whatever the arena's size: a whole environment, or the one error. */
static void
test_env_small_arena(void **state)
{
    struct runtime_env in = sample();
    struct runtime_choice c;
    bool worked = false;

    pretend(1, RUNTIME_NODEJS, 2011);
    resolve("nodejs20.x", &c);
    for (size_t size = 16; !worked && size < 1 << 16; size += 61) {
        struct arena *a = arena_new(size);
        struct err err = {0};
        char **envp = NULL, **argv = NULL;
        int rc = runtime_env_build(&c, &in, a, &envp, &argv, &err);

        if (rc < 0) {
            assert_int_equal(rc, -(int)ERR_TOO_LARGE);
            assert_null(envp);
        }
        worked = rc == 0;
        arena_free(a);
    }
    assert_true(worked);
}

static void
test_reserved(void **state)
{
    assert_true(runtime_env_reserved(STR("AWS_REGION")));
    assert_true(runtime_env_reserved(STR("_HANDLER")));
    assert_true(runtime_env_reserved(STR("AWS_LAMBDA_MAX_CONCURRENCY")));
    assert_false(runtime_env_reserved(STR("TZ")));
    assert_false(runtime_env_reserved(STR("aws_region")));
    assert_false(runtime_env_reserved(STR("")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identifiers),     cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_version_arn),     cmocka_unit_test(test_exact_before_near),
        cmocka_unit_test(test_nearest),         cmocka_unit_test(test_nothing_installed),
        cmocka_unit_test(test_versions),        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_beneath),         cmocka_unit_test(test_env_python),
        cmocka_unit_test(test_env_node),        cmocka_unit_test(test_env_provided),
        cmocka_unit_test(test_env_small_arena), cmocka_unit_test(test_reserved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
