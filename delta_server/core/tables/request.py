"""What a table of a history is made of: which records, which of their fields, and which times."""

import re

import msgspec

from delta_server.core.diff.diff_settings import Fields, Rules
from delta_server.core.errors import Invalid
from delta_server.core.history.timeline_buckets import aligned
from delta_server.core.json import pointer
from delta_server.core.tables.shape import VALUE
from delta_server.core.times import EARLIEST_MS, LATEST_MS

MOST_FIELDS = 200
MOST_MOMENTS = 100_000
MOST_KEY_FIELDS = 3
FOREVER_MS = LATEST_MS + 1

_BETWEEN_FIELDS = re.compile(r",(?=/)")


class TableRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The records of `array`, `` for a document that is an array or map itself; None for the document as the one
    record there is. `fields` are paths in the record, all of its members without any. `key` are the fields that
    identify an element, looked for without any. Rows are of records in force from `from_ms` and before `to_ms`; with
    `every_ms`, those in force at each of these moments."""

    array: str | None
    fields: tuple[str, ...] = ()
    key: Fields = ()
    from_ms: int = EARLIEST_MS
    to_ms: int = FOREVER_MS
    every_ms: int | None = None

    def first_moment(self, at_ms: int) -> int:
        """The first moment of a sample at a time or after it."""
        assert self.every_ms is not None
        begin = aligned(at_ms, self.every_ms)
        return begin if begin == at_ms else begin + self.every_ms


def fields_of(given: list[str]) -> tuple[str, ...]:
    """`/a,/b/c` and several of them. Raises Invalid."""
    paths = [path for text in given for path in _BETWEEN_FIELDS.split(text)]
    if len(paths) > MOST_FIELDS:
        raise Invalid(f"at most {MOST_FIELDS} fields can be named", field="fields")
    for path in paths:
        _check_path(path, "fields")
    if len(set(paths)) < len(paths):
        raise Invalid("a field is named twice", field="fields")
    return tuple(paths)


def key_of(given: str) -> Fields:
    """`id` or `state,county`. Raises Invalid."""
    names = tuple(given.split(","))
    if not all(names) or len(names) > MOST_KEY_FIELDS or len(set(names)) < len(names):
        raise Invalid(f"key is one to {MOST_KEY_FIELDS} fields of a record, with commas between them", field="key")
    for name in names:
        try:
            pointer.member_names(name)
        except Invalid as error:
            raise Invalid(error.message, field="key") from None
    return names


def check_array(path: str) -> None:
    """Raises Invalid."""
    _check_path(path, "array")


def _check_path(path: str, field: str) -> None:
    try:
        steps = pointer.parse(path)
    except Invalid as error:
        raise Invalid(error.message, field=field) from None
    if "*" in steps or "**" in steps:
        raise Invalid(f"{path!r} must name one place, without *", field=field)


def rules_at(path: str, rules: Rules | None) -> Rules | None:
    """The rules that hold at the place of an array."""
    for step in pointer.parse(path):
        if rules is None:
            return None
        is_member = isinstance(step, str) and not pointer.is_index(step)
        rules = rules.member(str(step)) if is_member else rules.element()
    return rules


def column_names(fields: tuple[str, ...]) -> list[str]:
    """`/b/c` is `b.c`; the document itself is `value`."""
    return [".".join(map(_step_text, pointer.parse(path))) or VALUE for path in fields]


def _step_text(step: pointer.Step) -> str:
    return step if isinstance(step, str) else pointer.text_of(step)
