"""@aws-sdk/client-lambda from npm, unchanged: js/crud.mjs does the work and asserts; here it is run."""

import json
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from lambentlib import NPM, SLOW, make_zip, node_major

SOURCE = "exports.handler = async (event) => ({{ who: process.env.WHO, event, code: {} }});\n"


def test_the_javascript_sdk(daemon, deploy, tmp_path):
    """Create, get (and download), invoke, update, publish, list, delete; typed exceptions with their texts."""
    if not (NPM / "js" / "node_modules").is_dir():
        pytest.fail(f"no npm packages in {NPM}/js: run script/bootstrap --test")
    (tmp_path / "one.zip").write_bytes(make_zip({"index.js": SOURCE.format(1)}))
    (tmp_path / "two.zip").write_bytes(make_zip({"index.js": SOURCE.format(2)}))
    # Modules are found from where the script lies, so it must lie beside them.
    script = NPM / "js" / "crud.mjs"
    shutil.copy(Path(__file__).parent / "js" / "crud.mjs", script)
    done = subprocess.run(
        ["node", script, daemon.url, tmp_path, deploy.name("js"), f"nodejs{node_major()}.x"],
        capture_output=True, text=True, timeout=180 * SLOW)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["ok"]
    uuid.UUID(answer["requestId"])
