"""What a client of a dataset has delivered: the current delivery, and the previous one to compare it with.

The manifest is a small resource beside the deliveries, replaced as a whole (storage/blobs). Each function here gives
the next state; what a delivery is replaced by is retired and stays for a while, for those who still read it.
"""

from typing import Literal

import msgspec
from msgspec.structs import replace

from delta_server.core.errors import Conflict, NotFound

Format = Literal["ndjson", "csv", "parquet"]
Which = Literal["current", "previous"]


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """`id` names it for ever. `size_bytes` and `sha256` are of the bytes that a reader gets, `stored_bytes` of what is
    kept. Times are in ms."""

    id: str
    format: Format
    rows: int | None
    size_bytes: int
    stored_bytes: int
    sha256: str
    received_at: int


class Retired(msgspec.Struct, frozen=True):
    id: str
    format: Format
    at: int


class Manifest(msgspec.Struct, frozen=True):
    """`state` names this state, whatever came before: who has lost the answer to a replacement knows it again by it."""

    generation: int = 0
    state: str = ""
    current: Delivery | None = None
    previous: Delivery | None = None
    retired: tuple[Retired, ...] = ()

    def delivery(self, which: Which) -> Delivery:
        """Raises NotFound."""
        found: Delivery | None = getattr(self, which)
        if found is None:
            raise NotFound(f"there is no {which} delivery: send one with PUT, or see what there is")
        return found

    @property
    def ids(self) -> set[str]:
        """Of all whose bytes are kept."""
        kept = [each.id for each in (self.current, self.previous) if each is not None]
        return {*kept, *(each.id for each in self.retired)}


def received(before: Manifest, delivery: Delivery, at: int) -> Manifest:
    return _next(before, current=delivery, retired=_retire(before, before.current, at))


def promoted(before: Manifest, at: int, expected: str | None = None) -> Manifest:
    """The current delivery becomes the previous one. Raises NotFound; Conflict when it is not `expected` any more."""
    current = before.delivery("current")
    if expected is not None and current.id != expected:
        raise Conflict("another delivery has come since: look at what it changes, then promote that one")
    return _next(before, current=None, previous=current, retired=_retire(before, before.previous, at))


def dropped(before: Manifest, which: Which, at: int) -> Manifest:
    """Raises NotFound."""
    gone = before.delivery(which)
    emptied = replace(before, current=None) if which == "current" else replace(before, previous=None)
    return _next(emptied, retired=_retire(before, gone, at))


def swept(before: Manifest, ids: set[str]) -> Manifest:
    """Without the retired ones whose bytes are gone."""
    return _next(before, retired=tuple(each for each in before.retired if each.id not in ids))


def _next(before: Manifest, **changes: object) -> Manifest:
    return replace(before, generation=before.generation + 1, **changes)


def _retire(before: Manifest, gone: Delivery | None, at: int) -> tuple[Retired, ...]:
    return before.retired if gone is None else (*before.retired, Retired(gone.id, gone.format, at))
