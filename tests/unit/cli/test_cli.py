"""The command line as people and programs use it, against an API that is played (fake_api.py)."""

import base64
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from fake_api import ARN, FakeApi, Failure  # noqa: E402

LAMBENT = os.environ.get("LAMBENT", "build/src/cli/lambent")
COMMANDS = "up deploy invoke logs ls rm doctor completion version".split()
DEADLINE_S = 60


def environment(**more):
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "LAMBENT_"))}
    keep.update(TZ="UTC", TERM="xterm", LC_ALL="C.UTF-8")
    keep.update(more)
    return keep


def run(*args, stdin=None, cwd=None, **env):
    """(exit code, stdout, stderr)"""
    done = subprocess.run(
        [LAMBENT, *map(str, args)],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        cwd=cwd,
        env=environment(**env),
        timeout=DEADLINE_S,
    )
    return done.returncode, done.stdout, done.stderr.decode()


@pytest.fixture
def api():
    fake = FakeApi()
    yield fake
    fake.close()


@pytest.fixture
def cli(api):
    return lambda *args, **more: run(*args, **{"LAMBENT_ENDPOINT": api.url, **more})


@pytest.fixture
def code(tmp_path):
    folder = tmp_path / "my.function"
    folder.mkdir()
    (folder / "app.py").write_text("def lambda_handler(event, context):\n    return event\n")
    return folder


