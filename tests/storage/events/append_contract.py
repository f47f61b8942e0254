"""What every adapter of the EventLog port promises of append, since and stats. A test class of an adapter inherits this
and gives the fixtures."""

import asyncio
from typing import Any

import msgspec
import pytest

from delta_server.core.errors import Conflict
from delta_server.core.events.event import Event, lines
from delta_server.storage.database import Database, Tx
from delta_server.storage.eventlog import EventLog
from tests.storage.opened import START_MS, FakeClock

DAY_MS = 86_400_000
DEDUP_DAYS = 7


def event(id: str | None, *, at: int = START_MS, received_at: int = START_MS) -> Event:
    return Event(at=at, received_at=received_at, type="seen", message_id=id, data=msgspec.Raw(b'{"n":1}'))


def events(*ids: str | None) -> list[Event]:
    return [event(id) for id in ids]


def numbered(count: int, name: str = "id") -> list[Event]:
    return events(*(f"{name} {number}" for number in range(count)))


def stored(log: EventLog, db: Database, project: int) -> list[dict[str, Any]]:
    """All events that wait, in the order of their blocks, with the names they have in lines."""
    rows = db.peek(lambda tx: log.since(tx, project, 0, 10_000))
    return [msgspec.json.decode(line) for _, lines in rows for line in lines.splitlines()]


def stored_ids(log: EventLog, db: Database, project: int) -> list[str | None]:
    return [event.get("i") for event in stored(log, db, project)]


class Noted:
    """A `beside` that keeps what it was told, and writes a row into the table `noted`."""

    def __init__(self, name: str, error: Exception | None = None) -> None:
        self.told: list[frozenset[int]] = []
        self._name = name
        self._error = error

    def __call__(self, tx: Tx, duplicates: frozenset[int]) -> None:
        self.told.append(duplicates)
        tx.run("INSERT INTO noted VALUES (?)", self._name)
        if self._error is not None:
            raise self._error


def names(db: Database) -> list[str]:
    return [row[0] for row in db.peek(lambda tx: tx.all("SELECT name FROM noted ORDER BY name"))]


