"""Filters as requests write them, turned into core/query/plan.py's.

    ["is", field, value or [values]]      also is_not contains not_contains starts_with ends_with matches
    ["gt", field, value]                  also gte lt lte
    ["exists", field]                     also missing
    ["text", words]                       every word stands somewhere in the event
    ["and", [filters]]  ["or", [filters]]  ["not", filter]

A list of filters holds when all of them do. Values of text fields and tags are texts (a number is taken as the text it
is written with), of duration and priority numbers, of timestamp and receivedAt times; what is in data and metadata is
compared with texts, numbers, true and false; by its size with a number, also where that is written as a text.
"""

from collections.abc import Callable, Sequence
from typing import cast, get_args

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.events import validate
from delta_server.core.nearest import did_you_mean, quoted
from delta_server.core.query import decimals, fields
from delta_server.core.query.plan import AllOf, AnyOf, Condition, Field, Filter, FullText, Negation, Operation
from delta_server.core.query.regex_cost import cost

MAX_FILTERS = 100
MAX_VALUES = 1_000
MAX_VALUE_LENGTH = 4_096
MAX_DEPTH = 16
MAX_WORDS = 16
MAX_TEXTS = 100
"""What texts may be looked through for: 1,000 values of 100 filters take a minute where no interrupt is heard."""
MAX_PATTERN_COST = 500

Value = str | float | int | bool

OPERATIONS: tuple[str, ...] = get_args(Operation)
_OTHERS = ("text", "and", "or", "not")
_ORDERED = ("gt", "gte", "lt", "lte")
_ABSENCE = ("exists", "missing")
_OF_TEXT = ("contains", "not_contains", "starts_with", "ends_with", "matches")
_INT64 = 1 << 63
_LARGEST = 10**38
"""Of numbers that what is in data is compared with."""


def parse(given: object, *, now_ms: int, at: str = "filters") -> Filter | None:
    """A list of filters as one, None for an empty one; `at` is where it stands in the request. Raises Invalid."""
    if given is None:
        return None
    parts = _Parser(now_ms).parts(given, at, 0)
    return parts[0] if len(parts) == 1 else AllOf(parts) if parts else None


def parse_one(given: object, *, now_ms: int, at: str) -> Filter:
    """One filter. Raises Invalid."""
    return _Parser(now_ms).one(given, at, 0)


def condition(operation: str, field: Field, values: Sequence[object], *, now_ms: int, at: str) -> Condition:
    """`field` compared with `values`, each of which must be of its kind. Raises Invalid."""
    checked = tuple(_value(field, operation, value, now_ms, f"{at}[{n}]") for n, value in enumerate(values))
    return Condition(cast("Operation", operation), field, checked)


def full_text(given: str, *, at: str) -> FullText | None:
    """Full text: the words of `given`, None for no words. Raises Invalid."""
    words = tuple(dict.fromkeys(given.split()))
    if "\0" in given or not _encodes(given):
        raise Invalid(f"{at} must be characters of Unicode, none of them U+0000", field=at)
    if len(words) > MAX_WORDS or len(given) > MAX_VALUE_LENGTH:
        raise Invalid(f"{at} has {len(words)} words: at most {MAX_WORDS} are looked for", field=at)
    return FullText(words) if words else None


def all_of(parts: Sequence[Filter | None]) -> Filter | None:
    """What holds when all of `parts` do; None for what always does."""
    given = tuple(part for part in parts if part is not None)
    return given[0] if len(given) == 1 else AllOf(given) if given else None


