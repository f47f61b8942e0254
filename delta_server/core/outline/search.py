"""Finds a text in the names and values of a document, in its order.

Most of a document is passed over as bytes: only what may hold the text is split, down to the scalars in which it is
compared as text. Neither case nor accents count.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from delta_server.core import folding
from delta_server.core.diff import labels
from delta_server.core.diff.diff_settings import DiffSettings, KnownKeys, rules
from delta_server.core.json import pieces, pointer, short_values, slices, surrogates
from delta_server.core.json.slices import Kind
from delta_server.core.outline import places
from delta_server.core.outline.places import Place, Run
from delta_server.core.outline.rows import TEXT_BYTES

MOST_COUNTED = 10_000
"""Hits that are counted; of a document with more it is said that there are more."""
MOST_READ_BYTES = 1 << 30
"""What is looked at on all levels together: a document that is deep and large everywhere ends the search."""
AROUND = 120  # characters shown before and behind a hit in a long text

_CONTAINERS = (slices.OPEN_OBJECT, slices.OPEN_ARRAY)
_decode = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


class TextHit(msgspec.Struct, frozen=True):
    """`path` has records by key, `pointer` elements by index. `label` is that of the record the place is in. Of a long
    text there is what stands around the hit, and `cut` is true."""

    path: str
    pointer: str
    found_in: Literal["key", "value"]
    label: str | None
    kind: Kind
    text: str | None
    cut: bool


class TextSearch(msgspec.Struct, frozen=True):
    """`of` hits there are, at least so many when it is not `complete`."""

    of: int
    complete: bool
    rows: list[TextHit]


def find(document: bytes, q: str, settings: DiffSettings, known: KnownKeys, start: int, count: int) -> TextSearch:
    """Hits `start` to `start + count`."""
    return surrogates.with_hidden(lambda text: _find(text, q, settings, known, start, count), document)


def _find(document: bytes, q: str, settings: DiffSettings, known: KnownKeys, start: int, count: int) -> TextSearch:
    search = _Search(q, settings)
    rows: list[TextHit] = []
    of = 0
    for hit in search.hits(Place(document.strip(slices.WHITESPACE), rules(settings, known)), "", None):
        if of == MOST_COUNTED:
            return TextSearch(of, complete=False, rows=rows)
        if start <= of < start + count:
            rows.append(hit)
        of += 1
    return TextSearch(of, complete=not search.is_cut_short, rows=rows)


class Sought(folding.FoldedText):
    """A text that is sought, and what it passes over."""

    def promising(self, raw: bytes) -> Iterator[tuple[int, Run]]:
        """(number of its first element, run) of the runs in which it may be, and the first one."""
        if len(raw) < pieces.LARGE_BYTES:
            yield from ((0, run) for run in places.runs(raw))
            return
        first = 0
        for (begin, end), split in pieces.cuts(raw):
            run: Run = raw[begin:end] if split is None else split
            if not first or self.may_be_in(raw[begin:end]):
                yield first, run
            first += places.length(run)

    def around(self, raw: bytes) -> bytes:
        """The part of a long string around the first hit, as a JSON string."""
        text = _decode(raw)
        at = max(0, folding.find(text, self.folded))
        begin, end = max(0, at - AROUND), at + len(self.folded) + AROUND
        return _encode(f"{'…' if begin else ''}{text[begin:end]}{'…' if end < len(text) else ''}")


class _Search:
    def __init__(self, q: str, settings: DiffSettings) -> None:
        self._sought = Sought(q)
        self._labels = labels.Labels(settings)
        self._read = 0
        self.is_cut_short = False

    def hits(self, place: Place, at: str, label: str | None) -> Iterator[TextHit]:
        """Those at a value and in it; `at` is its JSON Pointer."""
        raw = place.raw
        if raw[0] not in _CONTAINERS:
            if self._sought.is_in(as_text(raw)):
                yield self._hit(place, at, label, "value")
            return
        self._read += len(raw)
        if self._read > MOST_READ_BYTES:
            self.is_cut_short = True
            return
        field: str | None = None
        for first, run in self._sought.promising(raw):
            if not isinstance(run, bytes) and not first:
                records = list(run.values() if isinstance(run, dict) else run)[: 4 * labels.SAMPLE]
                field = self._labels.field(place.pattern, records, place.key_fields)
            yield from self._in_run(place, at, label, first, run, field)

    def _in_run(
        self, place: Place, at: str, label: str | None, first: int, run: Run, field: str | None
    ) -> Iterator[TextHit]:
        if isinstance(run, dict):
            for name, value in run.items():
                in_name = self._sought.is_in(name)
                if not (in_name or self._sought.may_be_in(value)):
                    continue
                below, step = place.member(name, bytes(value)), f"{at}/{pointer.escape(name)}"
                of_it = self._label(below.raw, field) or label
                if in_name:
                    yield self._hit(below, step, of_it, "key")
                if not in_name or below.raw[0] in _CONTAINERS:
                    yield from self.hits(below, step, of_it)
            return
        for n, value in enumerate(places.elements(run), first):
            if self._sought.may_be_in(value):
                raw = bytes(value)
                below = place.element(places.record_of(place, raw) or str(n), raw)
                yield from self.hits(below, f"{at}/{n}", self._label(raw, field) or label)

    def _label(self, raw: bytes, field: str | None) -> str | None:
        return labels.of(raw, field) if field is not None and raw[0] == slices.OPEN_OBJECT else None

    def _hit(self, place: Place, at: str, label: str | None, found_in: Literal["key", "value"]) -> TextHit:
        raw, text, cut = place.raw, None, False
        if raw[0] not in _CONTAINERS:
            shown = short_values.shortened(raw, TEXT_BYTES)
            cut = shown is not raw
            if cut and found_in == "value" and raw[0] == slices.QUOTE:
                shown = self._sought.around(raw)
            text = surrogates.restore(shown).decode()
        return TextHit(place.path, at, found_in, label, slices.kind(raw), text, cut)


def as_text(raw: bytes) -> str:
    return _decode(raw) if raw[0] == slices.QUOTE else raw.decode()
