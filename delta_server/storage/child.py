"""How processes of ours are started: this program again, with another first argument (__main__.py)."""

import os
import sys
from pathlib import Path


def program() -> list[str]:
    if getattr(sys, "frozen", False):
        return [sys.executable]
    return [sys.executable, "-m", "delta_server"]


def environment() -> dict[str, str]:
    """Nothing of the server's, but what tells a one-file executable that it is unpacked already: otherwise each process
    unpacks 110 MB, is two processes, and ending one leaves both there."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("_PYI_")}
    return kept | {"PYTHONPATH": str(Path(__file__).parents[2])}


def begin() -> None:
    """What such a process does first: leave Ctrl-C to the server. It stays in the server's session, for Linux may share
    cores out by session first (sched_autogroup), and by priority (priority.py) only within one."""
    if sys.platform != "win32":
        os.setpgid(0, 0)
