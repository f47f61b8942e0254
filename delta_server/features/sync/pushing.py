"""A batch of changes, stored in one transaction: judged one after the other, numbered in the order of the space."""

import os
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import cast

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from delta_server.core.errors import FieldError, Invalid, KeyReused, Quota, QuotaExceeded, Refused
from delta_server.core.sync import changes, digest, judging
from delta_server.core.sync.changes import Batch, Prepared
from delta_server.core.sync.judging import Conflicts, Status
from delta_server.features.conflicts import service as conflicts
from delta_server.features.devices import service as devices
from delta_server.features.sync import checking, known_texts, page_texts, patches, schemas, spaces, store
from delta_server.features.sync.committing import Unchanged, commit, limits_of
from delta_server.features.sync.page_texts import Stored
from delta_server.features.sync.schemas import ChangeResult, PushAnswer
from delta_server.features.sync.spaces import Whose
from delta_server.features.sync.writing import Limits, Writing, today_of
from delta_server.services import Services
from delta_server.storage.database import Tx


class Incoming(msgspec.Struct, frozen=True):
    """A batch, ready to be judged. `request` is the hash of all of it but `confirm`."""

    data_type: str
    device_id: str
    batch_id: str | None
    is_atomic: bool
    confirm: str | None
    changes: Sequence[Prepared]
    request: bytes


async def push(svc: Services, whose: Whose, data_type: str, body: bytes) -> PushAnswer:
    """Raises Invalid, TooLarge, Refused, KeyReused, QuotaExceeded; then nothing was changed."""
    spaces.count_push(svc, whose)
    now_ms, limit_bytes = svc.clock.now_ms(), svc.config.sync.record_bytes
    incoming = await svc.cpu_beside(len(body))(_incoming, body, data_type, now_ms, limit_bytes)
    whole = await patches.made_whole(svc, whose, data_type, incoming.changes)
    changes.require_bytes(whole)
    incoming = replace(incoming, changes=await checking.checked(svc, whose.project, data_type, whole))
    answer, stored = await commit(svc, whose, _push, incoming, limits_of(svc, whose))
    if stored is not None:
        page_texts.note(svc, stored)
    return answer


def _incoming(body: bytes, data_type: str, now_ms: int, limit_bytes: int) -> Incoming:
    batch = schemas.batch(body)
    named = changes.named(batch.changes, data_type, os.urandom(16).hex())
    return Incoming(
        data_type,
        batch.device_id,
        batch.batch_id,
        batch.mode == "atomic",
        batch.confirm,
        [changes.prepare(change, now_ms, limit_bytes) for change in named],
        _hash(batch, data_type),
    )


def _hash(batch: Batch, data_type: str) -> bytes:
    """Of what a retry repeats."""
    said = msgspec.msgpack.encode([data_type, replace(batch, confirm=None)])
    return blake2b(said, digest_size=16).digest()


def _push(tx: Tx, whose: Whose, incoming: Incoming, limits: Limits) -> tuple[PushAnswer, Stored | None]:
    found = store.space(tx, whose.project, whose.owner)
    space = found or store.insert_space(tx, whose.project, whose.owner)
    device = devices.register(tx, space.id, incoming.device_id, whose.session, limits.devices)
    kept = None if incoming.batch_id is None else devices.batch(tx, device, incoming.batch_id)
    if kept is not None:
        return _again(incoming, kept, space), None
    known = store.collection(tx, space.id, incoming.data_type)
    writing = Writing(tx, space, known or _new_collection(tx, space, incoming.data_type, limits), device)
    policy, _ = conflicts.conflicts_of(tx, whose.project, incoming.data_type)
    results = writing.judge(incoming.changes, cast("Conflicts", policy))
    if incoming.is_atomic:
        require_all(results, space.seq)
    _guard(tx, writing, incoming.request, incoming.confirm)
    after, space = space.seq, writing.finish(limits)
    answer = PushAnswer(results, schemas.counts(results), space.seq)
    if not writing.has_changed and found is None:
        raise Unchanged((answer, None))
    if not writing.has_changed and known is None:
        store.delete_collection(tx, space.id, writing.collection.id)
    if incoming.batch_id is not None:
        devices.insert_batch(tx, device, incoming.batch_id, incoming.request, _compact(results))
    if not writing.has_changed:
        return answer, None
    key = known_texts.key(store.epoch(tx), space, writing.collection.id)
    return answer, Stored(key, writing.collection.seq, after, space, writing.new_heads, device, incoming.device_id)


class Translated(msgspec.Struct, frozen=True, kw_only=True):
    """What a client of another protocol changed, by data type, made on the versions that it was compared with.
    `request` is its request's hash; `again` are deleted records whose deletion its client is to hear of once more."""

    changes: Mapping[str, Sequence[Prepared]]
    request: bytes
    device_id: str | None = None
    confirm: str | None = None
    is_atomic: bool = False
    again: Mapping[str, Sequence[str]] = {}


async def apply(svc: Services, whose: Whose, translated: Translated) -> dict[str, list[ChangeResult]]:
    """What became of the changes of each type, all in one transaction; whatever has changed since is a conflict. Raises
    Invalid, Refused, QuotaExceeded; then nothing was changed."""
    for data_type, sent in translated.changes.items():
        checking.require(await checking.checked(svc, whose.project, data_type, sent))
    return await commit(svc, whose, _apply, translated, limits_of(svc, whose))


