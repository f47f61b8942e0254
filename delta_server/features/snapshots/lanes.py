"""Snapshots that come after all their endpoint has: most of them. Those that wait for the same endpoint go together.

Each content is encoded against the one before it, which may be one of the same round that is not stored yet. Which row
that became is found when it is written, by its hash: the head of the endpoint must be what the frame was encoded
against, else (the one before was refused, somebody else appended) the rest of the round is encoded again.
"""

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

import msgspec

from delta_server.config.plans import Plans
from delta_server.core.errors import Conflict, DeltaError, NotFound
from delta_server.core.packs import codec
from delta_server.features.activity import service as activity
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.enforcement import service as enforcement
from delta_server.features.snapshots import happenings, timeline
from delta_server.features.snapshots.appending import (
    ATTEMPTS,
    CreatedSnapshots,
    needs_of,
    record_answer,
    replayed,
    stored_answer,
)
from delta_server.features.snapshots.incoming import NewSnapshot, check
from delta_server.features.snapshots.tails import RememberedTail, RememberedTails
from delta_server.features.snapshots.timeline import EndpointLocks, TailSnapshot, TimelineChanged, TimelineTail
from delta_server.features.usage import service as usage
from delta_server.features.usage.service import Allowance
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.contents.contents import Base
from delta_server.storage.contents.options import Packs
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import IdempotencyKey
from delta_server.storage.sqlite.transaction import shutting_down
from delta_server.tasks.joint_writes import JointWrites
from delta_server.tasks.lanes import BatchQueues, QueuedItem

Document: TypeAlias = tuple[NewSnapshot, bytes | Exception | None]
"""A new snapshot and its hash, None while that is not known, or why it may not be stored."""

ON_THE_LOOP_BYTES = 32 << 10
"""What is checked and encoded on the event loop, in 0.2 ms: a thread that others wait for too costs a small document
more."""
ROUND_SNAPSHOTS = 64
ROUND_BYTES = 4 << 20
"""What goes together at most: a round is one call of the writer, which all others wait for."""


class _Waiting(QueuedItem):
    """`hash` is known of checked documents; `lost` counts how often it was first and had to be encoded again."""

    __slots__ = ("hash", "idempotency_key", "lost", "new")

    def __init__(self, new: NewSnapshot, hash: bytes | None, idempotency_key: IdempotencyKey) -> None:
        super().__init__()
        self.new = new
        self.hash = hash
        self.idempotency_key = idempotency_key
        self.lost = 0


def endpoint_of(new: NewSnapshot) -> EndpointRef:
    assert isinstance(new.endpoint, EndpointRef), "it is there"
    return new.endpoint


async def append_last(
    svc: Services, project: int, new: NewSnapshot, hash: bytes | None, idempotency_key: IdempotencyKey
) -> CreatedSnapshots:
    """Store a snapshot of an endpoint that is there, after all it has. `hash` is None if it is not checked yet. Raises
    what `check` does, NotFound, Conflict after three lost races, KeyReused."""
    endpoint = endpoint_of(new)
    waiting = _Waiting(new, hash, idempotency_key)
    svc.state(BatchQueues).join(endpoint.id, waiting, partial(_serve, svc, project, endpoint))
    appended: CreatedSnapshots = await waiting.answered()
    return appended


async def _serve(svc: Services, project: int, endpoint: EndpointRef, queue: deque[_Waiting]) -> None:
    """One round of those that wait; what lost a race waits again, before all others."""
    async with svc.state(EndpointLocks).hold([endpoint.id]):
        batch = _take_round(queue)
        try:
            queue.extendleft(reversed(await _append_round(svc, project, endpoint, batch)))
        except BaseException as error:
            for item in batch:
                item.fail(error if isinstance(error, Exception) else shutting_down())
            if not isinstance(error, Exception):
                raise


def _take_round(queue: deque[_Waiting]) -> list[_Waiting]:
    """The next to go together: of one Idempotency-Key only one, since the second is answered what the first is."""
    batch: list[_Waiting] = []
    keys = set()
    size = 0
    while queue and len(batch) < ROUND_SNAPSHOTS:
        item = queue[0]
        size += len(item.new.body)
        if batch and (size > ROUND_BYTES or item.idempotency_key.scope in keys):
            break
        queue.popleft()
        if item.done:
            continue
        batch.append(item)
        if item.idempotency_key.scope is not None:
            keys.add(item.idempotency_key.scope)
    return batch


