"""The SQLite adapter keeps the port's contract, and what is its own: files, modes, settings, damage."""

import asyncio
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace

import apsw
import msgspec
import pytest

from delta_server.core.errors import DatabaseFailed, Unavailable
from delta_server.storage.database import Database, Tx, one_statement
from delta_server.storage.sqlite import connection, readers, transaction, writer
from delta_server.storage.sqlite.directory_lock import DataDirRefused
from delta_server.storage.sqlite.options import Storage
from delta_server.storage.sqlite.page_size import SMALL_BYTES
from delta_server.storage.sqlite.read_only import ReadOnlyDatabase
from delta_server.storage.sqlite.wal_limit import WalLimit
from tests.storage.database_contract import ENDLESS, DatabaseContract, held, names, put
from tests.storage.opened import FAST, FakeClock, opened

CREATE = "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT"


class TestSqlite(DatabaseContract):
    @pytest.fixture
    async def db(self, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Database]:
        async with opened(tmp_path, clock) as db:
            await db.write(lambda tx: tx.run(CREATE))
            yield db

    @pytest.fixture
    async def narrow(self, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Database]:
        tuning = msgspec.structs.replace(FAST, queue_calls=3)
        async with opened(tmp_path, clock, tuning=tuning, readers=1, read_seconds=0.05) as db:
            await db.write(lambda tx: tx.run(CREATE))
            yield db

    @pytest.fixture
    def pass_time(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
        passed_s = [0.0]
        monkeypatch.setattr(transaction, "time", SimpleNamespace(monotonic=lambda: passed_s[0]))
        return lambda delay_s: passed_s.append(passed_s.pop() + delay_s)

    @pytest.mark.parametrize("before", [0, 10])
    async def test_a_call_that_hides_the_loss_of_the_transaction_is_found_out(self, db: Database, before: int):
        def hide(tx: Tx) -> str:
            put(tx, "lost")
            tx.run("ROLLBACK")  # what SQLite itself does when the disk is full
            return "all is well"

        calls = [db.write(put, str(i)) for i in range(20)]
        results = await asyncio.gather(*calls[:before], db.write(hide), *calls[before:], return_exceptions=True)
        hidden = results.pop(before)
        kept = [str(i) for i, result in enumerate(results) if isinstance(result, int)]
        assert isinstance(hidden, Unavailable)
        assert await db.read(names) == kept
        await db.write(put, "later")
        assert await db.read(names) == [*kept, "later"]


async def test_a_locked_database_is_told_to_all_and_survived(tmp_path: Path):
    async with opened(tmp_path, tuning=msgspec.structs.replace(FAST, busy_ms=1)) as db:
        await db.write(lambda tx: tx.run(CREATE))
        blocker = apsw.Connection(str(tmp_path / "delta.db"))
        blocker.execute("BEGIN IMMEDIATE")
        results = await asyncio.gather(*(db.write(put, str(i)) for i in range(1000)), return_exceptions=True)
        assert {type(result) for result in results} == {Unavailable}
        assert db.stats().commit_failures < 100, "they do not wait for the lock one after the other"
        blocker.close()
        await db.write(put, "later")
        assert await db.read(names) == ["later"]


@pytest.mark.parametrize(("group_calls", "commits"), [(256, 1), (10, 10)])
async def test_waiting_writes_share_a_commit_up_to_a_bound(tmp_path: Path, group_calls: int, commits: int):
    tuning = msgspec.structs.replace(FAST, group_calls=group_calls, group_s=60)
    async with opened(tmp_path, tuning=tuning) as db:
        await db.write(lambda tx: tx.run(CREATE))
        before = db.stats().commits
        async with held(db):  # the call that holds is the first of the group, so a hundred in all
            writes = asyncio.gather(*(db.write(put, str(i)) for i in range(99)))
        await writes
        assert db.stats().commits == before + commits


async def test_a_group_that_takes_long_is_committed_before_it_is_full(tmp_path: Path):
    async with opened(tmp_path, tuning=msgspec.structs.replace(FAST, group_s=0)) as db:
        await db.write(lambda tx: tx.run(CREATE))
        before = db.stats().commits
        async with held(db):
            writes = asyncio.gather(*(db.write(put, str(i)) for i in range(9)))
        await writes
        assert db.stats().commits == before + 10


async def test_the_settings_of_the_file_and_its_connections(tmp_path: Path):
    async with opened(tmp_path, tuning=connection.Tuning()) as db:
        wanted = {
            "page_size": connection.PAGE_SIZE, "auto_vacuum": 2, "journal_mode": "wal", "synchronous": 2,
            "foreign_keys": 1, "mmap_size": 0, "application_id": connection.APPLICATION_ID,
        }  # fmt: skip
        found = await db.write(lambda tx: {name: (tx.one(f"PRAGMA {name}") or (None,))[0] for name in wanted})
        assert found == wanted
        with pytest.raises(apsw.SQLError):
            await db.write(lambda tx: tx.one('SELECT "a string"'))


async def test_only_the_owner_may_read_the_files(tmp_path: Path):
    data_dir = tmp_path / "new" / "data"
    async with opened(data_dir, begins=False) as db:
        await db.write(lambda tx: tx.run(CREATE))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data_dir.iterdir()}
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert {"delta.db", "delta.db-wal", "delta.db-shm", "delta.lock"} <= set(modes)
    assert set(modes.values()) == {0o600}


