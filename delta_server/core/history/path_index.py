"""Which field patterns of the stored deltas tell that the value at a path may have changed.

A delta counts a change under the pattern of its place, and `*` in a pattern stands for an array element or for a member
of a large object; folded patterns stand above the places they count. So a value may have changed in a delta only if a
pattern at, above or under its path is counted there, or, for a step by key, one of the key's fields: then another
element has the key. What patterns do not tell is the order of elements: deltas with moves are looked at too.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from delta_server.core.diff.diff_settings import DiffSettings
from delta_server.core.json import pointer
from delta_server.core.json.pointer import Step

Place = tuple[frozenset[str], ...]
"""The texts each step of a path may have in a pattern."""

MAX_STEPS = 64
MAX_PLACES = 64
_ANY = "*"


def watched_places(steps: Sequence[Step], settings: DiffSettings) -> list[Place] | None:
    """The places whose patterns must be watched, None when patterns do not tell: every version must be looked at."""
    watched = _places(steps) if steps else None
    return None if watched is None or _hides(settings, watched) else watched


def is_indexed(steps: Sequence[Step], settings: DiffSettings) -> bool:
    """Whether deltas tell of every change at the path and under it."""
    watched = _places(steps)
    return watched is not None and not _hides(settings, watched)


def _places(steps: Sequence[Step]) -> list[Place] | None:
    """None for too many."""
    if len(steps) > MAX_STEPS:
        return None
    watched = list(islice(_add_places(steps, ()), MAX_PLACES + 1))
    return None if len(watched) > MAX_PLACES else watched


def _add_places(steps: Sequence[Step], above: Place) -> Iterator[Place]:
    """The path's place and those of the keys in it; what reads as a step by key may be a member, too."""
    path = above
    for depth, step in enumerate(steps):
        if isinstance(step, str):
            path = (*path, frozenset({_ANY, pointer.escape(step)}))
            continue
        for field in step.fields:
            yield (*path, frozenset({_ANY}), *_field(field))
        texts = frozenset({_ANY})
        if members := pointer.as_members(step):
            name, *below = members
            assert isinstance(name, str)
            member = frozenset({_ANY, pointer.escape(name)})
            if below == list(steps[depth + 1 :]):
                texts = member
            else:
                yield from _add_places(below, (*path, member))
        path = (*path, texts)
    yield path


def _field(field: str) -> Place:
    return tuple(frozenset({_ANY, name}) for name in field.split("/"))


def _hides(settings: DiffSettings, watched: Sequence[Place]) -> bool:
    """Whether a setting keeps changes at, above or under one of the places out of the deltas."""
    tolerance = settings.tolerance
    if not isinstance(tolerance, dict) and tolerance:
        return True
    patterns = [
        *settings.ignore,
        *(tolerance if isinstance(tolerance, dict) else ()),
        *(pattern for pattern, order in settings.order.items() if order == "set"),
    ]
    return any(_overlap(pattern.split("/")[1:], place) for pattern in patterns for place in watched)


def _overlap(pattern: Sequence[str], place: Place) -> bool:
    """Whether the pattern's places and `place` lie on one line: one is the other or is above it."""
    for step, texts in zip(pattern, place, strict=False):
        if step == "**":
            return True
        if step not in texts and step != _ANY:
            return False
    return True
