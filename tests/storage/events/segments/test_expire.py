"""Retention by a clock: what is past its time goes, and nothing else."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from delta_server.core.errors import DatabaseFailed
from delta_server.core.event_storage.segment_plan import EventRetention
from delta_server.core.times import DAY_MS
from tests.storage.events.kept import OPTIONS, Kept, kept, made
from tests.storage.opened import START_MS


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Kept]:
    async with kept(tmp_path) as opened:
        yield opened


async def keep(log: Kept, days: int | None = None, **types: int) -> None:
    text = msgspec.json.encode(EventRetention(days, types)).decode()
    await log.db.write(
        lambda tx: tx.run(
            "INSERT INTO event_settings (project, retention) VALUES (?, ?)"
            " ON CONFLICT (project) DO UPDATE SET retention = excluded.retention",
            log.project,
            text,
        )
    )


async def fill(log: Kept) -> None:
    """Forty views and forty debug events over ten days, in one segment."""
    step_ms = DAY_MS // 4
    await log.append_events(
        made(40, step_ms=step_ms) + made(40, step_ms=step_ms, first=100, type="debug"),
    )
    await log.append_events(made(30, first=200), log.other)
    await log.scheduler.seal(everything=True)
    await log.scheduler.run_maintenance(everything=True, compacting=True)


async def left(log: Kept, event_type: str) -> int:
    return sum(count for row, count in (await log.events()).items() if row[3] == event_type)


async def at_day(log: Kept, day: float) -> int:
    log.clock.time_ms = int(START_MS + day * DAY_MS)
    return await log.scheduler.run_maintenance()


async def test_without_a_retention_all_stays(log: Kept) -> None:
    await fill(log)
    assert await at_day(log, 30_000) == 0
    assert (await log.events()).total() == 80


async def test_a_segment_past_its_time_goes_whole(log: Kept) -> None:
    await fill(log)
    await keep(log, 30)
    assert await at_day(log, 30) == 0
    assert await at_day(log, 40) == 80
    assert await log.segments() == []
    assert (await log.events(log.other)).total() == 30, "each project has its own"
    assert await log.version() == 1


async def test_the_servers_default_and_a_project_that_keeps_for_ever(tmp_path: Path) -> None:
    async with kept(tmp_path, options=msgspec.structs.replace(OPTIONS, retention_days=30)) as log:
        await fill(log)
        await keep(log, 0)
        assert await at_day(log, 60) == 30
        assert (await log.events()).total() == 80
        assert (await log.events(log.other)).total() == 0


async def test_a_mixed_segment_is_written_again_when_it_is_worth_it(log: Kept) -> None:
    await fill(log)
    await keep(log, 30)
    assert await at_day(log, 31.7) == 0, "14 of 80 are too few"
    assert await at_day(log, 32) == 16
    assert await at_day(log, 32.5) == 0
    assert (await log.events()).total() == 64
    [segment] = await log.segments()
    assert segment.first_at == START_MS + 2 * DAY_MS
    assert segment.types == {"debug": 32, "view": 32}
    assert segment.json_bytes < 80 * 150 * 64 / 80
    assert segment.rolled


async def test_a_type_with_days_of_its_own(log: Kept) -> None:
    await fill(log)
    await keep(log, None, debug=7, other=1)
    assert await at_day(log, 8) == 0, "4 of 80 are too few"
    assert await at_day(log, 14) == 28
    assert await at_day(log, 15) == 0
    assert await at_day(log, 17) == 12, "the last of a type go, however few they are"
    assert (await left(log, "view"), await left(log, "debug")) == (40, 0)
    assert await at_day(log, 1000) == 0


async def test_a_type_that_is_kept_longer(log: Kept) -> None:
    await fill(log)
    await keep(log, 7, view=0)
    assert await at_day(log, 17) == 40
    assert (await left(log, "view"), await left(log, "debug")) == (40, 0)


async def test_what_the_rollups_have_not_got_stays(log: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    await keep(log, 1)
    await log.append_events(made(64))

    async def behind(project: int, *, everything: bool = False) -> int:
        return 0

    monkeypatch.setattr(log.rollups, "roll_up", behind)
    log.clock.advance(100 * DAY_MS)
    assert await log.scheduler.run_maintenance() == 64, "sealed"
    assert (await log.events()).total() == 64
    monkeypatch.undo()
    assert await log.scheduler.run_maintenance() == 64
    assert (await log.events()).total() == 0
    assert log.rollups.retention == EventRetention(1)


async def test_a_damaged_segment_keeps_no_other_from_going(log: Kept, caplog: pytest.LogCaptureFixture) -> None:
    await fill(log)
    await log.append_events(made(50, first=300, type="debug", at=START_MS + 12 * DAY_MS))
    await log.scheduler.seal(everything=True)
    await log.scheduler.run_maintenance(everything=True)
    await log.db.write(
        lambda tx: tx.run(
            "UPDATE segment_data SET parquet = zeroblob(length(parquet)) WHERE segment IN"
            " (SELECT id FROM segment WHERE project = ? AND events_count = 80)",
            log.project,
        )
    )
    await keep(log, 0, debug=1)
    assert await at_day(log, 60) == 0
    assert [segment.events for segment in await log.segments()] == [80]
    assert "is damaged" in caplog.text
    with pytest.raises(DatabaseFailed, match="segment"):
        await log.scheduler.run_maintenance(log.project)
