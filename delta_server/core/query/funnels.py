"""What POST /v1/query/funnel, /retention and /paths ask, read into core/query/plan.py's Funnel, Retention and Paths.

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
from delta_server.core.nearest import meant, shown
from delta_server.core.query import aggregates, fields, filters, time_buckets
from delta_server.core.query.plan import Condition, Field, Funnel, Interval, Paths, Retention, Span, Step

FEWEST_STEPS, MOST_STEPS = 2, 8
MOST_PERIODS = 100
MOST_DEPTH = 10
MOST_ROWS = 1_000
LONGEST_MS = 366 * times.DAY_MS

P = TypeVar("P", Funnel, Retention, Paths)
A = TypeVar("A", "FunnelAsked", "RetentionAsked", "PathsAsked")


class FunnelAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    steps: Annotated[list[Any], documented(minItems=FEWEST_STEPS, maxItems=MOST_STEPS)]
    window: str = "7d"
    range: Any = "30d"
    timezone: str = "UTC"
    filters: list[Any] = []
    group_by: str | None = None
    breakdown: str | msgspec.UnsetType | None = msgspec.UNSET
    limit: Annotated[int, documented(minimum=1, maximum=MOST_ROWS)] = 25


class RetentionAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    start: Any = None
    again: Any = None
    every: str = "1w"
    periods: Annotated[int, documented(minimum=1, maximum=MOST_PERIODS)] = 8
    first_ever: bool = False
    range: Any = "90d"
    timezone: str = "UTC"
    week_start: str = "monday"
    filters: list[Any] = []


class PathsAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    start: Any = None
    by: str = "eventType"
    direction: Literal["next", "previous"] = "next"
    depth: Annotated[int, documented(minimum=1, maximum=MOST_DEPTH)] = 3
    gap: str = "30m"
    range: Any = "7d"
    timezone: str = "UTC"
    filters: list[Any] = []
    limit: Annotated[int, documented(minimum=1, maximum=MOST_ROWS)] = 50


class Question(msgspec.Struct, Generic[P, A], frozen=True):
    """A question understood; `asked` is it with the range in times."""

    plan: P
    zone: tzinfo
    asked: A


def funnel(asked: FunnelAsked, *, now_ms: int) -> Question[Funnel, FunnelAsked]:
    """Raises Invalid."""
    if not FEWEST_STEPS <= len(asked.steps) <= MOST_STEPS:
        raise Invalid(f"steps has {len(asked.steps)}: give {FEWEST_STEPS} to {MOST_STEPS}", field="steps")
    zone, span, resolved = _range(_grouped(asked), now_ms)
    plan = Funnel(
        span,
        tuple(_step(step, now_ms, f"steps[{n}]") for n, step in enumerate(asked.steps)),
        _length(asked.window, "window"),
        filters.parse(asked.filters, now_ms=now_ms),
        None if resolved.group_by is None else _single(resolved.group_by, "groupBy"),
        _within(asked.limit, MOST_ROWS, "limit"),
    )
    return Question(plan, zone, resolved)


def retention(asked: RetentionAsked, *, now_ms: int) -> Question[Retention, RetentionAsked]:
    """Raises Invalid."""
    zone, span, resolved = _range(asked, now_ms)
    plan = Retention(
        span,
        _days(asked, zone, span),
        _within(asked.periods, MOST_PERIODS, "periods"),
        None if asked.start is None else _step(asked.start, now_ms, "start").where,
        None if asked.again is None else _step(asked.again, now_ms, "again").where,
        filters.parse(asked.filters, now_ms=now_ms),
        asked.first_ever,
    )
    return Question(plan, zone, resolved)


def paths(asked: PathsAsked, *, now_ms: int) -> Question[Paths, PathsAsked]:
    """Raises Invalid."""
    zone, span, resolved = _range(asked, now_ms)
    plan = Paths(
        span,
        None if asked.start is None else _step(asked.start, now_ms, "start").where,
        _single(asked.by, "by"),
        _within(asked.depth, MOST_DEPTH, "depth"),
        _length(asked.gap, "gap"),
        _within(asked.limit, MOST_ROWS, "limit"),
        asked.direction == "previous",
        filters.parse(asked.filters, now_ms=now_ms),
    )
    return Question(plan, zone, resolved)


def _range(asked: A, now_ms: int) -> tuple[tzinfo, Span, A]:
    """(time zone, span, the question with its range in times)."""
    zone = time_buckets.zone(asked.timezone)
    span = aggregates.span(asked.range, zone, now_ms=now_ms)
    told = [time_buckets.text(zone, span.start_ms), time_buckets.text(zone, span.end_ms)]
    return zone, span, msgspec.structs.replace(asked, range=told)


def _grouped(asked: FunnelAsked) -> FunnelAsked:
    """`breakdown` is another name of groupBy. Raises Invalid for both."""
    if not asked.breakdown:
        return msgspec.structs.replace(asked, breakdown=msgspec.UNSET)
    if asked.group_by is not None:
        raise Invalid("breakdown is another name of groupBy: give one of them", field="breakdown")
    return msgspec.structs.replace(asked, group_by=asked.breakdown, breakdown=msgspec.UNSET)


def _step(asked: object, now_ms: int, at: str) -> Step:
    if isinstance(asked, str):
        return Step(asked, _of_type(asked, now_ms, at))
    if not isinstance(asked, dict) or not asked:
        raise Invalid(
            f'{at} must be an event type, or an object like {{"eventType": "purchase", "filters": []}}', field=at
        )
    if unknown := [name for name in asked if name not in _STEP]:
        raise Invalid(
            f"{at} has no {shown(unknown[0])}{meant(unknown[0], _STEP)}; known are {', '.join(_STEP)}", field=at
        )
    type_, name = asked.get("eventType"), asked.get("name")
    if name is not None and not (isinstance(name, str) and 1 <= len(name) <= filters.MAX_VALUE_LENGTH):
        raise Invalid(f"{at}.name must be a string", field=f"{at}.name")
    where = filters.every(
        [
            None if type_ is None else _of_type(type_, now_ms, f"{at}.eventType"),
            filters.parse(asked.get("filters", []), now_ms=now_ms, at=f"{at}.filters"),
        ]
    )
    if where is None:
        raise Invalid(f"{at} is any event: give an eventType or filters", field=at)
    return Step(name or (type_ if isinstance(type_, str) else at), where)


_STEP = ("name", "eventType", "filters")


def _of_type(asked: object, now_ms: int, at: str) -> Condition:
    values = asked if isinstance(asked, list) and asked else [asked]
    return filters.condition("is", fields.parse("eventType", at=at), values, now_ms=now_ms, at=at)


def _single(asked: str, at: str) -> Field:
    field = fields.parse(asked, at=at)
    if field.kind == "list":
        raise Invalid(f"{at} is {field.name}, of which an event has many: take a field of one value", field=at)
    return field


def _days(asked: RetentionAsked, zone: tzinfo, span: Span) -> Interval:
    interval = time_buckets.parse(asked.every, zone, span, at="every", week_start=asked.week_start)
    if interval.step_ms % times.DAY_MS:
        raise Invalid(
            f"every must be whole days, weeks or months like 1d, 1w or month, not {shown(asked.every)}", field="every"
        )
    return interval


def _length(asked: str, at: str) -> int:
    length_ms = times.parse_length(asked, field=at)
    if length_ms > LONGEST_MS:
        raise Invalid(f"{at} must be at most {LONGEST_MS // times.DAY_MS}d, not {shown(asked)}", field=at)
    return length_ms


def _within(asked: int, most: int, at: str) -> int:
    if not 1 <= asked <= most:
        raise Invalid(f"{at} must be from 1 to {most}, not {asked}", field=at)
    return asked


def funnel_rows(question: Question[Funnel, FunnelAsked], found: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
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
            row[plan.by.name] = _shown(plan.by, value)
        row |= {"users": persons, "conversion": _share(persons, first)}
        rows.append(row | {"conversion_from_previous": _share(persons, before), "median_ms": between_ms})
        before = persons
    return rows


def retention_rows(
    question: Question[Retention, RetentionAsked], found: Sequence[Sequence[Any]]
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


def paths_rows(question: Question[Paths, PathsAsked], found: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """The answer's objects from rows of (step, before, after, persons, times)."""
    by = question.plan.by
    return [
        {"step": step, "from": _shown(by, before), "to": _shown(by, after), "users": persons, "times": count}
        for step, before, after, persons, count in found
    ]


def _shown(field: Field, value: Any) -> Any:
    return times.format(value) if field.kind == "time" and value is not None else value


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0
