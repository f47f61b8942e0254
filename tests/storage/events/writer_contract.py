"""What every adapter of EventWriter promises. A test class of an adapter inherits this and gives the fixtures."""

import asyncio

import msgspec
import pytest

from delta_server.core.errors import Conflict
from delta_server.core.events.event import lines
from delta_server.storage.database import Database
from tests.storage.events.log_events import (
    DAY_MS,
    DEDUP_DAYS,
    Log,
    Note,
    event,
    events,
    noted,
    numbered,
    stored,
    stored_ids,
)
from tests.storage.opened import START_MS, FakeClock


class WriterContract:
    """A subclass gives the fixtures `log` (it keeps ids for 7 days), `db` with a table `noted (name TEXT)`, `clock` and
    `projects`, two of them. `log` stores companions of the type `Note`."""

    @pytest.mark.parametrize(
        ("calls", "duplicates"),
        [
            ([["a", "b"]], [set()]),
            ([["a", "b"], ["a", "b"]], [set(), {0, 1}]),
            ([["a", "b", "a", "a"]], [{2, 3}]),
            ([["a"], ["b", "a", "b", "c"]], [set(), {1, 2}]),
            ([[None, None], [None]], [set(), set()]),
            ([["a", None, "a"], [None, "a"]], [{2}, {1}]),
            ([["A", "a", "", " "], [" ", "", "a", "A"]], [set(), {0, 1, 2, 3}]),
            ([["é", "e\u0301", "\x00"], ["\x00", "é"]], [set(), {0, 1}]),
        ],
    )
    async def test_a_message_id_counts_once(
        self,
        log: Log,
        db: Database,
        projects: tuple[int, int],
        calls: list[list[str | None]],
        duplicates: list[set[int]],
    ) -> None:
        assert [await log.append_events(projects[0], events(*ids)) for ids in calls] == duplicates
        idempotency_key = dict.fromkeys(id for ids in calls for id in ids if id is not None)
        found = await stored_ids(log, projects[0])
        assert [id for id in found if id is not None] == list(idempotency_key)
        assert found.count(None) == sum(ids.count(None) for ids in calls)

    @pytest.mark.parametrize("size", [1, 5, 500])
    async def test_events_are_stored_as_they_are_and_numbered_ascending(
        self, log: Log, db: Database, projects: tuple[int, int], size: int
    ) -> None:
        given = [event(f"{n}", at=START_MS - n, received_at=START_MS + n) for n in range(size)]
        for first in range(3):
            await log.append_events(
                projects[0], [msgspec.structs.replace(one, message_id=None) for one in given[first:]]
            )
        await log.append_events(projects[0], given)
        found = await stored(log, projects[0])
        numbers = [one["s"] for one in found]
        assert numbers == sorted(set(numbers))
        assert min(numbers) > 0
        assert found[-size:] == [msgspec.json.decode(line) for line in lines(given).splitlines()]
        assert found[-1] | {"s": 0} == {"s": 0, "t": START_MS - size + 1, "r": START_MS + size - 1, "e": "seen",
                                        "j": '{"n":1}', "i": f"{size - 1}"}  # fmt: skip

    async def test_two_projects_have_ids_of_their_own(self, log: Log, db: Database, projects: tuple[int, int]) -> None:
        for project in projects:
            assert await log.append_events(project, numbered(100)) == frozenset()
        assert await log.append_events(projects[1], events("id 7", "new")) == {0}
        assert len(await stored(log, projects[0])) == 100
        assert len(await stored(log, projects[1])) == 101

    @pytest.mark.parametrize("size", [1, 20, 500])
    async def test_the_same_many_times_at_once_counts_once(
        self, log: Log, db: Database, projects: tuple[int, int], size: int
    ) -> None:
        answers = await asyncio.gather(*(log.append_events(projects[0], numbered(size)) for _ in range(20)))
        assert sorted(map(len, answers)) == [0] + [size] * 19
        assert sorted(map(str, await stored_ids(log, projects[0]))) == sorted(f"id {n}" for n in range(size))

    async def test_overlapping_calls_of_all_sizes_at_once(
        self, log: Log, db: Database, projects: tuple[int, int]
    ) -> None:
        sizes = [1, 2, 300, 1, 40, 1, 7, 32, 33, 1] * 10
        answers = await asyncio.gather(*(log.append_events(projects[0], numbered(size)) for size in sizes))
        assert sum(sizes) - sum(map(len, answers)) == 300
        assert sorted(map(str, await stored_ids(log, projects[0]))) == sorted(f"id {n}" for n in range(300))

    @pytest.mark.parametrize("size", [0, 1, 100])
    async def test_a_companion_is_stored_in_the_same_transaction(
        self, log: Log, db: Database, projects: tuple[int, int], size: int
    ) -> None:
        first, again = Note("first"), Note("again")
        await log.append_events(projects[0], numbered(size), first)
        await log.append_events(projects[0], [*numbered(size), event("new")], again)
        assert first.outcomes == [frozenset()]
        assert again.outcomes == [frozenset(range(size))]
        assert noted(db) == ["again", "first"]

    @pytest.mark.parametrize("size", [1, 100])
    async def test_a_companion_that_fails_undoes_its_call_alone(
        self, log: Log, db: Database, projects: tuple[int, int], size: int
    ) -> None:
        calls = [
            log.append_events(
                projects[0], numbered(size, f"call {n}"), Note(str(n), Conflict("no") if n == 5 else None)
            )
            for n in range(10)
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(answer) for answer in answers] == [frozenset] * 5 + [Conflict] + [frozenset] * 4
        assert noted(db) == [str(n) for n in range(10) if n != 5]
        assert len(await stored(log, projects[0])) == 9 * size
        assert await log.append_events(projects[0], numbered(size, "call 5")) == frozenset(), "it was not stored"
        assert len(await stored(log, projects[0])) == 10 * size

    @pytest.mark.parametrize("size", [1, 100])
    async def test_a_caller_that_goes_away_leaves_the_rest_in_order(
        self, log: Log, db: Database, projects: tuple[int, int], size: int
    ) -> None:
        tasks = [asyncio.create_task(log.append_events(projects[0], numbered(size, f"call {n}"))) for n in range(8)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        await asyncio.wait(tasks)
        answers = [await log.append_events(projects[0], numbered(size, f"call {n}")) for n in range(8)]
        assert all(len(answer) == size for n, answer in enumerate(answers) if n != 3)
        assert len(await stored(log, projects[0])) == 8 * size

    async def test_ids_are_known_for_their_time(
        self, log: Log, db: Database, clock: FakeClock, projects: tuple[int, int]
    ) -> None:
        await log.append_events(projects[0], numbered(50))
        clock.advance(DEDUP_DAYS * DAY_MS)
        assert len(await log.append_events(projects[0], numbered(50))) == 50
        clock.advance(DAY_MS)
        assert await log.append_events(projects[0], numbered(50)) == frozenset()
        assert len(await log.append_events(projects[0], numbered(50))) == 50

    async def test_ids_of_sealed_events_are_known(
        self, log: Log, db: Database, clock: FakeClock, projects: tuple[int, int]
    ) -> None:
        await log.append_events(projects[0], [*numbered(100), event(None)])
        assert await log.run_maintenance(projects[0], seal=True) == 101
        assert await log.append_events(projects[0], [*numbered(101), event(None)]) == frozenset(range(100))
        assert await log.append_events(projects[1], numbered(100)) == frozenset()
        stats = await log.stats(projects[0])
        assert (stats.sealed_events, stats.waiting_events) == (101, 2)
        clock.advance((DEDUP_DAYS + 1) * DAY_MS)
        await log.run_maintenance()
        assert await log.append_events(projects[0], numbered(101)) == frozenset()
