"""Answers from rollups are those of the events, in whatever order these came, were sealed, erased and let go of."""

import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from delta_server.config.sections import Config
from delta_server.core.errors import Conflict, DatabaseFailed
from delta_server.core.event_storage.segment_plan import EventRetention
from delta_server.core.events.event import Event
from delta_server.core.events.persons import PersonIds
from delta_server.core.option_types import MIB
from delta_server.core.query.plan import Aggregate, Condition, Field, Interval, Metric, Span
from delta_server.core.times import DAY_MS, LATEST_MS
from delta_server.storage.database import Tx
from delta_server.storage.eventlog import QueryResult
from delta_server.storage.events.log import EmbeddedEventLog
from delta_server.storage.events.options import Events
from delta_server.storage.events.rollups import cover, rollup, rollup_catalog, rollup_cells, rollup_files
from delta_server.storage.events.segments import catalog
from delta_server.storage.sqlite.adapter import SqliteDatabase
from delta_server.storage.sqlite.options import Storage
from delta_server.tasks.threads import ThreadPool
from tests.often import FUZZ
from tests.storage.events import evaluate
from tests.storage.events.stored import make_project
from tests.storage.opened import START_MS, FakeClock, opened

STEP, FIRST_STEP, LAST_STEP = (13, 23, 13) if FUZZ == 1 else (2, 4, 2)
"""One plan of so many is asked where all would take long. There are 4 spans, 7 keys and 3 filters: steps that share no
divisor with these meet all of them."""

FEW_STEP = 29 if FUZZ == 1 else 2
"""Where the files are what is tested, and the answers are proved elsewhere."""

HOUR_MS = 3_600_000
START = START_MS - START_MS % DAY_MS
OPTIONS = Events(seal_events=1 << 20, query_threads=2, query_memory_bytes=256 * MIB)

TYPE, SOURCE = Field("eventType", "event_type", "text"), Field("source", "source", "text")
DURATION, USER = Field("duration", "duration", "number"), Field("userId", "user_id", "text")
COUNT, P50 = Metric("count", "count"), Metric("p50", "quantile", DURATION, 0.5)
USERS = Metric("users", "unique", USER)
METRICS = (
    COUNT, USERS, P50, Metric("p99", "quantile", DURATION, 0.99), Metric("sum", "sum", DURATION),
    Metric("sessions", "unique", Field("sessionId", "session_id", "text")), Metric("avg", "avg", DURATION),
    Metric("min", "min", DURATION), Metric("max", "max", DURATION), Metric("timed", "count", DURATION),
    Metric("sources", "unique", SOURCE), Metric("types", "unique", TYPE),
)  # fmt: skip
ESTIMATES = ("users", "p50", "p99", "sessions")


def every(step_ms: int, offset_ms: int = 0) -> Interval:
    return Interval("time", step_ms, ((LATEST_MS + 1, offset_ms),))


SPANS = {
    "whole": Span(START, START + 3 * DAY_MS),
    "ragged": Span(START + 5 * HOUR_MS + 1234, START + 2 * DAY_MS + 7 * HOUR_MS + 61_001),
    "short": Span(START + DAY_MS + 1, START + DAY_MS + 59_000),
    "until now": Span(START, START + 5 * DAY_MS + 777),
}
KEYS: dict[str, tuple[Field | Interval, ...]] = {
    "none": (),
    "type": (TYPE,),
    "hour": (every(HOUR_MS),),
    "hour, type, source": (every(HOUR_MS), TYPE, SOURCE),
    "five minutes": (every(300_000), SOURCE),
    "days in India": (every(DAY_MS, 330 * 60_000),),
    "weeks": (every(7 * DAY_MS), TYPE),
}
FILTERS = {
    "all": None,
    "a type": Condition("is", TYPE, ("view",)),
    "a source": Condition("is_not", SOURCE, ("web",)),
}
PLANS = [
    Aggregate(span, METRICS, keys, where)
    for span in SPANS.values()
    for keys in KEYS.values()
    for where in FILTERS.values()
]


