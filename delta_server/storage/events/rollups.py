"""Continuous aggregates: sealed events are rolled up into files of cells, once each, and stay there when they go.

A round takes segments that are not in yet, computes their cells of every interval, adds them to what the files of these
times hold, and stores it all in one transaction with the mark on the segments. Late events are as good as others.
An erasure marks days: their cells are computed again from the segments. Where events of a type have been let go of by
then, its cells stay as they are: the person's share remains in counts that name nobody.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

import msgspec

from delta_server.config import Events
from delta_server.core import rollup_plan
from delta_server.core.errors import Conflict
from delta_server.core.rollup_plan import WIDTHS
from delta_server.core.segment_plan import Retention
from delta_server.core.times import DAY_MS
from delta_server.storage.database import Clock, Database, Tx
from delta_server.storage.events import catalog, rollup_files, rollup_store
from delta_server.storage.events.engine import Engine
from delta_server.storage.events.erase import Stretches
from delta_server.storage.events.rollup_store import NewRollup, Unrolled

ROUND_EVENTS = 1_048_576
"""What is rolled up at once, for memory's sake; one segment at least."""
SOON_EVENTS, EVERY_MS = 262_144, 60_000
"""Fewer new events than that wait for the next minute: queries read them as they are meanwhile."""
QUIET_MS = 3_600_000
"""A file that nothing was added to for so long is merged with its neighbours."""


class ProjectRollups:
    """What storage/events/upkeep.py asks of rollups, of all projects."""

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
        self._rolled_at: defaultdict[int, int] = defaultdict(lambda: -EVERY_MS)

    async def roll(self, project: int) -> int:
        """See upkeep.Rollups."""
        known = await self._db.read(rollup_store.known, project)
        for day in known.stale:
            await self._again(project, day)
        events = 0
        waiting = await self._db.read(rollup_store.unrolled, project)
        if waiting and self._is_due(project, waiting):
            self._rolled_at[project] = self._clock.now_ms()
            retention = await self._db.read(_retention, project)
            for segments in _rounds(waiting):
                await self._round(project, segments, retention)
                events += sum(segment.events for segment in segments)
            await self._merge(project)
        return events

    def mark(self, tx: Tx, project: int, stretches: Stretches) -> None:
        """See upkeep.Rollups."""
        rollup_store.set_known(tx, project, rollup_plan.marked(rollup_store.known(tx, project), stretches))

    async def let_go(self, project: int, retention: Retention) -> None:
        """See upkeep.Rollups."""
        borders = self._borders(retention)
        if await self._db.read(rollup_store.is_past, project, borders):
            await self._db.write(rollup_store.let_go, project, borders)

    def _is_due(self, project: int, waiting: Sequence[Unrolled]) -> bool:
        late = self._clock.now_ms() - self._rolled_at[project] >= EVERY_MS
        return late or sum(segment.events for segment in waiting) >= SOON_EVENTS

    def _borders(self, retention: Retention) -> dict[int, int]:
        """By interval in ms: buckets before are past their time."""
        now_ms = self._clock.now_ms()
        days = {width: retention.rollups.get(width.name, self._days[width.name]) for width in WIDTHS}
        return {
            width.ms: rollup_plan.down(now_ms - days[width] * DAY_MS, width.unit_ms) for width in WIDTHS if days[width]
        }

    async def _round(self, project: int, segments: Sequence[Unrolled], retention: Retention) -> None:
        borders = self._borders(retention)
        known = rollup_plan.let_go(await self._db.read(rollup_store.known, project), borders)
        ids = [segment.id for segment in segments]
        made = await self._engine.tend(project, partial(rollup_files.added, segments=ids, known=known))
        await self._db.write(_store, project, made, ids, borders)

    async def _again(self, project: int, day: int) -> None:
        known = await self._db.read(rollup_store.known, project)
        made = await self._engine.tend(project, partial(rollup_files.computed_again, day=day, known=known))
        await self._db.write(_store_again, project, made, day)

    async def _merge(self, project: int) -> None:
        quiet_ms = self._clock.now_ms() - QUIET_MS
        for width in WIDTHS:
            for run in rollup_plan.merges(width, await self._db.read(rollup_store.pieces, project, width), quiet_ms):
                made = await self._engine.tend(project, partial(rollup_files.joined, width=width, run=run))
                await self._db.write(_store_again, project, [made], None)


def _retention(tx: Tx, project: int) -> Retention:
    return msgspec.json.decode(catalog.retention(tx, project), type=Retention)


def _rounds(waiting: Sequence[Unrolled]) -> list[list[Unrolled]]:
    rounds: list[list[Unrolled]] = []
    events = ROUND_EVENTS
    for segment in waiting:
        events += segment.events
        if events > ROUND_EVENTS:
            rounds.append([])
            events = segment.events
        rounds[-1].append(segment)
    return rounds


def _store(tx: Tx, project: int, made: Sequence[NewRollup], segments: Sequence[int], borders: dict[int, int]) -> None:
    """Raises Conflict when what the files were made of has changed: upkeep has it to itself, but for deletions."""
    if not rollup_store.set_rolled(tx, project, segments):
        raise Conflict("segments are not there any more that were to be rolled up: the project is being deleted")
    _replace(tx, project, made)
    known = rollup_store.known(tx, project)
    if (now := rollup_plan.let_go(known, borders)) != known:
        rollup_store.set_known(tx, project, now)


def _store_again(tx: Tx, project: int, made: Sequence[NewRollup], day: int | None) -> None:
    _replace(tx, project, made)
    if day is not None:
        rollup_store.set_known(tx, project, rollup_plan.fresh(rollup_store.known(tx, project), day))


def _replace(tx: Tx, project: int, made: Sequence[NewRollup]) -> None:
    if not all(rollup_store.replace(tx, project, new) for new in made):
        raise Conflict("rollups are not there any more that were to be replaced: the project is being deleted")
