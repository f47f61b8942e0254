"""Large files are stored in parts before their segments and rollups: they read the same, and none is left behind."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from delta_server.core.errors import DatabaseFailed
from delta_server.core.events.persons import PersonIds
from delta_server.storage import large_files
from delta_server.storage.database import Tx
from delta_server.storage.events.segments import catalog, compact, delete_project, parts
from delta_server.storage.sqlite.transaction import SqliteTx
from tests.storage.events.kept import Kept, kept, made

PART = 700


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_BYTES", PART)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Kept]:
    async with kept(tmp_path) as log:
        yield log


async def sizes(log: Kept) -> list[int]:
    """Of the parts there are, without marks."""
    sql = "SELECT length(data) FROM file_part WHERE id & 65535 < 65535 ORDER BY id"
    rows = await log.db.read(lambda tx: tx.all(sql))
    return [row[0] for row in rows]


async def files(log: Kept) -> tuple[int, int]:
    """How many files of segments are in parts, and how many are whole."""
    row = await log.db.read(
        lambda tx: tx.one("SELECT count(file), (SELECT count(*) FROM segment_data) FROM segment WHERE project > 0")
    )
    assert row is not None
    return row[0], row[1]


@pytest.mark.parametrize("offset", [0, 1, PART - 1, PART, PART + 1, 3 * PART])
@pytest.mark.parametrize("count", [0, 1, PART - 1, PART, PART + 1, 2 * PART + 5])
def test_pieces_are_the_bytes_asked_for(offset: int, count: int) -> None:
    whole = bytes(i * 7 % 251 for i in range(6 * PART))
    stored = {5 << large_files.NUMBER_BITS | n: whole[n * PART : (n + 1) * PART] for n in range(6)}
    found = b"".join(stored[part][at : at + length] for part, at, length in parts.pieces(5, offset, count))
    assert found == whole[offset : offset + count]


async def test_segments_read_the_same_from_parts(log: Kept) -> None:
    await log.append_events(made(300))
    before = await log.events()
    await log.scheduler.run_maintenance(log.project, everything=True, compacting=True)
    assert await log.events() == before
    in_parts, whole = await files(log)
    assert in_parts > 0
    assert whole == 0
    assert max(await sizes(log)) == PART


async def test_no_write_has_more_than_a_part(log: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for what else a row holds."""
    largest = 0
    run = SqliteTx.run

    def watched(tx: Any, sql: str, *params: Any) -> int:
        nonlocal largest
        if "_data" in sql or "file_part" in sql:
            largest = max(largest, *(len(param) for param in params if isinstance(param, bytes)), 0)
        return run(tx, sql, *params)

    monkeypatch.setattr(SqliteTx, "run", watched)
    await log.append_events(made(300))
    await log.scheduler.run_maintenance(log.project, everything=True, compacting=True)
    assert largest == PART


async def test_small_files_stay_with_their_segments(log: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_BYTES", 1 << 20)
    await log.append_events(made(64))
    await log.scheduler.seal(log.project, everything=True)
    assert await files(log) == (0, 1)
    assert await sizes(log) == []


@pytest.mark.parametrize(
    ("sizes", "whole"),
    [
        ([], []),
        ([PART], [0]),
        ([PART + 1], []),
        ([PART, 1], [1]),
        ([300, 300, 300], [0, 1]),
        ([650, 20, 700, 20], [1, 3, 0]),
        ([400] * 50, [0]),
    ],
)
async def test_files_that_are_stored_together_are_not_more_than_a_part(
    log: Kept, sizes: list[int], whole: list[int]
) -> None:
    """Of 47 rollups of one round each was small, and all of them took 35 ms."""
    every = [parts.WithFile(parquet=bytes(size)) for size in sizes]
    async with parts.stored(log.db, every) as stored:
        assert sorted(whole) == [index for index, new in enumerate(stored) if new.file is None]
        assert [new.size_and_hash() for new in stored] == [new.size_and_hash() for new in every]


async def test_parts_go_with_their_segment(log: Kept) -> None:
    await log.append_events(made(100))
    await log.append_events(made(100), log.other)
    await log.scheduler.seal(everything=True)
    before = await sizes(log)
    ids, theirs = [[segment.id for segment in await log.segments(project)] for project in (log.project, log.other)]
    await log.db.write(catalog.delete, log.project, theirs)
    assert await sizes(log) == before
    await log.db.write(catalog.delete, log.project, ids)
    assert (await log.events(log.other)).total() == 100
    while await log.db.write(delete_project.delete_some, log.other, 100):
        pass
    assert await sizes(log) == []


async def test_erased_events_leave_no_part(log: Kept) -> None:
    await log.append_events(made(100) + made(100, first=100, user="bob"))
    await log.scheduler.seal(log.project, everything=True)
    user = min(await log.users())
    parts_before = await sizes(log)
    await log.scheduler.erase(log.project, PersonIds((user,), ()))
    assert user not in await log.users()
    assert 0 < sum(await sizes(log)) < sum(parts_before)


async def test_what_is_not_taken_over_goes(log: Kept) -> None:
    await log.append_events(made(200))
    await log.scheduler.seal(log.project, everything=True)
    before = await sizes(log)
    segments = await log.segments()
    new = await log.engine.run_background(log.project, lambda session: compact.merged(session, segments))
    assert new is not None
    async with parts.stored(log.db, [new]) as [stored]:
        assert stored.parquet == b""
        assert len(await sizes(log)) > len(before)
    assert await sizes(log) == before
    assert await log.events()


async def test_what_a_process_left_goes_at_the_next_start(tmp_path: Path) -> None:
    async with kept(tmp_path) as log:
        await log.append_events(made(100))
        await log.scheduler.seal(log.project, everything=True)
        before = await sizes(log)
        await log.db.write(_begun)
        assert len(await sizes(log)) == len(before) + 2
        await large_files.drop_left(log.db)
        assert await sizes(log) == before
        assert await log.events()


def _begun(tx: Tx) -> None:
    for waiting in (b"one", b"other"):
        large_files._begin(tx, b"part", waiting)


@pytest.mark.parametrize(
    "change", ["DELETE FROM file_part", "UPDATE file_part SET data = zeroblob(length(data))"], ids=["gone", "changed"]
)
async def test_a_part_that_is_not_as_stored_is_damage(tmp_path: Path, change: str) -> None:
    async with kept(tmp_path) as log:
        await log.append_events(made(200))
        await log.scheduler.seal(log.project, everything=True)
        await log.db.write(lambda tx: tx.run(f"{change} WHERE id = (SELECT max(id) FROM file_part)"))
        with pytest.raises(DatabaseFailed, match="segment"):
            await log.events()
