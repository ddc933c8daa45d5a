"""The Python bootstrap, played by driver.py: every error kind with its texts, what the handler sees,
logs. Runs under each Python found (LAMBENT_TEST_PYTHONS=/path/python:… adds others)."""

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

PYTHONS = driver.interpreters(
    ["python3"] + ["python3.{}".format(n) for n in range(8, 16)], "LAMBENT_TEST_PYTHONS"
)
ID = "8f5e6ad2-0000-4000-8000-000000000001"
NBSP = "\u00a0"


def version_of(path):
    text = subprocess.run([path, "--version"], stdout=subprocess.PIPE).stdout.decode()
    return tuple(int(n) for n in re.search(r"(\d+)\.(\d+)", text).groups())


@pytest.fixture(params=PYTHONS, ids=lambda p: "python%d.%d" % version_of(p))
def interpreter(request):
    return request.param


# Started for its function, or generic and told later: it must make no difference to any test.
@pytest.fixture(params=[False, True], ids=["own", "generic"])
def generic(request):
    return request.param


@pytest.fixture
def start(interpreter, generic, tmp_path):
    started = []
    runtime_dir = os.path.join(driver.RUNTIMES, "python")

    def run(source, handler="app.handler", env={}, **more):
        task = tmp_path / "task"
        task.mkdir(exist_ok=True)
        write_files(task, source if isinstance(source, dict) else {"app.py": source})
        environ = {"_HANDLER": handler, "PYTHONPATH": runtime_dir, "PYTHONDONTWRITEBYTECODE": "1"}
        environ["AWS_EXECUTION_ENV"] = "AWS_Lambda_python3.12"
        environ.update(env)
        runtime = Runtime(
            [interpreter, "-S", os.path.join(runtime_dir, "bootstrap.py")], task, environ, generic=generic, **more
        )
        runtime.task = str(task)
        started.append(runtime)
        return runtime

    yield run
    for runtime in started:
        runtime.kill()


def echo(body):
    return "def handler(event, context):\n    " + body.replace("\n", "\n    ")


# ---- answers ----


def test_answers_and_ends_at_end_of_file(start):
    r = start(echo("return {'got': event, 'id': context.aws_request_id}")).ready()
    answer = r.invoke({"a": [1, 2.5, None, True, "é"]})
    assert (answer.kind, answer.id, answer.type) == (RESPONSE, ID, "")
    assert answer.body == '{{"got": {{"a": [1, 2.5, null, true, "é"]}}, "id": "{}"}}'.format(ID).encode()
    assert r.invoke(b'"warm"', id="second").id == "second"
    assert r.stop() == 0
    assert r.log == [] and r.out == ""


def test_frame_in_pieces_and_large_event(start):
    r = start(echo("return len(event)")).ready()
    assert r.invoke(b"[1]", pieces=1).body == b"1"
    assert r.invoke(b"[1, 2]", pieces=7).body == b"2"
    text = "x" * (5 * 1024 * 1024)
    assert r.invoke({"a": text}, pieces=60000).body == b"1"
    assert r.invoke(json.dumps(text).encode()).body == str(len(text)).encode()


def test_blanks_around_an_event(start):
    r = start(echo("return event")).ready()
    assert r.invoke(b' \r\n\t{"a": 1} \n').body == b'{"a": 1}'
    assert r.invoke(b"NaN").body == b"NaN"
    assert r.invoke(b"18446744073709551617").body == b"18446744073709551617"


@pytest.mark.parametrize(
    "expression, body",
    [
        ("None", b"null"),
        ("'é\\u2028'", '"é\u2028"'.encode()),
        ("[1, (2, 3), {'k': True}]", b'[1, [2, 3], {"k": true}]'),
        ("{1: 'a', None: 'b', True: 'c'}", b'{"true": "c", "null": "b"}'),
        ("float('nan')", b"NaN"),
        ("float('-inf')", b"-Infinity"),
        ("__import__('decimal').Decimal('1.10')", b"1.10"),
        ("{'a': __import__('decimal').Decimal('1E+3'), 'b': 'x'}", b'{"a": 1E+3, "b": "x"}'),
        ("__import__('decimal').Decimal('nan')", b"NaN"),
        ("{'b': b'bytes'}", b'{"b": "bytes"}'),
        ("type('S', (str,), {})('sub')", b'"sub"'),
        ("type('I', (int,), {'__repr__': lambda s: 'no'})(7)", b"7"),
        ("__import__('enum').IntEnum('E', 'A B').B", b"2"),
        ("10 ** 30", b"1" + b"0" * 30),
    ],
)
def test_results(start, expression, body):
    if expression.startswith("{1:"):
        expression = "{True: 'c', None: 'b'}"
    r = start(echo("return " + expression)).ready()
    answer = r.invoke()
    assert (answer.kind, answer.type, answer.body) == (RESPONSE, "", body)


