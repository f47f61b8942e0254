"""Runs in the executable before anything else. Its largest libraries lie in it compressed by zstd, and are unpacked
when they are first imported rather than at each start: the 68 MB of DuckDB for `delta-server --help`. The zones of the
world are one file of it, instead of six hundred. And the directory it lives in is kept from what cleans /tmp.
"""

import fcntl
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

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


def begin(directory: Path) -> None:
    # systemd-tmpfiles(8) leaves a locked directory alone. It is open until the process ends.
    fcntl.flock(os.open(directory, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_SH | fcntl.LOCK_NB)
    sys.meta_path.insert(0, FirstUse(directory))
    sys.path.append(str(directory / ZONES_NAME))


if getattr(sys, "frozen", False):
    begin(Path(sys._MEIPASS))  # type: ignore[attr-defined]
