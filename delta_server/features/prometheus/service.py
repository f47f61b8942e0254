"""What Prometheus' questions are about here: counts of events, and numeric fields of snapshots."""

from collections.abc import Sequence
from typing import Any

import msgspec

from delta_server.core import times
from delta_server.core.caller import Caller
from delta_server.core.errors import Invalid, NotFound
from delta_server.core.history import series
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.core.prometheus import samples
from delta_server.core.prometheus.expression import EVENTS, FIELD, Expression, Selector
from delta_server.core.prometheus.samples import Labels, Samples
from delta_server.core.query import aggregates, time_buckets
from delta_server.core.query.aggregates import AggregateRequest
from delta_server.core.query.plan import Interval
from delta_server.features.deltas.service import TYPES
from delta_server.features.endpoints import service as endpoints
from delta_server.features.history import service as history
from delta_server.features.queries import service as queries
from delta_server.services import Services

MOST_NAMES = 1000
_COLUMNS = {"event_type": "eventType", "source": "source"}
_RECORDS = 100
_POINTS = 5000
_NUMBER = 1 << TYPES.index("number")


class Found(msgspec.Struct, frozen=True):
    """Series with their samples; `labels` have no `__name__` where a function was applied."""

    series: list[tuple[Labels, Samples]]


async def evaluate(svc: Services, caller: Caller, project: int, wanted: Expression, at: range) -> Found:
    """Raises Invalid, NotFound, Forbidden."""
    if wanted.selector.metric == EVENTS:
        caller.require("events:read")
        found = await _events(svc, project, wanted, at)
    else:
        caller.require("snapshots:read")
        found = await _field(svc, project, wanted.selector, at)
    if wanted.by is not None:
        found = await svc.spare_cpu(samples.summed, found, wanted.by)
    return Found(found)


async def _events(svc: Services, project: int, wanted: Expression, at: range) -> list[tuple[Labels, Samples]]:
    size_ms = samples.bucket_ms(at.step, wanted.range_ms)
    names = [name for name in _COLUMNS if wanted.by is None or name in wanted.by]
    first = at.start - at.start % size_ms - (-(-wanted.range_ms // size_ms) * size_ms)
    span = [times.format(max(first, times.EARLIEST_MS)), times.format(min(at[-1] + 1, times.LATEST_MS))]
    asked = AggregateRequest(
        group_by=[f"time:{size_ms // samples.MINUTE_MS}m", *(_COLUMNS[name] for name in names)],
        range=span,
        filters=_filters(wanted.selector),
        limit=aggregates.MAX_ROWS,
    )
    query = await queries.parse(svc, asked, queries.position_of(svc, None), size_bytes=0)
    rows = await queries.run_plan(svc, project, query)
    if len(rows) >= aggregates.MAX_ROWS:
        raise Invalid("that is too many buckets of too many series: use a longer step, or narrow it", field="query")
    assert query.interval is not None, "time is among the groups"
    return await svc.spare_cpu(_counted, rows, query.interval, names, at, size_ms, wanted)


def _counted(
    rows: Sequence[tuple[Any, ...]],
    interval: Interval,
    names: Sequence[str],
    at: range,
    size_ms: int,
    wanted: Expression,
) -> list[tuple[Labels, Samples]]:
    counts: dict[Labels, dict[int, float]] = {}
    for begin, *values, count in rows:
        labels = tuple((name, str(value)) for name, value in zip(names, values, strict=True) if value is not None)
        group = counts.setdefault(labels, {})
        group[time_buckets.begins(interval, begin)] = count
    found = []
    for labels, group in counts.items():
        values = samples.increases(group, at, size_ms=size_ms, range_ms=wanted.range_ms)
        if wanted.function == "rate":
            values = [(moment, value * 1000 / wanted.range_ms) for moment, value in values]
        found.append((labels, values))
    return found


def _filters(selector: Selector) -> list[list[object]]:
    return [["is_not" if one.is_not else "is", _COLUMNS[one.label], list(one.values)] for one in selector.matchers]


async def _field(svc: Services, project: int, selector: Selector, at: range) -> list[tuple[Labels, Samples]]:
    name, path = selector.only("endpoint"), selector.only("path")
    if name is None or path is None:
        raise Invalid(f'{FIELD} needs one endpoint and one path: {FIELD}{{endpoint="...",path="/..."}}', field="query")
    endpoint = endpoints.resolve(svc, project, name)
    span = TimelineSpan(max(at.start, times.EARLIEST_MS), min(at[-1], times.LATEST_MS) + 1)
    found = await history.get_series(svc, endpoint, series.parse(path), span, history.Size(_POINTS, _RECORDS))
    lines: list[tuple[Labels, Samples]] = []
    for line in found.lines:
        labels = [("__name__", FIELD), ("endpoint", name), ("path", path)]
        labels += [("record", line.label or line.record)] if line.record else []
        values = [None if value is None else float(value) for value in line.values]
        lines.append((tuple(labels), samples.holding(found.times, values, at)))
    return lines


async def label_values(svc: Services, caller: Caller, project: int, label: str, of: Selector | None) -> list[str]:
    """Of one label, what there is: of `path` the fields of one endpoint."""
    if label == "__name__":
        return [EVENTS, FIELD]
    if label == "endpoint":
        caller.require("endpoints:read")
        found = await svc.db.read(endpoints.page, project, prefix="", after=None, limit=MOST_NAMES)
        return [one.endpoint.name for one in found]
    if label == "path":
        caller.require("snapshots:read")
        name = of.only("endpoint") if of is not None else None
        return [] if name is None else await _paths(svc, project, name)
    if label in _COLUMNS:
        caller.require("events:read")
        return sorted({value for labels in await _event_labels(svc, project, [label]) for _, value in labels})
    return []


async def _paths(svc: Services, project: int, name: str) -> list[str]:
    try:
        endpoint = endpoints.resolve(svc, project, name)
    except NotFound:
        return []
    found, _ = await history.list_fields(svc, endpoint, sought="", after=None, limit=MOST_NAMES)
    return [field.pattern for field in found if field.types & _NUMBER]


async def _event_labels(svc: Services, project: int, names: list[str], of: Selector | None = None) -> list[Labels]:
    """Of the last thirty days."""
    asked = AggregateRequest(
        group_by=[_COLUMNS[name] for name in names],
        range="30d",
        filters=_filters(of) if of else [],
        limit=MOST_NAMES,
    )
    query = await queries.parse(svc, asked, queries.position_of(svc, None), size_bytes=0)
    rows = await queries.run_plan(svc, project, query)
    return [
        tuple((name, str(value)) for name, value in zip(names, row, strict=False) if value is not None) for row in rows
    ]


async def all_series(svc: Services, caller: Caller, project: int, of: Selector) -> list[Labels]:
    """The label sets that a selector finds."""
    if of.metric == EVENTS:
        caller.require("events:read")
        found = await _event_labels(svc, project, list(_COLUMNS), of)
        return [(("__name__", EVENTS), *labels) for labels in found]
    caller.require("snapshots:read")
    name = of.only("endpoint")
    paths = [] if name is None else await _paths(svc, project, name)
    return [(("__name__", FIELD), ("endpoint", name or ""), ("path", path)) for path in paths]
