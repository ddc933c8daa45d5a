"""The Node.js bootstrap, played by driver.py: how handlers are found and called, every error kind with
its texts, logs. Runs under each Node.js found (LAMBENT_TEST_NODES=/path/node:… adds others)."""

import json
import os
import re
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(__file__))
import driver
from driver import ERROR, NEXT, RESPONSE, RESPONSE_MAX, Runtime, write_files

NODES = driver.interpreters(["node", "nodejs"], "LAMBENT_TEST_NODES")
ID = "8f5e6ad2-0000-4000-8000-000000000001"
BOTH = ["nodejs20.x", "nodejs24.x"]
NODEJS_EXIT = (
    "The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly "
    "caused by a Promise that was never settled. For more information, see "
    "https://nodejs.org/docs/latest/api/process.html#exit-codes"
)
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def version_of(path):
    return int(
        subprocess.run([path, "--version"], stdout=subprocess.PIPE).stdout.decode()[1:].split(".")[0]
    )


@pytest.fixture(params=NODES, ids=lambda p: "node%d" % version_of(p))
def interpreter(request):
    return request.param


# Started for its function, or generic and told later: it must make no difference to any test.
@pytest.fixture(params=[False, True], ids=["own", "generic"])
def generic(request):
    return request.param


@pytest.fixture
def start(interpreter, generic, tmp_path):
    started = []

    def run(source, handler="index.handler", runtime="nodejs20.x", env={}, flags=[], **more):
        task = tmp_path / "task"
        task.mkdir(exist_ok=True)
        write_files(task, source if isinstance(source, dict) else {"index.js": source})
        environ = {"_HANDLER": handler, "AWS_EXECUTION_ENV": "AWS_Lambda_" + runtime}
        environ.update(env)
        bootstrap = os.path.join(driver.RUNTIMES, "nodejs", "bootstrap.cjs")
        r = Runtime([interpreter, *flags, bootstrap], task, environ, generic=generic, **more)
        r.task = str(task)
        started.append(r)
        return r

    yield run
    for r in started:
        r.kill()


def promise(body):
    return "exports.handler = async (event, context) => { " + body + " };"


# ---- answers ----


@pytest.mark.parametrize("runtime", BOTH)
def test_answers_and_ends_at_end_of_file(start, runtime):
    r = start(promise("return { got: event, id: context.awsRequestId };"), runtime=runtime).ready()
    answer = r.invoke({"a": [1, None, "é"]})
    assert (answer.kind, answer.id, answer.type) == (RESPONSE, ID, "")
    assert answer.body == '{{"got":{{"a":[1,null,"é"]}},"id":"{}"}}'.format(ID).encode()
    assert r.invoke(b'"warm"', id="second").id == "second"
    assert r.stop() == 0
    assert r.log == [] and r.out == ""


def test_frame_in_pieces_and_large_event(start):
    r = start(promise("return event.length;")).ready()
    assert r.invoke(b"[1]", pieces=1).body == b"1"
    assert r.invoke(b"[1,2]", pieces=7).body == b"2"
    text = "x" * (5 * 1024 * 1024)
    assert r.invoke(json.dumps(text).encode(), pieces=60000).body == str(len(text)).encode()
    assert r.invoke(json.dumps(text).encode()).body == str(len(text)).encode()
    assert r.invoke(b"[]").body == b"0"


@pytest.mark.parametrize("runtime", BOTH)
@pytest.mark.parametrize(
    "expression, body",
    [
        ("undefined", b"null"),
        ("null", b"null"),
        ("'é\\u2028'", '"é\u2028"'.encode()),
        ("NaN", b"null"),
        ("() => 1", b"null"),
        ("new Date(0)", b'"1970-01-01T00:00:00.000Z"'),
        ("Buffer.from('a')", b'{"type":"Buffer","data":[97]}'),
    ],
)
def test_results(start, expression, body, runtime):
    r = start(promise("return " + expression + ";"), runtime=runtime).ready()
    answer = r.invoke()
    assert (answer.kind, answer.type, answer.body) == (RESPONSE, "", body)


