"""A daemon that is none: just enough of the AWS API to hold the command line against.

It keeps functions in memory, goes through Pending and InProgress for a number of looks, and can be
told to misbehave by attributes. Every request is recorded in `requests`.
"""

import base64
import hashlib
import io
import json
import re
import threading
import time
import uuid
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

ARN = "arn:aws:lambda:{}:000000000000:function:{}"


class Failure(Exception):
    def __init__(self, status, code, message, member="Message"):
        super().__init__(message)
        self.status, self.code, self.message, self.member = status, code, message, member


class FakeApi:
    def __init__(self):
        self.functions = {}  # name: {"config", "versions", "zip"}
        self.events = {}  # group: [event]
        self.requests = []  # (method, path, query, headers, body)
        self.looks = 2  # so often is a function Pending before it is Active
        self.reply = None  # what an invocation gives: (payload bytes, headers)
        self.page = 50
        self.fail = {}  # operation: Failure
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            server_version = "fake"

            def log_message(self, *args):
                pass

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                url = urlsplit(self.path)
                query = {k: v[0] for k, v in parse_qs(url.query).items()}
                outer.requests.append((self.command, url.path, query, dict(self.headers), body))
                try:
                    with outer.lock:
                        status, headers, out = outer.handle(
                            self.command, url.path, query, self.headers, body
                        )
                except Failure as f:
                    status = f.status
                    if self.headers.get("X-Amz-Target"):
                        headers, doc = {}, {"__type": "com.amazonaws#" + f.code}
                    else:
                        headers, doc = {"x-amzn-ErrorType": f.code + ":x"}, {"Type": "User"}
                    doc[f.member] = f.message
                    out = json.dumps(doc).encode()
                self.send_response(status)
                self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(out)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(out)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def log(self, group, message, timestamp=None):
        event = {
            "logStreamName": "2026/11/21/[$LATEST]0",
            "timestamp": int(time.time() * 1000) if timestamp is None else timestamp,
            "message": message,
            "ingestionTime": 0,
            "eventId": str(uuid.uuid4()),
        }
        with self.lock:
            self.events.setdefault(group, []).append(event)
            self.events[group].sort(key=lambda e: e["timestamp"])

    def operations(self):
        """What was asked for, short: 'PUT code'."""
        return [
            m + " " + (p.rsplit("/", 1)[1] or h.get("X-Amz-Target", "").rsplit(".", 1)[-1])
            for m, p, _, h, _ in self.requests
        ]

    # ---- the operations ----

    def handle(self, method, path, query, headers, body):
        auth = headers.get("Authorization", "")
        scope = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/([a-z0-9-]+)/(lambda|logs)/aws4_request, "
            r"SignedHeaders=host;x-amz-date, Signature=[0-9a-f]{64}",
            auth,
        )
        if not scope:
            raise Failure(403, "IncompleteSignatureException", "bad header: " + auth, "message")
        region = scope.group(1)
        if headers.get("X-Amz-Target"):
            operation = headers["X-Amz-Target"].split(".")[1]
            if operation in self.fail:
                raise self.fail[operation]
            return 200, {}, json.dumps(self.logs(operation, json.loads(body))).encode()
        parts = [unquote(p) for p in path.split("/")[1:]]
        assert parts[:2] == ["2015-03-31", "functions"], path
        name = parts[2] if len(parts) > 2 else None
        tail = parts[3] if len(parts) > 3 else ""
        operation = method + " " + tail
        if operation in self.fail:
            raise self.fail[operation]
        doc = json.loads(body) if body and tail != "invocations" else {}
        if name is None and method == "GET":
            return 200, {}, self.list_functions(query)
        if name is None:
            return 201, {}, json.dumps(self.create(doc, region)).encode()
        name = name.split(":")[-1] if name.startswith("arn:") else name.split(":")[0]
        function = self.functions.get(name)
        if function is None:
            raise Failure(
                404, "ResourceNotFoundException", "Function not found: " + ARN.format(region, name)
            )
        if operation == "GET configuration":
            return 200, {}, json.dumps(self.look(function)).encode()
        if operation == "GET versions":
            versions = [function["config"]] + function["versions"]
            return 200, {}, json.dumps({"Versions": versions}).encode()
        if operation == "DELETE ":
            del self.functions[name]
            return 204, {}, b""
        if operation == "PUT code":
            self.set_code(function, doc)
        elif operation == "PUT configuration":
            function["config"].update(doc)
        elif operation == "POST versions":
            version = dict(function["config"], Version=str(len(function["versions"]) + 1))
            version["FunctionArn"] += ":" + version["Version"]
            function["versions"].append(version)
            return 201, {}, json.dumps(version).encode()
        elif operation == "POST invocations":
            return self.invoke(headers, body)
        else:
            raise Failure(404, "UnknownOperationException", "")
        function["config"]["LastUpdateStatus"] = "InProgress"
        function["looks"] = self.looks
        return 200, {}, json.dumps(function["config"]).encode()

    def set_code(self, function, code):
        data = base64.b64decode(code["ZipFile"], validate=True)
        zipfile.ZipFile(io.BytesIO(data)).testzip()
        function["zip"] = data
        function["config"]["CodeSize"] = len(data)
        digest = hashlib.sha256(data).digest()
        function["config"]["CodeSha256"] = base64.b64encode(digest).decode()

    def create(self, doc, region):
        name = doc["FunctionName"]
        if name in self.functions:
            raise Failure(409, "ResourceConflictException", "Function already exist", "message")
        config = {k: v for k, v in doc.items() if k not in ("Code", "Publish")}
        config.setdefault("MemorySize", 128)
        config.setdefault("Timeout", 3)
        config.setdefault("Description", "")
        config.update(
            FunctionArn=ARN.format(region, name),
            Version="$LATEST",
            State="Pending",
            LastModified="2026-11-21T10:00:00.000+0000",
            LoggingConfig={"LogFormat": "Text", "LogGroup": "/aws/lambda/" + name},
        )
        function = {"config": config, "versions": [], "looks": self.looks, "zip": b""}
        self.set_code(function, doc["Code"])
        self.functions[name] = function
        return config

    def look(self, function):
        config = function["config"]
        if function["looks"] > 0:
            function["looks"] -= 1
        elif config.get("State") != "Failed":
            config["State"] = "Active"
            if config.get("LastUpdateStatus") != "Failed":
                config["LastUpdateStatus"] = "Successful"
        return config

    def list_functions(self, query):
        names = list(self.functions)
        start = int(query.get("Marker", 0))
        hidden = ("State", "LastUpdateStatus")
        out = {
            "Functions": [
                {k: v for k, v in self.functions[n]["config"].items() if k not in hidden}
                for n in names[start : start + self.page]
            ]
        }
        if start + self.page < len(names):
            out["NextMarker"] = str(start + self.page)
        return json.dumps(out).encode()

    def invoke(self, headers, body):
        kind = headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if kind != "RequestResponse":
            return (202 if kind == "Event" else 204), {}, b""
        json.loads(body)
        payload, extra = self.reply if self.reply else (body, {})
        extra = dict({"X-Amz-Executed-Version": "$LATEST"}, **extra)
        if headers.get("X-Amz-Log-Type") == "Tail":
            tail = "START RequestId: 1\nhello from inside\nEND RequestId: 1\nREPORT RequestId: 1\n"
            extra["X-Amz-Log-Result"] = base64.b64encode(tail.encode()).decode()
        return 200, extra, payload

    def logs(self, operation, doc):
        if operation == "DescribeLogGroups":
            prefix = doc.get("logGroupNamePrefix", "")
            return {"logGroups": [{"logGroupName": g} for g in self.events if g.startswith(prefix)]}
        assert operation == "FilterLogEvents", operation
        group = doc["logGroupName"]
        if group not in self.events:
            raise Failure(
                400, "ResourceNotFoundException", "The specified log group does not exist.",
                "message",
            )
        pattern = doc.get("filterPattern", "").strip('"').replace('\\"', '"')
        found = [
            e
            for e in self.events[group]
            if e["timestamp"] >= doc.get("startTime", 0) and pattern in e["message"]
        ]
        start = int(doc.get("nextToken", 0))
        out = {"events": found[start : start + self.page]}
        if start + self.page < len(found):
            out["nextToken"] = str(start + self.page)
        return out