class Rolled(msgspec.Struct, frozen=True):
    log: EmbeddedEventLog
    db: SqliteDatabase
    clock: FakeClock
    project: int
    events: list[Event]
    """What was appended and not erased."""

    async def append(self, events: Sequence[Event]) -> None:
        await self.log.append_events(self.project, events)
        self.events.extend(events)

    async def roll(self) -> None:
        """All that waits."""
        await self.log.run_maintenance(self.project, seal=True, compact=True)

    async def roll_up(self) -> None:
        """What waits, and nothing is merged that may be added to."""
        await self.log.run_maintenance(self.project, seal=True)
        self.clock.advance(rollup.WAIT_MS)
        await self.log.run_maintenance(self.project)

    async def query(self, plan: Aggregate) -> QueryResult:
        return await self.log.run_query(self.project, plan)

    async def check(self, plans: Sequence[Aggregate] = PLANS) -> None:
        for plan in plans:
            found = await self.query(plan)
            assert_alike(plan, found.rows, evaluate.aggregate(self.events, plan))

    async def files(self, interval_ms: int) -> dict[int, tuple[int, int]]:
        """(first_at, end_at) by id, of part 0."""
        rows = await self.db.read(
            lambda tx: tx.all("SELECT id, first_at, end_at FROM rollup WHERE part = 0 AND interval_ms = ?", interval_ms)
        )
        return {id: (first, end) for id, first, end in rows}

    async def keep(self, retention: EventRetention) -> None:
        await self.db.write(
            lambda tx: tx.run(
                "INSERT INTO event_settings (project, retention) VALUES (?1, ?2)"
                " ON CONFLICT (project) DO UPDATE SET retention = ?2",
                self.project,
                msgspec.json.encode(retention).decode(),
            )
        )


def assert_alike(plan: Aggregate, found: Sequence[tuple[Any, ...]], exact: Sequence[tuple[Any, ...]]) -> None:
    keys = len(plan.keys)
    assert [row[:keys] for row in found] == [row[:keys] for row in exact]
    for row, expected in zip(found, exact, strict=True):
        for metric, cell, value in zip(plan.metrics, row[keys:], expected[keys:], strict=True):
            if value is None:
                assert cell is None, metric
            elif metric.name in ("users", "sessions"):
                assert abs(cell - value) <= max(1, 0.05 * value), metric
            else:
                rel = 0.0101 if metric.function == "quantile" else 1e-9
                assert cell == pytest.approx(value, rel=rel, abs=1e-6), metric


def made(seed: int, count: int, *, first_day: int = 0, days: int = 3) -> list[Event]:
    draw = random.Random(seed)
    return [
        Event(
            at=START + first_day * DAY_MS + draw.randrange(days * DAY_MS),
            received_at=START_MS,
            type=draw.choice(["view", "view", "buy", "click"]),
            source=draw.choice(["web", "app", None]),
            user_id=draw.choice([None, f"u{draw.randrange(40)}"]),
            anonymous_id=draw.choice([None, f"a{draw.randrange(40)}"]),
            session_id=draw.choice([None, f"s{draw.randrange(90)}"]),
            duration=draw.choice([None, 0.0, draw.lognormvariate(4, 2)]),
            message_id=f"{seed}-{number}",
        )
        for number in range(count)
    ]


@pytest.fixture(params=[4, 512], ids=["full cells", "small cells"])
async def rolled(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Rolled]:
    monkeypatch.setattr(cover, "MIN_ROLLUP_EVENTS", 0)
    monkeypatch.setattr(cover, "MIN_GAP_EVENTS", 0)
    monkeypatch.setattr(rollup_cells, "FULL", request.param)
    clock = FakeClock(START + 4 * DAY_MS)
    async with opened(tmp_path, clock) as db:
        project = await db.write(make_project)
        cpu, spare = ThreadPool(1, "cpu"), ThreadPool(1, "spare")
        config = Config(storage=Storage(data_dir=tmp_path), events=OPTIONS)
        log = await EmbeddedEventLog.open(config, db, clock, cpu=cpu, spare_cpu=spare)
        yield Rolled(log, db, clock, project, [])
        await log.close()
        await cpu.close()
        await spare.close()


