"""What is rolled up into which file, what has expired, and which parts of a span are answered from what: pure.

A file holds the buckets of one interval that begin in its range. A new range is a unit; when nothing has been added to
neighbours for a while, they are merged up to a stretch. Both are counted from the epoch, so nothing depends on
calendars, and a late event costs one small file.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise

import msgspec

from delta_server.core.event_storage.segment_plan import RetentionCutoffs
from delta_server.core.query.plan import (
    Aggregate,
    AllOf,
    AnyOf,
    Condition,
    Field,
    Filter,
    Interval,
    Metric,
    Negation,
    Span,
)
from delta_server.core.times import DAY_MS, LATEST_MS

EVER = -(2**62)
"""Before all times."""
_MINUTE_MS, _HOUR_MS = 60_000, 3_600_000


class Width(msgspec.Struct, frozen=True):
    """An interval, and the ranges of its files. Part 0 is a cell for each type and source; some have one for each type
    too, and one for all: where many cells have many persons each, it takes longer to merge than to read them."""

    name: str
    ms: int
    unit_ms: int
    stretch_ms: int
    parts: tuple[int, ...]


WIDTHS = (
    Width("1m", _MINUTE_MS, 3 * _HOUR_MS, DAY_MS, parts=(0,)),
    Width("5m", 5 * _MINUTE_MS, 6 * _HOUR_MS, DAY_MS, parts=(0,)),
    Width("15m", 15 * _MINUTE_MS, 12 * _HOUR_MS, 10 * DAY_MS, parts=(0,)),
    Width("1h", _HOUR_MS, DAY_MS, 30 * DAY_MS, parts=(0, 1, 2)),
    Width("1d", DAY_MS, 10 * DAY_MS, 1000 * DAY_MS, parts=(0, 1, 2)),
)
"""From the finest: each is made of the one before. Without 5m and 15m (a million events in 30 days), charts by 15
minutes and days of clocks half an hour off take 1.4 to 4 times as long, from cells of 1m that would have to be kept as
long: 1.4 and 1.8 times their bytes."""


def retention_days(days_by_interval: Mapping[str, int]) -> dict[Width, int]:
    """For how many days the buckets of each interval are kept, 0 for ever. Those of 15 minutes are as long as hours:
    where clocks are half an hour or three quarters off, no hour is one of theirs."""
    days = {width: days_by_interval[width.name] for width in WIDTHS}
    quarter, hour = (next(width for width in WIDTHS if width.name == name) for name in ("15m", "1h"))
    if days[quarter] and (not days[hour] or days[hour] > days[quarter]):
        days[quarter] = days[hour]
    return days


LAYERS = tuple((width, part) for width in WIDTHS for part in width.parts)

MERGED_BYTES = 4 << 20
"""Of a file that others were merged into: it is written again whole for each late event, and for twice as much the
writer would take more than 50 ms."""


class RollupState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the rollups of a project know, kept beside its settings. `raw`: before these times events have expired
    of, by type, of all others by "". `since`: before these times an interval's buckets have been, by ms.
    `stale`: UTC days since the epoch that are to be computed again, ascending. `persons`: how many changes of whose
    which id is they know of."""

    raw: dict[str, int] = {}
    since: dict[int, int] = {}
    stale: tuple[int, ...] = ()
    persons: int = 0

    def whole_from(self, types: Collection[str] | None = None) -> int:
        """From when on all events are there, of these types or of all."""
        others = self.raw.get("", EVER)
        if types is None:
            return max(self.raw.values(), default=EVER)
        return max((self.raw.get(name, others) for name in types), default=EVER)

    def there_from(self, width: Width) -> int:
        return self.since.get(width.ms, EVER)


def with_expired_events(known: RollupState, cutoffs: RetentionCutoffs) -> RollupState:
    """After events before `cutoffs` have expired."""
    others = known.raw.get("", EVER)
    names = {"", *known.raw, *cutoffs.types}
    ends = {name: cutoffs.types.get(name, cutoffs.others) for name in names}
    raw = {name: max(known.raw.get(name, others), EVER if (end := ends[name]) is None else end) for name in names}
    return msgspec.structs.replace(known, raw=raw)


