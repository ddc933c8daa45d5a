"""AWS's own Node.js runtime interface client, unchanged, as a provided.al2023 function: whoever wrote
against the real Runtime API finds the same one here."""

import base64
import json
import shutil
from pathlib import Path

import pytest

from lambentlib import NPM, arn, make_zip

# /bin/sh and node come from the host's runtime folders; the client is in the package, as AWS says to do it.
BOOTSTRAP = """#!/bin/sh
cd "$LAMBDA_TASK_ROOT"
exec node node_modules/aws-lambda-ric/bin/index.mjs "$_HANDLER"
"""
HANDLER = """
let count = 0;
exports.handler = async (event, context) => {
  console.log('ric says', event.say);
  if (event.fail) throw new RangeError(event.fail);
  return { event, count: ++count, id: context.awsRequestId, arn: context.invokedFunctionArn,
           left: context.getRemainingTimeInMillis(), name: context.functionName };
};
exports.streaming = async () => { throw new Error('not this one'); };
"""


@pytest.fixture(scope="module")
def package():
    module = NPM / "ric" / "node_modules" / "aws-lambda-ric"
    if not (module / "dist" / "rapid-client.node").is_file():
        pytest.fail(f"aws-lambda-ric is not built in {NPM}/ric: run script/bootstrap --test")
    files = {"bootstrap": (BOOTSTRAP, 0o755), "index.js": HANDLER}
    # What it needs to run; sources and build tools stay behind.
    for part in ("bin", "dist", "package.json"):
        path = module / part
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file():
                files[f"node_modules/aws-lambda-ric/{file.relative_to(module)}"] = (file.read_bytes(), 0o755)
    return make_zip(files)


@pytest.fixture(scope="module")
def function(deploy_shared, package):
    assert shutil.which("node") and Path("/bin/sh").exists()
    return deploy_shared.zip(package, "provided.al2023", MemorySize=256)


def invoke(client, name, event, **more):
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event), **more)
    return answer, json.loads(answer["Payload"].read())


def test_cold_and_warm(client, function):
    """The client takes two events from `next` in one process; context comes from our headers."""
    answer, first = invoke(client, function, {"say": "hello"}, LogType="Tail")
    assert "FunctionError" not in answer, first
    assert first["event"] == {"say": "hello"} and first["name"] == function and first["arn"] == arn(function)
    assert first["id"] == answer["ResponseMetadata"]["RequestId"]
    assert 0 < first["left"] <= 10000
    assert "ric says hello" in base64.b64decode(answer["LogResult"]).decode()
    _, second = invoke(client, function, {"say": "again"})
    assert second["count"] == first["count"] + 1


def test_errors_pass_through(client, function):
    """What the client posts to …/error is what the caller gets, and the environment goes on."""
    answer, body = invoke(client, function, {"fail": "too far"})
    assert answer["FunctionError"] == "Unhandled"
    assert (body["errorType"], body["errorMessage"]) == ("RangeError", "too far")
    assert any("index.js" in line for line in body["trace"])
    answer, body = invoke(client, function, {"say": "still here"})
    assert "FunctionError" not in answer and body["event"]["say"] == "still here"


def test_init_error(client, deploy, package):
    """A handler that is not there is reported by the client through init/error."""
    name = deploy.zip(package, "provided.al2023", handler="nowhere.handler")
    answer, body = invoke(client, name, {})
    assert answer["FunctionError"] == "Unhandled"
    assert body["errorType"] == "Runtime.ImportModuleError", body


def test_six_megabytes_both_ways(client, deploy, package):
    name = deploy.zip(package, "provided.al2023", MemorySize=512, Timeout=30)
    answer, body = invoke(client, name, {"say": "", "text": "x" * (5 * 1024 * 1024)})
    assert "FunctionError" not in answer
    assert len(body["event"]["text"]) == 5 * 1024 * 1024
