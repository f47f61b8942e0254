"""Recorded histories: many versions of one document at once, packed as they come in where they only add to the end."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from operator import attrgetter
from typing import NamedTuple

import msgspec

from delta_server.core.errors import BadRequest, Conflict, DeltaError, Invalid, TooLarge
from delta_server.core.packs import codec
from delta_server.features.activity import service as activity
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.snapshots import happenings, service, store
from delta_server.features.snapshots.appending import ATTEMPTS
from delta_server.features.snapshots.incoming import NewSnapshot
from delta_server.features.snapshots.store import MAX_TIME_PROBES
from delta_server.features.snapshots.timeline import EndpointLocks, TimelineChanged
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.contents.contents import Batch, Content
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import IdempotencyKey

SOURCE = "import"
"""The source of imported snapshots."""
APPENDED_AT_ONCE = 256
BATCH_MS = 3000
"""Versions from a slow source are stored after this time, however few they are."""
MAX_REASONS = 5


class Version(NamedTuple):
    """One version of a recorded history. `place` is where it stands there: a line, a commit. `metadata` is JSON;
    `commit` is the commit's id in git; `fault` says why it cannot be stored, whatever its body."""

    captured_at: int
    body: bytes
    place: str = ""
    source: str | None = SOURCE
    metadata: str | None = None
    commit: str = ""
    fault: str = ""


class Imported(msgspec.Struct, frozen=True):
    """How far an import is: versions stored, there already, and refused for what they are; bytes of all."""

    stored: int = 0
    skipped: int = 0
    refused: int = 0
    bytes: int = 0
    reasons: tuple[str, ...] = ()
    """Place and reason of the first that were refused."""


class _SortedBatch(NamedTuple):
    """A batch: versions to store at times that are free, in order of time, and how many are there already."""

    to_store: list[Version]
    skipped: int
    reasons: list[str]


class _Tail(msgspec.Struct, frozen=True):
    """Versions that come after all there is: the contents to add, and which of them each has (None: the head's)."""

    head: Content | None
    batch: Batch | None
    versions: Sequence[Version]
    contents: Sequence[int | None]


async def import_versions(
    svc: Services,
    project: int,
    name: str,
    versions: Iterable[Version],
    on_progress: Callable[[Imported], None],
    *,
    thread: Executor | None = None,
) -> Imported:
    """Store a recorded history, oldest version first. What is there already is skipped, so it can be run again.

    `on_progress` is called after each batch with the counts so far. Versions are read by `thread`, in batches that hold
    up no others; without it by this one, in larger ones, which is for processes of their own. Raises Conflict when
    others write the same endpoint, and the DeltaError that reading `versions` ends with, once what came before is
    stored."""
    done = Imported()
    most = None if thread is None else svc.contents.packs.pack_contents
    batches = _batches(svc, _spread_times(versions), most)
    batch = await _next(batches, thread)  # first: a history that cannot be read leaves no empty endpoint
    endpoint = await svc.db.write(endpoints.ensure, project, name)
    svc.topics.wake("happenings", project)
    while batch:
        captured = [version.captured_at for version in batch]
        known = await svc.db.read(store.content_hashes, endpoint.id, min(captured), max(captured) + MAX_TIME_PROBES)
        found = await svc.cpu(_sort_batch, svc, batch, known)
        if found.to_store:
            await _store(svc, endpoint, found.to_store)
        done = Imported(
            stored=done.stored + len(found.to_store),
            skipped=done.skipped + found.skipped,
            refused=done.refused + len(found.reasons),
            bytes=done.bytes + sum(len(version.body) for version in batch),
            reasons=(*done.reasons, *found.reasons)[:MAX_REASONS],
        )
        on_progress(done)
        batch = await _next(batches, thread)
    return done


async def _next(batches: Iterator[list[Version]], thread: Executor | None) -> list[Version]:
    """Empty at the end."""
    if thread is None:
        return next(batches, [])
    return await asyncio.get_running_loop().run_in_executor(thread, next, batches, [])


def _spread_times(versions: Iterable[Version]) -> Iterator[Version]:
    """Versions of one moment, a millisecond apart: as storing them would do, and the same each time.

    One that repeats the version before it keeps that one's time: it is that version again.
    """
    first, last = 1, 0  # of those put apart from each other
    before = None
    for version in versions:
        if not first <= version.captured_at <= last:
            first = last = version.captured_at
        elif version.body != before:
            last += 1
        before = version.body
        yield version._replace(captured_at=last)


