"""Attempts to use up what others need: processes, memory, descriptors, disk, inodes, log space, the
daemon's own connections and memory. The attacker meets its own limit, with the errno of it; the
neighbour is served meanwhile (conftest.py)."""

import secrets

from lambentlib import request, until


def test_fork_bomb(fn):
    name = fn.attacker()
    got = fn.attack(name, "fork bomb")
    # 1,024 in all: init and the function's own process are two of them.
    assert (got["fork"], got["made"]) == ("EAGAIN", 1022)
    assert fn.attack(name, "fork bomb")["made"] == 1022  # nothing was left of the first


def test_memory_bomb(fn):
    name = fn.attacker(MemorySize=128)
    fn.fails(name, "memory bomb", "Runtime.OutOfMemory")
    assert fn.attack(name, "core")["signal"] == 6  # it serves again


def test_fd_bomb(fn):
    got = fn.attack(fn.attacker(), "fd bomb")
    assert got["open"] == "EMFILE" and 1010 < got["made"] < 1024


def test_disk_fill(fn):
    got = fn.attack(fn.attacker(MemorySize=1024), "disk fill")
    assert (got["write"], got["mb"]) == ("ENOSPC", 512)
    big = fn.attacker(MemorySize=2048, EphemeralStorage={"Size": 600})
    assert fn.attack(big, "disk fill")["mb"] == 600  # a generic sandbox's /tmp was made larger


def test_disk_fill_beyond_memory(fn):
    """/tmp counts as memory: a small function that fills it is killed for that."""
    fn.fails(fn.attacker(MemorySize=128), "disk fill", "Runtime.OutOfMemory")


def test_inode_fill(fn):
    got = fn.attack(fn.attacker(MemorySize=512), "inode fill")
    assert got["create"] == "ENOSPC" and got["made"] == 512 * 256 - 1


def test_log_flood(fn, daemon, machine):
    """100 MiB of lines as fast as they go: the daemon's memory stays bounded; what others wrote before is
    there, and what they write when it is over arrives. (In between the buffer is everybody's, and lines
    that find it full are dropped and counted: docs/security.md.)"""
    before, after = secrets.token_hex(8), secrets.token_hex(8)
    quiet = fn.python("def handler(event, context): print('word', event)\n")

    def arrived(word):
        body = '{"logGroupName": "/aws/lambda/%s", "filterPattern": "%s"}' % (quiet, word)
        reply = request(daemon.port, "POST", "/", body, {"X-Amz-Target": "Logs_20140328.FilterLogEvents",
                                                          "Content-Type": "application/x-amz-json-1.1"})
        return reply.status == 200 and any(word in e["message"] for e in reply.json["events"])

    assert fn.invoke(quiet, before).status == 200
    rss = machine.rss()
    assert fn.attack(fn.attacker(MemorySize=512), "log flood 100")["mb"] == 100
    # The buffer of lines (16 MiB here), what is being written of it, and the store's own cache.
    assert machine.rss("VmHWM") < rss + 96, f"{rss} → {machine.rss('VmHWM')} MiB"
    until(lambda: arrived(before), "earlier lines are there", timeout=30)
    until(lambda: fn.invoke(quiet, after).status == 200 and arrived(after), "later lines arrive", timeout=30)


def test_runtime_api(fn):
    """Nonsense over HTTP, on connections of its own, while its invocation runs."""
    got = fn.attack(fn.attacker(), "api")
    got.pop("pid")
    assert got == {
        "garbage": 400, "no version": 400, "two lengths": 400, "length and chunked": 400, "negative length": 400,
        "length of 2^64": 413, "bad chunk": 403, "init/error while running": 403, "another's id": 400,
        "another's id, error": 400, "the Lambda API": 404, "path out": 404, "ping": 200, "200 kB header": 431,
        "endless request line": 431,
    }


def test_runtime_api_answer_twice(fn):
    name = fn.attacker()
    assert fn.attack(name, "answer twice") == 1
    assert "signal" in fn.attack(name, "core")


def test_runtime_api_ten_thousand_connections(fn):
    got = fn.attack(fn.attacker(MemorySize=512), "connections")
    # 64 are served; up to the listener's backlog (128) more are the kernel's, and wait. The ten processes count one
    # after the other, so a place that got free may be counted twice.
    assert 0 < got["held"] <= 2 * (64 + 129) and got["ping"] == 200


def test_runtime_api_slow_bodies(fn, machine):
    name = fn.attacker()
    before = machine.rss()
    assert fn.attack(name, "slow bodies")["begun"] == 60
    assert machine.rss() < before + 16  # one answer is collected, the other 59 are refused at their head
    assert "signal" in fn.attack(name, "core")
