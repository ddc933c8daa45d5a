"""script/bench: measures Lambent, and beside each figure the thing it is divided by, in turn.

    bench.py [NAME…] [--json FILE] [--list]

A figure is a function below, named in MEASURES. It gets a `Bench`, which holds the stopwatch
(probe.c), a work folder and everything that was started, and gives back a row (figures.py). Samples
of a figure and of its baseline alternate, so that whatever else the machine does meets both.

Surprises: functions get 1,769 MB, one whole CPU, where time is measured: with less, the CPU quota would be
what is measured. The runtimes are compiled first, as an installation does: a sandbox can't keep bytecode.
"""

import argparse
import base64
import http.client
import io
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import figures

ROOT = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("LAMBENT_BUILD", ROOT / "build-bench"))
LAMBENTD = BUILD / "src" / "daemon" / "lambentd"
CLEAN = {"PATH": "/usr/bin:/bin"}
ROLE = "arn:aws:iam::000000000000:role/bench"
ONE_CPU_MB = 1769

POOL = 4  # environments kept ready for the .pool figures
BATCH = 25  # functions that exist at a time
COLD_N = {"python": 200, "node": 100, "native": 300}
WARM_N = 10_000
CLIENTS = 64
SLICE_MS = 1000
SLICES = 5
SCALE_N, SCALE_CLIENTS, SCALE_SLICES = 100, 16, 3
DENSITY_N = {"python": 100, "native": 200}
FLAT_FUNCTIONS = 1000
FLAT_N = 5000
RUN_MAX_S = 900  # a run takes three minutes; one that hangs must end


class Trouble(Exception):
    """What cannot be measured, in words for whoever runs this."""


class Missing(Trouble):
    """A part that does not exist here: the figure is left out."""


def until(ask, what, timeout_s=60):
    """Ask until it is so. The pause is short beside what is waited for, long beside asking."""
    deadline = time.monotonic() + timeout_s
    while not ask():
        if time.monotonic() > deadline:
            raise Trouble(f"not within {timeout_s} s: {what}")
        time.sleep(0.002)


def stop_process(process, patience_s=30):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def interpreter(*names):
    """The one that sandboxes start: only these folders are visible there."""
    for folder in ("/usr/bin", "/usr/local/bin"):
        for name in names:
            if os.access(f"{folder}/{name}", os.X_OK):
                return f"{folder}/{name}"
    raise Missing(f"{names[0]} is not installed")


# ---- the parts ----


