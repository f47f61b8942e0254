"""An event log in any order of everything that may happen to it, beside a plain list: every question has one answer.

`MODEL_EXAMPLES=1000 pytest tests/storage/events/test_model.py` runs that many random histories instead of the few that
are the same every time.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from delta_server.core.errors import Unavailable
from delta_server.core.event_storage import rollup_plan
from delta_server.core.event_storage.segment_plan import EventRetention
from delta_server.core.events.event import Event
from delta_server.core.events.persons import PersonIds
from delta_server.core.events.profile_update import Alias
from delta_server.core.query.plan import Aggregate, Listing, Plan, Span
from delta_server.features.profiles import settling
from delta_server.storage.database import Tx
from delta_server.storage.eventlog import QueryResult
from delta_server.storage.events.ingest import dedup_index
from delta_server.storage.events.log import EmbeddedEventLog
from delta_server.storage.events.query import answers, compile
from delta_server.storage.events.query.read_view import ALWAYS
from delta_server.storage.events.rollups import cover, rollup, rollup_cells
from delta_server.storage.events.segments import segment_file
from delta_server.storage.sqlite.adapter import DATABASE_NAME
from tests.often import FUZZ
from tests.storage.events import model_plans
from tests.storage.events.model import Model, row, same
from tests.storage.events.model_log import Failing, Running
from tests.storage.events.model_plans import Asked, Draft
from tests.storage.events.stored import make_project
from tests.storage.opened import FakeClock

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "0"))
STEPS = 25
SMALL: list[tuple[Any, str, Any]] = [
    (cover, "MIN_ROLLUP_EVENTS", 0),
    (cover, "MIN_GAP_EVENTS", 20),
    (answers, "_FIRST_EVENTS", 4),
    (answers, "_GROWTH", 2),
    (answers, "_BLOCKS_PER_DENSITY", 2),
    (answers, "STREAM_EVENTS", 8),
    (rollup_cells, "FULL", 4),
    (rollup, "ROUND_EVENTS", 24),
    (rollup, "SOON_EVENTS", 24),
    (dedup_index, "BLOCKS_PER_READ", 2),
    (dedup_index, "KEYS_PER_WRITE", 4),
    (segment_file, "MOST_TYPES", 3),
]
"""So that with tens of events happens what else takes thousands."""


class History(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        for module, name, value in SMALL:
            self.patch.setattr(module, name, value)
        self.directory = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.starts = 0
        self.checks = 0
        self.changed = False
        self.versions: list[tuple[Plan, bytes, Any]] = []
        self.running = self.start()
        self.project, self.other = self.run(self.db.write(_projects))
        self.model, self.others = Model(), Model()

    def teardown(self) -> None:
        self.run(self.running.close())
        self.runner.close()
        self.directory.cleanup()
        self.patch.undo()

    @property
    def log(self) -> EmbeddedEventLog:
        return self.running.log

    @property
    def db(self) -> Failing:
        return self.running.db

    @property
    def now_ms(self) -> int:
        return self.clock.now_ms()

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def start(self) -> Running:
        self.starts += 1
        running = Running(Path(self.directory.name) / str(self.starts), self.clock)
        self.run(running.open())
        return running

    # What happens

    @initialize(
        batch=model_plans.batches,
        calls=st.lists(model_plans.batches, min_size=1, max_size=3),
        retention=model_plans.keeping,
    )
    def first(self, batch: list[Draft], calls: list[list[Draft]], retention: EventRetention) -> None:
        """Of another tenant, too, in whose answers nothing may change, with message ids that this one uses."""
        events = model_plans.made(batch, self.now_ms)
        self.others.stored([events], [self.run(self.log.append_events(self.other, events))], self.now_ms)
        self.append(calls)
        self.keep_for(retention)

    @rule(calls=st.lists(model_plans.batches, min_size=1, max_size=3))
    def append(self, calls: list[list[Draft]]) -> None:
        given = [model_plans.made(batch, self.now_ms) for batch in calls]

        async def append() -> list[frozenset[int]]:
            return await asyncio.gather(*(self.log.append_events(self.project, events) for events in given))

        self.model.stored(given, self.run(append()), self.now_ms)
        self.changed = True

    def append_to_a_full_disk(self, events: list[Event]) -> None:
        self.db.fail(0, for_good=False)
        with pytest.raises(Unavailable):
            self.run(self.log.append_events(self.project, [msgspec.structs.replace(event) for event in events]))

    @rule(batch=model_plans.batches, pauses=st.integers(0, 8), full=st.booleans(), crash=st.booleans())
    def append_without_hearing_the_answer(self, batch: list[Draft], pauses: int, full: bool, crash: bool) -> None:
        """The caller hears that the disk is full, or goes away at some point, and comes back with the same events."""
        fresh = {event.message_id: event for event in model_plans.made(batch, self.now_ms)}
        events = [event for id, event in fresh.items() if id and id not in self.model.arrived]

        if full:
            self.append_to_a_full_disk(events)

        async def leave() -> None:
            task = asyncio.create_task(self.log.append_events(self.project, events))
            for _ in range(pauses):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])

        self.run(leave())
        if crash:
            self.crash()
        again = [msgspec.structs.replace(event) for event in events]
        without = self.run(self.log.append_events(self.project, again))
        seqs = {found[14]: found[0] for found in self.ask(self.project, Listing(ALWAYS))}
        stored = [msgspec.structs.replace(event, seq=seqs[event.message_id]) for event in events]
        assert all(event.seq == again[n].seq for n, event in enumerate(stored) if n not in without)
        self.model.stored([stored], [frozenset()], self.now_ms)
        self.changed = True

    @rule(delay_ms=model_plans.delays)
    def wait(self, delay_ms: int) -> None:
        self.clock.advance(delay_ms)

    @rule(killed=st.booleans())
    def start_again(self, killed: bool) -> None:
        (self.crash if killed else self.restart)()

    def crash(self) -> None:
        """What a killed process leaves: its files, with a log that nobody wrote back."""
        old = self.running
        left = Path(self.directory.name) / str(self.starts + 1)
        left.mkdir()
        for name in (DATABASE_NAME, DATABASE_NAME + "-wal"):
            shutil.copy(old.data_dir / name, left / name)
        self.run(old.close())
        self.running = self.start()
        self.changed = True

    def restart(self) -> None:
        old = self.running
        self.run(old.close())
        shutil.move(old.data_dir, Path(self.directory.name) / str(self.starts + 1))
        self.running = self.start()
        self.changed = True

    @rule()
    def seal(self) -> None:
        self.run(self.log.seal())
        self.changed = True

    @rule(delay_ms=model_plans.delays, project=st.booleans(), seal=st.booleans(), compact=st.booleans())
    def tend(self, delay_ms: int, project: bool, seal: bool, compact: bool) -> None:
        self.clock.advance(delay_ms)
        self.model.tended(self.now_ms)
        self.run(self.log.run_maintenance(self.project if project else None, seal=seal, compact=compact))
        self.model.settled()
        if compact:
            self.model.merging = False
        if seal:
            assert self.run(self.log.stats(self.project)).waiting_events == 0
        self.changed = True

    @rule(retention=model_plans.keeping)
    def keep_for(self, retention: EventRetention) -> None:
        self.model.retention = retention
        self.run(self.db.write(_keep, self.project, retention))

    @rule(names=st.lists(model_plans.names, min_size=1, max_size=2, unique=True))
    def erase(self, names: list[str]) -> None:
        erased = self.run(self.log.erase_person(self.project, _ids(names)))
        assert erased == self.model.erased(names)
        self.model.settled()
        self.changed = True

    @rule(calls=model_plans.calls)
    def merge(self, calls: list[Alias]) -> None:
        """Ids turn out to be one person's, whatever events were counted for which of them."""
        for call in calls:
            self.run(self.db.write(_told, self.project, call))
            self.model.people.told(call)
        self.model.merging = self.changed = True

    @rule(
        names=st.none() | st.lists(model_plans.names, min_size=1, max_size=2, unique=True),
        after_writes=st.integers(0, 6),
        crash=st.booleans(),
    )
    def cut_off(self, names: list[str] | None, after_writes: int, crash: bool) -> None:
        """The background's work, or an erasure, fails at some write: for a moment, or until the next start."""
        self.model.tended(self.now_ms)
        self.db.fail(after_writes, for_good=crash)
        try:
            if names is None:
                self.run(self.log.run_maintenance(self.project, seal=True, compact=True))
            else:
                self.run(self.log.erase_person(self.project, _ids(names)))
            self.model.settled()
        except Unavailable:
            self.model.merging = True
        self.db.heal()
        if crash:
            self.crash()
        if names is not None:
            self.model.erased(names, [found[0] for found in self.ask(self.project, Listing(ALWAYS))])
        self.changed = True

    # What is asked

    @invariant()
    def everything_is_as_in_the_model(self) -> None:
        if not self.changed:
            return
        self.changed = False
        self.checks += 1
        rows = self.ask(self.project, Listing(ALWAYS))
        self.model.observed([found[0] for found in rows])
        assert [_hashable(found) for found in rows] == self.in_order(self.model)
        if self.checks % 4 == 0:
            others = [_hashable(found) for found in self.ask(self.other, Listing(ALWAYS))]
            assert others == self.in_order(self.others)
        stats = self.run(self.log.stats(self.project))
        assert stats.waiting_events + stats.sealed_events == len(self.model.events)
        for plan, version, wanted in self.versions:
            if self.run(self.log.version(self.project, plan)) == version:
                assert self.model.answer(plan) == wanted, "what was kept is taken for new"
        self.check_aggregate(model_plans.usual[self.checks % len(model_plans.usual)](self.now_ms))

    @rule(asked=model_plans.listings)
    def list_pages(self, asked: Asked) -> None:
        plan = asked(self.now_ms)
        self.check_listing(plan)
        places = [(found[1], found[0]) for found in self.ask(self.project, plan)]
        for after in places[-1:]:
            self.check_listing(msgspec.structs.replace(plan, after=after, skip=0))

    @rule(asked=model_plans.listings)
    def stream(self, asked: Asked) -> None:
        plan = asked(self.now_ms)

        async def all_rows() -> list[int]:
            batches = [batch async for batch in self.log.stream_query(self.project, plan)]
            return [found[0] for batch in batches[1:] for found in batch]

        assert self.run(all_rows()) == self.model.answer(plan)

    @rule(asked=model_plans.aggregates)
    def aggregate(self, asked: Asked) -> None:
        self.check_aggregate(asked(self.now_ms))

    @rule(asked=model_plans.rollup_aggregates)
    def aggregate_of_rollups(self, asked: Asked) -> None:
        self.check_aggregate(asked(self.now_ms))

    @rule(asked=model_plans.funnels | model_plans.retentions | model_plans.paths)
    def behaviour(self, asked: Asked) -> None:
        plan = asked(self.now_ms)
        rows = self.ask(self.project, plan)
        assert len(rows) == len(set(rows))
        assert set(rows) == self.model.answer(plan)

    @rule(asked=model_plans.rollup_aggregates, seal=st.booleans())
    @precondition(lambda self: not self.model.is_evictable())
    def ask_meanwhile(self, asked: Asked, seal: bool) -> None:
        """An answer is of one state of the log, whatever the background does to it."""
        plan = asked(self.now_ms)
        self.model.tended(self.now_ms)

        async def both() -> list[Any]:
            working = asyncio.create_task(self.log.run_maintenance(self.project, seal=seal, compact=True))
            answers = []
            while not working.done():
                answers += [await self.log.run_query(self.project, each) for each in (plan, Listing(ALWAYS))]
            await working
            return answers

        answers = self.run(both())
        for answer, listing in zip(answers[::2], answers[1::2], strict=True):
            assert [found[0] for found in listing.rows] == self.model.answer(Listing(ALWAYS))
            self.compare(plan, answer)
        self.model.merging = False
        self.changed = True

    def ask(self, project: int, plan: Plan) -> list[Any]:
        rows: list[Any] = self.run(self.log.run_query(project, plan)).rows
        return rows

    def in_order(self, model: Model) -> list[Any]:
        events = sorted(model.events.values(), key=lambda event: (event.at, event.seq), reverse=True)
        return [_hashable(row(event)) for event in events]

    def check_listing(self, plan: Listing) -> None:
        answer = self.run(self.log.run_query(self.project, plan))
        assert [found[0] for found in answer.rows] == self.model.answer(plan)
        self.remember(plan)

    def check_aggregate(self, plan: Aggregate) -> None:
        self.compare(plan, self.run(self.log.run_query(self.project, plan)))
        self.remember(plan)

    def compare(self, plan: Aggregate, answer: Any) -> None:
        """What an answer says is whole must be: then so is the answer about that part alone."""
        assert answer.columns == compile.columns(plan)
        if answer.merging:
            assert self.model.merging
            return
        fits, is_whole = rollup_plan.fits(plan), answer.whole == (None, None)
        if not fits or self.model.is_exact(plan) or (is_whole and not self.model.is_haunted(plan)):
            assert same(answer, self.model.answer(plan), plan), (answer, self.model.answer(plan))
        assert fits or not is_whole or not self.model.has_lost(plan), "nothing says that events are missing"
        if not is_whole and (part := _whole_part(plan, answer)) is not None:
            again = self.run(self.log.run_query(self.project, part))
            assert again.whole == (None, None)
            if not self.model.is_haunted(part):
                assert same(again, self.model.answer(part), part), (again, self.model.answer(part))

    def remember(self, plan: Listing | Aggregate) -> None:
        version = self.run(self.log.version(self.project, plan))
        self.versions = [*self.versions[-3:], (plan, version, self.model.answer(plan))]


