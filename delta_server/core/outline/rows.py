"""One level of a document as rows, some at a time, with what changed there since the version before.

What changed is found place by place: members by name, elements by key where one is known, else by index where there are
as many. That costs a pass over the two values at the level and no comparison of the documents.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from itertools import islice
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core.diff import labels
from delta_server.core.diff.diff_settings import DiffSettings, KnownKeys, rules
from delta_server.core.history.blame import same_value
from delta_server.core.json import columns, pointer, short_values, slices, surrogates
from delta_server.core.json.slices import Kind
from delta_server.core.outline import places
from delta_server.core.outline.places import Place
from delta_server.core.packs import codec

TEXT_BYTES = 400
"""Of a scalar in a row; a longer one is cut."""
MOST_REMOVED = 100
DECODED_BYTES = 1 << 16
"""Values up to here are decoded to see whether they are equal."""

By = Literal["name", "key", "index"]
_Old = bytes | UnsetType | None
"""What a value was in the version before: None where it was not there, UNSET where that is not known."""
_CONTAINERS = (slices.OPEN_OBJECT, slices.OPEN_ARRAY)


class TreeMarks(msgspec.Struct, frozen=True, omit_defaults=True):
    """`op` is what happened to the value since the version before: `add`, `replace`, or `inside` for an object or array
    in which something changed. `old` is what a replaced scalar was."""

    op: Literal["add", "replace", "inside"] | UnsetType = UNSET
    old: str | UnsetType = UNSET


class TreeRow(msgspec.Struct, frozen=True):
    """`key` is a member's name or an element's index, `record` the step by key to an element. `text` is a scalar as it
    is written, cut where it is long; `members` counts what is in an object or array."""

    key: str | int
    record: str | None
    label: str | None
    kind: Kind
    members: int | None
    text: str | None
    cut: bool
    size_bytes: int
    marks: TreeMarks


class TreeLevel(msgspec.Struct, frozen=True):
    """`path` has records by key. `compared` says how rows are found in the version before, None where they are not;
    `removed` are the first that were there and are gone, of `removed_count`."""

    path: str
    kind: Kind
    of: int
    rows: list[TreeRow]
    compared: By | None
    removed: list[TreeRow]
    removed_count: int


def level(
    document: bytes, before: bytes | None, path: str, settings: DiffSettings, known: KnownKeys, start: int, count: int
) -> TreeLevel | None:
    """Rows `start` to `start + count` of the value at `path`; None where there is nothing. `before` is the version
    before."""
    if before is None:
        return surrogates.with_hidden(lambda text: _level(text, None, path, settings, known, start, count), document)
    return surrogates.with_hidden(
        lambda text, old: _level(text, old, path, settings, known, start, count), document, before
    )


def _level(
    document: bytes, before: bytes | None, path: str, settings: DiffSettings, known: KnownKeys, start: int, count: int
) -> TreeLevel | None:
    root = rules(settings, known)
    place = places.find(document, pointer.parse(path), root)
    if place is None:
        return None
    old = None if before is None else places.find(before, pointer.parse(place.path), root)
    of, found = places.window(place.raw, start, count)
    matched = None if old is None else _Matched(place, old, of)
    labelled = _Labelled(place, settings)
    records = _records(place, [raw for _, raw in found])
    olds: Sequence[_Old] = [UNSET] * len(found)
    if matched is not None and matched.by is not None:
        olds = matched.olds(found, start)
    rows = [
        _row(key, record, raw, labelled, before_it)
        for (key, raw), record, before_it in zip(found, records, olds, strict=True)
    ]
    removed, removed_count = ([], 0) if matched is None else matched.removed(labelled)
    by = None if matched is None else matched.by
    return TreeLevel(place.path, slices.kind(place.raw), of, rows, by, removed, removed_count)


class _Labelled:
    """The labels of the records at a place: of elements and members that are objects."""

    def __init__(self, place: Place, settings: DiffSettings) -> None:
        first = next(iter(places.runs(place.raw)), [])
        sample = [] if isinstance(first, bytes) else list(first.values() if isinstance(first, dict) else first)
        found = labels.Labels(settings)
        self._field = found.field(place.pattern, sample[: 4 * labels.SAMPLE], place.key_fields)

    def of(self, raw: bytes) -> str | None:
        return labels.of(raw, self._field) if raw[0] == slices.OPEN_OBJECT else None


def _records(place: Place, found: Sequence[bytes]) -> list[str | None]:
    """The steps by key of elements; None where two have the same, as it leads to one of them only."""
    if place.raw[0] != slices.OPEN_ARRAY:
        return [None] * len(found)
    steps = [places.record_of(place, raw) for raw in found]
    counts = Counter(steps)
    return [step if counts[step] == 1 else None for step in steps]


def _row(key: str | int, record: str | None, raw: bytes, labelled: _Labelled, old: _Old) -> TreeRow:
    is_container = raw[0] in _CONTAINERS
    short = b"" if is_container else short_values.shortened(raw, TEXT_BYTES)
    return TreeRow(
        key=key,
        record=record,
        label=labelled.of(raw),
        kind=slices.kind(raw),
        members=places.size(raw) if is_container else None,
        text=None if is_container else _text(short),
        cut=not is_container and short is not raw,
        size_bytes=len(raw),
        marks=TreeMarks() if isinstance(old, UnsetType) else _marks(raw, old),
    )


def _text(raw: bytes) -> str:
    return surrogates.restore(raw).decode()


def _marks(raw: bytes, old: bytes | None) -> TreeMarks:
    """`old` None: it was not there."""
    if old is None:
        return TreeMarks("add")
    if _are_same(old, raw):
        return TreeMarks()
    if old[0] in _CONTAINERS and old[0] == raw[0]:
        return TreeMarks("inside")
    return TreeMarks("replace", UNSET if old[0] in _CONTAINERS else _text(short_values.shortened(old, TEXT_BYTES)))


def _are_same(old: bytes, raw: bytes) -> bool:
    """By value; of what is long, whether the same stands there but for whitespace."""
    if max(len(old), len(raw)) <= DECODED_BYTES:
        return same_value(old, raw)
    if old == raw or old[0] != raw[0]:
        return old == raw
    first, second = (codec.digest(slices.minified(each)) for each in (old, raw))  # one is in memory at a time
    return first == second


class _Matched:
    """What is at a place beside what was there before, and which of it is which."""

    def __init__(self, new: Place, old: Place, of: int) -> None:
        self._new, self._old = new, old
        self.by = self._how(of)

    def _how(self, of: int) -> By | None:
        first, before = self._new.raw[0], self._old.raw[0]
        if first != before or first not in _CONTAINERS:
            return None
        if first == slices.OPEN_OBJECT:
            return "name"
        if self._new.key_fields and places.record_of(self._new, _first(self._new.raw)):
            return "key"
        return "index" if places.size(self._old.raw) == of else None

    def olds(self, found: Sequence[tuple[str | int, bytes]], start: int) -> Sequence[_Old]:
        """For each of a window what it was before."""
        if self.by == "index":
            return [raw for _, raw in places.window(self._old.raw, start, len(found))[1]]
        keys: list[Hashable] = [key for key, _ in found]
        if self.by == "key":
            keys = self._keys([msgspec.Raw(raw) for _, raw in found])
        wanted = set(keys)
        there = {key: bytes(raw) for key, _, raw in self._all(self._old.raw) if key in wanted}
        return [UNSET if key is None else there.get(key) for key in keys]

    def removed(self, labelled: _Labelled) -> tuple[list[TreeRow], int]:
        """The first that are gone, and how many are."""
        if self.by not in ("name", "key"):
            return [], 0
        there = {key for key, _, _ in self._all(self._new.raw)}
        gone = ((place, bytes(raw)) for key, place, raw in self._all(self._old.raw) if key not in there)
        rows = [
            _row(place, places.record_of(self._old, raw) if self.by == "key" else None, raw, labelled, UNSET)
            for place, raw in islice(gone, MOST_REMOVED)
        ]
        return rows, len(rows) + sum(1 for _ in gone)

    def _keys(self, elements: Sequence[msgspec.Raw]) -> list[Hashable]:
        fields = self._new.key_fields
        assert fields is not None, "matched by key"
        return list(columns.partial(elements, pointer.key_paths(fields)))

    def _all(self, raw: bytes) -> Iterator[tuple[Hashable, str | int, msgspec.Raw]]:
        """(what it is matched by, name or index, value) of all at a place; elements without a key are left out."""
        first = 0
        for run in places.runs(raw):
            if isinstance(run, dict):
                yield from ((name, name, value) for name, value in run.items())
                continue
            if not isinstance(run, bytes):
                for n, (key, value) in enumerate(zip(self._keys(run), run, strict=True), first):
                    if key is not None:
                        yield key, n, value
            first += places.length(run)


def _first(array: bytes) -> bytes:
    _, found = places.window(array, 0, 1)
    return found[0][1] if found else b"null"
