"""The key of each row of a block, read by msgspec structs that decode its fields and skip the rest."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any

import msgspec
from msgspec import UNSET

from delta_server.core.arrays import array_keys
from delta_server.core.arrays.array_keys import ArrayPair
from delta_server.core.arrays.key_names import IDENTIFIER, likeness
from delta_server.core.diff.diff_settings import Fields, Rules
from delta_server.core.errors import Invalid
from delta_server.core.json import columns, json_text, pointer, slices
from delta_server.core.rowdelta import mistakes

SAMPLE_ROWS = 1000
_NEARLY = 0.9
"""So many rows must differ in a field that is named as an identifier: a few duplicates are reported."""

_DIGITS = b"0123456789\n"
_INDEX = re.compile(r"0|[1-9][0-9]{0,5}")
_first, _last = itemgetter(0), itemgetter(-1)
_OPENS, _CLOSES = set(b"{"), set(b"}")
_LACKING = (AttributeError, IndexError, KeyError, TypeError, msgspec.ValidationError)
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_decode_raw = msgspec.json.Decoder(msgspec.Raw)


class RowReader:
    """Reads fields of rows. `fields` are those of the key, `others` are members of the row whose text is wanted too."""

    def __init__(self, fields: Fields, others: tuple[str, ...] = ()) -> None:
        self.fields = fields
        paths = [*pointer.key_paths(fields), *[(name,) for name in others]]
        self._count = len(fields)
        is_struct = columns.can_be_members(tuple(paths))
        kind = (_row_type(tuple(paths)) if is_struct else dict[str, msgspec.Raw]) if paths else msgspec.Raw
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)
        self._getters = [_getter(path) if is_struct else _picker(path) for path in paths]

    def read(self, block: bytes, lines: list[bytes], what: str, first: int) -> tuple[list[Any], list[int]]:
        """The decoded rows, UNSET for one that is not an object, and the places of the lines that are blank, which have
        none. Raises Invalid with the number of the line that is not JSON; `first` is that of the first."""
        try:
            if set(map(_first, lines)) == _OPENS and set(map(_last, lines)) == _CLOSES:
                _check_utf8(block)
                rows = self._decoder.decode_lines(block)
                if len(rows) == len(lines):  # no value spans lines, for within one no { follows }
                    return rows, []
        except (IndexError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        rows, blank = [], []
        for place, line in enumerate(lines):
            if not line or line.isspace():
                blank.append(place)
            else:
                rows.append(self._read_one(line, f"{what}, line {first + place}"))
        return rows, blank

    def _read_one(self, line: bytes, what: str) -> Any:
        try:
            _check_utf8(line)
            try:
                return self._decoder.decode(line)
            except msgspec.ValidationError:
                _decode_raw.decode(line)
                return UNSET
        except UnicodeDecodeError as error:
            raise Invalid(f"{what}: it is not valid UTF-8 (byte {error.start})") from None
        except msgspec.DecodeError as error:
            hint = f"; if this is an array of rows, {mistakes.GIVE_ELEMENTS}" if line.lstrip()[:1] == b"[" else ""
            raise Invalid(f"{what}: it is not valid JSON: {json_text.reason(error, line)}{hint}") from None
        except RecursionError:
            raise Invalid(f"{what}: it is nested too deep") from None

    def keys(self, rows: list[Any]) -> tuple[list[Any], int]:
        """The text of each row's key, equal for equal keys, None for a row that lacks a field of it; and how many do.
        Texts are bytes, or of msgspec, which are as long as rows are kept."""
        found = [_canonical(self._column(rows, place)) for place in range(self._count)]
        if self._count == 1:
            return found[0]
        texts = zip(*[column for column, _ in found], strict=True)
        if not any(lacking for _, lacking in found):
            return list(map(b",".join, texts)), 0
        keys = [None if None in key else b",".join(key) for key in texts]
        return keys, keys.count(None)

    def other(self, rows: list[Any], place: int) -> list[Any]:
        """The text of a member in each row, UNSET where it has none."""
        return self._column(rows, self._count + place)

    def keys_of(self, texts: list[bytes]) -> list[dict[str, msgspec.Raw]]:
        """The fields of rows that have them, as they are written."""
        columns_ = [map(msgspec.Raw.copy, column) for column in self._key_columns(texts)]
        return [dict(zip(self.fields, values, strict=True)) for values in zip(*columns_, strict=True)]

    def key_texts(self, texts: list[bytes]) -> list[bytes]:
        """The same as JSON."""
        pieces = [b"%b:%%b" % _encode(field).replace(b"%", b"%%") for field in self.fields]
        return list(map((b"{" + b",".join(pieces) + b"}").__mod__, zip(*self._key_columns(texts), strict=True)))

    def _key_columns(self, texts: list[bytes]) -> list[list[Any]]:
        try:
            rows = self._decoder.decode_lines(b"\n".join(texts))
        except msgspec.DecodeError:
            rows = []
        if len(rows) != len(texts):
            rows = list(map(self._decoder.decode, texts))
        return [list(map(get, rows)) for get in self._getters[: self._count]]

    def _column(self, rows: list[Any], place: int) -> list[Any]:
        get = self._getters[place]
        try:
            return list(map(get, rows))
        except _LACKING:
            return [_or_unset(get, row) for row in rows]


def _check_utf8(text: bytes) -> None:
    if not text.isascii():
        text.decode()


def _or_unset(get: Callable[[Any], Any], row: Any) -> Any:
    try:
        return get(row)
    except _LACKING:
        return UNSET


def _canonical(column: list[Any]) -> tuple[list[Any], int]:
    """Each value as core/json/slices.py's `canonical` has it, None for what is no key, and how many these are. Columns
    of whole numbers, and of strings without escapes, are so already."""
    try:
        text = b"\n".join(column)
    except TypeError:
        text = b""
    if text and (not text.translate(None, _DIGITS) or _is_plain_strings(text, len(column))):
        return column, 0
    found = [None if raw is UNSET else _canonical_one(bytes(raw)) for raw in column]
    return found, found.count(None)


def _is_plain_strings(text: bytes, count: int) -> bool:
    quoted = text.startswith(b'"') and text.endswith(b'"') and text.count(b'"\n"') == count - 1
    return quoted and b"\\" not in text and text.count(b'"') == 2 * count


def _canonical_one(raw: bytes) -> bytes | None:
    return None if raw[0] in b"{[n" else slices.canonical(raw)


# Types


@lru_cache(maxsize=256)
def _row_type(paths: columns.Paths) -> Any:
    return _struct(list(paths))


def _struct(paths: list[tuple[str, ...]]) -> Any:
    """A struct of the members that the paths begin with; where one goes on by an index, it is a list of texts."""
    heads = {path[0]: [other[1:] for other in paths if other[0] == path[0] and len(other) > 1] for path in paths}
    members: list[tuple[str, Any, Any]] = [
        (_attribute(name), (_value_type(rests) if rests else msgspec.Raw) | msgspec.UnsetType, UNSET)
        for name, rests in heads.items()
    ]
    return msgspec.defstruct("Row", members, rename={_attribute(name): name for name in heads}, gc=False)


def _value_type(paths: list[tuple[str, ...]]) -> Any:
    if not all(_INDEX.fullmatch(path[0]) for path in paths):
        return _struct(paths)
    return list[msgspec.Raw]  # of whatever kinds: the one in question is decoded by itself


def _attribute(name: str) -> str:
    return "m" + name.encode().hex()


def _getter(path: tuple[str, ...]) -> Callable[[Any], Any]:
    if len(path) == 1 or not any(map(_INDEX.fullmatch, path[1:])):
        return attrgetter(".".join(map(_attribute, path)))

    rests = [msgspec.json.Decoder(_value_type([path[place:]])) for place in range(len(path))]

    def get(row: Any) -> Any:
        for place, name in enumerate(path):
            if isinstance(row, msgspec.Raw):
                row = rests[place].decode(row)
            row = row[int(name)] if place and isinstance(row, list) else getattr(row, _attribute(name))
        return row

    return get


def _picker(path: tuple[str, ...]) -> Callable[[Any], Any]:
    """Takes from a row of names that a struct cannot have, which is a dict, what `_getter` takes from a struct."""

    def pick(row: Any) -> Any:
        found = row[path[0]]
        for name in path[1:]:
            is_element = bytes(found)[:1] == b"[" and _INDEX.fullmatch(name)
            found = _decode_list(found)[int(name)] if is_element else columns.decode_members(found)[name]
        return found

    return pick


# Which fields are the key


def find_key(before: Sequence[bytes], after: Sequence[bytes], rules: Rules | None) -> Fields:
    """The key of the rows as far as the first ones of both sides show, by the rules for arrays; () where there is none.

    Rows come in any order, so those seen of one side may be others than those of the other: then only a field whose
    name is that of an identifier is a key.
    """
    try:
        old, new = _objects(before), _objects(after)
    except msgspec.DecodeError:
        return ()  # which line it is, is found when all are read
    if old is None or new is None or not (old or new):
        return ()
    for name in array_keys.identifiers(bytes((old or new)[0]), rules):
        if likeness(name) == IDENTIFIER and all(_is_nearly_unique(side, name) for side in (old, new) if side):
            return (name,)
    if old and new:
        found = array_keys.plain(old, new, old[0], rules)
        found = found or array_keys.find_key(
            ArrayPair(old, len(new), list(map(bytes, old)), list(map(bytes, new)), rules)
        )
        if found is not None and array_keys.unique_column(old, found.fields) is not None:
            return found.fields
    for name in array_keys.identifiers(bytes((old or new)[0]), rules):
        if all(array_keys.unique_column(side, (name,)) is not None for side in (old, new) if side):
            return (name,)
    return ()


def _is_nearly_unique(rows: list[msgspec.Raw], name: str) -> bool:
    column = columns.of(b"[" + b",".join(rows) + b"]", pointer.key_paths((name,)))
    return column is not None and len(set(column)) >= _NEARLY * len(rows)


def _objects(lines: Sequence[bytes]) -> list[msgspec.Raw] | None:
    rows = [_decode_raw.decode(line) for line in lines if line and not line.isspace()]
    return None if any(bytes(row)[0] != slices.OPEN_OBJECT for row in rows) else rows
