"""The body of POST /v1/query, read into core/query/plan.py's Aggregate.

    {"metrics": ["count", "p95_duration"], "groupBy": ["time:1h", "eventType", "data.plan"],
     "range": "24h", "timezone": "Europe/Paris",
     "filters": [["is", "source", ["api"]], ["gte", "duration", 100]],
     "having": [["gt", "count", 10]], "orderBy": [["count", "desc"]],
     "limit": 100, "fill": "zero", "compare": "previous"}

`time:` takes lengths (15m, 6h, 1d, 2w), month, quarter and year; weeks begin on the day that `weekStart` names.
`range` is an age ("24h", "7d": up to now), [from, to] or {"from", "to"}: from the first on, before the second. A date
alone is its first moment in the time zone; where one is left out, it is a week up to the other or to now.
Every refusal names the part: `filters[1][0]`.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated, Any, Literal, TypeAlias, cast, get_args

import msgspec

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.json_schema import documented
from delta_server.core.nearest import did_you_mean, quoted
from delta_server.core.query import fields, filters, metrics, months, time_buckets
from delta_server.core.query.plan import Aggregate, Bound, Comparison, Filter, Interval, Key, Metric, Order, Span

MAX_METRICS = 30
MAX_KEYS = 10
MAX_BOUNDS = 30
MAX_ROWS = 10_000
DEFAULT_ROWS = 1_000
DEFAULT_RANGE_MS = 7 * times.DAY_MS
_LONGER_MS = 4 * times.DAY_MS
"""So much longer than a range of whole months those before it can be: a day for each month of three, for clocks one."""

Fill: TypeAlias = Literal["zero", "null"]

_TIME = "time:"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_COMPARISONS: tuple[str, ...] = get_args(Comparison)


class AggregateRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A request as it came. What is in the lists is checked by `parse`."""

    metrics: Annotated[list[Any], documented(minItems=1, maxItems=MAX_METRICS)] = msgspec.field(
        default_factory=lambda: ["count"]
    )
    group_by: Annotated[list[Any], documented(maxItems=MAX_KEYS)] = []
    range: Any = "7d"
    timezone: str = "UTC"
    week_start: str = "monday"
    filters: list[Any] = []
    having: Annotated[list[Any], documented(maxItems=MAX_BOUNDS)] = []
    order_by: list[Any] = []
    limit: Annotated[int, documented(minimum=1, maximum=MAX_ROWS)] | None = None
    cursor: str | None = None
    fill: Fill | None = None
    compare: Literal["previous"] | None = None


class AggregateQuery(msgspec.Struct, frozen=True):
    """A validated query. `plan.limit` rows from `plan.skip` on are wanted, after filling, of those that
    `plan.having` keeps: a bucket without events is kept or not like others. `previous` requests all groups of the
    range before. `given` is the request with its defaults filled in: the range in times, the limit."""

    plan: Aggregate
    interval: Interval | None
    zone: tzinfo
    fill: Fill | None
    previous: Aggregate | None
    given: AggregateRequest


def parse(
    given: AggregateRequest, *, now_ms: int, skip: int = 0, where: Filter | None = None, within: Span | None = None
) -> AggregateQuery:
    """`where` must hold besides `asked.filters`; `within` takes the place of `asked.range`. Raises Invalid."""
    zone = time_buckets.time_zone(given.timezone)
    within = within or span(given.range, zone, now_ms=now_ms)
    keys = _keys(given, zone, within)
    computed = _metrics(given.metrics)
    interval = next((key for key in keys if isinstance(key, Interval)), None)
    plan = Aggregate(
        within,
        computed,
        keys,
        filters.all_of([filters.parse(given.filters, now_ms=now_ms), where]),
        _having(given.having, computed),
        _order(given.order_by, computed, keys),
        _limit(given.limit),
        skip,
    )
    if given.fill and interval is None:
        raise Invalid('fill adds buckets of time without events: put a time in groupBy, like "time:1h"', field="fill")
    previous = _earlier(plan, zone, interval) if given.compare else None
    shown_range = [time_buckets.text(zone, within.start_ms), time_buckets.text(zone, within.end_ms)]
    resolved = msgspec.structs.replace(given, range=shown_range, limit=plan.limit, cursor=None)
    return AggregateQuery(plan, interval, zone, given.fill, previous, resolved)