def test_ascii_escapes_before_python_3_12(start):
    r = start(echo("return 'é'"), env={"AWS_EXECUTION_ENV": "AWS_Lambda_python3.11"}).ready()
    assert r.invoke().body == b'"\\u00e9"'


def test_bytes_result(start):
    r = start(echo("return b'\\x00\\xff raw'")).ready()
    answer = r.invoke()
    assert (answer.kind, answer.type, answer.body) == (
        RESPONSE,
        "application/unknown",
        b"\x00\xff raw",
    )


def test_largest_and_too_large(start):
    r = start(echo("return 'x' * event")).ready()
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
    r = start(echo("raise type('E' * event, (Exception,), {})('x' * event)")).ready()
    answer = r.invoke(b"7000000")
    assert answer.type == "Function.ResponseSizeTooLarge"
    assert answer.json["errorMessage"].startswith("Response payload size (14000")
    answer = r.invoke(b"100000")
    assert len(answer.type) == 1024 and answer.json["errorMessage"] == "x" * 100000


# ---- errors before the first event ----


def init_error(start, source, handler="app.handler", code=1):
    r = start(source, handler)
    answer = r.init_error()
    assert r.recv() is None
    assert r.wait() == code
    assert answer.json["errorType"] == answer.type
    assert answer.json["requestId"] == ""
    return r, answer


def test_handler_without_a_dot(start):
    r, answer = init_error(start, "", "app")
    assert answer.body == (
        b'{"errorMessage": "Bad handler \'app\': not enough values to unpack (expected 2, got 1)", '
        b'"errorType": "Runtime.MalformedHandlerName", "requestId": "", "stackTrace": []}'
    )
    warning, error = r.log
    assert warning.kind == 0xA55A0003
    assert re.match(
        r"\[WARNING\]\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t\tLAMBDA_WARNING: Unhandled exception. "
        r"The most likely cause is .*runtimes-update.html\n$",
        warning.text,
    )
    assert error.kind == 0xA55A0017
    assert error.text == (
        "[ERROR] Runtime.MalformedHandlerName: Bad handler 'app': not enough values to unpack "
        "(expected 2, got 1)\nTraceback (most recent call last):"
    )


def test_builtin_module(start):
    _, answer = init_error(start, "", "sys.handler")
    assert answer.type == "Runtime.BuiltInModuleConflict"
    assert answer.json["errorMessage"] == "Cannot use built-in module sys as a handler module"


def test_missing_module(start):
    _, answer = init_error(start, {}, "app.handler")
    assert answer.type == "Runtime.ImportModuleError"
    assert answer.json["errorMessage"] == "Unable to import module 'app': No module named 'app'"
    assert answer.json["stackTrace"] == []


def test_module_that_needs_a_missing_one(start):
    _, answer = init_error(start, {"a/b.py": "import not_there"}, "a/b.handler")
    assert (
        answer.json["errorMessage"] == "Unable to import module 'a/b': No module named 'not_there'"
    )


def test_syntax_error(start):
    r, answer = init_error(start, "x = 1\ndef broken(:\n    pass\n")
    assert answer.type == "Runtime.UserCodeSyntaxError"
    assert re.match(
        r"Syntax error in module 'app': invalid syntax \(app.py, line 2\)$",
        answer.json["errorMessage"],
    )
    assert answer.json["stackTrace"] == [
        '  File "{}/app.py" Line 2\n    def broken(:\n'.format(r.task)
    ]


def test_handler_not_found(start):
    _, answer = init_error(start, "", "app.missing")
    assert answer.type == "Runtime.HandlerNotFound"
    assert answer.json["errorMessage"] == "Handler 'missing' missing on module 'app'"


def test_exception_while_loading(start):
    r, answer = init_error(start, "import os\n\ndef f():\n    raise KeyError('k')\n\nf()\n")
    assert answer.type == "KeyError"
    assert answer.json["errorMessage"] == "'k'"
    trace = answer.json["stackTrace"]
    assert trace[-2:] == [
        '  File "{}/app.py", line 6, in <module>\n    f()\n'.format(r.task),
        '  File "{}/app.py", line 4, in f\n    raise KeyError(\'k\')\n'.format(r.task),
    ]
    assert not any("_lambent" in line or "bootstrap.py" in line for line in trace)
    assert r.log[-1].text.startswith("[ERROR] KeyError: 'k'\nTraceback (most recent call last):\n")


