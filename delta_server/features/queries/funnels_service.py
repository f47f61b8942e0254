"""What persons do, answered: from the cache while nothing has changed, else from the event log."""

from collections.abc import Callable
from typing import Any

import msgspec
import xxhash

from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.core.errors import BadRequest
from delta_server.core.query import funnels, time_buckets
from delta_server.core.query.funnels import BehaviourQuery, FunnelRequest, PathsRequest, RetentionRequest
from delta_server.core.query.persons_behind import PersonsRequest
from delta_server.core.query.plan import Funnel, Paths, Persons, Retention
from delta_server.services import Services
from delta_server.storage.eventlog import QueryResult

JsonRows = list[dict[str, Any]]
_CURSOR = "persons"


class FunnelAnswer(msgspec.Struct, frozen=True):
    """`rows` is a JSON array of objects."""

    rows: bytes
    source: str
    scanned: int
    complete_from: dict[str, str]
    merges_pending: bool


_COUNTED: dict[type, tuple[str, ...]] = {Funnel: ("users",), Retention: ("users",), Paths: ("users", "times")}
"""The columns of an answer that count."""


async def funnel(
    svc: Services, project: int, question: BehaviourQuery[Funnel, FunnelRequest], *, asked_ms: int
) -> FunnelAnswer:
    """Of a question that came at `asked_ms`. Raises Invalid for what cannot be answered, TooCostly past the deadline or
    the memory limit."""
    return await _run_query(
        svc, project, question, lambda answer: funnels.funnel_rows(question, answer.rows), asked_ms=asked_ms
    )


async def retention(
    svc: Services, project: int, question: BehaviourQuery[Retention, RetentionRequest], *, asked_ms: int
) -> FunnelAnswer:
    """Raises as `funnel`."""
    return await _run_query(
        svc, project, question, lambda answer: funnels.retention_rows(question, answer.rows), asked_ms=asked_ms
    )


async def paths(
    svc: Services, project: int, question: BehaviourQuery[Paths, PathsRequest], *, asked_ms: int
) -> FunnelAnswer:
    """Raises as `funnel`."""
    return await _run_query(
        svc, project, question, lambda answer: funnels.paths_rows(question, answer.rows), asked_ms=asked_ms
    )


async def _run_query(
    svc: Services,
    project: int,
    question: BehaviourQuery[Any, Any],
    shape: Callable[[QueryResult], JsonRows],
    *,
    asked_ms: int,
) -> FunnelAnswer:
    plan = question.plan
    key = None
    if plan.span.end_ms < asked_ms:  # events still come into an open range
        parts = (
            msgspec.json.encode((project, plan, question.given.timezone)),  # msgpack has no numbers past 64 bits
            await svc.event_reader.version(project, plan),
        )
        key = ("funnels", xxhash.xxh3_128_digest(b"\0".join(parts)))
        if (cached := svc.cache.get(key)) is not None:
            return msgspec.msgpack.decode(cached, type=FunnelAnswer)
    answer = await svc.event_reader.run_query(project, plan)
    rows = await svc.cpu(lambda: msgspec.json.encode(shape(answer)))
    since = answer.whole[0]
    complete = {} if since is None else dict.fromkeys(_COUNTED[type(plan)], time_buckets.text(question.zone, since))
    found = FunnelAnswer(rows, answer.source, answer.scanned, complete, answer.merging)
    if key is not None:
        svc.cache.put(key, msgspec.msgpack.encode(found))
    return found


class PersonsPosition(msgspec.Struct, frozen=True):
    """Where a list of persons goes on: behind one, of a question first sent at `now_ms`."""

    now_ms: int
    after: str | None = None


def position(svc: Services, given: PersonsRequest) -> PersonsPosition:
    """Raises BadRequest for a cursor that was not given for this question."""
    now_ms = svc.clock.now_ms()
    if given.cursor is None:
        return PersonsPosition(now_ms)
    digest, asked_ms, after = decode_cursor(_CURSOR, given.cursor, tuple[bytes, int, str])
    if digest != _digest(given) or not 0 <= asked_ms <= now_ms:
        raise BadRequest("the cursor was given for another query: send the same with it", field="cursor")
    return PersonsPosition(asked_ms, after)


def next_cursor(given: PersonsRequest, here: PersonsPosition, last: str) -> str:
    return encode_cursor(_CURSOR, _digest(given), here.now_ms, last)


async def persons(svc: Services, project: int, plan: Persons) -> list[str]:
    """One more than its limit, where there are more. Raises as `funnel`."""
    answer = await svc.event_reader.run_query(project, msgspec.structs.replace(plan, limit=plan.limit + 1))
    return [person for (person,) in answer.rows]


def _digest(given: PersonsRequest) -> bytes:
    asked = msgspec.structs.replace(given, cursor=None, limit=0)
    return xxhash.xxh3_64_digest(msgspec.json.encode(asked, order="deterministic"))
