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
from delta_server.core.event_storage.segment_plan import Bounds, Retention
from delta_server.core.events.persons import Ids
from delta_server.storage.companions import NO_COMPANIONS, Companions, store_companion
from delta_server.storage.database import Clock, Database, Threads, Tx
from delta_server.storage.eventlog import ErasedSegment
from delta_server.storage.events.damage import Damage
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.failures import damaged
from delta_server.storage.events.ingest import blocks
from delta_server.storage.events.ingest.dedup_index import Seen, prepare
from delta_server.storage.events.ingest.key_merging import KeyUpkeep
from delta_server.storage.events.options import Events
from delta_server.storage.events.pauses import Pauses
from delta_server.storage.events.segments import catalog, compact, erase, expire, parts, seal
from delta_server.storage.events.segments.erase import Stretches
from delta_server.storage.events.segments.last_seqs import LastSeqs
from delta_server.storage.events.segments.seal import Ready
from delta_server.storage.keyed_locks import KeyedLocks

SEGMENT_BYTES = 64 << 20
"""The largest file compaction makes: it is in memory whole."""

REST_MS = 10_000
"""After a failure a project's sealing is not tried again for so long, unless it is asked for."""

log = logging.getLogger(__name__)


class Rollups(Protocol):
    """What upkeep asks of the rollups. Each runs while nothing else changes the project's segments."""

    async def roll(self, project: int, *, everything: bool = False) -> int:
        """Take segments in that are not in yet and due, or all, and compute again what is marked; how many events were
        taken in."""

    def mark(self, tx: Tx, project: int, stretches: Stretches) -> None:
        """What is known of these times is to be computed again."""

    async def let_go(self, project: int, retention: Retention) -> None:
        """Delete what is past its time."""


