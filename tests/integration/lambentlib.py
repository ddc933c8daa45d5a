"""What the integration tests stand on, without pytest: daemons, raw HTTP, zips, leftovers.

Nothing here sleeps for a guessed time. Processes are awaited by pidfd, sockets by select, and what
can only be asked for (a function's state, a log line) is asked again until a deadline.
"""

import contextlib
import fcntl
import http.client
import io
import json
import os
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("LAMBENT_BUILD", ROOT / "build"))
NPM = Path(os.environ.get("LAMBENT_NPM", BUILD / "npm"))
LAMBENTD = BUILD / "src" / "daemon" / "lambentd"
LAMBENT = BUILD / "src" / "cli" / "lambent"

ACCOUNT = "000000000000"
REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/test"
# Sanitizers make everything slower; deadlines stretch, expectations don't.
SLOW = 4 if "asan" in BUILD.name else 1


def arn(name, qualifier=None):
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}" + (f":{qualifier}" if qualifier else "")


def until(ask, what, timeout=15):
    """Ask until the answer is true, and return it. The deadline is the only clock."""
    deadline = time.monotonic() + timeout * SLOW
    pause = threading.Event()
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout * SLOW} s: {what} (last answer: {answer!r})")
        pause.wait(0.02)  # between two questions; nothing depends on its length


# ---- processes ----


def process_table():
    """{pid: (parent, start time, name)} of every process."""
    table = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            text = Path(f"/proc/{entry}/stat").read_text()
        except OSError:
            continue  # gone in between
        name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
        if rest[0] in "ZX":
            continue  # dead, only not yet waited for
        table[int(entry)] = (int(rest[1]), rest[19], name)
    return table


def descendants(pid):
    """The processes beneath `pid`, itself not included: {pid: start time}. A process is itself only
    together with its start time, as numbers are used again."""
    table = process_table()
    found, todo = {}, [pid]
    while todo:
        parent = todo.pop()
        for child, (its_parent, start, _) in table.items():
            if its_parent == parent and child not in found:
                found[child] = start
                todo.append(child)
    return found


def still_alive(processes):
    table = process_table()
    return {p: table[p][2] for p, start in processes.items() if p in table and table[p][1] == start}


def cgroup_dirs():
    """Every control group of Lambent's on this machine, of whichever instance."""
    found = set()
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        found.update(os.path.join(folder, n) for n in names if n.startswith("lambent-"))
    return found


class Daemon:
    """One lambentd with a data folder of its own; may be killed and started again."""

    def __init__(self, *flags, work=None, program=LAMBENTD):
        self.flags = list(flags)
        self.program = program
        self.work = Path(work or tempfile.mkdtemp(prefix="lambent-test-"))
        os.chmod(self.work, 0o755)  # the daemon's user must get through to its data folder
        self.data = self.work / "data"
        self.log = self.work / "lambentd.log"
        self.process = None
        self.port = None

    def environment(self):
        """An installed daemon finds its parts beside itself; one in a build folder may lie anywhere."""
        parts = {} if self.program != LAMBENTD else {"LAMBENT_RUNTIMES_DIR": str(ROOT / "runtimes")}
        return {**os.environ, **parts}

    def spawn(self, ready_fd):
        with open(self.log, "ab") as log:
            return subprocess.Popen(
                [self.program, "--data-dir", self.data, "--listen", "127.0.0.1:0", "--ready-fd", str(ready_fd),
                 *self.flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[ready_fd], cwd="/",
                start_new_session=True, env=self.environment(),
            )

    def start(self, timeout=30):
        ready, write = os.pipe()
        self.process = self.spawn(write)
        os.close(write)
        line = b""
        deadline = time.monotonic() + timeout * SLOW
        try:
            while not line.endswith(b"\n"):
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([ready], [], [], left)[0]:
                    raise AssertionError(f"lambentd not ready within {timeout * SLOW} s\n{self.tail()}")
                piece = os.read(ready, 4096)
                if not piece:
                    self.process.wait(10)
                    raise AssertionError(f"lambentd ended with {self.process.returncode}\n{self.tail()}")
                line += piece
        except AssertionError:
            self.remove()
            raise
        finally:
            os.close(ready)
        self.port = int(re.search(rb":(\d+)", line)[1])
        return self

    @property
    def pid(self):
        return self.process.pid

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def tail(self, lines=60):
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, timeout=40):
        """Ask for a graceful stop; returns the exit status."""
        if self.alive():
            self.process.terminate()
        try:
            return self.process.wait(timeout * SLOW)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"lambentd did not stop\n{self.tail()}") from None

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.process.wait()

    def remove(self):
        if self.process and self.alive():
            self.kill()
        shutil.rmtree(self.work, ignore_errors=True)

    def problems(self):
        """What no test may provoke: sanitizer reports, panics, asserts."""
        return [
            line
            for line in self.log.read_text(errors="replace").splitlines()
            if re.search(r"ERROR: AddressSanitizer|runtime error:|LeakSanitizer|panic|assert", line)
        ]


