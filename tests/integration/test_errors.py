"""How functions fail, and what the caller then gets: bodies, error types, and that the function works
again afterwards. Texts as in AWS (execution environment, sections on errors)."""

import base64
import json
import re

import pytest

from lambentlib import make_zip


def invoke(client, name, event=None, **more):
    """(answer, body, log). Every answer here has status 200: a function error is not an HTTP error."""
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail", **more)
    assert answer["StatusCode"] == 200
    body = answer["Payload"].read()
    log = base64.b64decode(answer["LogResult"]).decode(errors="replace")
    return answer, json.loads(body) if body else None, log


def fails(client, name, error_type, message, event=None):
    answer, body, log = invoke(client, name, event)
    assert answer.get("FunctionError") == "Unhandled", body
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert body["errorType"] == error_type, body
    if isinstance(message, re.Pattern):
        assert message.search(body["errorMessage"]), body
    else:
        assert body["errorMessage"] == message.replace("RID", request_id), body
    assert f"END RequestId: {request_id}" in log and f"REPORT RequestId: {request_id}" in log
    return body, log


# ---- Python ----


def test_python_exception(client, deploy):
    """Type, message, request id and the traceback's formatted lines; the environment stays."""
    name = deploy.python(
        "count = 0\n"
        "def inner(event):\n"
        "    raise KeyError(event['key'])\n"
        "def handler(event, context):\n"
        "    global count\n"
        "    count += 1\n"
        "    return count if event is None else inner(event)\n")
    body, log = fails(client, name, "KeyError", "'lost'", {"key": "lost"})
    assert body["requestId"]
    assert any('File "/var/task/index.py", line 3, in inner' in line for line in body["stackTrace"])
    assert "[ERROR] KeyError: 'lost'" in log and "Traceback (most recent call last):" in log
    assert invoke(client, name)[1] == 2, "the same process answers"


def test_python_module_missing(client, deploy):
    name = deploy.python({"other.py": "x = 1\n"})
    body, _ = fails(client, name, "Runtime.ImportModuleError", "Unable to import module 'index': No module named 'index'")
    assert body["stackTrace"] == []


def test_python_import_inside_module_missing(client, deploy):
    name = deploy.python("import surely_not_there\ndef handler(event, context): pass\n")
    fails(client, name, "Runtime.ImportModuleError", "Unable to import module 'index': No module named 'surely_not_there'")


def test_python_handler_missing(client, deploy):
    name = deploy.python("def other(event, context): pass\n")
    fails(client, name, "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'index'")


def test_python_handler_name_malformed(client, deploy):
    name = deploy.python("def handler(event, context): pass\n", handler="index")
    fails(client, name, "Runtime.MalformedHandlerName", "Bad handler 'index': not enough values to unpack (expected 2, got 1)")


def test_python_syntax_error(client, deploy):
    name = deploy.python("def handler(event, context):\n    return (\n")
    body, _ = fails(client, name, "Runtime.UserCodeSyntaxError", re.compile(r"^Syntax error in module 'index': "))
    assert len(body["stackTrace"]) == 1 and 'File "/var/task/index.py" Line 2' in body["stackTrace"][0]


def test_python_exception_while_loading(client, deploy):
    name = deploy.python("raise RuntimeError('no database')\n")
    body, _ = fails(client, name, "RuntimeError", "no database")
    assert any("index.py" in line for line in body["stackTrace"])


def test_python_answer_is_not_json(client, deploy):
    name = deploy.python("def handler(event, context): return {1, 2}\n")
    fails(client, name, "Runtime.MarshalError", re.compile(r"^Unable to marshal response: "))


@pytest.mark.parametrize("what,end", [
    ("os._exit(1)", "exit status 1"),
    ("os._exit(42)", "exit status 42"),
    ("os.kill(os.getpid(), signal.SIGKILL)", "signal: killed"),
    ("os.kill(os.getpid(), signal.SIGTERM)", "signal: terminated"),
    ("ctypes.string_at(0)", "signal: segmentation fault"),
], ids=["exit 1", "exit 42", "SIGKILL", "SIGTERM", "SIGSEGV"])
def test_python_process_ends(client, deploy, what, end):
    """Runtime.ExitError names how it ended; the next invocation runs in a fresh process, /tmp is kept."""
    name = deploy.python(
        "import ctypes, os, signal\n"
        "def handler(event, context):\n"
        "    if event:\n"
        f"        open('/tmp/trace', 'w').write('kept'); {what}\n"
        "    return [os.getpid() > 0, os.path.exists('/tmp/trace') and open('/tmp/trace').read()]\n")
    fails(client, name, "Runtime.ExitError", re.compile(rf"^RequestId: [0-9a-f-]{{36}} Error: Runtime exited with error: {re.escape(end)}"), True)
    assert invoke(client, name, False)[1] == [True, "kept"]


