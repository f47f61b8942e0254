"""From the rows of an Aggregate to those of an answer: times written out, buckets without events added, the range
before beside them."""

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import lru_cache, partial
from itertools import repeat
from typing import Any, TypeAlias

import msgspec

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.query import time_buckets
from delta_server.core.query.aggregates import MAX_ROWS, AggregateQuery
from delta_server.core.query.plan import Aggregate, Comparison, Interval, Key, Metric

Row: TypeAlias = tuple[Any, ...]
"""One value a key, then one a metric."""
Column: TypeAlias = tuple[Any, ...]
"""One value a row."""

_ZERO = ("count", "unique", "sum")
"""What nothing has none of; of an average or a median it has no value."""

_COMPARED: dict[Comparison, Callable[[float, float], bool]] = {
    "is": operator.eq, "is_not": operator.ne, "gt": operator.gt,
    "gte": operator.ge, "lt": operator.lt, "lte": operator.le,
}  # fmt: skip


def rows(
    query: AggregateQuery, found: Sequence[Row], before: Sequence[Row] | None
) -> tuple[list[dict[str, Any]], bool]:
    """The rows to show, and whether there are more after them. `found` are the plan's rows: all of them, whatever its
    having says, when there is something to fill in, else one more than are wanted, if there are so many. `before` are
    those of `query.previous`.

    Raises Invalid when filling in makes too many.
    """
    columns, has_more = _start_rows(query, found)
    names = _names(query.plan)
    shown = [dict(zip(names, row)) for row in zip(*_answer_columns(query, columns))]  # noqa: B905 - strict costs a third of it
    if before is not None and query.previous is not None:
        _add_previous(query, query.previous, columns, before, shown)
    return shown, has_more


def encoded(query: AggregateQuery, found: Sequence[Row], before: Sequence[Row] | None) -> tuple[bytes, bool]:
    """As `rows`, which are a JSON array. In columns where they can be: dicts take three times as long."""
    kind = _kind(_names(query.plan)) if before is None else None
    if kind is None:
        shown, has_more = rows(query, found, before)
        return encoder.encode(shown), has_more
    columns, has_more = _start_rows(query, found)
    return encoder.encode([*map(kind, *_answer_columns(query, columns))] if columns else []), has_more


def _names(plan: Aggregate) -> tuple[str, ...]:
    return tuple(part.name for part in (*plan.keys, *plan.metrics))


@lru_cache(64)
def _kind(names: tuple[str, ...]) -> type[msgspec.Struct] | None:
    """What is written as an object with these names; None for names that msgspec does not take, such as those with
    quotes in them."""
    places = {f"c{n}": name for n, name in enumerate(names)}
    try:
        return msgspec.defstruct("Shown", [(place, Any) for place in places], rename=places, gc=False)
    except ValueError:
        return None


def _start_rows(query: AggregateQuery, found: Sequence[Row]) -> tuple[list[Column], bool]:
    """The columns of the rows to show, none where there are no rows, with the instants at which buckets begin; and
    whether there are more after them."""
    plan, limit = query.plan, query.plan.limit or MAX_ROWS
    columns = _with_begins(plan, [*zip(*found, strict=True)])
    if query.fill:
        filled = _ordered(plan, _apply_having(plan, _filled(query, [*zip(*columns, strict=True)])))[plan.skip :]
        columns = [*zip(*filled, strict=True)]
    has_more = bool(columns) and len(columns[0]) > limit
    return [column[:limit] for column in columns], has_more


def _with_begins(plan: Aggregate, columns: list[Column]) -> list[Column]:
    """The columns with the instants at which their buckets begin."""
    at = _place(plan)
    if at is None or not columns:
        return columns
    interval = plan.keys[at]
    assert isinstance(interval, Interval)
    begins = {key: time_buckets.begins(interval, key) for key in set(columns[at])}
    return [*columns[:at], tuple(map(begins.__getitem__, columns[at])), *columns[at + 1 :]]


def _place(plan: Aggregate) -> int | None:
    """Which of the keys is the time."""
    return next((n for n, key in enumerate(plan.keys) if isinstance(key, Interval)), None)


def _other_keys(plan: Aggregate, row: Row) -> Row:
    """A row's keys but the time."""
    return tuple(value for value, key in zip(row, plan.keys, strict=False) if not isinstance(key, Interval))


