"""What a local client, or a web page that a local browser shows, must not be able to do over the API."""

import json

import pytest
from conftest import FUNCTIONS
from lambentlib import request


def test_paths_lead_to_no_files(fn, daemon):
    for path in ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", f"{FUNCTIONS}/..%2f..%2fetc%2fpasswd",
                 f"{FUNCTIONS}/%00"]:
        reply = request(daemon.port, "GET", path)
        assert reply.status in (400, 403, 404), reply
        assert b"root:" not in reply.body


@pytest.mark.parametrize("headers", [
    {"Origin": "https://evil.example"},  # any page may POST text/plain to us without asking first
    {"Origin": "null"},
    {"Origin": "http://"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Host": "evil.example:4566"},  # DNS rebinding
    {"Host": "evil.example:4566", "Origin": "http://evil.example:4566"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "localhost.evil.example"},
], ids=str)
def test_web_pages_are_refused(fn, daemon, headers):
    name = fn.attacker()
    for method, path, body in [("GET", FUNCTIONS, None), ("POST", f"{FUNCTIONS}/{name}/invocations", '"core"'),
                               ("POST", FUNCTIONS, json.dumps({"FunctionName": "x"}))]:
        reply = request(daemon.port, method, path, body, {"Content-Type": "text/plain", **headers})
        assert (reply.status, reply.error) == (403, "AccessDeniedException"), reply


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:4566", "[::1]:4566", "lambent:4566", "x.localhost",
                                  "lambda.us-east-1.amazonaws.com", "host.docker.internal:4566"])
def test_ones_own_names_are_served(fn, daemon, host):
    assert request(daemon.port, "GET", FUNCTIONS, None, {"Host": host}).status == 200
    assert request(daemon.port, "GET", FUNCTIONS, None, {"Host": host, "Origin": f"http://{host}"}).status == 200
