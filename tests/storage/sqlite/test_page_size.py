"""A small database is closed with small pages and opened with those to work with; nothing else about it changes."""

import shutil
from collections import namedtuple
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from delta_server.storage.database import Database, Tx
from delta_server.storage.sqlite.adapter import DATABASE_NAME
from delta_server.storage.sqlite.connection import PAGE_SIZE, open_writer
from delta_server.storage.sqlite.page_size import COMPACT_PAGE_SIZE, MAX_GROW_BYTES, MIN_FREE_BYTES, SMALL_BYTES
from tests.storage.opened import FAST
from tests.storage.opened import opened as opened_with

opened = partial(opened_with, tuning=msgspec.structs.replace(FAST, rests_small=True))
EMPTY_BYTES = 16_000
SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"
CREATE = "CREATE TABLE item (id INTEGER PRIMARY KEY, data BLOB)"


def page_size(data_dir: Path) -> int:
    return int.from_bytes((data_dir / DATABASE_NAME).read_bytes()[16:18])


async def state(db: Database) -> tuple[Any, ...]:
    def read(tx: Tx) -> tuple[Any, ...]:
        pragmas = "page_size", "journal_mode", "auto_vacuum", "user_version", "application_id"
        return tuple(tx.all(f"SELECT * FROM pragma_{name}")[0][0] for name in pragmas)

    return await db.read(read)


def insert(tx: Tx, size: int) -> None:
    tx.run("INSERT INTO item (data) VALUES (randomblob(?))", size)


def hashes(tx: Tx) -> list[tuple[Any, ...]]:
    return tx.all("SELECT id, length(data), hex(substr(data, -100)) FROM item ORDER BY id")


def free_disk(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 40, 0, size))


async def test_what_is_read_by_another_process_stays_and_closes_at_once(tmp_path: Path):
    async with opened(tmp_path) as db:
        await db.write(lambda tx: tx.run(CREATE))
        reader = apsw.Connection(str(tmp_path / DATABASE_NAME), apsw.SQLITE_OPEN_READONLY)
        reader.execute("BEGIN").execute("SELECT * FROM item").fetchall()
    assert page_size(tmp_path) == PAGE_SIZE
    assert reader.execute("SELECT count(*) FROM item").get == 0
    async with opened(tmp_path) as db:
        assert (await state(db))[:2] == (PAGE_SIZE, "wal")
        reader.close()
    assert page_size(tmp_path) == COMPACT_PAGE_SIZE
    reader = apsw.Connection(str(tmp_path / DATABASE_NAME), apsw.SQLITE_OPEN_READONLY)
    reader.execute("BEGIN").execute("SELECT * FROM item").fetchall()
    async with opened(tmp_path) as db:
        await db.write(insert, 10)
        assert (await state(db))[:2] == (COMPACT_PAGE_SIZE, "wal")
    reader.close()
    async with opened(tmp_path) as db:
        assert (await state(db))[:2] == (PAGE_SIZE, "wal")
        assert len(await db.read(hashes)) == 1


async def test_it_stays_where_there_is_no_room_to_rewrite_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with opened(tmp_path) as db:
        await db.write(lambda tx: tx.run(CREATE))
        free_disk(monkeypatch, MIN_FREE_BYTES)
    assert page_size(tmp_path) == PAGE_SIZE
    free_disk(monkeypatch, 1 << 30)
    async with opened(tmp_path):
        pass
    assert page_size(tmp_path) == COMPACT_PAGE_SIZE
    free_disk(monkeypatch, MIN_FREE_BYTES)
    async with opened(tmp_path) as db:
        await db.write(insert, 10)
        assert (await state(db))[:2] == (COMPACT_PAGE_SIZE, "wal")


@pytest.mark.parametrize("size", [SMALL_BYTES, 5 * SMALL_BYTES])
async def test_a_larger_one_keeps_its_pages(tmp_path: Path, size: int):
    async with opened(tmp_path) as db:
        await db.write(lambda tx: tx.run(CREATE))
        await db.write(insert, size)
    assert page_size(tmp_path) == PAGE_SIZE


async def test_one_that_grew_on_small_pages_keeps_them(tmp_path: Path):
    async with opened(tmp_path) as db:
        await db.write(lambda tx: tx.run(CREATE))
    connection = open_writer(tmp_path / DATABASE_NAME, FAST)
    connection.execute("INSERT INTO item (data) VALUES (zeroblob(?))", (MAX_GROW_BYTES,))
    connection.close()
    async with opened(tmp_path) as db:
        assert (await state(db))[0] == COMPACT_PAGE_SIZE


async def test_an_empty_database_takes_less_than_16_kb(tmp_path: Path):
    for _ in range(3):
        async with opened(tmp_path) as db:
            await db.write(lambda tx: tx.run("INSERT INTO account (uid, name, created_at) VALUES (x'01', 'a', 1)"))
            await db.write(lambda tx: tx.run("DELETE FROM account"))
        assert (tmp_path / DATABASE_NAME).stat().st_size <= EMPTY_BYTES
        assert not (tmp_path / f"{DATABASE_NAME}-wal").exists()


async def test_nothing_changes_but_the_pages(tmp_path: Path):
    async with opened(tmp_path) as db:
        await db.write(lambda tx: tx.run(CREATE))
        for size in (0, 1, 500, 5000, 100_000):
            await db.write(insert, size)
        await db.write(lambda tx: tx.run("DELETE FROM item WHERE id = 2"))
        before, rows = await state(db), await db.read(hashes)
        schema = await db.read(lambda tx: tx.all(SCHEMA))
    assert before[0] == PAGE_SIZE
    assert page_size(tmp_path) == COMPACT_PAGE_SIZE
    async with opened(tmp_path) as db:
        assert await state(db) == before
        assert await db.read(hashes) == rows
        assert await db.read(lambda tx: tx.all(SCHEMA)) == schema
        assert await db.check() == []


async def test_a_database_of_an_older_version_rests_too_and_one_of_other_pages_does_not_lose_them(tmp_path: Path):
    connection = open_writer(tmp_path / DATABASE_NAME, FAST)
    connection.close()
    older = apsw.Connection(str(tmp_path / DATABASE_NAME))
    older.pragma("journal_mode", "DELETE")
    older.pragma("page_size", 4 * PAGE_SIZE)
    older.execute("VACUUM")
    older.close()
    async with opened(tmp_path) as db:
        assert (await state(db))[0] == 4 * PAGE_SIZE
    assert page_size(tmp_path) == COMPACT_PAGE_SIZE


async def test_what_is_refused_is_left_as_it_is(tmp_path: Path):
    async with opened(tmp_path):
        pass
    raw = apsw.Connection(str(tmp_path / DATABASE_NAME))
    raw.pragma("user_version", 9999)
    raw.close()
    before = (tmp_path / DATABASE_NAME).read_bytes()
    with pytest.raises(Exception, match="schema 9999"):
        async with opened(tmp_path):
            pass
    assert (tmp_path / DATABASE_NAME).read_bytes() == before
