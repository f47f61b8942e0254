"""Backups are whole, of one state, and restoring one changes everything or nothing."""

import asyncio
import fcntl
import io
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
import zstandard

from delta_server.storage import backup
from delta_server.storage.backup import BackupRefused, Copied, back_up, back_up_into, restore
from delta_server.storage.database import Tx
from delta_server.storage.sqlite import online_copy
from delta_server.storage.sqlite.directory_lock import DirectoryLock, InUse
from tests.storage.opened import opened

CREATE = "CREATE TABLE item (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL, filler BLOB NOT NULL) STRICT"
ROWS, TOTAL = 400, 400 * 1000


def silent(_what: str, _done: int, _of: int) -> None: ...


def fill(tx: Tx) -> None:
    tx.run(CREATE)
    tx.many("INSERT INTO item VALUES (?, 1000, randomblob(5000))", [(i,) for i in range(ROWS)])


def move(tx: Tx, step: int) -> None:
    """One amount goes from one row to another: their sum never changes."""
    tx.run("UPDATE item SET amount = amount - 1, filler = randomblob(5000) WHERE id = ?", step % ROWS)
    tx.run("UPDATE item SET amount = amount + 1, filler = randomblob(5000) WHERE id = ?", (step * 7 + 1) % ROWS)


def totals(path: Path) -> tuple[int, int]:
    connection = apsw.Connection(str(path))
    try:
        found: tuple[int, int] = connection.execute("SELECT count(*), sum(amount) FROM item").get
        return found
    finally:
        connection.close()


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    async with opened(tmp_path / "data") as db:
        await db.write(fill)
    return tmp_path / "data"


def saved(data_dir: Path, target: Path) -> Path:
    back_up(data_dir / "delta.db", target, progress=silent)
    return target


async def test_a_backup_beside_writes_is_one_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online_copy, "CHUNK_BYTES", 16 << 10)
    target = tmp_path / "backup.zst"
    async with opened(tmp_path / "data") as db:
        await db.write(fill)
        running: asyncio.Task[Copied] = asyncio.create_task(
            asyncio.to_thread(back_up, db._path, target, progress=silent)
        )
        step = 0
        while not running.done():
            await db.write(move, step)
            step += 1
        assert (await running).backup_bytes == target.stat().st_size
    assert step > 1
    restore(target, tmp_path / "other", "delta.db", progress=silent)
    assert totals(tmp_path / "other" / "delta.db") == (ROWS, TOTAL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.zst", "data", "other"]
    async with opened(tmp_path / "other") as db:
        assert await db.check() == []


def cut(packed: bytes) -> bytes:
    return packed[: len(packed) // 2]


def flip(packed: bytes) -> bytes:
    place = len(packed) // 2
    return packed[:place] + bytes([packed[place] ^ 1]) + packed[place + 1 :]


def changed(sql: str) -> Callable[[bytes], bytes]:
    def change(packed: bytes) -> bytes:
        with tempfile.NamedTemporaryFile() as file:
            Path(file.name).write_bytes(zstandard.ZstdDecompressor().decompress(packed))
            connection = apsw.Connection(file.name)
            connection.pragma("journal_mode", "DELETE")
            connection.execute(sql)
            connection.close()
            return zstandard.ZstdCompressor().compress(Path(file.name).read_bytes())

    return change


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda _: b"", "damaged or not a backup"),
        (lambda _: b"# Delta\n\nA text that is longer than the header of a frame.", "damaged or not a backup"),
        (lambda _: zstandard.ZstdCompressor().compress(b"SQLite format 3\0 of something else"), "cannot be read"),
        (cut, "ends too early"),
        (lambda backup: backup[:-1], "does not end with its checksum"),
        (lambda backup: backup[:-4], "does not end with its checksum"),
        (lambda backup: backup + backup[:10], "does not end with its checksum"),
        (lambda backup: 2 * backup, "holds more than one backup"),
        (flip, "damaged"),
        (lambda _: zstandard.ZstdCompressor(write_content_size=False).compress(bytes(99)), "does not say how long"),
        (changed("PRAGMA application_id = 7"), "not a database of Delta"),
        (changed("PRAGMA user_version = 9999"), "newer Delta"),
    ],
)
def test_what_is_no_sound_backup_changes_nothing(
    data_dir: Path, tmp_path: Path, damage: Callable[[bytes], bytes], says: str
) -> None:
    source = saved(data_dir, tmp_path / "backup.zst")
    source.write_bytes(damage(source.read_bytes()))
    before = (data_dir / "delta.db").read_bytes()
    (tmp_path / "empty").mkdir()
    for directory in (data_dir, tmp_path / "new" / "nested", tmp_path / "empty"):
        with pytest.raises(BackupRefused, match=says):
            restore(source, directory, "delta.db", progress=silent, overwrite=True)
    assert (data_dir / "delta.db").read_bytes() == before
    assert not (tmp_path / "new").exists()
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_database_is_replaced_only_when_asked(data_dir: Path, tmp_path: Path) -> None:
    source = saved(data_dir, tmp_path / "backup.zst")
    with pytest.raises(BackupRefused, match="--overwrite"):
        back_up(data_dir / "delta.db", source, progress=silent)
    with pytest.raises(BackupRefused, match="--overwrite"):
        restore(source, data_dir, "delta.db", progress=silent)
    back_up(data_dir / "delta.db", source, progress=silent, overwrite=True)
    restore(source, data_dir, "delta.db", progress=silent, overwrite=True)
    assert totals(data_dir / "delta.db") == (ROWS, TOTAL)


