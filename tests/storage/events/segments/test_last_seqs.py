"""Which files have events after a seq: kept by all that makes segments, and found out for those from before."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from delta_server.core.errors import DatabaseFailed
from delta_server.core.event_storage.segment_plan import EventRetention
from delta_server.core.events.persons import PersonIds
from delta_server.core.query.plan import Listing
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.query import answers
from delta_server.storage.events.query.answers import Answers
from delta_server.storage.events.query.read_view import ALWAYS
from delta_server.storage.events.query.runner import QueryRunner
from delta_server.storage.events.segments import expire
from tests.storage.events.kept import OPTIONS, Kept, kept, made
from tests.storage.opened import START_MS


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Kept]:
    async with kept(tmp_path) as opened:
        yield opened


async def fill(log: Kept, segments: int = 3, project: int | None = None) -> None:
    """Of 64 events each, later ones with earlier times."""
    for number in range(segments):
        at = START_MS - number * 100_000
        await log.append_events(made(64, first=number * 64, at=at, user=f"user {number}"), project)
        await log.scheduler.seal(everything=True)


async def largest(log: Kept) -> dict[int, int]:
    """By segment, what is in its file."""

    def read(session: QuerySession) -> dict[int, int]:
        paths = {each.id: session.read_view.segment_path(each.id) for each in session.read_view.segments()}
        files = {id: f"SELECT max(seq) FROM read_parquet('{path}')" for id, path in paths.items()}
        return {id: session.rows(sql)[1][0][0] for id, sql in files.items()}

    return await log.engine.run(log.project, read)


async def told(log: Kept) -> dict[int, int | None]:
    return {segment.id: segment.last_seq for segment in await log.segments()}


async def asked(log: Kept, after_seq: int, project: int | None = None) -> tuple[list[int], int]:
    """(seqs, ascending; how many events the files have that were opened)."""
    answering = QueryRunner(log.db, log.engine, Answers({}, answers.compile_aggregate))
    found = await answering.run_query(project or log.project, Listing(ALWAYS, after_seq=after_seq))
    return sorted(row[0] for row in found.rows), found.scanned


async def forget(log: Kept, *segments: int) -> None:
    """As segments from before are."""
    await log.db.write(
        lambda tx: tx.run(f"UPDATE segment SET last_seq = NULL WHERE id IN ({', '.join(map(str, segments))})")
    )


async def let_go(log: Kept) -> None:
    await log.db.write(lambda tx: tx.run("UPDATE segment SET rolled = 1"))
    retention = EventRetention(types={"view": 1})
    now_ms = START_MS - 100_000 + 86_400_000 + 30_000  # in the middle of one segment
    await expire.expire_events(log.db, log.engine, OPTIONS, log.project, retention, now_ms)


async def erase(log: Kept) -> None:
    await log.append_events(made(9, first=900, user="user 1"))
    await log.append_events(made(9, first=920, user="last"))
    await log.scheduler.erase(log.project, PersonIds(("user 1",), ()))


async def merge(log: Kept) -> None:
    await log.scheduler.run_maintenance(log.project, compacting=True)


@pytest.mark.parametrize("work", [None, merge, erase, let_go], ids=["seal", "merge", "erase", "let go"])
async def test_what_is_told_is_what_is_in_the_file(log: Kept, work: object) -> None:
    await fill(log)
    before = await told(log)
    if callable(work):
        await work(log)
        assert await told(log) != before
    assert await told(log) == await largest(log) != {}


async def test_only_files_with_later_events_are_opened(log: Kept) -> None:
    await fill(log)
    first, second, third = sorted((await largest(log)).values())
    every, _ = await asked(log, -1)
    await log.append_events(made(5, first=900))
    await log.append_events(made(5, first=910), log.other)
    newest, opened = await asked(log, third)
    assert (len(newest), opened) == (5, 5)
    for after, files in ((first - 1, 3), (first, 2), (second, 1), (third - 1, 1), (third, 0)):
        assert await asked(log, after) == ([*(seq for seq in every if seq > after), *newest], 64 * files + 5)
    assert await asked(log, newest[1]) == (newest[2:], 5)
    assert await asked(log, newest[-1] + (1 << 40)) == ([], 0)
    assert await asked(log, (1 << 63) - 1) == ([], 0)


async def test_old_segments_answer_the_same_and_are_looked_at_once(log: Kept) -> None:
    await fill(log)
    await fill(log, 1, log.other)
    known = await largest(log)
    middle = sorted(known.values())[1]
    wanted, _ = await asked(log, middle)
    await forget(log, *known, *(segment.id for segment in await log.segments(log.other)))
    assert await asked(log, middle) == (wanted, 3 * 64)
    await log.scheduler.run_maintenance(log.project)
    assert await told(log) == known
    assert await asked(log, middle) == (wanted, 64)
    assert [segment.last_seq for segment in await log.segments(log.other)] == [None], "its turn comes"


async def test_old_ones_that_are_merged_with_new_ones_are_looked_at(log: Kept) -> None:
    await fill(log)
    newest = max((await largest(log)).values())
    await forget(log, *list(await told(log))[:1])
    await log.scheduler.run_maintenance(log.project, compacting=True)
    assert list((await told(log)).values()) == [newest]


async def test_a_damaged_one_is_told_of_once_and_read_by_who_asks(log: Kept) -> None:
    await fill(log)
    known = await told(log)
    damaged = min(known)
    await forget(log, *known)
    await log.db.write(
        lambda tx: tx.run("UPDATE segment_data SET parquet = zeroblob(length(parquet)) WHERE segment = ?", damaged)
    )
    with pytest.raises(DatabaseFailed, match=f"segment {damaged}"):
        await log.scheduler.run_maintenance(log.project)
    assert await told(log) == {**known, damaged: None}
    await log.scheduler.run_maintenance(log.project)
    with pytest.raises(DatabaseFailed, match=f"segment {damaged}"):
        await asked(log, max(filter(None, known.values())))
