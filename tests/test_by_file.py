"""Files that workers read when their turn comes tell all that they told when they were read before."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import by_file

WITHOUT = [f"-pno:{each}" for each in ("cacheprovider", "schemathesis", "faker", "anyio", "hypothesispytest")]
FILES = {
    "conftest.py": """
import pytest
from tests.by_file import *

@pytest.fixture(scope="session", autouse=True)
def of_session(pytestconfig):
    pytestconfig.begun = getattr(pytestconfig, "begun", 0) + 1
    yield
    assert pytestconfig.begun == 1
""",
    "pytest.ini": "[pytest]\nasyncio_default_fixture_loop_scope = function",
    "a/test_good.py": """
import pytest

@pytest.fixture(scope="module", autouse=True)
def of_module():
    global count
    count = 0
    yield
    assert count == 3

@pytest.mark.parametrize("n", [0, 1, 2])
def test_in_turn(n):
    global count
    assert count == n
    count += 1
""",
    "a/test_bad.py": "def test_bad():\n    print('what it wrote')\n    assert 1 == 2",
    "b/test_broken.py": "raise ValueError('while it is read')",
    "b/test_nothing.py": "import pytest\npytest.skip('nothing to prove', allow_module_level=True)",
    "c/test_ends.py": """
import pytest

@pytest.fixture
def ends():
    yield
    raise ValueError('as it ends')

@pytest.fixture
def begins():
    raise ValueError('as it begins')

def test_ends(ends): pass
def test_begins(begins): pass
def test_what_lasts_was_begun_once(pytestconfig): assert pytestconfig.begun == 1
def test_skipped(): pytest.skip('no reason')
""",
}


def run(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    begun = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    command = [sys.executable, "-m", "pytest", "-q", "-ra", *WITHOUT, "-n", "1", "--dist", "loadfile"]
    return subprocess.run(
        [*command, "--rootdir", str(folder), *args],
        cwd=folder,
        env=begun | {"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_told(tmp_path: Path) -> None:
    told = run(tmp_path)
    assert told.returncode == pytest.ExitCode.TESTS_FAILED
    lines = told.stdout.splitlines()
    assert lines[-1].startswith("1 failed, 5 passed, 2 skipped, 3 errors in")
    for line in (
        "FAILED a/test_bad.py::test_bad - assert 1 == 2",
        "ERROR b/test_broken.py - ValueError: while it is read",
        "ERROR c/test_ends.py::test_ends - ValueError: as it ends",
        "ERROR c/test_ends.py::test_begins - ValueError: as it begins",
        "what it wrote",
    ):
        assert line in lines
    assert "nothing to prove" in told.stdout


def test_the_first_failure_ends_all(tmp_path: Path) -> None:
    told = run(tmp_path, "-x", "a")
    assert told.returncode == pytest.ExitCode.INTERRUPTED
    assert "1 failed" in told.stdout
    assert "passed" not in told.stdout


@pytest.mark.parametrize(
    "options",
    [
        {"dist": "load"},
        {"dist": "no"},
        {"keyword": "good"},
        {"markexpr": "long"},
        {"lf": True},
        {"args": ["a.py::test"]},
    ],
)
def test_what_picks_tests_has_all_read_before(options: dict[str, Any]) -> None:
    def is_by_file(*, args: Any = ("tests/core", "tests/test_a.py"), **options: Any) -> bool:
        asked = SimpleNamespace(args=args, option=SimpleNamespace(**{"dist": "loadfile", "keyword": ""} | options))
        return by_file.is_for(asked)  # type: ignore[arg-type]

    assert is_by_file()
    assert not is_by_file(**options)