def with_expired_rollups(known: RollupState, cutoffs: Mapping[int, int]) -> RollupState:
    """After buckets before these times, by interval, have expired."""
    since = {ms: max(known.since.get(ms, EVER), cutoff) for ms, cutoff in {**known.since, **cutoffs}.items()}
    return msgspec.structs.replace(known, since=since)


def with_stale_days(known: RollupState, stretches: Iterable[tuple[int, int]]) -> RollupState:
    """With the days of these times, (first, end) in ms, as stale."""
    days = {day for first, end in stretches for day in range(first // DAY_MS, -(-end // DAY_MS))}
    return msgspec.structs.replace(known, stale=tuple(sorted({*known.stale, *days})))


def without_stale_day(known: RollupState, day: int) -> RollupState:
    return msgspec.structs.replace(known, stale=tuple(each for each in known.stale if each != day))


# Files


def down(at: int, step: int) -> int:
    return at - at % step


def up(at: int, step: int) -> int:
    return -(-at // step) * step


def ranges(width: Width, units: Iterable[int], files: Sequence[Span]) -> list[Span]:
    """The ranges that hold these units (times // unit_ms), ascending: those of `files` where there are, else new
    ones."""
    found = set()
    for unit in units:
        new = Span(unit * width.unit_ms, (unit + 1) * width.unit_ms)
        there = [span for span in files if span.start_ms < new.end_ms and span.end_ms > new.start_ms]
        found.update(there or [new])
    return sorted(found, key=lambda span: span.start_ms)


class RollupFile(msgspec.Struct, frozen=True):
    id: int
    span: Span
    stored_bytes: int
    created_at: int


def merges(width: Width, files: Sequence[RollupFile], before_ms: int) -> list[list[RollupFile]]:
    """Neighbours within a stretch, of `files` ascending, that are each to become one. What is of times since
    `before_ms`, or was added to since, may be added to again."""
    runs: list[list[RollupFile]] = [[]]
    for file in files:
        if file.created_at >= before_ms or file.span.end_ms > before_ms:
            runs.append([])
        elif runs[-1] and _can_merge(width, runs[-1], file):
            runs[-1].append(file)
        else:
            runs.append([file])
    return [run for run in runs if len(run) > 1]


def _can_merge(width: Width, run: Sequence[RollupFile], next: RollupFile) -> bool:
    same = run[0].span.start_ms // width.stretch_ms == next.span.start_ms // width.stretch_ms
    return same and sum(file.stored_bytes for file in (*run, next)) <= MERGED_BYTES


# Answers

_KEYS = frozenset({"event_type", "source"})
_COUNTED = frozenset({"user_id", "session_id", *_KEYS})
_OF_NUMBERS = frozenset({"avg", "min", "max", "sum", "quantile", "count"})


def fits(plan: Aggregate) -> bool:
    """Whether rollups hold what it needs, at least at some interval."""
    return (
        all(isinstance(key, Interval) or _is_column(key, _KEYS) for key in plan.keys)
        and all(_is_metric(metric) for metric in plan.metrics)
        and all(_is_column(field, _KEYS) for field in fields(plan.where))
        and _is_plain(plan.where)
    )


def _is_column(field: Field, names: Collection[str]) -> bool:
    return not field.path and field.column in names


def _is_metric(metric: Metric) -> bool:
    if metric.field is None:
        return metric.function == "count"
    if metric.function == "unique":
        return _is_column(metric.field, _COUNTED)
    return metric.function in _OF_NUMBERS and _is_column(metric.field, {"duration"})


def _is_plain(where: Filter | None) -> bool:
    match where:
        case AllOf(parts) | AnyOf(parts):
            return all(map(_is_plain, parts))
        case Negation(part):
            return _is_plain(part)
        case _:
            return where is None or isinstance(where, Condition)


def fields(where: Filter | None) -> list[Field]:
    """All that a filter's conditions are about."""
    match where:
        case AllOf(parts) | AnyOf(parts):
            return [field for part in parts for field in fields(part)]
        case Negation(part):
            return fields(part)
        case Condition():
            return [where.field]
        case _:
            return []


def types(where: Filter | None) -> frozenset[str] | None:
    """The only types that can match, None when others can too."""
    match where:
        case Condition("is", field, values) if _is_column(field, {"event_type"}):
            return frozenset(str(value) for value in values)
        case AllOf(parts):
            known = [found for part in parts if (found := types(part)) is not None]
            return frozenset.intersection(*known) if known else None
        case _:
            return None


def split_by_clock(plan: Aggregate, span: Span) -> list[tuple[Span, list[Width]]]:
    """The span, cut where a key's clock is changed, each part with the intervals whose buckets lie in one bucket of
    each of the plan's keys, the coarsest first; neighbours with the same ones are one part where nothing straddles."""
    parts: list[tuple[Span, list[Width]]] = []
    keys = [key for key in plan.keys if isinstance(key, Interval)]
    changes = {until for key in keys for until, _ in key.offsets if span.start_ms < until < span.end_ms}
    for start, end in pairwise(sorted({span.start_ms, span.end_ms, *changes})):
        fitting = [width for width in reversed(WIDTHS) if all(_divides(width, key, start) for key in keys)]
        if parts and parts[-1][1] == fitting and (not fitting or start % fitting[0].ms == 0):
            parts[-1] = Span(parts[-1][0].start_ms, end), fitting
        else:
            parts.append((Span(start, end), fitting))
    return parts


def _divides(width: Width, key: Interval, at: int) -> bool:
    offset = next(offset for until, offset in key.offsets if at < until or until > LATEST_MS)
    return (key.step_ms or DAY_MS) % width.ms == offset % width.ms == 0


def cover_span(
    span: Span, choice: Sequence[Width], known: RollupState, *, whole_from: int, worth_ms: int
) -> tuple[list[tuple[Width, Span]], list[Span]]:
    """The pieces of a span that rollups answer, and the rest. Each piece has the coarsest interval there is for it; the
    rest is not cut up for less than `worth_ms`, unless events have expired there."""
    covered: list[tuple[Width, Span]] = []
    gaps = [span]
    for width in choice:
        gaps = [left for gap in gaps for left in _take(gap, width, known, whole_from, worth_ms, covered)]
    return covered, gaps


def _take(
    gap: Span, width: Width, known: RollupState, whole_from: int, worth_ms: int, covered: list[tuple[Width, Span]]
) -> list[Span]:
    start = up(max(gap.start_ms, known.there_from(width)), width.ms)
    end = down(gap.end_ms, width.ms)
    if start >= end or (end - start < worth_ms and gap.start_ms >= whole_from):
        return [gap]
    covered.append((width, Span(start, end)))
    rest = [Span(gap.start_ms, start), Span(end, gap.end_ms)]
    return [each for each in rest if each.start_ms < each.end_ms]


def whole(span: Span, lost: Iterable[Span]) -> tuple[int | None, int | None]:
    """(from when on, up to when) an answer about the span is whole, when it is not from begin to end: what is `lost`
    are the parts of which neither events nor buckets are there. What is lost throughout is whole from its end."""
    inside = [Span(max(span.start_ms, part.start_ms), min(span.end_ms, part.end_ms)) for part in lost]
    first, end = span.start_ms, span.end_ms
    for part in sorted(inside, key=lambda part: part.end_ms, reverse=True):
        if part.start_ms >= part.end_ms:
            continue
        if part.end_ms >= end and part.start_ms > first:
            end = part.start_ms
        else:
            first = max(first, part.end_ms)
    return None if first == span.start_ms else first, None if end == span.end_ms else end
