"""The tree of differences between two versions of a document: what `diff` finds and every format is written from.

Values are slices (see core/json/slices.py); those of ignored places are already taken out of `old` and `new` of an
Edit.
"""

import msgspec

from delta_server.core.arrays.subsequences import Pair
from delta_server.core.diff.diff_settings import Fields, Rules
from delta_server.core.json.pieces import LazyElements

MAX_DEPTH = 200  # levels entered; a difference below is one replaced value


class Edit(msgspec.Struct, frozen=True, gc=False):
    """A value that was added (`old` is None), removed (`new` is None) or replaced. `note`: why it was not entered."""

    old: bytes | None
    new: bytes | None
    note: str | None = None


class ObjectDiff(msgspec.Struct, frozen=True):
    """Differences inside an object that both versions have, by member name. `after` is the new object."""

    after: bytes
    changed: list[tuple[str, "Node"]]
    is_whole: bool  # nothing inside is ignored: one `replace` by `after` says the same


class ArrayDiff(msgspec.Struct, frozen=True):
    """Differences inside an array that both versions have. Places are of the old array (i) or the new one (j).

    `before` and `after` are all elements, the new ones less what is ignored in them. In an array whose order means
    nothing (`is_set`) `moved` is empty although places differ. `key` is the one by which elements were matched, if they
    were, and `is_configured` if the settings name it; `rules` are those at the elements; `note` says what a configured
    key could not do.
    """

    before: list[msgspec.Raw] | LazyElements
    after: list[msgspec.Raw] | LazyElements
    removed: list[tuple[int, Edit]]
    added: list[tuple[int, Edit]]
    moved: list[Pair]
    changed: list[tuple[int, int, "Node"]]
    is_set: bool
    is_whole: bool
    key: Fields | None
    is_configured: bool
    rules: Rules | None
    note: str | None

    @property
    def after_size(self) -> int:
        """The bytes of the new array."""
        after = self.after
        return len(after.text) if isinstance(after, LazyElements) else sum(map(len, after)) + len(after) + 1


Node = Edit | ObjectDiff | ArrayDiff
