"""Attempts to get out of a sandbox and into another. Each must fail as it was meant to: the tables
name the errno. EROFS where a path would be made, EACCES where a file of root's is, ENOENT where there
is nothing, EPERM where the filter refuses on purpose, ENOSYS where a libc is to try another way."""

import hashlib
import secrets
import socket
from pathlib import Path

import pytest
from conftest import attacker_zip
from lambentlib import until


def as_meant(got, table):
    """table: {result: "names …"}, a result may be several words: the kernel's choice."""
    expected = {name: set(results.split()) for results, names in table.items() for name in names.split("|")}
    got = {name: str(value) for name, value in got.items() if name != "pid"}
    wrong = {name: (value, expected.get(name)) for name, value in got.items() if value not in expected.get(name, ())}
    assert not wrong, wrong
    assert set(got) == set(expected), set(got) ^ set(expected)


def test_files(fn):
    as_meant(fn.attack(fn.attacker(), "files"), {
        "EROFS": "/x|/usr/x|/var/task/x|/opt/x|/etc/x|/dev/x|/run/x|/home/x|/var/runtime/x|/proc/self/uid_map"
                 "|/proc/self/oom_score_adj|/dev/mem|/dev/sda|/dev/kmsg|chmod code|unlink code|rename mount point",
        "EACCES": "/usr/bin/env|/var/task/bootstrap|/etc/passwd|/etc/sbx/passwd|/proc/kmsg"
                  "|/proc/sys/kernel/core_pattern|/proc/sys/vm/overcommit_memory|/proc/sys/net/ipv4/ip_forward",
        "ENOENT": "/sys/fs/cgroup/cgroup.procs|/etc/shadow|/root|/proc/1/environ|/proc/1/mem|/proc/1/maps"
                  "|/proc/1/root/etc/shadow|/proc/1/fd/0|/proc/self/task/1/mem|/var/lib/lambent|/packages|/ids-rw"
                  "|/sys/kernel|/dev/pts|/dev/shm|/dev/loop-control|/dev/fuse|/dev/kvm|/dev/net/tun",
        "ENOENT EACCES": "/proc/sysrq-trigger|/proc/kcore|/proc/sysvipc/shm",  # the kernel may lack them
        "ENOENT empty": "/proc/keys|/proc/key-users",
        "EPERM": "mknod null|mknod mem|mknod disk|chown root|open_by_handle_at|name_to_handle_at",
        "EXDEV": "link /usr",
    })


def test_rights(fn):
    as_meant(fn.attack(fn.attacker(), "setuid"), {
        "ok": "chmod 6755|run|PR_CAPBSET_READ",  # the attempt's own steps; the bounding set lacks the right
        "0": "setuid changes uid",
        "1": "no_new_privs",
        "2": "seccomp",
        "EPERM": "setuid(0)|setgid(0)|setgroups|PR_CAP_AMBIENT_RAISE|PR_SET_MM",
    })


def test_kernel_calls(fn):
    as_meant(fn.attack(fn.attacker(), "kernel"), {
        "EPERM": "mount|remount|umount2|pivot_root|chroot|fsopen|open_tree|move_mount|mount_setattr|unshare user"
                 "|unshare mount|setns|clone user|clone mount|clone pid|clone net|clone uts|clone ipc|clone cgroup"
                 "|io_uring_setup|bpf|userfaultfd|perf_event_open|keyctl|add_key|request_key|shmget|semget|msgget"
                 "|mq_open|TIOCSTI|TIOCSTI high bits|TIOCLINUX|seccomp|ptrace|process_vm_readv|kcmp|fanotify_init"
                 "|memfd_secret|io_setup|init_module|kexec_load|reboot|swapon|quotactl|acct|syslog|settimeofday"
                 "|clock_settime|sethostname|iopl|modify_ldt|real time|raise core limit|raise file limit",
        "ENOSYS": "clone3|personality|unknown call|int 0x80|x32 call",
        "EACCES": "nice -1",
    })


def test_core_dump(fn):
    as_meant(fn.attack(fn.attacker(), "core"), {"6": "signal", "0": "dumped"})


def test_host_processes(fn, daemon):
    as_meant(fn.attack(fn.attacker(), f"processes {daemon.pid}"), {
        "1": "seen",
        "0": "others seen",
        "ESRCH": "kill victim|pidfd_open victim|priority victim|prlimit victim|affinity victim"
                 "|process group 0 of others",
        "EPERM": "ptrace victim|" + "|".join(f"pidfd_getfd init {n}" for n in range(5)),
        "ok": "init after SIGKILL",
    })


def test_network(fn, daemon):
    name = f"lambent-escape-{secrets.token_hex(4)}"
    with socket.socket(socket.AF_UNIX) as abstract, socket.create_server(("127.0.0.1", 0)) as host:
        abstract.bind("\0" + name)
        abstract.listen()
        port = host.getsockname()[1]
        got = fn.attack(fn.attacker(), f"network {name} 127.0.0.1 {port} 127.0.0.1 {daemon.port} 127.0.0.1 22 "
                                       "169.254.169.254 80 169.254.170.2 80 10.0.0.1 80 8.8.8.8 53")
    as_meant(got, {
        "EPERM": "raw icmp|raw v6|netlink netfilter|netlink audit|netlink uevent|SO_MARK|iptables",
        "EAFNOSUPPORT": "packet|vsock|alg|bluetooth|xdp",
        "ok": "netlink route",  # getifaddrs() needs it; it shows the sandbox's own loopback
        "ECONNREFUSED": f"abstract|127.0.0.1:{port}|127.0.0.1:{daemon.port}|127.0.0.1:22",
        "ENETUNREACH": "169.254.169.254:80|169.254.170.2:80|10.0.0.1:80|8.8.8.8:53",
        "EACCES": "bind port 80 of our own",
        "ENODEV EPERM": "SO_BINDTODEVICE",
    })