def _batches(svc: Services, versions: Iterable[Version], most: int | None) -> Iterator[list[Version]]:
    """As many as make the best packs, or as came in some seconds; what came before an error comes before it here.

    At most `most` where others write too: they wait while a batch is written."""
    batch: list[Version] = []
    size = 0
    began = svc.clock.now_ms()
    try:
        for version in versions:
            batch.append(version)
            size += len(version.body)
            full = len(batch) == most or contents.batch_is_full(svc.contents, size, len(batch))
            if full or svc.clock.now_ms() - began > BATCH_MS:
                yield batch
                batch, size, began = [], 0, svc.clock.now_ms()
    except DeltaError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _sort_batch(svc: Services, batch: Sequence[Version], known: Mapping[int, bytes]) -> _SortedBatch:
    """`known` is what is stored around the batch's times, by time."""
    limit_bytes, now_ms = svc.config.limits.document_bytes, svc.clock.now_ms()
    taken, skipped = dict(known), 0
    to_store: list[Version] = []
    reasons: list[str] = []
    for version in batch:
        if version.fault:
            reasons.append(f"{version.place}: {version.fault}")
            continue
        digest = codec.digest(version.body)
        at = _time_of(version.captured_at, digest, taken)
        if at in taken:
            skipped += 1
            continue
        try:
            service.check(_new("", version), limit_bytes, now_ms)
        except (BadRequest, Invalid, TooLarge) as error:
            reasons.append(f"{version.place}: {error.message}")
            continue
        taken[at] = digest
        to_store.append(version._replace(captured_at=at))
    return _SortedBatch(sorted(to_store, key=attrgetter("captured_at")), skipped, reasons)


def _time_of(captured_at: int, digest: bytes, taken: Mapping[int, bytes]) -> int:
    """Where a document is from that time on, or goes: the first millisecond that has it or is free."""
    while taken.get(captured_at, digest) != digest:
        captured_at += 1
    return captured_at


async def _store(svc: Services, endpoint: EndpointRef, versions: Sequence[Version]) -> None:
    if await _store_at_end(svc, endpoint, versions):
        return
    for start in range(0, len(versions), APPENDED_AT_ONCE):
        part = versions[start : start + APPENDED_AT_ONCE]
        new_snapshots = [_new(endpoint, version) for version in part]
        await service.create_snapshots(svc, endpoint.project, new_snapshots, IdempotencyKey.none(), limited=False)


def _new(endpoint: EndpointRef | str, version: Version) -> NewSnapshot:
    return NewSnapshot(endpoint, version.body, version.captured_at, version.source, version.metadata)


async def _store_at_end(svc: Services, endpoint: EndpointRef, versions: Sequence[Version]) -> bool:
    """Add versions in packs at once; False if they do not all come after what is there, in order."""
    captured = [version.captured_at for version in versions]
    async with svc.state(EndpointLocks).hold([endpoint.id]):
        for _ in range(ATTEMPTS):
            latest = svc.db.peek(store.newest_at, endpoint.id, 1)
            if captured != sorted(set(captured)) or (latest is not None and latest >= captured[0]):
                return False
            tail = await _tail(svc, endpoint, versions)
            with suppress(TimelineChanged):
                await _write_tail(svc, endpoint, tail)
                svc.topics.wake("contents")
                svc.topics.wake("happenings", endpoint.project)
                return True
    raise Conflict("the endpoint is being written to by others; run the import again, it resumes where it stopped")


async def _tail(svc: Services, endpoint: EndpointRef, versions: Sequence[Version]) -> _Tail:
    head = svc.db.peek(contents.head, endpoint.id)
    hashes = await svc.cpu(lambda: [codec.digest(version.body) for version in versions])
    before = None if head is None else head.hash
    of: list[int | None] = []
    new: list[tuple[int, bytes]] = []
    for version, digest in zip(versions, hashes, strict=True):
        if digest != before:
            new.append((version.captured_at, version.body))
        of.append(len(new) - 1 if new else None)
        before = digest
    encoded = await contents.encode_batch(svc.contents, endpoint.id, head, new) if new else None
    return _Tail(head, encoded, versions, of)


async def _write_tail(svc: Services, endpoint: EndpointRef, tail: _Tail) -> None:
    if tail.batch is None:
        await svc.db.write(_append_tail, endpoint, tail)
        return
    async with contents.batch_ahead(svc.db, tail.batch) as batch:
        await svc.db.write(_append_tail, endpoint, msgspec.structs.replace(tail, batch=batch))


def _append_tail(tx: Tx, endpoint: EndpointRef, tail: _Tail) -> None:
    """Raises Moved if the endpoint's end is not what it was."""
    endpoints.confirm(tx, endpoint)
    head = contents.head(tx, endpoint.id)
    latest = store.newest_at(tx, endpoint.id, 1)
    behind = latest is not None and latest >= tail.versions[0].captured_at
    if behind or (head and head.id) != (tail.head and tail.head.id):
        raise TimelineChanged
    added = contents.add_batch(tx, endpoint.id, tail.batch) if tail.batch is not None else []
    if added is None:
        raise TimelineChanged
    before = None if head is None else head.id
    rows = store.insert_imported(
        tx,
        endpoint.id,
        [
            (
                version.captured_at,
                before if number is None and before is not None else added[number or 0],
                version.source,
                version.metadata,
            )
            for version, number in zip(tail.versions, tail.contents, strict=True)
        ],
    )
    activity.count_snapshots(tx, endpoint.id, {version.captured_at: 1 for version in tail.versions})
    happenings.created(tx, endpoint.project, rows)
