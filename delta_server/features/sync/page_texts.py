"""Pages in JSON, put together of the texts of their records, which are made as they are pushed, and kept: who begins
pulls all of a collection, and one device does so after the other."""

from binascii import hexlify
from bisect import bisect_right
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from itertools import islice

import msgspec

from delta_server.core import times
from delta_server.core.sync.judging import DELETED, JSON
from delta_server.features.devices import service as devices
from delta_server.features.sync import known_texts, pulling, schemas, store
from delta_server.features.sync.known_texts import KnownTexts, Stretch, joined, next_behind, of_texts
from delta_server.features.sync.pulling import Begun, Read, Wanted
from delta_server.features.sync.schemas import PullCounts
from delta_server.features.sync.spaces import Whose
from delta_server.features.sync.store import NewChange
from delta_server.services import Services
from delta_server.storage.database import Row, Tx

_NOTED_BYTES = 1 << 20
"""Of a batch, the texts of whose records are made as it is stored: in 2 ms."""

_json = msgspec.json.Encoder().encode


async def pull_text(svc: Services, whose: Whose, data_type: str, wanted: Wanted) -> bytes:
    """As `pulling.pull`, in JSON."""
    begun = pulling.begin(svc, whose, data_type, wanted)
    if begun.space is None or begun.collection is None:
        return _json(pulling.page(begun, pulling.NOTHING, pulling.NONE))
    return await svc.db.read(_read, begun, begun.space, begun.collection.id, svc.state(KnownTexts))


def _read(tx: Tx, begun: Begun, space: store.Space, collection: int, known: KnownTexts) -> bytes:
    heads, device_ids = store.shown(tx, space.id), devices.device_ids(tx, space.id)
    if not begun.place.is_whole or begun.is_split or begun.wanted.deletions_only or heads != store.HEADS:
        return _read_rows(tx, begun, space.id, collection, heads, device_ids)
    key = known_texts.key(begun.state.epoch, space, collection)
    reading = _Reading(tx, begun, space.id, collection, device_ids, known.of(key))
    text = _read_known(reading)
    known.add(key, joined(reading.found, pulling.PART))
    return text


class _Reading:
    """Of all heads behind a number, as the texts of stretches that follow each other: of those that are `known`, and
    of rows where none is. `found` are those to be known from now on."""

    def __init__(
        self,
        tx: Tx,
        begun: Begun,
        space: int,
        collection: int,
        device_ids: Mapping[int, str],
        known: Sequence[Stretch],
    ) -> None:
        self.tx = tx
        self.begun = begun
        self.space = space
        self.collection = collection
        self.device_ids = device_ids
        self.found: list[Stretch] = []
        self.first = pulling.first(tx, begun, space, collection, store.HEADS)
        self._known = known
        self._place = next_behind(known, self.first)
        self._unchanged = self._find_unchanged()

    def _find_unchanged(self) -> set[int]:
        """Where those begin of which nothing is gone since; of those up to the page's end alone can that be said, for
        another reader may have made one of newer versions."""
        within: list[tuple[int, int]] = []
        counts: list[int] = []
        records = 0
        for stretch in islice(self._known, self._place, None):
            if records > 2 * self.begun.wanted.limit or stretch.until > self.begun.end:
                break
            within.append((stretch.after, stretch.until))
            counts.append(len(stretch.numbers))
            records += counts[-1]
        found = store.count_heads(self.tx, self.collection, within) if within else []
        return {after for (after, _), count, now in zip(within, counts, found, strict=True) if count == now}

    def next(self, at: int, most: int, part: int) -> Stretch:
        """Of `most` records, behind number `at`."""
        end = self.begun.end
        while self._place < len(self._known) and self._known[self._place].until <= at:
            self._place += 1
        known = self._known[self._place] if self._place < len(self._known) else None
        if known is None or known.after > at:
            return self._keep(self._made(at, end if known is None else min(end, known.after), min(most, part)))
        if known.after == at and at in self._unchanged and len(known.numbers) <= most:
            return self._keep(known)
        until = min(end, known.until)
        numbers = store.head_numbers(self.tx, self.collection, at, until, most)
        if not set(numbers).issubset(known.numbers):
            return self._keep(self._made(at, until, min(most, part)))
        left = known.with_only(set(numbers), at, until if len(numbers) < most else numbers[-1])
        return self._keep(left) if (left.after, left.until) == (known.after, known.until) else left

    def _keep(self, stretch: Stretch) -> Stretch:
        self.found.append(stretch)
        return stretch

    def _made(self, at: int, until: int, limit: int) -> Stretch:
        rows = store.heads_after(self.tx, self.collection, self.space, store.HEADS, at, until, limit)
        return _of_rows(at, until if len(rows) < limit else rows[-1][0], rows, self.device_ids)


