"""Metrics of events, step by step: what a rule of events judges. A step is as long as its query's range says, and is
judged when it is over; the range of `usual` is an hour."""

from collections.abc import Sequence
from typing import Any

import msgspec

from delta_server.core import times
from delta_server.core.alerts import usual
from delta_server.core.alerts.judging import Version
from delta_server.core.alerts.rules import DEVIATIONS, Rule
from delta_server.core.alerts.trial import Timed
from delta_server.core.errors import Invalid
from delta_server.core.query.aggregates import AggregateRequest
from delta_server.features.queries import service as queries
from delta_server.features.queries.service import Position
from delta_server.services import Services

LENGTHS = ("1m", "5m", "15m", "30m", "1h", "6h", "12h", "1d")
GRACE_MS = 60_000
"""Events of a step come in for so long after its end."""
MOST_STEPS = 2_000


def length_ms(rule: Rule) -> int:
    return usual.HOUR_MS if rule.kind == "usual" else times.parse_length(str(_query(rule).range), field="query.range")


def check(rule: Rule) -> None:
    """Raises Invalid."""
    query = _query(rule)
    if rule.kind == "metric" and query.range not in LENGTHS:
        raise Invalid(f"query.range must be the length of a step: {', '.join(LENGTHS)}", field="query.range")
    for name, is_there in (
        ("groupBy", query.group_by),
        ("having", query.having),
        ("compare", query.compare),
        ("cursor", query.cursor),
        ("limit", query.limit),
    ):
        if is_there:
            raise Invalid(f"query.{name} is no part of a rule, which judges one number: leave it out", field="query")
    if len(query.metrics) != 1:
        raise Invalid("query.metrics must be one", field="query.metrics")


def last_end(rule: Rule, now_ms: int) -> int:
    """Up to when steps are over, and their events are there."""
    return _floor(now_ms - GRACE_MS, length_ms(rule))


def due_at(rule: Rule, judged_ms: int) -> int:
    """When the step after `judged_ms` can be judged."""
    return judged_ms + length_ms(rule) + GRACE_MS


async def steps(svc: Services, project: int, rule: Rule, from_ms: int, to_ms: int) -> list[Timed]:
    """Those that begin at `from_ms` or later and are over by `to_ms`, the newest MOST_STEPS. Raises TooCostly, Invalid
    for a query that cannot be answered."""
    step_ms = length_ms(rule)
    end_ms = _floor(to_ms, step_ms)
    first_ms = max(-_floor(-from_ms, step_ms), end_ms - MOST_STEPS * step_ms)
    if first_ms >= end_ms:
        return []
    begin_ms = first_ms - usual.WINDOW_MS - usual.HOUR_MS if rule.kind == "usual" else first_ms
    values = await _values(svc, project, rule, begin_ms, end_ms)
    hours = [(at, values.get(at, (None, None))[1]) for at in range(begin_ms, end_ms, step_ms)]
    ranges: Sequence[tuple[float, float] | None] = [None] * len(hours)
    if rule.kind == "usual":
        ranges = await svc.spare_cpu(usual.usual_ranges, hours, rule.value or DEVIATIONS, _query(rule).timezone)
    return [
        Timed(at + step_ms, Version(_reading(values.get(at)), usual=expected))
        for (at, _), expected in zip(hours, ranges, strict=True)
        if at >= first_ms
    ]


def with_deviations(found: Sequence[Timed], rule: Rule, deviations: float) -> list[Timed]:
    """The same steps with the ranges in which so many deviations are usual."""
    share = deviations / (rule.value or DEVIATIONS)
    return [
        each
        if each.version.usual is None
        else Timed(each.at_ms, msgspec.structs.replace(each.version, usual=usual.widened(each.version.usual, share)))
        for each in found
    ]


async def _values(
    svc: Services, project: int, rule: Rule, begin_ms: int, end_ms: int
) -> dict[int, tuple[bytes, float | None]]:
    """By the begin of its step, a metric as JSON and as a number."""
    query, step = _query(rule), "1h" if rule.kind == "usual" else str(_query(rule).range)
    whole = msgspec.structs.replace(
        query,
        range=[times.format(begin_ms), times.format(end_ms)],
        group_by=[f"time:{step}"],
        order_by=[],
        timezone="UTC",
        fill="zero" if query.fill is None else query.fill,
        limit=10_000,
    )
    parsed = await queries.parse(svc, whole, Position(svc.clock.now_ms()), size_bytes=len(msgspec.json.encode(whole)))
    answer = await queries.run_query(svc, project, parsed, None)
    rows: list[dict[str, Any]] = msgspec.json.decode(answer.rows)
    name = parsed.plan.metrics[0].name
    return {
        times.parse(row["time"], field="time"): (msgspec.json.encode(row[name]), _number(row[name])) for row in rows
    }


def _reading(value: tuple[bytes, float | None] | None) -> dict[str, bytes]:
    return {} if value is None or value[1] is None else {"": value[0]}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _query(rule: Rule) -> AggregateRequest:
    return rule.query or AggregateRequest()


def _floor(at_ms: int, step_ms: int) -> int:
    return at_ms - at_ms % step_ms
