"""From versions of a document, in the order of time, to the intervals in which its records were the same.

Most records of a version have the bytes they had before: two operations on sets find those, and only the others
are read. What was and what is now under the same key is the same record; if it is only written in another way it goes
on, else one interval ends and another begins. Elements without a key are the same while their value is.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import msgspec

from delta_server.core.arrays import array_keys
from delta_server.core.diff.diff_settings import Fields, Rules
from delta_server.core.errors import TooCostly
from delta_server.core.history import records
from delta_server.core.json import columns, pointer, slices, surrogates
from delta_server.core.packs.codec import digest
from delta_server.core.tables.array_place import ArrayPlace, Found, Middle, Parts
from delta_server.core.tables.request import FOREVER_MS, MOST_MOMENTS, TableRequest
from delta_server.core.tables.shape import Shape
from delta_server.core.times import EARLIEST_MS

MOST_RECORDS = 1_000_000
"""Of one version."""

_UNKEYED = "\0"


class Rows(Protocol):
    """Where intervals go."""

    def begin(self, key: str | None, record: bytes, at_ms: int, snapshot: bytes) -> int:
        """The number of the row."""

    def end(self, row: int, at_ms: int) -> None: ...

    def sample(self, at_ms: int, rows: Sequence[int]) -> None:
        """The rows in force at a moment."""


class _Open:
    """A record in force: `row` None while it has none, as nobody asked for its time yet. The same record is who has the
    `same`."""

    __slots__ = ("_value", "at_ms", "key", "payload", "row", "same", "snapshot")

    def __init__(self, key: str | None, payload: bytes, at_ms: int, snapshot: bytes) -> None:
        self.key, self.payload, self.at_ms, self.snapshot = key, payload, at_ms, snapshot
        self.row: int | None = None
        self._value = b""
        self.same = _UNKEYED + self.value.hex() if key is None else key

    @property
    def value(self) -> bytes:
        """Equal for payloads of equal value."""
        if not self._value:
            self._value = digest(slices.canonical(self.payload))
        return self._value


_Item = tuple[str | None, bytes] | None
"""Name and value of a member; an element is its own value, unless it comes more than once."""
_Came = tuple[bytes, _Item]


class IntervalReader:
    """Reads one version after the other into `rows`, and learns the `shape` of all their records."""

    def __init__(self, request: TableRequest, rules: Rules | None, rows: Rows) -> None:
        """`rules` are those of the array."""
        self._request, self._rows, self._rules = request, rows, rules
        self._place = ArrayPlace(pointer.parse(request.array or ""))
        self._fields = [pointer.parse(path) for path in request.fields]
        self._key: Fields | None = request.key or None
        self._open: dict[bytes, _Open] = {}
        self._array: bytes | None = None
        self._all_differ = False
        self._version_ms = EARLIEST_MS
        self._begun: list[_Open] = []
        self._gives = False
        self._moments = 0
        self.shape = Shape()

    def read(self, at_ms: int, snapshot: bytes, body: bytes) -> None:
        """Raises TooCostly."""
        self._pass_until(at_ms)
        found = self._found(body)
        if found.raw == self._array:
            return
        self._array = found.raw
        if len(found.parts) > MOST_RECORDS:
            raise TooCostly(f"a version has more than {MOST_RECORDS} records")
        came, gone = self._of_middle(found.middle) or self._of_all(found)
        self._change(came, gone, at_ms, snapshot)

    def finish(self, now_ms: int) -> None:
        """No version comes any more: what is in force stays so."""
        self._pass_until(FOREVER_MS if self._request.every_ms is None else now_ms + 1)

    # Which records there are

    def _found(self, body: bytes) -> Found:
        """Of the document as the one record there is no part."""
        if self._request.array is None:
            return Found(bytes(slices.trimmed(surrogates.replaced(body))), [])
        return self._place.find(body)

    def _of_middle(self, middle: Middle | None) -> tuple[list[_Came], list[_Open]] | None:
        """What came and what is gone; None where these do not tell, as equal elements count by their number."""
        if middle is None or not self._all_differ:
            return None
        gone, came = set(middle.gone), set(middle.came)
        new = [item for item in middle.came if item not in gone]
        if len(came) < len(middle.came) or any(item in self._open for item in new):
            return None
        return [(item, None) for item in new], [self._open.pop(item) for item in middle.gone if item not in came]

    def _of_all(self, found: Found) -> tuple[list[_Came], list[_Open]]:
        items = self._items(found.raw, found.parts)
        self._all_differ = len(items) == len(found.parts) and all(member is None for member in items.values())
        gone = [self._open.pop(item) for item in self._open.keys() - items.keys()]
        return [(item, member) for item, member in items.items() if item not in self._open], gone

    def _items(self, raw: bytes | None, parts: Parts) -> dict[bytes, _Item]:
        """By the bytes that tell one from the other."""
        if raw is None:
            return {}
        if self._request.array is None:
            record = self._projected(raw)
            return {record: ("", record)}
        if isinstance(parts, dict):
            members = parts.items()
            return {msgspec.json.encode(name) + b":" + value: (name, bytes(value)) for name, value in members}
        items: dict[bytes, _Item] = dict.fromkeys(parts)
        return items if len(items) == len(parts) else _told_apart(parts)

    def _projected(self, record: bytes) -> bytes:
        """The record itself, or an object of the fields that are wanted, by their numbers."""
        if not self._fields:
            return record
        found = [(number, pointer.resolve(record, steps)) for number, steps in enumerate(self._fields)]
        return msgspec.json.encode({str(number): value for number, value in found if value is not None})

    # What became of them

    def _change(self, came: Sequence[_Came], gone: Sequence[_Open], at_ms: int, snapshot: bytes) -> None:
        before = _by_record(gone)
        for (item, member), key in zip(came, self._keys(came), strict=True):
            record = item if member is None else member[1]
            if self._request.array is None:
                new = _Open(None, record, at_ms, snapshot)
            else:
                new = _Open(key, self._projected(record), at_ms, snapshot)
            changed = None
            if before.get(new.same):
                earlier = before[new.same].pop()
                is_same, changed = _compared(earlier.payload, new.payload)
                if is_same:
                    self._open[item] = earlier
                    continue
                self._end(earlier, at_ms)
            self.shape.learn(new.payload, changed)
            self._open[item] = new
            self._begun.append(new)
        for left in before.values():
            for each in left:
                self._end(each, at_ms)

    def _keys(self, came: Sequence[tuple[bytes, _Item]]) -> list[str | None]:
        if not came:
            return []
        if came[0][1] is not None and came[0][1][0] is not None:
            return [member[0] for _, member in came if member is not None]
        elements = [item if member is None else member[1] for item, member in came]
        fields = self._key_fields(elements)
        if fields is None:
            return [None] * len(elements)
        found = columns.partial(elements, pointer.key_paths(fields))
        return [None if key is None else _key_text(fields, records.texts_of(key)) for key in found]

    def _key_fields(self, elements: Sequence[bytes]) -> Fields | None:
        """Those that were named, that the endpoint has, or else that the first version has which shows any."""
        if self._key is None and self._rules is not None:
            self._key = self._rules.keys or self._rules.known
        if self._key is None and len(elements) > 1:
            inner = self._rules.element() if self._rules else None
            self._key = array_keys.of_array(b"[" + b",".join(elements) + b"]", inner)
        return self._key

    # Which of them are wanted

    def _pass_until(self, at_ms: int) -> None:
        """What is in force until then is wanted by the range, or by the moments of samples before it."""
        from_ms, to_ms = self._request.from_ms, self._request.to_ms
        if self._request.every_ms is not None:
            self._sample(min(at_ms, to_ms), self._request.every_ms)
        elif from_ms < at_ms and self._version_ms < to_ms and from_ms < to_ms:
            self._give_rows()
        self._version_ms = at_ms

    def _sample(self, end_ms: int, every_ms: int) -> None:
        moment_ms = self._request.first_moment(max(self._version_ms, self._request.from_ms))
        while self._open and moment_ms < end_ms:
            self._moments += 1
            if self._moments > MOST_MOMENTS:
                raise TooCostly(f"more than {MOST_MOMENTS} moments: take a longer every, or a shorter range")
            self._give_rows()
            self._rows.sample(moment_ms, [each.row for each in self._open.values() if each.row is not None])
            moment_ms += every_ms

    def _give_rows(self) -> None:
        """To all in force; once that was done, to those that began with the last version."""
        for each in self._begun if self._gives else self._open.values():
            if each.row is None:
                self._give_row(each)
        self._begun, self._gives = [], True

    def _give_row(self, each: _Open) -> None:
        each.row = self._rows.begin(each.key, each.payload, each.at_ms, each.snapshot)

    def _end(self, each: _Open, at_ms: int) -> None:
        if each.row is not None:
            self._rows.end(each.row, at_ms)


def _by_record(gone: Sequence[_Open]) -> dict[str, list[_Open]]:
    """Of several with the same key the oldest is the last."""
    found: defaultdict[str, list[_Open]] = defaultdict(list)
    for each in gone:
        found[each.same].append(each)
    for some in found.values():
        if len(some) > 1:
            some.sort(key=lambda each: (each.at_ms, each.value), reverse=True)
    return found


def _compared(before: bytes, after: bytes) -> tuple[bool, dict[str, msgspec.Raw] | None]:
    """Whether both have the same value; and of two objects the members that the second has with other bytes."""
    if before[0] != slices.OPEN_OBJECT or after[0] != slices.OPEN_OBJECT:
        return slices.canonical(before) == slices.canonical(after), None
    old, new = slices.members(before), slices.members(after)
    other = {name: value for name, value in new.items() if old.get(name) != value}
    is_same = len(old) == len(new) and all(name in old and _equal(old[name], value) for name, value in other.items())
    return is_same, other


def _equal(before: msgspec.Raw, after: msgspec.Raw) -> bool:
    return slices.canonical(bytes(before)) == slices.canonical(bytes(after))


def _told_apart(elements: Sequence[bytes]) -> dict[bytes, _Item]:
    """Equal elements by their number too."""
    items: dict[bytes, _Item] = {}
    times: defaultdict[bytes, int] = defaultdict(int)
    for element in elements:
        items[element + b"\0%d" % times[element] if times[element] else element] = None, element
        times[element] += 1
    return items


def _key_text(fields: Fields, texts: Sequence[str]) -> str:
    """The value of the one field; of several `state=6,county=Alpine`."""
    if len(texts) == 1:
        return texts[0]
    return ",".join(f"{field}={text}" for field, text in zip(fields, texts, strict=True))