def test_largest_and_too_large(start):
    r = start(promise("return 'x'.repeat(event);")).ready()
    answer = r.invoke(str(RESPONSE_MAX - 2).encode())
    assert answer.kind == RESPONSE and len(answer.body) == RESPONSE_MAX
    answer = r.invoke(str(RESPONSE_MAX - 1).encode())
    assert (answer.kind, answer.type) == (ERROR, "Function.ResponseSizeTooLarge")
    assert answer.json == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size (6291557 bytes) exceeded maximum allowed payload "
        "size (6291556 bytes).",
    }
    assert r.invoke(b"1").body == b'"x"'


def test_error_that_is_too_large(start):
    r = start(
        promise("const e = new Error('x'.repeat(event)); e.name = 'E'.repeat(event); throw e;")
    ).ready()
    answer = r.invoke(b"3500000")
    assert answer.type == "Function.ResponseSizeTooLarge"
    assert answer.json["errorMessage"].startswith("Response payload size (")
    answer = r.invoke(b"100000")
    assert len(answer.type) == 1024 and answer.json["errorMessage"] == "x" * 100000


# ---- finding the handler ----

CJS = "exports.handler = async () => ({0});"
ESM = "export const handler = async () => ({0});"


@pytest.mark.parametrize("runtime", BOTH)
@pytest.mark.parametrize(
    "files, handler, body",
    [
        ({"index.js": CJS.format(1)}, "index.handler", 1),
        ({"index.mjs": ESM.format(2)}, "index.handler", 2),
        ({"index.cjs": CJS.format(3)}, "index.handler", 3),
        ({"index.js": ESM.format(4), "package.json": '{"type":"module"}'}, "index.handler", 4),
        ({"index.js": CJS.format(5), "package.json": '{"type":"commonjs"}'}, "index.handler", 5),
        ({"index.js": CJS.format(6), "index.mjs": ESM.format(0)}, "index.handler", 6),
        ({"index.mjs": ESM.format(7), "index.cjs": CJS.format(0)}, "index.handler", 7),
        ({"index": CJS.format(8), "index.js": CJS.format(0)}, "index.handler", 8),
        ({"src/fn/app.js": CJS.format(9)}, "src/fn/app.handler", 9),
        (
            {"src/app.js": ESM.format(10), "package.json": '{"type":"module"}'},
            "src/app.handler",
            10,
        ),
        (
            {
                "src/app.js": CJS.format(11),
                "src/package.json": "{}",
                "package.json": '{"type":"module"}',
            },
            "src/app.handler",
            11,
        ),
        ({"index.js": "exports.a = { b: { c: async () => 12 } };"}, "index.a.b.c", 12),
        ({"node_modules/pkg/index.js": CJS.format(13)}, "pkg.handler", 13),
        (
            {"index.mjs": "const x = await Promise.resolve(14);\n" + ESM.format("x")},
            "index.handler",
            14,
        ),
        ({"index.js": "module.exports.handler = async () => require('./lib');", "lib.json": "15"},
         "index.handler", 15),
    ],
)  # fmt: skip
def test_resolution(start, files, handler, body, runtime):
    assert start(files, handler, runtime).ready().invoke().json == body


def test_default_export_from_24_on(start):
    files = {"index.mjs": "export default { handler: async () => 1 };"}
    assert start(files, runtime="nodejs24.x").ready().invoke().json == 1
    assert start(files, runtime="nodejs22.x").init_error().type == "Runtime.HandlerNotFound"


def test_node_path(start, tmp_path):
    write_files(tmp_path, {"layer/node_modules/inlayer/index.js": "module.exports = 'layer';"})
    r = start(
        promise("return require('inlayer');"),
        env={"NODE_PATH": str(tmp_path / "layer/node_modules")},
    ).ready()
    assert r.invoke().json == "layer"


def test_broken_package_json_is_ignored(start):
    r = start({"index.cjs": CJS.format(1), "package.json": "{"}).ready()
    assert r.invoke().json == 1
    r.stop()
    assert "cannot be read, it will be ignored for ES module detection purposes." in r.log[0].text


# ---- errors before the first event ----


