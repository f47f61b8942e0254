"""All records of a space as they were at one moment, a line each, in the order of their changes.

The first line names the snapshot, the last one says where pulls go on, how many records each data type has, and their
digests. A download that is broken off goes on behind the last line that came, of the same snapshot.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial

import msgspec

from delta_server.core import times
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.core.errors import ResyncRequired
from delta_server.core.sync import digest
from delta_server.features.devices import service as devices
from delta_server.features.sync import pulling, schemas, spaces, store
from delta_server.features.sync.spaces import Whose
from delta_server.features.sync.states import store as states
from delta_server.features.sync.states.reading import Frozen, cursor_of, freeze
from delta_server.features.sync.states.store import Placed
from delta_server.services import Services
from delta_server.storage.database import Tx

SNAPSHOTS = "sync snapshot"
_ROWS_AT_ONCE = 500
_MOST_BYTES = 1 << 20
"""Of those, if they are more than one."""
_FIRST_PART = 4
_VERSIONS_AT_ONCE = 5000
"""Looked at, those that were replaced before among them."""


class Sums:
    """Of what a download holds, by collections."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.digests: dict[int, int] = {}

    def add(self, collection: int, record_id: str, checksum: bytes) -> None:
        self.counts[collection] = self.counts.get(collection, 0) + 1
        mixed = int.from_bytes(digest.of_record(record_id, checksum))
        self.digests[collection] = self.digests.get(collection, 0) ^ mixed


class Download(msgspec.Struct, frozen=True):
    frozen: Frozen
    after: int
    device_ids: Mapping[int, str]


async def begin(svc: Services, whose: Whose, snapshot: str | None, after: int) -> Download:
    """A new one, or one that goes on behind `after`. Raises BadRequest, RateLimited, ResyncRequired."""
    spaces.count_pull(svc, whose)
    frozen = await freeze(svc, whose)
    if snapshot is not None:
        epoch, space, until = decode_cursor(SNAPSHOTS, snapshot, tuple[bytes, int, int])
        forgotten = svc.clock.now_ms() - svc.config.sync.history_days * times.DAY_MS
        oldest = await svc.db.read(store.first_since, frozen.space, forgotten, frozen.until)
        if (epoch, space) != (frozen.epoch, frozen.space) or not oldest <= until <= frozen.until:
            raise ResyncRequired("the snapshot is not here any more: begin again", begin_at="/v1/sync/download")
        frozen = msgspec.structs.replace(frozen, until=until)
    return Download(frozen, after, await svc.db.read(devices.device_ids, frozen.space))


async def lines(svc: Services, download: Download) -> AsyncGenerator[bytes, None]:
    frozen, sums = download.frozen, Sums()
    names = {collection.id: collection.data_type for collection in frozen.collections}
    token = encode_cursor(SNAPSHOTS, frozen.epoch, frozen.space, frozen.until)
    yield msgspec.json.encode({"snapshot": token, "until": frozen.until}) + b"\n"
    if download.after:
        await _sum(svc, frozen, download.after, sums)
    after = download.after
    while after < frozen.until:
        rows, after = await svc.db.read(_next, frozen, after)
        if rows:
            yield await svc.spare_cpu(_lines, rows, names, download.device_ids, sums)
    yield _last(frozen, sums)


def _next(tx: Tx, frozen: Frozen, after: int) -> tuple[list[Placed], int]:
    """The next records, and up to which number these are all: what has been replaced since takes time, too."""
    end = states.last_of_next(tx, frozen.space, after, frozen.until, _VERSIONS_AT_ONCE)
    read = partial(states.living_at, tx, frozen.space, frozen.until)
    rows, has_more = pulling.bounded(read, after, end, _ROWS_AT_ONCE, most_bytes=_MOST_BYTES, first_part=_FIRST_PART)
    return rows, rows[-1].seq if has_more else end


async def _sum(svc: Services, frozen: Frozen, until: int, sums: Sums) -> None:
    """What came before the download went on."""
    after = 0
    while after < until:
        rows, after = await svc.db.read(_next_sums, frozen, after, until)
        await svc.spare_cpu(_add, rows, sums)


def _next_sums(tx: Tx, frozen: Frozen, after: int, until: int) -> tuple[list[tuple[int, str, bytes]], int]:
    end = states.last_of_next(tx, frozen.space, after, until, _VERSIONS_AT_ONCE)
    return states.sums_at(tx, frozen.space, frozen.until, after, end), end


def _add(rows: Sequence[tuple[int, str, bytes]], sums: Sums) -> None:
    for collection, record_id, checksum in rows:
        sums.add(collection, record_id, checksum)


def _lines(rows: Sequence[Placed], names: Mapping[int, str], device_ids: Mapping[int, str], sums: Sums) -> bytes:
    found = []
    for change in rows:
        sums.add(change.collection, change.record_id, change.checksum or b"")
        line = msgspec.json.encode(schemas.record(change, device_ids))
        found.append(b'{"data_type":%b,%b\n' % (msgspec.json.encode(names[change.collection]), line[1:]))
    return b"".join(found)


def _last(frozen: Frozen, sums: Sums) -> bytes:
    cursors = {collection.data_type: cursor_of(frozen, collection) for collection in frozen.collections}
    of = {collection.data_type: collection.id for collection in frozen.collections}
    return (
        msgspec.json.encode(
            {
                "cursor": cursors,
                "counts": {name: sums.counts.get(id, 0) for name, id in of.items()},
                "digest": {name: sums.digests.get(id, 0).to_bytes(16).hex() for name, id in of.items()},
            }
        )
        + b"\n"
    )
