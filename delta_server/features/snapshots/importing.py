"""Recorded histories: many versions of one document at once, packed as they come in where they only add to the end."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec

from delta_server.core import codec
from delta_server.core.errors import BadRequest, Conflict, Invalid, TooLarge
from delta_server.features.contents import service as contents
from delta_server.features.contents.service import Content, Run
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.snapshots import service, store
from delta_server.features.snapshots.service import ATTEMPTS, New
from delta_server.features.snapshots.store import CROWD
from delta_server.features.snapshots.timeline import Moved
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.once import Once

SOURCE = "import"
"""The source of imported snapshots."""
APPENDED_AT_ONCE = 256


class Version(NamedTuple):
    """One version of a recorded history."""

    captured_at: int
    body: bytes


class Imported(msgspec.Struct, frozen=True):
    """How far an import is: versions stored, there already, and refused for what they are; bytes of all."""

    stored: int = 0
    skipped: int = 0
    refused: int = 0
    bytes: int = 0


class _Tail(msgspec.Struct, frozen=True):
    """Versions that come after all there is: the contents to add, and which of them each has (None: the head's)."""

    head: Content | None
    run: Run | None
    versions: Sequence[Version]
    contents: Sequence[int | None]


async def import_versions(
    svc: Services, project: int, name: str, versions: Iterable[Version], told: Callable[[Imported], None]
) -> Imported:
    """Store a recorded history, oldest version first. What is there already is skipped, so it can be run again.

    `told` is called after each batch with the counts so far. Raises Conflict when others write the same endpoint.
    """
    endpoint = await svc.db.write(endpoints.ensure, project, name)
    done = Imported()
    for batch in _batches(svc, _apart(versions)):
        captured = [version.captured_at for version in batch]
        known = await svc.db.read(store.known, endpoint.id, min(captured), max(captured) + CROWD)
        unknown, good = await svc.cpu(_to_store, svc, batch, known)
        if good:
            await _store(svc, endpoint, good)
        done = Imported(
            stored=done.stored + len(good),
            skipped=done.skipped + len(batch) - unknown,
            refused=done.refused + unknown - len(good),
            bytes=done.bytes + sum(len(version.body) for version in batch),
        )
        told(done)
    return done


def _apart(versions: Iterable[Version]) -> Iterator[Version]:
    """Versions of one moment, a millisecond apart: as storing them would do, and the same each time."""
    first, last = 1, 0  # of those put apart from each other
    for at, body in versions:
        if first <= at <= last:
            last += 1
        else:
            first = last = at
        yield Version(last, body)


def _batches(svc: Services, versions: Iterable[Version]) -> Iterator[list[Version]]:
    batch: list[Version] = []
    sizes: list[int] = []
    for version in versions:
        batch.append(version)
        sizes.append(len(version.body))
        if contents.run_is_full(svc, sizes):
            yield batch
            batch, sizes = [], []
    if batch:
        yield batch


def _to_store(svc: Services, batch: Sequence[Version], known: Mapping[int, bytes]) -> tuple[int, list[Version]]:
    """How many are not there yet, and those of them that may be stored."""
    unknown = [version for version in batch if not _is_known(version, known)]
    limit_bytes, now_ms = svc.config.limits.document_bytes, svc.clock.now_ms()
    good = []
    for version in unknown:
        with suppress(BadRequest, Invalid, TooLarge):
            service.check(New("", version.body, version.captured_at), limit_bytes, now_ms)
            good.append(version)
    return len(unknown), good


def _is_known(version: Version, known: Mapping[int, bytes]) -> bool:
    """Whether it is at its time or, where another one was there before, at the next free one: where it was stored."""
    at, digest = version.captured_at, codec.digest(version.body)
    while known.get(at, digest) != digest:
        at += 1
    return at in known


async def _store(svc: Services, endpoint: EndpointRef, versions: Sequence[Version]) -> None:
    if await _store_at_end(svc, endpoint, versions):
        return
    for start in range(0, len(versions), APPENDED_AT_ONCE):
        part = versions[start : start + APPENDED_AT_ONCE]
        news = [New(endpoint, version.body, version.captured_at, SOURCE) for version in part]
        await service.append(svc, endpoint.project, news, Once.none())


async def _store_at_end(svc: Services, endpoint: EndpointRef, versions: Sequence[Version]) -> bool:
    """Add versions in packs at once; False if they do not all come after what is there, in order."""
    captured = [version.captured_at for version in versions]
    async with svc.endpoint_locks.hold([endpoint.id]):
        for _ in range(ATTEMPTS):
            latest = svc.db.peek(store.newest_at, endpoint.id, 1)
            if captured != sorted(set(captured)) or (latest is not None and latest >= captured[0]):
                return False
            tail = await _tail(svc, endpoint, versions)
            with suppress(Moved):
                await svc.db.write(_append, endpoint, tail)
                svc.contents_changed.notify()
                return True
    raise Conflict("the endpoint is being written to by others; run the import again, it goes on where it was")


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
    run = await contents.encode_run(svc, endpoint.id, head, new) if new else None
    return _Tail(head, run, versions, of)


def _append(tx: Tx, endpoint: EndpointRef, tail: _Tail) -> None:
    """Raises Moved if the endpoint's end is not what it was."""
    endpoints.confirm(tx, endpoint)
    head = contents.head(tx, endpoint.id)
    latest = store.newest_at(tx, endpoint.id, 1)
    if (head and head.id) != (tail.head and tail.head.id) or (latest or 0) >= tail.versions[0].captured_at:
        raise Moved
    added = contents.add_run(tx, endpoint.id, tail.run) if tail.run is not None else []
    if added is None:
        raise Moved
    for version, number in zip(tail.versions, tail.contents, strict=True):
        content = head.id if number is None and head is not None else added[number or 0]
        store.insert(tx, endpoint.id, version.captured_at, content, SOURCE, None)
