"""A batch of changes, stored in one transaction: judged one after the other, numbered in the order of the space."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import cast

import msgspec
from msgspec.structs import replace

from delta_server.core.errors import FieldError, Invalid, KeyReused, Refused
from delta_server.core.sync import changes, digest
from delta_server.core.sync.changes import Batch, Prepared
from delta_server.core.sync.judging import Conflicts, Status
from delta_server.features.conflicts import service as conflicts
from delta_server.features.devices import service as devices
from delta_server.features.sync import checking, epochs, schemas, spaces, store
from delta_server.features.sync.schemas import ChangeResult, PushAnswer
from delta_server.features.sync.spaces import Whose
from delta_server.features.sync.writing import Limits, Writing
from delta_server.services import Services
from delta_server.storage.database import Tx


class Incoming(msgspec.Struct, frozen=True):
    """A batch, ready to be judged. `request` is the hash of all of it but `confirm`."""

    data_type: str
    device_id: str
    batch_id: str
    is_atomic: bool
    confirm: str | None
    changes: Sequence[Prepared]
    request: bytes


async def push(svc: Services, whose: Whose, data_type: str, body: bytes) -> PushAnswer:
    """Raises Invalid, Refused, KeyReused, QuotaExceeded; then nothing was changed."""
    options = svc.config.sync
    spaces.count_push(svc, whose)
    incoming = await svc.cpu_beside(len(body))(_incoming, body, data_type, svc.clock.now_ms(), options.record_bytes)
    incoming = replace(incoming, changes=await checking.checked(svc, whose.project, data_type, incoming.changes))
    limits = Limits(options.records, options.space_bytes, options.devices)
    try:
        answer = await svc.db.write(_push, whose, incoming, limits)
    finally:
        spaces.tell(svc, whose)
    await epochs.mark_in_time(svc)
    return answer


def _incoming(body: bytes, data_type: str, now_ms: int, limit_bytes: int) -> Incoming:
    batch = schemas.batch(body)
    return Incoming(
        data_type,
        batch.device_id,
        batch.batch_id,
        batch.mode == "atomic",
        batch.confirm,
        [changes.prepare(change, now_ms, limit_bytes) for change in batch.changes],
        _hash(batch, data_type),
    )


def _hash(batch: Batch, data_type: str) -> bytes:
    """Of what a retry repeats."""
    said = msgspec.msgpack.encode([data_type, replace(batch, confirm=None)])
    return blake2b(said, digest_size=16).digest()


def _push(tx: Tx, whose: Whose, incoming: Incoming, limits: Limits) -> PushAnswer:
    spaces.ensure_epoch(tx)
    space = store.space(tx, whose.project, whose.owner) or store.insert_space(tx, whose.project, whose.owner)
    device = devices.register(tx, space.id, incoming.device_id, whose.session, limits.devices)
    kept = devices.batch(tx, device, incoming.batch_id)
    if kept is not None:
        return _again(incoming, kept, space)
    found = store.collection(tx, space.id, incoming.data_type)
    collection = found or store.insert_collection(tx, space.id, incoming.data_type, digest.EMPTY)
    writing = Writing(tx, space, collection, device)
    policy, _ = conflicts.conflicts_of(tx, whose.project, incoming.data_type)
    results = writing.judge(incoming.changes, cast("Conflicts", policy))
    if incoming.is_atomic:
        _require_all(results)
    _guard(tx, writing, incoming)
    space = writing.finish(limits)
    devices.insert_batch(tx, device, incoming.batch_id, incoming.request, _compact(results))
    return PushAnswer(results, schemas.counts(results), space.seq)


def _require_all(results: Sequence[ChangeResult]) -> None:
    """Raise Invalid or Refused unless all were applied, or before."""
    refused = [(number, result) for number, result in enumerate(results) if result.status == "rejected"]
    if refused:
        errors = [FieldError(f"changes[{number}]", str(result.message)) for number, result in refused]
        raise Invalid(f"{len(refused)} of the changes cannot be stored, so none was: mend them", errors=errors)
    met = [result for result in results if result.status == "conflict"]
    if met:
        raise Refused(
            f"{len(met)} of the changes conflict with what is there, so none was stored: pull, merge and push"
            " again, or push with mode per_record",
            members={"results": met},
        )


def _guard(tx: Tx, writing: "Writing", incoming: Incoming) -> None:
    """Raise Refused for very many deletions that are not confirmed."""
    if not writing.is_mass_deletion():
        return
    token = tx.sign("sync deletions", incoming.request).hex()[:32]
    if incoming.confirm != token:
        raise Refused(
            f"this would delete {writing.deleted} records of {incoming.data_type}, more than half of them in a day: if"
            " that is meant, send the batch again with the `confirm` of this answer",
            code="MASS_DELETE",
            members={"confirm": token, "deletions": writing.deleted},
        )


def _compact(results: Sequence[ChangeResult]) -> bytes:
    return msgspec.msgpack.encode([_kept(result) for result in results])


def _kept(result: ChangeResult) -> tuple[Status, int | None, bytes | None]:
    usual = result.status in ("applied", "duplicate") and result.overwrote is msgspec.UNSET
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
