"""Erasure: of a person nothing is left, of everybody else everything."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from delta_server.core.errors import Unavailable
from delta_server.core.events.event import Event
from delta_server.core.events.persons import PersonIds
from delta_server.core.times import DAY_MS
from delta_server.storage.events.segments import catalog
from tests.storage.events.kept import ErasedSegments, Kept, kept, made
from tests.storage.opened import START_MS

IDS = PersonIds(("ann",), ("anon-7",))


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Kept]:
    async with kept(tmp_path) as opened:
        yield opened


def anonymous(message_id: str) -> Event:
    return Event(
        at=START_MS + 3 * DAY_MS, received_at=START_MS, type="view", anonymous_id="anon-7", message_id=message_id
    )


async def fill(log: Kept) -> None:
    """Ann in a segment, in one as anonymous and in a block, Bob everywhere, both in the other project."""
    await log.append_events(made(20) + made(44, first=100, user="bob") + [anonymous("a1")])
    await log.scheduler.seal()
    await log.append_events(made(64, first=200, user="bob"))
    await log.scheduler.run_maintenance()
    await log.append_events(made(3, first=300, at=START_MS + DAY_MS) + made(4, first=400, user="bob"))
    await log.append_events(made(10) + made(10, first=50, user="bob"), log.other)


async def erase(log: Kept) -> tuple[int, list[tuple[int, int]]]:
    told = ErasedSegments()
    erased = await log.scheduler.erase(log.project, IDS, told)
    assert erased == sum(segment.events for segment in told)
    return erased, [(segment.done, segment.total) for segment in told]


async def test_a_person_is_gone_and_the_others_are_as_they_were(log: Kept) -> None:
    await fill(log)
    others, version = await log.events(log.other), await log.version()
    rest = {row: count for row, count in (await log.events()).items() if row[5] == "bob"}
    erased, told = await erase(log)
    assert erased == 24
    assert await log.events() == rest
    assert await log.events(log.other) == others
    assert told[0] == (1, told[-1][1])
    assert told[-1][0] == told[-1][1] >= 3
    assert await log.version() > version
    assert log.rollups.marked == [
        [(START_MS, START_MS + DAY_MS)],
        [(START_MS + 3 * DAY_MS, START_MS + 4 * DAY_MS)],
    ], "what was not rolled when the person was found is rolled without them"
    assert (await erase(log))[0] == 0


async def test_their_message_ids_stay_known(log: Kept) -> None:
    await fill(log)
    await erase(log)
    assert await log.append_events(made(20)) == frozenset(range(20))


async def test_a_segment_of_theirs_alone_goes(log: Kept) -> None:
    await log.append_events(made(10))
    assert (await erase(log))[0] == 10
    assert await log.segments() == []
    assert (await erase(log)) == (0, [])


async def test_begun_again_after_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with kept(tmp_path) as log:
        await fill(log)
        await log.scheduler.seal(everything=True)
        insert, inserted = catalog.insert_segment, 0

        def idempotency_key(*arguments: Any) -> int:
            nonlocal inserted
            inserted += 1
            if inserted > 1:
                raise Unavailable("the disk is full")
            return insert(*arguments)

        monkeypatch.setattr(catalog, "insert_segment", idempotency_key)
        with pytest.raises(Unavailable):
            await erase(log)
        monkeypatch.undo()
        half = (await log.events()).total()
    async with kept(tmp_path, log.clock) as log:
        assert (await erase(log))[0] == half - 112
        assert await log.users() == {"bob"}


async def test_nothing_else_of_the_project_runs_meanwhile(log: Kept) -> None:
    await fill(log)
    (erased, _), *_ = await asyncio.gather(
        erase(log),
        log.scheduler.run_maintenance(everything=True, compacting=True),
        log.append_events(made(5, first=900, user="bob")),
        log.scheduler.run_maintenance(everything=True, compacting=True),
    )
    assert erased == 24
    assert await log.users() == {"bob"}
    assert (await log.events()).total() == 117


async def test_the_files_keep_nothing_of_them(tmp_path: Path) -> None:
    secret = "a-name-nobody-may-read"
    async with kept(tmp_path) as log:
        await log.append_events(made(1, user=secret))
        await log.append_events(made(300, first=10, user="bob", step_ms=1) + made(1, first=1, user=secret))
        await log.scheduler.seal(everything=True)
        await log.scheduler.erase(log.project, PersonIds((secret,)))
    traces = [path.name for path in tmp_path.iterdir() if path.is_file() and secret.encode() in path.read_bytes()]
    assert traces == []
