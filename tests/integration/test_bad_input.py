"""Bytes from strangers: each is answered with its exact error or bounded, and the daemon goes on."""

import base64
import contextlib
import io
import json
import os
import random
import re
import resource
import select
import socket
import stat
import struct
import time
import zipfile

import pytest

from lambentlib import ROLE, SLOW, Daemon, connect, make_zip, read_to_end, request, until

FUNCTIONS = "/2015-03-31/functions"
UNZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."


@pytest.fixture(autouse=True)
def goes_on(daemon):
    """Whatever a test did, the same process answers afterwards."""
    pid = daemon.pid
    yield
    assert daemon.alive() and daemon.pid == pid, daemon.tail()
    assert request(daemon.port, "GET", FUNCTIONS + "?MaxItems=1").status == 200


def post(daemon, body, path=FUNCTIONS, method="POST"):
    return request(daemon.port, method, path, body, {"Content-Type": "application/json"})


def create_body(name, package, **settings):
    document = {"FunctionName": name, "Role": ROLE, "Runtime": "python3.11", "Handler": "index.handler",
                "Code": {"ZipFile": base64.b64encode(package).decode()}}
    document.update(settings)
    return json.dumps(document)


def create_refused(daemon, deploy, package, message=UNZIP, code="InvalidParameterValueException", status=400):
    name = deploy.name("bad")
    answer = post(daemon, create_body(name, package))
    assert (answer.status, answer.error) == (status, code), answer
    if isinstance(message, re.Pattern):
        assert message.search(answer.message), answer.message
    else:
        # AWS's text; ours may go on and name the member and the reason.
        assert answer.message == message or answer.message.startswith(message + " ("), answer.message
    assert request(daemon.port, "GET", f"{FUNCTIONS}/{name}").status == 404, "nothing was made"
    return answer


# ---- JSON ----


@pytest.mark.parametrize("body", [
    b"{", b"", b"nonsense", b'{"FunctionName": "x"', b'{"FunctionName": }', b"\x00\x01\x02", b"[" * 200_000,
    b'{"a":' * 100_000, b'{"FunctionName": "\xff\xfe"}', b'{"FunctionName": "x"} trailing',
], ids=["brace", "empty", "word", "cut", "no value", "binary", "deep list", "deep object", "not UTF-8", "trailing"])
def test_malformed_json(daemon, body):
    """400 SerializationException (an empty body: a missing member), however deep or odd."""
    answer = post(daemon, body)
    assert answer.status == 400
    assert answer.error in (("ValidationException", "SerializationException") if body == b"" else ("SerializationException",))
    assert answer.message


@pytest.mark.parametrize("member,value", [
    ("MemorySize", "128"), ("MemorySize", 128.5), ("MemorySize", True), ("MemorySize", [128]), ("MemorySize", 10**30),
    ("FunctionName", 7), ("FunctionName", {}), ("Publish", "yes"), ("Environment", []), ("Environment", {"Variables": "x"}),
    ("Environment", {"Variables": {"AA": 1}}), ("Architectures", "x86_64"), ("Code", "zip"), ("Tags", [1]), ("Code", {"ZipFile": 1}),
    ("Code", {"ZipFile": "***"}), ("Code", {"ZipFile": "QUJ"}),
])
def test_wrong_types(daemon, deploy, member, value):
    document = json.loads(create_body(deploy.name(), b""))
    document[member] = value
    answer = post(daemon, json.dumps(document))
    assert (answer.status, answer.error) == (400, "SerializationException"), answer


def test_unknown_members_are_ignored(daemon, client, deploy):
    name = deploy.name()
    package = make_zip({"index.py": "def handler(e, c): return 1\n"})
    answer = post(daemon, create_body(name, package, Surprise={"a": [1]}, Description=None))
    assert answer.status == 201, answer
    deploy.active(name)


# ---- routing ----