def _whole_part(plan: Aggregate, answer: QueryResult) -> Aggregate | None:
    first, end = answer.whole
    span = Span(plan.span.start_ms if first is None else first, plan.span.end_ms if end is None else end)
    return msgspec.structs.replace(plan, span=span) if span.start_ms < span.end_ms else None


def _projects(tx: Tx) -> tuple[int, int]:
    return make_project(tx, "mine"), make_project(tx, "other")


def _told(tx: Tx, project: int, call: Alias) -> None:
    steps, done = settling.steps(project, [call], settling.known(tx, project, settling.wanted([call]))), 0
    while done <= len(steps):
        done = settling.write(tx, project, steps, done, [])


def _keep(tx: Tx, project: int, retention: EventRetention) -> None:
    tx.run(
        "INSERT INTO event_settings (project, retention) VALUES (?, ?)"
        " ON CONFLICT (project) DO UPDATE SET retention = excluded.retention",
        project,
        msgspec.json.encode(retention).decode(),
    )


def _ids(names: Sequence[str]) -> PersonIds:
    return PersonIds(tuple(names), tuple(names))


def _hashable(found: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(tuple(cell) if isinstance(cell, list) else cell for cell in found)


TestHistory = History.TestCase
TestHistory.settings = settings(
    max_examples=EXAMPLES or 3 * FUZZ,
    stateful_step_count=STEPS,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