def test_python_exit_zero(client, deploy):
    name = deploy.python("import os\ndef handler(event, context):\n    if event: os._exit(0)\n    return 'fine'\n")
    fails(client, name, "Runtime.ExitError", "RequestId: RID Error: Runtime exited without providing a reason", True)
    assert invoke(client, name, False)[1] == "fine"


def test_timeout(client, deploy):
    """The text, REPORT's status, that it took the time set and no more, and that the next call works."""
    name = deploy.python(
        "import threading\n"
        "def handler(event, context):\n"
        "    if event: threading.Event().wait()\n"
        "    return 'quick'\n", Timeout=1)
    assert invoke(client, name, False)[1] == "quick"
    body, log = fails(client, name, "Sandbox.Timedout", "RequestId: RID Error: Task timed out after 1.00 seconds", True)
    duration = float(re.search(r"\tDuration: (\d+\.\d\d) ms", log)[1])
    assert 1000 <= duration < 1500 and "Status: timeout" in log
    assert invoke(client, name, False)[1] == "quick"


def test_timeout_of_a_busy_loop_ignoring_signals(client, deploy):
    """No cooperation is needed: the process is killed, with everything it started."""
    name = deploy.python(
        "import os, signal\n"
        "def handler(event, context):\n"
        "    if not event: return 'alive'\n"
        "    for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(s, signal.SIG_IGN)\n"
        "    os.fork(); os.fork()\n"
        "    while True: pass\n", Timeout=1)
    fails(client, name, "Sandbox.Timedout", re.compile("Task timed out after 1.00 seconds$"), True)
    assert invoke(client, name, False)[1] == "alive"


def test_timeout_while_loading(client, deploy):
    """Loading may take the INIT limit; a loop in the module ends as a timeout of the invocation."""
    name = deploy.python("while True: pass\n", Timeout=1)
    fails(client, name, "Sandbox.Timedout", re.compile(r"Task timed out after 1\.00 seconds$"))


def test_out_of_memory(client, deploy):
    """Killed for memory: told apart from other kills, and the next invocation works."""
    name = deploy.python(
        "def handler(event, context):\n"
        "    if not event: return 'fine'\n"
        "    hog = []\n"
        "    while True: hog.append(bytearray(1 << 20) + b'x')\n", MemorySize=128, Timeout=30)
    answer, body, log = invoke(client, name, True)
    assert answer["FunctionError"] == "Unhandled"
    assert body["errorType"] in ("Runtime.OutOfMemory", "Runtime.ExitError")
    assert "signal: killed" in body["errorMessage"]
    assert "OutOfMemory" in body["errorType"] + log
    assert re.search(r"Max Memory Used: (\d+) MB", log) and int(re.search(r"Max Memory Used: (\d+) MB", log)[1]) <= 128
    assert invoke(client, name, False)[1] == "fine"


def test_answer_above_the_limit(client, deploy):
    """6,291,556 bytes pass; one more is Function.ResponseSizeTooLarge with both numbers."""
    name = deploy.python("def handler(event, context): return 'x' * event\n", MemorySize=256)
    limit = 6291556
    assert len(invoke(client, name, limit - 2)[1]) == limit - 2
    fails(client, name, "Function.ResponseSizeTooLarge",
          f"Response payload size ({limit + 1} bytes) exceeded maximum allowed payload size ({limit} bytes).", limit - 1)
    assert invoke(client, name, 1)[1] == "x"


