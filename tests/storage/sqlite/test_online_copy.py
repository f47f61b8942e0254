"""A copy beside writes is one state of the database, and the log does not grow for it."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random
from threading import Event, Thread

import apsw
import pytest

from delta_server.core.errors import DeltaError
from delta_server.storage.sqlite import online_copy
from delta_server.storage.sqlite.connection import Tuning, open_reader, open_writer
from delta_server.storage.sqlite.online_copy import LiveCopy
from tests.often import seeds

ITEMS = 300
LOG_BYTES = 64 << 10
TUNING = Tuning(synchronous="OFF", busy_ms=60_000)


class Written:
    """A database in which each transaction leaves its number in the rows it changes; `states` are those rows by
    transaction, the last one theirs for ever."""

    def __init__(self, path: Path, rng: Random) -> None:
        self.path = path
        self.connection = open_writer(path, TUNING)
        self.connection.wal_autocheckpoint(20)
        self.rng = rng
        self.changes: list[dict[int, int | None]] = []
        self.connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, step INTEGER, filler BLOB)")
        self.commit(dict.fromkeys(range(ITEMS), 0))

    def commit(self, changes: dict[int, int | None]) -> None:
        """Rows with these ids get this step; those with None are deleted. The number of all of them goes with it."""
        with self.connection:
            for item, step in changes.items():
                if step is None:
                    self.connection.execute("DELETE FROM item WHERE id = ?", (item,))
                else:
                    size = self.rng.choice([10, 500, 6000])
                    self.connection.execute("REPLACE INTO item VALUES (?, ?, randomblob(?))", (item, step, size))
            self.connection.execute("REPLACE INTO item VALUES (-1, ?, NULL)", (len(self.changes) + 1,))
        self.changes.append(changes)

    def write_some(self) -> None:
        step = len(self.changes)
        some = {self.rng.randrange(2 * ITEMS): step for _ in range(self.rng.choice([1, 5, 60]))}
        self.commit({item: None if self.rng.random() < 0.3 else step for item in some})

    def give_up_some(self) -> None:
        """So much that it goes into the log before it is undone."""
        self.connection.pragma("cache_size", 10)
        self.connection.execute("BEGIN; UPDATE item SET filler = randomblob(3000) WHERE id >= 0; ROLLBACK")

    def shrink(self) -> None:
        self.connection.execute("PRAGMA incremental_vacuum(30)").fetchall()

    def write_back(self) -> None:
        mode = self.rng.choice([apsw.SQLITE_CHECKPOINT_PASSIVE, apsw.SQLITE_CHECKPOINT_TRUNCATE])
        self.connection.set_busy_timeout(0)
        with suppress(apsw.BusyError):
            self.connection.wal_checkpoint(mode=mode)
        self.connection.set_busy_timeout(60_000)

    def anything(self) -> None:
        kinds: list[Callable[[], None]] = [self.write_some] * 6 + [self.give_up_some, self.shrink, self.write_back]
        self.rng.choice(kinds)()

    def state(self, commits: int) -> dict[int, int]:
        rows: dict[int, int] = {}
        for changes in self.changes[:commits]:
            for item, step in changes.items():
                if step is None:
                    rows.pop(item, None)
                else:
                    rows[item] = step
        return rows


@contextmanager
def copying(database: Path, target: Path, *, log_bytes: int = LOG_BYTES) -> Iterator[LiveCopy]:
    with ExitStack() as opened:
        file = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        opened.callback(os.close, file)
        yield LiveCopy(database, file, log_bytes=log_bytes, opened=opened)


def check(copy: Path, written: Written, *, at_least: int) -> None:
    connection = apsw.Connection(f"file:{copy}?immutable=1", apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        assert connection.execute("PRAGMA integrity_check").get == "ok"
        rows = dict(connection.execute("SELECT id, step FROM item"))
    finally:
        connection.close()
    commits = rows.pop(-1)
    assert commits >= at_least
    assert rows == written.state(commits)


@pytest.mark.parametrize("seed", seeds(2))
def test_a_copy_beside_all_kinds_of_writes_is_one_state(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online_copy, "CHUNK_BYTES", 8 << 10)
    rng = Random(seed)
    written = Written(tmp_path / "x.db", rng)
    for _ in range(3):
        before = len(written.changes)

        def meanwhile(_done: int, _of: int) -> None:
            for _ in range(rng.randrange(4)):
                written.anything()

        with copying(written.path, tmp_path / "copy.db") as copy:
            copy.run(meanwhile)
        assert len(written.changes) > before
        check(tmp_path / "copy.db", written, at_least=before)


@pytest.mark.parametrize("seed", seeds(2))
def test_a_copy_beside_a_thread_that_writes_without_a_pause(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online_copy, "CHUNK_BYTES", 8 << 10)
    written = Written(tmp_path / "x.db", Random(seed))
    over = Event()

    def write() -> None:
        while not over.is_set():
            written.anything()

    thread = Thread(target=write)
    thread.start()
    try:
        for number in range(3):
            with copying(written.path, tmp_path / f"{number}.db") as copy:
                copy.run(lambda _done, _of: None)
    finally:
        over.set()
        thread.join()
    for number in range(3):
        check(tmp_path / f"{number}.db", written, at_least=1)


def test_the_log_does_not_grow_for_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online_copy, "CHUNK_BYTES", 8 << 10)
    written = Written(tmp_path / "x.db", Random(1))
    written.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    sizes = []

    def meanwhile(_done: int, _of: int) -> None:
        for _ in range(2):
            written.write_some()
        sizes.append((tmp_path / "x.db-wal").stat().st_size)

    with copying(written.path, tmp_path / "copy.db") as copy:
        copy.run(meanwhile)
    assert max(sizes) < 20 * LOG_BYTES < 300 * len(sizes) * 60
    check(tmp_path / "copy.db", written, at_least=2)


def test_who_reads_an_old_state_meanwhile_only_makes_the_log_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online_copy, "CHUNK_BYTES", 8 << 10)
    written = Written(tmp_path / "x.db", Random(2))
    written.write_some()
    reader = open_reader(written.path, TUNING)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM item").fetchall()
    with copying(written.path, tmp_path / "copy.db") as copy:
        copy.run(lambda _done, _of: written.write_some())
    reader.close()
    check(tmp_path / "copy.db", written, at_least=3)


def test_one_who_writes_for_ever_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online_copy, "_LOCK_S", 0.0)
    written = Written(tmp_path / "x.db", Random(3))
    with copying(written.path, tmp_path / "copy.db") as copy:
        written.connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(DeltaError, match="without a pause"):
            copy.run(lambda _done, _of: None)
        written.connection.execute("ROLLBACK")
