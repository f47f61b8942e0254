"""Places in a large document, found without splitting more than a piece of it at a time (core/json/pieces.py): what is
long is never in memory as one list of its elements or members."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from delta_server.core.diff.diff_settings import Fields, Rules
from delta_server.core.json import pieces, pointer, slices
from delta_server.core.json.pointer import KeyStep, Step

Run: TypeAlias = "list[msgspec.Raw] | dict[str, msgspec.Raw] | bytes"
"""Some elements or members in a row; those of an array that are plain numbers and the like as their text."""


class Place(msgspec.Struct, frozen=True):
    """A value with where it is: `path` has records by their key where one is known, `pattern` has `*` for elements,
    `rules` are those of the settings there."""

    raw: bytes
    rules: Rules | None
    path: str = ""
    pattern: str = ""

    @property
    def key_fields(self) -> Fields | None:
        """What identifies the elements of the array here: the settings say it, or deltas have found it."""
        return (self.rules.keys or self.rules.known) if self.rules else None

    def member(self, name: str, raw: bytes) -> "Place":
        step = "/" + pointer.escape(name)
        return Place(raw, self.rules and self.rules.member(name), self.path + step, self.pattern + step)

    def element(self, step: str, raw: bytes) -> "Place":
        return Place(raw, self.rules and self.rules.element(), f"{self.path}/{step}", f"{self.pattern}/*")


def find(document: bytes, steps: Sequence[Step], rules: Rules | None) -> Place | None:
    """The place at a path, by index or key; None where there is nothing."""
    place = Place(document.strip(slices.WHITESPACE), rules)
    left = list(reversed(steps))
    while left:
        step = left.pop()
        if place.raw[0] == slices.OPEN_OBJECT:
            if isinstance(step, KeyStep):
                left = list(reversed(pointer.as_members(step) or ()))
                if not left:
                    return None
                step = left.pop()
            below = _member(place, step) if isinstance(step, str) else None
        else:
            below = _element(place, step) if place.raw[0] == slices.OPEN_ARRAY else None
        if below is None:
            return None
        place = below
    return place


def _member(place: Place, name: str) -> Place | None:
    found = None
    for run in pieces.member_runs(place.raw):
        found = run.get(name, found)  # of a repeated name the last one counts
    return None if found is None else place.member(name, bytes(found))


def _element(place: Place, step: Step) -> Place | None:
    if isinstance(step, KeyStep):
        raw = pointer.element_by_key(_arrays(place.raw), step)
        return None if raw is None else place.element(pointer.text_of(step), raw)
    if not pointer.is_index(step):
        return None
    _, found = window(place.raw, int(step), 1)
    return place.element(record_of(place, found[0][1]) or step, found[0][1]) if found else None


def record_of(place: Place, element: bytes) -> str | None:
    """The step by key to an element of the array at a place, None without a key."""
    fields = place.key_fields
    return pointer.key_step(fields, element) if fields and element[0] == slices.OPEN_OBJECT else None


def _arrays(raw: bytes) -> Iterator[bytes]:
    """An array as arrays of some elements each."""
    if len(raw) < pieces.LARGE_BYTES:
        yield raw
        return
    for (begin, end), _ in pieces.cuts(raw):
        yield b"[%b]" % raw[begin:end]


def runs(raw: bytes) -> Iterable[Run]:
    """What is in an object or array, in order; nothing of a scalar."""
    if raw[0] == slices.OPEN_OBJECT:
        return pieces.member_runs(raw)
    return pieces.element_runs(raw) if raw[0] == slices.OPEN_ARRAY else ()


def length(run: Run) -> int:
    return run.count(b",") + 1 if isinstance(run, bytes) else len(run)


def size(raw: bytes) -> int:
    """How many members or elements there are."""
    return sum(map(length, runs(raw)))


def window(raw: bytes, start: int, count: int) -> tuple[int, list[tuple[str | int, bytes]]]:
    """How many members or elements there are, and those from `start` on with their names or indexes."""
    of = 0
    found: list[tuple[str | int, bytes]] = []
    for run in runs(raw):
        first, of = of, of + length(run)
        if of > start and len(found) < count:
            from_, to = max(0, start - first), start + count - first
            found += [(key, bytes(value)) for key, value in _keyed(run, first)[from_:to]]
    return of, found


def _keyed(run: Run, first: int) -> list[tuple[str | int, msgspec.Raw]]:
    if isinstance(run, dict):
        return list(run.items())
    return list(enumerate(elements(run), first))


def elements(run: list[msgspec.Raw] | bytes) -> list[msgspec.Raw]:
    return slices.elements(b"[%b]" % run) if isinstance(run, bytes) else run
