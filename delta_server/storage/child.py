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
