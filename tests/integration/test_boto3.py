"""Debian's boto3 drives the control plane and Invoke, with only the endpoint URL changed: answers,
states, pagination, and the exact error names and texts."""

import base64
import hashlib
import json
import re
import urllib.request
import uuid

import pytest
from botocore.exceptions import ClientError

from lambentlib import ACCOUNT, REGION, ROLE, arn, make_zip, request, until

ECHO = """
import json, os
def handler(event, context):
    return {"event": event, "version": context.function_version, "name": context.function_name,
            "arn": context.invoked_function_arn, "id": context.aws_request_id,
            "memory": context.memory_limit_in_mb, "left": context.get_remaining_time_in_millis(),
            "env": dict(os.environ), "custom": context.client_context.custom if context.client_context else None,
            "locale": context.client_context.env.get("locale") if context.client_context else None}
"""
ZIP = make_zip({"index.py": ECHO})


def refused(call, code, status, message, **arguments):
    """`call` must fail with exactly this. A compiled pattern as message is searched."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    said = answer["Error"].get("Message") or answer.get("Message")
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, status), said
    if isinstance(message, re.Pattern):
        assert message.search(said), said
    else:
        assert said == message
    return answer


def payload(answer):
    return json.loads(answer["Payload"].read())


def create(client, name, **settings):
    arguments = dict(FunctionName=name, Role=ROLE, Runtime="python3.11", Handler="index.handler",
                     Code={"ZipFile": ZIP})
    arguments.update(settings)
    return client.create_function(**{k: v for k, v in arguments.items() if v is not None})


# ---- create, get ----


def test_create_answers_with_the_whole_configuration(client, deploy):
    """The reply to CreateFunction has every default and says Pending, as AWS does."""
    name = deploy.name()
    got = create(client, name)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 201
    uuid.UUID(got["ResponseMetadata"]["RequestId"])
    uuid.UUID(got["RevisionId"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", got["LastModified"])
    expected = {
        "FunctionName": name, "FunctionArn": arn(name), "Runtime": "python3.11", "Role": ROLE,
        "Handler": "index.handler", "CodeSize": len(ZIP), "Description": "", "Timeout": 3,
        "MemorySize": 128, "Version": "$LATEST", "TracingConfig": {"Mode": "PassThrough"},
        "PackageType": "Zip", "Architectures": ["x86_64"], "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "CodeSha256": base64.b64encode(hashlib.sha256(ZIP).digest()).decode(),
        "State": "Pending", "StateReason": "The function is being created.", "StateReasonCode": "Creating",
    }
    assert {k: got.get(k) for k in expected} == expected
    for absent in ("VpcConfig", "Environment", "DeadLetterConfig", "Layers", "KMSKeyArn"):
        assert absent not in got
    deploy.active(name)


def test_members_newer_than_this_client_are_in_the_json(daemon, deploy):
    """boto3 1.26 drops what it does not know: LoggingConfig must be there all the same."""
    name = deploy.zip(ZIP, "python3.11")
    got = request(daemon.port, "GET", f"/2015-03-31/functions/{name}/configuration").json
    assert got["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"}
    assert "RuntimeVersionArn" in got["RuntimeVersionConfig"]
    assert not [k for k, v in got.items() if v is None], "unset members are left out, not null"


def test_waiters_end(client, deploy):
    """FunctionActiveV2 and FunctionUpdatedV2 poll State and LastUpdateStatus; both must come to an end."""
    name = deploy.name()
    create(client, name)
    client.get_waiter("function_exists").wait(FunctionName=name)
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    got = client.get_function_configuration(FunctionName=name)
    assert (got["State"], got["LastUpdateStatus"]) == ("Active", "Successful")
    assert "StateReason" not in got and "StateReasonCode" not in got


def test_get_function_gives_configuration_code_and_tags(client, deploy):
    """Configuration equals GetFunctionConfiguration's, and Code.Location serves the very same zip."""
    name = deploy.zip(ZIP, "python3.11", Tags={"team": "blue", "cost": "1"})
    got = client.get_function(FunctionName=name)
    alone = client.get_function_configuration(FunctionName=name)
    del alone["ResponseMetadata"]
    assert got["Configuration"] == alone
    assert got["Code"]["RepositoryType"] == "S3"
    assert got["Tags"] == {"team": "blue", "cost": "1"}
    assert "Concurrency" not in got
    with urllib.request.urlopen(got["Code"]["Location"]) as download:
        assert download.read() == ZIP


