"""Pages in JSON, put together of the texts of their records, which are kept: who begins pulls all of a collection, and
one device does so after the other."""

from binascii import hexlify
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import cast

import msgspec

from delta_server.core import times
from delta_server.core.sync.judging import DELETED, JSON
from delta_server.features.devices import service as devices
from delta_server.features.sync import pulling, schemas, store
from delta_server.features.sync.known_texts import OVERHEAD_BYTES, KnownTexts, Texts
from delta_server.features.sync.pulling import Begun, Read, Wanted
from delta_server.features.sync.schemas import PullCounts
from delta_server.features.sync.spaces import Whose
from delta_server.services import Services
from delta_server.storage.database import Row, Tx

_LOOKED_UP = 8
"""Where no more than one in so many is missing it is looked up by its number; else all around it are read."""

_json = msgspec.json.Encoder().encode


async def pull_text(svc: Services, whose: Whose, data_type: str, wanted: Wanted) -> bytes:
    """As `pulling.pull`, in JSON."""
    begun = pulling.begin(svc, whose, data_type, wanted)
    if begun.space is None or begun.collection is None:
        return _json(pulling.page(begun, pulling.NOTHING, pulling.NONE))
    return await svc.db.read(_read, begun, begun.space, begun.collection.id, svc.state(KnownTexts))


def _read(tx: Tx, begun: Begun, space: store.Space, collection: int, known: KnownTexts) -> bytes:
    heads, device_ids = store.shown(tx, space.id), devices.device_ids(tx, space.id)
    making = _Making(tx, space.id, collection, device_ids)
    if not begun.place.is_whole or begun.is_split or begun.wanted.deletions_only or heads != store.HEADS:
        return _read_rows(tx, begun, heads, making)
    # An id comes again after the last space is deleted, but not with this time.
    key = begun.state.epoch, space.id, space.created_at, collection
    making.known = known.of(key)
    page = _read_known(tx, begun, making) if making.known.by_number else _read_rows(tx, begun, heads, making)
    known.add(key, making.made)
    return page


class _Making:
    """The texts of a page, of which some may be `known`, and the others are `made`."""

    def __init__(self, tx: Tx, space: int, collection: int, device_ids: Mapping[int, str]) -> None:
        self.tx = tx
        self.space = space
        self.collection = collection
        self.device_ids = device_ids
        self.known = Texts()
        self.made = Texts()

    def of_numbers(self, numbers: Sequence[int]) -> list[bytes]:
        """Of heads, in their order."""
        found = [*map(self.known.by_number.get, numbers)]
        if None in found:
            self._make([number for number, text in zip(numbers, found, strict=True) if text is None], len(numbers))
            made = self.made.by_number
            found = [text or made[number] for number, text in zip(numbers, found, strict=True)]
        return cast("list[bytes]", found)

    def of_rows(self, rows: Sequence[Row]) -> list[bytes]:
        texts = _texts(rows, self.device_ids)
        self.made.by_number.update(zip([row[0] for row in rows], texts, strict=True))
        self.made.deletions.update([row[0] for row in rows if row[2] == DELETED])
        self.made.size_bytes += sum(map(len, texts)) + OVERHEAD_BYTES * len(texts)
        return texts

    def deletions(self, numbers: Sequence[int]) -> int:
        return sum(len(texts.deletions.intersection(numbers)) for texts in (self.known, self.made))

    def _make(self, missing: Sequence[int], among: int) -> None:
        """`among` so many that follow each other."""
        if len(missing) * _LOOKED_UP <= among:
            self.of_rows(store.versions(self.tx, self.space, missing))
            return
        after, until, wanted = missing[0] - 1, missing[-1], set(missing)
        rows = store.heads_after(self.tx, self.collection, self.space, store.HEADS, after, until, among)
        self.of_rows([row for row in rows if row[0] in wanted])


def _read_rows(tx: Tx, begun: Begun, heads: str, making: _Making) -> bytes:
    own = begun.left_out
    changes: list[bytes] = []
    deleted: list[bytes] = []
    upserts = deletions = 0
    read = pulling.NOTHING
    for rows, read in pulling.parts(tx, begun, making.space, making.collection, heads):  # noqa: B007 - read behind the loop
        shown = rows if own is None else [row for row in rows if making.device_ids.get(row[5]) != own]
        removed = [row for row in shown if row[2] == DELETED]
        upserts, deletions = upserts + len(shown) - len(removed), deletions + len(removed)
        if removed and begun.is_split:
            deleted += making.of_rows(removed)
            shown = [row for row in shown if row[2] != DELETED]
        changes += making.of_rows(shown)
    return _joined(begun, read, PullCounts(upserts, deletions), changes, deleted)


def _read_known(tx: Tx, begun: Begun, making: _Making) -> bytes:
    """Of the table the numbers alone are read, where the texts are known."""
    limit = begun.wanted.limit
    first = pulling.first(tx, begun, making.space, making.collection, store.HEADS)
    numbers = store.head_numbers(tx, making.collection, first, begun.end, limit + 1)
    texts: list[bytes] = []
    size = 0
    while (count := len(texts)) < min(limit, len(numbers)) and size <= pulling.PAGE_BYTES:
        part = making.of_numbers(numbers[count : min(limit, count + pulling.part_of(size, count))])
        size += sum(map(len, part))
        texts += part
    while size > pulling.PAGE_BYTES and len(texts) > 1:
        size -= len(texts.pop())
    count = len(texts)
    deletions = making.deletions(numbers[:count])
    read = Read(count, numbers[count - 1] if count else first, count < len(numbers))
    return _joined(begun, read, PullCounts(count - deletions, deletions), texts, ())


def _joined(
    begun: Begun, read: Read, counts: PullCounts, changes: list[bytes], deleted: Sequence[bytes]
) -> bytes:  # fmt: skip
    """In one piece: a copy of ten thousand records takes 1 ms."""
    head, rest = b'{"changes":[', _json(pulling.page(begun, read, counts)).removeprefix(b'{"changes":[')
    if deleted:
        rest = b"%b%b]}" % (rest.removesuffix(b"]}"), b",".join(deleted))
    changes = changes or [b""]
    changes[0] = head + changes[0]
    changes[-1] += rest
    return b",".join(changes)


def _texts(rows: Sequence[Row], device_ids: Mapping[int, str]) -> list[bytes]:
    """Of rows of store.CHANGE, each as msgspec writes its Record. Those of JSON are made here: a struct and its
    encoding take twice as long."""
    of_device = {id: b',"device_id":%b' % _json(name) for id, name in device_ids.items()}
    texts = []
    for row in rows:
        seq, record_id, kind, content, checksum, device, _, updated_at, changed_at = row
        if kind != JSON or checksum is None:
            texts.append(_json(schemas.record_of(row, device_ids)))
            continue
        texts.append(
            b'{"record_id":%b,"operation":"upsert","version":%d,"changed_at":%b,"data":%b,"checksum":"%b"%b%b}'
            % (
                _json(record_id),
                seq,
                _moment(changed_at),
                content,
                hexlify(checksum),
                b"" if updated_at is None else b',"updated_at":%b' % _moment(updated_at),
                of_device.get(device, b""),
            )
        )
    return texts


@lru_cache(1024)
def _moment(at_ms: int) -> bytes:
    """The records of a batch changed at one time."""
    return _json(times.format(at_ms))