async def test_a_closed_database_is_one_file_and_opens_again(tmp_path: Path):
    async with opened(tmp_path) as db:
        await db.write(lambda tx: tx.run(CREATE))
        await db.write(put, "kept")
    assert not (tmp_path / "delta.db-wal").exists()
    async with opened(tmp_path) as db:
        assert await db.read(names) == ["kept"]


async def test_the_log_is_cut_when_it_has_grown_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(WalLimit, "shorten", lambda *_: None)  # which would do it behind the write
    async with opened(tmp_path, wal_bytes=100_000) as db:
        await db.write(lambda tx: tx.run(CREATE))
        await db.write(lambda tx: tx.many("INSERT INTO item (name) VALUES (?)", [(f"{i:0999d}",) for i in range(500)]))
        assert db.stats().log_bytes > 500_000
        await db.checkpoint()
        assert db.stats().log_bytes == 0
        assert db.stats().database_bytes > 500_000


async def test_vacuum_gives_space_back_to_the_file_system(tmp_path: Path):
    def fill(tx: Tx) -> None:
        tx.many("INSERT INTO item (name) VALUES (?)", [(f"{i:010000d}",) for i in range(1000)])

    async with opened(tmp_path) as db:
        await db.write(lambda tx: tx.run(CREATE))
        await db.write(fill)
        await db.checkpoint()
        full = db.stats().database_bytes
        await db.write(lambda tx: tx.run("DELETE FROM item WHERE id > 10"))
        free = db.stats().free_bytes
        before = db.stats().commits
        assert await db.vacuum(1_000_000) * connection.PAGE_SIZE == free > 5_000_000
        assert db.stats().commits - before > 10, "other writes get in between"
        await db.checkpoint()
        assert db.stats().database_bytes < full / 10


async def test_scrub_leaves_nothing_of_what_was_deleted(tmp_path: Path):
    secret = "a name nobody may read"

    def fill(tx: Tx) -> None:
        tx.run(CREATE)
        tx.many("INSERT INTO item (name) VALUES (?)", [(f"{i} {secret}",) for i in range(100)])
        tx.run("INSERT INTO item (name) VALUES (?)", 5000 * secret)  # this takes pages of its own
        tx.run(
            "INSERT INTO item (name) VALUES (?)", SMALL_BYTES * " "
        )  # a small database is rewritten when it is closed

    def traces() -> set[str]:
        return {path.name for path in tmp_path.iterdir() if path.is_file() and secret.encode() in path.read_bytes()}

    async with opened(tmp_path) as db:
        await db.write(fill)
        await db.checkpoint()
        await db.write(lambda tx: tx.run("DELETE FROM item WHERE id NOT IN (50, 102)"))
        await db.write(lambda tx: tx.run("UPDATE item SET name = 'another' WHERE id = 50"))
    assert traces() == {"delta.db"}
    async with opened(tmp_path) as db:
        assert await db.scrub()
        assert (db.stats().log_bytes, db.stats().free_bytes) == (0, 0)
    assert traces() == set()


@pytest.mark.parametrize("garbage", [b"not a database" * 1000, b"\x00" * 9000], ids=["text", "zeros"])
async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, garbage: bytes):
    (tmp_path / "delta.db").write_bytes(garbage)
    with pytest.raises(DatabaseFailed, match="backup"):
        async with opened(tmp_path):
            pass
    assert (tmp_path / "delta.db").read_bytes() == garbage


async def test_an_empty_file_is_not_taken_for_a_new_database(tmp_path: Path):
    """Unless it is one: a start that was cut off leaves an empty file and the sign that it began."""
    (tmp_path / "delta.db").touch()
    with pytest.raises(DataDirRefused, match="is empty"):
        async with opened(tmp_path):
            pass
    assert (tmp_path / "delta.db").read_bytes() == b""
    (tmp_path / "delta.db-new").touch()
    for _ in range(2):
        async with opened(tmp_path):
            assert not (tmp_path / "delta.db-new").exists()
    (tmp_path / "delta.db").write_bytes(b"")
    with pytest.raises(DataDirRefused, match="Restore a backup"):
        async with opened(tmp_path):
            pass