def span(given: object, zone: tzinfo, *, now_ms: int, at: str = "range") -> Span:
    """The times a range means. Raises Invalid."""
    if isinstance(given, str):
        start_ms, end_ms = now_ms - times.parse_length(given, field=at), now_ms
        return Span(max(times.EARLIEST_MS, start_ms), end_ms)
    if isinstance(given, dict):
        if unknown := [name for name in given if name not in ("from", "to")]:
            raise Invalid(f"{at} has from and to, not {quoted(unknown[0])}", field=at)
        first, end, places = given.get("from"), given.get("to"), (f"{at}.from", f"{at}.to")
    elif isinstance(given, list) and len(given) == 2:
        (first, end), places = given, (f"{at}[0]", f"{at}[1]")
    else:
        raise Invalid(f'{at} must be an age like "24h" or two times like ["2026-05-01", "2026-05-08"]', field=at)
    return between(first, end, zone, now_ms=now_ms, places=places)


def between(first: object, end: object, zone: tzinfo, *, now_ms: int, places: tuple[str, str]) -> Span:
    """From a time and before another; None for DEFAULT_RANGE before the end, for now. Raises Invalid."""
    end_ms = now_ms if end is None else moment(end, zone, now_ms=now_ms, at=places[1])
    open_ms = max(times.EARLIEST_MS, end_ms - DEFAULT_RANGE_MS)
    found = Span(open_ms if first is None else moment(first, zone, now_ms=now_ms, at=places[0]), end_ms)
    if found.start_ms >= found.end_ms:
        raise Invalid(f"{places[0]} must lie before {places[1] if end is not None else 'now'}", field=places[0])
    return found