@pytest.mark.parametrize("name", ["delta.db", "delta.db-wal", "delta.lock", "backup", "new.zst", "../data/delta.db"])
def test_no_backup_takes_a_name_in_the_data_directory(data_dir: Path, name: str) -> None:
    before = sorted(path.name for path in data_dir.iterdir())
    with pytest.raises(BackupRefused, match="data directory"):
        back_up(data_dir / "delta.db", data_dir / name, progress=silent, overwrite=True)
    assert sorted(path.name for path in data_dir.iterdir()) == before
    assert totals(data_dir / "delta.db") == (ROWS, TOTAL)


def test_a_directory_in_use_is_not_restored_into(data_dir: Path, tmp_path: Path) -> None:
    source = saved(data_dir, tmp_path / "backup.zst")
    lock = DirectoryLock(data_dir)
    try:
        with pytest.raises(InUse):
            restore(source, data_dir, "delta.db", progress=silent, overwrite=True)
    finally:
        lock.release()


KILLED = """
import apsw, os, signal, sys
connection = apsw.Connection(sys.argv[1])
connection.wal_autocheckpoint(0)
connection.execute("UPDATE item SET amount = 7, filler = randomblob(5000)")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_log_of_the_database_before_is_not_applied_to_the_restored_one(data_dir: Path, tmp_path: Path) -> None:
    source = saved(data_dir, tmp_path / "backup.zst")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(data_dir / "delta.db")], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (data_dir / "delta.db-wal").stat().st_size > 0
    restore(source, data_dir, "delta.db", progress=silent, overwrite=True)
    assert totals(data_dir / "delta.db") == (ROWS, TOTAL)


@pytest.mark.parametrize("broken", ["_copy", "_check", "_compress", "_compare"])
def test_a_backup_that_fails_leaves_no_file(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, broken, fail)
    with pytest.raises(BackupRefused, match="No space left"):
        back_up(data_dir / "delta.db", tmp_path / "backup.zst", progress=silent)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_disk_that_is_full_is_told_with_its_directory_and_changes_nothing(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = saved(data_dir, tmp_path / "backup.zst")
    before = (data_dir / "delta.db").read_bytes()

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, "sync_path", full)
    with pytest.raises(BackupRefused, match=rf"{data_dir}: No space left"):
        restore(source, data_dir, "delta.db", progress=silent, overwrite=True)
    assert (data_dir / "delta.db").read_bytes() == before
    assert sorted(path.name for path in data_dir.iterdir() if "rest" in path.name) == []


def test_a_pipe_is_refused_before_it_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BackupRefused, match="is a pipe"):
        restore(tmp_path / "pipe", tmp_path / "new", "delta.db", progress=silent)


def test_a_plain_database_file_is_restored_too(data_dir: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.db"
    plain.write_bytes((data_dir / "delta.db").read_bytes())
    restore(plain, tmp_path / "new", "delta.db", progress=silent)
    assert totals(tmp_path / "new" / "delta.db") == (ROWS, TOTAL)
    plain.with_name("plain.db-wal").write_bytes(b"")
    with pytest.raises(BackupRefused, match="write-ahead log"):
        restore(plain, tmp_path / "newer", "delta.db", progress=silent)


KILLED_AT = """
import os, signal, sys
from pathlib import Path
from delta_server.storage.backup import back_up, restore
what, at, data_dir, file = sys.argv[1:]
def progress(doing, done, of):
    if doing == at:
        os.kill(os.getpid(), signal.SIGKILL)
if what == "backup":
    back_up(Path(data_dir) / "delta.db", Path(file), progress=progress, overwrite=True)
else:
    restore(Path(file), Path(data_dir), "delta.db", progress=progress, overwrite=True)
