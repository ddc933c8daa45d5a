"""lambentd as a process: readiness, stopping, several at once, settings."""

import os
import re
import socket
import subprocess
import threading

from conftest import Deploy, make_client
from lambentlib import BUILD, LAMBENTD, ROOT, Daemon, descendants, leftovers, make_zip, request, still_alive, until

SLOW_ECHO = (
    "import time\n"
    "def handler(event, context):\n"
    "    if event['s']: print('running', flush=True)\n"
    "    end = time.monotonic() + event['s']\n"
    "    while time.monotonic() < end: pass\n"
    "    return 'finished'\n")


def test_stop_lets_running_invocations_finish():
    """SIGTERM: no new connections, the running invocation gets its answer, then status 0 and nothing left."""
    daemon = Daemon().start()
    try:
        deploy = Deploy(make_client(daemon))
        name = deploy.zip(make_zip({"index.py": SLOW_ECHO}), "python3.11")
        deploy.client.invoke(FunctionName=name, Payload='{"s": 0}')
        answers = []
        caller = threading.Thread(
            target=lambda: answers.append(deploy.client.invoke(FunctionName=name, Payload='{"s": 2}')["Payload"].read()))
        caller.start()
        running(daemon, name)
        below = descendants(daemon.pid)
        assert daemon.stop() == 0, daemon.tail()
        caller.join()
        assert answers == [b'"finished"']
        assert not still_alive(below)
        until(lambda: not leftovers(daemon), "nothing is left")
    finally:
        daemon.remove()


def running(daemon, name):
    """Until the function's own word that it runs has come out of the sandbox."""
    logs = make_client(daemon, "logs")

    def ask():
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return False
        return any("running" in e["message"] for e in events)

    until(ask, "the function runs")


def test_stop_is_bounded():
    """An invocation that would outlast stop_ms does not hold the stop up."""
    daemon = Daemon("--stop-ms", "500").start()
    try:
        deploy = Deploy(make_client(daemon))
        name = deploy.zip(make_zip({"index.py": SLOW_ECHO}), "python3.11", Timeout=60)
        caller = threading.Thread(target=quietly, args=(lambda: deploy.client.invoke(FunctionName=name, Payload='{"s": 50}'),))
        caller.start()
        running(daemon, name)
        assert daemon.stop(timeout=15) == 0, daemon.tail()
        caller.join()
        until(lambda: not leftovers(daemon), "nothing is left")
    finally:
        daemon.remove()


def quietly(call):
    try:
        call()
    except Exception:  # noqa: BLE001: how a cut connection shows differs by client version
        pass


def test_side_by_side():
    """Two daemons: own ports, own functions of the same name; killing one does not touch the other."""
    one, two = Daemon().start(), Daemon().start()
    try:
        for daemon, text in ((one, "one"), (two, "two")):
            deploy = Deploy(make_client(daemon))
            deploy.zip(make_zip({"index.py": f"def handler(e, c): return '{text}'\n"}), "python3.11", name="same")
        assert one.port != two.port
        assert make_client(one).invoke(FunctionName="same")["Payload"].read() == b'"one"'
        one.kill()
        assert make_client(two).invoke(FunctionName="same")["Payload"].read() == b'"two"'
        one.start()
        assert make_client(one).invoke(FunctionName="same")["Payload"].read() == b'"one"'
        assert make_client(two).invoke(FunctionName="same")["Payload"].read() == b'"two"'
        assert (one.stop(), two.stop()) == (0, 0)
    finally:
        one.remove()
        two.remove()


def test_data_survives_a_restart():
    daemon = Daemon().start()
    try:
        client = make_client(daemon)
        deploy = Deploy(client)
        name = deploy.zip(make_zip({"index.py": "def handler(e, c): return 'kept'\n"}), "python3.11", Publish=True)
        before = client.get_function_configuration(FunctionName=name)
        assert daemon.stop() == 0
        daemon.start()
        client = make_client(daemon)
        after = client.get_function_configuration(FunctionName=name)
        del before["ResponseMetadata"], after["ResponseMetadata"]
        assert before == after
        assert client.invoke(FunctionName=name, Qualifier="1")["Payload"].read() == b'"kept"'
        assert daemon.stop() == 0
    finally:
        daemon.remove()


def run(*arguments):
    return subprocess.run([LAMBENTD, *arguments], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "LAMBENT_RUNTIMES_DIR": str(ROOT / "runtimes")})