def _apply(tx: Tx, whose: Whose, translated: Translated, limits: Limits) -> dict[str, list[ChangeResult]]:
    found, device = store.space(tx, whose.project, whose.owner), None
    space = found or store.insert_space(tx, whose.project, whose.owner)
    if translated.device_id is not None:
        device = devices.register(tx, space.id, translated.device_id, whose.session, limits.devices)
    results, has_changed = {}, False
    for data_type, sent in translated.changes.items():
        known = store.collection(tx, space.id, data_type)
        writing = Writing(tx, space, known or _new_collection(tx, space, data_type, limits), device)
        results[data_type] = writing.judge(sent, "reject")
        if translated.is_atomic:
            require_all(results[data_type], space.seq)
        writing.delete_again(translated.again.get(data_type, ()))
        _guard(tx, writing, translated.request, translated.confirm)
        space = writing.finish(limits)
        if not writing.has_changed and known is None:
            store.delete_collection(tx, space.id, writing.collection.id)
        has_changed = has_changed or writing.has_changed
    if not has_changed and found is None:
        raise Unchanged(results)
    return results


def collection_of(tx: Tx, space: store.Space, data_type: str, limits: Limits) -> store.Collection:
    """Raises QuotaExceeded."""
    return store.collection(tx, space.id, data_type) or _new_collection(tx, space, data_type, limits)


def _new_collection(tx: Tx, space: store.Space, data_type: str, limits: Limits) -> store.Collection:
    if (used := store.count_collections(tx, space.id)) >= limits.types:
        raise QuotaExceeded(
            f"a space may have {limits.types} data types (sync.types): push to one that it has",
            Quota("sync.types", used, limits.types, None),
        )
    return store.insert_collection(tx, space.id, data_type, digest.EMPTY)


def require_all(results: Sequence[ChangeResult], newest: int) -> None:
    """Raise Invalid or Refused unless all were applied, or before; `newest` is the space's number without them."""
    refused = [(number, result) for number, result in enumerate(results) if result.status == "rejected"]
    if refused:
        errors = [FieldError(f"changes[{number}]", str(result.message)) for number, result in refused]
        raise Invalid(
            f"{len(refused)} of the changes cannot be stored, so none was: mend them",
            errors=errors,
            members={"results": [result for _, result in refused]},
        )
    met = [_without_its_own(result, newest) for result in results if result.status == "conflict"]
    if met:
        raise Refused(
            f"{len(met)} of the changes conflict with what is there, so none was stored: pull, merge and push"
            " again, or push with mode per_record",
            members={"results": met},
        )


def _without_its_own(conflict: ChangeResult, newest: int) -> ChangeResult:
    """Nothing of what is undone: neither where it waits, nor a version that another change of the batch would make."""
    if conflict.version is None or conflict.version <= newest:
        return replace(conflict, conflict_id=UNSET)
    said = "another change of this batch comes before it"
    return replace(conflict, conflict_id=UNSET, version=None, server=UNSET, message=said)


def _guard(tx: Tx, writing: Writing, request: bytes, confirm: str | None) -> None:
    """Raise Refused for very many deletions that are not confirmed."""
    writing.is_confirmed = is_confirmed(tx, writing.collection, request, confirm, writing.deleted)


def is_confirmed(tx: Tx, collection: store.Collection, request: bytes, confirm: str | None, deleted: int) -> bool:
    """Whether it deletes very many, and somebody meant that. Raises Refused where nobody said so."""
    today = today_of(collection, tx.now_ms)
    if not judging.is_mass_deletion(today.guarded, today.deleted, deleted):
        return False
    token = tx.sign("sync deletions", request).hex()[:32]
    if confirm == token:
        return True
    of_day = today.deleted + deleted
    raise Refused(
        f"this would delete {deleted} records of {collection.data_type}, {of_day} in a day, of {today.guarded} that"
        f" there were when it began and {collection.records} now: if that is meant, send it again with the `confirm` of"
        " this answer",
        code="MASS_DELETE",
        members={
            "confirm": token,
            "deletions": deleted,
            "deletions_of_day": of_day,
            "records_of_day": today.guarded,
            "records": collection.records,
        },
    )


def _compact(results: Sequence[ChangeResult]) -> bytes:
    return msgspec.msgpack.encode([_kept(result) for result in results])


def _kept(result: ChangeResult) -> tuple[Status, int | None, bytes | None]:
    usual = result.status in ("applied", "duplicate") and result.overwrote is UNSET
    return result.status, result.version, None if usual else msgspec.json.encode(result)


def _again(incoming: Incoming, kept: tuple[bytes, bytes], space: store.Space) -> PushAnswer:
    """What the batch was answered. Raises KeyReused for another one under its id."""
    request, answer = kept
    if request != incoming.request:
        raise KeyReused(f"batch_id {incoming.batch_id} was used for another batch: a new batch has a new id")
    rows = msgspec.msgpack.decode(answer, type=list[tuple[Status, int | None, bytes | None]])
    results = [
        ChangeResult(change.change_id, change.record_id, status, version)
        if whole is None
        else msgspec.json.decode(whole, type=ChangeResult)
        for change, (status, version, whole) in zip(incoming.changes, rows, strict=True)
    ]
    return PushAnswer(results, schemas.counts(results), space.seq)