async def test_a_damaged_page_is_told_and_not_taken_for_data(tmp_path: Path):
    async with opened(tmp_path) as db:
        await db.write(lambda tx: tx.run(CREATE))
        await db.write(lambda tx: tx.many("INSERT INTO item (name) VALUES (?)", [(f"{i:0999d}",) for i in range(500)]))
    file = tmp_path / "delta.db"
    content = bytearray(file.read_bytes())
    content[len(content) // 2 :] = b"\xa5" * (len(content) - len(content) // 2)
    file.write_bytes(content)
    async with opened(tmp_path) as db:
        with pytest.raises(DatabaseFailed, match="damaged"):
            await db.read(lambda tx: tx.all("SELECT name FROM item ORDER BY name"))


def test_an_old_sqlite_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    with pytest.raises(RuntimeError, match=r"3\.51\.3"):
        connection.check_library()
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.100.0")
    connection.check_library()


RUNS = """
import asyncio, sys
from pathlib import Path
from tests.storage.opened import opened

async def main():
    async with opened(Path(sys.argv[1]), begins=False) as db:
        await db.write(lambda tx: tx.run("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)"))
        await db.read(lambda tx: tx.all("SELECT * FROM item"))
        await db.optimize(); await db.checkpoint(); await db.vacuum(10)

asyncio.run(main())
assert not {"sqlite3", "_sqlite3", "aiosqlite"} & set(sys.modules), "another SQLite library is in the process"
"""


def test_no_other_sqlite_library_is_loaded(tmp_path: Path):
    subprocess.run([sys.executable, "-c", RUNS, str(tmp_path)], check=True, cwd=Path(__file__).parents[3])


async def test_a_read_asked_for_while_the_readers_close(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They close on another thread: that may happen between any two steps of asking."""
    async with opened(tmp_path):
        pool = readers.ReaderPool(tmp_path / "delta.db", FakeClock(), FAST, readers=1, read_s=5)

        def closing(delay_s: float) -> transaction.Deadline:
            pool.close()
            return transaction.Deadline(delay_s)

        monkeypatch.setattr(readers, "Deadline", closing)
        with pytest.raises(Unavailable, match="shutting down"):
            await pool.run(lambda tx: tx.one("SELECT 1"))
        assert pool.waiting == 0


async def test_reads_on_the_event_loop_end_where_closing_begins(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """The rest closes on a thread: a connection that reads meanwhile could not be closed, and would stay open."""
    async with opened(tmp_path) as db:
        assert db.peek(lambda tx: tx.one("SELECT 1")) == (1,)
        closing = asyncio.create_task(db.close())
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            db.peek(lambda tx: tx.one("SELECT 1"))
        await closing
    assert caplog.records == []


async def test_a_peek_by_one_statement_is_like_any_other(tmp_path: Path):
    @one_statement
    def last(tx: Tx) -> object:
        return tx.one("SELECT name FROM item ORDER BY name DESC")  # leaves rows unread

    @one_statement
    def write(tx: Tx) -> object:
        return put(tx, "d")

    @one_statement
    def endless(tx: Tx) -> object:
        return tx.one(ENDLESS)

    async with opened(tmp_path, tuning=msgspec.structs.replace(FAST, peek_s=0.02)) as db:
        await db.write(lambda tx: tx.run("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)"))
        assert db.peek(last) is None
        for name in "abc":
            await db.write(put, name)
            assert db.peek(last) == (name,)
        with pytest.raises(Exception, match=r"(?i)read.?only"):
            db.peek(write)
        with pytest.raises(Unavailable):
            db.peek(endless)
        assert db.peek(last) == ("c",)
    with pytest.raises(Unavailable):
        db.peek(last)


async def test_a_write_that_keeps_others_waiting_is_counted_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as db:
        await db.write(lambda tx: tx.run(CREATE))
        passed_s = iter(range(100))
        monkeypatch.setattr(writer, "time", SimpleNamespace(monotonic=lambda: next(passed_s) * writer.SLOW_S))
        await db.write(put, "quick")
        assert (db.stats().slow_writes, caplog.messages) == (0, [])
        monkeypatch.setattr(writer, "time", SimpleNamespace(monotonic=lambda: next(passed_s) * 0.07))
        await db.write(put, "slow")
    assert db._writer.slow_calls == 1
    assert caplog.messages == ["slow write: tests.storage.database_contract.put took 70 ms, and all others waited"]


async def test_checking_beside_a_server_that_writes_much_lets_go(tmp_path: Path) -> None:
    async with opened(tmp_path) as db:
        await db.write(lambda tx: tx.run(CREATE))
        await db.write(lambda tx: tx.many("INSERT INTO item (name) VALUES (?)", [(str(i),) for i in range(20_000)]))
        for wal_bytes in (1 << 30, 1):
            storage = Storage(data_dir=tmp_path, wal_bytes=wal_bytes)
            beside = ReadOnlyDatabase(tmp_path / "delta.db", storage, FakeClock(), FAST)
            if wal_bytes > 1:
                assert await beside.check() == []
            else:
                with pytest.raises(Unavailable, match="so much is written beside this"):
                    await beside.check()
            await beside.close()


async def test_who_reads_beside_a_server_lets_go_when_its_log_is_long(tmp_path: Path) -> None:
    async with opened(tmp_path) as db:
        await db.write(lambda tx: tx.run(CREATE))
        beside = ReadOnlyDatabase(tmp_path / "delta.db", Storage(data_dir=tmp_path, wal_bytes=1), FakeClock(), FAST)
        asked = threading.Event()
        beside.on_wal_pressure(asked.set)
        assert await asyncio.to_thread(asked.wait, 30)
        await beside.close()