class AppendContract:
    """A subclass gives the fixtures `log` (it keeps ids for 7 days), `db` with a table `noted (name TEXT)`, `clock` and
    `projects`, two of them."""

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
        log: EventLog,
        db: Database,
        projects: tuple[int, int],
        calls: list[list[str | None]],
        duplicates: list[set[int]],
    ) -> None:
        assert [await log.append(projects[0], events(*ids)) for ids in calls] == duplicates
        once = dict.fromkeys(id for ids in calls for id in ids if id is not None)
        found = stored_ids(log, db, projects[0])
        assert [id for id in found if id is not None] == list(once)
        assert found.count(None) == sum(ids.count(None) for ids in calls)

    @pytest.mark.parametrize("size", [1, 5, 500])
    async def test_events_are_stored_as_they_are_and_numbered_ascending(
        self, log: EventLog, db: Database, projects: tuple[int, int], size: int
    ) -> None:
        given = [event(f"{n}", at=START_MS - n, received_at=START_MS + n) for n in range(size)]
        for first in range(3):
            await log.append(projects[0], [msgspec.structs.replace(one, message_id=None) for one in given[first:]])
        await log.append(projects[0], given)
        found = stored(log, db, projects[0])
        numbers = [one["s"] for one in found]
        assert numbers == sorted(set(numbers))
        assert min(numbers) > 0
        assert found[-size:] == [msgspec.json.decode(line) for line in lines(given).splitlines()]
        assert found[-1] | {"s": 0} == {"s": 0, "t": START_MS - size + 1, "r": START_MS + size - 1, "e": "seen",
                                        "j": '{"n":1}', "i": f"{size - 1}"}  # fmt: skip

    async def test_two_projects_have_ids_of_their_own(
        self, log: EventLog, db: Database, projects: tuple[int, int]
    ) -> None:
        for project in projects:
            assert await log.append(project, numbered(100)) == frozenset()
        assert await log.append(projects[1], events("id 7", "new")) == {0}
        assert len(stored(log, db, projects[0])) == 100
        assert len(stored(log, db, projects[1])) == 101

    @pytest.mark.parametrize("size", [1, 20, 500])
    async def test_the_same_many_times_at_once_counts_once(
        self, log: EventLog, db: Database, projects: tuple[int, int], size: int
    ) -> None:
        answers = await asyncio.gather(*(log.append(projects[0], numbered(size)) for _ in range(20)))
        assert sorted(map(len, answers)) == [0] + [size] * 19
        assert sorted(map(str, stored_ids(log, db, projects[0]))) == sorted(f"id {n}" for n in range(size))

    async def test_overlapping_calls_of_all_sizes_at_once(
        self, log: EventLog, db: Database, projects: tuple[int, int]
    ) -> None:
        sizes = [1, 2, 300, 1, 40, 1, 7, 32, 33, 1] * 10
        answers = await asyncio.gather(*(log.append(projects[0], numbered(size)) for size in sizes))
        assert sum(sizes) - sum(map(len, answers)) == 300
        assert sorted(map(str, stored_ids(log, db, projects[0]))) == sorted(f"id {n}" for n in range(300))

    @pytest.mark.parametrize("size", [0, 1, 100])
    async def test_beside_runs_in_the_same_transaction(
        self, log: EventLog, db: Database, projects: tuple[int, int], size: int
    ) -> None:
        first, again = Noted("first"), Noted("again")
        await log.append(projects[0], numbered(size), first)
        await log.append(projects[0], [*numbered(size), event("new")], again)
        assert first.told == [frozenset()]
        assert again.told == [frozenset(range(size))]
        assert names(db) == ["again", "first"]

    @pytest.mark.parametrize("size", [1, 100])
    async def test_what_beside_raises_undoes_this_call_alone(
        self, log: EventLog, db: Database, projects: tuple[int, int], size: int
    ) -> None:
        calls = [
            log.append(projects[0], numbered(size, f"call {n}"), Noted(str(n), Conflict("no") if n == 5 else None))
            for n in range(10)
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(answer) for answer in answers] == [frozenset] * 5 + [Conflict] + [frozenset] * 4
        assert names(db) == [str(n) for n in range(10) if n != 5]
        assert len(stored(log, db, projects[0])) == 9 * size
        assert await log.append(projects[0], numbered(size, "call 5")) == frozenset(), "it was not stored"
        assert len(stored(log, db, projects[0])) == 10 * size

    @pytest.mark.parametrize("size", [1, 100])
    async def test_a_caller_that_goes_away_leaves_the_rest_in_order(
        self, log: EventLog, db: Database, projects: tuple[int, int], size: int
    ) -> None:
        tasks = [asyncio.create_task(log.append(projects[0], numbered(size, f"call {n}"))) for n in range(8)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        await asyncio.wait(tasks)
        answers = [await log.append(projects[0], numbered(size, f"call {n}")) for n in range(8)]
        assert all(len(answer) == size for n, answer in enumerate(answers) if n != 3)
        assert len(stored(log, db, projects[0])) == 8 * size

    async def test_ids_are_known_for_their_time(
        self, log: EventLog, db: Database, clock: FakeClock, projects: tuple[int, int]
    ) -> None:
        await log.append(projects[0], numbered(50))
        clock.advance(DEDUP_DAYS * DAY_MS)
        assert len(await log.append(projects[0], numbered(50))) == 50
        clock.advance(DAY_MS)
        assert await log.append(projects[0], numbered(50)) == frozenset()
        assert len(await log.append(projects[0], numbered(50))) == 50

    async def test_ids_of_sealed_events_are_known(
        self, log: EventLog, db: Database, clock: FakeClock, projects: tuple[int, int]
    ) -> None:
        await log.append(projects[0], [*numbered(100), event(None)])
        assert await log.tend(projects[0], seal=True) == 101
        assert await log.append(projects[0], [*numbered(101), event(None)]) == frozenset(range(100))
        assert await log.append(projects[1], numbered(100)) == frozenset()
        stats = db.peek(lambda tx: log.stats(tx, projects[0]))
        assert (stats.sealed_events, stats.waiting_events) == (101, 2)
        clock.advance((DEDUP_DAYS + 1) * DAY_MS)
        await log.tend()
        assert await log.append(projects[0], numbered(101)) == frozenset()

    async def test_reading_along(self, log: EventLog, db: Database, projects: tuple[int, int]) -> None:
        for number in range(5):
            await log.append(projects[number % 2], events(f"{number}"))
        seen: list[str | None] = []
        last = 0
        while rows := db.peek(lambda tx, after: log.since(tx, projects[0], after, 2), last):
            last = rows[-1][0]
            seen += [msgspec.json.decode(line)["i"] for _, line in rows]
        assert seen == ["0", "2", "4"]
        await log.append(projects[0], events("later"))
        [(_, line)] = db.peek(lambda tx: log.since(tx, projects[0], last, 100))
        assert b'"later"' in line

    async def test_stats(self, log: EventLog, db: Database, projects: tuple[int, int]) -> None:
        empty = db.peek(lambda tx: log.stats(tx, projects[0]))
        assert (empty.waiting_events, empty.waiting_bytes, empty.first_at, empty.last_at) == (0, 0, None, None)
        await log.append(projects[0], [event("a", at=50), event("b", at=7)])
        await log.append(projects[0], [event("b", at=1), event("c", at=20)])
        stats = db.peek(lambda tx: log.stats(tx, projects[0]))
        assert (stats.waiting_events, stats.first_at, stats.last_at) == (3, 7, 50)
        assert stats.waiting_bytes > 0
        assert stats.sealed_events == stats.segments == 0

    async def test_a_deleted_project_is_emptied_and_the_other_is_not(
        self, log: EventLog, db: Database, projects: tuple[int, int]
    ) -> None:
        for project in projects:
            await log.append(project, numbered(40))
            await log.append(project, numbered(50))
        while await db.write(log.delete_some, projects[0], 1):
            pass
        assert stored(log, db, projects[0]) == []
        assert len(stored(log, db, projects[1])) == 50
