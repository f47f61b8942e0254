"""Answers to plans: each is compiled to SQL over one state of the project's events, and run by the engine."""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from hashlib import blake2b
from typing import Any, Literal, TypeAlias

import msgspec

from delta_server.core.query.plan import Aggregate, Listing, Plan, Span, Sql
from delta_server.storage.database import Database, Row, Tx
from delta_server.storage.eventlog import Answer
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.instance import Reading
from delta_server.storage.events.ingest.blocks import INDEX_BITS
from delta_server.storage.events.query import compile, parquet, person_joins, relation
from delta_server.storage.events.query.person_joins import Bases
from delta_server.storage.events.query.read_view import ALWAYS, Block, Segment, Snapshot
from delta_server.storage.events.query.relation import Params
from delta_server.storage.events.query.scan_windows import Stretch, windows

STREAM_EVENTS = 131_072
"""Events a listing sorts at once when it is streamed: what it holds in memory."""
_FIRST_EVENTS = 16_384
_GROWTH = 16
"""A page is looked for in the nearest events first, then in this many times as many, and so on."""
_STRETCH_BLOCKS = 256
_PLACES = 1_024
"""Events that are fetched at once from their places."""
WIDE_BYTES = 2_048
"""Where events are longer than that on average, their places are looked for first: DuckDB would sort 16,384 whole ones
for a page of 10, and find no room for it from 30 KB each on."""
SORTED_BYTES = 64 << 20
"""Of the events that are sorted at once when they are streamed, about."""


class Compiled(msgspec.Struct, frozen=True):
    """A plan as one statement; all but `sql` and `values` are of Answer."""

    columns: tuple[str, ...]
    sql: str
    values: Sequence[Any] = ()
    source: Literal["raw", "rollup", "both"] = "raw"
    scanned: int = 0
    approximate: tuple[str, ...] = ()
    merging: bool = False
    whole: tuple[int | None, int | None] = (None, None)
    read: Callable[[list[Row]], list[Row]] = list
    """What makes the answer's rows of the statement's."""


Compiler: TypeAlias = Callable[[Snapshot, Any], Compiled]
Cover: TypeAlias = Callable[[Snapshot, Aggregate], Compiled]
"""The statement that answers an aggregate, from rollups where they hold what it asks for."""


def aggregate(snapshot: Snapshot, plan: Aggregate) -> Compiled:
    """From the events themselves."""
    source, params = relation.events(snapshot, plan.span), Params()
    events = person_joins.events(snapshot, source.sql) if person_joins.counts_users(plan) else source.sql
    sql = compile.aggregate(plan, events, params)
    read = partial(compile.exact_rows, plan)
    return Compiled(compile.columns(plan), sql, params.values, scanned=source.scanned, read=read)


class Answering:
    """What EventReader promises; see there."""

    def __init__(self, db: Database, engine: Engine, compilers: dict[type, Compiler], cover: Cover) -> None:
        """`compilers` are for the plans other than Aggregate and Listing."""
        self._db = db
        self._engine = engine
        self._compilers = compilers
        self._cover = cover
        self._bases = Bases()

    async def query(self, project: int, plan: Plan) -> Answer:
        return await self._engine.run(project, lambda reading: self._answer(reading, plan))

    async def stream(self, project: int, plan: Plan) -> AsyncGenerator[list[Row], None]:
        async with aclosing(self._engine.stream(project, lambda reading: self._batches(reading, plan))) as batches:
            async for batch in batches:
                yield batch

    async def parquet(self, project: int, plan: Listing | Aggregate) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._engine.stream(project, lambda reading: self._file(reading, plan))) as pieces:
            async for piece in pieces:
                yield piece

    async def version(self, project: int, plan: Plan) -> bytes:
        span = ALWAYS if isinstance(plan, Sql) else plan.span
        return await self._db.read(version, project, span, users=person_joins.speaks_of_users(plan))

    def _answer(self, reading: Reading, plan: Plan) -> Answer:
        plan = self._attached(reading, plan)
        if isinstance(plan, Listing):
            looked = _Looked(reading, plan)
            rows = [row for batch in looked.page() for row in batch]
            return Answer(compile.LISTED, rows, scanned=looked.scanned)
        made = self._compiled(reading.snapshot, plan)
        _, rows = reading.rows(made.sql, made.values)
        waiting = made.merging or (person_joins.speaks_of_users(plan) and person_joins.is_waiting(reading.snapshot))
        return Answer(
            made.columns,
            made.read(rows),
            made.source,
            made.scanned,
            made.approximate,
            whole=made.whole,
            merging=waiting,
        )

    def _batches(self, reading: Reading, plan: Plan) -> Iterator[list[Row]]:
        """A state of the database is held while DuckDB reads, and not while the answer is written out."""
        attached = self._attached(reading, plan)
        if isinstance(attached, Listing):
            looked = _Looked(reading, attached, renew=lambda: self._attached(reading, plan))
            reading.let_go()
            yield [compile.LISTED]
            yield from looked.page() if attached.limit is not None or attached.skip else looked.all()
            return
        made = self._compiled(reading.snapshot, attached)
        rows = reading.batches(made.sql, made.values)
        first = next(rows, [])
        yield [made.columns]
        yield made.read(first)
        yield from map(made.read, rows)

    def _file(self, reading: Reading, plan: Listing | Aggregate) -> Iterator[bytes]:
        plan = self._attached(reading, plan)
        if isinstance(plan, Listing):
            return parquet.pieces(reading, parquet.listing(reading.snapshot, plan))
        made = self._compiled(reading.snapshot, plan)
        return parquet.pieces(reading, parquet.aggregate(plan, made.sql, made.values))

    def _attached(self, reading: Reading, plan: Any) -> Any:
        """The plan as it speaks of persons; then the snapshot knows whose which id is."""
        if person_joins.speaks_of_users(plan):
            person_joins.attach(reading, self._bases)
            return person_joins.resolved(reading.snapshot, plan)
        return plan

    def _compiled(self, snapshot: Snapshot, plan: Plan) -> Compiled:
        if isinstance(plan, Aggregate):
            return self._cover(snapshot, plan)
        return self._compilers[type(plan)](snapshot, plan)