@pytest.mark.parametrize("method,path", [
    ("GET", "/"), ("GET", "/2015-03-31/nothing"), ("PATCH", FUNCTIONS), ("POST", "/2015-03-31/functions/a/b/c/d"),
    ("DELETE", FUNCTIONS), ("GET", "/1999-01-01/functions"), ("GET", "//"), ("GET", FUNCTIONS + "/x/../../etc/passwd"),
    ("BREW", FUNCTIONS), ("GET", "/" + "a" * 4000),
])
def test_unknown_operation(daemon, method, path):
    answer = request(daemon.port, method, path)
    assert answer.status == 404, answer
    assert answer.error == "UnknownOperationException"


@pytest.mark.parametrize("label", ["%zz", "%", "%2", "%00", "a%2Fb", "%ff%fe", "..", "a b".replace(" ", "%20")])
def test_odd_labels(daemon, label):
    """Labels are decoded once; what is no function name fails its pattern."""
    answer = request(daemon.port, "GET", f"{FUNCTIONS}/{label}")
    assert answer.status in (400, 404), answer
    assert answer.error in ("ValidationException", "UnknownOperationException", "SerializationException",
                            "InvalidParameterValueException") or \
        (label == "..", answer.error) == (True, "ResourceNotFoundException"), "dots are allowed when reading"


# ---- packages ----


def raw_zip(entries):
    """entries: (name bytes, content, mode). Names that zipfile would mend are written as they are."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for number, (name, content, mode) in enumerate(entries):
            info = zipfile.ZipInfo(chr(ord("A") + number) * len(name), (2020, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = mode << 16
            z.writestr(info, content)
    data = out.getvalue()
    for number, (name, _, _) in enumerate(entries):
        placeholder = bytes([ord("A") + number]) * len(name)
        assert data.count(placeholder) == 2, "once at the member, once in the directory"
        data = data.replace(placeholder, name)
    return data


FILE = stat.S_IFREG | 0o644
LINK = stat.S_IFLNK | 0o777
GOOD = (b"index.py", b"def handler(e, c): return 1\n", FILE)


@pytest.mark.parametrize("package", [
    b"not a zip at all", b"PK\x03\x04", make_zip({"index.py": "x = 1\n" * 100})[:-40], make_zip({"index.py": "x = 1\n" * 100})[40:],
    random.Random(7).randbytes(5000), b"\x1f\x8b\x08" + b"\0" * 200, b"\x7fELF" + b"\0" * 200,
], ids=["text", "magic only", "no directory", "no head", "random", "gzip", "ELF"])
def test_not_a_zip(daemon, deploy, package):
    create_refused(daemon, deploy, package)


@pytest.mark.parametrize("package", [b"", b"PK\x05\x06" + b"\0" * 18], ids=["nothing", "no entries"])
def test_empty_zip(daemon, deploy, package):
    create_refused(daemon, deploy, package, re.compile("non-empty zip|Could not unzip|provide a source"))


def test_damaged_content(daemon, deploy):
    """A flipped byte inside a member: the CRC tells."""
    package = bytearray(make_zip({"index.py": bytes(range(256)) * 20}, zipfile.ZIP_STORED))
    package[2000] ^= 0xFF
    create_refused(daemon, deploy, bytes(package))


@pytest.mark.parametrize("name", [
    b"../escaped", b"a/../../escaped", b"/tmp/escaped", b"../../../../../../../tmp/escaped", b"a/b/../../../escaped",
    b"..", b"a\x00b/../../x",
], ids=str)
def test_zip_slip(daemon, deploy, name):
    """A name that leads out of the tree refuses the package, and nothing appears outside."""
    create_refused(daemon, deploy, raw_zip([GOOD, (name, b"escaped", FILE)]), re.compile("."))
    for folder in ("/tmp", str(daemon.work), str(daemon.data)):
        assert "escaped" not in os.listdir(folder)


@pytest.mark.parametrize("target", [b"/etc", b"../../../../etc", b"..", b"a/../../.."], ids=str)
def test_symlink_escape(daemon, deploy, target):
    """A link out of the tree, and a file written through it."""
    create_refused(daemon, deploy, raw_zip([GOOD, (b"link", target, LINK), (b"link/escaped", b"x", FILE)]), re.compile("."))
    assert not os.path.exists("/etc/escaped")


def test_symlink_replaced_by_folder(daemon, deploy):
    """First a link, then a folder of the same name, then a file in it."""
    package = raw_zip([GOOD, (b"dir0", b"/tmp", LINK), (b"dir0/", b"", stat.S_IFDIR | 0o755), (b"dir0/escaped", b"x", FILE)])
    name = deploy.name()
    answer = post(daemon, create_body(name, package))
    assert answer.status in (201, 400)
    assert not os.path.exists("/tmp/escaped")


def test_links_inside_the_tree_work(client, deploy):
    package = raw_zip([GOOD, (b"lib/real.py", b"value = 42\n", FILE), (b"alias.py", b"lib/real.py", LINK)])
    name = deploy.zip(package, "python3.11")
    assert client.invoke(FunctionName=name)["Payload"].read() == b"1"


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK], ids=["chr", "blk", "fifo", "sock"])
def test_special_files(daemon, deploy, kind):
    create_refused(daemon, deploy, raw_zip([GOOD, (b"special", b"", kind | 0o666)]), re.compile("."))


def test_set_user_id_is_dropped(client, deploy):
    """A set-user-ID bit in the zip does not reach /var/task."""
    package = raw_zip([(b"index.py", b"import os\ndef handler(e, c): return os.stat('/var/task/su').st_mode & 0o7777\n", FILE),
                       (b"su", b"#!/bin/sh\n", stat.S_IFREG | 0o6755)])
    name = deploy.zip(package, "python3.11")
    mode = json.loads(client.invoke(FunctionName=name)["Payload"].read())
    assert mode & 0o6000 == 0


def bomb(size, claimed=None):
    """`size` zeros in about a thousandth of the bytes; `claimed`: the size that its headers tell."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
        with z.open("zeros", "w", force_zip64=False) as member:
            piece = b"\0" * (1 << 20)
            for _ in range(size >> 20):
                member.write(piece)
    data = out.getvalue()
    if claimed is not None:
        data = data.replace(struct.pack("<I", size), struct.pack("<I", claimed))
    return data