def on_terminal(*args, keys=b"", until=None, **env):
    """Run on a terminal of its own; what a person would see. `until` sees the text so far."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(LAMBENT, [LAMBENT, *map(str, args)], environment(**env))
    seen, deadline = b"", time.monotonic() + DEADLINE_S
    if keys:
        os.write(fd, keys)
    while time.monotonic() < deadline:
        if not select.select([fd], [], [], 1)[0]:
            continue
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
        if until and until(seen, fd):
            until = None
    os.close(fd)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), seen.decode()


# ---- deploy ----


def test_deploy_creates(cli, api, code):
    rc, out, err = cli("deploy", code)
    assert rc == 0, err
    assert out.decode() == ARN.format("us-east-1", "my-function") + "\n"
    config = api.functions["my-function"]["config"]
    assert config["Runtime"].startswith("python3.")
    assert config["Handler"] == "app.lambda_handler"
    assert config["Role"].startswith("arn:aws:iam::000000000000:role/")
    assert config["State"] == "Active"  # it was waited for
    names = zipfile.ZipFile(io.BytesIO(api.functions["my-function"]["zip"])).namelist()
    assert names == ["app.py"]
    assert "Guessed" in err and "app.py defines lambda_handler" in err
    assert "Created" in err and "version $LATEST" in err
    assert "\033" not in err and "\r" not in err  # no terminal, no colours, no progress


def test_deploy_all_options(cli, api, code):
    rc, out, err = cli(
        "deploy", code, "-n", "fn", "--runtime", "provided.al2023", "--handler", "h", "--memory",
        "512", "--timeout=900", "-e", "STAGE=dev", "--env", "EMPTY=", "--env", "EQ=a=b",
        "--role", "arn:aws:iam::123456789012:role/r", "--description", "some däy", "--publish",
        "--region", "eu-west-1", "--json",
    )  # fmt: skip
    assert rc == 0, err
    doc = json.loads(out)
    assert doc["action"] == "created" and doc["package"]["files"] == 1
    assert doc["arn"] == ARN.format("eu-west-1", "fn")
    config = doc["function"]
    assert config["MemorySize"] == 512 and config["Timeout"] == 900
    assert config["Environment"] == {"Variables": {"STAGE": "dev", "EMPTY": "", "EQ": "a=b"}}
    assert config["Description"] == "some däy"
    created = [r for r in api.requests if r[0] == "POST"][0]
    assert json.loads(created[4])["Publish"] is True


def test_deploy_updates_only_what_changed(cli, api, code):
    assert cli("deploy", code, "--env", "KEEP=1", "--env", "DROP=1")[0] == 0
    api.requests.clear()
    rc, out, err = cli("deploy", code)
    assert rc == 0 and "Unchanged" in err
    assert {r[0] for r in api.requests} == {"GET"}

    api.requests.clear()
    rc, out, err = cli("deploy", code, "--memory", "256", "-e", "DROP-", "-e", "NEW=2")
    assert rc == 0 and "Updated" in err
    assert [o for o in api.operations() if o.startswith("PUT")] == ["PUT configuration"]
    variables = api.functions["my-function"]["config"]["Environment"]["Variables"]
    assert variables == {"KEEP": "1", "NEW": "2"}

    (code / "app.py").write_text("def lambda_handler(event, context):\n    return 2\n")
    api.requests.clear()
    rc, out, err = cli("deploy", code, "--timeout", "9", "--publish")
    assert rc == 0, err
    changes = [o for o in api.operations() if not o.startswith("GET")]
    assert changes == ["PUT code", "PUT configuration", "POST versions"]
    assert out.decode().strip().endswith(":my-function:1")
    assert api.functions["my-function"]["config"]["Handler"] == "app.lambda_handler"

    assert "Published" in cli("deploy", code, "--publish")[2]
    api.requests.clear()
    assert cli("deploy", code, "--force")[0] == 0
    assert "PUT code" in api.operations()


def test_deploy_waits_between_changes(cli, api, code):
    """A change while another is in progress would be refused by the service."""
    api.looks = 5
    assert cli("deploy", code)[0] == 0
    (code / "b.txt").write_text("b")
    api.requests.clear()
    assert cli("deploy", code, "-m", "200")[0] == 0
    operations = api.operations()
    between = operations[operations.index("PUT code") : operations.index("PUT configuration")]
    assert between.count("GET configuration") == 6


def test_deploy_zip(cli, api, tmp_path):
    path = tmp_path / "thing.zip"
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("index.mjs", "export const handler = async () => 1;\n")
    rc, out, err = cli("deploy", path)
    assert rc == 0, err
    assert api.functions["thing"]["zip"] == path.read_bytes()  # as it was
    assert api.functions["thing"]["config"]["Handler"] == "index.handler"


def test_deploy_here(cli, api, code):
    assert cli("deploy", ".", cwd=code)[0] == 0
    assert "my-function" in api.functions


def test_deploy_ignores(cli, api, code):
    (code / ".lambentignore").write_text("*.md\n")
    (code / "notes.md").write_text("x")
    (code / ".git").mkdir()
    (code / ".git" / "HEAD").write_text("x")
    (code / "run.sh").write_text("#!/bin/sh\n")
    (code / "run.sh").chmod(0o700)
    assert cli("deploy", code)[0] == 0
    archive = zipfile.ZipFile(io.BytesIO(api.functions["my-function"]["zip"]))
    assert archive.namelist() == ["app.py", "run.sh"]
    assert archive.getinfo("run.sh").external_attr >> 16 & 0o777 == 0o755
    assert archive.getinfo("app.py").date_time == (1980, 1, 1, 0, 0, 0)


@pytest.mark.parametrize(
    "args, words",
    [
        (["--memory", "127"], "--memory takes a whole number from 128 to 10240"),
        (["--memory", "1e3"], "--memory"),
        (["--timeout", "901"], "1 to 900"),
        (["--description", "x" * 257], "256 bytes"),
        (["extra"], "one argument too many"),
        (["--nonsense"], "unrecognized option"),
    ],
)
def test_deploy_usage(cli, api, code, args, words):
    rc, out, err = cli("deploy", code, *args)
    assert rc == 2 and words in err and "--help" in err
    assert api.requests == []


@pytest.mark.parametrize(
    "args, words",
    [
        (["--env", "NOVALUE"], "NAME=VALUE"),
        (["--env", "1A=x"], "starts with a letter"),
        (["--env", "A=x"], "two or more"),
        (["--env", "AB=" + "x" * 4097], "4096"),
        (["--name", "a b"], "cannot name a function"),
        (["--name", ""], "cannot name a function"),
    ],
)
def test_deploy_refuses_before_uploading(cli, api, code, args, words):
    rc, out, err = cli("deploy", code, *args)
    assert rc == 1 and words in err
    assert all(r[0] == "GET" for r in api.requests) and not api.functions


def test_deploy_cannot_guess(cli, api, tmp_path):
    (tmp_path / "readme.txt").write_text("x")
    rc, out, err = cli("deploy", tmp_path, "--name", "fn")
    assert rc == 1 and "cannot guess the runtime" in err and "--runtime" in err
    rc, out, err = cli("deploy", tmp_path / "gone", "--name", "fn")
    assert rc == 1 and "No such file" in err
    empty = tmp_path / "empty"
    empty.mkdir()
    rc, out, err = cli("deploy", empty)
    assert rc == 1 and "no files" in err


def test_deploy_warns(cli, api, code):
    rc, out, err = cli("deploy", code, "--handler", "other.handler")
    assert rc == 0 and "Warning" in err and "other.handler" in err
    (code / "app.py").unlink()
    (code / "index.mjs").write_text("export const handler = 1\n")
    rc, out, err = cli("deploy", code)
    assert rc == 0 and "the code looks like nodejs" in err
    (code / "bootstrap").write_text("#!/bin/sh\n")
    rc, out, err = cli("deploy", code, "--name", "native")
    assert rc == 0 and "chmod +x bootstrap" in err


def test_deploy_failed_state(cli, api, code):
    assert cli("deploy", code)[0] == 0
    config = api.functions["my-function"]["config"]
    config.update(State="Failed", StateReason="It broke.")
    (code / "x").write_text("x")
    rc, out, err = cli("deploy", code)
    assert rc == 1 and "It broke." in err


def test_deploy_service_errors(cli, api, code):
    message = "1 validation error detected: " + "long " * 200
    api.fail["POST "] = Failure(400, "ValidationException", message, "message")
    rc, out, err = cli("deploy", code)
    assert rc == 1 and f"ValidationException: {message}" in err  # whole, however long
    rc, out, err = cli("deploy", code, "--json")
    assert rc == 1 and out == b""
    assert json.loads(err)["error"] == {"code": "ValidationException", "message": message}


def test_deploy_on_a_terminal(api, code):
    (code / "large").write_bytes(os.urandom(2 << 20))
    rc, seen = on_terminal("deploy", code, LAMBENT_ENDPOINT=api.url)
    assert rc == 0
    assert "\033[32mPacked" in seen and "lambent invoke my-function" in seen
    assert "Packing" in seen and "━" in seen  # progress, and wiped away again
    rc, seen = on_terminal("deploy", code, LAMBENT_ENDPOINT=api.url, NO_COLOR="1")
    assert "\033[32m" not in seen and "Unchanged" in seen


# ---- invoke ----


@pytest.fixture
def fn(cli, code):
    assert cli("deploy", code, "--name", "fn")[0] == 0
    return "fn"


def test_invoke_passes_bytes(cli, api, fn, tmp_path):
    odd = b'{"b": 1,   "a": 123456789012345678901234567890.50, "b": "\\u0000"}'
    rc, out, err = cli("invoke", fn, "--payload", odd.decode())
    assert (rc, out, err) == (0, odd, "")
    rc, out, err = cli("invoke", fn, odd.decode())
    assert (rc, out) == (0, odd)
    path = tmp_path / "event.json"
    path.write_bytes(odd)
    assert cli("invoke", fn, "-p", f"@{path}")[1] == odd
    assert cli("invoke", fn, "--payload", "-", stdin=odd)[1] == odd
    assert cli("invoke", fn)[1] == b"{}"


def test_invoke_options(cli, api, fn):
    context = '{"custom": {"k": "v"}}'
    rc, out, err = cli(
        "invoke", fn, "--qualifier", "$LATEST", "--log", "--client-context", context
    )
    assert rc == 0
    method, path, query, headers, body = api.requests[-1]
    assert path == "/2015-03-31/functions/fn/invocations" and query == {"Qualifier": "$LATEST"}
    assert base64.b64decode(headers["X-Amz-Client-Context"]).decode() == context
    assert err.splitlines()[1] == "hello from inside"
    rc, out, err = cli("invoke", fn, "--async")
    assert rc == 0 and out == b"" and "Accepted, request id" in err
    assert api.requests[-1][3]["X-Amz-Invocation-Type"] == "Event"
    rc, out, err = cli("invoke", fn, "--dry-run")
    assert rc == 0 and out == b""


def test_invoke_function_error(cli, api, fn):
    error = {
        "errorMessage": "'x'",
        "errorType": "KeyError",
        "stackTrace": ['  File "/var/task/app.py", line 2, in f\n    return e["x"]\n'],
    }
    api.reply = (json.dumps(error).encode(), {"X-Amz-Function-Error": "Unhandled"})
    rc, out, err = cli("invoke", fn)
    assert rc == 1 and json.loads(out) == error
    assert "Function error (Unhandled): KeyError: 'x'" in err
    assert '    File "/var/task/app.py", line 2, in f\n      return e["x"]\n' in err
    rc, out, err = cli("invoke", fn, "--json", "--log")
    doc = json.loads(out)
    assert rc == 1 and doc["FunctionError"] == "Unhandled" and doc["Payload"] == error
    assert "hello from inside" in doc["LogResult"] and doc["StatusCode"] == 200
    rc, seen = on_terminal("invoke", fn, LAMBENT_ENDPOINT=api.url)
    assert rc == 1 and "KeyError" in seen and "stackTrace" not in seen  # told once, for people


def test_invoke_json_keeps_payload(cli, api, fn):
    api.reply = (b'{"n": 123456789012345678901234567890}', {})
    rc, out, err = cli("invoke", fn, "--json")
    assert rc == 0 and b'"Payload":{"n": 123456789012345678901234567890}' in out
    api.reply = (b"not json", {})
    rc, out, err = cli("invoke", fn, "--json")
    assert json.loads(out)["Payload"] == "not json"


@pytest.mark.parametrize(
    "args, words",
    [
        (["{nope"], "the payload is not JSON"),
        (["{}x"], "not JSON"),
        (["@/gone/away"], "No such file"),
        (["{}", "--client-context", "[1]"], "JSON object"),
        (["{}", "--client-context", "x"], "not JSON"),
        (["{}", "--client-context", json.dumps({"k": "v" * 3000})], "3583"),
        (["{}", "--async", "--dry-run"], "exclude"),
        (["{}", "--payload", "{}"], "given twice"),
    ],
)
def test_invoke_refuses(cli, api, args, words):
    rc, out, err = cli("invoke", "fn", *args)
    assert rc == 1 and words in err
    assert api.requests == []


def test_invoke_names_and_sizes(cli, api, fn, tmp_path):
    for bad in ("", "a/b", "a b", "x" * 171, "é"):
        rc, out, err = cli("invoke", bad)
        assert rc == 1 and "no function name" in err
    api.requests.clear()
    assert cli("invoke", ARN.format("us-east-1", "fn"))[0] == 0
    assert "%3A" not in api.requests[-1][1] or api.requests[-1][1].count("%3A") == 6
    large = tmp_path / "large.json"
    large.write_text('"' + "x" * 6291455 + '"')
    rc, out, err = cli("invoke", fn, f"@{large}")
    assert rc == 1 and "6291456" in err
    large.write_text('"' + "x" * 1048575 + '"')
    rc, out, err = cli("invoke", fn, f"@{large}", "--async")
    assert rc == 1 and "1048576" in err
    large.write_text('"' + "x" * 6291454 + '"')
    rc, out, err = cli("invoke", fn, f"@{large}")
    assert rc == 0 and len(out) == 6291456
    rc, out, err = cli("invoke", fn, str(large))
    assert rc == 1 and f"write @{large}" in err


def test_invoke_unknown(cli, api):
    rc, out, err = cli("invoke", "nope")
    assert rc == 1 and "ResourceNotFoundException: Function not found" in err and "lambent ls" in err


# ---- logs ----


def test_logs(cli, api, fn):
    now = int(time.time() * 1000)
    api.log("/aws/lambda/fn", "too old\n", now - 2 * 3600 * 1000)
    for i in range(120):  # three pages
        api.log("/aws/lambda/fn", f"line {i}\n", now - 60000 + i)
    rc, out, err = cli("logs", fn)
    lines = out.decode().splitlines()
    assert rc == 0 and len(lines) == 120
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z line 0", lines[0])
    lines = cli("logs", fn, "--limit", "3", "--since", "1d")[1].decode().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["line 117", "line 118", "line 119"]
    assert len(cli("logs", fn, "--since", "1d")[1].splitlines()) == 121
    lines = cli("logs", fn, "--filter", "line 11", "--json")[1].decode().splitlines()
    assert len(lines) == 11 and json.loads(lines[0])["message"] == "line 11\n"
    filters = [json.loads(r[4]) for r in api.requests if b"filterPattern" in r[4]]
    assert filters[0]["filterPattern"] == '"line 11"'
    cli("logs", fn, "--filter", '{ $.level = "warn" }')
    assert json.loads(api.requests[-1][4])["filterPattern"] == '{ $.level = "warn" }'
    rc, out, err = cli("logs", fn, "--filter", "nothing like it")
    assert rc == 0 and out == b"" and "No log lines" in err


def test_logs_of_nobody(cli, api, fn):
    rc, out, err = cli("logs", fn)
    assert rc == 0 and out == b"" and "has not run" in err
    rc, out, err = cli("logs", "gone")
    assert rc == 1 and "no function 'gone'" in err
    api.log("/aws/lambda/gone", "still here\n")
    assert b"still here" in cli("logs", "gone")[1]
    rc, out, err = cli("logs", fn, "--since", "noon")
    assert rc == 1 and "--since takes" in err
    assert b"still here" in cli("logs", "--group", "/aws/lambda/gone")[1]


def test_logs_tail(cli, api, fn):
    now = int(time.time() * 1000)
    api.log("/aws/lambda/fn", "before\n", now - 1000)
    with subprocess.Popen(
        [LAMBENT, "logs", fn, "--tail"],
        env=environment(LAMBENT_ENDPOINT=api.url),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline().endswith("before\n")
            api.log("/aws/lambda/fn", "after\n", now + 5)
            assert process.stdout.readline().endswith("after\n")
            api.log("/aws/lambda/fn", "late, but earlier\n", now - 500)
            assert process.stdout.readline().endswith("late, but earlier\n")
            api.log("/aws/lambda/fn", "last\n", now + 10)
            assert process.stdout.readline().endswith("last\n")  # and none of them twice
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == -signal.SIGINT


def test_logs_are_harmless_on_a_terminal(api, fn):
    api.log("/aws/lambda/fn", "\033]0;title\007\033[2Jclear \033[35mpurple\033[0m\n")
    rc, seen = on_terminal("logs", fn, LAMBENT_ENDPOINT=api.url)
    assert rc == 0 and "?]0;title??[2Jclear \033[35mpurple" in seen


# ---- ls, rm ----


def test_ls(cli, api, code):
    rc, out, err = cli("ls")
    assert rc == 0 and out == b"" and "No functions" in err
    for name in ("zeta", "alpha", "mid"):
        assert cli("deploy", code, "--name", name, "--publish")[0] == 0
    api.page = 2
    rc, out, err = cli("ls")
    lines = out.decode().splitlines()
    assert lines[0].split() == "NAME RUNTIME MEMORY TIMEOUT SIZE STATE MODIFIED".split()
    assert [line.split()[0] for line in lines[1:]] == ["alpha", "mid", "zeta"]
    assert "128 MB" in lines[1] and "Active" in lines[1] and "2026-11-21 10:00" in lines[1]
    assert cli("ls", "--quiet")[1] == b"alpha\nmid\nzeta\n"
    assert [f["FunctionName"] for f in json.loads(cli("ls", "--json")[1])] == [
        "alpha", "mid", "zeta",
    ]  # fmt: skip
    rc, out, err = cli("ls", "alpha")
    assert rc == 0 and out.decode().splitlines()[1].startswith("$LATEST")
    rc, out, err = cli("ls", "nope")
    assert rc == 1 and "ResourceNotFoundException" in err


def test_rm(cli, api, code):
    for name in ("one", "two", "three"):
        assert cli("deploy", code, "--name", name)[0] == 0
    rc, out, err = cli("rm", "one")
    assert rc == 1 and "--yes" in err and "one" in api.functions
    rc, out, err = cli("rm", "--yes", "one", "nope", "two")
    assert rc == 1 and "Deleted one" in err and "not found" in err
    assert set(api.functions) == {"two", "three"}  # it stopped at the first failure
    assert json.loads(cli("rm", "-y", "two", "--json")[1]) == {"deleted": ["two"]}

    def answer(text):
        def until(seen, fd):
            if b"[y/N]" in seen:
                os.write(fd, text)
                return True

        return until

    rc, seen = on_terminal("rm", "three", until=answer(b"n\n"), LAMBENT_ENDPOINT=api.url)
    assert rc == 1 and "nothing was deleted" in seen and "three" in api.functions
    rc, seen = on_terminal("rm", "three", until=answer(b"y\n"), LAMBENT_ENDPOINT=api.url)
    assert rc == 0 and not api.functions
    rc, out, err = cli("rm")
    assert rc == 2 and "NAME… is missing" in err


# ---- reaching the daemon ----


def test_unreachable():
    for args in (["ls"], ["invoke", "x"], ["logs", "x"], ["rm", "-y", "x"]):
        rc, out, err = run(*args, "--endpoint", "http://127.0.0.1:1")
        assert rc == 3
        assert err == (
            "lambent: Cannot reach Lambent at http://127.0.0.1:1\n"
            "Start it with `sudo lambent up`, or give --endpoint.\n"
        )
    rc, out, err = run("ls", "--json", "--endpoint", "http://127.0.0.1:1")
    assert rc == 3 and "sudo lambent up" in json.loads(err)["error"]["hint"]


@pytest.mark.parametrize(
    "endpoint", ["", "127.0.0.1:4566", "ftp://x", "http://", "http://h/path", "http://h?q=1", "file:///etc"]
)
def test_bad_endpoint(endpoint):
    rc, out, err = run("ls", "--endpoint", endpoint)
    assert rc == 1 and "is no endpoint" in err


def test_endpoint_and_region_sources(api):
    dead = "http://127.0.0.1:1"
    assert run("ls", AWS_ENDPOINT_URL=api.url)[0] == 0
    assert run("ls", AWS_ENDPOINT_URL=dead, LAMBENT_ENDPOINT=api.url)[0] == 0
    assert run("ls", "--endpoint", api.url + "/", LAMBENT_ENDPOINT=dead)[0] == 0
    assert run("--endpoint", api.url, "ls", http_proxy=dead)[0] == 0

    def region():
        return api.requests[-1][3]["Authorization"].split("/")[2]

    assert region() == "us-east-1"
    run("ls", AWS_ENDPOINT_URL=api.url, AWS_DEFAULT_REGION="eu-central-1")
    assert region() == "eu-central-1"
    run("ls", AWS_ENDPOINT_URL=api.url, AWS_DEFAULT_REGION="a-b-1", AWS_REGION="c-d-2")
    assert region() == "c-d-2"
    run("ls", "--region", "x-y-3", AWS_ENDPOINT_URL=api.url, AWS_REGION="c-d-2")
    assert region() == "x-y-3"
    rc, out, err = run("ls", "--region", "a/b\r\nX: y", AWS_ENDPOINT_URL=api.url)
    assert rc == 1 and "is no region" in err


def test_strange_server(api):
    api.handle = lambda *args: (200, {}, b"<html>")
    rc, out, err = run("ls", "--endpoint", api.url)
    assert rc == 1 and "is it really Lambent?" in err
    api.handle = lambda *args: (500, {}, b"<html>")
    rc, out, err = run("ls", "--endpoint", api.url)
    assert rc == 1 and "HTTP status 500" in err
    rc, out, err = run("doctor", "--endpoint", api.url)
    assert "something else answers" in out.decode()


# ---- the table and what comes out of it ----


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command):
    rc, out, err = run(command, "--help")
    assert rc == 0 and err == ""
    assert out.startswith(b"Usage: lambent " + command.encode())
    assert run("help", command)[1] == out
    assert run(command, "-h")[1] == out


def test_usage():
    rc, out, err = run("--help")
    assert rc == 0 and all(f"\n  {c} ".encode() in out for c in COMMANDS)
    assert run("help")[0] == 0
    rc, out, err = run()
    assert rc == 2 and "lambent --help" in err
    rc, out, err = run("nonsense")
    assert rc == 2 and "'nonsense' is no command" in err
    rc, out, err = run("ls", "--no-such")
    assert rc == 2
    assert run("version")[1] == run("--version")[1]
    assert re.fullmatch(rb"lambent \d+\.\d+\.\d+\n", run("version")[1])
    assert json.loads(run("version", "--json")[1]).keys() == {"version"}


def long_options(command):
    """The options of --help: what everything else has to know as well."""
    return set(re.findall(r"^ +(?:-\w, )?--([a-z-]+)", run(command, "--help")[1].decode(), re.M)) - {
        "usage",
        "version",
    }


def test_bash_completion(api, tmp_path):
    def complete(*words, **env):
        script = tmp_path / "script"
        script.write_bytes(run("completion", "bash")[1])
        quoted = " ".join(f"'{w}'" for w in words)
        shell = (
            f"source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _lambent; "
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(
            ["bash", "-c", shell], capture_output=True, text=True, timeout=DEADLINE_S,
            env=environment(PATH=str(Path(LAMBENT).resolve().parent) + ":/usr/bin:/bin", **env),
        )  # fmt: skip
        # compopt complains outside of a real completion
        return done.stdout.split()

    assert complete("lambent", "de") == ["deploy"]
    assert set(COMMANDS) <= set(complete("lambent", ""))
    for command in COMMANDS:
        assert {f"--{o}" for o in long_options(command)} <= set(complete("lambent", command, "-"))
    assert "python3.11" in complete("lambent", "deploy", ".", "--runtime", "python")
    assert complete("lambent", "--region", "x", "completion", "z") == ["zsh"]
    api.create({"FunctionName": "my-fn", "Code": {"ZipFile": EMPTY_ZIP}}, "us-east-1")
    assert complete("lambent", "invoke", "my", LAMBENT_ENDPOINT=api.url) == ["my-fn"]


EMPTY_ZIP = base64.b64encode(b"PK\5\6" + bytes(18)).decode()


def test_other_completions():
    for shell in ("zsh", "fish"):
        rc, out, err = run("completion", shell)
        assert rc == 0
        for command in COMMANDS:
            assert command.encode() in out
            for option in long_options(command) - {"help"}:
                assert option.encode() in out
    rc, out, err = run("completion", "tcsh")
    assert rc == 1 and "bash, zsh and fish" in err
    if os.path.exists("/usr/bin/zsh"):
        subprocess.run(["zsh", "-n"], input=run("completion", "zsh")[1], check=True)
    if os.path.exists("/usr/bin/fish"):
        subprocess.run(["fish", "-n"], input=run("completion", "fish")[1], check=True)


def test_man_page():
    rc, out, err = run("--man")
    text = out.decode()
    assert rc == 0 and text.count(".SS ") == len(COMMANDS)
    for command in COMMANDS:
        for option in long_options(command) - {"help"}:
            assert option.replace("-", "\\-") in text
    if os.path.exists("/usr/bin/groff"):
        done = subprocess.run(
            ["groff", "-man", "-Tutf8", "-Kutf8", "-ww", "-z"], input=out, capture_output=True
        )
        assert done.returncode == 0 and done.stderr == b""


def test_full_output_device(api):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([LAMBENT, "version"], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1 and b"cannot write" in done.stderr


# ---- doctor ----


def test_doctor():
    rc, out, err = run("doctor", "--json", "--endpoint", "http://127.0.0.1:1")
    doc = json.loads(out)
    rows = {row["check"]: row for row in doc["checks"]}
    assert set(rows) >= set("kernel rights cgroups namespaces seccomp user python disk pids".split())
    for row in rows.values():
        assert row["status"] in ("ok", "warn", "fail") and row["found"]
        assert (row["status"] == "ok") == ("mend" not in row), row
    assert doc["ok"] == (rc == 0) == all(r["status"] != "fail" for r in rows.values())
    rc2, out, err = run("doctor", "--endpoint", "http://127.0.0.1:1")
    assert rc2 == rc and len(re.findall(r"^(ok  |warn|FAIL)  ", out.decode(), re.M)) == len(rows)


def test_doctor_leaves_nothing():
    def cgroups():
        return sorted(str(p) for p in Path("/sys/fs/cgroup").glob("**/lambent-doctor-*"))

    assert run("doctor")[0] in (0, 1)
    assert cgroups() == []


def test_doctor_sees_the_daemon(cli, api):
    rc, out, err = cli("doctor")
    assert f"Lambent answers at {api.url}" in out.decode()


# ---- up ----

FAKE_DAEMON = """#!/usr/bin/python3
import os, signal, sys, time
args = sys.argv[1:]
def value(name): return args[args.index(name) + 1] if name in args else None
def log(level, event, rest=""):
    print(f"time=2026-11-21T10:00:00.000Z level={level} prog=lambentd event={event} {rest}",
          file=sys.stderr, flush=True)