def moment(given: object, zone: tzinfo, *, now_ms: int, at: str) -> int:
    """A time, an age before now, or a date, whose first moment in the zone it is. Raises Invalid."""
    if not isinstance(given, str):
        raise Invalid(f"{at} must be a time like 2026-05-01T12:00:00Z, a date or an age like 24h", field=at)
    time_ms = times.parse_moment(given, field=at, now_ms=now_ms)
    if zone is UTC or not _is_date(given):
        return time_ms
    local = (_EPOCH + time_ms * _MILLISECOND).replace(tzinfo=zone)
    try:
        return max(times.EARLIEST_MS, (local - _EPOCH) // _MILLISECOND)
    except OverflowError:  # in year 1, east of Greenwich
        return times.EARLIEST_MS


def _is_date(text: str) -> bool:
    if not text[:1].isdigit() or text.endswith(("s", "m", "h", "d", "w")):
        return False
    return len(text) <= 8 or (len(text) <= 10 and not text.isdigit())  # more digits are seconds since 1970


def _earlier(plan: Aggregate, zone: tzinfo, interval: Interval | None) -> Aggregate:
    before = _previous_range(plan.span, zone, interval)
    keys = tuple(time_buckets.extended(key, zone, before) if isinstance(key, Interval) else key for key in plan.keys)
    return Aggregate(before, plan.metrics, keys, plan.where)


def _metrics(given: list[Any]) -> tuple[Metric, ...]:
    if not 1 <= len(given) <= MAX_METRICS:
        raise Invalid(f"metrics has {len(given)} names: give 1 to {MAX_METRICS}", field="metrics")
    found = tuple(metrics.parse(name, at=f"metrics[{n}]") for n, name in enumerate(given))
    _refuse_repeated([metric.name for metric in found], "metrics")
    return found


def _keys(given: AggregateRequest, zone: tzinfo, within: Span) -> tuple[Key, ...]:
    names = given.group_by
    if len(names) > MAX_KEYS:
        raise Invalid(f"groupBy has {len(names)} keys: at most {MAX_KEYS} are allowed", field="groupBy")
    time_buckets.weekday(given.week_start)
    found = tuple(_key(name, given, zone, within, f"groupBy[{n}]") for n, name in enumerate(names))
    _refuse_repeated(["time" if isinstance(key, Interval) else key.name for key in found], "groupBy")
    _refuse_repeated([key if isinstance(key, Interval) else (key.column, key.path) for key in found], "groupBy")
    return found


def _key(name: object, given: AggregateRequest, zone: tzinfo, within: Span, at: str) -> Key:
    if isinstance(name, str) and name.startswith(_TIME):
        return time_buckets.parse(name.removeprefix(_TIME), zone, within, at=at, week_start=given.week_start)
    if name == time_buckets.NAME:
        raise Invalid(f"{at}: say how long the buckets of time are: time:1h", field=at)
    return fields.parse(name, at=at)


def _refuse_repeated(names: list[Any], at: str) -> None:
    repeated = [n for n, name in enumerate(names) if name in names[:n]]
    if repeated:
        raise Invalid(f"{at}[{repeated[0]}] is there twice", field=f"{at}[{repeated[0]}]")


def _having(given: list[Any], computed: tuple[Metric, ...]) -> tuple[Bound, ...]:
    if len(given) > MAX_BOUNDS:
        raise Invalid(f"having has {len(given)} bounds: at most {MAX_BOUNDS} are allowed", field="having")
    return tuple(_bound(bound, computed, f"having[{n}]") for n, bound in enumerate(given))


def _bound(given: object, computed: tuple[Metric, ...], at: str) -> Bound:
    if not isinstance(given, list) or len(given) != 3:
        raise Invalid(f'{at} must be a bound like ["gt", "count", 10], not {quoted(given)}', field=at)
    operation, name, value = given
    if operation not in _COMPARISONS:
        said = quoted(operation) + (did_you_mean(operation, _COMPARISONS) if isinstance(operation, str) else "")
        raise Invalid(f"{at}[0] must be one of {', '.join(_COMPARISONS)}, not {said}", field=f"{at}[0]")
    numbers = [metric.name for metric in computed if metric.function != "mode"]
    if name not in numbers:
        raise Invalid(f"{at}[1] {_not_among(name, numbers, 'the numbers in metrics')}", field=f"{at}[1]")
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 10**38:
        raise Invalid(f"{at}[2] must be a number, not {quoted(value)}", field=f"{at}[2]")
    return Bound(cast("Comparison", operation), name, value)


def _order(given: list[Any], computed: tuple[Metric, ...], keys: tuple[Key, ...]) -> tuple[Order, ...]:
    names = [*(metric.name for metric in computed), *(key.name for key in keys)]
    if len(given) > len(names):
        raise Invalid(f"orderBy has {len(given)} parts, and rows {len(names)}", field="orderBy")
    found = tuple(_one_order(one, names, f"orderBy[{n}]") for n, one in enumerate(given))
    _refuse_repeated([order.name for order in found], "orderBy")
    return found


def _one_order(given: object, names: list[str], at: str) -> Order:
    if isinstance(given, str):
        name, place, descending = given.removeprefix("-"), at, given.startswith("-")
    elif isinstance(given, list) and len(given) == 2:
        name, place, descending = given[0], f"{at}[0]", given[1] == "desc"
        if given[1] not in ("asc", "desc"):
            raise Invalid(f'{at}[1] must be "asc" or "desc", not {quoted(given[1])}', field=f"{at}[1]")
    else:
        raise Invalid(f'{at} must be like ["count", "desc"], not {quoted(given)}', field=at)
    if isinstance(name, str) and name.startswith(_TIME):
        name = time_buckets.NAME
    if name not in names:
        raise Invalid(f"{place} {_not_among(name, names, 'metrics and groupBy')}", field=place)
    return Order(name, descending)


def _not_among(name: object, names: list[str], where: str) -> str:
    hint = did_you_mean(name, names) if isinstance(name, str) else ""
    return f"is none of {where}: {quoted(name)}{hint}; they are {', '.join(map(quoted, names)) or 'empty'}"


def _limit(given: int | None) -> int:
    limit = DEFAULT_ROWS if given is None else given
    if not 1 <= limit <= MAX_ROWS:
        raise Invalid(f"limit must be from 1 to {MAX_ROWS}", field="limit")
    return limit


def _previous_range(within: Span, zone: tzinfo, interval: Interval | None) -> Span:
    """The range that one is compared with: as long, just before it. By the calendar wherever that says it: whole months
    when months are counted, whole days (the same time of day at both ends) always, what days and longer are counted of
    as well. All else by its hours."""
    length_ms = within.end_ms - within.start_ms
    wide = Span(max(times.EARLIEST_MS, within.start_ms - length_ms - _LONGER_MS), within.end_ms)
    clock = Interval(time_buckets.NAME, times.DAY_MS, time_buckets.offsets(zone, wide))
    first, end = (at + time_buckets.offset_at(clock, at) for at in (within.start_ms, within.end_ms))
    count = months.whole(first, end) if interval is not None and interval.months else None
    if count is not None:
        return Span(time_buckets.begins(clock, months.moved(first, -count)), within.start_ms)
    by_days = interval is not None and (interval.months > 0 or interval.step_ms % times.DAY_MS == 0)
    if by_days or (end - first) % times.DAY_MS == 0:
        return Span(time_buckets.begins(clock, 2 * first - end), within.start_ms)
    return Span(within.start_ms - length_ms, within.start_ms)
