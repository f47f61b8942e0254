"""The background's work on events: what is due, and that no two parts of it get into each other's way.

Sealing touches blocks, the rest touches segments; of a project each goes one at a time, and an erasure holds up both.
"""

import logging
from collections.abc import Awaitable
from functools import partial
from typing import Protocol

import msgspec

from delta_server.core.errors import DatabaseFailed, DeltaError
from delta_server.core.event_storage import segment_plan
from delta_server.core.event_storage.segment_plan import EventRetention, SegmentBounds, SegmentInfo
from delta_server.core.events.persons import PersonIds
from delta_server.storage.cold import store as cold
from delta_server.storage.companions import NO_COMPANIONS, Companions, store_companion
from delta_server.storage.database import Clock, Database, Threads, Tx
from delta_server.storage.eventlog import ErasedSegment
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.failures import damaged
from delta_server.storage.events.ingest import blocks
from delta_server.storage.events.ingest.dedup_index import DedupIndex, collect_keys
from delta_server.storage.events.ingest.key_merging import KeyMaintenance
from delta_server.storage.events.maintenance.damage import ErrorCollector
from delta_server.storage.events.maintenance.pauses import Pauses
from delta_server.storage.events.options import Events
from delta_server.storage.events.segments import catalog, compact, erase, expire, parts, seal
from delta_server.storage.events.segments.erase import TimeRanges
from delta_server.storage.events.segments.last_seqs import LastSeqs
from delta_server.storage.events.segments.seal import Sealable
from delta_server.storage.keyed_locks import KeyedLocks

SEGMENT_BYTES = 64 << 20
"""The largest file compaction makes: it is in memory whole."""

RETRY_PAUSE_MS = 10_000
"""After a failure a project's sealing is not tried again for so long, unless it is requested."""

log = logging.getLogger(__name__)


class RollupMaintenance(Protocol):
    """Maintenance of the rollups. Each runs while nothing else changes the project's segments."""

    async def roll_up(self, project: int, *, everything: bool = False) -> int:
        """Roll up the segments that are due, or all, and compute again what is stale; how many events were
        taken in."""

    def mark_stale(self, tx: Tx, project: int, ranges: TimeRanges) -> None:
        """The rollups of these times are to be computed again."""

    async def expire(self, project: int, retention: EventRetention) -> None:
        """Delete what has expired."""


