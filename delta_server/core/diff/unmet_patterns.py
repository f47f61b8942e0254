"""Patterns of the diff settings that meet nothing: mistyped ones, most often."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from delta_server.core.diff.diff_settings import DiffSettings, advance, from_place
from delta_server.core.diff.summary import Note
from delta_server.core.json import pointer, slices, surrogates

MOST_BYTES = 512 << 10
"""Nothing is said of larger documents: both are decoded for this."""
MOST_STEPS = 10_000
"""Nor of a pattern whose search took longer: a `**` may look at every value."""


def notes(settings: DiffSettings, before: bytes, after: bytes) -> list[Note]:
    """One for each pattern that meets nothing in either document, in order."""
    looked_for = list(_patterns(settings))
    if not looked_for or len(before) + len(after) > MOST_BYTES:
        return []
    search = _Search()
    for document in (after, before):
        if looked_for:
            value = slices.shape(surrogates.hide(document))
            looked_for = [wanted for wanted in looked_for if not search.meets(value, wanted)]
    return [Note(wanted.pattern, wanted.message) for wanted in sorted(looked_for, key=lambda wanted: wanted.pattern)]


class _Wanted(msgspec.Struct, frozen=True):
    pattern: str
    setting: str
    is_array: bool

    @property
    def message(self) -> str:
        what = "no array" if self.is_array else "nothing"
        return f"the pattern of {self.setting} meets {what} in either document"


def _patterns(settings: DiffSettings) -> Iterator[_Wanted]:
    yield from (_Wanted(pattern, "array_keys", True) for pattern in settings.array_keys)
    yield from (_Wanted(pattern, "ignore", False) for pattern in settings.ignore)
    yield from (_Wanted(pattern, "order", True) for pattern in settings.order)
    if isinstance(settings.tolerance, dict):
        yield from (_Wanted(pattern, "tolerance", False) for pattern in settings.tolerance)


class _Search:
    def __init__(self) -> None:
        self._left = MOST_STEPS

    def meets(self, document: Any, wanted: _Wanted) -> bool:
        """Whether a value is there; also where it would take too long to know."""
        steps = pointer.parse_pattern(wanted.pattern)
        waiting = [(document, frozenset(from_place(steps, 0)))]
        while waiting and self._left > 0:
            self._left -= 1
            value, places = waiting.pop()
            if len(steps) in places and (not wanted.is_array or isinstance(value, list)):
                return True
            waiting.extend(
                (child, below)
                for name, child in _children(value, steps, places)
                if (below := frozenset(place for at in places for place in advance(steps, at, name)))
            )
        return bool(waiting)


def _children(value: Any, steps: Sequence[str], places: frozenset[int]) -> Iterator[tuple[str | None, Any]]:
    """Those that a step may lead to."""
    names = {steps[at] for at in places if at < len(steps)}
    if isinstance(value, dict):
        if names & {"*", "**"}:
            yield from value.items()
        else:
            yield from ((name, value[name]) for name in names if name in value)
    elif isinstance(value, list) and names & {"*", "**"}:
        yield from ((None, element) for element in value)
