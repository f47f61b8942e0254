"""The bytes of stored files as DuckDB gets them: which pieces are read again, and which stay in memory."""

from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import msgspec
import pytest

from delta_server.core.errors import DatabaseFailed
from delta_server.core.query.plan import Span
from delta_server.storage.database import Tx
from delta_server.storage.events.query import read_view
from delta_server.storage.events.query.read_cache import ReadCache
from delta_server.storage.events.query.read_connections import ReadViews
from delta_server.storage.events.query.read_view import ReadView
from delta_server.storage.events.rollups import rollup_catalog
from delta_server.storage.events.rollups.rollup_catalog import NewRollup
from delta_server.storage.sqlite.adapter import DATABASE_NAME, SqliteDatabase
from delta_server.storage.sqlite.connection import Tuning
from tests.storage.events.stored import make_project
from tests.storage.opened import opened

DATA = bytes(range(256)) * 1000


class Stored(msgspec.Struct, frozen=True):
    db: SqliteDatabase
    read_views: ReadViews
    project: int
    other: int

    async def add(self, files: int) -> None:
        """Those with the ids from 1 on."""

        def insert(tx: Tx) -> None:
            for n in range(files):
                new = NewRollup(60_000, 0, Span(n * 60_000, (n + 1) * 60_000), 1, (), parquet=DATA + bytes([n]))
                assert rollup_catalog.replace(tx, self.project, new)

        await self.db.write(insert)

    async def spoil(self) -> None:
        await self.db.write(lambda tx: tx.run("UPDATE rollup_data SET parquet = zeroblob(length(parquet))"))


@pytest.fixture
async def stored(tmp_path: Path) -> AsyncIterator[Stored]:
    async with opened(tmp_path) as db:
        mine, other = await db.write(make_project), await db.write(lambda tx: make_project(tx, "other"))
        found = Stored(db, ReadViews(tmp_path / DATABASE_NAME, Tuning()), mine, other)
        yield found
        found.read_views.close()


def opened_blobs(found: ReadView) -> int:
    return len(found._blobs)


async def test_no_file_of_another_project_is_opened_however_well_it_is_known(stored: Stored) -> None:
    await stored.add(1)
    for project, kind, number in ((stored.other, "rollup", 1), (stored.project, "rollup", 2)):
        with stored.read_views.open(stored.project) as found:
            assert found.open("rollup", 1).read(0, 100) == DATA[:100]
        with stored.read_views.open(project) as found, pytest.raises(KeyError):
            found.open(kind, number)


@pytest.mark.parametrize("kind", ["rollup_data", "sqlite_schema", ""])
async def test_nothing_but_files_is_opened(stored: Stored, kind: str) -> None:
    await stored.add(1)
    with stored.read_views.open(stored.project) as found, pytest.raises(KeyError):
        found.open(kind, 1)


async def test_a_damaged_file_is_named_and_none_of_it_is_kept(stored: Stored) -> None:
    await stored.add(1)
    await stored.spoil()
    for _ in range(2):
        with (
            stored.read_views.open(stored.project) as found,
            pytest.raises(DatabaseFailed, match="rollup 1 of events is damaged"),
        ):
            found.open("rollup", 1)
    assert stored.read_views._read_cache.piece(("rollup", 1), 0, 100) is None


async def test_nothing_is_read_after_the_end(stored: Stored) -> None:
    await stored.add(1)
    with stored.read_views.open(stored.project) as found:
        pages = found.open("rollup", 1)
        pages.read(0, 100)
    for offset in (0, 500):  # known and not
        with pytest.raises(apsw.InterruptError):
            pages.read(offset, 100)


async def test_small_pieces_are_read_once_and_large_ones_each_time(stored: Stored) -> None:
    await stored.add(1)
    with stored.read_views.open(stored.project) as found:
        found.open("rollup", 1).read(200, 300)
    with stored.read_views.open(stored.project) as found:
        pages = found.open("rollup", 1)
        assert (pages.size, pages.read(200, 300), opened_blobs(found)) == (len(DATA) + 1, DATA[200:500], 0)
        assert (pages.read(200, 301), opened_blobs(found)) == (DATA[200:501], 1), "another piece"
    for _ in range(2):
        with stored.read_views.open(stored.project) as found:
            large = found.open("rollup", 1).read(0, ReadCache.LARGE_BYTES + 1)
            assert (large, opened_blobs(found)) == (DATA[: ReadCache.LARGE_BYTES + 1], 1)


async def test_who_reads_much_leaves_to_others_what_they_have(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReadCache, "SMALL_BYTES", 50)
    monkeypatch.setattr(ReadCache, "LARGE_OF_ONE_BYTES", 250)
    await stored.add(1)
    for _ in range(2):
        with stored.read_views.open(stored.project) as found:
            for offset in range(0, 500, 100):
                assert found.open("rollup", 1).read(offset, 100) == DATA[offset : offset + 100]
            found.open("rollup", 1).read(500, 50)
        pieces = [(offset, 100) for offset in range(0, 500, 100)] + [(500, 50)]
        kept = [stored.read_views._read_cache.piece(("rollup", 1), *piece) is not None for piece in pieces]
        assert kept == [True, True, True, False, False, True]


async def test_what_may_be_damaged_is_read_again(stored: Stored) -> None:
    await stored.add(1)
    with stored.read_views.open(stored.project) as found:
        found.open("rollup", 1).read(0, 100)
    await stored.spoil()
    with stored.read_views.open(stored.project) as found:
        found.open("rollup", 1)
        found.recheck(ValueError("Invalid Input Error: it is no Parquet file"), lambda _: None)
        assert isinstance(found.failure, DatabaseFailed)
    with stored.read_views.open(stored.project) as found, pytest.raises(DatabaseFailed, match="rollup 1"):
        found.open("rollup", 1)


async def test_few_files_are_open_at_once(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_view, "_BLOBS", 2)
    await stored.add(5)
    with stored.read_views.open(stored.project) as found:
        files = [found.open("rollup", number + 1) for number in range(5)]
        for _ in range(2):
            assert [pages.read(len(DATA), 1) for pages in files] == [bytes([n]) for n in range(5)]
            assert [pages.read(0, len(DATA)) for pages in files] == [DATA] * 5
            assert opened_blobs(found) == 2


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReadCache, "LIMIT_BYTES", 3_000)
    monkeypatch.setattr(ReadCache, "MOST_SIZES", 10)
    kept = ReadCache()
    for number in range(25):
        kept.check(("segment", number), 100)
        kept.keep(("segment", number), 0, bytes(800))
        assert len(kept.sizes) <= 10
    there = [number for number in range(25) if kept.piece(("segment", number), 0, 800) is not None]
    assert there == [22, 23, 24], "the last ones"
    kept.keep(("segment", 25), 0, bytes(800))
    assert kept.piece(("segment", 25), 0, 800) is None, "it was not checked"
