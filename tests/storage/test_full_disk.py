"""A full disk is read from and deleted from, and a server starts on it; what else writes is refused."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace

import apsw
import msgspec
import pytest

from delta_server.core.errors import Unavailable
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.sqlite import disk_reserve
from delta_server.storage.sqlite.adapter import SqliteDatabase
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.disk_reserve import (
    FREE_SHARE,
    LEAST_BYTES,
    MARGIN_BYTES,
    RESERVE_NAME,
    SMALLEST_BYTES,
)
from tests.storage.failing_disk import Disk, FailingVfs
from tests.storage.opened import FAST, opened

RESERVE = 256 << 10
PLENTY = 1 << 30


class SmallDisk:
    """Full when it is told so: then nothing can be written, but for as long as the reserve is given up."""

    def __init__(self, data_dir: Path, vfs: str) -> None:
        self.reserve = data_dir / RESERVE_NAME
        self.tuning = msgspec.structs.replace(FAST, reserve_bytes=RESERVE, vfs=vfs)
        self.free = PLENTY

    def fault(self, kind: str, number: int) -> apsw.Error | None:
        refused = kind == "write" and self.free == 0 and self.reserve.exists()
        return apsw.FullError("injected") if refused else None


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[SmallDisk]:
    below = Disk(Random(0))
    vfs = FailingVfs(f"small-{request.node.name}", below)
    found = SmallDisk(tmp_path, vfs.name)
    below.fault = found.fault
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=found.free))
    yield found
    del vfs  # it was registered while it lived


@pytest.fixture
async def db(tmp_path: Path, disk: SmallDisk) -> AsyncIterator[SqliteDatabase]:
    async with opened(tmp_path, tuning=disk.tuning) as database:
        await database.write(_make)
        yield database


def _make(tx: Tx, rows: int = 50) -> None:
    tx.run("CREATE TABLE item (id INTEGER PRIMARY KEY, bytes BLOB)")
    tx.many("INSERT INTO item (bytes) VALUES (randomblob(10000))", [() for _ in range(rows)])


def _put(tx: Tx) -> None:
    tx.run("INSERT INTO item (bytes) VALUES (randomblob(10000))")


@frees_space
def _delete(tx: Tx, item: int) -> None:
    tx.run("DELETE FROM item WHERE id = ?", item)


def _count(tx: Tx) -> int:
    row = tx.one("SELECT count(*) FROM item")
    assert row is not None
    return int(row[0])


async def test_a_write_does_not_take_the_reserve(db: SqliteDatabase, disk: SmallDisk) -> None:
    disk.free = 0
    with pytest.raises(Unavailable, match="the disk is full and nothing was stored"):
        await db.write(_put)
    assert disk.reserve.stat().st_size == RESERVE
    disk.free = PLENTY
    await db.write(_put)


async def test_deletes_do_and_nothing_else_writes_until_there_is_room(db: SqliteDatabase, disk: SmallDisk) -> None:
    disk.free = 0
    await db.write(_delete, 1)
    assert not disk.reserve.exists()
    assert (await db.read(_count), db.stats().disk_full, db.stats().last_commit_failed) == (49, True, False)
    disk.free = RESERVE + MARGIN_BYTES - 1
    with pytest.raises(Unavailable, match="only deletes are taken"):
        await db.write(_put)
    await db.write(_delete, 2)
    assert await db.vacuum(10) == 10
    disk.free += 1
    await db.write(_put)
    assert disk.reserve.stat().st_size == RESERVE
    assert (await db.read(_count), db.stats().disk_full) == (49, False)


async def test_deletes_beside_other_writes_are_done(db: SqliteDatabase, disk: SmallDisk) -> None:
    disk.free = 0
    calls = [db.write(_put), db.write(_delete, 1), db.write(_put), db.write(_delete, 2), db.write(_put)]
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in ended] == [Unavailable, type(None), Unavailable, type(None), Unavailable]
    assert await db.read(_count) == 48


@pytest.mark.parametrize("free", [0, LEAST_BYTES - 1])
async def test_a_start_on_a_full_disk(tmp_path: Path, disk: SmallDisk, free: int) -> None:
    async with opened(tmp_path, tuning=disk.tuning) as db:
        await db.write(_make)
    disk.free = free
    async with opened(tmp_path, tuning=disk.tuning) as db:
        assert (await db.read(_count), db.stats().disk_full) == (50, True)
        with pytest.raises(Unavailable, match="only deletes are taken"):
            await db.write(_put)
        await db.write(_delete, 1)
        disk.free = 2 * LEAST_BYTES
    assert disk.reserve.stat().st_size == 2 * LEAST_BYTES  # for the next start
    disk.free = 0
    async with opened(tmp_path, tuning=disk.tuning) as db:
        assert await db.read(_count) == 49


SCARCE = FREE_SHARE * SMALLEST_BYTES


async def test_on_a_disk_that_is_nearly_full_the_reserve_is_small(tmp_path: Path, disk: SmallDisk) -> None:
    disk.free = SCARCE
    async with opened(tmp_path, tuning=disk.tuning) as db:
        await db.write(_make, 20)
        assert disk.reserve.stat().st_size == SMALLEST_BYTES
        assert not db.stats().disk_full
        disk.free = 0
        with pytest.raises(Unavailable, match="nothing was stored"):
            await db.write(_put)
        await db.write(_delete, 1)
        assert await db.read(_count) == 19


@pytest.mark.parametrize("free", [LEAST_BYTES, SCARCE - 1])
async def test_without_room_for_a_reserve_only_deletes_are_taken(tmp_path: Path, disk: SmallDisk, free: int) -> None:
    """Else ordinary writes would take what deletes need."""
    async with opened(tmp_path, tuning=disk.tuning) as db:
        await db.write(_make)
    disk.reserve.unlink()
    disk.free = free
    async with opened(tmp_path, tuning=disk.tuning) as db:
        assert db.stats().disk_full
        assert not disk.reserve.exists()
        with pytest.raises(Unavailable, match="only deletes are taken until 4 MB are free"):
            await db.write(_put)
        await db.write(_delete, 1)
        disk.free = RESERVE + MARGIN_BYTES
        await db.write(_put)
        assert disk.reserve.exists()
        assert (await db.read(_count), db.stats().disk_full) == (50, False)


def test_a_reserve_is_a_small_part_of_a_small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=MARGIN_BYTES))
    disk_reserve.DiskReserve(tmp_path, Tuning().reserve_bytes)
    assert (tmp_path / RESERVE_NAME).stat().st_size == MARGIN_BYTES // disk_reserve.FREE_SHARE


async def test_where_little_is_free_the_log_is_short(db: SqliteDatabase, disk: SmallDisk, tmp_path: Path) -> None:
    """All of it may have to go into the main file, which has no other room to grow."""
    disk.free = 3 << 19
    await db.write(_put)  # behind it the log of the migrations is shortened
    for _ in range(200):
        await db.write(_put)
        log_bytes = (tmp_path / "delta.db-wal").stat().st_size
        assert log_bytes <= (disk.free + log_bytes) // 2
