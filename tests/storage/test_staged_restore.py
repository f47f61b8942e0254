"""A restore in two steps: whatever happens in between, the directory has the old database or the new one, whole."""

import resource
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import pytest

from delta_server.core.actor import SERVER
from delta_server.storage import staged_restore
from delta_server.storage.backup import BackupRefused, back_up, verify_stream
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.migrate import MigrationRefused
from delta_server.storage.staged_restore import NOTE_NAME, STAGED_NAME, Note, kept_name
from tests.storage.opened import opened

ASKED_MS = 1_770_000_000_000
KEPT = kept_name(ASKED_MS)


def note(**more: Any) -> Note:
    return Note("b.db.zst", SERVER, ASKED_MS, KEPT, **more)


def make(tx: Tx) -> None:
    tx.run("CREATE TABLE state (name TEXT NOT NULL) STRICT")


def name(tx: Tx, text: str) -> None:
    tx.run("DELETE FROM state")
    tx.run("INSERT INTO state VALUES (?)", text)


def state(tx: Tx) -> str:
    row = tx.one("SELECT name FROM state")
    assert row is not None
    return str(row[0])


def names(data_dir: Path) -> set[str]:
    return {path.name for path in data_dir.iterdir()}


def silent(_what: str, _done: int, _of: int) -> None: ...


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    """Its database is "new", and an "old" one waits to take its place."""
    directory, backup = tmp_path / "data", tmp_path / "b.db.zst"
    async with opened(directory) as db:
        await db.write(make)
        await db.write(name, "old")
        back_up(directory / "delta.db", backup, progress=silent)
        await db.write(name, "new")
    with backup.open("rb") as file:
        verify_stream(file, directory / "delta.db", progress=silent, kept=directory / STAGED_NAME)
    staged_restore.write_note(directory, note())
    return directory


async def read(data_dir: Path) -> str:
    async with opened(data_dir) as db:
        return await db.read(state)


async def test_the_next_start_has_it_and_the_one_before_is_kept(data_dir: Path, tmp_path: Path) -> None:
    assert await read(data_dir) == "old"
    assert await read(data_dir) == "old", "once"
    (tmp_path / "other").mkdir()
    (data_dir / KEPT).rename(tmp_path / "other" / "delta.db")
    assert await read(tmp_path / "other") == "new"


def test_who_reads_the_one_before_leaves_no_empty_log(data_dir: Path) -> None:
    kept, log = data_dir / "delta.db", data_dir / "delta.db-wal"

    def read_it() -> None:
        connection = apsw.Connection(str(kept), flags=apsw.SQLITE_OPEN_READONLY)
        connection.execute("SELECT name FROM state").fetchall()
        connection.close()

    before = names(data_dir)
    read_it()
    assert names(data_dir) == before | {"delta.db-wal", "delta.db-shm"}
    with pytest.raises(Killed), staged_restore.read_alone(kept):
        raise Killed
    assert names(data_dir) == before
    log.write_bytes(b"something")
    with staged_restore.read_alone(kept):
        pass
    assert log.read_bytes() == b"something"


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", range(1, 4))
async def test_killed_at_any_step_it_goes_on(data_dir: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """A server that was killed has left its write-ahead log, which goes with its database."""
    held = apsw.Connection(str(data_dir / "delta.db"))
    held.execute("UPDATE state SET name = 'newer'")
    for end in ("-wal", "-shm"):
        (data_dir / f"saved{end}").write_bytes((data_dir / f"delta.db{end}").read_bytes())
    held.close()
    for end in ("-wal", "-shm"):
        (data_dir / f"saved{end}").rename(data_dir / f"delta.db{end}")
    steps, replace = iter(range(1, 99)), Path.replace

    def stop(path: Path, to: Path) -> Path:
        if next(steps) == at:
            raise Killed
        return replace(path, to)

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(Killed):
        staged_restore.put_in_place(data_dir, "delta.db")
    monkeypatch.undo()
    assert await read(data_dir) == "old"
    assert (data_dir / KEPT).is_file()
    assert not (data_dir / STAGED_NAME).exists()


async def test_one_that_cannot_be_opened_gives_way_to_the_one_before(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = apsw.Connection(str(data_dir / STAGED_NAME))
    connection.pragma("journal_mode", "DELETE")
    connection.pragma("user_version", 9999)
    connection.close()
    assert await read(data_dir) == "new"
    told = staged_restore.read_note(data_dir)
    assert told is not None
    assert (told.kept, told.finished_ms) == ("", None)
    assert "newer Delta" in (told.fault or "")
    assert not (data_dir / KEPT).exists()


async def test_what_nobody_asked_for_is_not_put_in_place(data_dir: Path) -> None:
    for content in (b"{", b""):
        (data_dir / NOTE_NAME).write_bytes(content)
        (data_dir / STAGED_NAME).write_bytes(b"whatever this is")
        assert await read(data_dir) == "new"
        assert not (data_dir / STAGED_NAME).exists()


async def test_a_later_failure_brings_nothing_back(data_dir: Path) -> None:
    assert await read(data_dir) == "old"
    staged_restore.write_note(data_dir, note(finished_ms=ASKED_MS))
    assert not staged_restore.put_back(data_dir, "delta.db", "for another reason")
    connection = apsw.Connection(str(data_dir / "delta.db"))
    connection.pragma("user_version", 9999)
    connection.close()
    with pytest.raises(MigrationRefused):
        await read(data_dir)


@pytest.fixture
def limited() -> Iterator[None]:
    """Files may have 64 KiB here: to whoever writes, as a disk that fills up on the way."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


async def test_a_disk_that_fills_up_on_the_way_changes_nothing(
    data_dir: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (data_dir / STAGED_NAME).unlink()
    before, seen = (data_dir / "delta.db").read_bytes(), names(data_dir)
    request.getfixturevalue("limited")
    with (tmp_path / "b.db.zst").open("rb") as file, pytest.raises(BackupRefused, match="File too large"):
        verify_stream(file, data_dir / "delta.db", progress=silent, kept=data_dir / STAGED_NAME)
    assert (data_dir / "delta.db").read_bytes() == before
    assert names(data_dir) == seen


async def test_without_room_nothing_is_begun(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data_dir / STAGED_NAME).unlink()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=16 << 20))
    written: list[int] = []
    with (tmp_path / "b.db.zst").open("rb") as file, pytest.raises(BackupRefused, match="17 MB free, and the database"):
        verify_stream(file, data_dir / "delta.db", progress=lambda _what, done, _of: written.append(done))
    assert written == []
