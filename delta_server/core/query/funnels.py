"""The bodies of POST /v1/query/funnel, /retention and /paths, read into core/query/plan.py's Funnel, Retention and
Paths.

    funnel      {"steps": ["page_view", {"eventType": "purchase", "filters": [["gt", "data.total", 10]]}],
                 "window": "7d", "groupBy": "source"}
    retention   {"start": "signup", "again": "page_view", "every": "1w", "periods": 8, "firstEver": false}
    paths       {"start": "page_view", "by": "eventType", "direction": "next", "depth": 3, "gap": "30m"}

All take `range`, `timezone` and `filters` as POST /v1/query does. A step is an event type, or an object of `eventType`
and `filters`. Every refusal names the part: `steps[1].filters[0][2]`.
"""

from collections.abc import Sequence
from datetime import tzinfo
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.json_schema import documented
from delta_server.core.nearest import did_you_mean, quoted
from delta_server.core.query import aggregates, fields, filters, time_buckets
from delta_server.core.query.plan import Condition, Field, Funnel, Interval, Paths, Retention, Span, Step

FEWEST_STEPS, MOST_STEPS = 2, 8
MOST_PERIODS = 100
MOST_DEPTH = 10
MOST_ROWS = 1_000
LONGEST_MS = 366 * times.DAY_MS

P = TypeVar("P", Funnel, Retention, Paths)
A = TypeVar("A", "FunnelRequest", "RetentionRequest", "PathsRequest")


class FunnelRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    steps: Annotated[list[Any], documented(minItems=FEWEST_STEPS, maxItems=MOST_STEPS)]
    window: str = "7d"
    range: Any = "30d"
    timezone: str = "UTC"
    filters: list[Any] = []
    group_by: str | None = None
    breakdown: str | msgspec.UnsetType | None = msgspec.UNSET
    limit: Annotated[int, documented(minimum=1, maximum=MOST_ROWS)] = 25


class RetentionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    start: Any = None
    again: Any = None
    every: str = "1w"
    periods: Annotated[int, documented(minimum=1, maximum=MOST_PERIODS)] = 8
    first_ever: bool = False
    range: Any = "90d"
    timezone: str = "UTC"
    week_start: str = "monday"
    filters: list[Any] = []


class PathsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    start: Any = None
    by: str = "eventType"
    direction: Literal["next", "previous"] = "next"
    depth: Annotated[int, documented(minimum=1, maximum=MOST_DEPTH)] = 3
    gap: str = "30m"
    range: Any = "7d"
    timezone: str = "UTC"
    filters: list[Any] = []
    limit: Annotated[int, documented(minimum=1, maximum=MOST_ROWS)] = 50


class BehaviourQuery(msgspec.Struct, Generic[P, A], frozen=True):
    """A validated query; `given` is the request with the range in times."""

    plan: P
    zone: tzinfo
    given: A


def funnel(given: FunnelRequest, *, now_ms: int) -> BehaviourQuery[Funnel, FunnelRequest]:
    """Raises Invalid."""
    if not FEWEST_STEPS <= len(given.steps) <= MOST_STEPS:
        raise Invalid(f"steps has {len(given.steps)}: give {FEWEST_STEPS} to {MOST_STEPS}", field="steps")
    zone, span, resolved = _range(_group_field(given), now_ms)
    plan = Funnel(
        span,
        tuple(_step(step, now_ms, f"steps[{n}]") for n, step in enumerate(given.steps)),
        _length(given.window, "window"),
        filters.parse(given.filters, now_ms=now_ms),
        None if resolved.group_by is None else _single(resolved.group_by, "groupBy"),
        _within(given.limit, MOST_ROWS, "limit"),
    )
    return BehaviourQuery(plan, zone, resolved)


def retention(given: RetentionRequest, *, now_ms: int) -> BehaviourQuery[Retention, RetentionRequest]:
    """Raises Invalid."""
    zone, span, resolved = _range(given, now_ms)
    plan = Retention(
        span,
        _days(given, zone, span),
        _within(given.periods, MOST_PERIODS, "periods"),
        None if given.start is None else _step(given.start, now_ms, "start").where,
        None if given.again is None else _step(given.again, now_ms, "again").where,
        filters.parse(given.filters, now_ms=now_ms),
        given.first_ever,
    )
    return BehaviourQuery(plan, zone, resolved)


def paths(given: PathsRequest, *, now_ms: int) -> BehaviourQuery[Paths, PathsRequest]:
    """Raises Invalid."""
    zone, span, resolved = _range(given, now_ms)
    plan = Paths(
        span,
        None if given.start is None else _step(given.start, now_ms, "start").where,
        _single(given.by, "by"),
        _within(given.depth, MOST_DEPTH, "depth"),
        _length(given.gap, "gap"),
        _within(given.limit, MOST_ROWS, "limit"),
        given.direction == "previous",
        filters.parse(given.filters, now_ms=now_ms),
    )
    return BehaviourQuery(plan, zone, resolved)


def _range(given: A, now_ms: int) -> tuple[tzinfo, Span, A]:
    """(time zone, span, the question with its range in times)."""
    zone = time_buckets.time_zone(given.timezone)
    span = aggregates.span(given.range, zone, now_ms=now_ms)
    request_with_range = [time_buckets.text(zone, span.start_ms), time_buckets.text(zone, span.end_ms)]
    return zone, span, msgspec.structs.replace(given, range=request_with_range)