def init_error(start, source, handler="index.handler", code=129, what="Uncaught Exception", **more):
    r = start(source, handler, **more)
    answer = r.init_error()
    assert r.recv() is None
    assert r.wait() == code
    assert answer.json["errorType"] == answer.type
    assert list(answer.json) == ["errorType", "errorMessage", "trace"]
    record = r.log[-1]
    assert record.kind == 0xA55A0017
    head, text = record.text.split(" \t", 1)
    assert re.match(TIME + r"\tundefined\tERROR\t" + what + "$", head)
    logged = json.loads(text)
    assert logged["errorType"] == answer.type
    assert logged["errorMessage"] == answer.json["errorMessage"]
    assert logged["stack"] == answer.json["trace"]
    return r, answer


@pytest.mark.parametrize("runtime", BOTH)
def test_missing_module(start, runtime):
    r, answer = init_error(start, {}, runtime=runtime)
    assert answer.type == "Runtime.ImportModuleError"
    assert answer.json["errorMessage"] == (
        "Error: Cannot find module 'index'\nRequire stack:\n- /var/runtime/index.mjs"
    )
    assert answer.json["trace"][:4] == [
        "Runtime.ImportModuleError: Error: Cannot find module 'index'",
        "Require stack:",
        "- /var/runtime/index.mjs",
        answer.json["trace"][3],
    ]


def test_module_that_needs_a_missing_one(start):
    r, answer = init_error(start, "require('not-there');")
    assert answer.json["errorMessage"] == (
        "Error: Cannot find module 'not-there'\nRequire stack:\n- {}/index.js\n"
        "- /var/runtime/index.mjs".format(r.task)
    )


@pytest.mark.parametrize("handler", ["index", "dir/index"])
def test_handler_without_a_dot(start, handler):
    _, answer = init_error(start, "", handler)
    assert (answer.type, answer.json["errorMessage"]) == (
        "Runtime.MalformedHandlerName",
        "Bad handler",
    )


def test_handler_with_two_dots(start):
    _, answer = init_error(start, "", "../index.handler")
    assert answer.type == "Runtime.MalformedHandlerName"
    assert answer.json["errorMessage"] == (
        "'../index.handler' is not a valid handler name. Use absolute paths when specifying root "
        "directories in handler names."
    )


def test_handler_not_found(start):
    _, answer = init_error(start, "exports.other = 1;", "index.handler")
    assert answer.type == "Runtime.HandlerNotFound"
    assert answer.json["errorMessage"] == "index.handler is undefined or not exported"
    _, answer = init_error(start, "exports.handler = 5;", "index.handler")
    assert answer.json["errorMessage"] == "index.handler is not a function"
    assert answer.json["trace"][0] == "Runtime.HandlerNotFound: index.handler is not a function"


@pytest.mark.parametrize("name", ["index.js", "index.mjs"])
def test_syntax_error(start, name):
    r, answer = init_error(start, {name: "const x = 1;\nconst y = (;\n"})
    assert answer.type == "Runtime.UserCodeSyntaxError"
    assert answer.json["errorMessage"] == "SyntaxError: Unexpected token ';'"
    if name == "index.js":  # for ES modules Node.js doesn't put the place into the stack
        assert answer.json["trace"][0] == "{}/index.js:2".format(r.task)


def test_exception_while_loading(start):
    r, answer = init_error(start, "function f() { throw new TypeError('no'); }\nf();")
    assert (answer.type, answer.json["errorMessage"]) == ("TypeError", "no")
    assert answer.json["trace"][:2] == ["TypeError: no", "    at f ({}/index.js:1:22)".format(r.task)]


def test_thrown_string_while_loading(start):
    r = start("throw 'text';")
    answer = r.init_error()
    assert answer.json == {"errorType": "string", "errorMessage": "text", "trace": []}
    assert r.wait() == 129


def test_rejection_while_loading(start):
    r = start({"index.mjs": "Promise.reject(new Error('r'));\nawait new Promise(() => {});"})
    answer = r.init_error()
    assert answer.type == "Runtime.UnhandledPromiseRejection"
    assert answer.json["errorMessage"] == "Error: r"
    assert r.wait() == 128