def test_zip_bomb(daemon, deploy):
    """300 MB in 300 KB: refused with AWS's text, and the disk gets its space back."""
    package = bomb(300 << 20)
    assert len(package) < 1 << 20
    create_refused(daemon, deploy, package, "Unzipped size must be smaller than 262144000 bytes")


def test_zip_bomb_that_lies(daemon, deploy):
    """The headers say 10 bytes: counted is what comes out."""
    create_refused(daemon, deploy, bomb(300 << 20, 10), re.compile("Unzipped size must be smaller|Could not unzip"))


def test_many_small_bombs(daemon, deploy):
    """Many members, each harmless, too much together."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for number in range(40):
            z.writestr(f"part{number}", b"\0" * (8 << 20))
    create_refused(daemon, deploy, out.getvalue(), "Unzipped size must be smaller than 262144000 bytes")


def test_too_many_files(daemon, deploy):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as z:
        for number in range(100_001):
            z.writestr(zipfile.ZipInfo(f"{number}"), b"")
    create_refused(daemon, deploy, out.getvalue(), re.compile("."))


def test_file_and_folder_of_one_name(daemon, deploy):
    answer = post(daemon, create_body(deploy.name(), raw_zip([GOOD, (b"thing", b"x", FILE), (b"thing/inner", b"y", FILE)])))
    assert answer.status in (201, 400)


def test_encrypted_zip(daemon, deploy):
    package = bytearray(make_zip({"index.py": "x = 1\n"}))
    package[6] |= 1  # general purpose flag, bit 0, in the local header …
    package[package.index(b"PK\x01\x02") + 8] |= 1  # … and in the directory
    create_refused(daemon, deploy, bytes(package))


def test_packages_of_refused_requests_leave_nothing(daemon, deploy):
    """Whatever was unpacked for a refused package is gone again."""
    def size():
        total = 0
        for folder, _, files in os.walk(daemon.data):
            for f in files:
                with contextlib.suppress(OSError):
                    total += os.stat(os.path.join(folder, f)).st_blocks * 512
        return total

    before = size()
    for _ in range(3):
        create_refused(daemon, deploy, bomb(300 << 20), "Unzipped size must be smaller than 262144000 bytes")
    until(lambda: size() < before + (50 << 20), "the unpacked bytes are gone")


# ---- sizes ----


def test_zip_above_50_mb(daemon, deploy):
    package = make_zip({"index.py": "x = 1\n", "noise": random.Random(1).randbytes(52_428_800)}, zipfile.ZIP_STORED)
    name = deploy.name()
    answer = post(daemon, create_body(name, package))
    assert answer.status in (400, 413), answer
    assert request(daemon.port, "GET", f"{FUNCTIONS}/{name}").status == 404


def test_request_above_its_limit(daemon):
    """A body over the operation's limit is refused from its length alone; it need not be sent."""
    with contextlib.closing(connect(daemon.port)) as s:
        s.sendall(b"POST " + FUNCTIONS.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 200000000\r\n\r\n{")
        assert b" 413 " in s.recv(4096).split(b"\r\n")[0]


def test_configuration_above_5120_bytes(daemon, deploy):
    name = deploy.python("def handler(e, c): pass\n")
    answer = post(daemon, json.dumps({"Description": "x" * 6000}), f"{FUNCTIONS}/{name}/configuration", "PUT")
    assert (answer.status, answer.error) == (413, "RequestEntityTooLargeException"), answer
    assert answer.message == "Request must be smaller than 5120 bytes for the UpdateFunctionConfiguration operation"


def test_head_above_its_limit(daemon):
    """A request line and headers of more than a megabyte: 431 or the end, never an answer."""
    with contextlib.closing(connect(daemon.port)) as s:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
            for number in range(3000):
                s.sendall(b"X-Filler-%d: %s\r\n" % (number, b"y" * 1000))
            s.sendall(b"\r\n")
        got = read_to_end(s)
    assert got == b"" or re.match(rb"HTTP/1\.1 (400|413|414|431) ", got), got[:200]


# ---- HTTP ----


def exchange(daemon, data, shut=True):
    with contextlib.closing(connect(daemon.port)) as s:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            s.sendall(data)
            if shut:
                s.shutdown(socket.SHUT_WR)
        return read_to_end(s)


INVOKE = b"POST /2015-03-31/functions/x/invocations HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize("head", [
    INVOKE + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    INVOKE + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    INVOKE + b"Content-Length: -1\r\n\r\n",
    INVOKE + b"Content-Length: 99999999999999999999999\r\n\r\n",
    INVOKE + b"Content-Length: two\r\n\r\n{}",
    INVOKE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    INVOKE + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    b"GARBAGE\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", b"\0" * 1000, b"GET\x00/ HTTP/1.1\r\n\r\n",
], ids=["two lengths", "length and chunked", "negative", "huge", "word", "bad chunk", "huge chunk", "garbage", "TLS", "HTTP/2",
        "version", "zeros", "NUL"])
