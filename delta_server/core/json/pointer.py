"""Paths into a JSON document: JSON Pointer (RFC 6901), and in addition steps that name an array element by its key.

    /Incidents/3/AcresBurned                    by index
    /Incidents/[UniqueId=abc]/AcresBurned       by key
    /features/[properties/code=7000q0bb]        by a nested key field
    /counties/[FIPS=6,County="Alpine, CA"]      by two fields; a value may be a JSON string
    /Incidents/UniqueId=abc/AcresBurned         the same without brackets, which shells and curl take for patterns;
                                                what is within them is escaped as all steps are: ~1 for /, ~0 for ~

In a step by key an unquoted value means the number, true or false it spells where an element has that, else the
string; a quoted one means the string only. Field names in it are `~`-escaped as in RFC 6901, values are not. A pattern
is a pointer in which `*` is any one step and `**` any number of them.

What looks like a step by key may be the name of a member, and only a document tells: an array has elements, an object
has members. So a step by key keeps the rest of its path, which is read as RFC 6901 has it where an object is met.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from delta_server.core.errors import Invalid
from delta_server.core.json import columns, slices

MAX_PATH_CHARS = 8192


class KeyStep(msgspec.Struct, frozen=True):
    """The element of an array whose `fields` have these `values`. `tail` is the path from this step to its end."""

    tail: str
    fields: tuple[str, ...]
    values: tuple[str, ...]
    quoted: tuple[bool, ...]


Step = str | KeyStep

_FIELD = r'[^\[\]=,"\\]+'
_VALUE = r'"(?:[^"\\]|\\.)*"|[^\]",][^\],]*|'
_PART = re.compile(rf"({_FIELD})=({_VALUE})", re.DOTALL)
_KEYED = re.compile(rf"\[(?:{_FIELD}=(?:{_VALUE}))(?:,{_FIELD}=(?:{_VALUE}))*\](?=/|\Z)", re.DOTALL)
_OPENS_KEYED = re.compile(rf"/\[{_FIELD}=")
_PLAIN = re.compile(r"[^/]*")
_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")
_UNQUOTED = re.compile(r'[^\]",\s][^\],]*')
_ESCAPED = re.compile(r'["/\\\x00-\x1f]')  # what JSON may or must write with a backslash; all else only by number
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
_SCALAR = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")


def is_scalar(text: str) -> bool:
    """Whether an unquoted value in a step by key spells a number, true, false or null."""
    return _SCALAR.fullmatch(text) is not None


def is_index(text: str) -> bool:
    """Whether a step may be the place of an element in an array."""
    return _INDEX.fullmatch(text) is not None


def escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1") if "~" in name or "/" in name else name


def unescape(text: str, path: str = "") -> str:
    """Raises Invalid on a `~` that is not `~0` or `~1`; `path` is what the message shows."""
    if "~" not in text:
        return text
    if re.search("~(?![01])", text):
        raise Invalid(f"{path or text!r} has a ~ that is not ~0 (for ~) or ~1 (for /)", field="path")
    return text.replace("~1", "/").replace("~0", "~")


def parse(path: str) -> tuple[Step, ...]:
    """The steps of a path. `` is the whole document. Raises Invalid."""
    if len(path) > MAX_PATH_CHARS:
        raise Invalid(f"a path may have at most {MAX_PATH_CHARS} characters", field="path")
    if path and not path.startswith("/"):
        raise Invalid(f"{path!r} is not a path: begin with /, as in /items/0/price", field="path")
    steps: list[Step] = []
    at = 0
    while at < len(path):
        step, at = _parse_step(path, at + 1)
        steps.append(step)
    return tuple(steps)


def _parse_step(path: str, at: int) -> tuple[Step, int]:
    keyed = _KEYED.match(path, at)
    if keyed and (step := _key_step(keyed[0], path[at:])):
        return step, keyed.end()
    plain = _PLAIN.match(path, at)
    assert plain is not None
    text = unescape(plain[0], path)
    if "=" in text and _KEYED.fullmatch(f"[{text}]") and (step := _key_step(f"[{text}]", path[at:])):
        return step, plain.end()
    return text, plain.end()


def _key_step(text: str, tail: str) -> KeyStep | None:
    """None where a quoted value is not a JSON string."""
    parts = _PART.findall(text)
    try:
        for field, _ in parts:
            unescape(field)
        values = [msgspec.json.decode(value, type=str) if value.startswith('"') else value for _, value in parts]
    except (msgspec.DecodeError, Invalid):
        return None
    fields = tuple(field for field, _ in parts)
    return KeyStep(tail, fields, tuple(values), tuple(value.startswith('"') for _, value in parts))


def text_of(step: Step) -> str:
    """A step as it is written in a path; one by key in brackets."""
    if isinstance(step, str):
        return escape(step)
    if is_bracketed(step) and (keyed := _KEYED.match(step.tail)):
        return keyed[0]
    return f"[{unescape(step.tail.partition('/')[0])}]"


def in_brackets(path: str) -> str:
    """The path as answers write it, its steps by key in brackets. Raises Invalid."""
    return "".join(f"/{text_of(step)}" for step in parse(path))


def is_bracketed(step: KeyStep) -> bool:
    return step.tail.startswith("[")


@lru_cache(maxsize=512)
def as_members(step: KeyStep) -> tuple[Step, ...] | None:
    """The steps from `step` to the end of its path where it is the name of a member; None if it cannot be one."""
    name, slash, rest = step.tail.partition("/")
    try:
        return (unescape(name), *parse(slash + rest))
    except Invalid:
        return None


def parse_pattern(pattern: str) -> tuple[str, ...]:
    """The steps of a field pattern such as `/Incidents/*/AcresBurned`. Raises Invalid."""
    if len(pattern) > MAX_PATH_CHARS:
        raise Invalid(f"a pattern may have at most {MAX_PATH_CHARS} characters", field="path")
    if pattern and not pattern.startswith("/"):
        raise Invalid(f"{pattern!r} is not a pattern: begin with /, as in /items/*/price", field="path")
    return tuple(unescape(step, pattern) for step in pattern.split("/")[1:])


def refuse_unlikely(path: str) -> None:
    """Where nothing is found at a path: raise Invalid if it was meant otherwise, for a member may have any name.

    With `*` in it, it looks like the field patterns of the API; a step that begins like one by key but is none has a
    mistake in it.
    """
    if _OPENS_KEYED.search(path) and any(
        isinstance(step, str) and _OPENS_KEYED.match("/" + step) for step in parse(path)
    ):
        raise Invalid(
            f"nothing is at {path}: a step by key is written [field=value], or [field=value,other=value]; a value with "
            '] or , in it is quoted as a JSON string, such as [field="a \\"b\\", c"]',
            field="path",
        )
    if any(step in ("*", "**") for step in path.split("/")):
        raise Invalid(
            f"nothing is at {path}: a path names one value, so give the element's key or index in place of *, "
            "as in /items/[sku=A7]/price or /items/0/price",
            field="path",
        )


def key_step(fields: Sequence[str], element: bytes) -> str | None:
    """`[UniqueId=abc]` for an array element, None where it lacks a scalar for one of `fields`."""
    return step_of(fields, [field_of(element, field) for field in fields])


def step_of(fields: Sequence[str], values: Sequence[bytes | None]) -> str | None:
    """As `key_step`, from the slices at the fields."""
    parts = []
    for field, raw in zip(fields, values, strict=True):
        if raw is None or slices.kind(raw) in ("object", "array", "null"):
            return None
        parts.append(f"{field}={_key_value(raw)}")
    return f"[{','.join(parts)}]"


def _key_value(raw: bytes) -> str:
    if raw[0] != 0x22:
        return raw.decode()
    value = msgspec.json.decode(raw, type=str)
    plain = value == "" or (_UNQUOTED.fullmatch(value) and not _SCALAR.fullmatch(value))
    return value if plain else msgspec.json.encode(value).decode()


def field_of(element: bytes, field: str) -> bytes | None:
    """The slice at a key field (`id`, `properties/code`) of an element, None where it is absent."""
    raw = element
    for name in member_names(field):
        if raw[:1] != b"{":
            return None
        member = slices.members(raw).get(name)
        if member is None:
            return None
        raw = bytes(member)
    return raw


@lru_cache(maxsize=512)
def member_names(field: str) -> tuple[str, ...]:
    """The members that lead to a key field."""
    return tuple(unescape(name) for name in field.split("/"))


@lru_cache(maxsize=512)
def key_paths(fields: tuple[str, ...]) -> columns.Paths:
    """The places of a key's fields in an element, to read them as columns."""
    return tuple(map(member_names, fields))


