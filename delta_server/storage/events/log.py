"""The ports of the event log on the database file: hot blocks, Parquet segments, and DuckDB over both.

This only puts the parts together; each of the other files of this folder does one thing.
"""

import asyncio
import os
import secrets
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from delta_server.core.events.event import Event
from delta_server.core.events.persons import PersonIds
from delta_server.core.query.plan import Aggregate, Listing, Plan, Sql
from delta_server.storage import large_files
from delta_server.storage.blobs.opening import CREDENTIALS
from delta_server.storage.cold import store as cold_store
from delta_server.storage.cold.pieces import ColdPieces
from delta_server.storage.companions import NO_COMPANIONS, AdmitEvents, Companions, admit_all
from delta_server.storage.database import Clock, Database, Threads, Tx, frees_space
from delta_server.storage.eventlog import EventStats, EventsVerified, Positions, QueryResult
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.failures import HeldTooLong
from delta_server.storage.events.ingest import blocks
from delta_server.storage.events.ingest.append import Appender
from delta_server.storage.events.ingest.dedup_index import DAY_MS, DedupIndex
from delta_server.storage.events.ingest.key_merging import KeyMaintenance
from delta_server.storage.events.maintenance.scheduler import MaintenanceScheduler
from delta_server.storage.events.options import LogOptions
from delta_server.storage.events.query import compilers
from delta_server.storage.events.query.answers import Answers
from delta_server.storage.events.query.processes import QueryProcesses
from delta_server.storage.events.query.runner import QueryRunner
from delta_server.storage.events.rollups import cover
from delta_server.storage.events.rollups.rollup import ProjectRollups
from delta_server.storage.events.segments import catalog, delete_project
from delta_server.storage.events.sql.runner import SqlProcesses
from delta_server.storage.events.verify import Verifier
from delta_server.storage.sql_view import View
from delta_server.storage.sqlite.adapter import DATABASE_NAME
from delta_server.storage.sqlite.wal_limit import HELD_S
from delta_server.storage.turns import Callers

NO_VIEWS: Mapping[str, View] = MappingProxyType({})
RUNS = 3
"""Of a query that had to end because much was written, so that it answers beside a sustained import."""
_BLOCKS_AT_ONCE = 50
"""Of a deleted project, in one write: their keys are read, and they may be some megabytes."""