class MaintenanceScheduler:
    def __init__(
        self,
        db: Database,
        engine: Engine,
        options: Events,
        clock: Clock,
        *,
        spare_cpu: Threads,
        dedup: DedupIndex,
        keys: KeyMaintenance,
        rollups: RollupMaintenance,
        companions: Companions = NO_COMPANIONS,
    ) -> None:
        self._db = db
        self._engine = engine
        self._options = options
        self._clock = clock
        self._spare_cpu = spare_cpu
        self._dedup = dedup
        self._keys = keys
        self._rollups = rollups
        self._companions = companions
        self._last_seqs = LastSeqs(db, engine)
        self._bounds = SegmentBounds(options.segment_events, SEGMENT_BYTES)
        self._blocks = KeyedLocks()
        self._segments = KeyedLocks()
        self._pauses = Pauses()
        self._damaged: frozenset[int] = frozenset()
        """The seqs of blocks that were found to be."""

    def any_waits(self) -> bool:
        return self._db.peek(catalog.any_waits)

    async def seal(self, project: int | None = None, *, everything: bool = False) -> int:
        """Seal what is due, or with `everything` whatever waits, of one project or all; how many events.

        What came in meanwhile is for the next time. Raises the failure of `project`; one of all projects' is logged.
        """
        now_ms = self._clock.now_ms()
        if not self.any_waits():
            return 0
        due = [
            found
            for found in await self._db.read(catalog.waiting, self._damaged)
            if project in (None, found.project)
            and (everything or seal.is_due(found, self._options, now_ms))
            and (project is not None or not self._pauses.holds(found.project, now_ms))
        ]
        sealed = await self._seal_in_turn(project, {found.project: found.events for found in due})
        if sealed:
            await self._keys.run(now_ms)  # every append looks into every run there is: 0.3 us an event
        return sealed

    async def run_maintenance(
        self, project: int | None = None, *, everything: bool = False, compacting: bool = False
    ) -> int:
        """See EventMaintenance.run_maintenance: with `everything` all that waits is sealed, with `compacting` all is
        merged that can be.

        Raises as `seal` does.
        """
        sealed = await self.seal(project, everything=everything)
        due = [each for each in await self._db.read(catalog.with_files) if project in (None, each)]
        maintained = sum([await self._isolated(project, self._maintain(each, compacting), each) for each in due])
        await self._keys.run(self._clock.now_ms())
        return sealed + maintained

    async def erase(self, project: int, ids: PersonIds, companion: object | None = None) -> int:
        """See EventMaintenance.erase."""
        async with self._blocks.hold([project]), self._segments.hold([project]):
            if unreadable := await self._db.read(blocks.damaged_blocks, project):
                raise damaged("waiting block", min(unreadable.values()))  # it may hold events of theirs
            waiting = [found.events for found in await self._db.read(catalog.waiting) if found.project == project]
            left = sum(waiting)  # what comes in from now on may come for ever
            while left > 0 and (sealed := await self._seal_next(project)):
                left -= sealed
            record = partial(self._record, project, companion)
            erased = await erase.erase_person(self._db, self._engine, project, ids, record, self._rollups.mark_stale)
            await self._rollups.roll_up(project)
        if not await self._db.scrub():
            log.warning("the erased events stay in the write-ahead log until it is next emptied")
        return erased

    def _record(self, project: int, companion: object | None, tx: Tx, erased: ErasedSegment) -> None:
        store_companion(tx, self._companions, project, companion, erased)

    async def _seal_in_turn(self, requested: int | None, left: dict[int, int]) -> int:
        """Seal the oldest events of each project, so many as `left` says, a segment's worth at a time: who has much
        waiting delays the others by one."""
        total = 0
        while left:
            for project in list(left):
                sealed = await self._isolated(requested, self._seal(project), project)
                total += sealed
                left[project] -= sealed
                if sealed == 0 or left[project] <= 0:
                    del left[project]
        return total

    async def _seal(self, project: int) -> int:
        """A segment's worth; 0 when nothing waits."""
        async with self._blocks.hold([project]):
            return await self._seal_next(project)

    async def _seal_next(self, project: int) -> int:
        """0 when nothing waits."""
        ready = await self._prepare(project)
        if ready is None:
            return 0
        keys = await collect_keys(self._db, self._spare_cpu, project, ready.last_id, ready.excluded)
        async with parts.stored(self._db, ready.segments) as segments:
            await self._db.write(seal.replace_blocks, project, ready, segments, self._dedup, keys)
        await self._dedup.resolve_uncertain(self._db)
        return ready.events

    async def _prepare(self, project: int) -> Sealable | None:
        """What is to be sealed next, without damaged blocks. Raises DatabaseFailed for damage of any other kind."""
        work = partial(seal.prepare, most_events=self._options.seal_events)
        try:
            return await self._engine.run_background(project, partial(work, excluded=self._damaged))
        except DatabaseFailed:
            found = await self._db.read(blocks.damaged_blocks, project)
            if self._damaged.issuperset(found):
                raise
            named = ", ".join(map(str, found.values()))
            log.error("waiting blocks that are damaged stay unsealed: %s; delta-server verify has the details", named)
            self._damaged |= found.keys()
            return await self._engine.run_background(project, partial(work, excluded=self._damaged))

    async def _maintain(self, project: int, compacting: bool) -> int:
        """What meets damage keeps nothing behind it waiting, retention above all. Raises it at the end."""
        done = 0
        errors = ErrorCollector()
        async with self._segments.hold([project]):
            for work in (
                partial(self._roll_up, project, compacting),
                partial(self._compact, project, compacting),
                partial(self._expire_events, project),
                partial(self._expire_rollups, project),
                partial(self._fill_last_seqs, project),
            ):
                with errors.collecting():
                    done += await work()
        errors.raise_first()
        return done

    async def _roll_up(self, project: int, everything: bool) -> int:
        await self._rollups.roll_up(project, everything=everything)
        return 0

    async def _fill_last_seqs(self, project: int) -> int:
        await self._last_seqs.fill(project)
        return 0

    async def _expire_events(self, project: int) -> int:
        retention = await self._db.read(_retention, project)
        return await expire.expire_events(
            self._db, self._engine, self._options, project, retention, self._clock.now_ms()
        )

    async def _expire_rollups(self, project: int) -> int:
        await self._rollups.expire(project, await self._db.read(_retention, project))
        return 0

    async def _compact(self, project: int, compacting: bool) -> int:
        """Merge until nothing is due; how many events were written."""
        choose = segment_plan.all_merges if compacting else segment_plan.merges
        total = 0
        while True:
            found = await self._db.read(_mergeable, project)
            written = 0
            for run in choose(list(found.values()), self._bounds):
                written += await compact.merge(self._db, self._engine, project, [found[each] for each in run])
            if not written:
                return total
            total += written

    async def _isolated(self, requested: int | None, work: Awaitable[int], project: int) -> int:
        """One project's failure does not hold up the others; it is raised when that project was requested."""
        try:
            return await work
        except DeltaError as error:
            if requested is not None:
                raise
            self._pauses.begin(project, self._clock.now_ms(), RETRY_PAUSE_MS)
            log.error("the events of project %d could not be maintained: %s", project, error.message)
            return 0


def _mergeable(tx: Tx, project: int) -> dict[int, SegmentInfo]:
    """What is in cold storage stays as it is."""
    moved = cold.segments_of(tx, project)
    return {segment.id: segment for segment in catalog.list_segments(tx, project) if segment.id not in moved}


def _retention(tx: Tx, project: int) -> EventRetention:
    return msgspec.json.decode(catalog.retention(tx, project), type=EventRetention)