def resolve(document: bytes, steps: Sequence[Step]) -> msgspec.Raw | None:
    """The slice of `document` at `steps`, None where there is nothing."""
    found: bytes | None = document.strip(slices.WHITESPACE)
    for _, _, below in walk(document, steps):
        found = below
    return None if found is None else msgspec.Raw(found)


def walk(document: bytes, steps: Sequence[Step]) -> Iterator[tuple[Step, str | None, bytes | None]]:
    """Down a path: each step as it was taken, the member's name, None for an element, and the slice there; it ends with
    a slice of None where there is nothing."""
    raw: bytes | None = document.strip(slices.WHITESPACE)
    left = list(reversed(steps))
    while left and raw is not None:
        step = left.pop()
        if raw[:1] != b"{":
            raw = _element(raw, step)
            yield step, None, raw
            continue
        if isinstance(step, KeyStep):
            left = list(reversed(as_members(step) or ()))
            if not left:
                yield step, None, None
                return
            step = left.pop()
        assert isinstance(step, str)
        member = slices.members(raw).get(step)
        raw = None if member is None else bytes(member)
        yield step, step, raw


def _element(raw: bytes, step: Step) -> bytes | None:
    if raw[:1] != b"[":
        return None
    if isinstance(step, KeyStep):
        return element_by_key((raw,), step)
    elements = slices.elements(raw)
    if not _INDEX.fullmatch(step) or int(step) >= len(elements):
        return None
    return bytes(elements[int(step)])


