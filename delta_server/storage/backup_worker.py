"""The process that makes a backup for the server, which sends it on: copying and compressing 100 MB a second would keep
the interpreter's lock from requests. It ends when nobody reads it any more.

Its arguments are the database and `storage.wal_bytes`. The backup comes out of stdout; what went wrong is one line on
stderr, with exit code 1.
"""

import os
import sys
from pathlib import Path

from delta_server.core.errors import DeltaError
from delta_server.storage import child
from delta_server.storage.backup import back_up_into

ARGUMENT = "backup-worker"
"""What the program is called with to be this."""


def main(database: str, wal_bytes: str) -> None:
    child.begin()
    try:
        with os.fdopen(1, "wb", closefd=False) as out:
            back_up_into(Path(database), out, progress=lambda _what, _done, _of: None, wal_bytes=int(wal_bytes))
    except DeltaError as error:
        sys.exit(error.message)
