"""A small database is closed without its empty tables: which, and that nobody who opens it notices."""

import shutil
from collections import namedtuple
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import apsw
import msgspec
import pytest

from delta_server.core.errors import DeltaError
from delta_server.storage import backup
from delta_server.storage.database import Database, Tx
from delta_server.storage.events.query.read_connections import ReadViews
from delta_server.storage.sqlite.adapter import DATABASE_NAME, SqliteDatabase
from delta_server.storage.sqlite.connection import PAGE_SIZE, open_writer
from delta_server.storage.sqlite.disk_reserve import LEAST_BYTES, RESERVE_NAME, DiskReserve
from delta_server.storage.sqlite.options import Storage
from delta_server.storage.sqlite.page_size import SMALL_BYTES
from delta_server.storage.sqlite.read_only import ReadOnlyDatabase
from delta_server.storage.sqlite.schema import Migration, packaged, schema_of
from tests.storage.failing_disk import Disk, FailingVfs
from tests.storage.opened import FAST, FakeClock
from tests.storage.opened import opened as opened_with

RESTS = msgspec.structs.replace(FAST, rests_small=True)
opened = partial(opened_with, tuning=RESTS)

ACCOUNT = "INSERT INTO account (uid, name, created_at) VALUES (x'01', 'a', 1)"
PROJECT = (
    "INSERT INTO project (uid, account, name, description, created_at, updated_at) VALUES (x'02', 1, 'p', '', 1, 1)"
)
JOB = "INSERT INTO job (project, id, kind, arguments, state, due_at, created_at) VALUES (1, ?, 'k', '', 'dead', 0, 0)"
CURSOR = "INSERT INTO outbox_cursor VALUES ('c', 1)"
WANTED = {(each.name, each.table, each.sql) for each in schema_of(packaged())}


def tables(data_dir: Path) -> set[str]:
    """Those in the file."""
    connection = apsw.Connection(str(data_dir / DATABASE_NAME))
    sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    found = {name for (name,) in connection.execute(sql)}
    connection.close()
    return found


def change(data_dir: Path, *statements: str) -> None:
    connection = open_writer(data_dir / DATABASE_NAME, FAST)
    for sql in statements:
        connection.execute(sql)
    connection.close()


def run_all(tx: Tx, *statements: str) -> None:
    for sql in statements:
        tx.run(sql)


async def is_whole(db: Database, *, but: str = "") -> bool:
    """Whether all is there as the migrations make it; the table `but` may be there otherwise."""
    rows = await db.read(lambda tx: tx.all("SELECT type || ' ' || name, tbl_name, sql FROM sqlite_schema"))
    absent = await db.read(lambda tx: tx.all("SELECT * FROM absent"))
    return set(rows) >= {each for each in WANTED if each[1] != but} and absent == [] and await db.check() == []


def count(tx: Tx, table: str) -> int:
    return int(tx.all(f"SELECT count(*) FROM {table}")[0][0])


CASES: dict[str, tuple[list[str], set[str]]] = {
    "nothing": ([], set()),
    "a row": ([ACCOUNT], {"account"}),
    "a row that is gone": ([ACCOUNT, "DELETE FROM account"], set()),
    "rows, and those of its trigger": ([ACCOUNT, PROJECT], {"account", "project", "project_use"}),
    "a row that is gone and whose id never comes back": (
        [ACCOUNT, PROJECT, "DELETE FROM project_use", "DELETE FROM project", "DELETE FROM account"],
        {"project"},
    ),
    "no index any more": (["DROP INDEX job_due"], {"job"}),
    "an index of somebody else": (["CREATE INDEX job_theirs ON job (id)"], {"job"}),
    "a column more": (["ALTER TABLE job ADD COLUMN theirs TEXT"], {"job"}),
    "a table of somebody else": (["CREATE TABLE theirs (id INTEGER)"], {"theirs"}),
}


@pytest.mark.parametrize(("statements", "kept"), CASES.values(), ids=list(CASES))
async def test_a_table_goes_if_it_is_empty_and_can_be_made_again(
    tmp_path: Path, statements: list[str], kept: set[str]
) -> None:
    async with opened(tmp_path) as db:
        assert await is_whole(db)
        await db.write(run_all, *statements)
    assert tables(tmp_path) == {"absent"} | kept
    async with opened(tmp_path) as db:
        if "job" not in kept:
            assert await is_whole(db)
        assert await db.read(lambda tx: tx.all("PRAGMA foreign_keys")) == [(0,)]  # of a reader
        assert await db.write(lambda tx: tx.all("PRAGMA foreign_keys")) == [(1,)]
        assert (await db.read(lambda tx: tx.all("PRAGMA page_size"))) == [(PAGE_SIZE,)]


