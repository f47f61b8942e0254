"""Questions about events, answered: from the cache while nothing has changed, else from the event log."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
import xxhash

from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.core.errors import BadRequest, Invalid
from delta_server.core.query import aggregates, funnels, result_rows, time_buckets
from delta_server.core.query.aggregates import MAX_ROWS, AggregateQuery, AggregateRequest
from delta_server.core.query.funnels import FunnelRequest, PathsRequest, RetentionRequest
from delta_server.core.query.plan import Aggregate, Filter, Listing, Span
from delta_server.features.queries import funnels_service
from delta_server.services import Services
from delta_server.storage.eventlog import QueryResult

UNIQUE_ERROR = 0.016
QUANTILE_ERROR = 0.01
"""Of the estimates in rollups: HyperLogLog with 4,096 registers, logarithmic buckets."""

ROW_BYTES = 64
"""Of an answer, about."""
ON_THE_LOOP_BYTES = 1 << 10
"""What is read on the event loop, in 0.1 ms: a thread that others wait for too costs a small question more."""
SHORT_VALUES = 64
_CURSOR = "query"
_MOST_SKIPPED = 10_000_000


class QueryAnswer(msgspec.Struct, frozen=True):
    """`rows` is a JSON array of objects."""

    rows: bytes
    source: str
    scanned: int
    approximate: dict[str, float]
    complete_from: dict[str, str]
    complete_to: dict[str, str]
    merges_pending: bool
    has_more: bool


class Position(msgspec.Struct, frozen=True):
    """Where an answer goes on: its question, of which `digest` is (b"" at the begin), was first sent at `now_ms`."""

    now_ms: int
    skip: int = 0
    digest: bytes = b""


def position_of(svc: Services, cursor: str | None, *, skip: int = 0) -> Position:
    """`skip` rows from the begin when there is no cursor. Raises BadRequest."""
    if cursor is None:
        return Position(svc.clock.now_ms(), skip)
    digest, now_ms, skip = decode_cursor(_CURSOR, cursor, tuple[bytes, int, int])
    if not (digest and 0 <= skip <= _MOST_SKIPPED and 0 <= now_ms <= svc.clock.now_ms()):
        raise BadRequest("the cursor is not valid: use next_cursor of the page before", field="cursor")
    return Position(now_ms, skip, digest)


def next_cursor(query: AggregateQuery, here: Position, found: QueryAnswer) -> str | None:
    if not found.has_more:
        return None
    return encode_cursor(_CURSOR, _digest(query), here.now_ms, here.skip + (query.plan.limit or 0))


def check_position(query: AggregateQuery, here: Position) -> None:
    """Raises BadRequest when the cursor was given for another question."""
    if here.digest and here.digest != _digest(query):
        raise BadRequest("the cursor was given for another query: send the same with it", field="cursor")


async def parse(
    svc: Services,
    given: AggregateRequest,
    here: Position,
    *,
    size_bytes: int,
    where: Filter | None = None,
    within: Span | None = None,
) -> AggregateQuery:
    """As `aggregates.parse`, of a request of `size_bytes`. Raises Invalid, BadRequest for another question's cursor."""
    is_quick = size_bytes <= ON_THE_LOOP_BYTES and given.timezone == "UTC"
    read = partial(aggregates.parse, given, now_ms=here.now_ms, skip=here.skip, where=where, within=within)
    query = read() if is_quick else await svc.cpu(read)
    check_position(query, here)
    return query


async def tag(svc: Services, project: int, query: AggregateQuery, here: Position) -> bytes | None:
    """Names the answer as long as it stays the same; None when its range was still open at the question."""
    if query.plan.span.end_ms >= here.now_ms:
        return None
    parts = [_digest(query), msgspec.msgpack.encode((project, query.plan.limit, query.plan.skip))]
    parts += [await svc.event_reader.version(project, plan) for plan in _plans(query)]
    return xxhash.xxh3_128_digest(b"\0".join(parts))


async def run_query(svc: Services, project: int, query: AggregateQuery, tag: bytes | None) -> QueryAnswer:
    """Raises Invalid for what cannot be answered, TooCostly past the deadline or the memory limit."""
    key = ("query", tag)
    cached = svc.cache.get(key) if tag is not None else None
    if cached is not None:
        return msgspec.msgpack.decode(cached, type=QueryAnswer)
    answers = [await svc.event_reader.run_query(project, plan) for plan in _plans(query)]
    if _is_short(query, answers):
        found = _combine_answers(query, answers)
    else:
        cpu = svc.cpu_beside(ROW_BYTES * sum(len(one.rows) for one in answers))
        found = await cpu(_combine_answers, query, answers)
    if tag is not None:
        svc.cache.put(key, msgspec.msgpack.encode(found))
    return found


