"""Snapshots that come after all their endpoint has: most of them. Those that wait for the same endpoint go together.

Each content is encoded against the one before it, which may be one of the same round that is not stored yet. Which row
that became is found when it is written, by its hash: the head of the endpoint must be what the frame was encoded
against, else (the one before was refused, somebody else appended) the rest of the round is encoded again.
"""

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

from delta_server.core.errors import Conflict, DeltaError
from delta_server.core.packs import codec
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.snapshots import timeline
from delta_server.features.snapshots.appending import ATTEMPTS, Appended, keep, kept, replayed
from delta_server.features.snapshots.incoming import New, check
from delta_server.features.snapshots.timeline import EndpointLocks, Last, Moved, Tail
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.contents.contents import Base
from delta_server.storage.contents.options import Packs
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import Once
from delta_server.storage.sqlite.transaction import shutting_down
from delta_server.tasks.lanes import Lanes, Waiting

_Document: TypeAlias = tuple[New, bytes | Exception | None]
"""And its hash, None while it is not known, or why it may not be stored."""

ROUND_SNAPSHOTS = 64
ROUND_BYTES = 4 << 20
"""What goes together at most: a round is one call of the writer, which all others wait for."""


class _Waiting(Waiting):
    """`hash` is known of checked documents; `lost` counts how often it was first and had to be encoded again."""

    __slots__ = ("hash", "lost", "new", "once")

    def __init__(self, new: New, hash: bytes | None, once: Once) -> None:
        super().__init__()
        self.new = new
        self.hash = hash
        self.once = once
        self.lost = 0


async def append(svc: Services, project: int, new: New, hash: bytes | None, once: Once) -> Appended:
    """Store a snapshot of an endpoint that is there, after all it has. `hash` is None if it is not checked yet. Raises
    what `check` does, NotFound, Conflict after three lost races, KeyReused."""
    assert isinstance(new.endpoint, EndpointRef)
    waiting = _Waiting(new, hash, once)
    svc.state(Lanes).join(new.endpoint.id, waiting, partial(_serve, svc, project, new.endpoint))
    appended: Appended = await waiting.answered()
    return appended


async def _serve(svc: Services, project: int, endpoint: EndpointRef, queue: deque[_Waiting]) -> None:
    """One round of those that wait; what lost a race waits again, before all others."""
    async with svc.state(EndpointLocks).hold([endpoint.id]):
        taken = _round(queue)
        try:
            queue.extendleft(reversed(await _store(svc, project, endpoint, taken)))
        except BaseException as error:
            for one in taken:
                one.fail(error if isinstance(error, Exception) else shutting_down())
            if not isinstance(error, Exception):
                raise


def _round(queue: deque[_Waiting]) -> list[_Waiting]:
    """The next to go together: of one Idempotency-Key only one, since the second is answered what the first is."""
    taken: list[_Waiting] = []
    keys = set()
    size = 0
    while queue and len(taken) < ROUND_SNAPSHOTS:
        one = queue[0]
        size += len(one.new.body)
        if taken and (size > ROUND_BYTES or one.once.scope in keys):
            break
        queue.popleft()
        if one.done:
            continue
        taken.append(one)
        if one.once.scope is not None:
            keys.add(one.once.scope)
    return taken


async def _store(svc: Services, project: int, endpoint: EndpointRef, taken: Sequence[_Waiting]) -> list[_Waiting]:
    """Answer all but those it returns, which are to be encoded again."""
    tail, depth, earlier = svc.db.peek(_look, endpoint.id, [one.once for one in taken])
    fresh = _told(taken, earlier)
    planned = await _plan(svc, endpoint.id, fresh, tail, depth)
    fresh = _told(fresh, [each if isinstance(each, Exception) else None for each in planned])
    lasts = [each for each in planned if isinstance(each, Last)]
    if not fresh:
        return []
    written = await svc.db.write(_append, endpoint, [(one.new, one.once) for one in fresh], lasts)
    again = []
    for number, (one, result) in enumerate(zip(fresh, written, strict=True)):
        if not isinstance(result, Moved):
            _remember(svc, one, result)
            _told([one], [result])
            continue
        one.lost += not number  # the others of a round may go again for the sake of the first
        if one.lost < ATTEMPTS:
            again.append(one)
        else:
            one.fail(Conflict("the endpoint's history is being rewritten at this place; send the snapshot again"))
    return again


