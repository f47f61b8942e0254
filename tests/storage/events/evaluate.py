"""What plans of core/query/plan.py mean, computed from a plain list of events: slow, short, and without SQL."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

from delta_server.core.events.event import Event
from delta_server.core.events.persons import identifies
from delta_server.core.query import time_buckets
from delta_server.core.query.plan import (
    Aggregate,
    AllOf,
    AnyOf,
    Condition,
    Field,
    Filter,
    Interval,
    Key,
    Listing,
    Metric,
    Negation,
    OfPerson,
    Operation,
)
from tests.storage.events.people import People

Whose: TypeAlias = Callable[[Event], str | None]
NOBODY_ELSES = People().whose
"""Where no ids were joined."""

_ATTRIBUTES = {"time_ms": "at", "event_type": "type"}


_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
"""RFC 8259, 6."""


def value(event: Event, field: Field) -> Any:
    """As rows show it; a list for tags, None for what is not there. A number has one text, however it is written."""
    if field.column == "message_id":
        return event.message_id or f"e-{event.seq:x}"
    if not field.path:
        found = getattr(event, _ATTRIBUTES.get(field.column, field.column))
        return None if found == [] else found
    found = _inside(event, field)
    if found is None or isinstance(found, str):
        return found
    if isinstance(found, float) and found.is_integer():
        return str(int(Decimal(repr(found))))
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def _inside(event: Event, field: Field) -> Any:
    raw = getattr(event, field.column)
    found = json.loads(bytes(raw)) if raw is not None else None
    for name in field.path:
        if isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and re.fullmatch("0|[1-9][0-9]*", name) and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found


def number(event: Event, field: Field) -> Fraction | float | int | None:
    """Of what is inside JSON, the very number."""
    if not field.path:
        plain: float | int | None = value(event, field)
        return plain
    found = _inside(event, field)
    if isinstance(found, str):
        return Fraction(Decimal(found)) if _NUMBER.fullmatch(found) else None
    return _exactly(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _exactly(number: float) -> Fraction:
    return Fraction(Decimal(repr(number)))


def matches(event: Event, where: Filter | None) -> bool:
    match where:
        case None:
            return True
        case AllOf(parts):
            return all(matches(event, part) for part in parts)
        case AnyOf(parts):
            return any(matches(event, part) for part in parts)
        case Negation(part):
            return not matches(event, part)
        case Condition():
            return _holds(event, where)
        case OfPerson(users, anonymous):
            return event.user_id in users or (not identifies(event.user_id) and event.anonymous_id in anonymous)
        case _:
            return all(word.lower() in _text(event).lower() for word in where.words)


def _text(event: Event) -> str:
    parts = [event.type, event.source, event.user_id, event.anonymous_id, event.session_id, event.status]
    parts += [*(event.tags or ()), event.message_id or f"e-{event.seq:x}"]
    parts += [bytes(raw).decode() for raw in (event.data, event.metadata) if raw is not None]
    return "\n".join(part for part in parts if part)


def _holds(event: Event, where: Condition) -> bool:
    positive = _NEGATED.get(where.op)
    if positive is not None:
        return not _holds(event, Condition(positive, where.field, where.values))
    if where.op == "is" and where.field.column == "user_id":
        return event.user_id in where.values or NOBODY_ELSES(event) in where.values
    found = value(event, where.field)
    if found is None or where.op == "exists":
        return found is not None
    if where.field.kind == "list":
        return any(_compares(where.op, item, given) for item in found for given in where.values)
    return any(_compared(event, where, given) for given in where.values)


def _compared(event: Event, where: Condition, given: Any) -> bool:
    if isinstance(given, bool):
        return _compares(where.op, value(event, where.field), str(given).lower())
    if not isinstance(given, str):
        found = number(event, where.field)
        return found is not None and _compares(where.op, found, _exactly(given) if where.field.path else given)
    if where.op == "is" and where.field.path and _NUMBER.fullmatch(given):
        inside = _inside(event, where.field)
        if isinstance(inside, int | float) and not isinstance(inside, bool):
            return _exactly(inside) == Fraction(Decimal(given))
    found = value(event, where.field)
    return found is not None and _compares(where.op, found, given)


def _compares(op: str, found: Any, given: Any) -> bool:
    return bool(_OPERATIONS[op](found, given))


_NEGATED: dict[str, Operation] = {"is_not": "is", "not_contains": "contains", "missing": "exists"}
_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "is": lambda found, given: found == given,
    "contains": lambda found, given: given in found,
    "starts_with": lambda found, given: found.startswith(given),
    "ends_with": lambda found, given: found.endswith(given),
    "matches": lambda found, given: re.search(given, found),
    "gt": lambda found, given: found > given,
    "gte": lambda found, given: found >= given,
    "lt": lambda found, given: found < given,
    "lte": lambda found, given: found <= given,
}


def listing(events: Iterable[Event], plan: Listing) -> list[int]:
    """The `seq` of the rows."""
    found = [event for event in events if plan.span.start_ms <= event.at < plan.span.end_ms]
    places = sorted(((e.at, e.seq) for e in found if matches(e, plan.where)), reverse=not plan.ascending)
    if plan.after_seq is not None:
        places = [place for place in places if place[1] > plan.after_seq]
    if plan.after is not None:
        after = plan.after
        places = [place for place in places if (place > after if plan.ascending else place < after)]
    end = None if plan.limit is None else plan.skip + plan.limit
    return [seq for _, seq in places[plan.skip : end]]


def aggregate(events: Iterable[Event], plan: Aggregate, whose: Whose = NOBODY_ELSES) -> list[tuple[Any, ...]]:
    """`whose` tells the person of an event: users as keys and counted are persons."""
    groups: dict[tuple[Any, ...], list[Event]] = {} if plan.keys else {(): []}
    for event in events:
        if plan.span.start_ms <= event.at < plan.span.end_ms and matches(event, plan.where):
            for key in _keys(event, plan.keys, whose):
                groups.setdefault(key, []).append(event)
    rows = [(*key, *(metric(group, each, whose) for each in plan.metrics)) for key, group in groups.items()]
    names = [part.name for part in (*plan.keys, *plan.metrics)]
    rows = [row for row in rows if all(_bound(row[names.index(b.metric)], b.op, b.value) for b in plan.having)]
    rows.sort(key=lambda row: [_place(cell) for cell in row[: len(plan.keys)]])
    for order in reversed(plan.order):
        place = names.index(order.name)
        there = [row for row in rows if row[place] is not None]
        there.sort(key=lambda row: row[place], reverse=order.descending)  # stable, reversed or not
        rows = [*there, *(row for row in rows if row[place] is None)]
    end = None if plan.limit is None else plan.skip + plan.limit
    return rows[plan.skip : end]


def _place(cell: Any) -> tuple[bool, Any]:
    return (cell is None, 0 if cell is None else cell)


def _bound(found: Any, op: str, given: float) -> bool:
    if op == "is_not":
        return bool(found != given)
    return found is not None and _compares(op, found, given)


def _keys(event: Event, keys: Sequence[Key], whose: Whose) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = [()]
    for key in keys:
        cells = _cells(event, key, whose)
        found = [(*before, cell) for before in found for cell in cells]
    return found


def _cells(event: Event, key: Key, whose: Whose) -> Sequence[Any]:
    if isinstance(key, Interval):
        return [time_buckets.key(key, event.at)]
    cell = whose(event) if key.column == "user_id" else value(event, key)
    return list(dict.fromkeys(cell)) if isinstance(cell, list) else [cell]


def metric(group: Sequence[Event], asked: Metric, whose: Whose = NOBODY_ELSES) -> Any:
    if asked.field is None:
        return len(group)
    field = asked.field
    cells = [whose(event) if field.column == "user_id" else value(event, field) for event in group]
    shown = [cell for cell in cells if cell is not None]
    if field.kind == "list":
        shown = [item for cell in shown for item in cell]
    if asked.function == "count":
        return sum(cell is not None for cell in cells)
    if asked.function == "unique":
        return len(set(shown))
    if asked.function == "mode":
        counts = Counter(shown)
        return min((cell for cell in counts if counts[cell] == max(counts.values())), default=None)
    numbers = sorted(cell for cell in (number(event, field) for event in group) if cell is not None)
    return float(_of_numbers(numbers, asked)) if numbers else None


def _of_numbers(numbers: Sequence[Any], asked: Metric) -> Any:
    match asked.function:
        case "sum":
            return sum(numbers)
        case "avg":
            return sum(numbers) / len(numbers)
        case "min":
            return numbers[0]
        case "max":
            return numbers[-1]
    place = (asked.share or 0.0) * (len(numbers) - 1)
    low, high = math.floor(place), math.ceil(place)
    return numbers[low] + (numbers[high] - numbers[low]) * (place - low)