class Upkeep:
    def __init__(
        self,
        db: Database,
        engine: Engine,
        options: Events,
        clock: Clock,
        *,
        spare_cpu: Threads,
        seen: Seen,
        keys: KeyUpkeep,
        rollups: Rollups,
        companions: Companions = NO_COMPANIONS,
    ) -> None:
        self._db = db
        self._engine = engine
        self._options = options
        self._clock = clock
        self._spare_cpu = spare_cpu
        self._seen = seen
        self._keys = keys
        self._rollups = rollups
        self._companions = companions
        self._last_seqs = LastSeqs(db, engine)
        self._bounds = Bounds(options.segment_events, SEGMENT_BYTES)
        self._blocks = KeyedLocks()
        self._segments = KeyedLocks()
        self._pauses = Pauses()
        self._damaged: frozenset[int] = frozenset()
        """The seqs of blocks that were found to be."""

    async def seal(self, project: int | None = None, *, everything: bool = False) -> int:
        """Seal what is due, or with `everything` whatever waits, of one project or all; how many events.

        What came in meanwhile is for the next time. Raises the failure of `project`; one of all projects' is logged.
        """
        now_ms = self._clock.now_ms()
        due = [
            found
            for found in await self._db.read(catalog.waiting, self._damaged)
            if project in (None, found.project)
            and (everything or seal.is_due(found, self._options, now_ms))
            and (project is not None or not self._pauses.holds(found.project, now_ms))
        ]
        sealed = sum(
            [await self._each(project, self._seal(found.project, found.events), found.project) for found in due]
        )
        if sealed:
            await self._keys.tend(now_ms)  # every append looks into every run there is: 0.3 us an event
        return sealed

    async def tend(self, project: int | None = None, *, everything: bool = False, compacting: bool = False) -> int:
        """See EventMaintenance.tend: with `everything` all that waits is sealed, with `compacting` all is merged that
        can be.

        Raises as `seal` does.
        """
        sealed = await self.seal(project, everything=everything)
        due = [each for each in await self._db.read(catalog.with_segments) if project in (None, each)]
        tended = sum([await self._each(project, self._tend(each, compacting), each) for each in due])
        await self._keys.tend(self._clock.now_ms())
        return sealed + tended

    async def erase(self, project: int, ids: Ids, companion: object | None = None) -> int:
        """See EventMaintenance.erase."""
        async with self._blocks.hold([project]), self._segments.hold([project]):
            if unreadable := await self._db.read(blocks.unreadable, project):
                raise damaged("waiting block", min(unreadable.values()))  # it may hold events of theirs
            waiting = [found.events for found in await self._db.read(catalog.waiting) if found.project == project]
            left = sum(waiting)  # what comes in from now on may come for ever
            while left > 0 and (sealed := await self._seal_next(project)):
                left -= sealed
            record = partial(self._record, project, companion)
            erased = await erase.erase(self._db, self._engine, project, ids, record, self._rollups.mark)
            await self._rollups.roll(project)
        if not await self._db.scrub():
            log.warning("the erased events stay in the write-ahead log until it is next emptied")
        return erased

    def _record(self, project: int, companion: object | None, tx: Tx, erased: ErasedSegment) -> None:
        store_companion(tx, self._companions, project, companion, erased)

    async def _seal(self, project: int, events: int) -> int:
        """Seal the oldest `events` events, a segment's worth at a time."""
        sealed = 0
        while sealed < events:
            async with self._blocks.hold([project]):
                found = await self._seal_next(project)
            if not found:
                break
            sealed += found
        return sealed

    async def _seal_next(self, project: int) -> int:
        """0 when nothing waits."""
        ready = await self._ready(project)
        if ready is None:
            return 0
        keys = await prepare(self._db, self._spare_cpu, project, ready.last_id, ready.without)
        async with parts.stored(self._db, ready.segments) as segments:
            await self._db.write(seal.store, project, ready, segments, self._seen, keys)
        await self._seen.settle(self._db)
        return ready.events

    async def _ready(self, project: int) -> Ready | None:
        """What is to be sealed next, without damaged blocks. Raises DatabaseFailed for damage of any other kind."""
        work = partial(seal.prepare, most_events=self._options.seal_events)
        try:
            return await self._engine.tend(project, partial(work, without=self._damaged))
        except DatabaseFailed:
            found = await self._db.read(blocks.unreadable, project)
            if self._damaged.issuperset(found):
                raise
            named = ", ".join(map(str, found.values()))
            log.error("waiting blocks that are damaged stay unsealed: %s; delta-server verify tells more", named)
            self._damaged |= found.keys()
            return await self._engine.tend(project, partial(work, without=self._damaged))

    async def _tend(self, project: int, compacting: bool) -> int:
        """What meets damage keeps nothing behind it waiting, retention above all. Raises it at the end."""
        done = 0
        damage = Damage()
        async with self._segments.hold([project]):
            for work in (
                partial(self._roll, project, compacting),
                partial(self._compact, project, compacting),
                partial(self._let_go_of_events, project),
                partial(self._let_go_of_rollups, project),
                partial(self._fill, project),
            ):
                with damage.collected():
                    done += await work()
        damage.tell()
        return done

    async def _roll(self, project: int, everything: bool) -> int:
        await self._rollups.roll(project, everything=everything)
        return 0

    async def _fill(self, project: int) -> int:
        await self._last_seqs.fill(project)
        return 0

    async def _let_go_of_events(self, project: int) -> int:
        retention = await self._db.read(_retention, project)
        return await expire.let_go(self._db, self._engine, self._options, project, retention, self._clock.now_ms())

    async def _let_go_of_rollups(self, project: int) -> int:
        await self._rollups.let_go(project, await self._db.read(_retention, project))
        return 0

    async def _compact(self, project: int, compacting: bool) -> int:
        """Merge until nothing is due; how many events were written."""
        choose = segment_plan.everything if compacting else segment_plan.merges
        total = 0
        while True:
            found = {piece.id: piece for piece in await self._db.read(catalog.pieces, project)}
            written = 0
            for run in choose(list(found.values()), self._bounds):
                written += await compact.merge(self._db, self._engine, project, [found[each] for each in run])
            if not written:
                return total
            total += written

    async def _each(self, asked: int | None, work: Awaitable[int], project: int) -> int:
        """One project's trouble does not keep the others waiting; who asked for that project is told."""
        try:
            return await work
        except DeltaError as error:
            if asked is not None:
                raise
            self._pauses.begin(project, self._clock.now_ms(), REST_MS)
            log.error("the events of project %d could not be maintained: %s", project, error.message)
            return 0


def _retention(tx: Tx, project: int) -> Retention:
    return msgspec.json.decode(catalog.retention(tx, project), type=Retention)