def test_a_taken_port_is_said(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        done = run("--data-dir", tmp_path / "data", "--listen", f"127.0.0.1:{port}")
    assert done.returncode != 0 and str(port) in done.stderr


def test_two_daemons_cannot_share_a_data_folder(daemon):
    done = run("--data-dir", daemon.data, "--listen", "127.0.0.1:0")
    assert done.returncode != 0
    assert str(daemon.data) in done.stderr


def test_texts_from_the_table(tmp_path):
    """--help and --man show every setting; a wrong value names flag and bounds; so does a configuration file's line."""
    helped = run("--help")
    assert helped.returncode == 0
    for flag in ("--data-dir", "--listen", "--config", "--ready-fd", "--stop-ms"):
        assert flag in helped.stdout
    assert run("--man").stdout.lstrip().startswith((".TH", ".\\\"", "'\\\""))
    wrong = run("--stop-ms", "soon")
    assert wrong.returncode != 0 and re.search(r"stop.ms", wrong.stderr) and "soon" in wrong.stderr
    config = tmp_path / "lambent.conf"
    config.write_text("# a comment\n\nlisten = 127.0.0.1:0\nno_such_setting = 1\n")
    wrong = run("--config", config)
    assert wrong.returncode != 0 and "no_such_setting" in wrong.stderr and "4" in wrong.stderr


def test_configuration_file_is_used(tmp_path):
    config = tmp_path / "lambent.conf"
    config.write_text("account = 123456789012\nregion = eu-west-1\n")
    daemon = Daemon("--config", str(config)).start()
    try:
        answer = request(daemon.port, "GET", "/2015-03-31/functions/nobody")
        assert answer.message == "Function not found: arn:aws:lambda:eu-west-1:123456789012:function:nobody"
        assert daemon.stop() == 0
    finally:
        daemon.remove()


def test_the_model_is_described():
    """--describe-api lists every operation of the model, and which have a handler."""
    done = run("--describe-api")
    assert done.returncode == 0
    found = {name: state for state, name in re.findall(r"^ +(yes|no) +(\w+) ", done.stdout, re.M)}
    assert len(found) >= 85
    assert found["CreateFunction"] == found["Invoke"] == found["PublishVersion"] == "yes"
    assert "CreateEventSourceMapping" in found


def test_installed(tmp_path):
    """`meson install` puts everything in place, and what is installed works from there."""
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], check=True, capture_output=True,
                   env={**os.environ, "DESTDIR": str(tmp_path)})
    for path in (
        "usr/bin/lambent", "usr/sbin/lambentd", "usr/libexec/lambent/lambent-spawner",
        "usr/share/lambent/runtimes/python/bootstrap.py", "usr/share/lambent/runtimes/nodejs/bootstrap.cjs",
        "usr/share/man/man8/lambentd.8", "usr/share/man/man1/lambent.1", "etc/lambent/lambent.conf",
        "usr/lib/systemd/system/lambent.service", "usr/lib/sysusers.d/lambent.conf", "usr/lib/tmpfiles.d/lambent.conf",
        "usr/share/bash-completion/completions/lambent", "usr/share/doc/lambent/LICENSE",
        "usr/share/doc/lambent/examples/hello-python/handler.py",
    ):
        assert (tmp_path / path).is_file(), path
    # Every line of the packaged configuration is a comment; taken literally, each names a setting that exists.
    config = tmp_path / "etc/lambent/lambent.conf"
    lines = config.read_text().splitlines()
    assert all(not line or line.startswith("#") for line in lines)
    settings = [line[1:] for line in lines if re.match(r"#\w+ = ", line) and not line.startswith(("#listen", "#data_dir"))]
    config.write_text("\n".join(settings) + "\n")
    for folder in [tmp_path, *tmp_path.parents][:3]:
        folder.chmod(0o755)  # pytest's folders are for root alone; the daemon is not root
    daemon = Daemon("--config", str(config), program=tmp_path / "usr/sbin/lambentd").start()
    try:
        deploy = Deploy(make_client(daemon))
        name = deploy.zip(make_zip({"index.py": "def handler(e, c): return 'installed'\n"}), "python3.11")
        assert deploy.client.invoke(FunctionName=name)["Payload"].read() == b'"installed"'
        assert daemon.stop() == 0
    finally:
        daemon.remove()