def test_every_form_of_a_name(client, deploy):
    name = deploy.zip(ZIP, "python3.11")
    for form in (name, arn(name), f"{ACCOUNT}:function:{name}", f"function:{name}"):
        assert client.get_function_configuration(FunctionName=form)["FunctionName"] == name, form
    qualified = client.get_function_configuration(FunctionName=f"{name}:$LATEST")
    assert qualified["FunctionArn"] == arn(name, "$LATEST")
    assert client.get_function_configuration(FunctionName=name)["FunctionArn"] == arn(name)


def test_create_by_arn(client, deploy):
    name = deploy.name()
    assert create(client, arn(name))["FunctionName"] == name
    deploy.active(name)


# ---- exact refusals ----


def test_name_in_use(client, deploy):
    name = deploy.zip(ZIP, "python3.11")
    refused(lambda: create(client, name), "ResourceConflictException", 409, f"Function already exist: {name}")


@pytest.mark.parametrize("qualifier", [None, "7", "nobody"])
@pytest.mark.parametrize("operation", ["get_function", "get_function_configuration", "delete_function", "invoke"])
def test_not_found(client, operation, qualifier):
    more = {"Qualifier": qualifier} if qualifier else {}
    refused(getattr(client, operation), "ResourceNotFoundException", 404,
            f"Function not found: {arn('no-such-function', qualifier)}", FunctionName="no-such-function", **more)


PREFIX = "1 validation error detected: "
LIMITS = [
    ({"MemorySize": 10241}, "Value '10241' at 'memorySize' failed to satisfy constraint: Member must have value less than or equal to 10240"),
    ({"MemorySize": 127}, "Value '127' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"),
    ({"Timeout": 0}, "Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1"),
    ({"Timeout": 901}, "Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900"),
    ({"EphemeralStorage": {"Size": 511}}, "Value '511' at 'ephemeralStorage.size' failed to satisfy constraint: Member must have value greater than or equal to 512"),
    ({"EphemeralStorage": {"Size": 10241}}, "Value '10241' at 'ephemeralStorage.size' failed to satisfy constraint: Member must have value less than or equal to 10240"),
    ({"Role": None}, "Value null at 'role' failed to satisfy constraint: Member must not be null"),
    ({"Code": None}, "Value null at 'code' failed to satisfy constraint: Member must not be null"),
    ({"Description": "x" * 257}, f"Value '{'x' * 257}' at 'description' failed to satisfy constraint: Member must have length less than or equal to 256"),
    ({"Handler": "a b"}, "Value 'a b' at 'handler' failed to satisfy constraint: Member must satisfy regular expression pattern: [^\\s]+"),
]


@pytest.mark.parametrize("settings,text", LIMITS, ids=[t[:40] for _, t in LIMITS])
def test_validation_texts(client, deploy, settings, text):
    """Constraint failures come from the model alone, in AWS's words."""
    refused(lambda: create(client, deploy.name(), **settings), "ValidationException", 400, PREFIX + text)


def test_validation_of_role_and_name_patterns(client, deploy):
    role = "not-an-arn"
    refused(lambda: create(client, deploy.name(), Role=role), "ValidationException", 400,
            PREFIX + f"Value '{role}' at 'role' failed to satisfy constraint: Member must satisfy regular "
            "expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+")
    refused(lambda: create(client, "bad name!"), "ValidationException", 400,
            re.compile("^" + re.escape(PREFIX + "Value 'bad name!' at 'functionName' failed to satisfy constraint: "
                                       "Member must satisfy regular expression pattern: (arn:(aws")))


def test_every_failure_of_a_request_is_listed(client, deploy):
    answer = refused(lambda: create(client, deploy.name(), MemorySize=1, Timeout=0), "ValidationException", 400,
                     re.compile("^2 validation errors detected: "))
    parts = answer["Error"]["Message"][len("2 validation errors detected: "):].split("; ")
    assert sorted(parts) == [
        "Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1",
        "Value '1' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128",
    ]


