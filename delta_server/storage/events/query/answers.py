"""Answers to plans: each is compiled to SQL over one state of the project's events, and run by the engine."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from itertools import chain
from typing import Any, Literal, TypeAlias

import msgspec

from delta_server.core.query.plan import Aggregate, Listing, Plan, Span
from delta_server.storage.database import Row, Tx
from delta_server.storage.eventlog import QueryResult
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.ingest.blocks import INDEX_BITS
from delta_server.storage.events.query import compile, parquet, person_joins, relation
from delta_server.storage.events.query.person_joins import LinksBaseCache
from delta_server.storage.events.query.read_view import Block, ReadView, Segment
from delta_server.storage.events.query.relation import Params
from delta_server.storage.events.query.scan_windows import EventDensity, scan_windows

STREAM_EVENTS = 65_536
"""Events a listing sorts at once when it is streamed: what it holds in memory."""
_FIRST_EVENTS = 16_384
_GROWTH = 16
"""A page is searched in the nearest events first, then in this many times as many, and so on."""
_UNFILTERED_EVENTS = 1_024
"""The nearest where all of them are wanted: half the time for a page of 100."""
_BLOCKS_PER_DENSITY = 256
_POSITIONS_PER_FETCH = 1_024
"""Events that are fetched at once from their places."""
WIDE_BYTES = 2_048
"""Where events are longer than that on average, their places are searched first: DuckDB would sort 16,384 whole ones
for a page of 10, and find no room for it from 30 KB each on."""
SORTED_BYTES = 32 << 20
"""Of the events that are sorted at once when they are streamed, about."""
SENT_BYTES = 256 << 10
"""Of the events that are handed out at once when they are streamed: who reads has `events.query_seconds` for them."""


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


Compiler: TypeAlias = Callable[[ReadView, Any], Compiled]
AggregateCompiler: TypeAlias = Callable[[ReadView, Aggregate], Compiled]
"""The statement that answers an aggregate, from rollups where they hold what it asks for."""


def compile_aggregate(read_view: ReadView, plan: Aggregate) -> Compiled:
    """From the events themselves."""
    source, params = relation.events(read_view, plan.span), Params()
    events = person_joins.events(read_view, source.sql) if person_joins.counts_persons(plan) else source.sql
    sql = compile.aggregate(plan, events, params)
    read = partial(compile.read_exact_rows, plan)
    return Compiled(compile.columns(plan), sql, params.values, scanned=source.scanned, read=read)


class Answers:
    """From a session to a plan's answer."""

    def __init__(
        self, compilers: Mapping[type, Compiler], cover: AggregateCompiler, bases: LinksBaseCache | None = None
    ) -> None:
        """`compilers` are for the plans other than Aggregate and Listing."""
        self._compilers = compilers
        self._cover = cover
        self._bases = bases or LinksBaseCache()

    def answer(self, session: QuerySession, plan: Plan) -> QueryResult:
        plan = self._resolve_persons(session, plan)
        if isinstance(plan, Listing):
            scan = _ListingScan(session, plan)
            rows = [row for batch in scan.page() for row in batch]
            return QueryResult(compile.LISTED, rows, scanned=scan.scanned)
        compiled = self._compile(session.read_view, plan)
        _, rows = session.rows(compiled.sql, compiled.values)
        waiting = compiled.merging or (
            person_joins.depends_on_links(plan) and person_joins.is_waiting(session.read_view)
        )
        return QueryResult(
            compiled.columns,
            compiled.read(rows),
            compiled.source,
            compiled.scanned,
            compiled.approximate,
            whole=compiled.whole,
            merging=waiting,
        )

    def stream_rows(self, session: QuerySession, plan: Plan) -> Iterator[list[Row]]:
        """A state of the database is held while DuckDB reads, and not while the answer is written out."""
        attached = self._resolve_persons(session, plan)
        if isinstance(attached, Listing):
            scan = _ListingScan(session, attached, reopen=lambda: self._resolve_persons(session, plan))
            session.release()
            yield [compile.LISTED]
            batches = scan.page() if attached.limit is not None or attached.skip else scan.all()
            yield from chain.from_iterable(map(_parts, batches))
            return
        compiled = self._compile(session.read_view, attached)
        rows = session.batches(compiled.sql, compiled.values)
        first = next(rows, [])
        yield [compiled.columns]
        yield compiled.read(first)
        yield from map(compiled.read, rows)

    def stream_parquet(self, session: QuerySession, plan: Listing | Aggregate) -> Iterator[bytes]:
        plan = self._resolve_persons(session, plan)
        if isinstance(plan, Listing):
            return parquet.pieces(session, parquet.listing(session.read_view, plan))
        compiled = self._compile(session.read_view, plan)
        return parquet.pieces(session, parquet.aggregate(plan, compiled.sql, compiled.values))

    def _resolve_persons(self, session: QuerySession, plan: Any) -> Any:
        """The plan with filters of users as filters of persons; then the read view knows the links of ids."""
        if person_joins.depends_on_links(plan):
            person_joins.attach(session, self._bases)
            return person_joins.resolve_filters(session.read_view, plan)
        return plan

    def _compile(self, read_view: ReadView, plan: Plan) -> Compiled:
        if isinstance(plan, Aggregate):
            return self._cover(read_view, plan)
        return self._compilers[type(plan)](read_view, plan)