def element_by_key(arrays: Iterable[bytes], step: KeyStep) -> bytes | None:
    """The first element of one of the arrays that has the values as typed, else the first that has them as strings."""
    as_string = None
    for raw in (raw for array in arrays for raw in _candidates(array, step)):
        wanted = zip(step.fields, step.values, step.quoted, strict=True)
        match = [_value_matches(field_of(raw, field), value, quoted) for field, value, quoted in wanted]
        if all(m == 2 for m in match):
            return raw
        if as_string is None and all(match):
            as_string = raw
    return as_string


def _candidates(array: bytes, step: KeyStep) -> Iterator[bytes]:
    """Elements that may have the step's values: most are ruled out by a search for the longest text, or by whole
    numbers read column by column."""
    strings = [v for v, quoted in zip(step.values, step.quoted, strict=True) if quoted or not _SCALAR.fullmatch(v)]
    if not strings and all(map(_WHOLE.fullmatch, step.values)):
        column = columns.of(array, key_paths(step.fields))
        if column is not None:
            yield from _with_numbers(array, column, list(map(int, step.values)))
            return
    longest = max(strings, key=len, default="")
    sought, hides = longest.encode(), b"\\" if _ESCAPED.search(longest) else b"\\u"
    if sought not in array and hides not in array:
        return
    for element in slices.elements(array):
        raw = bytes(element)
        if sought in raw or hides in raw:
            yield raw


def _with_numbers(array: bytes, column: columns.Column, numbers: list[int]) -> Iterator[bytes]:
    """Elements that have these numbers in `column`, or strings that look like them."""
    either = [{number, str(number)} for number in numbers]
    if len(either) == 1:
        [wanted] = either
        places = [place for place, value in enumerate(column) if value in wanted]
    else:
        rows: Any = column
        places = [place for place, row in enumerate(rows) if all(map(set.__contains__, either, row))]
    elements = slices.elements(array) if places else []
    for place in places:
        yield bytes(elements[place])


def _value_matches(raw: bytes | None, value: str, quoted: bool) -> int:
    """2: the value as written; 1: a string that only looks like the number written; 0: another."""
    if raw is None:
        return 0
    if raw[0] == 0x22:
        if msgspec.json.decode(raw, type=str) != value:
            return 0
        return 2 if quoted or not _SCALAR.fullmatch(value) else 1
    if quoted or not _SCALAR.fullmatch(value):
        return 0
    return 2 if slices.same_scalar(raw, value.encode()) else 0
