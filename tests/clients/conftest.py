"""Node with the packages of `node/`."""

import fcntl
import json
import shutil
import subprocess
from pathlib import Path

import pytest

NODE = Path(__file__).parent / "node"


@pytest.fixture(scope="session")
def node() -> str:
    """The command."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node is not installed")
    with (NODE / "package.json").open() as package:
        fcntl.flock(package, fcntl.LOCK_EX)  # one worker installs
        wanted = json.load(package)["dependencies"]
        if not all((NODE / "node_modules" / name).exists() for name in wanted):
            install = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(install, cwd=NODE, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
    return node
