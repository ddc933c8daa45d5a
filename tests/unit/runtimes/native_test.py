"""examples/hello-native, against a Runtime API played over a raw socket: one connection, answers cut
anywhere, large and chunked events."""

import os
import shutil
import socket
import subprocess

import pytest

SOURCE = os.path.join(os.path.dirname(__file__), "../../../examples/hello-native/bootstrap.c")
WAIT_S = 30
NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n"
OK = b'HTTP/1.1 202 Accepted\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    cc = shutil.which("cc") or pytest.skip("no C compiler")
    out = str(tmp_path_factory.mktemp("native") / "bootstrap")
    sanitize = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run([cc, "-Wall", "-Wextra", "-Werror", *sanitize, "-o", out, SOURCE], check=True)
    return out


class Api:
    def __init__(self, program):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(WAIT_S)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.process = subprocess.Popen([program], env={"AWS_LAMBDA_RUNTIME_API": self.address})
        self.conn, _ = self.listener.accept()
        self.conn.settimeout(WAIT_S)
        self.held = b""

    def until(self, mark):
        while mark not in self.held:
            data = self.conn.recv(65536)
            assert data
            self.held += data
        part, self.held = self.held.split(mark, 1)
        return part + mark

    def expect_next(self):
        head = self.until(b"\r\n\r\n")
        assert head == NEXT + b"Host: " + self.address.encode() + b"\r\n\r\n"

    def expect_response(self, id):
        head = self.until(b"\r\n\r\n").decode()
        assert head.startswith("POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\n" % id)
        length = int(head.split("Content-Length: ")[1].split("\r\n")[0])
        while len(self.held) < length:
            data = self.conn.recv(65536)
            assert data
            self.held += data
        body, self.held = self.held[:length], self.held[length:]
        return body

    def event(self, id, body, pieces=None, chunks=None):
        head = "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: %s\r\nX-Other: a:b\r\n" % id
        if chunks:
            text = b"".join(
                b"%x;ext=1\r\n%s\r\n" % (len(body[at : at + chunks]), body[at : at + chunks])
                for at in range(0, len(body), chunks)
            )
            data = head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + text + b"0\r\nT: x\r\n\r\n"
        else:
            data = head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body
        for at in range(0, len(data), pieces or len(data)):
            self.conn.sendall(data[at : at + (pieces or len(data))])

    def stop(self):
        self.conn.close()
        self.listener.close()
        return self.process.wait(WAIT_S)


@pytest.fixture
def api(program):
    api = Api(program)
    yield api
    if api.process.poll() is None:
        api.process.kill()
        api.process.wait(WAIT_S)


@pytest.mark.parametrize(
    "size, how",
    [
        (2, {}),
        (0, {}),
        (5, {"pieces": 1}),
        (100000, {}),
        (6 * 1024 * 1024, {"pieces": 100001}),
        (5, {"chunks": 2, "pieces": 1}),
        (100000, {"chunks": 999}),
    ],
)
def test_event_and_answer(api, size, how):
    for n in range(3):
        api.expect_next()
        body = b"1" * size
        api.event("id-%d" % n, body, **how)
        assert api.expect_response("id-%d" % n) == b'{"hello":' + body + b"}"
        api.conn.sendall(OK)
    assert api.stop() == 0


def test_refused_answer_and_next_event_in_one_go(api):
    api.expect_next()
    api.event("a", b"1")
    api.expect_response("a")
    api.expect_next()
    api.conn.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno\n")
    api.event("b", b"2")
    assert api.expect_response("b") == b'{"hello":2}'


def test_refused_next_ends_it(api):
    api.expect_next()
    api.conn.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    assert api.process.wait(WAIT_S) == 1
