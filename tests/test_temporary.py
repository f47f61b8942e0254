"""Where a whole run writes: into memory, unless somebody named a place or there is too little of it."""

import os
import tempfile
from pathlib import Path

import pytest

from tests import temporary


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(temporary, "MEMORY", tmp_path)
    monkeypatch.setattr(temporary, "ROOM_BYTES", 1)
    monkeypatch.setattr(tempfile, "tempdir", tempfile.gettempdir())
    monkeypatch.setenv("TMPDIR", "before")  # so that it is put back
    monkeypatch.delenv("TMPDIR")
    return tmp_path


def test_a_named_place_is_left(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    assert temporary.begin() is None
    assert list(memory.iterdir()) == []


def test_too_little_is_left(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary, "ROOM_BYTES", 1 << 60)
    assert temporary.begin() is None
    monkeypatch.setattr(temporary, "MEMORY", memory / "none")
    assert temporary.begin() is None
    assert "TMPDIR" not in os.environ


def test_all_that_is_temporary_is_there_from_now_on(memory: Path) -> None:
    made = temporary.begin()
    assert made is not None
    assert made.parent == memory
    assert (os.environ["TMPDIR"], tempfile.gettempdir()) == (str(made), str(made))
    assert made.stat().st_mode & 0o777 == 0o711


def test_what_a_run_left_that_is_no_more_goes(memory: Path) -> None:
    """Those of a process that had our number, too."""
    kept = [memory / name for name in (f"delta-tests-{os.getppid()}", "other")]
    for each in (*kept, memory / "delta-tests-0", mine := memory / f"delta-tests-{os.getpid()}"):
        (each / "some").mkdir(parents=True)
    assert temporary.begin() == mine
    assert sorted(memory.iterdir()) == sorted([*kept, mine])
    assert list(mine.iterdir()) == []
