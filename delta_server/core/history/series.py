"""Numbers along time: those at one path in many versions, of one place or of each record that a `*` stands for.

A reading is what one version has: record -> the text of its number. Readings become columns of a table; where there are
more than are wanted, neighbouring ones are two columns with the smallest and the largest number of each record, in the
order in which they came (min-max decimation, as plotting libraries have it): no extreme is lost, and each moves by
less than its stretch.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec

from delta_server.core.diff import labels
from delta_server.core.diff.diff_settings import DiffSettings, KnownKeys, Rules, rules
from delta_server.core.diff.labels import Labels
from delta_server.core.errors import Invalid
from delta_server.core.json import pointer, slices, surrogates
from delta_server.core.json.pointer import Step

ANY = "*"
MOST_ANY = 2

Reading = dict[str, bytes]
"""By the key path of the record, `` for a path without `*`."""


class SeriesPath(msgspec.Struct, frozen=True):
    path: str
    steps: tuple[Step, ...]

    @property
    def is_of_records(self) -> bool:
        return ANY in self.steps


class Line(msgspec.Struct, frozen=True):
    """The numbers of a record, None where it has none."""

    record: str
    label: str | None
    values: list[bytes | None]


def parse(path: str) -> SeriesPath:
    """Raises Invalid."""
    steps = pointer.parse(path)
    if "**" in path.split("/"):
        raise Invalid("** is no place: name the fields, with * for any record, as in /items/*/price", field="path")
    if steps.count(ANY) > MOST_ANY:
        raise Invalid(f"{path!r} has more than {MOST_ANY} `*`", field="path")
    return SeriesPath(path, steps)


class Reader:
    """Reads versions in the order of time. `labels` are those of the records in the last version that had them. With
    `of_any_kind` other values are read like numbers."""

    def __init__(
        self, path: SeriesPath, settings: DiffSettings, known: KnownKeys, *, of_any_kind: bool = False
    ) -> None:
        self._steps, self._rules = path.steps, rules(settings, known)
        self._of_any_kind = of_any_kind
        self._labels = Labels(settings)
        self.labels: dict[str, str | None] = {}

    def read(self, bodies: Sequence[bytes]) -> list[Reading]:
        return [self._reading(body, again=number == len(bodies) - 1) for number, body in enumerate(bodies)]

    def _reading(self, body: bytes, *, again: bool) -> Reading:
        found: Reading = {}
        _Collector(self._labels, self.labels, found, again, self._of_any_kind).collect(
            surrogates.hide(body).strip(slices.WHITESPACE), self._steps, self._rules, ("", "")
        )
        return found


class _Collector(msgspec.Struct, frozen=True):
    """Of one version. With `again`, records whose labels are known are labelled anew."""

    known_labels: Labels
    labels: dict[str, str | None]
    found: Reading
    again: bool
    of_any_kind: bool

    def collect(self, raw: bytes, steps: tuple[Step, ...], at: Rules | None, where: tuple[str, str]) -> None:
        """`where` is the record around, as a path by keys, and the path from there."""
        record, place = where
        if ANY not in steps:
            found = pointer.resolve(raw, steps)
            if found is not None and (self.of_any_kind or slices.kind(bytes(found)) == "number"):
                self.found[record] = bytes(found)
            return
        step, *left = steps
        if step == ANY:
            self._each(raw, tuple(left), at, record + place)
            return
        below = pointer.resolve(raw, (step,))
        if below is not None:
            is_member = isinstance(step, str) and raw[0] == slices.OPEN_OBJECT
            name = pointer.escape(step) if isinstance(step, str) else pointer.text_of(step)
            inner = at and (at.member(str(step)) if is_member else at.element())
            self.collect(bytes(below), tuple(left), inner, (record, f"{place}/{name}"))

    def _each(self, raw: bytes, steps: tuple[Step, ...], at: Rules | None, path: str) -> None:
        if raw[0] == slices.OPEN_OBJECT:
            for name, member in slices.members(raw).items():
                below = f"{path}/{pointer.escape(name)}"
                self.collect(bytes(member), steps, at and at.member(name), (below, ""))
                if below in self.found:
                    self.labels[below] = name
        elif raw[0] == slices.OPEN_ARRAY:
            self._elements(slices.elements(raw), steps, at, path)

    def _elements(self, elements: Sequence[msgspec.Raw], steps: tuple[Step, ...], at: Rules | None, path: str) -> None:
        fields = (at.keys or at.known) if at else None
        label = self.known_labels.field(pattern_of(path), elements, fields)
        for number, element in enumerate(elements):
            record = bytes(element)
            name = pointer.key_step(fields, record) if fields and record[0] == slices.OPEN_OBJECT else None
            below = f"{path}/{name or number}"
            self.collect(record, steps, at and at.element(), (below, ""))
            if below in self.found and (self.again or below not in self.labels):
                self.labels[below] = labels.of(record, label)


def pattern_of(path: str) -> str:
    """The pattern of an array: its elements' steps stand for any."""
    return "".join(
        f"/{ANY}" if not isinstance(step, str) or pointer.is_index(step) else f"/{pointer.escape(step)}"
        for step in pointer.parse(path)
    )


def records_of(paths: Sequence[str]) -> frozenset[str]:
    """The paths of records as readings have them, steps by key in brackets. Raises Invalid."""
    if any(ANY in path.split("/") for path in paths):
        raise Invalid("a record is named by its key or index, as in /items/[sku=A7]", field="record")
    return frozenset(map(pointer.in_brackets, paths))


def table(
    readings: Sequence[Reading], names: Mapping[str, str | None], most: int, only: frozenset[str] = frozenset()
) -> tuple[list[Line], int]:
    """The lines of up to `most` records, those that changed most first, and how many are left out: of all, or of
    those that `only` names."""
    changes: dict[str, int] = {}
    last: dict[str, bytes] = {}
    for reading in readings:
        for record, value in reading.items():
            if only and record not in only:
                continue
            changes[record] = changes.get(record, 0) + (last.get(record) != value)
        last.update(reading)
    newest = readings[-1] if readings else {}
    ranked = sorted(changes, key=lambda record: (-changes[record], record not in newest, record))
    kept = ranked[:most]
    lines = [Line(record, names.get(record), [reading.get(record) for reading in readings]) for record in kept]
    return lines, len(ranked) - len(kept)


def thinned(times: Sequence[int], lines: Sequence[Line], points: int) -> tuple[list[int], list[Line]]:
    """At most `points` columns: see above."""
    if len(times) <= points:
        return list(times), list(lines)
    pairs = max(1, points // 2)
    cuts = [len(times) * number // pairs for number in range(pairs + 1)]
    parts = [range(first, end) for first, end in pairwise(cuts)]
    at = [times[place] for part in parts for place in (part[0], part[-1])]
    thin = [msgspec.structs.replace(line, values=_extremes(line.values, parts)) for line in lines]
    return at, thin


def _extremes(values: Sequence[bytes | None], parts: Sequence[range]) -> list[bytes | None]:
    found: list[bytes | None] = []
    for part in parts:
        there = [(float(value), place) for place in part if (value := values[place]) is not None]
        if not there:
            found += (None, None)
            continue
        (_, low), (_, high) = min(there), max(there)
        found += (values[min(low, high)], values[max(low, high)])
    return found
