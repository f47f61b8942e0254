"""A push of very many changes, all of them or none, with the one writer never held for long.

They are staged as those of an upload are (staging.py), some at a time, and shown by one transaction; nothing else is
pushed meanwhile. What is refused is taken away again; what a crash leaves, before the next start.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec

from delta_server.core.errors import NotFound
from delta_server.core.sync.changes import Prepared
from delta_server.core.sync.judging import DELETED
from delta_server.features.devices import service as devices
from delta_server.features.sync import checking, pushing, spaces, store
from delta_server.features.sync.committing import commit, limits_of
from delta_server.features.sync.pushing import Translated
from delta_server.features.sync.schemas import ChangeResult
from delta_server.features.sync.spaces import Whose
from delta_server.features.sync.uploads import staging
from delta_server.features.sync.uploads import store as uploads
from delta_server.features.sync.writing import Limits, Sums, Writing, require_open
from delta_server.services import Services
from delta_server.storage.database import Tx

STAGED_FROM = 1000
"""So many changes at least; of fewer one transaction takes 10 ms."""
ROWS_AT_ONCE = 250


class _Slice(msgspec.Struct, frozen=True):
    data_type: str
    changes: Sequence[Prepared]
    again: Sequence[str]


class _Begun(msgspec.Struct, frozen=True):
    """`at` is when all of it was changed."""

    space: int
    device: int | None
    at: int


async def apply(svc: Services, whose: Whose, translated: Translated) -> dict[str, list[ChangeResult]]:
    """As `pushing.apply`. Raises SpaceBusy too."""
    count = sum(map(len, translated.changes.values())) + sum(map(len, translated.again.values()))
    if count < STAGED_FROM or not translated.is_atomic:
        return await pushing.apply(svc, whose, translated)
    for data_type, sent in translated.changes.items():
        checking.require(await checking.checked(svc, whose.project, data_type, sent))
    applying = asyncio.ensure_future(_apply(svc, whose, translated))  # to its end, also when the caller leaves
    applying.add_done_callback(lambda done: None if done.cancelled() else done.exception() and None)
    return await asyncio.shield(applying)


async def _apply(svc: Services, whose: Whose, translated: Translated) -> dict[str, list[ChangeResult]]:
    limits = limits_of(svc, whose)
    begun = await svc.db.write(_begin, whose, translated, limits)
    try:
        results: dict[str, list[ChangeResult]] = {data_type: [] for data_type in translated.changes}
        more: dict[int, Sums] = {}
        for each in _slices(translated):
            collection, sums, found = await svc.db.write(_stage, whose, begun, each, limits)
            results[each.data_type] += found
            more[collection] = sums if collection not in more else _added(more[collection], sums)
        await commit(svc, whose, _show, begun, more, translated, limits)
    except BaseException:
        with suppress(Exception):  # what is left then goes before the next start
            await _undo(svc, begun.space)
        spaces.tell(svc, whose)
        raise
    return results


def _slices(translated: Translated) -> Iterator[_Slice]:
    for data_type, sent in translated.changes.items():
        for at in range(0, len(sent), ROWS_AT_ONCE):
            yield _Slice(data_type, sent[at : at + ROWS_AT_ONCE], ())
        again = translated.again.get(data_type, ())
        for at in range(0, len(again), ROWS_AT_ONCE):
            yield _Slice(data_type, (), again[at : at + ROWS_AT_ONCE])


def _added(sums: Sums, more: Sums) -> Sums:
    digest = int.from_bytes(sums.digest) ^ int.from_bytes(more.digest)
    return Sums(
        max(sums.seq, more.seq),
        sums.records + more.records,
        sums.tombstones + more.tombstones,
        sums.size_bytes + more.size_bytes,
        sums.deleted + more.deleted,
        digest.to_bytes(16),
        sums.changes + more.changes,
    )


def _begin(tx: Tx, whose: Whose, translated: Translated, limits: Limits) -> _Begun:
    """Raises SpaceBusy, and Refused for very many deletions that are not confirmed."""
    space = store.space(tx, whose.project, whose.owner) or store.insert_space(tx, whose.project, whose.owner)
    require_open(space)
    device = None
    if translated.device_id is not None:
        device = devices.register(tx, space.id, translated.device_id, whose.session, limits.devices)
    for data_type, sent in translated.changes.items():
        deleted = sum(change.kind == DELETED for change in sent)
        if deleted and (known := store.collection(tx, space.id, data_type)) is not None:
            pushing.is_confirmed(tx, known, translated.request, translated.confirm, deleted)
    uploads.stage(tx, space.id, space.seq)
    return _Begun(space.id, device, max(tx.now_ms, space.changed_at))


def _stage(tx: Tx, whose: Whose, begun: _Begun, this: _Slice, limits: Limits) -> tuple[int, Sums, list[ChangeResult]]:
    """The collection and what it becomes more by. Raises Invalid, Refused, QuotaExceeded, NotFound."""
    space = _staged_space(tx, whose, begun)
    collection = pushing.collection_of(tx, space, this.data_type, limits)
    writing = Writing(tx, space, collection, begun.device, is_upload=True)
    results = writing.judge(this.changes, "reject")
    pushing.require_all(results, space.seq)
    writing.delete_again(this.again)
    sums = writing.stage(begun.at)
    uploads.stage(tx, space.id, sums.seq or space.staged)
    return collection.id, sums, results


def _show(tx: Tx, whose: Whose, begun: _Begun, more: dict[int, Sums], translated: Translated, limits: Limits) -> None:
    """From this commit on all of it is there. Raises QuotaExceeded, Refused, NotFound."""
    space = _staged_space(tx, whose, begun)

    def is_confirmed(collection: store.Collection, deleted: int) -> bool:
        return pushing.is_confirmed(tx, collection, translated.request, translated.confirm, deleted)

    staging.add_sums(tx, space, more, begun.at, limits, begun.device, is_confirmed)
    uploads.stage(tx, space.id, None)


def _staged_space(tx: Tx, whose: Whose, begun: _Begun) -> store.Space:
    space = store.space(tx, whose.project, whose.owner)
    if space is None or space.id != begun.space or space.staged is None:
        raise NotFound("the space was deleted meanwhile")
    return space


async def _undo(svc: Services, space: int) -> None:
    while await svc.db.write(uploads.unstage, space, ROWS_AT_ONCE):
        pass
    await svc.db.write(uploads.open_again, space)


async def undo_left(svc: Services) -> None:
    """At each start, before numbers are given: what a crash left of such pushes."""
    for space in await svc.db.read(uploads.staged_by_pushes):
        await _undo(svc, space)
