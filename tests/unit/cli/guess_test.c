/* Guesses: one folder a row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/guess.h"
#include "help.h"

static const struct {
    const char *files[4][2]; /* name, text */
    const char *runtime, *handler;
} rows[] = {
    {{{"lambda_function.py", "import os\n\ndef lambda_handler(event, context):\n    pass\n"}},
     "python3.11",
     "lambda_function.lambda_handler"},
    {{{"app.py", "def  handler (event, context): ..."}}, "python3.11", "app.handler"},
    {{{"main.py", "handler = Mangum(app)\n"}}, "python3.11", "main.handler"},
    {{{"main.py", "handler: Callable = f\n"}}, "python3.11", "main.handler"},
    {{{"thing.py", "def handler(e, c): pass\n"}, {"util.py", "x = 1\n"}},
     "python3.11",
     "thing.handler"},
    /* The usual name wins over the alphabet; lambda_handler over handler. */
    {{{"aaa.py", "def handler(e, c): pass\n"},
      {"app.py", "def handler(e, c): pass\ndef lambda_handler(e, c): pass\n"}},
     "python3.11",
     "app.lambda_handler"},
    /* Not definitions: comments, methods, longer names, comparisons. */
    {{{"app.py", "# def handler(e, c)\n  def handler(self): pass\ndef handlers(): pass\n"
                 "handler == 3\ndefhandler()\n"}},
     "python3.11",
     ""},
    {{{"index.mjs", "export const handler = async () => 1;\n"}}, "nodejs20.x", "index.handler"},
    {{{"index.mjs", "export async function handler(event) {}\n"}}, "nodejs20.x", "index.handler"},
    {{{"index.mjs", "const a = 1;\nexport { a as handler };\n"}}, "nodejs20.x", "index.handler"},
    {{{"index.mjs", "export {\n  other,\n  handler,\n};\n"}}, "nodejs20.x", "index.handler"},
    {{{"index.js", "exports.handler = async (event) => {};\n"}}, "nodejs20.x", "index.handler"},
    {{{"index.js", "module.exports.handler = f\n"}}, "nodejs20.x", "index.handler"},
    {{{"index.cjs", "module.exports = { handler };\n"}}, "nodejs20.x", "index.handler"},
    {{{"app.mjs", "export const lambdaHandler = () => {};\n"}}, "nodejs20.x", "app.lambdaHandler"},
    {{{"package.json", "{\"type\": \"module\", \"main\": \"./dist/fn.js\"}"},
      {"dist/fn.js", "export const handler = 1\n"},
      {"index.js", "exports.handler = 1\n"}},
     "nodejs20.x",
     "dist/fn.handler"},
    {{{"package.json", "{\"main\": \"lib/fn\"}"}, {"lib/fn.js", "exports.handler = 1\n"}},
     "nodejs20.x",
     "lib/fn.handler"},
    {{{"package.json", "{not json"}, {"index.js", "exports.handler = 1\n"}},
     "nodejs20.x",
     "index.handler"},
    {{{"index.js", "// exports.handler = 1\nconst handlers = exports.handlers;\n"}},
     "nodejs20.x",
     ""},
    /* A Python function with some JavaScript's package.json around. */
    {{{"package.json", "{}"}, {"app.py", "def handler(e, c): pass\n"}},
     "python3.11",
     "app.handler"},
    {{{"bootstrap", "#!/bin/sh\n"}, {"app.py", "def handler(e, c): pass\n"}},
     "provided.al2023",
     "bootstrap"},
    {{{"main.go", "package main\n"}}, "", ""},
    {{{"sub/app.py", "def handler(e, c): pass\n"}}, "", ""},
};

static void
test_rows(void **state)
{
    const struct guess_host host = {11, 20};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char folder[64];
        struct package *package = NULL;
        struct guess guess;
        struct err err = {0};

        folder_make(folder);
        for (size_t f = 0; f < 4 && rows[i].files[f][0]; f++)
            file_make(folder, rows[i].files[f][0], 0644, rows[i].files[f][1]);
        assert_int_equal(0, package_from_dir(folder, NULL, NULL, &package, &err));
        guess_package(package, &host, &guess);
        if (strcmp(guess.runtime, rows[i].runtime) != 0 ||
            strcmp(guess.handler, rows[i].handler) != 0)
            fail_msg("row %zu (%s): %s %s (%s)", i, rows[i].files[0][0], guess.runtime,
                     guess.handler, guess.why);
        assert_true(guess.why[0]);
        if (guess.handler[0])
            assert_true(guess_handler_exists(package, guess.runtime, guess.handler));
        assert_false(guess_handler_exists(package, "python3.11", "gone.handler"));
        assert_false(guess_handler_exists(package, "nodejs20.x", "gone.handler"));
        package_free(package);
        folder_remove(folder);
    }
}

static void
test_versions(void **state)
{
    static const struct {
        struct guess_host host;
        const char *python, *node;
    } hosts[] = {
        {{0, 0}, "python3.12", "nodejs22.x"},   {{9, 18}, "python3.9", "nodejs18.x"},
        {{7, 16}, "python3.8", "nodejs18.x"},   {{13, 23}, "python3.13", "nodejs22.x"},
        {{99, 99}, "python3.14", "nodejs24.x"},
    };
    char python[64], node[64];
    struct package *py = NULL, *js = NULL;
    struct err err = {0};
    struct guess guess;

    file_make(folder_make(python), "app.py", 0644, "def handler(e, c): pass\n");
    file_make(folder_make(node), "index.mjs", 0644, "export const handler = 1\n");
    assert_int_equal(0, package_from_dir(python, NULL, NULL, &py, &err));
    assert_int_equal(0, package_from_dir(node, NULL, NULL, &js, &err));
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        guess_package(py, &hosts[i].host, &guess);
        assert_string_equal(hosts[i].python, guess.runtime);
        guess_package(js, &hosts[i].host, &guess);
        assert_string_equal(hosts[i].node, guess.runtime);
    }
    package_free(py);
    package_free(js);
    folder_remove(python);
    folder_remove(node);
}

static void
test_handler_paths(void **state)
{
    char folder[64];
    struct package *package = NULL;
    struct err err = {0};

    file_make(folder_make(folder), "pkg/mod/__init__.py", 0644, "");
    file_make(folder, "src/fn.mjs", 0644, "");
    assert_int_equal(0, package_from_dir(folder, NULL, NULL, &package, &err));
    assert_true(guess_handler_exists(package, "python3.11", "pkg.mod.handler"));
    assert_true(guess_handler_exists(package, "python3.11", "pkg/mod.handler"));
    assert_true(guess_handler_exists(package, "nodejs20.x", "src/fn.nested.handler"));
    assert_true(guess_handler_exists(package, "java17", "com.example.Fn::go")); /* unknown here */
    assert_true(guess_handler_exists(package, "nodejs20.x", "nodot"));
    assert_false(guess_handler_exists(package, "provided.al2023", "anything"));
    package_free(package);
    folder_remove(folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_handler_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
