"""Runs in the executable before anything else. Its largest libraries lie in it compressed by zstd, and are unpacked
when they are first imported rather than at each start: the 68 MB of DuckDB for `delta-server --help`. The zones of the
world are one file of it, instead of six hundred. The directory it lives in is kept from what cleans /tmp, and goes with
it: the process that would delete it, which waits for this one, may be killed.
"""

import atexit
import ctypes
import fcntl
import os
import shutil
import signal
import sys
import time
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from threading import Thread

MODULES = (
    "_brotli",
    "_duckdb",
    "cryptography.hazmat.bindings._rust",
    "jsonschema_rs.jsonschema_rs",
    "obstore._obstore",
)
PACKED = ".zst"
ZONES_NAME = "tzdata.zip"
"""The package tzdata, which reads its files through its importer."""
BEGINS = "_MEI"
"""How PyInstaller names what a one-file program is unpacked into; a folder is called otherwise."""
MARK = "delta_server/web.zip"
"""What only this program unpacks."""
UNPACKED_S = 60
"""A directory is locked as long after it was made, at the latest."""
LEVEL, MAIN = "_PYI_PARENT_PROCESS_LEVEL", "1"
"""For the processes that this one starts; theirs is higher."""
_PR_SET_PDEATHSIG = 1


class FirstUse:
    """Finds these modules below `directory`, whether they are unpacked yet or not."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        for library in self._places(name) if name in MODULES else ():
            packed = library.with_name(library.name + PACKED)
            if not library.exists() and packed.exists():
                unpack(packed, library)
            if library.exists():
                return spec_from_file_location(name, library, loader=ExtensionFileLoader(name, str(library)))
        return None

    def _places(self, name: str) -> list[Path]:
        below = self._directory.joinpath(*name.split("."))
        return [below.with_name(below.name + suffix) for suffix in EXTENSION_SUFFIXES]


def unpack(packed: Path, library: Path) -> None:
    """Several processes may do so at once: each makes the whole, and one of them stays. Raises ImportError."""
    import zstandard

    draft = library.with_name(f"{library.name}.{os.getpid()}")
    try:
        with packed.open("rb") as source, draft.open("wb") as out:
            zstandard.ZstdDecompressor().copy_stream(source, out)
        draft.replace(library)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ImportError(
            f"a part of this program cannot be unpacked into {library.parent}: {error.strerror}; make room there, or"
            " set TMPDIR"
        ) from error


def end_with_parent(directory: Path) -> None:
    """Stop when the process that unpacked this is gone, and delete in its place what it unpacked."""
    atexit.register(_delete_if_alone, directory, os.getppid())
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def _delete_if_alone(directory: Path, parent: int) -> None:
    if os.getppid() != parent:
        shutil.rmtree(directory, ignore_errors=True)


def delete_left(directory: Path) -> list[Path]:
    """The directories beside this one of programs like this one that were killed with all their processes: nobody has
    them locked, and they are not being unpacked."""
    left = []
    for entry in os.scandir(directory.parent):
        path = Path(entry.path)
        if entry.name.startswith(BEGINS) and path != directory and _is_left(path):
            shutil.rmtree(path, ignore_errors=True)
            left.append(path)
    return left


def _is_left(path: Path) -> bool:
    try:
        state = path.lstat()
        if state.st_uid != os.getuid() or state.st_mtime > time.time() - UNPACKED_S or not (path / MARK).is_file():
            return False
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


def begin(directory: Path) -> None:
    # systemd-tmpfiles(8) leaves a locked directory alone. It is open until the process ends.
    fcntl.flock(os.open(directory, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_SH | fcntl.LOCK_NB)
    if directory.name.startswith(BEGINS) and os.environ.get(LEVEL) == MAIN:
        end_with_parent(directory)
        Thread(target=delete_left, args=[directory], daemon=True).start()
    sys.meta_path.insert(0, FirstUse(directory))
    sys.path.append(str(directory / ZONES_NAME))


if getattr(sys, "frozen", False):
    begin(Path(sys._MEIPASS))  # type: ignore[attr-defined]  # set by PyInstaller's loader
