"""The executable's largest libraries are unpacked when they are first imported (packaging/unpack_first_use.py)."""

import fcntl
import os
import subprocess
import sys
import time
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
import zstandard

from tests.server_process import ROOT

HOOK = ROOT / "packaging" / "unpack_first_use.py"
LIBRARY = b"\x7fELF of a library" * 1000
NAME = "_duckdb" + EXTENSION_SUFFIXES[0]


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = spec_from_file_location("unpack_first_use", HOOK)
    assert spec is not None
    assert spec.loader is not None
    made = module_from_spec(spec)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec.loader.exec_module(made)
    return made


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    (tmp_path / f"{NAME}.zst").write_bytes(zstandard.compress(LIBRARY))
    return tmp_path


def test_a_packed_library_is_there_once_it_is_asked_for(hook: ModuleType, packed: Path) -> None:
    finder = hook.FirstUse(packed)
    assert finder.find_spec("_other") is None
    assert finder.find_spec("obstore._obstore") is None, "a module that is not there"
    assert [path.name for path in packed.iterdir()] == [f"{NAME}.zst"]
    spec = finder.find_spec("_duckdb")
    assert spec.origin == str(packed / NAME)
    assert (packed / NAME).read_bytes() == LIBRARY
    (packed / f"{NAME}.zst").unlink()
    assert finder.find_spec("_duckdb").origin == spec.origin, "it is unpacked once"


def test_without_room_it_says_where_and_leaves_nothing(
    hook: ModuleType, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: Path, _to: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ImportError, match=rf"{packed}: No space left on device; make room there, or set TMPDIR"):
        hook.FirstUse(packed).find_spec("_duckdb")
    assert [path.name for path in packed.iterdir()] == [f"{NAME}.zst"]


HELD = """
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("hook", sys.argv[1])
hook = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hook)
hook.begin(Path(sys.argv[2]))
print("begun", flush=True)
sys.stdin.read()
"""


def test_what_cleans_temporary_files_finds_the_directory_locked(tmp_path: Path) -> None:

    with subprocess.Popen(
        [sys.executable, "-B", "-c", HELD, str(HOOK), str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as held:
        assert held.stdout is not None
        assert held.stdout.readline() == b"begun\n"
        handle = os.open(tmp_path, os.O_RDONLY)
        try:
            with pytest.raises(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(handle)
        held.communicate()


def unpacked(parent: Path, name: str, *, mark: str, age_s: float) -> Path:
    path = parent / name
    (path / mark).parent.mkdir(parents=True)
    (path / mark).touch()
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def test_what_a_killed_program_left_is_deleted_and_nothing_else(hook: ModuleType, tmp_path: Path) -> None:
    mark = hook.MARK
    own, left, locked = (unpacked(tmp_path, f"_MEI{n}", mark=mark, age_s=3600) for n in ("own", "left", "locked"))
    young = unpacked(tmp_path, "_MEIyoung", mark=mark, age_s=5)
    others = unpacked(tmp_path, "_MEIothers", mark="other_program/web.zip", age_s=3600)
    named = unpacked(tmp_path, "mine", mark=mark, age_s=3600)
    (tmp_path / "_MEIlink").symlink_to(named)
    handle = os.open(locked, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        assert hook.delete_left(own) == [left]
    finally:
        os.close(handle)
    assert not left.exists()
    assert all((path / mark).is_file() for path in (own, locked, young, named))
    assert others.is_dir()
    assert (tmp_path / "_MEIlink").is_symlink()


ALONE = """
import importlib.util, os, sys, time
from pathlib import Path
spec = importlib.util.spec_from_file_location("hook", sys.argv[1])
hook = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hook)
import signal
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
child, parent = os.fork(), os.getpid()
if child:
    os.waitpid(child, 0)
else:
    hook.end_with_parent(Path(sys.argv[2]))
    print("begun", flush=True)
    while True:
        time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="others do not tell of a parent's death")
def test_it_stops_with_the_process_that_unpacked_it_and_deletes_that_in_its_place(tmp_path: Path) -> None:
    made = unpacked(tmp_path, "_MEIown", mark="library.so", age_s=0)
    with subprocess.Popen([sys.executable, "-B", "-c", ALONE, str(HOOK), str(made)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"begun\n"
        parent.kill()
        assert parent.stdout.read() == b"", "the child has ended, which holds the pipe too"
    assert not made.exists()