class EmbeddedEventLog:
    """`EventWriter`, `EventReader` and `EventMaintenance` in one: see there for what the methods promise. Made by
    `open`, for one event loop."""

    def __init__(
        self,
        config: LogOptions,
        db: Database,
        clock: Clock,
        *,
        cpu: Threads,
        spare_cpu: Threads,
        dedup: DedupIndex,
        last_seq: int,
        views: Mapping[str, View],
        companions: Companions = NO_COMPANIONS,
        admit: AdmitEvents = admit_all,
        callers: Callers | None = None,
        spill: Path | None = None,
        cold: ColdPieces | None = None,
        kept: Sequence[str] = (),
        batch_cpu: Threads | None = None,
    ) -> None:
        """`kept`: see `child.environment`."""
        self._db, self._clock = db, clock
        self._spare_cpu, self.batch_cpu = spare_cpu, batch_cpu or cpu
        self._dedup, self._query_seconds = dedup, config.events.query_seconds
        self._appending = Appender(db, clock, self.batch_cpu, dedup, last_seq, companions, admit)
        database = config.storage.data_dir / DATABASE_NAME
        writing = self._appending.writing
        self._engine = Engine(database, config.events, spill=spill, callers=callers, writing=writing, cold=cold)
        cores = os.cpu_count() or 1
        self._sql = SqlProcesses(
            database, config.events, cores=cores, views=views, callers=callers, kept=kept, engine=self._engine
        )
        db.on_wal_pressure(self._release)
        self._processes = (
            None
            if callers is None
            else QueryProcesses(database, config.events, cores=cores, callers=callers, cpu=cpu, kept=kept)
        )
        answers = Answers(compilers.COMPILERS, cover.compile_from_rollups)
        self._answering = QueryRunner(db, self._engine, answers, self._processes)
        self._scheduler = MaintenanceScheduler(
            db,
            self._engine,
            config.events,
            clock,
            spare_cpu=spare_cpu,
            dedup=dedup,
            keys=KeyMaintenance(db, spare_cpu, dedup),
            rollups=ProjectRollups(db, self._engine, config.events, clock),
            companions=companions,
        )

    @classmethod
    async def open(
        cls,
        config: LogOptions,
        db: Database,
        clock: Clock,
        *,
        cpu: Threads,
        spare_cpu: Threads,
        views: Mapping[str, View] = NO_VIEWS,
        companions: Companions = NO_COMPANIONS,
        admit: AdmitEvents = admit_all,
        callers: Callers | None = None,
        cold: ColdPieces | None = None,
        batch_cpu: Threads | None = None,
    ) -> Self:
        """`cpu` is for what a write waits for, but for encoding events where there is a `batch_cpu`, `spare_cpu` for
        what may take long; `views` are what SQL sees beside the events, `companions` what may be stored with them;
        `admit` says whether a project may store so many, and `callers` are all of the server's; `cold` reads what has
        left the database. Raises Unavailable."""
        dedup = DedupIndex(config.events.dedup_days * DAY_MS)
        await large_files.drop_left(db)
        await dedup.load(db)
        last_seq = await db.read(blocks.last_seq)
        has_cold = bool(config.storage.cold or await db.read(cold_store.places))
        return cls(
            config,
            db,
            clock,
            cpu=cpu,
            spare_cpu=spare_cpu,
            dedup=dedup,
            last_seq=last_seq,
            views=views,
            companions=companions,
            admit=admit,
            callers=callers,
            cold=cold,
            kept=CREDENTIALS if has_cold else (),
            batch_cpu=batch_cpu,
        )

    @classmethod
    def for_reading(
        cls, config: LogOptions, db: Database, clock: Clock, *, cpu: Threads, cold: ColdPieces | None = None
    ) -> Self:
        """Without what is known of duplicates: nothing may be appended. The data directory is left as it is."""
        dedup = DedupIndex(config.events.dedup_days * DAY_MS)
        spill = Path(tempfile.gettempdir(), f"delta-spill-{secrets.token_hex(8)}")
        return cls(
            config, db, clock, cpu=cpu, spare_cpu=cpu, dedup=dedup, last_seq=0, views=NO_VIEWS, spill=spill, cold=cold
        )

    async def append_events(
        self, project: int, events: Sequence[Event], companion: object | None = None
    ) -> frozenset[int]:
        return await self._appending.append_events(project, events, companion)

    async def run_query(self, project: int, plan: Plan) -> QueryResult:
        """What had to end because much was written meanwhile is run again while its deadline lasts."""
        until_s = asyncio.get_running_loop().time() + self._query_seconds
        for _ in range(RUNS - 1):
            with suppress(HeldTooLong):
                return await self._run_query(project, plan)
            if asyncio.get_running_loop().time() > until_s:
                break
        return await self._run_query(project, plan)

    async def _run_query(self, project: int, plan: Plan) -> QueryResult:
        if isinstance(plan, Sql):
            return await self._sql.run_query(project, plan)
        return await self._answering.run_query(project, plan)

    def stream_query(
        self, project: int, plan: Listing | Plan, *, has_caller: bool = True
    ) -> AsyncGenerator[list[tuple[Any, ...]], None]:
        return self._answering.stream_query(project, plan, has_caller=has_caller)

    def export_parquet(self, project: int, plan: Listing | Aggregate) -> AsyncGenerator[bytes, None]:
        return self._answering.export_parquet(project, plan)

    async def version(self, project: int, plan: Plan) -> bytes:
        return await self._answering.version(project, plan)

    def positions(self, project: int, after_seq: int | None = None) -> Positions:
        return self._db.peek(_reach, project, after_seq)

    async def read_blocks(
        self, project: int, after_block: int, *, limit: int, size_bytes: int = blocks.EVERYTHING
    ) -> tuple[Positions, list[tuple[int, bytes]]]:
        return await self._db.read(_read_blocks, project, after_block, limit, size_bytes)

    async def seal(self) -> int | None:
        return await self._scheduler.seal() if self._scheduler.any_waits() else None

    async def run_maintenance(self, project: int | None = None, *, seal: bool = False, compact: bool = False) -> int:
        return await self._scheduler.run_maintenance(project, everything=seal, compacting=compact)

    async def erase_person(self, project: int, ids: PersonIds, companion: object | None = None) -> int:
        return await self._scheduler.erase(project, ids, companion)

    async def stats(self, project: int) -> EventStats:
        return await self._db.read(catalog.stats, project)

    async def verify(self, project: int | None, progress: Callable[[int, int], None]) -> EventsVerified:
        verifier = Verifier(self._db, self._engine)
        return await (verifier.keys(progress) if project is None else verifier.project(project, progress))

    async def delete_batch(self, project: int, limit: int) -> bool:
        self._appending.refuse(project)
        return await self._db.write(self._delete_some, project, limit)

    @frees_space
    def _delete_some(self, tx: Tx, project: int, limit: int) -> bool:
        if keys := blocks.delete_first(tx, project, min(limit, _BLOCKS_AT_ONCE)):
            self._dedup.mark_uncertain(keys)
            return True
        return delete_project.delete_some(tx, project, limit)

    def _release(self) -> None:
        self._engine.release(HELD_S)
        self._sql.release(HELD_S)
        if self._processes is not None:
            self._processes.release(HELD_S)

    async def close(self) -> None:
        await self._appending.close()
        await self._sql.close()
        if self._processes is not None:
            await self._processes.close()
        await self._engine.close()


def _reach(tx: Tx, project: int, after_seq: int | None) -> Positions:
    found = catalog.positions(tx, project)
    return found if after_seq is None else found._replace(resume=blocks.locate(tx, project, after_seq))


def _read_blocks(
    tx: Tx, project: int, after_block: int, limit: int, size_bytes: int
) -> tuple[Positions, list[tuple[int, bytes]]]:
    """From one state: what is sealed between two of them would be in neither."""
    return catalog.positions(tx, project), blocks.lines_after(tx, project, after_block, limit, size_bytes)
