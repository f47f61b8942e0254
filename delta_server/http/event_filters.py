"""The query parameters that choose events, the same for every route that reads them.

A handler takes them by `filters: NamedDependency[EventFilters]` and `opt=BY_DATA | example(...)`.
"""

from collections.abc import Iterable
from datetime import tzinfo
from typing import Annotated, Any, TypeAlias

import msgspec
from litestar import Request
from litestar.di import NamedDependency

from delta_server.core.errors import Invalid
from delta_server.core.query import aggregates, fields, filters, time_buckets
from delta_server.core.query.plan import Filter, Operation, Span
from delta_server.core.times import EARLIEST_MS, LATEST_MS
from delta_server.http.gate import PREFIXES
from delta_server.http.parameters import QueryParameter

BY_DATA = {PREFIXES: fields.PREFIXES}
"""For a handler's `opt`: `data.plan=pro`."""

_MOST_DIGITS = 18
_MOST_CONDITIONS = 4_096
"""Of characters: what is read on the event loop."""


class EventFilters(msgspec.Struct, frozen=True):
    """`start` and `end` as they came; `where` is all else."""

    start: str | None
    end: str | None
    zone: tzinfo
    zone_name: str
    week_start: str
    where: Filter | None

    def span(self, now_ms: int) -> Span:
        """All of time where nothing is said. Raises Invalid."""
        if self.start is None and self.end is None:
            return Span(EARLIEST_MS, LATEST_MS + 1)
        return self._between(self.start or "0001-01-01", self.end or "9999-12-31T23:59:59.999Z", now_ms)

    def week(self, now_ms: int) -> Span:
        """A week up to the other end or now where nothing is said. Raises Invalid."""
        return self._between(self.start, self.end, now_ms)

    def _between(self, start: str | None, end: str | None, now_ms: int) -> Span:
        return aggregates.between(start, end, self.zone, now_ms=now_ms, places=("startTime", "endTime"))


_Texts: TypeAlias = list[str] | None
_IN_JSON = 'Filters as of POST /v1/query, in JSON: [["is_not","source",["api"]]]'
_Conditions: TypeAlias = Annotated[str | None, QueryParameter(name="where", description=_IN_JSON)]


def event_filters(
    request: Request[Any, Any, Any],
    project: NamedDependency[int],
    start_time: Annotated[
        str | None, QueryParameter(name="startTime", description="At this time or later: a time, a date or an age")
    ] = None,
    end_time: Annotated[
        str | None, QueryParameter(name="endTime", description="Before this time: a time, a date or an age")
    ] = None,
    timezone: Annotated[str, QueryParameter(description="Of dates and days, such as Europe/Paris")] = "UTC",
    week_start: Annotated[str, QueryParameter(name="weekStart", description="The day on which weeks begin")] = "monday",
    event_type: Annotated[_Texts, QueryParameter(name="eventType", description="Only these types")] = None,
    source: Annotated[_Texts, QueryParameter(description="Only from these sources")] = None,
    user_id: Annotated[_Texts, QueryParameter(name="userId", description="Only of these users")] = None,
    anonymous_id: Annotated[_Texts, QueryParameter(name="anonymousId", description="Only of these")] = None,
    session_id: Annotated[_Texts, QueryParameter(name="sessionId", description="Only of these sessions")] = None,
    status: Annotated[_Texts, QueryParameter(description="Only with one of these")] = None,
    tags: Annotated[_Texts, QueryParameter(description="Only with one of these")] = None,
    min_priority: Annotated[
        str | None,
        QueryParameter(name="minPriority", description="At least this: 0 to 100, or low, normal, high, critical"),
    ] = None,
    q: Annotated[str | None, QueryParameter(description="Full text: every word stands somewhere in the event")] = None,
    conditions: _Conditions = None,
) -> EventFilters:
    """Lists are separated by commas or repeated. `data.plan=pro` and `metadata.team=a` are read besides."""
    now_ms = request.scope["state"]["clock"].now_ms()
    lists = {
        "eventType": event_type,
        "source": source,
        "userId": user_id,
        "anonymousId": anonymous_id,
        "sessionId": session_id,
        "status": status,
        "tags": tags,
    }
    parts = [
        _condition(name, "is", split(values), now_ms, at=name) for name, values in lists.items() if values is not None
    ]
    if min_priority is not None:
        parts.append(_condition("priority", "gte", [_least_priority(min_priority)], now_ms, at="minPriority"))
    parts += _by_data(request.query_params.multi_items(), now_ms)
    words = None if q is None else filters.full_text(q, at="q")
    where = filters.all_of([*parts, words, _where(conditions, now_ms)])
    time_buckets.weekday(week_start)
    return EventFilters(start_time, end_time, time_buckets.time_zone(timezone), timezone, week_start, where)


def _where(text: str | None, now_ms: int) -> Filter | None:
    """Raises Invalid."""
    if text is None:
        return None
    if len(text) > _MOST_CONDITIONS:
        raise Invalid(f"where has {len(text)} characters: at most {_MOST_CONDITIONS} are read", field="where")
    try:
        given = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise Invalid('where must be filters in JSON: [["is_not","source",["api"]]]', field="where") from None
    return filters.parse(given, now_ms=now_ms, at="where")


def _least_priority(text: str) -> str | float:
    """A number, or what may be a name of one. Raises Invalid for a number that no event has."""
    least = _meanings(text)[-1]
    if not isinstance(least, str) and not 0 <= least <= 100:
        raise Invalid("minPriority must be from 0 to 100, or low, normal, high, critical", field="minPriority")
    return least


def split(values: Iterable[str]) -> list[str]:
    return [part for value in values for part in value.split(",")]


def names(values: Iterable[str]) -> list[str]:
    """Of fields and metrics: as `split`, with spaces around them for who writes `count, unique_users`."""
    return [part.strip() for part in split(values)]


def _by_data(given: Iterable[tuple[str, Any]], now_ms: int) -> list[Filter]:
    values: dict[str, list[str]] = {}
    for name, value in given:
        if name.startswith(fields.PREFIXES):
            values.setdefault(name, []).append(str(value))
    return [
        _condition(name, "is", [other for one in texts for other in _meanings(one)], now_ms, at=name)
        for name, texts in values.items()
    ]


def _meanings(text: str) -> list[str | float | int | bool]:
    """A query string does not tell 5 from "5": both are meant."""
    try:
        value = msgspec.json.decode(text) if len(text) <= _MOST_DIGITS else None
    except (msgspec.DecodeError, UnicodeEncodeError):
        value = None
    return [text, value] if isinstance(value, int | float) else [text]


def _condition(name: str, operation: Operation, values: list[Any], now_ms: int, *, at: str) -> Filter:
    if len(values) > filters.MAX_VALUES:
        raise Invalid(f"{at} has {len(values)} values: at most {filters.MAX_VALUES} are allowed", field=at)
    return filters.condition(operation, fields.parse(name, at=at), values, now_ms=now_ms, at=at)