def test_ambiguous_or_broken_heads(daemon, head):
    """Refused with a client error, or the connection ends; in no case is it taken for a request."""
    got = exchange(daemon, head)
    assert got == b"" or re.match(rb"HTTP/1\.[01] (4\d\d|501|505) ", got), got[:300]
    assert len(re.findall(rb"HTTP/1\.\d \d\d\d ", got)) <= 1, "what follows is not taken for a second request"


def test_requests_cut_at_every_byte(daemon):
    """A valid request that ends after each of its bytes in turn: nothing hangs, nothing is answered with success."""
    whole = INVOKE + b"Content-Length: 10\r\n\r\n{\"a\": 123}"
    for end in range(0, len(whole), 3):
        got = exchange(daemon, whole[:end])
        assert not re.match(rb"HTTP/1\.1 2\d\d", got)


def test_clients_that_leave_while_the_function_runs(daemon, client, deploy):
    """A closed connection does not stop the function; its environment serves the next caller."""
    name = deploy.python("import os\ndef handler(e, c): return os.getpid()\n")
    for _ in range(20):
        with contextlib.closing(connect(daemon.port)) as s:
            s.sendall(f"POST {FUNCTIONS}/{name}/invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode())
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # leave with a reset
    answer = client.invoke(FunctionName=name)
    assert "FunctionError" not in answer


@pytest.fixture(scope="module")
def impatient():
    """A daemon with short deadlines and few connections, so that their effect can be awaited."""
    d = Daemon("--head-ms", "400", "--body-ms", "400", "--idle-ms", "600", "--connections-max", "64").start()
    yield d
    assert d.alive(), d.tail()
    d.stop()
    d.remove()


@pytest.mark.parametrize("start", [b"", b"G", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: "],
                         ids=["nothing", "a letter", "half a line", "half a header"])
def test_slow_head_is_ended(impatient, start):
    """A head that never ends is cut at its deadline, even when a byte comes now and then."""
    begin = time.monotonic()
    with contextlib.closing(connect(impatient.port)) as s:
        if start:
            s.sendall(start)
        while True:
            # Drip a byte whenever a tenth of a second passed without an end: keeps "inactivity" away.
            if select.select([s], [], [], 0.1)[0]:
                with contextlib.suppress(ConnectionResetError):
                    if s.recv(4096):
                        continue
                break
            assert time.monotonic() - begin < 15 * SLOW
            if start:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    s.sendall(b"x")
    assert time.monotonic() - begin > 0.3


def test_slow_body_is_ended(impatient):
    with contextlib.closing(connect(impatient.port)) as s:
        s.sendall(INVOKE + b"Content-Length: 100\r\n\r\n{")
        got = read_to_end(s)
    assert got == b"" or re.match(rb"HTTP/1\.1 4\d\d ", got)


def test_idle_connection_is_ended(impatient):
    with contextlib.closing(connect(impatient.port)) as s:
        s.sendall(f"GET {FUNCTIONS} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert s.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert read_to_end(s) == b""


def test_connections_above_the_maximum(impatient):
    """The 65th connection and later ones are closed; when others leave, there is room again."""
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            with contextlib.suppress(OSError):
                stack.enter_context(contextlib.closing(connect(impatient.port, 5)))
        assert impatient.alive()
    until(lambda: answers(impatient), "room again")


def answers(d):
    try:
        return request(d.port, "GET", FUNCTIONS, timeout=5).status == 200
    except OSError:
        return False


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


def test_ten_thousand_idle_connections(daemon, client, deploy):
    """They cost memory, but little; everybody else is served as before; afterwards they are gone."""
    wanted = 10_000
    name = deploy.python("def handler(e, c): return 'served'\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + 1000), max(hard, wanted + 1000)))
    before = resident_kib(daemon.pid)
    sockets = []
    try:
        for number in range(wanted):
            s = connect(daemon.port)
            sockets.append(s)
            if number % 2:  # half of them have begun a request
                s.sendall(b"GET / HTTP/1.1\r\n")
        begin = time.monotonic()
        assert json.loads(client.invoke(FunctionName=name)["Payload"].read()) == "served"
        assert client.list_functions(MaxItems=1)["Functions"]
        assert time.monotonic() - begin < 10 * SLOW
        grown = resident_kib(daemon.pid) - before
        assert grown < 60 * wanted * SLOW, f"{grown / wanted:.1f} KiB for each connection"
    finally:
        for s in sockets:
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    fds = f"/proc/{daemon.pid}/fd"
    until(lambda: len(os.listdir(fds)) < 1000, "the connections' descriptors are closed")


def test_random_bytes(daemon):
    """Seeded noise, alone and after a valid start."""
    noise = random.Random(20260101)
    for number in range(200):
        data = noise.randbytes(noise.randrange(1, 2000))
        if number % 2:
            data = INVOKE + b"Transfer-Encoding: chunked\r\n\r\n" + data
        exchange(daemon, data)
