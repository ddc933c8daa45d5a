"""Plays lambentd for one bootstrap: a socketpair with frames, the framed log pipe, a stdout pipe. The
bootstrap runs without a sandbox, on files in a temporary folder."""

import json
import os
import select
import socket
import struct
import subprocess
import threading
import time

INVOKE, NEXT, RESPONSE, ERROR, INIT_ERROR, ASSIGN, PREPARED = range(1, 8)
RESPONSE_MAX = 6 * 1024 * 1024 + 100
WAIT_S = 30  # for anything; reached only by a broken bootstrap

RUNTIMES = os.path.abspath(
    os.environ.get("LAMBENT_RUNTIMES")
    or os.path.join(os.path.dirname(__file__), "../../../runtimes")
)


def interpreters(names, variable):
    """The installed ones, and those that the variable lists (separated by colons)."""
    found = []
    for name in names:
        path = os.path.realpath("/usr/bin/" + name)
        if os.path.exists(path) and path not in found:
            found.append(path)
    found += [p for p in os.environ.get(variable, "").split(":") if p]
    return found


def frame(kind, body):
    return struct.pack("<IB3x", len(body), kind) + body


def field(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<I", len(data)) + data


class Answer:
    def __init__(self, kind, body):
        self.kind = kind
        if kind in (RESPONSE, ERROR):
            self.id, body = self.take(body)
        if kind in (RESPONSE, ERROR, INIT_ERROR):
            self.type, body = self.take(body)  # content type, or the error's
        self.body = body

    @staticmethod
    def take(body):
        (length,) = struct.unpack_from("<I", body)
        assert length <= len(body) - 4
        return body[4 : 4 + length].decode(), body[4 + length :]

    @property
    def json(self):
        return json.loads(self.body)


class Record:
    """One frame of the log pipe."""

    def __init__(self, kind, stamp_us, text):
        self.kind, self.stamp_us, self.text = kind, stamp_us, text

    def __repr__(self):
        return "{:08x} {!r}".format(self.kind, self.text)


EARLY = ("PATH", "LANG", "TZ", "LAMBDA_TASK_ROOT")


def env_early(env):
    """What the daemon never gives a generic start a function for: read when an interpreter starts."""
    return [k for k in env if k.startswith(("PYTHON", "NODE_"))]


class Runtime:
    def __init__(self, argv, task, env, framed_log=True, generic=False):
        ours, theirs = socket.socketpair()
        out_read, out_write = os.pipe()
        environ = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": ":UTC"}
        environ.update(
            AWS_LAMBDA_FUNCTION_NAME="hello",
            AWS_LAMBDA_FUNCTION_VERSION="$LATEST",
            AWS_LAMBDA_FUNCTION_MEMORY_SIZE="128",
            AWS_LAMBDA_LOG_GROUP_NAME="/aws/lambda/hello",
            AWS_LAMBDA_LOG_STREAM_NAME="2026/11/21/[$LATEST]00",
            AWS_LAMBDA_LOG_FORMAT="Text",
            LAMBDA_TASK_ROOT=str(task),
        )
        fds = [theirs.fileno()]
        self.log_read = None
        if framed_log:
            self.log_read, log_write = os.pipe()
            environ["_LAMBDA_TELEMETRY_LOG_FD"] = str(log_write)
            fds.append(log_write)
        environ.update(env)
        self.environ = environ
        self.sock = ours
        self.sock.settimeout(WAIT_S)
        self.held = b""
        # A generic one is told all of it later, and its folder was empty when it started.
        first = {k: v for k, v in environ.items() if not generic or k in EARLY or k in env_early(env)}
        self.process = subprocess.Popen(
            argv + [str(theirs.fileno())] + (["wait"] if generic else []),
            cwd="/" if generic else str(task),
            env=first,
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
            stdout=out_write,
            stderr=out_write,
        )
        theirs.close()
        os.close(out_write)
        self.pipes = {"out": self._drain(out_read)}
        if framed_log:
            os.close(log_write)
            self.pipes["log"] = self._drain(self.log_read)

        if generic:
            answer = self.recv()
            assert answer and answer.kind == PREPARED and answer.body == b""
            body = b"".join(field(k + "=" + v) for k, v in environ.items())
            self.sock.sendall(frame(ASSIGN, body))

    @staticmethod
    def _drain(fd):
        """Read a pipe to its end on a thread: the bootstrap must never wait for us."""
        chunks = []

        def run():
            while True:
                data = os.read(fd, 65536)
                if not data:
                    break
                chunks.append(data)
            os.close(fd)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread, chunks

    def recv(self):
        """The next frame, or None at the end of the stream."""
        while True:
            if len(self.held) >= 8:
                length, kind = struct.unpack_from("<IB", self.held)
                if len(self.held) >= 8 + length:
                    body, self.held = self.held[8 : 8 + length], self.held[8 + length :]
                    return Answer(kind, body)
            try:
                data = self.sock.recv(1 << 20)
            except ConnectionResetError:
                return None
            if not data:
                assert not self.held
                return None
            self.held += data

    def ready(self):
        answer = self.recv()
        assert answer and answer.kind == NEXT, answer and (answer.kind, answer.body)
        return self

    def init_error(self):
        answer = self.recv()
        assert answer.kind == INIT_ERROR
        return answer

    def send(
        self,
        event=b"{}",
        id="8f5e6ad2-0000-4000-8000-000000000001",
        arn="arn:aws:lambda:us-east-1:000000000000:function:hello",
        trace="",
        client_context="",
        identity="",
        tenant="",
        deadline_ms=None,
        pieces=None,
    ):
        if not isinstance(event, bytes):
            event = json.dumps(event).encode()
        if deadline_ms is None:
            deadline_ms = int(time.time() * 1000) + 3000
        body = struct.pack("<Q", deadline_ms)
        for text in (id, arn, trace, client_context, identity, tenant):
            body += field(text)
        data = frame(INVOKE, body + event)
        for at in range(0, len(data), pieces or len(data)):
            self.sock.sendall(data[at : at + (pieces or len(data))])

    def invoke(self, event=b"{}", **more):
        """Its answer; the NEXT behind it is taken too."""
        self.send(event, **more)
        answer = self.recv()
        if answer is not None:
            self.ready()
        return answer

    def stop(self):
        """Close the socket; returns the exit code when everything was read."""
        self.sock.close()
        return self.wait()

    def wait(self):
        code = self.process.wait(WAIT_S)
        for thread, _ in self.pipes.values():
            thread.join(WAIT_S)
        return code

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(WAIT_S)
        self.sock.close()

    def pending(self):
        """Is anything there to be received, right now?"""
        return bool(self.held) or bool(select.select([self.sock], [], [], 0)[0])

    @property
    def out(self):
        return b"".join(self.pipes["out"][1]).decode()

    @property
    def log(self):
        """The log pipe's frames; complete after wait()."""
        data, records = b"".join(self.pipes["log"][1]), []
        while data:
            kind, length, stamp = struct.unpack_from(">IIQ", data)
            assert kind >> 16 == 0xA55A and len(data) >= 16 + length
            assert abs(stamp / 1e6 - time.time()) < 300
            records.append(Record(kind, stamp, data[16 : 16 + length].decode()))
            data = data[16 + length :]
        return records


def write_files(folder, files):
    for name, text in files.items():
        path = os.path.join(str(folder), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
