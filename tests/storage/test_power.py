"""Power cuts, a full disk and a failing one under the real adapter: no acknowledged write is ever lost.

The seeds fix what is written, where the power is cut and what arrives; the threads interleave as they like, and what
is claimed holds for every interleaving.
"""

import asyncio
import gc
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import apsw
import msgspec
import pytest

from delta_server.core.errors import DeltaError, Unavailable
from delta_server.storage.database import Database, Tx
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.page_size import COMPACT_PAGE_SIZE
from tests.often import seeds
from tests.storage.failing_disk import Disk, FailingVfs
from tests.storage.opened import opened

SMALL = Tuning(page_size=1024, wal_pages=30, writer_cache_kib=64, group_s=60)
"""Small pages, an early checkpoint and a cache that spills: many operations a commit, of every kind."""

CREATE = "CREATE TABLE IF NOT EXISTS item (name TEXT, half INTEGER, data BLOB, PRIMARY KEY (name, half))"


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The adapter logs every failure with its traceback, and apsw tells of those that SQLite puts up with."""
    told = sys.unraisablehook

    def tell(unraisable: "sys.UnraisableHookArgs") -> None:
        if not isinstance(unraisable.exc_value, apsw.Error):
            told(unraisable)

    monkeypatch.setattr(sys, "unraisablehook", tell)
    logging.disable(logging.CRITICAL)
    yield
    gc.collect(1)  # connections that ended with the power tell of it when they are let go
    logging.disable(logging.NOTSET)


def put(tx: Tx, name: str, data: bytes) -> None:
    tx.run("INSERT INTO item VALUES (?, 1, ?)", name, data)
    tx.run("INSERT INTO item VALUES (?, 2, ?)", name, data)


def drop(tx: Tx, name: str) -> None:
    tx.run("DELETE FROM item WHERE name = ?", name)


def items(tx: Tx) -> dict[str, bytes]:
    """All items; one of which a half is missing, or differs, comes as the data `torn`."""
    halves: dict[str, list[bytes]] = {}
    for name, data in tx.all("SELECT name, data FROM item"):
        halves.setdefault(name, []).append(data)
    return {name: data[0] if data == [data[0]] * 2 else b"torn" for name, data in halves.items()}


class Expected:
    """What must be in the database, and what may be because nobody was told how it ended."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.doubtful: dict[str, tuple[bytes | None, bytes | None]] = {}
        """By name: the data before the call that was not answered well, and after it."""

    async def put(self, db: Database, name: str, data: bytes) -> None:
        self.doubtful[name] = (None, data)
        await db.write(put, name, data)
        self.kept[name] = data
        del self.doubtful[name]

    async def drop(self, db: Database, name: str) -> None:
        self.doubtful[name] = (self.kept.pop(name), None)
        await db.write(drop, name)
        del self.doubtful[name]

    def wrong(self, found: dict[str, bytes]) -> list[str]:
        """The names whose content is not what it must be."""
        everything = sorted({*found, *self.kept, *self.doubtful})
        return [name for name in everything if found.get(name) not in self._allowed(name)]

    def doubts_are_undone(self) -> None:
        """From here on, what was refused must not have happened."""
        self.kept |= {name: before for name, (before, _) in self.doubtful.items() if before is not None}
        self.doubtful = {}

    def settle(self, found: dict[str, bytes]) -> None:
        self.kept, self.doubtful = dict(found), {}

    def _allowed(self, name: str) -> tuple[bytes | None, ...]:
        return self.doubtful.get(name, (self.kept.get(name),))


class Load:
    """Rounds of writes that are in flight together, with checkpoints, vacuums and reads among them."""

    def __init__(self, rng: Random, expected: Expected) -> None:
        self._rng = rng
        self._expected = expected
        self._made = 0

    async def round(self, db: Database) -> list[BaseException]:
        """One round; the failures of its calls."""
        rng, expected = self._rng, self._expected
        droppable = sorted(expected.kept)
        rng.shuffle(droppable)
        calls = [expected.drop(db, name) for name in droppable[: rng.randrange(4)]]
        for _ in range(rng.randrange(1, 6)):
            self._made += 1
            calls.append(expected.put(db, f"{rng.getrandbits(32):08x}-{self._made}", self._data()))
        if rng.random() < 0.2:
            calls.append(db.checkpoint())
        if rng.random() < 0.2:
            calls.append(_vacuum(db))
        results = await asyncio.gather(*calls, return_exceptions=True)
        return [result for result in results if result is not None]

    def _data(self) -> bytes:
        rng = self._rng
        size = rng.choice((10, 100, 1000, 9000))
        return rng.randbytes(rng.randrange(size))


async def _vacuum(db: Database) -> None:
    await db.vacuum(20)


async def live_until_cut(data_dir: Path, disk: Disk, tuning: Tuning, load: Load) -> None:
    """Open the database on `disk`, write, close, three times over, until its power is cut: at the latest now."""
    try:
        for _ in range(3):
            async with opened(data_dir, tuning=tuning, readers=1, wal_bytes=50_000) as db:
                await db.write(lambda tx: tx.run(CREATE))
                for _ in range(5):
                    if disk.survivors is None:
                        await load.round(db)
    except DeltaError:
        assert disk.survivors is not None, "only the cut may refuse the database"
    disk.cut()


