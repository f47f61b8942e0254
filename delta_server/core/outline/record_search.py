"""Finds records of a document by what people know them by: the values of their key, or their label.

A record is an object in an array that has a key or a label, or a member of a map that is an object. Keys and labels are
read as columns; only what has the text in them is split, and what may have other records in it.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial

import msgspec

from delta_server.core.diff import labels
from delta_server.core.diff.diff_settings import DiffSettings, Fields, KnownKeys, rules
from delta_server.core.diff.summary import MAP_FROM
from delta_server.core.json import columns, pointer, slices, surrogates
from delta_server.core.outline import places
from delta_server.core.outline.places import Place
from delta_server.core.outline.search import MOST_COUNTED, MOST_READ_BYTES, Sought, as_text

_ARRAY_OF_OBJECTS = re.compile(rb"\[\s*\{")


class RecordHit(msgspec.Struct, frozen=True):
    """`key` are the values of its key, as people read them; of a member of a map its name."""

    path: str
    label: str | None
    key: list[str]


LazyHit = Callable[[], RecordHit]
"""Made when it is shown: ten thousand may only be counted."""


class RecordSearch(msgspec.Struct, frozen=True):
    """`of` records there are, at least so many when it is not `complete`."""

    of: int
    complete: bool
    rows: list[RecordHit]


def find(
    document: bytes, q: str, path: str, settings: DiffSettings, known: KnownKeys, start: int, count: int
) -> RecordSearch | None:
    """Hits `start` to `start + count` at and under `path`, in the document's order, a record before those in it; None
    where there is nothing. An empty `q` finds all."""
    return surrogates.with_hidden(lambda text: _find(text, q, path, settings, known, start, count), document)


def _find(
    document: bytes, q: str, path: str, settings: DiffSettings, known: KnownKeys, start: int, count: int
) -> RecordSearch | None:
    place = places.find(document, pointer.parse(path), rules(settings, known))
    if place is None:
        return None
    search = _RecordSearch(q, settings)
    rows: list[RecordHit] = []
    of = 0
    for hit in search.hits(place):
        if of == MOST_COUNTED:
            return RecordSearch(of, complete=False, rows=rows)
        if start <= of < start + count:
            rows.append(hit())
        of += 1
    return RecordSearch(of, complete=not search.is_cut_short, rows=rows)


class _RecordSearch:
    def __init__(self, q: str, settings: DiffSettings) -> None:
        self._sought = Sought(q)
        self._labels = labels.Labels(settings)
        self._read = 0
        self.is_cut_short = False

    def hits(self, place: Place) -> Iterator[LazyHit]:
        """Those in the value at a place."""
        self._read += len(place.raw)
        if self._read > MOST_READ_BYTES:
            self.is_cut_short = True
            return
        is_map = place.raw[0] == slices.OPEN_OBJECT and places.size(place.raw) > MAP_FROM
        field: str | None = None
        for first, run in self._sought.promising(place.raw):
            if isinstance(run, bytes):  # elements that are scalars
                continue
            if not first and (is_map or isinstance(run, list)):
                records = list(run.values() if isinstance(run, dict) else run)[: 4 * labels.SAMPLE]
                field = self._labels.field(place.pattern, records, place.key_fields)
            if isinstance(run, dict):
                yield from self._in_members(place, run, field, is_map=is_map)
            else:
                yield from self._in_elements(place, first, run, field)

    def _in_members(
        self, place: Place, run: dict[str, msgspec.Raw], field: str | None, *, is_map: bool
    ) -> Iterator[LazyHit]:
        for name, value in run.items():
            raw = bytes(value)
            if is_map and raw[0] == slices.OPEN_OBJECT:
                label = labels.of(raw, field)
                if self._sought.is_in(name) or (label is not None and self._sought.is_in(label)):
                    yield partial(RecordHit, place.member(name, raw).path, label, [name])
            if self._may_have_records(raw):
                yield from self.hits(place.member(name, raw))

    def _in_elements(self, place: Place, first: int, run: list[msgspec.Raw], field: str | None) -> Iterator[LazyHit]:
        named = self._named(run, place.key_fields, field)
        for n, (value, is_named) in enumerate(zip(run, named, strict=True), first):
            raw = bytes(value)
            if is_named:
                yield partial(_element_hit, place, n, raw, field)
            if self._may_have_records(raw):
                yield from self.hits(place.element(places.record_of(place, raw) or str(n), raw))

    def _named(self, run: list[msgspec.Raw], fields: Fields | None, label: str | None) -> list[bool]:
        """Of each element, whether its key or label may have the text: read as columns, a tenth of splitting them."""
        named = [False] * len(run)
        for field in {*(fields or ()), *filter(None, [label])}:
            column = columns.partial(run, pointer.key_paths((field,)))
            for n, value in enumerate(column):
                if not named[n] and value is not None:
                    named[n] = self._sought.is_in(value.decode() if isinstance(value, bytes) else str(value))
        return named

    def _may_have_records(self, raw: bytes) -> bool:
        """In it, and among them some that are sought."""
        is_promising = _ARRAY_OF_OBJECTS.search(raw) is not None or raw.count(b"{") > MAP_FROM
        return is_promising and self._sought.may_be_in(raw)


def _element_hit(place: Place, number: int, raw: bytes, field: str | None) -> RecordHit:
    step = places.record_of(place, raw)
    values = [pointer.field_of(raw, one) for one in place.key_fields or ()] if step else []
    key = [as_text(value) for value in values if value is not None]
    return RecordHit(place.element(step or str(number), raw).path, labels.of(raw, field), key)
