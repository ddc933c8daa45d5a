"""One lambentd with a neighbour: a function that is invoked all the time while others attack, its
latency kept under the name of the attack. After each attack the machine must look as before it."""

import base64
import collections
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from lambentlib import (ROLE, SLOW, Daemon, cgroup_dirs, descendants, leftovers, make_zip,  # noqa: E402
                        request, still_alive, until)

HERE = Path(__file__).parent
FUNCTIONS = "/2015-03-31/functions"
# Python's runtime asks for the next event together with its answer: one environment serves them all.
NEIGHBOUR = "def handler(event, context): return event\n"
QUIET_S = 3  # how long the neighbour is measured alone


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        skip = pytest.mark.skip(reason="needs root: CAP_SYS_ADMIN for namespaces, mounts and cgroups")
        for item in items:
            item.add_marker(skip)


class Functions:
    """What a test needs of the API, on one daemon."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.names = []

    def create(self, content, runtime, handler="index.handler", **settings):
        name = f"escape-{secrets.token_hex(6)}"
        body = {"FunctionName": name, "Role": ROLE, "Runtime": runtime, "Handler": handler, "Timeout": 60,
                "Code": {"ZipFile": base64.b64encode(content).decode()}, **settings}
        reply = request(self.daemon.port, "POST", FUNCTIONS, json.dumps(body))
        assert reply.status == 201, reply
        self.names.append(name)
        until(lambda: request(self.daemon.port, "GET", f"{FUNCTIONS}/{name}/configuration").json["State"] == "Active",
              f"{name} is Active")
        return name

    def attacker(self, data=None, **settings):
        return self.create(attacker_zip(data), "provided.al2023", "any", **settings)

    def python(self, source, **settings):
        return self.create(make_zip({"index.py": source}), "python3.11", **settings)

    def invoke(self, name, event, timeout=90):
        return request(self.daemon.port, "POST", f"{FUNCTIONS}/{name}/invocations", json.dumps(event), timeout=timeout)

    def attack(self, name, event):
        """The attempts' results; the function must have lived to tell."""
        reply = self.invoke(name, event)
        assert reply.status == 200 and not reply.headers.get("X-Amz-Function-Error"), reply
        return reply.json

    def fails(self, name, event, error_type):
        reply = self.invoke(name, event)
        assert reply.status == 200 and reply.headers.get("X-Amz-Function-Error") == "Unhandled", reply
        assert reply.json["errorType"] == error_type, reply
        return reply.json["errorMessage"]

    def delete_all(self):
        for name in self.names:
            request(self.daemon.port, "DELETE", f"{FUNCTIONS}/{name}")
        self.names.clear()


_bootstrap = []


def attacker_zip(data=None):
    if not _bootstrap:
        with tempfile.TemporaryDirectory(prefix="lambent-escape-") as folder:
            out = Path(folder, "bootstrap")
            subprocess.run(["gcc", "-std=gnu17", "-O1", "-Wall", "-Wextra", "-Werror", "-I",
                            HERE.parent / "integration" / "native", HERE / "attacker.c", "-o", out], check=True)
            _bootstrap.append(out.read_bytes())
    return make_zip({"bootstrap": (_bootstrap[0], 0o755), **({"data": data} if data else {})})


class Neighbour(threading.Thread):
    """Invokes a function without a pause; a latency for each, under the name of what goes on meanwhile."""

    def __init__(self, functions):
        super().__init__(daemon=True)
        self.functions = functions
        self.name_of_function = functions.python(NEIGHBOUR)
        functions.names.clear()  # it stays
        self.during = "(start)"
        self.latency = collections.defaultdict(list)
        self.wrong = []
        self.over = threading.Event()

    def run(self):
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", self.functions.daemon.port, timeout=60 * SLOW)
        path, number = f"{FUNCTIONS}/{self.name_of_function}/invocations", 0
        while not self.over.wait(0.002):  # about 400 a second; the attacks are to have the rest
            number += 1
            during, began = self.during, time.perf_counter()
            try:
                connection.request("POST", path, str(number))
                reply = connection.getresponse()
                body = reply.read()
                if reply.status != 200 or body != str(number).encode():
                    self.wrong.append((during, number, reply.status, body[:200]))
            except OSError as problem:
                self.wrong.append((during, number, repr(problem)))
                connection.close()
            self.latency[during].append(time.perf_counter() - began)

    def p99(self, during):
        values = self.latency[during]
        return statistics.quantiles(values, n=100)[98] if len(values) > 1 else 0


def mounts():
    return sum(1 for _ in open("/proc/self/mountinfo"))


