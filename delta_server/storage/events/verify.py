"""A check of all that is stored of events: of each file and block that it is what was written, holds the events its row
describes, and that the rollups count what the events are.

Damage is named, one sentence each, never raised; what is not named can be read.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import TypeVar

import msgspec
from zstandard import ZstdDecompressor

from delta_server.core import times
from delta_server.core.errors import DatabaseFailed, DeltaError, TooCostly, Unavailable
from delta_server.core.event_storage.key_run import KEY_BYTES, KeyRun, split
from delta_server.core.event_storage.rollup_plan import RollupState
from delta_server.core.packs import codec
from delta_server.core.query.plan import Span
from delta_server.core.times import DAY_MS
from delta_server.storage.cold.pieces import AT_ONCE, PIECE_BYTES, ColdStorageAway
from delta_server.storage.database import Database, Tx
from delta_server.storage.eventlog import EventsVerified
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.ingest import blocks, key_runs
from delta_server.storage.events.ingest.blocks import StoredLines
from delta_server.storage.events.query.read_view import ReadView, Segment
from delta_server.storage.events.rollups import rollup_catalog
from delta_server.storage.events.segments import catalog, segment_file

T = TypeVar("T")

VerifyProgress = Callable[[int, int], None]
MAX_NAMED = 5
_PAGES = 256
_TRIES = 3
_COLD_BYTES = AT_ONCE * PIECE_BYTES


class _Line(msgspec.Struct):
    t: int


_decode_line = msgspec.json.Decoder(_Line).decode


class Verifier:
    def __init__(self, db: Database, engine: Engine) -> None:
        self._db = db
        self._engine = engine

    async def project(self, project: int, progress: VerifyProgress) -> EventsVerified:
        """Its segments, blocks and rollups."""
        found = EventsVerified()
        segments, rollups = await self._retry_when_interrupted(project, _files)
        waiting = await self._db.read(blocks.ids, project)
        of = len(segments) + len(rollups) + len(waiting)
        done = 0
        for number, check in (
            *((id, partial(_segment, id=id)) for id in segments),
            *((id, partial(_rollup, id=id)) for id in rollups),
        ):
            await self._file(project, check, "segment" if done < len(segments) else "rollup", number, found)
            progress(done := done + 1, of)
        for block in waiting:
            await self._block(project, block, found)
            progress(done := done + 1, of)
        found.segments, found.rollups, found.blocks = len(segments), len(rollups), len(waiting)
        if not found.broken:  # what cannot be read can not be counted either
            try:
                found.broken += await self._retry_when_interrupted(project, _rollup_mismatches)
            except Exception as error:
                found.broken.append(f"the rollups cannot be compared with the events: {_reason(error)}")
        return found

    async def keys(self, progress: VerifyProgress) -> EventsVerified:
        """The deduplication keys of all projects."""
        found = EventsVerified()
        there = await self._db.read(key_runs.all_whole)
        for done, run in enumerate(there, 1):
            try:
                found.broken += await self._run(run)
            except Exception as error:  # a value of a damaged row is of any type
                found.broken.append(f"deduplication run {run.id} cannot be read: {_reason(error)}")
            progress(done, len(there))
        found.runs = len(there)
        return found

    async def _run(self, run: KeyRun) -> list[str]:
        """What is wrong with it; some pages a read, as a run may have hundreds of thousands."""
        keys = _KeyCheck()
        first = 0
        while first < key_runs.MOST_PAGES and await self._db.read(keys.add, run.id, first):
            first += _PAGES
        return await self._db.read(_run_faults, run, keys)

    async def _retry_when_interrupted(self, project: int, check: Callable[[QuerySession], T]) -> T:
        """Releases the database when the log of a server that writes beside it is long, and tries again."""
        for _ in range(_TRIES - 1):
            try:
                return await self._engine.run_background(project, check, is_evictable=True)
            except ColdStorageAway:
                raise
            except Unavailable:
                continue
        return await self._engine.run_background(project, check, is_evictable=True)

    async def _file(
        self,
        project: int,
        check: Callable[[QuerySession], tuple[int, str | None]],
        kind: str,
        id: int,
        found: EventsVerified,
    ) -> None:
        try:
            events, wrong = await self._retry_when_interrupted(project, check)
        except Exception as error:  # DuckDB has many ways to stumble over a damaged file
            named = await self._db.read(_described_file, project, kind, id)
            wrong = f"{named} cannot be read: {_reason(error)}"
            events = 0
        found.events += events
        if wrong is not None:
            found.broken.append(wrong)

    async def _block(self, project: int, block: int, found: EventsVerified) -> None:
        try:
            events, wrong = await self._db.read(_waiting, project, block)
        except Exception as error:  # as above
            events, wrong = 0, f"waiting block {block} cannot be read: {_reason(error)}"
        found.events += events
        if wrong is not None:
            found.broken.append(wrong)


def _reason(error: Exception) -> str:
    """Without the words that name it again, or say to run `verify`. Raises `error` where the machine is what fails."""
    if isinstance(error, Unavailable | TooCostly) and not isinstance(error, ColdStorageAway):
        raise error
    text = error.message if isinstance(error, DeltaError) else str(error).partition("\n")[0]
    return text.partition(" is damaged: ")[2].partition("; ")[0] or text.removesuffix("; run delta-server verify")


def _files(session: QuerySession) -> tuple[list[int], list[int]]:
    return [each.id for each in session.read_view.segments()], session.read_view.rollup_ids()


def _described_file(tx: Tx, project: int, kind: str, id: int) -> str:
    spans = catalog.span if kind == "segment" else rollup_catalog.span
    found = spans(tx, project, id)
    return f"{kind} {id}" if found is None else f"{kind} {id} ({_time_range(*found)})"


def _time_range(first_at: int, last_at: int) -> str:
    return f"{_time(first_at)} to {_time(last_at)}"


def _time(ms: int) -> str:
    return times.format(min(max(ms, times.EARLIEST_MS), times.LATEST_MS))


# Files


def _segment(session: QuerySession, id: int) -> tuple[int, str | None]:
    """(events, what is wrong). Raises what reading a damaged file does."""
    found = [each for each in session.read_view.segments() if each.id == id]
    if not found:  # compacted or expired meanwhile
        return 0, None
    [row] = found
    _decoded(session, "segment", id, row.hash)
    counted = segment_file.statistics(session, f"SELECT * FROM {_parquet(session.read_view, 'segment', id)}")
    if counted is None or not _row_mismatches(row, counted):
        return 0, f"segment {id} ({_time_range(row.first_at, row.last_at)}) does not hold the events of its row"
    return row.events_count, None


def _row_mismatches(row: Segment, counted: segment_file.SegmentStats) -> bool:
    counts = msgspec.json.decode(row.types, type=dict[str, int])
    return (
        (sum(counted.types.values()), counted.first_at, counted.last_at)
        == (row.events_count, row.first_at, row.last_at)
        and row.last_seq in (None, counted.last_seq)
        and (not counts or segment_file.most_frequent(counted.types) == counts)
    )


def _rollup(session: QuerySession, id: int) -> tuple[int, str | None]:
    row = session.read_view.rollup(id)
    if row is None:
        return 0, None
    _decoded(session, "rollup", id, row.hash)
    _, [(rows,)] = session.rows(f"SELECT count(*) FROM {_parquet(session.read_view, 'rollup', id)}")
    if rows != row.rows_count:
        return 0, f"rollup {id} ({_time_range(row.first_at, row.end_at)}) does not hold the rows of its own row"
    return 0, None


def _decoded(session: QuerySession, kind: str, id: int, hash: bytes | None) -> None:
    """Opening it checks its hash, and each piece of one in cold storage its own; without one all of it is decoded."""
    pages = session.read_view.open(kind, id)
    if session.read_view.is_cold(kind, id):
        for at in range(0, pages.size, _COLD_BYTES):
            pages.read(at, min(_COLD_BYTES, pages.size - at))
    elif hash is None:
        session.rows(f"SELECT count(COLUMNS(*)) FROM {_parquet(session.read_view, kind, id)}")


def _parquet(read_view: ReadView, kind: str, id: int) -> str:
    path = read_view.segment_path(id) if kind == "segment" else read_view.rollup_path(id)
    return f"read_parquet('{path}')"


def _rollup_mismatches(session: QuerySession) -> list[str]:
    """Where rollups count other events than there are, of the time for which all events are there."""
    read_view = session.read_view
    known = read_view.known()
    rolled = [each for each in read_view.segments() if each.rolled]
    wrong: list[str] = []
    for interval_ms, part in read_view.rollup_kinds():
        step_ms = max(interval_ms, DAY_MS)
        since = max(known.whole_from(), known.since.get(interval_ms, -(1 << 62)))
        span = Span(-(-since // step_ms) * step_ms, 1 << 62)
        files = [read_view.rollup_path(file.id) for file in read_view.rollups(interval_ms, part, span)]
        cells = _counts(session, f"read_parquet({files})", "sum(events)::BIGINT", step_ms, span) if files else {}
        events: dict[int, int] = {}
        if rolled:
            paths = [read_view.segment_path(each.id) for each in rolled]
            events = _counts(session, f"read_parquet({paths})", "count(*)", step_ms, span)
        wrong += _differences(cells, events, known, interval_ms, part, step_ms)
    return wrong


def _counts(session: QuerySession, source: str, count: str, step_ms: int, span: Span) -> dict[int, int]:
    begin = f"time_ms - ((time_ms % {step_ms}) + {step_ms}) % {step_ms}"
    _, rows = session.rows(
        f"SELECT {begin} AS begin, {count} FROM {source} WHERE time_ms >= {span.start_ms} GROUP BY begin ORDER BY begin"
    )
    return dict(rows)


def _differences(
    cells: dict[int, int], events: dict[int, int], known: RollupState, interval_ms: int, part: int, step_ms: int
) -> Iterator[str]:
    stale = set(known.stale)
    days = [
        begin
        for begin in sorted(cells.keys() | events.keys())
        if cells.get(begin, 0) != events.get(begin, 0)
        and stale.isdisjoint(range(begin // DAY_MS, (begin + step_ms) // DAY_MS))
    ]
    for begin in days[:MAX_NAMED]:
        yield (
            f"the rollups of {interval_ms // 1000} s (part {part}) count {cells.get(begin, 0)} events from "
            f"{_time(begin)} on where there are {events.get(begin, 0)}"
        )
    if len(days) > MAX_NAMED:
        yield f"and so on {len(days) - MAX_NAMED} more days"


# Blocks and keys


def _waiting(tx: Tx, project: int, id: int) -> tuple[int, str | None]:
    """(events, what is wrong). Raises DatabaseFailed."""
    row = blocks.row_of(tx, project, id)
    if row is None:  # sealed meanwhile
        return 0, None
    named = f"waiting block {id} ({_time_range(row.first_at, row.last_at)})"
    try:
        lines = blocks.decode(StoredLines(id, row.raw_bytes, row.events, row.hash), ZstdDecompressor()).splitlines()
        found = [_decode_line(line).t for line in lines]
    except (DatabaseFailed, msgspec.DecodeError, UnicodeDecodeError):
        return 0, f"{named} cannot be read: its bytes are not what was stored"
    if row.hash is not None and codec.digest(row.keys) != row.hash[len(row.hash) // 2 :]:
        return 0, f"the deduplication keys of {named} are not what was stored"
    whole_keys = len(row.keys) % KEY_BYTES == 0
    if not whole_keys or (len(found), min(found, default=0), max(found, default=0)) != (
        row.events_count, row.first_at, row.last_at,
    ):  # fmt: skip
        return 0, f"{named} does not hold the events of its row"
    return len(found), None


class _KeyCheck:
    """What was found of a run's keys so far."""

    def __init__(self) -> None:
        self.count = 0
        self.in_order = True
        self.damaged_pages: list[int] = []
        self._last = b""

    def add(self, tx: Tx, run: int, first: int) -> bool:
        """The pages from `first` on; False when there are none."""
        some = key_runs.keys(tx, run, first, _PAGES)
        self.damaged_pages += key_runs.damaged_pages(tx, run, first, _PAGES)
        keys = list(split(some))
        self.in_order = self.in_order and all(a < b for a, b in pairwise([self._last, *keys]))
        self._last = keys[-1] if keys else self._last
        self.count += len(keys)
        return bool(some)


def _run_faults(tx: Tx, run: KeyRun, keys: _KeyCheck) -> list[str]:
    if run not in key_runs.all_whole(tx):  # merged into another meanwhile, and its pages swept
        return []
    wrong: list[str] = []
    pages = keys.damaged_pages
    if pages:
        more = f" and {len(pages) - MAX_NAMED} more" if len(pages) > MAX_NAMED else ""
        named = ", ".join(map(str, pages[:MAX_NAMED]))
        wrong.append(f"deduplication run {run.id}: pages {named}{more} are not what was stored")
    elif keys.count != run.count or not keys.in_order:
        wrong.append(f"deduplication run {run.id} does not hold the {run.count} keys of its row")
    if not key_runs.filter_is_whole(tx, run.id):
        wrong.append(f"the filter of deduplication run {run.id} is not what was stored (it is made anew at each start)")
    return wrong