async def _append_round(
    svc: Services, project: int, endpoint: EndpointRef, batch: Sequence[_Waiting]
) -> list[_Waiting]:
    """Answer all but those it returns, which are to be encoded again."""
    tails = svc.state(RememberedTails)
    end, fresh = tails.take(endpoint.id), list(batch)
    if end is None or any(item.idempotency_key.scope is not None for item in batch):
        tail, depth, earlier = svc.db.peek(_read_tail, endpoint.id, [item.idempotency_key for item in batch])
        end, fresh = RememberedTail(tail, depth), _settle(batch, earlier)
    planned = await plan(svc, endpoint.id, [(item.new, item.hash) for item in fresh], end.tail, end.depth)
    fresh = _settle(fresh, [each if isinstance(each, Exception) else None for each in planned])
    lasts = [each for each in planned if isinstance(each, TailSnapshot)]
    if not fresh:
        return []
    requests = [(item.new, item.idempotency_key) for item in fresh]
    async with timeline.stored_ahead(svc.db, lasts) as lasts:
        written = await svc.state(_ProjectWrites).write(
            svc.db,
            endpoint.project,
            Round(endpoint, requests, lasts),
            partial(_insert_together, endpoint.project, svc.config.plans),
            weight=len(lasts),
        )
        tails.remember(endpoint.id, end, lasts, written)
        return _answer(svc, fresh, written, counts=not end.rounds)


def _answer(
    svc: Services,
    fresh: Sequence[_Waiting],
    written: Sequence[CreatedSnapshots | Exception],
    *,
    counts: bool,
) -> list[_Waiting]:
    """Those that are to be encoded again; that `counts` as a lost race where the end was looked up."""
    again = []
    for number, (item, result) in enumerate(zip(fresh, written, strict=True)):
        if not isinstance(result, TimelineChanged):
            _cache_body(svc, item, result)
            _settle([item], [result])
            continue
        item.lost += counts and not number  # the others of a round may go again for the sake of the first
        if item.lost < ATTEMPTS:
            again.append(item)
        else:
            item.fail(Conflict("the endpoint's history is being rewritten at this place; send the snapshot again"))
    return again


def _settle(items: Sequence[_Waiting], results: Sequence[CreatedSnapshots | Exception | None]) -> list[_Waiting]:
    """Answer or fail those with a result; the others."""
    rest = []
    for item, result in zip(items, results, strict=True):
        if result is None:
            rest.append(item)
        elif isinstance(result, Exception):
            item.fail(result)
        else:
            item.answer(result)
    return rest


def _cache_body(svc: Services, item: _Waiting, result: CreatedSnapshots | Exception) -> None:
    if isinstance(result, CreatedSnapshots):
        for endpoint, content in result.contents:
            contents.remember(svc.contents, endpoint, content, item.new.body)


def _read_tail(
    tx: Tx, endpoint: int, idempotency_keys: Sequence[IdempotencyKey]
) -> tuple[TimelineTail, int, list[CreatedSnapshots | Exception | None]]:
    """What the endpoint ends with and its depth in frames; what requests were answered before: a replay within a round
    would cost those behind it their base."""
    return *tail_of(tx, endpoint), [_earlier_answer(tx, idempotency_key) for idempotency_key in idempotency_keys]


def tail_of(tx: Tx, endpoint: int) -> tuple[TimelineTail, int]:
    """And its depth in frames."""
    tail = timeline.tail(tx, endpoint)
    return tail, 0 if tail.head is None else contents.frame_depth(tx, endpoint, tail.head.id)


def _earlier_answer(tx: Tx, idempotency_key: IdempotencyKey) -> CreatedSnapshots | Exception | None:
    try:
        return replayed(tx, idempotency_key)
    except DeltaError as error:
        return error


async def plan(
    svc: Services, endpoint: int, documents: Sequence[Document], tail: TimelineTail, depth: int
) -> list[TailSnapshot | Exception]:
    """What to write of each, or why not. The head is read only when something is to be encoded against it."""
    limit_bytes, now_ms = svc.config.limits.document_bytes, svc.clock.now_ms()
    head, base = tail.head, None
    size_bytes = sum(len(new.body) for new, _ in documents)
    cpu = svc.cpu_beside(size_bytes)
    if head is not None and (body := contents.cached(svc.contents, endpoint, head.id)) is not None:
        base = Base(head.id, body, depth)
    elif head is not None and documents:
        documents = await cpu(_check_all, documents, limit_bytes, now_ms)
        sizes = [len(new.body) for new, hash in documents if isinstance(hash, bytes) and hash != head.hash]
        if sizes:
            base = await contents.base_of(svc.contents, endpoint, head, depth, sizes[0])
    if size_bytes <= ON_THE_LOOP_BYTES and (base is None or len(base.body) <= ON_THE_LOOP_BYTES):
        return _encode_all(documents, tail, base, svc.contents.packs, limit_bytes, now_ms)
    return await cpu(_encode_all, documents, tail, base, svc.contents.packs, limit_bytes, now_ms)