def _told(some: Sequence[_Waiting], results: Sequence[Appended | Exception | None]) -> list[_Waiting]:
    """Answer or fail those with a result; the others."""
    rest = []
    for one, result in zip(some, results, strict=True):
        if result is None:
            rest.append(one)
        elif isinstance(result, Exception):
            one.fail(result)
        else:
            one.answer(result)
    return rest


def _remember(svc: Services, one: _Waiting, result: Appended | Exception) -> None:
    if isinstance(result, Appended):
        for endpoint, content in result.contents:
            contents.remember(svc.contents, endpoint, content, one.new.body)


def _look(tx: Tx, endpoint: int, onces: Sequence[Once]) -> tuple[Tail, int, list[Appended | Exception | None]]:
    """What the endpoint ends with and its depth in frames; what requests were answered before: a replay within a round
    would cost those behind it their base."""
    tail = timeline.tail(tx, endpoint)
    depth = 0 if tail.head is None else contents.frame_depth(tx, endpoint, tail.head.id)
    return tail, depth, [_earlier(tx, once) for once in onces]


def _earlier(tx: Tx, once: Once) -> Appended | Exception | None:
    try:
        return replayed(tx, once)
    except DeltaError as error:
        return error


async def _plan(
    svc: Services, endpoint: int, some: Sequence[_Waiting], tail: Tail, depth: int
) -> list[Last | Exception]:
    """What to write of each, or why not. The head is read only when something is to be encoded against it."""
    limit_bytes, now_ms = svc.config.limits.document_bytes, svc.clock.now_ms()
    documents: list[_Document] = [(one.new, one.hash) for one in some]
    head, base = tail.head, None
    if head is not None and (body := contents.cached(svc.contents, endpoint, head.id)) is not None:
        base = Base(head.id, body, depth)
    elif head is not None and documents:
        documents = await svc.cpu(_checked, documents, limit_bytes, now_ms)
        sizes = [len(new.body) for new, hash in documents if isinstance(hash, bytes) and hash != head.hash]
        if sizes:
            base = await contents.base_of(svc.contents, endpoint, head, depth, sizes[0])
    return await svc.cpu(_encoded, documents, tail, base, svc.contents.packs, limit_bytes, now_ms)


def _checked(documents: Sequence[_Document], limit_bytes: int, now_ms: int) -> list[_Document]:
    """Each with its hash, or why it may not be stored."""
    return [(new, _examined(new, limit_bytes, now_ms) if hash is None else hash) for new, hash in documents]


def _examined(new: New, limit_bytes: int, now_ms: int) -> bytes | Exception:
    try:
        check(new, limit_bytes, now_ms)
        return codec.digest(new.body)
    except Exception as error:  # one's fault is not the others'
        return error


def _encoded(
    documents: Sequence[_Document], tail: Tail, base: Base | None, packs: Packs, limit_bytes: int, now_ms: int
) -> list[Last | Exception]:
    """Each against the one before it, at a time of its own."""
    planned: list[Last | Exception] = []
    before, last_at = tail.hash, tail.newest
    for new, hash in _checked(documents, limit_bytes, now_ms):
        if not isinstance(hash, bytes):
            planned.append(hash or AssertionError("checked documents have a hash"))
            continue
        frame = None
        if hash != before:
            frame = contents.encode_frame(base, new.body, packs)
            base = Base(None, new.body, frame.depth)
        last_at = max(new.captured_at, last_at + 1)
        planned.append(Last(last_at, hash, frame, before, new.source, new.metadata))
        before = hash
    return planned


def _append(
    tx: Tx, endpoint: EndpointRef, requests: Sequence[tuple[New, Once]], lasts: Sequence[Last]
) -> list[Appended | Exception]:
    """One refused has written nothing; those behind it that are based on it are Moved."""
    endpoints.confirm(tx, endpoint)
    tail = timeline.tail(tx, endpoint.id)
    results: list[Appended | Exception] = []
    for (new, once), last in zip(requests, lasts, strict=True):
        try:
            appended = replayed(tx, once)
            if appended is None:
                placed, tail = timeline.place_last(tx, endpoint.id, tail, last)
                appended = Appended([kept(new, last, placed, endpoint)], [(endpoint.id, placed.content)])
                keep(tx, once, appended.snapshots)
            results.append(appended)
        except (DeltaError, Moved) as error:
            results.append(error)
    return results