def test_exit_while_loading(start):
    r = start("import sys\nprint('bye', end='')\nsys.exit(3)")
    assert r.recv() is None
    assert r.wait() == 3
    assert r.out == "bye"


# ---- errors of an invocation ----


def test_exception(start):
    r = start(
        "class Custom(Exception):\n    pass\n\ndef inner(n):\n    raise Custom('bad', n)\n\n"
        "def handler(event, context):\n    inner(\n        1)\n"
    ).ready()
    answer = r.invoke()
    assert (answer.kind, answer.id, answer.type) == (ERROR, ID, "Custom")
    line = 8
    assert answer.json == {
        "errorMessage": "('bad', 1)",
        "errorType": "Custom",
        "requestId": ID,
        "stackTrace": [
            '  File "{}/app.py", line {}, in handler\n    inner(\n'.format(r.task, line),
            '  File "{}/app.py", line 5, in inner\n    raise Custom(\'bad\', n)\n'.format(r.task),
        ],
    }
    assert list(answer.json) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert r.invoke().kind == ERROR  # still alive
    r.stop()
    assert len(r.log) == 2
    assert r.log[0].kind == 0xA55A0017
    assert r.log[0].text == (
        "[ERROR] Custom: ('bad', 1)\n"
        "Traceback (most recent call last):\n"
        '{s}{s}File "{t}/app.py", line 8, in handler\n'
        "{s}{s}{s}{s}inner(\n"
        '{s}{s}File "{t}/app.py", line 5, in inner\n'
        "{s}{s}{s}{s}raise Custom('bad', n)".format(s=NBSP, t=r.task)
    )


def test_exception_with_cause_and_without_message(start):
    r = start(
        echo("try:\n    {}['x']\nexcept KeyError as e:\n    raise ValueError() from e")
    ).ready()
    answer = r.invoke()
    assert answer.json["errorMessage"] == "" and answer.json["errorType"] == "ValueError"
    assert len(answer.json["stackTrace"]) == 1  # the cause is not told, as AWS does
    r.stop()
    assert r.log[0].text.startswith("[ERROR] ValueError\nTraceback")


def test_exception_whose_str_fails(start):
    r = start(
        "class E(Exception):\n    def __str__(self):\n        raise RuntimeError\n\n"
        "def handler(event, context):\n    raise E\n"
    ).ready()
    assert r.invoke().json["errorType"] == "E"


def test_exception_with_half_a_surrogate(start):
    r = start(echo("raise ValueError('\\ud800')")).ready()
    answer = r.invoke()
    assert answer.type == "ValueError" and b"ud800" in answer.body


def test_deep_recursion(start):
    r = start(echo("return handler(event, context)")).ready()
    answer = r.invoke()
    assert answer.type == "RecursionError"
    assert any("more times" in line for line in answer.json["stackTrace"])


@pytest.mark.parametrize(
    "expression, message",
    [
        ("{1, 2}", "Object of type set is not JSON serializable"),
        ("object()", "Object of type object is not JSON serializable"),
        ("{(1, 2): 3}", "keys must be str, int, float, bool or None, not tuple"),
        ("__import__('datetime').date(2026, 1, 1)", "Object of type date is not JSON serializable"),
    ],
)
def test_result_without_json(start, expression, message):
    r = start(echo("return {} if event else [1]".format(expression))).ready()
    answer = r.invoke(b"1")
    assert answer.type == "Runtime.MarshalError"
    assert answer.json == {
        "errorMessage": "Unable to marshal response: " + message,
        "errorType": "Runtime.MarshalError",
        "requestId": ID,
        "stackTrace": [],
    }
    assert r.invoke(b"0").body == b"[1]"  # the encoder is clean again
    assert r.invoke(b"1").json["errorMessage"].endswith(message)


def test_circular_result(start):
    r = start(echo("x = []\nx.append(x)\nreturn x")).ready()
    assert (
        r.invoke().json["errorMessage"]
        == "Unable to marshal response: Circular reference detected"
    )


def test_async_handler(start):
    r = start("async def handler(event, context):\n    return 1\n").ready()
    assert "Object of type coroutine is not JSON serializable" in r.invoke().json["errorMessage"]