def _parts(rows: list[Row]) -> Iterator[list[Row]]:
    """The rows in parts of SENT_BYTES and the row with which they are that many."""
    begin = size = 0
    for end, row in enumerate(rows, 1):
        size += sum([len(value) for value in row if type(value) is str])
        if size >= SENT_BYTES or end == len(rows):
            yield rows[begin:end]
            begin, size = end, 0


class _ListingScan:
    """A listing, looked for from one end of its span to the other. `scanned` is how many events the files hold that
    were opened.

    With `reopen`, which gives the plan for the present state, each part is read in a state of its own, and events that
    came in since the beginning are left out. Sealing and merging put events into other files; those that are deleted
    meanwhile are not found any more.
    """

    def __init__(self, session: QuerySession, plan: Listing, reopen: Callable[[], Listing] | None = None) -> None:
        self._session = session
        self._plan = plan
        self._renew = reopen
        self._before_seq = session.read_view.newest_seq() if reopen else None
        self._left = _remaining(plan)
        self._opened: dict[tuple[str, int], int] = {}
        self._list_files()

    @property
    def scanned(self) -> int:
        return sum(self._opened.values())

    def page(self) -> Iterator[list[Row]]:
        """Up to the plan's limit, from the nearest events, or from as many more as it takes."""
        session = self._session
        left, skip = self._plan.limit, self._plan.skip
        nearest = min(_FIRST_EVENTS, _UNFILTERED_EVENTS) if self._plan.where is None else _FIRST_EVENTS
        wanted = max(nearest, 4 * ((left or 0) + skip))
        for source in self._sources(wanted, _GROWTH):
            params = Params()
            chosen = compile.POSITION if self._width > WIDE_BYTES else compile.LISTED
            sql = compile.listing(self._plan, source, params, limit=left, skip=skip, columns=chosen)
            _, rows = session.rows(sql, params.values)
            if chosen == compile.POSITION:
                rows = self._fetch(session, rows)
            if rows:
                skip, left = 0, None if left is None else left - len(rows)
                if self._renew:
                    session.release()
                yield rows
                if left == 0:
                    return
            elif skip:
                params = Params()
                [(skipped,)] = session.rows(compile.count(self._plan, source, params), params.values)[1]
                skip -= skipped

    def all(self) -> Iterator[list[Row]]:
        """Everything, one time range after another: no more than that is sorted at once."""
        events = min(STREAM_EVENTS, max(1, SORTED_BYTES // max(1, self._width)))
        for source in self._sources(events, 1):
            params = Params()
            sql = compile.listing(self._plan, source, params, limit=None, skip=0)
            yield from self._session.batches(sql, params.values)

    @property
    def _width(self) -> int:
        """Bytes of an event as a line, on average."""
        sizes = [(segment.json_bytes, segment.events_count) for segment in self._segments]
        sizes += [(block.raw_bytes, block.events_count) for block in self._blocks]
        return sum(size for size, _ in sizes) // max(1, sum(count for _, count in sizes))

    def _fetch(self, session: QuerySession, places: Sequence[Row]) -> list[Row]:
        """The events at these places (PLACE), in the order of those, a few MB at a time."""
        found: dict[int, Row] = {}
        for start in range(0, len(places), _POSITIONS_PER_FETCH):
            some = places[start : start + _POSITIONS_PER_FETCH]
            times, seqs = [at for _, at in some], [seq for seq, _ in some]
            span = Span(min(times), max(times) + 1)
            source = relation.of_files(session.read_view, span, *self._files_in(span)).sql
            _, rows = session.rows(compile.by_seq(source, seqs))
            found |= {row[0]: row for row in rows}
        return [found[seq] for seq, _ in places]

    def _list_files(self) -> None:
        """What files there are in what is left of the span."""
        read_view = self._session.read_view
        self._segments = read_view.segments(self._left, self._plan.after_seq)
        self._blocks = read_view.blocks(self._left, self._plan.after_seq)
        if self._before_seq is not None:
            self._blocks = [block for block in self._blocks if block.seq << INDEX_BITS < self._before_seq]

    def _files_in(self, span: Span) -> tuple[list[Segment], list[Block]]:
        return (
            [each for each in self._segments if each.first_at < span.end_ms and each.last_at >= span.start_ms],
            [each for each in self._blocks if each.first_at < span.end_ms and each.last_at >= span.start_ms],
        )

    def _spans(self, events: int, growth: int) -> Iterator[Span]:
        """See windows; with `reopen` each in its own state."""
        while True:
            if self._renew:
                self._session.reopen()
                self._plan = self._renew()
                self._list_files()
            densities = _densities(self._segments, self._blocks)
            for span in scan_windows(self._left, densities, events, ascending=self._plan.ascending, growth=growth):
                yield span
                self._left = _rest_of_span(self._left, span, ascending=self._plan.ascending)
                events *= growth
                if self._renew:
                    break
            else:
                return

    def _sources(self, events: int, growth: int) -> Iterator[str]:
        """What stands behind FROM, for one span after the other."""
        if not self._segments and not self._blocks:  # a broken regular expression is reported all the same
            yield self._relation(self._left, (), ())
        for span in self._spans(events, growth):
            segments, blocks = self._files_in(span)
            self._opened |= {("segment", each.id): each.events_count for each in segments}
            self._opened |= {("block", each.id): each.events_count for each in blocks}
            if segments or blocks:
                yield self._relation(span, segments, blocks)

    def _relation(self, span: Span, segments: Sequence[Segment], blocks: Sequence[Block]) -> str:
        sql = relation.of_files(self._session.read_view, span, segments, blocks).sql
        return sql if self._before_seq is None else f"(SELECT * FROM {sql} WHERE seq < {self._before_seq:d})"


def _rest_of_span(span: Span, done: Span, *, ascending: bool) -> Span:
    """What is left of `span`. (Nothing of it is an empty span, in which nothing lies.)"""
    return Span(done.end_ms, span.end_ms) if ascending else Span(span.start_ms, done.start_ms)


def _remaining(plan: Listing) -> Span:
    if plan.after is None:
        return plan.span
    if plan.ascending:
        return Span(max(plan.span.start_ms, plan.after[0]), plan.span.end_ms)
    return Span(plan.span.start_ms, min(plan.span.end_ms, plan.after[0] + 1))


def _densities(segments: Sequence[Segment], blocks: Sequence[Block]) -> list[EventDensity]:
    found = [EventDensity(segment.first_at, segment.last_at, segment.events_count) for segment in segments]
    for start in range(0, len(blocks), _BLOCKS_PER_DENSITY):
        some = blocks[start : start + _BLOCKS_PER_DENSITY]
        first_at, last_at = min(block.first_at for block in some), max(block.last_at for block in some)
        found.append(EventDensity(first_at, last_at, sum(block.events_count for block in some)))
    return found


def version(tx: Tx, project: int, span: Span, *, users: bool) -> bytes:
    """A digest of what an answer about the span is made from, with `users` of the links of ids too."""
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
