"""Debian's aws command, as a person uses it: files in, files out, waiters, table of functions."""

import base64
import hashlib
import json
import re
import zipfile

import pytest

from lambentlib import ROLE, ROOT, arn, make_zip, node_major, until


def test_a_function_from_cradle_to_grave(aws, deploy, tmp_path):
    """create, wait, get, invoke, update code, wait, publish, list, delete: all by command."""
    name = deploy.name("cli")
    package = tmp_path / "function.zip"
    package.write_bytes(make_zip({"app.py": "def run(event, context): return {'got': event}\n"}))
    created = json.loads(aws(
        "lambda", "create-function", "--function-name", name, "--runtime", "python3.11", "--handler", "app.run",
        "--role", ROLE, "--zip-file", f"fileb://{package}", "--environment", "Variables={STAGE=test}",
        "--tags", "team=blue"))
    assert created["FunctionArn"] == arn(name)
    aws("lambda", "wait", "function-active-v2", "--function-name", name)

    got = json.loads(aws("lambda", "get-function", "--function-name", name))
    assert got["Configuration"]["State"] == "Active"
    assert got["Configuration"]["Environment"] == {"Variables": {"STAGE": "test"}}
    assert got["Tags"] == {"team": "blue"}
    assert base64.b64decode(got["Configuration"]["CodeSha256"]) == hashlib.sha256(package.read_bytes()).digest()

    out = tmp_path / "answer.json"
    answer = json.loads(aws(
        "lambda", "invoke", "--function-name", name, "--payload", '{"n": 1}', "--log-type", "Tail",
        "--cli-binary-format", "raw-in-base64-out", out))
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert json.loads(out.read_text()) == {"got": {"n": 1}}
    assert re.search(r"^REPORT RequestId: ", base64.b64decode(answer["LogResult"]).decode(), re.M)

    package.write_bytes(make_zip({"app.py": "def run(event, context): return 'second'\n"}))
    aws("lambda", "update-function-code", "--function-name", name, "--zip-file", f"fileb://{package}")
    aws("lambda", "wait", "function-updated-v2", "--function-name", name)
    aws("lambda", "update-function-configuration", "--function-name", name, "--timeout", 9, "--memory-size", 192)
    aws("lambda", "wait", "function-updated-v2", "--function-name", name)
    aws("lambda", "invoke", "--function-name", name, out)
    assert out.read_text() == '"second"'

    assert json.loads(aws("lambda", "publish-version", "--function-name", name))["Version"] == "1"
    versions = json.loads(aws("lambda", "list-versions-by-function", "--function-name", name))["Versions"]
    assert [(v["Version"], v["Timeout"], v["MemorySize"]) for v in versions] == [("$LATEST", 9, 192), ("1", 9, 192)]
    listed = json.loads(aws("lambda", "list-functions", "--query", "Functions[].FunctionName"))
    assert name in listed

    aws("lambda", "delete-function", "--function-name", name)
    gone = aws("lambda", "get-function", "--function-name", name, check=False)
    assert gone.returncode == 254
    assert f"(ResourceNotFoundException) when calling the GetFunction operation: Function not found: {arn(name)}" in gone.stderr


def test_pagination_by_the_command(aws, client, deploy):
    names = {deploy.python("def handler(e, c): pass\n", wait=False) for _ in range(4)}
    listed = json.loads(aws("lambda", "list-functions", "--page-size", 2, "--query", "Functions[].FunctionName"))
    assert names <= set(listed) and len(listed) == len(set(listed))
    first = json.loads(aws("lambda", "list-functions", "--max-items", 2))
    rest = json.loads(aws("lambda", "list-functions", "--starting-token", first["NextToken"]))
    found = [f["FunctionName"] for f in first["Functions"] + rest["Functions"]]
    assert names <= set(found) and len(found) == len(set(found))


def test_a_function_error_is_shown(aws, deploy, tmp_path):
    name = deploy.python("def handler(event, context): raise ValueError('no')\n")
    out = tmp_path / "answer.json"
    answer = json.loads(aws("lambda", "invoke", "--function-name", name, out))
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(out.read_text())["errorType"] == "ValueError"


def test_an_error_text_is_shown(aws, deploy, tmp_path):
    package = tmp_path / "function.zip"
    package.write_bytes(make_zip({"app.py": "x = 1\n"}))
    done = aws("lambda", "create-function", "--function-name", deploy.name(), "--runtime", "python3.11", "--handler", "a.b",
               "--role", ROLE, "--memory-size", "99999", "--zip-file", f"fileb://{package}", check=False)
    assert done.returncode == 254
    assert "(ValidationException)" in done.stderr and "at 'memorySize' failed to satisfy constraint" in done.stderr


@pytest.mark.parametrize("example,runtime,handler", [
    ("hello-python", "python3.11", "handler.handler"), ("hello-node", f"nodejs{node_major()}.x", "index.handler"),
    ("hello-shell", "provided.al2023", "any")])
def test_examples(aws, deploy, tmp_path, example, runtime, handler):
    """The folders of examples/, zipped and deployed as README and demo do it; cold and warm."""
    folder = ROOT / "examples" / example
    package = tmp_path / "example.zip"
    with zipfile.ZipFile(package, "w") as z:
        for path in folder.rglob("*"):
            if path.is_file():
                z.write(path, path.relative_to(folder))
    name = deploy.name("example")
    aws("lambda", "create-function", "--function-name", name, "--runtime", runtime, "--handler", handler,
        "--role", ROLE, "--zip-file", f"fileb://{package}")
    aws("lambda", "wait", "function-active-v2", "--function-name", name)
    out = tmp_path / "answer.json"
    for _ in range(2):
        answer = json.loads(aws("lambda", "invoke", "--function-name", name, "--payload", '{"name": "Ada"}',
                                "--cli-binary-format", "raw-in-base64-out", out))
        assert "FunctionError" not in answer, out.read_text()
        assert "Ada" in out.read_text()


def test_logs_by_the_command(aws, deploy, tmp_path):
    name = deploy.python("def handler(event, context): print('seen by aws logs')\n")
    aws("lambda", "invoke", "--function-name", name, tmp_path / "out")
    # `aws logs tail` polls by itself; it ends because it does not follow.
    until(lambda: "seen by aws logs" in aws("logs", "tail", f"/aws/lambda/{name}", "--since", "10m"), "the line in aws logs tail")