def test_exit_while_loading(start):
    r = start("process.exit(7);")
    assert r.recv() is None
    assert r.wait() == 7


def test_top_level_await_that_never_ends(start):
    r = start({"index.mjs": "await new Promise(() => {});\n" + ESM.format(1)})
    assert r.recv() is None
    assert r.wait() == 13


def test_callback_handler_refused_from_24_on(start):
    _, answer = init_error(
        start, "exports.handler = (event, context, callback) => callback();", runtime="nodejs24.x"
    )
    assert answer.type == "Runtime.CallbackHandlerDeprecated"
    assert answer.json["errorMessage"].startswith(
        "ERROR: AWS Lambda has removed support for callback-based function handlers starting with "
        "Node.js 24."
    )


def test_unknown_streaming_kind(start):
    _, answer = init_error(
        start,
        "exports.handler = async () => 1;\n"
        "exports.handler[Symbol.for('aws.lambda.runtime.handler.streaming')] = 'request';",
    )
    assert answer.type == "Runtime.MalformedStreamingHandler"
    assert answer.json["errorMessage"] == "Only response streaming is supported."


# ---- errors of an invocation ----


@pytest.mark.parametrize("runtime", BOTH)
def test_exception(start, runtime):
    r = start(
        "class Custom extends Error { constructor(m) { super(m); this.name = 'Custom'; this.extra = 1; } }\n"
        "exports.handler = async () => {\n  throw new Custom('bad\\x7f');\n};",
        runtime=runtime,
    ).ready()
    answer = r.invoke()
    assert (answer.kind, answer.id, answer.type) == (ERROR, ID, "Custom")
    assert list(answer.json) == ["errorType", "errorMessage", "trace"]
    assert answer.json["errorMessage"] == "bad%7F"
    assert "{}/index.js:3:9)".format(r.task) in answer.json["trace"][1]
    assert r.invoke().kind == ERROR  # still alive
    r.stop()
    assert len(r.log) == 2 and r.log[0].kind == 0xA55A0017
    assert re.match(TIME + r"\t" + ID + r"\tERROR\tInvoke Error \t\{", r.log[0].text)
    logged = json.loads(r.log[0].text.split(" \t", 1)[1])
    assert list(logged) == ["errorType", "errorMessage", "name", "extra", "stack"] or list(
        logged
    ) == ["errorType", "errorMessage", "stack", "name", "extra"]
    assert (logged["errorType"], logged["extra"]) == ("Custom", 1)
    assert isinstance(logged["stack"], list)


@pytest.mark.parametrize(
    "value, type, message",
    [
        ("'text'", "string", "text"),
        ("5", "number", "5"),
        ("{a: 1}", "object", "[object Object]"),
        ("undefined", "string", "handled"),
        ("null", "string", "handled"),
    ],
)
def test_rejected_with_something_else(start, value, type, message):
    r = start("exports.handler = async () => {{ throw {}; }};".format(value)).ready()
    assert r.invoke().json == {"errorType": type, "errorMessage": message, "trace": []}


@pytest.mark.parametrize(
    "value, type, message",
    [("'text'", "string", "text"), ("undefined", "undefined", "undefined"), ("null", "object", "null")],
)
def test_rejected_with_something_else_24(start, value, type, message):
    source = "exports.handler = async () => {{ throw {}; }};".format(value)
    r = start(source, runtime="nodejs24.x").ready()
    assert r.invoke().json == {"errorType": type, "errorMessage": message, "trace": []}


def test_error_that_cant_be_read(start):
    source = promise(
        "throw Object.defineProperty(new Error('x'), 'stack', { get() { throw new Error('y'); } });"
    )
    r = start(source).ready()
    answer = r.invoke()
    assert answer.type == "handled"
    assert answer.json["errorMessage"].startswith("callback called with Error argument, but there")


@pytest.mark.parametrize("expression", ["1n", "(() => { const a = []; a.push(a); return a; })()"])
def test_result_without_json(start, expression):
    r = start(promise("return event ? {} : 1;".format(expression))).ready()
    answer = r.invoke(b"1")
    assert (answer.type, answer.json["errorMessage"]) == ("Error", "Unable to stringify response body")
    assert r.invoke(b"0").json == 1
    r = start(promise("return {};".format(expression)), runtime="nodejs24.x").ready()
    assert r.invoke().type == "Runtime.JSONStringifyError"


