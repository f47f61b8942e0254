"""How many events of each type a project has in some hours, and which types there are: from the rollups, where they are
known by then."""

from collections import Counter, defaultdict
from typing import Any

import msgspec
import structlog

from delta_server.core import times
from delta_server.core.anomalies import breakdown
from delta_server.core.anomalies.breakdown import Contribution
from delta_server.core.anomalies.detecting import Episode
from delta_server.core.errors import DeltaError
from delta_server.core.history.activity import HOUR_MS
from delta_server.core.query import fields
from delta_server.core.query.aggregates import MAX_ROWS, AggregateRequest
from delta_server.core.query.plan import Condition, Filter, Span
from delta_server.features.anomalies import recording, store
from delta_server.features.anomalies.recording import CODES, Part
from delta_server.features.anomalies.store import Series
from delta_server.features.queries import service as queries
from delta_server.features.queries.service import Position
from delta_server.services import Services
from delta_server.storage.database import Tx

LOOK_BACK = 180 * 24
MOST_HOURS, FEWEST_HOURS = 28 * 24, 24
MOST_TYPES = 50
"""Types that are watched, those first that were watched before; then the most frequent."""
_TYPES = (CODES, "")
_WEEK_MS = 7 * times.DAY_MS
_SOURCE = "source"

log = structlog.get_logger("delta.anomalies")


async def judge(svc: Services, project: int, hour: int) -> bool:
    """A part of what came up to an hour. Whether there is more. Raises TooCostly."""
    begin, watched = await svc.db.read(_known, project)
    first = begin if begin is not None else await _first(svc, project, hour)
    if first is None or first >= hour:
        return False
    counts, end = await _counts(svc, project, first, min(hour, first + MOST_HOURS))
    totals = Counter({name: sum(by_hour.values()) for name, by_hour in counts.items()})
    new = [name for name, _ in totals.most_common() if name not in watched]
    chosen = [*watched, *new[: max(0, MOST_TYPES - len(watched))]]
    hours: dict[Series, list[tuple[int, float | None]]] = {}
    for name in chosen:
        start = first if name in watched else min(counts[name])
        hours["events", name] = [(at, float(counts[name].get(at, 0))) for at in range(start, end)]
    readings = [(at * HOUR_MS, [name for name in counts if at in counts[name]]) for at in range(first, end)]
    part = Part(project, None, begin, end, hours, {_TYPES: readings})

    async def explain(kind: str, name: str, episode: Episode) -> list[Contribution]:
        try:
            return await _explain(svc, project, name, episode)
        except DeltaError as error:
            log.info("an anomaly is not explained", series=kind, reason=error.message)
            return []

    await recording.judge(svc, part, explain)
    return end < hour


def _known(tx: Tx, project: int) -> tuple[int | None, list[str]]:
    kept = store.states(tx, project, store.EVENTS)
    return store.hour(tx, project, store.EVENTS), [name for kind, name in kept if kind == "events"]


async def _first(svc: Services, project: int, hour: int) -> int | None:
    if not svc.event_reader.positions(project).newest:
        return None
    stats = await svc.event_maintenance.stats(project)
    if stats.first_at is None or stats.last_at is None:
        return None
    return max(stats.first_at // HOUR_MS, min(hour, stats.last_at // HOUR_MS) - LOOK_BACK)


async def _counts(svc: Services, project: int, first: int, end: int) -> tuple[dict[str, dict[int, int]], int]:
    """By type and hour, up to an hour that is `end`, or before it where there are too many."""
    while True:
        rows, has_more = await _ask(svc, project, first, end, ["time:1h", "eventType"])
        if not has_more or end - first <= 1:
            break
        end = max(first + 1, first + (end - first) // 2)
    counts: dict[str, dict[int, int]] = defaultdict(dict)
    for row in rows:
        if row["eventType"] is not None:
            counts[row["eventType"]][times.parse(row["time"], field="time") // HOUR_MS] = row["count"]
    return counts, end


async def _ask(
    svc: Services, project: int, first: int, end: int, keys: list[str], where: Filter | None = None
) -> tuple[list[dict[str, Any]], bool]:
    asked = AggregateRequest(metrics=["count"], group_by=keys, limit=MAX_ROWS)
    query = await queries.parse(
        svc,
        asked,
        Position(svc.clock.now_ms()),
        size_bytes=len(msgspec.json.encode(asked)),
        where=where,
        within=Span(first * HOUR_MS, end * HOUR_MS),
    )
    answer = await queries.run_query(svc, project, query, None)
    return msgspec.json.decode(answer.rows), answer.has_more


async def _explain(svc: Services, project: int, name: str, episode: Episode) -> list[Contribution]:
    """By source, beside the same hour a week before."""
    of_type = Condition("is", fields.parse("eventType", at="eventType"), (name,))
    parts: list[dict[str, float]] = []
    for at in (episode.peak, episode.peak - _WEEK_MS // HOUR_MS):
        rows, _ = await _ask(svc, project, at, at + 1, [_SOURCE], of_type)
        parts.append({row[_SOURCE]: float(row["count"]) for row in rows if row[_SOURCE]})
    return breakdown.contributions(*parts)
