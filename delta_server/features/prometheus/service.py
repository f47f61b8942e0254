"""What Prometheus' questions are about here: counts of events, and numeric fields of snapshots."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from delta_server.core import times
from delta_server.core.caller import Caller
from delta_server.core.errors import Invalid, NotFound
from delta_server.core.history import series
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.core.prometheus import samples
from delta_server.core.prometheus.expression import EVENTS, FIELD, METRICS, Expression, Selector
from delta_server.core.prometheus.samples import Labels, Samples
from delta_server.core.query import aggregates, time_buckets
from delta_server.core.query.aggregates import AggregateQuery, AggregateRequest
from delta_server.core.query.plan import Interval
from delta_server.features.deltas.service import TYPES
from delta_server.features.endpoints import service as endpoints
from delta_server.features.history import service as history
from delta_server.features.queries import service as queries
from delta_server.services import Services

MOST_NAMES = 1000
_COLUMNS = {"event_type": "eventType", "source": "source"}
_FILTER = re.compile(r"filters\[([0-9]+)\](?:\[[0-9]+\])*")
_RECORDS = 100
_READ_RECORDS = 1000
"""Of those a matcher chooses from."""
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
    begin, end = samples.minute_of(at.start) - samples.whole_minutes(wanted.range_ms), samples.minute_of(at[-1])
    begin, end = max(begin, times.EARLIEST_MS), min(end, times.LATEST_MS)
    if begin >= end:
        return []
    names = [name for name in _COLUMNS if wanted.by is None or name in wanted.by]
    time = await svc.spare_cpu(_time_keys, at, wanted.range_ms)
    asked = AggregateRequest(
        group_by=[*time, *(_COLUMNS[name] for name in names)],
        range=[times.format(begin), times.format(end)],
        filters=_filters(wanted.selector),
        limit=aggregates.MAX_ROWS,
    )
    query = await _parsed(svc, asked, wanted.selector)
    rows = await queries.run_plan(svc, project, query)
    if len(rows) >= aggregates.MAX_ROWS:
        raise Invalid("that is too many buckets of too many series: use a longer step, or narrow it", field="query")
    return await svc.spare_cpu(_counted, rows, query.interval, names, at, begin, wanted)


def _time_keys(at: range, range_ms: int) -> list[str]:
    """The buckets to count by, none for a single moment. Raises Invalid."""
    if len(at) == 1:
        return []
    count, size_ms = samples.bucket_count(at, range_ms), samples.bucket_ms(at, range_ms)
    if count >= time_buckets.MOST:
        raise Invalid(
            f"that needs {count} buckets of {size_ms // samples.MINUTE_MS} minutes, at most {time_buckets.MOST} are "
            "counted: take a shorter time, or a start, a step and a range that are multiples of a longer one",
            field="step",
        )
    return [f"time:{size_ms // samples.MINUTE_MS}m"]


def _counted(
    rows: Sequence[tuple[Any, ...]],
    interval: Interval | None,
    names: Sequence[str],
    at: range,
    begin: int,
    wanted: Expression,
) -> list[tuple[Labels, Samples]]:
    """Without an interval, all is counted from `begin` on."""
    counts: dict[Labels, dict[int, float]] = {}
    for *keys, count in rows:
        if not count:  # of no events at all, without a key
            continue
        bucket = begin if interval is None else time_buckets.begins(interval, keys.pop(0))
        labels = tuple((name, str(value)) for name, value in zip(names, keys, strict=True) if value is not None)
        counts.setdefault(labels, {})[bucket] = count
    found = []
    for labels, group in counts.items():
        values = samples.increases(group, at, wanted.range_ms)
        if wanted.function == "rate":
            seconds = samples.whole_minutes(wanted.range_ms) / 1000
            values = [(moment, value / seconds) for moment, value in values]
        found.append((labels, values))
    return found


async def _parsed(svc: Services, asked: AggregateRequest, selector: Selector | None) -> AggregateQuery:
    """Raises Invalid, which names labels as the expression has them."""
    try:
        return await queries.parse(svc, asked, queries.position_of(svc, None), size_bytes=0)
    except Invalid as error:
        labels = [one.label for one in selector.matchers] if selector is not None else []
        raise Invalid(_FILTER.sub(lambda found: labels[int(found[1])], error.message), field="query") from None


def _filters(selector: Selector) -> list[list[object]]:
    return [["is_not" if one.is_not else "is", _COLUMNS[one.label], list(one.values)] for one in selector.matchers]


async def _field(svc: Services, project: int, selector: Selector, at: range) -> list[tuple[Labels, Samples]]:
    name, path = selector.only("endpoint"), selector.only("path")
    if name is None or path is None:
        raise Invalid(f'{FIELD} needs one endpoint and one path: {FIELD}{{endpoint="...",path="/..."}}', field="query")
    endpoint = endpoints.resolve(svc, project, name)
    span = TimelineSpan(max(at.start, times.EARLIEST_MS), min(at[-1], times.LATEST_MS) + 1)
    most = _READ_RECORDS if any(one.label == "record" for one in selector.matchers) else _RECORDS
    found = await history.get_series(svc, endpoint, series.parse(path), span, history.Size(_POINTS, most))
    lines = await svc.spare_cpu(_held, found, selector, name, path, at)
    if most > _RECORDS and found.left_off and not lines:
        raise Invalid(
            f"{path} has more than {most} records, and of those that changed most none has that label: name one record "
            "in the path",
            field="query",
        )
    return lines[:_RECORDS]


def _held(found: history.Series, selector: Selector, name: str, path: str, at: range) -> list[tuple[Labels, Samples]]:
    lines: list[tuple[Labels, Samples]] = []
    for line in found.lines:
        labels = [("__name__", FIELD), ("endpoint", name), ("path", path)]
        labels += [("record", line.label or line.record)] if line.record else []
        if not selector.finds(dict(labels)):
            continue
        values = [None if value is None else float(value) for value in line.values]
        lines.append((tuple(labels), samples.holding(found.times, values, at)))
    return lines


async def label_values(
    svc: Services, caller: Caller, project: int, label: str, of: Sequence[Selector] | None
) -> list[str]:
    """Of one label, what there is in what the selectors find, None for all: of `path` the fields of one endpoint."""
    if label == "__name__":
        return [one for one in METRICS if of is None or any(one == selector.metric for selector in of)]
    if label == "endpoint":
        caller.require("endpoints:read")
        found = await svc.db.read(endpoints.page, project, prefix="", after=None, limit=MOST_NAMES)
        return [one.endpoint.name for one in found]
    if label == "path":
        caller.require("snapshots:read")
        name = next((name for one in of or () if (name := one.only("endpoint")) is not None), None)
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
    query = await _parsed(svc, asked, of)
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