class _Parser:
    """Counts the filters of one request, and what they look for."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._count = 0
        self._values = 0
        self._texts = 0
        self._cost = 0

    def parts(self, given: object, at: str, depth: int) -> tuple[Filter, ...]:
        if not isinstance(given, list):
            raise Invalid(f'{at} must be a list of filters like [["is", "source", ["api"]]]', field=at)
        return tuple(self.one(part, f"{at}[{n}]", depth) for n, part in enumerate(given))

    def one(self, given: object, at: str, depth: int) -> Filter:
        self._count += 1
        if self._count > MAX_FILTERS:
            raise Invalid(f"{at} is one filter too many: at most {MAX_FILTERS} are allowed", field=at)
        if depth > MAX_DEPTH:
            raise Invalid(f"{at} lies too deep: filters nest at most {MAX_DEPTH} levels", field=at)
        if not isinstance(given, list) or not given:
            raise Invalid(f'{at} must be a filter like ["is", "source", ["api"]], not {quoted(given)}', field=at)
        operation = given[0]
        if operation in ("and", "or"):
            return self._group(given, at, depth)
        if operation == "not":
            _length(given, 2, '["not", filter]', at)
            return Negation(self.one(given[1], f"{at}[1]", depth + 1))
        if operation == "text":
            words = _words(given, at)
            self._look_through(len(words.words), f"{at}[1]")
            return words
        if not isinstance(operation, str) or operation not in OPERATIONS:
            known = (*OPERATIONS, *_OTHERS)
            said = quoted(operation) + (did_you_mean(operation, known) if isinstance(operation, str) else "")
            raise Invalid(f"{at}[0] is not a known operator: {said}; known are {', '.join(known)}", field=f"{at}[0]")
        return self._condition(operation, given, at)

    def _group(self, given: list[object], at: str, depth: int) -> Filter:
        _length(given, 2, f'["{given[0]}", [filters]]', at)
        parts = self.parts(given[1], f"{at}[1]", depth + 1)
        if not parts:
            raise Invalid(f"{at}[1] is empty: give at least one filter", field=f"{at}[1]")
        return AllOf(parts) if given[0] == "and" else AnyOf(parts)

    def _condition(self, operation: str, given: list[object], at: str) -> Filter:
        if operation in _ABSENCE:
            _length(given, 2, f'["{operation}", field]', at)
            return condition(operation, fields.parse(given[1], at=f"{at}[1]"), (), now_ms=self._now_ms, at=at)
        _length(given, 3, f'["{operation}", field, {"value" if operation in _ORDERED else "[values]"}]', at)
        field = fields.parse(given[1], at=f"{at}[1]")
        _refuse_unsupported(operation, field, at)
        values = given[2]
        if not isinstance(values, list):
            value = _value(field, operation, values, self._now_ms, f"{at}[2]")
            found = Condition(cast("Operation", operation), field, (value,))
        else:
            limit = 1 if operation in _ORDERED else MAX_TEXTS if operation in _OF_TEXT else MAX_VALUES
            if not 1 <= len(values) <= limit:
                takes = "exactly one value" if limit == 1 else f"1 to {limit} values"
                raise Invalid(f"{at}[2] has {len(values)} values: {operation} takes {takes}", field=f"{at}[2]")
            found = condition(operation, field, values, now_ms=self._now_ms, at=f"{at}[2]")
        self._weigh(found, f"{at}[2]")
        return found

    def _weigh(self, found: Condition, at: str) -> None:
        """Add what a condition looks for to what the others do. Raises Invalid when it is too much."""
        self._values += len(found.values)
        if self._values > MAX_VALUES:
            raise Invalid(f"{at}: all filters together have more than {MAX_VALUES} values", field=at)
        if found.op in _OF_TEXT:
            self._look_through(len(found.values), at)
        if found.op == "matches":
            self._cost += sum(cost(str(value)) for value in found.values)
        if self._cost > MAX_PATTERN_COST:
            raise Invalid(
                f"{at}: the patterns are too large: all together may have {MAX_PATTERN_COST} characters and classes, "
                "each {n} written out",
                field=at,
            )

    def _look_through(self, count: int, at: str) -> None:
        self._texts += count
        if self._texts > MAX_TEXTS:
            raise Invalid(f"{at}: all filters together look through texts for more than {MAX_TEXTS} values", field=at)


def _words(given: list[object], at: str) -> FullText:
    _length(given, 2, '["text", words]', at)
    if not isinstance(given[1], str):
        raise Invalid(f"{at}[1] must be a string, not {quoted(given[1])}", field=f"{at}[1]")
    found = full_text(given[1], at=f"{at}[1]")
    if found is None:
        raise Invalid(f"{at}[1] has no words to look for", field=f"{at}[1]")
    return found


def _length(given: list[object], wanted: int, form: str, at: str) -> None:
    if len(given) != wanted:
        raise Invalid(f"{at} has {len(given)} parts: write {form}", field=at)


def _refuse_unsupported(operation: str, field: Field, at: str) -> None:
    if operation in _OF_TEXT and field.kind in ("number", "time"):
        raise Invalid(
            f"{at}[0]: {operation} looks at texts, and {field.name} is a {field.kind}; take is, gt, gte, lt or lte",
            field=f"{at}[0]",
        )


def _value(field: Field, operation: str, value: object, now_ms: int, at: str) -> Value:
    if value is None:
        raise Invalid(f'{at} is null: write ["missing", "{field.name[:100]}"] for what is not there', field=at)
    if isinstance(value, list | dict):
        raise Invalid(
            f"{at} must be a single value, not {'a list' if isinstance(value, list) else 'an object'}", field=at
        )
    found = _OF_KIND["text" if operation in _OF_TEXT else field.kind](field, value, now_ms, at)
    if operation in _ORDERED and field.kind == "json" and isinstance(found, str):
        number = decimals.read(found)  # for who has no numbers of 64 bits
        return found if number is None else number
    return found


def _text(field: Field, value: object, now_ms: int, at: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Invalid(f"{at} must be a string, as {field.name} is one, not {quoted(value)}", field=at)
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        raise Invalid(f"{at} is too large a number: write it as a string", field=at)
    written = str(value)
    if len(written) > MAX_VALUE_LENGTH or "\0" in written or not _encodes(written):
        raise Invalid(f"{at} must be at most {MAX_VALUE_LENGTH} characters, each of Unicode and none U+0000", field=at)
    return written


def _number(field: Field, value: object, now_ms: int, at: str) -> float | int:
    names = validate.PRIORITIES if field.column == "priority" else {}
    if isinstance(value, str) and value.lower() in names:
        return names[value.lower()]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not -_INT64 <= cast("float", value) < _INT64:  # nor NaN
        wanted = " or ".join(["a number", *([", ".join(names)] if names else [])])
        raise Invalid(f"{at} must be {wanted}, as {field.name} is one, not {quoted(value)}", field=at)
    return cast("float", value)


def _time(field: Field, value: object, now_ms: int, at: str) -> int:
    if not isinstance(value, str):
        raise Invalid(
            f"{at} must be a time like 2026-05-01T12:00:00Z or an age like 24h, not {quoted(value)}", field=at
        )
    return times.parse_moment(value, field=at, now_ms=now_ms)


def _json(field: Field, value: object, now_ms: int, at: str) -> Value:
    if isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < _LARGEST):
        return value
    return _text(field, value, now_ms, at) if isinstance(value, str) else _number(field, value, now_ms, at)


_OF_KIND: dict[str, Callable[[Field, object, int, str], Value]] = {
    "text": _text,
    "list": _text,
    "number": _number,
    "time": _time,
    "json": _json,
}


def _encodes(written: str) -> bool:
    try:
        return bool(written.encode()) or not written
    except UnicodeEncodeError:
        return False