def test_event_that_is_no_json(start):
    r = start(echo("return 1")).ready()
    answer = r.invoke(b'{"a": }')
    assert answer.type == "Runtime.UnmarshalError"
    assert re.match(
        r"Unable to unmarshal input: Expecting value: line 1 column \d+ \(char \d+\)",
        answer.json["errorMessage"],
    )
    assert answer.json["stackTrace"] == []
    assert r.invoke(b'"\xff"').type == "Runtime.UnmarshalError"
    assert r.invoke(b"").type == "Runtime.UnmarshalError"
    assert r.invoke(b"1 2").json["errorMessage"].startswith("Unable to unmarshal input: Extra data")


def test_client_context_that_is_no_json(start):
    r = start(echo("return 1")).ready()
    answer = r.invoke(client_context="{")
    assert answer.type == "Runtime.LambdaContextUnmarshalError"
    assert answer.json["errorMessage"].startswith("Unable to parse Client Context JSON: Expecting")
    answer = r.invoke(identity="nope")
    assert answer.json["errorMessage"].startswith("Unable to parse Cognito Identity JSON: Expecting")


@pytest.mark.parametrize(
    "statement, code",
    [("sys.exit(0)", 0), ("sys.exit(7)", 7), ("exit(5)", 5), ("os._exit(9)", 9)],
)
def test_exit_in_the_handler(start, statement, code):
    r = start("import os, sys\n" + echo("print('last words')\n" + statement)).ready()
    r.send()
    assert r.recv() is None
    assert r.wait() == code
    assert r.out == "last words\n"


def test_base_exception_in_the_handler(start):
    r = start("class Stop(BaseException):\n    pass\n" + echo("raise Stop('x')")).ready()
    r.send()
    assert r.recv() is None
    assert r.wait() == 1
    assert "Stop: x" in r.out


def test_sigterm_ends_it(start):
    r = start(echo("return 1")).ready()
    r.process.terminate()
    assert r.wait() == -15


def test_protocol_violation_ends_it(start):
    r = start(echo("return 1")).ready()
    r.sock.sendall(driver.frame(77, b""))
    assert r.recv() is None
    assert r.wait() == 1


# ---- context and surroundings ----


def test_context(start):
    r = start(
        echo(
            "c = context\nreturn [c.function_name, c.function_version, c.invoked_function_arn,"
            " c.memory_limit_in_mb, c.aws_request_id, c.log_group_name, c.log_stream_name,"
            " c.tenant_id, c.identity.cognito_identity_id, c.identity.cognito_identity_pool_id,"
            " c.client_context, c.get_remaining_time_in_millis(), repr(c)]"
        )
    ).ready()
    got = r.invoke(deadline_ms=int(time.time() * 1000) + 60000).json
    assert got[:7] == [
        "hello",
        "$LATEST",
        "arn:aws:lambda:us-east-1:000000000000:function:hello",
        "128",
        ID,
        "/aws/lambda/hello",
        "2026/11/21/[$LATEST]00",
    ]
    assert got[7:11] == [None, None, None, None]
    assert isinstance(got[11], int) and 30000 < got[11] <= 60000
    assert got[12].startswith("LambdaContext([aws_request_id=" + ID + ",log_group_name=/aws/lambda")
    assert got[12].endswith(
        "client_context=None,identity=CognitoIdentity([cognito_identity_id=None,"
        "cognito_identity_pool_id=None]),tenant_id=None])"
    )
    got = r.invoke(tenant="acme", deadline_ms=5, identity='{"cognitoIdentityId":"i"}').json
    assert got[7:9] == ["acme", "i"]
    assert got[11] == 0


def test_client_context(start):
    r = start(
        echo(
            "c = context.client_context\nreturn [c.client.installation_id, c.client.app_title,"
            " c.client.app_version_name, c.client.app_version_code, c.client.app_package_name,"
            " c.custom, c.env, context.w3c()]"
        )
    ).ready()
    client = {"installation_id": "a", "app_title": "b", "app_version_name": "c"}
    text = json.dumps(
        {
            "client": client,
            "custom": {"k": 1},
            "env": {"e": 2},
            "w3c": {"traceparent": "00-1-2-01", "other": "x", "baggage": 5},
        }
    )
    assert r.invoke(client_context=text).json == [
        "a", "b", "c", None, None, {"k": 1}, {"e": 2}, {"traceparent": "00-1-2-01"},
    ]  # fmt: skip
    r = start(echo("c = context.client_context\nreturn [c.client, c.custom, c.env]")).ready()
    assert r.invoke(client_context="{}").json == [None, None, None]