def test_children_do_not_outlive_a_reset(client, deploy):
    """After a crash nothing of the old process tree is left in the environment."""
    name = deploy.python(
        "import os, subprocess\n"
        "def handler(event, context):\n"
        "    if event:\n"
        "        subprocess.Popen(['/bin/sh', '-c', 'while :; do :; done'])\n"
        "        os._exit(3)\n"
        "    return [open(f'/proc/{p}/comm').read().strip() for p in os.listdir('/proc') if p.isdigit()]\n")
    fails(client, name, "Runtime.ExitError", re.compile("exit status 3"), True)
    assert "sh" not in invoke(client, name, False)[1]


# ---- Node.js ----

NODE_ERRORS = {
    "async": "exports.handler = async () => { throw new TypeError('bad thing'); };\n",
    "sync": "exports.handler = () => { throw new TypeError('bad thing'); };\n",
    "rejected": "exports.handler = () => Promise.reject(new TypeError('bad thing'));\n",
    "callback": "exports.handler = (event, context, callback) => callback(new TypeError('bad thing'));\n",
}


@pytest.mark.parametrize("kind", NODE_ERRORS)
def test_node_error(client, deploy, kind):
    name = deploy.node(NODE_ERRORS[kind])
    body, log = fails(client, name, "TypeError", "bad thing")
    assert body["trace"][0] == "TypeError: bad thing" and any("index.js" in line for line in body["trace"])
    assert "Invoke Error" in log


def test_node_throws_what_is_no_error(client, deploy):
    name = deploy.node("exports.handler = async () => { throw 'just text'; };\n")
    body, _ = fails(client, name, "string", "just text")
    assert body["trace"] == []


def test_node_module_missing(client, deploy):
    name = deploy.node({"other.js": ""})
    fails(client, name, "Runtime.ImportModuleError", re.compile(r"^Error: Cannot find module 'index'"))


def test_node_handler_missing(client, deploy):
    name = deploy.node("exports.other = async () => 1;\n")
    fails(client, name, "Runtime.HandlerNotFound", "index.handler is undefined or not exported")


def test_node_handler_is_no_function(client, deploy):
    name = deploy.node("exports.handler = 7;\n")
    fails(client, name, "Runtime.HandlerNotFound", "index.handler is not a function")


def test_node_syntax_error(client, deploy):
    name = deploy.node("exports.handler = async () => {\n")
    fails(client, name, "Runtime.UserCodeSyntaxError", re.compile("^SyntaxError: "))


def test_node_error_while_loading(client, deploy):
    name = deploy.node("throw new RangeError('at load');\n")
    fails(client, name, "RangeError", "at load")


def test_node_unhandled_rejection(client, deploy):
    name = deploy.node(
        "exports.handler = async (event) => {\n"
        "  if (!event) return 'fine';\n"
        "  Promise.reject(new Error('nobody listens'));\n"
        "  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));\n"
        "};\n")
    body, _ = fails(client, name, "Runtime.UnhandledPromiseRejection", re.compile("nobody listens"), True)
    assert invoke(client, name, False)[1] == "fine"


def test_node_process_exit(client, deploy):
    name = deploy.node("exports.handler = async (event) => { if (event) process.exit(event.code); return 'fine'; };\n")
    fails(client, name, "Runtime.ExitError", re.compile("Runtime exited with error: exit status 9"), {"code": 9})
    fails(client, name, "Runtime.ExitError", "RequestId: RID Error: Runtime exited without providing a reason", {"code": 0})
    assert invoke(client, name, None)[1] == "fine"


def test_node_promise_never_settled(client, deploy):
    name = deploy.node("exports.handler = async () => { await new Promise(() => {}); };\n")
    answer, body, _ = invoke(client, name)
    assert answer["FunctionError"] == "Unhandled" and body["errorType"] in ("Runtime.NodeJsExit", "Runtime.ExitError")


def test_node_shapes_that_work(client, deploy):
    """CommonJS callback and async, ES module by extension and by package.json, undefined becomes null."""
    cases = [
        ({"index.js": "exports.handler = (e, c, cb) => cb(null, {got: e});\n"}, {"got": 1}),
        ({"index.js": "exports.handler = async () => {};\n"}, None),
        ({"index.mjs": "const late = await Promise.resolve('late');\nexport const handler = async (e) => ({late, got: e});\n"},
         {"late": "late", "got": 1}),
        ({"index.js": "export const handler = async (e) => ({esm: e});\n", "package.json": '{"type": "module"}'}, {"esm": 1}),
        ({"index.cjs": "exports.handler = async (e) => ({cjs: e});\n"}, {"cjs": 1}),
    ]
    for files, expected in cases:
        name = deploy.node(files)
        answer, body, log = invoke(client, name, 1)
        assert "FunctionError" not in answer and body == expected, (files, body, log)


