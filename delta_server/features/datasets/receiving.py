"""A delivery is taken in while it comes: decoded, checked and stored, a piece at a time."""

import asyncio
import base64
import binascii
import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager, suppress
from hashlib import sha256
from itertools import islice

import msgspec
from uuid_utils import uuid7

from delta_server.config.plans import Plans
from delta_server.core.datasets import manifest as manifests
from delta_server.core.datasets.intake import Done, Intake
from delta_server.core.datasets.manifest import Delivery, Format, Manifest
from delta_server.core.errors import BadRequest, Conflict, Invalid, RateLimited, Unavailable
from delta_server.features.datasets import deliveries, store
from delta_server.features.datasets.store import Client
from delta_server.features.usage import service as usage
from delta_server.services import Services
from delta_server.storage.blobs.blobs import BlobStoreFailed, WriteStream
from delta_server.storage.database import Tx

BLOCK_BYTES = 1 << 20
_PARTS_AT_ONCE = 16
_SHA_256 = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):\s*(?:,|$)")


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """`content_digest` is the header of that name (RFC 9530), of the bytes as they are sent."""

    format: Format
    encoding: str | None
    content_digest: str | None
    has_trailer: bool


class _Uploads:
    """Those that are coming in now, by project. Used on the event loop only."""

    def __init__(self) -> None:
        self._by_project: Counter[int] = Counter()

    @contextmanager
    def place(self, project: int, most: int) -> Iterator[None]:
        if self._by_project.total() >= most or self._by_project[project] >= max(1, most // 2):
            raise RateLimited("too many deliveries come in at the moment (datasets.uploads): wait", retry_after_s=5)
        self._by_project[project] += 1
        try:
            yield
        finally:
            self._by_project[project] -= 1


class _Room:
    """What the project's plan leaves for a delivery that is being written. `most` bytes may be stored of it before the
    database is asked again."""

    def __init__(self, svc: Services, project: int, client: Client, resource: str) -> None:
        self._svc, self._of = svc, (project, client.id, resource)
        self._plans = svc.config.plans
        self.most: int | None = 0

    async def begin(self) -> None:
        self.most = await self._svc.db.write(_begin, self._of, self._plans)

    async def take(self, stored: int, *, whole: bool = False) -> None:
        """So many bytes are stored, `whole` when no more come. Raises QuotaExceeded."""
        if self.most is not None and (whole or stored > self.most):
            self.most = await self._svc.db.write(_reserve, self._of, self._plans, stored)


def _begin(tx: Tx, of: tuple[int, int, str], plans: Plans) -> int | None:
    store.begin_upload(tx, *of)
    return _reserve(tx, of, plans, 0)


def _reserve(tx: Tx, of: tuple[int, int, str], plans: Plans, stored: int) -> int | None:
    """Count what a delivery takes beyond the one it replaces; how many bytes may be stored of it in all, None where
    nothing limits them. Raises QuotaExceeded."""
    replaced, counted = store.more_bytes(tx, *of)
    more = max(0, stored - replaced)
    left = usage.allowance(tx, plans, of[0])
    left.take(usage.Needs(storage_bytes=max(0, more - counted)))
    store.update_more_bytes(tx, *of, more)
    return None if left.storage_left is None else left.storage_left + replaced + more


async def receive(
    svc: Services, project: int, client: Client, incoming: Incoming, body: AsyncGenerator[bytes, None]
) -> Manifest:
    """`body` becomes the client's current delivery. Raises BadRequest, Invalid, TooLarge, RateLimited, QuotaExceeded,
    BlobStoreFailed; then nothing was changed."""
    expected = _digest_of(incoming.content_digest)
    options, id = svc.config.datasets, uuid7().hex
    intake = Intake(
        incoming.format,
        incoming.encoding,
        most_bytes=options.delivery_bytes,
        row_bytes=options.row_bytes,
        has_trailer=incoming.has_trailer,
    )
    resource = deliveries.resource_of(client, id, incoming.format)
    room = _Room(svc, project, client, resource)
    with svc.state(_Uploads).place(project, options.uploads), _written(svc, resource):
        await room.begin()
        try:
            async with (
                usage.reporting_exceeded(svc, project),
                aclosing(body),
                deliveries.blobs_of(svc).create_write_stream(resource) as stream,
            ):
                done, stored = await _copy(svc, intake, body, stream, expected, room)
        except BaseException:
            await svc.db.write(store.end_upload, project, client.id, resource)
            raise
        # From here on the row stays when something fails: a sweep, or the next start, settles what it names.
        manifest = await _switch(
            svc, project, client, resource, _delivery(id, incoming.format, done, stored, svc.clock.now_ms())
        )
        if await svc.db.read(store.folder, project, client.id) is None:
            await deliveries.delete_all(svc, project, client)
            raise Conflict("the client was deleted while its delivery came")
        await svc.db.write(store.end_upload, project, client.id, resource)
        return manifest


@contextmanager
def _written(svc: Services, resource: str) -> Iterator[None]:
    written = svc.state(deliveries.Writing).resources
    written.add(resource)
    try:
        yield
    finally:
        written.remove(resource)


async def _switch(svc: Services, project: int, client: Client, resource: str, delivery: Delivery) -> Manifest:
    """Where the store does not answer, it is asked whether it has done it, and made to forget it else. Raises
    BlobStoreFailed, Unavailable."""
    try:
        return await deliveries.switch(
            svc, project, client, lambda before: manifests.received(before, delivery, svc.clock.now_ms())
        )
    except (BlobStoreFailed, Unavailable):
        with suppress(BlobStoreFailed, Unavailable):
            found = await deliveries.settle(svc, project, client, resource)
            if delivery.id in found.ids:
                return found
        raise


def _delivery(id: str, form: Format, done: Done, stored: int, at: int) -> Delivery:
    return Delivery(
        id=id,
        format=form,
        rows=done.rows,
        size_bytes=done.size_bytes,
        stored_bytes=stored,
        sha256=done.sha256,
        received_at=at,
    )


async def _copy(
    svc: Services,
    intake: Intake,
    body: AsyncIterator[bytes],
    stream: WriteStream,
    expected: bytes | None,
    room: _Room,
) -> tuple[Done, int]:
    """What came, and how many bytes of it are stored. One block is worked on while the next one comes."""
    sent = sha256()

    async def take(block: bytes) -> int:
        size, parts, is_more = 0, intake.feed(block), True
        if expected is not None:
            await svc.large_cpu(sent.update, block)
        while is_more:
            content, is_more = await svc.large_cpu(_next_parts, parts)
            await stream.write(content)
            size += len(content)
        return size

    stored, taking = 0, None
    try:
        async for block in _blocks(body):
            stored += await taking if taking is not None else 0
            await room.take(stored)
            taking = asyncio.ensure_future(take(block))
        stored += await taking if taking is not None else 0
    finally:
        if taking is not None and not taking.done():
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
    if expected is not None and sent.digest() != expected:
        raise BadRequest("the body is not the one that Content-Digest tells: it was cut short or changed on its way")
    last, done = await svc.large_cpu(intake.end)
    await stream.write(last)
    await room.take(stored + len(last), whole=True)
    return done, stored + len(last)


def _next_parts(parts: Iterator[bytes]) -> tuple[bytes, bool]:
    """Some of them, and whether there may be more."""
    found = list(islice(parts, _PARTS_AT_ONCE))
    return b"".join(found), len(found) == _PARTS_AT_ONCE


async def _blocks(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    pieces: list[bytes] = []
    size = 0
    async for piece in body:
        pieces.append(piece)
        size += len(piece)
        if size >= BLOCK_BYTES:
            yield b"".join(pieces)
            pieces, size = [], 0
    yield b"".join(pieces)


def _digest_of(header: str | None) -> bytes | None:
    """Raises Invalid for a header without a digest that is known here."""
    if header is None:
        return None
    found = _SHA_256.search(header)
    try:
        digest = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        digest = b""
    if len(digest) != sha256().digest_size:
        raise Invalid("Content-Digest is sha-256=:BASE64: (RFC 9530)", field="Content-Digest")
    return digest