def test_enum_values_are_listed(client, deploy):
    answer = refused(lambda: create(client, deploy.name(), PackageType="Tar"), "ValidationException", 400,
                     re.compile("enum value set"))
    found = re.fullmatch(re.escape(PREFIX) + r"Value 'Tar' at 'packageType' failed to satisfy constraint: "
                         r"Member must satisfy enum value set: \[(.*)\]", answer["Error"]["Message"])
    assert set(found[1].split(", ")) == {"Zip", "Image"}


def test_unknown_runtime(client, deploy):
    answer = refused(lambda: create(client, deploy.name(), Runtime="cobol85"), "ValidationException", 400,
                     re.compile("runtime"))
    found = re.fullmatch(re.escape(PREFIX) + r"Value 'cobol85' at 'runtime' failed to satisfy constraint: Member must "
                         r"satisfy enum value set: \[(.*)\] or be a valid ARN", answer["Error"]["Message"].replace("Value cobol85 at", "Value 'cobol85' at"))
    assert {"python3.11", "nodejs20.x", "provided.al2023"} <= set(found[1].split(", "))


def test_deprecated_runtime_names_its_successor(client, deploy):
    refused(lambda: create(client, deploy.name(), Runtime="python3.6"), "InvalidParameterValueException", 400,
            "The runtime parameter of python3.6 is no longer supported for creating or updating AWS Lambda functions. "
            "We recommend you use the new runtime (python3.14) while creating or updating functions.")


def test_runtime_without_a_bootstrap_is_named(client, deploy):
    """A runtime of AWS's that cannot run here yet: the function can be made, and the invocation says why."""
    name = deploy.zip(ZIP, "ruby3.3")
    refused(client.invoke, "InvalidRuntimeException", 502, re.compile(r"ruby3\.3"), FunctionName=name)


def test_reserved_environment_variables(client, deploy):
    refused(lambda: create(client, deploy.name(), Environment={"Variables": {"AWS_REGION": "x"}}),
            "InvalidParameterValueException", 400,
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. Reserved keys used in "
            "this request: AWS_REGION")


