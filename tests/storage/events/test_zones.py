"""Charts in all time zones after retention: they add up to the total, or say since when they are whole."""

import asyncio
import shutil
import zoneinfo
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from delta_server.config.sections import Config
from delta_server.core.event_storage.segment_plan import EventRetention
from delta_server.core.events.event import Event
from delta_server.core.query import time_buckets
from delta_server.core.query.plan import Aggregate, Condition, Field, Interval, Metric, Span
from delta_server.core.times import DAY_MS
from delta_server.storage.database import Tx
from delta_server.storage.events.log import EmbeddedEventLog
from delta_server.storage.events.rollups import cover
from delta_server.storage.sqlite.options import Storage
from delta_server.tasks.threads import ThreadPool
from tests.often import FUZZ
from tests.storage.events.rollups.test_rollup import OPTIONS, START, Rolled
from tests.storage.events.stored import make_project
from tests.storage.opened import FakeClock, opened

DAYS = 100
"""With the changes of clocks in spring, north and south."""
NOW = START + DAYS * DAY_MS + 12_345_678
KEPT = 10
COUNT, PRICES = Metric("count", "count"), Metric("sum", "sum", Field("data.price", "data", "json", ("price",)))
SPAN = Span(START, START + DAYS * DAY_MS)
"""From midnight to midnight in UTC: no end is ragged there."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred days of events, sealed and rolled up: copied for each test, which takes a hundredth of making it."""
    folder = tmp_path_factory.mktemp("filled")

    async def fill() -> None:
        async with rolled_in(folder) as made:
            await made.append(made_events())
            await made.roll()

    asyncio.run(fill())
    return folder


@pytest.fixture
async def old(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rolled]:
    monkeypatch.setattr(cover, "MIN_ROLLUP_EVENTS", 0)
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    async with rolled_in(tmp_path) as made:
        made.events.extend(made_events())
        yield made


@asynccontextmanager
async def rolled_in(folder: Path) -> AsyncIterator[Rolled]:
    clock = FakeClock(NOW)
    async with opened(folder, clock) as db:
        project = await db.write(_project)
        cpu, spare = ThreadPool(1, "cpu"), ThreadPool(1, "spare")
        config = Config(storage=Storage(data_dir=folder), events=OPTIONS)
        log = await EmbeddedEventLog.open(config, db, clock, cpu=cpu, spare_cpu=spare)
        yield Rolled(log, db, clock, project, [])
        await log.close()
        await cpu.close()
        await spare.close()


def _project(tx: Tx) -> int:
    row = tx.one("SELECT id FROM project")
    return row[0] if row else make_project(tx)


def made_events() -> list[Event]:
    step, data, types = DAY_MS // 17, msgspec.Raw(b'{"price":1}'), ("view", "buy", "click")
    return [Event(START + n * step, NOW, types[n % 3], data=data) for n in range(DAYS * 17)]


async def let_go(old: Rolled, retention: EventRetention) -> None:
    await old.keep(retention)
    await old.log.run_maintenance(old.project, compact=True)


def zones() -> list[str]:
    """One of those whose clocks are alike all along."""
    wide = Span(SPAN.start_ms - 400 * DAY_MS, SPAN.end_ms + 400 * DAY_MS)
    names = sorted(zoneinfo.available_timezones())
    return list({time_buckets.offsets(time_buckets.time_zone(name), wide): name for name in names}.values())


def chart(text: str, zone: str, span: Span = SPAN, *, metrics: tuple[Metric, ...] = (COUNT,)) -> Aggregate:
    return Aggregate(span, metrics, (time_buckets.parse(text, time_buckets.time_zone(zone), span, at=""),))


CHARTS = ["1h", "6h", "1d", "1w", "month"]


@pytest.mark.parametrize("text", CHARTS)
async def test_a_chart_in_any_time_zone_has_all_events(old: Rolled, text: str) -> None:
    """Each fourth zone in one of the charts, with DELTA_FUZZ all in all of them."""
    await let_go(old, EventRetention(days=KEPT, rollups={"1m": 1, "5m": 1, "15m": 1}))
    for zone in zones() if FUZZ > 1 else zones()[CHARTS.index(text) :: 4 * len(CHARTS)]:
        plan = chart(text, zone)
        found = await old.query(plan)
        [key] = plan.keys
        assert isinstance(key, Interval)
        assert found.whole == (None, None), zone
        assert dict(found.rows) == Counter(time_buckets.key(key, event.at) for event in old.events), zone


@pytest.mark.parametrize(
    ("retention", "since"),
    [
        (EventRetention(days=KEPT), None),
        (EventRetention(days=KEPT, rollups={"1h": 30, "15m": 30}), 30),
        (EventRetention(days=KEPT, rollups={"1m": 1, "5m": 2, "15m": 3, "1h": 4, "1d": 5}), KEPT),
    ],
)
async def test_what_is_lost_is_said(old: Rolled, retention: EventRetention, since: int | None) -> None:
    """Of a zone that is made of hours: days in UTC are not its days."""
    await let_go(old, retention)
    found = await old.query(chart("1d", "Europe/Paris"))
    first, end = found.whole
    assert end is None
    if since is None:
        assert first is None
    else:
        assert first is not None
        assert NOW - (since + 1) * DAY_MS <= first <= NOW - (since - 1) * DAY_MS
        there = [event for event in old.events if first <= event.at]
        assert sum(count for _, count in found.rows) >= len(there)
        again = await old.query(chart("1d", "Europe/Paris", Span(first, SPAN.end_ms)))
        assert (sum(count for _, count in again.rows), again.whole) == (len(there), (None, None))


async def test_what_no_rollup_has_is_whole_since_the_events_are_there(old: Rolled) -> None:
    await let_go(old, EventRetention(days=KEPT, types={"buy": 0}))
    border = NOW - KEPT * DAY_MS
    assert (await old.query(chart("1d", "UTC", metrics=(PRICES,)))).whole == (border, None)
    of_type = msgspec.structs.replace(chart("1d", "UTC", metrics=(PRICES,)), where=buys())
    assert (await old.query(of_type)).whole == (None, None)
    odd = Span(START - 21_000 * DAY_MS, SPAN.end_ms)
    assert (await old.query(chart("1y", "Africa/Monrovia", odd))).whole == (None, None), "44:30 only before 1972"


def buys() -> Condition:
    return Condition("is", Field("eventType", "event_type", "text"), ("buy",))


async def test_ragged_ends_are_whole_in_between(old: Rolled) -> None:
    await let_go(old, EventRetention(days=KEPT))
    minute, quarter = 60_000, 900_000
    ragged = Span(START + 3 * minute + 11_123, START + 2 * DAY_MS + 59_999_001)
    found = await old.query(Aggregate(ragged, (COUNT,)))
    assert found.whole == (START + quarter, ragged.end_ms - ragged.end_ms % quarter)
    [(count,)] = found.rows
    assert count == sum(found.whole[0] <= event.at < found.whole[1] for event in old.events)
    until_now = Span(NOW - 75 * DAY_MS, NOW)
    found = await old.query(Aggregate(until_now, (COUNT,)))
    first, end = found.whole
    assert first is not None
    assert (end, first % quarter, first - until_now.start_ms < quarter) == (None, 0, True)
    assert found.rows == [(sum(first <= event.at for event in old.events),)]
    before_all = Span(START - 100 * DAY_MS + 1, SPAN.end_ms)
    assert (await old.query(Aggregate(before_all, (COUNT,)))).whole == (None, None), "nothing was there"