@pytest.mark.parametrize("runtime", BOTH)
def test_event_that_is_no_json(start, runtime):
    r = start(promise("return 1;"), runtime=runtime).ready()
    assert r.invoke(b'{"a": }').type == "SyntaxError"
    assert r.invoke(b"").type == "SyntaxError"
    assert r.invoke(b"0").json == 1


def test_client_context_that_is_no_json(start):
    r = start(promise("return 1;")).ready()
    answer = r.invoke(client_context="{")
    assert answer.json["errorMessage"].startswith("Cannot parse ClientContext as json: SyntaxError: ")


@pytest.mark.parametrize("runtime", BOTH)
def test_promise_that_never_settles(start, runtime):
    r = start(promise("if (event) await new Promise(() => {}); return 1;"), runtime=runtime).ready()
    answer = r.invoke(b"1")
    assert (answer.type, answer.json["errorMessage"]) == ("Runtime.NodeJsExit", NODEJS_EXIT)
    assert r.invoke(b"0").json == 1
    r.stop()
    assert "\tERROR\tInvoke Error \t" in r.log[0].text and NODEJS_EXIT in r.log[0].text


@pytest.mark.parametrize("runtime", BOTH)
def test_uncaught_exception(start, runtime):
    r = start(
        promise("setTimeout(() => { throw new RangeError('late'); }, 1); await new Promise((r) => setTimeout(r, 60000));"),
        runtime=runtime,
    ).ready()
    r.send()
    answer = r.recv()
    assert (answer.kind, answer.type, answer.id) == (ERROR, "RangeError", ID)
    assert r.recv() is None
    assert r.wait() == 129
    assert "\tERROR\tUncaught Exception \t" in r.log[0].text


@pytest.mark.parametrize("runtime", BOTH)
def test_unhandled_rejection(start, runtime):
    r = start(
        promise("Promise.reject(new Error('lost')); await new Promise((r) => setTimeout(r, 60000));"),
        runtime=runtime,
    ).ready()
    r.send()
    answer = r.recv()
    assert (answer.kind, answer.type) == (ERROR, "Runtime.UnhandledPromiseRejection")
    assert answer.json["errorMessage"] == "Error: lost"
    assert r.recv() is None
    assert r.wait() == 128
    logged = json.loads(r.log[0].text.split("Unhandled Promise Rejection \t", 1)[1])
    assert logged["reason"]["errorMessage"] == "lost" and logged["promise"] == {}


def test_uncaught_exception_between_invocations(start):
    r = start(promise("setTimeout(() => { throw new Error('x'); }, event); return 1;")).ready()
    assert r.invoke(b"1").json == 1
    assert r.recv() is None  # nobody to tell; the log says it
    assert r.wait() == 129
    assert "\tERROR\tUncaught Exception \t" in r.log[0].text


def test_exit_in_the_handler(start):
    r = start(promise("process.stdout.write('last words'); process.exit(5);")).ready()
    r.send()
    assert r.recv() is None
    assert r.wait() == 5
    assert r.out == "last words"


def test_sigterm_ends_it(start):
    r = start(promise("return 1;")).ready()
    r.process.terminate()
    assert r.wait() == -15


def test_protocol_violation_ends_it(start):
    r = start(promise("return 1;")).ready()
    r.sock.sendall(driver.frame(77, b""))
    assert r.recv() is None
    assert r.wait() == 1


# ---- ways to answer, up to nodejs22.x ----


@pytest.mark.parametrize(
    "body, result",
    [
        ("callback(null, 1);", 1),
        ("callback(undefined, 2);", 2),
        ("callback();", None),
        ("setTimeout(() => callback(null, 3), 5);", 3),
        ("context.succeed(4);", 4),
        ("context.done(null, 5);", 5),
        ("callback(null, 6); callback(null, 7); context.fail('no');", 6),
        ("return Promise.resolve(8);", 8),
        ("return { then(done) { done(9); } };", 9),
        ("return 10;", None),  # no promise, no callback: when the loop is empty, null
        ("setTimeout(() => {}, 5);", None),
    ],
)
def test_callback_styles(start, body, result):
    r = start("exports.handler = (event, context, callback) => {{ {} }};".format(body)).ready()
    assert r.invoke().json == result
    assert r.invoke().json == result