def test_anothers_secrets(fn, daemon):
    """Code, environment, /tmp and arguments of one function, looked for by another beside it."""
    in_code, in_env, in_tmp = (secrets.token_hex(16) for _ in range(3))
    victim = fn.attacker(data=in_code, Environment={"Variables": {"SECRET": in_env}})
    assert fn.attack(victim, f"keep {in_tmp}")["kept"] == "ok"
    # The search finds what it may find: its own function's. (Asked again, since an invocation that follows
    # at once on an answer may be given a second environment: the first has not asked for more yet.)
    for secret in (in_code, in_env, in_tmp):
        until(lambda: fn.attack(victim, f"look {secret}")["found"] == 1, "the owner finds its own")
    attacker = fn.attacker()
    for secret in (in_code, in_env, in_tmp):
        got = fn.attack(attacker, f"look {secret}")
        assert got["found"] == 0 and got["looked"] == 1
    digest = hashlib.sha256(attacker_zip(in_code)).hexdigest()
    trees = [p for p in (daemon.data / "packages").iterdir() if (p / "data").exists()]
    assert trees and (trees[0] / "data").read_text() == in_code  # that is where it lies
    for tree in trees:
        for path in (tree / "data", Path("/packages", tree.name, "data"), Path("/var/task/..", "packages", tree.name)):
            assert set(fn.attack(attacker, f"read {path}").values()) >= {"ENOENT"}, path
    assert digest  # a package's name can be guessed; that is no help


def test_what_was_used_is_not_pooled(fn):
    """The next function never gets a sandbox, or a uid's leavings, that another's code ran in."""
    secret = secrets.token_hex(16)
    for _ in range(8):
        first = fn.attacker(Environment={"Variables": {"SECRET": secret}})
        assert fn.attack(first, f"keep {secret}")["kept"] == "ok"
        fn.delete_all()
        assert fn.attack(fn.attacker(), f"look {secret}")["found"] == 0


def frames_function(act):
    """A Python function that writes to the frames' descriptor under the bootstrap's feet."""
    return f"""
import os, struct, time
def frame(kind, body=b"", length=None):
    return struct.pack("<IB3x", len(body) if length is None else length, kind) + body
def field(value):
    return struct.pack("<I", len(value)) + value
def send(data):
    view = memoryview(data)
    while view:
        view = view[os.write(4, view):]
def handler(event, context):
    if event == "calm":
        return "calm"
{act}
    time.sleep(20)
    return "went on"
"""


@pytest.mark.parametrize("act", {
    "garbage": 'send(b"\\xde\\xad\\xbe\\xef" * 1000)',
    "huge length": "send(frame(3, b'', 0xffffffff))",
    "a length just too long": f"send(frame(3, b'', {6291556 + 65536 + 1}))",
    "reserved bytes": 'send(b"\\0\\0\\0\\0\\2\\0\\1\\0")',
    "type 0": "send(frame(0))",
    "type 255": "send(frame(255, b'x' * 100))",
    "INVOKE to the daemon": "send(frame(1, b'\\0' * 40))",
    "NEXT while running": "send(frame(2))",
    "ten thousand NEXT": "send(frame(2) * 10000)",
    "another's request id": "send(frame(3, field(b'00000000-0000-4000-8000-000000000000') + field(b'') + b'1'))",
    "a field beyond its frame": "send(frame(3, struct.pack('<I', 0x7fffffff)))",
    "INIT_ERROR while running": "send(frame(5, field(b'x') + b'{}'))",
    "ASSIGN to the daemon": "send(frame(6, field(b'A=B')))",
    "PREPARED: claims to be unused": "send(frame(7))",
}.items(), ids=lambda case: case[0])
def test_frames(fn, act):
    name = fn.python(frames_function("    " + act[1]))
    assert fn.invoke(name, "calm").json == "calm"
    fn.fails(name, "attack", "Runtime.ExitError")
    assert fn.invoke(name, "calm").json == "calm"  # a new runtime


def test_frames_half_sent(fn, machine):
    """A frame that never ends ends with the invocation, and what of it came is given back."""
    name = fn.python(frames_function("    send(frame(3, b'x' * 6000000, 6291000))"), Timeout=2)
    before = machine.rss()
    assert fn.fails(name, "attack", "Sandbox.Timedout").endswith("Task timed out after 2.00 seconds")
    assert fn.invoke(name, "calm").json == "calm"
    until(lambda: machine.rss() < before + 6, "the frame's memory was given back")


def test_frames_answer_of_ones_own(fn):
    """An answer sent by user code itself is an answer; the bootstrap's second one is out of order."""
    name = fn.python(frames_function(
        "    send(frame(3, field(context.aws_request_id.encode()) + field(b'') + b'\"forged\"'))\n    return 1"))
    assert fn.invoke(name, "attack").json == "forged"  # its own caller's, whom it may lie to anyway
    assert fn.invoke(name, "calm").json == "calm"
