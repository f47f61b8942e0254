"""Continuous aggregates: sealed events are rolled up into files of cells, once each, and stay there when they go.

A round takes segments that are not in yet, computes their cells of every interval, adds them to what the files of these
times hold, and stores it all in one transaction with the mark on the segments. Late events are as good as others.
An erasure marks days: their cells are computed again from the segments. Where events of a type have been deleted by
then, its cells stay as they are: the person's share remains in counts that name nobody.
"""

from collections.abc import Sequence
from functools import partial

import msgspec

from delta_server.core.errors import Conflict, DatabaseFailed
from delta_server.core.event_storage import rollup_plan
from delta_server.core.event_storage.rollup_plan import LAYERS, WIDTHS, RollupState
from delta_server.core.event_storage.segment_plan import EventRetention
from delta_server.core.times import DAY_MS
from delta_server.storage.database import Clock, Database, Tx
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.maintenance.damage import ErrorCollector
from delta_server.storage.events.maintenance.pauses import LONGEST_MS, Pauses
from delta_server.storage.events.options import Events
from delta_server.storage.events.query.person_joins import LinksBaseCache
from delta_server.storage.events.rollups import rollup_catalog, rollup_files
from delta_server.storage.events.rollups.rollup_catalog import NewRollup, Unrolled
from delta_server.storage.events.segments import catalog, parts
from delta_server.storage.events.segments.erase import TimeRanges

ROUND_EVENTS = 1_048_576
"""What is rolled up at once, for memory's sake; one segment at least."""
SOON_EVENTS, WAIT_MS = 524_288, 60_000
"""New segments of fewer events wait for so long, so that files are not written again for each of them: queries read
their events as they are meanwhile."""
COOLDOWN = 4
"""After a round a project pauses for so many times as long as it took: what comes in has the processor first."""
QUIET_MS = 600_000
"""A file that nothing was added to for so long is merged with its neighbours, whether or not anything comes in: a chart
of a month reads one file instead of thirty. At most once in as long a late event costs the writing of a large one."""


class ProjectRollups:
    """What storage/events/maintenance/scheduler.py asks of rollups, of all projects."""

    def __init__(self, db: Database, engine: Engine, options: Events, clock: Clock) -> None:
        self._db = db
        self._engine = engine
        self._days = {
            "1m": options.rollup_1m_days,
            "5m": options.rollup_5m_days,
            "15m": options.rollup_15m_days,
            "1h": options.rollup_1h_days,
            "1d": options.rollup_1d_days,
        }
        self._clock = clock
        self._pauses, self._correction_pauses, self._merge_pauses = Pauses(), Pauses(), Pauses()
        self._damaged_segments: set[int] = set()
        """Segments that were found to be damaged."""
        self._spoilt_days: set[tuple[int, int]] = set()
        """(project, day) that cannot be computed again, because something of it is damaged."""
        self._bases = LinksBaseCache()

    async def roll_up(self, project: int, *, everything: bool = False) -> int:
        """See scheduler.RollupMaintenance. What is damaged keeps nothing else waiting, and is raised at the end; unless
        it is asked for everything, it is not tried again."""
        errors = ErrorCollector()
        if everything:
            self._damaged_segments, self._spoilt_days = set(), set()
        with errors.collecting():
            await self._mark_days_of_moved_links(project, everything=everything)
        known = await self._db.read(rollup_catalog.known, project)
        for day in known.stale:
            if (project, day) not in self._spoilt_days:
                with errors.collecting(partial(self._spoilt_days.add, (project, day))):
                    await self._recompute_day(project, day)
        events = 0
        unrolled = await self._db.read(rollup_catalog.unrolled, project)
        for segments in _split_rounds([each for each in unrolled if each.id not in self._damaged_segments]):
            if not everything and not self._is_due(project, segments):
                break
            events += await self._roll_up_round(project, segments, errors)
        if events or everything or not self._merge_pauses.holds(project, self._clock.now_ms()):
            await self._merge(project, errors, everything=everything)
        errors.raise_first()
        return events

    def mark_stale(self, tx: Tx, project: int, ranges: TimeRanges) -> None:
        """See scheduler.RollupMaintenance."""
        rollup_catalog.set_known(tx, project, rollup_plan.with_stale_days(rollup_catalog.known(tx, project), ranges))

    async def expire(self, project: int, retention: EventRetention) -> None:
        """See scheduler.RollupMaintenance."""
        cutoffs = self._borders(retention)
        if await self._db.read(rollup_catalog.has_expired, project, cutoffs):
            await self._db.write(rollup_catalog.expire_files, project, cutoffs)

    def _is_due(self, project: int, segments: Sequence[Unrolled]) -> bool:
        now_ms = self._clock.now_ms()
        enough = sum(segment.events for segment in segments) >= SOON_EVENTS
        waited = not 0 <= now_ms - min(segment.created_at for segment in segments) < WAIT_MS  # or was set back
        return (enough or waited) and not self._pauses.holds(project, now_ms)

    def _borders(self, retention: EventRetention) -> dict[int, int]:
        """By interval in ms: buckets before are past their time."""
        now_ms = self._clock.now_ms()
        days = rollup_plan.retention_days({**self._days, **retention.rollups})
        return {
            width.ms: rollup_plan.down(now_ms - days[width] * DAY_MS, width.unit_ms) for width in WIDTHS if days[width]
        }

    async def _roll_up_round(self, project: int, segments: Sequence[Unrolled], errors: ErrorCollector) -> int:
        """A round; where one of its segments is damaged each by itself."""
        try:
            return await self._roll_up_together(project, segments)
        except DatabaseFailed:
            events = 0
            for segment in segments:
                with errors.collecting(partial(self._damaged_segments.add, segment.id)):
                    events += await self._roll_up_together(project, [segment])
            return events

    async def _roll_up_together(self, project: int, segments: Sequence[Unrolled]) -> int:
        began_ms = self._clock.now_ms()
        cutoffs = self._borders(await self._db.read(_read_retention, project))
        known = rollup_plan.with_expired_rollups(await self._db.read(rollup_catalog.known, project), cutoffs)
        ids = [segment.id for segment in segments]
        made = await self._engine.run_background(
            project, partial(rollup_files.add_segments, segments=ids, known=known, bases=self._bases)
        )
        async with parts.stored(self._db, made) as files:
            await self._db.write(_store_rollups, project, files, ids, cutoffs)
        now_ms = self._clock.now_ms()
        self._pauses.begin(project, now_ms, COOLDOWN * (now_ms - began_ms))
        return sum(segment.events for segment in segments)

    async def _mark_days_of_moved_links(self, project: int, *, everything: bool) -> None:
        """Mark the days of events that are another person's since they were rolled up."""
        known, rev = await self._db.read(_links_state, project)
        began_ms = self._clock.now_ms()
        if known.persons == rev or (not everything and self._correction_pauses.holds(project, began_ms)):
            return
        self._correction_pauses.begin(project, began_ms, LONGEST_MS)  # should it fail
        work = partial(rollup_files.days_of_moved_links, since=known.persons)
        until, days = await self._engine.run_background(project, work)
        await self._db.write(_mark_stale_days, project, until, days)
        now_ms = self._clock.now_ms()
        self._correction_pauses.begin(project, now_ms, COOLDOWN * (now_ms - began_ms))

    async def _recompute_day(self, project: int, day: int) -> None:
        known = await self._db.read(rollup_catalog.known, project)
        made = await self._engine.run_background(
            project, partial(rollup_files.recompute_day, day=day, known=known, bases=self._bases)
        )
        async with parts.stored(self._db, made) as files:
            await self._db.write(_store_recomputed, project, files, day)

    async def _merge(self, project: int, errors: ErrorCollector, *, everything: bool) -> None:
        now_ms = self._clock.now_ms()
        self._merge_pauses.begin(project, now_ms, QUIET_MS)
        quiet_ms = now_ms + 1 if everything else now_ms - QUIET_MS
        for width, part in LAYERS:
            files = await self._db.read(rollup_catalog.list_files, project, width, part)
            for run in rollup_plan.merges(width, files, quiet_ms):
                work = partial(rollup_files.merge_files, width=width, part=part, run=run)
                with errors.collecting():
                    made = await self._engine.run_background(project, work)
                    async with parts.stored(self._db, [made]) as stored:
                        await self._db.write(_store_recomputed, project, stored, None)


