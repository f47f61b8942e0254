"""A check of all that is stored of events: of each file and block that it is what was written, holds the events its row
tells of, and that the rollups count what the events are.

Damage is named, one sentence each, never raised; what is not named can be read.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import TypeVar

import msgspec
from zstandard import ZstdDecompressor

from delta_server.core import times
from delta_server.core.errors import DatabaseFailed, DeltaError, TooCostly, Unavailable
from delta_server.core.event_storage.key_run import KEY_BYTES, Run, split
from delta_server.core.event_storage.rollup_plan import Known
from delta_server.core.packs import codec
from delta_server.core.query.plan import Span
from delta_server.core.times import DAY_MS
from delta_server.storage.database import Database, Tx
from delta_server.storage.eventlog import EventsVerified
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.instance import Reading
from delta_server.storage.events.ingest import blocks, key_runs
from delta_server.storage.events.ingest.blocks import Packed
from delta_server.storage.events.query.read_view import Segment, Snapshot
from delta_server.storage.events.rollups import rollup_catalog
from delta_server.storage.events.segments import catalog, segment_file

T = TypeVar("T")

Progress = Callable[[int, int], None]
NAMED = 5
_PAGES = 256
_TRIES = 3


class _Line(msgspec.Struct):
    t: int


_decode_line = msgspec.json.Decoder(_Line).decode


class Verifier:
    def __init__(self, db: Database, engine: Engine) -> None:
        self._db = db
        self._engine = engine

    async def project(self, project: int, progress: Progress) -> EventsVerified:
        """Its segments, blocks and rollups."""
        found = EventsVerified()
        segments, rollups = await self._tended(project, _files)
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
                found.broken += await self._tended(project, _disagreements)
            except Exception as error:
                found.broken.append(f"the rollups cannot be compared with the events: {_said(error)}")
        return found

    async def keys(self, progress: Progress) -> EventsVerified:
        """The deduplication keys of all projects."""
        found = EventsVerified()
        there = await self._db.read(key_runs.all_whole)
        for done, run in enumerate(there, 1):
            try:
                found.broken += await self._run(run)
            except Exception as error:  # a value of a damaged row is of any type
                found.broken.append(f"deduplication run {run.id} cannot be read: {_said(error)}")
            progress(done, len(there))
        found.runs = len(there)
        return found

    async def _run(self, run: Run) -> list[str]:
        """What is wrong with it; some pages a read, as a run may have hundreds of thousands."""
        keys = _Keys()
        first = 0
        while first < key_runs.MOST_PAGES and await self._db.read(keys.add, run.id, first):
            first += _PAGES
        return await self._db.read(_run_faults, run, keys)

    async def _tended(self, project: int, check: Callable[[Reading], T]) -> T:
        """Lets go of the database when the log of a server that writes beside it is long, and tries again."""
        for _ in range(_TRIES - 1):
            with suppress(Unavailable):
                return await self._engine.tend(project, check, lets_go=True)
        return await self._engine.tend(project, check, lets_go=True)

    async def _file(
        self,
        project: int,
        check: Callable[[Reading], tuple[int, str | None]],
        kind: str,
        id: int,
        found: EventsVerified,
    ) -> None:
        try:
            events, wrong = await self._tended(project, check)
        except Exception as error:  # DuckDB has many ways to stumble over a damaged file
            named = await self._db.read(_described, project, kind, id)
            wrong = f"{named} cannot be read: {_said(error)}"
            events = 0
        found.events += events
        if wrong is not None:
            found.broken.append(wrong)

    async def _block(self, project: int, block: int, found: EventsVerified) -> None:
        try:
            events, wrong = await self._db.read(_waiting, project, block)
        except Exception as error:  # as above
            events, wrong = 0, f"waiting block {block} cannot be read: {_said(error)}"
        found.events += events
        if wrong is not None:
            found.broken.append(wrong)


def _said(error: Exception) -> str:
    """Without the words that name it again, or tell to run this. Raises `error` where the machine is what fails."""
    if isinstance(error, Unavailable | TooCostly):
        raise error
    text = error.message if isinstance(error, DeltaError) else str(error).partition("\n")[0]
    return text.partition(" is damaged: ")[2].partition("; ")[0] or text.removesuffix("; run delta-server verify")


def _files(reading: Reading) -> tuple[list[int], list[int]]:
    return [each.id for each in reading.snapshot.segments()], reading.snapshot.rollup_ids()


def _described(tx: Tx, project: int, kind: str, id: int) -> str:
    spans = catalog.span if kind == "segment" else rollup_catalog.span
    found = spans(tx, project, id)
    return f"{kind} {id}" if found is None else f"{kind} {id} ({_during(*found)})"


def _during(first_at: int, last_at: int) -> str:
    return f"{_time(first_at)} to {_time(last_at)}"


def _time(ms: int) -> str:
    return times.format(min(max(ms, times.EARLIEST_MS), times.LATEST_MS))


# Files


def _segment(reading: Reading, id: int) -> tuple[int, str | None]:
    """(events, what is wrong). Raises what reading a damaged file does."""
    found = [each for each in reading.snapshot.segments() if each.id == id]
    if not found:  # merged or let go of meanwhile
        return 0, None
    [row] = found
    _decoded(reading, "segment", id, row.hash)
    counted = segment_file.counted(reading, f"SELECT * FROM {_parquet(reading.snapshot, 'segment', id)}")
    if counted is None or not _tells_of(row, counted):
        return 0, f"segment {id} ({_during(row.first_at, row.last_at)}) does not hold the events its row tells of"
    return row.events_count, None


def _tells_of(row: Segment, counted: segment_file.Counted) -> bool:
    told = msgspec.json.decode(row.types, type=dict[str, int])
    return (
        (sum(counted.types.values()), counted.first_at, counted.last_at)
        == (row.events_count, row.first_at, row.last_at)
        and row.last_seq in (None, counted.last_seq)
        and (not told or segment_file.few(counted.types) == told)
    )


def _rollup(reading: Reading, id: int) -> tuple[int, str | None]:
    row = reading.snapshot.rollup(id)
    if row is None:
        return 0, None
    _decoded(reading, "rollup", id, row.hash)
    _, [(rows,)] = reading.rows(f"SELECT count(*) FROM {_parquet(reading.snapshot, 'rollup', id)}")
    if rows != row.rows_count:
        return 0, f"rollup {id} ({_during(row.first_at, row.end_at)}) does not hold the rows its own row tells of"
    return 0, None


def _decoded(reading: Reading, kind: str, id: int, hash: bytes | None) -> None:
    """Opening it checks its hash; without one all of it is decoded."""
    reading.snapshot.open(kind, id)
    if hash is None:
        reading.rows(f"SELECT count(COLUMNS(*)) FROM {_parquet(reading.snapshot, kind, id)}")


def _parquet(snapshot: Snapshot, kind: str, id: int) -> str:
    path = snapshot.segment_path(id) if kind == "segment" else snapshot.rollup_path(id)
    return f"read_parquet('{path}')"


def _disagreements(reading: Reading) -> list[str]:
    """Where rollups count other events than there are, of the time for which all events are there."""
    snapshot = reading.snapshot
    known = snapshot.known()
    rolled = [each for each in snapshot.segments() if each.rolled]
    wrong: list[str] = []
    for interval_ms, part in snapshot.rollup_kinds():
        step_ms = max(interval_ms, DAY_MS)
        since = max(known.whole_from(), known.since.get(interval_ms, -(1 << 62)))
        span = Span(-(-since // step_ms) * step_ms, 1 << 62)
        files = [snapshot.rollup_path(file.id) for file in snapshot.rollups(interval_ms, part, span)]
        cells = _counts(reading, f"read_parquet({files})", "sum(events)::BIGINT", step_ms, span) if files else {}
        events: dict[int, int] = {}
        if rolled:
            paths = [snapshot.segment_path(each.id) for each in rolled]
            events = _counts(reading, f"read_parquet({paths})", "count(*)", step_ms, span)
        wrong += _differences(cells, events, known, interval_ms, part, step_ms)
    return wrong


def _counts(reading: Reading, source: str, count: str, step_ms: int, span: Span) -> dict[int, int]:
    begin = f"time_ms - ((time_ms % {step_ms}) + {step_ms}) % {step_ms}"
    _, rows = reading.rows(
        f"SELECT {begin} AS begin, {count} FROM {source} WHERE time_ms >= {span.start_ms} GROUP BY begin ORDER BY begin"
    )
    return dict(rows)


def _differences(
    cells: dict[int, int], events: dict[int, int], known: Known, interval_ms: int, part: int, step_ms: int
) -> Iterator[str]:
    stale = set(known.stale)
    days = [
        begin
        for begin in sorted(cells.keys() | events.keys())
        if cells.get(begin, 0) != events.get(begin, 0)
        and stale.isdisjoint(range(begin // DAY_MS, (begin + step_ms) // DAY_MS))
    ]
    for begin in days[:NAMED]:
        yield (
            f"the rollups of {interval_ms // 1000} s (part {part}) count {cells.get(begin, 0)} events from "
            f"{_time(begin)} on where there are {events.get(begin, 0)}"
        )
    if len(days) > NAMED:
        yield f"and so on {len(days) - NAMED} more days"


# Blocks and keys


def _waiting(tx: Tx, project: int, id: int) -> tuple[int, str | None]:
    """(events, what is wrong). Raises DatabaseFailed."""
    row = blocks.whole(tx, project, id)
    if row is None:  # sealed meanwhile
        return 0, None
    named = f"waiting block {id} ({_during(row.first_at, row.last_at)})"
    try:
        lines = blocks.decode(Packed(id, row.raw_bytes, row.events, row.hash), ZstdDecompressor()).splitlines()
        found = [_decode_line(line).t for line in lines]
    except (DatabaseFailed, msgspec.DecodeError, UnicodeDecodeError):
        return 0, f"{named} cannot be read: its bytes are not what was stored"
    if row.hash is not None and codec.digest(row.keys) != row.hash[len(row.hash) // 2 :]:
        return 0, f"the deduplication keys of {named} are not what was stored"
    whole_keys = len(row.keys) % KEY_BYTES == 0
    if not whole_keys or (len(found), min(found, default=0), max(found, default=0)) != (
        row.events_count, row.first_at, row.last_at,
    ):  # fmt: skip
        return 0, f"{named} does not hold the events its row tells of"
    return len(found), None


class _Keys:
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


def _run_faults(tx: Tx, run: Run, keys: _Keys) -> list[str]:
    if run not in key_runs.all_whole(tx):  # merged into another meanwhile, and its pages swept
        return []
    wrong: list[str] = []
    pages = keys.damaged_pages
    if pages:
        more = f" and {len(pages) - NAMED} more" if len(pages) > NAMED else ""
        named = ", ".join(map(str, pages[:NAMED]))
        wrong.append(f"deduplication run {run.id}: pages {named}{more} are not what was stored")
    elif keys.count != run.count or not keys.in_order:
        wrong.append(f"deduplication run {run.id} does not hold the {run.count} keys its row tells of")
    if not key_runs.filter_is_whole(tx, run.id):
        wrong.append(f"the filter of deduplication run {run.id} is not what was stored (it is made anew at each start)")
    return wrong
