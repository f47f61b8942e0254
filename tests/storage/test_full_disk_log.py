"""A full disk with a long write-ahead log, which would make the main file longer than there is room for."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace

import apsw
import msgspec
import pytest

from delta_server.core.errors import Unavailable
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.sqlite.adapter import DATABASE_NAME
from delta_server.storage.sqlite.disk_reserve import RESERVE_NAME
from tests.storage.failing_disk import Disk, FailingVfs
from tests.storage.opened import FAST, opened

RESERVE = 512 << 10
PLENTY = 1 << 30


class Bounded(Disk):
    """A disk of so many bytes: what makes a file longer than there is room for is refused."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Random(0))
        self.folder = folder
        self.capacity = PLENTY

    @property
    def free(self) -> int:
        return max(0, self.capacity - sum(path.stat().st_size for path in self.folder.iterdir()))

    def change(self, path: str, kind: str, offset: int, data: bytes | None) -> None:
        if data is not None and offset + len(data) - Path(path).stat().st_size > self.free:
            raise apsw.FullError("injected")
        super().change(path, kind, offset, data)

    def fill(self, *, but: int = 0) -> None:
        """Others' files leave so many bytes."""
        self.capacity -= self.free - but


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bounded]:
    found = Bounded(tmp_path)
    vfs = FailingVfs("bounded", found)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=found.free))
    yield found
    del vfs  # it was registered while it lived


TUNING = msgspec.structs.replace(FAST, reserve_bytes=RESERVE, vfs="bounded")


def _make(tx: Tx) -> None:
    tx.run("CREATE TABLE item (id INTEGER PRIMARY KEY, bytes BLOB)")


def _put(tx: Tx, count: int) -> None:
    tx.many("INSERT INTO item (bytes) VALUES (randomblob(10000))", [() for _ in range(count)])


@frees_space
def _delete(tx: Tx, count: int) -> None:
    tx.run("DELETE FROM item WHERE id IN (SELECT id FROM item ORDER BY id DESC LIMIT ?)", count)


def _count(tx: Tx) -> int:
    row = tx.one("SELECT count(*) FROM item")
    assert row is not None
    return int(row[0])


async def test_what_is_deleted_is_free_when_the_log_is_longer_than_the_reserve(tmp_path: Path, disk: Bounded) -> None:
    async with opened(tmp_path, tuning=TUNING) as db:
        await db.write(_make)
        await db.checkpoint()
        for _ in range(20):
            await db.write(_put, 20)
        disk.fill()
        log_bytes, file_bytes = db.stats().log_bytes, db.stats().database_bytes
        assert log_bytes > 4 * RESERVE
        for _ in range(20):
            await db.write(_delete, 20)
            await db.vacuum(1000)
        assert db.stats().disk_full
        await db.checkpoint()
        assert db.stats().database_bytes <= file_bytes + RESERVE
        await db.write(_delete, 1)  # the log begins anew
        assert await db.read(_count) == 0


async def test_others_are_refused_before_the_log_is_longer_than_there_is_room_for(
    tmp_path: Path, disk: Bounded
) -> None:
    """It grew by one large write."""
    async with opened(tmp_path, tuning=TUNING) as db:
        await db.write(_make)
        await db.checkpoint()
        disk.fill(but=6 << 20)
        await db.write(_put, 400)
        assert disk.free > 1 << 20
        with pytest.raises(Unavailable, match="the disk is full"):
            await db.write(_put, 1)
        await db.write(_delete, 1)
        disk.capacity = PLENTY
        await db.write(_put, 1)
        assert await db.read(_count) == 400


async def test_neither_stop_nor_start_takes_the_reserve_to_write_the_log_back(tmp_path: Path, disk: Bounded) -> None:
    async with opened(tmp_path, tuning=TUNING) as db:
        await db.write(_make)
        await db.checkpoint()
        for _ in range(20):
            await db.write(_put, 20)
        disk.fill()
    for start in range(3):
        assert (tmp_path / RESERVE_NAME).stat().st_size >= RESERVE // 2
        async with opened(tmp_path, tuning=TUNING) as db:
            assert await db.read(_count) == 400 - start
            await db.write(_delete, 1)
        assert (tmp_path / f"{DATABASE_NAME}-wal").exists()
