"""Processes of ours: this program again, with another first argument (__main__.py); and what such a one does first.

Whoever starts one and talks to it has child_process.py."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

EXIT_DEADLINE = 3
"""Exit code of a process that ended itself because what it computed did not hear that its time was over."""
_POLL_S = 1.0


def program() -> list[str]:
    if getattr(sys, "frozen", False):
        return [sys.executable]
    return [sys.executable, "-m", "delta_server"]


def environment(kept: Sequence[str] = ()) -> dict[str, str]:
    """Nothing of the server's, but what says to a one-file executable that it is unpacked already: otherwise each
    process unpacks 110 MB, is two processes, and ending one leaves both there. And those variables whose names begin
    with one of `kept`."""
    found = {name: value for name, value in os.environ.items() if name.startswith(("_PYI_", *kept))}
    return found | {"PYTHONPATH": str(Path(__file__).parents[2])}


def begin() -> None:
    """What such a process does first: leave Ctrl-C to the server. It stays in the server's session, for Linux may share
    cores out by session first (sched_autogroup), and by priority (priority.py) only within one."""
    if sys.platform != "win32":
        os.setpgid(0, 0)


def end_with_parent() -> None:
    """End when the server is gone, which stdin tells only between calls. Where a process that lost its parent gets
    another, as everywhere but on Windows."""
    Thread(target=_poll_parent, args=[os.getppid()], daemon=True).start()


def _poll_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_S)
    os._exit(1)


def resident_bytes() -> int:
    """The memory that this process holds now; 0 where the system does not tell it as Linux does."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