log("info", "daemon_start", "args=" + "|".join(args))
if "--die" in args:
    print("a library's last words", file=sys.stderr)
    sys.exit(7)
stubborn = "--stubborn" in args
def stop(signo, frame):
    log("info", "daemon_stop", "why=signal")
    if not stubborn:
        sys.exit(0)
signal.signal(signal.SIGTERM, stop)
os.write(int(value("--ready-fd")), b"ready http://127.0.0.1:9999\\n")
os.close(int(value("--ready-fd")))
log("warn", "logs_dropped", 'why="odd \\x1b[2J text" n=3')
while True:
    signal.pause()
"""


@pytest.fixture
def daemon(tmp_path):
    path = tmp_path / "lambentd"
    path.write_text(FAKE_DAEMON)
    path.chmod(0o755)
    return path


class Up:
    """`lambent up` in its own process group, with what it printed so far."""

    def __init__(self, *args, **env):
        self.process = subprocess.Popen(
            [LAMBENT, "up", *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, env=environment(**env), text=True, start_new_session=True,
        )  # fmt: skip
        self.text = ""

    def until(self, words):
        while words not in self.text:
            line = self.process.stdout.readline()
            assert line, f"'{words}' never came: {self.text}"
            self.text += line
        return self

    def signal(self, signo):
        self.process.send_signal(signo)
        return self

    def end(self):
        self.text += self.process.stdout.read()
        self.process.stdout.close()
        return self.process.wait(DEADLINE_S)


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()


def test_up(daemon, tmp_path):
    up = Up("--daemon", daemon, "--unprivileged", "--data-dir", "some/where", "--listen",
            "127.0.0.1:0", "--log-level", "debug", "--region", "eu-west-1")  # fmt: skip
    up.until("Ctrl-C stops").until("n=3")
    pid = int(re.search(r"pid (\d+)", up.text).group(1))
    here = os.getcwd()
    handed = re.search(r"args=(\S+)", up.text).group(1).split("|")
    assert handed == ["--ready-fd", "3", "--data-dir", f"{here}/some/where", "--listen",
                      "127.0.0.1:0", "--log-level", "debug", "--region", "eu-west-1"]  # fmt: skip
    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:9999" in up.text
    assert "10:00:00 warn  logs dropped" in up.text and "why=odd ?[2J text" in up.text
    assert not gone(pid)
    assert up.signal(signal.SIGINT).end() == 0
    assert "Stopping" in up.text and "daemon stop" in up.text and gone(pid)


def test_up_second_signal(daemon):
    up = Up("--daemon", daemon, "--unprivileged", "--stubborn").until("Ctrl-C stops").until("n=3")
    pid = int(re.search(r"pid (\d+)", up.text).group(1))
    up.signal(signal.SIGINT).until("daemon stop")
    assert not gone(pid)
    assert up.signal(signal.SIGINT).end() == 0
    assert "at once" in up.text and gone(pid)


def test_up_daemon_dies(daemon):
    up = Up("--daemon", daemon, "--unprivileged", "--die")
    assert up.end() == 1
    assert "a library's last words" in up.text
    assert "lambentd ended before it was ready, with exit code 7" in up.text
    assert "lambent doctor" in up.text
    up = Up("--daemon", daemon, "--unprivileged").until("Ctrl-C stops").until("n=3")
    os.kill(int(re.search(r"pid (\d+)", up.text).group(1)), signal.SIGKILL)
    assert up.end() == 1 and "by signal 9" in up.text


def test_up_json(daemon):
    up = Up("--daemon", daemon, "--unprivileged", "--json").until("logs_dropped")
    assert up.signal(signal.SIGTERM).end() == 0
    lines = [json.loads(line) for line in up.text.splitlines()]
    assert {"event": "ready", "endpoint": "http://127.0.0.1:9999"}.items() <= lines[
        [line["event"] for line in lines].index("ready")
    ].items()
    assert any(line["event"] == "logs_dropped" and line["n"] == "3" for line in lines)


def test_up_says_what_is_missing(tmp_path):
    rc, out, err = run("up", "--unprivileged", "--daemon", tmp_path / "none")
    assert rc == 1 and "there is no lambentd" in err
    copy = tmp_path / "lambent"
    copy.write_bytes(Path(LAMBENT).read_bytes())
    copy.chmod(0o755)
    if os.geteuid() == 0:
        command = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        for folder in [tmp_path, *tmp_path.parents]:  # pytest's folders are root's alone
            if folder.owner() == "root" and folder.stat().st_mode & 0o777 == 0o700:
                folder.chmod(0o711)
    else:
        command = []
    done = subprocess.run([*command, copy, "up"], capture_output=True, text=True, env=environment())
    assert done.returncode == 1 and "sudo lambent up" in done.stderr