def _read_retention(tx: Tx, project: int) -> EventRetention:
    return msgspec.json.decode(catalog.retention(tx, project), type=EventRetention)


def _links_state(tx: Tx, project: int) -> tuple[RollupState, int]:
    """What rollups know, and the number of changes of links."""
    return rollup_catalog.known(tx, project), rollup_catalog.persons_rev(tx, project)


def _mark_stale_days(tx: Tx, project: int, until: int, days: Sequence[int]) -> None:
    ranges = [(day * DAY_MS, (day + 1) * DAY_MS) for day in days]
    now = rollup_plan.with_stale_days(rollup_catalog.known(tx, project), ranges)
    rollup_catalog.set_known(tx, project, msgspec.structs.replace(now, persons=until))


def _split_rounds(waiting: Sequence[Unrolled]) -> list[list[Unrolled]]:
    rounds: list[list[Unrolled]] = []
    events = ROUND_EVENTS
    for segment in waiting:
        events += segment.events
        if events > ROUND_EVENTS:
            rounds.append([])
            events = segment.events
        rounds[-1].append(segment)
    return rounds


def _store_rollups(
    tx: Tx, project: int, made: Sequence[NewRollup], segments: Sequence[int], cutoffs: dict[int, int]
) -> None:
    """Raises Conflict when what the files were made of has changed: only maintenance writes here, apart from
    deletions."""
    if not rollup_catalog.set_rolled(tx, project, segments):
        raise Conflict("segments are not there any more that were to be rolled up: the project is being deleted")
    _replace_files(tx, project, made)
    known = rollup_catalog.known(tx, project)
    if (now := rollup_plan.with_expired_rollups(known, cutoffs)) != known:
        rollup_catalog.set_known(tx, project, now)


def _store_recomputed(tx: Tx, project: int, made: Sequence[NewRollup], day: int | None) -> None:
    _replace_files(tx, project, made)
    if day is not None:
        rollup_catalog.set_known(tx, project, rollup_plan.without_stale_day(rollup_catalog.known(tx, project), day))


def _replace_files(tx: Tx, project: int, made: Sequence[NewRollup]) -> None:
    if not all(rollup_catalog.replace(tx, project, new) for new in made):
        raise Conflict("rollups are not there any more that were to be replaced: the project is being deleted")