"""


@pytest.mark.parametrize(
    ("what", "at"),
    [
        *(("backup", at) for at in ("copying", "checking", "compressing", "verifying")),
        *(("restore", at) for at in ("unpacking", "checking")),
    ],
)
def test_one_that_is_killed_changes_nothing_and_the_next_one_works(
    data_dir: Path, tmp_path: Path, what: str, at: str
) -> None:
    file = saved(data_dir, tmp_path / "backup.zst")
    before = file.read_bytes()
    connection = apsw.Connection(str(data_dir / "delta.db"))
    connection.execute("DELETE FROM item WHERE id >= 100")
    connection.close()
    killed = subprocess.run([sys.executable, "-c", KILLED_AT, what, at, str(data_dir), str(file)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert file.read_bytes() == before
    assert totals(data_dir / "delta.db") == (100, 100 * 1000)
    if what == "backup":
        if at == "copying":  # all pages are there; what was written meanwhile would not be
            with pytest.raises(BackupRefused, match="damaged or not a backup"):
                restore(tmp_path / "backup.zst.copy", tmp_path / "other", "delta.db", progress=silent)
        back_up(data_dir / "delta.db", file, progress=silent, overwrite=True)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.zst", "data"]
    restore(file, data_dir, "delta.db", progress=silent, overwrite=True)
    assert totals(data_dir / "delta.db") == ((100, 100 * 1000) if what == "backup" else (ROWS, TOTAL))
    assert not list(data_dir.glob("*.restoring*"))


def fill_large(tx: Tx, first: int, end: int) -> None:
    """A megabyte each."""
    tx.run(CREATE.replace("TABLE", "TABLE IF NOT EXISTS"))
    tx.many("INSERT INTO item VALUES (?, 1, randomblob(1000000))", [(row,) for row in range(first, end)])


MEASURED = """
import resource, sys
from pathlib import Path
from delta_server.storage.backup import back_up, restore
database, file, other = map(Path, sys.argv[1:])
done = back_up(database, file, progress=lambda *_: None)
restore(file, other, "delta.db", progress=lambda *_: None)
print(done.database_bytes, done.backup_bytes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10)
"""


@pytest.mark.long
@pytest.mark.skipif("DELTA_LONG" not in os.environ, reason="takes 20 GB and minutes: DELTA_LONG=1")
@pytest.mark.timeout(3600)
async def test_a_large_one_takes_little_memory(tmp_path: Path) -> None:
    """Of DELTA_BACKUP_GB (5), and its restore."""
    rows = int(float(os.environ.get("DELTA_BACKUP_GB", "5")) * 1000)
    async with opened(tmp_path / "data") as db:
        await db.write(fill_large, 0, 0)
        for first in range(0, rows, 20):
            await db.write(fill_large, first, min(first + 20, rows))
    places = (tmp_path / "data" / "delta.db", tmp_path / "backup.zst", tmp_path / "other")
    command = [sys.executable, "-c", MEASURED, *map(str, places)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    database_bytes, backup_bytes, most_bytes = map(int, done.stdout.split())
    print(
        f"{database_bytes / 1e9:.1f} GB, packed {backup_bytes / 1e9:.1f} GB, with {most_bytes / 1e6:.0f} MB of memory"
    )
    assert database_bytes >= rows * 1_000_000
    assert most_bytes < 200_000_000


def test_what_goes_to_a_pipe_is_the_same_backup(data_dir: Path, tmp_path: Path) -> None:
    with (tmp_path / "piped.zst").open("wb") as out:
        done = back_up_into(data_dir / "delta.db", out, progress=silent)
    assert done.backup_bytes == (tmp_path / "piped.zst").stat().st_size
    restore(tmp_path / "piped.zst", tmp_path / "other", "delta.db", progress=silent)
    assert totals(tmp_path / "other" / "delta.db") == (ROWS, TOTAL)
    assert not (data_dir / backup.COPY_NAME).exists()


def test_two_into_pipes_are_one_too_many(data_dir: Path, tmp_path: Path) -> None:
    def again(_what: str, _done: int, _of: int) -> None:
        with pytest.raises(BackupRefused, match="another backup is being made"):
            back_up_into(data_dir / "delta.db", io.BytesIO(), progress=silent)

    back_up_into(data_dir / "delta.db", io.BytesIO(), progress=again)


def test_two_of_one_name_are_one_too_many_and_the_first_is_whole(data_dir: Path, tmp_path: Path) -> None:
    told: list[str] = []

    def again(what: str, _done: int, _of: int) -> None:
        told.append(what)
        with pytest.raises(BackupRefused, match="another backup is being made"):
            back_up(data_dir / "delta.db", tmp_path / "backup.zst", progress=silent, overwrite=True)

    back_up(data_dir / "delta.db", tmp_path / "backup.zst", progress=again, overwrite=True)
    assert set(told) == {"copying", "checking", "compressing", "verifying"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.zst", "data"]
    restore(tmp_path / "backup.zst", tmp_path / "other", "delta.db", progress=silent)
    assert totals(tmp_path / "other" / "delta.db") == (ROWS, TOTAL)


def test_a_lock_that_another_backup_left_as_it_was_taken_is_none(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended, and its lock's name with it, between this one's opening and locking."""
    flock, locks = fcntl.flock, list[int]()

    def end_first(lock: int, how: int) -> None:
        locks.append(lock)
        if len(locks) == 1:
            (tmp_path / "backup.zst.copy.lock").unlink()
        flock(lock, how)

    monkeypatch.setattr(fcntl, "flock", end_first)
    back_up(data_dir / "delta.db", tmp_path / "backup.zst", progress=silent)
    assert len(locks) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.zst", "data"]