@pytest.mark.parametrize(
    "body, type, message",
    [
        ("callback(new TypeError('t'));", "TypeError", "t"),
        ("callback('text');", "string", "text"),
        ("context.fail(new Error('f'));", "Error", "f"),
        ("context.fail();", "string", "handled"),
        ("context.done('d');", "string", "d"),
        ("throw new Error('thrown');", "Error", "thrown"),
        ("return Promise.reject(new Error('r'));", "Error", "r"),
    ],
)
def test_callback_failures(start, body, type, message):
    r = start("exports.handler = (event, context, callback) => {{ {} }};".format(body)).ready()
    answer = r.invoke()
    assert (answer.kind, answer.type, answer.json["errorMessage"]) == (ERROR, type, message)
    assert r.invoke().type == type


def test_callback_waits_for_the_event_loop(start):
    source = (
        "exports.handler = (event, context, callback) => {\n"
        "  context.callbackWaitsForEmptyEventLoop = event.wait;\n"
        "  setTimeout(() => console.log('timer'), 20);\n"
        "  callback(null, 'done');\n};"
    )
    r = start(source).ready()
    begun = time.monotonic()
    assert r.invoke({"wait": True}).json == "done"
    assert time.monotonic() - begun >= 0.019
    r.stop()
    assert [record.text.split("\t")[3] for record in r.log] == ["timer\n"]

    # Without waiting the answer is first; the timer goes on, and fires while the next one is awaited.
    r = start(source.replace("20", "60000")).ready()
    assert r.invoke({"wait": False}).json == "done"
    assert r.stop() == 0


def test_work_goes_on_between_invocations(start):
    r = start(
        "let n = 0;\nexports.handler = async () => { const before = n; setTimeout(() => { n++; "
        "process.stdout.write('ticked\\n'); }, 1); return before; };"
    ).ready()
    assert r.invoke().json == 0
    thread, chunks = r.pipes["out"]
    deadline = time.monotonic() + driver.WAIT_S
    while not chunks and time.monotonic() < deadline:
        thread.join(0.002)
    assert r.invoke().json == 1


def test_sync_handler_from_24_on(start):
    r = start("exports.handler = (event) => event + 1;", runtime="nodejs24.x").ready()
    assert r.invoke(b"41").json == 42
    r = start("exports.handler = (event, context) => Object.keys(context);", runtime="nodejs24.x")
    keys = r.ready().invoke().json
    assert not {"done", "succeed", "fail", "callbackWaitsForEmptyEventLoop"} & set(keys)


# ---- context and surroundings ----


def test_context(start):
    r = start(promise("return [Object.keys(context), context, context.getRemainingTimeInMillis()];")).ready()
    keys, values, left = r.invoke(deadline_ms=int(time.time() * 1000) + 60000).json
    assert keys == [
        "callbackWaitsForEmptyEventLoop", "succeed", "fail", "done", "functionVersion",
        "functionName", "memoryLimitInMB", "logGroupName", "logStreamName", "clientContext",
        "identity", "invokedFunctionArn", "awsRequestId", "tenantId", "getRemainingTimeInMillis",
    ]  # fmt: skip
    assert values == {
        "callbackWaitsForEmptyEventLoop": True,
        "functionVersion": "$LATEST",
        "functionName": "hello",
        "memoryLimitInMB": "128",
        "logGroupName": "/aws/lambda/hello",
        "logStreamName": "2026/11/21/[$LATEST]00",
        "invokedFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:hello",
        "awsRequestId": ID,
    }
    assert 30000 < left <= 60000
    _, values, left = r.invoke(
        client_context='{"custom":{"k":1}}', identity='{"cognitoIdentityId":"i"}', tenant="acme", deadline_ms=5
    ).json
    assert values["clientContext"] == {"custom": {"k": 1}}
    assert values["identity"] == {"cognitoIdentityId": "i"}
    assert values["tenantId"] == "acme"
    assert left < 0


