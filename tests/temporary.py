"""Where a whole run writes: into memory where there is much of it, for tests make some 10,000 databases that nobody
wants for longer than a moment. On a disk making and deleting their files takes a twentieth of the processor time, and
syncs have the cores wait.

What fails stays until the next run. Whoever names a place by `TMPDIR` or `--basetemp` has it there; tests that are
run in one process write to the disk.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
_PREFIX = "delta-tests-"
ROOM_BYTES = 2 << 30
"""Of the place, and twice that of the machine's memory. Looked at every 5 s, a run had 170 MB there at most."""

_MADE = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None) and not config.option.basetemp and (made := begin()):
        config.stash[_MADE] = made


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == 0 and (made := session.config.stash.get(_MADE, None)):
        shutil.rmtree(made, ignore_errors=True)


def begin() -> Path | None:
    """Makes the directory of all that is temporary from now on, in this process and those it starts: None on a disk."""
    if "TMPDIR" in os.environ or not _is_fit():
        return None
    _drop_left()
    made = MEMORY / f"{_PREFIX}{os.getpid()}"
    made.mkdir()
    made.chmod(0o711)  # PostgreSQL of the benches runs as another user
    os.environ["TMPDIR"] = str(made)
    tempfile.tempdir = None  # pytest has looked it up before
    return made


def _is_fit() -> bool:
    """Programs may be started there, too."""
    try:
        place, memory = os.statvfs(MEMORY), Path("/proc/meminfo").read_text()
    except OSError:
        return False
    available = re.search(r"MemAvailable: +(\d+) kB", memory)
    return (
        os.access(MEMORY, os.W_OK)
        and not place.f_flag & os.ST_NOEXEC
        and place.f_bavail * place.f_frsize >= ROOM_BYTES
        and available is not None
        and int(available[1]) << 10 >= 2 * ROOM_BYTES
    )


def _drop_left() -> None:
    """What runs of ours have left that are no more."""
    for each in MEMORY.glob(f"{_PREFIX}*"):
        process = each.name.removeprefix(_PREFIX)
        is_over = process == str(os.getpid()) or not Path("/proc", process).exists()
        if is_over and each.stat().st_uid == os.getuid():
            shutil.rmtree(each, ignore_errors=True)
