"""All records of a space as they were at one moment, read in pages: no transaction stays open, for what has been
replaced since is still there."""

from collections.abc import AsyncGenerator

import msgspec

from delta_server.core.errors import ResyncRequired
from delta_server.features.sync import pulling, store
from delta_server.features.sync.spaces import State, Whose
from delta_server.features.sync.states import store as states
from delta_server.features.sync.store import Change, Collection
from delta_server.services import Services
from delta_server.storage.database import Tx

_FIRST_ROWS, _MOST_ROWS = 64, 1024
_PAGE_BYTES = 1 << 20


class Frozen(msgspec.Struct, frozen=True):
    """A space when `until` was its newest number; `space` is 0 where there is none."""

    epoch: bytes
    space: int
    until: int
    collections: list[Collection]


def cursor_of(frozen: Frozen, collection: Collection) -> str:
    """Where who has all of it goes on to pull."""
    space = store.Space(frozen.space, frozen.until, 0, 0, 0, 0)
    return pulling.cursor(State(frozen.epoch, frozen.until, space, collection), frozen.until, 0)


async def freeze(svc: Services, whose: Whose) -> Frozen:
    return await svc.db.read(_freeze, whose)


def _freeze(tx: Tx, whose: Whose) -> Frozen:
    epoch, space = store.epoch(tx), store.space(tx, whose.project, whose.owner)
    if space is None:
        return Frozen(epoch, 0, 0, [])
    return Frozen(epoch, space.id, space.seq, store.collections(tx, space.id))


async def pages(svc: Services, frozen: Frozen, collection: int, after: int = 0) -> AsyncGenerator[list[Change], None]:
    """The versions of a collection above `after`, deletions among them, in order. Raises
    ResyncRequired when some of the deletions were forgotten before they were read."""
    rows, began = _FIRST_ROWS, after
    while True:
        page = await svc.db.read(states.versions_at, frozen.space, collection, frozen.until, after, rows)
        if page:
            yield page
        if len(page) < rows:
            break
        after = page[-1].seq
        size = sum(len(change.content or b"") for change in page)
        rows = min(_MOST_ROWS, rows * 2) if size < _PAGE_BYTES else max(1, rows // 2)
    if began and await svc.db.read(store.horizon, frozen.space, collection) > began:
        raise ResyncRequired("deletions were forgotten meanwhile: ask again", begin_at="/v1/sync/download")