def test_context_24(start):
    r = start(promise("return [context.w3c(), context.xRayTraceId, context.clientContext];"),
              runtime="nodejs24.x").ready()  # fmt: skip
    client = {"w3c": {"traceparent": "00-1", "other": "x"}, "env": {}}
    assert r.invoke(client_context=json.dumps(client), trace="Root=1").json == [
        {"traceparent": "00-1"},
        "Root=1",
        {"env": {}},
    ]


def test_trace_id_variable(start):
    r = start(promise("return process.env._X_AMZN_TRACE_ID;")).ready()
    assert r.invoke(trace="Root=1-2;Parent=3;Sampled=1").json == "Root=1-2;Parent=3;Sampled=1"
    assert r.invoke().json is None


def test_log_fd_variable_is_gone(start):
    r = start("const seen = '_LAMBDA_TELEMETRY_LOG_FD' in process.env;\n" + promise("return seen;")).ready()
    assert r.invoke().json is False


def test_child_processes_and_workers(start):
    r = start(
        "const { execFileSync } = require('child_process');\n"
        "const { Worker } = require('worker_threads');\n"
        + promise(
            "const out = execFileSync(process.execPath, ['-p', '3 + 4']).toString().trim();"
            "const message = await new Promise((resolve) => new Worker("
            "'require(\"worker_threads\").parentPort.postMessage(5)', { eval: true }).on('message', resolve));"
            "return [out, message];"
        )
    ).ready()
    assert r.invoke().json == ["7", 5]


# ---- logs ----


@pytest.mark.parametrize("runtime", BOTH)
def test_console_text(start, runtime):
    r = start(
        "console.log('loading');\n"
        + promise(
            "console.trace('t'); console.debug('d %d', 5); console.info({ a: 1 });"
            "console.warn('two\\nlines'); console.error(new Error('e').message); console.fatal('f');"
            "console.log(); return 1;"
        ),
        runtime=runtime,
    ).ready()
    r.invoke()
    r.stop()
    got = []
    for record in r.log:
        assert record.text.endswith("\n")
        stamp, id, level, text = record.text[:-1].split("\t")
        assert re.match(TIME + "$", stamp)
        got.append((record.kind & 0xFF, id, level, text))
    assert got == [
        (0x0F, "undefined", "INFO", "loading"),
        (0x07, ID, "TRACE", "t"),
        (0x0B, ID, "DEBUG", "d 5"),
        (0x0F, ID, "INFO", "{ a: 1 }"),
        (0x13, ID, "WARN", "two\nlines"),
        (0x17, ID, "ERROR", "e"),
        (0x1B, ID, "FATAL", "f"),
        (0x0F, ID, "INFO", "undefined"),
    ]


def test_console_json(start):
    r = start(
        promise(
            "console.debug('hidden'); console.log('one'); console.log({ a: 1 });"
            "console.log('two', 2, { b: 1 }); console.error('failed', new TypeError('t'));"
            "console.log(new RangeError('r')); console.log(1n); return 1;"
        ),
        env={"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"},
    ).ready()
    r.invoke(tenant="acme")
    r.stop()
    values = [json.loads(record.text) for record in r.log]
    assert not any(record.text.endswith("\n") for record in r.log)
    for value in values:
        assert re.match(TIME + "$", value.pop("timestamp"))
        assert (value.pop("requestId"), value.pop("tenantId")) == (ID, "acme")
    assert values[0] == {"level": "INFO", "message": "one"}
    assert values[1] == {"level": "INFO", "message": {"a": 1}}
    assert values[2] == {"level": "INFO", "message": "two 2 { b: 1 }"}
    assert values[3]["level"] == "ERROR" and values[3]["errorType"] == "TypeError"
    assert values[3]["errorMessage"] == "t" and values[3]["stackTrace"][0] == "TypeError: t"
    assert values[3]["message"].startswith("failed TypeError: t\n")
    assert values[4]["message"]["errorType"] == "RangeError"
    assert values[5] == {"level": "INFO", "message": "1n"}
    assert [record.kind & 0xFF for record in r.log] == [0x0E, 0x0E, 0x0E, 0x16, 0x0E, 0x0E]


