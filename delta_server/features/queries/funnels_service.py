"""What persons do, answered: from the cache while nothing has changed, else from the event log."""

from collections.abc import Callable
from typing import Any

import msgspec
import xxhash

from delta_server.core.query import funnels, time_buckets
from delta_server.core.query.funnels import BehaviourQuery, FunnelRequest, PathsRequest, RetentionRequest
from delta_server.core.query.plan import Funnel, Paths, Retention
from delta_server.services import Services
from delta_server.storage.eventlog import QueryResult

JsonRows = list[dict[str, Any]]


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