def _group_field(given: FunnelRequest) -> FunnelRequest:
    """`breakdown` is another name of groupBy. Raises Invalid for both."""
    if not given.breakdown:
        return msgspec.structs.replace(given, breakdown=msgspec.UNSET)
    if given.group_by is not None:
        raise Invalid("breakdown is another name of groupBy: give one of them", field="breakdown")
    return msgspec.structs.replace(given, group_by=given.breakdown, breakdown=msgspec.UNSET)


def _step(given: object, now_ms: int, at: str) -> Step:
    if isinstance(given, str):
        return Step(given, _of_type(given, now_ms, at))
    if not isinstance(given, dict) or not given:
        raise Invalid(
            f'{at} must be an event type, or an object like {{"eventType": "purchase", "filters": []}}', field=at
        )
    if unknown := [name for name in given if name not in _STEP]:
        raise Invalid(
            f"{at} has no {quoted(unknown[0])}{did_you_mean(unknown[0], _STEP)}; known are {', '.join(_STEP)}", field=at
        )
    type_, name = given.get("eventType"), given.get("name")
    if name is not None and not (isinstance(name, str) and 1 <= len(name) <= filters.MAX_VALUE_LENGTH):
        raise Invalid(f"{at}.name must be a string", field=f"{at}.name")
    where = filters.all_of(
        [
            None if type_ is None else _of_type(type_, now_ms, f"{at}.eventType"),
            filters.parse(given.get("filters", []), now_ms=now_ms, at=f"{at}.filters"),
        ]
    )
    if where is None:
        raise Invalid(f"{at} is any event: give an eventType or filters", field=at)
    return Step(name or (type_ if isinstance(type_, str) else at), where)


_STEP = ("name", "eventType", "filters")


def _of_type(given: object, now_ms: int, at: str) -> Condition:
    values = given if isinstance(given, list) and given else [given]
    return filters.condition("is", fields.parse("eventType", at=at), values, now_ms=now_ms, at=at)


def _single(given: str, at: str) -> Field:
    field = fields.parse(given, at=at)
    if field.kind == "list":
        raise Invalid(f"{at} is {field.name}, of which an event has many: take a field of one value", field=at)
    return field


def _days(given: RetentionRequest, zone: tzinfo, span: Span) -> Interval:
    interval = time_buckets.parse(given.every, zone, span, at="every", week_start=given.week_start)
    if interval.step_ms % times.DAY_MS:
        raise Invalid(
            f"every must be whole days, weeks or months like 1d, 1w or month, not {quoted(given.every)}", field="every"
        )
    return interval


def _length(given: str, at: str) -> int:
    length_ms = times.parse_length(given, field=at)
    if length_ms > LONGEST_MS:
        raise Invalid(f"{at} must be at most {LONGEST_MS // times.DAY_MS}d, not {quoted(given)}", field=at)
    return length_ms


def _within(given: int, most: int, at: str) -> int:
    if not 1 <= given <= most:
        raise Invalid(f"{at} must be from 1 to {most}, not {given}", field=at)
    return given


def funnel_rows(
    question: BehaviourQuery[Funnel, FunnelRequest], found: Sequence[Sequence[Any]]
) -> list[dict[str, Any]]:
    """The answer's objects from rows of (value, step, persons, median ms), each value's steps one after the other."""
    plan = question.plan
    if not found and plan.by is None:
        found = [(None, step, 0, None) for step in range(len(plan.steps))]
    rows = []
    first = before = 0
    for value, step, persons, between_ms in found:
        first, before = (persons, persons) if step == 0 else (first, before)
        row = {"step": step + 1, "name": plan.steps[step].name}
        if plan.by is not None:
            row[plan.by.name] = _json_value(plan.by, value)
        row |= {"users": persons, "conversion": _share(persons, first)}
        rows.append(row | {"conversion_from_previous": _share(persons, before), "median_ms": between_ms})
        before = persons
    return rows


def retention_rows(
    question: BehaviourQuery[Retention, RetentionRequest], found: Sequence[Sequence[Any]]
) -> list[dict[str, Any]]:
    """The answer's objects from rows of (key of the cohort's interval, number, persons): all periods of a cohort that
    have begun within the range, those in which nobody came back too."""
    plan, counts = question.plan, {(key, number): persons for key, number, persons in found}
    rows = []
    for key in sorted({key for key, _ in counts}):
        size, cohort = counts[key, 0], time_buckets.text(question.zone, time_buckets.begins(plan.every, key))
        for number in range(plan.periods + 1):
            begin, end = (time_buckets.begins(plan.every, key + n * plan.every.stride) for n in (number, number + 1))
            if begin >= plan.span.end_ms:
                break
            users = counts.get((key, number), 0)
            shown = {"cohort": cohort, "period": number, "size": size, "users": users, "share": _share(users, size)}
            rows.append(shown | {"complete": end <= plan.span.end_ms})
    return rows


def paths_rows(question: BehaviourQuery[Paths, PathsRequest], found: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """The answer's objects from rows of (step, before, after, persons, times)."""
    by = question.plan.by
    return [
        {"step": step, "from": _json_value(by, before), "to": _json_value(by, after), "users": persons, "times": count}
        for step, before, after, persons, count in found
    ]


def _json_value(field: Field, value: Any) -> Any:
    return times.format(value) if field.kind == "time" and value is not None else value


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0
