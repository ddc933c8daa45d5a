"""Fixtures: a daemon per session, real clients, and `deploy`, which makes functions from inline source."""

import os
import secrets
import subprocess

import boto3
import botocore.config
import pytest

import lambentlib
from lambentlib import ACCOUNT, REGION, ROLE, Daemon, make_zip, native_zip, node_major

# Nothing of the caller's own configuration may decide what is tested.
for name in list(os.environ):
    if name.startswith("AWS_") and not name.startswith("AWS_CA"):
        del os.environ[name]
os.environ.update(
    AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION=REGION,
    AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null",
    AWS_EC2_METADATA_DISABLED="true", AWS_PAGER="",
)
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost"


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        skip = pytest.mark.skip(reason="needs root: CAP_SYS_ADMIN for namespaces, mounts and cgroups")
        for item in items:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def daemon():
    d = Daemon("--reclaim-ms", "120000")
    d.start()
    yield d
    assert d.alive(), f"lambentd died during the tests\n{d.tail()}"
    status = d.stop()
    problems = d.problems()
    log = d.tail()
    d.remove()
    assert status == 0, f"lambentd ended with {status}\n{log}"
    assert not problems, problems


def make_client(daemon, service="lambda", **config):
    settings = dict(
        retries={"max_attempts": 0}, connect_timeout=10, read_timeout=60 * lambentlib.SLOW,
        # The server's own validation is what is tested.
        parameter_validation=False, max_pool_connections=64,
    )
    settings.update(config)
    return boto3.client(service, endpoint_url=daemon.url, region_name=REGION,
                        config=botocore.config.Config(**settings))


@pytest.fixture(scope="session")
def client(daemon):
    return make_client(daemon)


@pytest.fixture(scope="session")
def logs(daemon):
    return make_client(daemon, "logs")


class Deploy:
    """Makes functions with names of their own, waits until they are Active, deletes them at the end."""

    def __init__(self, client):
        self.client = client
        self.names = []

    def name(self, prefix="t"):
        name = f"{prefix}-{secrets.token_hex(6)}"
        self.names.append(name)
        return name

    def zip(self, content, runtime, handler="index.handler", name=None, wait=True, **settings):
        name = name or self.name()
        arguments = dict(FunctionName=name, Role=ROLE, Runtime=runtime, Handler=handler,
                         Code={"ZipFile": content}, Timeout=10)
        arguments.update(settings)
        self.client.create_function(**arguments)
        if wait:
            self.active(name)
        return name

    def active(self, name):
        def state():
            found = self.client.get_function_configuration(FunctionName=name)
            assert found["State"] != "Failed", found
            return found["State"] == "Active" and found.get("LastUpdateStatus") == "Successful"

        lambentlib.until(state, f"{name} is Active")

    def python(self, source, **settings):
        files = source if isinstance(source, dict) else {"index.py": source}
        return self.zip(make_zip(files), settings.pop("runtime", "python3.11"), **settings)

    def node(self, source, **settings):
        files = source if isinstance(source, dict) else {"index.js": source}
        return self.zip(make_zip(files), settings.pop("runtime", f"nodejs{node_major()}.x"), **settings)

    def native(self, source, **settings):
        return self.zip(native_zip(source), "provided.al2023", settings.pop("handler", "any"), **settings)

    def clean(self):
        for name in self.names:
            try:
                self.client.delete_function(FunctionName=name)
            except self.client.exceptions.ResourceNotFoundException:
                pass


@pytest.fixture
def deploy(client):
    d = Deploy(client)
    yield d
    d.clean()


@pytest.fixture(scope="module")
def deploy_shared(client):
    """For functions that several tests of a file only invoke."""
    d = Deploy(client)
    yield d
    d.clean()


@pytest.fixture(scope="session")
def aws(daemon):
    """The aws command: aws("lambda", "list-functions") -> its output as text."""

    def run(*arguments, check=True):
        done = subprocess.run(
            ["/usr/bin/aws", "--endpoint-url", daemon.url, "--output", "json", *map(str, arguments)],
            capture_output=True, text=True, timeout=120 * lambentlib.SLOW,
            env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
        )
        if check and done.returncode:
            raise AssertionError(f"aws {arguments}: {done.returncode}\n{done.stderr}")
        return done if not check else done.stdout

    return run


assert ACCOUNT  # re-exported for tests