# ---- raw HTTP ----


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The error's name, as clients read it."""
        name = self.headers.get("x-amzn-ErrorType") or ""
        return name.split(":")[0]

    @property
    def message(self):
        body = self.json
        return body.get("message", body.get("Message"))

    def __repr__(self):
        return f"<{self.status} {dict(self.headers)} {self.body[:300]!r}>"


def request(port, method, path, body=None, headers=None, timeout=30):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout * SLOW)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def connect(port, timeout=30):
    s = socket.create_connection(("127.0.0.1", port), timeout=timeout * SLOW)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read_to_end(s):
    """Everything until the other side closes (or resets: that is an end as well)."""
    got = b""
    while True:
        try:
            piece = s.recv(65536)
        except ConnectionResetError:
            return got
        if not piece:
            return got
        got += piece


# ---- packages ----


def make_zip(files, compression=zipfile.ZIP_DEFLATED):
    """files: {name: text, bytes, or (bytes, mode)}. Same content, same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as z:
        for name, content in files.items():
            mode = 0o644
            if isinstance(content, tuple):
                content, mode = content
            if isinstance(content, str):
                content = content.encode()
            info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            info.compress_type = compression
            info.create_system = 3
            info.external_attr = ((stat.S_IFREG if not stat.S_IFMT(mode) else 0) | mode) << 16
            z.writestr(info, content)
    return out.getvalue()


_native = {}


def native_zip(source):
    """A zip with one executable, `bootstrap`, compiled from C with native/runtime.h beside it."""
    if source not in _native:
        with tempfile.TemporaryDirectory(prefix="lambent-native-") as folder:
            c, out = Path(folder, "function.c"), Path(folder, "bootstrap")
            c.write_text(source)
            subprocess.run(
                ["gcc", "-std=gnu17", "-O1", "-Wall", "-Werror", "-I", Path(__file__).parent / "native", c,
                 "-o", out],
                check=True,
            )
            _native[source] = make_zip({"bootstrap": (out.read_bytes(), 0o755)})
    return _native[source]


def node_major():
    out = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout
    return int(out.strip().lstrip("v").split(".")[0])


# ---- what may be left behind ----

CGROUP = re.compile(r"/lambent-(\d+)(?:/|$)")


def instance_alive(folder):
    """Whether somebody holds the lock on an instance's folder in the cgroup v2 tree."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True  # gone in between: its owner was busy removing it
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(fd)


def v2_roots():
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[fields.index("-") + 1] == "cgroup2":
            yield fields[4]


def leftovers(daemon=None):
    """What dead instances of Lambent left on this machine: control groups, the processes in them, mounts.
    Instances that live (other people's too) hold a lock and are left out. `daemon`: a dead one, whose
    mounts would carry its data folder's name."""
    alive = set()
    folders = cgroup_dirs()
    for root in v2_roots():
        for folder in folders:
            if folder.startswith(root + "/") and instance_alive(folder):
                alive.add(CGROUP.search(folder)[1])
    found = [folder for folder in folders if CGROUP.search(folder)[1] not in alive]
    for pid in process_table():
        try:
            groups = Path(f"/proc/{pid}/cgroup").read_text()
        except OSError:
            continue
        found += [f"process {pid} in lambent-{slot}" for slot in set(CGROUP.findall(groups)) if slot not in alive]
    if daemon:
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            if str(daemon.work) in line:
                found.append(f"mount {line}")
    return found