class Findings(msgspec.Struct):
    cuts: int = 0
    lost: int = 0
    damaged: int = 0


async def cut_again_and_again(folder: Path, seed: int, tuning: Tuning, *, cuts: int) -> Findings:
    """A database that loses power `cuts` times, each time going on from what the disk then held."""
    rng = Random(seed)
    findings = Findings()
    expected = Expected()
    data_dir = folder / "0"
    for number in range(1, cuts + 1):
        disk = Disk(rng)
        disk.cut_at = rng.randrange(1, 600 if number == 1 else 300)
        vfs = FailingVfs(f"power-{folder.name}-{number}", disk)
        tuned = msgspec.structs.replace(tuning, vfs=vfs.name)
        await live_until_cut(data_dir, disk, tuned, Load(rng, expected))
        data_dir = folder / str(number)
        disk.save_survivors(data_dir)
        findings.cuts += 1
        try:
            found = await inspect(data_dir)
        except (DeltaError, apsw.Error, AssertionError):
            findings.damaged += 1
            return findings  # there is nothing to go on from
        findings.lost += len(expected.wrong(found))
        expected.settle(found)
    return findings


async def inspect(data_dir: Path) -> dict[str, bytes]:
    """The items of a database that was left alone, after recovering and checking the whole of it."""
    async with opened(data_dir) as db:
        found = await db.write(lambda tx: tx.all("PRAGMA integrity_check"))
        assert found == [("ok",)]
        await db.write(lambda tx: tx.run(CREATE))
        return await db.read(items)


@pytest.mark.parametrize("seed", seeds(2))
async def test_a_power_cut_loses_no_acknowledged_write(tmp_path: Path, seed: int):
    assert await cut_again_and_again(tmp_path, seed, SMALL, cuts=22) == Findings(cuts=22)


@pytest.mark.parametrize(("synchronous", "finds"), [("NORMAL", "lost"), ("OFF", "damaged")])
async def test_the_cuts_would_find_a_commit_that_is_not_synced(tmp_path: Path, synchronous: str, finds: str):
    # Pages of 512 bytes: a database that goes to rest when it is closed is synced by that.
    careless = msgspec.structs.replace(SMALL, synchronous=synchronous, page_size=COMPACT_PAGE_SIZE)
    for seed in range(20):  # how many one seed finds depends on the threads: none, now and then
        folder = tmp_path / f"{synchronous}-{seed}"
        folder.mkdir()
        found = await cut_again_and_again(folder, seed, careless, cuts=5)
        if synchronous == "NORMAL":
            assert found.damaged == 0
        if getattr(found, finds):
            return
    pytest.fail("no cut found what was not synced")


class Trouble:
    """From its `start`th operation on, all operations of one kind fail, until it is over."""

    def __init__(self, kind: str, error: type[apsw.Error], start: int) -> None:
        self._kind, self._error, self._start = kind, error, start
        self.over = False
        self.refused = 0

    def __call__(self, kind: str, number: int) -> apsw.Error | None:
        if self.over or kind != self._kind or number < self._start:
            return None
        self.refused += 1
        return self._error("injected")


PATIENT = msgspec.structs.replace(SMALL, wal_pages=100_000)
"""The writer leaves checkpoints to the periodic one. SQLite shrugs when the checkpoint after a commit fails, but a
failure in a VFS written in Python comes out of that commit as an exception all the same."""


@pytest.mark.parametrize("seed", seeds(2))
@pytest.mark.parametrize(
    ("kind", "error", "points"), [("write", apsw.FullError, 6), ("sync", apsw.IOError, 2)], ids=["full", "no sync"]
)
async def test_a_disk_in_trouble_refuses_and_then_works_again(
    tmp_path: Path, seed: int, kind: str, error: type[apsw.Error], points: int
):
    rng = Random(seed)
    for point in range(points):
        folder = tmp_path / str(point)
        disk = Disk(rng)
        vfs = FailingVfs(f"{kind}-{seed}-{point}", disk)
        expected = Expected()
        async with opened(folder, tuning=msgspec.structs.replace(PATIENT, vfs=vfs.name), wal_bytes=50_000) as db:
            await db.write(lambda tx: tx.run(CREATE))
            trouble = disk.fault = Trouble(kind, error, start=disk.operations + rng.randrange(100))
            load = Load(rng, expected)
            await _through_trouble(db, load, trouble)
            expected.doubts_are_undone()
            assert expected.wrong(await db.read(items)) == []
            assert await load.round(db) == []
            disk.cut()
        disk.save_survivors(tmp_path / f"{point}-after")
        assert expected.wrong(await inspect(tmp_path / f"{point}-after")) == []


async def _through_trouble(db: Database, load: Load, trouble: Trouble) -> None:
    """Rounds until four have met the trouble; then it is over."""
    for _ in range(4):
        met = trouble.refused
        while trouble.refused == met:
            failures = await load.round(db)
            assert {type(failure) for failure in failures} <= {Unavailable}
    trouble.over = True