def test_environment_above_4_kb(client, deploy):
    variables = {"BIG": "x" * 4096}
    text = json.dumps(variables, separators=(",", ":"))
    refused(lambda: create(client, deploy.name(), Environment={"Variables": variables}),
            "InvalidParameterValueException", 400,
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the 4KB limit. String measured: {text}")


def test_zip_function_needs_runtime_and_handler(client, deploy):
    for missing in ("Runtime", "Handler"):
        refused(lambda: create(client, deploy.name(), **{missing: None}), "InvalidParameterValueException", 400,
                "Runtime and Handler are mandatory parameters for functions created with deployment packages.")


def test_a_failed_create_leaves_no_function(client, deploy):
    name = deploy.name()
    with pytest.raises(ClientError):
        create(client, name, Code={"ZipFile": b"not a zip"})
    refused(client.get_function, "ResourceNotFoundException", 404, f"Function not found: {arn(name)}", FunctionName=name)
    create(client, name)  # the name is free
    deploy.active(name)


def test_operations_to_come_say_so(client, deploy):
    name = deploy.zip(ZIP, "python3.11")
    with pytest.raises(ClientError) as caught:
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert "NotImplemented" in caught.value.response["Error"]["Code"]


# ---- updates ----


def test_update_code_runs_the_new_code(client, deploy):
    name = deploy.python("def handler(event, context): return 'old'\n")
    before = client.get_function_configuration(FunctionName=name)
    assert payload(client.invoke(FunctionName=name)) == "old"
    new = make_zip({"index.py": "def handler(event, context): return 'new'\n"})
    got = client.update_function_code(FunctionName=name, ZipFile=new)
    assert got["LastUpdateStatus"] == "InProgress"
    assert got["CodeSha256"] == base64.b64encode(hashlib.sha256(new).digest()).decode() != before["CodeSha256"]
    assert got["RevisionId"] != before["RevisionId"]
    deploy.active(name)
    assert payload(client.invoke(FunctionName=name)) == "new"
    after = client.get_function_configuration(FunctionName=name)
    kept = ("Role", "Handler", "Runtime", "Timeout", "MemorySize", "Description")
    assert {k: after[k] for k in kept} == {k: before[k] for k in kept}


def test_update_code_dry_run_stores_nothing(client, deploy):
    name = deploy.zip(ZIP, "python3.11")
    before = client.get_function_configuration(FunctionName=name)
    new = make_zip({"index.py": "x = 1\n"})
    got = client.update_function_code(FunctionName=name, ZipFile=new, DryRun=True)
    assert got["CodeSize"] == len(new)
    after = client.get_function_configuration(FunctionName=name)
    assert (after["CodeSha256"], after["RevisionId"]) == (before["CodeSha256"], before["RevisionId"])


@pytest.mark.parametrize("operation", ["update_function_code", "update_function_configuration", "publish_version"])
def test_revision_id_guards(client, deploy, operation):
    name = deploy.zip(ZIP, "python3.11")
    more = {"ZipFile": ZIP} if operation == "update_function_code" else {}
    refused(getattr(client, operation), "PreconditionFailedException", 412,
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to "
            "retrieve the latest Revision Id",
            FunctionName=name, RevisionId=str(uuid.uuid4()), **more)
    revision = client.get_function_configuration(FunctionName=name)["RevisionId"]
    getattr(client, operation)(FunctionName=name, RevisionId=revision, **more)


def test_update_configuration_keeps_what_is_left_out(client, deploy):
    name = deploy.zip(ZIP, "python3.11", Description="first", Timeout=7, Environment={"Variables": {"COLOUR": "blue"}})
    got = client.update_function_configuration(FunctionName=name, MemorySize=256)
    assert got["LastUpdateStatus"] == "InProgress"
    assert (got["MemorySize"], got["Description"], got["Timeout"]) == (256, "first", 7)
    deploy.active(name)
    client.update_function_configuration(FunctionName=name, Environment={"Variables": {"SHAPE": "round"}})
    deploy.active(name)
    got = client.get_function_configuration(FunctionName=name)
    assert got["Environment"] == {"Variables": {"SHAPE": "round"}} and got["MemorySize"] == 256
    answer = payload(client.invoke(FunctionName=name))
    assert answer["env"]["SHAPE"] == "round" and "COLOUR" not in answer["env"] and answer["memory"] == "256"


def test_update_configuration_validates(client, deploy):
    name = deploy.zip(ZIP, "python3.11")
    refused(client.update_function_configuration, "ValidationException", 400,
            PREFIX + "Value '10241' at 'memorySize' failed to satisfy constraint: Member must have value less than or "
            "equal to 10240", FunctionName=name, MemorySize=10241)
    refused(client.update_function_configuration, "ResourceNotFoundException", 404,
            f"Function not found: {arn('no-such-function')}", FunctionName="no-such-function", MemorySize=128)


# ---- versions ----


def test_versions_are_frozen_and_numbered(client, deploy):
    name = deploy.python("def handler(event, context): return context.function_version + ' one'\n")
    one = client.publish_version(FunctionName=name, Description="the first")
    assert (one["Version"], one["FunctionArn"], one["Description"]) == ("1", arn(name, 1), "the first")
    assert one["ResponseMetadata"]["HTTPStatusCode"] == 201
    again = client.publish_version(FunctionName=name)
    assert again["Version"] == "1", "nothing changed, so the same version comes back"
    client.update_function_code(FunctionName=name, ZipFile=make_zip(
        {"index.py": "def handler(event, context): return context.function_version + ' two'\n"}))
    deploy.active(name)
    two = client.publish_version(FunctionName=name)
    assert two["Version"] == "2"
    until(lambda: client.get_function_configuration(FunctionName=name, Qualifier="2")["State"] == "Active", "version 2")
    for qualifier, expected in (("1", "1 one"), ("2", "2 two"), ("$LATEST", "$LATEST two")):
        answer = client.invoke(FunctionName=name, Qualifier=qualifier)
        assert payload(answer) == expected
        assert answer["ExecutedVersion"] == qualifier
    assert payload(client.invoke(FunctionName=arn(name, 1))) == "1 one"
    client.delete_function(FunctionName=name, Qualifier="2")
    refused(client.get_function, "ResourceNotFoundException", 404, f"Function not found: {arn(name, 2)}",
            FunctionName=name, Qualifier="2")
    client.update_function_configuration(FunctionName=name, Description="changed")
    deploy.active(name)
    assert client.publish_version(FunctionName=name)["Version"] == "3", "numbers are never used again"


def test_publish_at_creation(client, deploy):
    name = deploy.name()
    got = create(client, name, Publish=True)
    assert got["Version"] == "1" and got["FunctionArn"] == arn(name, 1)
    deploy.active(name)
    versions = client.list_versions_by_function(FunctionName=name)["Versions"]
    assert [v["Version"] for v in versions] == ["$LATEST", "1"]
    assert [v["FunctionArn"] for v in versions] == [arn(name, "$LATEST"), arn(name, 1)]


def test_publish_guards_the_code(client, deploy):
    name = deploy.zip(ZIP, "python3.11")
    sha = client.get_function_configuration(FunctionName=name)["CodeSha256"]
    wrong = base64.b64encode(b"x" * 32).decode()
    refused(client.publish_version, "InvalidParameterValueException", 400,
            f"CodeSHA256 ({wrong}) is different from current CodeSHA256 in $LATEST ({sha}). Please try again with the "
            "CodeSHA256 in $LATEST.", FunctionName=name, CodeSha256=wrong)
    assert client.publish_version(FunctionName=name, CodeSha256=sha)["Version"] == "1"


def test_qualifier_given_twice_must_agree(client, deploy):
    name = deploy.zip(ZIP, "python3.11", Publish=True)
    refused(client.get_function, "InvalidParameterValueException", 400,
            "The derived qualifier from the function name does not match the specified qualifier.",
            FunctionName=f"{name}:1", Qualifier="$LATEST")


# ---- lists ----


def test_list_functions_pages(client, deploy):
    """Marker and MaxItems walk through every function exactly once; entries have no state members."""
    names = {create(client, deploy.name(f"page-{i}"))["FunctionName"] for i in range(7)}
    seen, marker, pages = [], None, 0
    while True:
        page = client.list_functions(MaxItems=3, **({"Marker": marker} if marker else {}))
        assert len(page["Functions"]) <= 3
        seen += page["Functions"]
        pages += 1
        marker = page.get("NextMarker")
        if not marker:
            break
        assert pages < 500
    found = [f["FunctionName"] for f in seen]
    assert len(found) == len(set(found)) and names <= set(found)
    assert pages >= 3
    assert not [k for f in seen for k in ("State", "StateReason", "LastUpdateStatus", "Tags") if k in f]
    assert {f["Version"] for f in seen} == {"$LATEST"}
    paginator = client.get_paginator("list_functions")
    assert names <= {f["FunctionName"] for page in paginator.paginate() for f in page["Functions"]}


def test_list_functions_with_all_versions(client, deploy):
    name = deploy.zip(ZIP, "python3.11", Publish=True)
    paginator = client.get_paginator("list_functions")
    found = [f["Version"] for page in paginator.paginate(FunctionVersion="ALL", PaginationConfig={"PageSize": 5})
             for f in page["Functions"] if f["FunctionName"] == name]
    assert sorted(found) == ["$LATEST", "1"]


def test_list_versions_pages(client, deploy):
    name = deploy.zip(ZIP, "python3.11")
    for number in range(1, 5):
        client.update_function_configuration(FunctionName=name, Description=str(number))
        deploy.active(name)
        assert client.publish_version(FunctionName=name)["Version"] == str(number)
    paginator = client.get_paginator("list_versions_by_function")
    pages = list(paginator.paginate(FunctionName=name, PaginationConfig={"PageSize": 2}))
    assert [v["Version"] for p in pages for v in p["Versions"]] == ["$LATEST", "1", "2", "3", "4"]
    assert max(len(p["Versions"]) for p in pages) == 2


def test_list_limits(client):
    refused(client.list_functions, "ValidationException", 400,
            PREFIX + "Value '0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or "
            "equal to 1", MaxItems=0)
    with pytest.raises(ClientError) as caught:
        client.list_functions(Marker="no marker of ours")
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"


# ---- invoke ----


@pytest.fixture(scope="module")
def echo(deploy_shared):
    return deploy_shared.zip(ZIP, "python3.11", MemorySize=192, Timeout=20)


def test_invoke_round_trip(client, echo):
    event = {"text": "grüße 🎉", "list": [1, 2.5, None, True], "nested": {"a": {"b": []}}}
    answer = client.invoke(FunctionName=echo, Payload=json.dumps(event))
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in answer and "LogResult" not in answer
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/json"
    got = payload(answer)
    assert got["event"] == event
    assert (got["name"], got["version"], got["arn"], got["memory"]) == (echo, "$LATEST", arn(echo), "192")
    assert got["id"] == answer["ResponseMetadata"]["RequestId"]
    assert 0 < got["left"] <= 20000
    assert got["env"]["AWS_LAMBDA_FUNCTION_NAME"] == echo
    assert got["env"]["AWS_REGION"] == REGION
    assert got["env"]["LAMBDA_TASK_ROOT"] == "/var/task"
    assert got["env"]["AWS_LAMBDA_LOG_GROUP_NAME"] == f"/aws/lambda/{echo}"


def test_invoked_arn_keeps_the_qualifier(client, echo):
    got = payload(client.invoke(FunctionName=echo, Qualifier="$LATEST"))
    assert got["arn"] == arn(echo, "$LATEST")


def test_payload_bytes_pass_untouched(client, deploy):
    """Numbers above 2^63 and odd spacing survive: the payload is checked, never rebuilt."""
    name = deploy.native('#include "runtime.h"\nstatic void handle(const char *e, size_t n) { respond(e, n); }\n')
    event = b' {"n" : 123456789012345678901234567890.12300 , "s":"\\u00e9\\/" ,"n":1}\n'
    assert client.invoke(FunctionName=name, Payload=event)["Payload"].read() == event


def test_empty_payload_becomes_an_empty_object(client, echo):
    assert payload(client.invoke(FunctionName=echo))["event"] == {}


def test_log_tail(client, deploy):
    name = deploy.python("def handler(event, context):\n    print('one line')\n    return 1\n", MemorySize=256)
    answer = client.invoke(FunctionName=name, LogType="Tail")
    log = base64.b64decode(answer["LogResult"]).decode()
    request_id = answer["ResponseMetadata"]["RequestId"]
    lines = log.splitlines()
    assert f"START RequestId: {request_id} Version: $LATEST" in lines
    assert "one line" in lines
    assert f"END RequestId: {request_id}" in lines
    number = r"\d+\.\d\d ms"
    assert re.search(rf"^REPORT RequestId: {request_id}\tDuration: {number}\tBilled Duration: \d+ ms\tMemory Size: 256 MB"
                     rf"\tMax Memory Used: \d+ MB\tInit Duration: {number}\t$", log, re.M), log
    warm = base64.b64decode(client.invoke(FunctionName=name, LogType="Tail")["LogResult"]).decode()
    assert "REPORT" in warm and "Init Duration" not in warm


def test_log_tail_is_the_last_4_kb(client, deploy):
    name = deploy.python("def handler(event, context):\n    for i in range(500): print(f'line {i:06d}')\n")
    log = base64.b64decode(client.invoke(FunctionName=name, LogType="Tail")["LogResult"])
    assert len(log) == 4096
    assert b"line 000499" in log and b"line 000000" not in log and b"REPORT" in log


def test_dry_run_runs_nothing(client, deploy):
    name = deploy.python("def handler(event, context): raise Exception('ran')\n")
    answer = client.invoke(FunctionName=name, InvocationType="DryRun", LogType="Tail")
    assert answer["StatusCode"] == 204 and answer["Payload"].read() == b""
    assert "FunctionError" not in answer
    refused(client.invoke, "ResourceNotFoundException", 404, f"Function not found: {arn('no-such-function')}",
            FunctionName="no-such-function", InvocationType="DryRun")


def test_client_context_reaches_the_handler(client, echo):
    context = {"custom": {"k": "v"}, "env": {"locale": "de"}, "client": {"app_title": "t"}}
    got = payload(client.invoke(FunctionName=echo, ClientContext=base64.b64encode(json.dumps(context).encode()).decode()))
    assert got["custom"] == {"k": "v"} and got["locale"] == "de"


def test_bad_client_context(client, echo):
    refused(client.invoke, "InvalidRequestContentException", 400,
            "Client context must be a valid Base64-encoded JSON object.", FunctionName=echo, ClientContext="%%%")


@pytest.mark.parametrize("body", [b"{", b"not json", b'{"a":1}}', b"[1,]", b'"\xff"'])
def test_payload_that_is_not_json(client, echo, body):
    refused(client.invoke, "InvalidRequestContentException", 400,
            re.compile("^Could not parse request body into json: Could not parse payload into json: "),
            FunctionName=echo, Payload=body)


def test_payload_limit(client, daemon, echo):
    """6,291,456 bytes are accepted, one more is refused with AWS's words, and nothing runs."""
    limit = 6291456
    name_only = b'"' + b"x" * (limit - 2) + b'"'
    answer = client.invoke(FunctionName=echo, Payload=name_only)
    # The echo of it, wrapped, is larger than an answer may be: that the function said so proves that it ran.
    assert payload(answer)["errorType"] == "Function.ResponseSizeTooLarge"
    refused(client.invoke, "RequestTooLargeException", 413,
            f"{limit + 1} byte payload is too large for the RequestResponse invocation type (limit {limit} bytes)",
            FunctionName=echo, Payload=name_only + b" ")


def test_invocation_type_is_checked(client, echo):
    answer = refused(client.invoke, "ValidationException", 400, re.compile("invocationType"),
                     FunctionName=echo, InvocationType="Later")
    assert "Value 'Later' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [" in \
        answer["Error"]["Message"]


def test_request_id_is_taken_from_the_caller(daemon, echo):
    mine = str(uuid.uuid4())
    answer = request(daemon.port, "POST", f"/2015-03-31/functions/{echo}/invocations", b"{}", {"x-amzn-RequestId": mine})
    assert answer.headers["x-amzn-RequestId"] == mine and answer.json["id"] == mine


def test_trace_header_comes_back(daemon, echo):
    root = "1-5759e988-bd862e3fe1be46a994272793"
    answer = request(daemon.port, "POST", f"/2015-03-31/functions/{echo}/invocations", b"{}",
                     {"X-Amzn-Trace-Id": f"Root={root};Parent=53995c3f42cd8ad8;Sampled=1"})
    assert f"Root={root}" in answer.headers["X-Amzn-Trace-Id"]
    fresh = request(daemon.port, "POST", f"/2015-03-31/functions/{echo}/invocations", b"{}")
    assert re.search(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", fresh.headers["X-Amzn-Trace-Id"])


# ---- delete ----


def test_delete(client, deploy):
    name = deploy.zip(ZIP, "python3.11", Publish=True)
    refused(client.delete_function, "InvalidParameterValueException", 400,
            "$LATEST version cannot be deleted without deleting the function.", FunctionName=name, Qualifier="$LATEST")
    assert client.delete_function(FunctionName=name)["ResponseMetadata"]["HTTPStatusCode"] == 204
    for more in ({}, {"Qualifier": "1"}):
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.get_function(FunctionName=name, **more)
    create(client, name)
    deploy.active(name)
    assert client.publish_version(FunctionName=name)["Version"] == "1", "a new function counts from one"


def test_region_is_the_credential_scope(daemon, deploy):
    """Each region is a world of its own: the scope of the signature decides."""
    import boto3
    other = boto3.client("lambda", endpoint_url=daemon.url, region_name="eu-central-1")
    name = deploy.zip(ZIP, "python3.11")
    with pytest.raises(other.exceptions.ResourceNotFoundException) as caught:
        other.get_function(FunctionName=name)
    assert f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:{name}" in str(caught.value)
