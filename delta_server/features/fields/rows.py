"""What is counted of fields, and what is read of them."""

import msgspec


class FieldCount(msgspec.Struct, frozen=True, array_like=True):
    """How many values changed under one field pattern in one delta."""

    pattern: str
    changes: int
    types: int = 0
    """Bits by the TYPES of deltas of the values seen on either side."""
    folded: str = ""
    """The pattern that a member of a map shares with the others, where there are too many to count each."""


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """A row of field_change: the times of core/history/change_times.py from `first` on. A single one has no checksum:
    it is its row's key."""

    first: int
    later: bytes | None
    checksum: int | None = None


class Field(msgspec.Struct, frozen=True):
    """`types` are bits; `changed_at` is the time of the last change, `snapshot` the id of the snapshot captured
    then, if it was requested."""

    id: int
    pattern: str
    changes: int
    deltas: int
    types: int
    changed_at: int | None
    snapshot: bytes | None = None