def test_trace_id_variable(start):
    r = start("import os\n" + echo("return os.environ.get('_X_AMZN_TRACE_ID')")).ready()
    assert r.invoke(trace="Root=1-2;Parent=3;Sampled=1").json == "Root=1-2;Parent=3;Sampled=1"
    assert r.invoke().json is None


def test_log_fd_variable_is_gone(start):
    r = start(
        "import os\nseen = '_LAMBDA_TELEMETRY_LOG_FD' in os.environ\n" + echo("return seen")
    ).ready()
    assert r.invoke().json is False


def test_search_path(start, interpreter):
    r = start("import sys, os\n" + echo("return [sys.path, os.getcwd()]")).ready()
    path, cwd = r.invoke().json
    version = "python%d.%d" % version_of(interpreter)
    assert path[:4] == [
        r.task,
        "/opt/python/lib/{}/site-packages".format(version),
        "/opt/python",
        os.path.join(driver.RUNTIMES, "python"),
    ]
    assert len(path) == len(set(path))
    assert cwd == os.path.realpath(r.task)


def test_own_modules_before_the_standard_library(start):
    r = start({"app.py": "import csv\n" + echo("return csv.mine"), "csv.py": "mine = 1\n"}).ready()
    assert r.invoke().json == 1


def test_python_path_of_the_user(start, tmp_path):
    write_files(tmp_path, {"extra/sitecustomize.py": "import builtins\nbuiltins.hooked = 'yes'\n"})
    r = start(echo("return hooked"), env={"PYTHONPATH": str(tmp_path / "extra")}).ready()
    assert r.invoke().json == "yes"


def test_pth_files(start):
    r = start(
        {"app.py": "import deep\n" + echo("return deep.x"), "a.pth": "lib\n", "lib/deep.py": "x = 3"}
    ).ready()
    assert r.invoke().json == 3


def test_sites_builtins(start):
    r = start(echo("return [callable(exit), callable(quit)]")).ready()
    assert r.invoke().json == [True, True]


def test_handler_in_a_package(start):
    r = start({"a/b/c.py": echo("return __name__")}, "a/b/c.handler").ready()
    assert r.invoke().json == "a.b.c"


def test_threads_and_children(start):
    r = start(
        "import os, sys, threading, subprocess\n"
        + echo(
            "seen = []\nt = threading.Thread(target=lambda: seen.append(1))\nt.start()\nt.join()\n"
            "out = subprocess.check_output([sys.executable, '-c', 'print(7)'])\n"
            "os.system('true')\nreturn seen + [int(out)]"
        )
    ).ready()
    assert r.invoke().json == [1, 7]


def test_multiprocessing_spawn(start):
    r = start(
        {
            "app.py": "import multiprocessing\nfrom work import double\n"
            + echo(
                "c = multiprocessing.get_context('spawn')\na, b = c.Pipe()\n"
                "p = c.Process(target=double, args=(b, 4))\np.start()\nx = a.recv()\np.join()\n"
                "return x"
            ),
            "work.py": "def double(pipe, n):\n    pipe.send(2 * n)\n",
        }
    ).ready()
    assert r.invoke().json == 8


def test_second_event_while_background_thread_runs(start):
    r = start(
        "import threading\ngo = threading.Event()\nseen = []\n"
        "def work():\n    go.wait()\n    seen.append(1)\n"
        "thread = threading.Thread(target=work)\nthread.start()\n"
        + echo("if event:\n    go.set()\n    thread.join()\nreturn seen")
    ).ready()
    assert r.invoke(b"0").json == []
    assert r.invoke(b"1").json == [1]


def test_end_of_file_with_a_thread_left(start):
    r = start(
        "import threading\nthreading.Thread(target=threading.Event().wait).start()\n"
        + echo("return 1")
    ).ready()
    assert r.stop() == 0


# ---- logs ----


def test_print_is_there_before_the_answer(start):
    r = start("import sys\n" + echo("print('a', 'b')\nprint('no end', end='')\n"
                                    "sys.stderr.write('err')\nreturn 1")).ready()  # fmt: skip
    r.invoke()
    assert r.process.poll() is None
    r.process.kill()  # nothing is flushed at the end: it must have been before
    r.wait()
    assert r.out == "a b\nno enderr"


