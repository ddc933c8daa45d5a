"""Whatever is killed, at whatever moment: the store stays consistent and nothing is left behind.

A mixed load (functions made, changed, published, deleted, invoked) runs while one process after the
other is sent SIGKILL: the daemon (also while it starts), the spawner's supervisor, its worker, and
processes of environments. After each death the daemon is started again if it needs to be, and
  - what was acknowledged is there, what was not is there whole or not at all,
  - every function that exists becomes Active and answers with its own code,
  - no process, control group or mount of the dead instance is left.

LAMBENT_KILLS (200) says how many, LAMBENT_SEED makes a run repeatable in its choices.
"""

import base64
import collections
import hashlib
import json
import os
import random
import select
import signal
import threading
import time

import pytest

from lambentlib import (ROLE, SLOW, Daemon, descendants, leftovers, make_zip, native_zip, process_table, request,
                        still_alive, until)

KILLS = int(os.environ.get("LAMBENT_KILLS", "200"))
SEED = int(os.environ.get("LAMBENT_SEED", "20260117"))
FUNCTIONS = "/2015-03-31/functions"


def package(number):
    return make_zip({"index.py": f"def handler(event, context): return [{number}, event]\n"})


def sha(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


class Load:
    """Threads that use one daemon all the time, and know what they were promised."""

    def __init__(self, daemon, seed):
        self.daemon = daemon
        self.seed = seed
        self.stop = threading.Event()
        self.pause = threading.Event()  # set: finish what you are doing and wait
        self.go = threading.Condition()
        self.operations = 0
        self.idle = 0
        self.broken = []  # promises that were not kept
        self.done = collections.Counter()
        # name → (acknowledged, in flight): each a code number, or None for "does not exist"
        self.functions = {}
        self.threads = [threading.Thread(target=self.run, args=(f, n), daemon=True)
                        for n, f in enumerate([self.deployer, self.deployer, self.invoker, self.invoker, self.reader])]

    def start(self):
        for t in self.threads:
            t.start()

    def run(self, work, number):
        dice = random.Random(self.seed * 100 + number)
        state = {}
        while not self.stop.is_set():
            if self.pause.is_set() or not self.daemon.port:
                with self.go:
                    self.idle += 1
                    self.go.notify_all()
                    while (self.pause.is_set() or not self.daemon.port) and not self.stop.is_set():
                        self.go.wait(1)
                    self.idle -= 1
                continue
            try:
                work(dice, number, state)
            except (OSError, ValueError) as problem:
                # A connection that broke: the daemon died under us. Expected.
                self.done[type(problem).__name__] += 1
            except Exception as problem:  # noqa: BLE001: a bug in the test must end it, not a thread
                self.broken.append(f"{work.__name__}: {problem!r}")
                return
            with self.go:
                self.operations += 1
                self.go.notify_all()

    def quiet(self):
        """Until no request is under way."""
        self.pause.set()
        with self.go:
            assert self.go.wait_for(lambda: self.idle == len(self.threads), 60 * SLOW), "the load does not pause"

    def resume(self):
        self.pause.clear()
        with self.go:
            self.go.notify_all()

    def after(self, operations, timeout):
        """Until that many more operations ended (or time is up: a dead daemon serves nobody)."""
        with self.go:
            target = self.operations + operations
            self.go.wait_for(lambda: self.operations >= target, timeout)

    def call(self, method, path, document=None, timeout=20):
        return request(self.daemon.port, method, path, None if document is None else json.dumps(document),
                       timeout=timeout)

    def deployer(self, dice, number, state):
        """One function after the other: made, changed some times, published, deleted."""
        name = state.get("name")
        known = self.functions.get(name)
        if known is None or known[0] is None and known[1] is None:
            state["count"] = state.get("count", 0) + 1
            name = state["name"] = f"kill-{number}-{state['count']}"
            code = dice.randrange(1 << 30)
            self.functions[name] = (None, code)
            answer = self.call("POST", FUNCTIONS, {
                "FunctionName": name, "Role": ROLE, "Runtime": "python3.11", "Handler": "index.handler",
                "Code": {"ZipFile": base64.b64encode(package(code)).decode()}, "Tags": {"code": str(code)}})
            self.settle(name, answer, 201)
        elif known[0] != known[1]:
            self.look(name)  # an earlier call's fate is unknown: ask before going on
        elif dice.random() < 0.5:
            code = dice.randrange(1 << 30)
            self.functions[name] = (known[0], code)
            answer = self.call("PUT", f"{FUNCTIONS}/{name}/code", {"ZipFile": base64.b64encode(package(code)).decode()})
            self.settle(name, answer, 200)
        elif dice.random() < 0.5:
            self.call("POST", f"{FUNCTIONS}/{name}/versions", {})
            self.done["publish"] += 1
        else:
            self.functions[name] = (known[0], None)
            self.settle(name, self.call("DELETE", f"{FUNCTIONS}/{name}"), 204)

    def settle(self, name, answer, good):
        before, wanted = self.functions[name]
        if answer.status == good or (answer.status == 200 and good == 204):
            self.functions[name] = (wanted, wanted)
            self.done[f"{good}"] += 1
        elif answer.status in (409, 429):  # an update still settles: nothing changed
            self.functions[name] = (before, before)
            self.done["busy"] += 1
        elif answer.status >= 500:
            self.done["5xx"] += 1  # fate unknown
        else:
            self.broken.append(f"{name}: {answer}")

    def look(self, name):
        """What the daemon says must be what was acknowledged, or what was under way; it is known from here on."""
        answer = self.call("GET", f"{FUNCTIONS}/{name}/configuration")
        acknowledged, flying = self.functions[name]
        allowed = {sha(package(c)) if c is not None else None: c for c in (acknowledged, flying)}
        if answer.status == 404:
            found = None
        elif answer.status == 200:
            found = answer.json["CodeSha256"]
        else:
            raise OSError(f"status {answer.status}")
        if found not in allowed:
            self.broken.append(f"{name}: found {found}, expected one of {allowed}: {answer}")
            return
        self.functions[name] = (allowed[found],) * 2

    def invoker(self, dice, number, state):
        """An answer, when there is one, is the answer to this very event, from the code that was deployed."""
        name = dice.choice(["steady-python", "steady-native"])
        event = {"n": dice.randrange(1 << 40)}
        answer = self.call("POST", f"{FUNCTIONS}/{name}/invocations", event, 30)
        if answer.status == 200 and "X-Amz-Function-Error" not in answer.headers:
            expected = [1, event] if name == "steady-python" else event
            if answer.json != expected:
                self.broken.append(f"{name}: sent {event}, got {answer}")
            self.done["answers"] += 1
        else:
            # Errors have their hour while processes die; but what exists is never "not found".
            self.done["function errors" if answer.status == 200 else f"invoke {answer.status}"] += 1
            if answer.status not in (200, 429, 500, 503):
                self.broken.append(f"{name} on port {self.daemon.port}, alive {self.daemon.alive()}: {answer}")

    def reader(self, dice, number, state):
        answer = self.call("GET", f"{FUNCTIONS}?MaxItems=50")
        if answer.status == 200:
            answer.json["Functions"]
            self.done["lists"] += 1


def invoke(daemon, name, event):
    try:
        answer = request(daemon.port, "POST", f"{FUNCTIONS}/{name}/invocations", json.dumps(event))
    except OSError:
        return None
    return answer.json if answer.status == 200 and "X-Amz-Function-Error" not in answer.headers else None


def check_consistent(daemon, load, everything):
    """The store's answer is what was promised; every function answers with the code it claims."""
    for name in [n for n, (a, f) in load.functions.items() if everything or a != f]:
        until(lambda: looks(load, name), f"an answer about {name}")
    assert not load.broken, load.broken
    listed, marker = set(), ""
    while marker is not None:
        page = request(daemon.port, "GET", f"{FUNCTIONS}?MaxItems=50{marker}").json
        listed |= {f["FunctionName"] for f in page["Functions"]}
        marker = f"&Marker={page['NextMarker']}" if page.get("NextMarker") else None
    exist = {n for n, (a, _) in load.functions.items() if a is not None}
    assert listed - {"steady-python", "steady-native"} == exist, (listed, exist)
    for name in sorted(exist)[-3:] if not everything else sorted(exist):
        until(lambda: invoke(daemon, name, 7) == [load.functions[name][0], 7], f"{name} answers with its own code")
    until(lambda: invoke(daemon, "steady-python", 1) == [1, 1], "steady-python answers")
    until(lambda: invoke(daemon, "steady-native", 1) == 1, "steady-native answers")


def looks(load, name):
    try:
        load.look(name)
        return True
    except OSError:
        return False


def victims(daemon):
    """{kind: pids}, as the process table shows them."""
    table = process_table()
    kinds = {"daemon": [daemon.pid], "supervisor": [], "worker": [], "environment": []}
    for pid in descendants(daemon.pid):
        if pid not in table:
            continue
        parent = table[pid][0]
        if parent == daemon.pid:
            kinds["supervisor"].append(pid)
        elif parent in kinds["supervisor"] or table.get(parent, (0,))[0] == daemon.pid:
            kinds["worker"].append(pid)
        else:
            kinds["environment"].append(pid)
    return kinds


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def settled(daemon, kind, killed):
    """Until the death was noticed by those whom it concerns."""
    if kind in ("daemon", "supervisor"):
        # Without the supervisor the daemon can make no sandbox: it ends by itself, to be started again.
        daemon.process.wait(20 * SLOW)
    elif kind == "worker":
        until(lambda: not daemon.alive() or set(victims(daemon)["worker"]) - set(killed), "another worker")


def kill_while_starting(daemon, dice):
    """Start the daemon and kill it at some moment before it is ready, or just after."""
    ready, write = os.pipe()
    process = daemon.spawn(write)
    os.close(write)
    select.select([ready], [], [], dice.uniform(0, 0.3))  # ready, dead, or the moment has come
    below = descendants(process.pid)
    kill(process.pid)
    process.wait()
    os.close(ready)
    until(lambda: not still_alive(below), "nothing of a daemon killed at its start lives on")


@pytest.fixture
def loaded():
    daemon = Daemon("--freeze-ms", "5", "--reclaim-ms", "3000").start()
    load = Load(daemon, SEED)
    try:
        for name, runtime, data in (
            ("steady-python", "python3.11", package(1)),
            ("steady-native", "provided.al2023",
             native_zip('#include "runtime.h"\nstatic void handle(const char *e, size_t n) { respond(e, n); }\n')),
        ):
            answer = request(daemon.port, "POST", FUNCTIONS, json.dumps(
                {"FunctionName": name, "Role": ROLE, "Runtime": runtime, "Handler": "index.handler", "Timeout": 10,
                 "Code": {"ZipFile": base64.b64encode(data).decode()}}))
            assert answer.status == 201, answer
            until(lambda: invoke(daemon, name, 1) is not None, f"{name} runs")
        yield daemon, load
    finally:
        load.stop.set()
        load.resume()
        if daemon.alive():
            daemon.kill()
        daemon.remove()


def test_random_kills(loaded):
    daemon, load = loaded
    dice = random.Random(SEED)
    load.start()
    kills = collections.Counter()
    restarts = 0
    begin = time.monotonic()
    while sum(kills.values()) < KILLS:
        # The moment: after some operations of the load, and a little more.
        load.after(dice.randrange(0, 40), timeout=2)
        with load.go:
            load.go.wait(dice.uniform(0, 0.02))
        kind = dice.choices(["daemon", "supervisor", "worker", "environment"], [35, 15, 20, 30])[0]
        candidates = victims(daemon)[kind]
        if not candidates:
            continue
        below = descendants(daemon.pid)
        kill(dice.choice(sorted(candidates)))
        kills[kind] += 1
        settled(daemon, kind, candidates)
        if not daemon.alive():
            port, daemon.port = daemon.port, None  # the load waits
            assert port
            until(lambda: not still_alive(below), f"everything beneath a dead {kind} is dead")
            until(lambda: not leftovers_but_groups(daemon), "no process and no mount is left")
            if dice.random() < 0.2 and sum(kills.values()) < KILLS:
                kill_while_starting(daemon, dice)
                kills["starting"] += 1
            daemon.start()
            restarts += 1
        load.quiet()
        try:
            check_consistent(daemon, load, everything=sum(kills.values()) % 50 == 0)
        except (AssertionError, OSError) as problem:
            raise AssertionError(f"after {dict(kills)}, the last one {kind}: {problem}\n{daemon.tail(40)}") from problem
        load.resume()
    load.quiet()
    check_consistent(daemon, load, everything=True)
    below = descendants(daemon.pid)
    assert daemon.stop() == 0, daemon.tail()
    assert not still_alive(below)
    until(lambda: not leftovers(daemon), f"nothing is left: {leftovers(daemon)}")
    assert not daemon.problems(), daemon.problems()
    assert load.done["answers"] > KILLS and load.done["201"] > 10, load.done
    print(f"{sum(kills.values())} kills {dict(kills)}, {restarts} restarts, {time.monotonic() - begin:.0f} s, {dict(load.done)}")


def leftovers_but_groups(daemon):
    """Groups of a supervisor that was killed too are removed by the next start; processes and mounts never wait."""
    return [x for x in leftovers(daemon) if x.startswith(("process", "mount"))]


@pytest.mark.parametrize("kind", ["daemon", "supervisor", "worker", "environment"])
def test_each_alone(loaded, kind):
    """The same without load, one process at a time: quick to read when it fails."""
    daemon, _ = loaded
    for _ in range(3):
        until(lambda: invoke(daemon, "steady-python", 1) == [1, 1], "it runs")
        below = descendants(daemon.pid)
        candidates = victims(daemon)[kind]
        assert candidates, f"no {kind} among {below}"
        kill(candidates[0])
        settled(daemon, kind, candidates)
        if not daemon.alive():
            until(lambda: not still_alive(below), "all beneath it are dead")
            daemon.start()
        until(lambda: invoke(daemon, "steady-python", 2) == [1, 2], "it runs again")
    assert daemon.stop() == 0, daemon.tail()
    until(lambda: not leftovers(daemon), f"nothing is left: {leftovers(daemon)}")
