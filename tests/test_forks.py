"""A run that is shared out among copies (tests/forks.py) reports what one process would, and whatever ends a copy."""

import subprocess
import sys
from pathlib import Path

from tests.server_process import environment

FIRST = """
import warnings
from pathlib import Path
import pytest

@pytest.fixture(scope="session", autouse=True)
def whole(tmp_path_factory):
    yield
    Path("torn_down").touch()

def test_right(tmp_path):
    warnings.warn("odd")

def test_wrong():
    print("said before")
    assert 1 == 2

@pytest.mark.skip(reason="elsewhere")
def test_skipped():
    pass
"""
SECOND = """
import pytest

def test_right(tmp_path):
    pass

@pytest.mark.xfail
def test_wrong():
    assert 1 == 2
"""
ENDS = """
import os

def test_it_ends():
    os._exit(7)
"""


def run(folder: Path, *options: str) -> str:
    command = [sys.executable, "-m", "pytest", "-qrA", "-p", "no:cacheprovider", "-p", "tests.forks", *options]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_what_one_process_would(tmp_path: Path) -> None:
    (tmp_path / "test_first.py").write_text(FIRST)
    (tmp_path / "test_second.py").write_text(SECOND)
    (tmp_path / "pytest.ini").touch()
    told = ("said before", "odd", "FAILED test_first.py::test_wrong", "XFAIL test_second.py::test_wrong")
    counts = "1 failed, 2 passed, 1 skipped, 1 xfailed, 1 warning in"
    for options in ([], ["--forks", "2"]):
        said = run(tmp_path, *options)
        assert [each for each in (*told, counts) if each not in said] == []
        (tmp_path / "torn_down").unlink()


def test_a_copy_that_ends_is_reported(tmp_path: Path) -> None:
    (tmp_path / "test_ends.py").write_text(ENDS)
    (tmp_path / "pytest.ini").touch()
    assert "test_ends.py: 7" in run(tmp_path, "--forks", "2")
