"""Which deltas a path selects: those that changed something at it or under it.

A delta counts its changes under field patterns, where `*` is an array element or a member of a map, and of very many
patterns the deepest are counted under their parents. So some patterns tell for sure that a place changed, and others
that it may have: then the documents tell.

A path without `*` names one place, by index or key too: it changed if its value did. One with `*` (any one step) or
`**` (any number of them) is a pattern: it changed if there is an edit at or under it.
"""

from collections.abc import Sequence

import msgspec

from delta_server.core.diff.compare import DiffSettings, diff
from delta_server.core.errors import Invalid
from delta_server.core.history import blame, path_index
from delta_server.core.json import pointer, surrogates
from delta_server.core.json.pointer import KeyStep, Step

MAX_ANY_STEPS = 2
FOLDED_FROM = 256
"""A delta with fewer edits than this counts none of them under a parent."""

_ONE, _ANY = "*", "**"


class PathFilter(msgspec.Struct, frozen=True):
    """`names` are the steps' texts as in patterns; `steps` name one place, None when the path is a pattern."""

    path: str
    names: tuple[str, ...]
    steps: tuple[Step, ...] | None

    @property
    def may_be_by_index(self) -> bool:
        """Whether a step may be an element's index: then the place changes where elements move, too."""
        return self.steps is not None and any(name.isdigit() for name in self.names)

    @property
    def may_be_part_of_a_name(self) -> bool:
        return any(_ONE in name and name not in (_ONE, _ANY) for name in self.names)


def parse(path: str) -> PathFilter:
    """Raises Invalid for an invalid path, and for a step by key in a pattern."""
    steps = pointer.parse(path)
    names = tuple(path.split("/")[1:])
    if not any(name in (_ONE, _ANY) for name in names):
        return PathFilter(path, names, steps)
    if names.count(_ANY) > MAX_ANY_STEPS:
        raise Invalid(f"{path!r} has more than {MAX_ANY_STEPS} `**`", field="path")
    if any(isinstance(step, KeyStep) and pointer.is_bracketed(step) for step in steps):
        raise Invalid(
            "a path with * is a field pattern, and a field is the same in all elements: write * in place of a key "
            "too, as in /items/*/price, or no * at all, as in /items/[sku=A7]/price",
            field="path",
        )
    return PathFilter(path, names, None)


def places(filter: PathFilter) -> list[path_index.Place] | None:
    """Where the patterns that tell of the one place lie; None when all may."""
    return path_index.watched_places(filter.steps or (), DiffSettings())


def covers(filter: PathFilter, pattern: str, *, folded: bool) -> bool:
    """Whether all places of a field pattern lie at or under the filter's. `folded`: whether one of them may."""
    return _covers(filter.names, tuple(pattern.split("/")[1:]), folded)


def _covers(wanted: Sequence[str], steps: Sequence[str], folded: bool) -> bool:
    for number, name in enumerate(wanted):
        if name == _ANY:
            rest = wanted[number + 1 :]
            if not rest:
                return len(steps) > number
            return any(_covers(rest, steps[begin:], folded) for begin in range(number, len(steps) + 1))
        if number == len(steps) or not _fits(name, steps[number], folded=folded):
            return False
    return True


def is_above(filter: PathFilter, pattern: str) -> bool:
    """Whether places of the filter may lie under those of a field pattern."""
    steps = tuple(pattern.split("/")[1:])
    for number, step in enumerate(steps):
        if number < len(filter.names) and filter.names[number] == _ANY:
            return True
        if number >= len(filter.names) or not _fits(filter.names[number], step, folded=True):
            return False
    return len(steps) < len(filter.names)


def _fits(name: str, step: str, *, folded: bool) -> bool:
    return name in (_ONE, step) or (folded and step == _ONE)


def changed(filter: PathFilter, before: bytes, after: bytes, settings: DiffSettings) -> bool:
    """Whether the documents differ there."""
    if filter.steps is not None:
        old, new = (pointer.resolve(surrogates.hide(document), filter.steps) for document in (before, after))
        return not blame.same_value(None if old is None else bytes(old), None if new is None else bytes(new))
    return any(covers(filter, single, folded=False) for single in diff(before, after, settings).places)