def _read_known(reading: _Reading) -> bytes:
    begun, limit = reading.begun, reading.begun.wanted.limit
    at = last = reading.first
    count = size = deletions = 0
    texts: list[bytes] = []
    while at < begun.end and count < limit:
        stretch = reading.next(at, limit - count, pulling.part_of(size, count))
        fitting = bisect_right(stretch.contents, pulling.PAGE_BYTES - size)
        is_full = fitting < len(stretch.numbers)
        if is_full:
            stretch = stretch.first(fitting if count else max(1, fitting))
        at = stretch.until
        if stretch.numbers:
            count, size, last = count + len(stretch.numbers), size + stretch.contents[-1], stretch.numbers[-1]
            deletions += len(stretch.deletions)
            texts.append(stretch.text)
        if is_full:
            break
    has_more = at < begun.end and bool(store.head_numbers(reading.tx, reading.collection, at, begun.end, 1))
    return _joined(begun, Read(count, last, has_more), PullCounts(count - deletions, deletions), texts, ())


def _of_rows(after: int, until: int, rows: Sequence[Row], device_ids: Mapping[int, str]) -> Stretch:
    numbers, deletions = [row[0] for row in rows], frozenset([row[0] for row in rows if row[2] == DELETED])
    return of_texts(after, until, numbers, _texts(rows, device_ids), [len(row[3] or b"") for row in rows], deletions)


class Stored(msgspec.Struct, frozen=True):
    """What one device changed in a collection: all that came after number `after` of the space. `newest` was the
    collection's newest one before."""

    key: Hashable
    newest: int
    after: int
    space: store.Space
    heads: Sequence[NewChange]
    device: int
    device_id: str


def note(svc: Services, stored: Stored) -> None:
    """Once it is on disk: others pull soon what one has pushed, and find the texts made."""
    if sum([len(new.content or b"") for new in stored.heads]) > _NOTED_BYTES:
        return
    at, device_ids, made = stored.after, {stored.device: stored.device_id}, []
    for first in range(0, len(stored.heads), pulling.PART):
        rows = [_row(new, stored) for new in stored.heads[first : first + pulling.PART]]
        until = rows[-1][0] if first + pulling.PART < len(stored.heads) else stored.space.seq
        made.append(_of_rows(at, until, rows, device_ids))
        at = until
    svc.state(KnownTexts).extend(stored.key, stored.newest, made, pulling.PART)


def _row(new: NewChange, stored: Stored) -> Row:
    """Of store.CHANGE."""
    return (
        new.seq,
        new.record_id,
        new.kind,
        new.content,
        new.checksum,
        stored.device,
        new.replaces,
        new.updated_at,
        stored.space.changed_at,
    )


def _read_rows(
    tx: Tx, begun: Begun, space: int, collection: int, heads: str, device_ids: Mapping[int, str]
) -> bytes:  # fmt: skip
    own = begun.left_out
    changes: list[bytes] = []
    deleted: list[bytes] = []
    upserts = deletions = 0
    read = pulling.NOTHING
    for rows, read in pulling.parts(tx, begun, space, collection, heads):  # noqa: B007 - read behind the loop
        shown = rows if own is None else [row for row in rows if device_ids.get(row[5]) != own]
        removed = [row for row in shown if row[2] == DELETED]
        upserts, deletions = upserts + len(shown) - len(removed), deletions + len(removed)
        if removed and begun.is_split:
            deleted += _texts(removed, device_ids)
            shown = [row for row in shown if row[2] != DELETED]
        changes += _texts(shown, device_ids)
    return _joined(begun, read, PullCounts(upserts, deletions), changes, deleted)


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