def _filled(query: AggregateQuery, begun: list[Row]) -> list[Row]:
    plan, at = query.plan, _place(query.plan)
    assert query.interval is not None
    assert at is not None
    begins = list(time_buckets.along(query.interval, plan.span))
    groups = dict.fromkeys(_other_keys(plan, row) for row in begun) if len(plan.keys) > 1 else {(): None}
    if len(begins) * len(groups) > MAX_ROWS:
        raise Invalid(
            f"fill makes {len(begins)} buckets of {len(groups)} groups, at most {MAX_ROWS} rows are made: "
            "take a longer interval, a shorter range or fewer keys",
            field="fill",
        )
    there = {row[: len(plan.keys)] for row in begun}
    nothing = tuple(_empty_row_value(metric, zero=query.fill == "zero") for metric in plan.metrics)
    keys = ((*group[:at], begin, *group[at:]) for group in groups for begin in begins)
    return [*begun, *((*key, *nothing) for key in keys if key not in there)]


def _empty_row_value(metric: Metric, *, zero: bool) -> int | None:
    return 0 if zero and metric.function in _ZERO else None


def _apply_having(plan: Aggregate, begun: list[Row]) -> list[Row]:
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


def _answer_columns(query: AggregateQuery, columns: Sequence[Column]) -> list[Iterable[Any]]:
    """The columns as answers have them. Column by column: a row by itself takes three times as long."""
    keys = query.plan.keys
    return [*map(_written, repeat(query), keys, columns), *map(_plain_column, columns[len(keys) :])]


def _written(query: AggregateQuery, key: Key, column: Column) -> Iterable[Any]:
    """A key's values as texts where they are times, of which many rows have the same."""
    texts: dict[int | None, str | None]
    if isinstance(key, Interval):
        texts = {begin: time_buckets.text(query.zone, begin) for begin in set(column)}
    elif key.kind == "time":
        texts = {at: None if at is None else times.format(at) for at in set(column)}
    else:
        return column
    return map(texts.__getitem__, column)


def _computed(plan: Aggregate, values: Row) -> dict[str, Any]:
    return {metric.name: _plain(value) for metric, value in zip(plan.metrics, values, strict=True)}


def _plain_column(column: Column) -> Iterable[Any]:
    """Most columns are plain as they are: to look at all of it at once takes a third of the time."""
    kinds = set(map(type, column))
    if kinds == {int} and min(column) >= -(1 << 63) and max(column) < 1 << 64:
        return column
    if kinds == {float} and all(map(math.isfinite, column)):
        return column
    return map(_plain, column)


def _plain(value: Any) -> Any:
    """What JSON can hold: the sum of huge numbers may be no number any more. All digits of others are written."""
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return Decimal(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


encoder = msgspec.json.Encoder(decimal_format="number")
"""Of rows."""


def _add_previous(
    query: AggregateQuery, earlier: Aggregate, columns: list[Column], before: Sequence[Row], shown: list[dict[str, Any]]
) -> None:
    """Give each row the values of the same group in the range before: of the bucket with the same number."""
    width = len(earlier.keys)
    begun_before = [*zip(*_with_begins(earlier, [*zip(*before, strict=True)]), strict=True)]
    there = {spot: row[width:] for spot, row in zip(_bucket_positions(earlier, begun_before), before, strict=True)}
    nothing = tuple(_empty_row_value(metric, zero=True) for metric in earlier.metrics)
    for spot, named in zip(_bucket_positions(query.plan, [*zip(*columns, strict=True)]), shown, strict=True):
        named["previous"] = _computed(earlier, there.get(spot, nothing))


def _bucket_positions(plan: Aggregate, begun: Sequence[Row]) -> Iterator[tuple[int, Row]]:
    """For each row the number of its bucket in the plan's range, and its other keys."""
    at = _place(plan)
    if at is None:
        return ((0, _other_keys(plan, row)) for row in begun)
    interval = plan.keys[at]
    assert isinstance(interval, Interval)
    numbers = {begin: number for number, begin in enumerate(time_buckets.along(interval, plan.span))}
    return ((numbers[row[at]], _other_keys(plan, row)) for row in begun)
