"""The rule about tests that are skipped, tried on some."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.server_process import ROOT, environment

SOME = """
import pytest
pytest_plugins = ["tests.no_skips"]
@pytest.mark.skipif(True, reason="promtool is not installed")
def test_marked(): ...
def test_lacking(): pytest.skip("nginx is not installed")
def test_long(): pytest.skip("takes minutes: DELTA_LONG=1")
@pytest.mark.xfail
def test_wrong(): assert False
"""


@pytest.mark.parametrize(("more", "told"), [({}, "3 skipped, 1 xfailed"), ({"NO_SKIPS": "1"}, "2 failed")])
def test_what_is_skipped_fails_where_that_is_wanted(tmp_path: Path, more: dict[str, str], told: str) -> None:
    (tmp_path / "test_some.py").write_text(SOME)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "/dev/null", str(tmp_path)]
    asked = {name: value for name, value in environment(PYTHONPATH=str(ROOT)).items() if name != "NO_SKIPS"}
    env = asked | more | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert told in done.stdout, done.stdout + done.stderr
    assert ("NO_SKIPS forbids" in done.stdout) is bool(more)
