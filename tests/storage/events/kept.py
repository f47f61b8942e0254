"""Upkeep on a real database with a real DuckDB, and rollups that only remember what they were asked."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import msgspec

from delta_server.core.event_storage.segment_plan import EventRetention, SegmentInfo
from delta_server.core.events.event import Event
from delta_server.core.option_types import MIB
from delta_server.core.times import DAY_MS
from delta_server.storage.database import Tx
from delta_server.storage.eventlog import ErasedSegment
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.ingest import blocks
from delta_server.storage.events.ingest.append import Appender
from delta_server.storage.events.ingest.dedup_index import DedupIndex
from delta_server.storage.events.ingest.key_merging import KeyMaintenance
from delta_server.storage.events.maintenance.scheduler import MaintenanceScheduler
from delta_server.storage.events.options import Events
from delta_server.storage.events.query import relation
from delta_server.storage.events.query.read_view import ALWAYS
from delta_server.storage.events.segments import catalog
from delta_server.storage.events.segments.erase import TimeRanges
from delta_server.storage.sqlite.adapter import DATABASE_NAME, SqliteDatabase
from delta_server.tasks.threads import ThreadPool
from tests.storage.events.stored import make_project
from tests.storage.opened import FAST, START_MS, FakeClock, opened

OPTIONS = Events(seal_events=64, segment_events=512, query_threads=2, query_memory_bytes=256 * MIB)

P = ParamSpec("P")
T = TypeVar("T")


class FakeRollups:
    def __init__(self, db: SqliteDatabase) -> None:
        self._db = db
        self.marked: list[TimeRanges] = []
        self.rolled: list[int] = []
        self.retention: EventRetention | None = None

    async def roll_up(self, project: int, *, everything: bool = False) -> int:
        self.rolled.append(project)
        return await self._db.write(
            lambda tx: tx.run("UPDATE segment SET rolled = 1 WHERE project = ? AND rolled = 0", project)
        )

    def mark_stale(self, tx: Tx, project: int, stretches: TimeRanges) -> None:
        self.marked.append(stretches)

    async def expire(self, project: int, retention: EventRetention) -> None:
        self.retention = retention


class Kept(msgspec.Struct, frozen=True):
    """`project` and `other` are two tenants'."""

    db: SqliteDatabase
    clock: FakeClock
    engine: Engine
    appender: Appender
    rollups: FakeRollups
    scheduler: MaintenanceScheduler
    project: int
    other: int

    async def append_events(self, events: list[Event], project: int | None = None) -> frozenset[int]:
        return await self.appender.append_events(project or self.project, events, None)

    async def events(self, project: int | None = None) -> Counter[tuple[Any, ...]]:
        """All of a project's events, waiting and sealed, as a multiset of all their columns."""
        return await self.engine.run(project or self.project, _all)

    async def users(self) -> set[str]:
        return {row[5] for row in await self.events()}

    async def segments(self, project: int | None = None) -> list[SegmentInfo]:
        return await self.db.read(catalog.list_segments, project or self.project)

    async def waiting(self) -> int:
        return sum(found.events for found in await self.db.read(catalog.waiting))

    async def version(self) -> int:
        rows = await self.db.read(lambda tx: tx.all("SELECT version FROM event_settings"))
        return sum(row[0] for row in rows)


def _all(session: QuerySession) -> Counter[tuple[Any, ...]]:
    _, rows = session.rows(f"SELECT * FROM {relation.events(session.read_view, ALWAYS).sql}")
    return Counter(tuple(tuple(value) if isinstance(value, list) else value for value in row) for row in rows)


@asynccontextmanager
async def kept(data_dir: Path, clock: FakeClock | None = None, *, options: Events = OPTIONS) -> AsyncIterator[Kept]:
    """As after a start of the server: what is in memory is read from the database."""
    clock = clock or FakeClock()
    async with opened(data_dir, clock) as db:
        project, other = await db.write(_projects)
        dedup, cpu = DedupIndex(options.dedup_days * DAY_MS), ThreadPool(2, "cpu")
        await dedup.load(db)
        engine, rollups = Engine(data_dir / DATABASE_NAME, options, FAST), FakeRollups(db)
        appender = Appender(db, clock, cpu, dedup, await db.read(blocks.last_seq))
        keys = KeyMaintenance(db, cpu, dedup)
        scheduler = MaintenanceScheduler(
            db,
            engine,
            options,
            clock,
            spare_cpu=cpu,
            dedup=dedup,
            keys=keys,
            rollups=rollups,
            companions={ErasedSegments: ErasedSegments.note},
        )
        try:
            yield Kept(db, clock, engine, appender, rollups, scheduler, project, other)
        finally:
            await appender.close()
            await engine.close()
            await cpu.close()


class ErasedSegments(list[ErasedSegment]):
    """A companion of an erasure: the segments it was told of."""

    @staticmethod
    def note(tx: Tx, project: int, told: "ErasedSegments", segment: ErasedSegment) -> None:
        told.append(segment)


def _projects(tx: Tx) -> tuple[int, int]:
    ids = [row[0] for row in tx.all("SELECT id FROM project ORDER BY id")]
    mine, other = ids or (make_project(tx, "mine"), make_project(tx, "other"))
    return mine, other


def made(
    count: int, *, at: int = START_MS, step_ms: int = 1000, first: int = 0, user: str = "ann", type: str = "view"
) -> list[Event]:
    """Events of which each has its own message id: `first`, `first + 1`..."""
    return [
        Event(
            at=at + number * step_ms,
            received_at=START_MS,
            type=type,
            user_id=user,
            tags=["a", str(number)] if number % 3 else None,
            data=msgspec.Raw(b'{"n":%d,"big":12345678901234567890.10}' % number) if number % 2 else None,
            duration=number / 4,
            message_id=str(first + number),
        )
        for number in range(count)
    ]