class _Looked:
    """A listing, looked for from one end of its span to the other. `scanned` is how many events the files hold that
    were opened.

    With `renew`, which gives the plan for the present state, each part is read in a state of its own, and events that
    came in since the beginning are left out. Sealing and merging put events into other files; those that are deleted
    meanwhile are not found any more.
    """

    def __init__(self, reading: Reading, plan: Listing, renew: Callable[[], Listing] | None = None) -> None:
        self._reading = reading
        self._plan = plan
        self._renew = renew
        self._before_seq = reading.snapshot.newest_seq() if renew else None
        self._left = _remaining(plan)
        self._opened: dict[tuple[str, int], int] = {}
        self._list()

    @property
    def scanned(self) -> int:
        return sum(self._opened.values())

    def page(self) -> Iterator[list[Row]]:
        """Up to the plan's limit, from the nearest events, or from as many more as it takes."""
        reading = self._reading
        left, skip = self._plan.limit, self._plan.skip
        wanted = max(_FIRST_EVENTS, 4 * ((left or 0) + skip))
        for source in self._sources(wanted, _GROWTH):
            params = Params()
            chosen = compile.PLACE if self._width > WIDE_BYTES else compile.LISTED
            sql = compile.listing(self._plan, source, params, limit=left, skip=skip, columns=chosen)
            _, rows = reading.rows(sql, params.values)
            if chosen == compile.PLACE:
                rows = self._at(reading, rows)
            if rows:
                skip, left = 0, None if left is None else left - len(rows)
                if self._renew:
                    reading.let_go()
                yield rows
                if left == 0:
                    return
            elif skip:
                params = Params()
                [(skipped,)] = reading.rows(compile.count(self._plan, source, params), params.values)[1]
                skip -= skipped

    def all(self) -> Iterator[list[Row]]:
        """Everything, a stretch of time after the other: no more than that is sorted at once."""
        events = min(STREAM_EVENTS, max(1, SORTED_BYTES // max(1, self._width)))
        for source in self._sources(events, 1):
            params = Params()
            sql = compile.listing(self._plan, source, params, limit=None, skip=0)
            yield from self._reading.batches(sql, params.values)

    @property
    def _width(self) -> int:
        """Bytes of an event as a line, on average."""
        sizes = [(segment.json_bytes, segment.events_count) for segment in self._segments]
        sizes += [(block.raw_bytes, block.events_count) for block in self._blocks]
        return sum(size for size, _ in sizes) // max(1, sum(count for _, count in sizes))

    def _at(self, reading: Reading, places: Sequence[Row]) -> list[Row]:
        """The events at these places (PLACE), in the order of those, a few MB at a time."""
        found: dict[int, Row] = {}
        for start in range(0, len(places), _PLACES):
            some = places[start : start + _PLACES]
            times, seqs = [at for _, at in some], [seq for seq, _ in some]
            span = Span(min(times), max(times) + 1)
            source = relation.of(reading.snapshot, span, *self._inside(span)).sql
            _, rows = reading.rows(compile.these(source, seqs))
            found |= {row[0]: row for row in rows}
        return [found[seq] for seq, _ in places]

    def _list(self) -> None:
        """What files there are in what is left of the span."""
        snapshot = self._reading.snapshot
        self._segments = snapshot.segments(self._left, self._plan.after_seq)
        self._blocks = snapshot.blocks(self._left, self._plan.after_seq)
        if self._before_seq is not None:
            self._blocks = [block for block in self._blocks if block.seq << INDEX_BITS < self._before_seq]

    def _inside(self, span: Span) -> tuple[list[Segment], list[Block]]:
        return (
            [each for each in self._segments if each.first_at < span.end_ms and each.last_at >= span.start_ms],
            [each for each in self._blocks if each.first_at < span.end_ms and each.last_at >= span.start_ms],
        )

    def _spans(self, events: int, growth: int) -> Iterator[Span]:
        """See windows; with `renew` each in its own state."""
        while True:
            if self._renew:
                self._reading.renew()
                self._plan = self._renew()
                self._list()
            stretches = _stretches(self._segments, self._blocks)
            for span in windows(self._left, stretches, events, ascending=self._plan.ascending, growth=growth):
                yield span
                self._left = _behind(self._left, span, ascending=self._plan.ascending)
                events *= growth
                if self._renew:
                    break
            else:
                return

    def _sources(self, events: int, growth: int) -> Iterator[str]:
        """What stands behind FROM, for one span after the other."""
        if not self._segments and not self._blocks:  # a broken regular expression is told all the same
            yield self._relation(self._left, (), ())
        for span in self._spans(events, growth):
            segments, blocks = self._inside(span)
            self._opened |= {("segment", each.id): each.events_count for each in segments}
            self._opened |= {("block", each.id): each.events_count for each in blocks}
            if segments or blocks:
                yield self._relation(span, segments, blocks)

    def _relation(self, span: Span, segments: Sequence[Segment], blocks: Sequence[Block]) -> str:
        sql = relation.of(self._reading.snapshot, span, segments, blocks).sql
        return sql if self._before_seq is None else f"(SELECT * FROM {sql} WHERE seq < {self._before_seq:d})"


def _behind(span: Span, done: Span, *, ascending: bool) -> Span:
    """What is left of `span`. (Nothing of it is an empty span, in which nothing lies.)"""
    return Span(done.end_ms, span.end_ms) if ascending else Span(span.start_ms, done.start_ms)


def _remaining(plan: Listing) -> Span:
    if plan.after is None:
        return plan.span
    if plan.ascending:
        return Span(max(plan.span.start_ms, plan.after[0]), plan.span.end_ms)
    return Span(plan.span.start_ms, min(plan.span.end_ms, plan.after[0] + 1))


def _stretches(segments: Sequence[Segment], blocks: Sequence[Block]) -> list[Stretch]:
    found = [Stretch(segment.first_at, segment.last_at, segment.events_count) for segment in segments]
    for start in range(0, len(blocks), _STRETCH_BLOCKS):
        some = blocks[start : start + _STRETCH_BLOCKS]
        first_at, last_at = min(block.first_at for block in some), max(block.last_at for block in some)
        found.append(Stretch(first_at, last_at, sum(block.events_count for block in some)))
    return found


def version(tx: Tx, project: int, span: Span, *, users: bool) -> bytes:
    """A digest of what an answer about the span is made from, with `users` of whose which id is too."""
    digest = blake2b(digest_size=16)
    for sql in _VERSION:
        digest.update(repr(tx.all(sql, project, span.end_ms, span.start_ms)).encode())
    for sql in _USERS_VERSION if users else ():
        digest.update(repr(tx.all(sql, project)).encode())
    return digest.digest()


_VERSION = (
    "SELECT id FROM segment WHERE project = ?1 AND first_at < ?2 AND last_at >= ?3 ORDER BY id",
    "SELECT max(id), count(*) FROM event_block WHERE project = ?1 AND first_at < ?2 AND last_at >= ?3",
    "SELECT id FROM rollup WHERE project = ?1 AND first_at < ?2 AND end_at > ?3 ORDER BY id",
    "SELECT version FROM event_settings WHERE project = ?1 AND ?2 > ?3",
)
_USERS_VERSION = (
    "SELECT rev FROM person_state WHERE project = ?",
    "SELECT 1 FROM person_change WHERE project = ? LIMIT 1",
    "SELECT rollups FROM event_settings WHERE project = ?",
)
