"""What every adapter of EventMaintenance promises. A test class of an adapter inherits this and gives the fixtures of
WriterContract."""

import pytest

from delta_server.core.errors import Conflict, NotFound
from delta_server.core.events.event import Event
from delta_server.core.events.persons import PersonIds
from delta_server.core.query.plan import Listing, Span
from delta_server.storage.database import Database
from tests.storage.events.log_events import DAY_MS, Log, Note, event, noted, numbered, stored
from tests.storage.opened import START_MS, FakeClock

EVERYTHING = Listing(Span(0, 2 * START_MS), ascending=True)
ANN = PersonIds(("ann",), ("ann's phone",))


def by(*users: str, name: str, at: int = START_MS) -> list[Event]:
    return [event(f"{name} {n}", user=user, at=at + n) for n, user in enumerate(users)]


async def rows(log: Log, project: int) -> list[tuple[object, ...]]:
    return sorted((await log.run_query(project, EVERYTHING)).rows, key=repr)


async def users(log: Log, project: int) -> list[str]:
    answer = await log.run_query(project, EVERYTHING)
    return sorted(str(row[answer.columns.index("user_id")]) for row in answer.rows)


class MaintenanceContract:
    async def test_only_what_is_due_is_sealed(self, log: Log, clock: FakeClock, projects: tuple[int, int]) -> None:
        assert await log.seal() is None
        for project in projects:
            await log.append_events(project, numbered(40))
        assert await log.seal() == 0
        clock.advance(DAY_MS)
        assert await log.seal() == 80
        assert await log.seal() is None
        for project in projects:
            assert (await log.stats(project)).sealed_events == 40

    async def test_of_one_project_or_of_all(self, log: Log, projects: tuple[int, int]) -> None:
        for project in projects:
            await log.append_events(project, numbered(10))
        assert await log.run_maintenance(projects[1], seal=True) == 10
        assert [(await log.stats(project)).sealed_events for project in projects] == [0, 10]
        assert await log.run_maintenance(seal=True) == 10
        assert [(await log.stats(project)).sealed_events for project in projects] == [10, 10]

    async def test_answers_stay_whatever_is_sealed_and_merged(self, log: Log, projects: tuple[int, int]) -> None:
        for part in range(5):
            await log.append_events(
                projects[0], by("ann", "bob", "cyd", name=f"part {part}", at=START_MS - part * DAY_MS)
            )
            before = await rows(log, projects[0])
            await log.run_maintenance(projects[0], seal=True)
            assert await rows(log, projects[0]) == before
        await log.run_maintenance(projects[0], seal=True, compact=True)
        assert await rows(log, projects[0]) == before
        assert len(before) == 15

    async def test_stats(self, log: Log, projects: tuple[int, int]) -> None:
        empty = await log.stats(projects[0])
        assert (empty.waiting_events, empty.waiting_bytes, empty.first_at, empty.last_at) == (0, 0, None, None)
        await log.append_events(projects[0], [event("a", at=50), event("b", at=7)])
        await log.append_events(projects[0], [event("b", at=1), event("c", at=20)])
        waiting = await log.stats(projects[0])
        assert (waiting.waiting_events, waiting.first_at, waiting.last_at) == (3, 7, 50)
        assert waiting.waiting_bytes > 0
        assert waiting.sealed_events == waiting.segments == 0
        await log.run_maintenance(projects[0], seal=True)
        sealed = await log.stats(projects[0])
        assert (sealed.waiting_events, sealed.sealed_events, sealed.first_at, sealed.last_at) == (0, 3, 7, 50)
        assert min(sealed.segments, sealed.segment_bytes, sealed.json_bytes) > 0
        assert await log.stats(projects[1]) == empty

    @pytest.mark.parametrize("sealed", [False, True])
    async def test_a_person_is_erased_and_nobody_else(self, log: Log, projects: tuple[int, int], sealed: bool) -> None:
        for project in projects:
            await log.append_events(project, by("ann", "bob", "ann", name="first"))
        await log.append_events(projects[0], by("bob", "ann", name="old", at=START_MS - 40 * DAY_MS))
        if sealed:
            await log.run_maintenance(seal=True)
        assert await log.erase_person(projects[0], ANN) == 3
        assert await users(log, projects[0]) == ["bob", "bob"]
        assert await users(log, projects[1]) == ["ann", "ann", "bob"]
        assert await log.erase_person(projects[0], ANN) == 0

    async def test_an_erasure_tells_its_companion_of_every_segment(
        self, log: Log, db: Database, projects: tuple[int, int]
    ) -> None:
        for part in range(3):
            await log.append_events(projects[0], by("ann", "bob", name=f"part {part}"))
            await log.run_maintenance(projects[0], seal=True)
        note = Note("erased")
        assert await log.erase_person(projects[0], ANN, note) == 3
        total = len(note.outcomes)
        assert [(step.done, step.total) for step in note.outcomes] == [(n, total) for n in range(1, total + 1)]
        assert sum(step.events for step in note.outcomes) == 3
        assert noted(db) == ["erased"] * total

    async def test_a_segment_whose_companion_fails_is_left_for_the_next_time(
        self, log: Log, db: Database, projects: tuple[int, int]
    ) -> None:
        await log.append_events(projects[0], by("ann", "bob", name="only"))
        with pytest.raises(Conflict):
            await log.erase_person(projects[0], ANN, Note("broken", Conflict("no")))
        assert await users(log, projects[0]) == ["ann", "bob"]
        assert noted(db) == []
        assert await log.erase_person(projects[0], ANN, Note("again")) == 1
        assert await users(log, projects[0]) == ["bob"]
        assert noted(db) == ["again"]

    async def test_what_is_whole_is_verified(self, log: Log, projects: tuple[int, int]) -> None:
        for project in projects:
            await log.append_events(project, numbered(40))
            await log.run_maintenance(project, seal=True)
            await log.append_events(project, numbered(5, "waiting"))
        progress: list[tuple[int, int]] = []
        found = await log.verify(projects[0], lambda done, of: progress.append((done, of)))
        assert (found.events, found.segments, found.blocks, found.broken) == (45, 1, 1, [])
        assert progress[-1][0] == progress[-1][1]
        assert (await log.verify(None, lambda done, of: None)).broken == []

    @pytest.mark.parametrize("sealed", [False, True])
    async def test_a_deleted_project_is_emptied_and_the_other_is_not(
        self, log: Log, projects: tuple[int, int], sealed: bool
    ) -> None:
        for project in projects:
            await log.append_events(project, numbered(40))
            await log.append_events(project, numbered(50))
        if sealed:
            await log.run_maintenance(seal=True, compact=True)
        await log.append_events(projects[0], numbered(3, "waiting"))
        before = await log.stats(projects[1])
        assert await log.delete_batch(projects[0], 1)
        for size in (1, 100):
            with pytest.raises(NotFound):
                await log.append_events(projects[0], numbered(size, "late"))
        while await log.delete_batch(projects[0], 1):
            pass
        assert await stored(log, projects[0]) == []
        assert (await log.stats(projects[0])).sealed_events == 0
        assert await log.stats(projects[1]) == before
        assert before.waiting_events + before.sealed_events == 50