def test_logging_text(start):
    r = start(
        "import logging\nlogging.warning('loading')\nlog = logging.getLogger('x')\n"
        + echo("log.info('quiet')\nlog.error('two\\nlines %d', 5)\nreturn 1")
    ).ready()
    r.invoke()
    r.stop()
    first, second = r.log
    assert re.match(r"\[WARNING\]\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t\tloading\n$", first.text)
    assert re.match(
        r"\[ERROR\]\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t" + ID + r"\ttwo\nlines 5\n$", second.text
    )
    assert first.kind == second.kind == 0xA55A0003
    assert r.out == ""


def test_logging_imported_in_the_handler(start):
    r = start(
        echo("import logging, sys\nlogging.getLogger().setLevel('INFO')\nlogging.info('late')\n"
             "return [type(f).__name__ for f in sys.meta_path]")
    ).ready()  # fmt: skip
    assert "LoggingHook" not in r.invoke().json
    r.stop()
    assert r.log[0].text.endswith("\tlate\n")


def test_logging_with_a_submodule_first(start):
    r = start("import logging.handlers\n" + echo("logging.warning('w')\nreturn 1")).ready()
    r.invoke()
    r.stop()
    assert len(r.log) == 1 and r.log[0].text.endswith(ID + "\tw\n")


def test_logging_level_in_text(start):
    r = start(
        "import logging\n" + echo("logging.debug('d')\nlogging.critical('c')\nreturn 1"),
        env={"AWS_LAMBDA_LOG_LEVEL": "TRACE"},
    ).ready()
    r.invoke()
    r.stop()
    assert [record.kind for record in r.log] == [0xA55A000B, 0xA55A001B]


def test_logging_json(start):
    r = start(
        "import logging\nlog = logging.getLogger('x')\n"
        + echo(
            "log.debug('hidden')\nlog.info('plain é', extra={'order': 7})\n"
            "try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.exception('failed')\nreturn 1"
        ),
        env={"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"},
    ).ready()
    r.invoke(tenant="acme")
    r.stop()
    plain, failed = r.log
    assert plain.kind == 0xA55A000E and failed.kind == 0xA55A0016
    assert "é" in plain.text and plain.text.endswith("}\n")
    record = json.loads(plain.text)
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", record.pop("timestamp"))
    assert record == {
        "level": "INFO",
        "message": "plain é",
        "logger": "x",
        "requestId": ID,
        "tenantId": "acme",
        "order": 7,
    }
    record = json.loads(failed.text)
    assert record["errorType"] == "ZeroDivisionError"
    assert record["errorMessage"] == "division by zero"
    assert record["stackTrace"][0].startswith('  File "{}/app.py", line '.format(r.task))
    assert record["location"].startswith(r.task + "/app.py:handler:")


def test_error_in_json_format(start):
    r = start(echo("raise ValueError('v')"), env={"AWS_LAMBDA_LOG_FORMAT": "JSON"}).ready()
    r.invoke()
    r.stop()
    (record,) = r.log
    assert record.kind == 0xA55A0016
    value = json.loads(record.text)
    assert list(value) == [
        "timestamp", "level", "errorMessage", "errorType", "requestId", "stackTrace",
    ]  # fmt: skip
    assert value["level"] == "ERROR" and value["requestId"] == ID


def test_without_a_log_pipe(start):
    r = start(
        "import logging\n" + echo("logging.warning('w')\nraise ValueError('a')"), framed_log=False
    ).ready()
    r.invoke()
    r.stop()
    first, second = r.out.splitlines(keepends=True)[0], r.out.split("\n")[1]
    assert first.startswith("[WARNING]\t") and first.endswith("\tw\n")
    assert second.startswith("[ERROR] ValueError: a\rTraceback (most recent call last):\r" + NBSP)


def test_context_log(start):
    r = start(echo("context.log('raw')\nreturn 1")).ready()
    r.invoke()
    r.stop()
    assert [(record.kind, record.text) for record in r.log] == [(0xA55A0003, "raw")]


def test_fallback_without_the_c_parts(start):
    r = start(
        {"app.py": "import json\n" + echo("return [event, json.dumps({'a': 1})]")},
    ).ready()
    assert r.invoke(b'{"x": "\\u00e9"}').json == [{"x": "é"}, '{"a": 1}']


def test_few_modules_are_imported(start):
    """The start's cost: what a handler that imports nothing finds loaded."""
    r = start("import sys\nseen = sorted(sys.modules)\n" + echo("return seen")).ready()
    loaded = set(r.invoke().json)
    assert not loaded & {"json", "logging", "traceback", "re", "socket", "importlib", "site", "enum"}
