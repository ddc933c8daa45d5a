"""Function logs: framing, groups and streams, and that they outlive the daemon."""

import json
import re
import threading

import pytest

from conftest import Deploy, make_client
from lambentlib import Daemon, make_zip, until


def invoke(client, name, event=None):
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event))
    assert "FunctionError" not in answer, answer["Payload"].read()
    return answer["ResponseMetadata"]["RequestId"], json.loads(answer["Payload"].read() or b"null")


def messages(logs, name, contains):
    """All messages of the function's group, once one of them has `contains`."""
    def ask():
        try:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
            events = [event for page in pages for event in page["events"]]
        except logs.exceptions.ResourceNotFoundException:
            return None
        found = [e["message"] for e in events]
        return found if any(contains in m for m in found) else None

    return until(ask, f"a log line with {contains!r}")


def test_one_invocation(client, logs, deploy):
    """stdout and stderr, line by line, between START and END, in order, in one stream named as AWS does."""
    name = deploy.python(
        "import sys\n"
        "print('at import')\n"
        "def handler(event, context):\n"
        "    print('to stdout'); sys.stdout.flush()\n"
        "    print('to stderr', file=sys.stderr); sys.stderr.flush()\n"
        "    return context.log_stream_name\n")
    request_id, stream = invoke(client, name)
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream)
    lines = [m.rstrip("\n") for m in messages(logs, name, f"REPORT RequestId: {request_id}")]
    order = ["at import", f"START RequestId: {request_id} Version: $LATEST", "to stdout", "to stderr", f"END RequestId: {request_id}"]
    at = [lines.index(line) for line in order]
    assert at == sorted(at)
    assert lines[0].startswith("INIT_START Runtime Version: python:3.")
    streams = logs.describe_log_streams(logGroupName=f"/aws/lambda/{name}")["logStreams"]
    assert [s["logStreamName"] for s in streams] == [stream]
    events = logs.get_log_events(logGroupName=f"/aws/lambda/{name}", logStreamName=stream, startFromHead=True)["events"]
    assert [e["message"].rstrip("\n") for e in events] == lines
    assert sorted(e["timestamp"] for e in events) == [e["timestamp"] for e in events]


def test_python_logging_has_level_time_and_request(client, logs, deploy):
    name = deploy.python(
        "import logging\n"
        "def handler(event, context):\n"
        "    logging.getLogger().setLevel('INFO')\n"
        "    logging.getLogger('x').warning('two\\nlines')\n")
    request_id, _ = invoke(client, name)
    found = [m for m in messages(logs, name, "REPORT") if m.startswith("[WARNING]")]
    assert len(found) == 1, "a record with a newline stays one event"
    assert re.fullmatch(rf"\[WARNING\]\t\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z\t{request_id}\ttwo\nlines\n?", found[0])


def test_node_console(client, logs, deploy):
    name = deploy.node("exports.handler = async () => { console.log('one'); console.error('two %d', 2); };\n")
    request_id, _ = invoke(client, name)
    lines = [m.rstrip("\n") for m in messages(logs, name, "REPORT")]
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert [m for m in lines if re.fullmatch(rf"{stamp}\t{request_id}\tINFO\tone", m)], lines
    assert [m for m in lines if re.fullmatch(rf"{stamp}\t{request_id}\tERROR\ttwo 2", m)], lines


def test_every_concurrent_environment_has_its_stream(client, logs, deploy):
    """Two requests at once are two environments, and each writes a stream of its own."""
    name = deploy.python(
        "import time, os\n"
        "def handler(event, context):\n"
        "    end = time.monotonic() + 1.0\n"
        "    while time.monotonic() < end: pass\n"
        "    return context.log_stream_name\n")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(invoke(client, name))) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len({stream for _, stream in answers}) == 2
    for request_id, stream in answers:
        messages(logs, name, f"REPORT RequestId: {request_id}")
        mine = logs.get_log_events(logGroupName=f"/aws/lambda/{name}", logStreamName=stream, startFromHead=True)["events"]
        assert sum(e["message"].startswith("START ") for e in mine) == 1


def test_long_and_odd_lines(client, logs, deploy):
    """No newline at the end, bytes that are no UTF-8, and a line of 300,000 characters: nothing is lost."""
    name = deploy.native(
        '#include "runtime.h"\n'
        "static void handle(const char *event, size_t len) {\n"
        "    char *long_line = malloc(300001);\n"
        "    memset(long_line, 'y', 300000); long_line[300000] = '\\n';\n"
        "    (void)!write(1, long_line, 300001);\n"
        "    (void)!write(2, \"odd \\xff\\xfe bytes\\n\", 13);\n"
        "    (void)!write(1, \"no newline\", 10);\n"
        '    respond("1", 1);\n'
        "}\n")
    invoke(client, name)
    found = messages(logs, name, "REPORT")
    assert sum(m.count("y") for m in found if set(m.rstrip("\n")) == {"y"}) == 300000
    assert max(len(m.encode()) for m in found) <= 256 * 1024
    assert any(m.startswith("odd ") and m.rstrip("\n").endswith(" bytes") for m in found)
    assert any(m.rstrip("\n") == "no newline" for m in found)


def test_a_flood_is_bounded(client, logs, deploy):
    """50 MB of output neither stops the function nor the daemon; what was dropped is bounded by the buffer."""
    name = deploy.python(
        "def handler(event, context):\n"
        "    line = 'z' * 1000\n"
        "    for _ in range(50_000): print(line)\n"
        "    return 'done'\n", Timeout=60, MemorySize=256)
    assert invoke(client, name)[1] == "done"
    messages(logs, name, "REPORT")


def test_unknown_group(logs):
    with pytest.raises(logs.exceptions.ResourceNotFoundException) as caught:
        logs.filter_log_events(logGroupName="/aws/lambda/never-there")
    assert caught.value.response["Error"]["Message"] == "The specified log group does not exist."


def test_retention(logs, client, deploy):
    name = deploy.python("def handler(e, c): print('x')\n")
    invoke(client, name)
    messages(logs, name, "REPORT")
    group = f"/aws/lambda/{name}"
    logs.put_retention_policy(logGroupName=group, retentionInDays=7)
    found = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert [(g["logGroupName"], g["retentionInDays"]) for g in found] == [(group, 7)]
    logs.delete_log_group(logGroupName=group)
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []


def test_logs_survive_a_restart():
    daemon = Daemon().start()
    try:
        deploy = Deploy(make_client(daemon))
        name = deploy.zip(make_zip({"index.py": "def handler(e, c): print('before the restart')\n"}), "python3.11")
        invoke(deploy.client, name)
        messages(make_client(daemon, "logs"), name, "REPORT")
        assert daemon.stop() == 0
        daemon.start()
        found = messages(make_client(daemon, "logs"), name, "before the restart")
        assert any(m.startswith("REPORT ") for m in found)
        assert daemon.stop() == 0
    finally:
        daemon.remove()