class Machine:
    """What of it is in use by the daemon: processes beneath it, its control groups, mounts."""

    def __init__(self, daemon):
        self.daemon = daemon
        mine = cgroup_dirs_of(daemon)
        self.mine = mine

    def state(self):
        groups = sum(1 for top in self.mine for entry in os.scandir(top) if entry.is_dir())
        return {"processes": len(descendants(self.daemon.pid)), "groups": groups, "mounts": mounts(),
                "sockets": self.sockets(), "rss": self.rss()}

    def sockets(self):
        """And pipes. Not files: the store opens those when it first needs them, and keeps them."""
        count = 0
        for fd in Path(f"/proc/{self.daemon.pid}/fd").iterdir():
            try:
                count += os.readlink(fd).startswith(("socket:", "pipe:", "/memfd:"))
            except OSError:
                pass  # closed in between
        return count

    def rss(self, what="VmRSS"):
        """Of the daemon, in MiB."""
        text = Path(f"/proc/{self.daemon.pid}/status").read_text()
        return int(text.split(f"{what}:")[1].split()[0]) // 1024


def cgroup_dirs_of(daemon):
    """The folders lambent-<slot> that hold this daemon's sandboxes."""
    slots = set()
    for pid in descendants(daemon.pid):
        try:
            text = Path(f"/proc/{pid}/cgroup").read_text()
        except OSError:
            continue
        slots.update(part for line in text.splitlines() for part in line.split("/") if part.startswith("lambent-"))
    assert len(slots) == 1, slots
    return [d for d in cgroup_dirs() if os.path.basename(d) in slots]


@pytest.fixture(scope="session")
def daemon():
    # One generic environment of each kind, always: then what there is can be counted.
    d = Daemon("--pool-min", "1", "--pool-max", "1", "--reclaim-ms", "600000", "--log-buffer-mb", "16")
    d.start()
    yield d
    assert d.alive(), f"lambentd died during the tests\n{d.tail()}"
    beneath = descendants(d.pid)
    status = d.stop()
    problems, log = d.problems(), d.tail()
    until(lambda: not still_alive(beneath), "every process of the daemon ended")
    left = leftovers(d)
    d.remove()
    assert status == 0, f"lambentd ended with {status}\n{log}"
    assert not problems, problems
    assert not left, left


@pytest.fixture(scope="session")
def neighbour(daemon):
    functions = Functions(daemon)
    n = Neighbour(functions)
    # Both pools come into being with their first function.
    assert functions.attack(functions.attacker(), "core") and functions.invoke(n.name_of_function, 1).json == 1
    functions.delete_all()
    n.start()
    n.during = "(nothing)"
    threading.Event().wait(QUIET_S)
    n.during = "(between)"
    yield n
    n.over.set()
    n.join()
    base = n.p99("(nothing)")
    print(f"\n{'neighbour during':<44}{'calls':>7}{'p50 ms':>9}{'p99 ms':>9}{'of quiet':>9}")
    for during, values in [item for item in n.latency.items() if item[1]]:
        print(f"{during:<44}{len(values):>7}{statistics.median(values) * 1e3:>9.2f}{n.p99(during) * 1e3:>9.2f}"
              f"{n.p99(during) / base:>8.1f}x")
    assert not n.wrong, n.wrong[:5]


@pytest.fixture(scope="session")
def machine(daemon, neighbour):
    m = Machine(daemon)
    before = [None]

    def settled():
        health = request(daemon.port, "GET", "/_lambent/health").json
        if (health["pooled"], health["environments"]) != (2, 3):  # both pools, and the neighbour's
            return False
        now = m.state()
        now.pop("rss")
        same, before[0] = now == before[0], now
        return same

    until(settled, "the daemon at rest")
    m.base = before[0]
    return m


@pytest.fixture
def fn(daemon, neighbour, machine, request):
    """Functions to attack with. Afterwards: the neighbour was served, nothing is left."""
    functions = Functions(daemon)
    neighbour.during = request.node.name
    yield functions
    neighbour.during = "(between)"
    functions.delete_all()

    def clean():
        now = machine.state()
        return all(now[key] <= machine.base[key] for key in machine.base)

    try:
        until(clean, "as before", timeout=20)
    except AssertionError:
        raise AssertionError(f"left behind: {machine.state()}, before: {machine.base}\n{daemon.tail()}") from None
    assert daemon.alive(), daemon.tail()
    calls = neighbour.latency[request.node.name]
    # Printed at the end in full; asserted only as far as two shared processors allow.
    if len(calls) > 100:
        p99, base = neighbour.p99(request.node.name), neighbour.p99("(nothing)")
        assert p99 < max(20 * base, 0.25 * SLOW), f"neighbour's p99 {p99 * 1e3:.1f} ms, alone {base * 1e3:.1f} ms"
    assert not neighbour.wrong, neighbour.wrong[:5]
