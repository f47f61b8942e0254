"""The process that reads a backup for the server, from stdin: unpacks it beside the database and checks what comes out,
which takes the interpreter's lock and the disk for as long as the backup is large.

Its arguments are the database, and the name beside it that a sound backup keeps unpacked, empty for none
(staged_restore.py). Stdout gets one line: empty for a sound backup, else what is wrong with it.
"""

import sys
from pathlib import Path

from delta_server.core.errors import DeltaError
from delta_server.storage import child
from delta_server.storage.backup import verify_stream

ARGUMENT = "backup-verifier"
"""What the program is called with to be this."""


def main(database: str, kept: str = "") -> None:
    child.begin()
    child.end_with_parent()
    try:
        verify_stream(
            sys.stdin.buffer,
            Path(database),
            progress=lambda _what, _done, _of: None,
            kept=Path(database).with_name(kept) if kept else None,
        )
    except DeltaError as error:
        sys.stdout.write(f"{error.message}\n")