def test_error_in_json_format(start):
    r = start(promise("throw new Error('v');"), env={"AWS_LAMBDA_LOG_FORMAT": "JSON"}).ready()
    r.invoke()
    r.stop()
    (record,) = r.log
    value = json.loads(record.text)
    assert record.kind == 0xA55A0016
    assert list(value) == ["timestamp", "level", "requestId", "message"]
    assert value["message"]["errorMessage"] == "v"


def test_without_a_log_pipe(start):
    r = start(promise("console.log('a\\nb'); return 1;"), framed_log=False).ready()
    r.invoke()
    r.stop()
    assert re.match(TIME + r"\t" + ID + "\tINFO\ta\rb\n$", r.out)


def test_stdout_is_left_alone(start):
    r = start(promise("process.stdout.write('raw\\n'); process.stderr.write('err'); return 1;")).ready()
    r.invoke()
    r.stop()
    assert r.out == "raw\nerr"


# ---- streaming (collected, for now) ----


def streaming(body, arguments="event, stream, context"):
    return "exports.handler = awslambda.streamifyResponse(async ({}) => {{ {} }});".format(arguments, body)


@pytest.mark.parametrize("runtime", BOTH)
def test_stream(start, runtime):
    r = start(
        streaming("stream.setContentType('text/plain'); stream.write('a'); stream.write({ b: 1 });"
                  "stream.write(new Uint8Array([99])); stream.end('d');"), runtime=runtime
    ).ready()  # fmt: skip
    answer = r.invoke()
    assert (answer.kind, answer.type, answer.body) == (RESPONSE, "text/plain", b'a{"b":1}cd')
    assert r.invoke().body == b'a{"b":1}cd'


@pytest.mark.parametrize("runtime", BOTH)
def test_stream_with_prelude(start, runtime):
    r = start(
        streaming("stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201 });"
                  "stream.write('x'); stream.end();"), runtime=runtime
    ).ready()  # fmt: skip
    answer = r.invoke()
    assert answer.type == "application/vnd.awslambda.http-integration-response"
    assert answer.body == b'{"statusCode":201}' + bytes(8) + b"x"


def test_stream_from_a_pipeline(start):
    r = start(
        "const { pipeline } = require('stream/promises');\nconst { Readable } = require('stream');\n"
        + streaming("await pipeline(Readable.from(['a', 'b'.repeat(100000)]), stream);")
    ).ready()
    answer = r.invoke()
    assert answer.type == "application/octet-stream" and len(answer.body) == 100001


@pytest.mark.parametrize(
    "runtime, type", [("nodejs20.x", "string"), ("nodejs24.x", "Error")]
)
def test_stream_misuse(start, runtime, type):
    r = start(streaming("stream.write('a');"), runtime=runtime).ready()
    answer = r.invoke()
    assert (answer.type, answer.json["errorMessage"]) == (type, "Response stream is not finished.")
    source = "exports.handler = awslambda.streamifyResponse((event, stream) => { stream.end(); });"
    r = start(source, runtime=runtime).ready()
    answer = r.invoke()
    assert answer.type == type
    assert answer.json["errorMessage"] == "Streaming does not support non-async handlers."
    r = start(streaming("stream.write('a'); stream.setContentType('b');"), runtime=runtime).ready()
    answer = r.invoke()
    assert answer.type == "Runtime.InvalidStreamingOperation"
    assert answer.json["errorMessage"] == "Cannot set content-type, too late."
    r = start(streaming("stream.write('a'); throw new TypeError('t');"), runtime=runtime).ready()
    assert r.invoke().type == "TypeError"


def test_stream_return_value(start):
    r = start(streaming("stream.end('a'); return 1;")).ready()
    assert r.invoke().body == b"a"
    r.stop()
    assert r.log[0].text.endswith("\tWARN\tStreaming handlers ignore return values.\n")


def test_no_global_if_unwanted(start):
    r = start(
        promise("return typeof awslambda;"), env={"AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA": "1"}
    ).ready()
    assert r.invoke().json == "undefined"