class Probe:
    """probe.c: one line there, one line back."""

    def __init__(self):
        self.process = subprocess.Popen([BUILD / "bench" / "bench_probe"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=CLEAN)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        status, _, rest = self.process.stdout.readline().rstrip("\n").partition(" ")
        if status != "ok":
            raise Trouble(f"{words[0]} {words[1]}: {rest or 'the stopwatch is gone'}")
        return [int(ns) for ns in rest.split()]

    def sample(self, count, *names):
        """One list of nanoseconds for each name."""
        samples = self.ask("sample", count, *names)
        return [samples[i :: len(names)] for i in range(len(names))]

    def timed(self, *words):
        """(seconds all in all, samples) of load, spread and churn."""
        total, *samples = self.ask(*words)
        return total / 1e9, samples


class Daemon:
    """A lambentd of its own, with nothing deployed."""

    def __init__(self, bench, *flags):
        self.work = Path(tempfile.mkdtemp(prefix="daemon-", dir=bench.work))
        self.work.chmod(0o755)  # the daemon's user must get through to its data
        self.log = self.work / "lambentd.log"
        ready, write = os.pipe()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [LAMBENTD, "--data-dir", self.work / "data", "--listen", "127.0.0.1:0",
                 "--ready-fd", str(write), "--runtimes-dir", bench.runtimes, *flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[write], cwd="/", env=CLEAN)
        os.close(write)
        bench.stops.append(self.stop)
        with open(ready, "rb", buffering=0) as pipe:
            line = pipe.readline() if select.select([pipe], [], [], 60)[0] else b""
        if not line:
            raise Trouble(f"lambentd did not become ready\n{self.log.read_text()[-2000:]}")
        self.port = int(re.search(rb":(\d+)", line)[1])
        self.http = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.made = 0

    def stop(self):
        stop_process(self.process)
        shutil.rmtree(self.work, ignore_errors=True)

    def call(self, method, path, body=None, expect=(200, 201, 202, 204)):
        self.http.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = self.http.getresponse()
        text = answer.read()
        if answer.status not in expect:
            raise Trouble(f"{method} {path}: {answer.status} {text[:300].decode(errors='replace')}")
        return text

    def health(self):
        return json.loads(self.call("GET", "/_lambent/health"))

    def deploy(self, bench, kind, memory_mb=ONE_CPU_MB):
        """A function that is new to the daemon, and its target for the stopwatch; not invoked yet."""
        self.made += 1
        name = f"{kind}-{self.made}"
        self.call("POST", "/2015-03-31/functions", json.dumps({
            "FunctionName": name, "Role": ROLE, "Timeout": 60, "MemorySize": memory_mb,
            "Code": {"ZipFile": bench.zip(kind)}, **SETTINGS[kind]}))
        until(lambda: json.loads(self.call("GET", f"/2015-03-31/functions/{name}/configuration"))["State"] == "Active",
              f"{name} is Active")
        target = f"{self.port}/{name}"
        bench.probe.ask("target", target, "http", self.port,
                        f"/2015-03-31/functions/{name}/invocations", "{}")
        return target

    def remove(self, bench, target):
        bench.probe.ask("forget", target)
        self.call("DELETE", "/2015-03-31/functions/" + target.split("/")[1])

    def quiet(self, pooled, environments):
        """Nothing is being built or taken down, and what was is forgotten."""
        def so():
            h = self.health()
            return (h.get("pooled", 0) == pooled and h["environments"] == environments and
                    h["running"] == 0)

        until(so, f"{pooled} ready of {environments} environments; health: {self.health()}")
        time.sleep(0.005)


HANDLERS = {
    "python": ("index.py", "def handler(event, context):\n    return event\n"),
    "node": ("index.js", "exports.handler = async (event) => event;\n"),
}


def node_settings():
    text = subprocess.run([interpreter("node", "nodejs"), "--version"], capture_output=True, text=True,
                          env=CLEAN, check=True).stdout
    major = int(text.lstrip("v").split(".")[0])
    return {"Runtime": f"nodejs{major - major % 2}.x", "Handler": "index.handler"}


def python_settings():
    version = subprocess.run([interpreter("python3"), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                             capture_output=True, text=True, env=CLEAN, check=True).stdout.strip()
    return {"Runtime": f"python{version}", "Handler": "index.handler"}


SETTINGS = {"native": {"Runtime": "provided.al2023", "Handler": "any"}}  # the others in main()


class Bench:
    """All that a measure may use, and all that must be stopped after it."""

    def __init__(self):
        self.work = Path(tempfile.mkdtemp(prefix="lambent-bench-"))
        self.work.chmod(0o755)
        self.stops = []
        self.zips = {}
        self.probe = None
        self.runtimes = self.work / "runtimes"
        shutil.copytree(ROOT / "runtimes", self.runtimes, ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(["sh", ROOT / "runtimes" / "compile.sh", self.runtimes / "python"], check=True)
        self.has_pools = b"--pool-max" in subprocess.run([LAMBENTD, "--help"], capture_output=True,
                                                         check=True).stdout

    def begin(self):
        self.probe = Probe()
        self.stops.append(lambda: stop_process(self.probe.process))

    def stop_all(self):
        while self.stops:
            self.stops.pop()()

    def end(self):
        self.stop_all()
        shutil.rmtree(self.work, ignore_errors=True)

    def zip(self, kind):
        if kind not in self.zips:
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as z:
                if kind == "native":
                    entry = zipfile.ZipInfo("bootstrap")
                    entry.external_attr = 0o100755 << 16
                    z.writestr(entry, (BUILD / "bench" / "bench_native").read_bytes(), zipfile.ZIP_DEFLATED)
                else:
                    z.writestr(*HANDLERS[kind])
            self.zips[kind] = base64.b64encode(packed.getvalue()).decode()
        return self.zips[kind]

    def pools_off(self):
        return ["--pool-max", "0"] if self.has_pools else []

    def bare(self, kind):
        """The process that a cold start is divided by."""
        return {
            "python": lambda: [interpreter("python3"), "-I", "-S", "-c", "pass"],
            "node": lambda: [interpreter("node", "nodejs"), "-e", "0"],
            "native": lambda: [BUILD / "bench" / "bench_still"],
        }[kind]()

    def nginx(self):
        """As many workers as CPUs, no log: nginx at its best."""
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        if not program:
            raise Missing("nginx is not installed")
        work = self.work / "nginx"
        work.mkdir()
        port = free_port()
        (work / "nginx.conf").write_text(f"""
            daemon off; pid {work}/pid; error_log stderr crit; worker_processes auto;
            events {{ worker_connections 1024; }}
            http {{
                access_log off; keepalive_requests 1000000000;
                client_body_temp_path {work}/body; proxy_temp_path {work}/proxy;
                fastcgi_temp_path {work}/fastcgi; uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi;
                server {{ listen 127.0.0.1:{port}; location / {{ return 200 '{{"hello":{{}}}}'; }} }}
            }}""")
        process = subprocess.Popen([program, "-p", work, "-c", work / "nginx.conf"], stdin=subprocess.DEVNULL,
                                   env=CLEAN, start_new_session=True)
        self.stops.append(lambda: stop_process(process))

        def answers():
            if process.poll() is not None:
                raise Trouble("nginx did not start")
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0

        until(answers, "nginx listens")
        self.probe.ask("target", "nginx", "http", port, "/", "{}")
        return "nginx"

    def echo(self):
        """A Python process that only echoes frames."""
        path = self.work / "echo.sock"
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            listening.listen(1)
            process = subprocess.Popen([interpreter("python3"), "-I", "-S", ROOT / "bench" / "echo.py"],
                                       stdin=listening.fileno(), env=CLEAN)
        self.stops.append(lambda: stop_process(process))
        self.probe.ask("target", "echo", "echo", path, "{}")
        return "echo"


# ---- the figures ----


def cold(bench, name):
    """Request to answer of a function's first invocation, which makes a new environment."""
    _, kind, mode = name.split(".")
    pool = POOL if mode == "pool" else 0
    if pool and not bench.has_pools:
        raise Missing("this lambentd keeps no pools")
    flags = ["--pool-min", str(POOL), "--pool-max", str(POOL)] if pool else bench.pools_off()
    daemon = Daemon(bench, *flags)
    bench.probe.ask("target", "bare", "spawn", *bench.bare(kind))
    first = daemon.deploy(bench, kind)
    bench.probe.sample(1, first)  # from disk, and it makes the pool
    daemon.remove(bench, first)
    ours, bare = [], []
    left = COLD_N[kind]
    while left > 0:
        targets = [daemon.deploy(bench, kind) for _ in range(min(left, BATCH))]
        before = daemon.health()["cold_starts"]
        for i, target in enumerate(targets):
            bare += bench.probe.sample(1, "bare")[0]
            daemon.quiet(pool, pool + i)
            ours += bench.probe.sample(1, target)[0]
        made = daemon.health()["cold_starts"] - before
        if made != len(targets):
            raise Trouble(f"{made} cold starts for {len(targets)} new functions")
        for target in targets:
            daemon.remove(bench, target)
        daemon.quiet(pool, pool)
        left -= len(targets)
    return figures.latency_row(name, ours, bare)


def warm_latency(bench, name):
    """The way from client to handler and back, beside a bare echo to the same kind of process."""
    daemon = Daemon(bench)
    target, echo = daemon.deploy(bench, "python"), bench.echo()
    bench.probe.sample(500, target, echo)
    ours, bare = bench.probe.sample(WARM_N, target, echo)
    return figures.latency_row(name, ours, bare)


def warm_throughput(bench, name):
    daemon = Daemon(bench)
    target, nginx = daemon.deploy(bench, "native"), bench.nginx()
    slices, bare, samples = [], [], []
    for n in range(SLICES + 1):
        for where, into in ((target, slices), (nginx, bare)):
            seconds, latencies = bench.probe.timed("load", where, CLIENTS, SLICE_MS)
            if n > 0:  # the first of each is warm-up, and makes the environments
                into.append((len(latencies), seconds))
                samples += latencies if where == target else []
    return figures.rate_row(name, slices, bare, samples)


def scale(bench, name):
    """Environments made per second while many wait for new ones, default pools and all."""
    daemon = Daemon(bench)
    bench.probe.ask("target", "bare", "spawn", *bench.bare("python"))
    bench.probe.sample(1, daemon.deploy(bench, "python"))
    slices, bare, samples = [], [], []
    for _ in range(SCALE_SLICES):
        targets = [daemon.deploy(bench, "python") for _ in range(SCALE_N)]
        ready = daemon.health().get("pooled", 0)
        seconds, latencies = bench.probe.timed("spread", SCALE_CLIENTS, *targets)
        # What lay ready was made before, what lies ready now was made meanwhile.
        made = len(targets) - ready + daemon.health().get("pooled", 0)
        slices.append((made, seconds))
        samples += latencies
        for target in targets:
            daemon.remove(bench, target)
        until(lambda: daemon.health()["environments"] < SCALE_N // 2, "environments are gone")
        seconds, latencies = bench.probe.timed("churn", "bare", SCALE_CLIENTS, SCALE_N)
        bare.append((len(latencies), seconds))
    return figures.rate_row(name, slices, bare, samples)


def descendants(pid):
    """`pid` and all beneath it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                text = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue  # gone in between
            children.setdefault(int(text[text.rindex(")") + 2 :].split()[1]), []).append(int(entry))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def memory_kib(*pids):
    """What these processes and the kernel hold: their proportional set size, and the kernel's own
    memory, all of it (of which other programs change little in the meantime)."""
    total = 0
    for pid in pids:
        try:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                total += int(line.split()[1]) if line.startswith("Pss:") else 0
        except OSError:
            pass  # a kernel thread's, or gone
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, value = line.split(":")
        if name in ("Slab", "KernelStack", "PageTables", "Percpu"):
            total += int(value.split()[0])
    return total


def density(bench, name):
    """KiB for each more idle, frozen environment: processes, kernel, and what the daemon keeps."""
    kind = name.split(".")[1]
    n = DENSITY_N[kind]
    program = ([interpreter("python3"), "-I", "-S", "-c", "import os; os.write(1, b'x'); os.read(0, 1)"]
               if kind == "python" else [BUILD / "bench" / "bench_still", "wait"])
    idle = []
    bench.stops.append(lambda: [stop_process(p) for p in idle])
    before = memory_kib()
    for _ in range(n):
        idle.append(subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=CLEAN))
        if kind == "python":
            idle[-1].stdout.read(1)
    bare = (memory_kib(*(p.pid for p in idle)) - before) / n
    for p in idle:
        p.communicate()
    daemon = Daemon(bench, *bench.pools_off())
    bench.probe.sample(1, daemon.deploy(bench, kind, memory_mb=128))
    targets = [daemon.deploy(bench, kind, memory_mb=128) for _ in range(n)]
    until(lambda: daemon.health()["frozen"] == 1, "the first is frozen")
    before = memory_kib(*descendants(daemon.process.pid))
    bench.probe.sample(1, *targets)
    until(lambda: daemon.health()["frozen"] == 1 + n, "all are frozen")
    kib = (memory_kib(*descendants(daemon.process.pid)) - before) / n
    return figures.row(name, n=n, kib=kib, baseline=bare)


def flat(bench, name):
    """A warm invocation where 1,000 functions have an environment each, beside one where only it has."""
    crowded, alone = Daemon(bench), Daemon(bench)
    hot, only = crowded.deploy(bench, "native"), alone.deploy(bench, "native")
    bench.probe.sample(1, hot, only)
    left = FLAT_FUNCTIONS - 1
    while left > 0:
        targets = [crowded.deploy(bench, "native") for _ in range(min(left, 100))]
        bench.probe.timed("spread", 4, *targets)
        for target in targets:
            bench.probe.ask("forget", target)
        left -= len(targets)
    until(lambda: crowded.health()["frozen"] == FLAT_FUNCTIONS, "all are frozen")
    bench.probe.sample(500, hot, only)
    ours, bare = bench.probe.sample(FLAT_N, hot, only)
    return figures.latency_row(name, ours, bare)


MEASURES = {name: {"cold": cold, "density": density}.get(name.split(".")[0]) for name in figures.NAMES}
MEASURES.update({
    "warm.python.latency": warm_latency,
    "warm.native.throughput": warm_throughput,
    "scale.python.rate": scale,
    "flat.functions": flat,
})


def measure(bench, names):
    """(rows, whether all that exists could be measured)"""
    rows, good = [], True
    for name in names:
        began = time.monotonic()
        try:
            bench.begin()
            if name.split(".")[1] in ("python", "node") and name.split(".")[1] not in SETTINGS:
                kind = name.split(".")[1]
                SETTINGS[kind] = {"python": python_settings, "node": node_settings}[kind]()
            rows.append(MEASURES[name](bench, name))
            print(f"{name}: {time.monotonic() - began:.1f} s", file=sys.stderr)
        except Missing as why:
            print(f"{name} is left out: {why}", file=sys.stderr)
        except (Trouble, OSError, http.client.HTTPException, subprocess.SubprocessError) as why:
            print(f"{name} failed: {why}", file=sys.stderr)
            for log in bench.work.glob("daemon-*/lambentd.log"):
                print(log.read_text()[-2000:], file=sys.stderr)
            good = False
        finally:
            bench.stop_all()
    return rows, good


def main():
    parser = argparse.ArgumentParser(prog="script/bench", description="Lambent's figures beside their baselines.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="figures to measure; all when none is named")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    chosen = parser.parse_args()
    if chosen.list:
        print("\n".join(figures.NAMES))
        return 0
    unknown = sorted(set(chosen.names) - set(figures.NAMES))
    if unknown:
        parser.error(f"there is no figure {', '.join(unknown)}; --list names them")
    if os.geteuid() != 0:
        parser.error("needs root: it starts lambentd, which makes namespaces and control groups")
    if not LAMBENTD.exists():
        parser.error(f"{LAMBENTD} is missing: build first, or use script/bench")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))  # by way of every finally
    signal.alarm(RUN_MAX_S)
    bench = Bench()
    try:
        rows, good = measure(bench, [n for n in figures.NAMES if n in (chosen.names or figures.NAMES)])
    finally:
        bench.end()
    print(figures.table(rows))
    if chosen.json:
        figures.write_json(rows, chosen.json)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