async def test_ids_and_counters_go_on_where_they_were(tmp_path: Path) -> None:
    async with opened(tmp_path) as db:
        await db.write(run_all, ACCOUNT, PROJECT)
        await db.write(lambda tx: run_all(tx, "DELETE FROM project_use", "DELETE FROM project"))
    async with opened(tmp_path) as db:
        assert await db.write(lambda tx: tx.insert(PROJECT)) == 2
        assert await db.read(lambda tx: tx.all("SELECT project FROM project_use")) == [(2,)]
        with pytest.raises(apsw.ConstraintError):
            await db.write(lambda tx: tx.run("INSERT INTO profiled VALUES (9, 1)"))  # there is no such project


@pytest.mark.parametrize(("size", "is_small"), [(SMALL_BYTES // 2, True), (SMALL_BYTES, False)])
async def test_a_larger_one_keeps_its_tables(tmp_path: Path, size: int, is_small: bool) -> None:
    async with opened(tmp_path) as db:
        await db.write(lambda tx: run_all(tx, "CREATE TABLE theirs (data)"))
        await db.write(lambda tx: tx.run("INSERT INTO theirs VALUES (zeroblob(?))", size))
    assert ("job" not in tables(tmp_path)) == is_small
    async with opened(tmp_path) as db:
        assert await is_whole(db)


async def test_commands_that_read_find_all_tables_and_what_a_server_writes_meanwhile(tmp_path: Path) -> None:
    """A statement that was run when its table was absent is run again when it is not."""
    async with opened(tmp_path) as db:
        await db.write(run_all, CURSOR)
    before = (tmp_path / DATABASE_NAME).read_bytes()
    beside = ReadOnlyDatabase(tmp_path / DATABASE_NAME, Storage(data_dir=tmp_path), FakeClock(), FAST)
    views = ReadViews(tmp_path / DATABASE_NAME, FAST)
    names = ("outbox_cursor", "job", "account", "event_block")

    async def counts() -> list[list[int]]:
        with views.open(1) as view:
            viewed = [int(view.all(f"SELECT count(*) FROM {name}")[0][0]) for name in names]
        ways = [beside.peek(lambda tx: [count(tx, name) for name in names]), viewed]
        return [*ways, *[await beside.read(lambda tx: [count(tx, name) for name in names]) for _ in range(3)]]

    assert await counts() == [[1, 0, 0, 0]] * 5
    assert await beside.read(lambda tx: tx.all("SELECT * FROM job INDEXED BY job_due WHERE finished_at IS NULL")) == []
    assert await beside.check() == []
    assert (tmp_path / DATABASE_NAME).read_bytes() == before
    async with opened(tmp_path) as db:
        await db.write(lambda tx: tx.run(JOB, b"1"))
        assert await counts() == [[1, 1, 0, 0]] * 5
        await db.write(run_all, ACCOUNT)
        assert await counts() == [[1, 1, 1, 0]] * 5
        assert await beside.check() == []
    assert "event_block" in tables(tmp_path), "somebody has the file open"
    assert await counts() == [[1, 1, 1, 0]] * 5
    await beside.close()
    views.close()
    async with opened(tmp_path):
        pass
    assert tables(tmp_path) == {"absent", "outbox_cursor", "job", "account"}


async def test_a_table_that_is_missing_without_a_word_is_damage(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    change(tmp_path, "DELETE FROM absent WHERE name = 'outbox_cursor'")
    beside = ReadOnlyDatabase(tmp_path / DATABASE_NAME, Storage(data_dir=tmp_path), FakeClock(), FAST)
    assert await beside.check() == ["the table outbox_cursor is not as it was made"]
    await beside.close()


async def test_migrations_find_the_tables_that_they_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as db:
        await db.write(run_all, CURSOR)
    more = "ALTER TABLE job ADD COLUMN more TEXT; INSERT INTO outbox_cursor SELECT 'n', count(*) FROM segment;"
    newer = (*packaged(), Migration(len(packaged()) + 1, "9999_more.sql", more))
    for module in ("adapter", "absent_tables", "maintenance"):
        monkeypatch.setattr(f"delta_server.storage.sqlite.{module}.packaged", lambda: newer)
    for _ in range(2):
        async with opened(tmp_path) as db:
            assert await is_whole(db, but="job")
            assert await db.read(lambda tx: tx.all("SELECT * FROM outbox_cursor ORDER BY 1")) == [("c", 1), ("n", 0)]
            assert await db.read(lambda tx: tx.all("SELECT more FROM job")) == []
        assert tables(tmp_path) == {"absent", "outbox_cursor"}
    [copy] = (tmp_path / "backups").iterdir()
    (tmp_path / "old").mkdir()
    copy.rename(tmp_path / "old" / DATABASE_NAME)
    assert tables(tmp_path / "old") >= {"job", "segment"}


async def test_a_backup_of_a_closed_one_is_opened_as_any_other(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as db:
        await db.write(run_all, CURSOR)
    file = tmp_path / "backup.zst"
    backup.back_up(tmp_path / "data" / DATABASE_NAME, file, progress=lambda *_: None)
    backup.restore(file, tmp_path / "other", DATABASE_NAME, progress=lambda *_: None)
    assert tables(tmp_path / "other") == tables(tmp_path / "data") == {"absent", "outbox_cursor"}
    async with opened(tmp_path / "other") as db:
        assert await is_whole(db)
        assert await db.read(count, "outbox_cursor") == 1


async def _states_while(data_dir: Path, step: Callable[[], Any], folder: Path) -> list[Path]:
    """Copies of the directory at every thirtieth statement of `step`: what a process that is killed there leaves."""
    copies: list[Path] = []
    seen = 0

    def trace(_cursor: apsw.Cursor, _sql: str, _bindings: object) -> bool:
        nonlocal seen
        seen += 1
        if seen % 30 == 1 or "VACUUM" in _sql or "journal_mode" in _sql:
            copies.append(folder / str(len(copies)))
            shutil.copytree(data_dir, copies[-1], ignore=shutil.ignore_patterns("delta.lock"))
        return True

    def follow(connection: apsw.Connection) -> None:
        connection.exec_trace = trace

    apsw.connection_hooks.append(follow)
    try:
        await step()
    finally:
        apsw.connection_hooks.remove(follow)
    return copies


async def test_a_process_killed_while_it_opens_or_closes_loses_nothing(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    async with opened(data_dir) as db:
        await db.write(run_all, ACCOUNT, PROJECT, CURSOR)

    async def open_and_close() -> None:
        async with opened(data_dir) as db:
            await db.write(lambda tx: tx.run(JOB, b"1"))

    copies = await _states_while(data_dir, open_and_close, tmp_path / "copies")
    kept = [tables(copy) for copy in copies]
    assert any("segment" in each for each in kept)
    assert any("segment" not in each and "job" in each for each in kept)
    for copy in copies:
        async with opened(copy) as db:
            assert await is_whole(db)
            assert [await db.read(count, name) for name in ("project", "outbox_cursor")] == [1, 1]
        assert tables(copy) >= {"account", "project", "project_use", "outbox_cursor"}
        assert "segment" not in tables(copy)


class FullDisk:
    """Takes no write as long as there is a reserve to give up."""

    def __init__(self, data_dir: Path) -> None:
        self.reserve = data_dir / RESERVE_NAME
        self.is_full = False

    def fault(self, kind: str, _number: int) -> apsw.Error | None:
        return apsw.FullError("injected") if kind == "write" and self.is_full and self.reserve.exists() else None


async def test_on_a_full_disk_the_reserve_makes_room_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    disk, free = FullDisk(tmp_path), 1 << 30
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1 << 40, 0, free))
    vfs = FailingVfs("full-at-start", Disk(Random(0), fault=disk.fault))
    tuning = msgspec.structs.replace(RESTS, reserve_bytes=LEAST_BYTES, vfs="full-at-start")
    async with opened(tmp_path, tuning=tuning) as db:
        await db.write(run_all, CURSOR)
    assert tables(tmp_path) == {"absent", "outbox_cursor"}
    disk.is_full, free = True, LEAST_BYTES
    with monkeypatch.context() as patch:
        patch.setattr(DiskReserve, "release", lambda _: False)
        with pytest.raises(DeltaError, match="the disk is full"):
            SqliteDatabase.open(Storage(data_dir=tmp_path), FakeClock(), tuning=tuning)
    assert tables(tmp_path) == {"absent", "outbox_cursor"}
    async with opened(tmp_path, tuning=tuning) as db:
        assert (await db.read(count, "outbox_cursor"), db.stats().disk_full) == (1, True)
        assert await is_whole(db)
    del vfs  # it was registered while it lived