# ---- provided ----


def native(body):
    return '#include "runtime.h"\nstatic void handle(const char *event, size_t len) {\n' + body + "\n}\n"


@pytest.mark.parametrize("statement,end", [
    ("exit(1);", "exit status 1"), ("_exit(255);", "exit status 255"), ("abort();", "signal: aborted"),
    ("raise(SIGKILL);", "signal: killed"),
    ("*(volatile int *)0 = 1;", "signal: segmentation fault"),
])
def test_native_ends(client, deploy, statement, end):
    name = deploy.native(native(f'if (event[0] == \'1\') {{ {statement} }} respond("true", 4);'))
    fails(client, name, "Runtime.ExitError", re.compile(rf"^RequestId: \S+ Error: Runtime exited with error: {re.escape(end)}"), 1)
    assert invoke(client, name, 0)[1] is True


def test_native_posts_an_error(client, deploy):
    """The body posted to …/error reaches the caller untouched."""
    text = '{"errorType": "Mine.Own", "errorMessage": "as posted", "extra": [1, 2]}'
    name = deploy.native(native(f'fail("Function.Mine", {json.dumps(text)});'))
    body, _ = fails(client, name, "Mine.Own", "as posted")
    assert body["extra"] == [1, 2]


def test_native_without_bootstrap(client, deploy):
    name = deploy.zip(make_zip({"readme": "nothing to run"}), "provided.al2023")
    fails(client, name, "Runtime.InvalidEntrypoint",
          "RequestId: RID Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]")


def test_native_bootstrap_not_executable(client, deploy):
    name = deploy.zip(make_zip({"bootstrap": ("#!/bin/sh\n", 0o644)}), "provided.al2023")
    answer, body, _ = invoke(client, name)
    assert answer["FunctionError"] == "Unhandled" and body["errorType"] == "Runtime.InvalidEntrypoint"


def test_native_answers_too_much(client, deploy):
    """The runtime gets 413 and may go on; the caller gets the function error."""
    name = deploy.native(
        '#include "runtime.h"\n'
        "static int status;\n"
        "static void handle(const char *event, size_t len) {\n"
        "    static char big[6291557];\n"
        "    char path[256], text[64];\n"
        "    if (event[0] != '1') { snprintf(text, sizeof(text), \"%d\", status); respond(text, strlen(text)); return; }\n"
        "    memset(big, '1', sizeof(big));\n"
        '    snprintf(path, sizeof(path), "invocation/%s/response", request_id);\n'
        "    status = post(path, NULL, big, sizeof(big));\n"
        "}\n", MemorySize=256)
    fails(client, name, "Function.ResponseSizeTooLarge",
          "Response payload size (6291557 bytes) exceeded maximum allowed payload size (6291556 bytes).", 1)
    assert invoke(client, name, 0)[1] == 413


def test_runtime_api_refuses_what_is_out_of_order(client, deploy):
    """A second answer, an unknown id, init/error after init: each its status, and the function goes on."""
    name = deploy.native(
        '#include "runtime.h"\n'
        "static void handle(const char *event, size_t len) {\n"
        "    char path[256], text[128];\n"
        "    static int unknown, again, late;\n"
        "    if (event[0] == '2') {\n"
        '        snprintf(text, sizeof(text), "[%d,%d,%d]", unknown, again, late); respond(text, strlen(text)); return;\n'
        "    }\n"
        '    unknown = post("invocation/00000000-0000-4000-8000-000000000000/response", NULL, "1", 1);\n'
        '    late = post("init/error", "Runtime.Late", "{}", 2);\n'
        '    snprintf(path, sizeof(path), "invocation/%s/response", request_id);\n'
        '    respond("\\"first\\"", 7);\n'
        '    again = post(path, NULL, "\\"second\\"", 8);\n'
        "}\n")
    assert invoke(client, name, 1)[1] == "first"
    unknown, again, late = invoke(client, name, 2)[1]
    assert unknown == 400
    assert again in (400, 403)
    assert late == 403
