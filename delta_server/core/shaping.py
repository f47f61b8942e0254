"""From the rows of an Aggregate to those of an answer: times written out, buckets without events added, the range
before beside them."""

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from itertools import repeat
from typing import Any, TypeAlias

import msgspec

from delta_server.core import intervals, times
from delta_server.core.errors import Invalid
from delta_server.core.plan import Aggregate, Comparison, Interval, Key, Metric
from delta_server.core.queries import MAX_ROWS, Query

Row: TypeAlias = tuple[Any, ...]
"""One value a key, then one a metric."""

_ZERO = ("count", "unique", "sum")
"""What nothing has none of; of an average or a median it has no value."""

_COMPARED: dict[Comparison, Callable[[float, float], bool]] = {
    "is": operator.eq, "is_not": operator.ne, "gt": operator.gt,
    "gte": operator.ge, "lt": operator.lt, "lte": operator.le,
}  # fmt: skip


def rows(query: Query, found: Sequence[Row], before: Sequence[Row] | None) -> tuple[list[dict[str, Any]], bool]:
    """The rows to show, and whether there are more after them. `found` are the plan's rows: all of them, whatever its
    having says, when there is something to fill in, else one more than are wanted, if there are so many. `before` are
    those of `query.previous`.

    Raises Invalid when filling in makes too many.
    """
    plan, limit = query.plan, query.plan.limit or MAX_ROWS
    begun = _with_begins(plan, found)
    if query.fill:
        begun = _ordered(plan, _had(plan, _filled(query, begun)))[plan.skip :]
    shown = _named(query, begun[:limit])
    if before is not None and query.previous is not None:
        _set_beside(query, query.previous, begun[:limit], before, shown)
    return shown, len(begun) > limit


def _with_begins(plan: Aggregate, found: Sequence[Row]) -> list[Row]:
    """The rows with the instants at which their buckets begin."""
    at = _place(plan)
    if at is None:
        return list(found)
    interval = plan.keys[at]
    assert isinstance(interval, Interval)
    columns: list[Iterable[Any]] = [*zip(*found, strict=True)]  # column by column: row by row takes twice as long
    if columns:
        begins = {key: intervals.begins(interval, key) for key in set(columns[at])}
        columns[at] = map(begins.__getitem__, columns[at])
    return [*zip(*columns, strict=True)]


def _place(plan: Aggregate) -> int | None:
    """Which of the keys is the time."""
    return next((n for n, key in enumerate(plan.keys) if isinstance(key, Interval)), None)


def _others(plan: Aggregate, row: Row) -> Row:
    """A row's keys but the time."""
    return tuple(value for value, key in zip(row, plan.keys, strict=False) if not isinstance(key, Interval))


def _filled(query: Query, begun: list[Row]) -> list[Row]:
    plan, at = query.plan, _place(query.plan)
    assert query.interval is not None
    assert at is not None
    begins = list(intervals.along(query.interval, plan.span))
    groups = dict.fromkeys(_others(plan, row) for row in begun) if len(plan.keys) > 1 else {(): None}
    if len(begins) * len(groups) > MAX_ROWS:
        raise Invalid(
            f"fill makes {len(begins)} buckets of {len(groups)} groups, at most {MAX_ROWS} rows are made: "
            "take a longer interval, a shorter range or fewer keys",
            field="fill",
        )
    there = {row[: len(plan.keys)] for row in begun}
    nothing = tuple(_nothing(metric, zero=query.fill == "zero") for metric in plan.metrics)
    keys = ((*group[:at], begin, *group[at:]) for group in groups for begin in begins)
    return [*begun, *((*key, *nothing) for key in keys if key not in there)]


def _nothing(metric: Metric, *, zero: bool) -> int | None:
    return 0 if zero and metric.function in _ZERO else None


def _had(plan: Aggregate, begun: list[Row]) -> list[Row]:
    """Those the plan's having keeps; what has no value is kept by none."""
    names = [metric.name for metric in plan.metrics]
    bounds = [(len(plan.keys) + names.index(one.metric), _COMPARED[one.op], one.value) for one in plan.having]
    return [row for row in begun if all(row[at] is not None and holds(row[at], value) for at, holds, value in bounds)]


def _ordered(plan: Aggregate, begun: list[Row]) -> list[Row]:
    """As plan.Aggregate says: by its order, then by all keys; absent values last."""
    names = [*(key.name for key in plan.keys), *(metric.name for metric in plan.metrics)]
    order = [(names.index(one.name), one.descending) for one in plan.order]
    order += [(n, False) for n in range(len(plan.keys))]
    ordered = list(begun)
    for at, descending in reversed(order):
        ordered.sort(key=partial(_rank, at, not descending), reverse=descending)
    return ordered


def _rank(at: int, last: bool, row: Row) -> tuple[bool, bool, Any]:
    """`last`: what sorts after the others is last. In a list that is turned round it must sort before them."""
    value = row[at]
    if value is None:
        return last, False, 0
    return not last, isinstance(value, str), value


def _named(query: Query, begun: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as objects. Column by column: a row by itself takes three times as long."""
    plan = query.plan
    found, width = [*zip(*begun, strict=True)], len(plan.keys)
    columns = [*map(_written, repeat(query), plan.keys, found), *(map(_plain, column) for column in found[width:])]
    names = [part.name for part in (*plan.keys, *plan.metrics)]
    return [dict(zip(names, row)) for row in zip(*columns)]  # noqa: B905 - strict costs a third of it


def _written(query: Query, key: Key, column: Row) -> Iterable[Any]:
    """A key's values as texts where they are times, of which many rows have the same."""
    texts: dict[int | None, str | None]
    if isinstance(key, Interval):
        texts = {begin: intervals.text(query.zone, begin) for begin in set(column)}
    elif key.kind == "time":
        texts = {at: None if at is None else times.format(at) for at in set(column)}
    else:
        return column
    return map(texts.__getitem__, column)


def _computed(plan: Aggregate, values: Row) -> dict[str, Any]:
    return {metric.name: _plain(value) for metric, value in zip(plan.metrics, values, strict=True)}


def _plain(value: Any) -> Any:
    """What JSON can hold: the sum of huge numbers may be no number any more. All digits of others are written."""
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return Decimal(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


encoder = msgspec.json.Encoder(decimal_format="number")
"""Of rows."""


def _set_beside(
    query: Query, earlier: Aggregate, begun: list[Row], before: Sequence[Row], shown: list[dict[str, Any]]
) -> None:
    """Give each row the values of the same group in the range before: of the bucket with the same number."""
    width = len(earlier.keys)
    there = {
        spot: row[width:] for spot, row in zip(_spots(earlier, _with_begins(earlier, before)), before, strict=True)
    }
    nothing = tuple(_nothing(metric, zero=True) for metric in earlier.metrics)
    for spot, named in zip(_spots(query.plan, begun), shown, strict=True):
        named["previous"] = _computed(earlier, there.get(spot, nothing))


def _spots(plan: Aggregate, begun: Sequence[Row]) -> Iterator[tuple[int, Row]]:
    """For each row the number of its bucket in the plan's range, and its other keys."""
    at = _place(plan)
    if at is None:
        return ((0, _others(plan, row)) for row in begun)
    interval = plan.keys[at]
    assert isinstance(interval, Interval)
    numbers = {begin: number for number, begin in enumerate(intervals.along(interval, plan.span))}
    return ((numbers[row[at]], _others(plan, row)) for row in begun)
