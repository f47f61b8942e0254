"""A restore of the database that a server runs on, in two steps, each of which is whole or not at all.

1. Beside the running server the backup is unpacked and checked (backup_verifier.py) and gets the name `restore.db`,
   with a note beside it of what it is (`restore.json`).
2. Whoever opens the directory next puts it in the place of the database, which is kept as `replaced-TIME.db`; where it
   cannot be opened that one comes back. What has begun is gone on with after a kill: the names follow from the note.

The first server that runs on it finishes the note (features/backups/restoring.py).
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from delta_server.core import times
from delta_server.core.actor import COMMAND_LINE, Actor
from delta_server.storage.sqlite.migrate import sync_path

STAGED_NAME = "restore.db"
NOTE_NAME = "restore.json"
_BESIDE = ("-wal", "-shm", "-journal")


class Note(msgspec.Struct, frozen=True):
    """The last restore of this directory. `finished_ms` is None until a server has run on it; `fault` is why it was
    not done, and `kept` the file with the database before it, empty for none."""

    backup: str
    actor: Actor
    asked_ms: int
    kept: str = ""
    finished_ms: int | None = None
    fault: str | None = None

    @property
    def is_waiting(self) -> bool:
        """It is done, and no server has run on it."""
        return self.finished_ms is None and self.fault is None


def kept_name(asked_ms: int) -> str:
    stamp = times.format(asked_ms).translate({ord("-"): None, ord(":"): None, ord("."): None})
    return f"replaced-{stamp}.db"


def read_note(data_dir: Path) -> Note | None:
    """None without any, and of one that is not whole."""
    try:
        return msgspec.json.decode((data_dir / NOTE_NAME).read_bytes(), type=Note)
    except (OSError, msgspec.MsgspecError):
        return None


def write_note(data_dir: Path, note: Note) -> None:
    """Whole or not at all, and on the disk when it returns. Raises OSError."""
    draft = data_dir / (NOTE_NAME + ".new")
    draft.write_bytes(msgspec.json.encode(note))
    draft.chmod(0o600)
    sync_path(draft)
    draft.replace(data_dir / NOTE_NAME)
    sync_path(data_dir)


def note_of_command(data_dir: Path, backup: str, now_ms: int) -> None:
    """What `delta-server restore` did: the server that starts on it is to know. Raises OSError."""
    write_note(data_dir, Note(backup, COMMAND_LINE, now_ms))


def is_staged(data_dir: Path) -> bool:
    return (data_dir / STAGED_NAME).exists()


def put_in_place(data_dir: Path, name: str) -> None:
    """The second step, by whoever has the directory's lock. Raises OSError."""
    staged, note = data_dir / STAGED_NAME, read_note(data_dir)
    if note is None:  # nobody has asked for it
        staged.unlink()
        return
    kept, database = data_dir / note.kept, data_dir / name
    for present, aside in _files(database, kept):
        if present.exists():
            present.replace(aside)
    staged.replace(database)
    sync_path(data_dir)


def put_back(data_dir: Path, name: str, fault: str) -> bool:
    """Undo it, by whoever has the directory's lock; False where there is nothing to put back. Raises OSError."""
    note = read_note(data_dir)
    if note is None or not (data_dir / note.kept).is_file() or note.finished_ms is not None:
        return False
    database, kept = data_dir / name, data_dir / note.kept
    for present, aside in _files(database, kept):
        present.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            aside.replace(present)
    sync_path(data_dir)
    write_note(data_dir, msgspec.structs.replace(note, kept="", fault=fault))
    return True


@contextmanager
def read_alone(kept: Path) -> Iterator[None]:
    """While `kept` is read: SQLite makes a log and its index beside it then, and who only reads leaves them there.
    An empty log goes with its index; one with something in it is a part of the database."""
    try:
        yield
    finally:
        log, index = (kept.with_name(kept.name + end) for end in ("-wal", "-shm"))
        if log.exists() and log.stat().st_size == 0:
            log.unlink()
            index.unlink(missing_ok=True)


def _files(database: Path, kept: Path) -> Iterator[tuple[Path, Path]]:
    """With a write-ahead log beside it, the database is that log too."""
    for end in ("", *_BESIDE):
        yield database.with_name(database.name + end), kept.with_name(kept.name + end)