async def run_question(
    svc: Services, project: int, question: AggregateRequest | FunnelRequest | RetentionRequest | PathsRequest
) -> bytes:
    """The rows of a saved question as it is answered now, a JSON array. Raises as `run_query`."""
    now_ms = svc.clock.now_ms()
    match question:
        case AggregateRequest():
            here = Position(now_ms)
            query = await parse(svc, question, here, size_bytes=ON_THE_LOOP_BYTES + 1)
            return (await run_query(svc, project, query, await tag(svc, project, query, here))).rows
        case FunnelRequest():
            funnel = funnels.funnel(question, now_ms=now_ms)
            return (await funnels_service.funnel(svc, project, funnel, asked_ms=now_ms)).rows
        case RetentionRequest():
            retention = await svc.cpu(funnels.retention, question, now_ms=now_ms)
            return (await funnels_service.retention(svc, project, retention, asked_ms=now_ms)).rows
        case PathsRequest():
            paths = funnels.paths(question, now_ms=now_ms)
            return (await funnels_service.paths(svc, project, paths, asked_ms=now_ms)).rows


async def run_plan(svc: Services, project: int, query: AggregateQuery) -> list[tuple[Any, ...]]:
    """The plan's rows as they are computed: keys, then metrics. Raises as `run_query`."""
    return (await svc.event_reader.run_query(project, query.plan)).rows


async def run_listing(svc: Services, project: int, listing: Listing) -> tuple[Sequence[str], list[tuple[Any, ...]]]:
    """The columns of the event log's relation, and up to `limit` rows with one more when there are more."""
    found = await svc.event_reader.run_query(
        project, msgspec.structs.replace(listing, limit=(listing.limit or MAX_ROWS) + 1)
    )
    return found.columns, found.rows


def _plans(query: AggregateQuery) -> list[Aggregate]:
    """The plans for the event log. To fill in, and for the range before, all groups are needed."""
    limit = query.plan.limit or MAX_ROWS
    if query.fill:
        first = msgspec.structs.replace(query.plan, having=(), order=(), limit=MAX_ROWS + 1, skip=0)
    else:
        first = msgspec.structs.replace(query.plan, limit=limit + 1)
    if query.previous is None:
        return [first]
    return [first, msgspec.structs.replace(query.previous, limit=MAX_ROWS + 1)]


def _is_short(query: AggregateQuery, answers: Sequence[QueryResult]) -> bool:
    """What is written on the event loop: a few values, which may be 32 kB long each."""
    if query.fill or query.previous or len(answers[0].rows) > SHORT_VALUES:
        return False
    return len(answers[0].rows) * len(answers[0].columns) <= SHORT_VALUES


def _combine_answers(query: AggregateQuery, answers: Sequence[QueryResult]) -> QueryAnswer:
    first, *before = answers
    if query.fill:
        _refuse_many(first, "fill")
    for other in before:
        _refuse_many(other, "compare")
    rows, has_more = result_rows.encoded(query, first.rows, before[0].rows if before else None)
    estimated = {name for one in answers for name in one.approximate}
    sources = {one.source for one in answers}
    complete_from, complete_to = (_times_by_metric(query, [one.whole[end] for one in answers]) for end in (0, 1))
    return QueryAnswer(
        rows,
        sources.pop() if len(sources) == 1 else "both",
        sum(one.scanned for one in answers),
        {
            metric.name: QUANTILE_ERROR if metric.function == "quantile" else UNIQUE_ERROR
            for metric in query.plan.metrics
            if metric.name in estimated
        },
        complete_from,
        complete_to,
        any(one.merging for one in answers),
        has_more,
    )


def _times_by_metric(query: AggregateQuery, found: Sequence[int | None]) -> dict[str, str]:
    """A time of each answer, None where there is none, by the names of its metrics."""
    return {
        f"{prefix}{metric.name}": time_buckets.text(query.zone, at)
        for prefix, at in zip(("", "previous."), found, strict=False)
        if at is not None
        for metric in query.plan.metrics
    }


def _refuse_many(answer: QueryResult, field: str) -> None:
    if len(answer.rows) > MAX_ROWS:
        raise Invalid(
            f"{field} takes all groups at once, and there are more than {MAX_ROWS}: ask for a shorter range, a longer "
            "interval or fewer keys, or leave it out",
            field=field,
        )


def _digest(query: AggregateQuery) -> bytes:
    """Of all that makes the answer but how much of it is wanted. As JSON: msgpack has no numbers past 64 bits."""
    plan = msgspec.structs.replace(query.plan, limit=None, skip=0)
    return xxhash.xxh3_64_digest(msgspec.json.encode((plan, query.fill, query.previous, query.given.timezone)))
