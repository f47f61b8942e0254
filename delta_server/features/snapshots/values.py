"""One value of a snapshot's document, as it is written there."""

import msgspec

from delta_server.core.errors import NotFound, TooLarge
from delta_server.core.json import pointer, slices, surrogates
from delta_server.core.json.pointer import Step
from delta_server.core.json.slices import Kind
from delta_server.features.snapshots.store import Snapshot
from delta_server.services import Services
from delta_server.storage.contents import contents

MOST_BYTES = 8 << 20
"""Of a value in one answer; `/data` streams the document, whatever its size."""


class FoundValue(msgspec.Struct, frozen=True):
    """`pointer` is the JSON Pointer of the place, whose index of a record may be another in each snapshot."""

    pointer: str
    kind: Kind
    raw: bytes


async def value_at(svc: Services, snapshot: Snapshot, path: str) -> FoundValue:
    """The value at a path, by key or index. Raises Invalid, NotFound where there is none, TooLarge."""
    steps = pointer.parse(path)
    body = await contents.read(svc.contents, snapshot.endpoint, snapshot.content)
    found = await svc.spare_cpu(_find, body, steps)
    if found is None:
        pointer.refuse_unlikely(path)
        raise NotFound(f"there is nothing at {path} in that snapshot")
    if len(found.raw) > MOST_BYTES:
        raise TooLarge(
            f"the value at {path} has more than {MOST_BYTES:,} bytes: ask for a deeper path, or GET .../data"
        )
    return found


def _find(body: bytes, steps: tuple[Step, ...]) -> FoundValue | None:
    return surrogates.with_hidden(lambda document: _found(document, steps), body)


def _found(document: bytes, steps: tuple[Step, ...]) -> FoundValue | None:
    """Down the path, with the index of each element met."""
    raw, place = slices.trimmed(document).strip(slices.WHITESPACE), ""
    for step, name, below in pointer.walk(raw, steps):
        if below is None:
            return None
        if name is not None:
            place += "/" + pointer.escape(name)
        elif isinstance(step, str):
            place += "/" + step
        else:
            place += f"/{_index_of(raw, below)}"
        raw = below
    return FoundValue(place, slices.kind(raw), surrogates.restore(raw))


def _index_of(array: bytes, element: bytes) -> int:
    return slices.elements(array).index(msgspec.Raw(element))
