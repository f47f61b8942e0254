"""The executable's largest libraries are unpacked when they are first imported (packaging/unpack_first_use.py)."""

import fcntl
import os
import subprocess
import sys
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