of_any_cells = pytest.mark.parametrize("rolled", [4], indirect=True)
"""What does not depend on what is in the cells."""


@of_any_cells
async def test_answers_say_where_they_come_from(rolled: Rolled) -> None:
    plan = Aggregate(SPANS["whole"], METRICS, (every(HOUR_MS),))
    await rolled.append(made(1, 300, days=1))
    assert (await rolled.query(plan)).source == "raw", "nothing is rolled up"
    await rolled.roll()
    found = await rolled.query(plan)
    assert (found.source, found.approximate) == ("rollup", ESTIMATES)
    cells = {event.at // HOUR_MS for event in rolled.events}
    await rolled.append(made(2, 10))
    found = await rolled.query(Aggregate(SPANS["whole"], (COUNT,), (every(HOUR_MS),)))
    assert (found.source, found.approximate, found.scanned) == ("both", (), len(cells) + 10)
    assert (await rolled.query(Aggregate(SPANS["whole"], (COUNT,), (USER,)))).source == "raw", "not in the rollups"


@of_any_cells
async def test_few_events_are_counted_themselves(rolled: Rolled, monkeypatch: pytest.MonkeyPatch) -> None:
    await rolled.append(made(1, 300, days=1))
    await rolled.roll()
    monkeypatch.setattr(cover, "MIN_ROLLUP_EVENTS", 301)
    assert (await rolled.query(PLANS[0])).source == "raw"


@pytest.mark.parametrize(
    ("rolled", "seed"),
    [(full, seed) for full in (4, 512) for seed in (1, 2) if FUZZ > 1 or (full == 4) == (seed == 1)],
    indirect=["rolled"],
)
async def test_answers_are_those_of_the_events_whatever_came_when(rolled: Rolled, seed: int) -> None:
    events = made(seed, 500)
    draw = random.Random(seed)
    while events:
        count = draw.randrange(1, 250)
        await rolled.append(events[:count])
        del events[:count]
        match draw.randrange(3):
            case 0:
                await rolled.roll()
            case 1:
                await rolled.log.run_maintenance(rolled.project, seal=True)
    await rolled.check(PLANS[seed - 1 :: FIRST_STEP])
    await rolled.roll()
    await rolled.check(PLANS[seed - 1 :: LAST_STEP])


async def test_before_the_epoch(rolled: Rolled) -> None:
    events = [msgspec.structs.replace(event, at=event.at - START - DAY_MS) for event in made(3, 200)]
    await rolled.append(events)
    await rolled.roll()
    span = Span(-DAY_MS + 5000, 2 * DAY_MS)
    await rolled.check([Aggregate(span, METRICS, keys) for keys in KEYS.values()])


@of_any_cells
async def test_a_late_event_touches_the_files_of_its_time_alone(rolled: Rolled) -> None:
    await rolled.append(made(1, 400))
    await rolled.roll_up()
    before = await rolled.files(HOUR_MS)
    assert len(before) == 3, "a file a day"
    await rolled.append([Event(at=START + DAY_MS + 5, received_at=START_MS, type="view", message_id="late")])
    await rolled.roll_up()
    after = await rolled.files(HOUR_MS)
    assert set(before.values()) == set(after.values())
    [(first, _)] = [after[id] for id in after.keys() - before.keys()]
    assert first == START + DAY_MS
    await rolled.check(PLANS[::FEW_STEP])


@of_any_cells
async def test_new_segments_wait_a_minute_and_rounds_have_a_rest(
    rolled: Rolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def waiting() -> int:
        return len(await rolled.db.read(rollup_catalog.unrolled, rolled.project))

    await rolled.append(made(1, 50, days=1))
    await rolled.log.run_maintenance(rolled.project, seal=True)
    assert await waiting(), "a minute is not over"
    rolled.clock.advance(rollup.WAIT_MS)
    await rolled.log.run_maintenance(rolled.project)
    assert not await waiting()
    monkeypatch.setattr(rollup, "SOON_EVENTS", 50)
    await rolled.append(made(2, 50, days=1))
    await rolled.log.run_maintenance(rolled.project, seal=True)
    assert not await waiting(), "enough for a round of their own"


@of_any_cells
async def test_after_a_round_a_project_rests_for_a_multiple_of_its_time(
    rolled: Rolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    added, took_ms = rollup_files.add_segments, 5_000

    def slow(*args: Any, **options: Any) -> Any:
        rolled.clock.advance(took_ms)
        return added(*args, **options)

    async def waits_after(delay_ms: int) -> bool:
        rolled.clock.advance(delay_ms)
        await rolled.log.run_maintenance(rolled.project, seal=True)
        return len(await rolled.db.read(rollup_catalog.unrolled, rolled.project)) > 0

    monkeypatch.setattr(rollup, "SOON_EVENTS", 50)
    monkeypatch.setattr(rollup_files, "add_segments", slow)
    await rolled.append(made(1, 50, days=1))
    assert not await waits_after(0)
    await rolled.append(made(2, 50, days=1))
    assert await waits_after(rollup.COOLDOWN * took_ms - 1)
    assert not await waits_after(1)


STRETCHES = {day // 30 for day in range(START // DAY_MS, START // DAY_MS + 3)}
"""Of the files of hours."""


@of_any_cells
async def test_quiet_files_become_one_whether_or_not_anything_comes_in(rolled: Rolled) -> None:
    await rolled.append(made(1, 300))
    await rolled.roll_up()
    assert (len(await rolled.files(60_000)), len(await rolled.files(HOUR_MS))) == (24, 3)
    rolled.clock.advance(rollup.QUIET_MS + 1)
    await rolled.log.run_maintenance(rolled.project)
    assert (len(await rolled.files(60_000)), len(await rolled.files(HOUR_MS))) == (3, len(STRETCHES))
    await rolled.append(made(2, 1, first_day=4, days=1))
    await rolled.roll_up()
    assert (len(await rolled.files(60_000)), len(await rolled.files(HOUR_MS))) == (4, len(STRETCHES) + 1)
    await rolled.append(made(3, 50))
    await rolled.roll_up()
    await rolled.check(PLANS[::FEW_STEP])


@of_any_cells
async def test_what_may_be_added_to_stays_as_it_is(rolled: Rolled) -> None:
    rolled.clock.time_ms = START + DAY_MS
    await rolled.append(made(1, 300))
    await rolled.roll_up()
    before = await rolled.files(60_000)
    rolled.clock.advance(rollup.QUIET_MS + 1)
    await rolled.log.run_maintenance(rolled.project)
    after = await rolled.files(60_000)
    assert {id for id in before if before[id][1] > START + DAY_MS} <= after.keys(), "days that are not over"
    assert len(after) == 1 + 16


@of_any_cells
async def test_all_that_are_over_are_merged_when_it_is_asked_for(rolled: Rolled) -> None:
    await rolled.append(made(1, 300))
    await rolled.roll()
    assert (len(await rolled.files(60_000)), len(await rolled.files(HOUR_MS))) == (3, len(STRETCHES))
    await rolled.check(PLANS[::FEW_STEP])


@of_any_cells
async def test_a_damaged_file_of_rollups_is_not_merged_and_others_are(rolled: Rolled) -> None:
    await rolled.append(made(1, 300))
    await rolled.roll_up()
    await rolled.db.write(lambda tx: tx.run("UPDATE rollup_data SET parquet = zeroblob(900) WHERE rollup = 1"))
    with pytest.raises(DatabaseFailed, match="rollup 1 of events is damaged"):
        await rolled.log.run_maintenance(rolled.project, compact=True)
    assert (len(await rolled.files(60_000)), len(await rolled.files(HOUR_MS))) == (8 + 2, len(STRETCHES))


async def test_an_erased_person_is_gone_from_the_rollups(rolled: Rolled) -> None:
    await rolled.append(made(1, 400))
    await rolled.roll()
    names = {"u1", "u2", "a3"}
    await rolled.log.erase_person(rolled.project, PersonIds(tuple(names), tuple(names)))
    rolled.events[:] = [event for event in rolled.events if (event.user_id or event.anonymous_id) not in names]
    assert (await rolled.query(PLANS[0])).source == "rollup"
    await rolled.check(PLANS[::STEP])
    await rolled.append(made(2, 100))
    await rolled.roll()
    await rolled.check(PLANS[1::FEW_STEP])


async def test_an_erasure_of_everybody_leaves_no_files(rolled: Rolled) -> None:
    await rolled.append([Event(at=START, received_at=START, type="view", user_id="u", message_id="m")])
    await rolled.roll()
    assert await rolled.log.erase_person(rolled.project, PersonIds(("u",), ("u",))) == 1
    assert not await rolled.files(HOUR_MS)
    rolled.events.clear()
    await rolled.check(PLANS[:4])


async def test_rollups_outlive_the_events(rolled: Rolled) -> None:
    await rolled.append(made(1, 400))
    await rolled.roll()
    await rolled.keep(EventRetention(days=1, types={"buy": 0}))
    rolled.clock.time_ms = START + 5 * DAY_MS
    await rolled.log.run_maintenance(rolled.project)
    assert {*(await rolled.db.read(catalog.list_segments, rolled.project))[0].types} == {"buy"}
    whole_days = [plan for plan in PLANS if plan.span == SPANS["whole"]]
    await rolled.check(whole_days[:: 4 if FUZZ == 1 else 1])
    ends = Span(START + 3 * 60_000, START + 2 * DAY_MS + 60_000)
    await rolled.check([Aggregate(ends, METRICS, keys) for keys in KEYS.values()])
    kept = Aggregate(SPANS["ragged"], (COUNT,), (), Condition("is", TYPE, ("buy",)))
    await rolled.check([kept])


@of_any_cells
async def test_rollups_are_maintained_where_no_event_is_left(rolled: Rolled) -> None:
    await rolled.append(made(1, 50))
    await rolled.roll()
    await rolled.keep(EventRetention(days=1))
    rolled.clock.time_ms = START + 5 * DAY_MS
    await rolled.log.run_maintenance(rolled.project)
    assert await rolled.db.read(catalog.list_segments, rolled.project) == []
    assert await rolled.files(60_000) != {}
    await rolled.keep(EventRetention(days=1, rollups={"1m": 1}))
    await rolled.log.run_maintenance(rolled.project)
    assert await rolled.files(60_000) == {}


async def test_an_erasure_after_retention_spares_what_cannot_be_computed_again(rolled: Rolled) -> None:
    await rolled.append(made(1, 400))
    await rolled.roll()
    await rolled.keep(EventRetention(days=1, types={"buy": 0}))
    rolled.clock.time_ms = START + 5 * DAY_MS
    await rolled.log.run_maintenance(rolled.project)
    await rolled.log.erase_person(rolled.project, PersonIds(("u1",), ("u1",)))
    rolled.events[:] = [event for event in rolled.events if event.user_id != "u1" or event.type != "buy"]
    whole_days = [plan for plan in PLANS if plan.span == SPANS["whole"]]
    await rolled.check(whole_days[1 :: 4 if FUZZ == 1 else 1])


@of_any_cells
async def test_each_interval_has_its_own_time(rolled: Rolled) -> None:
    await rolled.append(made(1, 200))
    await rolled.roll()
    await rolled.keep(EventRetention(rollups={"1m": 1, "5m": 2}))
    rolled.clock.time_ms = START + 4 * DAY_MS
    await rolled.log.run_maintenance(rolled.project)
    assert {first for first, _ in (await rolled.files(60_000)).values()} == set()
    assert {first // DAY_MS for first, _ in (await rolled.files(300_000)).values()} == {START // DAY_MS + 2}
    assert len(await rolled.files(HOUR_MS)) == len(STRETCHES)
    await rolled.keep(EventRetention(rollups={"1m": 0, "5m": 0}))
    await rolled.append(made(2, 100))
    await rolled.roll()
    assert not await rolled.files(60_000), "what went does not come back in part"
    await rolled.check(PLANS[::FEW_STEP])


@of_any_cells
async def test_a_project_that_is_deleted_meanwhile(rolled: Rolled) -> None:
    await rolled.append(made(1, 20))
    await rolled.log.run_maintenance(rolled.project, seal=True)
    with pytest.raises(Conflict, match="being deleted"):
        await rolled.db.write(rollup._store_rollups, rolled.project, [], [999], {})
    assert len(await rolled.db.read(rollup_catalog.unrolled, rolled.project)) == 1


@of_any_cells
async def test_a_damaged_segment_is_left_out_and_newer_ones_are_not(rolled: Rolled) -> None:
    """Also where it is in one round with whole ones."""
    for day in range(3):
        await rolled.append(made(day, 50, first_day=day, days=1))
        await rolled.log.run_maintenance(rolled.project, seal=True)
    await rolled.db.write(_spoil_oldest)
    with pytest.raises(DatabaseFailed, match="segment 1 of events is damaged"):
        await rolled.roll()
    rows = await rolled.db.read(lambda tx: tx.all("SELECT id, rolled FROM segment ORDER BY id"))
    assert (rows[0], {each for _, each in rows[1:]}) == ((1, 0), {1})
    newer = [event for event in rolled.events if event.at >= START + DAY_MS]
    plan = Aggregate(Span(START + DAY_MS, START + 3 * DAY_MS), METRICS, (every(HOUR_MS),))
    answer = await rolled.query(plan)
    assert answer.source == "rollup"
    assert_alike(plan, answer.rows, evaluate.aggregate(newer, plan))
    rolled.clock.advance(HOUR_MS)
    await rolled.append(made(9, 50, first_day=2, days=1))
    await rolled.log.run_maintenance(rolled.project, seal=True)
    rolled.clock.advance(HOUR_MS)
    await rolled.log.run_maintenance(rolled.project)  # it is known, and not tried again
    assert await rolled.db.read(rollup_catalog.unrolled, rolled.project) != []
    rows = await rolled.db.read(lambda tx: tx.all("SELECT id FROM segment WHERE rolled = 0"))
    assert rows == [(1,)]


def _spoil_oldest(tx: Tx) -> None:
    tx.run("UPDATE segment SET rolled = 0")
    tx.run("DELETE FROM rollup_data")
    tx.run("DELETE FROM rollup")
    tx.run("DELETE FROM event_settings")
    tx.run("UPDATE segment_data SET parquet = zeroblob(length(parquet)) WHERE segment = 1")


@of_any_cells
@pytest.mark.parametrize("jump_ms", [-DAY_MS, 9 * DAY_MS])
async def test_a_clock_that_is_set_does_not_stop_rolling_up(rolled: Rolled, jump_ms: int) -> None:
    await rolled.append(made(1, 50, days=1))
    await rolled.log.run_maintenance(rolled.project, seal=True)
    rolled.clock.advance(rollup.WAIT_MS)
    await rolled.log.run_maintenance(rolled.project)
    rolled.clock.advance(jump_ms)
    await rolled.append(made(2, 50, days=1))
    await rolled.log.run_maintenance(rolled.project, seal=True)
    rolled.clock.advance(rollup.WAIT_MS)
    await rolled.log.run_maintenance(rolled.project)
    assert await rolled.db.read(rollup_catalog.unrolled, rolled.project) == []
    await rolled.check(PLANS[:2])