def _check_all(documents: Sequence[Document], limit_bytes: int, now_ms: int) -> list[Document]:
    """Each with its hash, or why it may not be stored."""
    return [(new, _check_one(new, limit_bytes, now_ms) if hash is None else hash) for new, hash in documents]


def _check_one(new: NewSnapshot, limit_bytes: int, now_ms: int) -> bytes | Exception:
    try:
        check(new, limit_bytes, now_ms)
        return codec.digest(new.body)
    except Exception as error:  # one's fault is not the others'
        return error


def _encode_all(
    documents: Sequence[Document], tail: TimelineTail, base: Base | None, packs: Packs, limit_bytes: int, now_ms: int
) -> list[TailSnapshot | Exception]:
    """Each against the one before it, at a time of its own."""
    planned: list[TailSnapshot | Exception] = []
    before, last_at = tail.hash, tail.newest
    for new, hash in _check_all(documents, limit_bytes, now_ms):
        if not isinstance(hash, bytes):
            planned.append(hash or AssertionError("checked documents have a hash"))
            continue
        frame = None
        if hash != before:
            frame = contents.encode_frame(base, new.body, packs)
            base = Base(None, new.body, frame.depth)
        last_at = max(new.captured_at, last_at + 1)
        planned.append(TailSnapshot(last_at, hash, frame, before, new.source, new.metadata))
        before = hash
    return planned


class Round(msgspec.Struct, frozen=True):
    """What is stored of an endpoint at once."""

    endpoint: EndpointRef
    requests: Sequence[tuple[NewSnapshot, IdempotencyKey]]
    lasts: Sequence[TailSnapshot]


class _ProjectWrites(JointWrites):
    """Rounds of several endpoints of a project go in one call of the writer."""


def _insert_together(
    project: int, plans: Plans, tx: Tx, rounds: Sequence[Round]
) -> list[list[CreatedSnapshots | Exception]]:
    return insert_rounds(tx, project, rounds, plans)


def insert_rounds(
    tx: Tx, project: int, rounds: Sequence[Round], plans: Plans
) -> list[list[CreatedSnapshots | Exception]]:
    """Of several endpoints of a project, what came of each request. One refused has written nothing; those behind it
    that are based on it are TimelineChanged."""
    left = usage.allowance(tx, plans, project)
    rows: list[int] = []
    results = [_insert_round(tx, each, left, rows) for each in rounds]
    usage.add_snapshots(tx, project, len(rows))
    happenings.created(tx, project, rows)
    return results


def _insert_round(tx: Tx, this: Round, left: Allowance, rows: list[int]) -> list[CreatedSnapshots | Exception]:
    endpoint = this.endpoint
    try:
        endpoints.confirm(tx, endpoint)
    except NotFound as error:
        return [error] * len(this.requests)
    tail = timeline.tail(tx, endpoint.id)
    added: list[int] = []  # their times
    results: list[CreatedSnapshots | Exception] = []
    for (new, idempotency_key), last in zip(this.requests, this.lasts, strict=True):
        try:
            appended = replayed(tx, idempotency_key)
            if appended is None:
                left.check(needs := needs_of([last]))
                placed, tail = timeline.insert_last(tx, endpoint.id, tail, last)
                left.take(needs)
                added.append(last.captured_at)
                rows.append(placed.id)
                enforcement.note(tx, endpoint, placed.uid, last.captured_at, new.misfits)
                appended = CreatedSnapshots(
                    [stored_answer(new, last, placed, endpoint)], [(endpoint.id, placed.content)]
                )
                record_answer(tx, idempotency_key, appended.snapshots)
                if new.companion is not None:
                    new.companion(tx, placed.uid)
            results.append(appended)
        except (DeltaError, TimelineChanged) as error:
            results.append(error)
    activity.count_snapshots(tx, endpoint.id, dict.fromkeys(added, 1))
    return results
